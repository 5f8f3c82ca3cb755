//! `{{.Task.Slot}}` and the like: swarm fills them in in a few places (moby/
//! swarmkit, `template`), and refuses there what it does not know.

use super::{Findings, Subject};
use crate::{
    compose::model::{Dict, Service},
    lint::rules,
};

/// What a template may name.
const KNOWN: &[&str] = &[".Service.", ".Node.", ".Task."];
/// The same in full; labels of a service by their name.
const FIELDS: &[&str] = &[
    ".Service.ID",
    ".Service.Name",
    ".Service.Labels",
    ".Node.ID",
    ".Node.Hostname",
    ".Node.Platform",
    ".Node.Platform.OS",
    ".Node.Platform.Architecture",
    ".Task.ID",
    ".Task.Name",
    ".Task.Slot",
    ".Service",
    ".Node",
    ".Task",
];
/// Go's own functions and keywords, and swarm's.
const WORDS: &[&str] = &[
    "and", "block", "break", "call", "continue", "define", "else", "end", "eq", "false", "ge",
    "gt", "html", "if", "index", "join", "js", "le", "len", "lt", "ne", "nil", "not", "or",
    "print", "printf", "println", "range", "slice", "template", "true", "urlquery", "with",
];

pub fn check(subject: Subject<'_>, findings: &mut Findings<'_>) {
    let service = subject.service;
    for (key, text) in filled_in(service) {
        if broken(text).is_some() {
            continue;
        }
        for template in templates(text).filter(|template| !is_known(template)) {
            let message = format!("swarm fills in `{{{{{template}}}}}` here and does not know it");
            let (at, path) = (subject.spot(&key), subject.path(&key));
            findings.push(&rules::TEMPLATE_UNKNOWN, at, path, message);
        }
    }
    for (key, text) in left_alone(service) {
        if let Some(template) = templates(text).find(|template| is_known(template)) {
            let message = format!("swarm does not fill in `{{{{{template}}}}}` here");
            findings.push(&rules::TEMPLATE_UNREAD, subject.spot(key), subject.path(key), message);
        }
    }
}

/// Whether every task sees another text.
pub fn tells_tasks_apart(text: &str) -> bool {
    templates(text).any(|template| template.contains(".Task."))
}

/// Why swarm is certain to refuse a text with templates; cases that only swarm can
/// decide are not reported.
pub fn broken(text: &str) -> Option<String> {
    let mut rest = text;
    while let Some((_, begun)) = rest.split_once("{{") {
        let Some(end) = end_of_action(begun) else {
            return Some(format!("`{text}` has a `{{{{` without its `}}}}`, which swarm refuses"));
        };
        let (inside, behind) = begun.split_at(end);
        if is_refused(inside) {
            return Some(format!(
                "swarm fills in `{{{{{inside}}}}}` here, does not know it, and refuses the service"
            ));
        }
        rest = behind;
    }
    None
}

/// Where the `}}` is that is in no text of its own.
fn end_of_action(begun: &str) -> Option<usize> {
    let mut quote = None;
    let mut escaped = false;
    for (at, c) in begun.char_indices() {
        match quote {
            None if begun[at..].starts_with("}}") => return Some(at),
            None => quote = matches!(c, '"' | '`' | '\'').then_some(c),
            Some(_) if escaped => escaped = false,
            Some('"' | '\'') if c == '\\' => escaped = true,
            Some(open) if open == c => quote = None,
            Some(_) => {}
        }
    }
    None
}

/// Of the forms that are one field, or begin with a word.
fn is_refused(template: &str) -> bool {
    let inside = template.trim().trim_start_matches("- ").trim_end_matches(" -").trim();
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_');
    let first = &inside[..inside.find(|c| !plain(c)).unwrap_or(inside.len())];
    if first.starts_with('.') {
        let labelled = first.starts_with(".Service.Labels.");
        return first == inside && first != "." && !labelled && !FIELDS.contains(&first);
    }
    let is_word = first.starts_with(|c: char| c.is_ascii_alphabetic());
    inside.is_empty() || (is_word && !WORDS.contains(&first))
}

pub fn filled_in(service: &Service) -> impl Iterator<Item = (String, &str)> {
    let values = service
        .environment
        .iter()
        .filter_map(|(name, value)| Some((format!("environment.{name}"), value.as_deref()?)));
    let mounts = service.volumes.iter().flat_map(|placed| [&placed.it.source, &placed.it.target]);
    let mounts = mounts.map(|text| ("volumes".to_owned(), text.as_str()));
    values.chain([("hostname".to_owned(), service.hostname.as_str())]).chain(mounts)
}

fn left_alone(service: &Service) -> impl Iterator<Item = (&'static str, &str)> {
    let test = service.healthcheck.as_ref().map_or(&[][..], |check| &check.test);
    let all: [Vec<_>; 7] = [
        list("command", &service.command),
        list("entrypoint", &service.entrypoint),
        list("extra_hosts", &service.extra_hosts),
        list("healthcheck", test),
        dict("labels", &service.labels),
        dict("deploy.labels", &service.deploy.labels),
        vec![("user", &service.user), ("working_dir", &service.working_dir)],
    ];
    all.into_iter().flatten()
}

fn list<'a>(key: &'static str, list: &'a [String]) -> Vec<(&'static str, &'a str)> {
    list.iter().map(|text| (key, text.as_str())).collect()
}

fn dict<'a>(key: &'static str, dict: &'a Dict) -> Vec<(&'static str, &'a str)> {
    dict.values().map(|text| (key, text.as_str())).collect()
}

/// The text between `{{` and `}}`.
fn templates(text: &str) -> impl Iterator<Item = &str> {
    text.split("{{").skip(1).filter_map(|rest| rest.split_once("}}").map(|(inside, _)| inside))
}

fn is_known(template: &str) -> bool {
    KNOWN.iter().any(|known| template.contains(known))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_swarm_is_certain_to_refuse() {
        for text in
            ["{{.Foo}}", "{{ .Task.Foo }}", "{{", "a{{.Task.Slot}}{{", "{{ secret }}", "{{}}"]
        {
            assert!(broken(text).is_some(), "{text}");
        }
        for text in [
            "plain",
            "}}",
            "{{.Task.Slot}}",
            "{{- .Node.Platform.OS -}}",
            "{{.Service.Labels.x}}",
            "{{index .Service.Labels \"a.b\"}}",
            "{{if eq .Task.Slot \"1\"}}a{{else}}b{{end}}",
            "{{\"{{\"}}",
            "{{printf \"%s\" .Node.ID}}",
            "{{.}}",
        ] {
            assert_eq!(broken(text), None, "{text}");
        }
    }
}
