//! Names, parsed once on input and valid from then on.

use std::fmt;

/// A name that is not acceptable, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind} `{given}` is not valid: {reason}")]
pub struct InvalidName {
    pub kind: &'static str,
    pub given: String,
    pub reason: &'static str,
}

impl crate::hint::Hint for InvalidName {}

macro_rules! name_type {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $check:path) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// Parses the name.
            ///
            /// # Errors
            /// [`InvalidName`] with the rule that was broken.
            pub fn new(given: impl Into<String>) -> Result<Self, InvalidName> {
                let given = given.into();
                match $check(&given) {
                    Ok(()) => Ok(Self(given)),
                    Err(reason) => Err(InvalidName { kind: $kind, given, reason }),
                }
            }

            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl std::str::FromStr for $name {
            type Err = InvalidName;
            fn from_str(s: &str) -> Result<Self, InvalidName> {
                Self::new(s)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
    };
}

name_type! {
    /// Name of an app: its domain, `wiki.example.org`. Also its file name, so
    /// it can hold no path separator and does not begin with a dot or a dash.
    AppName, "app name", check_file_name
}

name_type! {
    /// Name of a server in the operator's folder: usually an ssh host name.
    ServerName, "server name", check_file_name
}

name_type! {
    /// Name of a recipe: the folder it is kept in.
    RecipeName, "recipe name", check_file_name
}

name_type! {
    /// Name of a plugin in `recipe.yml`.
    PluginName, "plugin name", check_file_name
}

name_type! {
    /// Name of a provider that is no app: its file in `providers/`.
    ProviderName, "provider name", check_file_name
}

name_type! {
    /// Prefix of all objects that an app owns on a swarm, `wiki_example_org`.
    /// Docker itself refuses only blanks and quotes; swarm then refuses the
    /// services, whose names allow letters, digits, `-` and `_`
    /// (moby/swarmkit, `manager/controlapi/common.go`).
    StackName, "stack name", check_stack_name
}

/// abra cuts the sanitised name here (`MAX_SANITISED_APP_NAME_LENGTH`), which
/// leaves room for service and secret names within swarm's 63 and 64 bytes.
const LONGEST_STACK_NAME: usize = 45;

macro_rules! in_files {
    ($($name:ident),*) => {
        $(
            /// In the operator's own files.
            impl<'de> serde::Deserialize<'de> for $name {
                fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                    let given = String::deserialize(from)?;
                    $name::new(given).map_err(serde::de::Error::custom)
                }
            }

            impl serde::Serialize for $name {
                fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                    to.serialize_str(&self.0)
                }
            }
        )*
    };
}

in_files!(AppName, ServerName);

impl AppName {
    /// The stack of this app: `.` and everything else that swarm refuses
    /// becomes `_`, cut at 45 bytes as abra does.
    pub fn stack(&self) -> StackName {
        let mut stack: String = self
            .0
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() || c == '-' || c == '_' { c } else { '_' })
            .collect();
        stack.truncate(LONGEST_STACK_NAME);
        StackName(stack)
    }
}

fn check_file_name(name: &str) -> Result<(), &'static str> {
    if name.is_empty() {
        return Err("it is empty");
    }
    if name.len() > 128 {
        return Err("it is longer than 128 bytes");
    }
    if !name.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        return Err("it must begin with a letter or a digit");
    }
    if !name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_')) {
        return Err("only letters, digits, `.`, `-` and `_` are allowed");
    }
    Ok(())
}

fn check_stack_name(name: &str) -> Result<(), &'static str> {
    if name.is_empty() {
        return Err("it is empty");
    }
    if name.len() > 63 {
        return Err("it is longer than 63 bytes");
    }
    if !name.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        return Err("it must begin with a letter or a digit");
    }
    if !name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_')) {
        return Err("only letters, digits, `-` and `_` are allowed");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_becomes_a_stack() {
        for (app, stack) in [
            ("wiki.example.org", "wiki_example_org"),
            ("a-b.example", "a-b_example"),
            (
                "a-very-long-subdomain-of.a-very-long-domain.example.org",
                "a-very-long-subdomain-of_a-very-long-domain_e",
            ),
        ] {
            assert_eq!(AppName::new(app).unwrap().stack().as_str(), stack);
        }
    }

    #[test]
    fn names_cannot_leave_their_folder() {
        for bad in ["", "../etc", ".hidden", "-n", "a/b", "a b", "a\nb", "ä.example"] {
            assert!(AppName::new(bad).is_err(), "{bad:?} was accepted");
        }
    }
}
