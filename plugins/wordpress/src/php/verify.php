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

// Uploads are looked at by name; a few thousand are proof enough.
$uploads = 0;
$missing = 0;
foreach (get_posts(array('post_type' => 'attachment', 'post_status' => 'any', 'numberposts' => 2000, 'fields' => 'ids')) as $id) {
	$uploads++;
	$file = get_attached_file($id);
	if ($file && !file_exists($file)) {
		$missing++;
	}
}
potluck_check('uploads are there', $missing === 0, $missing ? "$missing of $uploads are missing" : "$uploads files");

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
