//! `potluck mail test`

use serde::Serialize;

use crate::{
    cli::{
        arguments::{AppArg, GrantArg, JsonArg, LockArg},
        failure::Outcome,
        grants::{Answers, PlanQuestion},
        session::{Session, wait},
    },
    operation,
};

/// Send a message through the app itself.
///
/// The app's plugin lets the app send it, as it sends all its mail. That the app handed it
/// over is what this shows; whether it arrived, look into the mailbox.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  potluck mail test wiki.example.org --to anna@example.org

JSON: {app, provider, to}.")]
pub struct Args {
    #[command(flatten)]
    app: AppArg,

    #[command(flatten)]
    lock: LockArg,

    /// Where the message goes
    #[arg(long, value_name = "ADDRESS")]
    to: String,

    #[command(flatten)]
    grants: GrantArg,

    #[command(flatten)]
    json: JsonArg,
}

#[derive(Serialize)]
struct Report<'a> {
    app: String,
    provider: String,
    to: &'a str,
}

pub fn run(args: &Args, session: &Session) -> Outcome {
    let home = session.home()?;
    let entry = session.app(&home, &args.app)?;
    let guard = session.guard(&home, &entry, "a test of its mail", &args.lock)?;
    let answers = Answers::new(&session.ui, PlanQuestion::Yes);
    let operating = session
        .context(&home, std::sync::Arc::clone(&answers))?
        .granting(&args.grants)
        .waiting(&args.lock);
    let provider = wait("interrupted: the message may have been sent", async {
        Ok(operation::mail_test(&operating.context, &guard, &args.to).await?)
    })
    .map_err(|failure| answers.ended(failure))?;
    drop(operating);
    let report = Report { app: entry.name.to_string(), provider, to: &args.to };
    session.report(&report, &args.json, |report| {
        session.ui.say(format_args!(
            "{} sent a message to {} through {}: look whether it arrived.",
            report.app, report.to, report.provider
        ));
        Ok(())
    })
}
