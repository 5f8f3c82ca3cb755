//! Secrets and configs of a simulated swarm: their contents never change, only
//! their labels do (moby/swarmkit, `manager/controlapi/secret.go`, `config.go`).

use sha2::{Digest, Sha256};

use super::state::{State, id, in_use, not_found, now, refused};
use crate::engine::{Error, Kind, api};

/// Secret data: `MaxSecretSize` of swarmkit, in bytes.
const LARGEST_SECRET: usize = 500 * 1024;
/// Config data: `MaxConfigSize` of swarmkit, in bytes.
const LARGEST_CONFIG: usize = 1000 * 1024;

impl State {
    pub fn create_secret(&mut self, mut spec: api::SecretSpec) -> Result<String, Error> {
        let name = spec.name.clone().unwrap_or_default();
        if self.secrets.iter().filter_map(|known| known.spec.as_ref()).any(|s| s.name == spec.name)
        {
            return Err(Error::Exists { kind: Kind::Secret, name });
        }
        let data = spec.data.take();
        let digest = digest(data.as_deref());
        check_data(&name, data, LARGEST_SECRET)
            .map_err(|message| refused(format!("create the secret `{name}`"), message))?;
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
        let named = |secret: &api::Secret| secret.spec.as_ref().and_then(|spec| spec.name.clone());
        let is = |secret: &api::Secret| {
            secret.id.as_deref() == Some(id) || named(secret).as_deref() == Some(id)
        };
        let found = self.secrets.iter().find(|secret| is(secret));
        let found = found.ok_or_else(|| not_found(Kind::Secret, id))?;
        let users = self.users(|container| {
            container.secrets.iter().flatten().any(|used| used.secret_id == found.id)
        });
        if !users.is_empty() {
            return Err(in_use("secret", id, &named(found).unwrap_or_default(), &users));
        }
        if let Some(id) = &found.id {
            self.secret_digests.remove(id);
        }
        self.secrets.retain(|secret| !is(secret));
        Ok(())
    }

    pub fn create_config(&mut self, spec: api::ConfigSpec) -> Result<String, Error> {
        let name = spec.name.clone().unwrap_or_default();
        if self.configs.iter().filter_map(|known| known.spec.as_ref()).any(|s| s.name == spec.name)
        {
            return Err(Error::Exists { kind: Kind::Config, name });
        }
        check_data(&name, spec.data.clone(), LARGEST_CONFIG)
            .map_err(|message| refused(format!("create the config `{name}`"), message))?;
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
        let named = |config: &api::Config| config.spec.as_ref().and_then(|spec| spec.name.clone());
        let is = |config: &api::Config| {
            config.id.as_deref() == Some(id) || named(config).as_deref() == Some(id)
        };
        let found = self.configs.iter().find(|config| is(config));
        let found = found.ok_or_else(|| not_found(Kind::Config, id))?;
        let users = self.users(|container| {
            container.configs.iter().flatten().any(|used| used.config_id == found.id)
        });
        if !users.is_empty() {
            return Err(in_use("config", id, &named(found).unwrap_or_default(), &users));
        }
        self.configs.retain(|config| !is(config));
        Ok(())
    }
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
    if data.is_empty() || data.len() >= largest {
        return Err(format!("data must be larger than 0 and less than {largest} bytes"));
    }
    Ok(())
}
