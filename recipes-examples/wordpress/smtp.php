<?php
/*
Plugin Name: Mail through a relay
Description: Set by the recipe; SMTP_HOST and the others are the app's settings.

Also sends a message for a test, as WordPress sends its own:
  php wp-content/mu-plugins/smtp.php ada@example.org
*/

if (!defined('ABSPATH')) {
	// Opened by itself: over the web it does nothing.
	if (PHP_SAPI === 'cli') {
		exit((function (string $recipient): int {
			if (!filter_var($recipient, FILTER_VALIDATE_EMAIL)) {
				fwrite(STDERR, "expected a mail address\n");
				return 2;
			}
			// Where WordPress takes the site's address from.
			$_SERVER['HTTP_HOST'] ??= (string) getenv('DOMAIN');
			$_SERVER['REQUEST_METHOD'] ??= 'GET';
			ob_start();
			require dirname(__DIR__, 2) . '/wp-load.php';
			ob_end_clean();
			$said = [];
			add_action('phpmailer_init', function ($mailer) use (&$said) {
				// Level 3 is what the relay says and what the connection does. Who signs in
				// is left out of it, and what we say is left out below.
				$mailer->SMTPDebug = 3;
				$mailer->Debugoutput = function ($line) use (&$said) {
					$said[] = trim($line);
				};
			}, PHP_INT_MAX);
			$reason = 'unknown';
			add_action('wp_mail_failed', function ($error) use (&$reason) {
				$reason = $error->get_error_message();
			});
			$site = wp_specialchars_decode(get_bloginfo('name'), ENT_QUOTES);
			if (wp_mail($recipient, "Test message of $site", 'This site can send mail: ' . home_url())) {
				return 0;
			}
			$told = preg_grep('/^(SERVER -> CLIENT: [45]|Connection failed|Connection: Failed|SMTP ERROR)/', $said);
			// The relay's own words, without what PHP repeats.
			$told = preg_replace(['/^SERVER -> CLIENT: /', '/ \[\/\S+ line \d+\]/'], '', $told);
			fwrite(STDERR, implode("\n", array_unique([...$told, $reason])) . "\n");
			return 1;
		})($argv[1] ?? ''));
	}
	exit;
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
	// Either encrypted or refused: there is no falling back, and no password in the clear.
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
});
