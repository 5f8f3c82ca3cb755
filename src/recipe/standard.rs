//! The plugins that come with potluck, `component: std:postgres`.
//!
//! They are guests like any other: confined in the same sandbox, with the grants that the
//! operator gave, under the digest that was agreed to. Only their bytes come with potluck
//! itself (`build.rs`), so that a recipe needs no code for common tasks.
//! `docs/std-plugins.md` holds their options.

use super::Error;
use crate::hint::nearest;

/// The prefix of their names in `recipe.yml`.
pub const SCHEME: &str = "std";

/// Made by `build.rs`: file names without `.wasm`, and components.
static BUILT: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/std_plugins.rs"));

/// A plugin that comes with potluck.
#[derive(Debug, PartialEq, Eq)]
pub struct Standard {
    /// Without `std:`.
    pub name: &'static str,
    /// What it does, in one line.
    pub about: &'static str,
    /// The names of its options; the plugin refuses others.
    pub options: &'static [&'static str],
    /// Those that it cannot do without.
    pub required: &'static [&'static str],
    /// The service that it works in where the option `service` does not name one.
    pub service: Option<&'static str>,
}

/// Of the two for SQL databases.
const SQL: &[&str] = &["database", "ignore", "secret", "service"];

/// All of them, those for databases first.
pub static ALL: [Standard; 8] = [
    Standard {
        name: "postgres",
        about: "PostgreSQL: dump, restore in one piece, checks, a new password",
        options: SQL,
        required: &[],
        service: Some("db"),
    },
    Standard {
        name: "mariadb",
        about: "MariaDB and MySQL: dump, restore, checks, a new password",
        options: SQL,
        required: &[],
        service: Some("db"),
    },
    Standard {
        name: "redis",
        about: "Redis and Valkey: a consistent snapshot, restore in one piece, checks",
        options: &["secret", "service"],
        required: &[],
        service: Some("redis"),
    },
    Standard {
        name: "sqlite",
        about: "SQLite: online backup of database files, restore, checks",
        options: &["files", "service"],
        required: &["files"],
        service: Some("app"),
    },
    Standard {
        name: "files",
        about: "volumes, whole or by included and excluded paths",
        options: &["volumes"],
        required: &["volumes"],
        service: None,
    },
    Standard {
        name: "backupbot",
        about: "what a recipe's `backupbot.*` labels ask for",
        options: &[],
        required: &[],
        service: None,
    },
    Standard {
        name: "smtp",
        about: "settings and secrets for sending mail, by a map",
        options: &["overlays", "secrets", "settings", "test"],
        required: &[],
        service: None,
    },
    Standard {
        name: "oidc",
        about: "settings and secrets for signing in by OpenID, by a map",
        options: &[
            "logout",
            "name",
            "overlays",
            "public",
            "redirect",
            "scopes",
            "secrets",
            "settings",
            "url",
            "url_setting",
        ],
        required: &["redirect"],
        service: None,
    },
];

impl Standard {
    /// One of them, by its name without `std:`.
    ///
    /// # Errors
    /// [`Error::NotStandard`] with the nearest name.
    pub fn find(name: &str) -> Result<&'static Self, Error> {
        ALL.iter().find(|known| known.name == name).ok_or_else(|| Error::NotStandard {
            given: name.into(),
            nearest: nearest(name, ALL.iter().map(|known| &known.name)).copied(),
        })
    }

    /// Its component.
    ///
    /// # Errors
    /// [`Error::NotBuilt`] when this potluck was built without it.
    pub fn component(&self) -> Result<&'static [u8], Error> {
        let built = BUILT.iter().find(|(name, _)| *name == self.name);
        built.map(|(_, component)| *component).ok_or(Error::NotBuilt { name: self.name })
    }
}

impl std::fmt::Display for Standard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{SCHEME}:{}", self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hint::Hint;

    #[test]
    fn a_name_that_is_mistyped_is_guessed() {
        for (given, meant) in [
            ("postgresql", "postgres"),
            ("psotgres", "postgres"),
            ("maria", "mariadb"),
            ("backup-bot", "backupbot"),
            ("file", "files"),
        ] {
            let error = Standard::find(given).unwrap_err();
            assert!(error.to_string().contains(given), "{error}");
            assert_eq!(error.hint().unwrap(), format!("did you mean `std:{meant}`?"));
        }
        assert!(matches!(Standard::find("zzz"), Err(Error::NotStandard { nearest: None, .. })));
    }

    /// A file that nothing names would be carried along for nothing.
    #[test]
    fn what_was_built_is_in_the_list() {
        for (name, component) in BUILT {
            assert_eq!(Standard::find(name).unwrap().component().unwrap().len(), component.len());
        }
    }
}
