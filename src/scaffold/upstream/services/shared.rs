//! Environment files, which a project often gives to all of its services: each service keeps what
//! is its own, as far as that is known. What its image reads, its family says; what else it could
//! need is a decision.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    compose::image::Image,
    recipe::family::{Family, Files, Kind},
};

use super::super::{
    draft::{Draft, Service, Variable},
    judge::{self, Origin},
    literals, names,
    project::Project,
};

/// Shorter beginnings of names are those of too much else.
const SHORTEST: usize = 4;

/// Variables that any image may read.
const OF_ALL: &[&str] = &["TZ", "LANG", "LC_ALL", "PUID", "PGID", "UMASK", "LOG_LEVEL"];

/// Takes from each service what an environment file has for others.
pub fn shared(draft: &mut Draft, project: &Project) {
    let files = shared_files(draft);
    let main = draft.services.iter().position(|service| service.name == "app");
    let main_image = main.and_then(|index| path(&draft.services[index]));
    // Decided for all before anything is taken from one.
    let steps: Vec<Step> = (0..draft.services.len())
        .map(|index| {
            let service = &draft.services[index];
            let is_main = main == Some(index)
                || path(service).is_some() && path(service) == main_image
                || main.is_none();
            match of_store(service) {
                Some(own) => Step::Store(own),
                None => Step::of(draft, index, is_main, &files),
            }
        })
        .collect();
    for (index, step) in steps.into_iter().enumerate() {
        take(draft, project, index, step);
    }
}

/// What is done with the variables of a service.
enum Step {
    /// Only variables that begin with one of these are its own.
    Store(&'static [&'static str]),
    /// These are of others, passwords most of them; and of these passwords it is not known.
    Variables { foreign: Vec<String>, unclear: Vec<String> },
}

impl Step {
    fn of(draft: &Draft, index: usize, is_main: bool, files: &BTreeSet<String>) -> Self {
        let service = &draft.services[index];
        let shared = |it: &&Variable| it.file.as_ref().is_some_and(|file| files.contains(file));
        let passwords: Vec<&str> = service
            .env
            .iter()
            .filter(shared)
            .filter(|it| {
                let value = it.value.as_deref().unwrap_or_default();
                // Others without a value are left out for all.
                let is_ours = judge::origin(&it.key) == Origin::Own;
                let has_one = !value.is_empty() || is_ours && !judge::is_often_open(&it.key);
                judge::is_secret_name(&it.key) && has_one || literals::password_in(value).is_some()
            })
            .map(|it| it.key.as_str())
            .collect();
        if !is_main && passwords.iter().any(|key| is_of(service, key)) {
            let is_foreign = |key: &str| !is_of(service, key) && !OF_ALL.contains(&key);
            let variables = service.env.iter().filter(shared).map(|it| it.key.clone());
            let foreign = variables.filter(|key| is_foreign(key)).collect();
            return Step::Variables { foreign, unclear: vec![] };
        }
        let (mut foreign, mut unclear) = (vec![], vec![]);
        for key in passwords {
            let of_other = draft
                .services
                .iter()
                .enumerate()
                .any(|(other, service)| other != index && claims(service, key));
            match service.family.and_then(|family| reads(family, key)) {
                Some(true) => {}
                Some(false) if of_other => foreign.push(key.to_owned()),
                // It may read it from its environment alone.
                Some(false) => {}
                None if is_of(service, key) => {}
                None if service.is(Kind::Helper) => foreign.push(key.to_owned()),
                None if !is_main || of_other => unclear.push(key.to_owned()),
                None => {}
            }
        }
        Step::Variables { foreign, unclear }
    }
}

fn take(draft: &mut Draft, project: &Project, index: usize, step: Step) {
    let service = &mut draft.services[index];
    let (key, name) = (service.key.clone(), service.name.clone());
    let at = project.outline.line(service.at);
    match step {
        Step::Store(own) => {
            let before = service.env.len();
            let is_own = |it: &Variable| own.iter().any(|own| it.key.starts_with(own));
            service.env.retain(|it| it.file.is_none() || is_own(it));
            let left_out = before - service.env.len();
            if left_out > 0 {
                draft.log.change(
                    &key,
                    at,
                    format!("{left_out} variables of its environment file were left out"),
                    "they are for other services, and a database needs no password but its own",
                );
            }
        }
        Step::Variables { foreign, unclear } => {
            if !foreign.is_empty() {
                service.env.retain(|it| it.file.is_none() || !foreign.contains(&it.key));
                draft.log.change(
                    &key,
                    at.clone(),
                    format!("left out of its environment: {}", foreign.join(", ")),
                    "its environment file is that of other services, too, and its image reads \
                     other names",
                );
            }
            if !unclear.is_empty() {
                draft.log.decision(
                    &key,
                    at,
                    format!(
                        "it is given passwords that may be for other services only: {}",
                        unclear.join(", ")
                    ),
                    format!(
                        "remove those that `{name}` does not read itself from its `environment` \
                         in compose.yml"
                    ),
                );
            }
        }
    }
}

/// Environment files that several services have.
pub fn shared_files(draft: &Draft) -> BTreeSet<String> {
    let mut users: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for service in &draft.services {
        for file in service.env.iter().filter_map(|it| it.file.as_deref()) {
            users.entry(file).or_default().insert(&service.key);
        }
    }
    let several = users.into_iter().filter(|(_, services)| services.len() > 1);
    several.map(|(file, _)| file.to_owned()).collect()
}

/// How the variables of a store begin: its image has no others.
fn of_store(service: &Service) -> Option<&'static [&'static str]> {
    Some(match service.kind()? {
        Kind::Postgres => &["POSTGRES_", "PGDATA", "TZ", "LANG"],
        Kind::Mariadb => &["MYSQL_", "MARIADB_", "TZ", "LANG"],
        Kind::OtherStore => {
            &["MONGO_", "MONGODB_", "CLICKHOUSE_", "ES_", "OPENSEARCH_", "TZ", "LANG"]
        }
        // Their images read none.
        Kind::Redis | Kind::Cache => &["TZ"],
        _ => return None,
    })
}

/// Whether an image reads a variable; none where its family does not say.
fn reads(family: &Family, key: &str) -> Option<bool> {
    match family.files {
        Files::Some(_) | Files::Of(..) | Files::Address(_) => Some(family.reads(key)),
        Files::No | Files::All(_) | Files::Before(_) | Files::Folder(_) => None,
    }
}

/// Whether a variable is that of a service: its store reads it, or it begins as its name does.
fn claims(service: &Service, key: &str) -> bool {
    of_store(service).is_some_and(|own| own.iter().any(|own| key.starts_with(own)))
        || is_of(service, key)
}

/// `MEILI_MASTER_KEY` is of `getmeili/meilisearch`.
fn is_of(service: &Service, key: &str) -> bool {
    let begin = key.split('_').next().unwrap_or_default().to_ascii_lowercase();
    let image = path(service).unwrap_or_default();
    let image = image.rsplit('/').next().unwrap_or_default();
    begin.len() >= SHORTEST
        && [names::plain(&service.key, '-'), image.to_ascii_lowercase()]
            .iter()
            .any(|name| name.starts_with(&begin))
}

/// The image without its registry and version.
fn path(service: &Service) -> Option<String> {
    Image::parse(service.image.as_deref()?).map(|image| image.path)
}
