//! `potluck app secret insert`

use std::{
    fs::File,
    io::{self, IsTerminal, Read},
    path::PathBuf,
};

use zeroize::Zeroizing;

use crate::{
    cli::{
        arguments::AppArg,
        exit::Exit,
        failure::{Failure, Outcome},
        grants::{Answers, PlanQuestion},
        prompt,
        session::{Session, wait},
    },
    operation,
    recipe::Version,
    secrets::{self, SecretPlan},
};

/// Store a secret that someone else made.
///
/// The value is read from a file, from standard input, or from a prompt that
/// doesn't show it; never from the arguments, where others could see it. The
/// line end behind a single line is left off.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  potluck app secret insert wiki.example.org smtp_password
  potluck app secret insert wiki.example.org smtp_password < password.txt
  pass show smtp | potluck app secret insert wiki.example.org smtp_password v2
  potluck app secret insert wiki.example.org tls_key --file key.pem

A secret can't be changed. For a new value, raise its SECRET_*_VERSION setting,
insert it, and deploy.")]
pub struct Args {
    #[command(flatten)]
    app: AppArg,

    /// The secret, as the recipe calls it
    #[arg(value_name = "NAME")]
    name: String,

    /// Its version [default: what the settings say]
    #[arg(value_name = "VERSION")]
    version: Option<String>,

    /// Read the value from this file, as it is
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
}

pub fn run(args: &Args, session: &Session) -> Outcome {
    let home = session.home()?;
    let entry = session.app(&home, &args.app)?;
    let value = read(args, session)?;
    let operating = session.context(&home, Answers::new(&session.ui, PlanQuestion::Yes))?;
    let plan =
        wait("interrupted: the secret may be stored; `potluck app secret ls` shows it", async {
            let app = operation::load(&operating.context, &entry, &Version::Newest).await?;
            let mut plan = secrets::find(&super::plans(&app)?, &args.name)?.clone();
            if let Some(version) = &args.version {
                set_version(&mut plan, version)?;
            }
            secrets::insert(app.engine.as_ref(), &entry.name, &plan, &value).await?;
            Ok(plan)
        })?;
    drop(operating);
    session.ui.say(format_args!("Stored {} on {}.", plan.full_name, entry.server));
    Ok(Exit::DONE)
}

/// The same secret in another version, for example the next.
fn set_version(plan: &mut SecretPlan, version: &str) -> Result<(), Failure> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if version.is_empty() || !version.chars().all(plain) {
        return Err(Failure::usage(format!("`{version}` is not a version of a secret")));
    }
    if plan.version == version {
        return Ok(());
    }
    let Some(stem) =
        plan.full_name.strip_suffix(&plan.version).filter(|_| !plan.version.is_empty())
    else {
        return Err(Failure::usage(format!("the secret `{}` has no versions", plan.name)));
    };
    plan.full_name = format!("{stem}{version}");
    plan.version = version.to_owned();
    Ok(())
}

fn read(args: &Args, session: &Session) -> Result<Zeroizing<Vec<u8>>, Failure> {
    if let Some(path) = &args.file {
        let reading = |e: io::Error| Failure::io(format!("reading {}", path.display()), &e);
        return read_all(File::open(path).map_err(reading)?).map_err(reading);
    }
    if session.ui.is_interactive() {
        let typed = prompt::hidden(&session.ui, &format!("Value of {}:", args.name))?;
        return Ok(Zeroizing::new(typed.as_bytes().to_vec()));
    }
    if io::stdin().is_terminal() {
        return Err(Failure::usage("no value is given")
            .hint("pass `--file`, or hand it over through standard input"));
    }
    let mut value =
        read_all(io::stdin().lock()).map_err(|e| Failure::io("reading standard input", &e))?;
    strip_line_end(&mut value);
    Ok(value)
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
    if value.iter().filter(|byte| **byte == b'\n').count() == 1 && value.ends_with(b"\n") {
        value.pop();
        if value.ends_with(b"\r") {
            value.pop();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
