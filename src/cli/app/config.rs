//! `potluck app config`

use std::{path::Path, process::Command};

use crate::{
    cli::{
        app::{env::assign, new::confirm_stack},
        arguments::{AppArg, Assignment, JsonArg},
        exit::Exit,
        failure::{Failure, Outcome},
        prompt::{Enter, confirm},
        session::{Session, editor},
    },
    home::EnvFile,
    text,
};

/// Edit an app's settings.
///
/// Opens the app's environment file in $VISUAL or $EDITOR and reads it again
/// afterwards; changes that can't be read are not saved. With --set and --get nothing is
/// opened. Changes take effect with the next `potluck app deploy`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  potluck app config wiki.example.org
  potluck app config wiki.example.org --set TITLE='Our wiki' --set LANG=nl
  potluck app config wiki.example.org --get DOMAIN

JSON: an object of all settings; nothing is opened.")]
pub struct Args {
    #[command(flatten)]
    app: AppArg,

    /// Change a setting; may be repeated
    #[arg(long, value_name = "KEY=VALUE", conflicts_with = "get")]
    set: Vec<Assignment>,

    /// Print the value of one setting; exit code 1 when it is not set
    #[arg(long, value_name = "KEY", conflicts_with = "json")]
    get: Option<String>,

    #[command(flatten)]
    json: JsonArg,
}

pub fn run(args: &Args, session: &Session) -> Outcome {
    let home = session.home()?;
    let entry = session.app(&home, &args.app)?;
    if let Some(key) = &args.get {
        let env = home.env(&entry)?;
        let value = env.get(key).ok_or_else(|| {
            Failure::new(format!("the setting `{key}` of `{}` is not set", entry.name))
        })?;
        if text::line_of(value, value.len()) != value {
            session.ui.warn(format_args!(
                "the value of `{key}` holds line breaks or invisible characters; \
                 they are shown as blanks and `\u{fffd}`"
            ));
        }
        session.ui.out_value(value)?;
        return Ok(Exit::DONE);
    }
    if !args.set.is_empty() {
        assign(session, &home, &entry, &args.set)?;
    }
    if args.json.json {
        let values: serde_json::Map<String, serde_json::Value> =
            home.env(&entry)?.values().into_iter().map(|(k, v)| (k, v.into())).collect();
        session.ui.json(&values)?;
        return Ok(Exit::DONE);
    }
    if !args.set.is_empty() {
        return Ok(Exit::DONE);
    }
    if !session.ui.is_interactive() {
        return Err(Failure::usage("an editor needs a terminal")
            .hint("pass `--set KEY=VALUE` or `--get KEY`"));
    }
    // A file that can't be read is just what an editor is for: its text is taken as it is.
    let path = home.env_path(&entry);
    let before = std::fs::read_to_string(&path)
        .map_err(|e| Failure::io(format!("reading {}", path.display()), &e))?;
    match edit(session, &before)? {
        Some(env) => {
            for warning in env.warnings() {
                session.ui.warn(warning);
            }
            home.check_stack(&entry, &entry.stack(&env)?)?;
            // A stack's name that was typed is the operator's word. It is kept first, as
            // that cannot be done while another command changes the app.
            let typed = |env: &EnvFile| env.get("STACK_NAME").unwrap_or_default().to_owned();
            let earlier = EnvFile::parse("settings", &before).ok();
            if earlier.is_some_and(|earlier| typed(&earlier) != typed(&env)) {
                let key = "STACK_NAME".to_owned();
                confirm_stack(&home, &entry, &[Assignment { key, value: typed(&env) }])?;
            }
            home.write_env(&entry, &env)?;
            session.ui.say(format_args!("Wrote {}.", path.display()));
        }
        None => session.ui.say("Nothing was changed."),
    }
    Ok(Exit::DONE)
}

/// The text after editing, once it can be parsed; none if it has not changed.
fn edit(session: &Session, before: &str) -> Result<Option<EnvFile>, Failure> {
    let scratch = tempfile::Builder::new()
        .prefix("potluck-")
        .suffix(".env")
        .tempfile()
        .map_err(|e| Failure::io("making a temporary file", &e))?;
    std::fs::write(scratch.path(), before)
        .map_err(|e| Failure::io("writing a temporary file", &e))?;
    loop {
        open_editor(&editor(), scratch.path())?;
        let after = std::fs::read_to_string(scratch.path())
            .map_err(|e| Failure::io("reading what the editor left", &e))?;
        if after == before {
            return Ok(None);
        }
        match EnvFile::parse("settings", &after) {
            Ok(env) => return Ok(Some(env)),
            Err(error) => {
                session.ui.fail(&error.into());
                if !confirm(&session.ui, "Edit it again? (No drops the changes.)", Enter::Yes)? {
                    return Err(Failure::interrupted("nothing was changed"));
                }
            }
        }
    }
}

/// `editor` may contain arguments, so a shell parses it, as in git.
fn open_editor(editor: &str, file: &Path) -> Result<(), Failure> {
    let status = Command::new("sh")
        .arg("-c")
        .arg(format!("{editor} \"$1\""))
        .arg("sh")
        .arg(file)
        .status()
        .map_err(|e| Failure::io(format!("starting the editor `{editor}`"), &e))?;
    if status.success() {
        Ok(())
    } else {
        Err(Failure::new(format!("the editor `{editor}` ended with {status}"))
            .hint("set EDITOR to the editor you want"))
    }
}
