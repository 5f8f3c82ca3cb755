//! `potluck app undeploy`

use std::time::Duration;

use crate::{
    app::{Context, Leaving},
    backup,
    cli::{
        arguments::{AppArg, LockArg, duration},
        exit::Exit,
        failure::{Failure, Outcome},
        grants::{Answers, PlanQuestion},
        prompt,
        session::{Session, wait},
    },
    operation::{self, Look},
};

/// Stop an app and remove it from its server, keeping its data.
///
/// Removes the app's services, networks and configs. Its volumes, secrets and
/// settings are kept, so that `potluck app deploy` brings it back unchanged. Says so
/// before if `potluck app rm` will need a backup first: databases can be dumped only while the
/// app runs.
///
/// This also works if the recipe or the settings cannot be read; hooks
/// (`before-remove`) do not run then, and a warning says so.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  potluck app undeploy wiki.example.org
  potluck app undeploy wiki.example.org --yes")]
pub struct Args {
    #[command(flatten)]
    app: AppArg,

    #[command(flatten)]
    lock: LockArg,

    /// Don't ask
    #[arg(short, long)]
    yes: bool,

    /// How long to wait until everything has stopped, 90s or 5m
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "2m")]
    timeout: Duration,
}

pub fn run(args: &Args, session: &Session) -> Outcome {
    let home = session.home()?;
    let entry = session.app(&home, &args.app)?;
    let guard = session.guard(&home, &entry, "an undeploy", &args.lock)?;
    let operating =
        session.context(&home, Answers::new(&session.ui, PlanQuestion::Yes))?.waiting(&args.lock);
    wait("interrupted: some of the app may be stopped already", async {
        // First, so that the question comes after what cannot be done.
        let app = Leaving::load(&operating.context, &entry).await?;
        tell_unsaved(session, &operating.context, &app).await;
        super::tell_dependents(session, &home, &entry)?;
        operating.pause();
        if !args.yes && session.ui.is_interactive() {
            let question =
                format!("Stop {} on {}? Its volumes and secrets stay.", entry.name, entry.server);
            if !prompt::confirm(&session.ui, &question, prompt::Enter::Yes)? {
                return Err(Failure::interrupted("nothing was changed"));
            }
        }
        Ok(operation::undeploy(&operating.context, &guard, &app, args.timeout).await?)
    })?;
    drop(operating);
    session.ui.say(format_args!("{} is not deployed any more; its data stay.", entry.name));
    Ok(Exit::DONE)
}

/// Says what a removal will need and only a running app can give. What keeps that from being
/// known does not keep an app deployed.
async fn tell_unsaved(session: &Session, context: &Context, leaving: &Leaving) {
    let options = crate::cli::backup::options();
    let looked =
        operation::require_saved(context, leaving, backup::MAX_AGE, Look::Brief, &options).await;
    match looked {
        Ok(_) => {}
        Err(backup::Error::NotSaved(not_saved)) => {
            session.ui.say(format_args!("Note: {not_saved}."));
            session.ui.hint(not_saved.before_undeploy());
        }
        Err(error) => session.ui.warn(format_args!(
            "whether a backup has the data of {}, which its removal needs, is unknown: {error}",
            leaving.on_server.entry.name
        )),
    }
}
