//! From compose files to specs for a swarm; pure.
//!
//! text → interpolation → schema → merge → model → swarm spec, in that order
//! and with docker's rules (docker/cli, `cli/compose/{loader,interpolation,
//! schema,convert}`): what docker accepts means the same here, what docker
//! ignores is a [`Warning`], what docker refuses is an error with a position.
//! Nothing here reads a disk, an environment or a network: files come in as
//! text, and whatever a file refers to is read through [`Files`].

mod convert;
mod decode;
pub mod lint;
mod model;
pub(crate) mod print;
mod problem;
mod read;
mod schema;
pub(crate) mod value;

/// The files as trees whose nodes know their place.
pub(crate) mod tree {
    pub use super::{
        problem::Spot,
        read::{
            outline::{Outline, outline},
            yaml::{Entry, Map, Node, Value},
        },
    };
}

/// The variables of one value.
pub(crate) mod variables {
    pub use super::read::interpolate::{Piece, default_of, pieces, required, substitute};
}

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

pub use read::profiles::parse as parse_profiles;
pub use value::image;

use problem::render;

use crate::{
    engine::api,
    hint::Hint,
    home::StackName,
    lint::{Finding, Position, rules},
};

/// One compose file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// For messages, `compose.smtp.yml`.
    pub name: String,
    pub text: String,
}

/// Reads what compose files refer to: contents of configs and secrets, and
/// environment files. The implementation decides what may be read.
pub trait Files: Sync {
    /// `path` is resolved against [`LoadOptions::working_dir`].
    ///
    /// # Errors
    /// Errors of reading; `PermissionDenied` for a path that is not allowed.
    fn read(&self, path: &Path) -> std::io::Result<Vec<u8>>;

    /// The path as its author knows it, for messages.
    fn shown(&self, path: &Path) -> String {
        path.display().to_string()
    }
}

/// What the files are read with.
pub struct LoadOptions<'a> {
    /// Relative paths of all files resolve against it, as docker does with the
    /// first file's folder.
    pub working_dir: &'a Path,
    /// For `~` in volume sources.
    pub home_dir: Option<&'a Path>,
    /// What `${NAME}` stands for.
    pub environment: &'a (dyn Fn(&str) -> Option<String> + Sync),
    pub files: &'a dyn Files,
    pub interpolate: bool,
    /// Services with `profiles` are left out unless one of these is among them;
    /// `*` stands for all. Docker refuses profiles, so files that it accepts
    /// have none.
    pub profiles: &'a BTreeSet<String>,
}

/// Merged, interpolated, validated compose files.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    version: schema::Version,
    file: model::File,
    texts: problem::Texts,
    notes: Vec<read::interpolate::Note>,
    /// Docker's warnings, except those about keys that it ignores: lint has its own.
    odd: Vec<(problem::Spot, String)>,
}

/// Something that docker ignores or warns of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// `compose.yml:12:5`
    pub position: Option<String>,
    pub message: String,
}

/// One thing wrong with the files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub file: String,
    /// Counted from 1; 0 when the problem is not at a place.
    pub line: usize,
    pub column: usize,
    /// Dotted path, `services.app.ports`.
    pub path: String,
    pub message: String,
    /// The line itself, for the excerpt.
    pub excerpt: Option<String>,
    pub hint: Option<String>,
}

/// What docker refuses, as a finding.
impl From<Problem> for Finding {
    fn from(problem: Problem) -> Self {
        let Problem { file, line, column, path, message, hint, .. } = problem;
        let position = (!file.is_empty()).then_some(Position { file, line, column });
        let finding = Finding::new(&rules::COMPOSE_INVALID, message).at(position).path(path);
        match hint {
            Some(hint) => finding.fix(hint),
            None => finding,
        }
    }
}

/// Everything wrong with the files, in a stable order.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", render(.0))]
pub struct Problems(pub Vec<Problem>);

/// Each problem is shown with its own hint; there is none for all of them.
impl Hint for Problems {
    fn is_laid_out(&self) -> bool {
        true
    }
}

/// A stack as specs for the swarm. Names are full (`wiki_example_org_db`).
#[derive(Debug, Clone, PartialEq)]
pub struct Stack {
    pub name: StackName,
    /// By full name; only those that services use.
    pub networks: BTreeMap<String, api::NetworkCreateRequest>,
    /// Full names of networks that must exist already.
    pub external_networks: Vec<String>,
    /// Secrets made from files of the recipe, by full name.
    pub secrets: BTreeMap<String, api::SecretSpec>,
    pub external_secrets: Vec<String>,
    pub configs: BTreeMap<String, api::ConfigSpec>,
    pub external_configs: Vec<String>,
    /// Volumes that services mount.
    pub volumes: Vec<StackVolume>,
    /// Sorted by name. References to secrets and configs carry names only; ids
    /// and network ids are filled in when the spec is applied. The image is as
    /// written, normalised; digests are resolved when it is applied.
    pub services: Vec<StackService>,
}

/// A service, with facts beyond its spec.
#[derive(Debug, Clone, PartialEq)]
pub struct StackService {
    /// The key in the compose file, `db`.
    pub key: String,
    pub spec: api::ServiceSpec,
    /// Keys of services this one asks to start after; swarm ignores it.
    pub depends_on: Vec<String>,
}

/// A named volume.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct StackVolume {
    /// The key in the compose file, `data`.
    pub key: String,
    /// Docker's name of it, `wiki_example_org_data`.
    pub name: String,
    pub external: bool,
    /// Keys of the services that mount it.
    pub services: Vec<String>,
    pub driver: Option<String>,
    pub driver_opts: BTreeMap<String, String>,
    pub labels: BTreeMap<String, String>,
}

/// Reads, interpolates, validates and merges compose files.
///
/// # Errors
/// All problems of all files.
pub fn load(
    sources: &[Source],
    options: &LoadOptions<'_>,
) -> Result<(Config, Vec<Warning>), Problems> {
    read::load::load(sources, options)
}

impl Config {
    /// The swarm's view of the files.
    ///
    /// # Errors
    /// Undefined networks, volumes, secrets and configs, names that are too
    /// long with their prefix, unreadable files.
    pub fn to_stack(&self, name: &StackName, files: &dyn Files) -> Result<Stack, Problems> {
        convert::convert(self, name, files)
    }

    /// Prints the merged files as `docker stack config` does.
    pub fn to_yaml(&self) -> String {
        print::emit::emit(&self.to_json())
    }

    pub fn to_json(&self) -> serde_json::Value {
        print::print(self)
    }
}
