//! The recipe that is tested, and the release before, as a repository of the test's own.

use std::{fs, io, path::Path, process::Command};

use serde_json::{Map, Value};

use crate::{
    cli::{failure::Failure, recipe::source, session::Session},
    home::{EnvFile, RecipeName},
    recipe::{Checkout, ComponentRef, PluginEntry, Version},
    yaml,
};

/// What a test needs of a recipe.
#[derive(Debug)]
pub struct Copied {
    pub name: RecipeName,
    /// Its version; none where its files name none.
    pub candidate: Option<String>,
    /// The newest release that is another one.
    pub previous: Option<String>,
    pub files: Checkout,
    before: Option<Checkout>,
    /// A file that is added to both, with its name.
    pub overlay: Option<(String, String)>,
}

/// The version of what is tested, in the test's repository, where nothing else says one.
const UNNAMED: &str = "99.0.0+test";
/// The file with settings for tests.
pub const SETTINGS: &str = "tests/settings.env";
/// The folder with values of secrets that are an operator's to insert, one file each.
pub const SECRETS: &str = "tests/secrets";
/// The file with what services answer on a simulated server.
pub const ANSWERS: &str = "tests/simulated.yml";

impl Copied {
    /// Reads it, and the release before. Nothing is added to the operator's folder.
    pub fn of(session: &Session, given: &str, version: &Version) -> Result<Self, Failure> {
        let files = source::look(session, given, version)?;
        let candidate = files.version.clone();
        let mut before = None;
        // A folder's own files may be about to become the release after the newest one.
        for release in source::releases(session, given)? {
            if Some(&release) == candidate.as_ref() {
                continue;
            }
            match source::look(session, given, &Version::Named(release.clone())) {
                Ok(found) => {
                    before = Some((release, found));
                    break;
                }
                Err(failure) => return Err(failure),
            }
        }
        let (previous, before) = before.unzip();
        Ok(Copied { name: files.recipe.clone(), candidate, previous, files, before, overlay: None })
    }

    /// The version to name in the test's repository.
    pub fn tag(&self) -> String {
        let labelled = self.candidate.clone().filter(|it| Some(it) != self.previous.as_ref());
        labelled.unwrap_or_else(|| UNNAMED.to_owned())
    }

    /// Makes the repository in this folder: a commit with a tag for each of the two.
    pub fn write(&self, folder: &Path) -> Result<(), Failure> {
        let broken = |error: io::Error| Failure::io("copying the recipe failed", &error);
        fs::create_dir_all(folder).map_err(broken)?;
        git(folder, &["init", "--quiet"])?;
        let releases =
            [(self.previous.clone(), self.before.as_ref()), (Some(self.tag()), Some(&self.files))];
        for (tag, checkout) in releases {
            let (Some(tag), Some(checkout)) = (tag, checkout) else { continue };
            empty(folder).map_err(broken)?;
            files(checkout.path(), folder).map_err(broken)?;
            if let Some((name, text)) = &self.overlay {
                fs::write(folder.join(name), text).map_err(broken)?;
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
        let sample = self.files.sample()?.unwrap_or_default();
        // What is wrong with it, the first command says.
        let named = EnvFile::parse(".env.sample", &sample)
            .ok()
            .and_then(|sample| sample.get("COMPOSE_FILE").map(str::to_owned));
        Ok(named.unwrap_or_else(|| "compose.yml".into()))
    }

    /// The services that these compose files name, `:` between them.
    pub fn services(&self, compose_file: &str) -> Result<Vec<String>, Failure> {
        let maps = self.service_maps(compose_file)?;
        let mut names: Vec<String> = maps.iter().flat_map(|map| map.keys().cloned()).collect();
        names.sort();
        names.dedup();
        Ok(names)
    }

    /// The first volume that a service of the sample mounts, by its name in the compose file.
    pub fn volume_of(&self, service: &str) -> Result<Option<String>, Failure> {
        let maps = self.service_maps(&self.compose_file()?)?;
        let mounts = maps.iter().filter_map(|map| map.get(service)?["volumes"].as_array());
        Ok(mounts.flatten().find_map(volume).map(str::to_owned))
    }

    fn service_maps(&self, compose_file: &str) -> Result<Vec<Map<String, Value>>, Failure> {
        let mut maps = vec![];
        for source in self.files.compose_sources(compose_file)? {
            // What is wrong with it, lint says.
            let Ok(document) = yaml::document(&source.text) else { continue };
            maps.extend(document["services"].as_object().cloned());
        }
        Ok(maps)
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
