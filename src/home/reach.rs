//! What a service of a recipe reaches beyond its own app, as the plan shows it
//! and as the lock file records consent.
//!
//! Its text, `host: /srv/x`, is one line whatever a recipe writes: characters
//! that could end a line, hide, or end a quotation in a shell are written as
//! `\u{…}`. That form is canonical, so that what is agreed to is compared as text.

use std::{fmt, str::FromStr};

use sha2::{Digest, Sha256};

/// Stands before the digest of a thing that was shortened.
const SHORTENED: char = '…';
/// Longer things keep their beginning and a digest.
const LONGEST: usize = 200;

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident $word:literal $thing:ident,)*) => {
        /// Ways out of an app.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Way {
            $($(#[$doc])* $name,)*
        }

        impl Way {
            /// All of them, the most serious first.
            pub const ALL: &[Way] = &[$(Way::$name),*];

            /// As written before the colon.
            pub fn word(self) -> &'static str {
                match self { $(Way::$name => $word,)* }
            }

            /// Whether something is named after it.
            fn names_something(self) -> bool {
                match self { $(Way::$name => kinds!(@ $thing),)* }
            }
        }
    };
    (@ alone) => { false };
    (@ thing) => { true };
}

kinds! {
    /// The engine's socket, which gives full control of the machine.
    DockerSocket "docker-socket" alone,
    /// A path of the node, read and written.
    Host "host" thing,
    /// A path of the node, read.
    HostRead "host-read" thing,
    /// The node's own network.
    HostNetwork "host-network" alone,
    /// A capability that containers don't have by themselves.
    Capability "capability" thing,
    /// A volume that isn't the stack's own.
    ExternalVolume "external-volume" thing,
    ExternalSecret "external-secret" thing,
    ExternalConfig "external-config" thing,
    /// A network that is neither the stack's nor named in the server's settings.
    ExternalNetwork "external-network" thing,
    /// Hosts whose visitors a reverse proxy would send here.
    Route "route" thing,
    /// A router or service of a reverse proxy that isn't the stack's own.
    Router "router" thing,
    /// A name on a shared network that others may use for another service.
    Alias "alias" thing,
    /// A volume of a plugin, or of another machine.
    VolumeDriver "volume-driver" thing,
    NetworkDriver "network-driver" thing,
    /// Addresses that a network of the stack takes.
    Subnet "subnet" thing,
    /// Where logs go beside the node.
    LogDriver "log-driver" thing,
    SecretDriver "secret-driver" thing,
    CredentialSpec "credential-spec" thing,
    /// An image from another registry than those in use.
    Registry "registry" thing,
    Sysctl "sysctl" thing,
    Ulimit "ulimit" thing,
    Isolation "isolation" thing,
    /// A published port; shown, never asked for.
    Port "port" thing,
    /// A shared network that the server's settings name; shown, never asked for.
    Network "network" thing,
}

/// One thing beyond its app that a service reaches.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reach {
    way: Way,
    /// In the canonical form.
    thing: String,
}

/// A line that names no reach.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` is not a reach: {reason}")]
pub struct InvalidReach {
    pub given: String,
    pub reason: String,
}

impl crate::hint::Hint for InvalidReach {}

impl Reach {
    /// Of something that a recipe names.
    pub fn new(way: Way, thing: &str) -> Self {
        let thing = if way.names_something() { canonical(thing) } else { String::new() };
        Reach { way, thing }
    }

    /// A way that needs no name.
    pub fn alone(way: Way) -> Self {
        Reach::new(way, "")
    }

    pub fn way(&self) -> Way {
        self.way
    }

    /// What is named after the colon; empty where nothing is.
    pub fn thing(&self) -> &str {
        &self.thing
    }

    /// Whether the operator has to agree to it.
    pub fn needs_yes(&self) -> bool {
        !matches!(self.way, Way::Port | Way::Network)
    }

    /// Whether consent to `self` includes `other`: writing a path of the node
    /// includes reading it.
    pub fn covers(&self, other: &Reach) -> bool {
        self == other
            || (self.way == Way::Host && other.way == Way::HostRead && self.thing == other.thing)
    }

    /// Whether a text before a colon is the word of a way.
    pub fn is_word(word: &str) -> bool {
        Way::ALL.iter().any(|way| way.word() == word)
    }
}

/// Escapes characters that could be mistaken.
fn canonical(thing: &str) -> String {
    let last = thing.chars().count().saturating_sub(1);
    let mut text = String::new();
    for (index, c) in thing.chars().enumerate() {
        let at_an_end = index == 0 || index == last;
        if is_plain(c) && !(c == ' ' && at_an_end) && c != '\\' {
            text.push(c);
        } else {
            text.extend(c.escape_unicode());
        }
    }
    if text.chars().count() > LONGEST {
        let digest = hex::encode(Sha256::digest(text.as_bytes()));
        text = text.chars().take(LONGEST - 17).collect();
        text = format!("{text}{SHORTENED}{}", &digest[..16]);
    }
    text
}

/// Characters that need no escape: visible ASCII, except quotes.
fn is_plain(c: char) -> bool {
    c == ' ' || (c.is_ascii_graphic() && !matches!(c, '\'' | '"'))
}

impl fmt::Display for Reach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.thing.as_str() {
            "" => f.write_str(self.way.word()),
            thing => write!(f, "{}: {thing}", self.way.word()),
        }
    }
}

impl FromStr for Reach {
    type Err = InvalidReach;

    fn from_str(text: &str) -> Result<Self, InvalidReach> {
        let invalid = |reason: &str| InvalidReach {
            given: text.escape_debug().to_string(),
            reason: reason.into(),
        };
        let (word, thing) = text.split_once(':').unwrap_or((text, ""));
        let (word, thing) = (word.trim(), thing.trim());
        let Some(way) = Way::ALL.iter().copied().find(|way| way.word() == word) else {
            let words: Vec<&str> = Way::ALL.iter().map(|way| way.word()).collect();
            return Err(invalid(&format!("expected one of {}", words.join(", "))));
        };
        match (way.names_something(), thing) {
            (true, "") => Err(invalid("the name after the colon is missing")),
            (false, "") => Ok(Reach::alone(way)),
            (false, _) => Err(invalid(&format!("the name after `{word}` is missing"))),
            (true, thing) if thing.chars().all(|c| is_plain(c) || c == SHORTENED) => {
                Ok(Reach { way, thing: thing.to_owned() })
            }
            (true, _) => Err(invalid("write quotes and control characters as `\\u{…}`")),
        }
    }
}

/// A reach agreed to beforehand, as `--grant` takes it: `app host: /srv/x`.
/// Without a service's name it is for the one service that can be meant.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GivenReach {
    /// The key in the compose files.
    pub service: Option<String>,
    pub reach: Reach,
}

impl GivenReach {
    /// Whether a text of `--grant` is meant as a reach: its last word before the
    /// colon is that of a [`Way`].
    pub fn is_meant(text: &str) -> bool {
        let before = text.split_once(':').map_or(text, |(before, _)| before);
        before.split_whitespace().last().is_some_and(Reach::is_word)
    }
}

impl fmt::Display for GivenReach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.service {
            Some(service) => write!(f, "{service} {}", self.reach),
            None => self.reach.fmt(f),
        }
    }
}

impl FromStr for GivenReach {
    type Err = InvalidReach;

    fn from_str(text: &str) -> Result<Self, InvalidReach> {
        let trimmed = text.trim();
        let before = trimmed.find(':').unwrap_or(trimmed.len());
        let (service, rest) = match trimmed[..before].trim_end().rfind(char::is_whitespace) {
            Some(at) => (Some(trimmed[..at].trim()), &trimmed[at..]),
            None => (None, trimmed),
        };
        if let Some(name) = service
            && !name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'))
        {
            return Err(InvalidReach {
                given: text.escape_debug().to_string(),
                reason: "that is not the name of a service".into(),
            });
        }
        Ok(GivenReach { service: service.map(Into::into), reach: rest.parse()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_recipe_names_is_one_line_that_reads_as_it_prints() {
        for (way, thing, text) in [
            (Way::Host, "/srv/x", "host: /srv/x"),
            (Way::HostRead, "/srv/a b", "host-read: /srv/a b"),
            (Way::Host, "/srv/x ", r"host: /srv/x\u{20}"),
            (Way::Host, "/a\nhost: /b", r"host: /a\u{a}host: /b"),
            (Way::Host, "/a'; rm -rf ~ '", r"host: /a\u{27}; rm -rf ~ \u{27}"),
            (Way::Route, "a\u{202e}b\u{9b}c\u{200b}", r"route: a\u{202e}b\u{9b}c\u{200b}"),
            (Way::Route, r"regexp \u{a}", r"route: regexp \u{5c}u{a}"),
            (Way::Host, "/srv/ü…", r"host: /srv/\u{fc}\u{2026}"),
            (Way::Capability, "NET_ADMIN", "capability: NET_ADMIN"),
            (Way::DockerSocket, "/run/docker.sock", "docker-socket"),
        ] {
            let reach = Reach::new(way, thing);
            assert_eq!(reach.to_string(), text);
            assert_eq!(text.parse::<Reach>().unwrap(), reach, "{text}");
        }
        let (long, longer) = ("x".repeat(500), "x".repeat(501));
        let [one, other] = [long, longer].map(|thing| Reach::new(Way::Route, &thing));
        assert_ne!(one, other);
        assert_eq!(one.thing().chars().count(), LONGEST);
        assert_eq!(one.to_string().parse::<Reach>().unwrap(), one);
    }

    #[test]
    fn what_is_not_a_reach_is_refused() {
        for text in ["", "host", "host:", "host-network: x", "file: /x", "host: /a\n", "exec: db"] {
            let one_line = text.parse::<Reach>().map(|reach| reach.to_string());
            assert!(one_line.is_err() || one_line == Ok("host: /a".into()), "{text:?}");
        }
        for text in ["host: /a\nb", "host: 'x'", "host: a\u{202e}b"] {
            assert!(text.parse::<Reach>().is_err(), "{text:?} was accepted");
        }
    }

    #[test]
    fn a_reach_given_beforehand_may_name_its_service() {
        for (text, service, reach) in [
            ("app host: /srv/x", Some("app"), "host: /srv/x"),
            (" _db_2  host-network ", Some("_db_2"), "host-network"),
            ("docker-socket", None, "docker-socket"),
            ("router: api@internal", None, "router: api@internal"),
            ("app volume-driver: local nfs :/x", Some("app"), "volume-driver: local nfs :/x"),
        ] {
            assert!(GivenReach::is_meant(text), "{text}");
            let given: GivenReach = text.parse().unwrap();
            assert_eq!(given.service.as_deref(), service, "{text}");
            assert_eq!(given.reach.to_string(), reach, "{text}");
            assert_eq!(given.to_string().parse::<GivenReach>().unwrap(), given);
        }
        for text in ["exec: db", "wordpress exec: db", "http: https://a.example", "", "host /x"] {
            assert!(!GivenReach::is_meant(text), "{text}");
        }
        for text in ["../x host: /a", "a b host: /a", "app host:"] {
            assert!(text.parse::<GivenReach>().is_err(), "{text:?} was accepted");
        }
    }

    #[test]
    fn writing_includes_reading_and_not_the_other_way_round() {
        let of = |text: &str| text.parse::<Reach>().unwrap();
        assert!(of("host: /a").covers(&of("host-read: /a")));
        assert!(!of("host-read: /a").covers(&of("host: /a")));
        assert!(!of("host: /a").covers(&of("host: /a/b")));
    }
}
