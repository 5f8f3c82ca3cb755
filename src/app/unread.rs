//! Settings that a template of a config or a secret reads, and that its service does not get.
//!
//! Swarm fills templates in from the environment of the service. abra hands all settings to the
//! service `app`, named in its `environment` or not; a recipe that counts on it gets an empty
//! text from anyone else.

use std::collections::BTreeSet;

use base64::{Engine as _, engine::general_purpose::STANDARD};

use crate::{
    compose::{Stack, StackService},
    engine::api,
    home::EnvFile,
    lint::{Finding, rules},
};

/// The only driver of templates that swarm has.
const DRIVER: &str = "golang";

pub(super) fn findings(stack: &Stack, env: &EnvFile) -> Vec<Finding> {
    let mut found = Vec::new();
    for service in &stack.services {
        let has = variables(service);
        for (name, text) in templates(stack, service) {
            let lacks: Vec<String> = reads(&text)
                .into_iter()
                .filter(|key| !has.contains(key.as_str()))
                .filter(|key| env.get(key).is_some_and(|value| !value.is_empty()))
                .collect();
            if !lacks.is_empty() {
                let message = format!(
                    "`{name}` reads {} of the settings, which `{}` does not get",
                    lacks.join(", "),
                    service.key
                );
                let path = format!("services.{}.environment", service.key);
                found.push(Finding::new(&rules::SETTING_UNREAD, message).path(path));
            }
        }
    }
    found
}

fn container(service: &StackService) -> Option<&api::TaskSpecContainerSpec> {
    service.spec.task_template.as_ref()?.container_spec.as_ref()
}

/// Names of what is in the service's environment.
fn variables(service: &StackService) -> BTreeSet<&str> {
    let environment = container(service).and_then(|container| container.env.as_ref());
    let names = environment.into_iter().flatten();
    names.map(|entry| entry.split_once('=').map_or(entry.as_str(), |(name, _)| name)).collect()
}

/// The templates that the stack makes and the service mounts, by name.
fn templates(stack: &Stack, service: &StackService) -> Vec<(String, String)> {
    let Some(container) = container(service) else { return Vec::new() };
    let is_template = |driver: Option<&api::Driver>| driver.is_some_and(|it| it.name == DRIVER);
    let text = |name: &str, data: Option<&String>| {
        let bytes = STANDARD.decode(data?).ok()?;
        Some((name.to_owned(), String::from_utf8(bytes).ok()?))
    };
    let configs = container.configs.iter().flatten().filter_map(|used| {
        let name = used.config_name.as_deref()?;
        let spec = stack.configs.get(name)?;
        is_template(spec.templating.as_ref()).then(|| text(name, spec.data.as_ref()))?
    });
    let secrets = container.secrets.iter().flatten().filter_map(|used| {
        let name = used.secret_name.as_deref()?;
        let spec = stack.secrets.get(name)?;
        is_template(spec.templating.as_ref()).then(|| text(name, spec.data.as_ref()))?
    });
    configs.chain(secrets).collect()
}

/// What `{{ env "KEY" }}` and its like name, in order.
fn reads(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for action in text.split("{{").skip(1) {
        let action = action.split("}}").next().unwrap_or_default();
        let mut words = action.split(|c: char| c.is_whitespace() || matches!(c, '(' | ')'));
        while let Some(word) = words.next() {
            if word != "env" {
                continue;
            }
            let key = words.by_ref().find(|word| !word.is_empty()).unwrap_or_default();
            let key = key.trim_matches(|c| matches!(c, '"' | '`'));
            let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
            if !key.is_empty() && key.chars().all(plain) {
                found.insert(key.to_owned());
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_template_reads_is_known() {
        for (text, expected) in [
            ("plain", &[][..]),
            ("x: {{ env \"DOMAIN\" }}", &["DOMAIN"]),
            ("{{env `A`}}{{- if eq (env \"B\") \"1\" -}}x{{ end }}", &["A", "B"]),
            ("{{ if (env \"MAIL\") }}{{ secret \"pw\" }}{{ end }}", &["MAIL"]),
            (
                "env \"OUTSIDE\" {{ .Service.Name }} {{ env }} {{ env $x }} {{ environment \"X\" }}",
                &[],
            ),
            ("{{ env \"UNCLOSED", &["UNCLOSED"]),
        ] {
            let found: Vec<String> = reads(text).into_iter().collect();
            assert_eq!(found, expected, "{text}");
        }
    }
}
