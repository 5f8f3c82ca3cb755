// Runs the tasks that are due, as a visit of wp-cron.php would.
define('DOING_CRON', true);
require 'wp-load.php';

$names = array();
foreach (wp_get_ready_cron_jobs() as $timestamp => $hooks) {
	foreach ($hooks as $hook => $events) {
		foreach ($events as $event) {
			if ($event['schedule']) {
				wp_reschedule_event($timestamp, $event['schedule'], $hook, $event['args']);
			}
			wp_unschedule_event($timestamp, $hook, $event['args']);
			do_action_ref_array($hook, $event['args']);
			$names[] = $hook;
		}
	}
}
potluck_answer($names);
