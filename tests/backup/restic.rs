//! What a backup promises of restic, proved with the real restic and a local
//! repository: no snapshot of half a dump, failures told apart, nothing lost
//! while a volume is replaced.

use crate::support::backup as common;

use std::{
    ffi::OsString,
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt, chown},
    path::Path,
    time::Duration,
};

use common::{Lab, chunk, session, session_that_stays_open};
use futures_util::{StreamExt, stream as streams};
use potluck::{
    backup::{
        Error,
        restic::{LOCK_LIMIT, Label, Restic, Summary, Upload, Version},
        set::{
            SetId,
            stream::{self, Dump},
        },
        volume::Folder,
    },
    engine::{self, Stream, VolumesFolder, Writers},
    plugin::{Belief, Ending},
    progress::{Event, Sink},
};

const DUMP: Dump<'_> = Dump {
    item: "x.sql",
    service: "db",
    belief: &Belief { ending: Ending::Any, may_shrink: false, names: None },
};

/// Of a dump that nothing else is known of.
async fn store(
    dump: Dump<'_>,
    session: engine::ExecSession,
    upload: Upload,
    reached: &mut (dyn FnMut(u64) + Send),
) -> Result<Summary, Error> {
    let judge = |_| std::future::ready(Ok(()));
    Ok(stream::store(dump, session, upload, reached, judge).await?.summary)
}

fn label(tags: &[String]) -> Label<'_> {
    Label { host: "test", tags }
}

fn tags() -> Vec<String> {
    vec!["potluck".into(), "app:x".into()]
}

fn pieces(count: usize) -> Vec<Result<engine::Chunk, engine::Error>> {
    (0..count)
        .map(|i| chunk(Stream::Stdout, vec![u8::try_from(i % 251).unwrap(); 32 * 1024]))
        .collect()
}

#[tokio::test]
async fn a_good_dump_comes_back_byte_by_byte() {
    let lab = Lab::new().await;
    let upload = lab.restic.backup_stream(label(&tags()), "x.sql").await.unwrap();
    let mut heard = 0;
    let summary =
        store(DUMP, session(pieces(40), Ok(0)), upload, &mut |n| heard = n).await.unwrap();
    assert_eq!((summary.bytes, heard), (40 * 32 * 1024, 40 * 32 * 1024));
    let list = lab.restic.snapshots("potluck,app:x").await.unwrap();
    assert_eq!(list.len(), 1);
    let read = lab.restic.read(&list[0].id, "x.sql", 1 << 24).await.unwrap();
    let expected: Vec<u8> =
        pieces(40).into_iter().flat_map(|c| c.unwrap().bytes.to_vec()).collect();
    assert!(read == expected, "what came back differs");
    lab.restic.forget(&[list[0].id.clone()]).await.unwrap();
    assert!(lab.restic.snapshots("potluck").await.unwrap().is_empty());
}

#[tokio::test]
async fn a_failed_dump_leaves_no_snapshot() {
    let lab = Lab::new().await;
    let mut output = pieces(160);
    output.push(chunk(Stream::Stderr, b"mariadb-dump: lost connection\n".to_vec()));
    let upload = lab.restic.backup_stream(label(&tags()), "x.sql").await.unwrap();
    let error = store(DUMP, session(output, Ok(2)), upload, &mut |_| ()).await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains("exit code 2") && text.contains("lost connection"), "{text}");
    lab.assert_untouched().await;
}

#[tokio::test]
async fn a_dump_whose_connection_breaks_leaves_no_snapshot() {
    let lab = Lab::new().await;
    let mut output = pieces(160);
    output.push(Err(engine::Error::Unreachable {
        endpoint: "unix:///x".into(),
        reason: "connection reset".into(),
    }));
    let upload = lab.restic.backup_stream(label(&tags()), "x.sql").await.unwrap();
    let error = store(DUMP, session(output, Ok(0)), upload, &mut |_| ()).await.unwrap_err();
    assert!(error.to_string().contains("connection reset"), "{error}");
    lab.assert_untouched().await;
}

#[tokio::test]
async fn a_dump_whose_end_is_not_known_leaves_no_snapshot() {
    let lab = Lab::new().await;
    let unknown = Err(engine::Error::Refused { action: "inspect".into(), message: "gone".into() });
    let upload = lab.restic.backup_stream(label(&tags()), "x.sql").await.unwrap();
    let error = store(DUMP, session(pieces(10), unknown), upload, &mut |_| ()).await.unwrap_err();
    assert!(matches!(error, Error::Dump { .. }), "{error}");
    lab.assert_untouched().await;
}

#[tokio::test]
async fn an_empty_dump_leaves_no_snapshot() {
    let lab = Lab::new().await;
    let upload = lab.restic.backup_stream(label(&tags()), "x.sql").await.unwrap();
    let error = store(DUMP, session(Vec::new(), Ok(0)), upload, &mut |_| ()).await.unwrap_err();
    assert!(error.to_string().contains("wrote nothing"), "{error}");
    lab.assert_untouched().await;
}

#[tokio::test]
async fn a_dump_that_is_dropped_half_way_leaves_no_snapshot_and_no_lock() {
    let lab = Lab::new().await;
    let upload = lab.restic.backup_stream(label(&tags()), "x.sql").await.unwrap();
    let session = session_that_stays_open(pieces(160));
    let mut heard = |_| ();
    let taking = store(DUMP, session, upload, &mut heard);
    // Dropped by the timeout, as Ctrl-C drops it.
    assert!(tokio::time::timeout(Duration::from_secs(2), taking).await.is_err());
    lab.restic.settle().await;
    lab.assert_untouched().await;
}

#[tokio::test]
async fn a_killed_restic_is_a_failure() {
    let lab = Lab::new().await;
    let upload = lab.restic.backup_stream(label(&tags()), "x.sql").await.unwrap();
    let endless = streams::iter(0..).then(|_| async {
        tokio::time::sleep(Duration::from_millis(1)).await;
        chunk(Stream::Stdout, vec![7; 32 * 1024])
    });
    let session = common::session_of(endless.boxed(), Ok(0));
    let pid = lab.pid_of_restic();
    let killer = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    };
    let mut heard = |_| ();
    let (outcome, ()) = tokio::join!(store(DUMP, session, upload, &mut heard), killer);
    let error = outcome.unwrap_err();
    assert!(matches!(error, Error::Restic { code: -1, .. }), "{error:?}");
    assert!(lab.restic.snapshots("potluck").await.unwrap().is_empty());
}

#[tokio::test]
async fn a_wrong_password_is_told_apart_from_a_missing_repository() {
    let lab = Lab::new().await;
    lab.restic.snapshots("potluck").await.unwrap();

    let mut wrong = lab.repository.clone();
    wrong.password_file = lab.folder.path().join("wrong");
    fs::write(&wrong.password_file, "not it\n").unwrap();
    let wrong = Restic::new(wrong).await.unwrap();
    assert!(matches!(wrong.snapshots("potluck").await, Err(Error::WrongPassword { .. })));

    let mut missing = lab.repository.clone();
    missing.location = lab.folder.path().join("nothing").to_str().unwrap().into();
    let missing = Restic::new(missing).await.unwrap();
    assert!(matches!(missing.snapshots("potluck").await, Err(Error::NoRepository { .. })));
}

#[tokio::test]
async fn a_repository_that_is_there_is_never_made_anew() {
    let lab = Lab::new().await;
    let before = fs::read(lab.location().join("config")).unwrap();
    assert!(lab.restic.init().await.is_err());
    assert_eq!(fs::read(lab.location().join("config")).unwrap(), before);
}

#[tokio::test]
async fn a_missing_restic_is_an_error_with_a_hint() {
    use potluck::hint::Hint;
    let lab = Lab::new().await;
    let mut repository = lab.repository.clone();
    repository.program = "/nonexistent/restic".into();
    let error = Restic::new(repository).await.unwrap_err();
    assert!(matches!(error, Error::ResticMissing { .. }));
    assert!(error.hint().unwrap().contains("install restic"));
}

#[tokio::test]
async fn a_full_disk_is_a_failure_that_says_so() {
    let lab = Lab::new().await;
    let small = lab.folder.path().join("small");
    fs::create_dir(&small).unwrap();
    let Some(_mounted) = common::Tmpfs::mount(&small, "4m") else {
        common::skip("a full disk is not tried: cannot mount a tmpfs (not root?)");
        return;
    };
    let mut repository = lab.repository.clone();
    repository.location = small.join("repository").to_str().unwrap().into();
    let restic = Restic::new(repository).await.unwrap();
    restic.init().await.unwrap();
    let output = streams::iter(0..2000_u32).map(|i| {
        // Does not compress.
        let mut x = u64::from(i) + 88_172_645_463_325_252;
        let bytes = (0..32 * 1024)
            .map(|_| {
                x ^= x << 13;
                x ^= x >> 7;
                x ^= x << 17;
                x.to_le_bytes()[0]
            })
            .collect();
        chunk(Stream::Stdout, bytes)
    });
    let upload = restic.backup_stream(label(&tags()), "x.sql").await.unwrap();
    let session = common::session_of(output.boxed(), Ok(0));
    let error = store(DUMP, session, upload, &mut |_| ()).await.unwrap_err();
    assert!(matches!(error, Error::NoSpace { .. }), "{error:?}");
}

fn set() -> SetId {
    "20261121T203015Z-3fa9c1".parse().unwrap()
}

async fn save(
    lab: &Lab,
    folder: &Folder,
    paths: &[String],
    exclude: &[OsString],
) -> Result<Summary, Error> {
    let view = folder.view()?;
    lab.restic.backup_folder(label(&tags()), view, paths, exclude).await?.finish().await
}

fn fill(volume: &Path) {
    fs::create_dir_all(volume.join("sub/deep")).unwrap();
    fs::write(volume.join("a"), "one").unwrap();
    fs::write(volume.join("sub/b"), "two").unwrap();
    fs::write(volume.join("sub/deep/c"), "three").unwrap();
    fs::write(volume.join("cache.tmp"), "not wanted").unwrap();
    fs::set_permissions(volume.join("a"), fs::Permissions::from_mode(0o4750)).unwrap();
    std::os::unix::fs::symlink("a", volume.join("link")).unwrap();
}

#[tokio::test]
async fn a_volume_comes_back_elsewhere_with_owners_and_modes() {
    if !common::can_mount() {
        return;
    }
    let lab = Lab::new().await;
    let volume = lab.volume("old");
    fill(&volume);
    chown(volume.join("sub"), Some(33), Some(44)).unwrap();
    chown(&volume, Some(999), Some(999)).unwrap();
    fs::set_permissions(&volume, fs::Permissions::from_mode(0o710)).unwrap();
    let old = lab.open("old");
    let facts = old.check(&[]).unwrap();
    let exclude = old.exclude(&["*.tmp".into()]);
    let summary = save(&lab, &old, &[], &exclude).await.unwrap();

    let target = lab.volume("new");
    fs::write(target.join("before"), "of the old app").unwrap();
    let staged = lab.open("new").stage(&set()).unwrap();
    lab.restic.restore(&summary.snapshot_id, staged.view().unwrap()).await.unwrap();
    assert!(target.join("before").exists(), "the old content stays until the new is there");
    staged.swap(&facts).unwrap().finish().unwrap();

    assert_eq!(fs::read_to_string(target.join("sub/deep/c")).unwrap(), "three");
    assert_eq!(fs::read_link(target.join("link")).unwrap(), Path::new("a"));
    assert!(!target.join("before").exists() && !target.join("cache.tmp").exists());
    assert_eq!(fs::metadata(target.join("a")).unwrap().mode() & 0o7777, 0o4750);
    let meta = fs::metadata(&target).unwrap();
    assert_eq!(meta.mode() & 0o7777, 0o710);
    assert_eq!((meta.uid(), meta.gid()), (999, 999));
    let sub = fs::metadata(target.join("sub")).unwrap();
    assert_eq!((sub.uid(), sub.gid()), (33, 44));
    let beside: Vec<_> = fs::read_dir(target.parent().unwrap()).unwrap().collect();
    assert_eq!(beside.len(), 1, "nothing is left beside the volume");
}

/// A database's file of 64 MiB with a page in its middle takes no more room than before.
#[tokio::test]
async fn a_file_with_holes_comes_back_with_them_where_restic_can() {
    if !common::can_mount() {
        return;
    }
    let lab = Lab::new().await;
    let volume = lab.volume("old");
    let file = fs::File::create(volume.join("holes")).unwrap();
    file.set_len(64 << 20).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, b"page", 32 << 20).unwrap();
    let old = lab.open("old");
    let facts = old.check(&[]).unwrap();
    let summary = save(&lab, &old, &[], &[]).await.unwrap();
    let target = lab.volume("new");
    let staged = lab.open("new").stage(&set()).unwrap();
    lab.restic.restore(&summary.snapshot_id, staged.view().unwrap()).await.unwrap();
    staged.swap(&facts).unwrap().finish().unwrap();
    let read = |path: &Path| fs::read(path.join("holes")).unwrap();
    assert!(read(&target) == read(&volume), "what came back differs");
    if lab.restic.version() >= Version::SPARSE {
        let room = fs::metadata(target.join("holes")).unwrap().blocks() * 512;
        assert!(room < 16 << 20, "{room} bytes");
    }
}

#[tokio::test]
async fn a_volume_taken_in_part_keeps_the_rest() {
    if !common::can_mount() {
        return;
    }
    let lab = Lab::new().await;
    let volume = lab.volume("old");
    fill(&volume);
    let old = lab.open("old");
    let paths = ["sub/deep".to_owned(), "a".to_owned()];
    let facts = old.check(&paths).unwrap();
    let summary = save(&lab, &old, &paths, &[]).await.unwrap();

    fs::write(volume.join("sub/deep/c"), "changed").unwrap();
    fs::write(volume.join("sub/b"), "stays").unwrap();
    fs::remove_file(volume.join("a")).unwrap();
    let staged = old.stage(&set()).unwrap();
    lab.restic.restore(&summary.snapshot_id, staged.view().unwrap()).await.unwrap();
    staged.swap(&facts).unwrap().finish().unwrap();
    assert_eq!(fs::read_to_string(volume.join("sub/deep/c")).unwrap(), "three");
    assert_eq!(fs::read_to_string(volume.join("sub/b")).unwrap(), "stays");
    assert_eq!(fs::read_to_string(volume.join("a")).unwrap(), "one");
}

#[tokio::test]
async fn a_restore_that_stops_half_way_changes_nothing() {
    let lab = Lab::new().await;
    let volume = lab.volume("v");
    fill(&volume);
    let staged = lab.open("v").stage(&set()).unwrap();
    fs::write(lab.staging("v", &set()).join("half"), "x").unwrap();
    drop(staged);
    assert_eq!(fs::read_to_string(volume.join("a")).unwrap(), "one");
    assert_eq!(fs::read_dir(volume.parent().unwrap()).unwrap().count(), 1);
}

/// As after SIGKILL between two volumes' exchanges: one has the new content, the old of
/// it lies beside, and what was to go into the other lies beside that.
#[tokio::test]
async fn a_restore_that_is_killed_between_two_volumes_is_completed_by_the_next() {
    const DIES: &str = "POTLUCK_TEST_DIES_BETWEEN";
    let names = ["a", "b"];
    let open = |volumes: &Path, name: &str| {
        let folder = VolumesFolder { path: volumes.to_owned(), writers: Writers::Containers };
        Folder::open(&folder, name, "read").unwrap()
    };
    let stage = |volumes: &Path, set: &SetId| {
        names.map(|name| {
            let staged = open(volumes, name).stage(set).unwrap();
            let beside = volumes.join(name).join(format!(".potluck-restore-{set}"));
            fs::write(beside.join("new"), name).unwrap();
            staged
        })
    };
    if let Some(volumes) = std::env::var_os(DIES) {
        let volumes = Path::new(&volumes);
        let facts = open(volumes, "a").check(&[]).unwrap();
        let [a, _b] = stage(volumes, &set());
        let _swapped = a.swap(&facts).unwrap();
        std::process::abort();
    }
    let lab = Lab::new().await;
    for name in names {
        fs::write(lab.volume(name).join("old"), name).unwrap();
    }
    let facts = names.map(|name| lab.open(name).check(&[]).unwrap());
    let name = "restic::a_restore_that_is_killed_between_two_volumes_is_completed_by_the_next";
    let killed = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name])
        .env(DIES, lab.volumes())
        .output()
        .unwrap();
    assert_eq!(killed.status.code(), None, "{killed:?}");
    let content = |name: &str| {
        let all = fs::read_dir(lab.volumes().join(name).join("_data")).unwrap();
        all.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect::<Vec<_>>()
    };
    let beside = |name: &str| fs::read_dir(lab.volumes().join(name)).unwrap().count() - 1;
    assert_eq!(names.map(content), [["new"], ["old"]]);
    assert_eq!(names.map(beside), [1, 1]);
    for name in names {
        assert_eq!(lab.open(name).left_behind().len(), 1, "{name}: a backup tells of it");
    }

    let again: SetId = "20261122T000000Z-0a0b0c".parse().unwrap();
    for (staged, facts) in stage(&lab.volumes(), &again).into_iter().zip(&facts) {
        assert_eq!(staged.swept().len(), 1);
        staged.swap(facts).unwrap().finish().unwrap();
    }
    assert_eq!(names.map(content), [["new"], ["new"]]);
    assert_eq!(names.map(beside), [0, 0]);
}

#[tokio::test]
async fn a_path_that_is_missing_or_leaves_the_volume_is_refused() {
    let lab = Lab::new().await;
    let volume = lab.volume("v");
    fill(&volume);
    std::os::unix::fs::symlink("/etc", volume.join("out")).unwrap();
    let folder = lab.open("v");
    for bad in ["nothing", "../v", "/etc/passwd", "out/passwd", "", ".", "a/b"] {
        assert!(folder.check(&[bad.into()]).is_err(), "{bad:?} was accepted");
    }
    assert!(folder.check(&["out".into()]).is_ok(), "a link itself is content");
    let gone = lab.try_open("gone");
    assert!(gone.is_err_and(|error| matches!(*error, Error::Volume { .. })));
}

#[tokio::test]
async fn an_exclude_pattern_is_tied_to_the_volume() {
    if !common::can_mount() {
        return;
    }
    let lab = Lab::new().await;
    let volume = lab.volume("v");
    fill(&volume);
    fs::create_dir(volume.join("sub/a")).unwrap();
    fs::write(volume.join("sub/a/kept"), "").unwrap();
    let folder = lab.open("v");
    // The volume's folder is `…/v/_data`: neither name may exclude all of it.
    let exclude = folder.exclude(&["v".into(), "_data".into(), "/a".into(), "c".into()]);
    let summary = save(&lab, &folder, &[], &exclude).await.unwrap();
    let staged = folder.stage(&set()).unwrap();
    lab.restic.restore(&summary.snapshot_id, staged.view().unwrap()).await.unwrap();
    let there = |path: &str| lab.staging("v", &set()).join(path).exists();
    assert!(there("sub/a/kept") && there("sub/b") && !there("a") && !there("sub/deep/c"));
}

#[tokio::test]
async fn an_unreadable_file_fails_the_backup_of_a_volume() {
    if !common::can_mount() {
        return;
    }
    let lab = Lab::new().await;
    let volume = lab.volume("v");
    fill(&volume);
    // Readable to nobody, root included: a process that is gone.
    let missing = volume.join("proc");
    fs::create_dir(&missing).unwrap();
    let folder = lab.open("v");
    folder.check(&["proc".into()]).unwrap();
    fs::remove_dir(&missing).unwrap();
    assert!(save(&lab, &folder, &["proc".into()], &[]).await.is_err());
    assert!(lab.restic.snapshots("potluck").await.unwrap().is_empty());
}

/// Streams much more than may be held in memory, in a process of its own.
#[tokio::test]
async fn a_dump_of_any_size_takes_constant_memory() {
    const BYTES: u64 = 512 * 1024 * 1024;
    const BOUND_KIB: u64 = 64 * 1024;
    if !common::is_alone() {
        return;
    }
    let lab = Lab::new().await;
    let upload = lab.restic.backup_stream(label(&tags()), "x.sql").await.unwrap();
    let output = streams::iter(0..BYTES / (32 * 1024)).map(|i| {
        let mut bytes = vec![b'x'; 32 * 1024];
        bytes[..8].copy_from_slice(&i.to_le_bytes());
        chunk(Stream::Stdout, bytes)
    });
    let session = common::session_of(output.boxed(), Ok(0));
    let summary = store(DUMP, session, upload, &mut |_| ()).await.unwrap();
    assert_eq!(summary.bytes, BYTES);
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let peak: u64 = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse().ok())
        .unwrap();
    assert!(peak < BOUND_KIB, "peak memory {peak} kB");
}

/// What `gzip` makes of nothing.
const GZIP_OF_NOTHING: &[u8] = b"\x1f\x8b\x08\0\0\0\0\0\0\x03\x03\0\0\0\0\0\0\0\0\0";

#[tokio::test]
async fn a_dump_that_does_not_prove_itself_leaves_no_snapshot() {
    let lab = Lab::new().await;
    let cut_off = "--\n-- PostgreSQL database dump\n--\nCREATE TABLE t ();\n".as_bytes();
    for (dump, expected) in [
        (GZIP_OF_NOTHING, "its gzip stream is empty"),
        (&GZIP_OF_NOTHING[..10], "gzip stream is cut off"),
        (cut_off, "not a complete dump of pg_dump"),
    ] {
        let upload = lab.restic.backup_stream(label(&tags()), "x.sql").await.unwrap();
        let output = vec![chunk(Stream::Stdout, dump.to_vec())];
        let error = store(DUMP, session(output, Ok(0)), upload, &mut |_| ()).await.unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
        lab.assert_untouched().await;
    }
    let whole = [cut_off, b"-- PostgreSQL database dump complete\n"].concat();
    let upload = lab.restic.backup_stream(label(&tags()), "x.sql").await.unwrap();
    let output = vec![chunk(Stream::Stdout, whole)];
    store(DUMP, session(output, Ok(0)), upload, &mut |_| ()).await.unwrap();
}

/// Files come and go until restic meets some that went.
#[tokio::test(flavor = "multi_thread")]
async fn files_that_vanish_are_counted_and_no_failure() {
    if !common::can_mount() {
        return;
    }
    let lab = Lab::new().await;
    let volume = lab.volume("v");
    fs::write(volume.join("kept"), "kept").unwrap();
    let folder = lab.open("v");
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let churn = std::thread::spawn({
        let stop = stop.clone();
        move || {
            // Each name once: what is gone stays gone.
            for round in 0.. {
                let names = (0..300).map(|n| volume.join(format!("temporary-{round}-{n}")));
                let names: Vec<_> = names.collect();
                names.iter().for_each(|name| fs::write(name, "").unwrap());
                names.iter().for_each(|name| fs::remove_file(name).unwrap());
                if stop.load(std::sync::atomic::Ordering::Relaxed) {
                    return;
                }
            }
        }
    });
    let mut met = None;
    for _ in 0..40 {
        let view = folder.view().unwrap();
        let upload = lab.restic.backup_folder(label(&tags()), view, &[], &[]).await.unwrap();
        let summary = upload.finish_looking(|path| folder.is_missing(path)).await.unwrap();
        if summary.vanished.count > 0 {
            met = Some(summary);
            break;
        }
    }
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    churn.join().unwrap();
    if lab.restic.version() >= (Version { major: 0, minor: 18 }) {
        // It passes over them without a word, and ends with 0.
        return;
    }
    let summary = met.expect("not one file vanished under restic in 40 runs");
    assert!(summary.vanished.names[0].contains("temporary-"), "{:?}", summary.vanished);
    let staged = folder.stage(&set()).unwrap();
    lab.restic.restore(&summary.snapshot_id, staged.view().unwrap()).await.unwrap();
    let kept = fs::read_to_string(lab.staging("v", &set()).join("kept")).unwrap();
    assert_eq!(kept, "kept");
}

/// Starts a restic that locks the repository for itself, and stops it there.
pub fn stopped_with_a_lock(location: &Path, password: &str) -> std::process::Child {
    // One that is still being written has a longer name.
    let is_locked = || {
        let mut locks = fs::read_dir(location.join("locks")).unwrap().flatten();
        locks.any(|lock| lock.file_name().len() == 64)
    };
    loop {
        let mut restic = std::process::Command::new("restic")
            .args(["check", "--read-data", "--no-cache"])
            .env("RESTIC_REPOSITORY", location)
            .env("RESTIC_PASSWORD", password)
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let pid = rustix::process::Pid::from_child(&restic);
        while restic.try_wait().unwrap().is_none() {
            if is_locked() {
                rustix::process::kill_process(pid, rustix::process::Signal::STOP).unwrap();
                // It may have been about to remove it.
                if restic.try_wait().unwrap().is_none() && is_locked() {
                    return restic;
                }
            }
        }
    }
}

#[tokio::test]
async fn the_lock_of_a_dead_restic_is_removed_and_that_of_a_living_one_is_named() {
    use potluck::hint::Hint;
    let lab = Lab::new().await;
    let heard = Heard::default();
    let (tags, limit) = (tags(), Duration::from_millis(10));
    let save = || async {
        let mut upload = lab.restic.backup_stream(label(&tags), "x.sql").await?;
        match upload.write(b"rows").await {
            Ok(()) => upload.finish().await,
            Err(error) => Err(error),
        }
    };
    let mut other = stopped_with_a_lock(lab.location(), "sesame");
    let error = lab.restic.past_locks(limit, &heard, save).await.unwrap_err();
    let text = error.to_string();
    let pid = format!("PID {} on ", other.id());
    assert!(text.contains(&pid) && text.contains(", since 20"), "{text}");
    let hint = error.hint().unwrap();
    let command = format!(
        "`restic -r '{}' --password-file '{}' unlock`",
        lab.location().display(),
        lab.repository.password_file.display()
    );
    assert!(hint.contains(&command), "{hint}");
    assert_eq!(fs::read_dir(lab.location().join("locks")).unwrap().count(), 1, "it lives");
    assert_eq!(heard.warnings(), Vec::<String>::new());

    other.kill().unwrap();
    other.wait().unwrap();
    lab.restic.past_locks(limit, &heard, save).await.unwrap();
    let warnings = heard.warnings();
    assert!(warnings.len() == 1 && warnings[0].contains(&pid), "{warnings:?}");
    assert_eq!(fs::read_dir(lab.location().join("locks")).unwrap().count(), 0);
}

/// Lets a stopped process continue once somebody waits for it.
struct Continuing(rustix::process::Pid, Heard);

impl Sink for Continuing {
    fn event(&self, event: Event) {
        if matches!(&event, Event::Step { name, .. } if name.starts_with("waiting: ")) {
            rustix::process::kill_process(self.0, rustix::process::Signal::CONT).unwrap();
        }
        self.1.event(event);
    }
}

#[tokio::test]
async fn the_lock_of_a_living_restic_is_waited_for_until_it_ends() {
    let lab = Lab::new().await;
    let mut other = stopped_with_a_lock(lab.location(), "sesame");
    let pid = rustix::process::Pid::from_child(&other);
    let heard = Continuing(pid, Heard::default());
    let prune = || lab.restic.prune();
    lab.restic.past_locks(LOCK_LIMIT, &heard, prune).await.unwrap();
    assert!(other.wait().unwrap().success(), "it was not disturbed");
    let steps: Vec<String> = heard.1.0.lock().unwrap().iter().map(|it| format!("{it:?}")).collect();
    let said = steps.iter().filter(|step| step.contains("waiting: the repository is locked"));
    assert_eq!(said.count(), 1, "said once: {steps:?}");
    assert_eq!(heard.1.warnings(), Vec::<String>::new());
}

#[derive(Default)]
struct Heard(std::sync::Mutex<Vec<Event>>);

impl Sink for Heard {
    fn event(&self, event: Event) {
        self.0.lock().unwrap().push(event);
    }
}

impl Heard {
    fn warnings(&self) -> Vec<String> {
        let events = self.0.lock().unwrap();
        let warning = |event: &Event| match event {
            Event::Warning { message } => Some(message.clone()),
            _ => None,
        };
        events.iter().filter_map(warning).collect()
    }
}
