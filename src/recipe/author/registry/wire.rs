//! Requests to registries, within limits of time, size and place.

use std::time::Duration;

use reqwest::{
    Client, Response,
    header::HeaderName,
    redirect::{Attempt, Policy},
};
use url::{Host, Url};

use super::error::RegistryError;

/// For one request, answer included.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Bytes of one answer.
const LONGEST: usize = 8 << 20;
/// A registry sends blobs from elsewhere; nobody needs more hops.
const REDIRECTS: usize = 3;

/// # Errors
/// [`RegistryError::Silent`] where this machine has no certificates.
pub fn client(redirects: Policy) -> Result<Client, RegistryError> {
    let client = Client::builder()
        .redirect(redirects)
        .referer(false)
        .timeout(TIMEOUT)
        .user_agent(concat!("potluck/", env!("CARGO_PKG_VERSION")))
        .build();
    client.map_err(|e| RegistryError::silent("this machine", &e))
}

/// Some, to addresses with TLS.
pub fn redirects() -> Policy {
    Policy::custom(|attempt| match refused(&attempt) {
        None => attempt.follow(),
        Some(why) => attempt.error(why),
    })
}

/// Why a redirect is not followed. reqwest sends no credentials along to another host.
fn refused(attempt: &Attempt<'_>) -> Option<&'static str> {
    if attempt.previous().len() > REDIRECTS {
        return Some("it redirects too often");
    }
    let from = attempt.previous().last();
    let is_safe = attempt.url().scheme() == "https"
        || is_local(attempt.url()) && from.is_some_and(|from| from.scheme() == "http");
    (!is_safe).then_some("it redirects to an address without https")
}

/// Whether an address is of this machine: a registry there needs no certificate.
pub fn is_local(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// Whether credentials may be sent there: over TLS, or without leaving this machine.
pub fn is_private(url: &Url) -> bool {
    url.scheme() == "https" || url.scheme() == "http" && is_local(url)
}

/// Where a registry answers, as docker decides: Docker Hub has a name of its own, and a
/// registry of this machine needs no certificate.
///
/// # Errors
/// [`RegistryError::Odd`] for what is not a host.
pub fn base(host: &str) -> Result<Url, RegistryError> {
    let parse = |text: &str| Url::parse(text).map_err(|e| RegistryError::odd(host, e.to_string()));
    if host == "docker.io" {
        return parse("https://registry-1.docker.io/");
    }
    let plain = parse(&format!("http://{host}/"))?;
    if is_local(&plain) { Ok(plain) } else { parse(&format!("https://{host}/")) }
}

/// The body of an answer.
///
/// # Errors
/// [`RegistryError`], also for one that is too long.
pub async fn read(host: &str, mut answer: Response) -> Result<Vec<u8>, RegistryError> {
    let mut body = Vec::new();
    while let Some(part) = answer.chunk().await.map_err(|e| RegistryError::silent(host, &e))? {
        if body.len() + part.len() > LONGEST {
            let why = format!("it is longer than {} MiB", LONGEST >> 20);
            return Err(RegistryError::odd(host, why));
        }
        body.extend_from_slice(&part);
    }
    Ok(body)
}

/// The body as JSON.
///
/// # Errors
/// As [`read`].
pub async fn json<T: serde::de::DeserializeOwned>(
    host: &str,
    answer: Response,
) -> Result<T, RegistryError> {
    let body = read(host, answer).await?;
    serde_json::from_slice(&body).map_err(|e| RegistryError::odd(host, e.to_string()))
}

/// A header of an answer, as text.
pub fn header(answer: &Response, name: &HeaderName) -> Option<String> {
    answer.headers().get(name)?.to_str().ok().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_registries_of_this_machine_are_asked_without_tls() {
        for (host, expected) in [
            ("docker.io", "https://registry-1.docker.io/"),
            ("ghcr.io", "https://ghcr.io/"),
            ("127.0.0.1:5000", "http://127.0.0.1:5000/"),
            ("localhost:5000", "http://localhost:5000/"),
            ("[::1]:5000", "http://[::1]:5000/"),
            ("10.0.0.1:5000", "https://10.0.0.1:5000/"),
            ("localhost.example.org", "https://localhost.example.org/"),
            ("127.0.0.1.example.org", "https://127.0.0.1.example.org/"),
        ] {
            assert_eq!(base(host).unwrap().as_str(), expected, "{host}");
        }
        assert!(base("a b").is_err());
    }

    #[test]
    fn credentials_do_not_leave_this_machine_without_tls() {
        for (url, expected) in [
            ("https://auth.example.org/token", true),
            ("http://127.0.0.1:5001/token", true),
            ("http://auth.example.org/token", false),
            ("ftp://localhost/token", false),
        ] {
            assert_eq!(is_private(&Url::parse(url).unwrap()), expected, "{url}");
        }
    }
}
