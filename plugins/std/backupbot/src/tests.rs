use super::*;
use potluck_sdk::testing::Script;

/// A stack of `app` (mounts `media` and `config`) and `db` (mounts `data`).
fn stack(app: &[(&str, &str)], db: &[(&str, &str)]) -> Script {
    let labels = |labels: &[(&str, &str)]| {
        let map: BTreeMap<_, _> =
            labels.iter().map(|(k, v)| (format!("backupbot.{k}"), *v)).collect();
        serde_json::to_value(map).unwrap()
    };
    Script::new().options(
        &serde_json::json!({
            "services": {
                "app": {"labels": labels(app), "mounts": {"media": "/srv/media", "config": "/etc/app"}},
                "db": {"labels": labels(db), "mounts": {"data": "/var/lib/postgresql/data"}},
            },
            "volumes": ["config", "data", "media"],
        })
        .to_string(),
    )
}

fn planned(script: Script) -> Result<Vec<String>> {
    let plan = script.play(Backupbot::plan).result?;
    Ok(plan
        .iter()
        .map(|item| match item {
            Item::Volume(volume) => format!("{}:{}", volume.name, volume.paths.join(",")),
            other => panic!("{other:?}"),
        })
        .collect())
}

#[test]
fn the_labels_of_both_versions_say_what_is_taken() {
    let on = ("backup", "true");
    for (app, db, expected) in [
        (vec![on], vec![], vec!["config:", "data:", "media:"]),
        (vec![on], vec![("backup.volumes.media", "false")], vec!["config:", "data:"]),
        (
            vec![],
            vec![on, ("backup.volumes.data.path", "backup.sql, /wal")],
            vec!["config:", "data:backup.sql,wal", "media:"],
        ),
        (
            vec![on, ("backup.path", "/srv/media/a,/etc/app/")],
            vec![],
            vec!["config:", "data:", "media:a"],
        ),
        (
            vec![("backup", "True"), ("backup.volumes.gone", "false")],
            vec![],
            vec!["config:", "data:", "media:"],
        ),
    ] {
        assert_eq!(planned(stack(&app, &db)).unwrap(), expected, "{app:?} {db:?}");
    }
}

#[test]
fn what_would_not_be_a_backup_is_refused() {
    let on = ("backup", "true");
    for (app, part) in [
        (vec![], "turn its backups off"),
        (vec![("backup", "false")], "turn its backups off"),
        (vec![on, ("backup.path", "/home")], "is in none of its volumes"),
        (vec![on, ("backup.path", "/srv/mediatheque")], "is in none of its volumes"),
        (
            vec![on, ("backup.command", "pg_dump x")],
            "is not supported, because its output cannot be restored",
        ),
    ] {
        let message = planned(stack(&app, &[])).unwrap_err().message().to_owned();
        assert!(message.contains(part), "{message}");
    }
}

#[test]
fn hooks_run_in_the_services_that_carry_them() {
    let app = [("backup", "true"), ("backup.pre-hook", "echo 'a \"b\"' | cat")];
    let db = [("backup.pre-hook", "/pg_backup.sh backup"), ("backup.post-hook", "rm x")];
    let before = stack(&app, &db).play(Backupbot::before_backup);
    before.result.unwrap();
    let ran: Vec<_> = before
        .runs
        .iter()
        .map(|run| (run.service.as_str(), run.command.argv[4].as_str()))
        .collect();
    assert_eq!(ran, [("app", "echo 'a \"b\"' | cat"), ("db", "/pg_backup.sh backup")]);
    let after = stack(&app, &db).play(|| Backupbot::after_backup(false));
    assert_eq!(after.runs.len(), 1);
}

#[test]
fn all_hooks_run_and_a_failure_names_its_label() {
    let hook = ("backup.pre-hook", "x");
    let script = stack(&[("backup", "true"), hook], &[hook])
        .on_run(|_, _, _| Ok(Script::failed(1, "no space left")));
    let played = script.play(Backupbot::before_backup);
    assert_eq!(
        played.result.unwrap_err().message(),
        "`backupbot.backup.pre-hook` of the service `app`: `sh` ended with code 1: no space left"
    );
    assert_eq!(played.runs.len(), 2);
}

#[test]
fn after_a_restore_its_last_hook_runs() {
    let db = [("restore.pre-hook", "rm -rf /data"), ("restore.post-hook", "/pg_backup.sh restore")];
    let played = stack(&[("backup", "true")], &db).play(Backupbot::after_restore);
    played.result.unwrap();
    assert_eq!(played.runs.len(), 1);
    assert_eq!(played.runs[0].command.argv[4], "/pg_backup.sh restore");
}

#[test]
fn a_dump_that_fails_in_front_of_a_pipe_fails() {
    for (hook, good) in
        [("true | cat", true), ("exit 3", false), ("echo \"$0\" 'x y' >/dev/null", true)]
    {
        let status = std::process::Command::new("sh").args(["-c", RUNNER, "sh", hook]).status();
        assert_eq!(status.unwrap().success(), good, "{hook}");
    }
    let bash = std::process::Command::new("bash").args(["-c", "true"]).status();
    if bash.is_ok_and(|status| status.success()) {
        let status =
            std::process::Command::new("sh").args(["-c", RUNNER, "sh", "false | cat"]).status();
        assert!(!status.unwrap().success());
    }
}
