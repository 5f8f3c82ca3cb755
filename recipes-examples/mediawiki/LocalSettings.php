<?php
# MediaWiki's settings: what the app's settings and secrets say. What goes beyond them stands
# in the wiki's own pages, or in a copy of this recipe.
if (!defined('MEDIAWIKI')) {
	exit;
}

$setting = fn(string $name, string $default = '') => (string) (getenv($name) ?: $default);
$secret = fn(string $name) => rtrim((string) file_get_contents("/run/secrets/$name"), "\r\n");
$yes = fn(string $name) => $setting($name) === 'yes';

$wgSitename = $setting('SITE_NAME', 'Wiki');
$wgServer = rtrim($setting('SITE_URL', 'https://' . $setting('DOMAIN')), '/');
$wgScriptPath = '';
$wgArticlePath = '/wiki/$1';
$wgUsePathInfo = true;
$wgLanguageCode = $setting('LOCALE', 'en');

$wgDBtype = 'mysql';
$wgDBserver = $setting('DB_HOST');
$wgDBname = 'mediawiki';
$wgDBuser = 'mediawiki';
$wgDBpassword = $secret('db_password');
$wgDBTableOptions = 'ENGINE=InnoDB, DEFAULT CHARSET=binary';

$wgSecretKey = $secret('secret_key');
$wgUpgradeKey = $secret('upgrade_key');
$wgAuthenticationTokenVersion = '1';

$wgMainCacheType = CACHE_ACCEL;
$wgParserCacheType = CACHE_DB;
# Sessions outlive the container.
$wgSessionCacheType = CACHE_DB;
# The service `jobs` does them, not a visitor's request.
$wgJobRunRate = 0;
$wgCacheDirectory = '/tmp/mediawiki';
$wgTmpDirectory = '/tmp';

$wgEnableUploads = $yes('UPLOADS');
$wgUseImageMagick = is_executable('/usr/bin/convert');
$wgUploadPath = '/images';
$wgUploadDirectory = '/var/www/html/images';

$wgGroupPermissions['*']['read'] = $yes('ANYONE_READS');
$wgGroupPermissions['*']['edit'] = $yes('ANYONE_EDITS');
$wgGroupPermissions['*']['createaccount'] = $yes('ANYONE_REGISTERS');
if (!$yes('ANYONE_READS')) {
	$wgWhitelistRead = ['Special:UserLogin', 'Special:PasswordReset', 'Special:CreateAccount'];
	# Files are asked for through MediaWiki, which looks who asks: see README.md.
	$wgUploadPath = '/img_auth.php';
}

# One proxy, in front of this container, says who asks.
$wgUsePrivateIPs = true;
$wgCdnServersNoPurge = ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16'];
if (PHP_SAPI !== 'cli' && ($_SERVER['HTTP_X_FORWARDED_PROTO'] ?? '') === 'https') {
	$_SERVER['HTTPS'] = 'on';
}

$wgEmergencyContact = $setting('ADMIN_EMAIL');
$wgPasswordSender = $setting('SMTP_FROM', $setting('ADMIN_EMAIL'));
$wgEnableEmail = getenv('SMTP_HOST') !== false && getenv('SMTP_HOST') !== '';
$wgEmailAuthentication = $wgEnableEmail;
if ($wgEnableEmail) {
	require '/etc/mediawiki/mail.php';
	# People are told of changes to their talk page and to what they watch, as their preferences say.
	$wgEnotifUserTalk = true;
	$wgEnotifWatchlist = true;
}

wfLoadSkin('Vector');
$wgDefaultSkin = 'vector-2022';
foreach (preg_split('/[\s,]+/', $setting('EXTENSIONS'), -1, PREG_SPLIT_NO_EMPTY) as $extension) {
	wfLoadExtension($extension);
}
unset($setting, $secret, $yes, $extension);
