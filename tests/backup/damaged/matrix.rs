//! Each kind of file in a repository, damaged in each way: what a restore, a backup and a
//! check say of it then. Nothing may succeed falsely: a restore ends with the right bytes or
//! changes none, and a backup that succeeds can be restored, or the check says why not.
//! All of them are the campaign `damage`; a few are tried by every run of the tests.

use super::*;

use std::{
    sync::{Mutex, atomic::AtomicUsize, atomic::Ordering},
    thread,
};

/// One case in so many is tried, unless POTLUCK_DAMAGE_EVERY says otherwise.
const EVERY: usize = 13;

/// A kind of file, and which of the repository are meant.
type Kind = (&'static str, fn(&Lab) -> Vec<PathBuf>);

const KINDS: [Kind; 9] = [
    ("config", |lab| vec![lab.path(OWN).join("repository/config")]),
    ("key", |lab| files(lab, "keys")),
    ("index", |lab| files(lab, "index")),
    ("snapshot of settings", |lab| files(lab, "snapshots")[..1].to_vec()),
    ("snapshot of the volume", |lab| files(lab, "snapshots")[1..2].to_vec()),
    ("snapshot of the manifest", |lab| files(lab, "snapshots")[2..].to_vec()),
    ("pack of data", |lab| packs(lab)[..1].to_vec()),
    ("pack of folders and small data", |lab| packs(lab).split_off(1)),
    ("everything", |lab| vec![lab.path(OWN).join("repository")]),
];

/// A way of damaging a file.
type Way = (&'static str, fn(&Path));

const WAYS: [Way; 6] = [
    ("gone", |path| match path.is_dir() {
        true => fs::rename(path, path.with_extension("gone")).unwrap(),
        false => fs::remove_file(path).unwrap(),
    }),
    ("empty", |path| length(path, |_| 0)),
    ("cut in half", |path| length(path, |length| length / 2)),
    ("a bit changed", |path| {
        let mut bytes = fs::read(path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(writable(path), bytes).unwrap();
    }),
    ("longer", |path| {
        let mut bytes = fs::read(path).unwrap();
        bytes.extend([7; 16]);
        fs::write(writable(path), bytes).unwrap();
    }),
    ("a folder", |path| {
        fs::remove_file(path).unwrap();
        fs::create_dir(path).unwrap();
    }),
];

fn length(path: &Path, of: fn(u64) -> u64) {
    let length = of(fs::metadata(path).unwrap().len());
    fs::OpenOptions::new().write(true).open(writable(path)).unwrap().set_len(length).unwrap();
}

/// What the volume held when the backup was taken; what it holds when it is tried.
const THEN: usize = 300_000;

/// How it went: exit codes of restoring the old backup, of making one, of restoring that,
/// and of the check.
struct Seen {
    old: i32,
    create: i32,
    new: Option<i32>,
    check: i32,
}

fn try_case(kind: fn(&Lab) -> Vec<PathBuf>, way: fn(&Path), changed: bool, told: &str) -> Seen {
    let lab = app();
    good(&lab, &["backup", "create", "t.example"]);
    for file in kind(&lab) {
        way(&file);
    }
    // Another machine remembers nothing of the repository.
    fs::remove_dir_all(lab.path("potluck/cache/restic")).unwrap();

    let explained = |run: &Run| {
        let errors = run.stderr.lines().filter(|line| line.starts_with("error: ")).count();
        assert_eq!((run.code, errors), (1, 1), "{told}: {run}");
        assert!(run.stderr.contains("\nhint: "), "{told}: what to do next: {run}");
        for noise in ["panicked", "cobra", "goroutine"] {
            assert!(!run.stderr.contains(noise), "{told}: {run}");
        }
    };
    let now = if changed { noise(THEN / 2) } else { noise(THEN) };
    fs::write(page(&lab), "of now").unwrap();
    let old = restore(&lab);
    match old.code {
        0 => assert!(fs::read(page(&lab)).unwrap() == noise(THEN), "{told}: false success: {old}"),
        _ => {
            explained(&old);
            assert_eq!(fs::read(page(&lab)).unwrap(), b"of now", "{told}: {old}");
        }
    }
    fs::write(page(&lab), &now).unwrap();
    let made = lab.run(&["backup", "create", "t.example", "--json"]);
    assert!(fs::read(page(&lab)).unwrap() == now, "{told}: a backup changes nothing");
    let mut new = None;
    if made.code == 0 {
        let report: serde_json::Value = serde_json::from_str(&made.stdout).unwrap();
        let set = report["set"].as_str().unwrap_or_else(|| panic!("{told}: {made}"));
        fs::write(page(&lab), "of later").unwrap();
        // By its name: where files of snapshots cannot be read, which is the newest is unknown.
        new = Some(lab.run(&["backup", "restore", "t.example", set, "--yes"]));
    } else {
        explained(&made);
        let status = lab.run(&["backup", "status"]);
        assert_eq!(status.code, 1, "{told}: the monitor tells of it: {status}");
    }
    let check = lab.run(&["backup", "check", "t.example", "--read-data", "1"]);
    if let Some(new) = &new {
        match new.code {
            0 => assert!(fs::read(page(&lab)).unwrap() == now, "{told}: false success: {new}"),
            _ => {
                explained(new);
                assert_eq!(fs::read(page(&lab)).unwrap(), b"of later", "{told}: {new}");
                assert_ne!(check.code, 0, "{told}: nobody is told: {made}{new}{check}");
            }
        }
    }
    if old.code != 0 {
        let gone = made.code == 0 && new.as_ref().is_some_and(|new| new.code == 0);
        // What was lost may be of old backups alone, and then a new one is whole.
        assert!(gone || check.code != 0 || made.code != 0, "{told}: {old}{made}{check}");
    }
    Seen { old: old.code, create: made.code, new: new.map(|new| new.code), check: check.code }
}

#[test]
fn no_damage_is_passed_over_and_nothing_succeeds_falsely() {
    let every = std::env::var("POTLUCK_DAMAGE_EVERY").ok().and_then(|it| it.parse().ok());
    let only = std::env::var("POTLUCK_DAMAGE_ONLY").unwrap_or_default();
    let mut cases = Vec::new();
    for (kind, files) in KINDS {
        for (way, damage) in WAYS {
            // All of it can only be gone.
            let is_meant = format!("{kind}, {way}").contains(&only);
            if !is_meant || kind == "everything" && way != "gone" {
                continue;
            }
            for changed in [false, true] {
                cases.push((kind, files, way, damage, changed));
            }
        }
    }
    let cases: Vec<_> = cases.into_iter().step_by(every.unwrap_or(EVERY)).collect();
    let (next, table) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let failed = Mutex::new(Vec::new());
    thread::scope(|scope| {
        let work = || {
            while let Some(case) = cases.get(next.fetch_add(1, Ordering::SeqCst)) {
                let (kind, files, way, damage, changed) = *case;
                let data = if changed { "changed" } else { "unchanged" };
                let told = format!("{kind}, {way}, data {data}");
                let tried = || try_case(files, damage, changed, &told);
                // Its panic is printed; the other cases are tried as well.
                let Ok(Seen { old, create, new, check }) = std::panic::catch_unwind(tried) else {
                    failed.lock().unwrap().push(told);
                    continue;
                };
                let word = |code| if code == 0 { "good" } else { "refused" };
                let new = new.map_or("-", word);
                table.lock().unwrap().push(format!(
                    "damage: {told} | restore {} | backup {} | restore of it {new} | check {}",
                    word(old),
                    word(create),
                    word(check)
                ));
            }
        };
        scope.spawn(work);
        scope.spawn(work);
    });
    let mut table = table.into_inner().unwrap();
    table.sort();
    println!("{}\ndamage: {} of {} cases", table.join("\n"), table.len(), cases.len());
    let failed = failed.into_inner().unwrap();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}
