//! The database as a dump, and everything that is not WordPress itself.

use potluck_sdk::{Backup, Command, Dump, Finding, Item, Result, Volume};
use serde::Deserialize;
use serde_json::json;

use crate::{Options, Wordpress, php, settle};

/// One line of `verify.php`.
#[derive(Deserialize)]
struct Check {
    name: String,
    passed: bool,
    detail: Option<String>,
}

impl Backup for Wordpress {
    fn plan() -> Result<Vec<Item>> {
        let options: Options = potluck_sdk::options()?;
        // The dump first: a picture that its tables don't know yet does no harm,
        // one that they know and that is missing does.
        Ok(vec![
            Dump {
                name: "wordpress.sql".into(),
                service: options.database,
                take: Command::shell(include_str!("sh/take.sh")),
                put_back: Command::shell(include_str!("sh/put-back.sh")),
            }
            .into(),
            Volume::whole(&options.content).into(),
        ])
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
