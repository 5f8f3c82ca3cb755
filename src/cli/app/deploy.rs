//! `potluck app deploy`

use std::{sync::Arc, time::Duration};

use crate::{
    app,
    cli::{
        arguments::{AppArg, GrantArg, JsonArg, LockArg, StrictArg, duration},
        exit::Exit,
        failure::{Failure, Outcome},
        grants::{Answers, PlanQuestion, show_plan},
        session::{Session, wait},
    },
    home::{AppEntry, Home},
    operation::{self, DeployOptions, DeployReport, Domains},
};

/// Deploy an app, or update it to its current settings.
///
/// Shows what would change, asks, changes it, and waits until every service runs the new
/// specification and is healthy, or has ended with exit code 0 if it is allowed to end. If
/// a service doesn't start, its state and last log lines are shown, and the previous
/// version is restored, whatever the recipe's `failure_action` says. The plan says so
/// beforehand.
///
/// A recipe's plugins run only with what you granted them. You are asked the first time,
/// and whenever a plugin wants more; likewise for what a service reaches beyond the app
/// (docs/reach.md).
///
/// The plan says if one of the app's domains does not lead to the server. Nothing is said of
/// reserved names, and of a server without an address of the internet.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  potluck app deploy wiki.example.org
  potluck app deploy wiki.example.org --dry-run
  potluck app deploy wiki.example.org 1.3.0+6.4.5
  potluck app deploy wiki.example.org --chaos
  potluck app deploy wiki.example.org -n --grant 'wiki exec: app' --grant 'wiki exec: db'

With --no-input the plan is carried out without a question. If a grant is missing,
the command ends with exit code 6 and names the flags to pass. A deploy that failed
and was rolled back ends with exit code 4.

JSON: {app, stack, version, chaos, plan: {changes, warnings, reach, on_failure},
set, changed, completed, stopped, seconds}; `chaos`, only of files without a version, is the
commit that they were changed from; a change is {kind, name, action, details}, a reach
{service, reach, meaning, state}, its state `agreed`, `new` or `shown`; `completed` are
services that ended with exit code 0, `stopped` those without replicas.")]
pub struct Args {
    #[command(flatten)]
    app: AppArg,

    #[command(flatten)]
    lock: LockArg,

    /// The recipe's version, a release or a commit [default: what the settings pin]
    #[arg(value_name = "VERSION")]
    version: Option<String>,

    /// Deploy the files of the recipe's folder as they are, committed or not
    ///
    /// The stack is labelled as abra does it, and `app ls` shows the commit, with `+U` where
    /// something is not committed. The settings keep their version: the next deploy without
    /// this flag goes back to it.
    #[arg(short = 'C', long, conflicts_with = "version")]
    chaos: bool,

    /// Show the plan and change nothing
    #[arg(long)]
    dry_run: bool,

    /// Don't ask whether to carry the plan out
    #[arg(short, long)]
    yes: bool,

    #[command(flatten)]
    grants: GrantArg,

    /// Don't wait for the services to come up; hooks that need them don't run
    #[arg(short = 'c', long, alias = "no-converge-checks")]
    detach: bool,

    /// How long to wait for the services, 90s or 5m
    ///
    /// [default: the recipe's timeout label, else 5m]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    timeout: Option<Duration>,

    /// Send all services to the swarm, even those that have not changed
    #[arg(short, long)]
    force: bool,

    /// Deploy an older release over a newer one
    #[arg(long)]
    downgrade: bool,

    /// Let services start on other nodes with empty volumes; their data stays where it is
    #[arg(long)]
    leave_data: bool,

    /// Overwrite what a colleague deployed since, from a folder that doesn't know of it
    #[arg(long)]
    overwrite: bool,

    /// Don't look up whether the app's domains lead to its server
    #[arg(short = 'D', long)]
    no_domain_checks: bool,

    /// Take over a stack that docker, abra or another folder deployed
    #[arg(long)]
    takeover: bool,

    #[command(flatten)]
    strict: StrictArg,

    #[command(flatten)]
    json: JsonArg,
}

pub(super) const INTERRUPTED: &str = "interrupted: what was begun may be unfinished";

/// Before the plan was agreed to.
const UNCHANGED: &str = "interrupted: nothing of the app was changed";

pub fn run(args: &Args, session: &Session) -> Outcome {
    let home = session.home()?;
    let entry = session.app(&home, &args.app)?;
    let options = DeployOptions {
        version: super::plan::wanted(args.version.as_deref(), args.chaos),
        timeout: args.timeout,
        detach: args.detach,
        force: args.force,
        strictness: args.strict.strictness(),
        restoring: false,
        release_of: None,
        takeover: args.takeover,
        downgrade: args.downgrade,
        leave_data: args.leave_data,
        overwrite: args.overwrite,
        upgrade: None,
        data: None,
        domains: if args.no_domain_checks { Domains::LeftAlone } else { Domains::LookedUp },
    };
    let report = match args.dry_run {
        true => super::plan::planned(session, &home, &entry, &options, &args.grants)?,
        false => deploy(args, session, &home, &entry, &options)?,
    };
    if args.dry_run {
        show_plan(&session.ui, &report.plan);
    }
    session.report(&report, &args.json, |report| {
        session.ui.say(told(report, args.dry_run, args.detach));
        Ok(())
    })
}

/// What a deploy did, for people.
pub(super) fn told(report: &DeployReport, dry_run: bool, detach: bool) -> String {
    let version = report.version.as_deref().or(report.chaos.as_deref());
    let version = version.map(|v| format!(" {v}")).unwrap_or_default();
    let time = format!("{:.1} s", report.seconds);
    match (dry_run, report.changed, detach) {
        (true, ..) => "Nothing was changed: this was a dry run.".to_owned(),
        (_, false, _) => {
            let told = report.reached.told("is up to date", " and running");
            format!("{}{version} {told} ({time}).", report.app)
        }
        (_, true, true) => format!(
            "{}{version} was handed to the swarm ({time}). `potluck app ps {}` shows how it does.",
            report.app, report.app
        ),
        (_, true, false) => {
            let told = report.reached.told("is deployed", ", running and healthy");
            format!("{}{version} {told} ({time}).", report.app)
        }
    }
}

fn deploy(
    args: &Args,
    session: &Session,
    home: &Home,
    entry: &AppEntry,
    options: &DeployOptions,
) -> Result<DeployReport, Failure> {
    let guard = session.guard(home, entry, "a deploy", &args.lock)?;
    let question = if args.yes { PlanQuestion::Yes } else { PlanQuestion::Ask };
    let answers = Answers::new(&session.ui, question);
    let operating =
        session.context(home, Arc::clone(&answers))?.granting(&args.grants).waiting(&args.lock);
    wait(INTERRUPTED, async {
        let mut app = app::load_to_deploy(&operating.context, entry, &options.version).await?;
        Ok(operation::deploy(&operating.context, &guard, &mut app, options).await?)
    })
    .map_err(|failure| answers.ended(failure))
    .map_err(|failure| interrupted(failure, &answers, entry))
}

/// What Ctrl-C left.
pub(super) fn interrupted(failure: Failure, answers: &Answers, entry: &AppEntry) -> Failure {
    match failure.exit {
        // What the plugins may do may have been written down: that changes no app.
        Exit::INTERRUPTED if !answers.gave_way() => Failure::interrupted(UNCHANGED),
        _ => begun(failure, entry),
    }
}

/// The same of an operation that asks nothing, so that it began at once.
pub(super) fn begun(failure: Failure, entry: &AppEntry) -> Failure {
    match failure.exit {
        Exit::INTERRUPTED => failure.hint(unfinished_hint(entry)),
        _ => failure,
    }
}

/// What to type after Ctrl-C in the middle of an operation.
pub(super) fn unfinished_hint(entry: &AppEntry) -> String {
    let app = &entry.name;
    format!(
        "`potluck app history {app}` shows how far it came; `potluck app resume {app}` finishes \
         it, `potluck app abort {app}` undoes it"
    )
}
