//! Which secrets an app needs, from its compose files and its settings; pure.
//!
//! As abra does it (`pkg/secret`, `ReadSecretsConfig`): only secrets that a
//! service of the active compose files uses count, and the key that versions a
//! secret is the one its `name:` is interpolated with.

use std::collections::{BTreeMap, BTreeSet};

use super::{Charset, Error, value::Shape};
use crate::{
    compose::{Source, Stack},
    home::EnvFile,
};

/// Longest generated password; a larger length is a typing mistake.
const MAX_LENGTH: usize = 4096;
/// Of a password whose charset is given and whose length is not.
const DEFAULT_LENGTH: usize = 32;
/// Docker's limit on the name of a secret, in bytes.
const MAX_NAME: usize = 64;

/// One secret that the app needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretPlan {
    /// Without stack and version, `db_password`.
    pub name: String,
    /// `v1`; empty when the name has none.
    pub version: String,
    /// The name on the swarm, `wiki_example_org_db_password_v1`.
    pub full_name: String,
    /// The key of the settings that holds the version.
    pub key: Option<String>,
    pub shape: Shape,
    /// False when its value has to be inserted: `generate=false`, or no key
    /// has its version, so that its form is unknown.
    pub generate: bool,
}

impl SecretPlan {
    /// The same secret in another version; none where its name has none.
    ///
    /// # Errors
    /// [`Error::NameTooLong`].
    pub fn in_version(&self, version: &str) -> Result<Option<Self>, Error> {
        let stem = match (&self.key, self.version.as_str()) {
            // The settings lack it: `wiki_db_password_`.
            (Some(_), "") => Some(self.full_name.as_str()),
            (None, "") => None,
            (_, here) => self.full_name.strip_suffix(here),
        };
        let Some(stem) = stem else { return Ok(None) };
        let full_name = format!("{stem}{version}");
        if full_name.len() > MAX_NAME {
            return Err(Error::NameTooLong { full_name });
        }
        Ok(Some(SecretPlan { full_name, version: version.to_owned(), ..self.clone() }))
    }
}

/// The secrets of an app, as far as its settings say what they are.
#[derive(Debug, Default)]
pub struct Survey {
    /// Sorted by name.
    pub plans: Vec<SecretPlan>,
    /// Those that cannot be planned for, by their name on the swarm.
    pub unplanned: BTreeMap<String, Unplanned>,
}

/// A secret for which the settings say too little.
#[derive(Debug)]
pub struct Unplanned {
    /// Without stack and version, `db_password`.
    pub name: String,
    pub error: Error,
}

impl Survey {
    /// All secrets.
    ///
    /// # Errors
    /// Why the first of them cannot be planned for.
    pub fn complete(self) -> Result<Vec<SecretPlan>, Error> {
        match self.unplanned.into_values().next() {
            Some(unplanned) => Err(unplanned.error),
            None => Ok(self.plans),
        }
    }

    /// As [`Survey::one`], for a version that is named elsewhere: the settings may
    /// lack theirs. The plan's version is empty then, and `key` should have it.
    ///
    /// # Errors
    /// As [`Survey::one`].
    pub fn any_version(self, name: &str) -> Result<SecretPlan, Error> {
        let open =
            self.unplanned.iter().find_map(|(full_name, unplanned)| match &unplanned.error {
                Error::NoVersion { name: lacking, key } if lacking == name => Some(SecretPlan {
                    name: name.to_owned(),
                    version: String::new(),
                    full_name: full_name.clone(),
                    key: Some(key.clone()),
                    shape: Shape::Passphrase,
                    generate: false,
                }),
                _ => None,
            });
        match open {
            Some(plan) => Ok(plan),
            None => self.one(name),
        }
    }

    /// The plan of the secret with this name, whatever is wrong with others.
    ///
    /// # Errors
    /// Why it cannot be planned for; [`Error::Unknown`].
    pub fn one(self, name: &str) -> Result<SecretPlan, Error> {
        match self.unplanned.into_values().find(|unplanned| unplanned.name == name) {
            Some(unplanned) => Err(unplanned.error),
            None => find(&self.plans, name).cloned(),
        }
    }
}

/// The secrets that the stack's services use and that are its own, sorted by
/// name. `sources` are the active compose files; without them keys are found by
/// their names only.
///
/// # Errors
/// [`Error::NoVersion`], [`Error::Modifier`], [`Error::NameTooLong`].
pub fn wanted(stack: &Stack, env: &EnvFile, sources: &[Source]) -> Result<Vec<SecretPlan>, Error> {
    survey(stack, env, sources).complete()
}

/// As [`wanted`], with all that is wrong.
pub fn survey(stack: &Stack, env: &EnvFile, sources: &[Source]) -> Survey {
    let used: BTreeSet<&str> = stack
        .services
        .iter()
        .filter_map(|service| service.spec.task_template.as_ref()?.container_spec.as_ref())
        .flat_map(|container| container.secrets.iter().flatten())
        .filter_map(|reference| reference.secret_name.as_deref())
        .collect();
    let keys = version_keys(env, sources);
    let prefix = format!("{}_", stack.name);
    let mut survey = Survey::default();
    for full_name in &stack.external_secrets {
        // A name without the stack's is shared with others and not ours.
        let Some(rest) = full_name.strip_prefix(&prefix) else { continue };
        if !used.contains(full_name.as_str()) {
            continue;
        }
        let planned = if full_name.len() > MAX_NAME {
            Err(Error::NameTooLong { full_name: full_name.clone() })
        } else {
            plan(rest, full_name, env, &keys)
        };
        match planned {
            Ok(plan) => survey.plans.push(plan),
            Err(error) => {
                let name = match &error {
                    Error::NoVersion { name, .. } => name,
                    _ => rest.rsplit_once('_').map_or(rest, |(name, _)| name),
                };
                let name = name.to_owned();
                survey.unplanned.insert(full_name.clone(), Unplanned { name, error });
            }
        }
    }
    survey.plans.sort_by(|a, b| a.name.cmp(&b.name));
    survey.plans.dedup();
    survey
}

/// The plan of the secret with this name.
///
/// # Errors
/// [`Error::Unknown`] with the nearest name.
pub fn find<'a>(plans: &'a [SecretPlan], name: &str) -> Result<&'a SecretPlan, Error> {
    plans.iter().find(|plan| plan.name == name).ok_or_else(|| {
        let names: Vec<_> = plans.iter().map(|plan| plan.name.clone()).collect();
        let nearest = crate::hint::nearest(name, &names).cloned();
        Error::Unknown { name: name.into(), nearest }
    })
}

fn plan(
    rest: &str,
    full_name: &str,
    env: &EnvFile,
    keys: &BTreeMap<String, String>,
) -> Result<SecretPlan, Error> {
    // `db_password_` is what is left of a version that is not set.
    if let Some(name) = rest.strip_suffix('_') {
        let key =
            keys.get(name).cloned().unwrap_or_else(|| format!("SECRET_{}_VERSION", upper(name)));
        return Err(Error::NoVersion { name: name.into(), key });
    }
    // The longest name that fits: `db` with `password_v1` must not win over
    // `db_password` with `v1`.
    let versioned = keys
        .iter()
        .filter_map(|(name, key)| {
            let version = rest.strip_prefix(name.as_str())?.strip_prefix('_')?;
            (env.get(key) == Some(version)).then_some((name, version, key))
        })
        .max_by_key(|(name, ..)| name.len());
    let Some((name, version, key)) = versioned else {
        let (name, version) = rest.rsplit_once('_').unwrap_or((rest, ""));
        return Ok(SecretPlan {
            name: name.into(),
            version: version.into(),
            full_name: full_name.into(),
            key: None,
            shape: Shape::Passphrase,
            generate: false,
        });
    };
    let modifiers = env.modifiers(key);
    let wrong = |message: String| Error::Modifier { key: key.clone(), message };
    let generate = match modifiers.get("generate").map(String::as_str) {
        None | Some("true") => true,
        Some("false") => false,
        Some(other) => {
            return Err(wrong(format!("`generate={other}` is neither true nor false")));
        }
    };
    let length = modifiers.get("length").map(|length| match length.parse() {
        Ok(length @ 1..=MAX_LENGTH) => Ok(length),
        _ => Err(wrong(format!("`length={length}` is not a number from 1 to {MAX_LENGTH}"))),
    });
    let charset = modifiers.get("charset").map(|names| Charset::parse(names).map_err(wrong));
    let shape = match (length.transpose()?, charset.transpose()?) {
        (None, None) => Shape::Passphrase,
        (length, charset) => Shape::Password {
            length: length.unwrap_or(DEFAULT_LENGTH),
            charset: charset.unwrap_or_default(),
        },
    };
    Ok(SecretPlan {
        name: name.clone(),
        version: version.into(),
        full_name: full_name.into(),
        key: Some(key.clone()),
        shape,
        generate,
    })
}

/// Secrets' names and the keys that hold their versions. The text in a compose file,
/// `${STACK_NAME}_db_password_${SECRET_DB_PW_VERSION}`, is more reliable than the key's own
/// name.
fn version_keys(env: &EnvFile, sources: &[Source]) -> BTreeMap<String, String> {
    let mut keys = BTreeMap::new();
    let settings = env.values();
    let candidates: Vec<&str> = settings
        .iter()
        .map(|(key, _)| key.as_str())
        .chain(sources.iter().flat_map(|source| references(&source.text)))
        .filter(|key| key.starts_with("SECRET_"))
        .collect();
    for key in &candidates {
        let name = key.trim_start_matches("SECRET_");
        let name = name.strip_suffix("_VERSION").unwrap_or(name);
        if !name.is_empty() {
            keys.insert(name.to_ascii_lowercase(), (*key).to_owned());
        }
    }
    for source in sources {
        for (name, key) in written_names(&source.text) {
            keys.insert(name, key);
        }
    }
    keys
}

/// Keys that a compose file refers to.
fn references(text: &str) -> impl Iterator<Item = &str> {
    text.split('$').skip(1).map(|rest| {
        let rest = rest.strip_prefix('{').unwrap_or(rest);
        &rest[..rest.find(|c| !is_word(c)).unwrap_or(rest.len())]
    })
}

/// `(db_password, SECRET_X)` of each `…}_db_password_${SECRET_X…`.
pub(crate) fn written_names(text: &str) -> Vec<(String, String)> {
    let mut names = Vec::new();
    for (at, _) in text.match_indices("_$") {
        let key = references(&text[at + 1..]).next().unwrap_or_default();
        let before = &text[..at];
        let word = |c: char| is_word(c) || c == '-';
        let Some(end) = before.rfind(|c| !word(c)) else { continue };
        // The text before it must be the stack's name, `${STACK_NAME}`.
        if let Some(name) = before[end..].strip_prefix("}_")
            && !name.is_empty()
            && key.starts_with("SECRET_")
        {
            names.push((name.to_owned(), key.to_owned()));
        }
    }
    names
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

fn upper(name: &str) -> String {
    name.to_ascii_uppercase().replace('-', "_")
}
