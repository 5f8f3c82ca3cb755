//! Passwords: each becomes one secret of the swarm, under one name for all services that use
//! it. A secret is read from a file, so it can only be one where every image that takes part
//! reads files; else it is a setting that is empty, and a person decides.
//!
//! No value of the upstream's is kept, whether it is a placeholder or not.

use super::{
    draft::{Config, Draft, Mounted, Secret, Setting, Variable},
    family::{Files, Kind},
    judge::{self, Origin},
    names,
    project::Project,
    reference,
    templates::{self, Known},
};

/// Where templates and secrets are that have the name of a variable.
const FOLDER: &str = "/run/config";

/// One password, wherever it is used.
#[derive(Debug)]
struct Password {
    /// The variable that the upstream has it in.
    variable: Option<String>,
    /// What the upstream has as its value.
    literal: Option<String>,
    uses: Vec<Use>,
}

#[derive(Debug, Clone)]
struct Use {
    service: usize,
    place: Place,
    /// The name that says what it is.
    key: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    /// The value of the variable.
    Whole,
    /// A part of it, as in an address.
    Within,
    /// A word of the command.
    Command,
}

/// What a password becomes.
enum Fate {
    Secret(String),
    Setting(String),
}

/// Moves all passwords out of the services' environment.
pub fn move_out(draft: &mut Draft, project: &Project) {
    imply(draft, project);
    let passwords = collect(draft, project);
    let mut readable: Vec<bool> =
        passwords.iter().map(|password| is_readable(draft, password)).collect();
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
            true => Fate::Secret(secret_name(draft, password)),
            false => Fate::Setting(setting_name(draft, password)),
        };
        record(draft, project, password, &fate);
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
        apply(draft, project, index, &passwords, &fates);
    }
    for (password, fate) in passwords.iter().zip(&fates) {
        commands(draft, password, fate);
    }
    templates::files(draft, &known);
    templates::leftovers(draft, &known);
    trusting(draft);
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

fn collect(draft: &mut Draft, project: &Project) -> Vec<Password> {
    let mut passwords: Vec<Password> = vec![];
    // A store first: it has the name of a password, and tells that of root from others.
    let is_store = |draft: &Draft, index: usize| {
        matches!(
            draft.services[index].kind(),
            Some(Kind::Postgres | Kind::Mariadb | Kind::OtherStore | Kind::Redis)
        )
    };
    let mut order: Vec<usize> = (0..draft.services.len()).collect();
    order.sort_by_key(|index| !is_store(draft, *index));
    let secret_variable = |name: &str| {
        let value = project.setting(name).unwrap_or_default();
        judge::is_secret_name(name) && (value.is_empty() || judge::is_secret_value(value))
    };
    for index in order {
        let mut left_out = vec![];
        let mut first = None;
        let key_of_service = draft.services[index].key.clone();
        let env = std::mem::take(&mut draft.services[index].env);
        let mut kept = vec![];
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
            if judge::is_secret_name(&key) && (value.is_empty() || judge::is_secret_value(&value)) {
                let optional =
                    reference::sole(&written).is_some_and(|it| it.default.as_deref() == Some(""));
                let elsewhere = judge::origin(&key) == Origin::Elsewhere;
                if value.is_empty() && (variable.value.is_none() || optional || elsewhere) {
                    first = first.or(variable.position.clone());
                    left_out.push(key);
                    continue;
                }
                let (name, literal) = match reference::sole(&written) {
                    Some(sole) => {
                        let default = sole
                            .default
                            .map(|it| project.resolved(&it))
                            .filter(|it| !it.is_empty());
                        (Some(sole.name), default)
                    }
                    // One file for several services has one value for all.
                    None => (
                        variable.file.as_ref().map(|_| key.clone()),
                        Some(value).filter(|it| !it.is_empty()),
                    ),
                };
                let found = Use { service: index, place: Place::Whole, key: key.clone() };
                put(&mut passwords, project, name, literal, found);
            } else if let Some(range) = judge::password_in(&written) {
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
                let found = Use { service: index, place: Place::Within, key: key.clone() };
                put(&mut passwords, project, sole.map(|it| it.name), literal, found);
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
                            Some(used.name),
                            literal,
                            Use { service: index, place, key: key.clone() },
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
                name,
                literal,
                Use { service: index, place: Place::Command, key },
            );
        }
    }
    passwords
}

/// An address with a password that a variable holds as a whole is one here.
fn with_address(variable: &mut Variable, project: &Project) {
    let written = variable.value.clone().unwrap_or_else(|| format!("${{{}}}", variable.key));
    if reference::sole(&written).is_some() {
        let value = project.resolved(&written);
        if judge::password_in(&value).is_some() {
            variable.value = Some(value.replace('$', "$$"));
        }
    }
}

/// Passwords in arguments: `--requirepass x`, `--password=x`.
fn flags(words: &mut super::draft::Words) -> Vec<(String, String)> {
    let words: Vec<String> = match words {
        super::draft::Words::Line(line) => line.split_whitespace().map(str::to_owned).collect(),
        super::draft::Words::List(words)
            if words.len() == 1 || words.iter().any(|it| it.contains(' ')) =>
        {
            words.iter().flat_map(|it| it.split_whitespace().map(str::to_owned)).collect()
        }
        super::draft::Words::List(words) => words.clone(),
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
        if let Some(range) = judge::password_in(word) {
            found.extend(value(&word[range]).map(|it| ("an address".to_owned(), it)));
        }
        match word.split_once('=') {
            Some((flag, given)) if secret(flag) => {
                found.extend(value(given).map(|it| (flag.to_owned(), it)))
            }
            None if secret(word) => {
                found.extend(
                    words.get(index + 1).and_then(|it| value(it)).map(|it| (word.clone(), it)),
                );
            }
            _ => {}
        }
    }
    found
}

/// Adds a use to the password that it is of.
fn put(
    passwords: &mut Vec<Password>,
    project: &Project,
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
    let same = |password: &Password| {
        // Two variables are two passwords, even if an example has one value for both.
        let apart = password.variable.is_some() && variable.is_some();
        !apart
            && wanted.is_some()
            && value(password) == wanted
            // In one service, two variables mean two things.
            && !password.uses.iter().any(|it| it.service == found.service && it.key != found.key)
            && password.uses.iter().any(|it| {
                it.key == found.key || is_password(it) && is_password(&found)
            })
    };
    let root = |password: &Password| password.uses.iter().any(|it| judge::is_root(&it.key));
    let mut fitting: Vec<usize> =
        (0..passwords.len()).filter(|index| same(&passwords[*index])).collect();
    fitting.sort_by_key(|index| root(&passwords[*index]) != judge::is_root(&found.key));
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
fn is_readable(draft: &Draft, password: &Password) -> bool {
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

fn secret_name(draft: &Draft, password: &Password) -> String {
    let is_database = |index: usize| {
        matches!(
            draft.services[index].kind(),
            Some(Kind::Postgres | Kind::Mariadb | Kind::OtherStore | Kind::Redis)
        )
    };
    let stored = password.uses.iter().find(|it| is_database(it.service));
    let base = match stored {
        Some(found) => {
            let service = &draft.services[found.service];
            let is_sql = |kind: Option<Kind>| matches!(kind, Some(Kind::Postgres | Kind::Mariadb));
            let only = draft.services.iter().filter(|it| is_sql(it.kind())).count() == 1;
            let name = if is_sql(service.kind()) && only {
                "db".to_owned()
            } else {
                names::plain(&service.name, '_')
            };
            let root = if judge::is_root(&found.key) { "_root" } else { "" };
            format!("{name}{root}_password")
        }
        None => {
            let found = &password.uses[0];
            let name = password.variable.clone().unwrap_or_else(|| found.key.clone());
            without_product(draft, found.service, &name)
        }
    };
    let name = names::secret(&base);
    names::unique(&name, &|name| draft.secrets.iter().any(|secret| secret.name == name))
}

/// `SECRET_KEY` of `PAPERLESS_SECRET_KEY`.
fn without_product(draft: &Draft, index: usize, name: &str) -> String {
    let service = &draft.services[index];
    let family = service.family.map(|family| names::plain(family.name, '_')).unwrap_or_default();
    let lower = names::plain(name, '_');
    let words: Vec<&str> = lower.split('_').collect();
    let is_product = |word: &str| {
        family.split('_').next() == Some(word) || names::plain(&service.key, '_') == word
    };
    match words.as_slice() {
        [first, rest @ ..] if rest.len() > 1 && is_product(first) => rest.join("_"),
        _ => lower,
    }
}

fn setting_name(draft: &Draft, password: &Password) -> String {
    match &password.variable {
        Some(variable) => names::setting(variable),
        None => {
            let name = secret_name(draft, password).to_ascii_uppercase();
            let taken = |name: &str| draft.settings.iter().any(|setting| setting.key == name);
            names::unique(&names::setting(&name), &taken)
        }
    }
}

/// Says it, and writes its line for the sample.
fn record(draft: &mut Draft, project: &Project, password: &Password, fate: &Fate) {
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
            draft.set(Setting {
                key: name.clone(),
                value: String::new(),
                comment: vec![
                    format!("A secret, for {}.", users.join(", ")),
                    "Decide: a long random value for each app, or a secret of the swarm: see \
                     README.md."
                        .into(),
                ],
                off: false,
            });
        }
    }
}

/// The variables of one service, with what each password became.
fn apply(
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
                    source: name,
                    target: Some(path.clone()),
                    mode: Some("0444"),
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
    let Some(range) = judge::password_in(value) else { return value.to_owned() };
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
    let mounted = Mounted { source: name.to_owned(), target, mode: None };
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
        Files::All(ending) => variable.key.push_str(ending),
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
fn commands(draft: &mut Draft, password: &Password, fate: &Fate) {
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
                super::draft::Words::Line(line) => line.clone(),
                super::draft::Words::List(words) => {
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
            *words = super::draft::Words::List(vec![
                "sh".into(),
                "-c".into(),
                format!("exec docker-entrypoint.sh {line}"),
            ]);
        }
        mount_secret(draft, found.service, name, None);
    }
}

/// Databases that ask for no password at all.
fn trusting(draft: &mut Draft) {
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
