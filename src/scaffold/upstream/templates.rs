//! Files that swarm fills in as a service starts (moby, `daemon/cluster/…/template`):
//! `{{ secret "name" }}` and `{{ env "NAME" }}` of that service.

use std::ops::Range;

use super::{
    draft::{Draft, Mounted, Secret, Setting, Variable, is_distinct},
    literals, names,
    reference::{self, Piece},
};

/// A password that the upstream has as a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    pub literal: String,
    pub insert: Insert,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Insert {
    Secret(String),
    Setting(String),
}

/// A shorter text is part of too much else.
const SHORTEST: usize = 5;

/// A template of a text whose secrets are marked, and the variables that it reads.
pub fn template(marked: &str, secret: &dyn Fn(&str) -> Option<String>) -> (String, Vec<String>) {
    let mut out = String::new();
    let mut variables = vec![];
    for (index, part) in marked.split('\u{1}').enumerate() {
        if index % 2 == 1
            && let Some(name) = secret(part)
        {
            out.push_str(&format!("{{{{ secret \"{name}\" }}}}"));
            continue;
        }
        for piece in reference::pieces(part) {
            match piece {
                Piece::Text(text) => out.push_str(&escaped(&text.replace("$$", "$"))),
                Piece::Variable(variable) => {
                    out.push_str(&format!("{{{{ env \"{}\" }}}}", variable.name));
                    variables.push(variable.name);
                }
            }
        }
    }
    (out, variables)
}

fn escaped(text: &str) -> String {
    text.replace("{{", "{{ \"{{\" }}")
}

/// Takes passwords out of the files of configs.
pub fn files(draft: &mut Draft, known: &[Known]) {
    for index in 0..draft.configs.len() {
        let config = draft.configs[index].clone();
        if config.template {
            continue;
        }
        let Some(content) = draft.files.get(&config.file).cloned() else { continue };
        let mut inserts: Vec<(String, Insert)> = vec![];
        for known in known {
            if known.literal.len() >= SHORTEST
                && positions(&content, &known.literal).next().is_some()
            {
                inserts.push((known.literal.clone(), known.insert.clone()));
            }
        }
        // Where each is that its name tells, and which of `inserts` it is.
        let mut marks: Vec<(Range<usize>, usize)> = vec![];
        let mut doubtful: Vec<(usize, String)> = vec![];
        for literal in literals::find(&config.file, &content) {
            let value = &content[literal.range.clone()];
            if !literal.certain {
                let is_known = inserts.iter().any(|(known, _)| replace(value, known, "") != value);
                if !is_known {
                    doubtful.push((literal.line, literal.name));
                }
                continue;
            }
            let at = inserts.iter().position(|(known, _)| known == value).unwrap_or_else(|| {
                let insert = known.iter().find(|it| it.literal == value);
                let insert = insert.map(|it| it.insert.clone());
                let insert = insert.unwrap_or_else(|| own(draft, &literal.name, &config.file));
                inserts.push((value.to_owned(), insert));
                inserts.len() - 1
            });
            marks.push((literal.range, at));
        }
        let service = draft
            .services
            .iter()
            .find(|it| it.configs.iter().any(|mounted| mounted.source == config.name));
        let service = service.map(|it| it.key.clone()).unwrap_or_default();
        if let Some((first, _)) = doubtful.first() {
            let shown: Vec<_> =
                doubtful.iter().map(|(line, name)| format!("line {line} ({name})")).collect();
            draft.log.decision(
                &service,
                Some(format!("{}:{first}", config.file)),
                format!(
                    "`{}` perhaps has a password in it still: {}",
                    config.file,
                    shown.join(", ")
                ),
                "if so, write `{{ secret \"NAME\" }}` in its place, `template_driver: golang` at \
                 the config, and the secret at the service, before the first commit that you \
                 publish",
            );
        }
        if inserts.is_empty() {
            continue;
        }
        let text = filled(&content, &marks, &inserts);
        draft.files.insert(config.file.clone(), text);
        draft.configs[index].template = true;
        let users: Vec<usize> = (0..draft.services.len())
            .filter(|service| {
                draft.services[*service].configs.iter().any(|it| it.source == config.name)
            })
            .collect();
        for (_, insert) in &inserts {
            for service in &users {
                give(draft, *service, insert);
            }
        }
        let named: Vec<_> = inserts
            .iter()
            .map(|(_, insert)| match insert {
                Insert::Secret(name) => format!("the secret `{name}`"),
                Insert::Setting(name) => format!("the setting {name}"),
            })
            .collect();
        draft.log.change(
            &service,
            None,
            format!("`{}` is filled in by swarm: {}", config.file, named.join(", ")),
            "a recipe has no passwords in its files",
        );
        draft.log.decision(
            &service,
            None,
            format!("`{}` had passwords in it", config.file),
            "look through the file: what is replaced must be a secret of this app, and nothing \
             else may be one",
        );
    }
}

/// A secret for what a file alone has.
fn own(draft: &mut Draft, name: &str, file: &str) -> Insert {
    let taken = |name: &str| draft.secrets.iter().any(|it| it.name == name);
    let secret = names::unique(&names::secret(name), &taken);
    draft.secrets.push(Secret {
        name: secret.clone(),
        rule: names::RANDOM,
        comment: vec![format!("For {name} in {file}.")],
    });
    Insert::Secret(secret)
}

/// The template of a text: what is in the place of `marks`, and what `inserts` has elsewhere.
fn filled(content: &str, marks: &[(Range<usize>, usize)], inserts: &[(String, Insert)]) -> String {
    // No file that is read has this character.
    let mark = |at: usize| format!("\0{at}\0");
    let mut text = String::new();
    let mut last = 0;
    for (range, at) in marks {
        text.push_str(&content[last..range.start]);
        text.push_str(&mark(*at));
        last = range.end;
    }
    text.push_str(&content[last..]);
    // The longest first: one may be part of another. A word is one of many meanings, unless it is
    // a password of the environment.
    let mut order: Vec<usize> = (0..inserts.len()).collect();
    order.sort_by_key(|at| std::cmp::Reverse(inserts[*at].0.len()));
    for at in order {
        let (literal, _) = &inserts[at];
        let is_marked = marks.iter().any(|(_, marked)| *marked == at);
        if is_distinct(literal) || !is_marked {
            text = text
                .split('\0')
                .enumerate()
                .map(|(index, part)| match index % 2 {
                    0 => replace(part, literal, &mark(at)),
                    _ => format!("\0{part}\0"),
                })
                .collect();
        }
    }
    let part = |(index, part): (usize, &str)| match inserts.get(part.parse().unwrap_or(usize::MAX))
    {
        Some((_, Insert::Secret(name))) if index % 2 == 1 => {
            format!("{{{{ secret \"{name}\" }}}}")
        }
        Some((_, Insert::Setting(name))) if index % 2 == 1 => format!("{{{{ env \"{name}\" }}}}"),
        _ => escaped(part),
    };
    text.split('\0').enumerate().map(part).collect()
}

/// Takes passwords out of what is kept of the upstream as it is: a health check, a label.
pub fn leftovers(draft: &mut Draft, known: &[Known]) {
    for index in 0..draft.services.len() {
        let service = &draft.services[index];
        // A password that is also the name of an account is a word.
        let open = |literal: &str| {
            !is_distinct(literal)
                && service.env.iter().any(|it| it.value.as_deref() == Some(literal))
        };
        let hidden: Vec<&Known> =
            known.iter().filter(|it| it.literal.len() >= SHORTEST && !open(&it.literal)).collect();
        let has = |text: &str| {
            hidden.iter().any(|it| positions(text, &it.literal).next().is_some())
                || literals::password_in(text).is_some_and(|range| !text[range].contains('$'))
        };
        let mut lost: Vec<&str> = vec![];
        let service = &mut draft.services[index];
        let has_check = service.health.as_ref().filter(|_| !service.is_own_health);
        if has_check.is_some_and(|health| health.any_text(&has)) {
            service.health = None;
            lost.push("healthcheck");
        }
        let before = (service.kept.len(), service.labels.len() + service.deploy_labels.len());
        let mut left_out = vec![];
        service.env.retain_mut(|variable| {
            let Some(value) = &mut variable.value else { return true };
            for known in hidden.iter().filter(|it| is_distinct(&it.literal)) {
                match &known.insert {
                    Insert::Setting(name) => {
                        *value = replace(value, &known.literal, &format!("${{{name}}}"));
                    }
                    Insert::Secret(_) if value.contains(&known.literal) => {
                        left_out.push(variable.key.clone());
                        return false;
                    }
                    Insert::Secret(_) => {}
                }
            }
            true
        });
        if !left_out.is_empty() {
            lost.push("environment");
        }
        service.kept.retain(|pair| !pair.value.any_text(&has));
        service.labels.retain(|label| !has(label));
        service.deploy_labels.retain(|label| !has(label));
        if service.kept.len() < before.0 {
            lost.push("other keys");
        }
        if service.labels.len() + service.deploy_labels.len() < before.1 {
            lost.push("labels");
        }
        for words in [&mut service.command, &mut service.entrypoint].into_iter().flatten() {
            for text in words.texts() {
                for known in &hidden {
                    let with = match &known.insert {
                        Insert::Secret(name) => format!("$$(cat /run/secrets/{name})"),
                        Insert::Setting(name) => format!("${{{name}}}"),
                    };
                    let new = replace(text, &known.literal, &with);
                    if new != *text {
                        *text = new;
                        lost.push("command");
                    }
                }
            }
        }
        lost.dedup();
        if !lost.is_empty() {
            let key = service.key.clone();
            draft.log.decision(
                &key,
                None,
                format!(
                    "a password was in its {}, and was taken out{}{}",
                    lost.join(", "),
                    if left_out.is_empty() { "" } else { ": " },
                    left_out.join(", ")
                ),
                "write it again in a way that reads the password from /run/secrets, or needs none",
            );
        }
    }
}

fn give(draft: &mut Draft, index: usize, insert: &Insert) {
    let service = &mut draft.services[index];
    match insert {
        Insert::Secret(name) => {
            if !service.secrets.iter().any(|it| it.source == *name && it.target.is_none()) {
                service.secrets.push(Mounted::new(name, None));
            }
        }
        Insert::Setting(name) => {
            if !service.env.iter().any(|it| it.key == *name) {
                let value = Some(format!("${{{name}}}"));
                service.env.push(Variable {
                    key: name.clone(),
                    value,
                    position: None,
                    comment: vec![],
                    file: None,
                });
            }
            draft.set(Setting {
                key: name.clone(),
                value: String::new(),
                comment: vec![],
                off: false,
            });
        }
    }
}

/// Where a password is: one that could be a word of a language only as a whole word, any
/// other one also right behind an option, as in `-psecret`.
fn positions<'t>(text: &'t str, literal: &'t str) -> impl Iterator<Item = usize> + 't {
    let anywhere = is_distinct(literal);
    let inside = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.match_indices(literal).map(|(at, _)| at).filter(move |at| {
        let before = text[..*at].chars().next_back();
        let after = text[at + literal.len()..].chars().next();
        anywhere || !before.is_some_and(inside) && !after.is_some_and(inside)
    })
}

pub fn replace(text: &str, literal: &str, with: &str) -> String {
    let mut out = String::new();
    let mut last = 0;
    for at in positions(text, literal) {
        if at < last {
            continue;
        }
        out.push_str(&text[last..at]);
        out.push_str(with);
        last = at + literal.len();
    }
    out.push_str(&text[last..]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_keep_braces() {
        let (text, variables) = template("a {{ b }} ${C:-d} \u{1}secret:x\u{1} $$e", &|name| {
            name.strip_prefix("secret:").map(str::to_owned)
        });
        assert_eq!(text, "a {{ \"{{\" }} b }} {{ env \"C\" }} {{ secret \"x\" }} $e");
        assert_eq!(variables, ["C"]);
        assert_eq!(replace("pass passx pass", "pass", "P"), "P passx P");
    }
}
