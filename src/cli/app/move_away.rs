//! `potluck app move`

use std::{collections::BTreeSet, sync::Arc};

use indicatif::HumanBytes;

use crate::{
    backup::Of,
    cli::{
        arguments::{AppArg, GrantArg, IdentityArg, JsonArg, LockArg},
        backup::TrustArg,
        failure::{Failure, Outcome},
        grants::{Answers, PlanQuestion},
        prompt,
        session::{Session, wait_cancelling},
        ui::{Ui, clean},
    },
    home::{AppEntry, ServerName},
    operation::{Move, MoveOptions, MovePlan, NewApp},
};

/// Move an app to another server.
///
/// Stops what writes, takes a last backup, makes the app of it on the other server, and removes
/// it here: services, secrets, settings, and the volumes that the backup holds. Everything that
/// could keep it from coming is looked for before anything stops, in its newest backup. If it
/// does not come up there, what was made there is removed, and the app runs here again.
///
/// The domain stays; where it leads is yours to change. Releases to roll back to and the history
/// stay behind.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  potluck app move wiki.example.org other.example.org --dry-run
  potluck app move wiki.example.org other.example.org
  potluck app move wiki.example.org other.example.org --keep-data --yes

One that was interrupted is unfinished: `potluck app resume wiki.example.org --server SERVER`
finishes it, `potluck app abort` undoes it, with the server that the app leaves.

JSON: {app, from, to, set, keeps}; of a plan {app, from, to, stops, runs_on, repository, there,
removes, keeps, warnings}; `there` is as of `potluck backup restore --to-server`.")]
pub struct Args {
    #[command(flatten)]
    app: AppArg,

    /// The server that it goes to, which has nothing of it
    #[arg(value_name = "SERVER")]
    to: ServerName,

    #[command(flatten)]
    lock: LockArg,

    /// Don't ask
    #[arg(short, long)]
    yes: bool,

    /// Show what would happen, and change nothing
    #[arg(long)]
    dry_run: bool,

    /// Leave the volumes on the server that it leaves
    #[arg(long)]
    keep_data: bool,

    /// Make another value for these secrets, of which no copy is kept
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    new_secrets: Vec<String>,

    #[command(flatten)]
    identity: IdentityArg,

    #[command(flatten)]
    trust: TrustArg,

    #[command(flatten)]
    grants: GrantArg,

    #[command(flatten)]
    json: JsonArg,
}

pub fn run(args: &Args, session: &Session) -> Outcome {
    let home = session.home()?;
    let entry = session.app(&home, &args.app)?;
    home.server(&args.to)?;
    if args.to == entry.server {
        return Err(Failure::usage(format!("{} is on {} already", entry.name, args.to)));
    }
    let there = AppEntry { name: entry.name.clone(), server: args.to.clone() };
    let guard = session.guard(&home, &entry, "a move", &args.lock)?;
    let guard_there = session.guard(&home, &there, "a move", &args.lock)?;
    let guards = (&guard, &guard_there);
    let identity = session.identity_if_any(&args.identity)?;
    let answers = Answers::new(&session.ui, PlanQuestion::Yes);
    let operating =
        session.context(&home, Arc::clone(&answers))?.granting(&args.grants).waiting(&args.lock);
    let mut options = args.trust.options();
    options.sets_of = Of::Own;
    let target = NewApp {
        source: entry,
        app: there,
        server: None,
        new_secrets: args.new_secrets.iter().cloned().collect::<BTreeSet<String>>(),
        identity,
    };
    let move_options = MoveOptions { keep_data: args.keep_data };
    let done = wait_cancelling(&options.cancel, async {
        let context = &operating.context;
        let moves = Box::pin(Move::prepare(context, guards, target, move_options, &options));
        let moves = moves.await?;
        operating.pause();
        show(&session.ui, &moves.plan);
        if args.dry_run {
            return Ok(Err(moves.plan));
        }
        let MovePlan { app, from, to, .. } = &moves.plan;
        let needs = format!("moving {app} to {to} needs your consent");
        prompt::agree(&session.ui, args.yes, &needs, &format!("Move {app} from {from} to {to}?"))?;
        Ok(Ok(Box::pin(moves.run(context, guards, &options)).await?))
    })
    .map_err(|failure| answers.ended(failure))?;
    drop(operating);
    let report = match done {
        Ok(report) => report,
        Err(plan) => return session.report(&plan, &args.json, |_| Ok(())),
    };
    session.report(&report, &args.json, |report| {
        let ui = &session.ui;
        ui.say(format_args!(
            "Moved {} from {} to {}, with the backup {}.",
            report.app, report.from, report.to, report.set
        ));
        if !report.keeps.is_empty() {
            ui.hint(format_args!(
                "{} on {} belong to no app any more: `potluck server prune {} --volumes` removes \
                 such volumes",
                clean(&report.keeps.join(", ")),
                report.from,
                report.from
            ));
        }
        ui.hint(format_args!("let its domain lead to {}, where it does not yet", report.to));
        Ok(())
    })
}

fn show(ui: &Ui, plan: &MovePlan) {
    for warning in plan.warnings.iter().chain(&plan.there.warnings) {
        ui.warn(clean(warning));
    }
    let MovePlan { app, from, to, there, .. } = plan;
    ui.say(format_args!(
        "Moving {app} from {from} to {to} ({} as of its newest backup, {}):",
        HumanBytes(there.bytes),
        there.set
    ));
    ui.say_list("stops:", &plan.stops);
    ui.say_list("runs on until the last backup is taken, which needs:", &plan.runs_on);
    ui.say(format_args!("  takes the last backup, in {}", clean(&plan.repository)));
    ui.say_list(&format!("writes the files for {to}:"), &there.files);
    ui.say_list(&format!("stores the secrets on {to}:"), &there.secrets);
    ui.say_list(&format!("finds these secrets on {to}:"), &there.present_secrets);
    ui.say_list("makes new values for the secrets:", &there.new_secrets);
    ui.say_list(&format!("creates the volumes on {to}:"), &there.volumes);
    let dumps: Vec<String> =
        there.dumps.iter().map(|(item, service)| format!("{item} into {service}")).collect();
    ui.say_list("restores the dumps:", &dumps);
    ui.say_list("hands to plugins:", &there.consumes);
    ui.say_list(&format!("deploys the services on {to}:"), &there.services);
    ui.say(format_args!("  removes its services, secrets and settings from {from}"));
    ui.say_list(&format!("removes the volumes from {from}:"), &plan.removes);
    ui.say_list(&format!("leaves the volumes on {from}:"), &plan.keeps);
}
