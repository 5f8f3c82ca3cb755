//! Whether a provider would let people of an app in: an authorization request without a
//! person (`prompt=none`, OpenID Connect Core 1.0, 3.1.2.1). A provider that knows the client
//! and its redirect address sends the answer there, which is an error, as nobody is signed in;
//! to an address that it does not know it sends nothing (RFC 6749, 4.1.2.1).

use reqwest::Method;
use url::Url;

use super::{Error, Finding, Web, discovery::Document, web::Answer};
use crate::text::line;

/// Nobody owns it (RFC 2606), and no app has it.
const FOREIGN: &str = "https://potluck.invalid/callback";

/// The id of a client that no provider has.
const NOBODYS: &str = "nobody.potluck.invalid";

/// Of RFC 7636, appendix B: nothing is ever redeemed with it.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

/// What is asked with.
#[derive(Debug, Clone, Copy)]
pub struct Asking<'a> {
    pub endpoint: &'a str,
    pub client_id: &'a str,
    pub redirect_uri: &'a str,
    pub scopes: &'a [String],
    /// The client has to use PKCE.
    pub public: bool,
}

/// What a provider makes of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Made {
    /// It answers to the redirect address, with this error where it is one.
    Returned(Option<String>, String),
    /// It shows a page: that of a person who is to sign in, or one that says what is wrong.
    Page(u16, String),
    /// It sends people elsewhere.
    Elsewhere,
}

/// Whether the provider knows the client and its redirect addresses, and refuses another.
///
/// # Errors
/// A provider that gives no answer.
pub async fn probe(web: &Web<'_>, asking: Asking<'_>) -> Result<Vec<Finding>, Error> {
    let mut findings = vec![known(web, asking).await?];
    let foreign = Asking { redirect_uri: FOREIGN, ..asking };
    if let Made::Returned(..) = ask(web, foreign, true).await? {
        findings.push(
            Finding::bad(
                "open-redirect",
                "the provider sends people to any address for this client",
            )
            .fix("let it accept the app's redirect address alone, to the letter"),
        );
    }
    Ok(findings)
}

async fn known(web: &Web<'_>, asking: Asking<'_>) -> Result<Finding, Error> {
    let made = ask(web, asking, asking.public).await?;
    if let Made::Returned(Some(error), said) = &made
        && error == "invalid_request"
        && !asking.public
        && says_pkce(said)
    {
        return Ok(Finding::note("pkce", "the provider demands PKCE of this client")
            .fix("switch PKCE (S256) on in the app, or the demand for it off at the provider"));
    }
    let uri = line(asking.redirect_uri);
    Ok(match made {
        Made::Returned(None, _) => {
            Finding::good("client", "the provider knows the client and its redirect address")
        }
        Made::Returned(Some(error), said) => match error.as_str() {
            "login_required"
            | "interaction_required"
            | "consent_required"
            | "account_selection_required" => {
                Finding::good("client", "the provider knows the client and its redirect address")
            }
            "unauthorized_client" => {
                Finding::bad("client", format!("the client may not sign people in{}", of(&said)))
                    .fix("allow the authorization code flow for this client at the provider")
            }
            "invalid_scope" => {
                Finding::bad("scopes", format!("the provider refuses the scopes{}", of(&said)))
                    .fix("allow them for this client at the provider")
            }
            other => Finding::note(
                "client",
                format!("the provider answers `{}`{}", line(other), of(&said)),
            ),
        },
        Made::Elsewhere | Made::Page(200, _) => match is_told_late(web, asking).await? {
            false => Finding::good(
                "client",
                "the provider asks people to sign in for this client and its redirect address",
            ),
            true => Finding::note(
                "client",
                "whether the provider knows the client shows only once somebody signs in",
            ),
        },
        Made::Page(status @ 500.., said) => {
            let message =
                format!("the provider answers {status} to who wants to sign in{}", of(&said));
            Finding::bad("reachable", message).fix("look into the provider's log")
        }
        Made::Page(status, said) => {
            let lower = said.to_lowercase();
            let about_uri = lower.contains("redirect");
            match about_uri {
                true => Finding::bad(
                    "redirect",
                    format!(
                        "the provider refuses the redirect address {uri}: it answers {status}{}",
                        of(&said)
                    ),
                ),
                false => Finding::bad(
                    "client",
                    format!(
                        "the provider does not know the client `{}`: it answers {status}{}",
                        line(asking.client_id),
                        of(&said)
                    ),
                ),
            }
        }
    })
}

/// Whether the provider takes the client's secret: it is asked for the tokens of a code that it
/// never gave, which it refuses as such only to whom it believes (RFC 6749, 5.2).
///
/// # Errors
/// A provider that gives no answer.
pub async fn secret(
    web: &Web<'_>,
    document: &Document,
    client_id: &str,
    redirect_uri: &str,
    secret: &str,
) -> Result<Finding, Error> {
    let url = Url::parse(&document.token_endpoint).map_err(|error| Error::Address {
        url: document.token_endpoint.clone(),
        reason: error.to_string(),
    })?;
    let fields = [
        ("grant_type", "authorization_code"),
        ("code", "potluck"),
        ("redirect_uri", redirect_uri),
        ("code_verifier", VERIFIER),
    ];
    // RFC 6749, 2.3.1: both are encoded as in a form.
    let encoded = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect();
    let (name, password): (String, String) = (encoded(client_id), encoded(secret));
    let methods = document.token_endpoint_auth_methods_supported.as_deref();
    // Where it lists none it is the first alone (OpenID Connect Discovery 1.0, 3).
    let offers = |method: &str| match methods {
        None => method == "client_secret_basic",
        Some(offered) => offered.iter().any(|it| it == method),
    };
    let mut refused = None;
    if offers("client_secret_basic") {
        let answer = web.form(&url, &fields, Some((&name, &password))).await?;
        match is_refused(&answer) {
            None => return Ok(takes_secret()),
            said => refused = said,
        }
    }
    // A client is registered for one of both ways.
    if offers("client_secret_post") {
        let own = [("client_id", client_id), ("client_secret", secret)];
        let answer = web.form(&url, &[&fields[..], &own[..]].concat(), None).await?;
        match is_refused(&answer) {
            None => return Ok(takes_secret()),
            said => refused = said,
        }
    }
    Ok(match refused {
        Some(said) => Finding::bad(
            "client",
            format!("the provider does not take the secret that the app has{}", of(&said)),
        ),
        None => {
            Finding::note("client", "whether the provider takes the app's secret was not tried")
        }
    })
}

fn takes_secret() -> Finding {
    Finding::good("client", "the provider takes the app's secret")
}

/// What a provider says to a client that it does not believe; none where it does.
fn is_refused(answer: &Answer) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Said {
        error: String,
        #[serde(default)]
        error_description: String,
    }
    match serde_json::from_slice::<Said>(&answer.body) {
        Ok(said) if said.error == "invalid_client" => Some(said.error_description),
        Ok(_) => None,
        Err(_) => (answer.status == 401).then(String::new),
    }
}

/// Whether the provider asks people to sign in before it looks at the client (LemonLDAP::NG):
/// it does so for a client that nobody has, too.
async fn is_told_late(web: &Web<'_>, asking: Asking<'_>) -> Result<bool, Error> {
    let nobodys = Asking { client_id: NOBODYS, ..asking };
    let made = ask(web, nobodys, asking.public).await?;
    Ok(matches!(made, Made::Elsewhere | Made::Page(200, _)))
}

fn of(said: &str) -> String {
    if said.is_empty() { String::new() } else { format!(": {}", line(said)) }
}

fn says_pkce(said: &str) -> bool {
    let lower = said.to_lowercase();
    lower.contains("pkce") || lower.contains("code_challenge") || lower.contains("code challenge")
}

async fn ask(web: &Web<'_>, asking: Asking<'_>, pkce: bool) -> Result<Made, Error> {
    let mut url = Url::parse(asking.endpoint).map_err(|error| Error::Address {
        url: asking.endpoint.into(),
        reason: error.to_string(),
    })?;
    url.query_pairs_mut()
        .append_pair("response_type", "code")
        .append_pair("client_id", asking.client_id)
        .append_pair("redirect_uri", asking.redirect_uri)
        .append_pair("scope", &asking.scopes.join(" "))
        .append_pair("prompt", "none")
        .append_pair("state", "potluck")
        .append_pair("nonce", "potluck");
    if pkce {
        // Of [`VERIFIER`].
        url.query_pairs_mut()
            .append_pair("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM")
            .append_pair("code_challenge_method", "S256");
    }
    let mut answer = web.send(Method::GET, &url, None, None).await?;
    if answer.status == 401 {
        // Some (LemonLDAP::NG) tell a program so that nobody is signed in, where a browser gets
        // the page to do it.
        let page = web.page(&url).await?;
        if (200..400).contains(&page.status) {
            answer = page;
        }
    }
    if !(300..400).contains(&answer.status) {
        return Ok(Made::Page(answer.status, answer.said()));
    }
    let location = answer.location.as_deref().and_then(|to| url.join(to).ok());
    let Some(location) = location.filter(|to| is_at(to, asking.redirect_uri)) else {
        return Ok(Made::Elsewhere);
    };
    let part = |name: &str| {
        location.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    };
    Ok(Made::Returned(part("error"), part("error_description").unwrap_or_default()))
}

/// Whether an address is this one, whatever its query has besides.
fn is_at(to: &Url, redirect_uri: &str) -> bool {
    Url::parse(redirect_uri).is_ok_and(|uri| {
        (to.origin(), to.scheme(), to.path()) == (uri.origin(), uri.scheme(), uri.path())
    })
}
