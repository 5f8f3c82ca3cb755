//! An app's settings under another name.

use crate::home::{AppName, EnvFile, env_file::ParseError};

/// The settings that were changed, and those that still have the old name.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Renamed {
    pub changed: Vec<String>,
    pub left: Vec<String>,
}

/// Replaces an app's domain in all of its settings, hosts below it included. The stack's name
/// follows from the new one.
///
/// # Errors
/// A file that would become too long.
pub(super) fn rename(
    env: &mut EnvFile,
    from: &AppName,
    to: &AppName,
) -> Result<Renamed, ParseError> {
    let mut renamed = Renamed::default();
    // First: others may be built upon it.
    if env.get("DOMAIN").is_some_and(|domain| domain != to.as_str()) {
        env.set("DOMAIN", to.as_str())?;
        renamed.changed.push("DOMAIN".into());
    }
    if env.get("STACK_NAME").is_some_and(|name| !name.trim().is_empty()) {
        env.unset("STACK_NAME")?;
        renamed.changed.push("STACK_NAME".into());
    }
    for (key, value) in env.values() {
        let new = replaced(&value, from.as_str(), to.as_str());
        if new != value {
            env.set(&key, &new)?;
            renamed.changed.push(key);
        } else if value.contains(from.as_str()) && !to.as_str().contains(from.as_str()) {
            renamed.left.push(key);
        }
    }
    Ok(renamed)
}

/// The text with a host's name replaced, where it is a whole one or the end of a longer one.
fn replaced(text: &str, from: &str, to: &str) -> String {
    let is_label = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(from) {
        let (before, found) = rest.split_at(at);
        let after = &found[from.len()..];
        let last = out.chars().chain(before.chars()).next_back();
        let mut next = after.chars();
        let is_whole = !last.is_some_and(is_label)
            && match next.next() {
                Some('.') => !next.next().is_some_and(is_label),
                other => !other.is_some_and(is_label),
            };
        out.push_str(before);
        out.push_str(if is_whole { to } else { from });
        rest = after;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_replaced_where_it_is_whole() {
        for (text, expected) in [
            ("wiki.example.org", "copy.example.net"),
            ("https://wiki.example.org/x", "https://copy.example.net/x"),
            ("www.wiki.example.org", "www.copy.example.net"),
            ("admin@wiki.example.org.", "admin@copy.example.net."),
            (
                "a,wiki.example.org,wiki.example.org:8080",
                "a,copy.example.net,copy.example.net:8080",
            ),
            ("mywiki.example.org", "mywiki.example.org"),
            ("my-wiki.example.org", "my-wiki.example.org"),
            ("wiki.example.organic", "wiki.example.organic"),
            ("wiki.example.org.uk", "wiki.example.org.uk"),
            ("", ""),
        ] {
            assert_eq!(replaced(text, "wiki.example.org", "copy.example.net"), expected, "{text}");
        }
    }

    #[test]
    fn settings_get_the_new_name() {
        let (from, to) =
            (AppName::new("wiki.example.org").unwrap(), AppName::new("copy.example.net").unwrap());
        let text = "\
TYPE=wiki:1.0.0 # pinned
DOMAIN=wiki.example.org
URL=\"https://$DOMAIN/\"
EXTRA=www.wiki.example.org
OTHER=mywiki.example.org
STACK_NAME=old
TITLE=kept
";
        let mut env = EnvFile::parse("f", text).unwrap();
        let renamed = rename(&mut env, &from, &to).unwrap();
        assert_eq!(renamed.changed, ["DOMAIN", "STACK_NAME", "EXTRA"]);
        assert_eq!(renamed.left, ["OTHER"]);
        let written = env.to_text();
        assert!(written.contains("URL=\"https://$DOMAIN/\""), "{written}");
        assert_eq!(env.get("URL"), Some("https://copy.example.net/"));
        assert_eq!(env.get("STACK_NAME"), None);
        assert_eq!(env.get("EXTRA"), Some("www.copy.example.net"));
    }
}
