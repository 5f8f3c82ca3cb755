<?php
# Sends a message for a test, as the wiki sends its own:
#   php /send-test.php ada@example.org
require_once '/var/www/html/maintenance/Maintenance.php';

class SendTest extends Maintenance {
	public function __construct() {
		parent::__construct();
		$this->addArg('recipient', 'mail address');
	}

	public function execute() {
		global $wgPasswordSender, $wgSitename, $wgServer;
		$to = $this->getArg(0);
		if (!Sanitizer::validateEmail($to)) {
			$this->fatalError('expected a mail address');
		}
		try {
			$status = UserMailer::send(
				[new MailAddress($to)],
				new MailAddress($wgPasswordSender, $wgSitename),
				"Test message of $wgSitename",
				"This wiki can send mail: $wgServer"
			);
			$why = $status->isOK() ? '' : $status->getMessage(false, false, 'en')->text();
		} catch (RuntimeException $error) {
			$why = $error->getMessage();
		}
		if ($why !== '') {
			# The relay's own words, on one line.
			$this->fatalError(substr(trim(preg_replace('/\s+/', ' ', strip_tags($why))), 0, 500));
		}
	}
}

$maintClass = SendTest::class;
require_once RUN_MAINTENANCE_IF_MAIN;
