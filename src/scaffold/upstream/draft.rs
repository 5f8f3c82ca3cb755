//! The recipe while it is made: what each step adds, and what is written in the end.

use std::collections::BTreeMap;

use crate::{
    compose::tree::Spot,
    recipe::family::{Family, Kind},
};

use super::{
    log::Log,
    yaml::{Pair, Yaml},
};

#[derive(Debug, Default)]
pub struct Draft {
    pub services: Vec<Service>,
    pub secrets: Vec<Secret>,
    pub configs: Vec<Config>,
    pub volumes: Vec<Volume>,
    /// Networks of the upstream that are kept.
    pub networks: Vec<Network>,
    pub settings: Vec<Setting>,
    /// Files of configs.
    pub files: BTreeMap<String, String>,
    pub web: Option<Web>,
    /// What the upstream has as passwords.
    pub literals: Vec<String>,
    /// Its variables that hold them.
    pub secret_variables: Vec<String>,
    /// Settings that each app must have a value for, with what is said where it is missing.
    pub required: BTreeMap<String, String>,
    /// Ports other than that of the web server, published by an overlay.
    pub ports: Vec<Opened>,
    pub log: Log,
}

/// A service of the recipe.
#[derive(Debug)]
pub struct Service {
    /// In the upstream's files.
    pub key: String,
    /// In the recipe.
    pub name: String,
    pub at: Spot,
    pub family: Option<&'static Family>,
    pub image: Option<String>,
    pub env: Vec<Variable>,
    pub secrets: Vec<Mounted>,
    pub configs: Vec<Mounted>,
    pub mounts: Vec<Yaml>,
    /// Named volumes, with the path where they are.
    pub volumes: Vec<(String, String)>,
    pub networks: Vec<String>,
    pub command: Option<Words>,
    pub entrypoint: Option<Words>,
    pub health: Option<Yaml>,
    /// Whether that is one of ours, rather than the upstream's.
    pub is_own_health: bool,
    /// Keys that are kept as they are, `user` and its like.
    pub kept: Vec<Pair>,
    pub deploy: Vec<Pair>,
    pub restart: Restart,
    /// How often it is started again at most.
    pub attempts: Option<u64>,
    pub labels: Vec<String>,
    pub deploy_labels: Vec<String>,
    /// What a person must decide here, above the service.
    pub comment: Vec<String>,
    /// The ports that it publishes.
    pub ports: Vec<Port>,
    pub depends_on: Vec<String>,
}

impl Service {
    pub fn kind(&self) -> Option<Kind> {
        self.family.map(|family| family.kind)
    }

    pub fn is(&self, kind: Kind) -> bool {
        self.kind() == Some(kind)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Restart {
    Any,
    OnFailure,
    None,
}

impl Restart {
    /// As `deploy.restart_policy` says it.
    pub fn condition(self) -> &'static str {
        match self {
            Restart::Any => "any",
            Restart::OnFailure => "on-failure",
            Restart::None => "none",
        }
    }
}

/// A program with its arguments, as it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Words {
    Line(String),
    List(Vec<String>),
}

impl Words {
    pub fn texts(&mut self) -> Vec<&mut String> {
        match self {
            Words::Line(line) => vec![line],
            Words::List(words) => words.iter_mut().collect(),
        }
    }
}

/// A variable of a service's environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variable {
    pub key: String,
    /// None: taken from the settings if they have it.
    pub value: Option<String>,
    pub position: Option<String>,
    pub comment: Vec<String>,
    /// The file that had it, if it was not the compose file.
    pub file: Option<String>,
}

/// A secret or a config in a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mounted {
    pub source: String,
    pub target: Option<String>,
    /// In octal digits, as it is written.
    pub mode: Option<String>,
    /// Who owns it in the container.
    pub uid: Option<String>,
    pub gid: Option<String>,
}

impl Mounted {
    /// One with the mode and the owner that swarm gives it.
    pub fn new(source: &str, target: Option<String>) -> Mounted {
        Mounted { source: source.to_owned(), target, mode: None, uid: None, gid: None }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Secret {
    pub name: String,
    /// How it is made: `length=32 charset=hex`, or `generate=false`.
    pub rule: &'static str,
    pub comment: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    pub name: String,
    pub file: String,
    /// Filled in by swarm.
    pub template: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Volume {
    pub name: String,
    pub rest: Vec<Pair>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Network {
    pub name: String,
    pub internal: bool,
}

/// A line of `.env.sample`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    pub key: String,
    pub value: String,
    pub comment: Vec<String>,
    /// Only shown as a possibility.
    pub off: bool,
}

/// What people reach, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Web {
    /// Index of the service.
    pub service: usize,
    pub port: u16,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Port {
    pub target: u16,
    pub published: u16,
    pub protocol: String,
    pub position: Option<String>,
}

/// A port that an overlay publishes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    pub service: usize,
    pub port: Port,
    pub setting: String,
}

/// Whether a password can be nothing else: a word may also be the name of an account.
pub fn is_distinct(password: &str) -> bool {
    const SHORTEST: usize = 8;
    password.len() >= SHORTEST && !password.chars().all(|c| c.is_ascii_lowercase())
}

impl Draft {
    /// Whether a text has a password of the upstream in it.
    pub fn has_password(&self, text: &str) -> bool {
        self.literals.iter().any(|it| is_distinct(it) && text.contains(it.as_str()))
    }

    /// A setting, once.
    pub fn set(&mut self, setting: Setting) {
        if !self.settings.iter().any(|present| present.key == setting.key) {
            self.settings.push(setting);
        }
    }
}
