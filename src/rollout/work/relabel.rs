//! Labels of existing configs and file secrets, the only part of them that
//! swarm can change; pure.

use std::collections::{BTreeMap, HashMap};

use crate::{
    compose::Stack,
    engine::{api, label},
    rollout::live::Live,
};

use super::contents::CONTENT_LABEL;

/// Objects whose labels are to change: id, version, spec.
#[derive(Debug, Clone, Default)]
pub(crate) struct Relabel {
    pub configs: Vec<(String, u64, api::ConfigSpec)>,
    pub secrets: Vec<(String, u64, api::SecretSpec)>,
}

/// From wanted names to those in use, for those that differ.
type Renamed = BTreeMap<String, String>;

type Labels = Option<HashMap<String, String>>;

impl Relabel {
    pub fn compute(stack: &Stack, live: &Live, configs: &Renamed, secrets: &Renamed) -> Self {
        let mut relabel = Relabel::default();
        for (wanted, spec) in &stack.configs {
            let name = configs.get(wanted).unwrap_or(wanted);
            let found = live.configs.iter().find_map(|config| {
                let spec = config.spec.as_ref().filter(|s| s.name.as_ref() == Some(name))?;
                Some((config, &spec.labels))
            });
            if let Some((config, old)) = found
                && let Some(labels) = changed(old, &spec.labels)
            {
                let spec = api::ConfigSpec { name: Some(name.clone()), labels, ..spec.clone() };
                relabel.configs.extend(key(&config.id, &config.version).map(|(i, v)| (i, v, spec)));
            }
        }
        for (wanted, spec) in &stack.secrets {
            let name = secrets.get(wanted).unwrap_or(wanted);
            let found = live.secrets.iter().find_map(|secret| {
                let spec = secret.spec.as_ref().filter(|s| s.name.as_ref() == Some(name))?;
                Some((secret, &spec.labels))
            });
            if let Some((secret, old)) = found
                && let Some(labels) = changed(old, &spec.labels)
            {
                let spec = api::SecretSpec { name: Some(name.clone()), labels, ..spec.clone() };
                relabel.secrets.extend(key(&secret.id, &secret.version).map(|(i, v)| (i, v, spec)));
            }
        }
        relabel
    }

    pub fn is_empty(&self) -> bool {
        self.configs.is_empty() && self.secrets.is_empty()
    }
}

fn key(id: &Option<String>, version: &Option<api::ObjectVersion>) -> Option<(String, u64)> {
    Some((id.clone()?, version.as_ref()?.index?))
}

/// The labels to send, when they differ from the present ones. Our own label
/// is not in the compose file and is kept.
fn changed(old: &Labels, wanted: &Labels) -> Option<Labels> {
    let mut labels = wanted.clone().unwrap_or_default();
    if let Some(digest) = label(old.as_ref(), CONTENT_LABEL) {
        labels.insert(CONTENT_LABEL.into(), digest.into());
    }
    (old.clone().unwrap_or_default() != labels).then_some(Some(labels))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_sent_when_they_differ() {
        let labels = |pairs: &[(&str, &str)]| -> Labels {
            Some(pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect())
        };
        let mark = (CONTENT_LABEL, "0a");
        for (old, wanted, expected) in [
            (None, None, None),
            (None, labels(&[]), None),
            (labels(&[("a", "b")]), labels(&[("a", "b")]), None),
            (labels(&[("a", "b")]), labels(&[("a", "c")]), Some(labels(&[("a", "c")]))),
            (labels(&[("a", "b")]), labels(&[]), Some(labels(&[]))),
            (labels(&[("a", "b"), mark]), labels(&[("a", "b")]), None),
            (labels(&[mark]), labels(&[("a", "b")]), Some(labels(&[("a", "b"), mark]))),
        ] {
            assert_eq!(changed(&old, &wanted), expected, "{old:?} {wanted:?}");
        }
    }
}
