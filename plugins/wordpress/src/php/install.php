// Installs the site if it isn't, brings its tables up to the files' version, and
// gives it its address. Any step may have been done before.
define('WP_INSTALLING', true);
require 'wp-load.php';
require ABSPATH . 'wp-admin/includes/upgrade.php';

// No mail server is there yet to announce the site with, and the site can't
// reach itself before it has its address.
add_filter('pre_wp_mail', '__return_true');

$done = array('installed' => false, 'upgraded' => false, 'moved_from' => null, 'locale_failed' => false);

function potluck_admin_password() {
	$file = '/run/secrets/admin_password';
	$password = is_readable($file) ? rtrim((string) file_get_contents($file), "\r\n") : '';
	if ($password === '') {
		potluck_fail("the secret admin_password is not readable in this service");
	}
	return $password;
}

if (!is_blog_installed()) {
	if (!$potluck_input['may_install']) {
		potluck_fail('the database holds no WordPress site');
	}
	$locale = $potluck_input['locale'];
	if ($locale !== '' && $locale !== 'en_US') {
		require_once ABSPATH . 'wp-admin/includes/file.php';
		require_once ABSPATH . 'wp-admin/includes/translation-install.php';
		if (wp_download_language_pack($locale) === $locale) {
			load_default_textdomain($locale);
			$GLOBALS['wp_locale'] = new WP_Locale();
		} else {
			$done['locale_failed'] = true;
			$locale = '';
		}
	}
	add_filter('pre_http_request', function () {
		return new WP_Error('potluck', 'no requests while installing');
	});
	wp_install(
		$potluck_input['title'], $potluck_input['admin_user'], $potluck_input['admin_email'],
		true, '', wp_slash(potluck_admin_password()), $locale
	);
	wp_cache_flush();
	if (!is_blog_installed()) {
		potluck_fail('WordPress did not install: ' . $wpdb->last_error);
	}
	$done['installed'] = true;
} elseif ((int) get_option('db_version') !== (int) $wp_db_version) {
	wp_upgrade();
	$done['upgraded'] = true;
}

// An installation that was cut short has tables, but nobody to sign in.
if ($potluck_input['may_install'] && !get_users(array('role' => 'administrator', 'number' => 1, 'fields' => 'ID'))) {
	$id = wp_insert_user(array(
		'user_login' => $potluck_input['admin_user'],
		'user_email' => $potluck_input['admin_email'],
		'user_pass' => wp_slash(potluck_admin_password()),
		'role' => 'administrator',
	));
	if (is_wp_error($id)) {
		potluck_fail('the administrator could not be created: ' . $id->get_error_message());
	}
}

$before = untrailingslashit((string) get_option('home'));
foreach (array('siteurl', 'home') as $name) {
	if (untrailingslashit((string) get_option($name)) !== $potluck_input['url']) {
		update_option($name, $potluck_input['url']);
	}
}
if (!$done['installed'] && $before !== $potluck_input['url']) {
	$done['moved_from'] = $before;
}
wp_cache_flush();

// Made here, the folder belongs to the web server, whoever writes there first.
$uploads = wp_upload_dir();
if ($uploads['error']) {
	potluck_fail('uploads have no place: ' . $uploads['error']);
}
potluck_answer($done);
