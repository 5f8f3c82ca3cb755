//! `std:backupbot` on the real swarm: recipes from before plugins, which say what
//! to back up by labels.

use crate::support::std_guests;

use std_guests::{OnSwarm, ready};

const LABELLED: &str = r#"
version: "3.8"
services:
  app:
    image: potluck-test/busybox:1
    command: ["sh", "-c", "trap exit TERM; while :; do sleep 0.2; done"]
    stop_grace_period: 1s
    volumes: [data:/data, cache:/cache]
    deploy:
      endpoint_mode: dnsrr
      labels:
        backupbot.backup: "${ENABLE_BACKUPS:-true}"
        backupbot.backup.pre-hook: "cp /data/live /data/dump"
        backupbot.backup.post-hook: "rm /data/dump"
        backupbot.backup.volumes.data.path: "dump"
        backupbot.backup.volumes.cache: "false"
        backupbot.restore.pre-hook: "test ! -e /cache/refuse && echo asked >>/cache/asked"
        backupbot.restore.post-hook: "mv /data/dump /data/live"
volumes:
  data:
  cache:
"#;

#[test]
fn labels_alone_make_a_backup_with_hooks_that_were_granted() {
    if !ready(&[]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let recipe = folder.path().join("labelled");
    std::fs::create_dir(&recipe).unwrap();
    std::fs::write(recipe.join("compose.yml"), LABELLED).unwrap();
    std::fs::write(recipe.join(".env.sample"), "TYPE=labelled\nDOMAIN=x.example.org\n").unwrap();
    let on = OnSwarm::new(&recipe, "labels");
    let app = on.app.as_str();
    let asked = on.run(&["app", "deploy", app, "-n"], b"");
    assert_eq!(asked.code, 6, "{asked}");
    assert!(asked.stderr.contains("exec: app"), "{asked}");
    on.ok(&["app", "deploy", app, "-n", "--grant", "exec: app"]);
    on.sh("app", "echo soup >/data/live; echo x >/data/other; echo y >/cache/y");
    on.ok(&["backup", "create", app]);
    assert_eq!(on.sh("app", "ls /data"), "live\nother");
    on.lose(&["data", "cache"]);
    let gone = on.run(&["backup", "restore", app, "--yes"], b"");
    assert_eq!(gone.code, 0, "{gone}");
    assert!(gone.stderr.contains("restore.pre-hook` did not run: the service `app`"), "{gone}");
    assert_eq!(on.sh("app", "cat /data/live; ls /data /cache"), "soup\n/cache:\n\n/data:\nlive");

    on.sh("app", "echo salt >/data/live");
    on.ok(&["backup", "restore", app, "--yes"]);
    assert_eq!(on.sh("app", "cat /data/live /cache/asked"), "soup\nasked");
    on.sh("app", "echo salt >/data/live; touch /cache/refuse");
    let refused = on.run(&["backup", "restore", app, "--yes"], b"");
    assert_eq!(refused.code, 1, "{refused}");
    let said = "`backupbot.restore.pre-hook` of the service `app` failed, its data is unchanged";
    assert!(refused.stderr.contains(said), "{refused}");
    assert_eq!(on.sh("app", "cat /data/live /cache/asked"), "salt\nasked");

    let env = on.lab.path(&format!("potluck/servers/here/{app}.env"));
    let settings = std::fs::read_to_string(&env).unwrap();
    std::fs::write(&env, format!("{settings}ENABLE_BACKUPS=false\n")).unwrap();
    let off = on.run(&["backup", "create", app], b"");
    assert_eq!(off.code, 1, "{off}");
    assert!(off.stderr.contains("turn its backups off"), "{off}");
}
