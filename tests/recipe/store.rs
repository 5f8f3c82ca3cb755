//! Recipes come from git and from folders, and are read at one version without
//! touching what others share and without running anything of theirs.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
};

use potluck::{
    compose::Files,
    hint::Hint,
    home::RecipeName,
    recipe::{Checkout, Checkouts, Error, Store, Version},
};

/// A folder with a store and with git repositories beside it.
struct Place {
    folder: tempfile::TempDir,
    store: Store,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(folder.path().join("recipes"));
        Place { folder, store }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A repository with one commit and the tag `1.0.0+1`.
    fn repository(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(&path).unwrap();
        git(&path, &["init", "--quiet", "--initial-branch=main"]);
        write(&path, "compose.yml", "services: {app: {image: a:1}}\n");
        write(&path, ".env.sample", "TYPE=wiki\n");
        commit(&path, "1.0.0+1");
        path
    }

    fn newest(&self, name: &str) -> Result<Checkout, Error> {
        self.store.checkout(&recipe(name), &Version::Newest)
    }
}

fn recipe(name: &str) -> RecipeName {
    RecipeName::new(name).unwrap()
}

fn named(version: &str) -> Version {
    Version::Named(version.into())
}

fn write(folder: &Path, name: &str, text: &str) {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn git(folder: &Path, arguments: &[&str]) -> String {
    let output = Command::new("git")
        .args(["-c", "user.name=t", "-c", "user.email=t@example.org", "-C"])
        .arg(folder)
        .args(arguments)
        .output()
        .unwrap();
    assert!(output.status.success(), "git {arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Commits everything, tags it if a tag is given, and returns the commit's id.
fn commit(folder: &Path, tag: &str) -> String {
    git(folder, &["add", "--all"]);
    git(folder, &["commit", "--quiet", "--allow-empty", "-m", "x"]);
    if !tag.is_empty() {
        git(folder, &["tag", "-a", "-m", tag, tag]);
    }
    git(folder, &["rev-parse", "HEAD"])
}

#[test]
fn a_repository_is_cloned_and_its_versions_are_sorted() {
    let place = Place::new();
    let wiki = place.repository("wiki");
    for tag in ["1.2.0+1", "1.10.0+1", "1.9.0+1", "not-a-version"] {
        commit(&wiki, tag);
    }
    let source = format!("file://{}", wiki.display());
    assert_eq!(place.store.add(&source).unwrap(), recipe("wiki"));
    assert_eq!(place.store.list().unwrap(), [recipe("wiki")]);
    let versions = place.store.versions(&recipe("wiki")).unwrap();
    assert_eq!(versions, ["1.10.0+1", "1.9.0+1", "1.2.0+1", "1.0.0+1"]);
}

#[tokio::test]
async fn what_needs_the_same_version_shares_its_copy() {
    let place = Place::new();
    let wiki = place.repository("wiki");
    place.store.add(wiki.to_str().unwrap()).unwrap();
    let copies = Checkouts::default();
    let get = |version| copies.get(place.store.clone(), recipe("wiki"), version);
    let (one, two) = tokio::join!(get(named("1.0.0+1")), get(named("1.0.0+1")));
    let one = one.unwrap();
    assert!(Arc::ptr_eq(&one, &two.unwrap()));
    assert!(!Arc::ptr_eq(&one, &get(named("main")).await.unwrap()));
    // It may be a folder's own files, which change.
    let newest = get(Version::Newest).await.unwrap();
    assert!(!Arc::ptr_eq(&newest, &get(Version::Newest).await.unwrap()));
    // One that fails is tried again.
    assert!(get(named("9.0.0+1")).await.is_err());
    commit(&wiki, "9.0.0+1");
    place.store.update(&recipe("wiki")).unwrap();
    assert!(get(named("9.0.0+1")).await.is_ok());
}

#[test]
fn a_checkout_is_of_the_version_that_was_asked_for() {
    let place = Place::new();
    let wiki = place.repository("wiki");
    let first = git(&wiki, &["rev-parse", "HEAD"]);
    write(&wiki, "compose.yml", "two");
    commit(&wiki, "2.0.0+1");
    write(&wiki, "compose.yml", "three");
    let third = commit(&wiki, "");
    place.store.add(wiki.to_str().unwrap()).unwrap();
    for (version, expected, release) in [
        (Version::Newest, "two", Some("2.0.0+1")),
        (named("2.0.0+1"), "two", Some("2.0.0+1")),
        (named("1.0.0+1"), "services: {app: {image: a:1}}\n", Some("1.0.0+1")),
        (named(&first[..8]), "services: {app: {image: a:1}}\n", Some("1.0.0+1")),
        (named(&third), "three", None),
        (named(&format!("{}+U", &third[..8])), "three", None),
        (named("main"), "three", None),
        (named("HEAD"), "three", None),
    ] {
        let checkout = place.store.checkout(&recipe("wiki"), &version).unwrap();
        assert_eq!(checkout.text("compose.yml").unwrap(), expected, "{version:?}");
        assert_eq!(checkout.version.as_deref(), release, "{version:?}");
        assert_eq!(checkout.commit.as_ref().unwrap().len(), 40);
    }
    let error = place.store.checkout(&recipe("wiki"), &named("2.0.1+1")).unwrap_err();
    let hint = error.hint().unwrap();
    let said = "its releases here, newest first: 2.0.0+1, 1.0.0+1. `git -C recipes/wiki fetch";
    assert!(hint.starts_with(said), "{hint}");
    for hostile in ["--help", "-x", "HEAD~1", "main~1", "a..b", "", "@{u}", "refs/heads/main"] {
        let checkout = place.store.checkout(&recipe("wiki"), &named(hostile));
        assert!(matches!(checkout, Err(Error::UnknownVersion { .. })), "{hostile:?}");
    }
    assert!(matches!(place.newest("nothing"), Err(Error::Unknown { .. })));
}

#[test]
fn a_recipe_without_releases_is_read_at_its_newest_commit() {
    let place = Place::new();
    let wiki = place.repository("wiki");
    git(&wiki, &["tag", "-d", "1.0.0+1"]);
    place.store.add(wiki.to_str().unwrap()).unwrap();
    let checkout = place.newest("wiki").unwrap();
    assert_eq!(
        (checkout.version.as_deref(), checkout.sample().unwrap().as_deref()),
        (None, Some("TYPE=wiki\n"))
    );
}

#[test]
fn adding_again_fetches_and_another_origin_is_refused() {
    let place = Place::new();
    let wiki = place.repository("wiki");
    place.store.add(wiki.to_str().unwrap()).unwrap();
    commit(&wiki, "3.0.0+1");
    assert_eq!(place.store.versions(&recipe("wiki")).unwrap().len(), 1);
    place.store.add("wiki").unwrap();
    assert_eq!(place.store.versions(&recipe("wiki")).unwrap().len(), 1);
    place.store.add(wiki.to_str().unwrap()).unwrap();
    assert_eq!(place.store.versions(&recipe("wiki")).unwrap()[0], "3.0.0+1");
    let other = place.repository("other/wiki");
    let error = place.store.add(other.to_str().unwrap()).unwrap_err();
    assert!(matches!(error, Error::Exists { .. }), "{error}");
}

#[test]
fn a_failed_clone_leaves_no_recipe() {
    let place = Place::new();
    let error = place.store.add("file:///nowhere/wiki").unwrap_err();
    assert!(error.to_string().starts_with("cloning file:///nowhere/wiki: "), "{error}");
    assert!(place.store.list().unwrap().is_empty());
    assert_eq!(fs::read_dir(place.path("recipes")).unwrap().count(), 0);
}

#[test]
fn a_plain_folder_is_linked_and_read_as_it_is() {
    let place = Place::new();
    let folder = place.path("static");
    write(&folder, "compose.yml", "one");
    write(&folder, "html/index.html", "hello");
    place.store.add(folder.to_str().unwrap()).unwrap();
    place.store.add(folder.to_str().unwrap()).unwrap();
    assert!(place.store.folder.join("static").is_symlink());
    let before = place.newest("static").unwrap();
    write(&folder, "compose.yml", "two");
    let after = place.newest("static").unwrap();
    assert_eq!(before.text("compose.yml").unwrap(), "one");
    assert_eq!(after.text("compose.yml").unwrap(), "two");
    assert_eq!(after.text("html/index.html").unwrap(), "hello");
    assert_eq!((after.commit.as_ref(), after.version.as_ref()), (None, None));
    assert!(place.store.versions(&recipe("static")).unwrap().is_empty());
    let pinned = place.store.checkout(&recipe("static"), &named("1.0.0+1"));
    assert!(matches!(pinned, Err(Error::UnknownVersion { .. })));
}

#[test]
fn a_linked_folder_that_is_gone_is_named() {
    let place = Place::new();
    let folder = place.path("static");
    write(&folder, "compose.yml", "one");
    place.store.add(folder.to_str().unwrap()).unwrap();
    fs::rename(&folder, place.path("moved")).unwrap();
    let error = place.store.checkout(&recipe("static"), &Version::Newest).unwrap_err();
    let expected =
        format!("the recipe `static` is a link to {}, which does not exist", folder.display());
    assert_eq!(error.to_string(), expected);
    assert!(error.hint().unwrap().contains("`ln -sfn FOLDER recipes/static`"));
}

#[test]
fn what_building_a_plugin_leaves_in_a_recipe_is_no_part_of_it() {
    let place = Place::new();
    let folder = place.path("static");
    write(&folder, "compose.yml", "one");
    write(&folder, "plugins/wiki/src/lib.rs", "code");
    write(
        &folder,
        "plugins/wiki/target/CACHEDIR.TAG",
        "Signature: 8a477f597d28d172789f06886806bc55",
    );
    let large = fs::File::create(folder.join("plugins/wiki/target/large")).unwrap();
    large.set_len(1 << 30).unwrap();
    write(&folder, "plugins/other/.venv/bin/python", "x");
    place.store.add(folder.to_str().unwrap()).unwrap();
    let checkout = place.newest("static").unwrap();
    assert_eq!(checkout.list("plugins/wiki").unwrap(), ["src/"]);
    assert!(checkout.list("plugins/other").unwrap().is_empty());
}

#[test]
fn a_manifest_that_cannot_be_read_is_not_taken_for_none() {
    let place = Place::new();
    let folder = place.path("static");
    write(&folder, "compose.yml", "one");
    place.store.add(folder.to_str().unwrap()).unwrap();
    assert!(place.newest("static").unwrap().manifest.plugins.is_empty());
    let manifest = folder.join("recipe.yml");
    write(&place.path("."), "outside.yml", "plugins: []\n");
    for target in ["nowhere", "../outside.yml", "/etc/hostname"] {
        symlink(target, &manifest).unwrap();
        let error = place.newest("static").unwrap_err().to_string();
        assert!(error.contains("recipe.yml"), "{target}: {error}");
        fs::remove_file(&manifest).unwrap();
    }
    fs::create_dir(&manifest).unwrap();
    let error = place.newest("static").unwrap_err().to_string();
    assert!(error.contains("recipe.yml"), "{error}");
}

#[test]
fn the_shared_clone_is_never_touched() {
    let place = Place::new();
    let wiki = place.repository("wiki");
    commit(&wiki, "2.0.0+1");
    place.store.add(wiki.to_str().unwrap()).unwrap();
    let clone = place.store.folder.join("wiki");
    write(&clone, "compose.yml", "somebody works here");
    let before = git(&clone, &["status", "--porcelain", "--branch"]);
    let checkout = place.store.checkout(&recipe("wiki"), &named("1.0.0+1")).unwrap();
    assert_ne!(checkout.text("compose.yml").unwrap(), "somebody works here");
    assert_eq!(git(&clone, &["status", "--porcelain", "--branch"]), before);
    let kept = checkout.path().to_owned();
    assert_eq!(fs::metadata(&kept).unwrap().permissions().mode() & 0o777, 0o700);
    drop(checkout);
    assert!(!kept.exists());
}

#[test]
fn nothing_of_a_recipe_runs() {
    let place = Place::new();
    let wiki = place.repository("wiki");
    let witness = place.path("witness");
    let script = format!("#!/bin/sh\ntouch {}\n", witness.display());
    // A clone that came with hooks and filters, as one shared by a team might.
    write(&wiki, ".gitattributes", "*.txt filter=evil export-ignore\ncompose.yml export-subst\n");
    write(&wiki, "a.txt", "$Format:%H$");
    commit(&wiki, "2.0.0+1");
    place.store.add(wiki.to_str().unwrap()).unwrap();
    let clone = place.store.folder.join("wiki");
    for hook in ["post-checkout", "post-index-change", "reference-transaction", "pre-auto-gc"] {
        write(&clone, &format!(".git/hooks/{hook}"), &script);
        let hook = clone.join(".git/hooks").join(hook);
        fs::set_permissions(hook, fs::Permissions::from_mode(0o755)).unwrap();
    }
    git(&clone, &["config", "filter.evil.smudge", &format!("touch {}", witness.display())]);
    let checkout = place.newest("wiki").unwrap();
    assert_eq!(checkout.text("a.txt").unwrap(), "$Format:%H$");
    place.store.add(wiki.to_str().unwrap()).unwrap();
    assert!(!witness.exists());
}

#[test]
fn no_path_leaves_the_recipe() {
    let place = Place::new();
    let wiki = place.repository("wiki");
    write(place.folder.path(), "secret.txt", "outside");
    symlink("/etc/passwd", wiki.join("absolute")).unwrap();
    symlink("../../secret.txt", wiki.join("relative")).unwrap();
    symlink("..", wiki.join("up")).unwrap();
    symlink("compose.yml", wiki.join("fine")).unwrap();
    symlink("loop", wiki.join("loop")).unwrap();
    commit(&wiki, "2.0.0+1");
    let plain = place.path("plain");
    fs::create_dir(&plain).unwrap();
    for name in ["absolute", "relative", "up", "fine", "loop"] {
        symlink(fs::read_link(wiki.join(name)).unwrap(), plain.join(name)).unwrap();
    }
    write(&plain, "compose.yml", "x");
    place.store.add(wiki.to_str().unwrap()).unwrap();
    place.store.add(plain.to_str().unwrap()).unwrap();
    for name in ["wiki", "plain"] {
        let checkout = place.newest(name).unwrap();
        assert!(checkout.read("fine").is_ok());
        assert!(checkout.read("./x/../compose.yml").is_err());
        for path in ["absolute", "relative", "up/secret.txt", "/etc/passwd", "../x", "a/../../x"] {
            let error = checkout.read(path).unwrap_err();
            assert!(matches!(error, Error::Outside { .. }), "{name} {path}: {error:?}");
            let error = checkout.files().read(&checkout.path().join(path)).unwrap_err();
            assert_eq!(error.kind(), std::io::ErrorKind::PermissionDenied, "{name} {path}");
            assert!(!checkout.exists(path), "{name} {path}");
        }
        assert!(matches!(checkout.read("loop"), Err(Error::Io { .. })));
        assert!(matches!(checkout.read("nothing"), Err(Error::Io { .. })));
        assert!(matches!(checkout.read("."), Err(Error::Io { .. })));
        assert!(checkout.files().read(&checkout.path().join("fine")).is_ok());
        assert!(checkout.files().read(Path::new("compose.yml")).is_ok());
    }
}

/// git itself refuses to make such a tree; a server need not.
#[test]
fn a_hostile_tree_writes_nothing_outside() {
    let place = Place::new();
    let wiki = place.repository("wiki");
    let blob = git(&wiki, &["rev-parse", "HEAD:compose.yml"]);
    let link = {
        write(&wiki, "target", "..");
        git(&wiki, &["hash-object", "-w", "target"])
    };
    let tree = |entries: &[(&str, &str, &str)]| {
        let mut raw = Vec::new();
        for (mode, name, id) in entries {
            raw.extend(format!("{mode} {name}\0").bytes());
            raw.extend((0..20).map(|i| u8::from_str_radix(&id[2 * i..2 * i + 2], 16).unwrap()));
        }
        fs::write(wiki.join("raw"), raw).unwrap();
        git(&wiki, &["hash-object", "-w", "-t", "tree", "--literally", "raw"])
    };
    let inner = tree(&[("100644", "escaped", &blob)]);
    for (number, hostile) in [
        tree(&[("40000", "..", &inner)]),
        tree(&[("120000", "a", &link), ("40000", "a", &inner)]),
        tree(&[("100644", "/tmp/potluck-escaped", &blob)]),
        tree(&[("100644", "..", &blob)]),
    ]
    .into_iter()
    .enumerate()
    {
        let commit = git(&wiki, &["commit-tree", "-m", "x", &hostile]);
        let name = format!("clone{number}");
        // Straight into the store, as a transfer might refuse it.
        fs::create_dir_all(&place.store.folder).unwrap();
        let clone = place.store.folder.join(&name);
        assert!(Command::new("cp").arg("-r").arg(&wiki).arg(&clone).status().unwrap().success());
        let checkout = place.store.checkout(&recipe(&name), &named(&commit));
        assert!(checkout.is_err(), "tree {number} was accepted");
        assert!(!std::env::temp_dir().join("escaped").exists());
        assert!(!Path::new("/tmp/potluck-escaped").exists());
    }
}

#[test]
fn a_recipe_that_is_too_large_is_refused() {
    let place = Place::new();
    let folder = place.path("large");
    write(&folder, "compose.yml", "x");
    let big = fs::File::create(folder.join("big")).unwrap();
    big.set_len(201 << 20).unwrap();
    place.store.add(folder.to_str().unwrap()).unwrap();
    assert!(matches!(place.newest("large"), Err(Error::TooLarge { .. })));
    fs::remove_file(folder.join("big")).unwrap();
    let mut deep = folder.clone();
    for _ in 0..70 {
        deep.push("d");
    }
    fs::create_dir_all(&deep).unwrap();
    assert!(matches!(place.newest("large"), Err(Error::TooLarge { .. })));
    fs::remove_dir_all(folder.join("d")).unwrap();
    assert!(Command::new("mkfifo").arg(folder.join("pipe")).status().unwrap().success());
    assert!(matches!(place.newest("large"), Err(Error::Io { .. })));
}

#[test]
fn what_a_recipe_says_of_itself_is_read() {
    let place = Place::new();
    let folder = place.path("wiki");
    write(&folder, "compose.yml", "x");
    write(&folder, "compose.smtp.yml", "y");
    write(&folder, "abra.sh", "export A_VERSION=v3\n");
    write(&folder, "release/1.0.0+1", "Read this.\n");
    write(&folder, "recipe.yml", "plugins: [{name: p, component: plugins/p.wasm}]\n");
    place.store.add(folder.to_str().unwrap()).unwrap();
    let checkout = place.newest("wiki").unwrap();
    let sources = |list| {
        let sources = checkout.compose_sources(list).unwrap();
        sources.into_iter().map(|source| source.text).collect::<Vec<_>>()
    };
    assert_eq!(sources(""), ["x"]);
    assert_eq!(sources("compose.yml:compose.smtp.yml"), ["x", "y"]);
    assert!(checkout.compose_sources("compose.yml:../x").is_err());
    assert_eq!(checkout.abra_exports().unwrap().settings, [("A_VERSION".into(), "v3".into())]);
    assert_eq!(checkout.release_notes("1.0.0+1").unwrap().unwrap(), "Read this.\n");
    assert_eq!(checkout.release_notes("2.0.0+1").unwrap(), None);
    assert_eq!(checkout.release_notes("../recipe.yml").unwrap(), None);
    assert_eq!(checkout.sample().unwrap(), None);
    assert_eq!(checkout.manifest.plugins[0].component.to_string(), "plugins/p.wasm");
    write(&folder, "recipe.yml", "plugin: []\n");
    assert!(matches!(place.newest("wiki"), Err(Error::Manifest(_))));
    fs::write(folder.join("recipe.yml"), b"\xff").unwrap();
    assert!(place.newest("wiki").is_err());
}
