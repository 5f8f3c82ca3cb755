//! Everything that is wrong with an app, found at once: as far as its settings can
//! be read, then its recipe, its files, and what its server has. What cannot be
//! read hides only what depends on it.

use crate::{
    compose::{Source, Stack},
    engine,
    hint::Hint,
    home::{self, AppEntry, EnvFile, LockFile, StackName},
    lint::{Finding, Position, Rule, Severity, rules},
    owner::{Claimant, Confined},
    recipe::{self, Checkout, Store, Version},
    rollout::{Place, drivers, external, live::Live},
    secrets,
};

use super::{Context, Error, checks, load};

const SAMPLE: &str = ".env.sample";

/// What keeps an app from being deployed, and what will not be read as it looks,
/// errors first. `offline` asks no server.
pub async fn survey(
    context: &Context,
    entry: &AppEntry,
    version: &Version,
    offline: bool,
) -> Vec<Finding> {
    let mut survey = Survey { context, entry, findings: Vec::new() };
    survey.run(version, offline).await;
    survey.findings.sort();
    survey.findings.dedup();
    survey.findings
}

struct Survey<'a> {
    context: &'a Context,
    entry: &'a AppEntry,
    findings: Vec<Finding>,
}

impl Survey<'_> {
    async fn run(&mut self, version: &Version, offline: bool) {
        let Some((env, lock)) = self.settings() else { return };
        let Some(checkout) = self.checkout(&env, version).await else { return };
        self.findings.extend(of_sample(&env, &checkout));
        self.findings.extend(recipe::lint::components(&checkout));
        let Some(name) = self.keep(load::stack_name(self.entry, &env)) else { return };
        let Some((sources, stack)) = self.stack(&env, &name, &checkout) else { return };
        self.findings.extend(recipe::lint::without_app_service(&stack, &sources));
        self.findings.extend(external::reserved(&stack));

        let app = &self.entry.name;
        let survey = secrets::survey(&stack, &env, &sources);
        let unplanned = survey.unplanned.values();
        let unplanned: Vec<Finding> =
            unplanned.map(|secret| checks::unplanned(app, &checkout, &secret.error)).collect();
        // That the sample has it is the same mistake.
        self.findings.retain(|missing| {
            missing.code != rules::SETTING_MISSING.code
                || !unplanned.iter().any(|finding| finding.path == missing.path)
        });
        self.findings.extend(unplanned);
        if offline {
            return;
        }
        let Some(engine) = self.keep(self.engine(&env, &lock)) else { return };
        let live = Live::read(&engine, &stack).await.map_err(Error::from);
        let Some(live) = self.keep(live) else { return };
        let place = Place::of(&engine);
        let missing = checks::missing(app, &checkout, &stack, &survey, &live, &place);
        self.findings.extend(missing);
        let drivers = drivers::missing(&engine, &stack).await.map_err(Error::from);
        let found = self.keep(drivers).unwrap_or_default();
        self.findings.extend(found);
    }

    /// Settings and lock file. Settings with a line that cannot be read are not gone
    /// on with: what that line sets would be missing.
    fn settings(&mut self) -> Option<(EnvFile, LockFile)> {
        let salvaged = self.keep(self.context.home.salvage(self.entry).map_err(Error::from))?;
        let whole = !salvaged.broken.iter().any(|error| matches!(error, home::Error::Env(_)));
        for error in salvaged.broken {
            self.findings.push(of_error(&error.into()));
        }
        whole.then_some((salvaged.env, salvaged.lock))
    }

    async fn checkout(&mut self, env: &EnvFile, version: &Version) -> Option<Checkout> {
        let (recipe, pin) = self.keep(load::recipe_of(self.entry, env))?;
        let version = load::wanted_version(version, pin);
        let home = &self.context.home;
        let store = Store::new(home.recipes()).keeping(&home.recipe_cache());
        // Waits for the git program.
        let checkout = tokio::task::spawn_blocking(move || store.examine(&recipe, &version)).await;
        match checkout {
            Ok(checkout) => self.keep(checkout.map_err(Error::from)),
            Err(panic) => std::panic::resume_unwind(panic.into_panic()),
        }
    }

    /// The compose files, and what they ask of a swarm.
    fn stack(
        &mut self,
        env: &EnvFile,
        name: &StackName,
        checkout: &Checkout,
    ) -> Option<(Vec<Source>, Stack)> {
        let list = env.get("COMPOSE_FILE").unwrap_or_default();
        let sources = match recipe::lint::sources(checkout, list) {
            Ok(sources) => sources,
            Err(findings) => {
                self.findings.extend(findings);
                return None;
            }
        };
        let variables = match load::variables(self.entry, env, name, checkout) {
            Ok(variables) => variables,
            Err(error) => {
                self.findings.push(of_hinting(&rules::ABRA_SH_UNREADABLE, &error));
                return None;
            }
        };
        let loaded = load::with_config(checkout, env, &variables, &sources, |config, _, files| {
            let findings = load::lint(&config, name, checkout, &variables);
            Ok(recipe::lint::with_refusals(config.to_stack(name, files), findings))
        });
        let (stack, findings) = loaded
            .unwrap_or_else(|problems| recipe::lint::with_refusals(Err(problems), Vec::new()));
        // What is merely worth knowing is `recipe lint`'s.
        let own = findings.into_iter().filter(|finding| finding.severity < Severity::Info);
        self.findings.extend(own);
        stack.map(|stack| (sources, stack))
    }

    fn engine(&self, env: &EnvFile, lock: &LockFile) -> Result<Confined, Error> {
        let home = &self.context.home;
        let server = &self.entry.server;
        let endpoint = home.endpoint(server)?;
        let engine = engine::connect(&endpoint, &home.state(), server.as_str())?;
        Ok(Confined::new(engine, Claimant::new(self.entry, env, lock)?))
    }

    /// What was read; else that it cannot be is a finding.
    fn keep<T>(&mut self, read: Result<T, Error>) -> Option<T> {
        read.map_err(|error| self.findings.push(of_error(&error))).ok()
    }
}

/// What keeps an app from being loaded.
fn of_error(error: &Error) -> Finding {
    let rule = match error {
        Error::Engine(_) => &rules::SERVER_UNAVAILABLE,
        Error::Recipe(_) | Error::NoRecipe { .. } => &rules::RECIPE_UNAVAILABLE,
        _ => &rules::SETTINGS_INVALID,
    };
    of_hinting(rule, error)
}

fn of_hinting(rule: &'static Rule, error: &Error) -> Finding {
    let finding = Finding::new(rule, error.to_string());
    match error.hint() {
        Some(hint) => finding.fix(hint),
        None => finding,
    }
}

/// Settings that the recipe's sample has and the app lacks.
pub(crate) fn missing_settings(env: &EnvFile, checkout: &Checkout) -> Vec<Finding> {
    let mut findings = of_sample(env, checkout);
    findings.retain(|finding| finding.code == rules::SETTING_MISSING.code);
    findings
}

/// What the settings lack that the recipe's sample has.
fn of_sample(env: &EnvFile, checkout: &Checkout) -> Vec<Finding> {
    let invalid = |position: Position, message: String| {
        vec![Finding::new(&rules::SAMPLE_INVALID, message).at(position)]
    };
    let text = match checkout.sample() {
        Ok(text) => text.unwrap_or_default(),
        Err(error) => return invalid(Position::file(SAMPLE), error.to_string()),
    };
    let sample = match EnvFile::parse(SAMPLE, &text) {
        Ok(sample) => sample,
        Err(e) => return invalid(Position::line(SAMPLE, e.line), e.message),
    };
    let mut findings: Vec<Finding> = sample
        .values()
        .into_iter()
        // Either key names the recipe.
        .filter(|(key, _)| !matches!(key.as_str(), "TYPE" | "RECIPE"))
        .filter(|(key, _)| env.get(key).is_none())
        .map(|(key, value)| {
            let message = format!("not in the settings; the recipe's sample has `{key}={value}`");
            Finding::new(&rules::SETTING_MISSING, message).path(key)
        })
        .collect();
    let odd = env.warnings().into_iter();
    findings.extend(odd.map(|message| Finding::new(&rules::SETTINGS_ODD, message)));
    findings
}
