//! Finds all problems of an app at once: in its settings, its recipe, its files,
//! and on its server. A part that cannot be read hides only the problems of what depends on it.

use crate::{
    compose::{Source, Stack},
    engine,
    hint::Hint,
    home::{self, AppEntry, EnvFile, Home, LockFile, StackName},
    lint::{Finding, Rule, Severity, rules},
    owner::{Claimant, Confined},
    recipe::{self, Checkout, Store, Version},
    rollout::{self, Place, Subject, drivers, external, live::Live},
    secrets::{self, escrow},
};

use super::{App, Context, Error, checks, load};

/// Whether a survey asks the app's server, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Server {
    Asked,
    LeftAlone,
}

/// What prevents a deploy of an app, and what will be read differently than it
/// looks, errors first.
pub async fn survey(
    context: &Context,
    entry: &AppEntry,
    version: &Version,
    server: Server,
) -> Vec<Finding> {
    survey_at(&context.home, entry, version, server).await
}

/// The same for a command that runs nothing and needs no [`Context`].
pub(super) async fn survey_at(
    home: &Home,
    entry: &AppEntry,
    version: &Version,
    server: Server,
) -> Vec<Finding> {
    let mut survey = Survey { home, entry, findings: Vec::new() };
    survey.run(version, server).await;
    checks::without_repeats(&mut survey.findings);
    checks::blame_settings(&mut survey.findings);
    survey.findings.sort();
    survey.findings.dedup();
    survey.findings
}

/// Loads an app for a deploy: if its files or settings prevent that, the error lists
/// all problems, the cause first.
///
/// # Errors
/// As [`load()`].
pub async fn load_to_deploy(
    context: &Context,
    entry: &AppEntry,
    version: &Version,
) -> Result<App, Error> {
    let error = match load::load(context, entry, version).await {
        Err(
            error @ (Error::Compose(_)
            | Error::Home(home::Error::Env(_))
            | Error::Recipe(recipe::Error::Io { .. })),
        ) => error,
        loaded => return loaded,
    };
    let mut found = survey(context, entry, version, Server::Asked).await;
    found.retain(|finding| finding.severity == Severity::Error);
    let is_said = |finding: &Finding| match &error {
        // With the lines of the files, where that is all.
        Error::Compose(_) => finding.code == rules::COMPOSE_INVALID.code,
        Error::Home(_) => found.len() == 1,
        _ => false,
    };
    if found.iter().all(is_said) {
        return Err(error);
    }
    let subject = Subject::App(entry.name.to_string());
    Err(rollout::Error::Unfit { subject, findings: found }.into())
}

struct Survey<'a> {
    home: &'a Home,
    entry: &'a AppEntry,
    findings: Vec<Finding>,
}

impl Survey<'_> {
    async fn run(&mut self, version: &Version, server: Server) {
        let Some((env, lock)) = self.settings() else { return };
        let engine = match server {
            Server::LeftAlone => None,
            Server::Asked => self.keep(self.engine(&env, &lock)),
        };
        let mixup = match &engine {
            Some(engine) => self.keep(engine.recorded_mixup().await.map_err(Error::from)),
            None => None,
        };
        let reached = mixup.is_some();
        if let Some(mixup) = mixup.flatten() {
            // What another recipe lacks is beside the point.
            let finding = Finding::new(&rules::OTHER_RECIPE, mixup.to_string());
            self.findings.push(finding.fix(mixup.correct()));
            return;
        }
        let engine = engine.filter(|_| reached);
        let Some(checkout) = self.checkout(&env, version).await else { return };
        self.findings.extend(checks::settings(&env, &checkout));
        self.findings.extend(recipe::lint::components(&checkout));
        let Some(name) = self.keep(load::stack_name(self.entry, &env)) else { return };
        let Some((sources, stack)) = self.stack(&env, &name, &checkout) else { return };
        self.findings.extend(recipe::lint::without_app_service(&stack, &sources));
        self.findings.extend(external::reserved(&stack));
        self.findings.extend(checks::of_stack(&stack, &env));

        let app = &self.entry.name;
        let survey = secrets::survey(&stack, &env, &sources);
        let live = match &engine {
            Some(engine) => self.keep(Live::read(engine, &stack).await.map_err(Error::from)),
            None => None,
        };
        self.findings.extend(checks::all_unplanned(app, &checkout, &survey, live.as_ref()));
        let (Some(engine), Some(live)) = (engine, live) else { return };
        let place = Place::of(&engine);
        let kept = escrow::kept_names(self.home, self.entry, &name);
        let found = (&live, &place);
        let missing = checks::missing(app, &checkout, &stack, &survey, &kept, found);
        self.findings.extend(missing);
        let drivers = drivers::missing(&engine, &stack).await.map_err(Error::from);
        let found = self.keep(drivers).unwrap_or_default();
        self.findings.extend(found);
    }

    /// Settings and lock file. Settings with an unreadable line are not used
    /// further, because what that line sets would be missing.
    fn settings(&mut self) -> Option<(EnvFile, LockFile)> {
        let salvaged = self.keep(self.home.salvage(self.entry).map_err(Error::from))?;
        for error in salvaged.broken {
            self.findings.push(of_error(&error.into()));
        }
        salvaged.whole.then_some((salvaged.env, salvaged.lock))
    }

    async fn checkout(&mut self, env: &EnvFile, version: &Version) -> Option<Checkout> {
        let (recipe, pin) = self.keep(load::recipe_of(self.entry, env))?;
        let version = load::wanted_version(version, pin);
        let home = self.home;
        let store = Store::for_app(home, env);
        // Waits for the git program.
        let checkout = tokio::task::spawn_blocking(move || store.examine(&recipe, &version)).await;
        match checkout {
            Ok(checkout) => {
                let checkout = self.keep(checkout.map_err(Error::from))?;
                if let Some(unsigned) = checkout.unsigned().cloned() {
                    self.findings.push(of_error(&recipe::Error::Unsigned(unsigned.into()).into()));
                }
                Some(checkout)
            }
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
        let sample = checks::sample(checkout).unwrap_or_default();
        let loaded = load::with_config(checkout, env, &variables, &sources, |config, _, files| {
            let findings = load::lint(&config, name, checkout, &variables, &sample);
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
        let home = self.home;
        let server = &self.entry.server;
        let endpoint = home.endpoint(server)?;
        let engine =
            engine::connect(&endpoint, home.server(server)?.nodes, &home.state(), server.as_str())?;
        Ok(Confined::new(engine, Claimant::new(self.entry, env, lock)?))
    }

    /// What was read; if reading fails, that becomes a finding.
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
    let mut finding = of_hinting(rule, error);
    if let Error::Home(error) = error
        && let Some(position) = error.position()
    {
        // By their lines they sort as the file has them.
        finding.message = error.without_position();
        finding.position = Some(position);
    }
    finding
}

fn of_hinting(rule: &'static Rule, error: &Error) -> Finding {
    let finding = Finding::new(rule, error.to_string());
    match error.hint() {
        Some(hint) => finding.fix(hint),
        None => finding,
    }
}
