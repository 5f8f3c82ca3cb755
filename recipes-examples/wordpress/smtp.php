<?php
/*
Plugin Name: Mail through a relay
Description: Part of the recipe; SMTP_HOST and the others are the app's settings.

Run as a program it sends a message for a test, as WordPress sends its own:
  php wp-content/mu-plugins/smtp.php ada@example.org
*/

if (!defined('ABSPATH')) {
	// Opened by itself: over the web it does nothing.
	if (PHP_SAPI !== 'cli') {
		exit;
	}
	if (!filter_var($argv[1] ?? '', FILTER_VALIDATE_EMAIL)) {
		fwrite(STDERR, "expected a mail address\n");
		exit(2);
	}
	define('SMTP_TEST', $argv[1]);
	// Where WordPress is not installed it ends by itself, as if all were well.
	register_shutdown_function(function () {
		if (!did_action('wp_loaded')) {
			fwrite(STDERR, "WordPress did not start: is it installed?\n");
			exit(1);
		}
	});
	$_SERVER['HTTP_HOST'] = 'localhost';
	$_SERVER['REQUEST_METHOD'] = 'GET';
	// It does not load this file again, which is running already.
	require dirname(__DIR__, 2) . '/wp-load.php';
}

// The relay takes mail of this one sender only, whatever a plugin writes there.
add_filter('wp_mail_from', fn($from) => getenv('SMTP_FROM') ?: $from, PHP_INT_MAX);

add_action('phpmailer_init', function ($mailer) {
	$encryption = getenv('SMTP_ENCRYPTION');
	$user = (string) getenv('SMTP_USER');
	$mailer->isSMTP();
	$mailer->Host = (string) getenv('SMTP_HOST');
	$mailer->Port = (int) getenv('SMTP_PORT');
	$mailer->Timeout = 30;
	$mailer->Sender = (string) getenv('SMTP_FROM');
	// Encrypted or not sent: nothing falls back, and no password goes in the clear.
	$mailer->SMTPSecure = ['starttls' => 'tls', 'tls' => 'ssl'][$encryption] ?? '';
	$mailer->SMTPAutoTLS = false;
	$mailer->SMTPAuth = $user !== '' && $mailer->SMTPSecure !== '';
	if ($mailer->SMTPAuth) {
		$mailer->Username = $user;
		$mailer->Password = rtrim((string) file_get_contents('/run/secrets/smtp_password'), "\r\n");
	}
	if ($authority = getenv('SMTP_CA_FILE')) {
		$mailer->SMTPOptions = ['ssl' => ['cafile' => $authority]];
	}
}, PHP_INT_MAX);

if (defined('SMTP_TEST')) {
	$said = [];
	add_action('phpmailer_init', function ($mailer) use (&$said) {
		// What the relay says and what the connection does.
		$mailer->SMTPDebug = 3;
		$mailer->Debugoutput = function ($line) use (&$said) {
			$said[] = trim($line);
		};
	}, PHP_INT_MAX);
	add_action('wp_mail_failed', function ($error) use (&$said) {
		$said[] = 'failed: ' . $error->get_error_message();
	});
	$site = wp_specialchars_decode(get_bloginfo('name'), ENT_QUOTES);
	if (!wp_mail(SMTP_TEST, "Test message of $site", 'This site can send mail: ' . home_url())) {
		// What comes first is the reason, in the words of the relay or of PHP.
		$why = preg_grep('/^(SERVER -> CLIENT: [45]\d\d |Connection failed\. |Invalid host|failed: )/', $said);
		$why = preg_replace('/^(SERVER -> CLIENT|Connection failed\. Error #\d+|failed): |stream_\w+\(\): | \[\/.* line \d+\]/', '', reset($why));
		fwrite(STDERR, substr(preg_replace('/\s+/', ' ', $why), 0, 500) . "\n");
		exit(1);
	}
}
