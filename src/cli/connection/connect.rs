//! `potluck sso connect`, `potluck mail connect`

use std::{path::PathBuf, sync::Arc, time::Duration};

use crate::{
    cli::{
        arguments::{AppArg, GrantArg, IdentityArg, JsonArg, LockArg, duration},
        exit::Exit,
        failure::{Failure, Outcome},
        grants::{Answers, PlanQuestion, show_plan},
        session::{Session, wait},
        ui::clean,
    },
    home::{AppEntry, ConnectionKind, ServerName},
    operation::{self, ByHand, ConnectOptions, ConnectReport},
};

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

The provider is looked at before the app depends on it: one that calls itself otherwise, has
no keys or does not know the redirect address is refused, and nothing of the app is changed.

JSON: {app, kind, provider, plan, changed, deployed, findings, seconds}; `plan` is that of `app
deploy`, a finding {check, level, message, fix}, its level `good`, `note` or `bad`.")]
pub struct SsoArgs {
    #[command(flatten)]
    rest: Args,

    /// The id of a client that was made at the provider by hand
    #[arg(long, value_name = "ID")]
    client_id: Option<String>,

    /// A file of yours alone with that client's secret
    #[arg(long, value_name = "FILE", requires = "client_id")]
    client_secret_file: Option<PathBuf>,

    /// Make another client, because the provider has lost the one before; people may get
    /// second accounts
    #[arg(long, conflicts_with = "client_id")]
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

The relay is looked at before the app depends on it: encryption, certificate, account and
sender, without a message. `potluck mail test` then sends one through the app.

JSON: {app, kind, provider, plan, changed, deployed, findings, seconds}; `plan` is that of `app
deploy`, a finding {check, level, message, fix}, its level `good`, `note` or `bad`.")]
pub struct MailArgs {
    #[command(flatten)]
    rest: Args,

    /// The address that the app sends from; without it, wiki@example.org for wiki.example.org
    #[arg(long, value_name = "ADDRESS")]
    sender: Option<String>,
}

#[derive(Debug, clap::Args)]
struct Args {
    #[command(flatten)]
    app: AppArg,

    /// The app or the provider to connect it to [default: the one that it is connected to,
    /// else the server's]
    #[arg(value_name = "PROVIDER")]
    provider: Option<String>,

    /// The provider's server, if several servers have an app of this name
    #[arg(long, value_name = "NAME", requires = "provider")]
    provider_server: Option<ServerName>,

    #[command(flatten)]
    lock: LockArg,

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
    let more = More { by_hand, sender: None, new_client: args.new_client };
    run(&args.rest, ConnectionKind::Sso, more, session)
}

pub fn mail(args: &MailArgs, session: &Session) -> Outcome {
    let more = More { sender: args.sender.clone(), ..More::default() };
    run(&args.rest, ConnectionKind::Mail, more, session)
}

/// What only one kind of connection has.
#[derive(Default)]
struct More {
    by_hand: Option<ByHand>,
    sender: Option<String>,
    new_client: bool,
}

fn run(args: &Args, kind: ConnectionKind, more: More, session: &Session) -> Outcome {
    let home = session.home()?;
    let entry = session.app(&home, &args.app)?;
    let guard = session.guard(&home, &entry, "a connection", &args.lock)?;
    let question = if args.yes { PlanQuestion::Yes } else { PlanQuestion::Ask };
    let answers = Answers::new(&session.ui, question);
    let mut operating =
        session.context(&home, Arc::clone(&answers))?.granting(&args.grants).waiting(&args.lock);
    if let Some(path) = &args.identity.identity {
        operating.context.identity = Some(path.clone());
    }
    let options = ConnectOptions {
        kind,
        provider: args.provider.clone(),
        provider_server: args.provider_server.clone(),
        sender: more.sender,
        by_hand: more.by_hand,
        new_client: more.new_client,
        dry_run: args.dry_run,
        timeout: args.timeout,
    };
    let report = wait(INTERRUPTED, async {
        Ok(operation::connect(&operating.context, &guard, &options).await?)
    })
    .map_err(|failure| answers.ended(failure))
    .map_err(|failure| interrupted(failure, &answers, &entry))?;
    drop(operating);
    if args.dry_run {
        show_plan(&session.ui, &report.plan);
    }
    session.report(&report, &args.json, |report| {
        session.ui.say(told(report, args.dry_run));
        for finding in &report.findings {
            session.ui.warn(clean(&finding.told()));
        }
        if kind == ConnectionKind::Mail && report.deployed && !args.dry_run {
            let app = &report.app;
            session.ui.hint(format_args!("`potluck mail test {app} --to ADDRESS` sends a message"));
        }
        Ok(())
    })
}

pub(super) const INTERRUPTED: &str = "interrupted: what was begun may be unfinished";

/// What Ctrl-C left.
pub(super) fn interrupted(failure: Failure, answers: &Answers, entry: &AppEntry) -> Failure {
    match failure.exit {
        Exit::INTERRUPTED if !answers.gave_way() => {
            Failure::interrupted("interrupted: nothing was changed")
        }
        Exit::INTERRUPTED => failure.hint(format!(
            "`potluck app resume {0}` finishes it, `potluck app abort {0}` undoes it",
            entry.name
        )),
        _ => failure,
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
