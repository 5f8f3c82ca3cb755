//! Which database a function for backups is about, judging by its text.

use std::collections::BTreeMap;

use super::Function;

/// Words in a function's text that indicate a database, with the plugin for it.
/// Images of services begin with the same words.
const DATABASES: &[(&[&str], &str)] = &[
    (&["mysql", "mariadb"], "std:mariadb"),
    (&["pg_dump", "pg_restore", "psql", "postgres"], "std:postgres"),
    (&["redis", "valkey"], "std:redis"),
    (&["sqlite"], "std:sqlite"),
];
const BACKUP: &str = "abra_backup";
const RESTORE: &str = "abra_restore";
/// Keys of services that keep no database.
const MAIN: [&str; 2] = ["app", "web"];
/// The usual key of the one that does.
const STORE: &str = "db";

/// Whether abra ran a function of this name for a backup.
pub fn is_of_backups(name: &str) -> bool {
    name.starts_with(BACKUP) || name.starts_with(RESTORE)
}

/// The standard plugin that does what the function is for.
pub fn plugin_for(function: &Function) -> Option<&'static str> {
    Some(database(function)?.1)
}

fn database(function: &Function) -> Option<&'static (&'static [&'static str], &'static str)> {
    let body = function.body.to_lowercase();
    DATABASES.iter().find(|(words, _)| words.iter().any(|word| body.contains(word)))
}

/// The service whose database a function for backups saves or restores, out of keys with
/// their images: judged by its image, else by the function's text or name, else by its key.
/// None if the database is a file of the app.
pub fn service(function: &Function, services: &BTreeMap<String, String>) -> Option<String> {
    let (words, plugin) = database(function).filter(|_| is_of_backups(&function.name))?;
    if *plugin == "std:sqlite" {
        return None;
    }
    let keys = || services.keys();
    let is_store = |key: &&String| {
        let image = services[*key].rsplit('/').next().unwrap_or_default();
        words.iter().any(|word| image.starts_with(word))
    };
    let between = |c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
    let named: Vec<&str> = function.body.split(between).collect();
    let is_named = |key: &&String| named.contains(&key.as_str());
    let by_name = [BACKUP, RESTORE]
        .into_iter()
        .find_map(|verb| function.name.strip_prefix(verb)?.strip_prefix('_'));
    let of_no_main = |key: &&String| !MAIN.contains(&key.as_str());
    let stores = || keys().filter(is_store);
    stores()
        .find(is_named)
        .or_else(|| stores().next())
        .or_else(|| keys().filter(of_no_main).find(is_named))
        .or_else(|| keys().filter(of_no_main).find(|key| by_name == Some(key.as_str())))
        .or_else(|| keys().find(|key| *key == STORE))
        .cloned()
}

#[cfg(test)]
mod tests {
    use super::{super::functions, *};

    #[test]
    fn the_database_of_a_function_is_that_of_its_service() {
        for (script, services, expected) in [
            // The text names both; the image says which.
            (
                "abra_backup_db() { _abra_backup_mysql \"db\" \"app\"; }",
                &[("app", "busybox"), ("db", ""), ("store", "mariadb:11")][..],
                Some("store"),
            ),
            (
                "abra_backup_db() { _abra_backup_mysql \"db\" \"app\"; }",
                &[("app", ""), ("db", "")],
                Some("db"),
            ),
            (
                "abra_restore_sql() { mysql < x; }",
                &[("app", ""), ("cache", ""), ("sql", "")],
                Some("sql"),
            ),
            ("abra_backup() { pg_dump; }", &[("app", ""), ("db", "")], Some("db")),
            ("abra_backup() { pg_dump; }", &[("app", ""), ("cache", "redis:7")], None),
            ("abra_backup() { sqlite3 .dump; }", &[("app", ""), ("db", "")], None),
            ("set_password() { mysql; }", &[("app", ""), ("db", "mariadb")], None),
        ] {
            let own = |(key, image): &(&str, &str)| ((*key).to_owned(), (*image).to_owned());
            let services = services.iter().map(own).collect();
            let found = service(&functions(script)[0], &services);
            assert_eq!(found.as_deref(), expected, "{script}");
        }
    }
}
