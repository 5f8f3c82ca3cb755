//! `potluck app restart`

use std::time::Duration;

use super::deploy::{INTERRUPTED, begun};
use crate::{
    cli::{
        arguments::{AppArg, JsonArg, LockArg, duration},
        failure::Outcome,
        grants::{Answers, PlanQuestion},
        session::{Session, wait},
    },
    operation,
};

/// Restart services of an app, and wait until they run.
///
/// Swarm replaces the tasks of each service, one service after the other; without names, of
/// all that run. Nothing else changes: `potluck app deploy` brings changed settings. This
/// works without the recipe.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  potluck app restart wiki.example.org
  potluck app restart wiki.example.org app

JSON: {app, services}; the services in the order in which they were restarted.")]
pub struct Args {
    #[command(flatten)]
    app: AppArg,

    #[command(flatten)]
    lock: LockArg,

    /// Services, by their keys in the compose file [default: all that run]
    #[arg(value_name = "SERVICE")]
    services: Vec<String>,

    /// How long to wait for each service, 90s or 5m
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "5m")]
    timeout: Duration,

    #[command(flatten)]
    json: JsonArg,
}

pub fn run(args: &Args, session: &Session) -> Outcome {
    let home = session.home()?;
    let entry = session.app(&home, &args.app)?;
    let guard = session.guard(&home, &entry, "a restart", &args.lock)?;
    let on_server = super::on_server(session, &home, &entry)?;
    let operating =
        session.context(&home, Answers::new(&session.ui, PlanQuestion::Yes))?.waiting(&args.lock);
    let report = wait(INTERRUPTED, async {
        let context = &operating.context;
        let restarting =
            operation::restart_services(context, &guard, &on_server, &args.services, args.timeout);
        Ok(restarting.await?)
    })
    .map_err(|failure| begun(failure, &entry))?;
    drop(operating);
    session.report(&report, &args.json, |report| {
        session.ui.say(format_args!("Restarted {}.", report.services.join(", ")));
        Ok(())
    })
}
