//! `app cp`: files into a service and out of it.

use std::{collections::BTreeSet, fs, os::unix::fs::symlink};

use crate::support::cli::Lab;

#[test]
fn files_and_folders_go_in_and_come_out() {
    let lab = Lab::with_content();
    let cp = |source: &str, destination: &str| {
        lab.run(&["app", "cp", "t.example", source, destination, "--json"])
    };
    let good = |source: &str, destination: &str| {
        let run = cp(source, destination);
        assert_eq!(run.code, 0, "{source} {destination}: {run}");
        serde_json::from_str::<serde_json::Value>(&run.stdout).unwrap()
    };
    lab.write("kitchen/soup", "hot\n");
    lab.write("kitchen/pots/one", "1\n");
    symlink("soup", lab.path("kitchen/link")).unwrap();
    let done = good("kitchen", "app:/content");
    assert_eq!((&done["files"], &done["bytes"]), (&5.into(), &6.into()), "{done}");
    let volume = lab.path("potluck/state/simulated/simulated/volumes/t_example_content/_data");
    assert_eq!(fs::read_to_string(volume.join("kitchen/pots/one")).unwrap(), "1\n");
    // Under a name of its own where there is no such folder.
    good("kitchen/soup", "app:/content/stew");
    assert_eq!(fs::read_to_string(volume.join("stew")).unwrap(), "hot\n");

    good("app:/content/kitchen", "here");
    assert_eq!(fs::read_to_string(lab.path("here/link")).unwrap(), "hot\n");
    fs::create_dir(lab.path("shelf")).unwrap();
    good("app:/content/kitchen", "shelf");
    good("app:/content/stew", "shelf/kitchen/soup");
    assert_eq!(fs::read_to_string(lab.path("shelf/kitchen/pots/one")).unwrap(), "1\n");

    let names = || lab.files().into_iter().map(|(path, _)| path).collect::<BTreeSet<_>>();
    let before = names();
    for (source, destination, code, words) in [
        ("kitchen", "here", 2, "has to be SERVICE:PATH"),
        ("app:/content", "app:/other", 2, "has to be SERVICE:PATH"),
        ("nothing", "app:/content", 1, "No such file"),
        ("kitchen/soup", "app:/content/no/", 1, "there is no such folder"),
        ("kitchen/soup", "app:content", 1, "begins with `/`"),
        ("app:/content/kitchen", "shelf", 1, "there is a folder of that name"),
        ("app:/no/such", "x", 1, "/no/such"),
        ("app:/", "x", 1, "name a file or a folder"),
        ("db:/content", "x", 1, "db"),
    ] {
        let run = cp(source, destination);
        assert_eq!(run.code, code, "{source} {destination}: {run}");
        assert!(run.stderr.contains(words), "{source} {destination}: {words}: {run}");
    }
    assert_eq!(names(), before, "a copy that fails leaves nothing");
    let told = lab.run(&["app", "cp", "t.example", "app:/content/stew", "stew"]);
    assert_eq!(told.stderr, "Copied 1 file, 4 B.\n", "{told}");
}

#[test]
fn archives_go_in_and_come_out_as_streams() {
    let lab = Lab::with_content();
    let volume = lab.path("potluck/state/simulated/simulated/volumes/t_example_content/_data");
    let cp = |arguments: &[&str]| {
        let mut command = lab.command();
        command.args(["app", "cp", "t.example"]).args(arguments);
        command
    };
    let mut archive = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(4);
    header.set_mode(0o640);
    archive.append_data(&mut header, "kitchen/soup", &b"hot\n"[..]).unwrap();
    let archive = archive.into_inner().unwrap();

    let put = cp(&["-", "app:/content", "--json"]).write_stdin(archive.clone()).output().unwrap();
    assert!(put.status.success(), "{put:?}");
    let said: serde_json::Value = serde_json::from_slice(&put.stdout).unwrap();
    assert_eq!((&said["files"], &said["bytes"]), (&1.into(), &4.into()));
    assert_eq!(fs::read_to_string(volume.join("kitchen/soup")).unwrap(), "hot\n");

    let got = cp(&["app:/content/kitchen", "-"]).output().unwrap();
    assert!(got.status.success() && got.stderr.is_empty(), "{got:?}");
    let mut back = tar::Archive::new(got.stdout.as_slice());
    let names: Vec<String> = back
        .entries()
        .unwrap()
        .map(|entry| entry.unwrap().path().unwrap().display().to_string())
        .collect();
    assert!(names.iter().any(|name| name.ends_with("kitchen/soup")), "{names:?}");

    for (arguments, input, code, words) in [
        (&["-", "app:/nothing"][..], &archive[..], 1, "there is no such folder"),
        (&["-", "app:content"], &archive, 1, "begins with `/`"),
        (
            &["-", "app:/content"],
            b"not an archive, but long enough to be read as one",
            1,
            "the archive",
        ),
        (&["app:/no/such", "-"], b"", 1, "/no/such"),
        (&["app:/content/kitchen", "-", "--json"], b"", 2, "there is no report beside it"),
    ] {
        let output = cp(arguments).write_stdin(input.to_vec()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
        assert!(said.contains(words), "{arguments:?}: {words}: {said}");
        let is_json = arguments.contains(&"--json");
        assert!(is_json || output.stdout.is_empty(), "{arguments:?}");
    }
}
