//! `{{.Task.Slot}}` and the like: swarm fills them in in a few places (moby/
//! swarmkit, `template`), and refuses there what it does not know.

use super::{Findings, Subject};
use crate::{
    compose::model::{Dict, Service},
    lint::rules,
};

/// What a template may name.
const KNOWN: &[&str] = &[".Service.", ".Node.", ".Task."];

pub fn check(subject: Subject<'_>, findings: &mut Findings<'_>) {
    let service = subject.service;
    for (key, text) in filled_in(service) {
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

fn filled_in(service: &Service) -> impl Iterator<Item = (String, &str)> {
    let values = service
        .environment
        .iter()
        .filter_map(|(name, value)| Some((format!("environment.{name}"), value.as_deref()?)));
    values.chain([("hostname".to_owned(), service.hostname.as_str())])
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

/// What stands between `{{` and `}}`.
fn templates(text: &str) -> impl Iterator<Item = &str> {
    text.split("{{").skip(1).filter_map(|rest| rest.split_once("}}").map(|(inside, _)| inside))
}

fn is_known(template: &str) -> bool {
    KNOWN.iter().any(|known| template.contains(known))
}
