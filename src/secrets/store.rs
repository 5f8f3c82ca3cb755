//! Secrets on a swarm.

use std::collections::HashMap;

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{Error, SecretPlan};
use crate::{
    engine::{Engine, Error as EngineError, LARGEST_SECRET, Scope, api},
    home::{AppName, StackName},
};

/// Says which app a secret was made for.
pub const APP_LABEL: &str = "org.potluck.app";

/// Names the encrypted copy of a secret that was written before the secret was made.
pub const KEPT_LABEL: &str = "org.potluck.kept";

/// Says which value a secret has, to who knows the value: see [`is_same`].
const VALUE_LABEL: &str = "org.potluck.value";

/// Largest value in bytes.
pub const MAX_SIZE: usize = LARGEST_SECRET;

/// A secret on the swarm that belongs to the app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredSecret {
    pub id: String,
    pub full_name: String,
}

/// Stores a value under its name on the swarm. `kept` names the encrypted copy that was
/// written before, if there is one; `digest` is the value's, if it is to be recognised.
///
/// # Errors
/// [`Error::Size`], [`Error::Exists`], [`Error::Engine`].
pub(super) async fn create(
    engine: &dyn Engine,
    app: &AppName,
    (name, version, full_name): (&str, &str, &str),
    value: &[u8],
    (kept, digest): (Option<&str>, Option<String>),
) -> Result<(), Error> {
    if value.is_empty() || value.len() > MAX_SIZE {
        let size = value.len();
        return Err(Error::Size { name: name.to_owned(), size, max: MAX_SIZE });
    }
    let mut labels = HashMap::from([(APP_LABEL.into(), app.to_string())]);
    labels.extend(kept.map(|id| (KEPT_LABEL.into(), id.to_owned())));
    labels.extend(digest.map(|digest| (VALUE_LABEL.into(), digest)));
    let spec = api::SecretSpec {
        name: Some(full_name.to_owned()),
        labels: Some(labels),
        // Handed over: the engine owns this copy from here on.
        data: Some(STANDARD.encode(value)),
        ..api::SecretSpec::default()
    };
    match engine.create_secret(spec).await {
        Ok(_) => Ok(()),
        Err(EngineError::Exists { .. }) => {
            Err(Error::Exists { name: name.to_owned(), version: version.to_owned() })
        }
        Err(e) => Err(e.into()),
    }
}

/// A digest by which a value is recognised: salted, and slow, because a password may be one
/// that can be guessed.
///
/// # Errors
/// [`Error::Random`].
pub(super) fn digest(value: &[u8]) -> Result<String, Error> {
    let mut salt = [0; 16];
    getrandom::fill(&mut salt).map_err(|e| Error::Random(e.to_string()))?;
    let told = |error: argon2::Error| Error::Random(error.to_string());
    Ok(format!("{}:{}", hex::encode(salt), hashed(value, &salt).map_err(told)?))
}

fn hashed(value: &[u8], salt: &[u8]) -> Result<String, argon2::Error> {
    let mut hash = [0; 32];
    argon2::Argon2::default().hash_password_into(value, salt, &mut hash)?;
    Ok(hex::encode(hash))
}

/// Whether a secret on the swarm says that it has this value.
pub(super) fn is_same(secret: &api::Secret, value: &[u8]) -> bool {
    let labels = secret.spec.as_ref().and_then(|spec| spec.labels.as_ref());
    let label = labels.and_then(|labels| labels.get(VALUE_LABEL)?.split_once(':'));
    label.is_some_and(|(salt, hash)| {
        hex::decode(salt).is_ok_and(|salt| hashed(value, &salt).is_ok_and(|found| found == hash))
    })
}

/// Removes one version of a secret from the swarm.
///
/// # Errors
/// [`Error::InUse`], [`Error::Engine`].
pub async fn remove_stored(engine: &dyn Engine, secret: &StoredSecret) -> Result<(), Error> {
    let services = users(engine, secret).await?;
    if !services.is_empty() {
        return Err(Error::InUse { name: secret.full_name.clone(), services });
    }
    Ok(engine.remove_secret(&secret.id).await?)
}

/// All secrets on the swarm that belong to the app, old versions included:
/// those labelled with it, and, made by hand or by abra, those with a planned
/// name in any version.
///
/// # Errors
/// [`Error::Engine`].
pub async fn stored(
    engine: &dyn Engine,
    app: &AppName,
    stack: &StackName,
    plans: &[SecretPlan],
) -> Result<Vec<StoredSecret>, Error> {
    let planned = |name: &str| {
        plans.iter().any(|plan| name == plan.full_name || is_version_of(name, stack, &plan.name))
    };
    stored_or(engine, app, planned).await
}

/// The same, with another rule for secrets without a label: `unlabelled`
/// is called with their full names.
///
/// # Errors
/// [`Error::Engine`].
pub async fn stored_or(
    engine: &dyn Engine,
    app: &AppName,
    unlabelled: impl Fn(&str) -> bool,
) -> Result<Vec<StoredSecret>, Error> {
    Ok(stored_among(&engine.secrets(Scope::All).await?, app, unlabelled))
}

/// The app's secrets among all of a swarm, by name.
pub(super) fn stored_among<'a>(
    all: impl IntoIterator<Item = &'a api::Secret>,
    app: &AppName,
    unlabelled: impl Fn(&str) -> bool,
) -> Vec<StoredSecret> {
    let mut secrets = Vec::new();
    for secret in all {
        let Some(spec) = &secret.spec else { continue };
        let Some(full_name) = spec.name.clone() else { continue };
        let ours = match spec.labels.as_ref().and_then(|labels| labels.get(APP_LABEL)) {
            Some(label) => label == app.as_str(),
            None => unlabelled(&full_name),
        };
        if let (true, Some(id)) = (ours, secret.id.clone()) {
            secrets.push(StoredSecret { id, full_name });
        }
    }
    secrets.sort_by(|a, b| a.full_name.cmp(&b.full_name));
    secrets
}

/// `<stack>_<name>_<version>`, where a version has no `_` of its own: a longer
/// name may belong to a stack whose name begins like ours.
pub(super) fn is_version_of(full_name: &str, stack: &StackName, name: &str) -> bool {
    full_name
        .strip_prefix(stack.as_str())
        .and_then(|rest| rest.strip_prefix('_')?.strip_prefix(name)?.strip_prefix('_'))
        .is_some_and(|version| !version.is_empty() && !version.contains('_'))
}

/// All secrets of a swarm.
pub(super) async fn by_name(engine: &dyn Engine) -> Result<HashMap<String, api::Secret>, Error> {
    let secrets = engine.secrets(Scope::All).await?;
    Ok(secrets
        .into_iter()
        .filter_map(|secret| Some((secret.spec.as_ref()?.name.clone()?, secret)))
        .collect())
}

/// Services that have the secret.
async fn users(engine: &dyn Engine, secret: &StoredSecret) -> Result<Vec<String>, Error> {
    let services = engine.services(Scope::All).await?;
    Ok(users_among(&services, Some(&secret.id), &secret.full_name))
}

/// Full names of the services that have a secret, sorted.
pub(super) fn users_among(
    services: &[api::Service],
    id: Option<&str>,
    full_name: &str,
) -> Vec<String> {
    let has = |spec: &&api::ServiceSpec| {
        let container = spec.task_template.as_ref().and_then(|t| t.container_spec.as_ref());
        container.and_then(|c| c.secrets.as_ref()).into_iter().flatten().any(|reference| {
            id.is_some() && reference.secret_id.as_deref() == id
                || reference.secret_name.as_deref() == Some(full_name)
        })
    };
    let specs = services.iter().filter_map(|service| service.spec.as_ref());
    let mut names: Vec<String> = specs.filter(has).filter_map(|spec| spec.name.clone()).collect();
    names.sort();
    names
}
