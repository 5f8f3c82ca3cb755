//! Plays a scenario: the real component, in the real host, in a scripted world.

use std::{collections::BTreeSet, sync::Arc};

use serde_json::{Map, Value, json};

use super::{Error, Hook, Scenario, World, compare, file, world::Happened};
use crate::{
    hint::Hint,
    home::Grant,
    plugin::{self, Facts, Limits, Plugin, Surroundings},
    recipe::manifest::PluginLimits,
};

/// What a scenario takes from the recipe by default.
#[derive(Debug, Clone, Default)]
pub struct Defaults {
    pub grants: BTreeSet<Grant>,
    pub options: Value,
    pub limits: PluginLimits,
}

/// What came of one step.
#[derive(Debug)]
pub struct Played {
    /// The hook, as the scenario names it.
    pub call: String,
    /// `result` or `failure`, `calls`, `log`, `memory`, `secrets`.
    pub actual: Map<String, Value>,
    /// The difference between expected and actual results, if any.
    pub difference: Option<String>,
    /// Calls of the plugin that the scenario does not answer.
    pub unanswered: Vec<Value>,
    /// Secrets whose value the plugin got, which is not possible on a server.
    pub revealed: BTreeSet<String>,
}

impl Played {
    pub fn passed(&self) -> bool {
        self.difference.is_none() && self.unanswered.is_empty()
    }

    /// The updated expectation.
    pub fn corrected(&self, expect: &file::Expect) -> Map<String, Value> {
        compare::corrected(expect, &self.actual)
    }
}

/// Plays all steps; after one whose hook failed, the rest fails, too.
///
/// # Errors
/// Why the scenario cannot be played at all.
pub async fn play(
    plugin: &Plugin,
    scenario: &Scenario,
    defaults: &Defaults,
) -> Result<Vec<Played>, Error> {
    let hooks = scenario
        .steps
        .iter()
        .map(|step| Hook::new(&step.call, &step.with, plugin.versions()))
        .collect::<Result<Vec<_>, _>>()?;
    let world = Arc::new(World::new(&scenario.given, scenario.given.time()?));
    let mut instance = plugin.start(surroundings(plugin, scenario, defaults, &world)?).await?;
    let mut played = Vec::new();
    for (step, hook) in scenario.steps.iter().zip(hooks) {
        let outcome = hook.call(&mut instance).await;
        let happened = world.happened();
        let (unanswered, revealed) = (happened.unanswered.clone(), happened.revealed.clone());
        let actual = actual(&outcome, happened);
        played.push(Played {
            call: step.call.clone(),
            difference: compare::difference(&step.expect, &actual),
            actual,
            unanswered,
            revealed,
        });
    }
    Ok(played)
}

/// What a plugin sees of a scenario's world.
///
/// # Errors
/// [`Error::Invalid`], [`Error::Limit`].
pub fn surroundings(
    plugin: &Plugin,
    scenario: &Scenario,
    defaults: &Defaults,
    world: &Arc<World>,
) -> Result<Surroundings, Error> {
    let given = &scenario.given;
    let app = given.app.clone().unwrap_or_else(|| "app.example.org".into());
    let stack = given.stack.clone().unwrap_or_else(|| app.replace('.', "_"));
    let mut settings = given.settings.clone();
    for (key, value) in [("DOMAIN", &app), ("STACK_NAME", &stack)] {
        settings.entry(key.into()).or_insert_with(|| Some(value.clone()));
    }
    let options = given.options.clone().unwrap_or_else(|| defaults.options.clone());
    Ok(Surroundings {
        facts: Facts {
            app,
            stack,
            recipe: given.recipe.clone().unwrap_or_else(|| "recipe".into()),
            version: given.version.clone(),
            server: given.server.clone().unwrap_or_else(|| "default".into()),
        },
        settings: settings.into_iter().map(|(k, v)| (k, v.unwrap_or_default())).collect(),
        options: if options.is_null() { json!({}) } else { options },
        grants: match given.granted()? {
            Some(grants) => grants.into_iter().collect(),
            None => defaults.grants.clone(),
        },
        limits: Limits::for_roles(plugin.roles()).with_raised(&defaults.limits)?,
        services: world.clone(),
        secrets: world.clone(),
        memory: world.clone(),
        files: world.clone(),
        progress: world.clone(),
        outside: world.clone(),
    })
}

/// The result of a hook, in the order in which people read it.
pub(super) fn actual(
    outcome: &Result<Value, plugin::Error>,
    happened: Happened,
) -> Map<String, Value> {
    let mut actual = Map::new();
    match outcome {
        Ok(result) => actual.insert("result".into(), result.clone()),
        Err(error) => actual.insert("failure".into(), failure(error)),
    };
    actual.insert("calls".into(), happened.calls.into());
    actual.insert("log".into(), happened.log.into());
    actual.insert("memory".into(), json!(happened.memory));
    actual.insert("secrets".into(), json!(happened.secrets));
    actual
}

/// A plugin's own failure by its message; anything else as the host tells it.
fn failure(error: &plugin::Error) -> Value {
    let mut value = Map::new();
    let message = match error {
        plugin::Error::Failed { message, .. } => message.clone(),
        other => other.to_string(),
    };
    value.insert("message".into(), message.into());
    if let Some(hint) = error.hint() {
        value.insert("hint".into(), hint.into());
    }
    value.insert("retryable".into(), error.retryable().into());
    Value::Object(value)
}
