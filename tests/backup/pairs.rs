//! `before-backup` and `after-backup` come in pairs, and services that a backup pauses or
//! stops run again, whatever ends it: SIGKILL, a lost server or SIGTERM at any moment, on the
//! simulated server. The moments are the changes of the swarm, as in `deploy/crash.rs`; some
//! are tried ([`EVERY`]).

use std::fs;

use potluck::plugin::BackupItem;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::support::{
    cli::{Lab, Run, when_stopped},
    hostile::guests,
};

const APP: &str = "t.example";
/// One moment of so many is tried, unless POTLUCK_CRASH_EVERY says otherwise.
const EVERY: usize = 7;

const RECIPE: &str = r#"
services:
  web:
    image: example.invalid/web:1
    volumes: ["content:/content"]
    deploy: {replicas: 2, update_config: {monitor: 1ms}}
  agent:
    image: example.invalid/agent:1
    volumes: ["content:/content"]
    deploy: {mode: global, update_config: {monitor: 1ms}}
  reader:
    image: example.invalid/reader:1
    volumes: ["content:/content:ro"]
    deploy: {update_config: {monitor: 1ms}}
volumes:
  content:
"#;

fn good(run: &Run) {
    assert_eq!(run.code, 0, "{run}");
}

fn script(lab: &Lab, text: &str) {
    lab.write("potluck/state/simulated/simulated/script.yml", text);
}

/// A deployed app whose plugin says what it is asked, with three replicas by hand.
fn deployed(writers: &str) -> Lab {
    let lab = Lab::new();
    lab.write("tiny/compose.yml", RECIPE);
    lab.write("tiny/.env.sample", "TYPE=tiny\nDOMAIN=\n");
    let plan = [
        BackupItem::Volume { name: "content".into(), paths: Vec::new(), exclude: Vec::new() },
        BackupItem::Custom { name: "notes".into() },
    ];
    fs::create_dir_all(lab.path("tiny/plugins")).unwrap();
    fs::write(lab.path("tiny/plugins/guest.wasm"), guests::talking_backup(&plan)).unwrap();
    let manifest = "plugins:\n  - {name: guest, component: plugins/guest.wasm}\n";
    lab.write("tiny/recipe.yml", manifest);
    good(&lab.run(&["app", "new", "./tiny", "--domain", APP, "--server=simulated", "-n"]));
    good(&lab.run(&["app", "deploy", APP, "-n"]));
    let settings = format!("endpoint: simulated\nbackup: {{writers: {writers}}}\n");
    lab.write("potluck/servers/simulated/server.yml", &settings);
    let volumes = "potluck/state/simulated/simulated/volumes";
    lab.write(&format!("{volumes}/t_example_content/_data/page"), "soup");
    by_hand(&lab);
    lab
}

fn state(lab: &Lab) -> Value {
    let path = lab.path("potluck/state/simulated/simulated/swarm.json");
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn change(lab: &Lab, service: &str, change: impl Fn(&mut Value)) {
    let mut state = state(lab);
    for found in state["services"].as_array_mut().unwrap() {
        let spec = &mut found["object"]["Spec"];
        if spec["Name"] == service {
            change(spec);
        }
    }
    let path = lab.path("potluck/state/simulated/simulated/swarm.json");
    fs::write(path, state.to_string()).unwrap();
}

/// What nobody but an operator's hand did: three replicas, and a label.
fn by_hand(lab: &Lab) {
    change(lab, "t_example_web", |spec| {
        spec["Mode"]["Replicated"]["Replicas"] = 3.into();
        spec["Labels"]["by"] = "hand".into();
    });
    // Until they run.
    for _ in 0..4 {
        good(&lab.run(&["app", "ps", APP]));
    }
}

/// The specs of the services, by their names.
fn services(lab: &Lab) -> Value {
    let state = state(lab);
    let all = state["services"].as_array().unwrap().iter();
    let specs = all.map(|service| {
        let spec = &service["object"]["Spec"];
        (spec["Name"].as_str().unwrap().to_owned(), spec.clone())
    });
    Value::Object(specs.collect())
}

/// What the plugin said that it was asked.
fn asked(runs: &[&Run]) -> Vec<&'static str> {
    let calls = ["before-backup", "after-backup true", "after-backup false"];
    let lines = runs.iter().flat_map(|run| run.stderr.lines());
    lines.filter_map(|line| calls.into_iter().find(|call| line.ends_with(call))).collect()
}

/// Whether each `before-backup` has its `after-backup`.
fn is_paired(asked: &[&str]) -> bool {
    let mut open = false;
    let paired = asked.iter().all(|call| {
        let is_before = *call == "before-backup";
        let allowed = !(is_before && open);
        open = is_before;
        allowed
    });
    paired && !open
}

/// Nothing is paused or stopped, and no set is incomplete.
fn assert_as_before(lab: &Lab, before: &Value, about: &str) {
    assert_eq!(state(lab)["paused"], json!([]), "{about}");
    assert_eq!(services(lab), *before, "{about}");
    let all = lab.run(&["backup", "snapshots", APP, "--all", "--json"]);
    if all.code == 0 {
        let sets: Value = serde_json::from_str(&all.stdout).unwrap();
        assert!(
            sets.as_array().unwrap().iter().all(|set| set["complete"] == true),
            "{about}{sets}"
        );
    }
}

const CREATE: [&str; 3] = ["backup", "create", APP];

/// One backup that ends at a moment; false where it does not come to that moment.
fn ended_at(lab: &Lab, how: usize, moment: usize, before: &Value) -> bool {
    let word = ["crash", "lost", "stop"][how];
    script(lab, &format!("{word}: {moment}\n"));
    let about = format!("{word}: {moment}");
    if word == "stop" {
        let mut was_stopped = false;
        let ended = lab.run_telling(&CREATE, |pid| {
            let id = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
            was_stopped = when_stopped(pid, || kill_process(id, Signal::TERM).unwrap());
        });
        script(lab, "");
        if !was_stopped {
            good(&ended);
            return false;
        }
        let about = format!("{about}: {ended}");
        // It may have been done but for its last words.
        assert!([0, 130].contains(&ended.code), "{about}");
        assert!(is_paired(&asked(&[&ended])), "{about}");
        assert_as_before(lab, before, &about);
        let history = lab.json(&["app", "history", APP, "--json"]);
        assert_eq!(history["unfinished"], Value::Null, "{about}");
        return true;
    }
    let ended = lab.run(&CREATE);
    script(lab, "");
    if ended.code == 0 {
        return false;
    }
    let unfinished = !lab.json(&["app", "history", APP, "--json"])["unfinished"].is_null();
    let next = match (unfinished, moment % 3) {
        (true, 1) => lab.run(&["app", "resume", APP, "-y"]),
        (true, 2) => lab.run(&["app", "abort", APP, "-y"]),
        _ => lab.run(&CREATE),
    };
    let about = format!("{about}: {ended}{next}");
    good(&next);
    let asked = asked(&[&ended, &next]);
    assert!(is_paired(&asked), "{asked:?} {about}");
    assert_as_before(lab, before, &about);
    true
}

#[test]
fn whatever_ends_a_backup_its_hooks_are_paired_and_nothing_is_held_back() {
    let every = std::env::var("POTLUCK_CRASH_EVERY").ok().and_then(|it| it.parse().ok());
    let every: usize = every.unwrap_or(EVERY);
    std::thread::scope(|scope| {
        for writers in ["run", "pause", "stop"] {
            scope.spawn(move || {
                let lab = deployed(writers);
                let first = lab.run(&CREATE);
                good(&first);
                assert_eq!(asked(&[&first]), ["before-backup", "after-backup true"]);
                let before = services(&lab);
                let mut moment = 1;
                let hows =
                    |moment: usize| if every == 1 { vec![0, 1, 2] } else { vec![moment % 3] };
                while hows(moment).into_iter().all(|how| ended_at(&lab, how, moment, &before)) {
                    moment += every;
                }
                let least = if writers == "run" { 15 } else { 20 };
                assert!(moment > least, "{writers}: only {moment} moments");
            });
        }
    });
}

#[test]
fn services_that_write_a_volume_are_held_as_the_settings_or_the_command_say() {
    let lab = deployed("pause");
    let before = services(&lab);
    let planned = |more: &[&str]| {
        let dry = [&CREATE[..], &["--dry-run", "--json"], more].concat();
        lab.json(&dry)
    };
    let plan = planned(&[]);
    let volume = json!({
        "name": "content", "kind": "volume", "service": null, "paths": [], "held": ["agent", "web"],
    });
    assert_eq!((&plan["writers"], &plan["items"][0]), (&json!("pause"), &volume), "{plan}");
    assert_eq!(plan["items"][1]["kind"], "custom");
    let shown = lab.run(&[&CREATE[..], &["--dry-run"]].concat());
    assert!(shown.stdout.contains("volume content, with agent, web paused\n"), "{shown}");
    assert_eq!(planned(&["--writers", "run"])["items"][0]["held"], json!([]));
    assert_eq!(lab.run(&[&CREATE[..], &["--writers", "freeze"]].concat()).code, 2);

    // The app's own settings come before the server's, the command before both.
    let settings =
        "endpoint: simulated\nbackup:\n  writers: pause\n  apps:\n    t.example: {writers: stop}\n";
    lab.write("potluck/servers/simulated/server.yml", settings);
    assert_eq!(planned(&[])["writers"], "stop");
    let done = lab.run(&CREATE);
    good(&done);
    let words = ["stop agent, web", "volume content", "start agent, web", "custom notes"];
    let mut rest = done.stderr.as_str();
    for words in words {
        rest = rest.split_once(words).unwrap_or_else(|| panic!("{words}: {done}")).1;
    }
    assert_eq!(services(&lab), before, "{done}");
    let run = lab.run(&[&CREATE[..], &["--writers", "run"]].concat());
    assert!(!run.stderr.contains("stop agent"), "{run}");
}

/// A service that somebody changes while a backup has it stopped keeps that.
#[test]
fn what_is_changed_by_hand_while_a_backup_is_unfinished_is_kept() {
    let lab = deployed("stop");
    let before = services(&lab);
    let stopped = |lab: &Lab| services(lab)["t_example_web"]["Mode"]["Replicated"]["Replicas"] == 0;
    let found = (4..40).find(|moment| {
        script(&lab, &format!("crash: {moment}\n"));
        let killed = lab.run(&CREATE);
        script(&lab, "");
        killed.code == -1 && stopped(&lab) || {
            let aborted = lab.run(&["app", "abort", APP, "-y"]);
            assert!([0, 1].contains(&aborted.code), "{aborted}");
            false
        }
    });
    assert!(found.is_some(), "no moment left services stopped");
    change(&lab, "t_example_web", |spec| spec["Labels"]["by"] = "another".into());
    let next = lab.run(&CREATE);
    good(&next);
    assert!(next.stderr.contains("t_example_web was still stopped for that backup"), "{next}");
    let mut expected = before;
    expected["t_example_web"]["Labels"]["by"] = "another".into();
    assert_eq!(services(&lab), expected, "{next}");
}

/// Replicas, global services, what was changed by hand, and what was stopped by hand.
#[test]
fn a_restore_brings_services_back_as_they_were_or_says_what_it_changes() {
    let lab = deployed("run");
    good(&lab.run(&CREATE));
    let before = services(&lab);
    good(&lab.run(&["backup", "restore", APP, "-y"]));
    assert_eq!(services(&lab), before);

    // Killed anywhere, and finished or taken back by the next.
    let mut unfinished = 0;
    for moment in (3..80).step_by(6) {
        script(&lab, &format!("crash: {moment}\n"));
        let killed = lab.run(&["backup", "restore", APP, "-y"]);
        script(&lab, "");
        if killed.code == 0 {
            break;
        }
        if lab.json(&["app", "history", APP, "--json"])["unfinished"].is_null() {
            continue;
        }
        unfinished += 1;
        let next = match unfinished % 2 {
            0 => lab.run(&["app", "resume", APP, "-y"]),
            _ => lab.run(&["backup", "restore", APP, "-y"]),
        };
        good(&next);
        assert_eq!(services(&lab), before, "{moment}: {killed}{next}");
    }
    assert!(unfinished > 2, "{unfinished}");

    change(&lab, "t_example_reader", |spec| spec["Mode"]["Replicated"]["Replicas"] = 0.into());
    let said = lab.run(&["backup", "restore", APP, "-y"]);
    good(&said);
    assert!(said.stderr.contains("`reader` is stopped now, and starts"), "{said}");
    assert_eq!(services(&lab), before, "only what was stopped is otherwise: {said}");

    // Where one is missing, all are deployed, and that is said.
    let mut state = state(&lab);
    let all = state["services"].as_array_mut().unwrap();
    all.retain(|service| service["object"]["Spec"]["Name"] != "t_example_reader");
    let path = lab.path("potluck/state/simulated/simulated/swarm.json");
    fs::write(path, state.to_string()).unwrap();
    let said = lab.run(&["backup", "restore", APP, "-y"]);
    good(&said);
    assert!(said.stderr.contains("what was changed by hand"), "{said}");
    assert_eq!(services(&lab)["t_example_web"]["Mode"]["Replicated"]["Replicas"], 2, "{said}");
}
