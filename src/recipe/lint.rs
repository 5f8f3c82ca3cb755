//! What is wrong with a recipe before anyone deploys it.
//!
//! The compose files are read as a deploy would read them, with the settings of
//! `.env.sample`: once as the sample lists them, and once more for each overlay
//! that it does not list. What docker refuses is an error here, what it ignores
//! a warning; the rest are promises between a recipe's files that no single
//! file can break alone.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest, Sha256};

use super::{Checkout, Error};
use crate::{
    compose::{self, LoadOptions, Problems, Source, Stack, Warning},
    home::{EnvFile, Grant, StackName},
    secrets::written_names,
};

/// Stands for an app's stack. Its length is that of a usual domain.
const STACK: &str = "app_example_org";
/// Longer names of secrets leave too little of Docker's 64 bytes for the stack
/// and the version (abra's rule R015, which asks for 12, less strict).
const LONGEST_SECRET: usize = 20;
/// Overlays beyond these are not read.
const MAX_OVERLAYS: usize = 64;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Stops a deploy.
    Error,
    Warning,
    /// Worth knowing.
    Info,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct Finding {
    pub severity: Severity,
    /// Stable, `secret-without-key`.
    pub code: &'static str,
    /// `compose.yml:12:5`, or only the file.
    pub position: Option<String>,
    pub message: String,
    /// What to do about it.
    pub fix: Option<String>,
}

/// Everything found, errors first.
pub fn lint(checkout: &Checkout) -> Vec<Finding> {
    let mut lint = Lint { checkout, findings: BTreeSet::new() };
    let sample = lint.sample();
    let services = lint.compose(&sample);
    lint.plugins(services.as_ref());
    lint.findings.into_iter().collect()
}

struct Lint<'a> {
    checkout: &'a Checkout,
    /// A set, since overlays repeat what the base has.
    findings: BTreeSet<Finding>,
}

impl Lint<'_> {
    fn add(
        &mut self,
        severity: Severity,
        code: &'static str,
        position: impl Into<Option<String>>,
        message: String,
        fix: impl Into<Option<String>>,
    ) {
        let finding =
            Finding { severity, code, position: position.into(), message, fix: fix.into() };
        self.findings.insert(finding);
    }

    /// The sample's settings; empty ones when there are none to be read.
    fn sample(&mut self) -> EnvFile {
        const FILE: &str = ".env.sample";
        let here = || Some(FILE.to_owned());
        let text = match self.checkout.sample() {
            Ok(Some(text)) => text,
            Ok(None) => {
                let message = "the recipe has no `.env.sample`".to_owned();
                let fix = format!("add one that begins with `TYPE={}`", self.checkout.recipe);
                self.add(Severity::Error, "sample-missing", None, message, fix);
                return EnvFile::default();
            }
            Err(e) => {
                self.add(Severity::Error, "sample-invalid", here(), e.to_string(), None);
                return EnvFile::default();
            }
        };
        let sample = match EnvFile::parse(FILE, &text) {
            Ok(sample) => sample,
            Err(e) => {
                let position = format!("{FILE}:{}", e.line);
                self.add(Severity::Error, "sample-invalid", position, e.message, None);
                return EnvFile::default();
            }
        };
        for warning in sample.warnings() {
            self.add(Severity::Warning, "sample-odd", here(), warning, None);
        }
        let fix = format!("write `TYPE={}` in its first line", self.checkout.recipe);
        match sample.recipe_pin() {
            Ok(Some(_)) => {}
            Ok(None) => {
                let message = "the sample does not say which recipe it is of".to_owned();
                self.add(Severity::Warning, "sample-without-type", here(), message, fix);
            }
            Err(e) => {
                let position = format!("{FILE}:{}", e.line);
                self.add(Severity::Error, "sample-without-type", position, e.message, fix);
            }
        }
        sample
    }

    /// Reads the compose files; returns the keys of all services, if they could
    /// be read.
    fn compose(&mut self, sample: &EnvFile) -> Option<BTreeSet<String>> {
        let list = sample.get("COMPOSE_FILE").unwrap_or_default();
        let base = match self.checkout.compose_sources(list) {
            Ok(sources) => sources,
            Err(e) => {
                let message = match &e {
                    Error::Io { path, source } => format!("{path}: {source}"),
                    e => e.to_string(),
                };
                let fix = "name the files that the recipe has in `COMPOSE_FILE`".to_owned();
                self.add(Severity::Error, "compose-unreadable", None, message, fix);
                return None;
            }
        };
        let stack = self.stack(&base, sample, Severity::Error)?;
        let mut services: BTreeSet<_> = stack.services.iter().map(|s| s.key.clone()).collect();
        if !services.contains("app") {
            let message = "no service is called `app`".to_owned();
            let fix = "call the main service `app`: hooks, labels and other recipes count on it";
            let position = base.first().map(|source| source.name.clone());
            self.add(Severity::Error, "no-app-service", position, message, fix.to_owned());
        }
        self.secrets(&stack, &base, sample);
        for overlay in self.overlays(&base) {
            let Ok(text) = self.checkout.text(&overlay) else {
                let message = "it cannot be read".to_owned();
                self.add(Severity::Warning, "compose-unreadable", overlay, message, None);
                continue;
            };
            let mut sources = base.clone();
            sources.push(Source { name: overlay, text });
            if let Some(stack) = self.stack(&sources, sample, Severity::Warning) {
                services.extend(stack.services.iter().map(|s| s.key.clone()));
                self.secrets(&stack, &sources, sample);
            }
        }
        Some(services)
    }

    /// `compose.*.yml` files that the sample does not list.
    fn overlays(&self, base: &[Source]) -> Vec<String> {
        self.checkout
            .names()
            .into_iter()
            .filter(|name| {
                name.starts_with("compose.")
                    && (name.ends_with(".yml") || name.ends_with(".yaml"))
                    && !matches!(name.as_str(), "compose.yml" | "compose.yaml")
                    && base.iter().all(|source| source.name != *name)
            })
            .take(MAX_OVERLAYS)
            .collect()
    }

    /// What the files ask of a swarm; adds what is wrong with them.
    fn stack(&mut self, sources: &[Source], sample: &EnvFile, severity: Severity) -> Option<Stack> {
        let exports: BTreeMap<_, _> = match self.checkout.abra_exports() {
            Ok(exports) => exports.into_iter().collect(),
            Err(e) => {
                self.add(Severity::Error, "abra-sh-unreadable", None, e.to_string(), None);
                return None;
            }
        };
        let environment = |key: &str| match key {
            "STACK_NAME" => Some(STACK.to_owned()),
            _ => sample
                .get(key)
                .map(str::to_owned)
                .or_else(|| exports.get(key).cloned())
                // The keys of an overlay's secrets are commented out in a sample.
                .or_else(|| key.starts_with("SECRET_").then(|| "v1".to_owned())),
        };
        let files = self.checkout.files();
        let options = LoadOptions {
            working_dir: self.checkout.path(),
            home_dir: None,
            environment: &environment,
            files: &files,
            interpolate: true,
            // All services are looked at.
            profiles: &BTreeSet::from(["*".to_owned()]),
        };
        let name = StackName::new(STACK).ok()?;
        let loaded = compose::load(sources, &options).and_then(|(config, warnings)| {
            let stack = config.to_stack(&name, &files)?;
            Ok((stack, warnings, config.lint(Some(&name))))
        });
        drop(files);
        match loaded {
            Ok((stack, warnings, findings)) => {
                for finding in findings {
                    let severity = match finding.severity {
                        compose::lint::Severity::Error => severity,
                        compose::lint::Severity::Warning => Severity::Warning,
                        compose::lint::Severity::Info => Severity::Info,
                    };
                    let message = format!("{}: {}", finding.path, finding.message);
                    self.add(severity, finding.code, finding.position, message, finding.fix);
                }
                for Warning { position, message } in warnings {
                    self.add(Severity::Warning, "compose-odd", position, message, None);
                }
                Some(stack)
            }
            Err(Problems(problems)) => {
                for problem in problems {
                    let position = match problem.line {
                        0 => problem.file,
                        line => format!("{}:{line}:{}", problem.file, problem.column),
                    };
                    let message = match problem.path.as_str() {
                        "" => problem.message,
                        path => format!("{path}: {}", problem.message),
                    };
                    self.add(severity, "compose-invalid", position, message, problem.hint);
                }
                None
            }
        }
    }

    /// Every external secret of the stack's own has a version key in the sample.
    fn secrets(&mut self, stack: &Stack, sources: &[Source], sample: &EnvFile) {
        let commented = sample.commented_keys();
        let prefix = format!("{STACK}_");
        let versioned: BTreeMap<String, String> =
            sources.iter().flat_map(|source| written_names(&source.text)).collect();
        for full_name in &stack.external_secrets {
            let Some(rest) = full_name.strip_prefix(&prefix) else { continue };
            let key = versioned.iter().find(|(name, _)| {
                rest.strip_prefix(name.as_str()).is_some_and(|rest| rest.starts_with('_'))
            });
            let Some((name, key)) = key else {
                let message =
                    format!("the secret `{rest}` does not take its version from a `SECRET_*` key");
                let fix =
                    "write its name as `${STACK_NAME}_NAME_${SECRET_NAME_VERSION}`".to_owned();
                self.add(Severity::Warning, "secret-without-version", None, message, fix);
                continue;
            };
            if sample.get(key).is_none() && !commented.contains(key) {
                let message = format!("the secret `{name}` needs `{key}`, which the sample lacks");
                let fix = format!("add `{key}=v1 # length=32` to `.env.sample`");
                let here = ".env.sample".to_owned();
                self.add(Severity::Error, "secret-without-key", here, message, fix);
            }
            if name.len() > LONGEST_SECRET {
                let message = format!(
                    "the secret's name `{name}` has {} bytes: with a longer domain it exceeds \
                     Docker's 64",
                    name.len()
                );
                let fix = format!("keep names of secrets within {LONGEST_SECRET} bytes");
                self.add(Severity::Warning, "secret-name-long", None, message, fix);
            }
        }
    }

    /// Components are there and are what the manifest says; grants name what exists.
    fn plugins(&mut self, services: Option<&BTreeSet<String>>) {
        const FILE: &str = "recipe.yml";
        let here = || Some(FILE.to_owned());
        for plugin in self.checkout.manifest.plugins.clone() {
            let (name, component) = (&plugin.name, &plugin.component);
            match self.checkout.read(component) {
                Ok(bytes) => {
                    let digest = hex::encode(Sha256::digest(&bytes));
                    if plugin.sha256.as_ref().is_some_and(|pin| *pin != digest) {
                        let message = format!(
                            "plugin `{name}`: `{component}` is not the component that `sha256` pins"
                        );
                        let fix = format!("write `sha256: {digest}` if it is the right one");
                        self.add(Severity::Error, "component-differs", here(), message, fix);
                    }
                }
                Err(e) => {
                    let message = format!("plugin `{name}`: {e}");
                    let fix = "build the plugin into that place, or correct `component`".to_owned();
                    self.add(Severity::Error, "component-missing", here(), message, fix);
                }
            }
            let Some(services) = services else { continue };
            for grant in &plugin.grants {
                if let Grant::Exec(service) = grant
                    && !services.contains(service)
                {
                    let message =
                        format!("plugin `{name}` asks for `{grant}`, but no service is called so");
                    let known: Vec<_> = services.iter().map(String::as_str).collect();
                    let fix = format!("the services are {}", known.join(", "));
                    self.add(Severity::Error, "grant-unknown-service", here(), message, fix);
                }
            }
        }
    }
}
