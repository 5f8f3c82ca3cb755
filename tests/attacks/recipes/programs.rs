//! Programs that a recipe brings along, to be run as the operator.

use std::process::Command;

use super::{Guest, QUIET, attack, world::NEW};

fn git(guest: &Guest, arguments: &[&str]) {
    let done = Command::new("git")
        .args(["-c", "user.name=t", "-c", "user.email=t@example.org"])
        .args(arguments)
        .current_dir(guest.folder())
        .output()
        .unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

fn release(guest: &Guest) {
    git(guest, &["init", "-q"]);
    git(guest, &["add", "-A"]);
    git(guest, &["commit", "-qm", "x"]);
    git(guest, &["tag", "-a", "1.0.0", "-m", "x"]);
}

/// Every command that only looks, and the one that deploys.
fn look_and_deploy(guest: &Guest) {
    guest.run(&["recipe", "lint", "RECIPE", "1.0.0"]);
    guest.run(&["plugin", "inspect", "RECIPE", "--version", "1.0.0"]);
    guest.run(NEW);
    guest.run(&["app", "check", "APP"]);
    guest.run(&["app", "deploy", "APP", "1.0.0", "--dry-run", "-n"]);
    guest.run(&["app", "deploy", "APP", "1.0.0", "-n"]);
}

#[test]
fn git_fetches_a_missing_object_with_a_program_of_the_recipe() {
    attack(|guest| {
        guest.compose(QUIET);
        release(guest);
        let blob = Command::new("git")
            .args(["rev-parse", "1.0.0:compose.yml"])
            .current_dir(guest.folder())
            .output()
            .unwrap();
        let blob = String::from_utf8(blob.stdout).unwrap();
        let (folder, name) = blob.trim().split_at(2);
        let objects = guest.folder().join(".git/objects");
        std::fs::remove_file(objects.join(folder).join(name)).unwrap();
        for (key, value) in [
            ("remote.origin.url", "ssh://example.invalid/x.git"),
            ("remote.origin.promisor", "true"),
            ("remote.origin.partialclonefilter", "blob:none"),
            ("core.repositoryformatversion", "1"),
            ("extensions.partialClone", "origin"),
            ("core.sshCommand", "PROGRAM"),
        ] {
            git(guest, &["config", key, &guest.text(value)]);
        }
        look_and_deploy(guest);
        assert_eq!(guest.run(&["recipe", "lint", "RECIPE", "1.0.0"]).code, 1);
    });
}

#[test]
fn git_is_told_to_run_programs_when_it_looks_at_files() {
    attack(|guest| {
        guest.compose(QUIET);
        guest.write(".gitattributes", "* filter=run diff=run\n");
        release(guest);
        for key in [
            "core.fsmonitor",
            "core.pager",
            "core.editor",
            "diff.external",
            "filter.run.smudge",
            "filter.run.clean",
            "filter.run.process",
            "diff.run.textconv",
            "core.hooksPath",
            "credential.helper",
            "core.gitProxy",
            "uploadpack.packObjectsHook",
        ] {
            git(guest, &["config", key, &guest.text("PROGRAM")]);
        }
        for hook in ["post-checkout", "post-index-change", "reference-transaction"] {
            std::os::unix::fs::symlink(
                guest.text("PROGRAM"),
                guest.folder().join(".git/hooks").join(hook),
            )
            .unwrap();
        }
        look_and_deploy(guest);
    });
}

#[test]
fn the_shell_file_of_older_recipes_runs_programs() {
    attack(|guest| {
        guest.compose(QUIET);
        guest.write("abra.sh", "PROGRAM\nexport A=$(PROGRAM)\nB=`PROGRAM`\nf() { PROGRAM; }\nf\n");
        guest.new_app();
        guest.run(&["app", "check", "APP"]);
        guest.run(&["app", "deploy", "APP", "-n"]);
        guest.run(&["app", "cmd", "APP", "f"]);
    });
}

#[test]
fn settings_hold_what_a_shell_would_run() {
    attack(|guest| {
        guest.compose(&QUIET.replace(
            "    deploy:",
            "    environment: {A: \"${A}\", B: \"${B}\", C: \"$(PROGRAM)\"}\n    deploy:",
        ));
        guest.write(".env.sample", "TYPE=x\nDOMAIN=x\nA=$(PROGRAM)\nB=\"`PROGRAM`\"\n");
        guest.run(NEW);
        guest.run(&["app", "deploy", "APP", "-n"]);
    });
}

#[test]
fn a_recipe_in_git_asks_for_a_port_of_this_machine() {
    attack(|guest| {
        guest.compose(QUIET);
        release(guest);
        let submodule =
            guest.text("[submodule \"s\"]\n\tpath = s\n\turl = http://127.0.0.1:PORT/s.git\n");
        guest.write(".gitmodules", &submodule);
        git(guest, &["add", "-A"]);
        git(guest, &["commit", "-qm", "submodule"]);
        for (key, value) in [
            ("remote.origin.url", "http://127.0.0.1:PORT/x.git"),
            ("submodule.s.url", "http://127.0.0.1:PORT/s.git"),
            ("submodule.recurse", "true"),
            ("fetch.recurseSubmodules", "true"),
        ] {
            git(guest, &["config", key, &guest.text(value)]);
        }
        look_and_deploy(guest);
    });
}
