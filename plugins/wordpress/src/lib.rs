//! WordPress on MariaDB, on the upstream images as they are: installs the site
//! after the first deploy, looks after it after a restore, and adds commands. What
//! a backup holds is said by options of `std:mariadb` and `std:files`.
//!
//! WordPress is spoken to in PHP, by scripts (`php/`) that go to `php` in the
//! app's service on standard input; there is no wp-cli in the upstream image.
//! Secrets are read where they are mounted, inside the services: this plugin
//! never sees one, and asks only for `exec` in its two services.

mod backup;
mod commands;
mod php;
mod site;

use std::time::Duration;

use potluck_sdk::{Lifecycle, Result, Transition, report, services, settings};
use serde::Deserialize;

/// The plugin.
pub struct Wordpress;

/// The `options` in `recipe.yml`: what things are called in the compose file.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Options {
    /// The service that runs WordPress.
    app: String,
    /// The service that runs MariaDB.
    database: String,
}

impl Default for Options {
    fn default() -> Self {
        Options { app: "app".into(), database: "db".into() }
    }
}

/// What the script `install.php` did.
#[derive(Debug, Deserialize)]
struct Settled {
    installed: bool,
    upgraded: bool,
    moved_from: Option<String>,
    locale_failed: bool,
}

/// Time for a service that was just started; a first start of MariaDB on a slow
/// disk takes half a minute.
const READY_WITHIN: Duration = Duration::from_secs(120);

impl Lifecycle for Wordpress {
    fn check(_: Transition) -> Result {
        potluck_sdk::options::<Options>()?;
        site::Site::read()?;
        site::Administrator::read()?;
        Ok(())
    }

    fn after_deploy(_: Transition) -> Result {
        let administrator = site::Administrator::read()?;
        settle(serde_json::json!({
            "may_install": true,
            "title": administrator.title,
            "admin_user": administrator.user,
            "admin_email": administrator.email,
            "locale": settings::get_or("LOCALE", ""),
        }))
    }
}

/// Brings the site to where its settings say it is; may be run at any time.
pub(crate) fn settle(input: serde_json::Value) -> Result {
    let options: Options = potluck_sdk::options()?;
    services::wait_ready(&options.database, READY_WITHIN)?;
    services::wait_ready(&options.app, READY_WITHIN)?;
    let settled: Settled = php::call(php::INSTALL, input)?;
    let url = site::Site::read()?.url;
    if settled.installed {
        report::info(format!("WordPress is installed at {url}"));
    }
    if settled.locale_failed {
        report::warn(format!(
            "the language {} could not be fetched; the site is in English",
            settings::get_or("LOCALE", "")
        ));
    }
    if settled.upgraded {
        report::info("the tables are now those of the new version of WordPress");
    }
    if let Some(before) = settled.moved_from {
        report::info(format!("the site moved from {before} to {url}"));
        report::warn("pages may still name the old address; see the command `search-replace`");
    }
    Ok(())
}

potluck_sdk::export!(Wordpress: lifecycle, backup, commands);

#[cfg(test)]
mod tests;
