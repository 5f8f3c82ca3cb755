//! What is said of each password: changes, and decisions for a person.

use crate::recipe::family::Kind;

use super::super::{
    draft::{Draft, Secret, Setting},
    judge::{self, Origin},
    names,
    project::Project,
    required,
};
use super::password::{Fate, Password, Place, Use};

/// Says it, and writes its line for the sample.
pub(super) fn record(draft: &mut Draft, project: &Project, password: &Password, fate: &Fate) {
    let position = |draft: &Draft, found: &Use| {
        let env = &draft.services[found.service].env;
        let variable = env.iter().find(|it| it.key == found.key).and_then(|it| it.position.clone());
        variable.or_else(|| project.outline.line(draft.services[found.service].at))
    };
    let users: Vec<String> = password
        .uses
        .iter()
        .map(|found| format!("{} ({})", draft.services[found.service].name, found.key))
        .collect();
    let first = &password.uses[0];
    let at = position(draft, first);
    let service = draft.services[first.service].key.clone();
    let is_given = password.uses.iter().all(|found| judge::origin(&found.key) == Origin::Elsewhere)
        && first.place == Place::Whole;
    match fate {
        Fate::Secret(name) => {
            let is_key = !judge::is_password_name(&first.key) && first.place == Place::Whole;
            let rule = match (is_given, is_key) {
                (true, _) => names::GIVEN,
                (_, true) => names::LONG,
                _ => names::RANDOM,
            };
            draft.log.change(
                &service,
                at.clone(),
                format!("the secret `{name}` is for {}", users.join(", ")),
                "anyone who may look at a service reads its environment; the value of the \
                 upstream is not kept",
            );
            if is_given {
                draft.log.decision(
                    &service,
                    at,
                    format!("the secret `{name}` comes from elsewhere"),
                    format!(
                        "say in README.md where from; operators store it with `potluck app \
                             secret insert APP {name}`"
                    ),
                );
            }
            let one = password.uses.iter().all(|found| found.service == first.service);
            let is_sql = matches!(
                draft.services[first.service].kind(),
                Some(Kind::Postgres | Kind::Mariadb)
            );
            if one && is_sql && !judge::is_root(&first.key) && draft.services.len() > 1 {
                draft.log.decision(
                    &service,
                    position(draft, first),
                    format!("no other service has the password `{name}` in its variables"),
                    "say in README.md where people enter it, if they do so as they set the app \
                     up; else add it to the service that needs it",
                );
            }
            let comment = vec![format!("For {}.", users.join(", "))];
            draft.secrets.push(Secret { name: name.clone(), rule, comment });
        }
        Fate::Setting(name) => {
            let cannot: Vec<String> = password
                .uses
                .iter()
                .filter(|found| {
                    let service = &draft.services[found.service];
                    found.place == Place::Command
                        || !service.family.is_some_and(|family| family.reads(&found.key))
                })
                .map(|found| {
                    let how =
                        if found.place == Place::Command { "arguments" } else { "environment" };
                    format!(
                        "`{}` takes {} from its {how} only",
                        draft.services[found.service].name, found.key
                    )
                })
                .collect();
            let secret = names::secret(name);
            let target = password.uses.iter().find(|found| {
                !draft.services[found.service].family.is_some_and(|family| family.reads(&found.key))
            });
            let app =
                target.map_or(service.clone(), |found| draft.services[found.service].name.clone());
            draft.log.decision(
                &service,
                at,
                format!(
                    "{name} is a setting, which is empty: as far as is known, {}",
                    cannot.join("; ")
                ),
                format!(
                    "give each app a value of its own with `potluck app config`; or make it the \
                     secret `{secret}`: if the image of `{app}` reads files, say the variable \
                     for it, else mount a script as a config that exports {name} from \
                     /run/secrets/{secret} and then starts the image's own entrypoint, and name \
                     it in `entrypoint`"
                ),
            );
            if !is_given {
                draft.required.insert(name.clone(), required::PASSWORD.to_owned());
            }
            let mut comment = of_upstream(draft, project, password);
            comment.push(format!("A secret, for {}.", users.join(", ")));
            comment.push(
                "Decide: a long random value for each app, or a secret of the swarm: see README.md."
                    .into(),
            );
            draft.set(Setting { key: name.clone(), value: String::new(), comment, off: false });
        }
    }
}

/// What the upstream says of a password, such as how long it must be.
fn of_upstream(draft: &Draft, project: &Project, password: &Password) -> Vec<String> {
    let of_project = project
        .env
        .iter()
        .find(|it| Some(&it.key) == password.variable.as_ref())
        .map(|it| &it.comment);
    let of_service = password.uses.iter().find_map(|found| {
        let env = &draft.services[found.service].env;
        env.iter().find(|it| it.key == found.key).map(|it| &it.comment)
    });
    of_project.or(of_service).cloned().unwrap_or_default()
}
