//! Values that name something and begin or end with a blank.
//!
//! Docker keeps such a blank, and so does potluck: the network `proxy ` is not the network
//! `proxy`, and the error that follows hides the cause. Such a blank usually comes from a
//! variable, read from a file with Windows line ends or with a blank after a value.

use crate::compose::problem::Path;

/// A blank that was not meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blank {
    pub message: String,
    /// The variable that it comes from.
    pub variable: Option<String>,
}

/// Values in which a blank at an end means nothing. Left out are texts of the
/// author's own (commands, variables, labels, options of log drivers), what a swarm
/// ignores, and what docker or swarm trims (capabilities, constraints) or surely refuses (numbers,
/// sizes, durations). `*` stands for any one key, `[]` for any list position.
const NAMES: &[&[&str]] = &[
    &["services", "*", "image"],
    &["services", "*", "hostname"],
    &["services", "*", "user"],
    &["services", "*", "working_dir"],
    &["services", "*", "isolation"],
    &["services", "*", "stop_signal"],
    &["services", "*", "restart"],
    &["services", "*", "profiles", "[]"],
    &["services", "*", "group_add", "[]"],
    &["services", "*", "dns"],
    &["services", "*", "dns", "[]"],
    &["services", "*", "dns_search"],
    &["services", "*", "dns_search", "[]"],
    &["services", "*", "extra_hosts", "[]"],
    &["services", "*", "extra_hosts", "*"],
    &["services", "*", "env_file"],
    &["services", "*", "env_file", "[]"],
    &["services", "*", "env_file", "[]", "path"],
    &["services", "*", "networks", "[]"],
    &["services", "*", "networks", "*", "aliases", "[]"],
    &["services", "*", "networks", "*", "ipv4_address"],
    &["services", "*", "networks", "*", "ipv6_address"],
    &["services", "*", "networks", "*", "driver_opts", "*"],
    &["services", "*", "ports", "[]"],
    &["services", "*", "ports", "[]", "*"],
    &["services", "*", "configs", "[]"],
    &["services", "*", "configs", "[]", "*"],
    &["services", "*", "secrets", "[]"],
    &["services", "*", "secrets", "[]", "*"],
    &["services", "*", "volumes", "[]"],
    &["services", "*", "volumes", "[]", "*"],
    &["services", "*", "volumes", "[]", "*", "*"],
    &["services", "*", "tmpfs"],
    &["services", "*", "tmpfs", "[]"],
    &["services", "*", "logging", "driver"],
    &["services", "*", "credential_spec", "*"],
    &["services", "*", "deploy", "mode"],
    &["services", "*", "deploy", "endpoint_mode"],
    &["services", "*", "deploy", "restart_policy", "condition"],
    &["services", "*", "deploy", "update_config", "failure_action"],
    &["services", "*", "deploy", "update_config", "order"],
    &["services", "*", "deploy", "rollback_config", "failure_action"],
    &["services", "*", "deploy", "rollback_config", "order"],
    &["services", "*", "deploy", "placement", "preferences", "[]", "spread"],
    &[
        "services",
        "*",
        "deploy",
        "resources",
        "reservations",
        "generic_resources",
        "[]",
        "discrete_resource_spec",
        "kind",
    ],
    &["networks", "*", "name"],
    &["networks", "*", "external", "name"],
    &["networks", "*", "driver"],
    &["networks", "*", "driver_opts", "*"],
    &["networks", "*", "ipam", "driver"],
    &["networks", "*", "ipam", "config", "[]", "*"],
    &["volumes", "*", "name"],
    &["volumes", "*", "external", "name"],
    &["volumes", "*", "driver"],
    &["volumes", "*", "driver_opts", "*"],
    &["secrets", "*", "name"],
    &["secrets", "*", "external", "name"],
    &["secrets", "*", "file"],
    &["secrets", "*", "environment"],
    &["secrets", "*", "driver"],
    &["secrets", "*", "template_driver"],
    &["configs", "*", "name"],
    &["configs", "*", "external", "name"],
    &["configs", "*", "file"],
    &["configs", "*", "environment"],
    &["configs", "*", "template_driver"],
];

/// The note about a value that [`is_odd`]. It was written as `written`, with these
/// variables, in order.
pub fn find(
    value: &str,
    written: &str,
    variables: &[&str],
    lookup: &dyn Fn(&str) -> Option<String>,
) -> Option<Blank> {
    let first = value.chars().next().filter(|c| is_blank(*c));
    let last = value.chars().next_back().filter(|c| is_blank(*c));
    // The blank is of the first or last variable, or of the text around them.
    let before = first.and(variables.first()).filter(|name| {
        written.starts_with('$') && lookup(name).is_some_and(|v| v.starts_with(is_blank))
    });
    let ends = |c: char| c == '}' || c == '_' || c.is_ascii_alphanumeric();
    let behind = last.and(variables.last()).filter(|name| {
        written.ends_with(ends) && lookup(name).is_some_and(|v| v.ends_with(is_blank))
    });
    // An invisible character of the file itself is reported by its own rule.
    let is_said =
        |c: Option<char>, variable: Option<_>| variable.is_none() && c.is_none_or(is_invisible);
    if is_said(first, before) && is_said(last, behind) {
        return None;
    }
    let bare = value.trim_matches(is_blank);
    let mut message = match (first, last) {
        (Some(first), _) if bare.is_empty() => format!("it is nothing but {}", called(first)),
        (Some(first), Some(last)) => {
            format!("`{bare}` begins with {} and ends with {}", called(first), called(last))
        }
        (Some(first), None) => format!("`{bare}` begins with {}", called(first)),
        (None, last) => format!("`{bare}` ends with {}", last.map(called).unwrap_or_default()),
    };
    let variable = behind.or(before).map(|name| (*name).to_owned());
    if let Some(name) = &variable {
        message += &format!(", which comes from {name}");
    }
    message += ": docker keeps it, as part of the value";
    Some(Blank { message, variable })
}

/// Whether a value with a blank at its start or end at this path is to be looked at.
pub fn is_odd(value: &str, path: Path<'_>) -> bool {
    (value.starts_with(is_blank) || value.ends_with(is_blank))
        && NAMES.iter().any(|parts| is_at(path, parts))
}

/// Whether a character is invisible, or looks like a blank but is not one.
pub fn is_invisible(c: char) -> bool {
    matches!(c, '\u{a0}' | '\u{ad}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202f}'
        | '\u{2060}'..='\u{206f}' | '\u{3000}' | '\u{feff}')
}

fn is_blank(c: char) -> bool {
    c.is_whitespace() || is_invisible(c)
}

fn called(c: char) -> String {
    match c {
        ' ' => "a space".into(),
        '\t' => "a tab".into(),
        '\n' => "a line break".into(),
        '\r' => "a carriage return, of a file with Windows line ends".into(),
        '\u{a0}' => "a no-break space".into(),
        c => format!("the invisible character U+{:04X}", u32::from(c)),
    }
}

/// Compared from the end, as keys may hold dots.
fn is_at(path: Path<'_>, parts: &[&str]) -> bool {
    match (path, parts.split_last()) {
        (Path::Root, None) => true,
        (Path::Key(above, key), Some((part, rest))) => {
            (*part == "*" || *part == key) && is_at(*above, rest)
        }
        (Path::Index(above, _), Some((part, rest))) => *part == "[]" && is_at(*above, rest),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(name: &str) -> Option<String> {
        let value = match name {
            "SPACE" => "proxy ",
            "CR" => "proxy\r",
            "TAB" => "\tproxy",
            "NBSP" => "proxy\u{a0}",
            "BLANK" => " ",
            "CLEAN" => "proxy",
            _ => return None,
        };
        Some(value.to_owned())
    }

    fn found(value: &str, written: &str, variables: &[&str]) -> Option<(String, Option<String>)> {
        find(value, written, variables, &env).map(|blank| (blank.message, blank.variable))
    }

    #[test]
    fn it_is_told_which_blank_and_which_variable() {
        for (value, written, expected) in [
            ("proxy ", "${SPACE}", Some(("`proxy` ends with a space", "SPACE"))),
            ("a_proxy ", "a_$SPACE", Some(("`a_proxy` ends with a space", "SPACE"))),
            ("proxy ", "${SPACE:-x}", Some(("`proxy` ends with a space", "SPACE"))),
            ("proxy\u{a0}", "$NBSP", Some(("`proxy` ends with a no-break space", "NBSP"))),
            ("\tproxy", "$TAB", Some(("`proxy` begins with a tab", "TAB"))),
            (" ", "$BLANK", Some(("it is nothing but a space", "BLANK"))),
            (
                "proxy\r",
                "$CR",
                Some((
                    "`proxy` ends with a carriage return, of a file with Windows line ends",
                    "CR",
                )),
            ),
            // Of the file itself: before and behind variables, of a default.
            ("proxy ", "$CLEAN ", Some(("`proxy` ends with a space", ""))),
            (" proxy", " $CLEAN", Some(("`proxy` begins with a space", ""))),
            ("proxy ", "${NONE:-proxy }", Some(("`proxy` ends with a space", ""))),
            ("proxy\n", "proxy\n", Some(("`proxy` ends with a line break", ""))),
            (" proxy\t", " proxy\t", Some(("`proxy` begins with a space and ends with a tab", ""))),
            // Is told as an invisible character.
            ("proxy\u{a0}", "proxy\u{a0}", None),
        ] {
            let expected = expected.map(|(message, variable): (&str, &str)| {
                let of = |name| format!(", which comes from {name}");
                let variable = (!variable.is_empty()).then(|| variable.to_owned());
                let origin = variable.as_ref().map(of).unwrap_or_default();
                (format!("{message}{origin}: docker keeps it, as part of the value"), variable)
            });
            let names = ["SPACE", "CR", "TAB", "NBSP", "BLANK", "CLEAN", "NONE"];
            let variables: Vec<&str> =
                names.into_iter().filter(|name| written.contains(name)).collect();
            assert_eq!(found(value, written, &variables), expected, "{written:?}");
        }
    }

    #[test]
    fn only_what_names_something_is_told() {
        let root = Path::Root;
        let (services, networks) = (root.key("services"), root.key("networks"));
        let (a, net) = (services.key("a.b"), networks.key("n"));
        let (volumes, environment) = (a.key("volumes"), a.key("environment"));
        let (volume, networks_of) = (volumes.index(0), a.key("networks"));
        let (deploy, command, external) = (a.key("deploy"), a.key("command"), net.key("external"));
        let (labels, placement) = (deploy.key("labels"), deploy.key("placement"));
        let constraints = placement.key("constraints");
        for (path, told) in [
            (a.key("image"), true),
            (a.key("user"), true),
            (volume, true),
            (volume.key("target"), true),
            (networks_of.index(1), true),
            (external.key("name"), true),
            (net.key("driver"), true),
            (command, false),
            (command.index(0), false),
            (environment.key("A"), false),
            (environment.index(0), false),
            (labels.key("a"), false),
            (labels.index(0), false),
            (constraints.index(0), false),
            (a.key("x-own"), false),
        ] {
            for value in ["x ", " x", "x\n", "x\r", "x\t", "\u{a0}x"] {
                assert_eq!(is_odd(value, path), told, "{path}");
            }
            assert!(!is_odd("x", path) && !is_odd("x y", path) && !is_odd("", path), "{path}");
        }
    }
}
