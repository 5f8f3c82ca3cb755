//! A test with a process to itself.

/// Whether this process runs the test of that name alone, for what only a whole
/// process can tell; else runs such a one, which has to succeed.
pub fn is_alone(test: &str) -> bool {
    const ALONE: &str = "POTLUCK_TEST_ALONE";
    if std::env::var_os(ALONE).is_some_and(|name| name == test) {
        return true;
    }
    let status = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test])
        .env(ALONE, test)
        .status()
        .unwrap();
    assert!(status.success(), "{test}: {status}");
    false
}
