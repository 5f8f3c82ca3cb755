//! What is wrong with a recipe before anyone deploys it.
//!
//! The compose files are read as a deploy would read them, with the settings of
//! `.env.sample`: once as the sample lists them, and once more for each overlay
//! that it does not list. What docker refuses is an error here, what it ignores
//! a warning; the rest are promises between a recipe's files that no single
//! file can break alone.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest, Sha256};

use super::{
    ANSWERS, Checkout, Error, PluginEntry, SAMPLE,
    abra::{LeftOut, Reason},
    backups,
    manifest::ComponentRef,
    options::{self, Names},
};
use crate::{
    compose::{self, LoadOptions, Problems, Source, Stack, lint::LintOptions},
    engine::simulated::Script,
    home::{ConnectionKind, EnvFile, Grant, StackName},
    lint::{Finding, Position, Rule, Severity, rules},
    plugin::{Role, exported_roles},
    secrets::written_names,
};

/// Stands for an app's stack. Its length is that of a usual domain.
const STACK: &str = "app_example_org";
const DOMAIN: &str = "app.example.org";
/// Stands for what only an app can say: a number, which is a text where one is wanted.
const GIVEN: &str = "1";
/// Longer names of secrets leave too little of Docker's 64 bytes for the stack
/// and the version (abra's rule R015, which asks for 12, less strict).
const LONGEST_SECRET: usize = 20;
const MANIFEST: &str = "recipe.yml";
/// Overlays beyond these are not read.
const MAX_OVERLAYS: usize = 64;

/// Everything found, errors first.
pub fn lint(checkout: &Checkout) -> Vec<Finding> {
    let mut lint = Lint::of(checkout);
    let sample = lint.sample();
    let services = lint.compose(&sample);
    lint.unused();
    lint.exports();
    lint.functions();
    lint.plugins(services.as_ref());
    lint.connections(&sample);
    lint.answers();
    lint.findings.into_iter().collect()
}

/// What apps of a recipe can be connected for: its plugins play the role.
pub fn connects(checkout: &Checkout) -> BTreeSet<ConnectionKind> {
    let kinds = roles(checkout).into_iter().filter_map(|role| match role {
        Role::SsoClient => Some(ConnectionKind::Sso),
        Role::MailClient => Some(ConnectionKind::Mail),
        _ => None,
    });
    kinds.collect()
}

/// The roles of all its plugins, as far as their components can be read.
fn roles(checkout: &Checkout) -> BTreeSet<Role> {
    let of = |plugin: &PluginEntry| {
        let bytes = checkout.component(&plugin.component).ok()?;
        exported_roles(&plugin.name, &bytes).ok()
    };
    checkout.manifest.plugins.iter().filter_map(of).flatten().collect()
}

/// What is wrong with the components that `recipe.yml` names.
pub fn components(checkout: &Checkout) -> Vec<Finding> {
    let mut lint = Lint::of(checkout);
    lint.plugins(None);
    lint.findings.into_iter().collect()
}

/// What the recipe's files ask of a swarm with the settings of its sample: as the
/// sample lists them, and once more for each overlay that it does not list, with
/// its name. What cannot be read is left out; [`lint`] says why.
pub fn sample_stacks(checkout: &Checkout) -> Vec<(Option<String>, Stack)> {
    let mut lint = Lint::of(checkout);
    let sample = lint.sample();
    let list = sample.get("COMPOSE_FILE").unwrap_or_default();
    let Ok(base) = checkout.compose_sources(list) else { return Vec::new() };
    let mut stacks = Vec::new();
    stacks.extend(lint.stack(&base, &sample, Severity::Error).map(|stack| (None, stack)));
    for overlay in lint.overlays(&base) {
        let Ok(text) = checkout.text(&overlay) else { continue };
        let mut sources = base.clone();
        sources.push(Source { name: overlay.clone(), text });
        let stack = lint.stack(&sources, &sample, Severity::Warning);
        stacks.extend(stack.map(|stack| (Some(overlay), stack)));
    }
    stacks
}

/// The compose files of a list, or what is wrong with each that cannot be read.
///
/// # Errors
/// The findings.
pub fn sources(checkout: &Checkout, list: &str) -> Result<Vec<Source>, Vec<Finding>> {
    let (mut sources, mut unreadable) = (Vec::new(), Vec::new());
    for file in checkout.compose_files(list) {
        match file {
            Ok(source) => sources.push(source),
            Err(error) => unreadable.push(of_unreadable(error)),
        }
    }
    if unreadable.is_empty() { Ok(sources) } else { Err(unreadable) }
}

fn of_unreadable(error: Error) -> Finding {
    match error {
        Error::Io { path, source } => {
            Finding::new(&rules::COMPOSE_UNREADABLE, source.to_string()).at(Position::file(path))
        }
        error => Finding::new(&rules::COMPOSE_UNREADABLE, error.to_string()),
    }
}

/// What docker refuses in files, together with what lint finds in them.
pub fn with_refusals(
    stack: Result<Stack, Problems>,
    mut findings: Vec<Finding>,
) -> (Option<Stack>, Vec<Finding>) {
    match stack {
        Ok(stack) => (Some(stack), findings),
        Err(Problems(problems)) => {
            let problems = problems.into_iter().map(Finding::from);
            // Said of the same name already, with how long it may be.
            let is_long = |it: &Finding| it.code == rules::NAME_TOO_LONG.code;
            let long: BTreeSet<_> =
                findings.iter().filter(|it| is_long(it)).map(|it| it.path.clone()).collect();
            let is_said =
                |it: &Finding| it.message.contains("; swarm allows ") && long.contains(&it.path);
            findings.extend(problems.filter(|it| !is_said(it)));
            (None, findings)
        }
    }
}

/// The finding that a stack has no service `app`, the same for a recipe and for an app.
pub fn without_app_service(stack: &Stack, sources: &[Source]) -> Option<Finding> {
    if stack.services.iter().any(|service| service.key == "app") {
        return None;
    }
    let message = "no service is called `app`: hooks, labels and other recipes expect it";
    let position = sources.first().map(|source| Position::file(&source.name));
    Some(Finding::new(&rules::NO_APP_SERVICE, message).at(position))
}

/// Warnings that `app new` and the plan of a deploy show, too: they are about
/// permanent defects of an app, while most others are about how a file is written.
pub fn is_said_always(finding: &Finding) -> bool {
    [&rules::NO_APP_SERVICE, &rules::SETTING_MISSING, &rules::TIMEOUT_INVALID]
        .iter()
        .any(|rule| rule.code == finding.code)
}

struct Lint<'a> {
    checkout: &'a Checkout,
    findings: BTreeSet<Finding>,
    /// The findings so far by path or position, because overlays repeat those of the base.
    said: BTreeSet<(&'static str, String, String)>,
    /// The names of secrets that a plugin may be granted.
    secrets: BTreeSet<String>,
    /// Volumes that a service mounts, with all overlays.
    volumes: BTreeSet<String>,
    /// Of each reading of files, their names and what none of their services used.
    readings: Vec<(BTreeSet<String>, BTreeSet<String>)>,
}

impl<'a> Lint<'a> {
    fn of(checkout: &'a Checkout) -> Self {
        Lint {
            checkout,
            findings: BTreeSet::new(),
            said: BTreeSet::new(),
            secrets: BTreeSet::new(),
            volumes: BTreeSet::new(),
            readings: Vec::new(),
        }
    }

    fn add(&mut self, finding: Finding) {
        self.findings.insert(finding);
    }

    /// The sample's settings; empty ones when there are none to be read.
    fn sample(&mut self) -> EnvFile {
        let in_sample =
            |rule, message: String| Finding::new(rule, message).at(Position::file(SAMPLE));
        let text = match self.checkout.sample() {
            Ok(Some(text)) => text,
            Ok(None) => {
                let fix = format!("add one that begins with `TYPE={}`", self.checkout.recipe);
                let message = "the recipe has no `.env.sample`";
                self.add(Finding::new(&rules::SAMPLE_MISSING, message).fix(fix));
                return EnvFile::default();
            }
            Err(e) => {
                self.add(in_sample(&rules::SAMPLE_INVALID, e.to_string()));
                return EnvFile::default();
            }
        };
        let at_line = |e: crate::home::env_file::ParseError| {
            Finding::new(&rules::SAMPLE_INVALID, e.message).at(Position::line(SAMPLE, e.line))
        };
        let sample = match EnvFile::parse(SAMPLE, &text) {
            Ok(sample) => sample,
            Err(e) => {
                self.add(at_line(e));
                return EnvFile::default();
            }
        };
        for (position, message) in sample.oddities() {
            self.add(Finding::new(&rules::SAMPLE_ODD, message).at(position));
        }
        let fix = format!("write `TYPE={}` in its first line", self.checkout.recipe);
        match sample.recipe_pin() {
            Ok(Some(_)) => {}
            Ok(None) => {
                let message = "the sample does not say which recipe it is of".to_owned();
                self.add(in_sample(&rules::SAMPLE_WITHOUT_TYPE, message).fix(fix));
            }
            Err(e) => self.add(at_line(e).fix(fix)),
        }
        sample
    }

    /// Reads the compose files; returns the keys of all services, if they could
    /// be read.
    fn compose(&mut self, sample: &EnvFile) -> Option<BTreeSet<String>> {
        let list = sample.get("COMPOSE_FILE").unwrap_or_default();
        let base = match sources(self.checkout, list) {
            Ok(sources) => sources,
            Err(findings) => {
                self.findings.extend(findings);
                return None;
            }
        };
        let stack = self.stack(&base, sample, Severity::Error);
        // Where the plugins are not known, one of them may make the backups.
        let by_plugin =
            self.checkout.manifest_error().is_some() || backups::has_plugin(self.checkout);
        let mut services = BTreeSet::new();
        if let Some(stack) = &stack {
            services.extend(stack.services.iter().map(|s| s.key.clone()));
            self.volumes.extend(stack.volumes.iter().map(|volume| volume.key.clone()));
            self.findings.extend(without_app_service(stack, &base));
            self.secrets(stack, &base, sample);
            self.backups(stack, &base, by_plugin, Severity::Error);
        }
        for overlay in self.overlays(&base) {
            let Ok(text) = self.checkout.text(&overlay) else {
                let finding = Finding::new(&rules::COMPOSE_UNREADABLE, "it cannot be read");
                self.add_capped(finding.at(Position::file(overlay)), Severity::Warning);
                continue;
            };
            let mut sources = base.clone();
            sources.push(Source { name: overlay, text });
            if let Some(stack) = self.stack(&sources, sample, Severity::Warning) {
                services.extend(stack.services.iter().map(|s| s.key.clone()));
                self.volumes.extend(stack.volumes.iter().map(|volume| volume.key.clone()));
                self.secrets(&stack, &sources, sample);
                self.backups(&stack, &sources, by_plugin, Severity::Warning);
            }
        }
        stack.map(|_| services)
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
            Ok(exports) => exports.settings.into_iter().collect(),
            Err(e) => {
                self.add(Finding::new(&rules::ABRA_SH_UNREADABLE, e.to_string()));
                return None;
            }
        };
        // What an overlay needs is commented out in a sample.
        let optional = sample.commented_values();
        let required: BTreeSet<&str> = sources
            .iter()
            .flat_map(|source| source.text.lines().flat_map(compose::variables::required))
            .collect();
        let environment = |key: &str| match key {
            "STACK_NAME" => Some(STACK.to_owned()),
            // What each app must give is empty in a sample.
            _ if required.contains(key) && sample.get(key) == Some("") => Some(GIVEN.to_owned()),
            _ => sample
                .get(key)
                .map(str::to_owned)
                .or_else(|| exports.get(key).cloned())
                .or_else(|| optional.get(key).cloned())
                .or_else(|| key.starts_with("SECRET_").then(|| "v1".to_owned()))
                // Each app has one.
                .or_else(|| (key == "DOMAIN").then(|| DOMAIN.to_owned())),
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
        let mut variables: Vec<String> = sample.values().into_iter().map(|(key, _)| key).collect();
        variables.extend(exports.keys().chain(optional.keys()).cloned());
        let lint = LintOptions {
            stack: Some(&name),
            checkout: Some(self.checkout.path()),
            variables: &variables,
            optional: &sample.commented_keys(),
        };
        let (stack, findings) = match compose::load(sources, &options) {
            Ok((config, _)) => with_refusals(config.to_stack(&name, &files), config.lint(&lint)),
            Err(problems) => with_refusals(Err(problems), Vec::new()),
        };
        drop(files);
        let unused = findings.iter().filter(|it| it.code == rules::UNUSED_DEFINITION.code);
        let unused = unused.filter_map(|it| it.path.clone()).collect();
        let names = sources.iter().map(|source| source.name.clone()).collect();
        self.readings.push((names, unused));
        for finding in findings {
            self.add_capped(finding, severity);
        }
        stack
    }

    /// Adds a finding with at most this severity, unless it was reported already.
    fn add_capped(&mut self, mut finding: Finding, worst: Severity) {
        let place = match (&finding.path, &finding.position) {
            (Some(path), _) => path.clone(),
            (None, Some(position)) => position.to_string(),
            (None, None) => String::new(),
        };
        if !self.said.insert((finding.code, place, finding.message.clone())) {
            return;
        }
        finding.severity = finding.severity.max(worst);
        self.add(finding);
    }

    /// Drops findings about unused definitions that an overlay or a plugin uses.
    fn unused(&mut self) {
        let plugins = self.checkout.manifest.plugins.iter();
        let granted: BTreeSet<String> = plugins
            .flat_map(|plugin| &plugin.grants)
            .filter_map(|grant| match grant {
                Grant::Secret(name) => Some(format!("secrets.{name}")),
                _ => None,
            })
            .collect();
        let readings = &self.readings;
        self.findings.retain(|finding| {
            let (Some(path), Some(position)) = (&finding.path, &finding.position) else {
                return true;
            };
            finding.code != rules::UNUSED_DEFINITION.code
                || !granted.contains(path)
                    && readings
                        .iter()
                        .filter(|(names, _)| names.contains(&position.file))
                        .all(|(_, unused)| unused.contains(path))
        });
    }

    /// Exports of `abra.sh` that are ignored.
    fn exports(&mut self) {
        // What cannot be read was said with the compose files.
        let Ok(exports) = self.checkout.abra_exports() else { return };
        for LeftOut { name, line, reason } in exports.left_out {
            let message = format!("the export of `{name}` is left out: {reason}");
            let mut finding = Finding::new(&rules::ABRA_SH_EXPORT, message);
            if reason == Reason::Function {
                // It is what the function works with, most often.
                finding.severity = Severity::Info;
            }
            self.add(finding.at(Position::line("abra.sh", line)));
        }
    }

    /// What no backup will do; labels are skipped if a plugin makes the backups.
    fn backups(&mut self, stack: &Stack, sources: &[Source], by_plugin: bool, worst: Severity) {
        if !by_plugin {
            for finding in backups::labels(stack, sources) {
                self.add_capped(finding, worst);
            }
        }
    }

    /// Functions for backups in `abra.sh`, which nothing runs.
    fn functions(&mut self) {
        if !self.checkout.exists("abra.sh") {
            return;
        }
        // What cannot be read was said with the compose files.
        let Ok(text) = self.checkout.text("abra.sh") else { return };
        if self.checkout.manifest_error().is_some() {
            return;
        }
        for finding in backups::abra_functions(&text, backups::has_plugin(self.checkout)) {
            self.add(finding);
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
            self.secrets.insert(key.map_or(rest, |(name, _)| name).to_owned());
            let Some((name, key)) = key else {
                let message =
                    format!("the secret `{rest}` does not take its version from a `SECRET_*` key");
                self.add(Finding::new(&rules::SECRET_WITHOUT_VERSION, message));
                continue;
            };
            if sample.get(key).is_none() && !commented.contains(key) {
                let message = format!("the secret `{name}` needs `{key}`, which the sample lacks");
                let fix = format!("add `{key}=v1 # length=32` to `.env.sample`");
                let finding = Finding::new(&rules::SECRET_WITHOUT_KEY, message).fix(fix);
                self.add(finding.at(Position::file(SAMPLE)));
            }
            if name.len() > LONGEST_SECRET {
                let message = format!(
                    "the secret's name `{name}` has {} bytes: with a longer domain it exceeds \
                     Docker's 64",
                    name.len()
                );
                self.add(Finding::new(&rules::SECRET_NAME_LONG, message));
            }
        }
    }

    /// What services answer in its tests.
    fn answers(&mut self) {
        if !self.checkout.exists(ANSWERS) {
            return;
        }
        let read = self.checkout.text(ANSWERS).map_err(|error| error.to_string());
        if let Err(message) = read.and_then(|text| Script::of_recipe(&text)) {
            let finding = Finding::new(&rules::ANSWERS_INVALID, message);
            self.add(finding.at(Position::file(ANSWERS)));
        }
    }

    /// Signs of sign-on and mail that no plugin connects: an overlay's name, or keys of the
    /// sample.
    fn connections(&mut self, sample: &EnvFile) {
        const SSO: (&[&str], &[&str]) = (&["oidc", "sso"], &["OIDC_", "OPENID_", "SSO_"]);
        const MAIL: (&[&str], &[&str]) = (&["mail", "mailrelay", "smtp"], &["MAIL_", "SMTP_"]);
        let roles = roles(self.checkout);
        let names = self.checkout.names();
        let mut keys = sample.commented_keys();
        keys.extend(sample.values().into_iter().map(|(key, _)| key));
        for ((overlays, prefixes), kind, of_kind) in [
            (SSO, ConnectionKind::Sso, [Role::SsoClient, Role::SsoProvider]),
            (MAIL, ConnectionKind::Mail, [Role::MailClient, Role::MailProvider]),
        ] {
            if of_kind.iter().any(|role| roles.contains(role)) {
                continue;
            }
            let overlay = names.iter().find(|name| {
                let stem = name.strip_prefix("compose.").and_then(|it| it.split('.').next());
                stem.is_some_and(|stem| overlays.contains(&stem))
            });
            let key = keys.iter().find(|key| prefixes.iter().any(|it| key.starts_with(it)));
            let sign = match (overlay, key) {
                (Some(overlay), _) => (format!("`{overlay}`"), overlay.as_str()),
                (None, Some(key)) => (format!("`{key}`"), SAMPLE),
                (None, None) => continue,
            };
            let (sign, file) = sign;
            let message = format!("{sign} looks like {}, and no plugin connects it", kind.noun());
            let finding = Finding::new(&rules::NOT_CONNECTED, message);
            self.add(finding.at(Position::file(file)));
        }
    }

    /// Components are there and are what the manifest says; grants and options name what
    /// exists.
    fn plugins(&mut self, services: Option<&BTreeSet<String>>) {
        let in_manifest = |rule: &'static Rule, plugin: &str, message: String| {
            Finding::new(rule, format!("plugin `{plugin}`: {message}")).at(Position::file(MANIFEST))
        };
        if let Some(error) = self.checkout.manifest_error() {
            let message = match error {
                Error::Manifest(message) => message.clone(),
                Error::Io { source, .. } => source.to_string(),
                error => error.to_string(),
            };
            let finding = Finding::new(&rules::MANIFEST_INVALID, message);
            self.add(finding.at(Position::file(MANIFEST)));
        }
        let named = services.map(|services| Names {
            services: services.clone(),
            volumes: self.volumes.clone(),
            secrets: self.secrets.clone(),
            files: self.checkout.names().into_iter().collect(),
        });
        for plugin in self.checkout.manifest.plugins.clone() {
            if let ComponentRef::Standard(standard) = &plugin.component {
                for finding in options::problems(&plugin, standard, named.as_ref()) {
                    self.add(finding.at(Position::file(MANIFEST)));
                }
            }
            let (name, component) = (&plugin.name, &plugin.component);
            match self.checkout.component(component) {
                Ok(bytes) => {
                    let digest = hex::encode(Sha256::digest(&bytes));
                    if plugin.sha256.as_ref().is_some_and(|pin| *pin != digest) {
                        let message = format!("`{component}` is not the one that `sha256` pins");
                        let fix = format!("write `sha256: {digest}` if it is the right one");
                        let rule = &rules::COMPONENT_DIFFERS;
                        self.add(in_manifest(rule, name, message).fix(fix));
                    }
                }
                Err(e) => {
                    self.add(in_manifest(&rules::COMPONENT_MISSING, name, e.to_string()));
                }
            }
            let Some(services) = services else { continue };
            for grant in &plugin.grants {
                if let Grant::Secret(secret) = grant
                    && !self.secrets.contains(secret)
                {
                    let message =
                        format!("it asks for `{grant}`, but the recipe has no secret of this name");
                    let fix = options::secrets_there(&self.secrets);
                    self.add(in_manifest(&rules::GRANT_UNKNOWN_SECRET, name, message).fix(fix));
                }
                if let Grant::Exec(service) = grant
                    && !services.contains(service)
                {
                    let message = format!(
                        "it asks for `{grant}`, but the recipe has no service of this name"
                    );
                    let fix = options::services_there(services);
                    let rule = &rules::GRANT_UNKNOWN_SERVICE;
                    self.add(in_manifest(rule, name, message).fix(fix));
                }
            }
        }
    }
}
