//! What the plugins of SQL databases have in common: their options, and hooks
//! made of a few scripts.

use potluck_sdk::{Command, Dump, Ending, Failure, Finding, Item, Names, Result};
use serde::Deserialize;

use crate::store;

/// What tells one database from another.
pub struct Flavour {
    /// Of a dump's file name.
    pub extension: &'static str,
    /// Writes a dump to standard output.
    pub take: &'static str,
    /// What one of the last lines of a complete dump begins with; none where it is of a kind
    /// that potluck knows.
    pub last_line: Option<&'static str>,
    /// Reads it from standard input.
    pub put_back: &'static str,
    /// Prints the databases, one a line; `POTLUCK_IGNORE` holds those that are left out.
    pub list: &'static str,
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
    /// Databases that need no backup.
    ignore: Vec<String>,
    /// The secret that holds the password of the app's account.
    secret: String,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            service: "db".into(),
            database: None,
            ignore: Vec::new(),
            secret: "db_password".into(),
        }
    }
}

impl Options {
    fn read() -> Result<Self> {
        let options: Options = potluck_sdk::options()?;
        if let Some(database) = &options.database {
            store::plain_name("database", database)?;
        }
        for database in &options.ignore {
            store::plain_name("ignore", database)?;
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

    /// What to back up: one dump, of one of the databases that the server has.
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
        let list = format!("{}{}", store::LISTED, self.list);
        let list = options.command(&list).env("POTLUCK_IGNORE", &options.ignore.join(" "));
        let dump = Dump::new(
            &format!("{stem}.{}", self.extension),
            service,
            options.command(self.take),
            options.command(self.put_back),
        );
        let ending = self.last_line.map_or(Ending::Known, |line| Ending::Line(line.into()));
        Ok(vec![dump.ending(ending).names(Names::of(list)).into()])
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
        last_line: Some("the end"),
        put_back: "put back",
        list: "list",
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
    fn what_the_server_has_is_listed_without_what_is_ignored() {
        let dump = dump(r#"{"ignore": ["old", "test"]}"#);
        let names = dump.names.unwrap();
        assert!(names.listing.argv[2].ends_with("list") && !names.all);
        assert_eq!(names.listing.env, [("POTLUCK_IGNORE".to_owned(), "old test".to_owned())]);
        assert!(matches!(&dump.ending, Ending::Line(line) if line == "the end"));
    }

    #[test]
    fn wrong_options_stop_a_deploy() {
        for (options, part) in [
            (r#"{"databse": "x"}"#, "unknown field `databse`"),
            (r#"{"database": "x; DROP"}"#, "no plain name"),
            (r#"{"ignore": ["x y"]}"#, "no plain name"),
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
