//! Which of potluck's own plugins fit a recipe's services, as their images tell; pure.
//!
//! Where a database keeps its data and how it is dumped is the same in every
//! recipe: porting its functions would rewrite what comes with potluck.

use std::fmt::Write;

use super::Hints;
use crate::recipe::{
    abra::{Function, is_of_backups, plugin_for, store_of},
    standard::Standard,
};

/// Images by the last part of their names, and the plugin for what they hold. Those
/// that keep the contract of the upstream image only: the plugins rely on it.
const IMAGES: [(&str, &str); 11] = [
    ("postgres", "postgres"),
    ("postgis", "postgres"),
    ("pgvector", "postgres"),
    ("pgvecto-rs", "postgres"),
    ("timescaledb", "postgres"),
    ("mariadb", "mariadb"),
    ("mysql", "mariadb"),
    ("percona", "mariadb"),
    ("percona-server", "mariadb"),
    ("redis", "redis"),
    ("valkey", "redis"),
];

/// A service, and the plugin that saves and restores its data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suggestion {
    pub service: String,
    /// As the recipe names it.
    pub image: String,
    pub plugin: &'static Standard,
    /// Its entry of the list `plugins` in `recipe.yml`.
    pub recipe_yml: String,
}

/// Standard plugins for the recipe's services, by their keys: judged by their
/// images, else by the functions of `abra.sh` for backups.
pub fn suggestions<'a>(
    hints: &Hints,
    functions: impl IntoIterator<Item = &'a Function>,
) -> Vec<Suggestion> {
    let fitting = hints.services.iter().filter_map(|(service, image)| {
        let plugin = Standard::find(of_image(image)?).ok()?;
        Some((service, image, plugin))
    });
    let mut fitting: Vec<_> = fitting.collect();
    for function in functions {
        if let Some((service, image, plugin)) = of_function(function, hints)
            && !fitting
                .iter()
                .any(|(other, _, known)| *other == service || known.name == plugin.name)
        {
            fitting.push((service, image, plugin));
        }
    }
    let suggestion = |&(service, image, plugin): &(&String, &String, &'static Standard)| {
        let alone = fitting.iter().filter(|(_, _, other)| other.name == plugin.name).count() == 1;
        // Two of a kind need names that tell them apart.
        let name = if alone { kind(plugin) } else { service };
        Suggestion {
            service: service.clone(),
            image: image.clone(),
            plugin,
            recipe_yml: entry(name, service, plugin, password(service, plugin, hints)),
        }
    };
    fitting.iter().map(suggestion).collect()
}

/// The service that a function for backups is about, and the plugin instead of it.
fn of_function<'h>(
    function: &Function,
    hints: &'h Hints,
) -> Option<(&'h String, &'h String, &'static Standard)> {
    let plugin = plugin_for(function).filter(|_| is_of_backups(&function.name))?;
    let plugin = Standard::find(plugin.strip_prefix("std:")?).ok()?;
    let (service, image) = hints.services.get_key_value(&store_of(function, &hints.services)?)?;
    Some((service, image, plugin))
}

/// The plugin for what an image holds.
fn of_image(image: &str) -> Option<&'static str> {
    let image = image.split(['@', '$']).next()?;
    let (folders, last) = image.rsplit_once('/').unwrap_or(("", image));
    // Their settings have other names.
    if folders.split('/').any(|folder| folder.starts_with("bitnami")) {
        return None;
    }
    let name = last.split(':').next()?;
    IMAGES.iter().find(|(known, _)| *known == name).map(|(_, plugin)| *plugin)
}

/// What the plugin is called in a recipe that has one of its kind.
fn kind(plugin: &Standard) -> &'static str {
    match plugin.name {
        "redis" => "cache",
        _ => "database",
    }
}

/// The secret with the database's password.
fn password<'a>(service: &str, plugin: &Standard, hints: &'a Hints) -> Option<&'a String> {
    if plugin.name == "redis" {
        return None;
    }
    let usual = [
        format!("{service}_password"),
        "db_password".into(),
        format!("{}_password", plugin.name),
        "mysql_password".into(),
    ];
    usual.iter().find_map(|name| hints.secrets.get(name))
}

fn entry(name: &str, service: &str, plugin: &Standard, secret: Option<&String>) -> String {
    let mut text = format!("- name: {name}\n  component: {plugin}\n");
    let (option, grant) = match secret {
        Some(secret) => (format!(", secret: {secret}"), format!(", secret: {secret}")),
        None => Default::default(),
    };
    let _ = write!(
        text,
        "  options: {{service: {service}{option}}}\n  grants: [exec: {service}{grant}]\n"
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hints(services: &[(&str, &str)], secrets: &[&str]) -> Hints {
        let own = |(key, image): &(&str, &str)| ((*key).to_owned(), (*image).to_owned());
        Hints {
            services: services.iter().map(own).collect(),
            secrets: secrets.iter().map(|&secret| secret.to_owned()).collect(),
            ..Hints::default()
        }
    }

    #[test]
    fn images_tell_which_plugin_fits() {
        for (image, plugin) in [
            ("mariadb:10.6", Some("mariadb")),
            ("docker.io/library/mysql", Some("mariadb")),
            ("registry.example:5000/postgres:15-alpine", Some("postgres")),
            ("postgis/postgis:15", Some("postgres")),
            ("valkey/valkey:8@sha256:00", Some("redis")),
            ("redis", Some("redis")),
            ("bitnami/postgresql:15", None),
            ("bitnami/redis:7", None),
            ("prom/mysqld-exporter", None),
            ("mariadb-backup", None),
            ("wordpress:6", None),
            ("", None),
        ] {
            assert_eq!(of_image(image), plugin, "{image}");
        }
        for (_, plugin) in IMAGES {
            assert!(Standard::find(plugin).is_ok(), "{plugin}");
        }
    }

    #[test]
    fn an_entry_can_be_copied() {
        let services = [("app", "wordpress:6"), ("db", "mariadb:10.6"), ("cache", "redis:7")];
        let found = suggestions(&hints(&services, &["db_password", "db_root_password"]), []);
        let entries: Vec<&str> = found.iter().map(|s| s.recipe_yml.as_str()).collect();
        assert_eq!(
            entries,
            [
                "- name: cache\n  component: std:redis\n  options: {service: cache}\n  grants: \
                 [exec: cache]\n",
                "- name: database\n  component: std:mariadb\n  options: {service: db, secret: \
                 db_password}\n  grants: [exec: db, secret: db_password]\n",
            ]
        );
        let text = format!("plugins:\n{}", entries.concat());
        let manifest = crate::recipe::Manifest::parse(&text).unwrap();
        assert_eq!(manifest.plugins.len(), 2, "{text}");
    }

    #[test]
    fn two_of_a_kind_have_names_of_their_own() {
        let services = [("db", "postgres:15"), ("other", "postgres:15")];
        let found = suggestions(&hints(&services, &[]), []);
        let names: Vec<_> = found.iter().map(|s| s.recipe_yml.lines().next().unwrap()).collect();
        assert_eq!(names, ["- name: db", "- name: other"]);
    }

    #[test]
    fn a_function_for_backups_tells_where_no_image_does() {
        use crate::recipe::abra::functions;
        let script = "abra_backup_db() { _abra_backup_mysql \"db\" \"app\"; }\n\
                      abra_restore_db() { mysql; }\nset_password() { psql; }";
        let found = |image: &str| {
            let hints = hints(&[("app", "busybox:1"), ("db", image)], &[]);
            let found = suggestions(&hints, &functions(script));
            let told = found.iter().map(|it| (it.service.clone(), it.plugin.name));
            told.collect::<Vec<_>>()
        };
        for image in ["", "busybox:1", "mariadb:11"] {
            assert_eq!(found(image), [("db".to_owned(), "mariadb")], "{image}");
        }
        // The image knows better than the function.
        assert_eq!(found("postgres:16"), [("db".to_owned(), "postgres")]);
    }
}
