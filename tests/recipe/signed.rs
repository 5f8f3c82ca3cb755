//! Where the folder says who may sign a recipe's versions, no other version is used.

use std::fs;

use potluck::{
    hint::Hint,
    home::{Home, RecipeName},
    recipe::{Checkout, Error, Store, Version},
};

use crate::support::signing::{Keys, git, repository, save};

const COMPOSE: &str = "services: {app: {image: 'a:1'}}\n";

/// A folder with a clone of a recipe, of which anna may sign versions.
struct Place {
    folder: tempfile::TempDir,
    keys: Keys,
    home: Home,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::new(folder.path().join("potluck"));
        repository(&folder.path().join("wiki"), COMPOSE);
        let place = Place { folder, keys: Keys::new(), home };
        fs::create_dir_all(place.home.root()).unwrap();
        place.allow("recipe-signers", &["anna"]);
        place
    }

    fn allow(&self, file: &str, who: &[&str]) {
        let lines: String = who.iter().map(|who| self.keys.line(who)).collect();
        let path = self.home.root().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, lines).unwrap();
    }

    fn theirs(&self) -> std::path::PathBuf {
        self.folder.path().join("wiki")
    }

    fn git(&self, who: &str, arguments: &[&str]) -> String {
        self.keys.git(&self.theirs(), who, arguments)
    }

    fn tag(&self, who: &str, tag: &str) {
        self.git(who, &["tag", "-s", "-m", tag, tag]);
    }

    fn get(&self, version: Version) -> Result<Checkout, Error> {
        let store = Store::of(&self.home);
        store.add(self.theirs().to_str().unwrap()).unwrap();
        store.checkout(&recipe(), &version)
    }

    fn named(&self, version: &str) -> Result<Checkout, Error> {
        self.get(Version::Named(version.into()))
    }

    /// What refuses a version, and what to do.
    fn refused(&self, version: &str) -> String {
        let error = self.named(version).expect_err("it was used");
        assert!(matches!(error, Error::Unsigned(_)), "{error}");
        format!("{error}\n{}", error.hint().unwrap_or_default())
    }
}

fn recipe() -> RecipeName {
    RecipeName::new("wiki").unwrap()
}

#[test]
fn a_version_that_the_team_signed_is_used_and_says_by_whom() {
    let place = Place::new();
    place.tag("anna", "1.0.0+1");
    for version in [Version::Newest, Version::Named("1.0.0+1".into())] {
        let found = place.get(version).unwrap();
        assert_eq!(found.version.as_deref(), Some("1.0.0+1"));
        let signed = found.signed.unwrap();
        assert_eq!(signed.by, "anna");
        assert!(signed.key.starts_with("ED25519 SHA256:"), "{}", signed.key);
    }
    // A lock file and a backup name the commit.
    let commit = git(&place.theirs(), &["rev-parse", "HEAD"]);
    assert_eq!(place.named(&commit).unwrap().signed.unwrap().by, "anna");
}

#[test]
fn no_other_version_is_used_and_the_newest_signed_one_is_named() {
    let place = Place::new();
    place.tag("anna", "1.0.0+1");
    save(&place.theirs(), "mallory's");
    git(&place.theirs(), &["tag", "2.0.0+1"]);
    git(&place.theirs(), &["tag", "-a", "-m", "x", "3.0.0+1"]);
    place.tag("mallory", "4.0.0+1");
    // Signed, and then called otherwise: the newest of all.
    let signed = git(&place.theirs(), &["rev-parse", "1.0.0+1"]);
    git(&place.theirs(), &["update-ref", "refs/tags/5.0.0+1", &signed]);
    for (version, why) in [
        ("2.0.0+1", "its tag is a lightweight one"),
        ("3.0.0+1", "it is not signed"),
        ("4.0.0+1", "it is signed with a key of nobody who may (ED25519 SHA256:"),
        ("5.0.0+1", "its tag was moved: it was signed as `1.0.0+1`"),
        ("main", "it is not signed"),
    ] {
        let said = place.refused(version);
        assert!(said.contains(why), "{version}: {said}");
        assert!(said.contains("recipe-signers"), "{said}");
        assert!(said.contains("The newest release that is signed is 1.0.0+1"), "{said}");
    }
    assert!(matches!(place.get(Version::Newest), Err(Error::Unsigned(_))));
    // To look at it is no use of it.
    let version = Version::Named("3.0.0+1".into());
    let looked = Store::of(&place.home).examine(&recipe(), &version).unwrap();
    assert!(looked.unsigned().is_some() && looked.signed.is_none());
}

#[test]
fn a_tag_that_was_changed_after_it_was_signed_is_refused() {
    let place = Place::new();
    place.tag("anna", "1.0.0+1");
    let other = save(&place.theirs(), "mallory's");
    let tag = git(&place.theirs(), &["cat-file", "tag", "1.0.0+1"]);
    let (_, rest) = tag.split_once('\n').unwrap();
    let forged = place.folder.path().join("forged");
    fs::write(&forged, format!("object {other}\n{rest}\n")).unwrap();
    let id = git(
        &place.theirs(),
        &["hash-object", "-t", "tag", "-w", "--literally", forged.to_str().unwrap()],
    );
    git(&place.theirs(), &["update-ref", "refs/tags/1.0.0+1", &id]);
    let said = place.refused("1.0.0+1");
    assert!(said.contains("its signature is wrong"), "{said}");
    assert!(said.contains("tag -d 1.0.0+1"), "{said}");
}

#[test]
fn a_commit_without_a_release_is_used_if_it_is_signed_itself() {
    let place = Place::new();
    place.git("anna", &["commit", "--quiet", "--allow-empty", "-S", "-m", "signed"]);
    assert_eq!(place.get(Version::Newest).unwrap().signed.unwrap().by, "anna");
    assert_eq!(place.named("main").unwrap().signed.unwrap().by, "anna");
    place.git("mallory", &["commit", "--quiet", "--allow-empty", "-S", "-m", "signed"]);
    let commit = git(&place.theirs(), &["rev-parse", "HEAD"]);
    assert!(place.refused(&commit).contains("a key of nobody who may"));
}

#[test]
fn a_recipe_may_have_signers_of_its_own_and_a_file_that_names_nobody_opens_nothing() {
    let place = Place::new();
    place.tag("berta", "1.0.0+1");
    assert!(place.refused("1.0.0+1").contains("(recipe-signers says who may sign)"));
    place.allow("recipe-signers.d/wiki", &["berta"]);
    assert_eq!(place.named("1.0.0+1").unwrap().signed.unwrap().by, "berta");
    place.allow("recipe-signers.d/wiki", &["anna"]);
    assert!(place.refused("1.0.0+1").contains("(recipe-signers.d/wiki says who may sign)"));
    place.allow("recipe-signers.d/wiki", &[]);
    let error = place.named("1.0.0+1").unwrap_err().to_string();
    assert!(error.contains("it names nobody"), "{error}");
}

#[test]
fn a_signature_for_another_purpose_is_none() {
    let place = Place::new();
    place.tag("anna", "1.0.0+1");
    let key = place.keys.line("anna");
    let (name, key) = key.split_once(' ').unwrap();
    let signers = place.home.root().join("recipe-signers");
    fs::write(&signers, format!("{name} namespaces=\"file\" {key}")).unwrap();
    assert!(place.named("1.0.0+1").is_err());
    fs::write(&signers, format!("{name} valid-before=\"20200101\" {key}")).unwrap();
    assert!(place.named("1.0.0+1").is_err());
    fs::write(&signers, format!("{name} namespaces=\"git\" {key}")).unwrap();
    assert_eq!(place.named("1.0.0+1").unwrap().signed.unwrap().by, "anna");
}

#[test]
fn the_configuration_of_the_clone_runs_nothing_while_a_signature_is_checked() {
    let place = Place::new();
    place.tag("anna", "1.0.0+1");
    let ran = place.folder.path().join("ran");
    let program = place.folder.path().join("program");
    fs::write(&program, format!("#!/bin/sh\ntouch {}\nexit 0\n", ran.display())).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(&program, mode).unwrap();
    place.named("1.0.0+1").unwrap();
    save(&place.theirs(), "mallory's");
    place.tag("mallory", "2.0.0+1");
    Store::of(&place.home).update(&recipe()).unwrap();
    let clone = place.home.recipes().join("wiki");
    let program = program.to_str().unwrap();
    for key in ["gpg.ssh.program", "gpg.program", "gpg.ssh.defaultKeyCommand", "core.fsmonitor"] {
        git(&clone, &["config", key, program]);
    }
    git(&clone, &["config", "gpg.ssh.allowedSignersFile", "/dev/null"]);
    let store = Store::of(&place.home);
    let get = |version: &str| store.checkout(&recipe(), &Version::Named(version.into()));
    assert_eq!(get("1.0.0+1").unwrap().signed.unwrap().by, "anna");
    assert!(matches!(get("2.0.0+1"), Err(Error::Unsigned(_))));
    assert!(!ran.exists(), "a program of the clone ran");
}

#[test]
fn without_a_file_of_signers_nothing_is_checked() {
    let place = Place::new();
    fs::remove_file(place.home.root().join("recipe-signers")).unwrap();
    git(&place.theirs(), &["tag", "-a", "-m", "x", "1.0.0+1"]);
    let found = place.named("1.0.0+1").unwrap();
    assert!(found.signed.is_none() && found.unsigned().is_none());
}
