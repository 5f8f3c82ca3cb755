//! Loads an app: settings, recipe, compose files, engine.
//!
//! What `${NAME}` stands for in a compose file comes from the app's settings
//! and from the recipe's `abra.sh`, never from the environment of the process:
//! the same folder deploys the same stack on every machine. If both have a
//! key, the settings win, with one exception that recipes rely on: versions
//! of configs (`*_VERSION`, but not `SECRET_*`) come from `abra.sh`, as they
//! must change with the files they name.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    compose::{
        self, Config, Files, LoadOptions, Problems, Source, Stack, Warning, lint::LintOptions,
    },
    engine,
    home::{self, AppEntry, EnvFile, RecipeName, StackName, lock_file::RecipePin},
    lint::{Finding, rules},
    owner::{Claimant, Confined},
    recipe::{self, Checkout, Store, Version},
    secrets,
};

use super::{App, Context, Error, World, chaos, checks, plugins::Plugins, seal};

/// Loads an app: settings, recipe, compose files, engine.
///
/// `version` beats the pin in the settings (`TYPE=recipe:1.2.0`); without
/// either it is the newest.
///
/// # Errors
/// Settings that name no recipe, a recipe or version that does not exist,
/// invalid compose files, an engine that does not answer.
pub async fn load(context: &Context, entry: &AppEntry, version: &Version) -> Result<App, Error> {
    load_with(context, entry, version, context.home.env(entry)?).await
}

/// The same with settings that are not written yet.
///
/// # Errors
/// As [`load`].
pub async fn load_with(
    context: &Context,
    entry: &AppEntry,
    version: &Version,
    env: EnvFile,
) -> Result<App, Error> {
    let lock = context.home.lock_file(entry)?;
    let (recipe, pin) = recipe_of(entry, &env)?;
    let version = wanted_version(version, pin);
    let home = &context.home;
    let store = Store::for_app(home, &env);
    let endpoint = context.home.endpoint(&entry.server)?;
    let engine = engine::connect(
        &endpoint,
        context.home.server(&entry.server)?.nodes,
        &context.home.state(),
        entry.server.as_str(),
    )?;
    let engine = Arc::new(Confined::new(engine, Claimant::new(entry, &env, &lock)?));
    let checkout = match context.checkouts.get(store, recipe, version).await {
        Err(unknown @ recipe::Error::Unknown { .. }) => {
            // The server may know which was meant; its own troubles are not the cause.
            return Err(match engine.recorded_mixup().await {
                Ok(Some(mixup)) => Error::OtherRecipe { mixup: Box::new(mixup) },
                Ok(None) | Err(_) => unknown.into(),
            });
        }
        checkout => checkout?,
    };
    let name = stack_name(entry, &env)?;
    let variables = variables(entry, &env, &name, &checkout)?;
    let sources = checkout.compose_sources(env.get("COMPOSE_FILE").unwrap_or_default())?;
    // What is wrong with it, `app check` says.
    let sample = checks::sample(&checkout).unwrap_or_default();
    let (mut stack, mut warnings, findings) =
        with_config(&checkout, &env, &variables, &sources, |config, warnings, files| {
            let stack = config.to_stack(&name, files)?;
            Ok((stack, warnings, lint(&config, &name, &checkout, &variables, &sample)))
        })?;
    disown_foreign_volumes(&mut stack);
    chaos::label(&mut stack, &checkout);
    let mut left_out = Vec::new();
    if context.world == World::Sealed {
        let sealed = seal::seal(stack)
            .map_err(|reasons| Error::NotSealed { app: entry.name.to_string(), reasons })?;
        (stack, left_out) = (sealed.stack, sealed.left_out.into_iter().collect());
    }
    let rivals = env.rival_recipes();
    warnings.extend(rivals.map(|message| Warning { message, position: None }));
    let mut app = App {
        kept: secrets::escrow::kept_names(&context.home, entry, &name),
        entry: entry.clone(),
        env,
        lock,
        checkout,
        name,
        sources,
        variables,
        stack: Arc::new(stack),
        left_out,
        warnings,
        findings,
        plugins: Plugins::default(),
        engine,
        replays: None,
    };
    app.findings.extend(recipe::lint::without_app_service(&app.stack, &app.sources));
    app.findings.extend(checks::of_stack(&app.stack, &app.env));
    app.findings.extend(checks::missing_settings(&app.env, &sample));
    Ok(app)
}

/// Reads the compose files as the app's settings have them.
///
/// # Errors
/// What is wrong with them.
pub(super) fn with_config<T>(
    checkout: &Checkout,
    env: &EnvFile,
    variables: &BTreeMap<String, String>,
    sources: &[Source],
    then: impl FnOnce(Config, Vec<Warning>, &dyn Files) -> Result<T, Problems>,
) -> Result<T, Problems> {
    let environment = |key: &str| variables.get(key).cloned();
    let profiles = compose::parse_profiles(env.get("COMPOSE_PROFILES").unwrap_or_default());
    let files = checkout.files();
    let options = LoadOptions {
        working_dir: checkout.path(),
        home_dir: None,
        environment: &environment,
        files: &files,
        interpolate: true,
        profiles: &profiles,
    };
    let (config, warnings) = compose::load(sources, &options)?;
    then(config, warnings, &files)
}

/// What lint says of an app's files.
pub(super) fn lint(
    config: &Config,
    name: &StackName,
    checkout: &Checkout,
    variables: &BTreeMap<String, String>,
    sample: &EnvFile,
) -> Vec<Finding> {
    let names: Vec<String> = variables.keys().cloned().collect();
    let mut findings = config.lint(&LintOptions {
        stack: Some(name),
        checkout: Some(checkout.path()),
        variables: &names,
        optional: &of_sample(sample),
    });
    // An overlay that this app leaves out may use it; `recipe lint` looks at all of them.
    findings.retain(|finding| finding.code != rules::UNUSED_DEFINITION.code);
    findings
}

/// Variables of the recipe's sample: if the settings lack one that the files need, it
/// is reported as a missing setting; those that are commented out are optional.
fn of_sample(sample: &EnvFile) -> Vec<String> {
    let mut names = sample.commented_keys();
    names.extend(sample.values().into_iter().map(|(key, _)| key));
    names
}

/// Loads an app at the version that was deployed last, for commands that work with the
/// running app: the pin in the settings is for the next deploy. An app that was never
/// deployed is loaded as [`load`] does; so is, with a warning, one whose deployed version
/// is no longer in the recipe.
///
/// # Errors
/// As [`load`].
pub async fn load_deployed(context: &Context, entry: &AppEntry) -> Result<App, Error> {
    let deployed = context.home.lock_file(entry)?.recipe;
    let version = match deployed {
        Some(RecipePin { chaos: Some(deployed), .. }) => {
            match chaotic(context, entry, &deployed).await? {
                Ok(app) => return Ok(app),
                Err(commit) => commit,
            }
        }
        pin => match pin.as_ref().and_then(|pin| pin.released()) {
            Some(version) => version.clone(),
            None => return load(context, entry, &Version::Newest).await,
        },
    };
    match load(context, entry, &Version::Named(version.clone())).await {
        Err(Error::Recipe(recipe::Error::UnknownVersion { recipe, .. })) => {
            context.progress.warn(format!(
                "{version}, which was deployed, is not in the recipe `{recipe}` any more: \
                 continuing with the version in the settings"
            ));
            load(context, entry, &Version::Newest).await
        }
        loaded => loaded,
    }
}

/// An app whose files have no version, as far as they are here; else the commit that they
/// were changed from.
async fn chaotic(
    context: &Context,
    entry: &AppEntry,
    deployed: &str,
) -> Result<Result<App, String>, Error> {
    let app = load(context, entry, &Version::Working).await?;
    let commit = |version: &str| version.trim_end_matches("+U").to_owned();
    let here = app.checkout.chaos.as_ref().map(chaos::pinned);
    // A colleague's clone is at another commit.
    match here.is_none_or(|here| commit(&here) == commit(deployed)) {
        true => Ok(Ok(app)),
        false => Ok(Err(commit(deployed))),
    }
}

/// The version that is meant: the one given, else the settings' pin.
pub(super) fn wanted_version(given: &Version, pin: Option<String>) -> Version {
    match (given, pin) {
        (Version::Newest, Some(pin)) => Version::Named(pin),
        (given, _) => given.clone(),
    }
}

/// A volume whose name does not begin with the stack's is not the app's,
/// whether the file calls it external or not: it is used, but neither backed up nor replaced.
fn disown_foreign_volumes(stack: &mut Stack) {
    let prefix = format!("{}_", stack.name);
    for volume in stack.volumes.iter_mut().filter(|volume| !volume.name.starts_with(&prefix)) {
        volume.external = true;
    }
}

/// Recipe and pin: `RECIPE=recipe[:version]`, or `TYPE=` in older abra.
///
/// # Errors
/// Settings that name none, or something that is no recipe's name.
pub(super) fn recipe_of(
    entry: &AppEntry,
    env: &EnvFile,
) -> Result<(RecipeName, Option<String>), Error> {
    let pin = env.recipe_pin().map_err(home::Error::from)?;
    pin.ok_or_else(|| Error::NoRecipe { app: entry.name.to_string() })
}

/// The stack's name: the app's, unless the settings say otherwise.
pub(super) fn stack_name(entry: &AppEntry, env: &EnvFile) -> Result<StackName, Error> {
    Ok(entry.stack(env)?)
}

/// Whether the app needs secrets of its own; does not contact a server.
///
/// # Errors
/// Files of the recipe that cannot be read with these settings.
pub fn names_secrets(entry: &AppEntry, env: &EnvFile, checkout: &Checkout) -> Result<bool, Error> {
    let name = stack_name(entry, env)?;
    let variables = variables(entry, env, &name, checkout)?;
    let sources = checkout.compose_sources(env.get("COMPOSE_FILE").unwrap_or_default())?;
    let stack = with_config(checkout, env, &variables, &sources, |config, _, files| {
        config.to_stack(&name, files)
    })?;
    let survey = secrets::survey(&stack, env, &sources);
    Ok(!survey.plans.is_empty() || !survey.unplanned.is_empty())
}

/// What `${NAME}` stands for.
pub(crate) fn variables(
    entry: &AppEntry,
    env: &EnvFile,
    stack: &StackName,
    checkout: &Checkout,
) -> Result<BTreeMap<String, String>, Error> {
    let mut variables: BTreeMap<String, String> = BTreeMap::new();
    variables.insert("DOMAIN".into(), entry.name.to_string());
    variables.extend(env.values());
    for (key, value) in checkout.abra_exports()?.settings {
        let versions_a_file = key.ends_with("_VERSION") && !key.starts_with("SECRET_");
        if versions_a_file || !variables.contains_key(&key) {
            variables.insert(key, value);
        }
    }
    variables.insert("STACK_NAME".into(), stack.to_string());
    Ok(variables)
}
