//! `std:redis`: Redis and Valkey on the upstream images, by the protocol of
//! replication both ways: a snapshot is one moment of all keys, and goes back
//! whole or not at all.

use potluck_sdk::{Backup, Command, Dump, Ending, Finding, Item, Lifecycle, Result, Transition};
use serde::Deserialize;
use std_common::{script, store};

/// The plugin.
pub struct Redis;

#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Options {
    /// The service that runs Redis.
    service: String,
    /// The secret that holds the server's password, mounted in its service.
    secret: Option<String>,
}

impl Default for Options {
    fn default() -> Self {
        Options { service: "redis".into(), secret: None }
    }
}

const TAKE: &str = script!("sh/prelude.sh", "sh/take.sh");
const PUT_BACK: &str = script!("sh/prelude.sh", "sh/put-back.sh");
const VERIFY: &str = script!("sh/prelude.sh", "sh/verify.sh");

impl Options {
    fn read() -> Result<Self> {
        let options: Options = potluck_sdk::options()?;
        if let Some(secret) = &options.secret {
            store::plain_name("secret", secret)?;
        }
        Ok(options)
    }

    fn command(&self, script: &str) -> Command {
        let command = Command::shell(script);
        match &self.secret {
            Some(secret) => command.env("POTLUCK_SECRET", secret),
            None => command,
        }
    }
}

impl Lifecycle for Redis {
    fn check(_: Transition) -> Result {
        store::known(&Options::read()?.service)
    }
}

impl Backup for Redis {
    fn plan() -> Result<Vec<Item>> {
        let options = Options::read()?;
        Ok(vec![
            Dump::new(
                &format!("{}.rdb", options.service),
                &options.service,
                options.command(TAKE),
                options.command(PUT_BACK),
            )
            .ending(Ending::Known)
            // Keys expire.
            .may_shrink()
            .into(),
        ])
    }

    fn verify() -> Result<Vec<Finding>> {
        let options = Options::read()?;
        let script = format!("{}{VERIFY}", store::FINDING);
        store::verify(&options.service, options.command(&script))
    }
}

potluck_sdk::export!(Redis: lifecycle, backup);

#[cfg(test)]
mod tests {
    use super::*;
    use potluck_sdk::testing::Script;

    #[test]
    fn a_secret_is_named_and_never_read() {
        let options = r#"{"service": "cache", "secret": "redis_password"}"#;
        let plan = Script::new().options(options).play(Redis::plan).result.unwrap();
        let [Item::Dump(dump)] = &plan[..] else { panic!("{plan:?}") };
        assert_eq!((dump.name.as_str(), dump.service.as_str()), ("cache.rdb", "cache"));
        assert_eq!(dump.take.env, [("POTLUCK_SECRET".to_owned(), "redis_password".to_owned())]);
    }

    #[test]
    fn a_secret_is_no_path() {
        let played = Script::new().options(r#"{"secret": "../x"}"#).play(Redis::plan);
        assert!(played.result.unwrap_err().message().contains("no plain name"));
    }
}
