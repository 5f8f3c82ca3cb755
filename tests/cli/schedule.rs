//! `backup schedule`: what cron and systemd are given, and that they take it.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    process::{Command, Output},
};

use serde_json::Value;

use crate::support::{
    cli::{Lab, Run},
    common::{eventually, skip},
};

fn done(lab: &Lab, arguments: &[&str]) -> Run {
    let run = lab.run(arguments);
    assert_eq!(run.code, 0, "{run}");
    run
}

fn schedule(lab: &Lab, verb: &str, more: &[&str]) -> Run {
    lab.run(&[&["backup", "schedule", verb], more].concat())
}

/// None, said loudly, where the program is missing.
fn tool(program: &str, arguments: &[&str]) -> Option<Output> {
    match Command::new(program).args(arguments).output() {
        Ok(output) => Some(output),
        Err(error) => {
            skip(&format!("{program}: {error}"));
            None
        }
    }
}

fn said(output: &Output) -> String {
    let (out, err) = (&output.stdout, &output.stderr);
    format!("{}{}", String::from_utf8_lossy(out), String::from_utf8_lossy(err))
}

#[test]
fn a_timer_is_shown_installed_listed_and_removed() {
    let lab = Lab::new();
    let night = ["30 3 * * 1-5", "--systemd", "--time-zone", "Europe/Brussels", "--into", "units"];
    let shown = schedule(&lab, "show", &[&night[..], &["--json"]].concat());
    assert_eq!(shown.code, 0, "{shown}");
    let value: Value = serde_json::from_str(&shown.stdout).unwrap();
    let line = "Mon..Fri *-*-* 03:30:00 Europe/Brussels";
    assert_eq!(value["on_calendar"], serde_json::json!([line]), "{shown}");
    assert!(!lab.path("units").exists(), "show writes nothing");
    let next = value["next"][0].as_str().unwrap();
    assert!(next.contains(" 03:30 CE"), "{next}");

    let installed = schedule(&lab, "install", &night);
    assert_eq!(installed.code, 0, "{installed}");
    let words = "`30 3 * * 1-5` in the time zone Europe/Brussels; the next times:";
    assert!(installed.stderr.contains(words), "{installed}");
    let file = |name: &str| fs::read_to_string(lab.path("units").join(name)).unwrap();
    let timer = file("potluck-backup.timer");
    for wanted in [&format!("OnCalendar={line}"), "Persistent=true", "RandomizedDelaySec=900"] {
        assert!(timer.lines().any(|line| line == wanted), "{wanted}: {timer}");
    }
    let service = file("potluck-backup.service");
    let folder = lab.path("potluck").display().to_string();
    let program = env!("CARGO_BIN_EXE_potluck");
    for wanted in [
        format!("Environment=\"POTLUCK_DIR={folder}\""),
        format!("ExecStart={program} --no-input backup run"),
        "Type=oneshot".to_owned(),
    ] {
        assert!(service.lines().any(|line| line == wanted), "{wanted}: {service}");
    }

    let list = ["--into", "units"];
    let listed = schedule(&lab, "ls", &[&list[..], &["--json"]].concat());
    let value: Value = serde_json::from_str(&listed.stdout).unwrap();
    assert_eq!(value.as_array().unwrap().len(), 1, "{listed}");
    assert_eq!(value[0]["when"], "30 3 * * 1-5", "{listed}");
    assert_eq!(value[0]["runs"], "potluck backup run", "{listed}");

    // Again, with another time: it is replaced.
    schedule(&lab, "install", &["@daily", "--systemd", "--into", "units"]);
    assert!(file("potluck-backup.timer").contains("# when: 0 0 * * *\n"));
    let removed = schedule(&lab, "rm", &["potluck-backup", "--into", "units"]);
    assert_eq!(removed.code, 0, "{removed}");
    assert_eq!(fs::read_dir(lab.path("units")).unwrap().count(), 0);
    let again = schedule(&lab, "rm", &["potluck-backup", "--into", "units"]);
    assert_eq!(again.code, 1, "{again}");
}

#[test]
fn what_somebody_else_wrote_is_left_alone() {
    let lab = Lab::new();
    lab.write("units/potluck-backup.timer", "[Timer]\nOnCalendar=daily\n");
    let args = ["--systemd", "--into", "units"];
    let refused = schedule(&lab, "install", &args);
    assert_eq!(refused.code, 1, "{refused}");
    assert!(refused.stderr.contains("exists, and potluck did not write it"), "{refused}");
    assert_eq!(schedule(&lab, "rm", &["potluck-backup", "--into", "units"]).code, 1);
    assert!(lab.path("units/potluck-backup.timer").exists());
    assert!(!lab.path("units/potluck-backup.service").exists());

    // The schedule of another folder.
    fs::remove_file(lab.path("units/potluck-backup.timer")).unwrap();
    assert_eq!(schedule(&lab, "install", &args).code, 0);
    let other = lab.run(&[
        "--potluck-dir",
        "other",
        "backup",
        "schedule",
        "install",
        "--systemd",
        "--into",
        "units",
    ]);
    assert_eq!(other.code, 1, "{other}");
    assert!(other.stderr.contains("is the schedule of another folder"), "{other}");
}

#[test]
fn what_cannot_be_scheduled_is_refused_plainly() {
    let lab = Lab::new();
    for (arguments, words) in [
        (&["30 3 L * *"][..], "known to neither cron nor systemd"),
        (&["30 25 * * *"], "hour: `25` is not a number from 0 to 23"),
        (&["0 0 30 2 *"], "names no time in the next years"),
        (&["--systemd", "--time-zone", "Mars/Olympus"], "is not a time zone"),
        (
            &["--cron", "--time-zone", "Pacific/Kiritimati"],
            "cron reads times in the time zone of this machine",
        ),
        (&["--", "--job", "4"], "does not take these arguments"),
        (&["--", "--jitter", "4"], "write it before `--`"),
    ] {
        let refused = schedule(&lab, "show", arguments);
        assert!([1, 2].contains(&refused.code), "{refused}");
        assert!(refused.stderr.contains(words), "{words}: {refused}");
        assert_eq!(refused.stdout, "", "{refused}");
    }
}

/// systemd itself reads the units, in a folder whose name it would take apart.
#[test]
fn systemd_takes_what_is_written_for_it() {
    let lab = Lab::new();
    let folder = lab.path("a 100% $odd \"dir").display().to_string();
    for (name, more) in [("nightly", &["0 1 13 * fri"][..]), ("look", &["@hourly", "--status"])] {
        let run = lab.run(
            &[
                &["--potluck-dir", &folder, "backup", "schedule", "install"],
                more,
                &["--systemd", "--into", "units", "--name", name],
            ]
            .concat(),
        );
        assert_eq!(run.code, 0, "{run}");
        for unit in ["timer", "service"] {
            let unit = lab.path(&format!("units/{name}.{unit}")).display().to_string();
            let Some(verified) = tool("systemd-analyze", &["verify", "--man=no", &unit]) else {
                return;
            };
            let said = said(&verified);
            let about_ours = said.lines().filter(|line| line.contains(name)).collect::<Vec<_>>();
            assert!(about_ours.is_empty(), "{unit}: {said}");
        }
    }
}

/// What cron means and what systemd does are the same times.
#[test]
fn systemd_reads_a_schedule_as_cron_does() {
    let lab = Lab::new();
    for when in [
        "30 3 * * *",
        "*/20 8-18 * * mon-fri",
        "0 1 1,15 * *",
        "5 4 * 2-11/3 *",
        "0 3 * * 7",
        "@monthly",
        "15 2 29 feb *",
        // Clocks are put forward at two on a Sunday between the 8th and the 14th.
        "30 2 8-14 3 *",
    ] {
        let args = [when, "--systemd", "--time-zone", "America/New_York", "--json"];
        let shown = schedule(&lab, "show", &args);
        assert_eq!(shown.code, 0, "{shown}");
        let value: Value = serde_json::from_str(&shown.stdout).unwrap();
        let calendar = value["on_calendar"][0].as_str().unwrap();
        let arguments = ["calendar", "--iterations=3", calendar];
        let Some(read) = tool("systemd-analyze", &arguments) else { return };
        let said = said(&read);
        assert!(read.status.success(), "{calendar}: {said}");
        // Either is said in UTC below, where it is not UTC itself.
        let next = value["next"].as_array().unwrap();
        for time in next {
            let time = time.as_str().unwrap().split(' ').skip(1).take(2).collect::<Vec<_>>();
            let civil: jiff::civil::DateTime = time.join("T").parse().unwrap();
            let there = civil.in_tz("America/New_York").unwrap();
            let utc = there.with_time_zone(jiff::tz::TimeZone::UTC);
            let here = utc.strftime("%Y-%m-%d %H:%M:00").to_string();
            assert!(said.contains(&here), "{when}: {here} is not in {said}");
        }
    }
}

/// A user's crontab, by a program that keeps it in a file.
#[test]
fn a_crontab_keeps_what_else_is_in_it() {
    if rustix::process::geteuid().is_root() {
        // Root's schedules are files of their own.
        return a_file_for_cron();
    }
    let lab = Lab::new();
    let tab = lab.path("tab").display().to_string();
    lab.write(
        "bin/crontab",
        &format!("#!/bin/sh\ncase $1 in -l) cat {tab} ;; -) cat >{tab} ;; esac\n"),
    );
    fs::set_permissions(lab.path("bin/crontab"), fs::Permissions::from_mode(0o755)).unwrap();
    lab.write("tab", "MAILTO=me\n0 1 * * * other");
    let path = format!("{}:{}", lab.path("bin").display(), std::env::var("PATH").unwrap());
    let run = |arguments: &[&str]| {
        let output = lab.command().env("PATH", &path).args(arguments).output().unwrap();
        assert!(output.status.success(), "{}", said(&output));
    };
    for when in ["30 3 * * *", "45 3 * * *"] {
        run(&["backup", "schedule", "install", when, "--cron"]);
    }
    let text = fs::read_to_string(lab.path("tab")).unwrap();
    assert!(
        text.starts_with("MAILTO=me\n0 1 * * * other\n# potluck schedule potluck-backup\n"),
        "{text}"
    );
    assert!(text.contains("\n45 3 * * * POTLUCK_DIR=") && !text.contains("\n30 3"), "{text}");
    run(&["backup", "schedule", "rm", "potluck-backup"]);
    assert_eq!(fs::read_to_string(lab.path("tab")).unwrap(), "MAILTO=me\n0 1 * * * other\n");
}

fn a_file_for_cron() {
    let lab = Lab::new();
    let args = ["30 3 * * *", "--cron", "--into", "cron.d", "--", "--jobs", "4", "*.example"];
    assert_eq!(schedule(&lab, "install", &args).code, 0);
    let text = fs::read_to_string(lab.path("cron.d/potluck-backup")).unwrap();
    let line = text.lines().last().unwrap();
    assert!(line.starts_with("30 3 * * * root POTLUCK_DIR="), "{text}");
    assert!(line.ends_with(" --no-input backup run --jobs 4 '*.example' --jitter 900s"), "{text}");
}

/// A real cron runs what was written for it.
#[tokio::test(flavor = "multi_thread")]
async fn cron_carries_it_out() {
    if !rustix::process::geteuid().is_root() || tool("cron", &["--help"]).is_none() {
        return skip("cron is missing, or this is not root");
    }
    let lab = Lab::new();
    done(&lab, &["server", "add", "one", "simulated"]);
    lab.write("tiny/compose.yml", "services: {app: {image: example.invalid/app:1}}\n");
    lab.write("tiny/.env.sample", "DOMAIN=\n");
    done(&lab, &["app", "new", "./tiny", "--domain", "one.example", "--server", "one"]);
    done(&lab, &["app", "deploy", "one.example", "--no-input"]);
    let name = format!("potluck-test-{}", std::process::id());
    done(
        &lab,
        &[
            "backup",
            "schedule",
            "install",
            "* * * * *",
            "--cron",
            "--jitter",
            "0s",
            "--name",
            &name,
        ],
    );
    struct Remove(String);
    impl Drop for Remove {
        fn drop(&mut self) {
            let _ = fs::remove_file(format!("/etc/cron.d/{}", self.0));
        }
    }
    let _remove = Remove(name.clone());
    let mut cron = Command::new("cron").arg("-f").spawn().unwrap();
    eventually("cron to back the app up", async || {
        lab.path("potluck/state/attempts/one/one.example").exists().then_some(())
    })
    .await;
    cron.kill().unwrap();
    cron.wait().unwrap();
    assert_eq!(lab.run(&["backup", "status"]).code, 0);
    done(&lab, &["backup", "schedule", "rm", &name]);
}
