//! Folders for new plugins, in Rust or Python: sources that build without changes, working
//! hooks, a test that runs without any server, and the SDK beside it. And new recipes, from
//! nothing or from what someone else runs with Docker Compose.

mod ci;
mod error;
mod guess;
mod name;
mod port;
mod python;
mod recipe;
mod rust;
mod standard;
pub mod upstream;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
};

use include_dir::Dir;

use crate::plugin::Role;
pub use ci::Ci;
pub use error::Error;
pub use guess::Hints;
pub use name::Name;
pub use port::{Port, port};
pub use recipe::recipe;
pub use standard::{Suggestion, suggestions};

/// What a plugin is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    Rust,
    Python,
}

/// A new plugin that plays these roles; at least one.
///
/// # Errors
/// [`Error::Name`] for a name that is reserved in the language.
pub fn plugin(language: Language, name: &Name, roles: &BTreeSet<Role>) -> Result<Files, Error> {
    check(name, language)?;
    Ok(match language {
        Language::Rust => rust::plugin(name, roles),
        Language::Python => python::plugin(name, roles),
    })
}

fn check(name: &Name, language: Language) -> Result<(), Error> {
    match name::refused(name, language) {
        Some(reason) => Err(Error::Name { name: name.clone(), reason }),
        None => Ok(()),
    }
}

/// Files to be written, by their path below the folder.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Files(pub BTreeMap<String, String>);

impl Files {
    fn add(&mut self, path: impl Into<String>, text: impl Into<String>) {
        self.0.insert(path.into(), text.into());
    }

    /// The same with what a CI runs.
    #[must_use]
    pub fn with_ci(mut self, ci: Ci) -> Self {
        self.add(ci.path(), ci.text());
        self
    }

    /// The files of a recipe that was made of another project.
    pub fn of(adapted: &upstream::Adapted) -> Self {
        Files(adapted.files.clone())
    }

    /// Writes all of them into a folder that does not exist yet, at once: it
    /// exists completely, or not at all.
    ///
    /// # Errors
    /// [`Error::Exists`], [`Error::Io`].
    pub fn write(&self, folder: &Path) -> Result<(), Error> {
        let io = |action, path: &Path| {
            let path = path.to_owned();
            move |source: io::Error| Error::Io { action, path, source }
        };
        if folder.symlink_metadata().is_ok() {
            return Err(Error::Exists { path: folder.into() });
        }
        let parent = match folder.parent() {
            Some(parent) if parent != Path::new("") => parent.to_owned(),
            _ => PathBuf::from("."),
        };
        fs::create_dir_all(&parent).map_err(io("making", &parent))?;
        let scratch = tempfile::Builder::new()
            .prefix(".potluck-new-")
            .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o755))
            .tempdir_in(&parent)
            .map_err(io("making a folder in", &parent))?;
        for (path, text) in &self.0 {
            let file = scratch.path().join(path);
            if let Some(folder) = file.parent() {
                fs::create_dir_all(folder).map_err(io("making", folder))?;
            }
            fs::write(&file, text).map_err(io("writing", &file))?;
        }
        // Renaming over an empty folder that somebody just made would succeed.
        fs::rename(scratch.path(), folder).map_err(io("writing", folder))?;
        // It is no scratch folder any more.
        let _ = scratch.keep();
        Ok(())
    }
}

/// What `potluck plugin test` plays with a new plugin that plays `lifecycle`.
const SCENARIO: &str = "\
about: the first deploy is greeted
call: after-deploy
with: {after: 1.0.0}
expect:
  calls: []
  log: [\"info: app.example.org runs for the first time\"]
";

/// The entry of a new plugin in the `recipe.yml` around it.
fn wanted(name: &Name) -> String {
    format!("plugins:\n  - name: {name}\n    component: plugins/{name}.wasm\n    grants: []\n")
}

/// Every text in a folder, below another.
fn add_all(files: &mut Files, below: &str, folder: &Dir<'_>) {
    for entry in folder.files() {
        if let Some(text) = entry.contents_utf8() {
            files.add(format!("{below}/{}", entry.path().display()), text);
        }
    }
    for folder in folder.dirs() {
        add_all(files, below, folder);
    }
}

/// Puts values in place of `{{name}}`.
fn fill(template: &str, values: &[(&str, &str)]) -> String {
    values.iter().fold(template.to_owned(), |text, (name, value)| {
        text.replace(&format!("{{{{{name}}}}}"), value)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_there_whole_or_not_at_all() {
        let scratch = tempfile::tempdir().unwrap();
        let mut files = Files::default();
        files.add("a/b.txt", "b");
        files.add("c.txt", "c");
        let folder = scratch.path().join("deep/new");
        files.write(&folder).unwrap();
        assert_eq!(fs::read_to_string(folder.join("a/b.txt")).unwrap(), "b");
        assert!(matches!(files.write(&folder), Err(Error::Exists { .. })));

        files.add("c.txt/under-a-file", "x");
        let folder = scratch.path().join("deep/other");
        assert!(matches!(files.write(&folder), Err(Error::Io { .. })));
        assert!(!folder.exists());
        assert_eq!(fs::read_dir(scratch.path().join("deep")).unwrap().count(), 1);
    }

    #[test]
    fn templates_are_filled() {
        assert_eq!(fill("{{a}}-{{b}}-{{a}}", &[("a", "1"), ("b", "2")]), "1-2-1");
    }
}
