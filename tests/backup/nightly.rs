//! `backup run`, `backup status`: all apps at night, and who is told of what.

use std::{fs, time::Duration};

use potluck::home::{AppEntry, Home};
use serde_json::Value;

use crate::support::{
    cli::{CONTENT, Lab, Run},
    common::{BUSYBOX, Cleanup, app::shell, real_engine},
    hostile::guests,
    monitor::{CAPABILITY, Monitor, taken, tells},
    operator,
};
use potluck::plugin::{BackupItem, Belief, Ending};

fn done(lab: &Lab, arguments: &[&str]) -> Run {
    let run = lab.run(arguments);
    assert_eq!(run.code, 0, "{run}");
    run
}

/// An app with a volume on each of these simulated servers, which are made.
fn fleet(servers: &[&str]) -> Lab {
    let lab = Lab::new();
    lab.write("tiny/compose.yml", CONTENT);
    lab.write("tiny/.env.sample", "DOMAIN=\n");
    for server in servers {
        done(&lab, &["server", "add", server, "simulated"]);
        let app = format!("{server}.example");
        done(&lab, &["app", "new", "./tiny", "--domain", &app, "--server", server]);
        done(&lab, &["app", "deploy", &app, "--no-input"]);
        let stack = app.replace('.', "_");
        let volume = format!("potluck/state/simulated/{server}/volumes/{stack}_content/_data/page");
        lab.write(&volume, "soup");
    }
    lab
}

fn script(lab: &Lab, server: &str, text: &str) {
    lab.write(&format!("potluck/state/simulated/{server}/script.yml"), text);
}

fn json(run: &Run) -> Value {
    serde_json::from_str(&run.stdout).unwrap_or_else(|error| panic!("{error}: {run}"))
}

/// The value of a metric of an app.
fn metric(lab: &Lab, name: &str, app: &str) -> Option<f64> {
    let text = fs::read_to_string(lab.path("metrics/potluck.prom")).unwrap();
    let begin = format!("{name}{{app=\"{app}\"");
    let line = text.lines().find(|line| line.starts_with(&begin))?;
    line.rsplit(' ').next().unwrap().parse().ok()
}

const QUICK: [&str; 4] = ["--retries", "1", "--retry-wait", "0s"];

fn run(lab: &Lab, more: &[&str]) -> Run {
    lab.run(&[&["backup", "run"], &QUICK[..], more].concat())
}

#[test]
fn a_run_says_of_each_app_what_came_of_it_and_tells_everyone_who_has_to_know() {
    let lab = fleet(&["one", "two"]);
    done(&lab, &["app", "new", "./tiny", "--domain", "x.excepted.example", "--server", "one"]);
    let monitor = Monitor::new("200 OK");
    tells(&lab, &monitor);
    script(&lab, "two", "unreachable: true\n");

    let night = run(&lab, &[]);
    assert_eq!(night.code, 3, "{night}");
    let lines: Vec<&str> = night.stdout.lines().collect();
    assert_eq!(lines.len(), 2, "{night}");
    let line = |app: &str| *lines.iter().find(|line| line.starts_with(app)).unwrap();
    assert!(line("one.example: backed up, ").contains(" in "), "{night}");
    let failed = line("two.example: FAILED: ");
    assert!(
        failed.contains("cannot reach the Docker engine")
            && failed.contains(" and 2 tries; next: "),
        "{night}"
    );
    assert!(
        night.stderr.contains("1 of 2 apps backed up, 1 failed, 1 left out by backup.yml, in "),
        "{night}"
    );
    assert!(night.stderr.contains("warning: two.example: cannot reach"), "{night}");
    assert!(!night.stderr.contains("..."), "no steps off a terminal: {night}");

    let heard = monitor.heard();
    let paths: Vec<&str> = heard.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(paths, ["/check/start", "/check/fail"]);
    assert!(heard[1].1.starts_with("1 of 2 apps backed up, 1 failed"), "{heard:?}");
    let told = taken(&lab, "told");
    assert!(told.contains("two.example: FAILED: ") && !told.contains("POTLUCK_DIR="), "{told}");
    let mail = taken(&lab, "mail");
    assert!(mail.starts_with("-i ops@example.org\n"), "{mail}");
    assert!(mail.contains(": 1 of 2 apps are not backed up as they should be\n"), "{mail}");
    assert!(mail.contains("\n\n1 of 2 apps backed up"), "{mail}");
    assert!(
        metric(&lab, "potluck_backup_last_success_timestamp_seconds", "one.example") > Some(0.0)
    );
    assert_eq!(
        metric(&lab, "potluck_backup_last_success_timestamp_seconds", "two.example"),
        Some(0.0)
    );
    assert_eq!(metric(&lab, "potluck_backup_last_status", "two.example"), Some(2.0));

    let status = lab.run(&["backup", "status"]);
    assert_eq!(status.code, 1, "{status}");
    let lines: Vec<&str> = status.stdout.lines().collect();
    assert!(
        lines[0].starts_with(
            "two.example: WRONG: there is no complete backup of it; the last attempt, "
        ),
        "{status}"
    );
    assert!(lines[1].starts_with("one.example: good: "), "{status}");

    // The next night all is well, and nobody has to be told but the monitor.
    script(&lab, "two", "");
    let night = run(&lab, &["--json"]);
    assert_eq!(night.code, 0, "{night}");
    let report = json(&night);
    assert_eq!((&report["backed_up"], &report["failed"]), (&2.into(), &0.into()), "{night}");
    assert_eq!(report["apps"][1]["outcome"], "backed-up", "{night}");
    assert_eq!(monitor.paths(), ["/check/start", "/check"]);
    assert_eq!(taken(&lab, "told") + &taken(&lab, "mail"), "");
    done(&lab, &["backup", "status"]);

    // A run of one app keeps what is known of the others.
    let known = metric(&lab, "potluck_backup_last_success_timestamp_seconds", "two.example");
    assert!(known > Some(0.0));
    assert_eq!(run(&lab, &["one.*"]).stdout.lines().count(), 1);
    assert_eq!(metric(&lab, "potluck_backup_last_success_timestamp_seconds", "two.example"), known);

    // The monitor's address is nowhere but in the file that the operator wrote.
    for (path, content) in lab.files() {
        let known = path == lab.path("ping");
        let has = String::from_utf8_lossy(&content).contains(CAPABILITY);
        assert_eq!(has, known, "{}", path.display());
    }
}

#[test]
fn a_monitor_that_does_not_answer_well_is_a_warning() {
    let lab = fleet(&["one"]);
    let monitor = Monitor::new("404 Not Found");
    tells(&lab, &monitor);
    let night = run(&lab, &["--json"]);
    assert_eq!(night.code, 0, "{night}");
    let said = "the monitor was not told: it answers 404 Not Found";
    assert!(night.stderr.contains(&format!("warning: {said}")), "{night}");
    assert_eq!(json(&night)["warnings"], serde_json::json!([said, said]), "{night}");
    assert!(!format!("{night}").contains(CAPABILITY), "{night}");
}

#[test]
fn settings_that_cannot_be_read_keep_no_app_from_being_backed_up_but_are_said() {
    let lab = fleet(&["one"]);
    lab.write("potluck/backup.yml", "pings: 1\n");
    let night = run(&lab, &[]);
    assert_eq!(night.code, 3, "{night}");
    assert!(night.stdout.starts_with("one.example: backed up"), "{night}");
    assert!(night.stderr.contains("backup.yml cannot be read: nobody was told"), "{night}");
    // The monitor does not guess.
    assert_eq!(lab.run(&["backup", "status"]).code, 1);
}

#[test]
fn a_run_that_leaves_out_all_apps_is_no_success() {
    let lab = fleet(&["one"]);
    lab.write("potluck/backup.yml", "except: [\"*\"]\n");
    operator::refused(&run(&lab, &[]), 1, &["`except` leaves out one.example"]);
    operator::refused(&run(&lab, &["one.example"]), 1, &["`except` leaves out one.example"]);
}

#[test]
fn nothing_to_back_up_is_a_failure_and_a_name_that_no_app_has_is_one_of_its_own() {
    let lab = fleet(&["one"]);
    let monitor = Monitor::new("200 OK");
    tells(&lab, &monitor);
    let night = run(&lab, &["nothing.*", "--server", "one"]);
    operator::refused(&night, 1, &["no app fits"]);
    assert_eq!(monitor.paths(), ["/check/start", "/check/fail"]);
    assert!(taken(&lab, "mail").contains("no app fits"));

    let night = run(&lab, &["one.example", "gone.example"]);
    assert_eq!(night.code, 3, "{night}");
    assert!(night.stdout.contains("gone.example: FAILED: no app has this name"), "{night}");
    operator::refused(
        &lab.run(&["backup", "status", "gone.example", "one.example"]),
        1,
        &["gone.example"],
    );
}

#[test]
fn an_app_that_was_never_deployed_fails_no_run_unless_there_are_backups_of_it() {
    let lab = fleet(&["one"]);
    done(&lab, &["app", "new", "./tiny", "--domain", "new.example", "--server", "one"]);
    let status = lab.run(&["backup", "status"]);
    assert_eq!(status.code, 1, "{status}");
    assert!(status.stdout.contains("and none was ever tried from here; next: "), "{status}");
    let night = run(&lab, &[]);
    assert_eq!(night.code, 0, "{night}");
    assert!(night.stdout.contains("new.example: never deployed, so nothing"), "{night}");
    done(&lab, &["backup", "status"]);

    // Its swarm was made anew.
    fs::remove_dir_all(lab.path("potluck/state/simulated/one")).unwrap();
    let night = run(&lab, &["one.example"]);
    assert_eq!(night.code, 1, "{night}");
    assert!(
        night.stdout.contains("is unknown to its server, although there are backups"),
        "{night}"
    );
    assert!(night.stdout.contains("`potluck backup restore one.example`"), "{night}");
}

#[test]
fn a_run_never_overlaps_itself() {
    let lab = fleet(&["one"]);
    let home = Home::new(lab.path("potluck"));
    let held = home.guard_run().unwrap();
    let second = run(&lab, &[]);
    operator::refused(&second, 5, &["error: a backup run has been running since 20", "(pid "]);
    assert_eq!(second.stdout, "");
    drop(held);
    assert_eq!(run(&lab, &[]).code, 0);
}

#[test]
fn a_run_that_was_killed_is_finished_by_the_next_one() {
    let lab = fleet(&["one"]);
    // In the middle: each step of its journal changes the swarm.
    script(&lab, "one", "crash: 9\n");
    let killed = run(&lab, &[]);
    assert_eq!(killed.code, -1, "{killed}");
    script(&lab, "one", "");
    let night = run(&lab, &[]);
    assert_eq!(night.code, 0, "{night}");
    assert!(night.stderr.contains("; ending it first"), "{night}");
    let sets = lab.json(&["backup", "snapshots", "one.example", "--all", "--json"]);
    assert_eq!(sets.as_array().unwrap().len(), 1, "{sets}");
    assert_eq!(sets[0]["complete"], true);
    done(&lab, &["backup", "restore", "one.example", "--yes"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_told_to_end_says_what_it_did_not_do() {
    let lab = fleet(&["one", "two"]);
    let monitor = Monitor::new("200 OK");
    tells(&lab, &monitor);
    let home = Home::new(lab.path("potluck"));
    let entry = AppEntry { name: "one.example".parse().unwrap(), server: "one".parse().unwrap() };
    let held = home.guard_app(&entry, "a deploy").unwrap();
    let ended = tokio::task::block_in_place(|| {
        lab.run_telling(&["backup", "run", "--jobs", "1"], |pid| {
            // It has begun, and waits for the app.
            while monitor.paths().is_empty() {
                std::thread::sleep(Duration::from_millis(20));
            }
            let pid = rustix::process::Pid::from_raw(pid.try_into().unwrap()).unwrap();
            rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        })
    });
    drop(held);
    assert_eq!(ended.code, 130, "{ended}");
    assert_eq!(ended.stdout.matches(": INTERRUPTED: ").count(), 2, "{ended}");
    assert!(ended.stderr.contains("the run was told to end: 0 of 2 apps backed up"), "{ended}");
    assert_eq!(monitor.paths(), ["/check/fail"]);
    assert_eq!(run(&lab, &[]).code, 0);
}

#[test]
fn a_monitor_by_cron_tells_of_a_run_that_did_not_happen() {
    let lab = fleet(&["one"]);
    // Nobody to tell is no reason not to look.
    let looked = lab.run(&["backup", "status", "--notify"]);
    operator::refused(&looked, 1, &["there is no notify.yml", "something is wrong with 1 of 1"]);
    tells(&lab, &Monitor::new("200 OK"));
    let absent = lab.run(&["backup", "status", "--notify"]);
    assert_eq!(absent.code, 1, "{absent}");
    assert!(taken(&lab, "mail").contains("one.example: WRONG: there is no backup of it"));
    assert_eq!(run(&lab, &[]).code, 0);
    taken(&lab, "told");
    done(&lab, &["backup", "status", "--notify"]);
    assert_eq!(taken(&lab, "told") + &taken(&lab, "mail"), "");

    // As a day later.
    std::thread::sleep(Duration::from_millis(1100));
    let old = lab.run(&["backup", "status", "--notify", "--max-age", "0s", "--json"]);
    assert_eq!(old.code, 1, "{old}");
    let report = json(&old);
    assert_eq!(report["apps"][0]["findings"][0]["code"], "old", "{old}");
    assert_eq!(report["ok"], false, "{old}");
    assert!(taken(&lab, "told").contains("and may be 0 s old"));

    // A repository that is gone.
    fs::rename(lab.path("potluck/state/backups"), lab.path("elsewhere")).unwrap();
    let gone = lab.run(&["backup", "status"]);
    assert_eq!(gone.code, 1, "{gone}");
    assert!(gone.stdout.contains("which holds backups, does not exist"), "{gone}");
    let codes = json(&lab.run(&["backup", "status", "--json"]));
    assert_eq!(codes["apps"][0]["findings"][0]["code"], "repository", "{codes}");
    fs::create_dir_all(lab.path("potluck/state/backups/one")).unwrap();
    fs::rename(
        lab.path("elsewhere/one/repository"),
        lab.path("potluck/state/backups/one/repository"),
    )
    .unwrap();
    lab.write("potluck/state/backups/one/password", "wrong\n");
    let wrong = lab.run(&["backup", "status"]);
    assert_eq!(wrong.code, 1, "{wrong}");
    assert!(wrong.stdout.contains("the repository cannot be read: the password"), "{wrong}");
}

/// What `backup create` came to is known at night, too.
#[test]
fn a_backup_by_hand_that_fails_is_known_to_the_monitor() {
    let lab = fleet(&["one"]);
    done(&lab, &["backup", "create", "one.example"]);
    done(&lab, &["backup", "status"]);
    script(&lab, "one", "unreachable: true\n");
    assert_eq!(lab.run(&["backup", "create", "one.example"]).code, 1);
    let status = lab.run(&["backup", "status"]);
    assert_eq!(status.code, 1, "{status}");
    assert!(status.stdout.contains(" ago, failed: cannot reach"), "{status}");
}

const TWO_SERVICES: &str = r#"
services:
  app:
    image: BUSYBOX
    command: ["sh", "-c", "trap exit TERM; while :; do sleep 0.2; done"]
    volumes: ["content:/content"]
    deploy: {endpoint_mode: dnsrr}
volumes:
  content:
"#;

/// Two apps on the real swarm: the database of one cannot be dumped.
#[tokio::test(flavor = "multi_thread")]
async fn an_app_whose_dump_fails_keeps_the_other_from_nothing() {
    if real_engine().await.is_none() {
        return;
    }
    let lab = operator::folder();
    let monitor = Monitor::new("200 OK");
    tells(&lab, &monitor);
    let mut apps = Vec::new();
    let mut cleanups = Vec::new();
    for (recipe, take) in
        [("sound", "cat /content/rows"), ("broken", "echo half; echo no table >&2; exit 3")]
    {
        let (domain, stack) = operator::domain("nightly");
        cleanups.push(Cleanup::new(&stack));
        let item = BackupItem::Dump {
            name: "db.txt".into(),
            service: "app".into(),
            take: shell(take),
            put_back: shell("cat >/content/rows"),
            belief: Belief { ending: Ending::Unmarked, ..Belief::default() },
        };
        lab.write(&format!("{recipe}/recipe.yml"), "plugins:\n  - name: guest\n    component: guest.wasm\n    grants:\n      - exec: app\n");
        fs::write(lab.path(&format!("{recipe}/guest.wasm")), guests::talking_backup(&[item]))
            .unwrap();
        operator::app(&lab, recipe, &TWO_SERVICES.replace("BUSYBOX", BUSYBOX), "", &domain);
        let deployed = lab.run(&["app", "deploy", &domain, "--yes", "--grant", "guest exec: app"]);
        operator::good(&deployed);
        operator::good(&lab.run(&[
            "app",
            "run",
            &domain,
            "app",
            "--",
            "sh",
            "-c",
            "echo rows >/content/rows",
        ]));
        apps.push(domain);
    }
    let [sound, broken] = &apps[..] else { unreachable!() };

    let night = run(&lab, &["--json"]);
    assert_eq!(night.code, 3, "{night}");
    let report = json(&night);
    let of = |app: &String| {
        report["apps"].as_array().unwrap().iter().find(|row| row["app"] == **app).unwrap().clone()
    };
    assert_eq!(of(sound)["outcome"], "backed-up", "{night}");
    assert_eq!(
        (&of(broken)["outcome"], &of(broken)["tries"]),
        (&"failed".into(), &1.into()),
        "{night}"
    );
    let error = of(broken)["error"].as_str().unwrap().to_owned();
    assert!(error.contains("exit code 3") && error.contains("no table"), "{night}");
    let heard = monitor.heard();
    assert_eq!(heard[1].0, "/check/fail");
    assert!(heard[1].1.contains("no table"), "{heard:?}");
    assert_eq!(metric(&lab, "potluck_backup_last_status", broken), Some(2.0));
    assert_eq!(metric(&lab, "potluck_backup_last_status", sound), Some(0.0));
    assert!(taken(&lab, "told").contains("no table"));
    assert_eq!(
        lab.json(&["backup", "snapshots", broken, "--all", "--json"]),
        serde_json::json!([])
    );

    let status = lab.run(&["backup", "status", "--json"]);
    assert_eq!(status.code, 1, "{status}");
    assert_eq!(json(&status)["apps"][0]["app"], **broken, "{status}");

    operator::good(&lab.run(&[
        "app",
        "run",
        sound,
        "app",
        "--",
        "sh",
        "-c",
        "echo lost >/content/rows",
    ]));
    operator::good(&lab.run(&["backup", "restore", sound, "--yes"]));
    let back = lab.run(&["app", "run", sound, "app", "--", "cat", "/content/rows"]);
    assert_eq!(back.stdout, "rows\n", "{back}");
}
