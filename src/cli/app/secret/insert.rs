//! `potluck app secret insert`

use std::{
    fs::File,
    io::{self, IsTerminal, Read},
    path::PathBuf,
};

use zeroize::Zeroizing;

use crate::{
    app,
    cli::{
        arguments::{AppArg, LockArg},
        exit::Exit,
        failure::{Failure, Outcome},
        grants::{Answers, PlanQuestion},
        prompt,
        session::{Session, wait},
    },
    operation,
    recipe::Version,
    secrets,
};

/// Store a secret that someone else made.
///
/// The value is read from a file, from standard input, or from a prompt that
/// doesn't show it; never from the arguments, where others could see it. The
/// line break after a single line is removed, unless it comes with `--file`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  potluck app secret insert wiki.example.org smtp_password
  potluck app secret insert wiki.example.org smtp_password < password.txt
  pass show smtp | potluck app secret insert wiki.example.org smtp_password v2
  potluck app secret insert wiki.example.org tls_key --file key.pem

A secret can't be changed. For a new value, raise its SECRET_*_VERSION setting,
insert it, and deploy; `potluck app secret rm APP NAME VERSION` removes the old one.")]
pub struct Args {
    #[command(flatten)]
    app: AppArg,

    #[command(flatten)]
    lock: LockArg,

    /// The secret, as the recipe calls it
    #[arg(value_name = "NAME")]
    name: String,

    /// Its version [default: what the settings say]
    #[arg(value_name = "VERSION")]
    version: Option<String>,

    /// Read the value from this file, as it is
    #[arg(short, long, value_name = "FILE")]
    file: Option<PathBuf>,
}

pub fn run(args: &Args, session: &Session) -> Outcome {
    let home = session.home()?;
    let entry = session.app(&home, &args.app)?;
    let Given { value, line_end } = read(args, session)?;
    let guard = session.guard(&home, &entry, "a new secret", &args.lock)?;
    let operating =
        session.context(&home, Answers::new(&session.ui, PlanQuestion::Yes))?.waiting(&args.lock);
    let (plan, unset, keeper) =
        wait("interrupted: the secret may be stored; `potluck app secret ls` shows it", async {
            let app = app::load(&operating.context, &entry, &Version::Newest).await?;
            let survey = super::survey(&app);
            let plan = match &args.version {
                Some(version) => super::in_version(&survey.any_version(&args.name)?, version)?,
                None => survey.one(&args.name)?,
            };
            let keeper = super::keeper(&home, &app)?;
            let context = &operating.context;
            operation::change_secrets(context, &guard, &app, "a new secret", async |changed| {
                let engine = app.engine.as_ref();
                secrets::insert(engine, &entry.name, &plan, &value, &keeper).await?;
                changed.stored.push(plan.full_name.clone());
                Ok::<(), Failure>(())
            })
            .await?;
            // What the settings say is what the next deploy takes.
            let unset = plan.key.clone().filter(|key| app.env.get(key).is_none_or(str::is_empty));
            Ok((plan, unset, keeper))
        })?;
    drop(operating);
    session.ui.say(format_args!("Stored {} on {}.", plan.full_name, entry.server));
    super::tell_not_kept(session, &keeper);
    if let Some(key) = unset {
        session.ui.hint(format_args!(
            "the settings lack `{key}={version}`: add it with `potluck app config {app} --set \
             {key}={version}`",
            version = plan.version,
            app = entry.name
        ));
    }
    match (line_end, &args.file) {
        (LineEnd::Kept, Some(file)) => {
            let file = file.display();
            session.ui.warn(format_args!(
                "the line break at the end of {file} is part of the secret; few passwords end in one"
            ));
            let secret = format!("{} {} {}", entry.name, plan.name, plan.version);
            let secret = secret.trim_end();
            session.ui.hint(format_args!(
                "to leave it off, run `potluck app secret rm {secret}`, then `potluck app secret \
                 insert {secret} < {file}`"
            ));
        }
        (LineEnd::Blank, _) => {
            session.ui.warn("the value is nothing but line breaks and blanks");
            let secret = format!("{} {} {}", entry.name, plan.name, plan.version);
            session
                .ui
                .hint(format_args!("`potluck app secret rm {}` removes it", secret.trim_end()));
        }
        (LineEnd::LeftOff, _) => {
            session.ui.say("Left off the line break at the end; `--file` stores a file as it is.");
        }
        _ => {}
    }
    Ok(Exit::DONE)
}

/// A value, and how a line break at the end of its only line was handled.
struct Given {
    value: Zeroizing<Vec<u8>>,
    line_end: LineEnd,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LineEnd {
    /// There is none, or the value has several lines.
    None,
    Kept,
    LeftOff,
    /// There is nothing before it.
    Blank,
}

impl LineEnd {
    fn of(value: &[u8], one_line: LineEnd) -> Self {
        match value {
            _ if value.iter().all(u8::is_ascii_whitespace) && !value.is_empty() => LineEnd::Blank,
            _ if is_one_line(value) => one_line,
            _ => LineEnd::None,
        }
    }
}

fn read(args: &Args, session: &Session) -> Result<Given, Failure> {
    if let Some(path) = &args.file {
        let reading = |e: io::Error| Failure::io(format!("reading {}", path.display()), &e);
        let value = read_all(File::open(path).map_err(reading)?).map_err(reading)?;
        let line_end = LineEnd::of(&value, LineEnd::Kept);
        return Ok(Given { value, line_end });
    }
    if session.ui.is_interactive() {
        let typed = prompt::hidden(&session.ui, &format!("Value of {}:", args.name))?;
        let value = Zeroizing::new(typed.as_bytes().to_vec());
        let line_end = LineEnd::of(&value, LineEnd::None);
        return Ok(Given { value, line_end });
    }
    if io::stdin().is_terminal() {
        return Err(Failure::usage("no value is given")
            .hint("pass `--file`, or hand it over through standard input"));
    }
    let mut value =
        read_all(io::stdin().lock()).map_err(|e| Failure::io("reading standard input", &e))?;
    let line_end = LineEnd::of(&value, LineEnd::LeftOff);
    strip_line_end(&mut value);
    Ok(Given { value, line_end })
}

/// Everything, up to a little more than a secret can hold. The buffer never
/// grows, so that no copy of it stays behind in memory.
fn read_all(source: impl Read) -> io::Result<Zeroizing<Vec<u8>>> {
    let limit = secrets::MAX_SIZE + 1;
    let mut value = Zeroizing::new(Vec::with_capacity(limit + 1));
    source.take(limit as u64).read_to_end(&mut value)?;
    Ok(value)
}

/// `echo` and editors end a line; a password has none. Texts of several lines
/// (keys, certificates) need theirs.
fn strip_line_end(value: &mut Vec<u8>) {
    if is_one_line(value) {
        value.pop();
        if value.ends_with(b"\r") {
            value.pop();
        }
    }
}

/// Whether it is one line with its end.
fn is_one_line(value: &[u8]) -> bool {
    value.iter().filter(|byte| **byte == b'\n').count() == 1 && value.ends_with(b"\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_nothing_but_blanks_is_told_from_a_line() {
        for (given, end) in [
            ("\n\n", LineEnd::Blank),
            (" \n", LineEnd::Blank),
            ("a\n", LineEnd::LeftOff),
            ("a\n\n", LineEnd::None),
            ("", LineEnd::None),
        ] {
            assert_eq!(LineEnd::of(given.as_bytes(), LineEnd::LeftOff), end, "{given:?}");
        }
    }

    #[test]
    fn only_a_single_line_loses_its_end() {
        for (given, kept) in [
            ("secret\n", "secret"),
            ("secret\r\n", "secret"),
            ("secret", "secret"),
            ("a\nb\n", "a\nb\n"),
            ("a\nb", "a\nb"),
            ("\n", ""),
        ] {
            let mut value = given.as_bytes().to_vec();
            strip_line_end(&mut value);
            assert_eq!(value, kept.as_bytes(), "{given:?}");
        }
    }
}
