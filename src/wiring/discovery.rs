//! What a provider says of itself: OpenID Connect Discovery 1.0, and what of it makes apps
//! stumble.

use std::{
    collections::BTreeSet,
    net::{IpAddr, ToSocketAddrs},
};

use jiff::Timestamp;
use serde::Deserialize;
use url::{Host, Url};

use super::{Error, Finding, Web};
use crate::text::line;

/// The part of a provider's discovery document that potluck reads.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default)]
pub struct Document {
    pub issuer: String,
    pub authorization_endpoint: String,
    pub token_endpoint: String,
    pub jwks_uri: String,
    pub registration_endpoint: Option<String>,
    pub response_types_supported: Vec<String>,
    pub id_token_signing_alg_values_supported: Vec<String>,
    /// `client_secret_basic` where it says nothing.
    pub token_endpoint_auth_methods_supported: Option<Vec<String>>,
    pub code_challenge_methods_supported: Vec<String>,
    pub scopes_supported: Option<Vec<String>>,
    pub claims_supported: Option<Vec<String>>,
}

/// A provider as it was found.
#[derive(Debug, Clone)]
pub struct Found {
    pub document: Document,
    /// The provider's clock and ours, when it answered.
    pub clocks: Option<(Timestamp, Timestamp)>,
}

/// The address of an issuer's discovery document (4 of the standard).
///
/// # Errors
/// [`Error::Address`].
pub fn address(issuer: &str) -> Result<Url, Error> {
    let whole = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
    Url::parse(&whole)
        .map_err(|error| Error::Address { url: issuer.into(), reason: error.to_string() })
}

/// Asks an issuer what it is.
///
/// # Errors
/// [`Error::OtherIssuer`], and an issuer that cannot be asked.
pub async fn discover(web: &Web<'_>, issuer: &str) -> Result<Found, Error> {
    let url = address(issuer)?;
    let (document, theirs) = web.json::<Document>(&url, "a discovery document").await?;
    let clocks = theirs.map(|theirs| (theirs, Timestamp::now()));
    if document.issuer != issuer {
        return Err(Error::OtherIssuer { asked: issuer.into(), found: document.issuer });
    }
    Ok(Found { document, clocks })
}

impl Document {
    /// Where clients are registered: a place of the issuer itself, which may get its token.
    ///
    /// # Errors
    /// [`Error::NoRegistration`], [`Error::RegistersElsewhere`].
    pub fn registration(&self) -> Result<&str, Error> {
        let issuer = || self.issuer.clone();
        let endpoint = self.registration_endpoint.as_deref();
        let endpoint = endpoint.ok_or_else(|| Error::NoRegistration { issuer: issuer() })?;
        match is_of(&self.issuer, endpoint) {
            true => Ok(endpoint),
            false => Err(Error::RegistersElsewhere { issuer: issuer(), url: endpoint.to_owned() }),
        }
    }
}

/// Whether an address has the scheme, the host and the port of an issuer.
pub fn is_of(issuer: &str, address: &str) -> bool {
    let origin = |text: &str| Url::parse(text).ok().map(|url| url.origin());
    origin(issuer).is_some_and(|of_issuer| origin(address) == Some(of_issuer))
}

/// What an app asks of a provider, as far as it can be compared.
#[derive(Debug, Clone, Copy)]
pub struct Needs<'a> {
    pub scopes: &'a [String],
    /// A client without a secret, which has to use PKCE.
    pub public: bool,
    pub groups_claim: Option<&'a str>,
}

/// More than this is refused by many apps, in seconds.
const SKEW: i64 = 60;

/// What of the document makes an app stumble; also what is as it should be.
pub fn compare(found: &Found, needs: Needs<'_>) -> Vec<Finding> {
    let document = &found.document;
    let mut findings = vec![Finding::good("issuer", format!("the issuer is {}", document.issuer))];
    findings.push(clock(found.clocks, "this machine's"));
    findings.push(algorithms(&document.id_token_signing_alg_values_supported));
    if !needs.public {
        let methods = document.token_endpoint_auth_methods_supported.as_deref();
        findings.push(methods_of(methods));
    }
    findings.extend(pkce(document, needs.public));
    if !document.response_types_supported.iter().any(|it| it == "code") {
        findings.push(
            Finding::bad("code", "the provider does not offer the authorization code flow")
                .fix("allow the response type `code` at the provider"),
        );
    }
    if let Some(known) = &document.scopes_supported {
        let missing: Vec<&str> = needs
            .scopes
            .iter()
            .filter(|scope| !known.contains(scope))
            .map(String::as_str)
            .collect();
        if !missing.is_empty() {
            let missing = missing.join(", ");
            findings.push(
                Finding::note("scopes", format!("the provider does not list the scopes {missing}"))
                    .fix("add them at the provider, or take them from the option `scopes`"),
            );
        }
    }
    if let Some(claims) = &document.claims_supported {
        if !claims.iter().any(|claim| claim == "email_verified") {
            findings.push(
                Finding::note(
                    "email-verified",
                    "the provider does not say whether an address is verified (`email_verified`)",
                )
                .fix("an app that demands it lets nobody in: map the claim at the provider"),
            );
        }
        if let Some(groups) = needs.groups_claim
            && !claims.iter().any(|claim| claim == groups)
        {
            findings.push(
                Finding::note("groups", format!("the provider does not list the claim `{groups}`"))
                    .fix("add the claim at the provider, or nobody is in a group"),
            );
        }
    }
    findings
}

/// Whether two clocks agree: the provider's, and `whose` the other is.
pub fn clock(clocks: Option<(Timestamp, Timestamp)>, whose: &str) -> Finding {
    let Some((theirs, ours)) = clocks else {
        return Finding::note("clock", "the provider does not tell the time");
    };
    let apart = theirs.duration_since(ours).as_secs();
    match apart.abs() > SKEW {
        false => Finding::good("clock", format!("its clock agrees with {whose}")),
        true => {
            let way = if apart > 0 { "ahead of" } else { "behind" };
            Finding::bad(
                "clock",
                format!("the provider's clock is {} s {way} {whose}", apart.abs()),
            )
            .fix("set both clocks by NTP: tokens are refused that are not valid yet, or any more")
        }
    }
}

fn algorithms(known: &[String]) -> Finding {
    let list = || known.iter().map(|it| line(it).into_owned()).collect::<Vec<_>>().join(", ");
    if known.iter().any(|it| it == "RS256") {
        return Finding::good("algorithm", "it signs with RS256");
    }
    let is_symmetric = |it: &String| it.starts_with("HS") || it == "none";
    if known.iter().all(is_symmetric) {
        return Finding::bad(
            "algorithm",
            format!("the provider signs with {} only, which apps refuse", list()),
        )
        .fix("choose an RSA signing key at the provider");
    }
    Finding::note("algorithm", format!("the provider signs with {} only", list()))
        .fix("an app that knows RS256 only refuses that: allow RS256 for this client")
}

fn methods_of(known: Option<&[String]>) -> Finding {
    let has = |method: &str| known.is_none_or(|known| known.iter().any(|it| it == method));
    match (
        known.is_none() || has("client_secret_basic"),
        known.is_some() && has("client_secret_post"),
    ) {
        (true, _) => Finding::good("token-method", "clients may use `client_secret_basic`"),
        (false, true) => Finding::note("token-method", "clients may use `client_secret_post` only")
            .fix("`client_secret_basic` is the default of RFC 7591: tell the app to use post"),
        (false, false) => Finding::bad(
            "token-method",
            "clients cannot use their secret: neither `client_secret_basic` nor \
             `client_secret_post` is allowed",
        )
        .fix("allow `client_secret_basic` at the provider"),
    }
}

fn pkce(document: &Document, public: bool) -> Option<Finding> {
    let has = document.code_challenge_methods_supported.iter().any(|it| it == "S256");
    match (has, public) {
        (true, _) => None,
        (false, true) => Some(
            Finding::bad("pkce", "the provider does not know PKCE, and the app has no secret")
                .fix("take another provider, or give the app a secret: the option `public: false`"),
        ),
        (false, false) => Some(
            Finding::note("pkce", "the provider does not say that it knows PKCE (S256)")
                .fix("an app that demands it refuses this provider"),
        ),
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Keys {
    keys: Vec<Key>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Key {
    kid: Option<String>,
    kty: String,
}

/// The ids of the keys that a provider signs with, and whether there are any; `before` are
/// those of the last look.
pub async fn keys(web: &Web<'_>, document: &Document, before: &[String]) -> (Vec<String>, Finding) {
    let url = match Url::parse(&document.jwks_uri) {
        Ok(url) => url,
        Err(_) => {
            let said = format!("`{}` is not an address of keys", line(&document.jwks_uri));
            return (
                Vec::new(),
                Finding::bad("keys", said).fix("correct `jwks_uri` at the provider"),
            );
        }
    };
    let keys = match web.json::<Keys>(&url, "a set of keys").await {
        Ok((keys, _)) => keys.keys,
        Err(error) => {
            let fix = "apps cannot check a signature: look at the provider";
            return (Vec::new(), Finding::bad("keys", error.to_string()).fix(fix));
        }
    };
    if keys.is_empty() {
        let fix = "choose a signing key at the provider";
        return (Vec::new(), Finding::bad("keys", "the provider publishes no keys").fix(fix));
    }
    let ids: BTreeSet<String> = keys.iter().filter_map(|key| key.kid.clone()).collect();
    let kinds: BTreeSet<&str> = keys.iter().map(|key| key.kty.as_str()).collect();
    let is_known = |id: &String| before.contains(id);
    let finding = match before.is_empty() || ids.iter().all(is_known) {
        true => {
            let kinds: Vec<_> = kinds.iter().map(|kind| line(kind)).collect();
            Finding::good(
                "keys",
                format!("it publishes {} keys ({})", keys.len(), kinds.join(", ")),
            )
        }
        false => {
            let told = match ids.iter().any(is_known) {
                true => "the provider has a key that it did not have when the app was connected",
                false => "the provider has other keys than when the app was connected",
            };
            Finding::note("keys", told)
                .fix("an app that remembers keys refuses sign-ins for up to an hour: restart it")
        }
    };
    (ids.into_iter().collect(), finding)
}

/// Whether an issuer's name leads to private addresses, which some apps refuse.
pub fn place(issuer: &str) -> Option<Finding> {
    let url = Url::parse(issuer).ok()?;
    let port = url.port_or_known_default()?;
    let addresses: Vec<IpAddr> = match url.host()? {
        Host::Ipv4(address) => vec![address.into()],
        Host::Ipv6(address) => vec![address.into()],
        Host::Domain(name) => {
            (name, port).to_socket_addrs().ok()?.map(|address| address.ip()).collect()
        }
    };
    private(&addresses)
}

/// Which of the addresses of a provider's name some apps refuse.
pub fn private(addresses: &[IpAddr]) -> Option<Finding> {
    let private = addresses.iter().find(|address| is_private(address))?;
    Some(
        Finding::note(
            "address",
            format!("the provider's name leads to {private}, a private address"),
        )
        .fix(
            "an app that refuses these needs a setting for it (Nextcloud: \
                 `allow_local_remote_servers`)",
        ),
    )
}

fn is_private(address: &IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            address.is_private() || address.is_loopback() || address.is_link_local()
        }
        IpAddr::V6(address) => address.is_loopback() || address.is_unique_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wiring::Level;

    fn found(document: Document) -> Found {
        Found { document, clocks: None }
    }

    fn good() -> Document {
        let words = |list: &[&str]| list.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>();
        Document {
            issuer: "https://sso.example.org".into(),
            response_types_supported: words(&["code"]),
            id_token_signing_alg_values_supported: words(&["RS256"]),
            code_challenge_methods_supported: words(&["S256"]),
            ..Document::default()
        }
    }

    fn worst(document: Document, public: bool) -> Vec<(&'static str, Level)> {
        let scopes = ["openid".to_owned(), "groups".to_owned()];
        let needs = Needs { scopes: &scopes, public, groups_claim: Some("groups") };
        let findings = compare(&found(document), needs);
        let odd = findings.into_iter().filter(|it| it.level != Level::Good && it.check != "clock");
        odd.map(|it| (it.check, it.level)).collect()
    }

    #[test]
    fn clients_are_registered_at_the_issuer_alone() {
        let at = |endpoint: Option<&str>| {
            let document = Document {
                issuer: "https://sso.coop.org/realms/a".into(),
                registration_endpoint: endpoint.map(str::to_owned),
                ..Document::default()
            };
            document.registration().map(str::to_owned)
        };
        let own = "https://sso.coop.org/register";
        assert_eq!(at(Some(own)).unwrap(), own);
        assert!(matches!(at(None), Err(Error::NoRegistration { .. })));
        for other in [
            "http://sso.coop.org/register",
            "https://sso.coop.org:8443/register",
            "https://169.254.169.254/register",
            "https://sso.coop.org.evil.org/register",
            "register",
        ] {
            assert!(matches!(at(Some(other)), Err(Error::RegistersElsewhere { .. })), "{other}");
        }
    }

    #[test]
    fn what_makes_apps_stumble_is_found() {
        use Level::{Bad, Note};
        let words = |list: &[&str]| list.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>();
        assert_eq!(worst(good(), false), []);
        assert_eq!(worst(good(), true), []);
        type Change<'a> = &'a dyn Fn(&mut Document);
        let cases: [(Change<'_>, bool, &str, Level); 9] = [
            (&|it| it.response_types_supported.clear(), false, "code", Bad),
            (
                &|it| it.id_token_signing_alg_values_supported = words(&["HS256"]),
                false,
                "algorithm",
                Bad,
            ),
            (
                &|it| it.id_token_signing_alg_values_supported = words(&["ES256"]),
                false,
                "algorithm",
                Note,
            ),
            (
                &|it| {
                    it.token_endpoint_auth_methods_supported = Some(words(&["client_secret_post"]))
                },
                false,
                "token-method",
                Note,
            ),
            (
                &|it| it.token_endpoint_auth_methods_supported = Some(words(&["private_key_jwt"])),
                false,
                "token-method",
                Bad,
            ),
            (&|it| it.code_challenge_methods_supported.clear(), false, "pkce", Note),
            (&|it| it.code_challenge_methods_supported.clear(), true, "pkce", Bad),
            (&|it| it.scopes_supported = Some(words(&["openid"])), false, "scopes", Note),
            (&|it| it.claims_supported = Some(words(&["groups"])), false, "email-verified", Note),
        ];
        for (change, public, check, level) in cases {
            let mut document = good();
            change(&mut document);
            assert_eq!(worst(document, public), [(check, level)]);
        }
        let claims = Document { claims_supported: Some(words(&["email_verified"])), ..good() };
        assert_eq!(worst(claims, false), [("groups", Note)]);
    }

    #[test]
    fn clocks_that_differ_are_found() {
        let ours: Timestamp = "2026-11-28T03:00:00Z".parse().unwrap();
        for (theirs, level) in [
            ("2026-11-28T03:00:30Z", Level::Good),
            ("2026-11-28T02:58:00Z", Level::Bad),
            ("2026-11-28T03:05:00Z", Level::Bad),
        ] {
            assert_eq!(
                clock(Some((theirs.parse().unwrap(), ours)), "ours").level,
                level,
                "{theirs}"
            );
        }
        assert_eq!(clock(None, "ours").level, Level::Note);
    }

    #[test]
    fn private_addresses_are_told() {
        for (issuer, is_told) in [
            ("https://127.0.0.1:1/x", true),
            ("https://10.1.2.3", true),
            ("https://[fd00::1]", true),
            ("https://192.0.2.1", false),
            ("not an address", false),
        ] {
            assert_eq!(place(issuer).is_some(), is_told, "{issuer}");
        }
    }
}
