//! What apps can set: the variables that are left in the recipe's files, with the values of
//! the upstream.

use super::{
    draft::{Draft, Setting},
    judge, literals, names,
    project::Project,
    reference,
};

/// Variables that the recipe itself brings.
pub fn is_ours(variable: &reference::Variable) -> bool {
    const OURS: &[&str] = &["STACK_NAME", "DOMAIN", "TIMEOUT", "COMPOSE_PROJECT_NAME"];
    OURS.contains(&variable.name.as_str())
        || variable.name.ends_with("_VERSION") && variable.default.as_deref() == Some("v1")
        || variable.name.starts_with("SECRET_") && variable.name.ends_with("_VERSION")
}

/// Writes what `${NAME:+value}` is with the upstream's settings: a stack has no such variables.
pub fn alternatives(draft: &mut Draft, project: &Project) {
    for service in &mut draft.services {
        let mut found = vec![];
        let mut settle = |text: &mut String| {
            *text = reference::replaced(text, &mut |variable| {
                variable.alternative.as_ref()?;
                found.push(variable.name.clone());
                Some(project.resolved(variable.written()).replace('$', "$$"))
            });
        };
        service.env.iter_mut().filter_map(|it| it.value.as_mut()).for_each(&mut settle);
        for words in [&mut service.command, &mut service.entrypoint].into_iter().flatten() {
            words.texts().into_iter().for_each(&mut settle);
        }
        if !found.is_empty() {
            draft.log.decision(
                &service.key,
                project.outline.line(service.at),
                format!(
                    "values that are there only if {} is set are what the project's settings make \
                     of them",
                    found.join(", ")
                ),
                format!(
                    "write in compose.yml what apps need: `${{{}:+…}}` is of Compose alone",
                    found[0]
                ),
            );
        }
    }
}

/// Removes variables that come from `.env` as a whole, but say something to Compose alone:
/// which image, which port, which folder.
pub fn unused(draft: &mut Draft, project: &Project) {
    let is_env = |file: &Option<String>| file.is_some() && *file == project.env_name;
    let used = used_by_compose(project, &["image", "ports", "volumes"]);
    let passed_on = used_by_compose(project, &["environment"]);
    for service in &mut draft.services {
        let family = service.family;
        service.env.retain(|variable| {
            let only_compose = variable.key.starts_with("COMPOSE_") || used.contains(&variable.key);
            // What is passed on under another name, to an image that knows nothing of this one.
            let unknown = passed_on.contains(&variable.key)
                && family.is_some_and(|family| !family.reads(&variable.key));
            !(is_env(&variable.file) && (only_compose || unknown))
        });
    }
}

/// Variables in these keys of services.
fn used_by_compose(project: &Project, keys: &[&str]) -> Vec<String> {
    use crate::compose::tree::{Node, Value};
    fn walk(node: &Node, found: &mut Vec<String>) {
        match &node.value {
            Value::Str(text) => {
                found.extend(reference::variables(text).into_iter().map(|it| it.name))
            }
            Value::List(items) => items.iter().for_each(|item| walk(item, found)),
            Value::Map(map) => map.0.iter().for_each(|entry| walk(&entry.value, found)),
            _ => {}
        }
    }
    let mut found = vec![];
    let Some(Node { value: Value::Map(services), .. }) = project.outline.root.get("services")
    else {
        return found;
    };
    for service in &services.0 {
        let Value::Map(map) = &service.value.value else { continue };
        for key in keys {
            if let Some(node) = map.get(key) {
                walk(node, &mut found);
            }
        }
    }
    found
}

/// Variables of environment files become settings.
pub fn from_files(draft: &mut Draft) {
    let mut settings = vec![];
    for service in &mut draft.services {
        for variable in &mut service.env {
            let (Some(_), Some(value)) = (&variable.file, &variable.value) else { continue };
            // What was written by another step, or has variables itself, is for all apps.
            // Where the image listens is its own affair.
            if variable.key == "PORT"
                || value.contains('$')
                || variable.key.ends_with("_FILE")
                || variable.key.starts_with("FILE__")
                || value.contains('\n')
                || value.starts_with("file://")
            {
                continue;
            }
            let name = names::setting(&variable.key);
            settings.push(Setting {
                key: name.clone(),
                value: value.clone(),
                comment: std::mem::take(&mut variable.comment),
                off: false,
            });
            variable.value = Some(format!("${{{name}}}"));
        }
    }
    for setting in settings {
        draft.set(setting);
    }
}

/// The upstream's value of a variable; none for a password, which is not kept.
pub fn sample_value(
    draft: &Draft,
    project: &Project,
    variable: &reference::Variable,
) -> Option<String> {
    let line = project.env.iter().rev().find(|it| it.key == variable.name);
    let value = match line {
        Some(line) if !line.value.is_empty() => project.resolved(&line.value),
        _ => variable.default.as_deref().map(|it| project.resolved(it)).unwrap_or_default(),
    };
    let is_secret = !value.is_empty()
        && (judge::is_secret(&variable.name, &value)
            || draft.secret_variables.contains(&variable.name)
            || literals::password_in(&value).is_some()
            || draft.has_password(&value));
    (!is_secret).then_some(value)
}

/// A line of the sample for each variable that the compose file names.
pub fn named(draft: &mut Draft, project: &Project, written: &str, compose: &str) {
    let left: Vec<String> = reference::variables(compose).into_iter().map(|it| it.name).collect();
    for variable in reference::variables(written) {
        if is_ours(&variable) {
            continue;
        }
        let name = names::setting(&variable.name);
        if !left.contains(&name) {
            continue;
        }
        let line = project.env.iter().rev().find(|it| it.key == variable.name);
        let value = sample_value(draft, project, &variable).unwrap_or_default();
        let comment = line.map(|line| line.comment.clone()).unwrap_or_default();
        draft.set(Setting { key: name, value, comment, off: false });
    }
    // What is taken from the settings if they have it.
    let mut offered = vec![];
    for service in &draft.services {
        for variable in service.env.iter().filter(|variable| variable.value.is_none()) {
            let line = project.env.iter().rev().find(|it| it.key == variable.key);
            offered.push(Setting {
                key: variable.key.clone(),
                value: line
                    .map(|line| line.value.clone())
                    .filter(|value| {
                        !draft.has_password(value) && literals::password_in(value).is_none()
                    })
                    .unwrap_or_default(),
                comment: line.map(|line| line.comment.clone()).unwrap_or_default(),
                off: line.is_none(),
            });
        }
    }
    for setting in offered {
        draft.set(setting);
    }
}
