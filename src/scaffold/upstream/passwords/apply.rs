//! Puts what a password became where it was.

use crate::recipe::family::Files;

use super::super::{
    draft::{Config, Draft, Mounted, Variable, Words},
    literals, names,
    project::Project,
    reference,
    templates::{self},
};
use super::password::{Fate, Password, Place};

/// Where templates and secrets are that have the name of a variable.
const FOLDER: &str = "/run/config";

/// The variables of one service, with what each password became.
pub(super) fn apply(
    draft: &mut Draft,
    project: &Project,
    index: usize,
    passwords: &[Password],
    fates: &[Fate],
) {
    let env = std::mem::take(&mut draft.services[index].env);
    let mut written: Vec<Variable> = vec![];
    let mut extra: Vec<(String, String)> = vec![];
    for mut variable in env {
        let here = |place: &Place| {
            passwords.iter().zip(fates).find(|(password, _)| {
                password
                    .uses
                    .iter()
                    .any(|it| it.service == index && it.key == variable.key && it.place == *place)
            })
        };
        let files = draft.services[index].family.map_or(Files::No, |family| family.files);
        if let Some((_, fate)) = here(&Place::Whole) {
            match fate {
                Fate::Setting(name) => variable.value = Some(format!("${{{name}}}")),
                Fate::Secret(name) => {
                    let target = matches!(files, Files::Folder(_))
                        .then(|| format!("{FOLDER}/{}", variable.key));
                    mount_secret(draft, index, name, target);
                    if !from_file(&mut variable, files, &format!("/run/secrets/{name}"), &mut extra)
                    {
                        continue;
                    }
                }
            }
        } else if here(&Place::Within).is_some() {
            let parts: Vec<(&Password, &Fate)> = passwords
                .iter()
                .zip(fates)
                .filter(|(password, _)| {
                    password.uses.iter().any(|it| it.service == index && it.key == variable.key)
                })
                .collect();
            let all_secret = parts.iter().all(|(_, fate)| matches!(fate, Fate::Secret(_)));
            let value = variable.value.clone().unwrap_or_default();
            let value = marked(&value, &parts, project);
            if all_secret {
                let (text, variables) = templates::template(&value, &|name| {
                    parts.iter().find_map(|(_, fate)| match fate {
                        Fate::Secret(secret) if format!("secret:{secret}") == name => {
                            Some(secret.clone())
                        }
                        _ => None,
                    })
                });
                for (_, fate) in &parts {
                    if let Fate::Secret(name) = fate {
                        mount_secret(draft, index, name, None);
                    }
                }
                extra.extend(
                    variables.into_iter().map(|name| (name.clone(), format!("${{{name}}}"))),
                );
                let path = format!("{FOLDER}/{}", variable.key);
                let name = names::plain(&variable.key, '_');
                let name = names::unique(&name, &|name| {
                    draft
                        .configs
                        .iter()
                        .any(|it| it.name == name && it.file != format!("{name}.tmpl"))
                });
                let file = format!("{name}.tmpl");
                draft.log.change(
                    &draft.services[index].key.clone(),
                    variable.position.clone(),
                    format!(
                        "{} is the file {path}, made from the config `{file}` with the \
                             password in its place",
                        variable.key
                    ),
                    "an address with a password in it is a secret as a whole; swarm puts it \
                     together as the service starts",
                );
                draft.files.insert(file.clone(), text);
                if !draft.configs.iter().any(|it| it.name == name) {
                    draft.configs.push(Config { name: name.clone(), file, template: true });
                }
                draft.services[index].configs.push(Mounted {
                    mode: Some("0444".into()),
                    ..Mounted::new(&name, Some(path.clone()))
                });
                if !from_file(&mut variable, files, &path, &mut extra) {
                    continue;
                }
            } else {
                variable.value = Some(reference::replaced(&value, &mut |used| {
                    let name = used.name.strip_prefix("setting_of_")?;
                    Some(format!("${{{name}}}"))
                }));
            }
        }
        written.push(variable);
    }
    for (key, value) in extra {
        if !written.iter().any(|it| it.key == key) {
            written.push(Variable {
                key,
                value: Some(value),
                position: None,
                comment: vec![],
                file: None,
            });
        }
    }
    draft.services[index].env = written;
}

/// The text with a mark in place of each password: `${setting_of_NAME}`, or
/// `${secret:name}`, which is not a variable of Compose.
fn marked(value: &str, parts: &[(&Password, &Fate)], project: &Project) -> String {
    let mark = |fate: &Fate| match fate {
        Fate::Secret(name) => format!("\u{1}secret:{name}\u{1}"),
        Fate::Setting(name) => format!("${{setting_of_{name}}}"),
    };
    let by_variable = reference::replaced(value, &mut |used| {
        let (_, fate) =
            parts.iter().find(|(password, _)| password.variable.as_deref() == Some(&used.name))?;
        Some(mark(fate))
    });
    if by_variable != value {
        return by_variable;
    }
    let Some(range) = literals::password_in(value) else { return value.to_owned() };
    let literal = project.resolved(&value[range.clone()]);
    let part = parts.iter().find(|(password, _)| {
        password.literal.as_deref() == Some(&literal)
            || password.variable.as_deref().and_then(|name| project.setting(name)) == Some(&literal)
    });
    // Whatever is there, it is not kept.
    match part.or(parts.first()) {
        Some((_, fate)) => {
            format!("{}{}{}", &value[..range.start], mark(fate), &value[range.end..])
        }
        None => format!("{}{}", &value[..range.start], &value[range.end..]),
    }
}

fn mount_secret(draft: &mut Draft, index: usize, name: &str, target: Option<String>) {
    let mounted = Mounted::new(name, target);
    let secrets = &mut draft.services[index].secrets;
    if !secrets
        .iter()
        .any(|present| present.source == mounted.source && present.target == mounted.target)
    {
        secrets.push(mounted);
    }
}

/// Whether the variable is there, after it was told to come from a file.
fn from_file(
    variable: &mut Variable,
    files: Files,
    path: &str,
    extra: &mut Vec<(String, String)>,
) -> bool {
    variable.comment.clear();
    match files {
        Files::All(ending) | Files::Of(_, ending) => variable.key.push_str(ending),
        Files::Before(prefix) => variable.key.insert_str(0, prefix),
        Files::Some(_) | Files::No => variable.key.push_str("_FILE"),
        Files::Address(_) => {
            variable.value = Some(format!("file://{path}"));
            return true;
        }
        Files::Folder(name) => {
            extra.push((name.to_owned(), FOLDER.to_owned()));
            return false;
        }
    }
    variable.value = Some(path.to_owned());
    true
}

/// Passwords in commands.
pub(super) fn commands(draft: &mut Draft, password: &Password, fate: &Fate) {
    for found in password.uses.iter().filter(|found| found.place == Place::Command) {
        let service = &mut draft.services[found.service];
        for words in [&mut service.command, &mut service.entrypoint].into_iter().flatten() {
            for text in words.texts() {
                if let Some(variable) = &password.variable {
                    *text = reference::replaced(text, &mut |used| {
                        (used.name == *variable).then(|| match fate {
                            Fate::Setting(name) => format!("${{{name}}}"),
                            Fate::Secret(_) => "\u{1}".into(),
                        })
                    });
                }
                if let Some(literal) = &password.literal {
                    let mark = match fate {
                        Fate::Setting(name) => format!("${{{name}}}"),
                        Fate::Secret(_) => "\u{1}".into(),
                    };
                    *text = templates::replace(text, literal, &mark);
                }
            }
        }
        let Fate::Secret(name) = fate else { continue };
        // Redis takes its password as an argument: a shell reads it from the file.
        if let Some(words) = &mut service.command {
            let line = match words {
                Words::Line(line) => line.clone(),
                Words::List(words) => {
                    let plain = |word: &String| {
                        word.chars().all(|c| c.is_ascii_alphanumeric() || "-_./=:\u{1}".contains(c))
                    };
                    words
                        .iter()
                        .map(|word| if plain(word) { word.clone() } else { format!("'{word}'") })
                        .collect::<Vec<_>>()
                        .join(" ")
                }
            };
            let line = line
                .replace(['"', '\''], "")
                .replace('\u{1}', &format!("\"$$(cat /run/secrets/{name})\""));
            let line = line.trim_start_matches("sh -c ").trim_start_matches("exec ");
            *words = Words::List(vec![
                "sh".into(),
                "-c".into(),
                format!("exec docker-entrypoint.sh {line}"),
            ]);
        }
        mount_secret(draft, found.service, name, None);
    }
}

/// Databases that ask for no password at all.
pub(super) fn trusting(draft: &mut Draft) {
    for index in 0..draft.services.len() {
        let service = &draft.services[index];
        let trusts = service.env.iter().find(|it| {
            let value = it.value.as_deref().unwrap_or_default();
            it.key == "POSTGRES_HOST_AUTH_METHOD" && value == "trust"
                || it.key.ends_with("ALLOW_EMPTY_PASSWORD")
                || it.key.ends_with("ALLOW_EMPTY_ROOT_PASSWORD")
        });
        if let Some(variable) = trusts {
            let (key, name, position) =
                (service.key.clone(), variable.key.clone(), variable.position.clone());
            draft.log.decision(
                &key,
                position,
                format!("the database asks for no password ({name})"),
                "give it one: a secret for it, and for the services that use it",
            );
        }
    }
}
