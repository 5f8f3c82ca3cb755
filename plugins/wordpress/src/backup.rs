//! What only WordPress knows of a backup: the site after a restore, and whether it
//! is sound. Its data is taken by `std:mariadb` and `std:files`.

use potluck_sdk::{Backup, Finding, Item, Result};
use serde::Deserialize;
use serde_json::json;

use crate::{Wordpress, php, settle};

/// One line of `verify.php`.
#[derive(Deserialize)]
struct Check {
    name: String,
    passed: bool,
    detail: Option<String>,
}

impl Backup for Wordpress {
    fn plan() -> Result<Vec<Item>> {
        Ok(vec![])
    }

    fn after_restore() -> Result {
        settle(json!({ "may_install": false, "locale": "" }))
    }

    fn verify() -> Result<Vec<Finding>> {
        let checks: Vec<Check> = php::call(php::VERIFY, json!({}))?;
        Ok(checks
            .into_iter()
            .map(|check| Finding { name: check.name, passed: check.passed, detail: check.detail })
            .collect())
    }
}
