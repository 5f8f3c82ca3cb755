//! An app made from its backup on a simulated server: where its recipe comes from, what is
//! believed, and which secrets are made anew. Through the program, with the real restic.

use crate::support::{
    backup::can_mount,
    cli::{Lab, Run},
};

use std::{fs, path::Path, process::Command};

use serde_json::Value;

const RECIPE: &str = r#"
services:
  app:
    image: example.invalid/app:1
    volumes: ["content:/content"]
    secrets: [token]
volumes:
  content:
secrets:
  token:
    external: true
    name: ${STACK_NAME}_token_${SECRET_TOKEN_VERSION}
"#;

pub(super) fn good(run: &Run) {
    assert_eq!(run.code, 0, "{run}");
}

fn refused(run: &Run, words: &[&str]) {
    assert_eq!(run.code, 1, "{run}");
    for words in words {
        assert!(run.stderr.contains(words), "{words:?} is missing: {run}");
    }
}

/// An app of a recipe in git that was backed up, with a key or without.
pub(super) struct Before {
    pub lab: Lab,
    set: String,
    signer: String,
}

impl Before {
    pub fn new(keeps: bool) -> Option<Self> {
        if !can_mount() {
            return None;
        }
        let lab = Lab::new();
        lab.write("sesame", "sesame\n");
        lab.write(
            "potluck/servers/simulated/server.yml",
            &format!(
                "backup:\n  repository: {}\n  password-file: {}\n",
                lab.path("store").display(),
                lab.path("sesame").display()
            ),
        );
        if keeps {
            good(&lab.run(&["key", "new"]));
        }
        lab.write("tiny/compose.yml", RECIPE);
        lab.write(
            "tiny/.env.sample",
            "TYPE=tiny\nDOMAIN=\nLINK=\nSECRET_TOKEN_VERSION=v1 # length=12\n",
        );
        lab.release("1.0.0+1");
        let address = format!("file://{}", lab.path("tiny").display());
        let domain = ["--domain", "t.example", "--server", "simulated"];
        let new = [&["app", "new", &address][..], &domain, &["--secrets"]].concat();
        good(&lab.run(&[&new[..], &["--set", "LINK=https://www.t.example/"]].concat()));
        good(&lab.run(&["app", "deploy", "t.example", "-n"]));
        fs::write(content(&lab, "simulated", "t_example"), "soup").unwrap();
        good(&lab.run(&["backup", "create", "t.example"]));
        let sets = lab.json(&["backup", "snapshots", "t.example", "--json"]);
        let set = sets[0]["id"].as_str().unwrap().to_owned();
        let signer = fs::read_dir(lab.path("potluck/signers")).unwrap().next().unwrap().unwrap();
        let signer = signer.file_name().into_string().unwrap().replace(".yml", "");
        Some(Before { lab, set, signer })
    }

    /// A folder with the password, and the key if there is one.
    fn bare(&self) -> Lab {
        let lab = Lab::new();
        let identity = "home/.config/potluck/identity";
        if self.lab.path(identity).exists() {
            fs::create_dir_all(lab.path(identity).parent().unwrap()).unwrap();
            fs::copy(self.lab.path(identity), lab.path(identity)).unwrap();
        }
        fs::copy(self.lab.path("sesame"), lab.path("password")).unwrap();
        lab
    }

    fn rebuild(&self, lab: &Lab, more: &[&str]) -> Run {
        let store = self.lab.path("store").display().to_string();
        let mut arguments = vec!["backup", "restore", "t.example", "--to-server", "new"];
        arguments.extend(["--endpoint", "simulated", "--repository", &store]);
        arguments.extend(["--password-file", "password", "--signer", &self.signer, "--yes"]);
        arguments.extend(more);
        lab.run(&arguments)
    }

    fn restic(&self, arguments: &[&str], folder: &Path) -> String {
        let done = Command::new("restic")
            .args(arguments)
            .env("RESTIC_REPOSITORY", self.lab.path("store"))
            .env("RESTIC_PASSWORD_FILE", self.lab.path("sesame"))
            .env("RESTIC_CACHE_DIR", self.lab.path("cache"))
            .current_dir(folder)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(done.status.success(), "{arguments:?}: {said}");
        String::from_utf8(done.stdout).unwrap()
    }
}

/// A file in the app's volume.
fn content(lab: &Lab, server: &str, stack: &str) -> std::path::PathBuf {
    let volumes = format!("potluck/state/simulated/{server}/volumes");
    lab.path(&format!("{volumes}/{stack}_content/_data/page"))
}

fn assert_back(lab: &Lab) {
    assert_eq!(fs::read_to_string(content(lab, "new", "t_example")).unwrap(), "soup");
    let secrets = lab.json(&["app", "secret", "ls", "t.example", "--json"]);
    assert_eq!(secrets[0]["full_name"], "t_example_token_v1");
    good(&lab.run(&["app", "deploy", "t.example", "-n"]));
}

#[test]
fn the_recipe_comes_from_its_repository_or_from_the_backup() {
    let Some(before) = Before::new(true) else { return };
    let at_work = |words: &str| {
        let lab = before.bare();
        let made = before.rebuild(&lab, &[]);
        good(&made);
        assert!(made.stderr.contains(words), "{words}: {made}");
        assert_back(&lab);
        let env = fs::read_to_string(lab.path("potluck/servers/new/t.example.env")).unwrap();
        assert!(env.contains("TYPE=tiny:1.0.0+1"), "{env}");
    };
    at_work("takes the recipe: tiny 1.0.0+1, of its repository");
    // The tag is moved.
    before.lab.write("tiny/new", "new");
    before.lab.git(&["add", "-A"]);
    before.lab.git(&["commit", "-qm", "other"]);
    before.lab.git(&["tag", "-f", "1.0.0+1"]);
    at_work("its repository has other files under this version now");
    fs::remove_dir_all(before.lab.path("tiny")).unwrap();
    at_work("takes the recipe: tiny 1.0.0+1, of the files in the backup");
}

#[test]
fn a_backup_whose_settings_were_changed_makes_nothing() {
    let Some(before) = Before::new(true) else { return };
    let tag = format!("set:{},item:settings/settings.tar", before.set);
    let found = before.restic(&["snapshots", "--json", "--tag", &tag], &before.lab.path(""));
    let found: Value = serde_json::from_str(&found).unwrap();
    let (id, tags) = (found[0]["id"].as_str().unwrap(), found[0]["tags"].as_array().unwrap());
    let folder = before.lab.path("forged");
    before.restic(&["restore", id, "--target", "forged"], &before.lab.path(""));
    // As a real one, but for its settings.
    let tar = fs::read(folder.join("settings.tar")).unwrap();
    let mut forged = tar::Builder::new(Vec::new());
    for entry in tar::Archive::new(&*tar).entries().unwrap() {
        let mut entry = entry.unwrap();
        let (path, mut header) = (entry.path().unwrap().into_owned(), entry.header().clone());
        let mut text = Vec::new();
        std::io::Read::read_to_end(&mut entry, &mut text).unwrap();
        if path.ends_with("t.example.env") {
            text.extend(b"TITLE=forged\n");
        }
        header.set_size(text.len() as u64);
        forged.append_data(&mut header, path, &*text).unwrap();
    }
    fs::write(folder.join("settings.tar"), forged.into_inner().unwrap()).unwrap();
    let mut arguments = vec!["backup", "--host", "simulated"];
    for tag in tags {
        arguments.extend(["--tag", tag.as_str().unwrap()]);
    }
    arguments.push("settings.tar");
    before.restic(&arguments, &folder);
    before.restic(&["forget", id], &folder);

    let lab = before.bare();
    refused(
        &before.rebuild(&lab, &[]),
        &["is not believed", "`settings/settings.tar` holds something else than what was signed"],
    );
    assert!(!lab.path("potluck/servers").exists() && !lab.path("potluck/recipes").exists());
}

#[test]
fn secrets_without_a_copy_are_made_anew_only_where_that_is_asked() {
    let Some(before) = Before::new(false) else { return };
    let lab = before.bare();
    refused(
        &before.rebuild(&lab, &[]),
        &["token (the backup has no copy of it)", "--new-secrets token"],
    );
    assert!(!lab.path("potluck/servers").exists());
    let made = before.rebuild(&lab, &["--new-secrets", "token"]);
    good(&made);
    assert!(made.stderr.contains("new values are made for token"), "{made}");
    assert_back(&lab);
}

#[test]
fn another_name_is_another_app() {
    let Some(before) = Before::new(true) else { return };
    let lab = before.bare();
    let made = before.rebuild(&lab, &["--to-app", "copy.example"]);
    good(&made);
    assert!(made.stderr.contains("gives the new domain to the settings: DOMAIN, LINK"), "{made}");
    assert_eq!(fs::read_to_string(content(&lab, "new", "copy_example")).unwrap(), "soup");
    let env = fs::read_to_string(lab.path("potluck/servers/new/copy.example.env")).unwrap();
    assert!(env.contains("DOMAIN=copy.example\nLINK=https://www.copy.example/"), "{env}");

    // An app of another recipe keeps its data.
    lab.write("other/compose.yml", RECIPE);
    lab.write("other/.env.sample", "TYPE=other\nDOMAIN=\nSECRET_TOKEN_VERSION=v1 # length=12\n");
    let new = ["app", "new", "./other", "--domain", "o.example", "--server", "new", "--secrets"];
    good(&lab.run(&new));
    good(&lab.run(&["app", "deploy", "o.example", "-n"]));
    refused(
        &before.rebuild(&lab, &["--to-app", "o.example"]),
        &["is of the recipe tiny, and o.example is of other"],
    );
    let part = before.rebuild(&lab, &["--to-app", "p.example", "--path", "content/page"]);
    assert_eq!(part.code, 2, "{part}");
}
