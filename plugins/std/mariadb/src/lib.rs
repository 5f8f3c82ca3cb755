//! `std:mariadb`: MariaDB and MySQL on the upstream images. Where the service
//! has root's password, a dump goes back into a database of its own first, and
//! only what was sound there replaces the old data.

use potluck_sdk::{
    Backup, Command, Commands, Dump, Failure, Finding, Item, Lifecycle, Result, Spec, Transition,
};
use serde::Deserialize;
use std_common::{script, store};

/// The plugin.
pub struct Mariadb;

#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Options {
    /// The service that runs MariaDB or MySQL.
    service: String,
    /// The database; the image's own (`MARIADB_DATABASE`) when none.
    database: Option<String>,
    /// The secret that holds the password of `MARIADB_USER`.
    secret: String,
}

impl Default for Options {
    fn default() -> Self {
        Options { service: "db".into(), database: None, secret: "db_password".into() }
    }
}

const TAKE: &str = script!("sh/prelude.sh", "sh/take.sh");
const PUT_BACK: &str = script!("sh/prelude.sh", "sh/put-back.sh");
const VERIFY: &str = script!("sh/prelude.sh", "sh/verify.sh");
const ROTATE: &str = script!("sh/prelude.sh", "sh/rotate.sh");
const ALIVE: &str = concat!(include_str!("sh/prelude.sh"), "echo 'SELECT 1;' | sql >/dev/null\n");

impl Options {
    fn read() -> Result<Self> {
        let options: Options = potluck_sdk::options()?;
        if let Some(database) = &options.database {
            store::plain_name("database", database)?;
        }
        Ok(options)
    }

    fn command(&self, script: &str) -> Command {
        let command = Command::shell(script);
        match &self.database {
            Some(database) => command.env("POTLUCK_DATABASE", database),
            None => command,
        }
    }

    fn dump(&self) -> String {
        match &self.database {
            Some(database) => format!("{}-{database}.sql", self.service),
            None => format!("{}.sql", self.service),
        }
    }
}

impl Lifecycle for Mariadb {
    fn check(_: Transition) -> Result {
        Options::read().map(drop)
    }
}

impl Backup for Mariadb {
    fn plan() -> Result<Vec<Item>> {
        let options = Options::read()?;
        Ok(vec![
            Dump {
                name: options.dump(),
                take: options.command(TAKE),
                put_back: options.command(PUT_BACK),
                service: options.service,
            }
            .into(),
        ])
    }

    fn verify() -> Result<Vec<Finding>> {
        let options = Options::read()?;
        let script = format!("{}{VERIFY}", store::FINDING);
        store::verify(&options.service, options.command(&script))
    }
}

impl Commands for Mariadb {
    fn specs() -> Vec<Spec> {
        vec![store::rotate_spec()]
    }

    fn run(name: String, _: Vec<String>) -> Result<String> {
        if name != store::ROTATE {
            return Err(Failure::new(format!("there is no command `{name}`")));
        }
        let options = Options::read()?;
        store::rotate(
            &options.service,
            &options.secret,
            || options.command(ROTATE),
            options.command(ALIVE),
        )
    }
}

potluck_sdk::export!(Mariadb: lifecycle, backup, commands);

#[cfg(test)]
mod tests {
    use super::*;
    use potluck_sdk::testing::Script;

    fn dump(options: &str) -> Dump {
        let played = Script::new().options(options).play(Mariadb::plan);
        let plan = played.result.unwrap();
        let [Item::Dump(dump)] = &plan[..] else { panic!("{plan:?}") };
        dump.clone()
    }

    #[test]
    fn without_options_it_is_the_fields_usual_names() {
        let dump = dump("{}");
        assert_eq!((dump.name.as_str(), dump.service.as_str()), ("db.sql", "db"));
        assert_eq!(dump.take.env, []);
    }

    #[test]
    fn a_named_database_is_in_the_dumps_name_and_never_in_a_script() {
        let dump = dump(r#"{"service": "mysql", "database": "wiki"}"#);
        assert_eq!((dump.name.as_str(), dump.service.as_str()), ("mysql-wiki.sql", "mysql"));
        let named = [("POTLUCK_DATABASE".to_owned(), "wiki".to_owned())];
        assert_eq!((&dump.take.env[..], &dump.put_back.env[..]), (&named[..], &named[..]));
        assert!(!dump.take.argv.concat().contains("wiki"));
    }

    #[test]
    fn wrong_options_stop_a_deploy() {
        for (options, part) in [
            (r#"{"databse": "x"}"#, "unknown field `databse`"),
            (r#"{"database": "x; DROP"}"#, "no plain name"),
        ] {
            let to = Transition { before: None, after: None };
            let played = Script::new().options(options).play(|| Mariadb::check(to));
            let message = played.result.unwrap_err().message().to_owned();
            assert!(message.contains(part), "{message}");
        }
    }

    #[test]
    fn a_password_is_changed_in_the_service_that_the_options_name() {
        let played = Script::new()
            .options(r#"{"service": "mysql", "secret": "mysql_password"}"#)
            .secret_to_put("mysql_password")
            .play(|| Mariadb::run("rotate-password".into(), vec![]));
        played.result.unwrap();
        assert!(played.secrets.contains_key("mysql_password"));
        assert!(played.runs.iter().all(|run| run.service == "mysql"));
    }
}
