//! Compiled code is kept, and never trusted further than it can be.

use crate::support::hostile;

use std::{
    fs,
    io::Write,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::support::common::this_test_alone;
use hostile::*;
use potluck::plugin::Runtime;
use sha2::{Digest, Sha256};

fn guest() -> Vec<u8> {
    lifecycle(&[], "", "(i32.const 64)")
}

/// Loads it with a runtime of its own, as another run of potluck would, and
/// runs a hook.
async fn works(cache: &Path, guest: &[u8]) {
    let plugin = Runtime::new(cache).unwrap().load("guest", guest).await.unwrap();
    let world = Arc::new(World::default());
    plugin.start(surroundings(&world, &[])).await.unwrap().check(&first()).await.unwrap();
}

fn entries(cache: &Path) -> Vec<PathBuf> {
    fs::read_dir(cache).unwrap().map(|entry| entry.unwrap().path()).collect()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[tokio::test]
async fn entries_are_private() {
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("a/plugins");
    works(&cache, &guest()).await;
    let entries = entries(&cache);
    assert_eq!(entries.len(), 1, "{entries:?}");
    assert_eq!((mode(&cache), mode(&entries[0])), (0o700, 0o600));
}

#[tokio::test]
async fn a_second_run_takes_the_entry() {
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("plugins");
    works(&cache, &guest()).await;
    let entry = entries(&cache).remove(0);
    let written = fs::metadata(&entry).unwrap().modified().unwrap();
    works(&cache, &guest()).await;
    assert_eq!(fs::metadata(&entry).unwrap().modified().unwrap(), written);
}

#[tokio::test]
async fn a_poisoned_entry_is_compiled_anew() {
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("plugins");
    works(&cache, &guest()).await;
    let entry = entries(&cache).remove(0);
    let good = fs::read(&entry).unwrap();
    let flipped = |at: usize| {
        let mut bytes = good.clone();
        bytes[at] ^= 0x40;
        bytes
    };
    for poison in [
        Vec::new(),
        b"junk".to_vec(),
        vec![0; 4096],
        good[..good.len() / 2].to_vec(),
        flipped(0),
        flipped(40),
        flipped(good.len() / 2),
        flipped(good.len() - 1),
    ] {
        fs::write(&entry, poison).unwrap();
        works(&cache, &guest()).await;
        assert_eq!(fs::read(&entry).unwrap().len(), good.len(), "it is good again");
    }
}

/// The sum that an entry begins with.
fn sum(entry: &Path, code: &[u8]) -> Vec<u8> {
    let name = entry.file_stem().unwrap().to_str().unwrap();
    let (digest, engine) = name.split_once('-').unwrap();
    let sum = Sha256::new().chain_update(digest).chain_update(engine).chain_update(code);
    sum.finalize().to_vec()
}

#[tokio::test]
async fn an_entry_of_another_plugin_is_compiled_anew() {
    // Sound code of the right engine, under another component's name: what was
    // granted to the one would run the other.
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("plugins");
    let other = lifecycle(&[], "", "unreachable");
    works(&cache, &guest()).await;
    let good = entries(&cache).remove(0);
    let world = Arc::new(World::default());
    let plugin = Runtime::new(&cache).unwrap().load("other", &other).await.unwrap();
    let mut hooks = plugin.start(surroundings(&world, &[])).await.unwrap();
    assert!(hooks.check(&first()).await.is_err());
    let bad = entries(&cache).into_iter().find(|entry| *entry != good).unwrap();
    fs::copy(&bad, &good).unwrap();
    works(&cache, &guest()).await;
    assert_ne!(fs::read(&bad).unwrap(), fs::read(&good).unwrap());
}

#[tokio::test]
async fn an_entry_of_another_engine_is_compiled_anew() {
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("plugins");
    works(&cache, &guest()).await;
    let entry = entries(&cache).remove(0);
    let good = fs::read(&entry).unwrap();
    // Sound code with a right sum, by an engine without epochs: a loop in it
    // would never end. And code of another version, as its header tells.
    let foreign = wasmtime::Engine::default().precompile_component(&guest()).unwrap();
    let mut older = good[32..].to_vec();
    let version = older.windows(2).position(|two| two == b"48").expect("its version is told");
    older[version + 1] = b'7';
    for code in [foreign, older] {
        let poison = [sum(&entry, &code), code].concat();
        fs::write(&entry, &poison).unwrap();
        works(&cache, &guest()).await;
        assert_ne!(fs::read(&entry).unwrap(), poison, "it was replaced");
    }
    // The sum is what is checked here: with it, sound code is taken.
    let code = good[32..].to_vec();
    fs::write(&entry, [sum(&entry, &code), code].concat()).unwrap();
    works(&cache, &guest()).await;
    assert_eq!(fs::read(&entry).unwrap(), good);
}

#[tokio::test]
async fn an_entry_of_somebody_else_is_not_used() {
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("plugins");
    works(&cache, &guest()).await;
    let entry = entries(&cache).remove(0);
    if std::os::unix::fs::chown(&entry, Some(65534), Some(65534)).is_err() {
        return skip("only root can give a file away");
    }
    works(&cache, &guest()).await;
    assert_eq!(fs::metadata(&entry).unwrap().uid(), fs::metadata(&cache).unwrap().uid());
    // Nor is anything in somebody else's folder.
    std::os::unix::fs::chown(&cache, Some(65534), Some(65534)).unwrap();
    fs::remove_file(&entry).unwrap();
    works(&cache, &guest()).await;
    assert!(entries(&cache).is_empty());
}

#[tokio::test]
async fn an_entry_that_is_no_file_is_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("plugins");
    works(&cache, &guest()).await;
    let entry = entries(&cache).remove(0);
    fs::remove_file(&entry).unwrap();
    // A pipe that nobody writes to.
    let made = std::process::Command::new("mkfifo").arg("-m600").arg(&entry).status().unwrap();
    assert!(made.success());
    works(&cache, &guest()).await;
    assert!(fs::metadata(&entry).unwrap().is_file(), "it was replaced");
    fs::remove_file(&entry).unwrap();
    fs::create_dir(&entry).unwrap();
    works(&cache, &guest()).await;
}

#[tokio::test]
async fn an_entry_that_others_can_write_is_not_used() {
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("plugins");
    works(&cache, &guest()).await;
    let entry = entries(&cache).remove(0);
    fs::set_permissions(&entry, fs::Permissions::from_mode(0o666)).unwrap();
    works(&cache, &guest()).await;
    assert_eq!(mode(&entry), 0o600, "it was replaced");

    // A link to an entry elsewhere is not followed.
    let elsewhere = folder.path().join("elsewhere.cwasm");
    fs::rename(&entry, &elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, &entry).unwrap();
    works(&cache, &guest()).await;
    assert!(fs::symlink_metadata(&entry).unwrap().is_file());
}

#[tokio::test]
async fn a_folder_that_others_can_write_is_not_used() {
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("plugins");
    fs::create_dir(&cache).unwrap();
    fs::set_permissions(&cache, fs::Permissions::from_mode(0o777)).unwrap();
    works(&cache, &guest()).await;
    assert!(entries(&cache).is_empty());
}

#[tokio::test]
async fn a_folder_that_is_a_link_is_not_used() {
    let folder = tempfile::tempdir().unwrap();
    let elsewhere = folder.path().join("elsewhere");
    works(&elsewhere, &guest()).await;
    let entry = entries(&elsewhere).remove(0);
    fs::write(&entry, b"junk").unwrap();
    let cache = folder.path().join("plugins");
    std::os::unix::fs::symlink(&elsewhere, &cache).unwrap();
    works(&cache, &guest()).await;
    assert_eq!(fs::read(&entry).unwrap(), b"junk", "it is neither read nor written");
}

#[tokio::test]
async fn a_folder_that_cannot_be_written_costs_time_only() {
    let folder = tempfile::tempdir().unwrap();
    // A file where the folder's parent should be: nobody, not even root, can
    // make the folder.
    fs::write(folder.path().join("file"), b"").unwrap();
    works(&folder.path().join("file/plugins"), &guest()).await;
    // A file where the folder should be.
    works(&folder.path().join("file"), &guest()).await;
    assert_eq!(fs::read(folder.path().join("file")).unwrap(), b"");
}

/// Run by [`processes_may_race`] in processes of its own.
const RACER: &str = "POTLUCK_TEST_CACHE";

#[tokio::test]
async fn processes_may_race() {
    if let Some(cache) = std::env::var_os(RACER) {
        for _ in 0..3 {
            works(Path::new(&cache), &guest()).await;
        }
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("plugins");
    let racers = (0..4).map(|_| {
        this_test_alone()
            .arg("--quiet")
            .env(RACER, &cache)
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap()
    });
    let racers: Vec<_> = racers.collect();
    // And one that spoils what it finds.
    for _ in 0..50 {
        for entry in fs::read_dir(&cache).into_iter().flatten().flatten() {
            // Never makes a file: one that a racer has renamed meanwhile would
            // come back under its old name.
            let opened = fs::OpenOptions::new().write(true).truncate(true).open(entry.path());
            if let Ok(mut file) = opened {
                file.write_all(b"junk").unwrap();
            }
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    for mut racer in racers {
        assert!(racer.wait().unwrap().success());
    }
    works(&cache, &guest()).await;
    let left: Vec<_> = entries(&cache);
    assert_eq!(left.len(), 1, "nothing unfinished is left: {left:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn writers_may_race() {
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("plugins");
    let guest = guest();
    let runs = (0..8).map(|_| {
        let (cache, guest) = (cache.clone(), guest.clone());
        tokio::spawn(async move { works(&cache, &guest).await })
    });
    for run in runs.collect::<Vec<_>>() {
        run.await.unwrap();
    }
    assert_eq!(entries(&cache).len(), 1);
}
