//! A recipe from what someone else runs with Docker Compose: a compose file, or a folder with
//! one, its `.env` and the files that it mounts.
//!
//! [`read()`] takes in a project, within bounds and below its folder; [`adapt`] is a pure
//! function from that to the files of a recipe, with each change and each decision that is
//! left to a person. Nothing of it is run, and what is known to be a password of the project is not
//! in the recipe.

mod backups;
mod databases;
mod draft;
mod hosts;
mod inside;
mod judge;
mod literals;
mod log;
mod names;
mod networks;
mod passwords;
mod project;
#[cfg(test)]
mod protects;
mod read;
mod reference;
mod required;
mod services;
mod settings;
mod storage;
mod templates;
#[cfg(test)]
mod tests;
mod web;
mod write;
mod yaml;

use std::collections::BTreeMap;

pub use log::{Change, Decision, Log};
pub use project::{Error, Project, read};

/// A recipe, and what was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Adapted {
    /// By their path in the recipe.
    pub files: BTreeMap<String, String>,
    pub log: Log,
}

/// The recipe of a project. The same project gives the same recipe.
pub fn adapt(name: &str, project: &Project) -> Adapted {
    let mut draft = draft::Draft::default();
    let maps = services::begin(&mut draft, project);
    settings::alternatives(&mut draft, project);
    web::find(&mut draft, &maps, project, name);
    services::shared(&mut draft, project);
    storage::mounts(&mut draft, &maps, project);
    services::healths(&mut draft, &maps, project);
    settings::unused(&mut draft, project);
    let databases = databases::find(&draft, project);
    required::of_services(&mut draft);
    passwords::move_out(&mut draft, project);
    hosts::services(&mut draft, project);
    hosts::own(&mut draft, project);
    hosts::examples(&mut draft, project);
    networks::join(&mut draft, &maps, project);
    settings::from_files(&mut draft);
    let manifest = backups::manifest(&mut draft, project, &databases);
    let mut file = write::compose(&draft, &maps, project);
    let written = write::file(&draft, &file);
    required::find(&mut draft, project, &file);
    required::write(&mut file, &draft.required);
    let compose = write::file(&draft, &file);
    settings::named(&mut draft, project, &written, &compose);
    let mut files = std::mem::take(&mut draft.files);
    files.extend(write::overlays(&draft));
    files.insert(".env.sample".into(), write::sample(&draft, name));
    files.insert("README.md".into(), write::readme(&draft, name));
    files.insert("compose.yml".into(), compose);
    files.extend(required::for_tests(&draft).map(|text| ("tests/settings.env".into(), text)));
    files.insert("recipe.yml".into(), manifest);
    files.insert("release/next".into(), "The first release.\n".into());
    Adapted { files, log: draft.log }
}
