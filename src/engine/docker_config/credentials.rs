//! Credentials for registries: from `config.json` itself or from the helper
//! programs that it names (`docker-credential-…`).
//!
//! The rules are docker's (docker/cli, `cli/config/configfile/file.go`,
//! `cli/config/credentials/`): a helper of the registry's own, else the general
//! one, else the file; Docker Hub goes by the key of its first version.

use std::{fmt, process::Stdio, time::Duration};

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE},
};
use serde::{Deserialize, Serialize};
use tokio::{io::AsyncWriteExt, process::Command};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::{DockerConfig, Error};
use crate::engine::RegistryAuth;

/// The registry of images that name none.
const HUB: &str = "docker.io";
/// What docker calls it in its configuration.
const HUB_KEY: &str = "https://index.docker.io/v1/";
/// Helpers say this, and fail, where they have nothing.
const NOT_FOUND: &str = "credentials not found in native keychain";
/// The user whose password is an identity token.
const TOKEN_USER: &str = "<token>";
/// A helper may have to ask the person; a forgotten question must end, too.
const PATIENCE: Duration = Duration::from_secs(60);

/// What `config.json` says of a registry.
#[derive(Clone, Deserialize, Zeroize, ZeroizeOnDrop)]
pub(super) struct Entry {
    /// base64 of `user:password`; beats the two.
    #[serde(default)]
    auth: String,
    #[serde(default)]
    username: String,
    #[serde(default)]
    password: String,
    #[serde(default)]
    identitytoken: String,
    #[serde(default)]
    registrytoken: String,
}

/// How somebody is known to a registry: docker's `AuthConfig`, as the engine takes it.
#[derive(Clone, Serialize, Zeroize, ZeroizeOnDrop)]
pub struct Login {
    #[serde(skip_serializing_if = "String::is_empty")]
    username: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    password: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    serveraddress: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    identitytoken: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    registrytoken: String,
}

/// What a helper answers.
#[derive(Deserialize, Zeroize, ZeroizeOnDrop)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    #[serde(default)]
    username: String,
    #[serde(default)]
    secret: String,
}

impl DockerConfig {
    /// Credentials for a registry by its host, `registry.example.org:5000` or
    /// `docker.io`; none where docker has none.
    ///
    /// # Errors
    /// [`Error::Helper`], [`Error::HelperTimedOut`], [`Error::Syntax`].
    pub async fn credentials(&self, registry: &str) -> Result<Option<RegistryAuth>, Error> {
        Ok(self.login(registry).await?.map(|login| login.header()))
    }

    /// The same, for requests to the registry itself.
    ///
    /// # Errors
    /// As [`DockerConfig::credentials`].
    pub async fn login(&self, registry: &str) -> Result<Option<Login>, Error> {
        let key = if registry == HUB { HUB_KEY } else { registry };
        match self.helper(key) {
            Some(helper) => ask(&helper, key).await,
            None => self.in_file(key),
        }
    }

    /// The program that keeps the credentials of a registry.
    fn helper(&self, key: &str) -> Option<String> {
        let own = self.file.cred_helpers.as_ref().and_then(|helpers| helpers.get(key));
        let suffix = own.or(self.file.creds_store.as_ref())?;
        (!suffix.is_empty()).then(|| format!("docker-credential-{suffix}"))
    }

    fn in_file(&self, key: &str) -> Result<Option<Login>, Error> {
        let Some(auths) = &self.file.auths else { return Ok(None) };
        // Old configurations have whole addresses for keys.
        let by_host = || auths.iter().find(|(address, _)| host_of(address) == key);
        let Some((address, entry)) = auths.get_key_value(key).or_else(by_host) else {
            return Ok(None);
        };
        let (mut username, mut password) = (entry.username.clone(), entry.password.clone());
        if !entry.auth.is_empty() {
            let bad = || Error::Syntax {
                path: self.folder.join("config.json"),
                reason: format!("`auth` of {address} is not the base64 of `user:password`"),
            };
            let bytes = Zeroizing::new(STANDARD.decode(entry.auth.trim()).map_err(|_| bad())?);
            let text = std::str::from_utf8(&bytes).map_err(|_| bad())?;
            let (user, secret) = text.split_once(':').ok_or_else(bad)?;
            username = user.to_owned();
            password = secret.trim_matches('\0').to_owned();
        }
        Ok(Some(Login {
            username,
            password,
            serveraddress: address.clone(),
            identitytoken: entry.identitytoken.clone(),
            registrytoken: entry.registrytoken.clone(),
        }))
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Login({})", self.serveraddress)
    }
}

impl Login {
    /// User and password.
    pub fn basic(&self) -> Option<(&str, &str)> {
        let is_known = !self.username.is_empty() && !self.password.is_empty();
        is_known.then_some((self.username.as_str(), self.password.as_str()))
    }

    /// What the registry's authorization service takes in place of a password.
    pub fn identity_token(&self) -> Option<&str> {
        Some(self.identitytoken.as_str()).filter(|token| !token.is_empty())
    }

    /// What the registry takes as it is.
    pub fn registry_token(&self) -> Option<&str> {
        Some(self.registrytoken.as_str()).filter(|token| !token.is_empty())
    }

    fn header(&self) -> RegistryAuth {
        let json = serde_json::to_vec(self).map(Zeroizing::new).unwrap_or_default();
        RegistryAuth { header: URL_SAFE.encode(&json) }
    }
}

/// `registry.example.org` of `https://registry.example.org/v1/`.
fn host_of(address: &str) -> &str {
    let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
    rest.split('/').next().unwrap_or(rest)
}

/// Asks a helper: the key on its standard input, JSON on its standard output.
async fn ask(helper: &str, key: &str) -> Result<Option<Login>, Error> {
    let failed = |reason: String| Error::Helper {
        helper: helper.to_owned(),
        registry: key.to_owned(),
        reason,
    };
    let io = |error: std::io::Error| failed(format!("could not be run: {error}"));
    let mut child = Command::new(helper)
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .kill_on_drop(true)
        .spawn()
        .map_err(io)?;
    let stdin = child.stdin.take();
    let talk = async {
        if let Some(mut stdin) = stdin {
            // One that does not read its input may still answer.
            let _ = stdin.write_all(key.as_bytes()).await;
        }
        child.wait_with_output().await
    };
    let output = tokio::time::timeout(PATIENCE, talk)
        .await
        .map_err(|_| Error::HelperTimedOut {
            helper: helper.to_owned(),
            registry: key.to_owned(),
            limit: PATIENCE,
        })?
        .map_err(io)?;
    let answer = Zeroizing::new(output.stdout);
    if !output.status.success() {
        let said = String::from_utf8_lossy(&answer);
        if said.trim() == NOT_FOUND {
            return Ok(None);
        }
        return Err(failed(format!("failed: {}", said.trim())));
    }
    let answer: Answer = serde_json::from_slice(&answer)
        .map_err(|_| failed("answered with something that is not JSON".to_owned()))?;
    let secret = answer.secret.clone();
    let (username, password, identitytoken) = if answer.username == TOKEN_USER {
        (String::new(), String::new(), secret)
    } else {
        (answer.username.clone(), secret, String::new())
    };
    Ok(Some(Login {
        username,
        password,
        serveraddress: key.to_owned(),
        identitytoken,
        registrytoken: String::new(),
    }))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn config(text: &Value) -> DockerConfig {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("config.json"), text.to_string()).unwrap();
        DockerConfig::read(folder.path()).unwrap()
    }

    async fn sent(config: &DockerConfig, registry: &str) -> Option<Value> {
        let auth = config.credentials(registry).await.unwrap()?;
        Some(serde_json::from_slice(&URL_SAFE.decode(auth.header).unwrap()).unwrap())
    }

    #[tokio::test]
    async fn the_file_is_read_as_docker_reads_it() {
        let config = config(&json!({"auths": {
            "https://index.docker.io/v1/": {"auth": STANDARD.encode("hub:a:b\0\0")},
            "r.example:5000": {"username": "u", "password": "p"},
            "https://old.example/v1/": {"auth": STANDARD.encode("o:p")},
            "t.example": {"auth": "", "identitytoken": "tok"},
        }}));
        for (registry, expected) in [
            (
                "docker.io",
                Some(json!({"username": "hub", "password": "a:b",
                    "serveraddress": "https://index.docker.io/v1/"})),
            ),
            (
                "r.example:5000",
                Some(json!({"username": "u", "password": "p", "serveraddress": "r.example:5000"})),
            ),
            (
                "old.example",
                Some(json!({"username": "o", "password": "p",
                    "serveraddress": "https://old.example/v1/"})),
            ),
            ("t.example", Some(json!({"serveraddress": "t.example", "identitytoken": "tok"}))),
            ("r.example", None),
        ] {
            assert_eq!(sent(&config, registry).await, expected, "{registry}");
        }
    }

    #[tokio::test]
    async fn a_bad_entry_is_not_quoted() {
        let config = config(&json!({"auths": {"r.example": {"auth": "c2VjcmV0"}}}));
        let error = config.credentials("r.example").await.unwrap_err().to_string();
        assert!(error.contains("`auth` of r.example") && !error.contains("secret"), "{error}");
    }

    #[test]
    fn a_registrys_own_helper_beats_the_general_one() {
        let config = config(&json!({
            "credsStore": "all", "credHelpers": {"r.example": "own", "plain.example": ""}
        }));
        let helper = |registry: &str| config.helper(registry);
        assert_eq!(helper("r.example").as_deref(), Some("docker-credential-own"));
        assert_eq!(helper("x.example").as_deref(), Some("docker-credential-all"));
        assert_eq!(helper("plain.example"), None);
    }
}
