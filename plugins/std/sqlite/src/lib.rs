//! `std:sqlite`: database files of SQLite, copied while the app uses them. What
//! goes back is checked first and replaces the old content in one transaction.

use std::{collections::BTreeSet, time::Duration};

use potluck_sdk::{
    Backup, Command, Dump, Ending, Failure, Finding, Item, Lifecycle, Result, Transition, services,
};
use serde::Deserialize;
use std_common::{script, store};

/// The plugin.
pub struct Sqlite;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Options {
    /// The service that has the files, and `sqlite3` or `python3`.
    #[serde(default = "app")]
    service: String,
    /// Absolute paths in that service.
    files: Vec<String>,
}

fn app() -> String {
    "app".into()
}

const TAKE: &str = script!("sh/prelude.sh", "sh/take.sh");
const PUT_BACK: &str = script!("sh/prelude.sh", "sh/put-back.sh");
const VERIFY: &str = script!("sh/prelude.sh", "sh/verify.sh");
/// For an app to come back with its data.
const READY_WITHIN: Duration = Duration::from_secs(120);

impl Options {
    fn read() -> Result<Self> {
        let options: Options = potluck_sdk::options()?;
        let mut names = BTreeSet::new();
        if options.files.is_empty() {
            return Err(Failure::new("the option `files` names no database"));
        }
        for file in &options.files {
            if !file.starts_with('/') || file.ends_with('/') || file.contains(char::is_control) {
                return Err(Failure::new(format!("{file:?} is not the path of a file"))
                    .hint("`files` holds absolute paths in the service, `/data/app.db`"));
            }
            if !names.insert(name(file)) {
                return Err(Failure::new(format!(
                    "two of the `files` are called `{}`",
                    name(file)
                ))
                .hint("list this plugin twice, each with one of them"));
            }
            store::plain_name("files", name(file))?;
        }
        Ok(options)
    }
}

fn name(file: &str) -> &str {
    file.rsplit('/').next().unwrap_or(file)
}

fn command(script: &str, file: &str) -> Command {
    Command::shell(script).env("POTLUCK_FILE", file)
}

impl Lifecycle for Sqlite {
    fn check(_: Transition) -> Result {
        store::known(&Options::read()?.service)
    }
}

impl Backup for Sqlite {
    fn plan() -> Result<Vec<Item>> {
        let options = Options::read()?;
        let dump = |file: &String| {
            let (take, put_back) = (command(TAKE, file), command(PUT_BACK, file));
            let dump = Dump::new(name(file), &options.service, take, put_back);
            Item::from(dump.ending(Ending::Known))
        };
        Ok(options.files.iter().map(dump).collect())
    }

    /// An app that had the old content in its memory must not go on with it.
    fn after_restore() -> Result {
        services::restart(&Options::read()?.service, READY_WITHIN)?;
        Ok(())
    }

    fn verify() -> Result<Vec<Finding>> {
        let options = Options::read()?;
        let script = format!("{}{VERIFY}", store::FINDING);
        let mut findings = Vec::new();
        for file in &options.files {
            findings.extend(store::verify(&options.service, command(&script, file))?);
        }
        Ok(findings)
    }
}

potluck_sdk::export!(Sqlite: lifecycle, backup);

#[cfg(test)]
mod tests;
