//! Configs and file secrets, which swarm cannot change; pure.
//!
//! An object whose content is the same keeps its name, whatever tool made it, so that a stack can
//! be taken over from docker or abra and given back. If the content changed, a new object
//! is created whose name depends on the content, `<name>_<first 8 of sha256>`, and services
//! are switched to it.
//!
//! Swarm gives back the contents of configs, never those of secrets: an app's
//! secrets have a label with a digest; for others, the manager is asked whether they are the same
//! ([`crate::engine::Engine::secret_matches`]).

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use sha2::{Digest, Sha256};

use crate::engine::{api, label};

use crate::rollout::live::Live;

/// The digest of a file secret's content, as swarm never gives contents back.
/// The file comes with the recipe, which everyone may read, so that its digest
/// reveals nothing.
pub(crate) const CONTENT_LABEL: &str = "org.potluck.content";

/// Whether new secrets get [`CONTENT_LABEL`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Marks {
    #[default]
    Content,
    /// None: the labels are those that docker would give.
    None,
}

/// Swarm's longest name for a config or secret, in bytes.
const LONGEST_NAME: usize = 64;

/// The names in use for the wanted objects, and the objects to be created.
#[derive(Debug, Default)]
pub(crate) struct Placed {
    /// From the wanted name to the one in use, for those that differ.
    pub renamed: BTreeMap<String, String>,
    pub configs: Vec<api::ConfigSpec>,
    pub secrets: Vec<api::SecretSpec>,
    pub warnings: Vec<String>,
}

impl Placed {
    /// The name in use for a wanted object.
    pub fn name_of<'a>(&'a self, wanted: &'a str) -> &'a str {
        self.renamed.get(wanted).map_or(wanted, String::as_str)
    }
}

pub(crate) fn place(
    configs: &BTreeMap<String, api::ConfigSpec>,
    secrets: &BTreeMap<String, api::SecretSpec>,
    live: &Live,
    marks: Marks,
) -> (Placed, Placed) {
    (place_configs(configs, live), place_secrets(secrets, live, marks))
}

/// Names and ids of existing secrets without a digest of their content.
pub(crate) fn unproven<'a>(
    wanted: &'a BTreeMap<String, api::SecretSpec>,
    live: &Live,
) -> Vec<(&'a str, String)> {
    let named = |name: &str| {
        live.secrets
            .iter()
            .find(|s| s.spec.as_ref().is_some_and(|s| s.name.as_deref() == Some(name)))
    };
    wanted
        .iter()
        .filter(|(_, spec)| spec.driver.is_none())
        .filter_map(|(name, _)| Some((name.as_str(), named(name)?)))
        .filter(|(_, secret)| {
            let labels = secret.spec.as_ref().and_then(|spec| spec.labels.as_ref());
            label(labels, CONTENT_LABEL).is_none()
        })
        .filter_map(|(name, secret)| Some((name, secret.id.clone()?)))
        .collect()
}

fn place_configs(wanted: &BTreeMap<String, api::ConfigSpec>, live: &Live) -> Placed {
    let mut placed = Placed::default();
    for (name, spec) in wanted {
        let find = |name: &str| {
            live.configs
                .iter()
                .filter_map(|c| c.spec.as_ref())
                .find(|s| s.name.as_deref() == Some(name))
        };
        let content = decode(spec.data.as_deref());
        let same = |other: &api::ConfigSpec| {
            decode(other.data.as_deref()) == content && other.templating == spec.templating
        };
        let successor = successor(name, &digest(&content));
        let used = if find(name).is_some_and(same) {
            name.clone()
        } else if find(&successor).is_some_and(same) {
            successor
        } else {
            let free = if find(name).is_none() { name.clone() } else { successor };
            placed.configs.push(api::ConfigSpec { name: Some(free.clone()), ..spec.clone() });
            free
        };
        if used != *name {
            placed.renamed.insert(name.clone(), used);
        }
    }
    placed
}

fn place_secrets(wanted: &BTreeMap<String, api::SecretSpec>, live: &Live, marks: Marks) -> Placed {
    let mut placed = Placed::default();
    for (name, spec) in wanted {
        let find = |name: &str| {
            live.secrets
                .iter()
                .filter_map(|s| s.spec.as_ref())
                .find(|s| s.name.as_deref() == Some(name))
        };
        let digest = digest(&decode(spec.data.as_deref()));
        let successor = successor(name, &digest);
        let known =
            |s: &api::SecretSpec| label(s.labels.as_ref(), CONTENT_LABEL).map(str::to_owned);
        let used = match find(name).map(known) {
            Some(Some(found)) if found == digest => name.clone(),
            Some(None) if spec.driver.is_some() => name.clone(),
            Some(None) if live.same_secrets.get(name) != Some(&false) => {
                if !live.same_secrets.contains_key(name) {
                    placed.warnings.push(format!(
                        "the secret `{name}` was made by another tool, so whether its file \
                         changed since is unknown; it is used unchanged"
                    ));
                }
                name.clone()
            }
            _ if find(&successor).is_some() => successor,
            before => {
                let free = if before.is_none() { name.clone() } else { successor };
                let mut labels = spec.labels.clone().unwrap_or_default();
                if marks == Marks::Content {
                    labels.insert(CONTENT_LABEL.into(), digest);
                }
                placed.secrets.push(api::SecretSpec {
                    name: Some(free.clone()),
                    labels: Some(labels),
                    ..spec.clone()
                });
                free
            }
        };
        if used != *name {
            placed.renamed.insert(name.clone(), used);
        }
    }
    placed
}

/// Makes a spec refer to the names in use.
pub(crate) fn rename(
    spec: &mut api::ServiceSpec,
    configs: &BTreeMap<String, String>,
    secrets: &BTreeMap<String, String>,
) {
    let Some(container) = spec.task_template.as_mut().and_then(|t| t.container_spec.as_mut())
    else {
        return;
    };
    let apply = |name: &mut Option<String>, map: &BTreeMap<String, String>| {
        if let Some(used) = name.as_ref().and_then(|n| map.get(n)) {
            *name = Some(used.clone());
        }
    };
    for config in container.configs.iter_mut().flatten() {
        apply(&mut config.config_name, configs);
    }
    for secret in container.secrets.iter_mut().flatten() {
        apply(&mut secret.secret_name, secrets);
    }
    if let Some(credentials) =
        container.privileges.as_mut().and_then(|p| p.credential_spec.as_mut())
    {
        apply(&mut credentials.config, configs);
    }
}

/// Docker's own encodings differ in padding and alphabet between versions.
fn decode(data: Option<&str>) -> Vec<u8> {
    let text = data.unwrap_or_default();
    STANDARD
        .decode(text)
        .or_else(|_| base64::engine::general_purpose::URL_SAFE.decode(text))
        .unwrap_or_else(|_| text.as_bytes().to_vec())
}

fn digest(content: &[u8]) -> String {
    hex::encode(Sha256::digest(content))
}

fn successor(name: &str, digest: &str) -> String {
    format!("{}_{}", head(name), &digest[..8])
}

/// Whether `name` is the wanted object or one of its successors.
pub(crate) fn is_of(wanted: &str, name: &str) -> bool {
    let digits = name.strip_prefix(head(wanted)).and_then(|rest| rest.strip_prefix('_'));
    name == wanted
        || digits.is_some_and(|d| d.len() == 8 && d.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// The name, cut to leave room for the digest.
fn head(name: &str) -> &str {
    // Names are ASCII; should one not be, it stays whole and swarm says so.
    name.get(..name.len().min(LONGEST_NAME - 9)).unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn config(name: &str, content: &str) -> api::ConfigSpec {
        api::ConfigSpec {
            name: Some(name.into()),
            data: Some(STANDARD.encode(content)),
            ..Default::default()
        }
    }

    fn live(configs: &[(&str, &str)]) -> Live {
        Live {
            configs: configs
                .iter()
                .map(|(n, c)| api::Config { spec: Some(config(n, c)), ..Default::default() })
                .collect(),
            ..Default::default()
        }
    }

    #[test]
    fn names_change_only_with_content() {
        let two = format!("app_conf_{}", &digest(b"two")[..8]);
        // (live, wanted content) → (name in use, made)
        type Case<'a> = (&'a [(&'a str, &'a str)], &'a str, &'a str, bool);
        let cases: [Case<'_>; 5] = [
            (&[], "one", "app_conf", true),
            (&[("app_conf", "one")], "one", "app_conf", false),
            (&[("app_conf", "one")], "two", &two, true),
            (&[("app_conf", "one"), (&two, "two")], "two", &two, false),
            // The first was collected: the successor stays in use.
            (&[(&two, "two")], "two", &two, false),
        ];
        for (have, content, name, made) in cases {
            let wanted = BTreeMap::from([("app_conf".to_owned(), config("app_conf", content))]);
            let placed = place_configs(&wanted, &live(have));
            let used = placed.renamed.get("app_conf").map_or("app_conf", String::as_str);
            assert_eq!((used, !placed.configs.is_empty()), (name, made), "{have:?} {content}");
        }
    }

    #[test]
    fn a_successors_name_fits() {
        let long = "a".repeat(64);
        let successor = successor(&long, &digest(b""));
        assert_eq!(successor.len(), 64);
        assert!(is_of(&long, &successor));
    }

    #[test]
    fn successors_are_told_from_other_objects() {
        for (name, expected) in [
            ("app_conf", true),
            ("app_conf_0a1b2c3d", true),
            ("app_conf_0a1b2c3", false),
            ("app_conf_0a1b2c3x", false),
            ("app_conf_old", false),
            ("app_confs_0a1b2c3d", false),
        ] {
            assert_eq!(is_of("app_conf", name), expected, "{name}");
        }
    }

    #[test]
    fn a_file_secret_is_compared_by_its_digest() {
        let spec = |content: &str| api::SecretSpec {
            name: Some("app_pw".into()),
            data: Some(STANDARD.encode(content)),
            ..Default::default()
        };
        let wanted = |content: &str| BTreeMap::from([("app_pw".to_owned(), spec(content))]);
        let first = place_secrets(&wanted("one"), &Live::default(), Marks::Content);
        let made = first.secrets[0].clone();
        assert_eq!(made.name.as_deref(), Some("app_pw"));
        let live = Live {
            secrets: vec![api::Secret { spec: Some(made), ..Default::default() }],
            ..Default::default()
        };
        assert!(place_secrets(&wanted("one"), &live, Marks::Content).secrets.is_empty());
        let second = place_secrets(&wanted("two"), &live, Marks::Content);
        assert_eq!(second.renamed.len(), 1);
        assert_eq!(second.secrets.len(), 1);
    }

    #[test]
    fn of_an_unmarked_secret_the_managers_word_counts() {
        let spec = api::SecretSpec {
            name: Some("app_pw".into()),
            data: Some(STANDARD.encode("one")),
            ..Default::default()
        };
        let wanted = BTreeMap::from([("app_pw".to_owned(), spec.clone())]);
        let there = api::Secret { id: Some("1".into()), spec: Some(spec), ..Default::default() };
        let mut live = Live { secrets: vec![there], ..Default::default() };
        assert_eq!(unproven(&wanted, &live), [("app_pw", "1".to_owned())]);
        for (same, made, warned) in [(None, 0, 1), (Some(true), 0, 0), (Some(false), 1, 0)] {
            live.same_secrets = same.map(|same| ("app_pw".to_owned(), same)).into_iter().collect();
            let placed = place_secrets(&wanted, &live, Marks::None);
            assert_eq!((placed.secrets.len(), placed.warnings.len()), (made, warned), "{same:?}");
            assert!(placed.secrets.iter().all(|s| s.labels == Some(HashMap::new())));
        }
    }
}
