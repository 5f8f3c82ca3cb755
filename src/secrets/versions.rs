//! All versions of an app's secrets: those that its settings ask for, and those
//! that its swarm has, with the services that use them.

use std::collections::{BTreeMap, BTreeSet};

use super::{Error, StoredSecret, Survey, store};
use crate::{
    engine::{Engine, Scope, api},
    hint::nearest,
    home::{AppName, StackName},
};

/// One version of a secret.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct SecretVersion {
    /// Without stack and version, `db_password`.
    pub name: String,
    /// `v1`; empty when the name has none.
    pub version: String,
    pub full_name: String,
    /// Whether it is what the settings ask for.
    pub current: bool,
    /// Whether `generate` would make it.
    pub generate: bool,
    /// When it was stored, as the engine says; none when it is missing.
    pub created_at: Option<String>,
    /// Its id on the swarm; none when it is missing.
    pub id: Option<String>,
    /// Full names of the services that have it.
    pub used_by: Vec<String>,
    /// Why it cannot be generated, if the settings are the reason.
    pub problem: Option<String>,
    /// Whether an encrypted copy is kept: see [`super::escrow`].
    pub kept: bool,
    /// Names of those who can read that copy; none when it does not say, as one that age
    /// itself made.
    pub readers: Option<Vec<String>>,
    /// Names of those who were removed from the recipients and could read it.
    pub rotate_because_of: Vec<String>,
}

impl SecretVersion {
    /// It on the swarm; none when it is missing.
    pub fn stored(&self) -> Option<StoredSecret> {
        let id = self.id.clone()?;
        Some(StoredSecret { id, full_name: self.full_name.clone() })
    }
}

/// Every version, by name; of one name the current one first, then the newest.
///
/// # Errors
/// [`Error::Engine`].
pub async fn versions(
    engine: &dyn Engine,
    app: &AppName,
    stack: &StackName,
    survey: &Survey,
) -> Result<Vec<SecretVersion>, Error> {
    let (secrets, services) =
        futures_util::try_join!(engine.secrets(Scope::All), engine.services(Scope::All))?;
    let present: BTreeMap<String, api::Secret> = secrets
        .into_iter()
        .filter_map(|secret| Some((secret.spec.as_ref()?.name.clone()?, secret)))
        .collect();
    let row = |full_name: &str, (name, version): (&str, &str)| {
        let secret = present.get(full_name);
        let stored = secret.and_then(|secret| secret.id.clone());
        SecretVersion {
            name: name.into(),
            version: version.into(),
            full_name: full_name.into(),
            created_at: secret.and_then(|secret| secret.created_at.clone()),
            used_by: store::users_among(&services, stored.as_deref(), full_name),
            id: stored,
            ..SecretVersion::default()
        }
    };
    let mut all: Vec<SecretVersion> = Vec::new();
    for plan in &survey.plans {
        let (current, generate) = (true, plan.generate);
        let row = row(&plan.full_name, (&plan.name, &plan.version));
        all.push(SecretVersion { current, generate, ..row });
    }
    for (full_name, unplanned) in &survey.unplanned {
        let problem = Some(unplanned.error.to_string());
        let row = row(full_name, (&unplanned.name, ""));
        all.push(SecretVersion { current: true, problem, ..row });
    }
    let planned: BTreeSet<String> = all.iter().map(|version| version.full_name.clone()).collect();
    let names: BTreeSet<&str> = all.iter().map(|version| version.name.as_str()).collect();
    let others = store::stored_among(present.values(), app, |name| {
        names.iter().any(|secret| store::is_version_of(name, stack, secret))
    });
    let others: Vec<SecretVersion> = others
        .into_iter()
        .filter(|secret| !planned.contains(&secret.full_name))
        .map(|secret| row(&secret.full_name, parts(&secret.full_name, stack, &names)))
        .collect();
    all.extend(others);
    all.sort_by(|a, b| {
        (&a.name, b.current, &b.created_at, &a.version).cmp(&(
            &b.name,
            a.current,
            &a.created_at,
            &b.version,
        ))
    });
    Ok(all)
}

/// The version that is meant, which must be on the swarm or kept; without one, the current.
///
/// # Errors
/// [`Error::Unknown`] with the nearest name, [`Error::NotStored`].
pub fn find_version<'a>(
    all: &'a [SecretVersion],
    name: &str,
    version: Option<&str>,
) -> Result<&'a SecretVersion, Error> {
    let of_name: Vec<&SecretVersion> = all.iter().filter(|row| row.name == name).collect();
    if of_name.is_empty() {
        let names: Vec<_> = all.iter().map(|row| row.name.clone()).collect();
        return Err(Error::Unknown { name: name.into(), nearest: nearest(name, &names).cloned() });
    }
    let meant = of_name.iter().find(|row| match version {
        Some(version) => row.version == version,
        None => row.current,
    });
    match meant {
        Some(row) if row.id.is_some() || row.kept => Ok(row),
        meant => Err(Error::NotStored {
            name: name.into(),
            version: version
                .or(meant.map(|row| row.version.as_str()))
                .unwrap_or_default()
                .to_owned(),
            stored: of_name
                .iter()
                .filter(|row| row.id.is_some())
                .map(|row| row.version.clone())
                .collect(),
        }),
    }
}

/// Name and version of a stored secret. Of the recipe's names, the longest
/// that matches: `db_password_v1` is not a version of `db`.
fn parts<'a>(full_name: &'a str, stack: &StackName, names: &BTreeSet<&str>) -> (&'a str, &'a str) {
    let rest = full_name.strip_prefix(stack.as_str()).and_then(|rest| rest.strip_prefix('_'));
    let rest = rest.unwrap_or(full_name);
    let known = names
        .iter()
        .filter_map(|name| Some((name.len(), rest.strip_prefix(name)?.strip_prefix('_')?)))
        .max_by_key(|(length, _)| *length);
    match known {
        Some((length, version)) => (&rest[..length], version),
        None => rest.rsplit_once('_').unwrap_or((rest, "")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_taken_apart_by_the_names_that_the_recipe_has() {
        let stack = StackName::new("a_example").unwrap();
        let names = BTreeSet::from(["db", "db_password"]);
        for (full_name, name, version) in [
            ("a_example_db_v1", "db", "v1"),
            ("a_example_db_password_v1", "db_password", "v1"),
            ("a_example_db_password_v_2", "db_password", "v_2"),
            ("a_example_gone_token_v3", "gone_token", "v3"),
            ("a_example_plain", "plain", ""),
            ("elsewhere", "elsewhere", ""),
        ] {
            assert_eq!(parts(full_name, &stack, &names), (name, version), "{full_name}");
        }
    }

    fn row(name: &str, version: &str, current: bool, stored: bool) -> SecretVersion {
        SecretVersion {
            name: name.into(),
            version: version.into(),
            full_name: format!("a_example_{name}_{version}"),
            current,
            generate: current,
            id: stored.then(|| "id".into()),
            ..SecretVersion::default()
        }
    }

    #[test]
    fn the_current_version_is_meant_where_none_is_named() {
        let all = [row("a", "v2", true, true), row("a", "v1", false, true)];
        let found = |version| find_version(&all, "a", version).unwrap().version.clone();
        assert_eq!((found(None), found(Some("v1"))), ("v2".into(), "v1".into()));
        let missing = |all: &[SecretVersion], name: &str, version| {
            find_version(all, name, version).unwrap_err().to_string()
        };
        assert_eq!(
            missing(&all, "a", Some("v9")),
            "the secret `a` is not on the server in version v9; it has v2, v1"
        );
        assert_eq!(
            missing(&[row("a", "v3", true, false)], "a", None),
            "the secret `a` is not on the server"
        );
        assert_eq!(missing(&all, "b", None), "the app has no secret `b`");
    }
}
