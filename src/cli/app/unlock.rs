//! `potluck app unlock`

use serde::Serialize;

use crate::{
    cli::{
        arguments::{AppArg, JsonArg},
        failure::{Failure, Outcome},
        prompt::{self, Enter},
        session::{Session, operator, wait},
    },
    operation,
    owner::lease::Holder,
};

/// End the operation that has an app, by force.
///
/// One operation at a time changes an app, from whichever machine. One that died frees
/// the app by itself: the next command sees within a minute that nobody renews its
/// lease. This is for one that is still alive and that you cannot reach. It stops before
/// its next change; what it has done so far stays. Look at the app afterwards.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  potluck app unlock wiki.example.org --reason 'the laptop of anna is lost'

JSON: {app, ended}; `ended` is {operation, doing, user, host, pid, since}, or null where
no operation had the app.")]
pub struct Args {
    #[command(flatten)]
    app: AppArg,

    /// The reason
    #[arg(long, value_name = "TEXT")]
    reason: String,

    /// Don't ask
    #[arg(short, long)]
    yes: bool,

    #[command(flatten)]
    json: JsonArg,
}

#[derive(Serialize)]
struct Report {
    app: String,
    ended: Option<Holder>,
}

pub fn run(args: &Args, session: &Session) -> Outcome {
    let home = session.home()?;
    let entry = session.app(&home, &args.app)?;
    let on_server = super::on_server(session, &home, &entry)?;
    if args.reason.trim().is_empty() {
        return Err(Failure::usage("the reason is empty"));
    }
    if !args.yes {
        if !session.ui.is_interactive() {
            let what = format!("ending the operation that has {} needs your consent", entry.name);
            return Err(Failure::consent(what).hint("pass `--yes`"));
        }
        let question =
            format!("End the operation that has {}? What it has done stays.", entry.name);
        if !prompt::confirm(&session.ui, &question, Enter::No)? {
            return Err(Failure::interrupted("nothing was changed"));
        }
    }
    let ended = wait("interrupted: the operation may be ended already", async {
        Ok(operation::unlock(&on_server.engine, &operator(), &args.reason).await?)
    })?;
    let report = Report { app: entry.name.to_string(), ended };
    session.report(&report, &args.json, |report| {
        match &report.ended {
            Some(holder) => session.ui.say(format_args!("Ended: {holder}.")),
            None => session.ui.say(format_args!("No operation has {}.", report.app)),
        }
        Ok(())
    })
}
