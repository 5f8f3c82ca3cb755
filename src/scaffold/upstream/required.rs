//! Settings without which no app can be deployed: `${NAME:?message}`, in the form that docker
//! and potluck read in a stack.
//!
//! Docker's grammar is narrower than that of Compose (docker/cli, `compose/template`): a message
//! with a dash is read as a default, defaults have no variables in them, and of a value with
//! several variables only the last one can stop a deploy. So a required variable that is never
//! the last one gets a variable of its own beside it.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    draft::{Draft, Setting},
    names,
    project::Project,
    reference::{self, Piece},
    settings,
    yaml::{Pair, Yaml, emit, pair, text},
};

/// What is said of a password that only a setting can hold.
pub const PASSWORD: &str = "a long random value for each app";
/// What is said where the upstream says nothing.
const GENERAL: &str = "see .env.sample";
/// Bytes of a message of the upstream's.
const LONGEST: usize = 120;
/// The beginning of a variable that is only there to be required.
const BESIDE: &str = "REQUIRED_";

/// Collects what the upstream requires of its services, before passwords are moved.
pub fn of_services(draft: &mut Draft) {
    let mut found = vec![];
    for service in &mut draft.services {
        let words = [&mut service.command, &mut service.entrypoint];
        let words = words.into_iter().flatten().flat_map(|words| words.texts());
        let words: Vec<String> = words.map(|text| text.clone()).collect();
        let values = service.env.iter().filter_map(|it| it.value.clone());
        for text in values.chain(words) {
            found.extend(reference::variables(&text).into_iter().filter_map(|variable| {
                let message = said(variable.required.as_deref()?);
                (!settings::is_ours(&variable)).then(|| (names::setting(&variable.name), message))
            }));
        }
    }
    for (name, message) in found {
        draft.required.entry(name).or_insert(message);
    }
}

/// Collects what else the upstream requires, and the passwords that are taken out of the sample:
/// `file` has variables as the upstream has them.
pub fn find(draft: &mut Draft, project: &Project, file: &[Pair]) {
    for variable in reference::variables(&emit(file)) {
        if settings::is_ours(&variable) {
            continue;
        }
        let name = names::setting(&variable.name);
        let message = match &variable.required {
            Some(message) => said(message),
            None if !draft.settings.iter().any(|it| it.key == name)
                && settings::sample_value(draft, project, &variable).is_none() =>
            {
                draft.log.decision(
                    "",
                    None,
                    format!(
                        "{name} is a setting, which is empty: the upstream has a password in it"
                    ),
                    "give each app a value of its own with `potluck app config`, or make it a \
                     secret that the service reads from /run/secrets",
                );
                PASSWORD.to_owned()
            }
            None => continue,
        };
        draft.required.entry(name).or_insert(message);
    }
    let mut required = std::mem::take(&mut draft.required);
    for message in required.values_mut().filter(|message| draft.has_password(message)) {
        *message = GENERAL.to_owned();
    }
    draft.required = required;
}

/// A message of the upstream's, without what docker or a shell would read in it.
fn said(message: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "._/".contains(c) { c } else { ' ' };
    let plain: String = message.chars().map(plain).take(LONGEST).collect();
    let words: Vec<&str> = plain.split_whitespace().collect();
    if words.is_empty() { GENERAL.to_owned() } else { words.join(" ") }
}

/// Writes all variables in the form that a stack takes; those that potluck reads itself get
/// another name.
pub fn write(file: &mut [Pair], required: &BTreeMap<String, String>) {
    let mut enforced = BTreeSet::new();
    for section in file.iter_mut() {
        section.value.each_text(&mut |text| *text = plain(text, required, &mut enforced));
    }
    let Some(services) = file.iter_mut().find(|section| section.key == "services") else { return };
    let Yaml::Map(services) = &mut services.value else { return };
    for (name, message) in required.iter().filter(|(name, _)| !enforced.contains(*name)) {
        let uses = |value: &Yaml| {
            let named = |text: &str| reference::variables(text).iter().any(|it| it.name == *name);
            value.any_text(&named)
        };
        let Some(service) = services.iter_mut().find(|service| uses(&service.value)) else {
            continue;
        };
        let Yaml::Map(keys) = &mut service.value else { continue };
        let variable = Pair {
            comment: vec![format!(
                "Stops a deploy without {name}, which docker does not do for a variable within \
                 a value."
            )],
            ..pair(format!("{BESIDE}{name}"), text(format!("${{{name}:?{message}}}")))
        };
        match keys.iter_mut().find(|it| it.key == "environment") {
            Some(Pair { value: Yaml::Map(env), .. }) => env.push(variable),
            _ => keys.push(pair("environment", Yaml::Map(vec![variable]))),
        }
    }
}

/// One value.
fn plain(
    text: &str,
    required: &BTreeMap<String, String>,
    enforced: &mut BTreeSet<String>,
) -> String {
    let is_variable = |piece: &Piece| matches!(piece, Piece::Variable(_));
    let count = reference::pieces(text).iter().filter(|piece| is_variable(piece)).count();
    let mut at = 0;
    reference::replaced(text, &mut |variable| {
        at += 1;
        if variable.name == "COMPOSE_PROJECT_NAME" {
            return Some("${STACK_NAME}".into());
        }
        if settings::is_ours(variable) {
            // Each app has it.
            return variable.required.as_ref().map(|_| format!("${{{}}}", variable.name));
        }
        let name = names::setting(&variable.name);
        if let Some(message) = required.get(&name).filter(|_| at == count) {
            enforced.insert(name.clone());
            return Some(format!("${{{name}:?{message}}}"));
        }
        match &variable.default {
            // Docker knows no variables in defaults.
            Some(default) if !default.contains('$') && !required.contains_key(&name) => {
                Some(format!("${{{name}:-{default}}}"))
            }
            _ => Some(format!("${{{name}}}")),
        }
    })
}

/// Settings that the recipe's tests need, as the sample has no value for them.
pub fn for_tests(draft: &Draft) -> Option<String> {
    let is_open =
        |setting: &&Setting| setting.value.is_empty() && draft.required.contains_key(&setting.key);
    let open: Vec<&Setting> = draft.settings.iter().filter(is_open).collect();
    if open.is_empty() {
        return None;
    }
    let mut out = String::from(
        "# What `potluck recipe test` gives its apps, and no other app has: the sample has no value.\n",
    );
    let mut passwords = 0;
    for setting in open {
        // A number is read as a text, and a text not as a number. No two passwords are the same:
        // what must be one would seem to be.
        let value = match draft.required[&setting.key] == PASSWORD {
            true => {
                passwords += 1;
                format!("only-for-tests-{passwords}")
            }
            false => "1".to_owned(),
        };
        out += &format!("{}={value}\n", setting.key);
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(value: &str, required: &[&str]) -> String {
        let service = Yaml::Map(vec![pair("environment", Yaml::Map(vec![pair("A", text(value))]))]);
        let mut file = [pair("services", Yaml::Map(vec![pair("app", service)]))];
        let required = required.iter().map(|name| ((*name).to_owned(), "m".to_owned())).collect();
        write(&mut file, &required);
        let text = emit(&file);
        text.strip_prefix("services:\n  app:\n    environment:\n      A: ").unwrap().to_owned()
    }

    #[test]
    fn what_is_required_stops_a_deploy_wherever_it_is() {
        for (value, required, expected) in [
            ("${A:?x - y}", &["A"][..], "${A:?m}\n"),
            ("$A", &["A"], "${A:?m}\n"),
            ("${A:-b}", &[], "${A:-b}\n"),
            ("${A:-${B}}", &[], "${A}\n"),
            ("${B}/${A}", &["A"], "${B}/${A:?m}\n"),
            ("x://${A}@${STACK_NAME}_db", &[], "x://${A}@${STACK_NAME}_db\n"),
            (
                "x://${A}@${STACK_NAME}_db",
                &["A"],
                "x://${A}@${STACK_NAME}_db\n      # Stops a deploy without A, which docker does not \
                 do for a variable within a value.\n      REQUIRED_A: ${A:?m}\n",
            ),
            ("${DOMAIN:?a - b}", &[], "${DOMAIN}\n"),
            ("${PORT:?}", &["APP_PORT"], "${APP_PORT:?m}\n"),
        ] {
            assert_eq!(written(value, required), expected, "{value}");
        }
    }

    #[test]
    fn messages_have_nothing_that_docker_reads() {
        for (message, expected) in [
            ("database password required", "database password required"),
            ("set it - now: \"x\" {y}", "set it now x y"),
            ("", GENERAL),
        ] {
            assert_eq!(said(message), expected);
        }
    }
}
