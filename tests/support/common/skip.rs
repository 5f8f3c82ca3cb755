//! How a test says that it could not run.

use std::io::Write;

/// Says past the test harness, which captures `eprintln`, that something was
/// left out, and in the file `$POTLUCK_TEST_SKIPS`, where `make test` counts it.
///
/// # Panics
/// When that file cannot be written.
pub fn skip(reason: &str) {
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    let line = format!("{test}: {reason}");
    std::io::stderr().write_all(format!("SKIPPED {line}\n").as_bytes()).unwrap();
    if let Some(list) = std::env::var_os("POTLUCK_TEST_SKIPS") {
        let list = std::fs::OpenOptions::new().append(true).create(true).open(list);
        writeln!(list.unwrap(), "{line}").unwrap();
    }
}
