//! Repositories of every kind, through the program and with real servers: a folder, sftp, a
//! REST server, S3.

use crate::support::{
    cli::{Lab, Run},
    sshd::sshd,
    stores::{PASSWORD, Rights, Store},
};

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use serde_json::Value;

const SERVER: &str = "potluck/servers/simulated/server.yml";

/// An app with a volume whose backups go where server.yml says, and a log of what restic is
/// started with.
struct World {
    lab: Lab,
    path: String,
}

impl World {
    fn new(path: Option<String>) -> Self {
        let lab = Lab::with_content();
        let log = lab.path("arguments");
        let path = path.unwrap_or_else(|| std::env::var("PATH").unwrap());
        let real = std::env::split_paths(&path)
            .map(|folder| folder.join("restic"))
            .find(|path| path.exists())
            .expect("restic is installed");
        lab.write("page", "soup");
        lab.write(
            "bin/restic",
            &format!(
                "#!/bin/sh\nprintf '%s\\n' \"$*\" >>'{}'\nexec '{}' \"$@\"\n",
                log.display(),
                real.display()
            ),
        );
        fs::set_permissions(lab.path("bin/restic"), PermissionsExt::from_mode(0o755)).unwrap();
        lab.write("password", "sesame-of-the-first\n");
        fs::set_permissions(lab.path("password"), PermissionsExt::from_mode(0o600)).unwrap();
        let path = format!("{}:{path}", lab.path("bin").display());
        let world = World { lab, path };
        world.put("soup");
        world
    }

    /// What the app has in its volume.
    fn put(&self, content: &str) {
        fs::write(self.page(), content).unwrap();
    }

    fn page(&self) -> PathBuf {
        self.lab.path("potluck/state/simulated/simulated/volumes/t_example_content/_data/page")
    }

    fn settings(&self, backup: &str) {
        self.lab.write(SERVER, &format!("backup:\n{backup}"));
    }

    fn run(&self, arguments: &[&str]) -> Run {
        let mut command = self.lab.command();
        let output = command.env("PATH", &self.path).args(arguments).output().unwrap();
        self.lab.tidy(&output)
    }

    fn good(&self, arguments: &[&str]) -> Run {
        let run = self.run(arguments);
        assert_eq!(run.code, 0, "{arguments:?}: {run}");
        run
    }

    fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.good(arguments).stdout).unwrap()
    }

    /// Takes a backup; its name.
    fn back_up(&self) -> String {
        self.good(&["backup", "create", "t.example"]).stdout.trim().to_owned()
    }

    /// What restic was started with.
    fn arguments(&self) -> String {
        fs::read_to_string(self.lab.path("arguments")).unwrap()
    }
}

/// A backup, its list, its restore and a check; no credential is in an argument, or said.
fn round_trip(world: &World, secrets: &[&str]) {
    let set = world.back_up();
    let listed = world.json(&["backup", "snapshots", "t.example", "--json"]);
    assert_eq!(listed[0]["id"], set.as_str(), "{listed}");
    world.put("salt");
    let restored = world.good(&["backup", "restore", "t.example", "--yes"]);
    assert_eq!(fs::read_to_string(world.page()).unwrap(), "soup", "{restored}");
    let checked = world.good(&["backup", "check", "--read-data", "1"]);
    assert!(checked.stderr.contains("no errors; all of it was read"), "{checked}");
    let arguments = world.arguments();
    assert!(arguments.lines().any(|line| line.starts_with("backup ")), "{arguments}");
    for secret in secrets.iter().chain(&["sesame-of-the-first"]) {
        assert!(!arguments.contains(secret), "{secret}: {arguments}");
        for said in [&restored, &checked] {
            assert!(!format!("{said}").contains(secret), "{secret}: {said}");
        }
    }
}

fn at(location: &str) -> String {
    format!("  repository: '{location}'\n  password-file: ../../../password\n")
}

#[test]
fn a_folder_is_a_repository() {
    let world = World::new(None);
    world.settings(&at(world.lab.path("store").to_str().unwrap()));
    round_trip(&world, &[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_of_another_machine_is_reached_by_sftp() {
    let Some(sshd) = sshd().await else { return };
    let world = World::new(Some(sshd.path()));
    let folder = world.lab.path("store");
    let location = format!("sftp://root@127.0.0.1:{}/{}", sshd.port, folder.display());
    world.settings(&at(&location));
    round_trip(&world, &[]);
    assert!(folder.join("config").exists());
    assert!(sshd.log().contains("Accepted publickey"), "{}", sshd.log());
}

#[test]
fn a_rest_server_is_reached_with_a_password_that_is_nowhere_to_be_seen() {
    let world = World::new(None);
    let Some(store) = Store::rest(&world.lab.path("store"), Rights::All) else { return };
    world.settings(&at(&store.rest_location("swarm")));
    round_trip(&world, &[PASSWORD]);
    // The server checks it.
    world.settings(&at(&store.rest_location("swarm").replace(PASSWORD, "wrong")));
    let refused = world.run(&["backup", "snapshots", "t.example"]);
    assert!(refused.code == 1 && refused.stderr.contains("401"), "{refused}");
}

#[test]
fn a_bucket_is_reached_with_a_key_that_is_nowhere_to_be_seen() {
    let world = World::new(None);
    let Some((store, key)) = Store::s3(&[]) else { return };
    world.lab.write("key", &key);
    let settings = at(&store.s3_location("swarm")) + "  environment-file: ../../../key\n";
    world.settings(&settings);
    let secret = key.lines().nth(1).unwrap().split_once('=').unwrap().1;
    round_trip(&world, &[secret]);
    // The server checks its signatures.
    world.lab.write("key", &key.replace(secret, "wrong"));
    let refused = world.run(&["backup", "snapshots", "t.example"]);
    assert!(refused.code == 1 && refused.stderr.contains("signature"), "{refused}");
}
