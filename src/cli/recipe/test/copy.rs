//! The recipe that is tested, and what is upgraded to it, as a repository of the test's own.

use std::{collections::BTreeSet, fs, io, path::Path, process::Command};

use serde_json::{Map, Value, json};

use super::origin::{self, Origin};
use crate::{
    cli::{failure::Failure, recipe::source, session::Session},
    home::{EnvFile, RecipeName},
    recipe::{Checkout, ComponentRef, PluginEntry, SAMPLE, Version},
    yaml,
};

/// What a test needs of a recipe.
#[derive(Debug)]
pub struct Copied {
    pub name: RecipeName,
    /// Its version; none where its files name none.
    pub candidate: Option<String>,
    pub files: Checkout,
    pub origin: Origin,
    pub overlay: Option<Overlay>,
}

/// A file that the test adds to each version.
#[derive(Debug)]
pub struct Overlay {
    pub name: String,
    /// The compose files that it comes after, `:` between them.
    pub behind: String,
    /// Whether an update is not watched as long as on a real swarm.
    pub hurries: bool,
}

/// The file with settings for tests.
pub const SETTINGS: &str = "tests/settings.env";
/// The folder with values of secrets that are an operator's to insert, one file each.
pub const SECRETS: &str = "tests/secrets";

/// A version that is written: its tag, its files, and whether each of its services has to
/// change.
type Written<'a> = (String, &'a Checkout, bool);

impl Copied {
    /// Reads it, and what is upgraded to it: what `from` names, else the release before. Nothing
    /// is added to the operator's folder.
    pub fn of(
        session: &Session,
        given: &str,
        version: &Version,
        from: Option<&str>,
    ) -> Result<Self, Failure> {
        let files = source::look(session, given, version)?;
        is_recipe(&files, given)?;
        let origin = match from {
            Some(from) => Origin::named(session, given, from)?,
            None => Origin::before(session, given, &files)?,
        };
        let (name, candidate) = (files.recipe.clone(), files.version.clone());
        Ok(Copied { name, candidate, files, origin, overlay: None })
    }

    /// The version to name in the test's repository.
    pub fn tag(&self) -> String {
        let before = match &self.origin {
            Origin::Other { tag, .. } => Some(tag.as_str()),
            Origin::Itself(_) => None,
        };
        let label = self.candidate.clone().or_else(|| origin::labelled(&self.files));
        origin::tag(label.as_deref(), before)
    }

    /// The versions to upgrade from, and to.
    pub fn upgrade(&self) -> (String, String) {
        let tag = self.tag();
        match &self.origin {
            Origin::Other { tag: before, .. } => (before.clone(), tag),
            Origin::Itself(_) => {
                let after = origin::after(&tag);
                (tag, after)
            }
        }
    }

    /// Makes the repository in this folder: a commit with a tag for each version, the tested one
    /// last, as its files are what lint reads.
    pub fn write(&self, folder: &Path) -> Result<(), Failure> {
        let broken = |error: io::Error| Failure::io("copying the recipe failed", &error);
        fs::create_dir_all(folder).map_err(broken)?;
        git(folder, &["init", "--quiet"])?;
        let other: Written<'_> = match &self.origin {
            Origin::Other { tag, files } => (tag.clone(), files, false),
            Origin::Itself(_) => (self.upgrade().1, &self.files, true),
        };
        for (tag, checkout, changes) in [other, (self.tag(), &self.files, false)] {
            empty(folder).map_err(broken)?;
            files(checkout.path(), folder).map_err(broken)?;
            if let Some(overlay) = &self.overlay {
                let text = overlay.text(checkout, changes);
                fs::write(folder.join(&overlay.name), text).map_err(broken)?;
            }
            git(folder, &["add", "--all", "--force"])?;
            git(folder, &["commit", "--quiet", "--allow-empty", "--message", &tag])?;
            git(folder, &["tag", &tag])?;
        }
        Ok(())
    }

    /// The settings that its tests want.
    pub fn settings(&self) -> Result<Vec<(String, String)>, Failure> {
        if !self.files.exists(SETTINGS) {
            return Ok(vec![]);
        }
        let text = self.files.text(SETTINGS)?;
        let read = EnvFile::parse(SETTINGS, &text)
            .map_err(|error| Failure::new(format!("{SETTINGS} cannot be read: {error}")))?;
        Ok(read.values())
    }

    /// The compose files that the sample names, `:` between them.
    pub fn compose_file(&self) -> Result<String, Failure> {
        compose_file(&self.files)
    }

    /// Whether these compose files name a service.
    pub fn has_services(&self, compose_file: &str) -> bool {
        !service_maps(&self.files, compose_file).is_empty()
    }

    /// The first volume that a service of the sample mounts, by its name in the compose file.
    pub fn volume_of(&self, service: &str) -> Result<Option<String>, Failure> {
        let maps = service_maps(&self.files, &self.compose_file()?);
        let mounts = maps.iter().filter_map(|map| map.get(service)?["volumes"].as_array());
        Ok(mounts.flatten().find_map(volume).map(str::to_owned))
    }

    /// The names of the plugins that are its own.
    pub fn plugins(&self) -> Vec<String> {
        let all = self.files.manifest.plugins.iter();
        let own = all.filter(|plugin| matches!(plugin.component, ComponentRef::Path(_)));
        own.map(|plugin| plugin.name.clone()).collect()
    }

    /// The plugins that give a database's account a new password, each with the secret that has
    /// it: a new secret alone would keep the app out of its database.
    pub fn stores(&self) -> Vec<(String, String)> {
        let of = |plugin: &PluginEntry| {
            let ComponentRef::Standard(standard) = plugin.component else { return None };
            let has_password = matches!(standard.name, "postgres" | "mariadb");
            let secret = plugin.options["secret"].as_str().unwrap_or("db_password");
            has_password.then(|| (plugin.name.clone(), secret.to_owned()))
        };
        self.files.manifest.plugins.iter().filter_map(of).collect()
    }
}

impl Overlay {
    /// The file for one version. Containers of services that have to change get a label.
    fn text(&self, of: &Checkout, changes: bool) -> String {
        let maps = service_maps(of, &self.behind);
        let names: BTreeSet<&String> = maps.iter().flat_map(Map::keys).collect();
        let mut services = Map::new();
        for name in names {
            let mut service = json!({});
            if self.hurries {
                service["deploy"] = json!({"update_config": {"monitor": "1s"}});
            }
            if changes {
                service["labels"] = json!({"potluck-test": "upgraded"});
            }
            services.insert(name.clone(), service);
        }
        // JSON is YAML.
        json!({"services": services}).to_string()
    }
}

/// Whether there is anything to test.
fn is_recipe(files: &Checkout, given: &str) -> Result<(), Failure> {
    let named = named_files(files)?;
    let all = compose_file(files)?;
    let first = all.split(':').next().unwrap_or_default();
    if files.exists(first) {
        return Ok(());
    }
    Err(match named {
        Some(_) => Failure::new(format!(
            "the recipe has no {first}, the first compose file that `.env.sample` names"
        )),
        None => Failure::new(format!("`{given}` has no {first}, so it is not a recipe's folder"))
            .hint(
                "test a recipe by its folder, `potluck recipe test ./wiki`, or by its name; \
                 `potluck recipe new NAME` makes one, with `--from FILE` out of an app's compose \
                 file",
            ),
    })
}

/// The compose files that a version's sample names, `:` between them, if it names any.
fn named_files(files: &Checkout) -> Result<Option<String>, Failure> {
    let sample = files.sample()?.unwrap_or_default();
    // What is wrong with it, the first command says.
    let sample = EnvFile::parse(SAMPLE, &sample).ok();
    let named = sample.and_then(|sample| sample.get("COMPOSE_FILE").map(str::to_owned));
    Ok(named.filter(|named| !named.is_empty()))
}

/// The compose files of a version's sample, `:` between them: those that it names, else the
/// usual one.
fn compose_file(files: &Checkout) -> Result<String, Failure> {
    let usual = || match files.exists("compose.yml") || !files.exists("compose.yaml") {
        true => "compose.yml".to_owned(),
        false => "compose.yaml".to_owned(),
    };
    Ok(named_files(files)?.unwrap_or_else(usual))
}

/// The services of each compose file that can be read; of the others, the first command says
/// what is wrong.
fn service_maps(files: &Checkout, compose_file: &str) -> Vec<Map<String, Value>> {
    let sources = files.compose_files(compose_file).into_iter().flatten();
    let documents = sources.filter_map(|source| yaml::document(&source.text).ok());
    documents.filter_map(|document| document["services"].as_object().cloned()).collect()
}

/// The volume of a mount in either form; none where a folder or memory is mounted.
fn volume(mount: &Value) -> Option<&str> {
    let source = match mount {
        Value::String(short) => short.split_once(':')?.0,
        long if long["type"] == "volume" => long["source"].as_str()?,
        _ => return None,
    };
    (!source.is_empty() && !source.contains(['/', '$', '~', '.'])).then_some(source)
}

/// git in a folder that was just made here, so that nothing in it is foreign but the files.
fn git(folder: &Path, arguments: &[&str]) -> Result<(), Failure> {
    let configuration = [
        "-c",
        "user.name=potluck",
        "-c",
        "user.email=potluck@localhost",
        "-c",
        "core.hooksPath=/dev/null",
        "-c",
        "commit.gpgSign=false",
        "-c",
        "tag.gpgSign=false",
        "-c",
        "core.autocrlf=false",
    ];
    let output = Command::new("git")
        .args(configuration)
        .arg("-C")
        .arg(folder)
        .args(arguments)
        .output()
        .map_err(|error| Failure::io("git cannot be run", &error))?;
    match output.status.success() {
        true => Ok(()),
        false => {
            let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            Err(Failure::new(format!("copying the recipe failed: git says: {said}")))
        }
    }
}

fn empty(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name() == ".git" {
            continue;
        }
        match entry.file_type()?.is_dir() {
            true => fs::remove_dir_all(entry.path())?,
            false => fs::remove_file(entry.path())?,
        }
    }
    Ok(())
}

/// Regular files and folders; links are left out, and so is what git would take for its own.
fn files(from: &Path, to: &Path) -> io::Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let name = entry.file_name();
        if name.to_string_lossy().to_lowercase().starts_with(".git") {
            continue;
        }
        let kind = entry.file_type()?;
        if kind.is_dir() {
            fs::create_dir(to.join(&name))?;
            files(&entry.path(), &to.join(&name))?;
        } else if kind.is_file() {
            fs::copy(entry.path(), to.join(&name))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::recipe::Store;

    #[test]
    fn each_service_changes_where_a_recipe_is_upgraded_onto_itself() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("wiki")).unwrap();
        let compose = "services: {app: {image: 'a:1'}, db: {image: 'b:1'}}\n";
        fs::write(folder.path().join("wiki/compose.yml"), compose).unwrap();
        let recipe = RecipeName::new("wiki").unwrap();
        let files = Store::new(folder.path()).examine(&recipe, &Version::Newest).unwrap();
        let text = |hurries, changes| -> Value {
            let (name, behind) = ("x.yml".to_owned(), "compose.yml".to_owned());
            let text = Overlay { name, behind, hurries }.text(&files, changes);
            yaml::document(&text).unwrap()
        };
        let label = json!({"labels": {"potluck-test": "upgraded"}});
        assert_eq!(text(false, true), json!({"services": {"app": label, "db": label}}));
        assert_eq!(text(false, false), json!({"services": {"app": {}, "db": {}}}));
        let hurried = text(true, true);
        assert_eq!(hurried["services"]["db"]["deploy"]["update_config"]["monitor"], "1s");
        assert_eq!(hurried["services"]["db"]["labels"], label["labels"]);
    }

    #[test]
    fn a_mount_names_a_volume_or_none() {
        for (mount, expected) in [
            (json!("data:/var/lib/mysql"), Some("data")),
            (json!({"type": "volume", "source": "data", "target": "/x"}), Some("data")),
            (json!({"type": "tmpfs", "target": "/dev/shm"}), None),
            (json!("./x:/y"), None),
            (json!("/srv/x:/y"), None),
            (json!("/anonymous"), None),
        ] {
            assert_eq!(volume(&mount), expected, "{mount}");
        }
    }
}
