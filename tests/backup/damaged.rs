//! Repositories that lost something, are full or cannot be written, through the program
//! and with the real restic: whoever backs up or restores is told, in a few words and
//! with what to type, and what can still be read is.

mod killed;
mod matrix;

use crate::support::{backup::Tmpfs, cli, common::skip};

use std::{
    fs,
    os::unix::fs::{FileExt, PermissionsExt},
    path::{Path, PathBuf},
    process::Command,
};

use cli::{Lab, Run};

/// Where the default repository of the simulated server is.
const OWN: &str = "potluck/state/backups/simulated";

/// An app with 300 kB of its own in its volume, on the simulated server.
fn app() -> Lab {
    let lab = Lab::with_content();
    fs::write(page(&lab), noise(300_000)).unwrap();
    lab
}

fn page(lab: &Lab) -> PathBuf {
    lab.path("potluck/state/simulated/simulated/volumes/t_example_content/_data/page")
}

/// Bytes that do not compress.
fn noise(count: usize) -> Vec<u8> {
    let mut x = 88_172_645_463_325_252_u64;
    let mut next = || {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        x.to_le_bytes()[0]
    };
    (0..count).map(|_| next()).collect()
}

fn good(lab: &Lab, arguments: &[&str]) -> Run {
    let run = lab.run(arguments);
    assert_eq!(run.code, 0, "{arguments:?}: {run}");
    run
}

fn create(lab: &Lab) -> Run {
    lab.run(&["backup", "create", "t.example"])
}

fn restore(lab: &Lab) -> Run {
    lab.run(&["backup", "restore", "t.example", "--yes"])
}

fn sets(lab: &Lab) -> usize {
    let all = lab.json(&["backup", "snapshots", "t.example", "--all", "--json"]);
    all.as_array().unwrap().len()
}

fn assert_comes_back(lab: &Lab) {
    fs::write(page(lab), "spoiled").unwrap();
    let run = restore(lab);
    assert_eq!(run.code, 0, "{run}");
    assert!(fs::read(page(lab)).unwrap() == noise(300_000), "what came back differs");
}

/// All pack files, the largest first.
fn packs(lab: &Lab) -> Vec<PathBuf> {
    let data = lab.path(OWN).join("repository/data");
    let folders = fs::read_dir(data).unwrap().map(|folder| folder.unwrap().path());
    let mut packs: Vec<PathBuf> = folders
        .flat_map(|folder| fs::read_dir(folder).unwrap())
        .map(|pack| pack.unwrap().path())
        .collect();
    packs.sort_by_key(|pack| std::cmp::Reverse(fs::metadata(pack).unwrap().len()));
    packs
}

fn writable(path: &Path) -> &Path {
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
    path
}

fn shorten(path: &Path) {
    fs::OpenOptions::new().write(true).open(writable(path)).unwrap().set_len(100_000).unwrap();
}

/// What stands in the first backticks behind some words, with the lab's folder in it.
fn typed(lab: &Lab, said: &str, before: &str) -> String {
    let (_, after) = said.split_once(before).unwrap_or_else(|| panic!("no {before:?} in {said}"));
    let command = after.split('`').nth(1).unwrap();
    command.replace("[LAB]", lab.path("").display().to_string().trim_end_matches('/'))
}

/// A type of damage, what it does, and what a backup says of it.
type Damage = (&'static str, fn(&Lab), &'static str);

#[test]
fn a_backup_that_could_not_be_restored_fails_and_says_what_repairs_the_repository() {
    let damages: [Damage; 2] = [
        (
            "all packs are gone",
            |lab| packs(lab).iter().for_each(|pack| fs::remove_file(pack).unwrap()),
            "pack files (",
        ),
        ("one is cut off", |lab| shorten(&packs(lab)[0]), "1 pack file ("),
    ];
    for (name, damage, told) in damages {
        let lab = app();
        good(&lab, &["backup", "create", "t.example"]);
        damage(&lab);
        let refused = create(&lab);
        assert_eq!(refused.code, 1, "{name}: {refused}");
        for words in [
            "[LAB]/potluck/state/backups/simulated/repository is damaged: ",
            told,
            "missing or cut off",
        ] {
            assert!(refused.stderr.contains(words), "{name}: {words}: {refused}");
        }
        assert_eq!(sets(&lab), 1, "{name}: nothing is left of it");

        // The old one is broken: that is said at once, and the data stays as it is.
        fs::write(page(&lab), noise(300_000)).unwrap();
        let broken = restore(&lab);
        assert_eq!(broken.code, 1, "{name}: {broken}");
        assert!(broken.stderr.contains("is damaged: "), "{name}: {broken}");
        assert!(fs::read(page(&lab)).unwrap() == noise(300_000), "{name}");

        let repair = typed(&lab, &refused.stderr, "hint: ");
        let done = Command::new("sh").args(["-c", &repair]).output().unwrap();
        assert!(done.status.success(), "{name}: {repair}: {done:?}");
        let taken = create(&lab);
        assert_eq!(taken.code, 0, "{name}: {taken}");
        assert_comes_back(&lab);
    }
}

/// What restic does not know, it stores again.
#[test]
fn a_backup_after_the_index_is_gone_can_be_restored() {
    let lab = app();
    good(&lab, &["backup", "create", "t.example"]);
    let index = lab.path(OWN).join("repository/index");
    for file in fs::read_dir(index).unwrap() {
        fs::remove_file(file.unwrap().path()).unwrap();
    }
    let broken = restore(&lab);
    assert_eq!(broken.code, 1, "{broken}");
    assert!(broken.stderr.contains("is damaged: "), "{broken}");
    let taken = create(&lab);
    assert_eq!(taken.code, 0, "{taken}");
    assert_comes_back(&lab);
}

#[test]
fn a_restore_of_what_is_gone_or_spoiled_says_so_in_a_few_words() {
    let damages: [Damage; 2] = [
        ("a pack is gone", |lab| fs::remove_file(&packs(lab)[0]).unwrap(), " is missing"),
        (
            "a pack is spoiled",
            |lab| {
                let path = packs(lab)[0].clone();
                let pack = fs::OpenOptions::new().write(true).open(writable(&path)).unwrap();
                pack.write_all_at(b"spoiled bytes", 1000).unwrap();
            },
            "ciphertext verification failed",
        ),
    ];
    for (name, damage, told) in damages {
        let lab = app();
        good(&lab, &["backup", "create", "t.example"]);
        damage(&lab);
        fs::write(page(&lab), "of now").unwrap();
        let refused = restore(&lab);
        assert_eq!(refused.code, 1, "{name}: {refused}");
        let error = refused.stderr.lines().find(|line| line.starts_with("error: ")).unwrap();
        let from =
            "error: restic failed to restore the volume `t_example_content`: the repository at ";
        assert!(error.starts_with(from) && error.contains(told), "{name}: {error}");
        assert!(error.len() < 300, "{name}: {error}");
        let others =
            "an older backup may be whole: `potluck backup snapshots t.example` lists them";
        assert!(refused.stderr.contains(others), "{name}: {refused}");
        let check = typed(&lab, &refused.stderr, "hint: ");
        assert!(check.ends_with(" check --read-data"), "{name}: {check}");
        // restic itself asks for a pack that is gone ten times.
        if name == "a pack is spoiled" {
            let done = Command::new("sh").args(["-c", &check]).output().unwrap();
            assert_eq!(done.status.code(), Some(1), "{name}: {done:?}");
        }
        assert_eq!(fs::read_to_string(page(&lab)).unwrap(), "of now", "{name}");
    }
}

/// A file system that can be filled and made read-only, where the repository will be.
fn small_disk(lab: &Lab) -> Option<Tmpfs> {
    fs::create_dir_all(lab.path(OWN)).unwrap();
    let mounted = Tmpfs::mount(&lab.path(OWN), "3m");
    if mounted.is_none() {
        skip::skip("a full disk is not tried: cannot mount a tmpfs (not root?)");
    }
    mounted
}

#[test]
fn what_a_full_disk_holds_is_listed_and_comes_back() {
    let lab = app();
    let Some(_disk) = small_disk(&lab) else { return };
    good(&lab, &["backup", "create", "t.example"]);
    // To the last byte.
    let fill = |size: usize| {
        let file = fs::File::create(lab.path(OWN).join(format!("fill{size}"))).unwrap();
        let mut at = 0;
        while file.write_all_at(&vec![7; size], at).is_ok() {
            at += size as u64;
        }
    };
    [65536, 1].into_iter().for_each(fill);
    let refused = create(&lab);
    assert_eq!(refused.code, 1, "{refused}");
    let told = "the disk of [LAB]/potluck/state/backups/simulated/repository has no space left";
    assert!(refused.stderr.contains(told), "{refused}");
    assert!(!refused.stderr.contains("cobra"), "{refused}");
    assert_eq!(sets(&lab), 1);
    fs::write(page(&lab), "spoiled").unwrap();
    let restored = restore(&lab);
    assert_eq!(restored.code, 0, "{restored}");
    assert!(restored.stderr.contains(told), "{restored}");
    assert!(restored.stderr.contains("reading it without a lock"), "{restored}");
    assert!(fs::read(page(&lab)).unwrap() == noise(300_000), "what came back differs");
}

/// What is restored lies beside the data until it is whole.
#[test]
fn a_restore_without_room_beside_the_data_changes_nothing() {
    let lab = app();
    let volumes = lab.path("potluck/state/simulated/simulated/volumes");
    let aside = lab.path("aside");
    fs::rename(&volumes, &aside).unwrap();
    fs::create_dir(&volumes).unwrap();
    let Some(_disk) = Tmpfs::mount(&volumes, "1m") else {
        return skip::skip("a full disk is not tried: cannot mount a tmpfs (not root?)");
    };
    let copied = Command::new("cp").arg("-a").arg(aside.join(".")).arg(&volumes).status();
    assert!(copied.unwrap().success());
    good(&lab, &["backup", "create", "t.example"]);
    let now = vec![b'n'; 850_000];
    fs::write(page(&lab), &now).unwrap();
    let refused = restore(&lab);
    assert_eq!(refused.code, 1, "{refused}");
    assert!(refused.stderr.contains("space"), "{refused}");
    assert!(fs::read(page(&lab)).unwrap() == now, "{refused}");
    let beside = fs::read_dir(page(&lab).parent().unwrap().parent().unwrap()).unwrap();
    assert_eq!(beside.count(), 1, "what was restored so far is left");
    fs::write(page(&lab), "spoiled").unwrap();
    assert_comes_back(&lab);
}

#[test]
fn a_repository_that_cannot_be_written_is_read() {
    let lab = app();
    let Some(_disk) = small_disk(&lab) else { return };
    good(&lab, &["backup", "create", "t.example"]);
    let done = Command::new("mount").args(["-o", "remount,ro"]).arg(lab.path(OWN)).status();
    assert!(done.unwrap().success());
    let refused = create(&lab);
    assert_eq!(refused.code, 1, "{refused}");
    assert!(refused.stderr.contains("cannot be written: read-only file system"), "{refused}");
    assert_eq!(sets(&lab), 1);
    assert_comes_back(&lab);
}

/// Settings that say nothing of a repository have no line to check.
#[test]
fn hints_about_the_default_repository_name_its_files() {
    let lab = app();
    let none = lab.run(&["backup", "snapshots", "t.example"]);
    assert!(none.stderr.contains("the first `potluck backup create` makes it"), "{none}");
    good(&lab, &["backup", "create", "t.example"]);
    let password = lab.path(OWN).join("password");
    let right = fs::read(&password).unwrap();
    fs::write(&password, "wrong\n").unwrap();
    let look = ["backup", "snapshots", "t.example"];
    for refused in [create(&lab), restore(&lab), lab.run(&look)] {
        assert_ne!(refused.code, 0, "{refused}");
        let told = "the password that the repository was made with back into [LAB]/potluck/state/backups/simulated/password";
        assert!(refused.stderr.contains(told), "{refused}");
        assert!(!refused.stderr.contains("server.yml"), "{refused}");
    }
    fs::write(&password, right).unwrap();
    fs::rename(lab.path(OWN).join("repository"), lab.path("elsewhere")).unwrap();
    for refused in [restore(&lab), lab.run(&look)] {
        let told = "the restic repository at [LAB]/potluck/state/backups/simulated/repository, which holds backups, does not exist";
        assert!(refused.stderr.contains(told), "{refused}");
        assert!(refused.stderr.contains("If it was moved, put it back"), "{refused}");
        assert!(!refused.stderr.contains("check `backup.repository`"), "{refused}");
    }
}

/// The files in a folder of the repository, oldest first.
fn files(lab: &Lab, folder: &str) -> Vec<PathBuf> {
    let folder = fs::read_dir(lab.path(OWN).join("repository").join(folder)).unwrap();
    let mut files: Vec<PathBuf> = folder.map(|file| file.unwrap().path()).collect();
    files.sort_by_key(|file| fs::metadata(file).unwrap().modified().unwrap());
    files
}

/// Cuts files off, and forgets what restic remembers of them.
fn cut(lab: &Lab, files: &[PathBuf]) {
    for file in files {
        fs::OpenOptions::new().write(true).open(writable(file)).unwrap().set_len(10).unwrap();
    }
    fs::remove_dir_all(lab.path("potluck/cache/restic")).unwrap();
}

fn look(lab: &Lab, more: &[&str]) -> Run {
    lab.run(&[&["backup", "snapshots", "t.example"], more].concat())
}

/// An app with two backups; the snapshot files of the second, the manifest's last.
fn twice(lab: &Lab) -> Vec<PathBuf> {
    good(lab, &["backup", "create", "t.example"]);
    let first = files(lab, "snapshots");
    fs::write(page(lab), noise(200_000)).unwrap();
    good(lab, &["backup", "create", "t.example"]);
    let mut second = files(lab, "snapshots");
    second.retain(|file| !first.contains(file));
    assert_eq!(second.len(), 3, "settings, volume, manifest");
    second
}

#[test]
fn a_backup_whose_snapshots_are_cut_off_does_not_vanish_in_silence() {
    let lab = app();
    let second = twice(&lab);
    let names = lab.json(&["backup", "snapshots", "t.example", "--json"]);
    let (newer, older) = (names[0]["id"].as_str().unwrap(), names[1]["id"].as_str().unwrap());
    cut(&lab, &second);

    let listed = look(&lab, &[]);
    assert_eq!(listed.code, 1, "{listed}");
    assert!(listed.stdout.contains(older) && !listed.stdout.contains(newer), "{listed}");
    for words in [
        "warning: 3 snapshot files (`",
        "cannot be read: backups of t.example may be missing from this list",
        "back from a copy of the repository",
    ] {
        assert!(listed.stderr.contains(words), "{words}: {listed}");
    }
    let check = typed(&lab, &listed.stderr, "hint: ");
    let done = Command::new("sh").args(["-c", &check]).output().unwrap();
    assert_eq!(done.status.code(), Some(1), "{check}: {done:?}");
    let json = look(&lab, &["--json"]);
    assert_eq!(json.code, 1, "{json}");
    let shown: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(shown.as_array().unwrap().len(), 1, "{json}");
    assert!(json.stderr.contains("3 snapshot files"), "{json}");

    fs::write(page(&lab), "of now").unwrap();
    let refused = restore(&lab);
    assert_eq!(refused.code, 1, "{refused}");
    let told = "cannot be read: the newest backup of t.example may be among them";
    assert!(refused.stderr.contains(told), "{refused}");
    let named = |set: &str| lab.run(&["backup", "restore", "t.example", set, "--yes"]);
    let lost = named(newer);
    assert_eq!(lost.code, 1, "{lost}");
    assert!(lost.stderr.contains(&format!("the backup `{newer}` of t.example may be")), "{lost}");
    assert_eq!(fs::read_to_string(page(&lab)).unwrap(), "of now");
    let back = named(older);
    assert_eq!(back.code, 0, "{back}");
    assert!(fs::read(page(&lab)).unwrap() == noise(300_000), "what came back differs");

    let taken = create(&lab);
    assert_eq!(taken.code, 0, "{taken}");
    let told = "3 snapshot files";
    assert!(taken.stderr.contains(told), "{taken}");

    cut(&lab, &files(&lab, "snapshots"));
    let none = look(&lab, &[]);
    assert_eq!(none.code, 1, "{none}");
    assert!(none.stderr.contains("No backup of t.example can be read."), "{none}");
    assert!(!none.to_string().contains("no backups of"), "{none}");
}

/// The rest of that backup is whole once the file is put back.
#[test]
fn what_may_be_a_whole_backup_is_not_offered_for_removal() {
    let lab = app();
    let second = twice(&lab);
    let manifest = &second[2..];
    let whole = fs::read(&manifest[0]).unwrap();
    cut(&lab, manifest);
    let all = look(&lab, &["--all"]);
    assert_eq!(all.code, 1, "{all}");
    assert!(all.stdout.contains("incomplete"), "{all}");
    assert!(!all.stderr.contains(" forget "), "{all}");
    assert!(all.stderr.contains("1 backup of t.example may look incomplete"), "{all}");
    let json = look(&lab, &["--all", "--json"]);
    let shown: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(shown[0]["complete"], false, "{json}");
    assert!(shown[0]["remove"].is_null(), "{json}");
    let named = shown[0]["id"].as_str().unwrap();
    let refused = lab.run(&["backup", "restore", "t.example", named, "--yes"]);
    assert!(refused.stderr.contains("files of its snapshots cannot be read"), "{refused}");

    fs::write(&manifest[0], whole).unwrap();
    good(&lab, &["backup", "snapshots", "t.example"]);
    good(&lab, &["backup", "restore", "t.example", "--yes"]);
    assert!(fs::read(page(&lab)).unwrap() == noise(200_000), "what came back differs");
}

#[test]
fn an_index_that_is_cut_off_is_made_anew_with_the_command_of_the_hint() {
    let lab = app();
    good(&lab, &["backup", "create", "t.example"]);
    cut(&lab, &files(&lab, "index"));
    let mut repair = String::new();
    for refused in [create(&lab), restore(&lab)] {
        assert_eq!(refused.code, 1, "{refused}");
        assert!(refused.stderr.contains("is damaged: its index file "), "{refused}");
        repair = typed(&lab, &refused.stderr, "hint: ");
    }
    let done = Command::new("sh").args(["-c", &repair]).output().unwrap();
    assert!(done.status.success(), "{repair}: {done:?}");
    assert_comes_back(&lab);
    good(&lab, &["backup", "create", "t.example"]);
}

/// A clock that jumped far ahead, and back.
#[test]
fn a_backup_of_a_time_that_has_not_come_is_not_taken_for_the_newest() {
    let later = |lab: &Lab, arguments: &[&str]| {
        let mut faketime = Command::new("faketime");
        let faketime = faketime.args(["-f", "+400d", env!("CARGO_BIN_EXE_potluck")]);
        let faketime = faketime.args(arguments).env("POTLUCK_DIR", lab.path("potluck"));
        let faketime = faketime.env("HOME", lab.path("home")).env("DONT_FAKE_MONOTONIC", "1");
        faketime.output().unwrap()
    };
    if Command::new("faketime").arg("--version").output().is_err() {
        return skip::skip("there is no faketime");
    }
    let lab = app();
    fs::write(page(&lab), "of then").unwrap();
    let ahead = later(&lab, &["backup", "create", "t.example"]);
    assert!(ahead.status.success(), "{ahead:?}");
    fs::write(page(&lab), "of now").unwrap();
    let made = lab.json(&["backup", "create", "t.example", "--json"]);
    let set = made["set"].as_str().unwrap();
    fs::write(page(&lab), "spoiled").unwrap();
    let status = lab.run(&["backup", "status"]);
    assert!(status.code == 1 && status.stdout.contains("the clock was wrong"), "{status}");
    let refused = restore(&lab);
    assert_eq!(refused.code, 1, "{refused}");
    for words in ["is of a time that has not come", "`potluck backup snapshots t.example`"] {
        assert!(refused.stderr.contains(words), "{words}: {refused}");
    }
    assert_eq!(fs::read(page(&lab)).unwrap(), b"spoiled");
    good(&lab, &["backup", "restore", "t.example", set, "--yes"]);
    assert_eq!(fs::read(page(&lab)).unwrap(), b"of now");
}
