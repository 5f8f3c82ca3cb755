<?php
# Sends the wiki's mail through the relay of the app's settings. MediaWiki's own way
# ($wgSMTP) would send the password in the clear to a relay that offers no encryption.
if (!defined('MEDIAWIKI')) {
	exit;
}

$wgHooks['AlternateUserMailer'][] = function ($headers, $to, $from, $subject, $body) {
	$encryption = getenv('SMTP_ENCRYPTION');
	$host = (string) getenv('SMTP_HOST');
	$tls = array_filter([
		'verify_peer' => true,
		'verify_peer_name' => true,
		'peer_name' => $host,
		'cafile' => (string) getenv('SMTP_CA_FILE'),
	]);
	$smtp = new Net_SMTP(
		($encryption === 'tls' ? 'ssl://' : '') . $host, (int) getenv('SMTP_PORT'),
		(string) getenv('DOMAIN'), false, 30, ['ssl' => $tls]
	);
	$recipients = array_map(fn($it) => $it->address, is_array($to) ? $to : [$to]);
	$headers += ['To' => implode(', ', $recipients)];
	$headers['Subject'] = UserMailer::quotedPrintable($subject);
	# No line of a header begins another one.
	$head = '';
	foreach ($headers as $name => $value) {
		$head .= $name . ': ' . preg_replace('/\s*[\r\n]+\s*/', ' ', $value) . "\r\n";
	}
	$user = (string) getenv('SMTP_USER');
	$steps = ['connecting' => fn() => $smtp->connect(30)];
	if ($encryption === 'starttls') {
		# Encrypted or not sent.
		$steps['encrypting'] = fn() => $smtp->starttls() ?: PEAR::raiseError('the relay offers no STARTTLS');
	}
	if ($user !== '' && $encryption !== 'none') {
		$password = rtrim((string) file_get_contents('/run/secrets/smtp_password'), "\r\n");
		$steps['the account'] = fn() => $smtp->auth($user, $password, '', false);
	}
	# The relay takes mail of this one sender only.
	$steps['the sender'] = fn() => $smtp->mailFrom((string) getenv('SMTP_FROM'));
	foreach ($recipients as $recipient) {
		$steps["the recipient $recipient"] = fn() => $smtp->rcptTo($recipient);
	}
	$steps['the message'] = fn() => $smtp->data(preg_replace('/\r?\n/', "\r\n", $body), rtrim($head));
	foreach ($steps as $what => $step) {
		$done = $step();
		if (PEAR::isError($done)) {
			[$code, $words] = $smtp->getResponse();
			$why = $code >= 400 ? "$code $words" : $done->getMessage();
			@$smtp->disconnect();
			# A job is tried again; a person who waits for it is told that it failed.
			throw new RuntimeException("$what: $why");
		}
	}
	$smtp->disconnect();
	return false;
};
