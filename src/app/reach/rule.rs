//! Rules of Traefik's routers: which hosts they match (Traefik 2 and 3,
//! `pkg/muxer`; Traefik 1, `provider/label`).
//!
//! A rule is an expression of functions with `&&`, `||`, `!` and brackets. This module
//! finds the hosts for which it may be true. A condition that does not mention hosts is
//! true for any host; a part that cannot be parsed is kept literally.

use std::collections::BTreeSet;

/// The hosts for which a rule may be true.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Hosts {
    Any,
    /// Some of them patterns.
    Only(BTreeSet<Host>),
    /// It names these hosts, but may be true for any other one, too.
    AnyAnd(BTreeSet<Host>),
}

/// One host that a rule names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Host {
    /// A name, or `*`.
    Name(String),
    /// A regular expression.
    Pattern(String),
    /// A rule that cannot be parsed.
    Unread(String),
}

/// The hosts of a rule of Traefik 2 or 3.
pub fn hosts(rule: &str) -> BTreeSet<Host> {
    let mut parser = Parser { rest: rule, depth: 0 };
    let read = parser.either().filter(|_| parser.rest.trim().is_empty());
    match read {
        None => [Host::Unread(rule.trim().to_owned())].into(),
        Some(Hosts::Any) => [Host::Name("*".into())].into(),
        Some(Hosts::Only(hosts)) => hosts,
        Some(Hosts::AnyAnd(mut hosts)) => {
            hosts.insert(Host::Name("*".into()));
            hosts
        }
    }
}

/// The hosts of a rule of Traefik 1: `Host:a,b;PathPrefix:/x`.
pub fn hosts_of_old(rule: &str) -> BTreeSet<Host> {
    let mut found = BTreeSet::new();
    let mut limited = false;
    for part in rule.split(';') {
        let Some((function, values)) = part.split_once(':') else { continue };
        let values = values.split(',').map(str::trim).filter(|value| !value.is_empty());
        match function.trim().to_ascii_lowercase().as_str() {
            "host" => {
                limited = true;
                found.extend(values.map(|value| Host::Name(value.into())));
            }
            "hostregexp" => {
                limited = true;
                found.extend(values.map(|value| Host::Pattern(value.into())));
            }
            _ => {}
        }
    }
    if !limited {
        found.insert(Host::Name("*".into()));
    }
    found
}

/// Brackets deeper than this are not in any rule written by a person.
const DEEPEST: usize = 32;

struct Parser<'a> {
    rest: &'a str,
    depth: usize,
}

impl<'a> Parser<'a> {
    fn takes(&mut self, token: &str) -> bool {
        self.rest = self.rest.trim_start();
        match self.rest.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn either(&mut self) -> Option<Hosts> {
        let mut hosts = self.both()?;
        while self.takes("||") {
            hosts = or(hosts, self.both()?);
        }
        Some(hosts)
    }

    fn both(&mut self) -> Option<Hosts> {
        let mut hosts = self.one()?;
        while self.takes("&&") {
            hosts = and(hosts, self.one()?);
        }
        Some(hosts)
    }

    fn one(&mut self) -> Option<Hosts> {
        if self.takes("!") {
            // Everywhere but there.
            self.deeper(Self::one)?;
            return Some(Hosts::Any);
        }
        if self.takes("(") {
            let hosts = self.deeper(Self::either)?;
            return self.takes(")").then_some(hosts);
        }
        self.function()
    }

    fn deeper<T>(&mut self, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        self.depth += 1;
        let read = (self.depth <= DEEPEST).then(|| read(self)).flatten();
        self.depth -= 1;
        read
    }

    fn function(&mut self) -> Option<Hosts> {
        self.rest = self.rest.trim_start();
        let end = self.rest.find(|c: char| !c.is_ascii_alphanumeric())?;
        let name = self.rest[..end].to_ascii_lowercase();
        self.rest = &self.rest[end..];
        if name.is_empty() || !self.takes("(") {
            return None;
        }
        let mut arguments = Vec::new();
        while !self.takes(")") {
            if !arguments.is_empty() && !self.takes(",") {
                return None;
            }
            arguments.push(self.text()?);
        }
        Some(match name.as_str() {
            "host" | "hostheader" | "hostsni" => {
                Hosts::Only(arguments.into_iter().map(Host::Name).collect())
            }
            "hostregexp" | "hostsniregexp" => {
                Hosts::Only(arguments.into_iter().map(Host::Pattern).collect())
            }
            _ => Hosts::Any,
        })
    }

    /// A text of Go: in backticks as it is, in quotes with escapes.
    fn text(&mut self) -> Option<String> {
        self.rest = self.rest.trim_start();
        let quote = self.rest.chars().next().filter(|c| matches!(c, '`' | '"' | '\''))?;
        let inside = &self.rest[1..];
        let end = inside.find(quote)?;
        let text = &inside[..end];
        if quote != '`' && text.contains('\\') {
            // Escapes could spell anything.
            return None;
        }
        self.rest = &inside[end + 1..];
        Some(text.to_owned())
    }
}

fn or(one: Hosts, other: Hosts) -> Hosts {
    use Hosts::{Any, AnyAnd, Only};
    match (one, other) {
        (Any, Any) => Any,
        (Any, Only(hosts) | AnyAnd(hosts)) | (Only(hosts) | AnyAnd(hosts), Any) => AnyAnd(hosts),
        (Only(a), Only(b)) => Only(a.into_iter().chain(b).collect()),
        (Only(a) | AnyAnd(a), AnyAnd(b)) | (AnyAnd(a), Only(b)) => {
            AnyAnd(a.into_iter().chain(b).collect())
        }
    }
}

/// Two hosts at once match nothing, so naming both is the safe side.
fn and(one: Hosts, other: Hosts) -> Hosts {
    use Hosts::{Any, AnyAnd, Only};
    match (one, other) {
        (Any, hosts) | (hosts, Any) => hosts,
        (Only(a), Only(b)) => Only(a.into_iter().chain(b).collect()),
        (Only(only), AnyAnd(_)) | (AnyAnd(_), Only(only)) => Only(only),
        (AnyAnd(a), AnyAnd(b)) => AnyAnd(a.into_iter().chain(b).collect()),
    }
}

/// Whether a pattern matches nothing but subdomains of a domain, or itself. Only
/// simple patterns are accepted: no alternatives, and the domain at an anchored end.
pub fn is_within(pattern: &str, domain: &str) -> bool {
    let escaped = domain.replace('.', "\\.");
    // Traefik 2: `{sub:[a-z]+}.example.org`, literal outside the braces.
    if let Some(rest) = pattern.strip_prefix('{') {
        let Some((inside, outside)) = rest.split_once('}') else { return false };
        let Some((name, regexp)) = inside.split_once(':') else { return false };
        // Traefik 3 takes the whole for one regular expression: nothing in it may
        // be an alternative.
        let named = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        let harmless = |c: char| !matches!(c, '|' | '^' | '$' | '(' | ')' | '{' | '\\');
        return outside.strip_prefix('.') == Some(domain)
            && !name.is_empty()
            && name.chars().all(named)
            && regexp.chars().all(harmless);
    }
    let plain = |c: char| !matches!(c, '|' | '(' | ')' | '{' | '}' | '?' | '#' | ',');
    let Some(before) = pattern.strip_suffix('$').and_then(|p| p.strip_suffix(escaped.as_str()))
    else {
        return false;
    };
    before.chars().all(plain) && (before == "^" || before.ends_with("\\."))
}

/// Whether a pattern plainly matches every host.
pub fn is_anything(pattern: &str) -> bool {
    let pattern = pattern.trim().trim_start_matches('^').trim_end_matches('$');
    let inner = pattern.strip_prefix('{').and_then(|p| p.strip_suffix('}'));
    let inner = inner.and_then(|inner| inner.split_once(':')).map_or(pattern, |(_, regexp)| regexp);
    let inner = inner.trim_start_matches('(').trim_end_matches(')');
    let inner = inner.trim_start_matches('^').trim_end_matches('$');
    matches!(inner, "" | ".*" | ".+" | "." | "*" | ".*?" | ".+?")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_matches_where_it_may_be_true() {
        for (rule, expected) in [
            ("Host(`a.example`)", "a.example"),
            ("Host(`a.example`, `b.example`)", "a.example b.example"),
            ("host(\"a.example\") && PathPrefix(`/x`)", "a.example"),
            ("PathPrefix(`/x`) && (Host(`a`) || HostHeader(`b`))", "a b"),
            ("Host(`a`) || PathPrefix(`/`)", "* a"),
            ("(Host(`a`) || Path(`/`)) && Host(`b`)", "b"),
            ("PathPrefix(`/`)", "*"),
            ("!Host(`a`)", "*"),
            ("Host(`a`) && !(Host(`b`) && Path(`/`))", "a"),
            ("HostSNI(`*`)", "*"),
            ("HOSTREGEXP(`.*`)", "~.*"),
            ("HostSNIRegexp('^.+$')", "~^.+$"),
            ("Query(`a`, `b`) && Host(`a`)", "a"),
            ("", "?"),
            ("Host(a)", "?Host(a)"),
            ("Host(`a`) Host(`b`)", "?Host(`a`) Host(`b`)"),
            ("Host(\"\\x61\")", "?Host(\"\\x61\")"),
            ("Host(`a`", "?Host(`a`"),
        ] {
            let found: Vec<String> = hosts(rule)
                .into_iter()
                .map(|host| match host {
                    Host::Name(name) => name,
                    Host::Pattern(pattern) => format!("~{pattern}"),
                    Host::Unread(rule) => format!("?{rule}"),
                })
                .collect();
            assert_eq!(found.join(" "), expected, "{rule}");
        }
        assert!(matches!(hosts(&"(".repeat(100_000)).first(), Some(Host::Unread(_))));
    }

    #[test]
    fn rules_of_traefik_1() {
        let names = |rule: &str| {
            let all = hosts_of_old(rule).into_iter();
            all.map(|host| format!("{host:?}")).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(names("Host:a, b;PathPrefix:/x"), r#"Name("a") Name("b")"#);
        assert_eq!(names("HostRegexp:{x:.*}"), r#"Pattern("{x:.*}")"#);
        assert_eq!(names("PathPrefix:/"), r#"Name("*")"#);
    }

    #[test]
    fn a_pattern_stays_within_a_domain_only_where_that_can_be_seen() {
        for (pattern, within) in [
            ("^wiki\\.example\\.org$", true),
            ("^[a-z]+\\.wiki\\.example\\.org$", true),
            (".+\\.wiki\\.example\\.org$", true),
            ("{sub:[a-z]+}.wiki.example.org", true),
            ("wiki\\.example\\.org$", false),
            ("^.*\\.wiki\\.example\\.org", false),
            ("^a$|\\.wiki\\.example\\.org$", false),
            ("^.+.wiki.example.org$", false),
            ("{a:x}{b:y}.wiki.example.org", false),
            ("{sub:a}.wiki.example.org|x", false),
            ("^evil\\.example$", false),
        ] {
            assert_eq!(is_within(pattern, "wiki.example.org"), within, "{pattern}");
        }
        for pattern in [".*", "^.+$", "{any:.*}", "{host:(.+)}", "^(.*)$", "*"] {
            assert!(is_anything(pattern), "{pattern}");
        }
        assert!(!is_anything("^a$"));
    }
}
