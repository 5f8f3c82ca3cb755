//! Which tags an image has, asked of its registry (distribution specification, "Listing
//! Tags"), without credentials: public images only. Answers are bounded in time, size and
//! number.

use std::time::Duration;

use reqwest::{Client, StatusCode, header, redirect::Policy};
use serde::Deserialize;
use url::Url;

use crate::text;

/// For one request, answer included.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Bytes of one answer.
const LONGEST: usize = 8 << 20;
/// Answers to one question: a registry sends the tags in parts.
const PARTS: usize = 100;
/// Tags of one image.
const TAGS: usize = 100_000;

/// Why a registry did not tell.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    #[error("{host} does not answer: {why}")]
    Silent { host: String, why: String },
    #[error("{host} refuses to list the tags of {repository}: {status}")]
    Refused { host: String, repository: String, status: StatusCode },
    #[error("{host} answers with something else than a list of tags: {why}")]
    Odd { host: String, why: String },
}

impl crate::hint::Hint for RegistryError {
    fn hint(&self) -> Option<String> {
        Some(match self {
            RegistryError::Refused { .. } => {
                "registries are asked without credentials: look up tags of a private image yourself"
                    .into()
            }
            RegistryError::Silent { .. } | RegistryError::Odd { .. } => {
                "try again later, or look up the tags yourself".into()
            }
        })
    }
}

/// Host, path and tag of an image as compose files name it; none for one without a tag, with a
/// digest, or with variables.
pub fn repository_of(image: &str) -> Option<(String, String, &str)> {
    if image.contains(['$', '@']) {
        return None;
    }
    let slash = image.rfind('/').map_or(0, |at| at + 1);
    let (_, tag) = image[slash..].split_once(':')?;
    let name = &image[..image.len() - tag.len() - 1];
    let is_host = |part: &str| part.contains(['.', ':']) || part == "localhost";
    let (host, path) = match name.split_once('/') {
        Some((host, path)) if is_host(host) => (host, path.to_owned()),
        Some(_) => ("docker.io", name.to_owned()),
        None => ("docker.io", format!("library/{name}")),
    };
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-/:".contains(c);
    let plain = !path.is_empty() && !tag.is_empty() && name.chars().all(is_plain);
    plain.then(|| (host.to_owned(), path, tag))
}

/// Asks registries.
pub struct Registry(Client);

#[derive(Deserialize)]
struct List {
    #[serde(default)]
    tags: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Token {
    token: Option<String>,
    access_token: Option<String>,
}

impl Registry {
    /// # Errors
    /// [`RegistryError::Silent`] where this machine has no certificates.
    pub fn new() -> Result<Self, RegistryError> {
        let client = Client::builder()
            .redirect(Policy::limited(3))
            .referer(false)
            .timeout(TIMEOUT)
            .user_agent(concat!("potluck/", env!("CARGO_PKG_VERSION")))
            .build();
        client.map(Registry).map_err(|e| silent("this machine", &e))
    }

    /// All tags of an image's repository, in no order.
    ///
    /// # Errors
    /// [`RegistryError`].
    pub async fn tags(&self, host: &str, repository: &str) -> Result<Vec<String>, RegistryError> {
        let odd = |why: String| RegistryError::Odd { host: host.into(), why };
        let base = Url::parse(&base(host)).map_err(|e| odd(e.to_string()))?;
        let first = base.join(&format!("v2/{repository}/tags/list?n=1000"));
        let mut next = Some(first.map_err(|e| odd(e.to_string()))?);
        let (mut tags, mut token) = (Vec::new(), None);
        let mut parts = 0;
        while let Some(url) = next.take() {
            parts += 1;
            if parts > PARTS || tags.len() > TAGS {
                return Err(odd("it has too many tags".into()));
            }
            let mut answer = self.get(host, &url, token.as_deref()).await?;
            if answer.status() == StatusCode::UNAUTHORIZED && token.is_none() {
                token = self.token(host, &answer).await?;
                if token.is_some() {
                    answer = self.get(host, &url, token.as_deref()).await?;
                }
            }
            if !answer.status().is_success() {
                let (host, repository) = (host.to_owned(), repository.to_owned());
                return Err(RegistryError::Refused { host, repository, status: answer.status() });
            }
            let link = header_of(&answer, header::LINK.as_str());
            let list: List = self.read(host, answer).await?;
            let told = list.tags.unwrap_or_default();
            tags.extend(told);
            // `</v2/x/tags/list?n=1000&last=y>; rel="next"`, of the same registry only.
            let link =
                link.and_then(|it| Some(it.split_once('<')?.1.split_once('>')?.0.to_owned()));
            next =
                link.and_then(|it| base.join(&it).ok()).filter(|it| it.origin() == base.origin());
        }
        Ok(tags)
    }

    async fn get(
        &self,
        host: &str,
        url: &Url,
        token: Option<&str>,
    ) -> Result<reqwest::Response, RegistryError> {
        let mut request = self.0.get(url.clone());
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        request.send().await.map_err(|e| silent(host, &e))
    }

    /// The token that everybody gets: `Bearer realm="…",service="…",scope="…"`.
    async fn token(
        &self,
        host: &str,
        answer: &reqwest::Response,
    ) -> Result<Option<String>, RegistryError> {
        let Some(asked) = header_of(answer, header::WWW_AUTHENTICATE.as_str()) else {
            return Ok(None);
        };
        let Some(fields) = asked.strip_prefix("Bearer ") else { return Ok(None) };
        let field = |name: &str| {
            let (_, rest) = fields.split_once(&format!("{name}=\""))?;
            Some(rest.split_once('"')?.0.to_owned())
        };
        let Some(mut realm) = field("realm").and_then(|realm| Url::parse(&realm).ok()) else {
            return Ok(None);
        };
        // Nothing else than the web, and no plain one for a registry that is not local.
        if realm.scheme() != "https" && !base(host).starts_with("http://") {
            return Ok(None);
        }
        for name in ["service", "scope"] {
            if let Some(value) = field(name) {
                realm.query_pairs_mut().append_pair(name, &value);
            }
        }
        let answer = self.get(host, &realm, None).await?;
        if !answer.status().is_success() {
            return Ok(None);
        }
        let token: Token = self.read(host, answer).await?;
        Ok(token.token.or(token.access_token))
    }

    async fn read<T: serde::de::DeserializeOwned>(
        &self,
        host: &str,
        mut answer: reqwest::Response,
    ) -> Result<T, RegistryError> {
        let odd = |why: String| RegistryError::Odd { host: host.into(), why };
        let mut body = Vec::new();
        while let Some(part) = answer.chunk().await.map_err(|e| silent(host, &e))? {
            if body.len() + part.len() > LONGEST {
                return Err(odd(format!("it is longer than {} MiB", LONGEST >> 20)));
            }
            body.extend_from_slice(&part);
        }
        serde_json::from_slice(&body).map_err(|e| odd(e.to_string()))
    }
}

fn header_of(answer: &reqwest::Response, name: &str) -> Option<String> {
    answer.headers().get(name)?.to_str().ok().map(str::to_owned)
}

/// As docker does: Docker Hub has a name of its own, and a registry of this machine needs no
/// certificate.
fn base(host: &str) -> String {
    let name = host.split(':').next().unwrap_or(host);
    match name {
        "docker.io" | "index.docker.io" => "https://registry-1.docker.io/".into(),
        "localhost" | "127.0.0.1" => format!("http://{host}/"),
        _ => format!("https://{host}/"),
    }
}

fn silent(host: &str, error: &reqwest::Error) -> RegistryError {
    let mut why = String::new();
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = cause {
        why = error.to_string();
        cause = error.source();
    }
    RegistryError::Silent { host: host.into(), why: text::line_of(&why, 300).into_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_named_as_docker_names_them() {
        for (image, expected) in [
            ("nginx:1.28", Some(("docker.io", "library/nginx", "1.28"))),
            ("a/b:1", Some(("docker.io", "a/b", "1"))),
            ("ghcr.io/a/b:1", Some(("ghcr.io", "a/b", "1"))),
            ("127.0.0.1:5000/a:1", Some(("127.0.0.1:5000", "a", "1"))),
            ("localhost/a:1", Some(("localhost", "a", "1"))),
            ("nginx", None),
            ("127.0.0.1:5000/a", None),
            ("a:${TAG}", None),
            ("a:1@sha256:0", None),
            ("a b:1", None),
        ] {
            let found = repository_of(image);
            let found =
                found.as_ref().map(|(host, path, tag)| (host.as_str(), path.as_str(), *tag));
            assert_eq!(found, expected, "{image}");
        }
    }
}
