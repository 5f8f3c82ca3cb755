//! Exit codes and the wording of what goes wrong before anything runs.

mod cli_support;

use std::process::Stdio;

use cli_support::Lab;
use insta::assert_snapshot;

#[test]
fn nothing_at_all_shows_the_help() {
    let run = Lab::new().run(&[]);
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("Usage: potluck"), "{run}");
}

#[test]
fn an_unknown_command_is_wrong_use() {
    assert_snapshot!(Lab::new().run(&["app", "deplyo", "x"]), @"");
}

#[test]
fn an_unknown_app_is_named() {
    let lab = Lab::with_tiny_app();
    assert_snapshot!(lab.run(&["app", "ps", "t.exmaple"]), @"");
    assert_snapshot!(lab.run(&["app", "deploy", "other.org"]), @"");
}

#[test]
fn a_name_that_is_none_is_wrong_use() {
    assert_snapshot!(Lab::new().run(&["app", "ps", "../etc"]), @"");
}

#[test]
fn a_grant_that_is_none_is_wrong_use() {
    let lab = Lab::with_tiny_app();
    assert_snapshot!(lab.run(&["app", "deploy", "t.example", "--grant", "root: everything"]), @"");
}

#[test]
fn an_unreachable_server_is_named_with_its_reason() {
    let lab = Lab::new();
    let socket = format!("unix://{}", lab.path("none.sock").display());
    assert_snapshot!(lab.run(&["server", "add", "here", &socket]), @"");
    let run = lab.run(&["server", "add", "here", &socket, "--offline"]);
    assert_eq!(run.code, 0, "{run}");
    assert_snapshot!(lab.run(&["server", "ls", "--status"]), @"");

    lab.tiny_recipe();
    let run = lab.run(&["app", "new", "./tiny", "--domain", "t.example"]);
    assert_eq!(run.code, 0, "{run}");
    assert_snapshot!(lab.run(&["app", "ps", "t.example"]), @"");
    assert_snapshot!(lab.run(&["app", "ls", "--status"]), @"");
}

#[test]
fn an_endpoint_that_is_none_is_refused() {
    assert_snapshot!(Lab::new().run(&["server", "add", "x", "ftp://y"]), @"");
}

#[test]
fn a_closed_pipe_ends_quietly() {
    let lab = Lab::new();
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_potluck"))
        .args(["completions", "bash"])
        .env("POTLUCK_DIR", lab.path("potluck"))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert!(output.status.success());
}

#[test]
fn without_a_terminal_nothing_is_asked() {
    let lab = Lab::new();
    assert_snapshot!(lab.run(&["app", "new"]), @"");
    lab.tiny_recipe();
    assert_snapshot!(lab.run(&["app", "new", "./tiny", "--no-input"]), @"");
    let lab = Lab::with_tiny_app();
    assert_snapshot!(lab.run(&["app", "rm", "t.example", "-n"]), @"");
    assert_snapshot!(lab.run(&["app", "secret", "rm", "t.example", "--all"]), @"");
    assert_snapshot!(lab.run(&["app", "config", "t.example"]), @"");
}

#[test]
fn colours_come_only_when_asked_for() {
    let lab = Lab::new();
    let plain = lab.run(&["app", "ps", "x"]);
    assert!(!plain.stderr.contains('\x1b'), "{plain}");
    let coloured = lab.run(&["--color=always", "app", "ps", "x"]);
    assert!(coloured.stderr.contains("\x1b["), "{coloured}");
}

#[test]
fn completions_are_scripts() {
    let lab = Lab::new();
    for (shell, sign) in [("bash", "complete -F"), ("zsh", "#compdef"), ("fish", "complete -c")] {
        let run = lab.run(&["completions", shell]);
        assert!(run.code == 0 && run.stdout.contains(sign), "{shell}");
    }
}
