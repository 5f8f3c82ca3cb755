//! Flags that people know from abra and docker, and that potluck has under another
//! name or does not need. clap's own tip, to pass them as a value, helps only if
//! a command takes arbitrary text.

use std::ffi::OsString;

use clap::{
    builder::StyledStr,
    error::{ContextKind, ContextValue, Error, ErrorKind},
};

/// Flags; the command, or its beginning; what to do instead. The first match
/// counts.
const FOREIGN: &[(&[&str], &str, &str)] = &[
    (&["-C", "--chaos"], "app new", "leave it out: 'potluck app deploy APP --chaos' has it"),
    (&["-C", "--chaos"], "app", "leave it out: 'app deploy' and 'app plan' have it"),
    (
        &["-C", "--chaos"],
        "recipe",
        "leave it out: 'recipe lint' and 'recipe test' have it, the others take the folder as it is",
    ),
    (&["-r", "--releasenotes"], "app", "leave it out: the plan shows the release notes"),
    (&["-x", "--show-unchanged"], "app deploy", "leave it out: the plan says what is unchanged"),
    (
        &["-l", "--latest", "--deploy-latest"],
        "app deploy",
        "name the version: 'potluck app deploy APP VERSION'",
    ),
    (
        &["-i", "--ignore-env-version"],
        "app deploy",
        "name the version: 'potluck app deploy APP VERSION'",
    ),
    (
        &["-f", "--force"],
        "app upgrade",
        "leave it out: 'potluck app deploy APP --force' deploys again what is there",
    ),
    (&["-f", "--force"], "app rollback", "leave it out: 'potluck app history' has the releases"),
    (&["-D", "--no-domain-checks"], "app upgrade", "leave it out: only a deploy asks for domains"),
    (&["-D", "--no-domain-checks"], "app rollback", "leave it out: only a deploy asks for domains"),
    (
        &["-c", "--no-converge-checks"],
        "app upgrade",
        "leave it out: who does not wait cannot go back: 'potluck app deploy APP VERSION --detach'",
    ),
    (&["-c", "--no-converge-checks"], "app rollback", "leave it out: it waits until services run"),
    (&["-w", "--watch"], "app errors", "type 'watch potluck app errors APP'"),
    (&["-s", "--stdin"], "app logs", "leave it out: both streams are shown"),
    (&["-f"], "app rm", "potluck's flag is '--yes'; '--force' removes the settings alone"),
    (&["-f"], "app volume rm", "potluck's flag is '--yes'"),
    (&["-l", "--local"], "app cmd", "leave it out: a command's plugin says where it works"),
    (&["-u", "--user"], "app cmd", "leave it out: a command's plugin says as whom it works"),
    (&["-T", "--tty"], "app cmd", "leave it out: commands have no terminal"),
    (&["-a", "--all-services"], "app restart", "leave it out: without a name all are restarted"),
    (&["-p", "--prune"], "app undeploy", "leave it out: the app leaves nothing but its data"),
    (&["-p", "--pass"], "app", "leave it out: 'potluck key new' keeps copies of secrets"),
    (&[VALUE], "app secret insert", "others see what is typed: leave the value out, and be asked"),
    (&["-t", "--trim"], "app secret insert", "leave it out: one line loses its line break"),
    (&["-f", "--force"], "recipe fetch", "'potluck recipe reset RECIPE' drops local changes"),
    (&["-s", "--ssh"], "recipe fetch", "name the recipe's address: 'ssh://git@HOST/PATH'"),
    (&["-p", "--pattern"], "recipe ls", "leave it out: 'potluck recipe ls | grep PATTERN'"),
    (&["-f", "--force"], "server rm", "leave it out: nothing on the server is changed"),
    (&["-r", "--rc"], "upgrade", "potluck does not replace itself: get it as you got this one"),
    (&["--format"], "stack", "potluck's flag is '--json'"),
    (&["--no-trunc"], "stack", "leave it out: nothing is cut off"),
    (&["-s"], "", "potluck's flag is '--server'"),
    (&["-d"], "", "potluck's flag is '--verbose'"),
];
/// Stands for an argument that is no flag.
const VALUE: &str = "VALUE";
/// Commands whose last argument may be any text.
const FREE: [&str; 3] = ["app cmd", "app run", "plugin run"];
/// Where the name of a command begins.
const ROOMS: [&str; 12] = [
    "server",
    "recipe",
    "app",
    "backup",
    "stack",
    "plugin",
    "key",
    "catalogue",
    "upgrade",
    "self",
    "version",
    "kadabra",
];
/// Other names of commands, and those that are meant.
const ALIASES: [(&str, &str); 4] =
    [("a", "app"), ("r", "recipe"), ("s", "server"), ("command", "cmd")];

/// Puts potluck's flag into an error about one that is unknown.
pub(super) fn advise(error: &mut Error, arguments: &[OsString]) {
    if error.kind() != ErrorKind::UnknownArgument {
        return;
    }
    let Some(ContextValue::String(flag)) = error.get(ContextKind::InvalidArg) else { return };
    let command = command(arguments);
    let kind = if flag.starts_with('-') { flag } else { VALUE };
    match advice(kind, &command) {
        Some(advice) => {
            suggest(error, advice);
            error.remove(ContextKind::SuggestedArg);
        }
        None if !FREE.iter().any(|free| is_of(&command, free)) => {
            error.remove(ContextKind::Suggested);
        }
        // Commands of plugins know no flags.
        None if flag.starts_with("--") && is_of(&command, "app cmd") => {
            let tip = format!(
                "a command takes its arguments in their order, without their names; to pass \
                 '{flag}' as a value, use '-- {flag}'"
            );
            suggest(error, &tip);
        }
        None => {}
    }
}

/// Gives an error this tip instead of clap's own.
pub(super) fn suggest(error: &mut Error, tip: &str) {
    let tip = ContextValue::StyledStrs(vec![StyledStr::from(tip.to_owned())]);
    error.insert(ContextKind::Suggested, tip);
}

/// `app secret generate wiki.example.org`: without options.
pub(super) fn command(arguments: &[OsString]) -> String {
    let words = arguments.iter().skip(1).filter_map(|word| word.to_str());
    let meant = |word| ALIASES.iter().find(|(alias, _)| *alias == word).map_or(word, |it| it.1);
    let words = words.map(meant).skip_while(|word| !ROOMS.contains(word));
    words.filter(|word| !word.starts_with('-')).collect::<Vec<_>>().join(" ")
}

pub(super) fn is_of(command: &str, beginning: &str) -> bool {
    let rest = command.strip_prefix(beginning);
    beginning.is_empty() || rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
}

fn advice(flag: &str, command: &str) -> Option<&'static str> {
    let known = FOREIGN.iter().find(|(flags, of, _)| flags.contains(&flag) && is_of(command, of));
    known.map(|(_, _, advice)| *advice)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::Cli;

    fn said(line: &str) -> String {
        let arguments: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        let mut error = Cli::try_parse_from(&arguments).unwrap_err();
        advise(&mut error, &arguments);
        error.to_string()
    }

    #[test]
    fn a_flag_of_abra_or_docker_names_potlucks() {
        for (line, tip) in [
            (
                "potluck -n a ps a.example -C",
                "tip: leave it out: 'app deploy' and 'app plan' have it",
            ),
            (
                "potluck app command a.example -l",
                "tip: leave it out: a command's plugin says where it works",
            ),
            ("potluck stack ls --format x", "tip: potluck's flag is '--json'"),
        ] {
            let text = said(line);
            assert!(text.contains(&format!("  {tip}\n")), "{text}");
            assert!(!text.contains("as a value"), "{text}");
        }
    }

    #[test]
    fn a_value_is_only_spoken_of_where_there_may_be_any() {
        let text = said("potluck app deploy a.example -Z");
        assert!(text.contains("unexpected argument '-Z'") && !text.contains("tip:"), "{text}");
        let text = said("potluck app cmd a.example reset -Z");
        assert!(text.contains("tip: to pass '-Z' as a value, use '-- -Z'"), "{text}");
        let text = said("potluck app cmd a.example greet --who=x");
        assert!(text.contains("in their order, without their names"), "{text}");
        let text = said("potluck app deploy a.example --detahc");
        assert!(text.contains("'--detach'"), "{text}");
    }

    #[test]
    fn what_is_advised_exists_and_what_is_foreign_does_not() {
        let all = crate::cli::deferred::whole::<Cli>();
        for (flags, of, advice) in FOREIGN {
            let mut found = &all;
            for word in of.split_whitespace() {
                found = found.find_subcommand(word).unwrap_or_else(|| panic!("{of}"));
            }
            // Of a group of commands, some have it.
            let is_leaf = found.get_subcommands().next().is_none();
            let has = |flag: &str| {
                found.get_arguments().chain(all.get_arguments()).any(|argument| {
                    let long = argument.get_long().is_some_and(|l| flag == format!("--{l}"));
                    long || argument.get_short().is_some_and(|s| flag == format!("-{s}"))
                })
            };
            for flag in flags.iter().filter(|_| is_leaf) {
                assert!(!has(flag), "{of} has {flag}");
            }
            for flag in advice.split('\'').filter(|text| text.starts_with("--") && is_leaf) {
                assert!(has(flag), "{of} has no {flag}");
            }
        }
    }
}
