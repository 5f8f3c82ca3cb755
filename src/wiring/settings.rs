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

/// Whether an app is connected or disconnected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    On,
    Off,
}

/// The settings with what a plugin asks for. A setting that the connection gives up gets back
/// what it was before, as far as that is recorded and nobody changed it since; so do all of
/// them, and the overlays, when the app is disconnected.
///
/// # Errors
/// Settings that become too long.
pub fn wanted(
    env: &EnvFile,
    changes: &Changes,
    recorded: Option<&Connection>,
    way: Way,
) -> Result<Wanted, ParseError> {
    let mut after = env.clone();
    for (key, value) in &changes.settings {
        let value = match (value, way) {
            (Some(value), _) => Some(value.clone()),
            (None, Way::On) => None,
            (None, Way::Off) => given_up(env, key, recorded),
        };
        put(&mut after, key, value.as_deref())?;
    }
    let asked: BTreeSet<&String> = changes.settings.iter().map(|(key, _)| key).collect();
    let written = recorded.iter().flat_map(|it| it.settings.keys());
    let removed = recorded.iter().flat_map(|it| it.before.keys()).filter(|_| way == Way::Off);
    let known: BTreeSet<&String> = written.chain(removed).collect();
    // Versions of secrets are kept by who stores these.
    let is_version = |key: &str| way == Way::On && key.starts_with("SECRET_");
    for key in known.iter().filter(|key| !asked.contains(**key) && !is_version(key)) {
        let value = given_up(env, key, recorded);
        put(&mut after, key, value.as_deref())?;
    }
    let (overlays_on, overlays_off) = overlays(&mut after, changes, recorded, way)?;
    let keys = asked.into_iter().chain(known).map(String::as_str);
    let keys: BTreeSet<&str> = keys.chain([OVERLAYS]).collect();
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
    let now = env.get(key).map(str::to_owned);
    let recorded = recorded?;
    match (recorded.settings.get(key), recorded.before.get(key)) {
        // Somebody else's value is theirs.
        (Some(written), _) if now.as_ref() != Some(written) => now,
        (Some(_), before) => before.cloned().flatten(),
        // It was removed.
        (None, Some(before)) if now.is_none() => before.clone(),
        (None, _) => now,
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
    way: Way,
) -> Result<(Vec<String>, Vec<String>), ParseError> {
    let written = env.get(OVERLAYS).unwrap_or_default().to_owned();
    let mut files: Vec<String> =
        written.split(':').map(str::trim).filter(|it| !it.is_empty()).map(str::to_owned).collect();
    let before = files.clone();
    let (on, off): (Vec<&String>, BTreeSet<&String>) = match (way, recorded) {
        // Those that were on before stay on.
        (Way::Off, Some(recorded)) => {
            (recorded.overlays_off.iter().collect(), recorded.overlays.iter().collect())
        }
        _ => {
            let recorded = recorded.iter().flat_map(|it| &it.overlays);
            let given_up = recorded.filter(|it| !changes.overlays_on.contains(it));
            let off = changes.overlays_off.iter().chain(given_up).collect();
            (changes.overlays_on.iter().collect(), off)
        }
    };
    files.retain(|file| !off.contains(file));
    for overlay in on {
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
            overlays_off: Vec::new(),
            unsure: false,
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
        let on = wanted(&before, &asked, None, Way::On).unwrap();
        assert_eq!(on.env.get("COMPOSE_FILE"), Some("compose.yml:compose.x.yml:compose.oidc.yml"));
        assert_eq!(on.overlays_on, ["compose.oidc.yml"]);
        assert_eq!(on.changed["OIDC_ID"], (Some("old".into()), Some("wiki".into())));
        let record = recorded(
            &[("OIDC_ID", "wiki", Some("old")), ("OIDC_ON", "1", None)],
            &["compose.oidc.yml"],
        );
        // Again: nothing differs.
        assert!(wanted(&on.env, &asked, Some(&record), Way::On).unwrap().changed.is_empty());
        let gone = changes(&[("OIDC_ID", None), ("OIDC_ON", None)], &[], &["compose.oidc.yml"]);
        let off = wanted(&on.env, &gone, Some(&record), Way::Off).unwrap();
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
        let off = wanted(&env("OIDC_ID=mine\n"), &gone, Some(&record), Way::Off).unwrap();
        assert!(off.changed.is_empty());
    }

    #[test]
    fn what_a_newer_recipe_does_not_ask_for_is_given_up() {
        let record = recorded(&[("OLD", "1", None)], &["compose.old.yml"]);
        let asked = changes(&[("NEW", Some("2"))], &["compose.new.yml"], &[]);
        let text = "OLD=1\nCOMPOSE_FILE=compose.yml:compose.old.yml\n";
        let on = wanted(&env(text), &asked, Some(&record), Way::On).unwrap();
        assert_eq!((on.env.get("OLD"), on.env.get("NEW")), (None, Some("2")));
        assert_eq!(on.env.get("COMPOSE_FILE"), Some("compose.yml:compose.new.yml"));
    }

    #[test]
    fn the_first_overlay_keeps_the_base() {
        let on =
            wanted(&env(""), &changes(&[], &["compose.oidc.yml"], &[]), None, Way::On).unwrap();
        assert_eq!(on.env.get("COMPOSE_FILE"), Some("compose.yml:compose.oidc.yml"));
        assert_eq!(on.overlays_on, ["compose.oidc.yml"]);
    }

    #[test]
    fn what_was_so_before_is_so_afterwards() {
        let mut record = recorded(&[("ISSUER", "same", Some("same"))], &[]);
        record.before.insert("USER".into(), Some("old".into()));
        record.overlays_off = vec!["compose.local.yml".into()];
        let text = "ISSUER=same\nCOMPOSE_FILE=compose.yml:compose.oidc.yml\n";
        let gone = changes(&[("ISSUER", None), ("USER", None)], &[], &["compose.oidc.yml"]);
        let off = wanted(&env(text), &gone, Some(&record), Way::Off).unwrap();
        assert_eq!((off.env.get("ISSUER"), off.env.get("USER")), (Some("same"), Some("old")));
        // It was on before, and the connection had not switched it on.
        let files = "compose.yml:compose.oidc.yml:compose.local.yml";
        assert_eq!(off.env.get("COMPOSE_FILE"), Some(files));
        // Connected, what the plugin removes stays removed.
        let asked =
            changes(&[("ISSUER", Some("same")), ("USER", None)], &["compose.oidc.yml"], &[]);
        let on = wanted(&env(text), &asked, Some(&record), Way::On).unwrap();
        assert_eq!(on.env.get("USER"), None);
    }
}
