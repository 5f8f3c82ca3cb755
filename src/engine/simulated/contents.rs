//! Secrets and configs of a simulated swarm: their contents never change, only
//! their labels do (moby/swarmkit, `manager/controlapi/secret.go`, `config.go`).

use sha2::{Digest, Sha256};

use super::state::{State, id, in_use, not_found, now, refused};
use crate::engine::{Error, Kind, LARGEST_CONFIG, LARGEST_SECRET, api};

impl State {
    pub fn create_secret(&mut self, mut spec: api::SecretSpec) -> Result<String, Error> {
        let taken = self.secrets.iter().filter_map(|known| known.spec.as_ref()?.name.as_ref());
        let data = spec.data.take();
        let digest = digest(data.as_deref());
        check(Kind::Secret, spec.name.as_deref(), taken, data, LARGEST_SECRET)?;
        let version = self.bump();
        let id = id("secret", self.index);
        self.secret_digests.insert(id.clone(), digest);
        self.secrets.push(api::Secret {
            id: Some(id.clone()),
            version: Some(version),
            created_at: now(),
            updated_at: now(),
            spec: Some(spec),
        });
        Ok(id)
    }

    pub fn update_secret(
        &mut self,
        id: &str,
        version: u64,
        spec: api::SecretSpec,
    ) -> Result<(), Error> {
        if self.secret_matches(id, &spec)? == Some(false) {
            return Err(only_labels("secret", id));
        }
        let next = self.bump();
        let found = self.secrets.iter_mut().find(|s| s.id.as_deref() == Some(id));
        let found = found.ok_or_else(|| not_found(Kind::Secret, id))?;
        relabel(id, version, next, &mut found.version, &mut found.spec, |s| s.labels = spec.labels)
    }

    pub fn update_config(
        &mut self,
        id: &str,
        version: u64,
        spec: api::ConfigSpec,
    ) -> Result<(), Error> {
        let next = self.bump();
        let found = self.configs.iter_mut().find(|c| c.id.as_deref() == Some(id));
        let found = found.ok_or_else(|| not_found(Kind::Config, id))?;
        if found.spec.as_ref().is_some_and(|old| old.data != spec.data) {
            return Err(only_labels("config", id));
        }
        relabel(id, version, next, &mut found.version, &mut found.spec, |s| s.labels = spec.labels)
    }

    pub fn secret_matches(&self, id: &str, spec: &api::SecretSpec) -> Result<Option<bool>, Error> {
        if !self.secrets.iter().any(|secret| secret.id.as_deref() == Some(id)) {
            return Err(not_found(Kind::Secret, id));
        }
        let known = self.secret_digests.get(id);
        Ok(known.map(|known| *known == digest(spec.data.as_deref())))
    }

    pub fn remove_secret(&mut self, id: &str) -> Result<(), Error> {
        let known = self.secrets.iter();
        let known =
            known.map(|s| (s.id.as_deref(), s.spec.as_ref().and_then(|s| s.name.as_deref())));
        let (id, name) = find(Kind::Secret, known, id)?;
        let users = self.users(|container| {
            container.secrets.iter().flatten().any(|used| used.secret_id.as_ref() == Some(&id))
        });
        if !users.is_empty() {
            return Err(in_use("secret", &id, &name, &users));
        }
        self.secret_digests.remove(&id);
        self.secrets.retain(|secret| secret.id.as_ref() != Some(&id));
        Ok(())
    }

    pub fn create_config(&mut self, spec: api::ConfigSpec) -> Result<String, Error> {
        let taken = self.configs.iter().filter_map(|known| known.spec.as_ref()?.name.as_ref());
        check(Kind::Config, spec.name.as_deref(), taken, spec.data.clone(), LARGEST_CONFIG)?;
        let version = self.bump();
        let id = id("config", self.index);
        self.configs.push(api::Config {
            id: Some(id.clone()),
            version: Some(version),
            created_at: now(),
            updated_at: now(),
            spec: Some(spec),
        });
        Ok(id)
    }

    pub fn remove_config(&mut self, id: &str) -> Result<(), Error> {
        let known = self.configs.iter();
        let known =
            known.map(|c| (c.id.as_deref(), c.spec.as_ref().and_then(|s| s.name.as_deref())));
        let (id, name) = find(Kind::Config, known, id)?;
        let users = self.users(|container| {
            container.configs.iter().flatten().any(|used| used.config_id.as_ref() == Some(&id))
        });
        if !users.is_empty() {
            return Err(in_use("config", &id, &name, &users));
        }
        self.configs.retain(|config| config.id.as_ref() != Some(&id));
        Ok(())
    }
}

/// Id and name of the one that goes by this id or name.
fn find<'a>(
    kind: Kind,
    mut known: impl Iterator<Item = (Option<&'a str>, Option<&'a str>)>,
    wanted: &str,
) -> Result<(String, String), Error> {
    let found = known.find(|(id, name)| *id == Some(wanted) || *name == Some(wanted));
    let (id, name) = found.ok_or_else(|| not_found(kind, wanted))?;
    Ok((id.unwrap_or_default().to_owned(), name.unwrap_or_default().to_owned()))
}

fn only_labels(kind: &str, id: &str) -> Error {
    refused(format!("update the {kind} `{id}`"), "only updates to Labels are allowed")
}

fn relabel<S>(
    id: &str,
    version: u64,
    next: api::ObjectVersion,
    current: &mut Option<api::ObjectVersion>,
    spec: &mut Option<S>,
    change: impl FnOnce(&mut S),
) -> Result<(), Error> {
    if current.as_ref().and_then(|current| current.index) != Some(version) {
        return Err(Error::OutOfSequence { service: id.to_owned() });
    }
    *current = Some(next);
    spec.as_mut().map(change);
    Ok(())
}

fn digest(data: Option<&str>) -> String {
    hex::encode(Sha256::digest(data.unwrap_or_default()))
}

/// Checks that a secret or config may be created: its name is free, and the
/// manager accepts both name and data.
fn check<'a>(
    kind: Kind,
    name: Option<&str>,
    mut taken: impl Iterator<Item = &'a String>,
    data: Option<String>,
    largest: usize,
) -> Result<(), Error> {
    let name = name.unwrap_or_default();
    if taken.any(|taken| taken == name) {
        return Err(Error::Exists { kind, name: name.to_owned() });
    }
    check_data(name, data, largest)
        .map_err(|message| refused(format!("create the {kind} `{name}`"), message))
}

/// The rules for secrets and configs alike.
fn check_data(name: &str, data: Option<String>, largest: usize) -> Result<(), String> {
    use base64::Engine as _;
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    let good = name.len() <= 64
        && edge(name.chars().next())
        && edge(name.chars().last())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
    if !good {
        return Err("invalid name, only 64 [a-zA-Z0-9-_.] characters allowed, and the start \
                    and end character must be [a-zA-Z0-9]"
            .into());
    }
    let data = zeroize::Zeroizing::new(data.unwrap_or_default());
    let data = base64::engine::general_purpose::STANDARD
        .decode(data.as_bytes())
        .map_err(|_| "the data is not base64".to_owned())?;
    let data = zeroize::Zeroizing::new(data);
    if data.is_empty() || data.len() > largest {
        return Err(format!("data must be larger than 0 and less than {} bytes", largest + 1));
    }
    Ok(())
}
