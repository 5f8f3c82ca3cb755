//! Values of secrets go to the server and nowhere else.

use crate::support::cli;

use std::{
    collections::BTreeSet,
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use cli::{Lab, Run, masked};
use insta::{assert_json_snapshot, assert_snapshot};

/// Unlikely to come about by itself, in any of the forms it is looked for.
const PLANTED: &str = "tr0ub4dor-planted-7f3a";

#[test]
fn secrets_are_made_once() {
    let lab = Lab::with_tiny_app();
    assert_snapshot!(lab.run(&["app", "secret", "ls", "t.example"]), @r"
    exit code 0
    --- stdout
    NAME           VERSION  STATE                    USED BY  SINCE  READABLE BY
    mail_password  v1       missing, to be inserted  -        -      -
    token          v1       missing                  -        -      -
    ");
    assert_snapshot!(lab.run(&["app", "secret", "generate", "t.example"]), @r"
    exit code 0
    --- stderr
    Made token on simulated.
    warning: mail_password does not exist and cannot be generated
    hint: insert it with `potluck app secret insert t.example mail_password`
    warning: no copy is kept, so it is lost with the server; `potluck key new` makes a key, and later values are kept encrypted for it
    ");
    assert_snapshot!(lab.run(&["app", "secret", "generate", "t.example"]), @r"
    exit code 0
    --- stderr
    Kept token: already stored.
    warning: mail_password does not exist and cannot be generated
    hint: insert it with `potluck app secret insert t.example mail_password`
    ");
    assert_json_snapshot!(lab.json(&["app", "secret", "generate", "t.example", "--json"]), @r#"
    {
      "made": [],
      "kept": [
        "token"
      ],
      "to_insert": [
        "mail_password"
      ],
      "to_restore": []
    }
    "#);
    assert_snapshot!(lab.run(&["app", "secret", "generate", "t.example", "tokn"]), @r"
    exit code 1
    --- stderr
    error: the app has no secret `tokn`
    hint: did you mean `token`?
    ");
    let list = lab.json(&["app", "secret", "ls", "t.example", "--json"]);
    assert_json_snapshot!(masked(list, &["id", "created_at"]), @r#"
    [
      {
        "name": "mail_password",
        "version": "v1",
        "full_name": "t_example_mail_password_v1",
        "current": true,
        "generate": false,
        "created_at": null,
        "id": null,
        "used_by": [],
        "problem": null,
        "kept": false,
        "readers": null,
        "rotate_because_of": []
      },
      {
        "name": "token",
        "version": "v1",
        "full_name": "t_example_token_v1",
        "current": true,
        "generate": true,
        "created_at": "[created_at]",
        "id": "[id]",
        "used_by": [],
        "problem": null,
        "kept": false,
        "readers": null,
        "rotate_because_of": []
      }
    ]
    "#);
}

#[test]
fn a_value_is_shown_once_and_only_when_asked_for() {
    let lab = Lab::with_tiny_app();
    let run = lab.run(&["app", "secret", "generate", "t.example", "token", "--show"]);
    let value = run.stdout.trim().strip_prefix("token ").unwrap().to_owned();
    assert_eq!(value.len(), 24, "{run}");
    assert!(value.chars().all(|c| c.is_ascii_hexdigit()), "{run}");
    let again = lab.run(&["app", "secret", "generate", "t.example", "token", "--show"]);
    assert!(!again.to_string().contains(&value), "{again}");
    assert_eq!(again.stdout, "", "{again}");
}

#[test]
fn a_value_comes_through_standard_input_or_a_file() {
    let lab = Lab::with_tiny_app();
    let insert = ["app", "secret", "insert", "t.example"];
    assert_snapshot!(lab.run_with(&[&insert[..], &["token"]].concat(), b"value\n"), @r"
    exit code 0
    --- stderr
    Stored t_example_token_v1 on simulated.
    warning: no copy is kept, so it is lost with the server; `potluck key new` makes a key, and later values are kept encrypted for it
    Left off the line break at the end; `--file` stores a file as it is.
    ");
    assert_snapshot!(lab.run_with(&[&insert[..], &["token"]].concat(), b"value\n"), @r"
    exit code 1
    --- stderr
    error: version v1 of the secret `token` already exists
    hint: a secret cannot be changed: raise its `SECRET_*_VERSION` in the settings, insert the new value and deploy
    ");
    assert_snapshot!(lab.run_with(&[&insert[..], &["token", "v2"]].concat(), b"value\n"), @r"
    exit code 0
    --- stderr
    Stored t_example_token_v2 on simulated.
    warning: no copy is kept, so it is lost with the server; `potluck key new` makes a key, and later values are kept encrypted for it
    Left off the line break at the end; `--file` stores a file as it is.
    ");
    assert_snapshot!(lab.run_with(&[&insert[..], &["token", "v 3"]].concat(), b"value\n"), @r"
    exit code 2
    --- stderr
    error: `v 3` is not a version of a secret
    ");
    assert_snapshot!(lab.run_with(&[&insert[..], &["mail_password"]].concat(), b""), @r"
    exit code 1
    --- stderr
    error: the secret `mail_password` cannot be stored: it is empty
    ");
    assert_snapshot!(lab.run_with(&[&insert[..], &["mail_password"]].concat(), &[b'x'; 600_000]), @r"
    exit code 1
    --- stderr
    error: the secret `mail_password` cannot be stored: it has more than 511999 bytes, the most that swarm takes
    ");
    lab.write("key", "several\nlines\n");
    assert_snapshot!(lab.run(&[&insert[..], &["token", "v5", "--file", "key"]].concat()), @r"
    exit code 0
    --- stderr
    Stored t_example_token_v5 on simulated.
    warning: no copy is kept, so it is lost with the server; `potluck key new` makes a key, and later values are kept encrypted for it
    ");
    lab.write("value", "from a file\n");
    assert_snapshot!(lab.run(&[&insert[..], &["mail_password", "--file", "value"]].concat()), @r"
    exit code 0
    --- stderr
    Stored t_example_mail_password_v1 on simulated.
    warning: no copy is kept, so it is lost with the server; `potluck key new` makes a key, and later values are kept encrypted for it
    warning: the line break at the end of value is part of the secret; few passwords end in one
    hint: to leave it off, run `potluck app secret rm t.example mail_password v1`, then `potluck app secret insert t.example mail_password v1 < value`
    ");
    assert_snapshot!(lab.run(&[&insert[..], &["mail_password", "--file", "none"]].concat()), @r"
    exit code 1
    --- stderr
    error: reading none
      caused by: No such file or directory (os error 2)
    ");
    assert_snapshot!(lab.run(&["app", "secret", "rm", "t.example", "token", "--yes"]), @r"
    exit code 0
    --- stderr
    Removed t_example_token_v1.
    ");
}

#[test]
fn an_old_version_goes_when_nothing_uses_it() {
    let lab = Lab::with_tiny_app();
    let insert = |name: &str, version: &str| {
        let run = ["app", "secret", "insert", "t.example", name, version, "-q"];
        assert_eq!(lab.run_with(&run, b"value").code, 0);
    };
    insert("mail_password", "v1");
    insert("token", "v1");
    assert_eq!(lab.run(&["app", "deploy", "t.example", "-n", "-q"]).code, 0);
    insert("token", "v2");
    let rm = ["app", "secret", "rm", "t.example", "token"];
    assert_snapshot!(lab.run(&[&rm[..], &["v1", "--yes"]].concat()), @r"
    exit code 1
    --- stderr
    error: the secret `t_example_token_v1` is in use by t_example_app
    hint: undeploy the app, or deploy it with another version of the secret, before removing this one
    ");
    // Nobody is asked about what cannot be done.
    assert_eq!(lab.run(&[&rm[..], &["v1"]].concat()).code, 1);

    lab.run(&["app", "config", "t.example", "--set", "SECRET_TOKEN_VERSION=v2", "-q"]);
    assert_eq!(lab.run(&["app", "deploy", "t.example", "-n", "-q"]).code, 0);
    let rows = lab.json(&["app", "secret", "ls", "t.example", "--json"]);
    let rows = rows.as_array().unwrap().iter();
    let rows: Vec<_> = rows
        .map(|row| (row["version"].as_str(), row["current"].as_bool(), row["used_by"].clone()))
        .collect();
    let app = || serde_json::json!(["t_example_app"]);
    assert_eq!(
        rows,
        [
            (Some("v1"), Some(true), app()),
            (Some("v2"), Some(true), app()),
            (Some("v1"), Some(false), serde_json::json!([])),
        ]
    );
    let list = lab.run(&["app", "secret", "ls", "t.example"]);
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let last = words(list.stdout.lines().last().unwrap());
    assert_eq!(last[..7], ["token", "v1", "stored,", "not", "in", "the", "settings"], "{list}");

    assert_snapshot!(lab.run(&[&rm[..], &["v1"]].concat()), @r"
    exit code 6
    --- stderr
    warning: r1 could not come back by `potluck app rollback` afterwards: the secrets of a release are part of it
    error: removing the secret t_example_token_v1 of t.example needs your consent
    hint: pass `--yes`
    ");
    assert_snapshot!(lab.run(&[&rm[..], &["v1", "--yes"]].concat()), @r"
    exit code 0
    --- stderr
    warning: r1 could not come back by `potluck app rollback` afterwards: the secrets of a release are part of it
    Removed t_example_token_v1.
    ");
    let back = lab.run(&["app", "rollback", "t.example", "-n"]);
    assert!(back.code != 0 && back.stderr.contains("the secret `t_example_token_v1`"), "{back}");
    assert_snapshot!(lab.run(&[&rm[..], &["v1", "--yes"]].concat()), @r"
    exit code 1
    --- stderr
    error: the secret `token` is not on the server in version v1; it has v2
    hint: `potluck app secret ls` lists all versions
    ");
    assert_snapshot!(lab.run(&["app", "secret", "rm", "t.example", "--all", "--yes"]), @r"
    exit code 1
    --- stderr
    error: the secret `t_example_mail_password_v1` is in use by t_example_app
    hint: undeploy the app, or deploy it with another version of the secret, before removing this one
    ");
}

/// Through a whole life of an app, a planted value shows up in no output, no
/// file, no argument and no environment of any process, except where the
/// simulated swarm keeps it, as the real one would.
#[test]
fn a_planted_value_appears_nowhere() {
    let lab = Lab::with_tiny_app();
    assert_eq!(lab.run(&["key", "new", "--name", "anna"]).code, 0);
    let stop = Arc::new(AtomicBool::new(false));
    let watcher = {
        let stop = Arc::clone(&stop);
        thread::spawn(move || watch_processes(&stop))
    };
    let mut runs: Vec<Run> = Vec::new();
    let mut run = |arguments: &[&str], input: &str| {
        runs.push(lab.run_with(arguments, input.as_bytes()));
    };
    let planted = format!("{PLANTED}\n");
    run(&["-vv", "app", "secret", "insert", "t.example", "mail_password"], &planted);
    run(&["-vv", "app", "secret", "insert", "t.example", "mail_password"], &planted);
    run(&["-vv", "app", "secret", "insert", "t.example", "nonesuch"], &planted);
    run(&["-vv", "app", "secret", "generate", "t.example", "--json"], "");
    run(&["-vv", "app", "secret", "ls", "t.example", "--json"], "");
    run(&["-vv", "app", "check", "t.example"], "");
    run(&["-vv", "app", "deploy", "t.example", "-n", "--json"], "");
    run(&["-vv", "app", "ps", "t.example", "--json"], "");
    run(&["-vv", "app", "logs", "t.example"], "");
    run(&["-vv", "backup", "create", "t.example"], "");
    run(&["-vv", "app", "undeploy", "t.example", "-y"], "");
    run(&["-vv", "app", "secret", "export", "t.example"], "");
    run(&["-vv", "app", "secret", "restore", "t.example"], "");
    run(&["-vv", "app", "secret", "adopt", "t.example", "--yes"], "");
    let other = "age1lggyhqrw2nlhcxprm67z43rta597azn8gknawjehu9d9dl0jq3yqqvfafg";
    run(&["-vv", "key", "add", other, "--name", "ben"], "");
    run(&["-vv", "key", "ls", "--json"], "");
    run(&["-vv", "key", "rm", "ben", "--yes"], "");
    run(&["-vv", "app", "secret", "rotate", "t.example"], "");
    stop.store(true, Ordering::Relaxed);
    let seen = watcher.join().unwrap();

    for run in &runs {
        for form in forms() {
            assert!(!run.to_string().contains(&form), "{run}");
        }
    }
    assert_eq!(runs[0].code, 0, "{}", runs[0]);
    assert_eq!(runs[6].code, 0, "{}", runs[6]);
    // It was kept, and shown where that was asked for.
    let shown = lab.run(&["app", "secret", "show", "t.example", "mail_password", "v1"]);
    assert_eq!(shown.stdout, PLANTED, "{shown}");
    for (path, content) in lab.files() {
        // What stands for the swarm's own memory.
        if path.to_string_lossy().contains("/state/simulated") {
            continue;
        }
        let content = String::from_utf8_lossy(&content);
        for form in forms() {
            assert!(!content.contains(&form), "{} holds the value", path.display());
        }
    }
    assert!(seen.is_empty(), "the value was in {seen:?}");
}

/// As it is, in base64 and in hexadecimal digits.
fn forms() -> Vec<String> {
    use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
    let encoded = STANDARD_NO_PAD.encode(PLANTED);
    // The last digit depends on what follows.
    vec![PLANTED.to_owned(), encoded[..encoded.len() - 2].to_owned(), hex::encode(PLANTED)]
}

/// Looks at the arguments and environments of all processes, again and again.
fn watch_processes(stop: &AtomicBool) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    while !stop.load(Ordering::Relaxed) {
        for process in fs::read_dir("/proc").unwrap().flatten() {
            for file in ["cmdline", "environ"] {
                let path = process.path().join(file);
                let Ok(bytes) = fs::read(&path) else { continue };
                if String::from_utf8_lossy(&bytes).contains(PLANTED) {
                    seen.insert(path.display().to_string());
                }
            }
        }
        thread::sleep(Duration::from_millis(2));
    }
    seen
}

#[test]
fn the_next_version_is_made_as_abra_has_it() {
    let lab = Lab::with_tiny_app();
    assert_eq!(lab.run(&["app", "secret", "generate", "t.example"]).code, 0);
    let next = lab.run(&["app", "secret", "generate", "t.example", "token", "v2"]);
    assert_eq!(next.code, 0, "{next}");
    assert!(next.stderr.contains("the settings say v1"), "{next}");
    assert!(
        next.stderr.contains("potluck app env set t.example SECRET_TOKEN_VERSION=v2"),
        "{next}"
    );
    let again = lab.run(&["app", "secret", "generate", "t.example", "token", "v1"]);
    assert!(again.code == 0 && again.stderr.contains("Kept token"), "{again}");
    assert!(!again.stderr.contains("the settings say"), "{again}");
    assert_eq!(lab.run(&["app", "env", "set", "t.example", "SECRET_TOKEN_VERSION=v2"]).code, 0);
    let rows = lab.run(&["app", "secret", "ls", "t.example"]);
    assert!(rows.stdout.contains("token          v2       stored"), "{rows}");
    let unknown = lab.run(&["app", "secret", "generate", "t.example", "nope", "v2"]);
    assert!(unknown.code == 1 && unknown.stderr.contains("`nope`"), "{unknown}");
    let both = lab.run(&["app", "secret", "generate", "t.example", "token", "mail_password"]);
    assert_eq!(both.code, 0, "{both}");
}

#[test]
fn nobody_is_asked_about_a_secret_that_does_not_exist() {
    let lab = Lab::with_tiny_app();
    let run = lab.run(&["app", "secret", "rm", "t.example", "nope"]);
    assert_eq!(run.code, 1, "{run}");
    assert!(run.stderr.contains("`nope`"), "{run}");
}

#[test]
fn a_version_that_is_named_needs_none_in_the_settings() {
    let lab = Lab::with_tiny_app();
    lab.run(&["app", "config", "t.example", "--set", "SECRET_MAIL_PASSWORD_VERSION="]);
    let insert = ["app", "secret", "insert", "t.example", "mail_password"];
    assert_snapshot!(lab.run_with(&insert, b"x"), @r"
    exit code 1
    --- stderr
    error: the secret `mail_password` has no version: `SECRET_MAIL_PASSWORD_VERSION` is empty or missing in the settings
    hint: add `SECRET_MAIL_PASSWORD_VERSION=v1` to the settings
    ");
    assert_snapshot!(lab.run_with(&[&insert[..], &["v1"]].concat(), b"x"), @r"
    exit code 0
    --- stderr
    Stored t_example_mail_password_v1 on simulated.
    warning: no copy is kept, so it is lost with the server; `potluck key new` makes a key, and later values are kept encrypted for it
    hint: the settings lack `SECRET_MAIL_PASSWORD_VERSION=v1`: add it with `potluck app config t.example --set SECRET_MAIL_PASSWORD_VERSION=v1`
    ");
    let set = "SECRET_MAIL_PASSWORD_VERSION=v1";
    assert_eq!(lab.run(&["app", "config", "t.example", "--set", set]).code, 0);
    lab.run(&["app", "secret", "generate", "t.example"]);
    let deployed = lab.run(&["app", "deploy", "t.example", "-n"]);
    assert_eq!(deployed.code, 0, "{deployed}");
    let long = "v".repeat(60);
    let refused = lab.run_with(&[&insert[..], &[&long]].concat(), b"x");
    assert!(refused.stderr.contains("bytes long; Docker allows 64"), "{refused}");
}
