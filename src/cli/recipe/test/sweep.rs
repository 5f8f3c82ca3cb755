//! What a test leaves on a real server, removed by its names: also what a failed, interrupted or
//! killed command left half made, and what an earlier test left that was killed.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;
use tokio::time::{Instant, sleep};

use crate::engine::{Engine, Error, Scope};

/// Beginning of the name of everything that a test makes, before what tells tests apart.
pub const MARK: &str = "potluck-test-";
/// Letters and digits that tell tests apart.
pub const DIGITS: usize = 6;
/// What is older was left by a test that was killed: none takes so long.
const OLD: Duration = Duration::from_secs(12 * 60 * 60);
/// Containers that have ended hold networks and volumes for a while.
const PATIENCE: Duration = Duration::from_secs(120);
const POLL: Duration = Duration::from_millis(500);

/// Objects whose names say which test made them, by that test's beginning of names.
type Found = BTreeMap<String, Option<Timestamp>>;

/// The beginning of a test's names that a name has: `potluck-test-3fa9c1-`.
fn prefix_of(name: &str) -> Option<&str> {
    let at = name.find(MARK)?;
    let (own, rest) = name[at..].split_at_checked(MARK.len() + DIGITS)?;
    let digits = &own[MARK.len()..];
    let is_one = digits.bytes().all(|it| it.is_ascii_alphanumeric()) && rest.starts_with('-');
    is_one.then(|| &name[at..=at + own.len()])
}

/// Removes what earlier tests left on a server that were killed. Says what was removed, and
/// what may be a test that runs now.
///
/// # Errors
/// What the engine says.
pub async fn older(engine: &dyn Engine, own: &str) -> Result<Vec<String>, Error> {
    let mut said = Vec::new();
    let now = Timestamp::now();
    for (prefix, newest) in tests(engine).await? {
        if prefix == own {
            continue;
        }
        let age = newest.map(|made| now.duration_since(made).unsigned_abs());
        let name = prefix.trim_end_matches('-');
        if age.is_some_and(|age| age < OLD) {
            said.push(format!(
                "{name} is there from another test, which may still run: after twelve hours, the \
                 next test removes it"
            ));
            continue;
        }
        let left = clear(engine, &prefix).await;
        match left.is_empty() {
            true => said.push(format!("removed {name}, which an earlier test left")),
            false => said.push(format!("{name}, of an earlier test, is left: {}", left.join("; "))),
        }
    }
    Ok(said)
}

/// The tests of which the server has anything, each with the time of its newest object.
async fn tests(engine: &dyn Engine) -> Result<Found, Error> {
    let (services, networks, secrets, configs, volumes) = futures_util::try_join!(
        engine.services(Scope::All),
        engine.networks(Scope::All),
        engine.secrets(Scope::All),
        engine.configs(Scope::All),
        volumes(engine),
    )?;
    let mut found = Found::new();
    let mut add = |name: Option<&str>, made: Option<&str>| {
        let Some(prefix) = name.and_then(prefix_of) else { return };
        let made = made.and_then(|made| made.parse::<Timestamp>().ok());
        let newest = found.entry(prefix.to_owned()).or_default();
        *newest = (*newest).max(made);
    };
    for it in &services {
        add(it.spec.as_ref().and_then(|spec| spec.name.as_deref()), it.created_at.as_deref());
    }
    for it in &networks {
        add(it.name.as_deref(), it.created.as_deref());
    }
    for it in &secrets {
        add(it.spec.as_ref().and_then(|spec| spec.name.as_deref()), it.created_at.as_deref());
    }
    for it in &configs {
        add(it.spec.as_ref().and_then(|spec| spec.name.as_deref()), it.created_at.as_deref());
    }
    for (name, _) in &volumes {
        add(Some(name), None);
    }
    Ok(found)
}

/// All volumes, each with the engine of its node; none where that is the server's own.
async fn volumes(engine: &dyn Engine) -> Result<Vec<(String, Option<Arc<dyn Engine>>)>, Error> {
    let mut all = Vec::new();
    for volume in engine.volumes(Scope::All).await? {
        all.push((volume.name, None));
    }
    for node in engine.nodes().await? {
        // Of one that is not reached, nothing can be said; its volumes stay.
        let Ok(Some(there)) = engine.of_node(node.id.as_deref().unwrap_or_default()).await else {
            continue;
        };
        let found = there.volumes(Scope::All).await.unwrap_or_default();
        all.extend(found.into_iter().map(|volume| (volume.name, Some(Arc::clone(&there)))));
    }
    Ok(all)
}

/// Removes everything whose name has this beginning; what could not be removed is said.
pub async fn clear(engine: &dyn Engine, prefix: &str) -> Vec<String> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let mut left = BTreeSet::new();
        if let Err(error) = round(engine, prefix, &mut left).await {
            left.insert(error.to_string());
        }
        if left.is_empty() || Instant::now() >= deadline {
            return left.into_iter().collect();
        }
        sleep(POLL).await;
    }
}

/// One try at all of it, in the order in which one holds the other.
async fn round(
    engine: &dyn Engine,
    prefix: &str,
    left: &mut BTreeSet<String>,
) -> Result<(), Error> {
    let is_its = |name: Option<&str>| name.is_some_and(|name| prefix_of(name) == Some(prefix));
    let mut note = |kind: &str, name: Option<&str>, done: Result<(), Error>| match done {
        Err(error) if !error.is_not_found() => {
            left.insert(format!("the {kind} {}: {error}", name.unwrap_or_default()));
        }
        _ => {}
    };
    for it in engine.services(Scope::All).await? {
        let name = it.spec.as_ref().and_then(|spec| spec.name.as_deref());
        if is_its(name) {
            let done = engine.remove_service(it.id.as_deref().unwrap_or_default()).await;
            note("service", name, done);
        }
    }
    for it in engine.networks(Scope::All).await? {
        // One that others would have made has their name, and says in a label whose it is.
        let labels = it.labels.as_ref();
        let stack = labels.and_then(|all| all.get(crate::engine::STACK_LABEL));
        if is_its(it.name.as_deref()) || is_its(stack.map(String::as_str)) {
            let done = engine.remove_network(it.id.as_deref().unwrap_or_default()).await;
            note("network", it.name.as_deref(), done);
        }
    }
    for it in engine.secrets(Scope::All).await? {
        let name = it.spec.as_ref().and_then(|spec| spec.name.as_deref());
        if is_its(name) {
            let done = engine.remove_secret(it.id.as_deref().unwrap_or_default()).await;
            note("secret", name, done);
        }
    }
    for it in engine.configs(Scope::All).await? {
        let name = it.spec.as_ref().and_then(|spec| spec.name.as_deref());
        if is_its(name) {
            let done = engine.remove_config(it.id.as_deref().unwrap_or_default()).await;
            note("config", name, done);
        }
    }
    for (name, there) in volumes(engine).await? {
        if is_its(Some(&name)) {
            let on = there.as_deref().unwrap_or(engine);
            note("volume", Some(&name), on.remove_volume(&name).await);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::simulated::Simulated;

    #[test]
    fn names_say_which_test_made_them() {
        for (name, prefix) in [
            ("potluck-test-3fa9c1-one_example_app", Some("potluck-test-3fa9c1-")),
            ("potluck.potluck-test-3fa9c1-one_example.lease", Some("potluck-test-3fa9c1-")),
            ("potluck-test-3fa9c1_app", None),
            ("potluck-test-3fa9-one", None),
            ("potluck-test-", None),
            ("wiki_example_org_app", None),
        ] {
            assert_eq!(prefix_of(name), prefix, "{name}");
        }
    }

    #[tokio::test]
    async fn one_test_is_removed_and_others_stay() {
        let folder = tempfile::tempdir().unwrap();
        let engine = Simulated::open(None, folder.path().join("volumes")).unwrap();
        for name in ["potluck-test-aaaaaa-one_example_data", "potluck-test-bbbbbb-x_data", "wiki"] {
            engine.create_volume(name, BTreeMap::new()).await.unwrap();
        }
        assert_eq!(clear(&engine, "potluck-test-aaaaaa-").await, [""; 0]);
        let names = async || -> Vec<String> {
            engine.volumes(Scope::All).await.unwrap().into_iter().map(|it| it.name).collect()
        };
        assert_eq!(names().await, ["potluck-test-bbbbbb-x_data", "wiki"]);
        // Nothing tells how old it is, so no test is at work with it.
        let said = older(&engine, "potluck-test-cccccc-").await.unwrap();
        assert_eq!(said, ["removed potluck-test-bbbbbb, which an earlier test left"]);
        assert_eq!(names().await, ["wiki"]);
    }
}
