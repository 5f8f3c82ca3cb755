//! `potluck sso connect`, `potluck mail connect`

use std::path::PathBuf;

use crate::{
    cli::{
        failure::{Failure, Outcome},
        session::Session,
    },
    home::{ConnectionKind, ServerName},
    operation::{self, ByHand, ConnectOptions, ConnectReport},
};

use super::change::{ChangeArgs, WhichArgs};

/// Let an app's people sign in through a provider, or repair that.
///
/// Asks the app's plugin what it needs, makes a client at the provider, puts its id and secret
/// into the app's settings and secrets, and deploys the app. What fails is undone on both
/// sides. Run it again after a change of domain, a restore or an upgrade of either side: what
/// differs is repaired, and the client's id and secret stay.
///
/// PROVIDER is an app whose recipe plays the role `sso-provider`, on any server of the folder,
/// or a name of `potluck provider ls`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  potluck sso connect wiki.example.org sso.example.org
  potluck sso connect wiki.example.org sso.example.org --dry-run
  potluck sso connect wiki.example.org house --client-id wiki --client-secret-file secret
  potluck sso connect --all --yes

The provider is looked at before the app depends on it: one that calls itself otherwise, has
no keys or does not know the redirect address is refused, and nothing of the app is changed.

JSON: {app, kind, provider, plan, changed, deployed, findings, seconds}; `plan` is that of `app
deploy`, a finding {check, level, message, fix, inside}, its level `good`, `note` or `bad`. Of --all a list
of {app, server, report, error}, and exit code 3 if some failed.")]
pub struct SsoArgs {
    #[command(flatten)]
    rest: Args,

    /// The id of a client that was made at the provider by hand
    #[arg(long, value_name = "ID", conflicts_with = "all")]
    client_id: Option<String>,

    /// A file of yours alone with that client's secret
    #[arg(long, value_name = "FILE", requires = "client_id")]
    client_secret_file: Option<PathBuf>,

    /// Make another client, because the provider has lost the one before; people may get
    /// second accounts
    #[arg(long, conflicts_with_all = ["client_id", "all"])]
    new_client: bool,
}

/// Let an app send its mail through a relay, or repair that.
///
/// Makes an account at the relay, puts it into the app's settings and secrets, and deploys the
/// app. What fails is undone on both sides. Run it again after a restore or an upgrade of
/// either side: what differs is repaired, and the account stays.
///
/// PROVIDER is an app whose recipe plays the role `mail-provider`, on any server of the folder,
/// or a name of `potluck provider ls`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  potluck mail connect wiki.example.org mail.example.org
  potluck mail connect wiki.example.org house --sender noreply@example.org
  potluck mail connect --all --yes

The relay is looked at before the app depends on it: encryption, certificate, account and
sender, without a message. `potluck mail test` then sends one through the app.

JSON: {app, kind, provider, plan, changed, deployed, findings, seconds}; `plan` is that of `app
deploy`, a finding {check, level, message, fix, inside}, its level `good`, `note` or `bad`. Of --all a list
of {app, server, report, error}, and exit code 3 if some failed.")]
pub struct MailArgs {
    #[command(flatten)]
    rest: Args,

    /// The address that the app sends from; without it, wiki@example.org for wiki.example.org
    #[arg(long, value_name = "ADDRESS", conflicts_with = "all")]
    sender: Option<String>,
}

#[derive(Debug, clap::Args)]
struct Args {
    #[command(flatten)]
    which: WhichArgs,

    /// The app or the provider to connect it to [default: the one that it is connected to,
    /// else the server's]
    #[arg(value_name = "PROVIDER")]
    provider: Option<String>,

    /// The provider's server, if several servers have an app of this name
    #[arg(long, value_name = "NAME", requires = "provider")]
    provider_server: Option<ServerName>,

    #[command(flatten)]
    change: ChangeArgs,
}

pub fn sso(args: &SsoArgs, session: &Session) -> Outcome {
    let by_hand = args
        .client_id
        .clone()
        .map(|client_id| {
            let secret = args.client_secret_file.as_deref();
            let client_secret = secret.map(operation::client_secret).transpose()?;
            Ok::<_, Failure>(ByHand { client_id, client_secret })
        })
        .transpose()?;
    let new_client = args.new_client;
    let options = args.rest.options(ConnectionKind::Sso);
    args.rest.run(&ConnectOptions { by_hand, new_client, ..options }, session)
}

pub fn mail(args: &MailArgs, session: &Session) -> Outcome {
    let options = args.rest.options(ConnectionKind::Mail);
    args.rest.run(&ConnectOptions { sender: args.sender.clone(), ..options }, session)
}

impl Args {
    fn options(&self, kind: ConnectionKind) -> ConnectOptions {
        ConnectOptions {
            provider: self.provider.clone(),
            provider_server: self.provider_server.clone(),
            dry_run: self.change.dry_run,
            timeout: self.change.timeout,
            ..ConnectOptions::new(kind)
        }
    }

    fn run(&self, options: &ConnectOptions, session: &Session) -> Outcome {
        self.change.connect(&self.which, session, options, told)
    }
}

fn told(report: &ConnectReport, dry_run: bool) -> String {
    let ConnectReport { app, provider, seconds, kind, .. } = report;
    let noun = kind.noun();
    match (dry_run, report.changed, report.deployed) {
        (true, ..) => "Nothing was changed: this was a dry run.".to_owned(),
        (_, false, _) => {
            format!("{app} is connected to {provider} for {noun}, as it was ({seconds:.1} s).")
        }
        (_, true, true) => format!(
            "{app} is connected to {provider} for {noun}, and runs with it ({seconds:.1} s)."
        ),
        (_, true, false) => format!(
            "{app} is connected to {provider} for {noun}; its first deploy uses it \
             ({seconds:.1} s)."
        ),
    }
}
