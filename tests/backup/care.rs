//! What becomes of backups after they were taken: retention, holds, checks, and who made
//! them. Through the program, with the real restic and the simulated server.

use crate::support::cli;
use crate::support::common::skip;

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use cli::{CONTENT, Lab, Run};
use serde_json::{Value, json};

const REPOSITORY: &str = "potluck/state/backups/simulated/repository";

/// A deployed app with a volume.
fn deployed() -> Lab {
    let lab = Lab::with_content();
    fs::write(volume(&lab).join("page"), "soup").unwrap();
    lab
}

fn volume(lab: &Lab) -> PathBuf {
    lab.path("potluck/state/simulated/simulated/volumes/t_example_content/_data")
}

fn good(lab: &Lab, arguments: &[&str]) -> Run {
    let run = lab.run(arguments);
    assert_eq!(run.code, 0, "{arguments:?}: {run}");
    run
}

/// Takes a backup; its name.
fn back_up(lab: &Lab) -> String {
    good(lab, &["backup", "create", "t.example"]).stdout.trim().to_owned()
}

fn sets(lab: &Lab) -> Vec<String> {
    let sets = lab.json(&["backup", "snapshots", "t.example", "--all", "--json"]);
    let id = |set: &Value| set["id"].as_str().unwrap().to_owned();
    sets.as_array().unwrap().iter().map(id).collect()
}

/// Codes and severities of what the monitor finds.
fn found(lab: &Lab) -> Vec<(String, String)> {
    let status = lab.run(&["backup", "status", "--json"]);
    let report: Value = serde_json::from_str(&status.stdout).unwrap();
    let findings = report["apps"][0]["findings"].as_array().unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let all = findings.iter().map(|it| (text(&it["code"]), text(&it["severity"])));
    all.collect()
}

fn rules(lab: &Lab, rules: &str) {
    lab.write("potluck/servers/simulated/server.yml", &format!("backup:\n  keep: {rules}\n"));
}

/// restic by hand, as anyone with the repository's password has it.
fn restic(lab: &Lab, arguments: &[&str]) -> String {
    // As potluck has it, a host is the server.
    let host = ["--host", "simulated"];
    let done = Command::new("restic")
        .args(arguments)
        .args(host.iter().filter(|_| arguments[0] == "backup"))
        .env("RESTIC_REPOSITORY", lab.path(REPOSITORY))
        .env("RESTIC_PASSWORD_FILE", lab.path("potluck/state/backups/simulated/password"))
        .env("RESTIC_CACHE_DIR", lab.path("cache"))
        .current_dir(lab.path(""))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(done.status.success(), "{arguments:?}: {said}");
    String::from_utf8(done.stdout).unwrap()
}

/// Copies the snapshots of a set under the name of another one, as somebody would who forges
/// one. `content` is what the volume has in it, else what it had.
fn forge(lab: &Lab, of: &str, name: &str, content: Option<&str>) {
    let tag = format!("set:{of}");
    let list: Value =
        serde_json::from_str(&restic(lab, &["snapshots", "--json", "--tag", &tag])).unwrap();
    for snapshot in list.as_array().unwrap() {
        let id = snapshot["id"].as_str().unwrap();
        let folder = lab.path("forged");
        let _ = fs::remove_dir_all(&folder);
        restic(lab, &["restore", id, "--target", "forged"]);
        let tags: Vec<&str> =
            snapshot["tags"].as_array().unwrap().iter().map(|it| it.as_str().unwrap()).collect();
        if let Some(content) = content.filter(|_| tags.contains(&"item:volume/content")) {
            fs::write(folder.join("page"), content).unwrap();
        }
        let tags: Vec<String> = tags.iter().map(|tag| tag.replace(of, name)).collect();
        let mut arguments = vec!["backup", "--host", "simulated"];
        for tag in &tags {
            arguments.extend(["--tag", tag]);
        }
        let files: Vec<String> = fs::read_dir(&folder)
            .unwrap()
            .map(|it| it.unwrap().file_name().into_string().unwrap())
            .collect();
        // As potluck stores it: without the folder.
        let done = Command::new("restic")
            .args(&arguments)
            .args(&files)
            .env("RESTIC_REPOSITORY", lab.path(REPOSITORY))
            .env("RESTIC_PASSWORD_FILE", lab.path("potluck/state/backups/simulated/password"))
            .env("RESTIC_CACHE_DIR", lab.path("cache"))
            .current_dir(&folder)
            .output()
            .unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }
}

/// A `PATH` in whose `restic` these shell commands come before the real one.
fn with_restic(lab: &Lab, first: &str) -> std::ffi::OsString {
    let path = std::env::var_os("PATH").unwrap();
    let mut folders = std::env::split_paths(&path).map(|folder| folder.join("restic"));
    let real = folders.find(|path| path.exists()).unwrap();
    lab.write("bin/restic", &format!("#!/bin/sh\n{first}\nexec '{}' \"$@\"\n", real.display()));
    fs::set_permissions(lab.path("bin/restic"), fs::Permissions::from_mode(0o755)).unwrap();
    let mut before = std::ffi::OsString::from(lab.path("bin"));
    before.push(":");
    before.push(path);
    before
}

/// Each run of restic derives its key for half a second.
#[test]
fn a_backup_runs_restic_once_for_each_item_the_manifest_the_files_and_the_list() {
    let lab = deployed();
    let log = lab.path("runs");
    let path = with_restic(&lab, &format!("echo \"$1\" >>'{}'", log.display()));
    let taken = || {
        let _ = fs::remove_file(&log);
        let mut run = lab.command();
        run.args(["backup", "create", "t.example"]).env("PATH", &path);
        run.assert().success();
        let runs = fs::read_to_string(&log).unwrap();
        let mut runs: Vec<_> = runs.lines().filter(|run| *run != "version").collect();
        runs.sort_unstable();
        runs.join(" ")
    };
    back_up(&lab);
    // The settings, the volume and the manifest; `check` runs beside the volume.
    assert_eq!(taken(), "backup backup backup check snapshots");
    assert_eq!(taken(), "backup backup backup check snapshots");
    // That what shrank is said is in the same list.
    fs::write(volume(&lab).join("page"), vec![b'x'; 1 << 20]).unwrap();
    back_up(&lab);
    fs::write(volume(&lab).join("page"), "soup").unwrap();
    let shrunk = good(&lab, &["backup", "create", "t.example"]);
    assert!(shrunk.stderr.contains("`content` has 4 B only, 1.00 MiB in the last"), "{shrunk}");
}

#[test]
fn whole_sets_are_removed_and_what_is_held_is_kept() {
    let lab = deployed();
    let (first, second) = (back_up(&lab), back_up(&lab));
    // Without rules, everything is kept.
    let kept = good(&lab, &["backup", "forget", "t.example"]);
    assert!(kept.stderr.contains("0 backups removed, 2 kept"), "{kept}");
    assert!(kept.stderr.contains("hint: there are no rules"), "{kept}");

    rules(&lab, "{last: 1}");
    good(&lab, &["backup", "hold", "t.example", &first, "--reason", "audit \u{1b}[2J"]);
    let file = fs::read_to_string(lab.path("potluck/servers/simulated/t.example.holds.yml"));
    assert!(file.unwrap().contains(&first));
    let third = back_up(&lab);
    let plan = lab.json(&["backup", "forget", "--all", "--dry-run", "--json"]);
    let told: Vec<(&str, &str, String)> = plan[0]["sets"]
        .as_array()
        .unwrap()
        .iter()
        .map(|set| {
            let reasons: Vec<&str> =
                set["reasons"].as_array().unwrap().iter().map(|it| it.as_str().unwrap()).collect();
            (set["set"].as_str().unwrap(), set["action"].as_str().unwrap(), reasons.join(", "))
        })
        .collect();
    assert_eq!((&plan[0]["outcome"], &plan[0]["removed"]), (&"planned".into(), &json!(1)));
    assert_eq!(told[0], (&*third, "keep", "the newest complete one, last 1".into()));
    assert_eq!(told[1], (&*second, "remove", "no rule keeps it".into()));
    assert!(told[2].0 == first && told[2].2.ends_with(": audit \u{fffd}"), "{told:?}");
    assert_eq!(sets(&lab).len(), 3, "a dry run removes nothing");

    let done = lab.json(&["backup", "forget", "t.example", "--json"]);
    assert_eq!((&done[0]["outcome"], &done[0]["removed"]), (&"removed".into(), &json!(1)));
    assert_eq!(sets(&lab), [third.clone(), first.clone()]);
    let state = lab.path("potluck/state/results/simulated/retention/t.example.json");
    let state: Value = serde_json::from_slice(&fs::read(state).unwrap()).unwrap();
    assert_eq!((&state["ok"], &state["error"]), (&json!(true), &Value::Null));

    // `rm` respects both, and a hold that ended holds nothing.
    let newest = lab.run(&["backup", "rm", "t.example", &third, "--yes"]);
    assert!(newest.code == 1 && newest.stderr.contains("newest complete one"), "{newest}");
    let held = lab.run(&["backup", "rm", "t.example", &first, "--yes", "--force"]);
    assert!(held.code == 1 && held.stderr.contains("held by"), "{held}");
    let asked = lab.run(&["backup", "rm", "t.example", "2026", "--no-input", "--yes"]);
    assert_eq!(asked.code, 1, "{asked}");
    let listed = lab.json(&["backup", "hold", "t.example", "--json"]);
    assert_eq!(listed[0]["set"], json!(first));
    good(&lab, &["backup", "hold", "t.example", &first, "--release"]);
    let unasked = lab.run(&["backup", "rm", "t.example", &first]);
    assert_eq!(unasked.code, 6, "{unasked}");
    good(&lab, &["backup", "rm", "t.example", &first, "--yes"]);
    assert_eq!(sets(&lab), std::slice::from_ref(&third));
    good(&lab, &["backup", "rm", "t.example", &third, "--yes", "--force"]);
    assert!(sets(&lab).is_empty());

    let pruned = lab.json(&["backup", "prune", "--json"]);
    assert_eq!(pruned[0]["outcome"], json!("pruned"));
    assert!(pruned[0]["freed"].is_string(), "{pruned}");
}

#[test]
fn the_set_of_an_upgrade_is_held_for_its_way_back() {
    let lab = Lab::new();
    let files = "{name: files, component: \"std:files\", options: {volumes: {content: }}}";
    lab.write("tiny/recipe.yml", &format!("plugins:\n  - {files}\n"));
    lab.write("tiny/.env.sample", "TYPE=tiny\n");
    for (version, image) in [("1.0.0", "app:1"), ("1.1.0", "app:2")] {
        let deploy = "    deploy: {update_config: {monitor: 1ms}}\nvolumes:";
        let compose = CONTENT.replace("volumes:\n", &format!("{deploy}\n")).replace("app:1", image);
        lab.write("tiny/compose.yml", &compose);
        lab.release(version);
    }
    let new = ["app", "new", "./tiny", "--version", "1.0.0", "--domain", "t.example", "-n"];
    good(&lab, &[&new[..], &["--server=simulated"]].concat());
    good(&lab, &["app", "deploy", "t.example", "-n"]);
    fs::write(volume(&lab).join("page"), "soup").unwrap();
    good(&lab, &["app", "upgrade", "t.example", "-n"]);
    let set = sets(&lab)[0].clone();
    back_up(&lab);
    let newest = back_up(&lab);
    rules(&lab, "{last: 1}");
    let done = lab.json(&["backup", "forget", "t.example", "--json"]);
    assert_eq!(done[0]["removed"], json!(1), "{done}");
    assert_eq!(sets(&lab), [newest, set.clone()]);
    assert_eq!(done[0]["sets"][2]["reasons"], json!(["held for the way back of an upgrade"]));
    let run = lab.run(&["backup", "rm", "t.example", &set, "--yes", "--force"]);
    assert!(run.code == 1 && run.stderr.contains("way back of an upgrade"), "{run}");
}

#[test]
fn an_app_without_a_backup_has_nothing_to_forget() {
    let lab = deployed();
    let done = lab.json(&["backup", "forget", "--all", "--json"]);
    assert_eq!((&done[0]["outcome"], &done[0]["sets"]), (&"removed".into(), &json!([])));
    assert_eq!(lab.run(&["backup", "check"]).code, 1);
}

#[test]
fn what_did_not_finish_is_cleaned_up_after_a_day_and_an_unread_manifest_keeps_its_set() {
    let lab = deployed();
    let whole = back_up(&lab);
    rules(&lab, "{last: 1}");
    let rest = |set: &str| {
        fs::write(lab.path("rest"), set).unwrap();
        let set = format!("set:{set}");
        let tags = ["--tag", "potluck", "--tag", "app:t.example", "--tag", &set, "--tag"];
        restic(&lab, &[&["backup", "rest"][..], &tags, &["item:volume/content"]].concat());
    };
    rest("20200101T000000Z-aaaaaa");
    // It has a name of tomorrow, when it would be complete, and none of today's clocks.
    let young = format!("{}-bbbbbb", &whole[..16]);
    rest(&young);
    // Complete by its tags, older than the whole one, with a manifest that is none.
    let broken = "20200102T000000Z-cccccc";
    rest(broken);
    fs::write(lab.path("manifest.json"), "{}").unwrap();
    let set = format!("set:{broken}");
    restic(
        &lab,
        &[
            "backup",
            "manifest.json",
            "--tag",
            "potluck",
            "--tag",
            "app:t.example",
            "--tag",
            &set,
            "--tag",
            "item:manifest",
            "--tag",
            "items:1",
            "--tag",
            "bytes:9",
        ],
    );
    let done = lab.json(&["backup", "forget", "t.example", "--json"]);
    assert_eq!(done[0]["removed"], json!(1), "{done}");
    let mut left = sets(&lab);
    left.sort();
    let mut expected = [whole, young, broken.to_owned()];
    expected.sort();
    assert_eq!(left, expected);
}

#[test]
fn a_store_that_takes_additions_only_is_told_apart() {
    let lab = deployed();
    back_up(&lab);
    back_up(&lab);
    rules(&lab, "{last: 1}");
    let attribute = |flag: &str, folder: &str| {
        let folder = lab.path(REPOSITORY).join(folder);
        Command::new("chattr").arg(flag).arg(folder).status().is_ok_and(|it| it.success())
    };
    if !attribute("+a", "snapshots") {
        return skip::skip("this file system or account cannot make a folder append-only");
    }
    let run = lab.run(&["backup", "forget", "t.example", "--json"]);
    assert!(attribute("-a", "snapshots"));
    let done: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!((run.code, &done[0]["outcome"]), (1, &json!("refused-by-store")), "{run}");
    assert_eq!(sets(&lab).len(), 2);
    let state = lab.path("potluck/state/results/simulated/retention/t.example.json");
    let state: Value = serde_json::from_slice(&fs::read(state).unwrap()).unwrap();
    assert!(state["ok"] == json!(false) && state["last_ok"] == Value::Null, "{state}");
    assert_eq!(found(&lab), [("retention".into(), "wrong".into())]);
    good(&lab, &["backup", "forget", "t.example"]);
    assert_eq!(found(&lab), []);

    // What cannot lock the repository cannot prune it.
    assert!(attribute("+i", "locks"));
    let run = lab.run(&["backup", "prune", "--server", "simulated"]);
    assert!(attribute("-i", "locks"));
    assert_eq!(run.code, 1, "{run}");
    assert_eq!(found(&lab), [("prune".into(), "wrong".into())]);
    good(&lab, &["backup", "prune", "--server", "simulated"]);
    assert_eq!(found(&lab), []);
}

/// As restic 0.17 and newer do where the store refuses, and as a store does that ignores it.
#[test]
fn a_removal_that_only_restic_reports_is_not_believed() {
    let lab = deployed();
    back_up(&lab);
    back_up(&lab);
    rules(&lab, "{last: 1}");
    let said = "Remove(<snapshot/746cb6c853>) failed: remove /srv/a: operation not permitted";
    for (first, reason) in [
        ("[ \"$1\" != forget ] || exit 0".to_owned(), "is still there"),
        (format!("[ \"$1\" != forget ] || {{ echo '{said}' >&2; exit 0; }}"), "not permitted"),
    ] {
        let path = with_restic(&lab, &first);
        let arguments = ["backup", "forget", "t.example", "--json"];
        let run = lab.tidy(&lab.command().env("PATH", &path).args(arguments).output().unwrap());
        let done: Value = serde_json::from_str(&run.stdout).unwrap();
        assert_eq!((run.code, &done[0]["outcome"]), (1, &json!("refused-by-store")), "{run}");
        assert!(run.stdout.contains(reason), "{run}");
        assert_eq!(sets(&lab).len(), 2);
        assert_eq!(found(&lab), [("retention".into(), "wrong".into())]);
    }
    let path =
        with_restic(&lab, &format!("[ \"$1\" != prune ] || {{ echo '{said}' >&2; exit 0; }}"));
    let arguments = ["backup", "prune", "--server", "simulated"];
    let run = lab.tidy(&lab.command().env("PATH", &path).args(arguments).output().unwrap());
    assert!(run.code == 1 && run.stderr.contains("not permitted"), "{run}");
}

#[test]
fn a_forged_set_is_neither_restored_nor_does_it_push_a_good_one_out() {
    let lab = deployed();
    let genuine = back_up(&lab);
    // As if it were made a second later, by the team's potluck, with another page.
    let later = format!("{}-ffffff", &genuine[..16]);
    let later = match later > genuine {
        true => later,
        false => panic!("{genuine} sorts behind {later}"),
    };
    forge(&lab, &genuine, &later, Some("poison"));
    assert_eq!(sets(&lab)[0], later);
    let refused = |arguments: &[&str], words: &str| {
        let run = lab.run(arguments);
        assert!(run.code == 1 && run.stderr.contains(words), "{arguments:?}: {run}");
    };
    // The manifest is of the genuine set, and says so.
    refused(&["backup", "restore", "t.example", "--yes"], "it belongs to the set");

    // Another page under the genuine name, in place of the genuine one.
    let lab = deployed();
    let genuine = back_up(&lab);
    let tag = format!("set:{genuine},item:volume/content");
    let list: Value =
        serde_json::from_str(&restic(&lab, &["snapshots", "--json", "--tag", &tag])).unwrap();
    forge(&lab, &genuine, "20200101T000000Z-eeeeee", Some("poison"));
    restic(&lab, &["forget", list[0]["id"].as_str().unwrap()]);
    let forged: Value = serde_json::from_str(&restic(
        &lab,
        &["snapshots", "--json", "--tag", "set:20200101T000000Z-eeeeee,item:volume/content"],
    ))
    .unwrap();
    let (set, item) = (format!("set:{genuine}"), "item:volume/content");
    let tags = ["potluck", "app:t.example", &set, item].join(",");
    restic(&lab, &["tag", "--set", &tags, forged[0]["id"].as_str().unwrap()]);
    let refused = |arguments: &[&str], words: &str| {
        let run = lab.run(arguments);
        assert!(run.code == 1 && run.stderr.contains(words), "{arguments:?}: {run}");
    };
    let words = "`volume/content` holds something else than what was signed";
    refused(&["backup", "restore", "t.example", &genuine, "--yes"], words);
    refused(&["backup", "download", "t.example", &genuine, "content"], words);
    refused(&["backup", "ls", "t.example", &genuine, "content"], words);
    rules(&lab, "{last: 1}");
    refused(&["backup", "forget", "t.example"], "may be forged");
    let shown = lab.json(&["backup", "show", "t.example", &genuine, "--json"]);
    assert_eq!((&shown["believed"], &shown["signed_by"]), (&json!(false), &shown["signed_by"]));
    assert!(shown["doubt"].as_str().unwrap().contains("holds something else"), "{shown}");
    assert_eq!(fs::read_to_string(volume(&lab).join("page")).unwrap(), "soup");
    // Who insists is warned.
    let run = good(&lab, &["backup", "restore", "t.example", &genuine, "--yes", "--unsigned"]);
    assert!(run.stderr.contains("may be forged"), "{run}");
    assert_eq!(fs::read_to_string(volume(&lab).join("page")).unwrap(), "poison");
}

#[test]
fn what_somebody_else_made_is_not_the_newest_backup() {
    let lab = deployed();
    lab.write("vault-password", "copy\n");
    fs::set_permissions(lab.path("vault-password"), fs::Permissions::from_mode(0o600)).unwrap();
    let genuine = back_up(&lab);
    assert_eq!(found(&lab), []);
    let soon = jiff::Timestamp::now() + jiff::SignedDuration::from_mins(5);
    let forged = format!("{}-ffffff", soon.strftime("%Y%m%dT%H%M%SZ"));
    forge(&lab, &genuine, &forged, Some("spoiled"));
    let status = lab.run(&["backup", "status"]);
    assert_eq!(status.code, 1, "{status}");
    for words in [&format!("the backup {forged} is not believed"), &format!(" KiB, {genuine};")] {
        assert!(status.stdout.contains(words.as_str()), "{words}: {status}");
    }
    assert_eq!(found(&lab), [("doubted".to_owned(), "wrong".to_owned())]);
    // Nor is it given to a copy.
    let vault = format!(
        "backup: {{copies: {{vault: {{repository: {}, password-file: {}}}}}}}\n",
        lab.path("vault").display(),
        lab.path("vault-password").display()
    );
    lab.write("potluck/servers/simulated/server.yml", &vault);
    let copied = good(&lab, &["backup", "create", "t.example"]);
    assert!(copied.stderr.contains(&format!("{forged} is not copied")), "{copied}");
    let there = lab.json(&["backup", "snapshots", "t.example", "--from", "vault", "--json"]);
    let there: Vec<&str> =
        there.as_array().unwrap().iter().map(|set| set["id"].as_str().unwrap()).collect();
    assert!(there.len() == 2 && !there.contains(&forged.as_str()), "{there:?}");
    // Nor does it let the data be deleted.
    good(&lab, &["app", "undeploy", "t.example", "--no-input"]);
    let kept = lab.run(&["app", "rm", "t.example", "-y", "--max-age", "0s"]);
    assert_eq!(kept.code, 6, "{kept}");
    let uncounted = format!("the backup {forged} does not count");
    for words in [uncounted.as_str(), "and may be 0 s old"] {
        assert!(kept.stderr.contains(words), "{words}: {kept}");
    }
    assert!(volume(&lab).join("page").exists());
}

/// Stores a manifest of the first form under a name, with the items of another set.
fn unsigned(lab: &Lab, of: &str, name: &str) {
    forge(lab, of, name, None);
    let tag = format!("set:{name},item:manifest");
    let list: Value =
        serde_json::from_str(&restic(lab, &["snapshots", "--json", "--tag", &tag])).unwrap();
    let id = list[0]["id"].as_str().unwrap();
    let sealed: Value =
        serde_json::from_str(&restic(lab, &["dump", id, "/manifest.json"])).unwrap();
    let mut manifest: Value = serde_json::from_str(sealed["manifest"].as_str().unwrap()).unwrap();
    manifest["format"] = json!(1);
    manifest["set"] = json!(name);
    for item in manifest["items"].as_array_mut().unwrap() {
        let tag = format!(
            "set:{name},item:{}/{}",
            item["kind"].as_str().unwrap(),
            item["name"].as_str().unwrap()
        );
        let list: Value =
            serde_json::from_str(&restic(lab, &["snapshots", "--json", "--tag", &tag])).unwrap();
        item["snapshot"] = list[0]["id"].clone();
        item.as_object_mut().unwrap().remove("tree");
    }
    restic(lab, &["forget", id]);
    fs::write(lab.path("manifest.json"), manifest.to_string()).unwrap();
    let mut arguments = vec!["backup".to_owned(), "manifest.json".into()];
    for tag in list[0]["tags"].as_array().unwrap() {
        arguments.extend(["--tag".into(), tag.as_str().unwrap().to_owned()]);
    }
    restic(lab, &arguments.iter().map(String::as_str).collect::<Vec<_>>());
}

#[test]
fn unsigned_sets_are_restored_only_if_they_are_older_than_the_first_signature() {
    let lab = deployed();
    let genuine = back_up(&lab);
    unsigned(&lab, &genuine, "20200101T000000Z-aaaaaa");
    fs::write(volume(&lab).join("page"), "spoiled").unwrap();
    let run = good(&lab, &["backup", "restore", "t.example", "20200101", "--yes"]);
    assert!(run.stderr.contains("is not signed"), "{run}");
    assert_eq!(fs::read_to_string(volume(&lab).join("page")).unwrap(), "soup");

    // One that would be the newest is not an old one.
    let later = format!("{}-ffffff", &genuine[..16]);
    let signers = lab.path("potluck/signers");
    let file = fs::read_dir(&signers).unwrap().next().unwrap().unwrap().path();
    let text = fs::read_to_string(&file).unwrap();
    let since = text.lines().find(|line| line.starts_with("since:")).unwrap();
    fs::write(&file, text.replace(since, "since: 2020-06-01T00:00:00Z")).unwrap();
    unsigned(&lab, &genuine, &later);
    let run = lab.run(&["backup", "restore", "t.example", "--yes"]);
    assert!(run.code == 1 && run.stderr.contains("it is not signed"), "{run}");
    let run = lab.run(&["backup", "forget", "t.example"]);
    assert!(run.code == 1 && run.stderr.contains("may be forged"), "{run}");
    good(&lab, &["backup", "restore", "t.example", "--yes", "--unsigned"]);
}

#[test]
fn a_colleague_restores_with_the_shared_signers_and_bare_metal_with_the_fingerprint() {
    let lab = deployed();
    lab.write("vault/password", "sesame\n");
    lab.write(
        "potluck/servers/simulated/server.yml",
        &format!(
            "backup:\n  repository: {}\n  password-file: {}\n",
            lab.path("vault/repository").display(),
            lab.path("vault/password").display()
        ),
    );
    let made = good(&lab, &["backup", "create", "t.example"]);
    assert!(made.stderr.contains("note this fingerprint on paper"), "{made}");
    let again = good(&lab, &["backup", "create", "t.example"]);
    assert!(!again.stderr.contains("on paper"), "said once: {again}");
    let key = lab.path("potluck/state/signing-key");
    let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&key).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);

    // The colleague's folder: what git shares, and no state.
    let copy = |from: &str, to: &str| {
        let done = Command::new("cp").arg("-r").arg(lab.path(from)).arg(lab.path(to)).status();
        assert!(done.unwrap().success());
    };
    fs::create_dir(lab.path("colleague")).unwrap();
    copy("potluck/servers", "colleague/servers");
    copy("potluck/recipes", "colleague/recipes");
    copy("potluck/signers", "colleague/signers");
    let folder = lab.path("colleague");
    let folder = folder.to_str().unwrap();
    let theirs = |arguments: &[&str]| lab.run(&[&["--potluck-dir", folder], arguments].concat());
    let page = lab.path("colleague/state/simulated/simulated/volumes/t_example_content/_data/page");
    let run = theirs(&["app", "deploy", "t.example", "--no-input"]);
    assert_eq!(run.code, 0, "{run}");
    let run = theirs(&["backup", "restore", "t.example", "--yes"]);
    assert_eq!(run.code, 0, "{run}");
    assert_eq!(fs::read_to_string(&page).unwrap(), "soup");

    // Without them, only with the fingerprint on paper.
    let file = fs::read_dir(lab.path("colleague/signers")).unwrap().next().unwrap().unwrap();
    let fingerprint = file.file_name().into_string().unwrap().replace(".yml", "");
    fs::remove_dir_all(lab.path("colleague/signers")).unwrap();
    let run = theirs(&["backup", "restore", "t.example", "--yes"]);
    let words = format!("it is signed by {fingerprint}, which is not in `signers`");
    assert!(run.code == 1 && run.stderr.contains(&words), "{run}");
    let other = "0".repeat(32);
    let run = theirs(&["backup", "restore", "t.example", "--yes", "--signer", &other]);
    assert!(run.code == 1 && run.stderr.contains("not by 0000"), "{run}");
    let run = theirs(&["backup", "restore", "t.example", "--yes", "--signer", &fingerprint]);
    assert_eq!(run.code, 0, "{run}");
}

#[test]
fn a_check_reads_everything_in_so_many_runs_and_finds_a_changed_bit() {
    let lab = deployed();
    let noise: Vec<u8> =
        (0..400_000_u32).flat_map(|i| (i.wrapping_mul(2_654_435_761)).to_le_bytes()).collect();
    fs::write(volume(&lab).join("noise"), noise).unwrap();
    back_up(&lab);
    let read = || {
        let done = lab.json(&["backup", "check", "--read-data", "2", "--json"]);
        (done[0]["read"].as_str().unwrap().to_owned(), done[0]["covered_since"].is_string())
    };
    assert_eq!(read(), ("1/2".into(), false));
    assert_eq!(read(), ("2/2".into(), true));
    assert_eq!(read(), ("1/2".into(), true));
    let structure = lab.json(&["backup", "check", "t.example", "--json"]);
    assert_eq!((&structure[0]["read"], &structure[0]["ok"]), (&Value::Null, &json!(true)));

    // One bit of the largest file, in its middle.
    let data = lab.path(REPOSITORY).join("data");
    let mut packs: Vec<PathBuf> = Vec::new();
    for folder in fs::read_dir(data).unwrap() {
        packs.extend(fs::read_dir(folder.unwrap().path()).unwrap().map(|it| it.unwrap().path()));
    }
    let pack = packs.iter().max_by_key(|it| fs::metadata(it).unwrap().len()).unwrap();
    let whole = fs::read(pack).unwrap();
    let mut bytes = whole.clone();
    bytes[whole.len() / 2] ^= 1;
    let writable = |path: &Path| {
        let mut mode = fs::metadata(path).unwrap().permissions();
        std::os::unix::fs::PermissionsExt::set_mode(&mut mode, 0o600);
        fs::set_permissions(path, mode).unwrap();
    };
    writable(pack);
    fs::write(pack, bytes).unwrap();
    let codes = [(); 2].map(|()| lab.run(&["backup", "check", "--read-data", "1"]).code);
    assert_eq!(codes, [1, 1], "a damaged part is not counted as read");
    let state = lab.path("potluck/state/results/simulated/check.json");
    let state: Value = serde_json::from_slice(&fs::read(state).unwrap()).unwrap();
    assert!(state["ok"] == json!(false) && state["last_ok"].is_string(), "{state}");
    assert_eq!(found(&lab), [("check".into(), "wrong".into())]);
    // One that looks less closely does not take it back.
    good(&lab, &["backup", "check", "t.example"]);
    assert_eq!(found(&lab), [("check".into(), "wrong".into())]);
    fs::write(pack, whole).unwrap();
    good(&lab, &["backup", "check", "--subset", "1/1"]);
    assert_eq!(found(&lab), []);
}

#[test]
fn a_set_is_looked_into_without_a_restore() {
    let lab = deployed();
    fs::create_dir(volume(&lab).join("sub")).unwrap();
    fs::write(volume(&lab).join("sub/ev\u{1b}[2Jil"), "x").unwrap();
    let set = back_up(&lab);
    let shown = lab.json(&["backup", "show", "t.example", "--json"]);
    assert_eq!((&shown["set"], &shown["believed"]), (&json!(set), &json!(true)));
    assert!(shown["signed_by"].is_string() && shown["doubt"].is_null(), "{shown}");
    let items = shown["items"].as_array().unwrap();
    assert!(items.iter().all(|item| item["tree"].as_str().unwrap().len() == 64), "{shown}");
    let text = good(&lab, &["backup", "show", "t.example"]).stdout;
    assert!(text.contains("volume/content") && text.contains("signed by"), "{text}");

    let paths = |arguments: &[&str]| -> Vec<String> {
        let listed = lab.json(&[&["backup", "ls", "t.example", &set], arguments].concat());
        let listed = listed.as_array().unwrap();
        listed.iter().map(|it| it["path"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(paths(&["content", "--json"]), ["/page", "/sub"]);
    assert_eq!(paths(&["content", "sub", "--json"]), ["/sub", "/sub/ev\u{fffd}il"]);
    let all = paths(&["volume/content", "--recursive", "--json"]);
    assert_eq!(all, ["/page", "/sub", "/sub/ev\u{fffd}il"]);
    let none = lab.run(&["backup", "ls", "t.example", &set, "content", "no/such"]);
    assert!(none.code == 1 && none.stderr.contains("`no/such` is not in"), "{none}");
    let none = lab.run(&["backup", "ls", "t.example", &set, "nothing"]);
    assert!(none.code == 1 && none.stderr.contains("it has"), "{none}");

    let file = good(&lab, &["backup", "download", "t.example", &set, "content", "page"]);
    assert_eq!(file.stdout, "soup");
    let tar = lab.path("content.tar");
    let to = tar.to_str().unwrap();
    good(&lab, &["backup", "download", "t.example", &set, "content", "-O", to]);
    let listed = Command::new("tar").arg("-tf").arg(&tar).output().unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    assert!(listed.contains("page") && listed.contains("sub/"), "{listed}");
    let newest = good(&lab, &["backup", "download", "t.example", "latest", "content", "page"]);
    assert_eq!(newest.stdout, file.stdout);
    let settings = good(&lab, &["backup", "download", "t.example", &set, "settings.tar"]);
    assert!(settings.stdout.contains("t.example.env"));
    // What fails leaves no file.
    let absent = lab.path("absent");
    let run = lab.run(&[
        "backup",
        "download",
        "t.example",
        &set,
        "content",
        "no/such",
        "-O",
        absent.to_str().unwrap(),
    ]);
    assert!(run.code == 1 && !absent.exists(), "{run}");

    let stats = lab.json(&["backup", "stats", "--json"]);
    assert_eq!(
        (&stats[0]["apps"][0]["app"], &stats[0]["apps"][0]["backups"]),
        (&"t.example".into(), &json!(1))
    );
    assert!(stats[0]["stored"].as_u64().unwrap() > 0);
}

#[test]
fn as_of_a_time_is_the_newest_believed_backup_before_it() {
    let lab = deployed();
    let first = back_up(&lab);
    let time = |set: &str| {
        let [y, m, d] = [&set[..4], &set[4..6], &set[6..8]];
        format!("{y}-{m}-{d}T{}:{}:{}Z", &set[9..11], &set[11..13], &set[13..15])
    };
    // Names of backups have seconds.
    std::thread::sleep(std::time::Duration::from_millis(1100));
    fs::write(volume(&lab).join("page"), "stew").unwrap();
    let second = back_up(&lab);
    forge(&lab, &second, "20370101T000000Z-ffffff", Some("forged"));
    let newest = lab.run(&["backup", "show", "t.example"]);
    assert!(newest.code == 1 && newest.stderr.contains("20370101T000000Z-ffffff"), "{newest}");

    let shown = good(&lab, &["backup", "show", "t.example", "--at", "2038-01-01"]);
    assert!(shown.stdout.starts_with(&second), "{shown}");
    for words in [
        "Looking for the newest backup at or before 2038-01-01 23:59:59 +00:00 (UTC).",
        "20370101T000000Z-ffffff",
        "looking for an earlier one",
    ] {
        assert!(shown.stderr.contains(words), "{words}: {shown}");
    }
    let at = time(&first);
    let restored = good(&lab, &["backup", "restore", "t.example", "--at", &at, "--yes"]);
    assert!(restored.stderr.contains(&format!("Restoring t.example from {first}")), "{restored}");
    assert_eq!(fs::read_to_string(volume(&lab).join("page")).unwrap(), "soup");

    for (time, code, words) in [
        ("2020-01-01", 1, "no complete backup of t.example at or before 2020-01-01 23:59:59 UTC"),
        ("soon", 2, "write it as 2026-11-26"),
    ] {
        let refused = lab.run(&["backup", "restore", "t.example", "--at", time, "--yes"]);
        assert!(refused.code == code && refused.stderr.contains(words), "{refused}");
    }
    let both = lab.run(&["backup", "restore", "t.example", &first, "--at", "now"]);
    assert!(both.code == 2 && both.stderr.contains("cannot be used with"), "{both}");
}
