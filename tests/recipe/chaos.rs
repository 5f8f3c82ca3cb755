//! The files of a recipe's folder as they are: what they are called, and what differs.

use std::fs;

use potluck::{
    home::RecipeName,
    recipe::{Error, Store, Version},
};

use crate::support::signing::{git, repository};

const COMPOSE: &str = "services: {app: {image: 'a:1'}}\n";

fn recipe() -> RecipeName {
    RecipeName::new("wiki").unwrap()
}

#[test]
fn a_clone_is_copied_with_what_is_not_committed() {
    let folder = tempfile::tempdir().unwrap();
    let theirs = folder.path().join("wiki");
    repository(&theirs, COMPOSE);
    git(&theirs, &["tag", "-a", "-m", "x", "1.0.0+1"]);
    let store = Store::new(folder.path().join("recipes"));
    store.add(theirs.to_str().unwrap()).unwrap();
    let get = || store.checkout(&recipe(), &Version::Working);
    let head = git(&theirs, &["rev-parse", "HEAD"]);

    let clean = get().unwrap();
    assert_eq!((clean.version, clean.commit), (None, None));
    assert_eq!(clean.chaos.unwrap().version().unwrap(), head[..8]);

    let clone = folder.path().join("recipes/wiki");
    fs::write(clone.join("compose.yml"), "services: {app: {image: 'a:2'}}\n").unwrap();
    fs::write(clone.join("compose.new.yml"), "services: {}\n").unwrap();
    fs::write(clone.join(".gitignore"), "notes\n").unwrap();
    fs::write(clone.join("notes"), "mine").unwrap();
    fs::remove_file(clone.join(".env.sample")).unwrap();
    let changed = get().unwrap();
    assert!(changed.text("compose.yml").unwrap().contains("a:2"));
    let chaos = changed.chaos.unwrap();
    assert_eq!(chaos.version().unwrap(), format!("{}+U", &head[..8]));
    assert_eq!(chaos.changed, [".env.sample", ".gitignore", "compose.new.yml", "compose.yml"]);
    // Without being asked, versions are.
    let newest = store.checkout(&recipe(), &Version::Newest).unwrap();
    assert!(newest.chaos.is_none() && newest.version.as_deref() == Some("1.0.0+1"));
}

#[test]
fn a_linked_folder_counts_if_something_is_not_committed() {
    let folder = tempfile::tempdir().unwrap();
    let theirs = folder.path().join("wiki");
    repository(&theirs, COMPOSE);
    let recipes = folder.path().join("recipes");
    fs::create_dir(&recipes).unwrap();
    std::os::unix::fs::symlink(&theirs, recipes.join("wiki")).unwrap();
    let store = Store::new(&recipes);
    let get = |version| store.checkout(&recipe(), &version).unwrap().chaos;
    assert_eq!(get(Version::Newest), None);
    fs::write(theirs.join("compose.yml"), "services: {app: {image: 'a:2'}}\n").unwrap();
    assert_eq!(get(Version::Newest).unwrap().changed, ["compose.yml"]);
    fs::remove_dir_all(theirs.join(".git")).unwrap();
    assert_eq!(get(Version::Newest), None);
    assert_eq!(get(Version::Working).unwrap().version(), None);
}

#[test]
fn its_attributes_and_configuration_run_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let theirs = folder.path().join("wiki");
    repository(&theirs, COMPOSE);
    let store = Store::new(folder.path().join("recipes"));
    store.add(theirs.to_str().unwrap()).unwrap();
    let clone = folder.path().join("recipes/wiki");
    let ran = folder.path().join("ran");
    let touch = format!("touch {}", ran.display());
    for key in ["filter.x.clean", "filter.x.process", "core.fsmonitor", "diff.x.textconv"] {
        git(&clone, &["config", key, &touch]);
    }
    fs::write(clone.join(".gitattributes"), "* filter=x diff=x\n").unwrap();
    fs::write(clone.join("compose.yml"), "services: {app: {image: 'a:2'}}\n").unwrap();
    let chaos = store.checkout(&recipe(), &Version::Working).unwrap().chaos.unwrap();
    assert_eq!(chaos.changed, [".gitattributes", "compose.yml"]);
    assert!(!ran.exists(), "a program of the clone ran");
}

#[test]
fn a_bare_repository_has_no_files_to_take() {
    let folder = tempfile::tempdir().unwrap();
    let theirs = folder.path().join("wiki");
    repository(&theirs, COMPOSE);
    fs::create_dir(folder.path().join("recipes")).unwrap();
    let bare = folder.path().join("recipes/wiki");
    git(&theirs, &["clone", "--quiet", "--bare", ".", bare.to_str().unwrap()]);
    let error = Store::new(folder.path().join("recipes"))
        .checkout(&recipe(), &Version::Working)
        .unwrap_err();
    assert!(matches!(error, Error::Repository { .. }), "{error}");
}
