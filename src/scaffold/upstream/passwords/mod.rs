//! Passwords: each becomes one secret of the swarm, under one name for all services that use
//! it. A secret is read from a file, so it can only be one where every image that takes part
//! reads files; else it is a setting that is empty, and a person decides.
//!
//! No value of the upstream's is kept, whether it is a placeholder or not.

mod apply;
mod doubt;
mod find;
mod name;
mod password;
mod record;

use super::{
    draft::{Draft, Variable},
    project::Project,
    templates::{self, Known},
};
use password::{Fate, Password, Place};

/// Moves all passwords out of the services' environment.
pub fn move_out(draft: &mut Draft, project: &Project) {
    imply(draft, project);
    let passwords = find::collect(draft, project);
    let mut readable: Vec<bool> =
        passwords.iter().map(|password| find::is_readable(draft, password)).collect();
    // One value with two passwords is a file, or it is not.
    loop {
        let shares = |a: &Password, b: &Password| {
            a.uses.iter().any(|a| {
                a.place == Place::Within
                    && b.uses
                        .iter()
                        .any(|b| b.service == a.service && b.key == a.key && b.place == a.place)
            })
        };
        let mixed = (0..passwords.len()).find(|one| {
            readable[*one]
                && (0..passwords.len())
                    .any(|other| !readable[other] && shares(&passwords[*one], &passwords[other]))
        });
        let Some(mixed) = mixed else { break };
        readable[mixed] = false;
    }
    let mut known = vec![];
    let mut fates = vec![];
    for (password, readable) in passwords.iter().zip(readable) {
        let fate = match readable {
            true => Fate::Secret(name::secret_name(draft, password)),
            false => Fate::Setting(name::setting_name(draft, password)),
        };
        record::record(draft, project, password, &fate);
        let set = password.variable.as_deref().and_then(|name| project.setting(name));
        draft.secret_variables.extend(password.variable.clone());
        for literal in [password.literal.as_deref(), set].into_iter().flatten() {
            if literal.is_empty() || draft.literals.iter().any(|it| it == literal) {
                continue;
            }
            draft.literals.push(literal.to_owned());
            known.push(Known {
                literal: literal.to_owned(),
                insert: match &fate {
                    Fate::Secret(name) => templates::Insert::Secret(name.clone()),
                    Fate::Setting(name) => templates::Insert::Setting(name.clone()),
                },
            });
        }
        fates.push(fate);
    }
    for index in 0..draft.services.len() {
        apply::apply(draft, project, index, &passwords, &fates);
    }
    for (password, fate) in passwords.iter().zip(&fates) {
        apply::commands(draft, password, fate);
    }
    templates::files(draft, &known);
    templates::leftovers(draft, &known);
    doubt::say(draft, project);
    apply::trusting(draft);
}

/// Values that images have themselves, which must be said once they change.
fn imply(draft: &mut Draft, project: &Project) {
    let keys: Vec<String> = draft.services.iter().map(|service| service.key.clone()).collect();
    for service in &mut draft.services {
        let Some(family) = service.family else { continue };
        for implied in family.implied {
            let set = |key: &str| {
                service.env.iter().any(|it| {
                    it.key == key
                        && (it.value.is_some()
                            || project.setting(key).is_some_and(|it| !it.is_empty()))
                })
            };
            let is_name = implied.key.ends_with("HOSTNAME") || implied.value.contains("://");
            let reached = keys.iter().any(|key| implied.value.contains(key.as_str()));
            if set(implied.key)
                || !implied.beside.is_empty() && !set(implied.beside)
                || is_name && !reached
            {
                continue;
            }
            service.env.retain(|it| it.key != implied.key);
            service.env.push(Variable {
                key: implied.key.into(),
                value: Some(implied.value.into()),
                position: None,
                comment: vec![],
                file: None,
            });
        }
    }
}
