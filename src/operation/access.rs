//! The app's secrets and a plugin's memory, as plugins reach them.

use std::sync::Arc;

use async_trait::async_trait;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use zeroize::Zeroizing;

use crate::{
    engine::{Engine, Error as EngineError, Scope, api},
    home::MemoryFile,
    plugin::{Memory, SecretAccess, SecretError},
};

use super::{App, Context, Error, undeploy::APP_LABEL};

/// The secrets of one app: those that its recipe declares external, under the
/// app's own prefix.
pub(crate) struct AppSecrets {
    engine: Arc<dyn Engine>,
    app: String,
    /// Short and full name: `db_password`, `wiki_example_org_db_password_v1`.
    known: Vec<(String, String)>,
}

impl AppSecrets {
    pub fn of(app: &App) -> Self {
        let prefix = format!("{}_", app.name);
        let known = app
            .stack
            .external_secrets
            .iter()
            .filter_map(|full| Some((short_name(full.strip_prefix(&prefix)?), full.clone())))
            .collect();
        AppSecrets { engine: Arc::clone(&app.engine), app: app.entry.name.to_string(), known }
    }

    fn full_name(&self, name: &str) -> Result<&str, SecretError> {
        self.known
            .iter()
            .find(|(short, full)| short == name || full == name)
            .map(|(_, full)| full.as_str())
            .ok_or_else(|| SecretError::Unknown(name.to_owned()))
    }
}

/// The name without the version that recipes put at its end, `_v1`.
fn short_name(name: &str) -> String {
    match name.rsplit_once('_') {
        Some((short, version))
            if version
                .strip_prefix('v')
                .is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit())) =>
        {
            short.to_owned()
        }
        _ => name.to_owned(),
    }
}

#[async_trait]
impl SecretAccess for AppSecrets {
    /// Swarm never gives a value back, and potluck keeps none yet.
    async fn reveal(&self, name: &str) -> Result<Zeroizing<String>, SecretError> {
        let full = self.full_name(name)?;
        Err(SecretError::Engine(format!(
            "the value of `{full}` is known to the swarm only, which gives it to services; run a command in one that has it"
        )))
    }

    /// Stores a secret that is not there yet. One that is there cannot change:
    /// its version in the settings has to be raised first.
    async fn put(&self, name: &str, value: Zeroizing<String>) -> Result<(), SecretError> {
        let full = self.full_name(name)?;
        let failed = |e: EngineError| match e {
            EngineError::Exists { .. } => SecretError::Exists(name.to_owned()),
            other => SecretError::Engine(other.to_string()),
        };
        let there = self.engine.secrets(Scope::All).await.map_err(failed)?;
        if there.iter().any(|s| s.spec.as_ref().and_then(|s| s.name.as_deref()) == Some(full)) {
            return Err(SecretError::Exists(name.to_owned()));
        }
        let labels = [(APP_LABEL.to_owned(), self.app.clone())].into();
        let spec = api::SecretSpec {
            name: Some(full.to_owned()),
            labels: Some(labels),
            data: Some(STANDARD.encode(value.as_bytes())),
            ..Default::default()
        };
        self.engine.create_secret(spec).await.map_err(failed)?;
        Ok(())
    }
}

/// The memory of one plugin of one app.
pub(crate) struct AppMemory(MemoryFile);

impl AppMemory {
    pub fn of(context: &Context, app: &App, plugin: &str) -> Result<Self, Error> {
        Ok(AppMemory(context.home.memory(&app.entry, plugin)?))
    }
}

impl Memory for AppMemory {
    fn get(&self, key: &str) -> Result<Option<String>, String> {
        self.0.get(key).map_err(|e| e.to_string())
    }

    fn set(&self, key: &str, value: &str) -> Result<(), String> {
        self.0.set(key, value).map_err(|e| e.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::short_name;

    #[test]
    fn versions_are_no_part_of_a_secrets_name() {
        for (full, short) in [
            ("db_password_v1", "db_password"),
            ("db_password_v12", "db_password"),
            ("db_password", "db_password"),
            ("key_v", "key_v"),
            ("x_vault", "x_vault"),
        ] {
            assert_eq!(short_name(full), short);
        }
    }
}
