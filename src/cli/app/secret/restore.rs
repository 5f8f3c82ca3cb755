//! `potluck app secret restore`

use crate::{
    app,
    cli::{
        arguments::{AppArg, IdentityArg, LockArg},
        exit::Exit,
        failure::Outcome,
        grants::{Answers, PlanQuestion},
        session::{Session, wait},
    },
    operation,
    recipe::Version,
    secrets::escrow::{self, Folder, Restored},
};

/// Put the secrets that are kept on a server that lacks them.
///
/// For a server that was lost: before the first deploy on a new one. Secrets that the
/// server has are never replaced.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  potluck app secret restore wiki.example.org
  potluck app secret restore wiki.example.org --identity ~/.ssh/id_ed25519

The exit code is 3 if some could not be read.")]
pub struct Args {
    #[command(flatten)]
    app: AppArg,

    #[command(flatten)]
    lock: LockArg,

    #[command(flatten)]
    identity: IdentityArg,
}

pub fn run(args: &Args, session: &Session) -> Outcome {
    let home = session.home()?;
    let entry = session.app(&home, &args.app)?;
    let identity = session.identity(&args.identity)?;
    let guard = session.guard(&home, &entry, "a restore of secrets", &args.lock)?;
    let operating =
        session.context(&home, Answers::new(&session.ui, PlanQuestion::Yes))?.waiting(&args.lock);
    let done = wait("interrupted: some secrets may be restored; run it again", async {
        let app = app::load(&operating.context, &entry, &Version::Newest).await?;
        let keeper = super::keeper(&home, &app)?;
        let kept = (&Folder::of(&home, &entry), &keeper);
        let (engine, name) = (app.engine.as_ref(), &entry.name);
        let (context, doing) = (&operating.context, "a restore of secrets");
        operation::change_secrets(context, &guard, &app, doing, async |changed| {
            let done = escrow::restore(engine, name, &app.name, kept, &identity, |_| true).await?;
            changed.stored.clone_from(&done.restored);
            Ok(done)
        })
        .await
    })?;
    drop(operating);
    let Restored { restored, present, failed } = &done;
    if !restored.is_empty() {
        session.ui.say(format_args!("Restored {} on {}.", restored.join(", "), entry.server));
    }
    if !present.is_empty() {
        session.ui.say(format_args!("Left {} unchanged: already stored.", present.join(", ")));
    }
    if restored.is_empty() && present.is_empty() && failed.is_empty() {
        session.ui.say(format_args!("No secrets of {} are kept.", entry.name));
    }
    for failed in failed {
        session.ui.warn(format_args!("{} was not restored: {}", failed.secret, failed.why));
    }
    Ok(if failed.is_empty() { Exit::DONE } else { Exit::PARTLY })
}
