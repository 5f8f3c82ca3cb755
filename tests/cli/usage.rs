//! Exit codes and the wording of what goes wrong before anything runs.

use crate::support::cli;

use std::process::Stdio;

use cli::Lab;
use insta::{assert_json_snapshot, assert_snapshot};

#[test]
fn nothing_at_all_shows_the_help() {
    let run = Lab::new().run(&[]);
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("Usage: potluck"), "{run}");
}

#[test]
fn an_unknown_command_is_wrong_use() {
    assert_snapshot!(Lab::new().run(&["app", "deplyo", "x"]), @r"
    exit code 2
    --- stderr
    error: unrecognized subcommand 'deplyo'

      tip: some similar subcommands exist: 'undeploy', 'deploy'

    Usage: potluck app [OPTIONS] <COMMAND>

    For more information, try '--help'.
    ");
}

#[test]
fn an_unknown_app_is_named() {
    let lab = Lab::with_tiny_app();
    assert_snapshot!(lab.run(&["app", "ps", "t.exmaple"]), @r"
    exit code 1
    --- stderr
    error: no app is called `t.exmaple`
    hint: did you mean `t.example`?
    ");
    assert_snapshot!(lab.run(&["app", "deploy", "other.org"]), @r"
    exit code 1
    --- stderr
    error: no app is called `other.org`
    hint: `potluck app ls` lists the apps
    ");
}

#[test]
fn a_name_that_is_none_is_wrong_use() {
    assert_snapshot!(Lab::new().run(&["app", "ps", "../etc"]), @r"
    exit code 2
    --- stderr
    error: invalid value '../etc' for '<APP>': app name `../etc` is not valid: it must begin with a letter or a digit

    For more information, try '--help'.
    ");
}

#[test]
fn a_grant_that_is_none_is_wrong_use() {
    let lab = Lab::with_tiny_app();
    assert_snapshot!(lab.run(&["app", "deploy", "t.example", "--grant", "root: everything"]), @r"
    exit code 2
    --- stderr
    error: invalid value 'root: everything' for '--grant <GRANT>': `root: everything` is not a grant: there is no such capability; a grant is written `exec: SERVICE`, `secret: NAME` or `http: ORIGIN`

    For more information, try '--help'.
    ");
}

#[test]
fn an_unreachable_server_is_named_with_its_reason() {
    let lab = Lab::new();
    let socket = format!("unix://{}", lab.path("none.sock").display());
    assert_snapshot!(lab.run(&["server", "add", "here", &socket]), @r"
    exit code 1
    --- stderr
    error: cannot reach the Docker engine at unix://[LAB]/none.sock: there is no socket at [LAB]/none.sock
    hint: check that the engine runs and that you may use its socket
    hint: pass `--offline` to add it without asking it first
    ");
    let run = lab.run(&["server", "add", "here", &socket, "--offline"]);
    assert_eq!(run.code, 0, "{run}");
    assert_json_snapshot!(lab.json(&["server", "ls", "--status", "--json"]), @r#"
    [
      {
        "name": "here",
        "endpoint": "unix://[LAB]/none.sock",
        "apps": 0,
        "status": "cannot reach the Docker engine at unix://[LAB]/none.sock: there is no socket at [LAB]/none.sock"
      }
    ]
    "#);

    lab.tiny_recipe();
    let run = lab.run(&["app", "new", "./tiny", "--domain", "t.example"]);
    assert_eq!(run.code, 0, "{run}");
    assert_snapshot!(lab.run(&["app", "ps", "t.example"]), @r"
    exit code 1
    --- stderr
    error: cannot reach the Docker engine at unix://[LAB]/none.sock: there is no socket at [LAB]/none.sock
    hint: check that the engine runs and that you may use its socket
    ");
    assert_snapshot!(lab.run(&["app", "ls", "--status"]), @r"
    exit code 0
    --- stdout
    APP        SERVER  RECIPE  PINNED  DEPLOYED  NEWEST  STATUS
    t.example  here    tiny    -       -         -       unknown
    --- stderr
    warning: cannot reach the Docker engine at unix://[LAB]/none.sock: there is no socket at [LAB]/none.sock
    ");
}

#[test]
fn an_endpoint_that_is_none_is_refused() {
    assert_snapshot!(Lab::new().run(&["server", "add", "x", "ftp://y"]), @r"
    exit code 1
    --- stderr
    error: `ftp://y` is not an endpoint: only `unix://`, `ssh://`, `tcp://` and `simulated` are supported
    hint: endpoints are `unix:///path/to/socket`, `ssh://[user@]host[:port]`, `tcp://host:port?certificates=/path/to/folder` or `simulated`
    ");
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
    assert_snapshot!(lab.run(&["app", "new"]), @r"
    exit code 2
    --- stderr
    error: no recipe is given
    hint: `potluck app new RECIPE`, with a name, a folder or a git URL
    ");
    lab.tiny_recipe();
    assert_snapshot!(lab.run(&["app", "new", "./tiny", "--no-input"]), @r"
    exit code 2
    --- stderr
    error: there are no servers yet
    hint: `potluck server add --local` adds this machine; `--server simulated` needs none
    ");
    let lab = Lab::with_tiny_app();
    assert_snapshot!(lab.run(&["app", "rm", "t.example", "-n"]), @r"
    exit code 6
    --- stderr
    Deletes the settings and the lock file of t.example.
    error: removing t.example deletes its secrets, volumes and settings, which needs your consent
    hint: pass `--yes`
    ");
    assert_snapshot!(lab.run(&["app", "secret", "rm", "t.example", "--all"]), @r"
    exit code 6
    --- stderr
    error: removing all secrets of t.example needs your consent
    hint: pass `--yes`
    ");
    assert_snapshot!(lab.run(&["app", "config", "t.example"]), @r"
    exit code 2
    --- stderr
    error: an editor needs a terminal
    hint: pass `--set KEY=VALUE` or `--get KEY`
    ");
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
