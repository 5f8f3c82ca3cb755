//! Compiled code is kept, and never trusted further than it can be.

mod hostile;

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use hostile::*;
use potluck::plugin::Runtime;

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
