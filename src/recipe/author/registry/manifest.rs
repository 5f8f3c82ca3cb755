//! What is behind a tag: its digest, when the image was built, its labels ("Pulling
//! manifests"; image specification, "Image Index", "Image Configuration").

use std::collections::BTreeMap;

use jiff::Timestamp;
use reqwest::{Method, header::HeaderName};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::{
    asking::Registry,
    error::RegistryError,
    wire::{self, base},
};
use crate::recipe::author::reference::Reference;

/// The kinds of manifests that docker takes.
const KINDS: &str = "application/vnd.oci.image.index.v1+json, \
                     application/vnd.docker.distribution.manifest.list.v2+json, \
                     application/vnd.oci.image.manifest.v1+json, \
                     application/vnd.docker.distribution.manifest.v2+json";
const DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");
/// The platform that is looked at, if an image has it: results must not depend on the machine
/// that asks.
const PLATFORM: (&str, &str) = ("linux", "amd64");
/// When an image was built, for images whose configuration does not say it.
const CREATED: &str = "org.opencontainers.image.created";

/// What an image says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// As it says: it may be absurd.
    pub created: Vec<Timestamp>,
    /// Labels, and annotations where there are no labels of the same name.
    pub labels: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Manifest {
    /// Of an index.
    #[serde(default)]
    manifests: Vec<Entry>,
    config: Option<Blob>,
    #[serde(default)]
    annotations: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
struct Entry {
    digest: String,
    platform: Option<Platform>,
}

#[derive(Deserialize)]
struct Platform {
    os: String,
    architecture: String,
}

#[derive(Deserialize)]
struct Blob {
    digest: String,
}

#[derive(Deserialize)]
struct Configuration {
    created: Option<String>,
    config: Option<Labelled>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Labelled {
    labels: Option<BTreeMap<String, String>>,
}

impl Registry {
    /// The digest of what a tag leads to: of the index, where there is one.
    ///
    /// # Errors
    /// [`RegistryError`].
    pub async fn digest(&self, image: &Reference) -> Result<String, RegistryError> {
        let answer = self.get(image, Method::HEAD, "manifests", &image.tag).await?;
        match wire::header(&answer, &DIGEST).filter(|digest| is_digest(digest)) {
            Some(digest) => Ok(digest),
            // It is what the content says.
            None => {
                let answer = self.get(image, Method::GET, "manifests", &image.tag).await?;
                Ok(digest_of(&wire::read(&image.host, answer).await?))
            }
        }
    }

    /// What the image of a tag says of itself, on [`PLATFORM`] or the first that it has.
    ///
    /// # Errors
    /// [`RegistryError`].
    pub async fn facts(&self, image: &Reference) -> Result<Facts, RegistryError> {
        let host = image.host.as_str();
        let answer = self.get(image, Method::GET, "manifests", &image.tag).await?;
        let mut manifest: Manifest = wire::json(host, answer).await?;
        let mut labels = manifest.annotations.take().unwrap_or_default();
        if let Some(entry) = chosen(&manifest.manifests) {
            manifest = self.content(image, "manifests", &entry.digest).await?;
            labels.extend(manifest.annotations.take().unwrap_or_default());
        }
        let Some(config) = manifest.config else {
            return Err(RegistryError::odd(host, "its manifest names no image"));
        };
        let config: Configuration = self.content(image, "blobs", &config.digest).await?;
        labels.extend(config.config.and_then(|it| it.labels).unwrap_or_default());
        let said = config.created.as_ref().into_iter().chain(labels.get(CREATED));
        let created = said.filter_map(|text| text.parse().ok()).collect();
        Ok(Facts { created, labels })
    }

    async fn get(
        &self,
        image: &Reference,
        method: Method,
        kind: &str,
        name: &str,
    ) -> Result<reqwest::Response, RegistryError> {
        let url = base(&image.host)?.join(&format!("v2/{}/{kind}/{name}", image.path));
        let url = url.map_err(|e| RegistryError::odd(&image.host, e.to_string()))?;
        let what = match kind {
            "blobs" => format!("the configuration of {}", image.tag),
            _ => format!("the manifest of {}", image.tag),
        };
        self.ask(image, &method, &url, KINDS, &what).await
    }

    /// What a digest names, which has to have it.
    async fn content<T: serde::de::DeserializeOwned>(
        &self,
        image: &Reference,
        kind: &str,
        digest: &str,
    ) -> Result<T, RegistryError> {
        let odd = |why: String| RegistryError::odd(&image.host, why);
        if !is_digest(digest) {
            return Err(odd("its manifest has an invalid digest".into()));
        }
        let answer = self.get(image, Method::GET, kind, digest).await?;
        let body = wire::read(&image.host, answer).await?;
        if digest_of(&body) != digest {
            return Err(odd(format!("the content of {digest} has another digest")));
        }
        serde_json::from_slice(&body).map_err(|e| odd(e.to_string()))
    }
}

/// The manifest of an index that is looked at. Attestations have the platform `unknown`.
fn chosen(entries: &[Entry]) -> Option<&Entry> {
    let (os, architecture) = PLATFORM;
    let of = |wanted: &dyn Fn(&Platform) -> bool| {
        entries.iter().find(|entry| entry.platform.as_ref().is_some_and(wanted))
    };
    of(&|it| it.os == os && it.architecture == architecture)
        .or_else(|| of(&|it| it.os == os))
        .or_else(|| of(&|it| it.os != "unknown"))
        .or_else(|| entries.iter().find(|entry| entry.platform.is_none()))
}

fn is_digest(text: &str) -> bool {
    text.strip_prefix("sha256:").is_some_and(|hex| {
        hex.len() == 64 && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    })
}

fn digest_of(content: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(content)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_platform_of_an_index_is_looked_at() {
        let entry = |platform: Option<(&str, &str)>| Entry {
            digest: format!("{platform:?}"),
            platform: platform.map(|(os, architecture)| Platform {
                os: os.into(),
                architecture: architecture.into(),
            }),
        };
        let (unknown, arm) = (Some(("unknown", "unknown")), Some(("linux", "arm64")));
        let (amd, windows) = (Some(("linux", "amd64")), Some(("windows", "amd64")));
        for (platforms, expected) in [
            (vec![unknown, arm, windows, amd], Some(amd)),
            (vec![unknown, windows, arm], Some(arm)),
            (vec![unknown, windows], Some(windows)),
            (vec![None, unknown], Some(None)),
            (vec![unknown], None),
            (vec![], None),
        ] {
            let entries: Vec<_> = platforms.into_iter().map(entry).collect();
            let found = chosen(&entries).map(|entry| entry.digest.clone());
            assert_eq!(found, expected.map(|it| format!("{it:?}")));
        }
    }

    #[test]
    fn digests_are_checked() {
        let digest = digest_of(b"x");
        assert!(is_digest(&digest));
        for wrong in ["", "sha256:", "sha512:00", &digest[..70], &digest.to_uppercase()] {
            assert!(!is_digest(wrong), "{wrong}");
        }
    }
}
