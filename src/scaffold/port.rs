//! From the functions of an `abra.sh` to a `commands` plugin with one stub for
//! each, saying what it did, where it ran and what it seems to need.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
};

use super::{
    Error, Files, Language, Name,
    guess::{Guess, Hints, guess},
    name::RUST_KEYWORDS,
    rust,
};
use crate::{
    home::Grant,
    recipe::abra::{self, Exports, Function},
};

/// What became of an `abra.sh`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Port {
    /// Its exports, which need no port.
    pub exports: Exports,
    /// Lines that look like a function but have no stub.
    pub missed: Vec<(usize, String)>,
    pub stubs: Vec<Stub>,
    /// The plugin; none without functions.
    pub plugin: Option<Plugin>,
}

/// A plugin that is begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plugin {
    /// The `recipe.yml` that it would be listed with.
    pub recipe_yml: String,
    pub files: Files,
}

/// A function, and the command that it becomes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stub {
    /// `set-admin-pass`
    pub command: String,
    /// Of the Rust function, `set_admin_pass`.
    identifier: String,
    pub function: Function,
    pub guess: Guess,
}

/// Makes a plugin called `name` of a script's functions.
///
/// # Errors
/// [`Error::Name`] for a name that is reserved in Rust.
pub fn port(name: &Name, script: &str, hints: &Hints) -> Result<Port, Error> {
    super::check(name, Language::Rust)?;
    let exports = abra::exports(script);
    let mut hints = hints.clone();
    hints.settings.extend(exports.settings.iter().map(|(key, _)| key.clone()));
    let mut taken = BTreeSet::new();
    let stubs: Vec<Stub> = abra::functions(script)
        .into_iter()
        .map(|function| {
            let identifier = unique(identifier(&function.name), &mut taken);
            Stub {
                command: identifier.replace('_', "-"),
                identifier,
                guess: guess(&function, &hints),
                function,
            }
        })
        .collect();
    let mut missed = abra::seen_functions(script);
    missed.retain(|(_, name)| stubs.iter().all(|stub| stub.function.name != *name));
    let plugin = (!stubs.is_empty()).then(|| {
        let recipe_yml = recipe_yml(name, &stubs);
        let mut files = rust::around(name, &recipe_yml);
        files.add("src/lib.rs", library(name, &stubs));
        files.add("src/tests.rs", TESTS);
        Plugin { recipe_yml, files }
    });
    Ok(Port { exports, missed, stubs, plugin })
}

const TESTS: &str = "\
//! The commands against a scripted host: no server is needed.

use potluck_sdk::{Commands, testing::Script};

use crate::Plugin;

#[test]
fn every_command_is_listed_and_known() {
    for spec in Plugin::specs() {
        let arguments = spec.parameters.iter().map(|parameter| parameter.name.clone()).collect();
        let played = Script::new().play(|| Plugin::run(spec.name.clone(), arguments));
        if let Err(failure) = played.result {
            assert!(!failure.message().starts_with(\"there is no command\"), \"{}\", spec.name);
        }
    }
}
";

/// Names that mean something else where stubs are called.
const TAKEN: [&str; 4] = ["arguments", "name", "run", "specs"];
/// How many optional arguments a stub has for a function that takes any number.
const MORE: usize = 8;

fn identifier(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' };
    let text: String = name.chars().map(plain).collect();
    let parts: Vec<&str> = text.split('_').filter(|part| !part.is_empty()).collect();
    let text = parts.join("_");
    let begins = text.starts_with(|c: char| c.is_ascii_alphabetic());
    let is_free = !TAKEN.contains(&text.as_str())
        && RUST_KEYWORDS.split_ascii_whitespace().all(|keyword| keyword != text);
    if begins && is_free { text } else { format!("do_{text}") }
}

fn unique(wanted: String, taken: &mut BTreeSet<String>) -> String {
    let mut name = wanted.clone();
    let mut number = 2;
    while !taken.insert(name.clone()) {
        name = format!("{wanted}_{number}");
        number += 1;
    }
    name
}

fn recipe_yml(name: &Name, stubs: &[Stub]) -> String {
    let mut needs: BTreeMap<&Grant, Vec<&str>> = BTreeMap::new();
    for stub in stubs {
        for grant in &stub.guess.grants {
            needs.entry(grant).or_default().push(&stub.command);
        }
    }
    let mut text = format!("plugins:\n  - name: {name}\n    component: plugins/{name}.wasm\n");
    if needs.is_empty() {
        text.push_str("    grants: []\n");
    } else {
        text.push_str("    # A guess: keep what the commands really use.\n    grants:\n");
        for (grant, commands) in needs {
            let _ = writeln!(text, "      - {grant}  # {}", commands.join(", "));
        }
    }
    text
}

fn library(name: &Name, stubs: &[Stub]) -> String {
    let mut text = format!(
        "//! The commands of {name}, begun from its `abra.sh`.\n\n\
         use potluck_sdk::{{Commands, Failure, Result, Spec}};\n\n\
         /// The plugin.\npub struct Plugin;\n\n\
         impl Commands for Plugin {{\n    fn specs() -> Vec<Spec> {{\n        vec![\n"
    );
    for stub in stubs {
        let help = stub.function.comment.iter().map(|line| line.trim()).find(|l| !l.is_empty());
        let help = help.unwrap_or("(what it does)");
        let _ = write!(text, "            Spec::new({:?}, {help:?})", stub.command);
        for number in 1..=stub.guess.parameters {
            let _ = write!(text, "\n                .required(\"ARG{number}\", \"(what it is)\")");
        }
        let more = if stub.guess.takes_more { MORE } else { 0 };
        for number in (stub.guess.parameters + 1..).take(more) {
            let _ = write!(text, "\n                .optional(\"ARG{number}\", \"(one more)\")");
        }
        text.push_str(",\n");
    }
    text.push_str(
        "        ]\n    }\n\n    fn run(name: String, arguments: Vec<String>) -> Result<String> {\n        \
         match name.as_str() {\n",
    );
    for Stub { command, identifier, .. } in stubs {
        let _ = writeln!(text, "            {command:?} => {identifier}(&arguments),");
    }
    text.push_str(
        "            other => Err(Failure::new(format!(\"there is no command `{other}`\"))),\n        \
         }\n    }\n}\n",
    );
    for stub in stubs {
        text.push('\n');
        text.push_str(&stub_of(stub));
    }
    text.push_str("\npotluck_sdk::export!(Plugin: commands);\n\n#[cfg(test)]\nmod tests;\n");
    text
}

fn stub_of(stub: &Stub) -> String {
    let Stub { command, identifier, function, guess } = stub;
    let mut text = String::new();
    let mut say = |line: &str| {
        let line = format!("/// {}", line.trim_end());
        text.push_str(line.trim_end());
        text.push('\n');
    };
    say(&format!("`{}`, line {} of abra.sh.", function.name, function.line));
    if !function.comment.is_empty() {
        say("");
        function.comment.iter().for_each(|line| say(line));
    }
    say("");
    match &guess.service {
        _ if guess.is_local => say("It ran on the operator's machine."),
        Some(service) => say(&format!("It ran in the service `{service}`.")),
        None => say("Nothing says where it ran."),
    }
    let list = |names: Vec<String>| {
        names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
    };
    if !guess.grants.is_empty() {
        let grants = guess.grants.iter().map(ToString::to_string).collect();
        say(&format!("It seems to need: {}.", list(grants)));
    }
    if !guess.settings.is_empty() {
        say(&format!("It reads the settings {}.", list(guess.settings.iter().cloned().collect())));
    }
    if !guess.secrets.is_empty() {
        let secrets = list(guess.secrets.iter().cloned().collect());
        say(&format!("It reads the secrets {secrets} where they are mounted: so can a program"));
        say("that the plugin runs there, without any grant but `exec`.");
    }
    for remark in &guess.remarks {
        say(&format!("Note: {remark}."));
    }
    say("");
    say("```sh");
    // A fence within the script would end this one.
    function.body.replace("```", "'''").lines().for_each(&mut say);
    say("```");
    let _ = write!(
        text,
        "fn {identifier}(arguments: &[String]) -> Result<String> {{\n    \
             let _ = arguments;\n    \
             Err(Failure::new(\"`{command}` is not ported yet\"))\n}}\n"
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCRIPT: &str = "export APP_VERSION=v1\n\n# Gives the administrator a new password.\n\
        set_admin_pass() {\n  occ user:resetpassword $1 < /run/secrets/admin\n}\n\
        run() { echo ${DOMAIN}; }\n_Run() { echo; }\n";

    #[test]
    fn every_function_becomes_a_documented_stub() {
        let hints = Hints {
            services: [("app".to_owned(), "nextcloud".to_owned())].into(),
            ..Hints::default()
        };
        let port = port(&Name::like("Nextcloud"), SCRIPT, &hints).unwrap();
        assert_eq!(port.exports.settings, [("APP_VERSION".to_owned(), "v1".to_owned())]);
        let commands: Vec<_> = port.stubs.iter().map(|stub| stub.command.as_str()).collect();
        assert_eq!(commands, ["set-admin-pass", "do-run", "do-run-2"]);
        let plugin = port.plugin.unwrap();
        let library = &plugin.files.0["src/lib.rs"];
        for part in [
            "Spec::new(\"set-admin-pass\", \"Gives the administrator a new password.\")\n                \
             .required(\"ARG1\", \"(what it is)\")",
            "\"do-run-2\" => do_run_2(&arguments),",
            "/// It ran in the service `app`.\n/// It seems to need: `exec: app`.",
            "/// It reads the secrets `admin`",
            "/// occ user:resetpassword $1 < /run/secrets/admin\n/// ```\nfn set_admin_pass(",
        ] {
            assert!(library.contains(part), "{part}\n---\n{library}");
        }
        assert!(plugin.recipe_yml.contains("- exec: app  # set-admin-pass, do-run, do-run-2\n"));
        let port = super::port(&Name::like("x"), "export A=1\n", &hints).unwrap();
        assert_eq!((port.exports.settings.len(), port.stubs.len(), port.plugin), (1, 0, None));
        let taken = super::port(&Name::like("core"), SCRIPT, &hints);
        assert!(matches!(taken, Err(Error::Name { .. })));
    }

    #[test]
    fn stubs_are_called_as_rust_allows() {
        for (name, wanted) in [
            ("static", "do_static"),
            ("type", "do_type"),
            ("Self", "do_self"),
            ("yield", "do_yield"),
            ("gen", "do_gen"),
            ("name", "do_name"),
            ("2fa", "do_2fa"),
            ("__a--b:c_", "a_b_c"),
        ] {
            assert_eq!(identifier(name), wanted);
        }
    }

    #[test]
    fn what_takes_any_arguments_may_be_given_some() {
        let port =
            port(&Name::like("x"), "wp() {\n  wp $1 \"$@\"\n}\n", &Hints::default()).unwrap();
        let library = &port.plugin.unwrap().files.0["src/lib.rs"];
        for part in [
            ".required(\"ARG1\"",
            ".optional(\"ARG2\"",
            ".optional(\"ARG9\"",
            "/// Note: the function takes any number of arguments",
        ] {
            assert!(library.contains(part), "{part}\n---\n{library}");
        }
        assert!(!library.contains("ARG10"));
    }

    #[test]
    fn what_looks_like_a_function_and_is_none_is_named() {
        let script = "a() { :; }\ncat <<EOF\nb() {\nEOF\n";
        let port = port(&Name::like("x"), script, &Hints::default()).unwrap();
        assert_eq!(port.missed, [(3, "b".to_owned())]);
    }
}
