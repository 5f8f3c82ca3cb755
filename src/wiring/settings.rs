//! What a connection makes of an app's settings; pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    home::{Connection, EnvFile, env_file::ParseError},
    plugin::Changes,
};

/// The overlays that are read.
const OVERLAYS: &str = "COMPOSE_FILE";
/// What is read where the settings say nothing.
const BASE: &str = "compose.yml";

/// Settings before and after.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    pub env: EnvFile,
    /// Each setting that differs: what it was, and what it will be.
    pub changed: BTreeMap<String, (Option<String>, Option<String>)>,
    /// Overlays that are switched on, and off.
    pub overlays_on: Vec<String>,
    pub overlays_off: Vec<String>,
}

/// The settings with what a plugin asks for. A setting that it gives up gets back what it was
/// before the app was connected, as far as that is recorded and nobody changed it since.
///
/// # Errors
/// Settings that become too long.
pub fn wanted(
    env: &EnvFile,
    changes: &Changes,
    recorded: Option<&Connection>,
) -> Result<Wanted, ParseError> {
    let mut after = env.clone();
    for (key, value) in &changes.settings {
        let value = match value {
            Some(value) => Some(value.clone()),
            None => given_up(env, key, recorded),
        };
        put(&mut after, key, value.as_deref())?;
    }
    // What it wrote last time and does not ask for any more.
    let asked: BTreeSet<&String> = changes.settings.iter().map(|(key, _)| key).collect();
    let recorded_keys = recorded.iter().flat_map(|it| it.settings.keys());
    for key in recorded_keys.filter(|key| !asked.contains(key)) {
        let value = given_up(env, key, recorded);
        put(&mut after, key, value.as_deref())?;
    }
    let (overlays_on, overlays_off) = overlays(&mut after, changes, recorded)?;
    let keys = || changes.settings.iter().map(|(key, _)| key);
    let keys: BTreeSet<&str> = keys()
        .map(String::as_str)
        .chain(recorded.iter().flat_map(|it| it.settings.keys()).map(String::as_str))
        .chain([OVERLAYS])
        .collect();
    let value = |env: &EnvFile, key: &str| env.get(key).map(str::to_owned);
    let changed = keys
        .into_iter()
        .map(|key| (key.to_owned(), (value(env, key), value(&after, key))))
        .filter(|(_, (before, after))| before != after)
        .collect();
    Ok(Wanted { env: after, changed, overlays_on, overlays_off })
}

/// What a setting becomes that the connection does not write any more.
fn given_up(env: &EnvFile, key: &str, recorded: Option<&Connection>) -> Option<String> {
    let now = env.get(key);
    match recorded {
        Some(recorded) => match recorded.settings.get(key) {
            // Somebody else's value is theirs.
            Some(written) if now != Some(written.as_str()) => now.map(str::to_owned),
            Some(_) => recorded.before.get(key).cloned().flatten(),
            None => None,
        },
        None => None,
    }
}

/// Writes a setting, or takes it away.
///
/// # Errors
/// Settings that become too long.
pub fn put(env: &mut EnvFile, key: &str, value: Option<&str>) -> Result<(), ParseError> {
    match (env.get(key), value) {
        (now, value) if now == value => Ok(()),
        (_, Some(value)) => env.set(key, value),
        (_, None) => env.unset(key),
    }
}

fn overlays(
    env: &mut EnvFile,
    changes: &Changes,
    recorded: Option<&Connection>,
) -> Result<(Vec<String>, Vec<String>), ParseError> {
    let written = env.get(OVERLAYS).unwrap_or_default().to_owned();
    let mut files: Vec<String> =
        written.split(':').map(str::trim).filter(|it| !it.is_empty()).map(str::to_owned).collect();
    let before = files.clone();
    // What it switched on last time and does not ask for any more.
    let recorded = recorded.iter().flat_map(|it| &it.overlays);
    let given_up = recorded.filter(|it| !changes.overlays_on.contains(it));
    let off: BTreeSet<&String> = changes.overlays_off.iter().chain(given_up).collect();
    files.retain(|file| !off.contains(file));
    for overlay in &changes.overlays_on {
        if !files.contains(overlay) {
            if files.is_empty() {
                files.push(BASE.to_owned());
            }
            files.push(overlay.clone());
        }
    }
    if files != before {
        env.set(OVERLAYS, &files.join(":"))?;
    }
    let missing = |of: &[String], from: &[String]| {
        from.iter().filter(|it| !of.contains(it) && *it != BASE).cloned().collect::<Vec<_>>()
    };
    Ok((missing(&before, &files), missing(&files, &before)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::home::{
        connection::{Held, HeldAccount},
        encryption::Encryption,
    };

    fn env(text: &str) -> EnvFile {
        EnvFile::parse("a.env", text).unwrap()
    }

    fn recorded(settings: &[(&str, &str, Option<&str>)], overlays: &[&str]) -> Connection {
        let owned = |it: &str| it.to_owned();
        Connection {
            provider: "p".into(),
            server: None,
            since: "2026-11-28T03:00:00Z".parse().unwrap(),
            held: Held::Account(HeldAccount {
                host: "h".into(),
                port: 25,
                encryption: Encryption::None,
                username: None,
                sender: "a@b".into(),
            }),
            settings: settings.iter().map(|it| (owned(it.0), owned(it.1))).collect(),
            before: settings.iter().map(|it| (owned(it.0), it.2.map(owned))).collect(),
            secrets: BTreeMap::new(),
            overlays: overlays.iter().map(|it| owned(it)).collect(),
        }
    }

    fn changes(settings: &[(&str, Option<&str>)], on: &[&str], off: &[&str]) -> Changes {
        let owned = |it: &&str| (*it).to_owned();
        Changes {
            settings: settings.iter().map(|(k, v)| (owned(k), v.as_ref().map(owned))).collect(),
            overlays_on: on.iter().map(owned).collect(),
            overlays_off: off.iter().map(owned).collect(),
            ..Changes::default()
        }
    }

    #[test]
    fn connecting_and_disconnecting_is_as_before() {
        let before =
            env("# mine\nTYPE=wiki\nOIDC_ID=old\nCOMPOSE_FILE=\"compose.yml:compose.x.yml\"\n");
        let asked = changes(
            &[("OIDC_ID", Some("wiki")), ("OIDC_ON", Some("1"))],
            &["compose.oidc.yml"],
            &[],
        );
        let on = wanted(&before, &asked, None).unwrap();
        assert_eq!(on.env.get("COMPOSE_FILE"), Some("compose.yml:compose.x.yml:compose.oidc.yml"));
        assert_eq!(on.overlays_on, ["compose.oidc.yml"]);
        assert_eq!(on.changed["OIDC_ID"], (Some("old".into()), Some("wiki".into())));
        let record = recorded(
            &[("OIDC_ID", "wiki", Some("old")), ("OIDC_ON", "1", None)],
            &["compose.oidc.yml"],
        );
        // Again: nothing differs.
        assert!(wanted(&on.env, &asked, Some(&record)).unwrap().changed.is_empty());
        let gone = changes(&[("OIDC_ID", None), ("OIDC_ON", None)], &[], &["compose.oidc.yml"]);
        let off = wanted(&on.env, &gone, Some(&record)).unwrap();
        assert_eq!(off.env.get("OIDC_ID"), Some("old"));
        assert_eq!(off.env.get("OIDC_ON"), None);
        assert_eq!(off.env.get("COMPOSE_FILE"), Some("compose.yml:compose.x.yml"));
        assert_eq!(off.overlays_off, ["compose.oidc.yml"]);
        assert!(off.env.to_text().starts_with("# mine\nTYPE=wiki\nOIDC_ID=old\n"));
    }

    #[test]
    fn what_a_person_changed_since_is_theirs() {
        let record = recorded(&[("OIDC_ID", "wiki", Some("old"))], &[]);
        let gone = changes(&[("OIDC_ID", None)], &[], &[]);
        let off = wanted(&env("OIDC_ID=mine\n"), &gone, Some(&record)).unwrap();
        assert!(off.changed.is_empty());
    }

    #[test]
    fn what_a_newer_recipe_does_not_ask_for_is_given_up() {
        let record = recorded(&[("OLD", "1", None)], &["compose.old.yml"]);
        let asked = changes(&[("NEW", Some("2"))], &["compose.new.yml"], &[]);
        let text = "OLD=1\nCOMPOSE_FILE=compose.yml:compose.old.yml\n";
        let on = wanted(&env(text), &asked, Some(&record)).unwrap();
        assert_eq!((on.env.get("OLD"), on.env.get("NEW")), (None, Some("2")));
        assert_eq!(on.env.get("COMPOSE_FILE"), Some("compose.yml:compose.new.yml"));
    }

    #[test]
    fn the_first_overlay_keeps_the_base() {
        let on = wanted(&env(""), &changes(&[], &["compose.oidc.yml"], &[]), None).unwrap();
        assert_eq!(on.env.get("COMPOSE_FILE"), Some("compose.yml:compose.oidc.yml"));
        assert_eq!(on.overlays_on, ["compose.oidc.yml"]);
    }
}
