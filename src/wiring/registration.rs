//! Making and changing a client at a provider: RFC 7591 and RFC 7592.
//!
//! Each answer may have a new registration access token, without which nobody changes the
//! client any more: who calls keeps it before anything else ([`Registered::token`]).

use std::{collections::BTreeSet, fmt};

use jiff::Timestamp;
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;
use zeroize::Zeroizing;

use super::{Error, Web, web::Answer};
use crate::{
    plugin::{ClientRequest, Hidden},
    text::line_of,
};

/// Bytes of each word of a refusal.
const SHOWN: usize = 300;

/// A client as the provider has registered it.
#[derive(Clone)]
pub struct Registered {
    pub client_id: String,
    pub client_secret: Option<Hidden>,
    /// Where it is read, changed and removed.
    pub address: Option<String>,
    /// What that needs.
    pub token: Option<Zeroizing<String>>,
    /// When the secret stops working, if it does.
    pub secret_expires: Option<Timestamp>,
    /// Whether it sends people to the addresses that were asked for and no others, and gives
    /// the scopes, as far as the answer has them.
    pub is_as_asked: bool,
    /// What the provider registered otherwise than it was asked to, in words.
    pub differences: Vec<String>,
}

impl fmt::Debug for Registered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registered").field("client_id", &self.client_id).finish_non_exhaustive()
    }
}

/// RFC 7591, 3.2.1, and RFC 7592, 3.
#[derive(Deserialize)]
struct Said {
    client_id: String,
    client_secret: Option<Zeroizing<String>>,
    registration_client_uri: Option<String>,
    registration_access_token: Option<Zeroizing<String>>,
    redirect_uris: Option<Vec<String>>,
    post_logout_redirect_uris: Option<Vec<String>>,
    scope: Option<String>,
    token_endpoint_auth_method: Option<String>,
    client_secret_expires_at: Option<i64>,
}

/// RFC 7591, 3.2.2.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Refusal {
    error: String,
    error_description: String,
}

/// What is asked for, as the standard writes it.
fn metadata(request: &ClientRequest) -> Value {
    let mut metadata = json!({
        "client_name": request.display_name,
        "redirect_uris": request.redirect_uris,
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": method(request),
        "application_type": "web",
        "scope": request.scopes.join(" "),
        "software_id": "potluck",
    });
    if let Some(home) = &request.home_url {
        metadata["client_uri"] = json!(home);
    }
    if !request.post_logout_uris.is_empty() {
        metadata["post_logout_redirect_uris"] = json!(request.post_logout_uris);
    }
    metadata
}

fn method(request: &ClientRequest) -> &'static str {
    if request.public { "none" } else { "client_secret_basic" }
}

/// Registers a new client.
///
/// # Errors
/// [`Error::NotRegistered`], [`Error::Token`], and a provider that gives no answer.
pub async fn register(
    web: &Web<'_>,
    endpoint: &str,
    initial_token: Option<&Zeroizing<String>>,
    request: &ClientRequest,
) -> Result<Registered, Error> {
    let url = parse(endpoint)?;
    let answer = web.send(Method::POST, &url, initial_token, Some(&metadata(request))).await?;
    match is_success(&answer) {
        true => read(&answer, &url, request),
        false => Err(refused(&answer, &url, &[initial_token])),
    }
}

/// Where a client is read and changed, and what that needs.
#[derive(Clone, Copy)]
pub struct Management<'a> {
    pub address: &'a str,
    pub token: &'a Zeroizing<String>,
    pub client_id: &'a str,
}

/// The client as it is registered.
///
/// # Errors
/// [`Error::Token`] also where the client is gone: the standard has no other answer.
pub async fn look(
    web: &Web<'_>,
    of: Management<'_>,
    request: &ClientRequest,
) -> Result<Registered, Error> {
    let url = parse(of.address)?;
    let answer = web.send(Method::GET, &url, Some(of.token), None).await?;
    match is_success(&answer) {
        true => read(&answer, &url, request),
        false => Err(refused(&answer, &url, &[Some(of.token)])),
    }
}

/// Changes a client; its id and its secret are kept. `PUT` replaces all of it.
///
/// # Errors
/// As [`register`].
pub async fn update(
    web: &Web<'_>,
    of: Management<'_>,
    secret: Option<&Hidden>,
    request: &ClientRequest,
) -> Result<Registered, Error> {
    let url = parse(of.address)?;
    let mut metadata = metadata(request);
    metadata["client_id"] = json!(of.client_id);
    if let Some(secret) = secret {
        metadata["client_secret"] = json!(secret.0.as_str());
    }
    let answer = web.send(Method::PUT, &url, Some(of.token), Some(&metadata)).await?;
    match is_success(&answer) {
        true => read(&answer, &url, request),
        false => Err(refused(&answer, &url, &[Some(of.token), secret.map(|it| &it.0)])),
    }
}

/// Removes a client; one that is gone is no failure.
///
/// # Errors
/// As [`register`].
pub async fn remove(web: &Web<'_>, of: Management<'_>) -> Result<(), Error> {
    let url = parse(of.address)?;
    let answer = web.send(Method::DELETE, &url, Some(of.token), None).await?;
    match is_success(&answer) || matches!(answer.status, 404 | 410) {
        true => Ok(()),
        false => Err(refused(&answer, &url, &[Some(of.token)])),
    }
}

/// The standard has one status for each request, and providers others: a client that was made
/// must not be taken for one that was refused.
fn is_success(answer: &Answer) -> bool {
    (200..300).contains(&answer.status)
}

fn parse(address: &str) -> Result<Url, Error> {
    Url::parse(address)
        .map_err(|error| Error::Address { url: address.into(), reason: error.to_string() })
}

fn read(answer: &Answer, url: &Url, request: &ClientRequest) -> Result<Registered, Error> {
    let said: Said = answer.read(url, "a registered client")?;
    let odd = |reason: &str| Error::Odd {
        url: super::web::shown(url),
        expected: "a registered client",
        reason: reason.to_owned(),
    };
    let printable = |text: &str| !text.is_empty() && !text.contains(|c: char| c.is_control());
    if !printable(&said.client_id) {
        return Err(odd("its id is not a printable name"));
    }
    if said.client_secret.as_ref().is_some_and(|secret| !printable(secret)) {
        return Err(odd("its secret is not one line of text"));
    }
    let is_same = |found: &Option<Vec<String>>, asked: &[String]| {
        let set = |uris: &[String]| uris.iter().cloned().collect::<BTreeSet<String>>();
        found.as_ref().is_none_or(|found| set(found) == set(asked))
    };
    let mut is_as_asked = is_same(&said.redirect_uris, &request.redirect_uris)
        && is_same(&said.post_logout_redirect_uris, &request.post_logout_uris);
    let mut differences = Vec::new();
    if let Some(found) = &said.redirect_uris
        && request.redirect_uris.iter().any(|uri| !found.contains(uri))
    {
        differences.push("the provider left out a redirect address".to_owned());
    }
    if let Some(scope) = &said.scope {
        let known: Vec<&str> = scope.split_whitespace().collect();
        let left: Vec<&str> = request.scopes.iter().map(String::as_str).collect();
        let left: Vec<&str> = left.into_iter().filter(|it| !known.contains(it)).collect();
        if !left.is_empty() {
            is_as_asked = false;
            differences.push(format!("the provider left out the scopes {}", left.join(", ")));
        }
    }
    if let Some(found) = &said.token_endpoint_auth_method
        && found != method(request)
    {
        let found = crate::text::line(found);
        differences.push(format!("the provider wants the app to use `{found}` for its secret"));
    }
    // 0 is for one that does not.
    let expires = said.client_secret_expires_at.filter(|at| *at > 0);
    let secret_expires = expires.and_then(|at| Timestamp::from_second(at).ok());
    if let Some(at) = secret_expires {
        differences.push(format!("the client's secret expires at {at}"));
    }
    Ok(Registered {
        client_id: said.client_id,
        client_secret: said.client_secret.map(Hidden),
        address: said.registration_client_uri,
        token: said.registration_access_token,
        secret_expires,
        is_as_asked,
        differences,
    })
}

/// Of an answer of this endpoint nothing else is said: it may have the client's secret and its
/// token, and what is said goes to terminals and into the swarm's history. A provider may say
/// what was sent to it, too.
fn refused(answer: &Answer, url: &Url, sent: &[Option<&Zeroizing<String>>]) -> Error {
    let url = super::web::shown(url);
    if matches!(answer.status, 401 | 403) {
        return Error::Token { url };
    }
    let refusal: Refusal = serde_json::from_slice(&answer.body).unwrap_or_default();
    let said = |text: &str| {
        let secrets = sent.iter().flatten().filter(|secret| !secret.is_empty());
        let text = secrets.fold(text.to_owned(), |text, secret| text.replace(secret.as_str(), "…"));
        line_of(&text, SHOWN).into_owned()
    };
    match refusal.error.is_empty() {
        true => Error::Status { url, status: answer.status, said: String::new() },
        false => Error::NotRegistered {
            error: said(&refusal.error),
            said: said(&refusal.error_description),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_error_quotes_an_answer_that_may_have_a_secret() {
        let url = Url::parse("https://sso.example.org/register?key=s3cret").unwrap();
        for (status, body, words) in [
            (302, r#"{"client_id": "a", "client_secret": "s3cret"}"#, "answers 302"),
            (500, "client_secret=s3cret", "answers 500"),
            (400, r#"{"error": "invalid_redirect_uri", "client_secret": "s3cret"}"#, "invalid_red"),
            (400, r#"{"error": "no", "error_description": "a\u001b[2Jb"}"#, "registration: no: a"),
            (400, r#"{"error": "no", "error_description": "Bearer t0ken"}"#, "no: Bearer …"),
            (403, r#"{"client_secret": "s3cret"}"#, "does not accept the token"),
        ] {
            let answer = Answer { status, date: None, location: None, body: body.into() };
            let sent = Zeroizing::new("t0ken".to_owned());
            let said = refused(&answer, &url, &[None, Some(&sent)]).to_string();
            assert!(said.contains(words), "{status}: {said}");
            assert!(!said.contains("s3cret") && !said.contains("t0ken"), "{status}: {said}");
            assert!(!said.contains('\u{1b}'), "{status}: {said}");
        }
    }
}
