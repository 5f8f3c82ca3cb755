//! What is wrong with the options of standard plugins, found without running them: what they
//! would refuse at the first deploy, and names that the recipe does not have.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{PluginEntry, Standard};
use crate::{
    hint::nearest,
    home::Grant,
    lint::{Finding, Rule, rules},
};

/// What the options may name.
#[derive(Debug, Default)]
pub struct Names {
    pub services: BTreeSet<String>,
    pub volumes: BTreeSet<String>,
    pub secrets: BTreeSet<String>,
    /// Files of the recipe.
    pub files: BTreeSet<String>,
}

/// What is wrong with the options of a plugin that comes with potluck. Without names, because
/// the compose files cannot be read, only with the options themselves.
pub fn problems(plugin: &PluginEntry, standard: &Standard, names: Option<&Names>) -> Vec<Finding> {
    let mut found = Found { plugin, findings: Vec::new() };
    found.keys(standard);
    found.kinds();
    if let Some(names) = names {
        found.service(standard, names);
        found.secret(names);
        found.volumes(names);
        found.map(names);
    }
    found.findings
}

/// Which secrets could be meant.
pub fn secrets_there(secrets: &BTreeSet<String>) -> String {
    match secrets.is_empty() {
        true => "the recipe has no secrets of an app's own".to_owned(),
        false => format!("the secrets are {}", listed(secrets)),
    }
}

/// Which services could be meant.
pub fn services_there(services: &BTreeSet<String>) -> String {
    format!("the services are {}", listed(services))
}

fn listed(names: &BTreeSet<String>) -> String {
    names.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}

struct Found<'a> {
    plugin: &'a PluginEntry,
    findings: Vec<Finding>,
}

impl<'a> Found<'a> {
    fn option(&self, key: &str) -> Option<&'a Value> {
        self.plugin.options.get(key)
    }

    fn add(&mut self, rule: &'static Rule, message: &str, fix: Option<String>) {
        let message = format!("plugin `{}`: {message}", self.plugin.name);
        let finding = Finding::new(rule, message);
        self.findings.push(match fix {
            Some(fix) => finding.fix(fix),
            None => finding,
        });
    }

    /// Options that the plugin does not have, and those that it cannot do without.
    fn keys(&mut self, standard: &Standard) {
        let given = self.plugin.options.as_object().into_iter().flatten().map(|(key, _)| key);
        for key in given {
            if standard.options.contains(&key.as_str()) {
                continue;
            }
            let fix = match nearest(key, standard.options) {
                Some(name) => format!("did you mean `{name}`?"),
                None => format!("its options are {}", standard.options.join(", ")),
            };
            self.add(
                &rules::OPTION_INVALID,
                &format!("`{standard}` has no option `{key}`"),
                Some(fix),
            );
        }
        for key in standard.required {
            if self.option(key).is_none() {
                let message = format!("`{standard}` needs the option `{key}`");
                self.add(&rules::OPTION_INVALID, &message, None);
            }
        }
    }

    /// Values that are not of the kind that the plugin reads.
    fn kinds(&mut self) {
        let is_list =
            |value: &Value| value.as_array().is_some_and(|all| all.iter().all(Value::is_string));
        let is_map = |value: &Value| value.is_object();
        let is_paths = |value: &Value| {
            let of = |(key, paths): (&String, &Value)| {
                matches!(key.as_str(), "include" | "exclude") && is_list(paths)
            };
            value.is_null() || value.as_object().is_some_and(|map| map.iter().all(of))
        };
        let is_volumes = |value: &Value| {
            is_list(value) || value.as_object().is_some_and(|map| map.values().all(is_paths))
        };
        let options = self.plugin.options.as_object().into_iter().flatten();
        for (key, value) in options {
            let (fits, wanted) = match key.as_str() {
                "service" | "secret" | "database" | "url" | "url_setting" | "name" => {
                    (value.is_string(), "a text")
                }
                "ignore" | "files" | "redirect" | "logout" | "scopes" | "overlays" => {
                    (is_list(value), "a list of texts")
                }
                "settings" | "secrets" | "test" => (is_map(value), "a map"),
                "public" => (value.is_boolean(), "`true` or `false`"),
                "volumes" => (
                    is_volumes(value),
                    "a list of names, or a map of each to its `include` and `exclude`",
                ),
                _ => continue,
            };
            if !fits {
                let message = format!("the option `{key}` is not {wanted}");
                self.add(&rules::OPTION_INVALID, &message, None);
            }
        }
    }

    /// The secret that it works with, if it is named.
    fn secret(&mut self, names: &Names) {
        let Some(secret) = self.option("secret").and_then(Value::as_str) else { return };
        if !names.secrets.contains(secret) {
            let message = format!("its options name the secret `{secret}`, which does not exist");
            self.add(&rules::OPTION_UNKNOWN_NAME, &message, Some(secrets_there(&names.secrets)));
        }
    }

    /// The service that it works in: there is one, and it may work in it.
    fn service(&mut self, standard: &Standard, names: &Names) {
        let test = self.option("test");
        let service = match (self.option("service"), standard.service, test) {
            (Some(Value::String(service)), ..) => service.as_str(),
            (None, Some(default), _) => default,
            (None, None, Some(test)) => {
                test.get("service").and_then(Value::as_str).unwrap_or("app")
            }
            _ => return,
        };
        if !names.services.contains(service) {
            let message = match self.option("service").is_some() || test.is_some() {
                true => format!("its options name the service `{service}`, which does not exist"),
                false => format!(
                    "without the option `service` it is for `{service}`, which does not exist"
                ),
            };
            self.add(&rules::OPTION_UNKNOWN_NAME, &message, Some(services_there(&names.services)));
            return;
        }
        self.needs(&Grant::Exec(service.to_owned()));
    }

    /// `[content]`, or `{content: {…}}`.
    fn volumes(&mut self, names: &Names) {
        let written: Vec<&str> = match self.option("volumes") {
            Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).collect(),
            Some(Value::Object(map)) => map.keys().map(String::as_str).collect(),
            _ => return,
        };
        for volume in written.into_iter().filter(|it| !names.volumes.contains(*it)) {
            let fix = match names.volumes.is_empty() {
                true => "no service has a named volume".to_owned(),
                false => format!("the volumes are {}", listed(&names.volumes)),
            };
            let message = format!("its options name the volume `{volume}`, which no service has");
            self.add(&rules::OPTION_UNKNOWN_NAME, &message, Some(fix));
        }
    }

    /// Overlays and secrets of `std:smtp` and `std:oidc`.
    fn map(&mut self, names: &Names) {
        let overlays = self.option("overlays").and_then(Value::as_array).into_iter().flatten();
        for overlay in overlays.filter_map(Value::as_str) {
            if !names.files.contains(overlay) {
                let message =
                    format!("its options name `{overlay}`, which the recipe does not have");
                self.add(&rules::OPTION_UNKNOWN_NAME, &message, None);
            }
        }
        let secrets = self.option("secrets").and_then(Value::as_object).into_iter().flatten();
        for (secret, _) in secrets {
            self.needs(&Grant::Secret(secret.clone()));
        }
    }

    fn needs(&mut self, grant: &Grant) {
        if !self.plugin.grants.contains(grant) {
            let fix = format!("add `- {grant}` to its grants");
            let message = format!("its options need the grant `{grant}`");
            self.add(&rules::GRANT_NEEDED, &message, Some(fix));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::{ComponentRef, Manifest};

    #[test]
    fn what_a_standard_plugin_would_refuse_is_found() {
        let set = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        let names = Names {
            services: set(&["app", "db"]),
            volumes: set(&["content"]),
            secrets: set(&["db_password"]),
            files: set(&["compose.smtp.yml"]),
        };
        for (plugin, wanted) in [
            ("std:postgres, grants: [exec: db]", &[][..]),
            ("std:postgres", &["its options need the grant `exec: db`"]),
            (
                "std:redis, grants: [exec: redis]",
                &["without the option `service` it is for `redis`, which does not exist"],
            ),
            (
                "std:mariadb, options: {service: mysql}",
                &["its options name the service `mysql`, which does not exist"],
            ),
            (
                "std:mariadb, options: {servce: db}, grants: [exec: db]",
                &["`std:mariadb` has no option `servce`"],
            ),
            ("std:files", &["`std:files` needs the option `volumes`"]),
            ("std:files, options: {volumes: [content]}", &[]),
            (
                "std:files, options: {volumes: {content: , media: }}",
                &["its options name the volume `media`, which no service has"],
            ),
            ("std:sqlite, options: {files: [/a.db]}", &["its options need the grant `exec: app`"]),
            (
                "std:smtp, options: {overlays: [compose.smtp.yml, compose.x.yml], secrets: {p: '{password}'}}",
                &[
                    "its options name `compose.x.yml`, which the recipe does not have",
                    "its options need the grant `secret: p`",
                ],
            ),
            (
                "std:smtp, options: {test: {service: web, command: [a]}}",
                &["its options name the service `web`, which does not exist"],
            ),
            (
                "std:postgres, options: {database: 5, secret: none}, grants: [exec: db]",
                &[
                    "the option `database` is not a text",
                    "its options name the secret `none`, which does not exist",
                ],
            ),
            (
                "std:files, options: {volumes: {content: {exlude: [a]}}}",
                &[
                    "the option `volumes` is not a list of names, or a map of each to its `include` and `exclude`",
                ],
            ),
            ("std:files, options: {volumes: {content: {exclude: [a]}}}", &[]),
            ("std:smtp", &[]),
            ("std:backupbot", &[]),
        ] {
            let text = format!("plugins: [{{name: x, component: {plugin}}}]");
            let text = text.replace("component: std:", "component: 'std:");
            let text = match text.find(", options").or_else(|| text.find(", grants")) {
                Some(at) => format!("{}'{}", &text[..at], &text[at..]),
                None => text.replace("}]", "'}]"),
            };
            let manifest = Manifest::parse(&text).unwrap_or_else(|e| panic!("{text}: {e}"));
            let entry = &manifest.plugins[0];
            let ComponentRef::Standard(standard) = entry.component else { panic!("{text}") };
            let found = problems(entry, standard, Some(&names));
            let found: Vec<_> =
                found.iter().map(|it| it.message.replace("plugin `x`: ", "")).collect();
            assert_eq!(found, wanted, "{text}");
        }
    }
}
