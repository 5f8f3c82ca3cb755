// Everyone who can sign in.
require 'wp-load.php';

$people = array();
foreach (get_users(array('orderby' => 'login')) as $user) {
	$people[] = array(
		'login' => $user->user_login,
		'email' => $user->user_email,
		'roles' => array_values($user->roles),
	);
}
potluck_answer($people);
