// Whether the site's data is there and readable: a list of checks.
require 'wp-load.php';

$checks = array();

function potluck_check($name, $passed, $detail = null) {
	global $checks;
	$checks[] = array('name' => $name, 'passed' => (bool) $passed, 'detail' => $detail);
}

$home = get_option('home');
potluck_check('options are readable', is_blog_installed() && $home !== false, $home ?: null);
$posts = $wpdb->get_var("SELECT COUNT(*) FROM {$wpdb->posts}");
potluck_check('posts are readable', is_numeric($posts), is_numeric($posts) ? "$posts posts" : $wpdb->last_error);
$admins = count(get_users(array('role' => 'administrator', 'fields' => 'ID')));
potluck_check('an administrator exists', $admins > 0, "administrators: $admins");
$theme = wp_get_theme();
potluck_check('the theme is there', $theme->exists(), $theme->get_stylesheet());

// What the media library names is looked for; a few thousand are proof enough.
$media = 0;
$missing = 0;
foreach (get_posts(array('post_type' => 'attachment', 'post_status' => 'any', 'numberposts' => 2000, 'fields' => 'ids')) as $id) {
	$media++;
	$file = get_attached_file($id);
	if ($file && !file_exists($file)) {
		$missing++;
	}
}
// Not every upload is in the library: plugins, and people by other ways, put files
// beside it.
$files = 0;
$uploads = wp_get_upload_dir()['basedir'];
if (is_dir($uploads)) {
	$below = new RecursiveIteratorIterator(
		new RecursiveDirectoryIterator($uploads, FilesystemIterator::SKIP_DOTS),
		RecursiveIteratorIterator::LEAVES_ONLY,
		RecursiveIteratorIterator::CATCH_GET_CHILD
	);
	foreach ($below as $file) {
		if ($file->isFile() && ++$files === 100000) {
			break;
		}
	}
}
$counted = $files === 1 ? '1 file' : ($files === 100000 ? '100000 files or more' : "$files files");
potluck_check('uploads are there', $missing === 0, $missing ? "$missing of $media in the media library are missing" : $counted);

$context = stream_context_create(array('http' => array(
	'header' => 'Host: ' . $_SERVER['HTTP_HOST'] . "\r\n" .
		(isset($_SERVER['HTTPS']) ? "X-Forwarded-Proto: https\r\n" : ''),
	'timeout' => 20,
	'follow_location' => 0,
	'ignore_errors' => true,
)));
$page = @file_get_contents('http://127.0.0.1/', false, $context);
$status = $page === false ? '' : $http_response_header[0];
potluck_check('the front page answers', preg_match('#^HTTP/\S+ 200 #', $status . ' '), $status ?: null);

potluck_answer($checks);
