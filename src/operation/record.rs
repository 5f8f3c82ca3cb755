//! `state/deployed/<server>/<app>.json`: the inputs of the last successful
//! deploy, so that a deploy that would change nothing can skip the hooks. Losing it
//! costs one run of the hooks.

use std::{collections::BTreeMap, path::PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::{
    app::{App, Component, Context, Error},
    home::{
        AppEntry,
        write::{read_state, remove_file, write_state},
    },
    owner::{journal::Entry, release},
};

/// The record of one app.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// See [`fingerprint`].
    pub fingerprint: String,
    /// Ids of the services, so that the next deploy can look at their tasks at once.
    #[serde(default)]
    pub services: Vec<String>,
}

/// A digest of what hooks can see (settings, recipe and plugins), without
/// the stack itself, which is compared with the live one anyway.
pub(crate) fn fingerprint(app: &App, components: &[Component]) -> String {
    digest(app, components, &app.variables)
}

/// The same of what a folder would bring at one commit, whatever version its settings pin.
pub(crate) fn goal(app: &App, components: &[Component]) -> String {
    if let Some(release) = &app.replays {
        return hex::encode(Sha256::digest(sorted(serde_json::json!(release)).to_string()));
    }
    let mut settings = app.variables.clone();
    settings.retain(|name, _| !RECIPE_KEYS.contains(&name.as_str()));
    // Of a recipe without git, nothing else names what its files say.
    let specs: Vec<_> = app.stack.services.iter().map(|service| &service.spec).collect();
    let brought = serde_json::json!({
        "services": specs,
        "networks": app.stack.networks,
        "configs": app.stack.configs,
    });
    let known = digest(app, components, &settings);
    hex::encode(Sha256::digest(format!("{known}\n{}", sorted(brought))))
}

/// Digests of an app's settings, without the recipe's version; of an app that brings a
/// release back, those of that release.
pub(crate) fn settings(app: &App) -> BTreeMap<String, String> {
    if let Some(release) = &app.replays {
        return release.settings.clone();
    }
    own_settings(app)
}

/// Digests of what the folder's settings say, also of an app that brings a release back.
pub(crate) fn own_settings(app: &App) -> BTreeMap<String, String> {
    let is_setting = |(name, _): &(String, String)| !RECIPE_KEYS.contains(&name.as_str());
    let settings: BTreeMap<String, String> =
        app.env.values().into_iter().filter(is_setting).collect();
    release::digests(&settings)
}

/// Fails where a folder would bring something else than an operation that did not end.
///
/// # Errors
/// [`Error::OtherGoal`], and components that cannot be read.
pub(super) fn require_goal(app: &App, entry: &Entry) -> Result<(), Error> {
    let found = goal(app, &app.components()?);
    if entry.wanted.as_ref().is_none_or(|wanted| *wanted == found) {
        return Ok(());
    }
    Err(Error::OtherGoal {
        app: app.entry.name.to_string(),
        told: entry.told(),
        reason: "the settings, the recipe or its plugins are others in this folder".into(),
    })
}

/// The same with the members of objects in order: labels have none of their own.
fn sorted(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let members: BTreeMap<String, Value> =
                members.into_iter().map(|(name, value)| (name, sorted(value))).collect();
            members.into_iter().collect()
        }
        Value::Array(values) => values.into_iter().map(sorted).collect(),
        value => value,
    }
}

/// The settings that name the recipe and its version.
const RECIPE_KEYS: [&str; 2] = ["TYPE", "RECIPE"];

fn digest(app: &App, components: &[Component], settings: &BTreeMap<String, String>) -> String {
    let plugins: Vec<_> = components
        .iter()
        .map(|c| {
            let grants: Vec<String> = c.entry.grants.iter().map(ToString::to_string).collect();
            (&c.entry.name, &c.sha256, &c.entry.options, grants)
        })
        .collect();
    let seen = serde_json::json!({
        "settings": settings,
        "recipe": app.checkout.recipe.as_str(),
        "version": app.checkout.version,
        "commit": app.checkout.commit,
        "plugins": plugins,
    });
    hex::encode(Sha256::digest(seen.to_string().as_bytes()))
}

impl Record {
    /// None if there is none, or if it cannot be parsed.
    pub fn read(context: &Context, app: &AppEntry) -> Result<Option<Self>, Error> {
        let bytes = read_state(&path(context, app))?;
        Ok(bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
    }

    pub fn write(&self, context: &Context, app: &AppEntry) -> Result<(), Error> {
        let text = serde_json::json!(self).to_string();
        Ok(write_state(&path(context, app), text.as_bytes())?)
    }

    /// Forgets the last good deploy.
    pub fn remove(context: &Context, app: &AppEntry) -> Result<(), Error> {
        Ok(remove_file(path(context, app))?)
    }
}

fn path(context: &Context, app: &AppEntry) -> PathBuf {
    let folder = context.home.state().join("deployed").join(app.server.as_str());
    folder.join(format!("{}.json", app.name))
}
