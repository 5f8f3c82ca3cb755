//! Which schema each Synapse gives its database, and who still understands it.
//!
//! A Synapse upgrades an older database to its `SCHEMA_VERSION`, and writes its
//! `SCHEMA_COMPAT_VERSION` into it: a Synapse whose own version is below that refuses the
//! database from then on.

use std::collections::BTreeMap;

use potluck_sdk::{Failure, Result, Step};
use serde::Deserialize;

/// `SCHEMA_VERSION` and `SCHEMA_COMPAT_VERSION` of one Synapse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Schema {
    /// What it makes of a database.
    pub version: u32,
    /// The oldest version that works on what it makes.
    pub compat: u32,
}

/// By the part of the recipe's version that is Synapse's.
pub(crate) type Schemas = BTreeMap<String, Schema>;

const SCHEMA: &str = "schema-";
const BACKGROUND: &str = "background-";

/// What the script `schema.py` found.
#[derive(Debug, Deserialize)]
pub(crate) struct State {
    /// Of the database.
    pub version: u32,
    /// Below which a Synapse refuses the database.
    pub compat: u32,
    /// Of the Synapse that runs.
    pub code: u32,
    /// Changes that are still to be made in the background.
    pub open: u32,
}

/// What a step does.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Work {
    /// The schema to which it upgrades.
    pub schema: u32,
    /// Whether it runs what Synapse would do in the background.
    pub background: bool,
}

/// The schema of a version of the recipe, `0.2.0+v1.163.2`.
pub(crate) fn of(schemas: &Schemas, version: &str) -> Result<Schema> {
    let synapse = version.split_once('+').map_or(version, |(_, synapse)| synapse);
    schemas.get(synapse).copied().ok_or_else(|| {
        Failure::new(format!("the schema of Synapse {synapse} is unknown"))
            .hint("add its two numbers to the plugin's option `schemas` in recipe.yml")
    })
}

/// The steps from one schema to the other.
pub(crate) fn steps(before: Schema, after: Schema, in_background: bool) -> Vec<Step> {
    if after.version <= before.version {
        return Vec::new();
    }
    let reversible = after.compat <= before.version;
    let (from, to) = (before.version, after.version);
    let mut steps = vec![Step {
        id: format!("{SCHEMA}{to}"),
        description: format!("upgrade the database from schema {from} to {to}"),
        reversible,
    }];
    if !in_background {
        steps.push(Step {
            id: format!("{BACKGROUND}{to}"),
            description: "carry out what Synapse would do in the background".into(),
            reversible,
        });
    }
    steps
}

/// What the step of this id does.
pub(crate) fn work(id: &str) -> Result<Work> {
    let schema = |number: &str| number.parse().ok();
    id.strip_prefix(SCHEMA)
        .and_then(schema)
        .map(|schema| Work { schema, background: false })
        .or_else(|| {
            let schema = id.strip_prefix(BACKGROUND).and_then(schema)?;
            Some(Work { schema, background: true })
        })
        .ok_or_else(|| Failure::new(format!("there is no step `{id}`")))
}
