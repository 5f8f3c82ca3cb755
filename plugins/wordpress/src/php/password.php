// Sets one person's password, which ends all their sessions.
require 'wp-load.php';

$user = get_user_by('login', $potluck_input['user']);
if (!$user) {
	$user = get_user_by('email', $potluck_input['user']);
}
if (!$user) {
	potluck_fail("nobody is called {$potluck_input['user']} on this site");
}
wp_set_password(wp_slash($potluck_input['password']), $user->ID);
potluck_answer($user->user_login);
