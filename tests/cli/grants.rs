//! What an app's plugins may do, at the prompt: asked for, given with flags,
//! shown, compared, taken back. On the simulated server.

use crate::support::cli;
use crate::support::hostile;

use cli::*;
use hostile::{LOG, lifecycle};

const APP: &str = "t.example";
const LOCK: &str = "potluck/servers/simulated/t.example.lock.yml";

/// Its `check` says something.
fn recipe(lab: &Lab, grants: &str, says: &str) {
    let check = format!(
        "(call $log (i32.const 1) (i32.const 256) (i32.const {})) (i32.const 64)",
        says.len()
    );
    recipe_with(lab, grants, says, &check);
}

/// Its `check` fails with something.
fn failing_recipe(lab: &Lab, grants: &str, says: &str) {
    let check = format!("(call $fail (i32.const 256) (i32.const {}))", says.len());
    recipe_with(lab, grants, says, &check);
}

fn recipe_with(lab: &Lab, grants: &str, says: &str, check: &str) {
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
    std::fs::write(lab.path("tiny/helper.wasm"), lifecycle(&[LOG], &items, check)).unwrap();
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
    assert!(run.stderr.contains("to agree, add --grant 'helper exec: app'\n"), "{run}");
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
        ("helper exec: ap", "the app has no service `ap`", "did you mean `helper exec: app`?"),
        ("helpr exec: app", "the recipe has no plugin `helpr`", "did you mean `helper exec: app`?"),
        ("mail-and-more exec: app", "has no plugin `mail-and-more`", "mean `helper exec: app`?"),
        ("helper exec: database", "`helper` does not ask for it", ""),
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
    assert!(!lab.path(LOCK).exists());
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
    assert!(shown.stdout.contains("helper runs with the grants that are marked"), "{shown}");
    assert!(
        shown.stdout.contains(
            "* run programs in the service `app`, restart it, read its log, and read and write \
             its files (exec: app; asked, given)"
        ),
        "{shown}"
    );

    // More than before is asked, and what is new is told apart.
    recipe(&lab, TWO, "hello");
    let run = deploy(&lab, &[]);
    assert_eq!(run.code, 6, "{run}");
    assert!(run.stderr.contains("(exec: app, as before)"), "{run}");
    assert!(run.stderr.contains("(exec: database, new)"), "{run}");
    assert!(run.stderr.contains("add --grant 'helper exec: database'"), "{run}");
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
    assert!(run.stderr.contains("No plugin of t.example has grants."), "{run}");
}

fn deploy_version(lab: &Lab, version: &str, more: &[&str]) -> Run {
    lab.run(&[&["app", "deploy", APP, version, "-n", "--downgrade"], more].concat())
}

#[test]
fn a_component_that_changed_under_the_same_version_is_refused() {
    let lab = lab();
    lab.release("1.0.0+1");
    let deploy = || deploy_version(&lab, "1.0.0+1", &["--grant", "exec: app"]);
    let run = deploy();
    assert_eq!(run.code, 0, "{run}");
    // The tag moves to another component.
    recipe(&lab, ONE, "howdy");
    lab.release("1.0.0+1");
    let run = deploy();
    assert_eq!(run.code, 6, "{run}");
    let change = "helper (its component changed although the version is still 1.0.0+1: ";
    assert!(run.stderr.contains(change) && run.stderr.contains("… → "), "{run}");
    assert!(run.stderr.contains("run the command in a terminal and agree"), "{run}");
    assert!(!run.stderr.contains("howdy"), "nothing of it ran: {run}");
}

/// Neither a version without the plugin nor a revocation makes potluck forget what
/// was agreed to.
#[test]
fn a_tag_that_moved_is_noticed_after_the_plugin_was_away() {
    for away in ["left out", "revoked"] {
        let lab = lab();
        let flag = ["--grant", "helper exec: app"];
        lab.release("1.0.0+1");
        let run = deploy_version(&lab, "1.0.0+1", &flag);
        assert_eq!(run.code, 0, "{run}");
        if away == "revoked" {
            let run = lab.run(&["plugin", "revoke", APP]);
            assert_eq!(run.code, 0, "{run}");
            // The same component may be agreed to again.
            let run = deploy_version(&lab, "1.0.0+1", &[&flag[..], &["--force"]].concat());
            assert_eq!(run.code, 0, "{run}");
            let run = lab.run(&["plugin", "revoke", APP, "helper"]);
            assert_eq!(run.code, 0, "{run}");
        } else {
            lab.write("tiny/recipe.yml", "plugins: []\n");
            lab.release("1.1.0+1");
            let run = deploy_version(&lab, "1.1.0+1", &[]);
            assert_eq!(run.code, 0, "{run}");
            assert_eq!(lab.json(&["plugin", "grants", APP, "--json"]), serde_json::json!([]));
        }
        recipe(&lab, ONE, "howdy");
        lab.release("1.0.0+1");
        let run = deploy_version(&lab, "1.0.0+1", &flag);
        assert_eq!(run.code, 6, "{away}: {run}");
        assert!(run.stderr.contains("although the version is still 1.0.0+1"), "{away}: {run}");
        assert!(!run.stderr.contains("howdy"), "nothing of it ran: {run}");
    }
}

/// The settings' pin is for the next deploy: what works with a running app takes
/// the version that runs, and leaves the consent to it alone.
#[test]
fn what_works_with_a_running_app_takes_the_version_that_was_deployed() {
    let lab = lab();
    lab.release("1.0.0+1");
    failing_recipe(&lab, ONE, "not me");
    lab.release("1.1.0+1");
    lab.write("tiny/recipe.yml", "plugins: [");
    let run = deploy_version(&lab, "1.0.0+1", &["--grant", "exec: app"]);
    assert_eq!(run.code, 0, "{run}");
    let pin = "TYPE=tiny:1.1.0+1";
    assert_eq!(lab.run(&["app", "config", APP, "--set", pin]).code, 0);
    let lock = std::fs::read_to_string(lab.path(LOCK)).unwrap();
    let run = lab.run(&["app", "cmd", APP]);
    assert_eq!(run.code, 0, "{run}");
    let run = lab.run(&["plugin", "run", "helper", "check", "--app", APP]);
    assert!(run.code == 0 && run.stderr.contains("hello"), "{run}");
    assert_eq!(std::fs::read_to_string(lab.path(LOCK)).unwrap(), lock);

    // The grants are those of the next deploy, and say so.
    let run = lab.run(&["plugin", "grants", APP]);
    assert!(run.stderr.contains("version 1.1.0+1 of the recipe, which the next"), "{run}");
    assert!(run.stderr.contains("1.0.0+1 was deployed last"), "{run}");
    let grants = lab.json(&["plugin", "grants", APP, "--json"]);
    let found = (&grants[0]["component"], &grants[0]["version"]);
    assert_eq!(found, (&"helper.wasm".into(), &"1.1.0+1".into()));

    // A version that is gone is no dead end.
    lab.git(&["tag", "-d", "1.0.0+1"]);
    let run = lab.run(&["app", "undeploy", APP, "-y"]);
    assert_eq!(run.code, 0, "{run}");
    assert!(run.stderr.contains("1.0.0+1, which was deployed, is not in the recipe"), "{run}");
}

/// 1.0.0+1 runs; consent to 1.1.0+1 was given, and then its deploy failed.
fn after_a_failed_upgrade() -> Lab {
    let lab = lab();
    lab.release("1.0.0+1");
    let run = deploy_version(&lab, "1.0.0+1", &["--grant", "exec: app"]);
    assert_eq!(run.code, 0, "{run}");
    failing_recipe(&lab, TWO, "not today");
    lab.release("1.1.0+1");
    let run = deploy_version(&lab, "1.1.0+1", &["--grant", "exec: database"]);
    assert_eq!(run.code, 1, "{run}");
    assert!(run.stderr.contains("not today"), "{run}");
    lab
}

#[test]
fn a_tag_that_moves_after_a_failed_deploy_is_noticed() {
    let lab = after_a_failed_upgrade();
    recipe(&lab, TWO, "howdy");
    lab.release("1.1.0+1");
    for more in [&[][..], &["--grant", "exec: app", "--grant", "exec: database"]] {
        let run = deploy_version(&lab, "1.1.0+1", more);
        assert_eq!(run.code, 6, "{run}");
        assert!(run.stderr.contains("although the version is still 1.1.0+1"), "{run}");
        assert!(!run.stderr.contains("howdy"), "nothing of it ran: {run}");
    }
}

#[test]
fn going_back_after_a_failed_deploy_needs_no_consent() {
    let lab = after_a_failed_upgrade();
    let run = deploy_version(&lab, "1.0.0+1", &[]);
    assert_eq!(run.code, 0, "{run}");
    let run = deploy_version(&lab, "1.0.0+1", &["--force"]);
    assert_eq!(run.code, 0, "{run}");
    assert!(run.stderr.contains("hello"), "{run}");
}

#[test]
fn a_tag_that_moved_is_noticed_on_the_way_back_and_up_again() {
    let lab = lab();
    lab.release("1.0.0+1");
    let run = deploy_version(&lab, "1.0.0+1", &["--grant", "exec: app"]);
    assert_eq!(run.code, 0, "{run}");
    recipe(&lab, ONE, "hullo");
    lab.release("1.1.0+1");
    // Up, back and up again between releases that nobody touched asks nothing.
    for (version, says) in [("1.1.0+1", "hullo"), ("1.0.0+1", "hello"), ("1.1.0+1", "hullo")] {
        let run = deploy_version(&lab, version, &[]);
        assert_eq!(run.code, 0, "{run}");
        assert!(run.stderr.contains(says), "{run}");
    }
    // While 1.1.0+1 runs, the old tag moves, and then the new one, too.
    for version in ["1.0.0+1", "1.1.0+1"] {
        recipe(&lab, ONE, "howdy");
        lab.write("tiny/note", version);
        lab.release(version);
        for more in [&[][..], &["--grant", "helper exec: app"]] {
            let run = deploy_version(&lab, version, more);
            assert_eq!(run.code, 6, "{run}");
            let change = format!("its component changed although the version is still {version}: ");
            assert!(run.stderr.contains(&change), "{run}");
            assert!(!run.stderr.contains("howdy"), "nothing of it ran: {run}");
        }
    }
}

#[test]
fn a_plan_says_that_a_component_is_another() {
    let lab = lab();
    assert_eq!(deploy(&lab, &["exec: app"]).code, 0);
    recipe(&lab, ONE, "howdy");
    let shown = lab.run(&["plugin", "grants", APP]);
    assert!(shown.stdout.contains("\n  agreed to "), "{shown}");
    for arguments in [&["app", "deploy", APP, "--dry-run"][..], &["app", "deploy", APP, "-n"]] {
        let run = lab.run(arguments);
        assert_eq!(run.code, 0, "{run}");
        assert!(run.stderr.contains("  ~ update plugin helper\n      component: "), "{run}");
        assert!(run.stderr.contains("… → "), "{run}");
    }
    // Once it was deployed, it is what was agreed to.
    let shown = lab.run(&["plugin", "grants", APP]);
    assert!(!shown.stdout.contains("agreed to "), "{shown}");
    let run = lab.run(&["app", "deploy", APP, "-n", "--force"]);
    assert!(!run.stderr.contains("update plugin"), "{run}");
}

#[test]
fn a_command_that_takes_another_component_says_so() {
    let lab = lab();
    assert_eq!(deploy(&lab, &["exec: app"]).code, 0);
    recipe(&lab, ONE, "howdy");
    let run = lab.run(&["app", "cmd", APP]);
    assert_eq!(run.code, 0, "{run}");
    assert!(run.stderr.contains("the plugin `helper` changed since last time: "), "{run}");
    let run = lab.run(&["app", "cmd", APP]);
    assert!(!run.stderr.contains("another"), "said once: {run}");
}

#[test]
fn what_a_plugin_of_potlucks_was_given_a_file_of_its_name_was_not() {
    let lab = lab();
    assert_eq!(deploy(&lab, &["exec: app"]).code, 0);
    let lock = std::fs::read_to_string(lab.path(LOCK)).unwrap();
    assert!(lock.contains("component: helper.wasm"), "{lock}");
    std::fs::write(lab.path(LOCK), lock.replace("helper.wasm", "std:files")).unwrap();
    recipe(&lab, ONE, "howdy");
    let run = deploy(&lab, &[]);
    assert_eq!(run.code, 6, "{run}");
    assert!(run.stderr.contains("it is `helper.wasm` now; what was agreed to is `std:files`"));
    assert!(run.stderr.contains("add --grant 'helper exec: app'"), "{run}");
    assert!(!run.stderr.contains("howdy"), "nothing of it ran: {run}");
    let run = deploy(&lab, &["exec: app"]);
    assert_eq!(run.code, 0, "{run}");
    assert!(run.stderr.contains("source: std:files → helper.wasm"), "{run}");
}

#[test]
fn every_command_that_starts_plugins_takes_the_flag() {
    let lab = lab();
    assert_eq!(deploy(&lab, &["exec: app"]).code, 0);
    let mut commands = vec![
        &["app", "deploy", APP, "-n"][..],
        &["app", "cmd", APP],
        &["plugin", "run", "helper", "check", "after=1", "--app", APP],
    ];
    if std::process::Command::new("restic").arg("version").output().is_ok() {
        commands.push(&["backup", "create", APP]);
        commands.push(&["backup", "restore", APP, "--yes"]);
    } else {
        hostile::skip("restic is not there: backups are not looked at");
    }
    for command in commands {
        let run = lab.run(&["plugin", "revoke", APP, "helper", "exec: app"]);
        assert_eq!(run.code, 0, "{run}");
        let run = lab.run(command);
        assert_eq!(run.code, 6, "{run}");
        assert!(run.stderr.contains("hint: to agree, add --grant 'helper exec: app'\n"), "{run}");
        let wrong = lab.run(&[command, &["--grant", "helpr exec: app"]].concat());
        assert_eq!(wrong.code, 2, "{wrong}");
        let run = lab.run(&[command, &["--grant", "helper exec: app"]].concat());
        assert_eq!(run.code, 0, "{run}");
        let run = lab.run(command);
        assert_eq!(run.code, 0, "agreed once is agreed: {run}");
    }
    let run = lab.run(&["plugin", "run", "./tiny/helper.wasm", "check", "--grant", "exec: app"]);
    assert_eq!(run.code, 2, "in a scenario nobody gives anything: {run}");
}

#[test]
fn what_only_the_lock_file_knows_is_shown_as_that() {
    let lab = lab();
    assert_eq!(deploy(&lab, &["exec: app"]).code, 0);
    let lock = std::fs::read_to_string(lab.path(LOCK)).unwrap();
    let by_hand = lock.replace("    grants:\n", "    grants:\n    - exce app\n");
    assert_ne!(by_hand, lock);
    std::fs::write(lab.path(LOCK), by_hand).unwrap();
    let text = std::fs::read_to_string(lab.path("tiny/recipe.yml")).unwrap();
    lab.write("tiny/recipe.yml", &text.replace("name: helper", "name: other"));
    let shown = lab.run(&["plugin", "grants", APP]);
    let gone = "helper does not run: the recipe has no such plugin\n";
    assert!(shown.stdout.contains(gone), "{shown}");
    assert!(shown.stdout.contains("(exec: app; given)"), "{shown}");
    assert!(shown.stdout.contains("`exce app` in the lock file is not a valid grant"), "{shown}");
    let grants = lab.json(&["plugin", "grants", APP, "--json"]);
    assert_eq!((&grants[0]["in_recipe"], &grants[1]["in_recipe"]), (&true.into(), &false.into()));
    assert_eq!(grants[1]["grants"][0]["effective"], false, "{grants}");
    let run = lab.run(&["plugin", "revoke", APP, "helper", "exce app"]);
    assert_eq!(run.code, 0, "{run}");
    let shown = lab.run(&["plugin", "grants", APP]);
    assert!(!shown.stdout.contains("exce app"), "{shown}");
}

#[test]
fn an_undeploy_says_what_it_left_out() {
    let lab = lab();
    assert_eq!(deploy(&lab, &["exec: app"]).code, 0);
    let run = lab.run(&["app", "undeploy", APP, "-n"]);
    assert_eq!(run.code, 0, "{run}");
    assert!(!run.stderr.contains("was not run"), "{run}");
    assert_eq!(deploy(&lab, &[]).code, 0);
    assert_eq!(lab.run(&["plugin", "revoke", APP, "helper"]).code, 0);
    let run = lab.run(&["app", "undeploy", APP, "-n"]);
    assert_eq!(run.code, 0, "{run}");
    let warning = "warning: before-remove of `helper` was not run: its grants are not agreed to";
    assert!(run.stderr.contains(warning), "{run}");
}

#[test]
fn what_needs_no_consent_waits_for_no_lock() {
    let lab = lab();
    assert_eq!(deploy(&lab, &["exec: app"]).code, 0);
    recipe(&lab, ONE, "howdy");
    let before = std::fs::read_to_string(lab.path(LOCK)).unwrap();
    let held = std::fs::File::open(lab.path("potluck/state/locks/simulated/t.example")).unwrap();
    held.lock().unwrap();
    let run = lab.run(&["app", "cmd", APP]);
    assert_eq!(run.code, 0, "{run}");
    assert_eq!(std::fs::read_to_string(lab.path(LOCK)).unwrap(), before, "who holds it writes");
}

#[test]
fn why_potlucks_own_plugin_asks_is_said() {
    let lab = Lab::new();
    let compose = |hook: &str| {
        let labels = format!("backupbot.backup: 'true'{hook}");
        let text = format!(
            "services:\n  app:\n    image: potluck-test/busybox:1\n    deploy: {{labels: {{{labels}}}}}\n"
        );
        lab.write("tiny/compose.yml", &text);
    };
    compose(", backupbot.backup.pre-hook: 'true'");
    lab.write("tiny/.env.sample", "TYPE=tiny\nDOMAIN=tiny.example.org\n");
    let run = lab.run(&["app", "new", "./tiny", "--domain", APP, "--server=simulated"]);
    assert_eq!(run.code, 0, "{run}");
    let run = deploy(&lab, &[]);
    assert_eq!(run.code, 6, "{run}");
    for words in [
        "error: the recipe's backups need your consent:\n",
        "  the recipe's backup labels have hooks; potluck's backupbot needs permission to\n    run",
        "to agree, add --grant 'backupbot exec: app'\n",
    ] {
        assert!(run.stderr.contains(words), "{words}\n{run}");
    }
    let run = deploy(&lab, &["backupbot exec: app"]);
    assert_eq!(run.code, 0, "{run}");
    assert!(!run.stderr.contains("backupbot's"), "{run}");
    // One that the recipe lists is the recipe's.
    lab.write(
        "tiny/recipe.yml",
        "plugins:\n  - name: backupbot\n    component: std:backupbot\n    grants: [{exec: app}]\n",
    );
    std::fs::remove_file(lab.path(LOCK)).unwrap();
    let run = deploy(&lab, &[]);
    assert_eq!(run.code, 6, "{run}");
    assert!(run.stderr.contains("  backupbot wants to\n"), "{run}");
}
