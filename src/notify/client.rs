//! The HTTP client of what is told, and its failures in words: addresses that are told
//! something let anyone tell it, so they are in no message, and reqwest's errors, which have
//! them, are not shown.

use std::{ffi::OsString, time::Duration};

use reqwest::{Client, Error, NoProxy, Proxy};

/// For each try.
pub(super) const TIMEOUT: Duration = Duration::from_secs(10);

/// A client that uses the caller's proxy, as its environment names it.
///
/// # Errors
/// What is wrong with a proxy, or with this system's certificates, in words.
pub(super) fn client(environment: &[(OsString, OsString)]) -> Result<Client, String> {
    let variable = |name: &str| {
        let (_, value) = environment.iter().find(|(known, _)| known == name)?;
        value.to_str().filter(|value| !value.is_empty())
    };
    let either = |small: &str| variable(small).or_else(|| variable(&small.to_uppercase()));
    let mut client = Client::builder()
        .no_proxy()
        .referer(false)
        .timeout(TIMEOUT)
        .user_agent(concat!("potluck/", env!("CARGO_PKG_VERSION")));
    let not = either("no_proxy").and_then(NoProxy::from_string);
    let proxies = [
        ("https_proxy", either("https_proxy").map(Proxy::https)),
        ("http_proxy", either("http_proxy").map(Proxy::http)),
    ];
    for (name, proxy) in proxies {
        if let Some(proxy) = proxy {
            let proxy = proxy.map_err(|_| format!("`{name}` does not name a proxy"))?;
            client = client.proxy(proxy.no_proxy(not.clone()));
        }
    }
    client.build().map_err(|error| format!("HTTPS cannot be used here: {}", error.without_url()))
}

/// A failure without its address.
pub(super) fn failed(error: &Error) -> String {
    if error.is_timeout() {
        return format!("no answer in {} s", TIMEOUT.as_secs());
    }
    if error.is_connect() {
        return "it cannot be reached".into();
    }
    if error.is_redirect() {
        return "it redirects in a circle".into();
    }
    "the connection broke".into()
}
