//! The lease of an operation on an app: one config a stack, `potluck.<stack>.lease`;
//! pure.
//!
//! A config's name is unique on a swarm, so of two that take the lease at once one
//! succeeds. Its content, which swarm never changes, says whose it is; when it was
//! renewed is a label, which is updated by version. It has no stack's label: docker
//! neither lists it with the stack nor removes it. What is read may have been written
//! by anyone: it is shown and compared, nothing more.

use std::{collections::HashMap, fmt};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::record::{KIND_LABEL, Unreadable, content, id_and_version, own_name};
use crate::{engine::api, home::StackName, text};

/// The label's value on leases.
pub(crate) const LEASE_KIND: &str = "lease";
const RENEWED_LABEL: &str = "org.potluck.renewed";
/// Set by an operator who ends the lease of someone else, before it is removed.
const BROKEN_LABEL: &str = "org.potluck.broken";
/// A lease that was renewed longer ago than this has probably lost its holder: it is renewed
/// every few seconds, and clocks differ.
const OLD: SignedDuration = SignedDuration::from_secs(120);
/// The newest form of a lease that is understood.
const FORMAT: u32 = 1;
/// Bytes of a lease that are read.
const LONGEST: usize = 4096;
/// Characters of each of its texts that are shown.
const SHOWN: usize = 120;

/// Who runs potluck, for anyone who finds an app taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operator {
    /// The account.
    pub user: String,
    /// The machine.
    pub host: String,
}

impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on {}", self.user, self.host)
    }
}

/// Who has a lease, by its own word.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// Tells this operation from any other.
    pub operation: String,
    /// `a deploy`, `a backup`.
    pub doing: String,
    /// The account that runs potluck.
    pub user: String,
    /// The machine that it runs on.
    pub host: String,
    /// Its process there.
    pub pid: u32,
    pub since: Timestamp,
    /// The lock of the app on that machine, which it has, too: its folder's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let since = self.since.strftime("%Y-%m-%d %H:%M:%S UTC");
        let [doing, user, host] =
            [&self.doing, &self.user, &self.host].map(|it| text::line_of(it, SHOWN));
        write!(f, "{doing} by {user} on {host} has been running since {since} (pid {})", self.pid)
    }
}

#[derive(Serialize, Deserialize)]
struct Content {
    format: u32,
    #[serde(flatten)]
    holder: Holder,
}

/// A lease as it is on the swarm.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Lease {
    /// The config's id, and the version to change it by.
    pub config: String,
    pub version: u64,
    pub holder: Holder,
    /// When its holder last said that it lives, by the holder's clock.
    pub renewed: Timestamp,
    /// Who ended it in its holder's place, and why.
    pub broken: Option<String>,
    /// As it was read: a newer potluck may have written more into it.
    spec: api::ConfigSpec,
}

/// The name of a stack's lease.
pub(crate) fn name(stack: &StackName) -> String {
    own_name(stack, ".lease")
}

/// The config that a lease is kept as.
pub(crate) fn spec(stack: &StackName, holder: &Holder, renewed: Timestamp) -> api::ConfigSpec {
    let content = Content { format: FORMAT, holder: holder.clone() };
    let labels = HashMap::from([
        (KIND_LABEL.to_owned(), LEASE_KIND.to_owned()),
        (RENEWED_LABEL.to_owned(), renewed.to_string()),
    ]);
    api::ConfigSpec {
        name: Some(name(stack)),
        labels: Some(labels),
        data: Some(STANDARD.encode(serde_json::json!(content).to_string())),
        ..Default::default()
    }
}

impl Lease {
    /// Whether its holder has probably died.
    pub fn is_old(&self, now: Timestamp) -> bool {
        now.duration_since(self.renewed) > OLD
    }

    /// The same, marked as ended by someone else.
    pub fn ended(&self, by: &str) -> api::ConfigSpec {
        let mut spec = self.spec.clone();
        spec.labels.get_or_insert_default().insert(BROKEN_LABEL.to_owned(), by.to_owned());
        spec
    }

    /// # Errors
    /// What is no lease of a form that is understood.
    pub fn read(config: &api::Config) -> Result<Self, Unreadable> {
        let broken = |reason: &str| Unreadable::Broken(reason.to_owned());
        let spec = config.spec.as_ref().ok_or_else(|| broken("it has no specification"))?;
        let data = spec.data.as_deref().unwrap_or_default();
        if data.len() > LONGEST {
            return Err(broken("it is too large"));
        }
        let data = STANDARD.decode(data).map_err(|_| broken("its content is not base64"))?;
        let content: Content = content(&data, FORMAT)?;
        let label = |key| spec.labels.as_ref().and_then(|labels| labels.get(key));
        let renewed = label(RENEWED_LABEL).and_then(|time| time.parse().ok());
        let (config_id, version) = id_and_version(config)?;
        Ok(Lease {
            config: config_id,
            version,
            renewed: renewed.unwrap_or(content.holder.since),
            holder: content.holder,
            broken: label(BROKEN_LABEL).map(|by| text::line_of(by, SHOWN).into_owned()),
            spec: spec.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holder() -> Holder {
        Holder {
            operation: "0a".into(),
            doing: "a deploy".into(),
            user: "anna".into(),
            host: "laptop".into(),
            pid: 7,
            since: "2026-11-26T03:00:00Z".parse().unwrap(),
            place: Some("b:1:2".into()),
        }
    }

    fn config(spec: api::ConfigSpec) -> api::Config {
        api::Config {
            id: Some("c1".into()),
            version: Some(api::ObjectVersion { index: Some(7) }),
            spec: Some(spec),
            ..Default::default()
        }
    }

    #[test]
    fn a_lease_reads_as_it_was_written() {
        let stack = StackName::new("a_example").unwrap();
        let renewed = "2026-11-26T03:00:15Z".parse().unwrap();
        let spec = spec(&stack, &holder(), renewed);
        assert_eq!(spec.name.as_deref(), Some("potluck.a_example.lease"));
        let labels = spec.labels.clone().unwrap();
        assert!(!labels.contains_key(crate::engine::STACK_LABEL), "docker would remove it");
        let lease = Lease::read(&config(spec)).unwrap();
        let ended = Lease::read(&config(lease.ended("bob: lost"))).unwrap();
        assert_eq!((ended.broken.as_deref(), lease.broken.as_deref()), (Some("bob: lost"), None));
        assert_eq!((lease.holder, lease.renewed, lease.version), (holder(), renewed, 7));
    }

    #[test]
    fn what_is_no_lease_is_said() {
        let of = |data: &str| {
            let data = Some(STANDARD.encode(data));
            Lease::read(&config(api::ConfigSpec { data, ..Default::default() }))
        };
        for broken in ["", "{}", "[]", r#"{"format":1}"#, r#"{"format":"1","user":"a"}"#] {
            assert!(matches!(of(broken), Err(Unreadable::Broken(_))), "{broken}");
        }
        assert!(matches!(of(&"x".repeat(LONGEST)), Err(Unreadable::Broken(_))));
        assert_eq!(of(r#"{"format":2}"#), Err(Unreadable::Newer));
    }

    #[test]
    fn what_a_stranger_wrote_is_shown_harmlessly() {
        let odd = Holder { user: "a\u{1b}[31m\nb".into(), host: "h".repeat(500), ..holder() };
        let shown = odd.to_string();
        assert!(!shown.contains(['\u{1b}', '\n']), "{shown:?}");
        assert!(shown.len() < 400, "{shown}");
        assert_eq!(
            holder().to_string(),
            "a deploy by anna on laptop has been running since 2026-11-26 03:00:00 UTC (pid 7)"
        );
    }
}
