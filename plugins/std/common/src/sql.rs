//! What the plugins of SQL databases have in common: their options, and hooks
//! made of a few scripts.

use potluck_sdk::{Command, Dump, Failure, Finding, Item, Result};
use serde::Deserialize;

use crate::store;

/// What tells one database from another.
pub struct Flavour {
    /// Of a dump's file name.
    pub extension: &'static str,
    /// Writes a dump to standard output.
    pub take: &'static str,
    /// Reads it from standard input.
    pub put_back: &'static str,
    /// Reports with [`store::FINDING`].
    pub verify: &'static str,
    /// Reads the new password from standard input.
    pub rotate: &'static str,
    /// Fails when the server does not answer.
    pub alive: &'static str,
}

#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Options {
    /// The service that runs the server.
    service: String,
    /// The database; the one that the image made when none.
    database: Option<String>,
    /// The secret that holds the password of the app's account.
    secret: String,
}

impl Default for Options {
    fn default() -> Self {
        Options { service: "db".into(), database: None, secret: "db_password".into() }
    }
}

impl Options {
    fn read() -> Result<Self> {
        let options: Options = potluck_sdk::options()?;
        if let Some(database) = &options.database {
            store::plain_name("database", database)?;
        }
        Ok(options)
    }

    /// A script, told which database is meant.
    fn command(&self, script: &str) -> Command {
        let command = Command::shell(script);
        match &self.database {
            Some(database) => command.env("POTLUCK_DATABASE", database),
            None => command,
        }
    }
}

impl Flavour {
    /// The hook `check`.
    ///
    /// # Errors
    /// Options that cannot be, a service that is not there or not granted.
    pub fn check(&self) -> Result {
        store::known(&Options::read()?.service)
    }

    /// What to back up: one dump.
    ///
    /// # Errors
    /// Options that cannot be.
    pub fn plan(&self) -> Result<Vec<Item>> {
        let options = Options::read()?;
        let service = &options.service;
        let stem = match &options.database {
            Some(database) => format!("{service}-{database}"),
            None => service.clone(),
        };
        let dump = Dump {
            name: format!("{stem}.{}", self.extension),
            take: options.command(self.take),
            put_back: options.command(self.put_back),
            service: options.service,
        };
        Ok(vec![dump.into()])
    }

    /// The checks of a database.
    ///
    /// # Errors
    /// They could not run.
    pub fn verify(&self) -> Result<Vec<Finding>> {
        let options = Options::read()?;
        let script = format!("{}{}", store::FINDING, self.verify);
        store::verify(&options.service, options.command(&script))
    }

    /// The one command.
    ///
    /// # Errors
    /// As [`store::rotate`], and another name.
    pub fn run(&self, name: &str) -> Result<String> {
        if name != store::ROTATE {
            return Err(Failure::new(format!("there is no command `{name}`")));
        }
        let options = Options::read()?;
        store::rotate(
            &options.service,
            &options.secret,
            || options.command(self.rotate),
            options.command(self.alive),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use potluck_sdk::testing::Script;

    const FLAVOUR: Flavour = Flavour {
        extension: "sql",
        take: "take",
        put_back: "put back",
        verify: "verify",
        rotate: "rotate",
        alive: "look",
    };

    fn dump(options: &str) -> Dump {
        let played = Script::new().options(options).play(|| FLAVOUR.plan());
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
            let played = Script::new().options(options).play(|| FLAVOUR.check());
            let message = played.result.unwrap_err().message().to_owned();
            assert!(message.contains(part), "{message}");
        }
    }

    #[test]
    fn a_password_is_changed_in_the_service_that_the_options_name() {
        let played = Script::new()
            .options(r#"{"service": "mysql", "secret": "mysql_password"}"#)
            .secret_to_put("mysql_password")
            .play(|| FLAVOUR.run(store::ROTATE));
        played.result.unwrap();
        assert!(played.secrets.contains_key("mysql_password"));
        assert!(played.runs.iter().all(|run| run.service == "mysql"));
        assert!(Script::new().play(|| FLAVOUR.run("other")).result.is_err());
    }
}
