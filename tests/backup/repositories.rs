//! Repositories of every kind, through the program and with real servers: a folder, sftp, a
//! REST server, S3.

use super::restic::stopped_with_a_lock;
use crate::support::{
    cli::{Lab, Run},
    common::skip,
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

fn copy(name: &str, location: &str, more: &str) -> String {
    format!(
        "    {name}:\n      repository: '{location}'\n      password-file: ../../../second\n{more}"
    )
}

impl World {
    /// The app's own repository is a folder, its copies are these.
    fn copies(&self, keep: &str, copies: &[String]) {
        self.lab.write("second", "sesame-of-the-second\n");
        let own = at(self.lab.path("store").to_str().unwrap());
        let copies = match copies {
            [] => String::new(),
            copies => format!("  copies:\n{}", copies.concat()),
        };
        self.settings(&format!("{own}{keep}{copies}"));
    }

    /// The names of the complete sets of the app, newest first.
    fn sets(&self, more: &[&str]) -> Vec<String> {
        let all = [&["backup", "snapshots", "t.example", "--json"], more].concat();
        let id = |set: &Value| set["id"].as_str().unwrap().to_owned();
        self.json(&all).as_array().unwrap().iter().map(id).collect()
    }

    fn status(&self) -> Value {
        let status = self.run(&["backup", "status", "--json"]);
        serde_json::from_str(&status.stdout).unwrap_or_else(|_| panic!("{status}"))
    }
}

#[test]
fn each_backup_is_copied_and_a_copy_is_enough_to_restore_from() {
    let world = World::new(None);
    let Some(store) = Store::rest(&world.lab.path("remote"), Rights::All) else { return };
    let vault = copy("vault", &store.rest_location("swarm"), "      keep: {last: 3}\n");
    world.copies("", &[]);
    let first = world.back_up();
    world.copies("  keep: {last: 1}\n", &[vault]);
    let second = world.good(&["backup", "create", "t.example", "--json"]);
    let report: Value = serde_json::from_str(&second.stdout).unwrap();
    assert_eq!(report["copies"][0]["copy"], "vault", "{second}");
    assert_eq!(report["copies"][0]["sets"], 2, "what it lacked, too: {second}");
    let second = report["set"].as_str().unwrap().to_owned();
    let both = [second.clone(), first.clone()];
    assert_eq!(world.sets(&["--from", "vault"]), both);

    // Each has rules of its own.
    let forgotten = world.json(&["backup", "forget", "t.example", "--json"]);
    let removed: Vec<(&Value, &Value)> =
        forgotten.as_array().unwrap().iter().map(|row| (&row["copy"], &row["removed"])).collect();
    let vault = Value::from("vault");
    assert_eq!(removed, [(&Value::Null, &1.into()), (&vault, &0.into())], "{forgotten}");
    assert_eq!(world.sets(&[]), std::slice::from_ref(&second));
    assert_eq!(world.sets(&["--from", "vault"]), both);
    let pruned = world.json(&["backup", "prune", "--json"]);
    assert_eq!((&pruned[0]["outcome"], &pruned[1]["copy"]), (&"pruned".into(), &vault));
    let checked = world.json(&["backup", "check", "--read-data", "1", "--json"]);
    assert_eq!((&checked[1]["copy"], &checked[1]["ok"]), (&vault, &true.into()), "{checked}");

    // The first is gone; the copy has all, and who signed it is still known.
    fs::rename(world.lab.path("store"), world.lab.path("lost")).unwrap();
    world.put("salt");
    let status = world.status();
    let findings = status["apps"][0]["findings"].as_array().unwrap();
    let next = |finding: &Value| finding["next"].as_str().unwrap_or_default().to_owned();
    assert!(
        findings.iter().any(|it| next(it) == "`potluck backup restore t.example --from vault`"),
        "{status}"
    );
    let shown = world.json(&["backup", "show", "t.example", "--from", "vault", "--json"]);
    assert_eq!((&shown["set"], &shown["believed"]), (&second.clone().into(), &true.into()));
    let whole = ["backup", "restore", "t.example", "--from", "vault", "--yes"];
    let restored = world.good(&whole);
    assert_eq!(fs::read_to_string(world.page()).unwrap(), "soup", "{restored}");
    // One that was killed in the middle goes on with the copy that it began with.
    world.put("salt");
    let script = "potluck/state/simulated/simulated/script.yml";
    world.lab.write(script, "crash: 8\n");
    assert_eq!(world.run(&whole).code, -1);
    fs::remove_file(world.lab.path(script)).unwrap();
    world.good(&["app", "unlock", "t.example", "--yes", "--reason", "it was killed"]);
    let resumed = world.good(&["app", "resume", "t.example", "--yes"]);
    assert!(resumed.stderr.contains("Finished the restore"), "{resumed}");
    assert_eq!(fs::read_to_string(world.page()).unwrap(), "soup", "{resumed}");
    let one = world.good(&["backup", "check", "--from", "vault", "--server", "simulated"]);
    assert!(one.stderr.contains("no errors"), "{one}");
    let unknown = world.run(&["backup", "snapshots", "t.example", "--from", "attic"]);
    assert!(unknown.code == 1 && unknown.stderr.contains("its copies are vault"), "{unknown}");
    for secret in ["sesame-of", PASSWORD] {
        assert!(!world.arguments().contains(secret));
    }
}

#[test]
fn a_copy_that_fails_is_a_failed_line_and_lags_behind_until_the_next_run() {
    let world = World::new(None);
    let folder = world.lab.path("remote");
    let Some(store) = Store::rest(&folder, Rights::All) else { return };
    let (port, location) = (store.port, store.rest_location("swarm"));
    let attic = copy("attic", world.lab.path("attic").to_str().unwrap(), "");
    world.copies("", &[attic, copy("vault", &location, "")]);
    let first = world.back_up();
    drop(store);
    let night = world.run(&["backup", "run", "--retries", "0", "--json"]);
    assert_eq!(night.code, 3, "{night}");
    let report: Value = serde_json::from_str(&night.stdout).unwrap();
    let row = &report["apps"][0];
    assert_eq!(row["outcome"], "partly", "{night}");
    let error = row["error"].as_str().unwrap();
    assert!(error.contains("was not copied to `vault`") && !error.contains("attic"), "{night}");
    let second = row["set"].as_str().unwrap().to_owned();
    // The other copy has it.
    assert_eq!(world.sets(&["--from", "attic"]), [second.clone(), first.clone()]);
    let status = world.status();
    let codes: Vec<&str> = status["apps"][0]["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|finding| finding["code"].as_str().unwrap())
        .collect();
    assert!(codes.contains(&"failed") && codes.contains(&"copy"), "{status}");

    // It is there again, and the next run brings what it lacks.
    let _store = Store::rest_at(&folder, Rights::All, port).unwrap();
    let status = world.run(&["backup", "status"]);
    let lags = format!("the copy `vault` lags behind: its newest backup, {first}, is ");
    assert!(status.stdout.contains(&lags), "{status}");
    world.good(&["backup", "run"]);
    assert_eq!(world.sets(&["--from", "vault"]), world.sets(&[]));
    world.good(&["backup", "status"]);

    // A copy that is gone is not made anew as if there had been none.
    fs::rename(world.lab.path("attic"), world.lab.path("unmounted")).unwrap();
    let gone = world.run(&["backup", "create", "t.example"]);
    assert_eq!(gone.code, 3, "{gone}");
    assert!(
        gone.stderr.contains("`attic`") && gone.stderr.contains("is its disk mounted"),
        "{gone}"
    );
    assert!(!world.lab.path("attic").exists());
    // Programs learn which backup there is nevertheless.
    let gone = world.run(&["backup", "create", "t.example", "--json"]);
    let told: Value = serde_json::from_str(&gone.stdout).unwrap();
    assert_eq!((gone.code, &told["error"]["exit_code"]), (3, &3.into()), "{gone}");
    let sets = world.sets(&[]);
    assert_eq!(sets.first().map(String::as_str), told["error"]["set"].as_str(), "{gone}");
}

/// The proof of a store, as `backup check` has it.
fn proof(checked: &Run) -> Value {
    let rows: Value = serde_json::from_str(&checked.stdout).unwrap();
    rows.as_array().unwrap().last().unwrap()["append_only"].clone()
}

#[test]
fn that_a_store_takes_additions_only_is_proven_by_a_try() {
    let world = World::new(None);
    let folder = world.lab.path("remote");
    let Some(store) = Store::rest(&folder, Rights::AppendOnly) else { return };
    let (port, location) = (store.port, store.rest_location("swarm"));
    let rules = "      append-only: true\n      keep: {last: 1}\n";
    world.copies("  keep: {last: 1}\n", &[copy("vault", &location, rules)]);
    world.back_up();
    world.back_up();
    let check = ["backup", "check", "--json"];
    for _ in 0..2 {
        let refused = world.run(&check);
        assert_eq!(refused.code, 0, "{refused}");
        assert_eq!(proof(&refused)["removal"], "refused", "{refused}");
    }
    let said = world.good(&["backup", "check", "--from", "vault", "--server", "simulated"]);
    assert!(said.stderr.contains("append-only: it refused to remove a snapshot"), "{said}");
    // Tried again and again, one snapshot of it is there.
    assert_eq!(world.sets(&["--from", "vault"]).len(), 2);

    // What would remove something says that it can't.
    let forgotten = world.run(&["backup", "forget", "t.example", "--json"]);
    assert_eq!(forgotten.code, 3, "{forgotten}");
    let rows: Value = serde_json::from_str(&forgotten.stdout).unwrap();
    assert_eq!((&rows[0]["removed"], &rows[1]["outcome"]), (&1.into(), &"refused-by-store".into()));
    world.good(&["backup", "forget", "t.example", "--dry-run"]);
    let oldest = world.sets(&["--from", "vault"])[1].clone();
    let kept = world.run(&["backup", "rm", "t.example", &oldest, "--from", "vault", "--yes"]);
    assert!(kept.code == 1 && kept.stderr.contains("takes additions only"), "{kept}");
    let pruned = world.json(&["backup", "prune", "--json"]);
    assert_eq!(
        (&pruned[0]["outcome"], &pruned[1]["outcome"]),
        (&"pruned".into(), &"append-only".into())
    );
    let named = world.run(&["backup", "prune", "--from", "vault", "--server", "simulated"]);
    assert_eq!(named.code, 1, "{named}");
    world.good(&["backup", "status"]);

    // A store that lets it be removed protects nothing.
    drop(store);
    let lax = Store::rest_at(&folder, Rights::All, port).unwrap();
    let accepted = world.run(&check);
    assert_eq!(
        (accepted.code, &proof(&accepted)["removal"]),
        (3, &"accepted".into()),
        "{accepted}"
    );
    let status = world.run(&["backup", "status"]);
    assert_eq!(status.code, 1, "{status}");
    assert!(status.stdout.contains("the store let a snapshot be removed"), "{status}");
    assert_eq!(world.sets(&["--from", "vault"]).len(), 2, "no backup was touched");

    // One that does not answer proves nothing.
    drop(lax);
    let unreachable = world.run(&check);
    assert_eq!(unreachable.code, 3, "{unreachable}");
    assert_eq!(proof(&unreachable), Value::Null);
}

#[test]
fn a_bucket_whose_rules_deny_removal_is_proven_to_refuse_it() {
    let world = World::new(None);
    let denied = ["s3:DeleteObject", "arn:aws:s3:::bucket/*/snapshots/*"];
    let Some((store, key)) = Store::s3(&denied) else { return };
    world.lab.write("key", &key);
    let settings =
        at(&store.s3_location("swarm")) + "  environment-file: ../../../key\n  append-only: true\n";
    world.settings(&settings);
    world.back_up();
    let refused = world.run(&["backup", "check", "--json"]);
    assert_eq!(refused.code, 0, "{refused}");
    assert_eq!(proof(&refused)["removal"], "refused", "{refused}");
}

#[test]
fn a_password_may_come_from_a_program_and_is_written_nowhere() {
    let world = World::new(None);
    let location = world.lab.path("store");
    let script = world.lab.path("ask");
    world.lab.write("ask", "#!/bin/sh\necho asked >&2\necho \"  $1-of-a-program  \"\n");
    fs::set_permissions(&script, PermissionsExt::from_mode(0o755)).unwrap();
    let by = |word: &str| {
        format!(
            "  repository: {}\n  password-command: [../../../ask, {word}]\n",
            location.display()
        )
    };
    world.settings(&by("sesame"));
    round_trip(&world, &["sesame-of-a-program"]);
    for (path, content) in world.lab.files() {
        let has = String::from_utf8_lossy(&content).contains("sesame-of-a-program");
        assert!(!has, "{}", path.display());
    }
    let files: Vec<PathBuf> = world.lab.files().into_iter().map(|(path, _)| path).collect();
    assert!(!files.iter().any(|path| path.ends_with(Path::new("simulated/password"))));
    world.settings(&by("salt"));
    let wrong = world.run(&["backup", "snapshots", "t.example"]);
    assert_eq!(wrong.code, 1, "{wrong}");
    assert!(wrong.stderr.contains("the password does not open"), "{wrong}");
    assert!(wrong.stderr.contains("`password-command`"), "{wrong}");
    world.lab.write(
        "ask",
        "#!/bin/sh\necho sesame-of-a-program; echo the vault is sealed >&2; exit 2\n",
    );
    let sealed = world.run(&["backup", "create", "t.example"]);
    assert_eq!(sealed.code, 1, "{sealed}");
    assert!(sealed.stderr.contains("the vault is sealed"), "{sealed}");
    assert!(!format!("{sealed}").contains("sesame"), "{sealed}");
}

/// As docs/backups.md has it: `age` opens it with the operator's key.
#[test]
fn a_password_may_be_sealed_for_the_team() {
    let world = World::new(None);
    if std::process::Command::new("age").arg("--version").output().is_err() {
        return skip::skip("there is no age");
    }
    world.good(&["key", "new"]);
    let team = world.lab.path("potluck/recipients");
    let sealed = world.lab.path("potluck/servers/simulated/restic.age");
    let mut age = std::process::Command::new("age");
    let age = age.arg("-R").arg(&team).arg("-o").arg(&sealed).stdin(std::process::Stdio::piped());
    let mut age = age.spawn().unwrap();
    std::io::Write::write_all(&mut age.stdin.take().unwrap(), b"sealed-sesame\n").unwrap();
    assert!(age.wait().unwrap().success());
    world.settings(&format!(
        "  repository: {}\n  password-command: [age, --decrypt, --identity, {}, {}]\n",
        world.lab.path("store").display(),
        world.lab.path("home/.config/potluck/identity").display(),
        sealed.display()
    ));
    round_trip(&world, &["sealed-sesame"]);
    fs::remove_file(world.lab.path("home/.config/potluck/identity")).unwrap();
    let lost = world.run(&["backup", "create", "t.example"]);
    assert_eq!(lost.code, 1, "{lost}");
    assert!(lost.stderr.contains("`age`") && lost.stderr.contains("identity"), "{lost}");
}

#[test]
fn a_rotation_that_is_killed_leaves_repositories_that_open_and_is_finished_by_the_next() {
    let world = World::new(None);
    let vault = copy("vault", world.lab.path("vault").to_str().unwrap(), "");
    // One file opens both.
    let vault = vault.replace("../../../second", "../../../password");
    world.copies("", &[vault]);
    let set = world.back_up();
    let password = || fs::read_to_string(world.lab.path("password")).unwrap();
    let is_opened_by = |password: &str, folder: &str| {
        world.lab.write("tried", password);
        let mut restic = std::process::Command::new("restic");
        let restic = restic.args(["cat", "config", "--no-lock", "--no-cache"]);
        let restic = restic.env("RESTIC_REPOSITORY", world.lab.path(folder));
        restic
            .env("RESTIC_PASSWORD_FILE", world.lab.path("tried"))
            .output()
            .unwrap()
            .status
            .success()
    };
    let rotated_from = |before: &str| {
        assert_ne!(password(), before);
        for folder in ["store", "vault"] {
            assert!(is_opened_by(&password(), folder) && !is_opened_by(before, folder), "{folder}");
        }
    };
    let rotate = ["backup", "key", "rotate", "simulated"];
    let opens = || {
        assert_eq!(world.sets(&[]), std::slice::from_ref(&set));
        assert_eq!(world.sets(&["--from", "vault"]), std::slice::from_ref(&set));
    };
    // The second of them.
    let second = format!("add a key to {}", world.lab.path("vault").display());
    for words in ["add a key to", &second, "put the new password", "remove the old key from"] {
        let before = password();
        world.lab.run_killed_at(&rotate, &[words]);
        opens();
        let finished = world.good(&rotate);
        assert!(finished.stderr.contains("Finished the rotation"), "{words}: {finished}");
        opens();
        rotated_from(&before);
        for left in ["password.next", "password.previous"] {
            assert!(!world.lab.path(left).exists(), "{words}: {left}");
        }
    }
    let before = password();
    let rotated = world.good(&[&rotate[..], &["--json"]].concat());
    let report: Value = serde_json::from_str(&rotated.stdout).unwrap();
    assert_eq!(report[0]["repositories"].as_array().unwrap().len(), 2, "{rotated}");
    rotated_from(&before);
    let mode = fs::metadata(world.lab.path("password")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    opens();
    assert!(!world.arguments().contains(password().trim()));

    // A restic of an interrupted call may still hold a lock of its own.
    let mut other = stopped_with_a_lock(&world.lab.path("store"), password().trim());
    world.lab.run_killed_at(&rotate, &["waiting: the repository is locked"]);
    let pid = rustix::process::Pid::from_child(&other);
    rustix::process::kill_process(pid, rustix::process::Signal::CONT).unwrap();
    let before = password();
    world.good(&rotate);
    assert!(other.wait().unwrap().success());
    rotated_from(&before);

    // What cannot be finished is not begun.
    let only =
        copy("vault", world.lab.path("vault").to_str().unwrap(), "      append-only: true\n");
    world.copies("", &[only.replace("../../../second", "../../../password")]);
    let refused = world.run(&rotate);
    assert!(refused.code == 1 && refused.stderr.contains("takes additions only"), "{refused}");
    opens();
}
