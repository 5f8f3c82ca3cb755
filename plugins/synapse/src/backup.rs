//! What only Synapse knows of a backup: that older data needs an upgrade before this
//! Synapse starts on it, and whether what came back is sound. Its data is taken by
//! `std:postgres` and `std:files`.

use potluck_sdk::{Backup, Finding, Item, Result};
use serde::Deserialize;
use serde_json::json;

use crate::{SOON, Synapse, fits, python, start};

/// One line of `verify.py`.
#[derive(Deserialize)]
struct Check {
    name: String,
    passed: bool,
    detail: Option<String>,
}

impl Backup for Synapse {
    fn plan() -> Result<Vec<Item>> {
        Ok(vec![])
    }

    fn after_restore() -> Result {
        if fits()? { start() } else { Ok(()) }
    }

    fn verify() -> Result<Vec<Finding>> {
        let checks: Vec<Check> = python::call(python::VERIFY, &json!({}), SOON * 10)?;
        Ok(checks
            .into_iter()
            .map(|check| Finding { name: check.name, passed: check.passed, detail: check.detail })
            .collect())
    }
}
