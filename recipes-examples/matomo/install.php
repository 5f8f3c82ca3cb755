<?php
# What Matomo's pages for the installation do, without a person: tables, the first account,
# and the first website.
use Piwik\Access;
use Piwik\Config;
use Piwik\Db;
use Piwik\DbHelper;
use Piwik\Plugins\SitesManager\API as Sites;
use Piwik\Plugins\UsersManager\API as Users;
use Piwik\Plugins\UsersManager\UserUpdater;
use Piwik\Updater;
use Piwik\Version;

# Until it is installed, this says so: what a killed start left is begun anew.
$settings = '/data/config/config.ini.php';
$again = file_exists($settings);
file_put_contents($settings, "; <?php exit; ?> DO NOT REMOVE THIS LINE\n[General]\ninstallation_in_progress = 1\n");

define('PIWIK_DOCUMENT_ROOT', '/var/www/html');
if (file_exists(PIWIK_DOCUMENT_ROOT . '/vendor_config.php')) {
	# Debian's.
	require_once PIWIK_DOCUMENT_ROOT . '/vendor_config.php';
}
require_once PIWIK_DOCUMENT_ROOT . '/bootstrap.php';
defined('PIWIK_INCLUDE_PATH') || define('PIWIK_INCLUDE_PATH', PIWIK_DOCUMENT_ROOT);
require_once PIWIK_INCLUDE_PATH . '/core/bootstrap.php';

$environment = new \Piwik\Application\Environment('cli');
$environment->init();
\Piwik\FrontController::getInstance();

$plugins = \Piwik\Plugin\Manager::getInstance();
$plugins->loadActivatedPlugins();

if ($again) {
	$plugins->clearPluginsInstalledConfig();
	Db::dropAllTables();
}
DbHelper::createTables();
DbHelper::createAnonymousUser();
DbHelper::recordInstallVersion();
Access::doAsSuperUser(function () use ($plugins) {
	$plugins->installLoadedPlugins();
	$updater = new Updater();
	$components = $updater->getComponentUpdates();
	if ($components) {
		$updater->updateComponents($components);
	}
	$name = getenv('ADMIN_USER');
	$password = rtrim(file_get_contents('/tmp/admin_password'), "\r\n");
	Users::getInstance()->addUser($name, $password, getenv('ADMIN_EMAIL'));
	(new UserUpdater())->setSuperUserAccessWithoutCurrentPassword($name, true);
	Sites::getInstance()->addSite(
		getenv('FIRST_SITE_NAME'), [getenv('FIRST_SITE_URL')],
		null, null, null, null, null, null, getenv('TIMEZONE')
	);
});
# From now on it is installed.
$config = Config::getInstance();
unset($config->General['installation_in_progress']);
$config->forceSave();
Updater::recordComponentSuccessfullyUpdated('core', Version::VERSION);
