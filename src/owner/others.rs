//! What other stacks of the swarm own, so that no app takes one of their
//! names; pure once it is read.
//!
//! Names on a swarm are flat: the stack `wiki` could call a volume
//! `example_org_data` and so mean that of the stack `wiki_example_org`.

use std::collections::BTreeMap;

use crate::{
    engine::{Engine, Error, Kind, STACK_LABEL, Scope, api, label},
    home::StackName,
};

use super::record::{KIND_LABEL, OWNER_KIND, Owned, Record};

/// The stacks beside one.
#[derive(Debug, Default)]
pub(super) struct Others {
    /// Recorded stacks: their owners, and what they own.
    records: Vec<(String, Owned)>,
    /// Names of stacks, and their owners, for people.
    stacks: BTreeMap<String, String>,
    /// All services of the swarm.
    pub services: Vec<api::Service>,
}

impl Others {
    pub async fn read(engine: &dyn Engine, stack: &StackName) -> Result<Self, Error> {
        let (services, configs) = futures_util::try_join!(
            engine.services(Scope::All),
            engine.configs(Scope::Labelled(KIND_LABEL, OWNER_KIND)),
        )?;
        let mut others = Others::default();
        for service in &services {
            let labels = service.spec.as_ref().and_then(|spec| spec.labels.as_ref());
            if let Some(other) = label(labels, STACK_LABEL) {
                others.stacks.insert(other.to_owned(), format!("the stack `{other}`"));
            }
        }
        for config in &configs {
            // One that cannot be read says nothing about names.
            let Ok(record) = Record::read(config) else { continue };
            let name = config.spec.as_ref().and_then(|spec| spec.name.as_deref());
            if name == Some(super::record::name(stack).as_str()) {
                continue;
            }
            let whose = format!("the app {}", record.owner.app);
            let other = name.and_then(|n| n.strip_prefix("potluck.")?.strip_suffix(".owner"));
            if let Some(other) = other {
                others.stacks.insert(other.to_owned(), whose.clone());
            }
            others.records.push((whose, record.owned));
        }
        others.stacks.remove(stack.as_str());
        others.services = services;
        Ok(others)
    }

    /// Which other stack has, or would have, an object of this name.
    pub fn holder(&self, stack: &StackName, kind: Kind, name: &str) -> Option<&str> {
        let recorded = self.records.iter().find(|(_, owned)| owned.has_name(kind, name));
        let below = |stack: &str| name.strip_prefix(stack).is_some_and(|r| r.starts_with('_'));
        let ours = below(stack.as_str());
        recorded.map(|(whose, _)| whose.as_str()).or_else(|| {
            // Of stacks whose names begin alike, the longer one has the name.
            let longer = |other: &str| !ours || other.len() > stack.as_str().len();
            let theirs = self.stacks.keys().filter(|other| below(other) && longer(other));
            let other = theirs.max_by_key(|other| other.len())?;
            self.stacks.get(other).map(String::as_str)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_belongs_to_the_longest_stack_and_to_whoever_recorded_it() {
        let mut owned = Owned::default();
        owned.put(Kind::Volume, "shared", "n1");
        let others = Others {
            records: vec![("the app b".into(), owned)],
            stacks: ["wiki_example_org", "wiki_example", "blog"]
                .map(|s| (s.to_owned(), s.to_owned()))
                .into(),
            services: Vec::new(),
        };
        let wiki = StackName::new("wiki").unwrap();
        for (kind, name, holder) in [
            (Kind::Volume, "wiki_data", None),
            (Kind::Volume, "wiki_example_org_data", Some("wiki_example_org")),
            (Kind::Service, "wiki_example_db", Some("wiki_example")),
            (Kind::Service, "wiki_exampledb", None),
            (Kind::Volume, "shared", Some("the app b")),
            (Kind::Network, "shared", None),
            (Kind::Config, "blog_data", Some("blog")),
            (Kind::Config, "blogs", None),
        ] {
            assert_eq!(others.holder(&wiki, kind, name), holder, "{name}");
        }
        let long = StackName::new("wiki_example_org_very_long").unwrap();
        assert_eq!(others.holder(&long, Kind::Volume, "wiki_example_org_very_long_x"), None);
    }
}
