//! What an app's plugins may do, at the prompt: asked for, given with flags,
//! shown, compared, taken back. On the simulated server.

mod cli_support;
mod hostile;

use cli_support::*;
use hostile::{LOG, lifecycle};

const APP: &str = "t.example";

fn recipe(lab: &Lab, grants: &str, says: &str) {
    lab.write(
        "tiny/compose.yml",
        "services:\n  app:\n    image: potluck-test/busybox:1\n    command: [sleep, '1000']\n  \
         database:\n    image: potluck-test/busybox:1\n    command: [sleep, '1000']\n",
    );
    lab.write("tiny/.env.sample", "TYPE=tiny\nDOMAIN=tiny.example.org\n");
    lab.write(
        "tiny/recipe.yml",
        &format!("plugins:\n  - name: helper\n    component: helper.wasm\n    grants:\n{grants}"),
    );
    let items = format!(r#"(data (i32.const 256) "{says}")"#);
    let check = format!(
        "(call $log (i32.const 1) (i32.const 256) (i32.const {})) (i32.const 64)",
        says.len()
    );
    std::fs::write(lab.path("tiny/helper.wasm"), lifecycle(&[LOG], &items, &check)).unwrap();
}

const ONE: &str = "      - exec: app\n";
const TWO: &str = "      - exec: app\n      - exec: database\n";

/// An app whose recipe has a plugin that asks for `exec: app`.
fn lab() -> Lab {
    let lab = Lab::new();
    recipe(&lab, ONE, "hello");
    let run = lab.run(&["app", "new", "./tiny", "--domain", APP, "--server=simulated"]);
    assert_eq!(run.code, 0, "{run}");
    lab
}

fn deploy(lab: &Lab, grants: &[&str]) -> Run {
    let mut arguments = vec!["app", "deploy", APP, "-n"];
    for grant in grants {
        arguments.extend(["--grant", grant]);
    }
    lab.run(&arguments)
}

#[test]
fn without_consent_nothing_runs_and_the_flags_are_named() {
    let lab = lab();
    let run = deploy(&lab, &[]);
    assert_eq!(run.code, 6, "{run}");
    assert!(run.stderr.contains("--grant 'exec: app'"), "{run}");
    assert!(!run.stderr.contains("hello"), "{run}");
    let grants = lab.json(&["plugin", "grants", APP, "--json"]);
    assert_eq!(grants[0]["agreed"], false);
    let grant = &grants[0]["grants"][0];
    assert_eq!(grant["grant"], "exec: app");
    assert_eq!(
        (&grant["asked"], &grant["given"], &grant["effective"]),
        (&true.into(), &false.into(), &false.into())
    );
}

#[test]
fn a_grant_for_nothing_is_an_error_before_anything_runs() {
    let lab = lab();
    for (grant, problem, hint) in [
        ("exec: databse", "the app has no service `databse`", "did you mean `exec: database`?"),
        ("exec: database", "no plugin of the recipe asks for it", ""),
        ("secret: nosuch", "the app has no secret `nosuch`", ""),
        ("http: https://sso.example.org", "no plugin of the recipe asks for it", ""),
    ] {
        for arguments in [&["exec: app", grant][..], &[grant]] {
            let run = deploy(&lab, arguments);
            assert_eq!(run.code, 2, "{run}");
            assert!(run.stderr.contains(problem) && run.stderr.contains(hint), "{run}");
            assert!(!run.stderr.contains("hello"), "{run}");
        }
    }
    assert!(!lab.path("potluck/servers/simulated/t.example.lock.yml").exists());
}

#[test]
fn what_is_asked_for_may_be_given_before_its_overlay_is_on() {
    let lab = lab();
    recipe(&lab, "      - exec: app\n      - secret: mail_password\n", "hello");
    assert_eq!(deploy(&lab, &["exec: app"]).code, 6);
    let run = deploy(&lab, &["exec: app", "secret: mail_password"]);
    assert_eq!(run.code, 0, "{run}");
    assert!(run.stderr.contains("hello"), "{run}");
}

#[test]
fn what_was_given_is_shown_compared_and_taken_back() {
    let lab = lab();
    let run = deploy(&lab, &["exec: app"]);
    assert_eq!(run.code, 0, "{run}");
    assert!(run.stderr.contains("hello"), "{run}");
    let shown = lab.run(&["plugin", "grants", APP]);
    assert!(shown.stdout.contains("helper runs with what is marked"), "{shown}");
    assert!(
        shown.stdout.contains(
            "* run programs in the service `app`, restart it, and read and write its files \
             (exec: app; asked, given)"
        ),
        "{shown}"
    );

    // More than before is asked, and what is new is told apart.
    recipe(&lab, TWO, "hello");
    let run = deploy(&lab, &[]);
    assert_eq!(run.code, 6, "{run}");
    assert!(run.stderr.contains("(exec: app, as before)"), "{run}");
    assert!(run.stderr.contains("(exec: database, new)"), "{run}");
    assert!(run.stderr.contains("add --grant 'exec: database'"), "{run}");
    let run = deploy(&lab, &["exec: database"]);
    assert_eq!(run.code, 0, "{run}");

    // What is taken back is asked for again.
    let run = lab.run(&["plugin", "revoke", APP, "helper", "exec: databse"]);
    assert_eq!(run.code, 2, "{run}");
    assert!(run.stderr.contains("did you mean `exec: database`?"), "{run}");
    let run = lab.run(&["plugin", "revoke", APP, "helper", "exec: database"]);
    assert_eq!(run.code, 0, "{run}");
    assert!(run.stderr.contains("Revoked `exec: database` of `helper`."), "{run}");
    let grants = lab.json(&["plugin", "grants", APP, "--json"]);
    assert_eq!(grants[0]["agreed"], false, "{grants}");
    assert_eq!(grants[0]["grants"][0]["effective"], false, "it does not run with less");
    assert_eq!(deploy(&lab, &[]).code, 6);
    let run = lab.run(&["plugin", "revoke", APP]);
    assert!(run.stderr.contains("Revoked everything of `helper`."), "{run}");
    let run = lab.run(&["plugin", "revoke", APP]);
    assert!(run.stderr.contains("No plugin of t.example was given anything."), "{run}");
}

#[test]
fn a_component_that_changed_under_the_same_version_is_refused() {
    let lab = lab();
    let git = |arguments: &[&str]| {
        let done = std::process::Command::new("git")
            .args(["-C", lab.path("tiny").to_str().unwrap()])
            .args(["-c", "user.name=t", "-c", "user.email=t@example.org"])
            .args(arguments)
            .output()
            .unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    };
    git(&["init", "-q"]);
    git(&["add", "-A"]);
    git(&["commit", "-qm", "one"]);
    git(&["tag", "1.0.0+1"]);
    let deploy = || lab.run(&["app", "deploy", APP, "1.0.0+1", "-n", "--grant", "exec: app"]);
    let run = deploy();
    assert_eq!(run.code, 0, "{run}");
    // The tag moves to another component.
    recipe(&lab, ONE, "howdy");
    git(&["add", "-A"]);
    git(&["commit", "-qm", "two"]);
    git(&["tag", "-f", "1.0.0+1"]);
    let run = deploy();
    assert_eq!(run.code, 6, "{run}");
    assert!(run.stderr.contains("whose component changed under the same version"), "{run}");
    assert!(!run.stderr.contains("howdy"), "nothing of it ran: {run}");
}
