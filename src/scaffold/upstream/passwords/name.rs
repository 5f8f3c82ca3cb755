//! The names of secrets and settings.

use crate::recipe::family::Kind;

use super::super::{
    draft::Draft,
    judge::{self},
    names,
};
use super::password::{Password, Place};

pub(super) fn secret_name(draft: &Draft, password: &Password) -> String {
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
            let of_host = found.host.as_ref().filter(|host| !host.contains('.'));
            match (&password.variable, of_host) {
                (Some(name), _) => without_product(draft, found.service, name),
                (None, Some(host)) => format!("{}_password", names::plain(host, '_')),
                (None, None) if found.place == Place::Within => format!("{}_password", found.key),
                (None, None) => without_product(draft, found.service, &found.key),
            }
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

pub(super) fn setting_name(draft: &Draft, password: &Password) -> String {
    match &password.variable {
        Some(variable) => names::setting(variable),
        None => {
            let name = secret_name(draft, password).to_ascii_uppercase();
            let taken = |name: &str| draft.settings.iter().any(|setting| setting.key == name);
            names::unique(&names::setting(&name), &taken)
        }
    }
}
