//! Recipes whose repository is a trap: configuration, hooks, attributes, links
//! and object stores by which git would run a program, fetch or read what lies
//! elsewhere. git must never run in them; what they hold is read as data.
//!
//! Each trap is sprung by a plain git at the end, where a plain git springs it, so
//! that none passes because it was built wrongly.

use crate::support::cli;
use crate::support::common::skip;

use std::{
    fs,
    io::Write,
    os::unix::fs::{PermissionsExt, chown, symlink},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use cli::{Lab, Run};

const COMPOSE: &str = "services: {app: {image: 'busybox:1', deploy: {endpoint_mode: dnsrr}}}\n";
const APP: &str = "evil.example.org";

/// A recipe with a released version, and a program that leaves a mark.
struct Trap {
    lab: Lab,
}

/// What reading such a recipe's version ends in.
enum Outcome<'a> {
    Read,
    /// An error with these words.
    Refused(&'a str),
    /// An error with some of these words: where it is read, and where it is cloned.
    RefusedByEither(&'a [&'a str]),
}

impl Trap {
    fn new() -> Self {
        let lab = Lab::new();
        lab.write("evil/compose.yml", COMPOSE);
        lab.write("evil/.env.sample", "TYPE=evil\nDOMAIN=evil.example.org\n");
        lab.write("evil/recipe.yml", "plugins: []\n");
        let script = format!("#!/bin/sh\n: >'{}'\nexit 1\n", lab.path("mark").display());
        lab.write("run", &script);
        fs::set_permissions(lab.path("run"), fs::Permissions::from_mode(0o755)).unwrap();
        let trap = Trap { lab };
        trap.git(&["init", "-q", "-b", "main"]);
        trap.commit("1.0.0");
        trap
    }

    fn commit(&self, version: &str) {
        self.git(&["add", "--all"]);
        self.git(&["commit", "-q", "--allow-empty", "-m", version]);
        self.git(&["tag", "-a", "-m", version, version]);
    }

    fn folder(&self) -> PathBuf {
        self.lab.path("evil")
    }

    fn program(&self) -> String {
        self.lab.path("run").display().to_string()
    }

    fn git(&self, arguments: &[&str]) -> String {
        let (done, said) = self.try_git(&self.folder(), arguments, "");
        assert!(done, "git {arguments:?}: {said}");
        said
    }

    fn config(&self, key: &str, value: &str) {
        self.git(&["config", key, value]);
    }

    /// A plain git, with a person's configuration of their own.
    fn try_git(&self, folder: &Path, arguments: &[&str], input: &str) -> (bool, String) {
        let mut git = Command::new("git")
            .args(["-c", "user.name=t", "-c", "user.email=t@example.org", "-C"])
            .arg(folder)
            .args(arguments)
            .env("HOME", self.lab.path("home"))
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_TERMINAL_PROMPT", "0")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        git.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        let output = git.wait_with_output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&said).trim().to_owned())
    }

    fn sprung(&self) -> bool {
        self.lab.path("mark").exists()
    }

    /// Looks at the recipe and deploys it, in every way that there is.
    fn play(&self, outcome: &Outcome<'_>) {
        let read = |run: &Run| {
            assert!(!self.sprung(), "the program ran\n{run}");
            match outcome {
                Outcome::Read => assert_eq!(run.code, 0, "{run}"),
                Outcome::Refused(why) => {
                    assert_eq!(run.code, 1, "{run}");
                    assert!(run.stderr.contains(why), "{run}");
                }
                Outcome::RefusedByEither(all) => {
                    assert_eq!(run.code, 1, "{run}");
                    assert!(all.iter().any(|why| run.stderr.contains(why)), "{run}");
                }
            }
        };
        // Where there is no plugin to show, that is said instead.
        let inspected = |run: &Run| {
            assert!(!self.sprung(), "the program ran\n{run}");
            let why = match outcome {
                Outcome::Read => "has no plugins",
                Outcome::Refused(why) => why,
                Outcome::RefusedByEither(all) => all[0],
            };
            assert!(run.stderr.contains(why), "{run}");
        };
        read(&self.lab.run(&["recipe", "lint", "./evil", "1.0.0"]));
        read(&self.lab.run(&["recipe", "lint", self.folder().to_str().unwrap(), "main"]));
        inspected(&self.lab.run(&["plugin", "inspect", "./evil", "--version", "1.0.0"]));
        let mut inside = self.lab.command();
        inside.current_dir(self.folder()).args(["recipe", "lint", "../evil", "1.0.0"]);
        let inside = inside.output().unwrap();
        assert!(!self.sprung(), "the program ran\n{inside:?}");
        // Its working files need no git at all.
        let working = self.lab.run(&["recipe", "lint", "./evil"]);
        assert!(working.code == 0 && !self.sprung(), "{working}");

        // A folder that is linked.
        fs::create_dir_all(self.lab.path("potluck/recipes")).unwrap();
        symlink(self.folder(), self.lab.path("potluck/recipes/evil")).unwrap();
        let new = self.lab.run(&["app", "new", "evil", "--domain", APP, "--server=simulated"]);
        assert!(new.code == 0 && !self.sprung(), "{new}");
        read(&self.lab.run(&["app", "deploy", APP, "1.0.0", "--dry-run"]));
        let working = self.lab.run(&["app", "deploy", APP, "--dry-run"]);
        assert!(working.code == 0 && !self.sprung(), "{working}");

        // A clone that came with a shared folder, twice: a copy is kept.
        fs::remove_file(self.lab.path("potluck/recipes/evil")).unwrap();
        self.copy_into_recipes();
        for _ in 0..2 {
            read(&self.lab.run(&["app", "deploy", APP, "1.0.0", "--dry-run"]));
        }
        let listed = self.lab.run(&["recipe", "ls"]);
        assert!(!self.sprung(), "{listed}");

        // One that is taken in.
        fs::remove_dir_all(self.lab.path("potluck")).unwrap();
        let url = format!("file://{}", self.folder().display());
        for given in ["./evil", url.as_str()] {
            let domain = format!("{}.example.org", if given == url { "b" } else { "a" });
            let arguments = ["app", "new", given, "--domain", &domain, "--server=simulated"];
            read(&self.lab.run(&arguments));
            let again = self.lab.run(&arguments);
            assert!(!self.sprung(), "{again}");
            let _ = fs::remove_dir_all(self.lab.path("potluck"));
        }
    }

    fn copy_into_recipes(&self) {
        let place = self.lab.path("potluck/recipes/evil");
        let copied = Command::new("cp").arg("-a").arg(self.folder()).arg(place).status().unwrap();
        assert!(copied.success());
    }

    /// The trap is a trap: a plain git falls into it.
    fn springs(&self, arguments: &[&str]) {
        self.springs_in("evil", arguments, "");
    }

    fn springs_in(&self, folder: &str, arguments: &[&str], input: &str) {
        let (_, said) = self.try_git(&self.lab.path(folder), arguments, input);
        assert!(self.sprung(), "no trap: git {arguments:?} did not run the program: {said}");
    }

    /// A blob of the version is missing, so that git would fetch it.
    fn lose_a_blob(&self) {
        let blob = self.git(&["rev-parse", "1.0.0:compose.yml"]);
        let path = format!("evil/.git/objects/{}/{}", &blob[..2], &blob[2..]);
        fs::remove_file(self.lab.path(&path)).unwrap();
    }

    /// Its objects are in a pack that says that others may be missing.
    fn promise(&self) {
        let objects = self.folder().join(".git/objects");
        let mut ids = String::new();
        for folder in fs::read_dir(&objects).unwrap().map(|entry| entry.unwrap().path()) {
            let begin = folder.file_name().unwrap().to_str().unwrap().to_owned();
            if begin.len() != 2 {
                continue;
            }
            for object in fs::read_dir(&folder).unwrap() {
                ids += &format!("{begin}{}\n", object.unwrap().file_name().to_str().unwrap());
            }
        }
        let pack = objects.join("pack/pack");
        let pack = ["pack-objects", "-q", pack.to_str().unwrap()];
        let (done, id) = self.try_git(&self.folder(), &pack, &ids);
        assert!(done, "{id}");
        fs::write(objects.join(format!("pack/pack-{id}.promisor")), "").unwrap();
        self.git(&["prune-packed"]);
    }

    fn hook(&self, git_dir: &str, name: &str) {
        let hook = self.lab.path(&format!("{git_dir}/hooks/{name}"));
        fs::create_dir_all(hook.parent().unwrap()).unwrap();
        fs::copy(self.lab.path("run"), hook).unwrap();
    }
}

#[test]
fn a_missing_object_is_not_fetched_by_the_ssh_command_of_the_repository() {
    let trap = Trap::new();
    trap.lose_a_blob();
    trap.config("remote.origin.url", "ssh://example.invalid/x.git");
    trap.config("remote.origin.promisor", "true");
    trap.config("remote.origin.partialclonefilter", "blob:none");
    trap.config("core.repositoryformatversion", "1");
    trap.config("extensions.partialClone", "origin");
    trap.config("core.sshCommand", &trap.program());
    trap.play(&Outcome::Refused("objects are missing or damaged: missing blob"));
    trap.springs(&["cat-file", "-p", "1.0.0:compose.yml"]);
}

#[test]
fn a_missing_object_is_not_fetched_by_an_upload_pack_of_the_repository() {
    let trap = Trap::new();
    trap.lose_a_blob();
    trap.config("remote.origin.url", trap.folder().to_str().unwrap());
    trap.config("remote.origin.uploadpack", &trap.program());
    trap.config("remote.origin.promisor", "true");
    trap.config("core.repositoryformatversion", "1");
    trap.config("extensions.partialClone", "origin");
    trap.play(&Outcome::Refused("objects are missing or damaged: missing blob"));
    trap.springs(&["cat-file", "-p", "1.0.0:compose.yml"]);
}

#[test]
fn a_partial_clone_is_read_without_what_it_lacks() {
    let trap = Trap::new();
    trap.lose_a_blob();
    trap.promise();
    trap.config("remote.origin.url", "ssh://example.invalid/x.git");
    trap.config("remote.origin.promisor", "true");
    trap.config("core.repositoryformatversion", "1");
    trap.config("extensions.partialClone", "origin");
    trap.config("core.sshCommand", &trap.program());
    trap.play(&Outcome::RefusedByEither(&["missing` of compose.yml", "cloning "]));
    trap.springs(&["cat-file", "-p", "1.0.0:compose.yml"]);
}

#[test]
fn an_address_is_not_rewritten_by_the_repository() {
    let trap = Trap::new();
    trap.config("remote.origin.url", "https://example.invalid/x.git");
    trap.config(&format!("url.ext::{} .insteadOf", trap.program()), "https://example.invalid/");
    trap.config("protocol.ext.allow", "always");
    trap.play(&Outcome::Read);
    trap.springs(&["fetch", "origin"]);
}

#[test]
fn an_origin_of_another_protocol_is_not_fetched() {
    let trap = Trap::new();
    trap.config("remote.origin.url", &format!("ext::{} x", trap.program()));
    trap.config("protocol.ext.allow", "always");
    trap.play(&Outcome::Read);
    trap.springs(&["fetch", "origin"]);
}

#[test]
fn the_git_proxy_of_the_repository_is_not_started() {
    let trap = Trap::new();
    trap.config("remote.origin.url", "git://example.invalid/x.git");
    trap.config("core.gitProxy", &trap.program());
    trap.play(&Outcome::Read);
    trap.springs(&["fetch", "origin"]);
}

#[test]
fn hooks_of_the_repository_do_not_run() {
    let trap = Trap::new();
    for hook in [
        "post-checkout",
        "reference-transaction",
        "post-index-change",
        "pre-auto-gc",
        "post-merge",
        "post-rewrite",
        "fsmonitor-watchman",
        "pre-push",
        "update",
        "proc-receive",
    ] {
        trap.hook("evil/.git", hook);
    }
    trap.play(&Outcome::Read);
    trap.springs(&["tag", "x"]);
}

#[test]
fn hooks_of_another_folder_do_not_run() {
    let trap = Trap::new();
    trap.lab.write("evil/hidden/x", "");
    trap.hook("evil/hidden", "reference-transaction");
    trap.config("core.hooksPath", trap.lab.path("evil/hidden/hooks").to_str().unwrap());
    trap.play(&Outcome::Read);
    trap.springs(&["tag", "x"]);
}

#[test]
fn filters_of_the_repository_do_not_run() {
    let trap = Trap::new();
    trap.lab.write("evil/.gitattributes", "* filter=evil text=auto\n");
    trap.config("filter.evil.smudge", &trap.program());
    trap.config("filter.evil.process", &trap.program());
    let attributes = trap.lab.path("evil/.git/info/attributes");
    fs::create_dir_all(attributes.parent().unwrap()).unwrap();
    fs::write(attributes, "* filter=evil\n").unwrap();
    trap.git(&["-c", "filter.evil.process=", "add", ".gitattributes"]);
    trap.git(&["-c", "filter.evil.process=", "commit", "-qm", "x"]);
    trap.git(&["tag", "-f", "1.0.0"]);
    trap.play(&Outcome::Read);
    fs::remove_file(trap.lab.path("evil/compose.yml")).unwrap();
    trap.springs(&["checkout", "compose.yml"]);
}

/// A filter of the person's own, such as git-lfs, is told by the recipe's files
/// what to do, and where to fetch from.
#[test]
fn filters_of_the_person_are_not_started_for_a_recipe() {
    let trap = Trap::new();
    trap.lab.write("evil/.gitattributes", "* filter=own\n");
    trap.commit("1.1.0");
    let own = format!("[filter \"own\"]\n\tsmudge = {}\n", trap.program());
    trap.lab.write("home/.gitconfig", &own);
    trap.play(&Outcome::Read);
    fs::remove_file(trap.lab.path("evil/compose.yml")).unwrap();
    trap.springs(&["checkout", "compose.yml"]);
}

#[test]
fn the_file_system_monitor_of_the_repository_is_not_started() {
    let trap = Trap::new();
    trap.config("core.fsmonitor", &trap.program());
    trap.play(&Outcome::Read);
    trap.springs(&["status"]);
}

#[test]
fn the_pager_and_the_editor_of_the_repository_are_not_started() {
    let trap = Trap::new();
    for key in ["core.pager", "pager.log", "pager.tag", "pager.config", "core.editor"] {
        trap.config(key, &trap.program());
    }
    trap.play(&Outcome::Read);
    trap.springs(&["commit", "--amend"]);
}

#[test]
fn credentials_are_not_asked_of_programs_of_the_repository() {
    for key in ["credential.helper", "core.askPass"] {
        let trap = Trap::new();
        trap.config("remote.origin.url", "https://example.invalid/x.git");
        trap.config(key, &trap.program());
        trap.play(&Outcome::Read);
        trap.springs_in(
            "evil",
            &["credential", "fill"],
            "protocol=https\nhost=example.invalid\n\n",
        );
    }
}

#[test]
fn included_configuration_is_not_read() {
    for key in ["include.path", "includeIf.gitdir:**.path", "includeIf.onbranch:**.path"] {
        let trap = Trap::new();
        let more = format!("[core]\n\tfsmonitor = {}\n", trap.program());
        trap.lab.write("evil/more", &more);
        trap.config(key, "../more");
        trap.play(&Outcome::Read);
        trap.springs(&["status"]);
    }
}

/// What `origin` is, is not read from an included file either.
#[test]
fn the_address_of_origin_is_not_included() {
    let trap = Trap::new();
    trap.lab.write("evil/more", "[remote \"origin\"]\n\turl = https://example.invalid/x\n");
    trap.config("include.path", "../more");
    trap.copy_into_recipes_of_a_new_folder();
    let run = trap.lab.run(&[
        "app",
        "new",
        "file:///elsewhere/evil",
        "--domain",
        APP,
        "--server=simulated",
    ]);
    assert!(run.stderr.contains("exists already, from this folder"), "{run}");
}

#[test]
fn configuration_of_a_worktree_is_not_read() {
    let trap = Trap::new();
    trap.config("core.repositoryformatversion", "1");
    trap.config("extensions.worktreeConfig", "true");
    let more = format!("[core]\n\tfsmonitor = {}\n", trap.program());
    trap.lab.write("evil/.git/config.worktree", &more);
    trap.play(&Outcome::Read);
    trap.springs(&["status"]);
}

#[test]
fn another_folder_is_not_taken_for_the_work_tree() {
    let trap = Trap::new();
    trap.lab.write("elsewhere/compose.yml", "not: a compose file\n");
    trap.config("core.worktree", trap.lab.path("elsewhere").to_str().unwrap());
    trap.play(&Outcome::Read);
}

#[test]
fn a_bare_repository_in_the_folder_is_not_entered() {
    let trap = Trap::new();
    let inner = trap.lab.path("evil/inner");
    let (done, said) =
        trap.try_git(&trap.lab.path(""), &["clone", "-q", "--bare", "evil", "evil/inner"], "");
    assert!(done, "{said}");
    trap.hook("evil/inner", "reference-transaction");
    trap.commit("1.1.0");
    trap.play(&Outcome::Read);
    let mut inside = trap.lab.command();
    inside.current_dir(&inner).args(["recipe", "lint", "../../evil", "1.0.0"]);
    let inside = inside.output().unwrap();
    assert!(inside.status.success() && !trap.sprung(), "{inside:?}");
    trap.springs_in("evil/inner", &["tag", "x"], "");
}

#[test]
fn a_bare_repository_is_read_as_data_too() {
    let trap = Trap::new();
    let (done, said) =
        trap.try_git(&trap.lab.path(""), &["clone", "-q", "--bare", "evil", "bare"], "");
    assert!(done, "{said}");
    trap.hook("bare", "reference-transaction");
    for run in [
        trap.lab.run(&["recipe", "lint", "./bare", "1.0.0"]),
        trap.lab.run(&["recipe", "lint", "./bare"]),
        trap.lab.run(&["app", "new", "./bare", "--domain", APP, "--server=simulated"]),
        trap.lab.run(&["app", "deploy", APP, "--dry-run"]),
    ] {
        assert!(run.code == 0 && !trap.sprung(), "{run}");
    }
    trap.springs_in("bare", &["tag", "x"], "");
}

#[test]
fn submodules_are_left_alone() {
    let trap = Trap::new();
    let id = trap.git(&["rev-parse", "HEAD"]);
    trap.lab.write("evil/.gitmodules", "[submodule \"s\"]\n\tpath = s\n\turl = ./s\n");
    trap.git(&["add", ".gitmodules"]);
    trap.git(&["update-index", "--add", "--cacheinfo", &format!("160000,{id},s")]);
    trap.git(&["commit", "-qm", "x"]);
    trap.git(&["tag", "-f", "1.0.0"]);
    trap.config("submodule.s.url", trap.folder().to_str().unwrap());
    trap.config("submodule.s.update", &format!("!{}", trap.program()));
    trap.config("submodule.recurse", "true");
    trap.play(&Outcome::Read);
    trap.springs(&["-c", "protocol.file.allow=always", "submodule", "update", "--init"]);
}

/// git refuses to check out such a tree; a recipe with it is refused before.
#[test]
fn a_submodule_that_hides_an_option_is_refused() {
    let trap = Trap::new();
    let id = trap.git(&["rev-parse", "HEAD"]);
    trap.lab.write("evil/.gitmodules", "[submodule \"s\"]\n\tpath = s\n\turl = -u./payload\n");
    trap.git(&["add", ".gitmodules"]);
    trap.git(&["update-index", "--add", "--cacheinfo", &format!("160000,{id},s")]);
    trap.git(&["commit", "-qm", "x"]);
    trap.git(&["tag", "-f", "1.0.0"]);
    trap.play(&Outcome::Refused("disallowed submodule url"));
}

#[test]
fn drivers_of_differences_do_not_run() {
    let trap = Trap::new();
    trap.lab.write("evil/.gitattributes", "* diff=evil merge=evil\n");
    trap.commit("1.1.0");
    trap.config("diff.external", &trap.program());
    trap.config("diff.evil.textconv", &trap.program());
    trap.config("diff.evil.command", &trap.program());
    trap.config("merge.evil.driver", &trap.program());
    trap.lab.write("evil/compose.yml", &format!("{COMPOSE}# changed\n"));
    trap.play(&Outcome::Read);
    trap.springs(&["diff"]);
}

#[test]
fn signatures_are_not_checked_by_a_program_of_the_repository() {
    let trap = Trap::new();
    for key in ["gpg.program", "gpg.x509.program", "gpg.ssh.program"] {
        trap.config(key, &trap.program());
    }
    trap.config("log.showSignature", "true");
    trap.play(&Outcome::Read);
    trap.springs(&["tag", "-s", "-m", "x", "signed"]);
}

/// git reads this key from the person's configuration only; so do we, as we
/// start no upload-pack in what others made.
#[test]
fn packs_are_not_made_by_a_program_of_the_repository() {
    let trap = Trap::new();
    trap.config("uploadpack.packObjectsHook", &trap.program());
    trap.play(&Outcome::Read);
    let url = format!("file://{}", trap.folder().display());
    let global = format!("[uploadpack]\n\tpackObjectsHook = {}\n", trap.program());
    trap.lab.write("home/.gitconfig", &global);
    let run = trap.lab.run(&["app", "new", &url, "--domain", APP, "--server=simulated"]);
    assert!(run.code == 0 && !trap.sprung(), "{run}");
    trap.springs_in("", &["clone", "-q", &url, "control"], "");
}

#[test]
fn objects_are_not_read_from_another_repository() {
    let trap = Trap::new();
    trap.lab.write("private/secret", "hers");
    let private = trap.lab.path("private");
    for arguments in [&["init", "-q"][..], &["add", "."], &["commit", "-qm", "x"]] {
        assert!(trap.try_git(&private, arguments, "").0);
    }
    let objects = private.join(".git/objects");
    trap.lab.write("evil/.git/objects/info/alternates", &format!("{}\n", objects.display()));
    trap.config("core.alternateRefsCommand", &trap.program());
    trap.play(&Outcome::Refused("keeps its objects in another repository"));
    let blob = trap.try_git(&private, &["rev-parse", "HEAD:secret"], "").1;
    assert_eq!(trap.git(&["cat-file", "-p", &blob]), "hers");
}

#[test]
fn replaced_objects_are_read_as_they_were() {
    let trap = Trap::new();
    let blob = trap.git(&["rev-parse", "1.0.0:compose.yml"]);
    let (_, other) = trap.try_git(
        &trap.folder(),
        &["hash-object", "-w", "--stdin"],
        "services: {app: {imagge: x}}\n",
    );
    trap.git(&["replace", &blob, &other]);
    trap.lab.write("evil/.git/info/grafts", &format!("{}\n", trap.git(&["rev-parse", "HEAD"])));
    trap.play(&Outcome::Read);
    assert!(trap.git(&["cat-file", "-p", "1.0.0:compose.yml"]).contains("imagge"));
}

#[test]
fn a_history_that_was_cut_off_is_read() {
    let trap = Trap::new();
    trap.commit("1.1.0");
    let url = format!("file://{}", trap.folder().display());
    let arguments = ["clone", "-q", "--depth=1", "--branch=1.1.0", &url, "cut"];
    let (done, said) = trap.try_git(&trap.lab.path(""), &arguments, "");
    assert!(done, "{said}");
    let run = trap.lab.run(&["recipe", "lint", "./cut", "1.1.0"]);
    assert_eq!(run.code, 0, "{run}");
    trap.lab.write("cut/.git/shallow", "not an id\n");
    let run = trap.lab.run(&["recipe", "lint", "./cut", "1.1.0"]);
    assert!(run.code == 1 && run.stderr.contains("shallow commits is invalid"), "{run}");
}

#[test]
fn a_pointer_to_another_folder_is_not_followed() {
    let trap = Trap::new();
    let elsewhere = trap.lab.path("elsewhere.git");
    fs::rename(trap.lab.path("evil/.git"), &elsewhere).unwrap();
    let pointer = format!("gitdir: {}\n", elsewhere.display());
    trap.lab.write("evil/.git", &pointer);
    trap.play(&Outcome::Refused("`.git` points to another folder"));
    fs::remove_file(trap.lab.path("evil/.git")).unwrap();
    symlink(&elsewhere, trap.lab.path("evil/.git")).unwrap();
    trap.play(&Outcome::Refused("`.git` is a link"));
}

#[test]
fn links_in_a_git_directory_are_not_followed() {
    for name in ["objects", "refs", "HEAD", "objects/pack", "refs/tags", "packed-refs", "shallow"] {
        let trap = Trap::new();
        trap.git(&["gc", "-q"]);
        let (inside, outside) = (trap.lab.path("evil/.git").join(name), trap.lab.path("outside"));
        if inside.exists() {
            fs::rename(&inside, &outside).unwrap();
        } else {
            fs::write(&outside, trap.git(&["rev-parse", "HEAD"])).unwrap();
        }
        symlink(&outside, &inside).unwrap();
        let run = trap.lab.run(&["recipe", "lint", "./evil", "1.0.0"]);
        assert_eq!(run.code, 1, "{name}: {run}");
    }
}

#[test]
fn an_object_that_is_not_what_its_name_says_is_refused() {
    let trap = Trap::new();
    let path = |id: &str| trap.lab.path(&format!("evil/.git/objects/{}/{}", &id[..2], &id[2..]));
    let blob = trap.git(&["rev-parse", "1.0.0:compose.yml"]);
    let other = trap.git(&["rev-parse", "1.0.0:.env.sample"]);
    fs::remove_file(path(&blob)).unwrap();
    fs::copy(path(&other), path(&blob)).unwrap();
    trap.play(&Outcome::Refused("objects are missing or damaged"));
}

#[test]
fn an_index_of_a_pack_is_made_anew() {
    let trap = Trap::new();
    trap.git(&["gc", "-q"]);
    for entry in fs::read_dir(trap.lab.path("evil/.git/objects/pack")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension != "pack") {
            fs::remove_file(&path).unwrap();
            fs::write(&path, "rubbish").unwrap();
        }
    }
    trap.play(&Outcome::Read);
}

/// Slips that old tools made in histories that are in use.
#[test]
fn old_slips_in_a_history_harm_nobody() {
    let trap = Trap::new();
    let tree = trap.git(&["rev-parse", "HEAD^{tree}"]);
    for author in ["T <t@example.org> 1 +051800", "T <t@example.org>1 +0000"] {
        let commit = format!("tree {tree}\nauthor {author}\ncommitter {author}\n\nx\n");
        let write = ["hash-object", "-w", "-t", "commit", "--literally", "--stdin"];
        let (made, id) = trap.try_git(&trap.folder(), &write, &commit);
        assert!(made, "{id}");
        trap.git(&["tag", "-f", "1.0.0", &id]);
        let (sound, said) = trap.try_git(&trap.folder(), &["fsck", "--strict"], "");
        assert!(!sound, "git takes it: {said}");
        let run = trap.lab.run(&["recipe", "lint", "./evil", "1.0.0"]);
        assert_eq!(run.code, 0, "{run}");
    }
}

/// Ten folders in a folder, ten times over: some kilobytes of objects, and ten
/// billion files.
#[test]
fn a_tree_of_a_billion_files_is_not_written() {
    let trap = Trap::new();
    let mut id = trap.git(&["rev-parse", "HEAD:.env.sample"]);
    let mut kind = ("100644", "blob");
    for _ in 0..10 {
        let entries: String =
            (0..10).map(|n| format!("{} {} {id}\t{n}\n", kind.0, kind.1)).collect();
        let (made, said) = trap.try_git(&trap.folder(), &["mktree"], &entries);
        assert!(made, "{said}");
        id = said;
        kind = ("040000", "tree");
    }
    let commit = trap.git(&["commit-tree", "-m", "x", &id]);
    trap.git(&["update-ref", "refs/heads/main", &commit]);
    trap.git(&["tag", "-f", "1.0.0", &commit]);
    for arguments in [
        &["recipe", "lint", "./evil", "1.0.0"][..],
        &["app", "new", "./evil", "--domain", APP, "--server=simulated"],
    ] {
        let run = trap.lab.run(arguments);
        assert_eq!(run.code, 1, "{run}");
        let why = ["git said more than", "too large"];
        assert!(why.iter().any(|why| run.stderr.contains(why)), "{run}");
    }
    assert_eq!(fs::read_dir(trap.lab.path("potluck/recipes")).unwrap().count(), 0);
}

#[test]
fn other_kinds_of_repositories_are_refused_plainly() {
    for (option, why, hint) in [
        ("--object-format=sha256", "its ids are SHA-256", "sha1"),
        ("--ref-format=reftable", "stores its references as a reftable", "git refs migrate"),
    ] {
        let trap = Trap::new();
        fs::remove_dir_all(trap.lab.path("evil/.git")).unwrap();
        let (made, said) = trap.try_git(&trap.folder(), &["init", "-q", "-b", "main", option], "");
        if !made {
            skip::skip(&format!("git knows no {option}: {said}"));
            continue;
        }
        trap.commit("1.0.0");
        trap.play(&Outcome::Refused(why));
        let run = trap.lab.run(&["recipe", "lint", "./evil", "1.0.0"]);
        assert!(run.stderr.contains("hint: ") && run.stderr.contains(hint), "{run}");
    }
}

/// git itself would not read it ("dubious ownership"), as its configuration could
/// run programs; as data it is like any other.
#[test]
fn a_folder_of_another_user_is_read() {
    if !rustix::process::geteuid().is_root() {
        skip::skip("only root gives files away");
        return;
    }
    let trap = Trap::new();
    trap.config("core.fsmonitor", &trap.program());
    let given = Command::new("chown").args(["-R", "65534:65534"]).arg(trap.folder()).status();
    assert!(given.unwrap().success());
    trap.play(&Outcome::Read);
    chown(trap.folder().join(".git"), Some(0), Some(0)).unwrap();
    chown(trap.folder(), Some(0), Some(0)).unwrap();
    trap.springs(&["status"]);
}

#[test]
fn a_cache_that_others_can_write_is_not_used() {
    let trap = Trap::new();
    trap.copy_into_recipes_of_a_new_folder();
    let arguments = ["app", "new", "evil", "--domain", APP, "--server=simulated"];
    assert_eq!(trap.lab.run(&arguments).code, 0);
    let deploy = || trap.lab.run(&["app", "deploy", APP, "1.0.0", "--dry-run"]);
    assert_eq!(deploy().code, 0);
    let cache = trap.lab.path("potluck/cache/recipes");
    let entries = || fs::read_dir(&cache).unwrap().map(|entry| entry.unwrap().path());
    let kept: Vec<_> = entries().collect();
    assert_eq!(kept.len(), 1, "{kept:?}");
    // What it holds is used, with nothing of the recipe's configuration in it.
    assert_eq!(deploy().code, 0);
    let config = fs::read_to_string(kept[0].join("config")).unwrap();
    assert_eq!(config, "[core]\n\trepositoryformatversion = 0\n\tbare = true\n");
    // Damaged, it is made anew.
    fs::remove_dir_all(kept[0].join("objects")).unwrap();
    assert_eq!(deploy().code, 0);
    assert!(kept[0].join("objects").exists());
    fs::set_permissions(&cache, fs::Permissions::from_mode(0o755)).unwrap();
    fs::remove_dir_all(&kept[0]).unwrap();
    assert_eq!(deploy().code, 0);
    assert_eq!(entries().count(), 0);
}

/// The person's own configuration says how a server is reached; a clone's says
/// nothing. The server is git's own, behind an ssh that is none.
#[test]
fn a_fetch_keeps_the_persons_configuration_and_nothing_of_the_clones() {
    let trap = Trap::new();
    let ssh = "#!/bin/sh\nfor last; do :; done\n: >\"$HOME/used\"\nexec sh -c \"$last\"\n";
    trap.lab.write("home/ssh", ssh);
    fs::set_permissions(trap.lab.path("home/ssh"), fs::Permissions::from_mode(0o755)).unwrap();
    let own = format!("[core]\n\tsshCommand = {}\n", trap.lab.path("home/ssh").display());
    trap.lab.write("home/.gitconfig", &own);
    let url = format!("git@example.invalid:{}", trap.folder().display());
    let new = |domain: &str| {
        trap.lab.run(&["app", "new", &url, "--domain", domain, "--server=simulated"])
    };
    let run = new("a.example.org");
    assert_eq!(run.code, 0, "{run}");
    assert!(trap.lab.path("home/used").exists());
    let clone = trap.lab.path("potluck/recipes/evil");
    assert_eq!(fs::read_to_string(clone.join("compose.yml")).unwrap(), COMPOSE);
    let (_, said) = trap.try_git(&clone, &["status", "--porcelain", "--branch"], "");
    assert_eq!(said, "## main...origin/main");
    // The clone turns into a trap, and another version is released.
    for (key, value) in [
        ("core.sshCommand", trap.program()),
        ("remote.origin.uploadpack", trap.program()),
        ("remote.origin.proxy", "ext::x".into()),
        ("core.fsmonitor", trap.program()),
        ("remote.origin.fetch", "+refs/heads/*:refs/heads/*".into()),
    ] {
        let (done, said) = trap.try_git(&clone, &["config", key, &value], "");
        assert!(done, "{said}");
    }
    trap.hook("potluck/recipes/evil/.git", "reference-transaction");
    trap.commit("2.0.0");
    let run = new("b.example.org");
    assert!(run.code == 0 && !trap.sprung(), "{run}");
    let versions = trap.lab.json(&["recipe", "ls", "--json"]);
    assert_eq!(versions[0]["newest"], "2.0.0", "{versions}");
    let run = trap.lab.run(&["app", "deploy", "b.example.org", "2.0.0", "--dry-run"]);
    assert!(run.code == 0 && !trap.sprung(), "{run}");
    trap.springs_in("potluck/recipes/evil", &["fetch", "origin"], "");
    // For git it is a clone like any other, with what was fetched.
    fs::remove_dir_all(clone.join(".git/hooks")).unwrap();
    for key in ["core.fsmonitor", "core.sshCommand", "remote.origin.uploadpack"] {
        trap.try_git(&clone, &["config", "--unset", key], "");
    }
    let (done, said) = trap.try_git(&clone, &["fsck", "--strict"], "");
    assert!(done, "{said}");
    let (_, at) = trap.try_git(&clone, &["rev-parse", "refs/remotes/origin/main"], "");
    assert_eq!(at, trap.git(&["rev-parse", "main"]));
}

impl Trap {
    fn copy_into_recipes_of_a_new_folder(&self) {
        fs::create_dir_all(self.lab.path("potluck/recipes")).unwrap();
        self.copy_into_recipes();
    }
}
