//! Git repositories whose tags are signed with SSH keys, as people sign them.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

/// A folder with keys.
pub struct Keys(tempfile::TempDir);

impl Keys {
    pub fn new() -> Self {
        Keys(tempfile::tempdir().unwrap())
    }

    /// The private key of someone, made at first use.
    pub fn of(&self, who: &str) -> PathBuf {
        let path = self.0.path().join(who);
        if !path.exists() {
            let made = Command::new("ssh-keygen")
                .args(["-q", "-t", "ed25519", "-N", "", "-C", who, "-f"])
                .arg(&path)
                .status()
                .unwrap();
            assert!(made.success());
        }
        path
    }

    /// The line of the file of signers.
    pub fn line(&self, who: &str) -> String {
        let public = fs::read_to_string(self.of(who).with_extension("pub")).unwrap();
        let mut words = public.split_whitespace();
        format!("{who} {} {}\n", words.next().unwrap(), words.next().unwrap())
    }

    /// git in a folder, signing as someone.
    pub fn git(&self, folder: &Path, who: &str, arguments: &[&str]) -> String {
        let key = format!("user.signingKey={}", self.of(who).display());
        let all = [&["-c", "gpg.format=ssh", "-c", &key], arguments].concat();
        git(folder, &all)
    }
}

/// git in a folder; what it prints.
pub fn git(folder: &Path, arguments: &[&str]) -> String {
    let output = Command::new("git")
        .args(["-c", "user.name=t", "-c", "user.email=t@example.org", "-C"])
        .arg(folder)
        .args(arguments)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .output()
        .unwrap();
    assert!(output.status.success(), "git {arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Makes every host that git reaches over ssh one of this machine: its repositories are in the
/// folder `hosts` below this one, which has an empty one of this name afterwards. The lines are
/// for git's own configuration.
pub fn host(folder: &Path, repository: &str) -> (PathBuf, String) {
    let ssh = folder.join("ssh");
    let script = format!(
        "#!/bin/sh\nwhile [ $# -gt 2 ]; do shift; done\ncd {}/hosts || exit 255\n\
         eval \"$(echo \"$2\" | sed \"s#'/#'#\")\"\n",
        folder.display()
    );
    fs::write(&ssh, script).unwrap();
    fs::set_permissions(&ssh, fs::Permissions::from_mode(0o755)).unwrap();
    let there = folder.join("hosts").join(repository);
    fs::create_dir_all(&there).unwrap();
    git(&there, &["init", "--quiet", "--bare", "--initial-branch=main"]);
    (there, format!("[core]\n\tsshCommand = {}\n[safe]\n\tdirectory = *\n", ssh.display()))
}

/// A repository with the files of a recipe, committed.
pub fn repository(folder: &Path, compose: &str) {
    fs::create_dir_all(folder).unwrap();
    git(folder, &["init", "--quiet", "--initial-branch=main"]);
    fs::write(folder.join("compose.yml"), compose).unwrap();
    fs::write(folder.join(".env.sample"), "TYPE=wiki\nDOMAIN=\n").unwrap();
    save(folder, "first");
}

/// Commits everything.
pub fn save(folder: &Path, message: &str) -> String {
    git(folder, &["add", "--all"]);
    git(folder, &["commit", "--quiet", "--allow-empty", "-m", message]);
    git(folder, &["rev-parse", "HEAD"])
}
