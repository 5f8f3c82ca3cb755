//! Secrets in plain environment values.

use super::{Findings, Subject};
use crate::lint::rules;

/// Last words of names whose values are secret.
const SECRET_WORDS: &[&str] = &["PASSPHRASE", "PASS", "PWD", "SECRET", "TOKEN", "APIKEY"];
/// Words before a last `KEY` that make it a secret one.
const SECRET_KEYS: &[&str] =
    &["ACCESS", "API", "AUTH", "ENCRYPTION", "MASTER", "PRIVATE", "SECRET", "SIGNING"];

pub fn check(subject: Subject<'_>, findings: &mut Findings<'_>) {
    for (name, value) in &subject.service.environment {
        let Some(value) = value.as_deref() else { continue };
        let message = if is_secret_name(name) && is_secret_value(value) {
            format!("anyone who can inspect the service can read `{name}`")
        } else if has_password(value) {
            format!("the address in `{name}` holds a password")
        } else {
            continue;
        };
        let key = format!("environment.{name}");
        findings.push(&rules::PLAIN_SECRET, subject.spot(&key), subject.path(&key), message);
    }
}

fn is_secret_name(name: &str) -> bool {
    let upper = name.to_ascii_uppercase();
    let words: Vec<&str> = upper.split(['_', '-', '.']).filter(|word| !word.is_empty()).collect();
    match words.as_slice() {
        // The working folder.
        ["PWD"] | [] => false,
        [.., before, "KEY"] => SECRET_KEYS.contains(before),
        [.., last] => {
            SECRET_WORDS.contains(last) || last.ends_with("PASSWORD") || last.ends_with("PASSWD")
        }
    }
}

/// Switches, paths, addresses and templates are not secret.
fn is_secret_value(value: &str) -> bool {
    const SWITCHES: &[&str] =
        &["", "0", "1", "true", "false", "yes", "no", "on", "off", "none", "null"];
    let value = value.trim();
    !SWITCHES.contains(&value.to_ascii_lowercase().as_str())
        && !value.starts_with(['/', '$'])
        && !value.starts_with("{{")
        && !value.contains("://")
        && !value.contains("/run/secrets/")
}

/// `postgres://user:password@host`.
fn has_password(value: &str) -> bool {
    let Some((_, rest)) = value.split_once("://") else { return false };
    let authority = rest.split(['/', '?', '#', ' ']).next().unwrap_or_default();
    let Some((user, _)) = authority.rsplit_once('@') else { return false };
    user.split_once(':').is_some_and(|(_, password)| is_secret_value(password))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_told_by_name_and_value() {
        for (name, value, secret) in [
            ("MYSQL_PASSWORD", "hunter2", true),
            ("WEBPASSWORD", "hunter2", true),
            ("ftlconf_webserver_api_password", "hunter2", true),
            ("AWS_SECRET_ACCESS_KEY", "abc", true),
            ("API_KEY", "abc", true),
            ("JWT_SECRET", "abc", true),
            ("MYSQL_PASSWORD_FILE", "/run/secrets/x", false),
            ("MYSQL_PASSWORD", "", false),
            ("MYSQL_PASSWORD", "/run/secrets/x", false),
            ("MYSQL_RANDOM_ROOT_PASSWORD", "yes", false),
            ("AWS_ACCESS_KEY_ID", "abc", false),
            ("PWD", "x", false),
            ("SORT_KEY", "name", false),
            ("TOKEN_EXPIRY", "5m", false),
            ("TOKEN", "{{.Node.ID}}", false),
        ] {
            assert_eq!(is_secret_name(name) && is_secret_value(value), secret, "{name}={value}");
        }
        for (value, secret) in [
            ("postgres://wiki:hunter2@db/wiki", true),
            ("amqp://wiki:a@b@db", true),
            ("postgres://wiki@db/wiki", false),
            ("postgres://wiki:$PASS@db/wiki", false),
            ("http://db:8080/a@b", false),
            ("a:b@c", false),
        ] {
            assert_eq!(has_password(value), secret, "{value}");
        }
    }
}
