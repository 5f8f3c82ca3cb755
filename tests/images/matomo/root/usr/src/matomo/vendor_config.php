<?php
// Where things are, as upstream has them; Debian has a file of this name.
if (file_exists(__DIR__ . '/bootstrap.php')) {
    require_once __DIR__ . '/bootstrap.php';
}
foreach (['PIWIK_DOCUMENT_ROOT', 'PIWIK_INCLUDE_PATH', 'PIWIK_VENDOR_PATH', 'PIWIK_USER_PATH',
    'MATOMO_PUBLIC_PATH', 'MATOMO_PLUGINS_PATH'] as $name) {
    if (!defined($name)) {
        define($name, __DIR__);
    }
}
if (!defined('MATOMO_TMP_PATH')) {
    define('MATOMO_TMP_PATH', PIWIK_USER_PATH . '/tmp');
}
