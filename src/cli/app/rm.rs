//! `potluck app rm`

use crate::{
    app::{self, Context, Leaving},
    cli::{
        arguments::{AppArg, LockArg},
        exit::Exit,
        failure::{Failure, Outcome},
        grants::{Answers, PlanQuestion},
        prompt,
        session::{Session, wait},
    },
    home::AppGuard,
    operation,
};

/// Remove an app for good: its secrets, its volumes, its settings.
///
/// Refuses while the app is deployed. Backups and encrypted copies of secrets are kept. If
/// the recipe can't be read, secrets that only it could name are kept, and listed.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  potluck app undeploy wiki.example.org && potluck app rm wiki.example.org
  potluck app rm wiki.example.org --yes

Without a terminal, --yes is needed; else the exit code is 6.")]
pub struct Args {
    #[command(flatten)]
    app: AppArg,

    #[command(flatten)]
    lock: LockArg,

    /// Don't ask
    #[arg(short, long)]
    yes: bool,

    /// Remove the settings here even when the server can't be cleaned up
    #[arg(long)]
    force: bool,
}

pub fn run(args: &Args, session: &Session) -> Outcome {
    let home = session.home()?;
    let entry = session.app(&home, &args.app)?;
    let guard = session.guard(&home, &entry, "a removal", &args.lock)?;
    if !args.yes {
        if !session.ui.is_interactive() {
            return Err(Failure::consent(format!(
                "removing {} deletes its secrets, volumes and settings, which needs your consent",
                entry.name
            ))
            .hint("pass `--yes`"));
        }
        let question = format!(
            "Delete the secrets, volumes and settings of {} on {}? There is no way back.",
            entry.name, entry.server
        );
        if !prompt::confirm(&session.ui, &question, prompt::Enter::No)? {
            return Err(Failure::interrupted("nothing was changed"));
        }
    }
    let operating =
        session.context(&home, Answers::new(&session.ui, PlanQuestion::Yes))?.waiting(&args.lock);
    let cleaned = wait("interrupted: some of the app may be removed already", async {
        Ok(clean_up(&operating.context, &guard).await)
    })?;
    drop(operating);
    match cleaned {
        Ok(()) => {}
        Err(
            error @ (app::Error::StillDeployed { .. }
            | app::Error::Taken(_)
            | app::Error::Unfinished(_)
            | app::Error::BadJournal { .. }),
        ) => {
            return Err(error.into());
        }
        Err(error) if args.force => session.ui.warn(format_args!(
            "what {} has on {} was not removed: {error}",
            entry.name, entry.server
        )),
        Err(error) => {
            return Err(Failure::from(error).hint("`--force` removes the settings here anyway"));
        }
    }
    home.remove_app(&entry)?;
    session.ui.say(format_args!("Removed {}.", entry.name));
    let copies = home.secrets_folder(&entry);
    if copies.is_dir() {
        session.ui.hint(format_args!(
            "the encrypted copies of its secrets are left: remove {} when no backup needs them",
            copies.display()
        ));
    }
    Ok(Exit::DONE)
}

async fn clean_up(context: &Context, guard: &AppGuard) -> Result<(), app::Error> {
    let app = Leaving::load(context, guard.app()).await?;
    operation::remove(context, guard, &app).await
}
