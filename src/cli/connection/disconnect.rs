//! `potluck sso disconnect`, `potluck mail disconnect`

use crate::{
    cli::{arguments::AppArg, failure::Outcome, session::Session},
    home::ConnectionKind,
    operation::{self, DisconnectOptions},
};

use super::change::ChangeArgs;

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

    /// Leave what the provider holds: it is gone, or doesn't answer
    #[arg(long)]
    leave_provider: bool,

    #[command(flatten)]
    change: ChangeArgs,
}

pub fn run(args: &Args, kind: ConnectionKind, session: &Session) -> Outcome {
    let home = session.home()?;
    let entry = session.app(&home, &args.app)?;
    let ChangeArgs { dry_run, timeout, .. } = args.change;
    let options = DisconnectOptions { kind, leave_provider: args.leave_provider, dry_run, timeout };
    let change = &args.change;
    let report =
        change.change(session, &home, &entry, "a disconnection", async |operating, guard| {
            Ok(operation::disconnect(&operating.context, guard, &options).await?)
        })?;
    session.report(&report, &change.json, |report| {
        session.ui.say(match dry_run {
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
