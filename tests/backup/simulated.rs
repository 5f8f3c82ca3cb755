//! Backups of the simulated server through the program: its volumes are plain
//! folders of the operator's own, so that no right to mount is needed.

use crate::support::cli;
use crate::support::common::skip;

use std::{
    fs,
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::Path,
    process::{Command, Output},
};

use cli::{CONTENT, Lab};

/// Who runs potluck.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    Caller,
    Nobody,
}

/// The user and group `nobody` on most systems; no account is needed.
const NOBODY: u32 = 65534;

fn potluck(lab: &Lab, who: Who, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_potluck"));
    command
        .args(arguments)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", lab.path("home"))
        .env("POTLUCK_DIR", lab.path("potluck"))
        .current_dir(lab.path(""));
    if who == Who::Nobody {
        command.uid(NOBODY).gid(NOBODY);
    }
    let done = command.output().unwrap();
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(done.status.success(), "{arguments:?} as {who:?}: {said}");
    done
}

fn back_up_and_restore(who: Who) {
    let lab = Lab::new();
    lab.write("tiny/compose.yml", CONTENT);
    lab.write("tiny/.env.sample", "DOMAIN=\n");
    if who == Who::Nobody {
        fs::set_permissions(lab.path(""), fs::Permissions::from_mode(0o755)).unwrap();
        fs::create_dir(lab.path("potluck")).unwrap();
        give(&lab.path(""));
    }
    let run = |arguments: &[&str]| potluck(&lab, who, arguments);
    run(&["app", "new", "./tiny", "--domain", "t.example", "--server=simulated"]);
    run(&["app", "deploy", "t.example", "--no-input"]);
    let volume = lab.path("potluck/state/simulated/simulated/volumes/t_example_content/_data");
    fs::write(volume.join("page"), "soup").unwrap();
    fs::create_dir(volume.join("sub")).unwrap();
    std::os::unix::fs::symlink("/etc", volume.join("sub/link")).unwrap();
    give(&volume);

    run(&["backup", "create", "t.example"]);
    fs::write(volume.join("page"), "spoiled").unwrap();
    fs::write(volume.join("later"), "").unwrap();
    run(&["backup", "restore", "t.example", "--yes"]);
    assert_eq!(fs::read_to_string(volume.join("page")).unwrap(), "soup");
    assert_eq!(fs::read_link(volume.join("sub/link")).unwrap(), Path::new("/etc"));
    assert!(!volume.join("later").exists());
    // Nothing is left beside the data, and all of it is back after a loss as well.
    let home = volume.parent().unwrap();
    assert_eq!(fs::read_dir(home).unwrap().count(), 1);
    run(&["app", "undeploy", "t.example", "--no-input"]);
    fs::remove_dir_all(home).unwrap();
    run(&["backup", "restore", "t.example", "--yes"]);
    assert_eq!(fs::read_to_string(volume.join("page")).unwrap(), "soup");
}

#[test]
fn a_volume_without_files_is_listed_and_comes_back_empty() {
    let lab = Lab::new();
    let compose = CONTENT
        .replace(r#"["content:/content"]"#, r#"["content:/content", "cache:/cache"]"#)
        .replace("  content:\n", "  content:\n  cache:\n");
    lab.write("tiny/compose.yml", &compose);
    lab.write("tiny/.env.sample", "DOMAIN=\n");
    let run = |arguments: &[&str]| potluck(&lab, Who::Caller, arguments);
    run(&["app", "new", "./tiny", "--domain", "t.example", "--server=simulated"]);
    run(&["app", "deploy", "t.example", "--no-input"]);
    let volumes = lab.path("potluck/state/simulated/simulated/volumes");
    let (content, cache) =
        (volumes.join("t_example_content/_data"), volumes.join("t_example_cache/_data"));
    fs::write(content.join("page"), "soup").unwrap();
    run(&["backup", "create", "t.example"]);
    let sets = lab.json(&["backup", "snapshots", "t.example", "--json"]);
    let settings = &sets[0]["items"][0];
    assert_eq!(
        sets[0]["items"],
        serde_json::json!([settings, "volume/cache", "volume/content"]),
        "{sets}"
    );
    assert_eq!(
        (&sets[0]["empty"], &sets[0]["complete"]),
        (&serde_json::json!(["volume/cache"]), &true.into())
    );
    let list = String::from_utf8(run(&["backup", "snapshots", "t.example"]).stdout).unwrap();
    assert!(list.contains("volume/cache (0 files), volume/content\n"), "{list}");

    fs::write(cache.join("later"), "").unwrap();
    run(&["backup", "restore", "t.example", "--yes"]);
    assert_eq!(fs::read_dir(&cache).unwrap().count(), 0);
    // Also where there is no such volume any more.
    run(&["app", "undeploy", "t.example", "--no-input"]);
    fs::remove_dir_all(cache.parent().unwrap()).unwrap();
    run(&["backup", "restore", "t.example", "--yes"]);
    assert_eq!(fs::read_dir(&cache).unwrap().count(), 0);
    assert_eq!(fs::read_to_string(content.join("page")).unwrap(), "soup");
}

/// Hands a folder to `nobody`, if that is possible.
fn give(folder: &Path) {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let owner = format!("{NOBODY}:{NOBODY}");
    let done = Command::new("chown").args(["-hR", &owner]).arg(folder).status().unwrap();
    assert!(done.success());
}

#[test]
fn a_volume_of_the_simulated_server_is_saved_and_comes_back() {
    back_up_and_restore(Who::Caller);
}

#[test]
fn it_needs_no_right_of_root() {
    if !rustix::process::geteuid().is_root() {
        return skip::skip("only root can start a program as somebody else");
    }
    // The program has to be reachable for that user.
    let program = Path::new(env!("CARGO_BIN_EXE_potluck"));
    let reached = Command::new(program).arg("--version").uid(NOBODY).gid(NOBODY).output();
    if let Err(error) = reached {
        return skip::skip(&format!("{} as another user: {error}", program.display()));
    }
    back_up_and_restore(Who::Nobody);
}

const LABELLED: &str = r#"
services:
  app:
    image: example.invalid/app:1
    volumes: ["content:/content"]
    deploy:
      labels:
        backupbot.backup: "true"
        backupbot.backup.volumes.content.path: "dump.gz"
volumes:
  content:
"#;

/// What `gzip` makes of nothing.
const GZIP_OF_NOTHING: &[u8] = b"\x1f\x8b\x08\0\0\0\0\0\0\x03\x03\0\0\0\0\0\0\0\0\0";

/// The hook of a label writes the file, and how that went only the hook knows.
#[test]
fn a_labels_dump_that_looks_wrong_is_a_warning_that_the_report_counts() {
    let lab = Lab::new();
    lab.write("tiny/compose.yml", LABELLED);
    lab.write("tiny/.env.sample", "DOMAIN=\n");
    let run = |arguments: &[&str]| potluck(&lab, Who::Caller, arguments);
    run(&["app", "new", "./tiny", "--domain", "t.example", "--server=simulated"]);
    run(&["app", "deploy", "t.example", "--no-input"]);
    let volume = lab.path("potluck/state/simulated/simulated/volumes/t_example_content/_data");
    let backup = |dump: &[u8]| -> Vec<String> {
        fs::write(volume.join("dump.gz"), dump).unwrap();
        let report = run(&["backup", "create", "t.example", "--json"]).stdout;
        let report: serde_json::Value = serde_json::from_slice(&report).unwrap();
        serde_json::from_value(report["warnings"].clone()).unwrap()
    };
    // As large as a dump that is worth a comparison, and not what its name says.
    let warnings = backup(&[b'x'; 8192]);
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].ends_with("it does not begin like a `.gz` file"), "{warnings:?}");
    let warnings = backup(GZIP_OF_NOTHING);
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert!(warnings[0].contains("`dump.gz` of the volume"), "{warnings:?}");
    assert!(warnings[0].ends_with("its gzip stream is empty"), "{warnings:?}");
    assert!(warnings[1].contains("has 20 B only, 8.00 KiB in the last backup"), "{warnings:?}");

    let said = run(&["backup", "create", "t.example"]).stderr;
    assert!(String::from_utf8_lossy(&said).contains(", with 1 warning."));

    // Whoever looks later sees it, and so does who is about to restore it.
    backup(b"");
    let sets = lab.json(&["backup", "snapshots", "t.example", "--json"]);
    let counts: Vec<_> = sets.as_array().unwrap().iter().map(|set| &set["warnings"]).collect();
    assert_eq!(counts, [1, 1, 2, 1]);
    let list = String::from_utf8(run(&["backup", "snapshots", "t.example"]).stdout).unwrap();
    assert!(list.lines().nth(1).unwrap().ends_with("volume/content; 1 warning"), "{list}");
    let told = "warning: when this backup was taken: `dump.gz` of the volume `t_example_content` \
                may not be a dump: it is empty";
    let restored = lab.run(&["backup", "restore", "t.example", "--yes"]);
    assert_eq!(restored.code, 0, "{restored}");
    assert!(restored.stderr.contains(told), "{restored}");
}

/// A restore that was cut off leaves data that a backup must not pass off as good.
#[test]
fn a_backup_of_half_restored_data_says_so_ever_after() {
    let lab = Lab::new();
    lab.write("tiny/compose.yml", CONTENT);
    lab.write("tiny/.env.sample", "DOMAIN=\n");
    let run = |arguments: &[&str]| potluck(&lab, Who::Caller, arguments);
    run(&["app", "new", "./tiny", "--domain", "t.example", "--server=simulated"]);
    run(&["app", "deploy", "t.example", "--no-input"]);
    let volume = lab.path("potluck/state/simulated/simulated/volumes/t_example_content/_data");
    fs::write(volume.join("page"), "soup").unwrap();
    let lock = lab.path("potluck/servers/simulated/t.example.lock.yml");
    let whole = fs::read_to_string(&lock).unwrap();
    fs::write(&lock, format!("{whole}restoring: 20260101T000000Z-0a0b0c\n")).unwrap();

    let told = "a restore of the backup 20260101T000000Z-0a0b0c did not finish";
    let taken = lab.json(&["backup", "create", "t.example", "--json"]);
    let warnings = taken["warnings"].as_array().unwrap();
    assert_eq!(warnings.len(), 1, "{taken}");
    assert!(warnings[0].as_str().unwrap().starts_with(told), "{taken}");
    let sets = lab.json(&["backup", "snapshots", "t.example", "--json"]);
    assert_eq!(sets[0]["warnings"], 1, "{sets}");
    let restored = lab.run(&["backup", "restore", "t.example", "--yes"]);
    assert_eq!(restored.code, 0, "{restored}");
    assert!(restored.stderr.contains(&format!("when this backup was taken: {told}")), "{restored}");

    // That restore is one that came to its end.
    assert!(!fs::read_to_string(&lock).unwrap().contains("restoring"));
    let taken = lab.json(&["backup", "create", "t.example", "--json"]);
    assert_eq!(taken["warnings"], serde_json::json!([]), "{taken}");
}

/// What a backup left that was killed, or another restic forgot a part of.
#[test]
fn an_incomplete_backup_is_listed_with_what_removes_it() {
    let lab = Lab::new();
    lab.write("tiny/compose.yml", CONTENT);
    lab.write("tiny/.env.sample", "DOMAIN=\n");
    let run = |arguments: &[&str]| potluck(&lab, Who::Caller, arguments);
    run(&["app", "new", "./tiny", "--domain", "t.example", "--server=simulated"]);
    run(&["app", "deploy", "t.example", "--no-input"]);
    let volume = lab.path("potluck/state/simulated/simulated/volumes/t_example_content/_data");
    fs::write(volume.join("page"), "soup").unwrap();
    let first = lab.json(&["backup", "create", "t.example", "--json"]);
    run(&["backup", "create", "t.example"]);
    let own = lab.path("potluck/state/backups/simulated");
    let manifest = first["manifest"].as_str().unwrap();
    let forgotten = Command::new("restic")
        .args(["forget", manifest])
        .env("RESTIC_REPOSITORY", own.join("repository"))
        .env("RESTIC_PASSWORD_FILE", own.join("password"))
        .output()
        .unwrap();
    assert!(forgotten.status.success(), "{forgotten:?}");

    let plain = lab.run(&["backup", "snapshots", "t.example"]);
    assert_eq!(plain.stdout.lines().count(), 2, "{plain}");
    let told = "hint: 1 backup did not finish, or is still being taken: `potluck backup \
                snapshots t.example --all` lists them";
    assert!(plain.stderr.contains(told), "{plain}");
    let all = lab.run(&["backup", "snapshots", "t.example", "--all"]);
    assert!(all.stdout.contains("incomplete") && all.stderr.contains(" removes it"), "{all}");
    let sets = lab.json(&["backup", "snapshots", "t.example", "--all", "--json"]);
    assert_eq!(
        (&sets[0]["remove"], &sets[1]["complete"]),
        (&serde_json::Value::Null, &false.into())
    );
    let folder = lab.path("").display().to_string();
    let remove = sets[1]["remove"].as_str().unwrap();
    let remove = &remove.replace("[LAB]", folder.trim_end_matches('/'));
    assert!(all.stderr.contains("restic -r ") && remove.contains(" forget "), "{all}");
    let removed = Command::new("sh").args(["-c", remove]).output().unwrap();
    assert!(removed.status.success(), "{removed:?}");
    let sets = lab.json(&["backup", "snapshots", "t.example", "--all", "--json"]);
    assert_eq!(sets.as_array().unwrap().len(), 1, "{sets}");
    run(&["backup", "restore", "t.example", "--yes"]);
}

#[test]
fn a_repository_that_is_gone_is_not_made_anew_by_itself() {
    let lab = Lab::new();
    lab.write("tiny/compose.yml", CONTENT);
    lab.write("tiny/.env.sample", "DOMAIN=\n");
    let run = |arguments: &[&str]| potluck(&lab, Who::Caller, arguments);
    run(&["app", "new", "./tiny", "--domain", "t.example", "--server=simulated"]);
    run(&["app", "deploy", "t.example", "--no-input"]);
    lab.write(
        "potluck/servers/simulated/server.yml",
        &format!(
            "endpoint: simulated\nbackup:\n  repository: {}\n  password-file: {}\n",
            lab.path("disk/repo").display(),
            lab.path("password").display()
        ),
    );
    lab.write("password", "soup\n");
    fs::set_permissions(lab.path("password"), fs::Permissions::from_mode(0o600)).unwrap();
    fs::create_dir(lab.path("disk")).unwrap();
    run(&["backup", "create", "t.example"]);

    // As with a disk that is not mounted.
    fs::rename(lab.path("disk/repo"), lab.path("elsewhere")).unwrap();
    let refused = lab.run(&["backup", "create", "t.example"]);
    assert_eq!(refused.code, 1, "{refused}");
    for words in ["which holds backups, does not exist", "is its disk mounted?"] {
        assert!(refused.stderr.contains(words), "{words}: {refused}");
    }
    assert!(!lab.path("disk/repo").exists());
    // What reads says the same.
    for command in [&["snapshots", "t.example"][..], &["restore", "t.example", "--yes"]] {
        let read = lab.run(&[&["backup"], command].concat());
        assert!(read.code == 1 && read.stderr.contains("is its disk mounted?"), "{read}");
        assert!(!read.stderr.contains("the first `potluck backup create`"), "{read}");
    }
    // Nor by another app, which never had one.
    run(&["app", "new", "./tiny", "--domain", "u.example", "--server=simulated"]);
    run(&["app", "deploy", "u.example", "--no-input"]);
    let refused = lab.run(&["backup", "create", "u.example"]);
    assert!(refused.code == 1 && refused.stderr.contains("is its disk mounted?"), "{refused}");
    assert!(!lab.path("disk/repo").exists());

    fs::rename(lab.path("elsewhere"), lab.path("disk/repo")).unwrap();
    run(&["backup", "create", "t.example"]);
    // Who wants a new one says so.
    fs::rename(lab.path("disk/repo"), lab.path("elsewhere")).unwrap();
    fs::remove_file(lab.path("potluck/state/backed-up/simulated/t.example")).unwrap();
    run(&["backup", "create", "t.example"]);

    // A machine that never made a backup cannot know that; it says that it made a new one.
    fs::rename(lab.path("disk/repo"), lab.path("elsewhere-too")).unwrap();
    let fresh = lab.path("fresh");
    let mut copy = std::process::Command::new("cp");
    let copied = copy.arg("-a").args([lab.path("potluck"), fresh.clone()]).status();
    assert!(copied.unwrap().success());
    for state in ["state/backed-up", "state/attempts", "state/signing-key"] {
        let path = fresh.join(state);
        let _ = fs::remove_dir_all(&path).or_else(|_| fs::remove_file(&path));
    }
    let mut potluck = lab.command();
    let made = potluck.env("POTLUCK_DIR", &fresh).args(["backup", "create", "t.example", "--json"]);
    let made = lab.tidy(&made.output().unwrap());
    assert_eq!(made.code, 0, "{made}");
    let report: serde_json::Value = serde_json::from_str(&made.stdout).unwrap();
    let told = report["warnings"].to_string();
    assert!(told.contains("this machine never made a backup there"), "{made}");
}

/// Servers may share a repository, and apps a name.
#[test]
fn apps_of_one_name_on_several_servers_are_told_apart() {
    let lab = Lab::new();
    lab.write("tiny/compose.yml", CONTENT);
    lab.write("tiny/.env.sample", "DOMAIN=\n");
    lab.write("password", "soup\n");
    fs::set_permissions(lab.path("password"), fs::Permissions::from_mode(0o600)).unwrap();
    let page = |server: &str| {
        let below = "volumes/t_example_content/_data/page";
        lab.path("potluck/state/simulated").join(server).join(below)
    };
    let run = |arguments: &[&str]| {
        let run = lab.run(arguments);
        assert_eq!(run.code, 0, "{arguments:?}: {run}");
        run
    };
    for server in ["one", "two", "three"] {
        run(&["server", "add", server, "simulated"]);
        lab.write(
            &format!("potluck/servers/{server}/server.yml"),
            &format!(
                "endpoint: simulated\nbackup:\n  repository: {}\n  password-file: {}\n  keep: \
                 {{last: 1}}\n",
                lab.path("repo").display(),
                lab.path("password").display()
            ),
        );
        run(&["app", "new", "./tiny", "--domain", "t.example", "--server", server]);
        run(&["app", "deploy", "t.example", "--server", server, "--no-input"]);
        fs::write(page(server), server).unwrap();
    }
    let create = |server: &str| {
        run(&["backup", "create", "t.example", "--server", server]).stdout.trim().to_owned()
    };
    let (one, two) = (create("one"), create("two"));
    let read = |server: &str| fs::read_to_string(page(server)).unwrap();

    // The newest of all is another server's.
    fs::write(page("one"), "spoiled").unwrap();
    run(&["backup", "restore", "t.example", "--server", "one", "--yes"]);
    assert_eq!(read("one"), "one");
    let listed = run(&["backup", "snapshots", "t.example", "--server", "one"]);
    assert!(listed.stdout.contains(&one) && !listed.stdout.contains(&two), "{listed}");
    assert!(listed.stderr.contains("t.example --of-server two` lists them"), "{listed}");
    let of_two = ["backup", "snapshots", "t.example", "--server", "one", "--of-server", "two"];
    let listed = run(&of_two);
    assert!(listed.stdout.contains(&two) && !listed.stdout.contains(&one), "{listed}");
    for server in ["one", "two"] {
        let kept = run(&["backup", "forget", "t.example", "--server", server]);
        assert!(kept.stderr.contains("0 backups removed, 1 kept"), "{kept}");
    }

    // One that has none does not count another's as its own.
    let status = lab.run(&["backup", "status", "--json"]);
    let status: serde_json::Value = serde_json::from_str(&status.stdout).unwrap();
    let severities: Vec<_> = status["apps"].as_array().unwrap().iter().collect();
    let of = |server: &str| severities.iter().find(|it| it["server"] == server).unwrap();
    assert_eq!(of("three")["findings"][0]["code"], "never", "{status}");
    assert_eq!(
        (&of("one")["set"], &of("two")["set"]),
        (&one.as_str().into(), &two.as_str().into())
    );
    let restore = ["backup", "restore", "t.example", "--server", "three", "--yes"];
    for more in [&[][..], &[&one[..]]] {
        let refused = lab.run(&[&restore[..], more].concat());
        assert!(refused.code == 1 && refused.stderr.contains("--of-server one"), "{refused}");
        assert_eq!(read("three"), "three");
    }
    let moved = run(&[&restore[..], &["--of-server", "one"]].concat());
    assert!(moved.stderr.contains("was taken of t.example on the server one"), "{moved}");
    assert_eq!(read("three"), "one");

    // What a server left that is gone can be removed, what is another's cannot.
    let remove = ["backup", "rm", "t.example", &one, "--yes", "--force", "--server", "three"];
    let remove = [&remove[..], &["--of-server", "one"]].concat();
    let refused = lab.run(&remove);
    assert!(refused.code == 1 && refused.stderr.contains("with `--server one`"), "{refused}");
    fs::remove_dir_all(lab.path("potluck/servers/one")).unwrap();
    run(&remove);
    run(&["backup", "restore", "t.example", "--server", "two", "--yes"]);
}
