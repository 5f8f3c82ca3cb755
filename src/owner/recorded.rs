//! What is recorded on a swarm, of all apps of all folders together: whose a name is, and what
//! their kept releases need; pure.

use std::collections::BTreeSet;

use crate::{
    engine::{Kind, api, label},
    home::StackName,
};

use super::{
    record::{KIND_LABEL, OWNER_KIND, Owned, Record},
    release::{Kept, RELEASE_OF, Release},
};

/// All records and releases of a swarm.
#[derive(Debug, Default)]
pub(crate) struct Recorded {
    pub stacks: BTreeSet<String>,
    pub releases: Vec<Release>,
    owned: Vec<Owned>,
    /// Configs that cannot be read, and why: what they need is unknown.
    pub unreadable: Vec<(String, String)>,
}

impl Recorded {
    /// What these configs say.
    pub fn of(configs: &[api::Config]) -> Self {
        let mut all = Recorded::default();
        for config in configs {
            let spec = config.spec.as_ref();
            let labels = spec.and_then(|spec| spec.labels.as_ref());
            let name = spec.and_then(|spec| spec.name.clone()).unwrap_or_default();
            let kind = label(labels, KIND_LABEL);
            let stack = label(labels, RELEASE_OF).map(StackName::new);
            let read = match (kind, stack) {
                (Some(OWNER_KIND), _) => Record::read(config).map(|record| {
                    all.owned.push(record.owned);
                    let of = name.strip_prefix("potluck.").and_then(|it| it.strip_suffix(".owner"));
                    all.stacks.extend(of.map(str::to_owned));
                }),
                (_, Some(Ok(stack))) => Kept::read(&stack, config).map(|kept| {
                    all.stacks.insert(stack.to_string());
                    all.releases.push(kept.release);
                }),
                _ => continue,
            };
            if let Err(error) = read {
                all.unreadable.push((name, error.to_string()));
            }
        }
        all
    }

    /// Whether some app has an object of this name.
    pub fn owns(&self, kind: Kind, name: &str) -> bool {
        self.owned.iter().any(|owned| owned.has_name(kind, name))
    }
}
