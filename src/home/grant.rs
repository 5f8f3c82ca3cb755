//! A grant: permission to use one capability on one object, as `recipe.yml`
//! asks for it and the lock file records it.

use std::{fmt, str::FromStr};

use super::names::PluginName;

/// One grant. Its text form, `exec: db`, is the line that would be written
/// under `grants:` in `recipe.yml`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Grant {
    /// Run programs in, restart, wait for, read the log of, and read and write
    /// files of one service of the app's own stack.
    Exec(String),
    /// Read or replace one of the app's secrets.
    Secret(String),
    /// Send HTTP requests to one origin, `https://sso.example.org`.
    Http(String),
}

/// Every form of a grant.
const WRITTEN: &str = "a grant is written `exec: SERVICE`, `secret: NAME` or `http: ORIGIN`";

/// A line that is not a grant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` is not a grant: {reason}")]
pub struct InvalidGrant {
    pub given: String,
    pub reason: String,
}

/// Its reason says how a grant is written: on the command line there is no room
/// for a hint.
impl crate::hint::Hint for InvalidGrant {}

impl Grant {
    /// The capability, as written before the colon.
    pub fn capability(&self) -> &'static str {
        match self {
            Grant::Exec(_) => "exec",
            Grant::Secret(_) => "secret",
            Grant::Http(_) => "http",
        }
    }

    /// Builds a grant from its two halves, as written in `recipe.yml`.
    ///
    /// # Errors
    /// [`InvalidGrant`] for an unknown capability or a malformed thing.
    pub fn new(capability: &str, thing: &str) -> Result<Self, InvalidGrant> {
        let thing = thing.trim();
        let invalid = |reason: &str| InvalidGrant {
            // A line of a recipe's text must not become two of ours.
            given: format!("{capability}: {thing}").escape_debug().to_string(),
            reason: reason.into(),
        };
        if thing.is_empty() {
            return Err(invalid(&format!("the name after the colon is missing; {WRITTEN}")));
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        match capability.trim() {
            "exec" if thing.chars().all(plain) => Ok(Grant::Exec(thing.into())),
            "exec" => Err(invalid("that is not the name of a service")),
            "secret" if thing.chars().all(plain) => Ok(Grant::Secret(thing.into())),
            "secret" => Err(invalid("that is not the name of a secret")),
            "http" => {
                let lower = thing.to_ascii_lowercase();
                if !lower.starts_with("http://") && !lower.starts_with("https://") {
                    return Err(invalid("an origin begins with http:// or https://"));
                }
                // What a URL's reader would overlook or put right.
                if thing.contains(|c: char| c.is_control() || c.is_whitespace() || c == '\\') {
                    return Err(invalid("an origin holds no blanks, control characters or `\\`"));
                }
                if lower.contains(":///") {
                    return Err(invalid("it names no host"));
                }
                if thing.contains('@') {
                    return Err(invalid("an origin holds no user name or password"));
                }
                let url = url::Url::parse(thing).map_err(|e| invalid(&e.to_string()))?;
                if url.host_str().is_some_and(|host| host.contains('*')) {
                    return Err(invalid("there are no wildcards: each host is named by itself"));
                }
                if url.port() == Some(0) {
                    return Err(invalid("nothing listens at port 0"));
                }
                if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
                    return Err(invalid("an origin has no path: scheme, host and port only"));
                }
                Ok(Grant::Http(url.origin().ascii_serialization()))
            }
            _ => Err(invalid(&format!("there is no such capability; {WRITTEN}"))),
        }
    }
}

impl fmt::Display for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Grant::Exec(thing) | Grant::Secret(thing) | Grant::Http(thing) => {
                write!(f, "{}: {thing}", self.capability())
            }
        }
    }
}

impl FromStr for Grant {
    type Err = InvalidGrant;

    fn from_str(s: &str) -> Result<Self, InvalidGrant> {
        let (capability, thing) = halves(s)?;
        Grant::new(capability, thing)
    }
}

/// The text before the colon, and after it.
fn halves(text: &str) -> Result<(&str, &str), InvalidGrant> {
    let no_colon = || format!("it has no colon; {WRITTEN}");
    text.split_once(':').ok_or_else(|| InvalidGrant { given: text.into(), reason: no_colon() })
}

/// A grant given beforehand, as `--grant` takes it: `wordpress exec: db`. Without
/// a plugin's name, `exec: db`, it is for the one plugin that can be meant.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GivenGrant {
    pub plugin: Option<PluginName>,
    pub grant: Grant,
}

impl fmt::Display for GivenGrant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.plugin {
            Some(plugin) => write!(f, "{plugin} {}", self.grant),
            None => self.grant.fmt(f),
        }
    }
}

impl FromStr for GivenGrant {
    type Err = InvalidGrant;

    fn from_str(s: &str) -> Result<Self, InvalidGrant> {
        let invalid = |reason: String| InvalidGrant { given: s.into(), reason };
        let (before, thing) = halves(s)?;
        let (plugin, capability) = match before.trim().rsplit_once(char::is_whitespace) {
            Some((plugin, capability)) => {
                let plugin = PluginName::new(plugin.trim()).map_err(|e| invalid(e.to_string()))?;
                (Some(plugin), capability)
            }
            None => (None, before),
        };
        Ok(GivenGrant { plugin, grant: Grant::new(capability, thing)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_written_in_one_way() {
        for (given, wanted) in [
            ("http: HTTPS://SSO.Example.org:443/", "http: https://sso.example.org"),
            ("http: https://bücher.example", "http: https://xn--bcher-kva.example"),
            ("http: http://0x7f.1", "http: http://127.0.0.1"),
            ("http: http://[0:0::1]:8080", "http: http://[::1]:8080"),
        ] {
            assert_eq!(given.parse::<Grant>().unwrap().to_string(), wanted);
        }
    }

    #[test]
    fn grants_read_as_they_print() {
        for text in ["exec: db", "secret: db_password", "http: https://sso.example.org"] {
            assert_eq!(text.parse::<Grant>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_grant_given_beforehand_may_name_its_plugin() {
        for (text, plugin, grant) in [
            ("exec: db", None, "exec: db"),
            ("wordpress exec: db", Some("wordpress"), "exec: db"),
            ("  exec  exec:db ", Some("exec"), "exec: db"),
            (
                "sso http: https://sso.example.org:8443",
                Some("sso"),
                "http: https://sso.example.org:8443",
            ),
        ] {
            let given: GivenGrant = text.parse().unwrap();
            assert_eq!(given.plugin.as_ref().map(PluginName::as_str), plugin, "{text}");
            assert_eq!(given.grant.to_string(), grant, "{text}");
            assert_eq!(given.to_string().parse::<GivenGrant>().unwrap(), given);
        }
        for text in
            ["", "wordpress", "wordpress exec", "a b exec: db", "../x exec: db", "exec db: x"]
        {
            assert!(text.parse::<GivenGrant>().is_err(), "{text:?} was accepted");
        }
    }

    #[test]
    fn what_is_unknown_is_told_with_what_is_known() {
        for text in ["foo: db", "exec", "exec:", ": db"] {
            let error = text.parse::<Grant>().unwrap_err().to_string();
            let given = text.parse::<GivenGrant>().unwrap_err().to_string();
            assert!(given.contains("`secret: NAME`"), "{given}");
            for form in ["`exec: SERVICE`", "`secret: NAME`", "`http: ORIGIN`"] {
                assert!(error.contains(form), "{error}");
            }
        }
    }

    #[test]
    fn what_is_not_a_grant_is_refused() {
        for text in [
            "exec",
            "exec:",
            "exec: a b",
            "exec: ../x",
            "file: /etc",
            "http: ftp://x",
            "http: https://x/path",
            "http: https://x/?",
            "http: https://x/#a",
            "http: https://u:p@x",
            "http: https://@x",
            "http: https://*.example.org",
            "http: https://*",
            "http: *",
            "http: sso.example.org",
            "http: https:sso.example.org",
            "http: https:///sso.example.org",
            "http: https://sso.exa\tmple.org",
            "http: https://sso.example.org\\@evil.example",
            "http: https://sso.example.org evil.example",
            "http: https://sso.example.org:0",
            "http: https://sso.example.org:99999",
            "http: https://sso.example.org:x",
            "http: https://",
            "http: ws://x",
            "secret: a/b",
        ] {
            assert!(text.parse::<Grant>().is_err(), "{text:?} was accepted");
        }
    }
}
