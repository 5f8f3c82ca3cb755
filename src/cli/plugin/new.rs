//! `potluck plugin new`

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use serde::Serialize;

use crate::{
    cli::{arguments::JsonArg, failure::Outcome, session::Session, shell},
    hint::nearest,
    plugin::Role,
    scaffold::{self, Language, Name},
    toolchain,
};

/// Create a plugin.
///
/// Creates a folder with a crate in Rust, or a module in Python: working hooks,
/// a test that runs without any server, and the SDK. It builds without changes.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  potluck plugin new greeter
  potluck plugin new greeter --lang python
  potluck plugin new wiki --role backup --role commands --output plugins/wiki

Roles: lifecycle, migration, backup, sso-provider, sso-client, mail-provider,
mail-client, commands.

JSON: {plugin, folder, language, roles, files}; files are paths in the folder.")]
pub struct Args {
    /// What the plugin is called
    #[arg(value_name = "NAME")]
    name: Name,

    /// A role that it plays; may be repeated [default: lifecycle]
    #[arg(long = "role", value_name = "ROLE", value_parser = role)]
    roles: Vec<Role>,

    /// What it is written in: rust or python [default: rust]
    #[arg(long = "lang", value_name = "LANGUAGE", value_parser = language)]
    language: Option<Language>,

    /// The folder to create [default: NAME]
    #[arg(long, short = 'O', value_name = "FOLDER")]
    output: Option<PathBuf>,

    #[command(flatten)]
    json: JsonArg,
}

#[derive(Serialize)]
struct Report<'a> {
    plugin: &'a str,
    folder: String,
    language: &'static str,
    roles: Vec<&'static str>,
    /// Paths in the folder.
    files: Vec<String>,
}

fn language(text: &str) -> Result<Language, String> {
    match text {
        "rust" => Ok(Language::Rust),
        "python" => Ok(Language::Python),
        _ => Err("plugins begin in rust or python; docs/plugins.md shows others".into()),
    }
}

fn role(text: &str) -> Result<Role, String> {
    Role::ALL.into_iter().find(|role| role.name() == text).ok_or_else(|| {
        match nearest(text, Role::ALL.map(Role::name)) {
            Some(near) => format!("there is no such role; did you mean `{near}`?"),
            None => format!("roles are {}", Role::ALL.map(Role::name).join(", ")),
        }
    })
}

pub fn run(args: &Args, session: &Session) -> Outcome {
    let mut roles: BTreeSet<Role> = args.roles.iter().copied().collect();
    if roles.is_empty() {
        roles.insert(Role::Lifecycle);
    }
    let folder = args.output.as_deref().unwrap_or(Path::new(args.name.as_str()));
    let language = args.language.unwrap_or(Language::Rust);
    let files = scaffold::plugin(language, &args.name, &roles)?;
    files.write(folder)?;
    let ui = &session.ui;
    let report = Report {
        plugin: args.name.as_str(),
        folder: folder.display().to_string(),
        language: match language {
            Language::Rust => "rust",
            Language::Python => "python",
        },
        roles: roles.iter().map(|role| role.name()).collect(),
        files: files.0.into_keys().collect(),
    };
    session.report(&report, &args.json, |_| {
        ui.say(format_args!("Wrote {}. Next:", folder.display()));
        ui.say(format_args!("  cd {}", shell::path(folder)));
        let tests = match language {
            Language::Rust => "cargo test",
            Language::Python => "PYTHONPATH=.potluck python3 -m unittest",
        };
        let mut next = vec![
            (tests, "run its hooks against a scripted host"),
            ("potluck plugin build", "make the component"),
        ];
        if folder.join("tests").is_dir() {
            next.push(("potluck plugin test", "play the scenarios in tests/ with it"));
        }
        for (command, does) in next {
            ui.say(format_args!("  {command:<width$}   {does}", width = tests.len().max(20)));
        }
        if !toolchain::is_in_recipe(folder) {
            ui.say(format_args!(
                "A recipe looks for it in its folder `plugins`: build it there with --output \
             RECIPE/plugins/{}.wasm.",
                args.name
            ));
        }
        Ok(())
    })
}
