//! The plugin against a scripted host, and its scripts against a real SQLite:
//! this machine's.

use std::{
    io::Write,
    path::Path,
    process::{Command as Process, Output, Stdio},
};

use super::*;
use potluck_sdk::testing::Script;

#[test]
fn every_file_is_an_item_by_its_name() {
    let options = r#"{"files": ["/data/app.db", "/data/users/who.sqlite"]}"#;
    let plan = Script::new().options(options).play(Sqlite::plan).result.unwrap();
    let names: Vec<_> = plan
        .iter()
        .map(|item| match item {
            Item::Dump(dump) => (dump.name.as_str(), dump.take.env[0].1.as_str()),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(names, [("app.db", "/data/app.db"), ("who.sqlite", "/data/users/who.sqlite")]);
}

#[test]
fn wrong_files_stop_a_deploy() {
    for (options, part) in [
        ("{}", "missing field `files`"),
        (r#"{"files": []}"#, "names no database"),
        (r#"{"files": ["app.db"]}"#, "not the path of a file"),
        (r#"{"files": ["/data/"]}"#, "not the path of a file"),
        (r#"{"files": ["/a/x.db", "/b/x.db"]}"#, "called `x.db`"),
    ] {
        let to = Transition { before: None, after: None };
        let played = Script::new().options(options).play(|| Sqlite::check(to));
        let message = played.result.unwrap_err().message().to_owned();
        assert!(message.contains(part), "{message}");
    }
}

fn run(script: &str, file: &Path, input: &[u8]) -> Output {
    let mut child = Process::new("sh")
        .args(["-c", script])
        .env("POTLUCK_FILE", file)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A script that takes no input may have ended before.
    let _ = child.stdin.take().unwrap().write_all(input);
    child.wait_with_output().unwrap()
}

/// Where neither sqlite3 nor Python is, there is nothing to test with.
fn sql(file: &Path, statement: &str) -> Option<String> {
    let script = format!("{}\nsql \"$POTLUCK_FILE\" \"$STATEMENT\"", include_str!("sh/prelude.sh"));
    let mut shell = Process::new("sh");
    shell.args(["-c", &script]).env("POTLUCK_FILE", file).env("STATEMENT", statement);
    let output = shell.output().unwrap();
    output.status.success().then(|| String::from_utf8(output.stdout).unwrap().trim().to_owned())
}

#[test]
fn a_copy_goes_back_whole_and_a_broken_one_not_at_all() {
    let folder = std::env::temp_dir().join(format!("std-sqlite-{}'s", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("app.db");
    for statement in [
        "PRAGMA journal_mode = WAL",
        "PRAGMA user_version = 7",
        "CREATE TABLE t (x)",
        "INSERT INTO t SELECT randomblob(1000) FROM (VALUES (1), (2), (3), (4), (5), (6), (7))",
    ] {
        if sql(&file, statement).is_none() {
            eprintln!("SKIPPED: neither sqlite3 nor python3 is here");
            std::fs::remove_dir_all(&folder).unwrap();
            return;
        }
    }
    let count = "SELECT count(*) FROM t";
    let copy = run(TAKE, &file, b"");
    assert!(copy.status.success(), "{}", String::from_utf8_lossy(&copy.stderr));
    assert!(copy.stdout.starts_with(b"SQLite format 3\0"));
    sql(&file, "DELETE FROM t").unwrap();

    for broken in [&copy.stdout[..copy.stdout.len() / 2], b"garbage", b""] {
        let refused = run(PUT_BACK, &file, broken);
        assert!(!refused.status.success());
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(said.contains("untouched"), "{said}");
        assert_eq!(sql(&file, count).unwrap(), "0");
    }

    let back = run(PUT_BACK, &file, &copy.stdout);
    assert!(back.status.success(), "{}", String::from_utf8_lossy(&back.stderr));
    assert_eq!(sql(&file, count).unwrap(), "7");
    assert_eq!(sql(&file, "PRAGMA user_version").unwrap(), "7");

    std::fs::remove_file(&file).unwrap();
    for leftover in ["app.db-wal", "app.db-shm"] {
        let _ = std::fs::remove_file(folder.join(leftover));
    }
    assert!(run(PUT_BACK, &file, &copy.stdout).status.success());
    assert_eq!(sql(&file, count).unwrap(), "7");

    let verified = run(&format!("{}{VERIFY}", store::FINDING), &file, b"");
    let verified = String::from_utf8(verified.stdout).unwrap();
    assert!(verified.starts_with("passed\t") && verified.contains("1 tables"), "{verified}");
    let left: Vec<_> = std::fs::read_dir(&folder)
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().into_string().ok())
        .filter(|name| name.contains("potluck"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
    std::fs::remove_dir_all(&folder).unwrap();
}
