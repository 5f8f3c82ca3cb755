//! restic killed, each of its runs after a while: the backup fails and leaves no set that can
//! be restored, or it is whole; what was there before can be restored in any case, and the
//! next backup works. Also a restic that dies while it restores.

use std::{ffi::OsString, fs, os::unix::fs::PermissionsExt, path::PathBuf};

use super::{Lab, app, cli::Run, create, good, noise, page, restore, sets};

/// Runs of restic of a backup: its version, two items, the packs' check, the list and the
/// manifest.
const RUNS: u64 = 6;
/// How long after its start one dies, in milliseconds: while it reads its key, while it
/// writes, and as it ends.
const AFTER: [u64; 7] = [0, 150, 300, 450, 600, 750, 900];
/// Of the instants, in a test run.
const EVERY: usize = 11;

/// A restic before the real one, whose run of this number is killed after a while.
fn killing(lab: &Lab, number: u64, after: u64) -> OsString {
    let path = std::env::var_os("PATH").unwrap();
    let real: PathBuf = std::env::split_paths(&path)
        .map(|folder| folder.join("restic"))
        .find(|program| program.exists())
        .unwrap();
    let (count, real) = (lab.path("count"), real.display().to_string());
    let _ = fs::remove_dir_all(&count);
    fs::create_dir(&count).unwrap();
    // Each run takes a number: making a folder is atomic.
    let script = format!(
        "#!/bin/sh\nn=1\nwhile ! mkdir '{count}'/$n 2>/dev/null; do n=$((n + 1)); done\n\
         [ $n = {number} ] || exec '{real}' \"$@\"\n\
         exec 3<&0\n'{real}' \"$@\" <&3 &\npid=$!\n\
         (sleep {seconds}; kill -9 $pid) >/dev/null 2>&1 &\nwait $pid\n",
        count = count.display(),
        seconds = after as f64 / 1000.0,
    );
    lab.write("bin/restic", &script);
    fs::set_permissions(lab.path("bin/restic"), fs::Permissions::from_mode(0o755)).unwrap();
    let mut all = OsString::from(lab.path("bin"));
    all.push(":");
    all.push(path);
    all
}

fn run_with(lab: &Lab, path: &OsString, arguments: &[&str]) -> Run {
    lab.tidy(&lab.command().env("PATH", path).args(arguments).output().unwrap())
}

fn assert_page(lab: &Lab, size: usize, told: &str) {
    assert!(fs::read(page(lab)).unwrap() == noise(size), "{told}: what came back differs");
}

#[test]
fn a_backup_whose_restic_is_killed_at_any_instant_is_whole_or_none() {
    let every = std::env::var("POTLUCK_DAMAGE_EVERY").ok().and_then(|it| it.parse().ok());
    let instants = (1..=RUNS).flat_map(|run| AFTER.map(|after| (run, after)));
    let (mut failed, mut whole) = (0, 0);
    for (run, after) in instants.step_by(every.unwrap_or(EVERY)) {
        let told = format!("run {run} of restic killed after {after} ms");
        let lab = app();
        good(&lab, &["backup", "create", "t.example"]);
        fs::write(page(&lab), noise(400_000)).unwrap();
        let killed = run_with(&lab, &killing(&lab, run, after), &["backup", "create", "t.example"]);
        let size = match killed.code {
            0 => {
                whole += 1;
                400_000
            }
            1 => {
                failed += 1;
                assert!(killed.stderr.contains("error: "), "{told}: {killed}");
                assert!(!killed.stderr.contains("panicked"), "{told}: {killed}");
                300_000
            }
            code => panic!("{told}: {code}: {killed}"),
        };
        // The one before, or the new one.
        fs::write(page(&lab), "spoiled").unwrap();
        let restored = restore(&lab);
        assert_eq!(restored.code, 0, "{told}: {killed}{restored}");
        assert_page(&lab, size, &told);
        // The app is as it was, and nothing is in the way of the next night.
        fs::write(page(&lab), noise(500_000)).unwrap();
        let next = create(&lab);
        assert_eq!(next.code, 0, "{told}: {killed}{next}");
        fs::write(page(&lab), "spoiled").unwrap();
        assert_eq!(restore(&lab).code, 0, "{told}");
        assert_page(&lab, 500_000, &told);
        assert_eq!(sets(&lab), 2 + usize::from(size == 400_000), "{told}: a rest was left");
    }
    println!("restic killed at {} instants: {failed} failed, {whole} whole", failed + whole);
    assert!(failed > 0, "no kill came in time");
}

#[test]
fn a_restore_whose_restic_is_killed_leaves_the_data_of_now() {
    let lab = app();
    good(&lab, &["backup", "create", "t.example"]);
    let arguments = ["backup", "restore", "t.example", "--yes"];
    // After its version: the list, the manifest and the volume.
    for run in 2..=4 {
        fs::write(page(&lab), "of now").unwrap();
        let killed = run_with(&lab, &killing(&lab, run, 50), &arguments);
        assert_eq!(killed.code, 1, "run {run}: {killed}");
        assert!(killed.stderr.contains("error: "), "run {run}: {killed}");
        assert_eq!(fs::read_to_string(page(&lab)).unwrap(), "of now", "run {run}: {killed}");
    }
    assert_eq!(restore(&lab).code, 0);
    assert_page(&lab, 300_000, "at last");
}
