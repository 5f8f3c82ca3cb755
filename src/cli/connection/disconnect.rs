//! `potluck sso disconnect`, `potluck mail disconnect`

use std::{sync::Arc, time::Duration};

use crate::{
    cli::{
        arguments::{AppArg, GrantArg, IdentityArg, JsonArg, LockArg, duration},
        failure::Outcome,
        grants::{Answers, PlanQuestion, show_plan},
        session::{Session, wait},
    },
    home::ConnectionKind,
    operation::{self, DisconnectOptions},
};

use super::connect::{INTERRUPTED, interrupted};

/// Bring the app's own way of signing in back.
///
/// Its settings become what they were before it was connected, the app is deployed, and its
/// client is removed at the provider. People who have no other way in are then locked out:
/// give them a password first.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  potluck sso disconnect wiki.example.org
  potluck sso disconnect wiki.example.org --leave-provider

JSON: as of `sso connect`.")]
pub struct SsoArgs {
    #[command(flatten)]
    pub rest: Args,
}

/// Let an app send no more mail through its relay.
///
/// Its settings become what they were before it was connected, the app is deployed, and its
/// account is removed at the relay.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  potluck mail disconnect wiki.example.org
  potluck mail disconnect wiki.example.org --leave-provider

JSON: as of `mail connect`.")]
pub struct MailArgs {
    #[command(flatten)]
    pub rest: Args,
}

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    app: AppArg,

    #[command(flatten)]
    lock: LockArg,

    /// Leave what the provider holds: it is gone, or doesn't answer
    #[arg(long)]
    leave_provider: bool,

    /// Show the plan and change nothing
    #[arg(long)]
    dry_run: bool,

    /// Don't ask whether to carry the plan out
    #[arg(short, long)]
    yes: bool,

    #[command(flatten)]
    grants: GrantArg,

    /// How long to wait for the services, 90s or 5m
    #[arg(long, value_name = "TIME", value_parser = duration)]
    timeout: Option<Duration>,

    #[command(flatten)]
    identity: IdentityArg,

    #[command(flatten)]
    json: JsonArg,
}

pub fn run(args: &Args, kind: ConnectionKind, session: &Session) -> Outcome {
    let home = session.home()?;
    let entry = session.app(&home, &args.app)?;
    let guard = session.guard(&home, &entry, "a disconnection", &args.lock)?;
    let question = if args.yes { PlanQuestion::Yes } else { PlanQuestion::Ask };
    let answers = Answers::new(&session.ui, question);
    let mut operating =
        session.context(&home, Arc::clone(&answers))?.granting(&args.grants).waiting(&args.lock);
    if let Some(path) = &args.identity.identity {
        operating.context.identity = Some(path.clone());
    }
    let options = DisconnectOptions {
        kind,
        leave_provider: args.leave_provider,
        dry_run: args.dry_run,
        timeout: args.timeout,
    };
    let report = wait(INTERRUPTED, async {
        Ok(operation::disconnect(&operating.context, &guard, &options).await?)
    })
    .map_err(|failure| answers.ended(failure))
    .map_err(|failure| interrupted(failure, &answers, &entry))?;
    drop(operating);
    if args.dry_run {
        show_plan(&session.ui, &report.plan);
    }
    session.report(&report, &args.json, |report| {
        session.ui.say(match args.dry_run {
            true => "Nothing was changed: this was a dry run.".to_owned(),
            false => format!(
                "{} is not connected to {} for {} any more ({:.1} s).",
                report.app,
                report.provider,
                kind.noun(),
                report.seconds
            ),
        });
        Ok(())
    })
}
