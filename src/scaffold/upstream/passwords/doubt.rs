//! What may be a password in what a service is given, once all that surely is one was moved.

use super::super::{
    draft::{Draft, Words},
    literals::{self, Literal},
    project::Project,
    yaml::{emit, pair},
};

/// Says where a person must look; the values themselves are not said.
pub(super) fn say(draft: &mut Draft, project: &Project) {
    for index in 0..draft.services.len() {
        let service = &draft.services[index];
        let mut places = vec![];
        let mut at = None;
        for variable in &service.env {
            let Some(value) = &variable.value else { continue };
            if !doubts(value).is_empty() || is_account(&variable.key, value) {
                at = at.or(variable.position.clone());
                places.push(variable.key.clone());
            }
        }
        let words = [("command", &service.command), ("entrypoint", &service.entrypoint)];
        for (key, words) in words {
            let line = match words {
                Some(Words::Line(line)) => line.clone(),
                Some(Words::List(words)) => words.join(" "),
                None => continue,
            };
            places.extend(doubts(&line).into_iter().map(|it| format!("`{key}` ({})", it.name)));
        }
        // One of ours has none.
        if let Some(health) = service.health.clone().filter(|_| !service.is_own_health) {
            let text = emit(&[pair("healthcheck", health)]);
            places
                .extend(doubts(&text).into_iter().map(|it| format!("`healthcheck` ({})", it.name)));
        }
        if places.is_empty() {
            continue;
        }
        let key = service.key.clone();
        let at = at.or_else(|| project.outline.line(draft.services[index].at));
        draft.log.decision(
            &key,
            at,
            format!("perhaps a password is still in {}", places.join(", ")),
            "if so, make it a setting, or a secret that the service reads from /run/secrets, \
             before the first commit that you publish",
        );
    }
}

/// What is written as a password in a text, without variables.
fn doubts(text: &str) -> Vec<Literal> {
    let found = literals::find("", text).into_iter();
    found.filter(|it| it.is_bound && !text[it.range.clone()].contains('$')).collect()
}

/// `AUTH_BASIC: name:password`.
fn is_account(key: &str, value: &str) -> bool {
    let names = ["AUTH", "BASIC", "CREDENTIALS", "HTPASSWD"];
    let upper = key.to_ascii_uppercase();
    let is_named = upper.split('_').any(|word| names.contains(&word));
    let is_pair = |(name, rest): (&str, &str)| {
        !name.is_empty()
            && !rest.is_empty()
            && !rest.starts_with("//")
            && !value.contains(char::is_whitespace)
            && !value.contains("${")
            && rest.parse::<u16>().is_err()
    };
    is_named && value.split_once(':').is_some_and(is_pair)
}
