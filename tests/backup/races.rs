//! A container that swaps folders of its volume for links as fast as it can,
//! while root reads the volume or restores into it: hundreds of tries, after
//! which nothing from outside was read and nothing outside was written.

use crate::support::backup as common;

use std::{
    ffi::CString,
    fs, io,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
};

use common::Lab;
use potluck::backup::{
    Error,
    restic::{Label, Snapshot},
    set::SetId,
    volume::NoView,
};
use rustix::fs::{CWD, RenameFlags, renameat_with};

const TRIES: u32 = 300;
/// What is outside, and must neither be read nor changed.
const OUTSIDE: &str = "outside: nobody's business";

fn set() -> SetId {
    "20261121T203015Z-3fa9c1".parse().unwrap()
}

fn label(tags: &[String]) -> Label<'_> {
    Label { host: "test", tags }
}

fn tags() -> Vec<String> {
    vec!["potluck".into(), "app:x".into()]
}

/// Swaps two names of a folder as fast as it can until it is dropped.
struct Swapper {
    stop: Arc<AtomicBool>,
    swaps: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl Swapper {
    fn start(folder: &Path, names: [&'static str; 2]) -> Self {
        let (stop, swaps) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let [a, b] = names.map(|name| CString::new(folder.join(name).to_str().unwrap()).unwrap());
        let (until, count) = (stop.clone(), swaps.clone());
        let thread = thread::spawn(move || {
            while !until.load(Ordering::Relaxed) {
                // A name may be missing for a moment while a restore is at it.
                if renameat_with(CWD, &a, CWD, &b, RenameFlags::EXCHANGE).is_ok() {
                    count.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
        Swapper { stop, swaps, thread: Some(thread) }
    }

    fn swaps(&self) -> u64 {
        self.swaps.load(Ordering::Relaxed)
    }
}

impl Drop for Swapper {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().unwrap().join().unwrap();
    }
}

/// A folder that the volume has no business with.
fn outside(lab: &Lab) -> PathBuf {
    let outside = lab.folder.path().join("outside");
    fs::create_dir_all(outside.join("ok")).unwrap();
    fs::write(outside.join("ok/f"), OUTSIDE).unwrap();
    fs::write(outside.join("f"), OUTSIDE).unwrap();
    outside
}

/// Every file below a folder, links as what they say.
fn tree(folder: &Path) -> Vec<(PathBuf, String)> {
    fn walk(top: &Path, folder: &Path, all: &mut Vec<(PathBuf, String)>) {
        let mut entries: Vec<_> =
            fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
        entries.sort();
        for path in entries {
            let kind = fs::symlink_metadata(&path).unwrap().file_type();
            let name = path.strip_prefix(top).unwrap().to_owned();
            if kind.is_symlink() {
                let target = fs::read_link(&path).unwrap().display().to_string();
                all.push((name, format!("-> {target}")));
            } else if kind.is_dir() {
                walk(top, &path, all);
            } else {
                all.push((name, fs::read_to_string(&path).unwrap()));
            }
        }
    }
    let mut all = Vec::new();
    walk(folder, folder, &mut all);
    all
}

/// The volume `v`: `s/ok/f`, and beside `s` a link `l` to the outside; they
/// change places.
fn volume_that_swaps(lab: &Lab, outside: &Path) -> (PathBuf, Swapper) {
    let volume = lab.volume("v");
    fs::create_dir_all(volume.join("s/ok")).unwrap();
    fs::write(volume.join("s/ok/f"), "inside").unwrap();
    symlink(outside, volume.join("l")).unwrap();
    let swapper = Swapper::start(&volume, ["s", "l"]);
    (volume, swapper)
}

#[test]
fn a_check_never_looks_outside_while_a_folder_is_swapped_for_a_link() {
    let lab = lab();
    let outside = outside(&lab);
    // Only the outside has it.
    fs::write(outside.join("ok/only-outside"), "").unwrap();
    let (_, swapper) = volume_that_swaps(&lab, &outside);
    let folder = lab.open("v");
    let (mut found, mut refused) = (0, 0);
    while found < TRIES || refused < TRIES {
        assert!(folder.check(&["s/ok/only-outside".into()]).is_err(), "it looked outside");
        match folder.check(&["s/ok/f".into()]) {
            Ok(_) => found += 1,
            Err(_) => refused += 1,
        }
    }
    assert!(swapper.swaps() > u64::from(TRIES));
}

#[test]
fn a_restore_of_a_part_never_writes_outside_while_a_folder_is_swapped_for_a_link() {
    let lab = lab();
    let outside = outside(&lab);
    let before = tree(&outside);
    let (volume, swapper) = volume_that_swaps(&lab, &outside);
    let folder = lab.open("v");
    let facts = loop {
        if let Ok(facts) = folder.check(&["s/ok".into()]) {
            break facts;
        }
    };
    let (mut restored, mut refused) = (0, 0);
    while restored < TRIES || refused < TRIES {
        let staged = folder.stage(&set()).unwrap();
        let beside = lab.staging("v", &set());
        fs::create_dir_all(beside.join("s/ok")).unwrap();
        fs::write(beside.join("s/ok/f"), "restored").unwrap();
        match staged.swap(&facts) {
            Ok(swapped) => {
                swapped.finish().unwrap();
                restored += 1;
            }
            Err(Error::Volume { .. }) => refused += 1,
            Err(other) => panic!("{other}"),
        }
        assert!(!beside.exists(), "something is left beside the volume");
    }
    assert!(swapper.swaps() > u64::from(TRIES));
    drop(swapper);
    assert_eq!(tree(&outside), before, "the outside was changed");
    let inside = tree(&volume);
    assert!(inside.iter().any(|(_, content)| content == "restored"), "{inside:?}");
    assert!(!inside.iter().any(|(_, content)| content == OUTSIDE), "{inside:?}");
}

/// The old content is removed while whoever has it open goes on swapping in it.
#[test]
fn removing_old_content_never_follows_what_is_swapped_into_it() {
    let lab = lab();
    let outside = outside(&lab);
    let before = tree(&outside);
    let volume = lab.volume("v");
    for round in 0..TRIES {
        fs::create_dir_all(volume.join("a/b")).unwrap();
        fs::write(volume.join("a/b/f"), "x").unwrap();
        symlink(&outside, volume.join("l")).unwrap();
        let folder = lab.open("v");
        let facts = folder.check(&[]).unwrap();
        let staged = folder.stage(&set()).unwrap();
        // By descriptor, as a container that still runs would: it stays in the
        // folder whatever that is called.
        let inside = fs::File::open(&volume).unwrap();
        let path = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&inside));
        let swapper = Swapper::start(Path::new(&path), ["a", "l"]);
        staged.swap(&facts).unwrap().finish().unwrap();
        drop(swapper);
        assert_eq!(tree(&outside), before, "the outside was changed in round {round}");
        assert!(tree(&volume).is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_never_reads_outside_while_a_folder_is_swapped_for_a_link() {
    if !common::can_mount() {
        return;
    }
    let lab = Lab::new().await;
    let outside = outside(&lab);
    let (volume, swapper) = volume_that_swaps(&lab, &outside);
    for n in 0..40 {
        fs::create_dir_all(volume.join(format!("d{n}"))).unwrap();
        fs::write(volume.join(format!("d{n}/f")), "more").unwrap();
    }
    // Each run of restic takes half a second for its key; the next test tries
    // the view itself thousands of times.
    for paths in [vec!["s/ok".to_owned()], Vec::new()] {
        for _ in 0..6 {
            let view = lab.open("v").view().unwrap();
            let tags = tags();
            let upload = lab.restic.backup_folder(label(&tags), view, &paths, &[]).await.unwrap();
            // What restic could not read fails the backup, as it should.
            let _ = upload.finish().await;
        }
    }
    assert!(swapper.swaps() > u64::from(TRIES));
    drop(swapper);
    for snapshot in every_snapshot(&lab) {
        let target = lab.folder.path().join(format!("out-{}", snapshot.id));
        let status = restic(&lab, &["restore", "--target", target.to_str().unwrap(), &snapshot.id]);
        assert!(status.status.success(), "{}", String::from_utf8_lossy(&status.stderr));
        let read = tree(&target);
        assert!(!read.iter().any(|(_, content)| content == OUTSIDE), "{read:?}");
    }
}

/// A plain program that follows links, as restic does, in the view that restic
/// is given: hundreds of tries to read and write through the swapped folder.
#[tokio::test(flavor = "multi_thread")]
async fn a_program_in_the_view_follows_no_link_however_often_it_tries() {
    if !common::can_mount() {
        return;
    }
    let lab = lab();
    let outside = outside(&lab);
    let before = tree(&outside);
    let (_volume, swapper) = volume_that_swaps(&lab, &outside);
    let script = "n=0; while [ $n -lt 2000 ]; do n=$((n+1)); cat s/ok/f l/ok/f l/f; done 2>/dev/null; \
                  echo done; echo x >s/ok/written; echo x >l/ok/written";
    let mut command = tokio::process::Command::new("sh");
    command.args(["-c", script]).stdout(std::process::Stdio::piped());
    let view = lab.open("v").view().unwrap();
    let child = view.start(command, |mut command| command.spawn()).unwrap().unwrap();
    let said = child.wait_with_output().await.unwrap();
    let said = String::from_utf8_lossy(&said.stdout);
    assert!(said.contains("inside") && said.contains("done"), "{said}");
    assert!(!said.contains(OUTSIDE), "it read outside");
    assert!(swapper.swaps() > u64::from(TRIES));
    drop(swapper);
    assert_eq!(tree(&outside), before);
    let left: Vec<_> = tree(&lab.volume("v")).into_iter().map(|(path, _)| path).collect();
    assert!(!left.iter().any(|path| path.ends_with("written")), "a view to read was written");
}

/// Only its own volume is there, and nothing stays mounted.
#[tokio::test(flavor = "multi_thread")]
async fn a_view_shows_one_volume_and_ends_with_the_program() {
    if !common::can_mount() {
        return;
    }
    let lab = lab();
    fs::write(lab.volume("v").join("f"), "mine").unwrap();
    fs::write(lab.volume("other").join("f"), "another's").unwrap();
    let mounts = || fs::read_to_string("/proc/self/mountinfo").unwrap();
    let ours = |table: &str| table.matches(lab.folder.path().to_str().unwrap()).count();
    let view = lab.open("v").view().unwrap();
    let script = format!("pwd; ls {0}; cat {0}/v/_data/f; kill -9 $$", lab.volumes().display());
    let mut command = tokio::process::Command::new("sh");
    command.args(["-c", &script]).stdout(std::process::Stdio::piped());
    let child = view.start(command, |mut command| command.spawn()).unwrap().unwrap();
    let said = child.wait_with_output().await.unwrap();
    let expected = format!("{}/v/_data\nv\nmine", lab.volumes().display());
    assert_eq!(String::from_utf8_lossy(&said.stdout), expected);
    assert_eq!(ours(&mounts()), 0, "a mount is left");
}

/// What fails between fork and exec is not taken for a missing program, nor the
/// reverse.
#[tokio::test(flavor = "multi_thread")]
async fn a_view_that_cannot_be_made_says_which_step_failed_and_starts_nothing() {
    if !common::can_mount() {
        return;
    }
    let lab = lab();
    lab.volume("v");
    let (view, other) = (lab.open("v").view().unwrap(), lab.open("v").view().unwrap());
    let missing = tokio::process::Command::new("/nonexistent/restic");
    let started = view.start(missing, |mut command| command.spawn()).unwrap();
    assert_eq!(started.unwrap_err().kind(), io::ErrorKind::NotFound);

    fs::rename(lab.volumes(), lab.folder.path().join("elsewhere")).unwrap();
    let mark = lab.folder.path().join("mark");
    let mut touch = tokio::process::Command::new("touch");
    touch.arg(&mark);
    let refused = other.start(touch, |mut command| command.spawn()).map(drop).unwrap_err();
    let NoView::Refused { step, source } = refused else { panic!("{refused:?}") };
    assert_eq!((step, source.kind()), ("covering the other volumes", io::ErrorKind::NotFound));
    assert!(!mark.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_among_the_volumes_is_refused_and_not_made_anew() {
    if !common::can_mount() {
        return;
    }
    let lab = Lab::new().await;
    fs::write(lab.volume("v").join("f"), "x").unwrap();
    let mut repository = lab.repository.clone();
    repository.location = lab.volume("backups").join("r").to_str().unwrap().into();
    let restic = potluck::backup::restic::Restic::new(repository).await.unwrap();
    restic.init().await.unwrap();
    let tags = tags();
    let refused = restic.backup_folder(label(&tags), lab.open("v").view().unwrap(), &[], &[]).await;
    let error = refused.err().unwrap();
    assert!(matches!(error, Error::Covered { .. }), "{error}");
}

/// What did not change is not read again, also by a set from before restic
/// saw volumes through a mount: the paths are the same.
#[tokio::test(flavor = "multi_thread")]
async fn an_unchanged_volume_is_saved_from_its_parent_and_adds_no_data() {
    if !common::can_mount() {
        return;
    }
    let lab = Lab::new().await;
    let volume = lab.volume("v");
    for n in 0..50 {
        fs::write(volume.join(format!("f{n}")), format!("content {n}").repeat(1000)).unwrap();
    }
    // As earlier versions did: by path, with the folder as working folder.
    let mut earlier = restic_command(&lab);
    earlier.args(["backup", "--host", "test", "--tag", "potluck,app:x", "."]).current_dir(&volume);
    assert!(earlier.output().unwrap().status.success());
    let folder = lab.open("v");
    for _ in 0..2 {
        let tags = tags();
        let view = folder.view().unwrap();
        let upload = lab.restic.backup_folder(label(&tags), view, &[], &[]).await.unwrap();
        upload.finish().await.unwrap();
    }
    let listed = restic(&lab, &["snapshots", "--json"]);
    let all: serde_json::Value = serde_json::from_slice(&listed.stdout).unwrap();
    let all = all.as_array().unwrap();
    assert_eq!(all.len(), 3);
    let mut all: Vec<_> = all.iter().collect();
    all.sort_by_key(|snapshot| snapshot["time"].as_str().unwrap().to_owned());
    for pair in all.windows(2) {
        assert_eq!(pair[1]["parent"], pair[0]["id"], "the parent was not found");
        assert_eq!(pair[1]["tree"], pair[0]["tree"], "data was added");
        assert_eq!(pair[1]["paths"], serde_json::json!([volume]));
    }
}

/// What a set took through an earlier version comes back.
#[tokio::test(flavor = "multi_thread")]
async fn a_set_of_an_earlier_version_is_restored() {
    if !common::can_mount() {
        return;
    }
    let lab = Lab::new().await;
    let volume = lab.volume("v");
    fs::create_dir(volume.join("sub")).unwrap();
    fs::write(volume.join("sub/f"), "then").unwrap();
    let mut earlier = restic_command(&lab);
    earlier.args(["backup", "--host", "test", "--tag", "potluck,app:x", "."]).current_dir(&volume);
    assert!(earlier.output().unwrap().status.success());
    fs::write(volume.join("sub/f"), "now").unwrap();
    let snapshot = every_snapshot(&lab).remove(0);
    let folder = lab.open("v");
    let facts = folder.check(&[]).unwrap();
    let staged = folder.stage(&set()).unwrap();
    lab.restic.restore(&snapshot.id, staged.view().unwrap()).await.unwrap();
    staged.swap(&facts).unwrap().finish().unwrap();
    assert_eq!(tree(&volume), [(PathBuf::from("sub/f"), "then".to_owned())]);
}

#[test]
fn what_a_restore_exchanged_is_taken_back_when_a_later_step_fails() {
    let lab = lab();
    let volume = lab.volume("v");
    fs::create_dir(volume.join("a")).unwrap();
    fs::write(volume.join("a/f"), "old").unwrap();
    fs::write(volume.join("b"), "old").unwrap();
    let before = tree(&volume);
    let folder = lab.open("v");
    let facts = folder.check(&["a".into(), "b".into()]).unwrap();
    let staged = folder.stage(&set()).unwrap();
    let beside = lab.staging("v", &set());
    fs::create_dir(beside.join("a")).unwrap();
    fs::write(beside.join("a/f"), "new").unwrap();
    // `b` is missing from what was restored.
    assert!(staged.swap(&facts).is_err());
    assert_eq!(tree(&volume), before);
    assert!(!beside.exists());

    let staged = folder.stage(&set()).unwrap();
    fs::create_dir(beside.join("a")).unwrap();
    fs::write(beside.join("b"), "new").unwrap();
    let swapped = staged.swap(&facts).unwrap();
    assert_eq!(fs::read_to_string(volume.join("b")).unwrap(), "new");
    swapped.undo().unwrap();
    assert_eq!(tree(&volume), before);
}

#[test]
fn what_a_killed_restore_left_is_told_and_swept_by_the_next_one() {
    let lab = lab();
    let volume = lab.volume("v");
    fs::write(volume.join("f"), "live").unwrap();
    let folder = lab.open("v");
    // As one leaves it that is killed: nothing of it runs, its folder is there.
    let left = volume.parent().unwrap().join(".potluck-restore-20260101T000000Z-0a0b0c");
    fs::create_dir_all(left.join("deep/er")).unwrap();
    assert_eq!(folder.left_behind(), std::slice::from_ref(&left));

    let staged = folder.stage(&set()).unwrap();
    assert_eq!(staged.swept(), std::slice::from_ref(&left));
    assert!(!left.exists());
    // While that one is under way, its own folder is nobody's leftover, and no other
    // restore of the volume begins: also not from a descriptor of its own.
    let beside = lab.staging("v", &set());
    assert_eq!(lab.open("v").left_behind(), Vec::<PathBuf>::new());
    let other = lab.open("v").stage(&set()).unwrap_err();
    assert!(other.to_string().contains("another restore of it is under way"), "{other}");
    assert!(beside.is_dir());
    fs::write(beside.join("f"), "restored").unwrap();
    let swapped = staged.swap(&folder.check(&[]).unwrap()).unwrap();
    assert!(lab.open("v").stage(&set()).is_err(), "the old content is still beside it");
    swapped.finish().unwrap();
    assert_eq!(fs::read_to_string(volume.join("f")).unwrap(), "restored");
    assert!(lab.open("v").stage(&set()).unwrap().swept().is_empty());
}

/// FUSE without `rename2` has no exchange: a whole volume and a part of one are
/// restored all the same, and what fails is taken back.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_system_that_cannot_exchange_names_is_restored_in_two_steps() {
    if !common::can_mount() {
        return;
    }
    let lab = Lab::new().await;
    fs::create_dir(lab.volumes()).unwrap();
    let Some(_mounted) = common::Fuse::mount(lab.folder.path(), &lab.volumes()) else {
        common::skip("a file system without RENAME_EXCHANGE is not tried: no fuse2fs");
        return;
    };
    let volume = lab.volume("v");
    let at = |name: &str| CString::new(lab.volumes().join(name).to_str().unwrap()).unwrap();
    fs::create_dir(lab.volumes().join("b")).unwrap();
    let exchange = renameat_with(CWD, at("v"), CWD, at("b"), RenameFlags::EXCHANGE);
    assert_eq!(exchange, Err(rustix::io::Errno::INVAL), "this file system can exchange");

    fs::create_dir_all(volume.join("s/ok")).unwrap();
    fs::write(volume.join("s/ok/f"), "then").unwrap();
    fs::write(volume.join("rest"), "then").unwrap();
    let then = tree(&volume);
    for paths in [Vec::new(), vec!["s/ok".to_owned()]] {
        let folder = lab.open("v");
        let facts = folder.check(&paths).unwrap();
        let tags = tags();
        let view = folder.view().unwrap();
        let upload = lab.restic.backup_folder(label(&tags), view, &paths, &[]).await.unwrap();
        let snapshot = upload.finish().await.unwrap().snapshot_id;
        fs::write(volume.join("s/ok/f"), "now").unwrap();
        let staged = folder.stage(&set()).unwrap();
        lab.restic.restore(&snapshot, staged.view().unwrap()).await.unwrap();
        staged.swap(&facts).unwrap().finish().unwrap();
        assert_eq!(tree(&volume), then, "{paths:?}");
        let beside = fs::read_dir(volume.parent().unwrap()).unwrap().count();
        assert_eq!(beside, 1, "something is left beside the volume");
    }
}

/// Without the exchange there is a moment in which the volume has no data.
#[test]
fn a_restore_that_was_killed_between_two_renames_is_taken_back() {
    let lab = lab();
    let volume = lab.volume("v");
    fs::write(volume.join("f"), "old").unwrap();
    fs::rename(&volume, volume.with_file_name(".potluck-previous")).unwrap();
    lab.open("v").check(&["f".into()]).unwrap();
    assert_eq!(fs::read_to_string(volume.join("f")).unwrap(), "old");
}

#[test]
fn a_place_that_became_a_link_is_named_before_anything_changes() {
    use potluck::hint::Hint;
    let lab = lab();
    let volume = lab.volume("v");
    fs::create_dir_all(volume.join("s/ok")).unwrap();
    let folder = lab.open("v");
    let facts = folder.check(&["s/ok".into()]).unwrap();
    folder.check_places(&facts).unwrap();
    fs::remove_dir_all(volume.join("s")).unwrap();
    folder.check_places(&facts).unwrap();
    symlink("/etc", volume.join("s")).unwrap();
    let error = folder.check_places(&facts).unwrap_err();
    assert_eq!(
        error.to_string(),
        "`s/ok` of the volume `v` cannot be restored: `s` in it is a symbolic link now, not a folder"
    );
    assert!(error.hint().unwrap().contains("rename or remove `s`"));
}

#[test]
fn a_tree_deeper_than_there_are_descriptors_is_removed() {
    let lab = lab();
    let volume = lab.volume("v");
    let mut folder = fs::File::open(&volume).unwrap();
    for _ in 0..5000 {
        rustix::fs::mkdirat(&folder, "d", rustix::fs::Mode::RWXU).unwrap();
        let flags = rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::DIRECTORY;
        let below = rustix::fs::openat(&folder, "d", flags, rustix::fs::Mode::empty());
        folder = fs::File::from(below.unwrap());
    }
    let open = lab.open("v");
    let facts = open.check(&[]).unwrap();
    open.stage(&set()).unwrap().swap(&facts).unwrap().finish().unwrap();
    assert!(tree(&volume).is_empty());
    assert_eq!(fs::read_dir(volume.parent().unwrap()).unwrap().count(), 1);
}

#[test]
fn a_link_in_the_place_of_a_volume_is_no_volume() {
    let lab = lab();
    let outside = outside(&lab);
    fs::create_dir_all(lab.volumes().join("whole")).unwrap();
    symlink(&outside, lab.volumes().join("whole/_data")).unwrap();
    symlink(&outside, lab.volumes().join("home")).unwrap();
    for (name, reason) in [
        ("whole", "a symbolic link is in the place of a folder"),
        ("home", "a symbolic link is in the place of a folder"),
        ("..", "its name is not valid as the name of a folder"),
        ("a/b", "its name is not valid as the name of a folder"),
    ] {
        let error = lab.try_open(name).unwrap_err().to_string();
        assert!(error.contains(reason), "{name}: {error}");
    }
}

/// A mount that a backup would pass over without a word.
#[test]
fn a_mount_inside_a_volume_is_not_passed_over() {
    if !common::can_mount() {
        return;
    }
    let lab = lab();
    let volume = lab.volume("v");
    fs::create_dir_all(volume.join("media")).unwrap();
    fs::create_dir_all(volume.join("other")).unwrap();
    let _mounted = common::Tmpfs::mount(&volume.join("media"), "1m").unwrap();
    let folder = lab.open("v");
    let error = folder.check(&[]).unwrap_err().to_string();
    assert!(error.contains("media is a separate mount inside the volume"), "{error}");
    folder.check(&["other".into()]).unwrap();
}

/// Without a repository.
fn lab() -> Lab {
    tokio::runtime::Handle::try_current().map_or_else(
        |_| tokio::runtime::Runtime::new().unwrap().block_on(Lab::new()),
        |handle| tokio::task::block_in_place(|| handle.block_on(Lab::new())),
    )
}

fn restic_command(lab: &Lab) -> Command {
    let mut command = Command::new("restic");
    command
        .env("RESTIC_REPOSITORY", &lab.repository.location)
        .env("RESTIC_PASSWORD_FILE", &lab.repository.password_file)
        .env("RESTIC_CACHE_DIR", &lab.repository.cache);
    command
}

fn restic(lab: &Lab, arguments: &[&str]) -> std::process::Output {
    restic_command(lab).args(arguments).output().unwrap()
}

fn every_snapshot(lab: &Lab) -> Vec<Snapshot> {
    let listed = restic(lab, &["snapshots", "--json"]);
    serde_json::from_slice::<Option<Vec<Snapshot>>>(&listed.stdout)
        .map_err(io::Error::other)
        .unwrap()
        .unwrap_or_default()
}
