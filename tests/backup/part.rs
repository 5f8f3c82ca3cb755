//! Restores of a part: one item, or single files of a volume. Through the program, with the
//! real restic and the simulated server.

use crate::support::{backup::can_mount, cli::Lab};

use std::{fs, path::PathBuf};

const RECIPE: &str = r#"
services:
  app:
    image: example.invalid/app:1
    volumes: ["content:/content", "cache:/cache"]
  web:
    image: example.invalid/web:1
    volumes: ["cache:/cache"]
volumes:
  content:
  cache:
"#;

fn good(lab: &Lab, arguments: &[&str]) -> String {
    let run = lab.run(arguments);
    assert_eq!(run.code, 0, "{arguments:?}: {run}");
    run.stderr
}

/// A deployed app with files that were backed up, and changed since.
fn changed() -> Option<Lab> {
    if !can_mount() {
        return None;
    }
    let lab = Lab::new();
    lab.write("tiny/compose.yml", RECIPE);
    lab.write("tiny/.env.sample", "DOMAIN=\n");
    good(&lab, &["app", "new", "./tiny", "--domain", "t.example", "--server=simulated"]);
    good(&lab, &["app", "deploy", "t.example", "--no-input"]);
    for (name, text) in [
        ("content/page", "soup"),
        ("content/sub/a", "one"),
        ("content/sub/b", "two"),
        ("content/sub/[x]*", "odd"),
        ("cache/c", "cached"),
    ] {
        let path = at(&lab, name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    good(&lab, &["backup", "create", "t.example"]);
    for name in ["content/page", "content/sub/a", "content/sub/b", "cache/c"] {
        fs::write(at(&lab, name), "changed").unwrap();
    }
    fs::remove_file(at(&lab, "content/sub/[x]*")).unwrap();
    fs::write(at(&lab, "content/sub/new"), "new").unwrap();
    Some(lab)
}

/// A file of a volume: `content/page`.
fn at(lab: &Lab, name: &str) -> PathBuf {
    let (volume, path) = name.split_once('/').unwrap();
    let volumes = lab.path("potluck/state/simulated/simulated/volumes");
    volumes.join(format!("t_example_{volume}/_data")).join(path)
}

fn text(lab: &Lab, name: &str) -> Option<String> {
    fs::read_to_string(at(lab, name)).ok()
}

#[test]
fn single_files_come_back_and_the_rest_stays() {
    let Some(lab) = changed() else { return };
    let set = lab.json(&["backup", "snapshots", "t.example", "--json"])[0]["id"].clone();
    let set = set.as_str().unwrap();
    let restore = |more: &[&str]| {
        let mut arguments = vec!["backup", "restore", "t.example", set];
        arguments.extend(more);
        lab.run(&arguments)
    };

    // It is said first, with what stops for it.
    let asked = restore(&["--path", "content/sub/a"]);
    assert_eq!(asked.code, 6, "{asked}");
    for words in
        ["stops meanwhile: app\n", "in the volume t_example_content, replaces or adds: sub/a"]
    {
        assert!(asked.stderr.contains(words), "{words}: {asked}");
    }
    let planned = lab.json(&[
        "backup",
        "restore",
        "t.example",
        set,
        "--path",
        "content/sub/a",
        "--dry-run",
        "--json",
    ]);
    assert_eq!(planned["paths"], serde_json::json!(["sub/a"]));
    assert_eq!(planned["bytes"], 3);
    assert_eq!(text(&lab, "content/sub/a").unwrap(), "changed");

    let done = restore(&["--path", "content/sub/a", "--path", "volume/content/sub/[x]*", "--yes"]);
    assert_eq!(done.code, 0, "{done}");
    for (name, expected) in [
        ("content/sub/a", Some("one")),
        ("content/sub/[x]*", Some("odd")),
        ("content/sub/b", Some("changed")),
        ("content/sub/new", Some("new")),
        ("content/page", Some("changed")),
        ("cache/c", Some("changed")),
    ] {
        assert_eq!(text(&lab, name).as_deref(), expected, "{name}");
    }

    // A whole folder is exchanged.
    let done = restore(&["--path", "content/sub", "--yes"]);
    assert_eq!(done.code, 0, "{done}");
    assert_eq!(text(&lab, "content/sub/b").as_deref(), Some("two"));
    assert_eq!(text(&lab, "content/sub/new"), None);
    assert_eq!(text(&lab, "content/page").as_deref(), Some("changed"));

    for (path, words) in [
        ("content/none", "`content` has no `none`"),
        ("content", "begins with no volume and a slash; it has the volumes cache, content"),
        ("content/../x", "is not a path inside the volume"),
        ("other/x", "begins with no volume"),
    ] {
        let refused = restore(&["--path", path, "--yes"]);
        assert!(refused.code == 1 && refused.stderr.contains(words), "{path}: {refused}");
    }
}

#[test]
fn an_item_comes_back_alone() {
    let Some(lab) = changed() else { return };
    let said = good(&lab, &["backup", "restore", "t.example", "--item", "content", "--yes"]);
    assert!(said.contains("replaces the volumes: t_example_content\n"), "{said}");
    assert!(said.contains("stops meanwhile: app\n"), "{said}");
    assert_eq!(text(&lab, "content/page").as_deref(), Some("soup"));
    assert_eq!(text(&lab, "content/sub/new"), None);
    assert_eq!(text(&lab, "cache/c").as_deref(), Some("changed"));
    let refused = lab.run(&["backup", "restore", "t.example", "--item", "none", "--yes"]);
    assert!(refused.code == 1 && refused.stderr.contains("no item is called `none`"), "{refused}");
}
