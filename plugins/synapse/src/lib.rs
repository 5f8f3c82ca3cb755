//! Synapse on PostgreSQL, on the upstream images as they are: upgrades the database of an
//! older Synapse as steps of a migration, looks at the server after a restore, and adds
//! commands. What a backup holds is said by options of `std:postgres` and `std:files`.
//!
//! Synapse is spoken to in Python, by scripts (`py/`) that go to `python3` in the app's
//! service on standard input. Secrets are read where they are mounted, inside the
//! service: this plugin never sees one, and asks only for `exec` in its two services.
//!
//! The recipe's entry point does not start Synapse while the database is of an older one,
//! nor while an upgrade was begun (`/data/.upgrading-to`) that did not end: it is the
//! steps that upgrade, and `after-deploy` that lets Synapse start.

mod backup;
mod commands;
mod python;
mod schemas;

use std::time::Duration;

use potluck_sdk::{
    Failure, Lifecycle, Migration, Result, Step, Transition, report, services, settings,
};
use serde::Deserialize;
use serde_json::json;

use schemas::{Schemas, State, Work};

/// The plugin.
pub struct Synapse;

/// The `options` in `recipe.yml`.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Options {
    /// The service that runs Synapse.
    app: String,
    /// The service that runs PostgreSQL.
    database: String,
    /// What each Synapse makes of its database.
    schemas: Schemas,
}

impl Default for Options {
    fn default() -> Self {
        Options { app: "app".into(), database: "db".into(), schemas: Schemas::new() }
    }
}

/// Time for a service that was just started.
const READY_WITHIN: Duration = Duration::from_secs(120);
/// Time for a script that asks one thing.
pub(crate) const SOON: Duration = Duration::from_secs(60);
/// Time for an upgrade of the database, less than a step of a migration has.
const UPGRADED_WITHIN: Duration = Duration::from_secs(5 * 3600);

impl Lifecycle for Synapse {
    fn check(to: Transition) -> Result {
        let options: Options = potluck_sdk::options()?;
        for key in ["DOMAIN", "SERVER_NAME"] {
            check_name(key)?;
        }
        in_background()?;
        let schema = |version: &Option<String>| {
            version.as_deref().and_then(|it| schemas::of(&options.schemas, it).ok())
        };
        if let (Some(before), Some(after)) = (schema(&to.before), schema(&to.after))
            && before.compat > after.version
        {
            report::warn(format!(
                "{} refuses the database of {}: it needs the data of a backup from before the \
                 upgrade",
                to.after.unwrap_or_default(),
                to.before.unwrap_or_default()
            ));
        }
        Ok(())
    }

    fn after_deploy(_: Transition) -> Result {
        start()
    }
}

impl Migration for Synapse {
    fn plan(before: String, after: String) -> Result<Vec<Step>> {
        let options: Options = potluck_sdk::options()?;
        let before = schemas::of(&options.schemas, &before)?;
        let after = schemas::of(&options.schemas, &after)?;
        Ok(schemas::steps(before, after, in_background()?))
    }

    fn run(id: String) -> Result {
        let options: Options = potluck_sdk::options()?;
        let work = schemas::work(&id)?;
        services::wait_ready(&options.database, READY_WITHIN)?;
        services::wait_ready(&options.app, READY_WITHIN)?;
        upgrade(&work)
    }
}

/// Upgrades the database, or the second half of that.
fn upgrade(work: &Work) -> Result {
    let input = json!({ "schema": work.schema, "background": work.background });
    python::call::<()>(python::UPGRADE, &input, UPGRADED_WITHIN)?;
    let what = if work.background {
        "the updates in the background are done"
    } else {
        "the database is upgraded"
    };
    report::info(format!("{what}, schema {}", work.schema));
    Ok(())
}

/// Makes what a backup brought back fit the Synapse that runs, if that is the one that
/// the app is at; says whether it fits. After an upgrade that failed it is not: then the
/// data is left alone, so that the old Synapse can have it.
pub(crate) fn fits() -> Result<bool> {
    let options: Options = potluck_sdk::options()?;
    services::wait_ready(&options.database, READY_WITHIN)?;
    services::wait_ready(&options.app, READY_WITHIN)?;
    let state: State = python::call(python::SCHEMA, &json!({}), SOON)?;
    if state.version >= state.code {
        return Ok(true);
    }
    let release = potluck_sdk::facts().version.unwrap_or_default();
    if let Ok(schema) = schemas::of(&options.schemas, &release)
        && schema.version != state.code
    {
        report::warn(format!(
            "the data is of schema {} and untouched; the Synapse that runs needs {}, and waits: \
             deploy {release} to run the old one on it, or the new version to upgrade it",
            state.version, state.code
        ));
        return Ok(false);
    }
    report::warn(format!(
        "the backup is of an older Synapse: its schema {} is upgraded to {}",
        state.version, state.code
    ));
    upgrade(&Work { schema: state.code, background: false })?;
    if !in_background()? {
        upgrade(&Work { schema: state.code, background: true })?;
    }
    Ok(true)
}

/// Lets Synapse start, and waits until it answers.
pub(crate) fn start() -> Result {
    let options: Options = potluck_sdk::options()?;
    services::wait_ready(&options.database, READY_WITHIN)?;
    services::wait_ready(&options.app, READY_WITHIN)?;
    let input = json!({ "seconds": READY_WITHIN.as_secs() });
    python::call::<()>(python::START, &input, READY_WITHIN + SOON)
}

/// Whether Synapse itself does the second half of an upgrade, while it runs.
fn in_background() -> Result<bool> {
    match settings::get_or("BACKGROUND_UPDATES", "").as_str() {
        "" => Ok(false),
        "later" => Ok(true),
        other => Err(Failure::new(format!("`{other}` is not a way to do background updates"))
            .hint("BACKGROUND_UPDATES is `later`, or left out")),
    }
}

/// A name that others find the server by.
fn check_name(key: &str) -> Result {
    let name = settings::get_or(key, "");
    if name.is_empty() && key != "DOMAIN" {
        return Ok(());
    }
    let name = if name.is_empty() { settings::require(key)? } else { name };
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || ".-".contains(c);
    if !name.contains('.') || !name.chars().all(fits) {
        return Err(Failure::new(format!("`{name}` is not a server's name"))
            .hint(format!("{key} is written like `chat.example.org`, in small letters")));
    }
    Ok(())
}

potluck_sdk::export!(Synapse: lifecycle, migration, backup, commands);

#[cfg(test)]
mod tests;
