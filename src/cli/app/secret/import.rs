//! `potluck app secret import`

use std::{
    fs::File,
    io::{self, Read},
    path::PathBuf,
};

use zeroize::Zeroizing;

use crate::{
    app,
    cli::{
        arguments::{AppArg, IdentityArg, LockArg},
        exit::Exit,
        failure::{Failure, Outcome},
        grants::{Answers, PlanQuestion},
        session::{Session, wait},
    },
    operation,
    recipe::Version,
    secrets::{self, escrow},
};

/// Store the secrets that `potluck app secret export` printed.
///
/// Each is stored in the version that the app's settings ask for. Secrets that the server
/// has are never replaced.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  potluck app secret import wiki.example.org wiki.age
  potluck app secret import wiki.example.org < wiki.age

The exit code is 3 if some were not stored, because the app has no secret of that name.")]
pub struct Args {
    #[command(flatten)]
    app: AppArg,

    #[command(flatten)]
    lock: LockArg,

    /// What was exported [default: standard input]
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,

    #[command(flatten)]
    identity: IdentityArg,
}

/// Bytes of what is read.
const LARGEST: usize = 32 << 20;

pub fn run(args: &Args, session: &Session) -> Outcome {
    let home = session.home()?;
    let entry = session.app(&home, &args.app)?;
    let text = read(args)?;
    let document = escrow::read_document(&text, || session.identity(&args.identity))?;
    drop(text);
    if document.app != entry.name.as_str() {
        session.ui.say(format_args!("These are secrets of {}.", document.app));
    }
    let guard = session.guard(&home, &entry, "an import of secrets", &args.lock)?;
    let operating =
        session.context(&home, Answers::new(&session.ui, PlanQuestion::Yes))?.waiting(&args.lock);
    let (stored, left, keeper) = wait("interrupted: some may be stored; run it again", async {
        let app = app::load(&operating.context, &entry, &Version::Newest).await?;
        let keeper = super::keeper(&home, &app)?;
        let plans = super::survey(&app).complete()?;
        let (mut stored, mut left) = (Vec::new(), Vec::new());
        let (context, doing) = (&operating.context, "an import of secrets");
        operation::change_secrets(context, &guard, &app, doing, async |changed| {
            for given in &document.secrets {
                let found = secrets::find(&plans, &given.name);
                let (plan, value) = match (found, given.bytes()) {
                    (Ok(plan), Some(value)) => (plan, value),
                    (Err(_), _) => {
                        left.push((given.name.clone(), "the app has no secret of this name"));
                        continue;
                    }
                    (_, None) => {
                        left.push((given.name.clone(), "it has no value"));
                        continue;
                    }
                };
                let (engine, name) = (app.engine.as_ref(), &entry.name);
                match secrets::insert(engine, name, plan, &value, &keeper).await {
                    Ok(()) => {
                        stored.push(plan.name.clone());
                        changed.stored.push(plan.full_name.clone());
                    }
                    Err(secrets::Error::Exists { .. }) => {
                        session
                            .ui
                            .say(format_args!("Left {} unchanged: already stored.", plan.name));
                    }
                    Err(error) => return Err(error.into()),
                }
            }
            Ok::<(), Failure>(())
        })
        .await?;
        Ok((stored, left, keeper))
    })?;
    drop(operating);
    if !stored.is_empty() {
        session.ui.say(format_args!("Stored {} on {}.", stored.join(", "), entry.server));
        super::tell_not_kept(session, &keeper);
    }
    for (name, why) in &left {
        session.ui.warn(format_args!("{name} was not stored: {why}"));
    }
    Ok(if left.is_empty() { Exit::DONE } else { Exit::PARTLY })
}

fn read(args: &Args) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let (source, doing): (Box<dyn Read>, String) = match &args.file {
        Some(path) => {
            let doing = format!("reading {}", path.display());
            let file = File::open(path).map_err(|e| Failure::io(&doing, &e))?;
            (Box::new(file), doing)
        }
        None => (Box::new(io::stdin().lock()), "reading standard input".to_owned()),
    };
    let mut text = Zeroizing::new(Vec::with_capacity(64 << 10));
    let read = source.take(LARGEST as u64 + 1).read_to_end(&mut text);
    read.map_err(|e| Failure::io(doing, &e))?;
    match text.len() > LARGEST {
        true => Err(Failure::usage("what is to be imported is larger than 32 MiB")),
        false => Ok(text),
    }
}
