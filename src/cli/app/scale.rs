//! `potluck app scale`

use std::time::Duration;

use super::deploy::{INTERRUPTED, begun};
use crate::{
    cli::{
        arguments::{AppArg, JsonArg, LockArg, duration},
        failure::Outcome,
        grants::{Answers, PlanQuestion},
        session::{Session, wait},
    },
    operation::{self, Scaling},
};

/// Change how many tasks services of an app have.
///
/// Waits until they run; if they do not, all get the number back that they had. This lasts
/// until the next deploy, which brings what the recipe's files say: `deploy.replicas`, often
/// by a setting. It works without the recipe.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  potluck app scale wiki.example.org worker=3
  potluck app scale wiki.example.org web=2 worker=0

JSON: {app, services}; a service is {service, before, replicas}; one that had the number
already is not among them.")]
pub struct Args {
    #[command(flatten)]
    app: AppArg,

    #[command(flatten)]
    lock: LockArg,

    /// A service, by its key in the compose file, and how many tasks it is to have
    #[arg(value_name = "SERVICE=NUMBER", required = true)]
    services: Vec<Scaling>,

    /// How long to wait for each service, 90s or 5m
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "5m")]
    timeout: Duration,

    #[command(flatten)]
    json: JsonArg,
}

pub fn run(args: &Args, session: &Session) -> Outcome {
    let home = session.home()?;
    let entry = session.app(&home, &args.app)?;
    let guard = session.guard(&home, &entry, "a scaling", &args.lock)?;
    let on_server = super::on_server(session, &home, &entry)?;
    let operating =
        session.context(&home, Answers::new(&session.ui, PlanQuestion::Yes))?.waiting(&args.lock);
    let report = wait(INTERRUPTED, async {
        let context = &operating.context;
        Ok(operation::scale(context, &guard, &on_server, &args.services, args.timeout).await?)
    })
    .map_err(|failure| begun(failure, &entry))?;
    drop(operating);
    session.report(&report, &args.json, |report| {
        for scaled in &report.services {
            session.ui.say(format_args!(
                "{} has {} instead of {}, until the next deploy.",
                scaled.service, scaled.replicas, scaled.before
            ));
        }
        if report.services.is_empty() {
            session.ui.say("Nothing was changed: they have that many already.");
        }
        Ok(())
    })
}
