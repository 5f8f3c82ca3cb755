//! Files that swarm fills in as a service starts (moby, `daemon/cluster/…/template`):
//! `{{ secret "name" }}` and `{{ env "NAME" }}` of that service.

use super::{
    draft::{Draft, Mounted, Secret, Setting, Variable, is_distinct},
    judge, names,
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
        for (name, value) in assignments(&content) {
            if inserts.iter().any(|(literal, _)| *literal == value) {
                continue;
            }
            let secret = names::secret(&name);
            let taken = |name: &str| draft.secrets.iter().any(|it| it.name == name);
            let secret = names::unique(&secret, &taken);
            draft.secrets.push(Secret {
                name: secret.clone(),
                rule: names::RANDOM,
                comment: vec![format!("For {name} in {}.", config.file)],
            });
            inserts.push((value, Insert::Secret(secret)));
        }
        if inserts.is_empty() {
            continue;
        }
        // The longest first: one may be part of another.
        inserts.sort_by_key(|(literal, _)| std::cmp::Reverse(literal.len()));
        let mut text = escaped(&content);
        for (literal, insert) in &inserts {
            let with = match insert {
                Insert::Secret(name) => format!("{{{{ secret \"{name}\" }}}}"),
                Insert::Setting(name) => format!("{{{{ env \"{name}\" }}}}"),
            };
            text = replace(&text, literal, &with);
        }
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
        let service =
            users.first().map(|index| draft.services[*index].key.clone()).unwrap_or_default();
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
                || judge::password_in(text).is_some_and(|range| !text[range].contains('$'))
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
                service.secrets.push(Mounted { source: name.clone(), target: None, mode: None });
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

/// `password = x`, `"token": "x"`, `'secret' => 'x'`, `IDENTIFIED BY 'x'`.
fn assignments(text: &str) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = vec![];
    for line in text.lines() {
        let trimmed = line.trim();
        if trimmed.starts_with(['#', ';']) || trimmed.starts_with("//") {
            continue;
        }
        let apart = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '<' | '>' | ',');
        for word in trimmed.split(apart) {
            // Behind a name and its separator, as in `url=`.
            let word =
                word.rsplit_once('=').filter(|(_, it)| it.contains("://")).map_or(word, |it| it.1);
            if let Some(range) = judge::password_in(word) {
                let value = &word[range];
                if !value.contains(['$', '{', '%']) {
                    found.push(("password".into(), value.to_owned()));
                }
            }
        }
        let upper = trimmed.to_ascii_uppercase();
        if let Some(at) = upper.find("IDENTIFIED BY ") {
            let rest = trimmed.get(at + 14..).unwrap_or_default();
            if let Some(value) = within_quotes(rest) {
                found.push(("db_password".into(), value));
            }
            continue;
        }
        let separator =
            ["=>", "=", ":"].into_iter().find_map(|it| Some((trimmed.find(it)?, it.len())));
        let Some((at, length)) = separator else { continue };
        let name = trimmed[..at].trim().trim_matches(['"', '\'', ' ', ']']);
        let name =
            name.rsplit([' ', '[', '$', '\'', '"', '.']).find(|it| !it.is_empty()).unwrap_or(name);
        let name = name.trim_end_matches([']', '\'', '"']);
        if !judge::is_secret_name(name) {
            continue;
        }
        let rest = trimmed[at + length..].trim();
        let value = within_quotes(rest).unwrap_or_else(|| {
            rest.trim_end_matches([';', ','])
                .split_whitespace()
                .next()
                .unwrap_or_default()
                .to_owned()
        });
        let odd = |c: char| "${}()<>%".contains(c);
        if value.len() >= 3 && !value.contains(odd) && judge::is_secret_value(&value) {
            found.push((name.to_owned(), value));
        }
    }
    found.dedup();
    found
}

fn within_quotes(text: &str) -> Option<String> {
    let quote = text.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let rest = &text[1..];
    rest.find(quote).map(|end| rest[..end].to_owned()).filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_in_files_are_found() {
        let text = "password = hunter2\n# password = no\n\"token\": \"abc-def\",\n'dbpassword' \
                    => 'p w',\n\
                    CREATE USER x IDENTIFIED BY 'sql';\nproxy_pass http://app;\nsecret = ${X}\ntoken_ttl = 300\n\
                    $CONFIG['smtp_secret'] = 'q1w2';\n";
        let found: Vec<_> =
            assignments(text).into_iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(
            found,
            [
                "password=hunter2",
                "token=abc-def",
                "dbpassword=p w",
                "db_password=sql",
                "smtp_secret=q1w2"
            ]
        );
    }

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
