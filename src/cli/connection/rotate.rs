//! `potluck sso rotate`, `potluck mail rotate`

use std::path::PathBuf;

use crate::{
    cli::{failure::Outcome, session::Session},
    home::ConnectionKind,
    operation::{self, ConnectOptions, ConnectReport, Rotation},
};

use super::change::{ChangeArgs, WhichArgs};

/// Give an app's client another secret.
///
/// The provider makes it, and it is put into the app's secrets and deployed; the client and
/// its people stay the same. Until the app runs with it, which takes as long as a deploy,
/// nobody signs in. Do it when the secret may be known to somebody, or by the year.
///
/// A client that was made at the provider by hand gets its secret there: pass that with
/// --client-secret-file.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  potluck sso rotate wiki.example.org
  potluck sso rotate wiki.example.org --client-secret-file secret
  potluck sso rotate --all --yes

If it fails, the app is as it was, but the provider may have made the secret already; `potluck
sso connect` brings that to the app.

JSON: as of `sso connect`.")]
pub struct SsoArgs {
    #[command(flatten)]
    rest: Args,

    /// A file of yours alone with the secret that was made at the provider by hand
    #[arg(long, value_name = "FILE", conflicts_with = "all")]
    client_secret_file: Option<PathBuf>,
}

/// Give an app's account at its relay another password.
///
/// The relay makes it, and it is put into the app's secrets and deployed. Until the app runs
/// with it, which takes as long as a deploy, the app sends no mail.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  potluck mail rotate wiki.example.org
  potluck mail rotate --all --yes

If it fails, the app is as it was, but the relay may have made the password already; `potluck
mail connect` brings that to the app.

JSON: as of `mail connect`.")]
pub struct MailArgs {
    #[command(flatten)]
    rest: Args,
}

#[derive(Debug, clap::Args)]
struct Args {
    #[command(flatten)]
    which: WhichArgs,

    #[command(flatten)]
    change: ChangeArgs,
}

pub fn sso(args: &SsoArgs, session: &Session) -> Outcome {
    let secret = args.client_secret_file.as_deref();
    let client_secret = secret.map(operation::client_secret).transpose()?;
    args.rest.run(ConnectionKind::Sso, Rotation { client_secret }, session)
}

pub fn mail(args: &MailArgs, session: &Session) -> Outcome {
    args.rest.run(ConnectionKind::Mail, Rotation::default(), session)
}

impl Args {
    fn run(&self, kind: ConnectionKind, rotation: Rotation, session: &Session) -> Outcome {
        let options = ConnectOptions {
            rotate: Some(rotation),
            dry_run: self.change.dry_run,
            timeout: self.change.timeout,
            ..ConnectOptions::new(kind)
        };
        self.change.connect(&self.which, session, &options, told)
    }
}

fn told(report: &ConnectReport, dry_run: bool) -> String {
    let ConnectReport { app, provider, seconds, kind, .. } = report;
    let noun = match kind {
        ConnectionKind::Sso => "client secret",
        ConnectionKind::Mail => "password",
    };
    match (dry_run, report.deployed) {
        (true, _) => "Nothing was changed: this was a dry run.".to_owned(),
        (_, true) => {
            format!("{app} has another {noun} at {provider}, and runs with it ({seconds:.1} s).")
        }
        (_, false) => format!(
            "{app} has another {noun} at {provider}; its next deploy uses it ({seconds:.1} s)."
        ),
    }
}
