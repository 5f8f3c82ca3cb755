//! A test with a process to itself.

use std::{
    env,
    process::{Command, ExitStatus},
};

/// The name by which the harness knows the test that calls this.
///
/// # Panics
/// Where it is not called on the thread of a test.
pub fn this_test() -> String {
    let thread = std::thread::current();
    thread.name().filter(|name| *name != "main").expect("the thread of a test").to_owned()
}

/// A process that runs the test which calls this, and no other.
///
/// # Panics
/// As [`this_test`].
pub fn this_test_alone() -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", &this_test()]);
    command
}

/// Whether this process runs the test that calls this alone, for what only a
/// whole process can tell; else runs such a one, which has to succeed.
pub fn is_alone() -> bool {
    const ALONE: &str = "POTLUCK_TEST_ALONE";
    if env::var_os(ALONE).is_some() {
        return true;
    }
    let status: ExitStatus = this_test_alone().env(ALONE, "1").status().unwrap();
    assert!(status.success(), "alone: {status}");
    false
}
