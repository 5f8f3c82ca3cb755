<?php
// Stands in front of every script. The script comes on standard input, its
// parameters inside it, so that no value is ever a process argument. Its answer
// is one JSON value on standard output and exit code 0; what WordPress, themes
// and plugins print goes nowhere, unless it is all that is left of a failure.
error_reporting(E_ERROR | E_PARSE | E_CORE_ERROR | E_COMPILE_ERROR | E_USER_ERROR | E_RECOVERABLE_ERROR);
ini_set('display_errors', 'stderr');
ini_set('html_errors', '0');
ini_set('log_errors', '0');

$potluck_input = json_decode(base64_decode('@INPUT@'), true);
$potluck_answered = false;

function potluck_answer($value) {
	global $potluck_answered;
	$potluck_answered = true;
	while (ob_get_level() > 0) {
		ob_end_clean();
	}
	echo json_encode($value, JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE | JSON_INVALID_UTF8_SUBSTITUTE);
	exit(0);
}

function potluck_fail($message) {
	global $potluck_answered;
	$potluck_answered = true;
	while (ob_get_level() > 0) {
		ob_end_clean();
	}
	// STDERR is not defined for a script that comes on standard input.
	file_put_contents('php://stderr', $message . "\n");
	exit(1);
}

// WordPress ends with code 0 on many errors, the database being away among them.
register_shutdown_function(function () {
	global $potluck_answered;
	if ($potluck_answered) {
		return;
	}
	$printed = '';
	while (ob_get_level() > 0) {
		$printed = ob_get_clean() . $printed;
	}
	$printed = preg_replace('#<(style|script|title)\b.*?</\1>#is', ' ', $printed);
	$printed = trim(preg_replace('/\s+/', ' ', html_entity_decode(strip_tags($printed), ENT_QUOTES)));
	$last = error_get_last();
	if ($printed === '' && !$last) {
		$printed = 'WordPress ended without an answer; the site may not be installed';
	}
	if ($printed !== '') {
		file_put_contents('php://stderr', substr($printed, 0, 2000) . "\n");
	}
	exit(1);
});
ob_start();

// WordPress looks at the request for the site's address.
$potluck_url = parse_url($potluck_input['url']);
$_SERVER['HTTP_HOST'] = $potluck_url['host'] . (isset($potluck_url['port']) ? ':' . $potluck_url['port'] : '');
$_SERVER['SERVER_NAME'] = $potluck_url['host'];
$_SERVER['SERVER_PROTOCOL'] = 'HTTP/1.1';
$_SERVER['REQUEST_METHOD'] = 'GET';
$_SERVER['REQUEST_URI'] = '/';
$_SERVER['REMOTE_ADDR'] = '127.0.0.1';
$_SERVER['PHP_SELF'] = '/index.php';
if ($potluck_url['scheme'] === 'https') {
	$_SERVER['HTTPS'] = 'on';
}

chdir('/var/www/html');

// A database that has just started is healthy a moment before its name is known
// to the others. Its host is HOST, HOST:PORT or HOST:/SOCKET.
$potluck_db = explode(':', (string) getenv('WORDPRESS_DB_HOST'), 2);
if ($potluck_db[0] !== '' && (!isset($potluck_db[1]) || ctype_digit($potluck_db[1]))) {
	for ($potluck_try = 0; $potluck_try < 40; $potluck_try++) {
		$potluck_socket = @fsockopen($potluck_db[0], (int) ($potluck_db[1] ?? 3306), $potluck_no, $potluck_text, 2);
		if ($potluck_socket) {
			fclose($potluck_socket);
			break;
		}
		usleep(500000);
	}
}

