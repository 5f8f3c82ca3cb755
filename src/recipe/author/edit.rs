//! Changes in compose files that leave everything else as it is written: comments, quotes,
//! order. Lines are changed, and the result is read again: if anything else than what was
//! meant became different, nothing is changed.

use serde_json::Value;

/// Why a file was not changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unedited {
    #[error("it cannot be read: {0}")]
    Unreadable(String),
    #[error("it has no service `app`")]
    NoApp,
    #[error("its service `app` is written in a way that cannot be changed line by line")]
    Unusual,
}

/// What the label of the version begins with.
const LABEL: &str = "coop-cloud.${STACK_NAME}.version";

fn read(text: &str) -> Result<Value, Unedited> {
    serde_saphyr::from_str(text).map_err(|e| Unedited::Unreadable(crate::yaml::message(&e)))
}

/// The images of a file, as they are written, by service.
///
/// # Errors
/// [`Unedited::Unreadable`].
pub fn images(text: &str) -> Result<Vec<(String, String)>, Unedited> {
    let value = read(text)?;
    let services = value.get("services").and_then(Value::as_object);
    Ok(services
        .into_iter()
        .flatten()
        .filter_map(|(name, it)| Some((name.clone(), it.get("image")?.as_str()?.to_owned())))
        .collect())
}

/// Writes another image in place of one, for each service that has it.
///
/// # Errors
/// [`Unedited::Unusual`] where the file cannot be changed by its lines.
pub fn set_image(text: &str, before: &str, after: &str) -> Result<String, Unedited> {
    let lines: String = text
        .split_inclusive('\n')
        .map(|line| replaced(line, before, after).unwrap_or_else(|| line.to_owned()))
        .collect();
    let mut wanted = read(text)?;
    if let Some(services) = wanted.get_mut("services").and_then(Value::as_object_mut) {
        for service in services.values_mut() {
            if service.get("image").and_then(Value::as_str) == Some(before) {
                service["image"] = after.into();
            }
        }
    }
    match read(&lines)? == wanted && lines != text {
        true => Ok(lines),
        false => Err(Unedited::Unusual),
    }
}

/// A line whose key `image` has the value, with another one.
fn replaced(line: &str, before: &str, after: &str) -> Option<String> {
    let begins = line.match_indices("image:").map(|(at, key)| (at, at + key.len()));
    for (key, begins) in begins {
        let is_key = line[..key].chars().next_back().is_none_or(|c| " \t{,\"'".contains(c));
        let rest = &line[begins..];
        let value = rest.trim_start().trim_start_matches(['"', '\'']);
        if !is_key || !value.starts_with(before) {
            continue;
        }
        let at = begins + rest.len() - value.len();
        let behind = &line[at + before.len()..];
        let ends = behind.chars().next().is_none_or(|c| c.is_whitespace() || "\"',}".contains(c));
        if ends {
            return Some(format!("{}{after}{behind}", &line[..at]));
        }
    }
    None
}

/// The version that the label of the service `app` says.
///
/// # Errors
/// [`Unedited::Unreadable`], [`Unedited::NoApp`].
pub fn version(text: &str) -> Result<Option<String>, Unedited> {
    let value = read(text)?;
    let app = value.get("services").and_then(|it| it.get("app")).ok_or(Unedited::NoApp)?;
    let labels = app.get("deploy").and_then(|deploy| deploy.get("labels"));
    Ok(match labels {
        Some(Value::Array(list)) => list.iter().find_map(|label| {
            Some(label.as_str()?.strip_prefix(LABEL)?.strip_prefix('=')?.to_owned())
        }),
        Some(Value::Object(map)) => map.get(LABEL).and_then(Value::as_str).map(str::to_owned),
        _ => None,
    })
}

/// Writes the label of the version, in the place of the one that is there, or below the
/// others.
///
/// # Errors
/// What keeps the file from being changed.
pub fn set_version(text: &str, wanted: &str) -> Result<String, Unedited> {
    let edited = match version(text)? {
        Some(before) => relabelled(text, &before, wanted),
        None => labelled(text, wanted).ok_or(Unedited::Unusual)?,
    };
    let without = |text: &str| -> Result<Value, Unedited> {
        let mut value = read(text)?;
        let app = value.get_mut("services").and_then(|it| it.get_mut("app"));
        let Some(app) = app.and_then(Value::as_object_mut) else { return Err(Unedited::NoApp) };
        let mut is_empty = false;
        if let Some(deploy) = app.get_mut("deploy").and_then(Value::as_object_mut) {
            match deploy.get_mut("labels") {
                Some(Value::Array(list)) => {
                    list.retain(|it| !it.as_str().is_some_and(|it| it.starts_with(LABEL)));
                    is_empty = list.is_empty();
                }
                Some(Value::Object(map)) => {
                    map.remove(LABEL);
                    is_empty = map.is_empty();
                }
                _ => {}
            }
            if is_empty {
                deploy.remove("labels");
            }
            is_empty = deploy.is_empty();
        }
        if is_empty {
            app.remove("deploy");
        }
        Ok(value)
    };
    match version(&edited)?.as_deref() == Some(wanted) && without(&edited)? == without(text)? {
        true => Ok(edited),
        false => Err(Unedited::Unusual),
    }
}

fn relabelled(text: &str, before: &str, wanted: &str) -> String {
    let mut done = false;
    text.split_inclusive('\n')
        .map(|line| {
            let Some((head, tail)) = line.split_once(LABEL).filter(|_| !done) else {
                return line.to_owned();
            };
            match tail.split_once(before) {
                Some((between, rest)) if between.len() <= 6 => {
                    done = true;
                    format!("{head}{LABEL}{between}{wanted}{rest}")
                }
                _ => line.to_owned(),
            }
        })
        .collect()
}

/// With a new label, in blocks only: below `labels:`, or with a `deploy:` of its own.
fn labelled(text: &str, wanted: &str) -> Option<String> {
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let services = key(&lines, 0..lines.len(), "services", 0)?;
    let app = child(&lines, services, "app")?;
    let inside = block(&lines, app);
    let step = indent(lines.get(first(&lines, inside.clone())?)?) - indent(lines[app]);
    let pad = |depth: usize| " ".repeat(indent(lines[app]) + depth * step);
    let item = format!("- \"{LABEL}={wanted}\"\n");
    let (at, new) = match child(&lines, app, "deploy") {
        None => (
            last(&lines, inside) + 1,
            format!("{}deploy:\n{}labels:\n{}{item}", pad(1), pad(2), pad(3)),
        ),
        Some(deploy) => match child(&lines, deploy, "labels") {
            None => (
                last(&lines, block(&lines, deploy)) + 1,
                format!("{}labels:\n{}{item}", pad(2), pad(3)),
            ),
            Some(labels) => {
                let below = block(&lines, labels);
                let begins = first(&lines, below.clone())?;
                let shift = " ".repeat(indent(lines[begins]));
                let is_list = lines[begins].trim_start().starts_with('-');
                let new = match is_list {
                    true => format!("{shift}{item}"),
                    false => format!("{shift}{LABEL}: \"{wanted}\"\n"),
                };
                (last(&lines, below) + 1, new)
            }
        },
    };
    let mut edited: String = lines[..at].concat();
    if !edited.ends_with('\n') {
        edited.push('\n');
    }
    edited += &new;
    edited += &lines[at..].concat();
    Some(edited)
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start_matches(' ').len()
}

fn is_text(line: &str) -> bool {
    let line = line.trim();
    !line.is_empty() && !line.starts_with('#')
}

/// The line with this key and nothing behind it, at an indentation.
fn key(lines: &[&str], range: std::ops::Range<usize>, name: &str, at: usize) -> Option<usize> {
    range.into_iter().find(|&i| {
        let line = lines[i].split(" #").next().unwrap_or_default().trim_end();
        indent(lines[i]) == at && line.trim_start().strip_suffix(':') == Some(name)
    })
}

/// The lines below a key.
fn block(lines: &[&str], of: usize) -> std::ops::Range<usize> {
    let depth = indent(lines[of]);
    let is_list = |line: &str| line.trim_start().starts_with("- ");
    let ends = (of + 1..lines.len()).find(|&i| {
        is_text(lines[i])
            && (indent(lines[i]) < depth || indent(lines[i]) == depth && !is_list(lines[i]))
    });
    of + 1..ends.unwrap_or(lines.len())
}

fn first(lines: &[&str], mut range: std::ops::Range<usize>) -> Option<usize> {
    range.find(|&i| is_text(lines[i]))
}

/// The last line with something in it.
fn last(lines: &[&str], range: std::ops::Range<usize>) -> usize {
    let begins = range.start;
    range.rev().find(|&i| is_text(lines[i])).unwrap_or(begins.saturating_sub(1))
}

fn child(lines: &[&str], of: usize, name: &str) -> Option<usize> {
    let range = block(lines, of);
    let depth = indent(lines[first(lines, range.clone())?]);
    key(lines, range, name, depth)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# The wiki.\nversion: '3.8'\nservices:\n  app:\n    # Not newer: see #12\n    \
                        image: \"example/wiki:1.0\"  # pinned\n    deploy:\n      labels:\n        - \
                        \"coop-cloud.${STACK_NAME}.version=1.0.0+1.0\"\n        - 'a=b'\n  db:\n    \
                        image: db:5\n  job: {image: 'example/wiki:1.0', command: 'image: db:5'}\n";

    #[test]
    fn only_the_tag_changes_in_the_text() {
        let edited = set_image(TEXT, "example/wiki:1.0", "example/wiki:1.1").unwrap();
        assert_eq!(edited, TEXT.replace("example/wiki:1.0", "example/wiki:1.1"));
        assert_eq!(images(&edited).unwrap()[0], ("app".to_owned(), "example/wiki:1.1".to_owned()));
        let edited = set_image(TEXT, "db:5", "db:6");
        // What only looks like it, in a command, would have been changed, too.
        assert_eq!(edited.unwrap_err(), Unedited::Unusual);
        assert_eq!(set_image(TEXT, "db:4", "db:6"), Err(Unedited::Unusual));
        assert_eq!(set_image(TEXT, "example/wiki:1", "x:2"), Err(Unedited::Unusual));
    }

    #[test]
    fn the_label_is_written_where_it_was() {
        let edited = set_version(TEXT, "1.1.0+1.1").unwrap();
        assert_eq!(edited, TEXT.replace("1.0.0+1.0", "1.1.0+1.1"));
        assert_eq!(version(&edited).unwrap().unwrap(), "1.1.0+1.1");
        let map = "services:\n  app:\n    image: a:1\n    deploy:\n      labels:\n        \
                   coop-cloud.${STACK_NAME}.version: \"1.0.0+1\"\n";
        assert_eq!(set_version(map, "2.0.0+1").unwrap(), map.replace("1.0.0", "2.0.0"));
    }

    #[test]
    fn a_label_that_is_missing_is_added_below_the_others() {
        let label = "\"coop-cloud.${STACK_NAME}.version=1.0.0+1\"";
        let list = "services:\n  app:\n    image: a:1\n    deploy:\n      labels:\n      - a=b # x\n\
                    \n      replicas: 1\n\n# The end.\n";
        assert_eq!(
            set_version(list, "1.0.0+1").unwrap(),
            list.replace("- a=b # x\n", &format!("- a=b # x\n      - {label}\n"))
        );
        let map = "services:\n  app:\n    image: a:1\n    deploy:\n      labels:\n        a: b\n";
        assert_eq!(
            set_version(map, "1.0.0+1").unwrap(),
            format!("{map}        coop-cloud.${{STACK_NAME}}.version: \"1.0.0+1\"\n")
        );
        let none = "services:\n  app:\n    image: a:1\n\nvolumes:\n  data:\n";
        assert_eq!(
            set_version(none, "1.0.0+1").unwrap(),
            format!(
                "services:\n  app:\n    image: a:1\n    deploy:\n      labels:\n        - {label}\n\
                 \nvolumes:\n  data:\n"
            )
        );
        let deploy = "services:\n  app:\n    deploy:\n      replicas: 1\n    image: a:1\n";
        assert_eq!(
            set_version(deploy, "1.0.0+1").unwrap(),
            deploy.replace(
                "replicas: 1\n",
                &format!("replicas: 1\n      labels:\n        - {label}\n")
            )
        );
    }

    #[test]
    fn what_cannot_be_changed_by_lines_is_left() {
        for (text, why) in [
            ("services: {app: {image: 'a:1'}}\n", Unedited::Unusual),
            ("services:\n  web:\n    image: a:1\n", Unedited::NoApp),
        ] {
            assert_eq!(set_version(text, "1.0.0+1").unwrap_err(), why, "{text}");
        }
        assert!(matches!(set_version("a: [", "1"), Err(Unedited::Unreadable(_))));
    }
}
