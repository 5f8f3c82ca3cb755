//! `app run` and prompts at a terminal, which script(1) makes: on the real
//! engine, in a service that this test deploys.

use crate::support::cli;
use crate::support::common;
use crate::support::hostile::guests;

use std::{
    io::{Read, Write},
    process::{Command, Stdio},
};

use cli::Lab;

/// Of this process: others may run the same tests on the same swarm.
fn app() -> String {
    format!("cli-terminal{}.example", std::process::id())
}

/// What is typed and what comes back, through a terminal of 40 by 120.
fn at_a_terminal(lab: &Lab, command: &str, typed: &str) -> (i32, String) {
    when_asked(lab, command, "", || {}, typed)
}

/// The same; nothing is typed before this text came and this was done.
fn when_asked(
    lab: &Lab,
    command: &str,
    asked: &str,
    meanwhile: impl FnOnce(),
    typed: &str,
) -> (i32, String) {
    let program = env!("CARGO_BIN_EXE_potluck");
    // A prompt that does not come must not hang the tests.
    let mut child = Command::new("timeout")
        .args(["--foreground", "600", "script"])
        .args(["--quiet", "--return", "--command"])
        .arg(format!("stty rows 40 cols 120; {program} {command}"))
        .arg("/dev/null")
        .env("POTLUCK_DIR", lab.path("potluck"))
        .env("HOME", lab.path("home"))
        .env("NO_COLOR", "1")
        .env("TERM", "xterm")
        .current_dir(lab.path(""))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut stdout = child.stdout.take().unwrap();
    let mut seen = Vec::new();
    while !String::from_utf8_lossy(&seen).contains(asked) {
        let mut some = [0; 4096];
        let read = stdout.read(&mut some).unwrap();
        assert_ne!(read, 0, "{}", String::from_utf8_lossy(&seen));
        seen.extend(&some[..read]);
    }
    meanwhile();
    stdin.write_all(typed.as_bytes()).unwrap();
    stdin.flush().unwrap();
    stdout.read_to_end(&mut seen).unwrap();
    let status = child.wait().unwrap();
    drop(stdin);
    (status.code().unwrap_or(-1), String::from_utf8_lossy(&seen).into_owned())
}

fn has_script() -> bool {
    let found = Command::new("script").arg("--version").output().is_ok();
    if !found {
        common::skip("there is no script(1) to make a terminal with");
    }
    found
}

/// The tiny recipe's service on the real engine, without its secrets.
struct Deployed<'a>(&'a Lab);

impl<'a> Deployed<'a> {
    fn new(lab: &'a Lab) -> Self {
        lab.write("plain/compose.yml", COMPOSE);
        lab.write("plain/.env.sample", "TYPE=plain\nDOMAIN=plain.example.org\n");
        let deployed = Deployed(lab);
        let endpoint = common::endpoint();
        for arguments in [
            &["server", "add", "here", &endpoint][..],
            &["app", "new", "./plain", "--domain", &app()],
            &["app", "deploy", &app(), "--no-input"],
        ] {
            let run = lab.run(arguments);
            assert_eq!(run.code, 0, "{run}");
        }
        deployed
    }
}

impl Drop for Deployed<'_> {
    fn drop(&mut self) {
        let run = self.0.run(&["app", "undeploy", &app(), "--yes"]);
        eprintln!("{run}");
    }
}

const COMPOSE: &str = r#"
services:
  app:
    image: potluck-test/busybox:1
    command: ["sh", "-c", "echo to stdout; echo to stderr >&2; trap exit TERM; while :; do sleep 0.2; done"]
    deploy:
      endpoint_mode: dnsrr
"#;

#[test]
fn a_program_gets_what_it_is_run_with() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    if runtime.block_on(common::real_engine()).is_none() {
        return;
    }
    let lab = Lab::new();
    let _deployed = Deployed::new(&lab);
    let app = app();

    // Streams stay apart, and bytes stay bytes.
    let run = lab.run_with(
        &["app", "run", &app, "app", "--", "sh", "-c", "tr a-z A-Z; echo oops >&2; exit 7"],
        b"piped\0through\n",
    );
    assert_eq!((run.code, run.stdout.as_str()), (7, "PIPED\0THROUGH\n"), "{run}");
    assert_eq!(run.stderr, "oops\n");

    // Without input there is none.
    let run = lab.run_with(&["-n", "app", "run", &app, "app", "cat"], b"not for you");
    assert_eq!((run.code, run.stdout.as_str()), (0, ""), "{run}");

    let run = lab.run(&["app", "run", &app, "web", "true"]);
    assert_eq!(run.code, 1, "{run}");
    assert!(run.stderr.contains("no service `web`; it has app"), "{run}");

    let run = lab.run(&["app", "logs", &app]);
    assert!(run.stdout.contains("app | to stdout\n"), "{run}");
    assert!(run.stdout.contains("app | to stderr\n"), "{run}");

    if !has_script() {
        return;
    }
    // The size comes after the start: it is waited for, a minute at most.
    let script = "tty; i=0; while [ \"$(stty size)\" != \"40 120\" ] && [ $i -lt 600 ]; do \
                  sleep 0.1; i=$((i + 1)); done; stty size; exit 5";
    let (code, seen) = at_a_terminal(&lab, &format!("app run {app} app -- sh -c '{script}'"), "");
    assert_eq!(code, 5, "{seen}");
    assert!(seen.contains("/dev/pts/"), "{seen}");
    assert!(seen.contains("40 120"), "{seen}");

    // Keys go to the program, and its end is the end.
    let (code, seen) =
        at_a_terminal(&lab, &format!("app run {app} app sh"), "echo $((6 * 7))\nexit 3\n");
    assert_eq!(code, 3, "{seen}");
    assert!(seen.contains("42"), "{seen}");
}

#[test]
fn at_a_terminal_a_deletion_is_asked_for() {
    if !has_script() {
        return;
    }
    let lab = Lab::with_tiny_app();
    let env = lab.path("potluck/servers/simulated/t.example.env");
    let (code, seen) = at_a_terminal(&lab, "app rm t.example", "n\r");
    assert_ne!(code, 0, "{seen}");
    assert!(seen.contains("There is no way back"), "{seen}");
    assert!(env.exists());
    let (code, seen) = at_a_terminal(&lab, "app rm t.example", "y\r");
    assert_eq!(code, 0, "{seen}");
    assert!(!env.exists(), "{seen}");
}

#[test]
fn at_a_terminal_the_passphrase_of_a_key_is_asked_for() {
    if !has_script() {
        return;
    }
    let lab = Lab::with_tiny_app();
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "geheim", "-C", "me", "-f"])
        .arg(lab.path("key"))
        .status();
    assert!(made.unwrap().success());
    let public = std::fs::read_to_string(lab.path("key.pub")).unwrap();
    assert_eq!(lab.run(&["key", "add", public.trim()]).code, 0);
    let made = lab.run(&["app", "secret", "generate", "t.example", "token", "--show"]);
    let value = made.stdout.trim().strip_prefix("token ").unwrap();
    let show = ["app", "secret", "show", "t.example", "token", "--identity", "key"];
    let run = lab.run(&show);
    assert!(run.code == 1 && run.stderr.contains("nobody can be asked"), "{run}");
    for (typed, code, words) in [
        ("geheim\r", 0, value),
        ("falsch\r", 1, "the passphrase is wrong"),
        ("\u{3}", 130, "nothing was done"),
    ] {
        let (ended, seen) = when_asked(&lab, &show.join(" "), "Passphrase of", || {}, typed);
        assert_eq!(ended, code, "{seen}");
        assert!(seen.contains(words), "{words}: {seen}");
        assert!(!seen.contains(typed.trim()) || code == 130, "{seen}");
    }
}

#[test]
fn at_a_terminal_a_question_that_is_left_is_no_answer() {
    if !has_script() {
        return;
    }
    let lab = Lab::with_tiny_app();
    for arguments in [
        &["app", "secret", "generate", "t.example", "-q"][..],
        &["app", "secret", "insert", "t.example", "mail_password", "-q"],
    ] {
        assert_eq!(lab.run_with(arguments, b"x\n").code, 0);
    }
    for (typed, code, words) in [
        ("\u{3}", 130, "interrupted: nothing of the app was changed"),
        ("\u{1b}", 130, "interrupted: nothing of the app was changed"),
        ("n\r", 6, "was not agreed to; nothing was changed"),
    ] {
        let (ended, seen) = when_asked(&lab, "app deploy t.example", "Go ahead?", || {}, typed);
        assert_eq!(ended, code, "{seen}");
        assert!(seen.contains(words), "{words}: {seen}");
    }
}

/// A recipe of one version, whose plugin says something in its `check`; the tag
/// moves to what was written last.
fn recipe_with_plugin(lab: &Lab, says: &str) {
    lab.write("tiny/compose.yml", COMPOSE);
    lab.write("tiny/.env.sample", "TYPE=tiny\nDOMAIN=tiny.example.org\n");
    lab.write(
        "tiny/recipe.yml",
        "plugins:\n  - name: helper\n    component: helper.wasm\n    grants: [{exec: app}]\n",
    );
    let data = format!(r#"(data (i32.const 256) "{says}")"#);
    let check = format!(
        "(call $log (i32.const 1) (i32.const 256) (i32.const {})) (i32.const 64)",
        says.len()
    );
    let component = guests::lifecycle(&[guests::LOG], &data, &check);
    std::fs::write(lab.path("tiny/helper.wasm"), component).unwrap();
    lab.release("1.0.0+1");
}

fn app_with_plugin() -> Lab {
    // A folder that was linked: of one with versions there would be a clone.
    let lab = Lab::with_tiny_app();
    recipe_with_plugin(&lab, "hello");
    let run = lab.run(&["app", "deploy", "t.example", "1.0.0+1", "-n", "--grant", "exec: app"]);
    assert_eq!(run.code, 0, "{run}");
    lab
}

#[test]
fn at_a_terminal_a_swapped_component_is_told_before_it_is_agreed_to() {
    if !has_script() {
        return;
    }
    let lab = app_with_plugin();
    recipe_with_plugin(&lab, "howdy");
    let deploy = "app deploy t.example 1.0.0+1 --yes";
    let (code, seen) = at_a_terminal(&lab, deploy, "n\r");
    assert_eq!(code, 6, "{seen}");
    let told = seen.find("its component changed although the version is still 1.0.0+1: ");
    let asked = seen.find("Allow this?");
    assert!(told.is_some() && told < asked, "{seen}");
    assert!(!seen.contains("howdy"), "nothing of it ran: {seen}");
    let (code, seen) = at_a_terminal(&lab, deploy, "y\r");
    assert_eq!(code, 0, "{seen}");
    assert!(seen.contains("howdy"), "{seen}");
    // Agreed once is agreed.
    let run = lab.run(&["app", "deploy", "t.example", "1.0.0+1", "-n", "--force"]);
    assert_eq!(run.code, 0, "{run}");
}

#[test]
fn at_a_terminal_consent_is_not_written_while_another_changes_the_app() {
    if !has_script() {
        return;
    }
    let lab = app_with_plugin();
    let run = lab.run(&["plugin", "revoke", "t.example", "helper", "exec: app"]);
    assert_eq!(run.code, 0, "{run}");
    let file = lab.path("potluck/servers/simulated/t.example.lock.yml");
    let before = std::fs::read_to_string(&file).unwrap();
    let held = std::fs::File::open(lab.path("potluck/state/locks/simulated/t.example")).unwrap();
    held.lock().unwrap();
    let (code, seen) = at_a_terminal(&lab, "app cmd t.example", "y\r");
    assert_eq!(code, 5, "{seen}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), before);
    drop(held);
    let (code, seen) = at_a_terminal(&lab, "app cmd t.example", "y\r");
    assert_eq!(code, 0, "{seen}");
    assert!(seen.contains("read its log"), "{seen}");
    assert_ne!(std::fs::read_to_string(&file).unwrap(), before);
}

#[test]
fn at_a_terminal_consent_does_not_bring_back_what_was_revoked_meanwhile() {
    if !has_script() {
        return;
    }
    let lab = app_with_plugin();
    let file = lab.path("potluck/servers/simulated/t.example.lock.yml");
    let revoke = |what: &[&str]| {
        let run = lab.run(&[&["plugin", "revoke", "t.example"], what].concat());
        assert_eq!(run.code, 0, "{run}");
        std::fs::read_to_string(&file).unwrap()
    };
    // Asked because it is another, while it still has what it was given.
    recipe_with_plugin(&lab, "howdy");
    let mut left = String::new();
    let everything = || left = revoke(&[]);
    let (code, seen) = when_asked(&lab, "app cmd t.example", "Allow this?", everything, "y\r");
    assert_eq!(code, 1, "{seen}");
    let said = "the grants of t.example changed while you were being asked";
    assert!(seen.contains(said) && seen.contains("run the command again"), "{seen}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), left);
    assert!(!left.contains("exec"), "{left}");
}
