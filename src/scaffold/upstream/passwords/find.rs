//! Which passwords there are, and whether every image that uses one reads files.

use std::collections::{BTreeMap, BTreeSet};

use crate::recipe::family::Kind;

use super::super::{
    draft::{Draft, Variable, Words},
    judge::{self, Origin},
    literals, names,
    project::Project,
    reference,
    services::shared_files,
};
use super::password::{Password, Place, Use};

/// A service, as others reach it.
struct Host {
    name: String,
    /// What it is, if it has passwords of its own.
    store: Option<Kind>,
}

pub(super) fn collect(draft: &mut Draft, project: &Project) -> Vec<Password> {
    let mut passwords: Vec<Password> = vec![];
    // A store first: it has the name of a password, and tells that of root from others.
    let is_store = |draft: &Draft, index: usize| {
        matches!(
            draft.services[index].kind(),
            Some(Kind::Postgres | Kind::Mariadb | Kind::OtherStore | Kind::Redis)
        )
    };
    let shared = shared_files(draft);
    let hosts: Vec<Host> = draft
        .services
        .iter()
        .enumerate()
        .map(|(index, service)| Host {
            name: service.key.clone(),
            store: service.kind().filter(|_| is_store(draft, index)),
        })
        .collect();
    let mut order: Vec<usize> = (0..draft.services.len()).collect();
    order.sort_by_key(|index| !is_store(draft, *index));
    let secret_variable =
        |name: &str| judge::is_secret(name, project.setting(name).unwrap_or_default());
    for index in order {
        let mut left_out = vec![];
        let mut first = None;
        let key_of_service = draft.services[index].key.clone();
        let env = std::mem::take(&mut draft.services[index].env);
        let mut kept = vec![];
        let off = switched_off(project, &env);
        for mut variable in env {
            let key = variable.key.clone();
            with_address(&mut variable, project);
            let written = match &variable.value {
                Some(value) => value.clone(),
                // Taken from the settings.
                None if judge::is_secret_name(&key) => format!("${{{key}}}"),
                None => {
                    kept.push(variable);
                    continue;
                }
            };
            let value = project.resolved(&written);
            if judge::is_secret(&key, &value) {
                let sole = reference::sole(&written);
                let optional = sole.as_ref().is_some_and(|it| it.default.as_deref() == Some(""));
                let elsewhere = judge::origin(&key) == Origin::Elsewhere;
                let may_lack = variable.value.is_none()
                    || optional
                    || elsewhere
                    || off.contains(&key)
                    || judge::is_often_open(&key);
                if value.is_empty()
                    && may_lack
                    && !is_needed(draft, index, &key, sole.as_ref(), &passwords)
                {
                    first = first.or(variable.position.clone());
                    left_out.push(key);
                    continue;
                }
                let (name, literal) = match sole {
                    Some(sole) => {
                        let default = sole
                            .default
                            .map(|it| project.resolved(&it))
                            .filter(|it| !it.is_empty());
                        (Some(sole.name), default)
                    }
                    // One file for several services has one value for all; that of one service has
                    // the value of others, where it is the same.
                    None => (
                        variable
                            .file
                            .as_ref()
                            .filter(|file| {
                                value.is_empty()
                                    || shared.contains(*file)
                                    || project.env_name.as_ref() == Some(*file)
                            })
                            .map(|_| key.clone()),
                        Some(value).filter(|it| !it.is_empty()),
                    ),
                };
                let found =
                    Use { service: index, place: Place::Whole, key: key.clone(), host: None };
                put(&mut passwords, project, &hosts, name, literal, found);
            } else if let Some(range) = literals::password_in(&written) {
                let part = &written[range];
                let sole = reference::sole(part);
                let literal = match &sole {
                    Some(sole) => sole
                        .default
                        .as_deref()
                        .map(|it| project.resolved(it))
                        .filter(|it| !it.is_empty()),
                    None => Some(project.resolved(part)),
                };
                let host = judge::host_in(&value);
                let found = Use { service: index, place: Place::Within, key: key.clone(), host };
                put(&mut passwords, project, &hosts, sole.map(|it| it.name), literal, found);
            } else {
                for used in reference::variables(&written) {
                    let known =
                        passwords.iter().any(|it| it.variable.as_deref() == Some(&used.name));
                    if known || secret_variable(&used.name) {
                        let is_whole = reference::sole(&written).is_some();
                        let place = if is_whole { Place::Whole } else { Place::Within };
                        let literal = used
                            .default
                            .map(|it| project.resolved(&it))
                            .filter(|it| !it.is_empty());
                        put(
                            &mut passwords,
                            project,
                            &hosts,
                            Some(used.name),
                            literal,
                            Use { service: index, place, key: key.clone(), host: None },
                        );
                    }
                }
            }
            kept.push(variable);
        }
        draft.services[index].env = kept;
        if !left_out.is_empty() {
            let name = names::secret(&left_out[0]);
            draft.log.decision(
                &key_of_service,
                first,
                format!("left out, as the upstream gives no value: {}", left_out.join(", ")),
                format!(
                    "for those that your apps need, add a secret such as `{name}` to \
                         compose.yml, and what reads it"
                ),
            );
        }
        let service = &mut draft.services[index];
        let mut found = vec![];
        for words in [&mut service.command, &mut service.entrypoint].into_iter().flatten() {
            for text in words.texts() {
                for used in reference::variables(text) {
                    if secret_variable(&used.name) {
                        let literal = used
                            .default
                            .map(|it| project.resolved(&it))
                            .filter(|it| !it.is_empty());
                        found.push((Some(used.name.clone()), literal, used.name));
                    }
                }
            }
            found.extend(flags(words).into_iter().map(|(flag, value)| (None, Some(value), flag)));
        }
        for (name, literal, key) in found {
            put(
                &mut passwords,
                project,
                &hosts,
                name,
                literal,
                Use { service: index, place: Place::Command, key, host: None },
            );
        }
    }
    passwords
}

/// Whether a password without a value must have one: its upstream requires it, its database does
/// not start without it, or another service has it.
fn is_needed(
    draft: &Draft,
    index: usize,
    key: &str,
    sole: Option<&reference::Variable>,
    passwords: &[Password],
) -> bool {
    // Passwords of root and of users; what else there may be is optional.
    const OF_STORES: &[&str] = &["POSTGRES_PASSWORD", "MYSQL_PASSWORD", "MARIADB_PASSWORD"];
    let service = &draft.services[index];
    let is_store = matches!(service.kind(), Some(Kind::Postgres | Kind::Mariadb));
    let is_known = |name: &str| passwords.iter().any(|it| it.variable.as_deref() == Some(name));
    sole.is_some_and(|it| it.required.is_some() || is_known(&it.name))
        || is_store && OF_STORES.contains(&key)
}

/// Variables of what is off: all that begin as they do are empty, as `SPACES_SECRET` is beside
/// `SPACES_KEY` and `SPACES_ENDPOINT`, an example of what may be switched on.
fn switched_off(project: &Project, env: &[Variable]) -> BTreeSet<String> {
    let of_files = env.iter().filter(|it| it.file.is_some());
    let of_files = of_files.map(|it| (it.key.as_str(), it.value.as_deref().unwrap_or_default()));
    let of_project = project.env.iter().map(|it| (it.key.as_str(), it.value.as_str()));
    let mut features: BTreeMap<&str, BTreeMap<&str, bool>> = BTreeMap::new();
    for (key, value) in of_files.chain(of_project) {
        let Some((feature, _)) = key.split_once('_') else { continue };
        *features.entry(feature).or_default().entry(key).or_default() |= !value.is_empty();
    }
    let off = features.into_values().filter(|keys| keys.len() > 1 && !keys.values().any(|it| *it));
    off.flat_map(|keys| keys.into_keys().map(str::to_owned)).collect()
}

/// An address with a password that a variable holds as a whole is one here.
fn with_address(variable: &mut Variable, project: &Project) {
    let written = variable.value.clone().unwrap_or_else(|| format!("${{{}}}", variable.key));
    if reference::sole(&written).is_some() {
        let value = project.resolved(&written);
        if literals::password_in(&value).is_some() {
            variable.value = Some(value.replace('$', "$$"));
        }
    }
}

/// Passwords in arguments: `--requirepass x`, `--password=x`.
fn flags(words: &mut Words) -> Vec<(String, String)> {
    let words: Vec<String> = match words {
        Words::Line(line) => line.split_whitespace().map(str::to_owned).collect(),
        Words::List(words) if words.len() == 1 || words.iter().any(|it| it.contains(' ')) => {
            words.iter().flat_map(|it| it.split_whitespace().map(str::to_owned)).collect()
        }
        Words::List(words) => words.clone(),
    };
    let secret = |flag: &str| {
        let name = flag.trim_start_matches('-').replace(['-', '.'], "_");
        flag.starts_with('-')
            && (name == "requirepass" || name == "masterauth" || judge::is_secret_name(&name))
    };
    let value = |text: &str| {
        let text = text.trim_matches(['"', '\'']);
        let good = !text.is_empty()
            && !text.contains('$')
            && !text.starts_with('-')
            && judge::is_secret_value(text);
        good.then(|| text.to_owned())
    };
    let mut found = vec![];
    for (index, word) in words.iter().enumerate() {
        match word.split_once('=') {
            Some((flag, given)) if secret(flag) && value(given).is_some() => {
                found.extend(value(given).map(|it| (flag.to_owned(), it)))
            }
            None if secret(word) => {
                found.extend(
                    words.get(index + 1).and_then(|it| value(it)).map(|it| (word.clone(), it)),
                );
            }
            _ => {
                if let Some(literal) = literals::first(word) {
                    found.extend(value(&word[literal.range]).map(|it| (literal.name, it)));
                }
            }
        }
    }
    found
}

/// Adds a use to the password that it is of; `hosts` are the services.
fn put(
    passwords: &mut Vec<Password>,
    project: &Project,
    hosts: &[Host],
    variable: Option<String>,
    literal: Option<String>,
    found: Use,
) {
    let value = |password: &Password| {
        let set = password
            .variable
            .as_deref()
            .and_then(|name| project.setting(name))
            .filter(|it| !it.is_empty());
        set.map(str::to_owned).or_else(|| password.literal.clone())
    };
    if let Some(name) = &variable
        && let Some(known) = passwords.iter_mut().find(|it| it.variable.as_ref() == Some(name))
    {
        known.literal = known.literal.take().or(literal);
        known.uses.push(found);
        return;
    }
    let wanted =
        value(&Password { variable: variable.clone(), literal: literal.clone(), uses: vec![] });
    let is_password =
        |found: &Use| found.place != Place::Whole || judge::is_password_name(&found.key);
    let target = hosts.iter().position(|it| Some(&it.name) == found.host.as_ref());
    let is_of_host = |password: &Password| {
        password
            .uses
            .iter()
            .any(|it| it.host.is_some() && it.host == found.host || target == Some(it.service))
    };
    // A database and a cache have two passwords, even if an example has one value for both.
    let store = hosts[found.service].store;
    let is_of_other = |password: &Password| {
        let mut stores = password.uses.iter().filter_map(|it| hosts[it.service].store);
        store.is_some() && stores.any(|other| Some(other) != store)
    };
    let is_alike = |password: &Password| {
        // In one service, two variables mean two things.
        !password.uses.iter().any(|it| it.service == found.service && it.key != found.key)
            && password
                .uses
                .iter()
                .any(|it| it.key == found.key || is_password(it) && is_password(&found))
    };
    let same = |password: &Password| {
        // Two variables are two passwords, even if an example has one value for both.
        let apart = password.variable.is_some() && variable.is_some();
        !apart
            && wanted.is_some()
            && value(password) == wanted
            && !is_of_other(password)
            && (is_of_host(password) || target.is_none() && is_alike(password))
    };
    let root = |password: &Password| password.uses.iter().any(|it| judge::is_root(&it.key));
    let mut fitting: Vec<usize> =
        (0..passwords.len()).filter(|index| same(&passwords[*index])).collect();
    let upper = found.key.to_ascii_uppercase();
    let is_named = |password: &Password| {
        password.uses.iter().map(|it| &hosts[it.service]).any(|host| {
            host.store.is_some() && upper.contains(&host.name.to_ascii_uppercase())
                || host.store == Some(Kind::Redis) && upper.contains("REDIS")
        })
    };
    fitting.sort_by_key(|index| {
        let password = &passwords[*index];
        (root(password) != judge::is_root(&found.key), !is_named(password))
    });
    match fitting.first() {
        Some(index) => {
            let password = &mut passwords[*index];
            password.variable = password.variable.take().or(variable);
            password.literal = password.literal.take().or(literal);
            password.uses.push(found);
        }
        None => passwords.push(Password { variable, literal, uses: vec![found] }),
    }
}

/// Whether all images that use it read it from a file.
pub(super) fn is_readable(draft: &Draft, password: &Password) -> bool {
    let reads = |found: &Use| {
        let service = &draft.services[found.service];
        match found.place {
            Place::Whole | Place::Within => {
                service.family.is_some_and(|family| family.reads(&found.key))
            }
            Place::Command => service.is(Kind::Redis),
        }
    };
    password.uses.iter().all(reads)
}
