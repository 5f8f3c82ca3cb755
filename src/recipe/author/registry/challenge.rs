//! What a registry asks of somebody it does not know: `WWW-Authenticate`, with the scheme
//! `Bearer` (distribution, "Token Authentication Specification") or `Basic` (RFC 7617).

use reqwest::{Response, header};
use url::Url;

/// One way to be let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Challenge {
    /// With a token of this service.
    Bearer { realm: Url, service: Option<String>, scope: Option<String> },
    /// With user and password.
    Basic,
}

impl Challenge {
    /// The ways that an answer offers, tokens first.
    pub fn of(answer: &Response) -> Option<Self> {
        let offered = answer.headers().get_all(header::WWW_AUTHENTICATE).into_iter();
        let mut all: Vec<_> =
            offered.filter_map(|value| Challenge::parse(value.to_str().ok()?)).collect();
        all.sort_by_key(|challenge| *challenge == Challenge::Basic);
        all.into_iter().next()
    }

    fn parse(text: &str) -> Option<Self> {
        let (scheme, fields) = text.split_once(' ').unwrap_or((text, ""));
        if scheme.eq_ignore_ascii_case("basic") {
            return Some(Challenge::Basic);
        }
        if !scheme.eq_ignore_ascii_case("bearer") {
            return None;
        }
        Some(Challenge::Bearer {
            realm: Url::parse(&field(fields, "realm")?).ok()?,
            service: field(fields, "service"),
            scope: field(fields, "scope"),
        })
    }
}

/// Of `realm="https://…",service="…"` the value of one name.
fn field(fields: &str, name: &str) -> Option<String> {
    let mut left = fields;
    loop {
        let (key, rest) = left.split_once('=')?;
        let (value, behind) = match rest.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"')?,
            None => rest.split_at(rest.find(',').unwrap_or(rest.len())),
        };
        if key.trim_matches([' ', ',']).eq_ignore_ascii_case(name) {
            return Some(value.to_owned());
        }
        left = behind;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_are_taken_apart() {
        let bearer = |realm: &str, service: Option<&str>, scope: Option<&str>| {
            Some(Challenge::Bearer {
                realm: Url::parse(realm).unwrap(),
                service: service.map(str::to_owned),
                scope: scope.map(str::to_owned),
            })
        };
        for (text, expected) in [
            ("Basic realm=\"Registry\"", Some(Challenge::Basic)),
            ("basic", Some(Challenge::Basic)),
            (
                "Bearer realm=\"https://a.example/token\",service=\"r\",scope=\"repository:a/b:pull\"",
                bearer("https://a.example/token", Some("r"), Some("repository:a/b:pull")),
            ),
            (
                "bearer scope=\"a,realm=b\", realm=\"https://a.example/t\"",
                bearer("https://a.example/t", None, Some("a,realm=b")),
            ),
            (
                "Bearer service=r,realm=https://a.example",
                bearer("https://a.example", Some("r"), None),
            ),
            ("Bearer realm=\"https://a.example", None),
            ("Bearer realm=\"no address\"", None),
            ("Negotiate", None),
            ("", None),
        ] {
            assert_eq!(Challenge::parse(text), expected, "{text}");
        }
    }
}
