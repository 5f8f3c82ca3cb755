//! `potluck backup restore`

use std::sync::Arc;

use indicatif::HumanBytes;

use crate::{
    app,
    backup::Which,
    cli::{
        arguments::{AppArg, GrantArg, JsonArg, LockArg},
        failure::{Failure, Outcome},
        grants::{Answers, PlanQuestion},
        prompt,
        session::{Session, wait_cancelling},
        ui::{Ui, clean},
    },
    operation::{self, RestorePlan},
};

/// Restore an app's data from a backup.
///
/// Restores the app even if only its secrets are left on its server. Services
/// that use the data are stopped meanwhile. The current data in the restored places is lost.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  potluck backup restore wiki.example.org
  potluck backup restore wiki.example.org 20261121T2015

If data would be replaced and nobody can be asked, --yes is needed; else the exit
code is 6. Exit code 3 when the data is restored but the
app's own checks fail.

JSON: {set, app, bytes, seconds, checks}.")]
pub struct Args {
    #[command(flatten)]
    app: AppArg,

    #[command(flatten)]
    lock: LockArg,

    /// The backup, or the beginning of its name [default: the newest]
    #[arg(value_name = "BACKUP")]
    backup: Option<String>,

    /// Don't ask
    #[arg(short, long)]
    yes: bool,

    #[command(flatten)]
    trust: super::TrustArg,

    #[command(flatten)]
    grants: GrantArg,

    #[command(flatten)]
    json: JsonArg,
}

pub fn run(args: &Args, session: &Session) -> Outcome {
    let home = session.home()?;
    let entry = session.app(&home, &args.app)?;
    let guard = session.guard(&home, &entry, "a restore", &args.lock)?;
    let answers = Answers::new(&session.ui, PlanQuestion::Yes);
    let operating =
        session.context(&home, Arc::clone(&answers))?.granting(&args.grants).waiting(&args.lock);
    let options = args.trust.options();
    let which = args.backup.clone().map_or(Which::Latest, Which::Named);
    let report = wait_cancelling(&options.cancel, async {
        let context = &operating.context;
        let mut app = app::load_deployed(context, &entry).await?;
        let restore = operation::prepare_restore(context, &guard, &app, &which, &options).await?;
        operating.pause();
        agree(args, &session.ui, &restore.plan)?;
        Ok(restore.run(context, &guard, &mut app, &options).await?)
    })
    .map_err(|failure| answers.ended(failure))?;
    drop(operating);
    session.report(&report, &args.json, |report| {
        session.ui.say(format_args!(
            "Restored {} from {}: {} in {:.1} s.",
            report.app,
            report.set,
            HumanBytes(report.bytes),
            report.seconds
        ));
        for check in &report.checks {
            session.ui.say(format_args!("  checked: {}", clean(check)));
        }
        Ok(())
    })
}

/// Shows what would happen; asks where data would be lost.
fn agree(args: &Args, ui: &Ui, plan: &RestorePlan) -> Result<(), Failure> {
    for warning in &plan.warnings {
        ui.warn(warning);
    }
    ui.say(format_args!("Restoring {} from {} ({}):", plan.app, plan.set, HumanBytes(plan.bytes)));
    let list = |title: &str, items: &[String]| {
        if !items.is_empty() {
            ui.say(format_args!("  {title} {}", clean(&items.join(", "))));
        }
    };
    list("stops meanwhile:", &plan.stops);
    list("replaces the volumes:", &plan.replaces);
    list("creates the volumes:", &plan.makes);
    let dumps: Vec<String> =
        plan.puts_back.iter().map(|(item, service)| format!("{item} into {service}")).collect();
    list("restores the dumps:", &dumps);
    if plan.deploys {
        ui.say("  deploys the services that don't run");
    }
    if !plan.loses_data || args.yes {
        return Ok(());
    }
    if !ui.is_interactive() {
        return Err(Failure::consent(format!(
            "{} has data that would be replaced, which needs your consent",
            plan.app
        ))
        .hint("pass `--yes`"));
    }
    let question = format!("Replace what {} has now?", plan.app);
    if prompt::confirm(ui, &question, prompt::Enter::No)? {
        Ok(())
    } else {
        Err(Failure::interrupted("nothing was changed"))
    }
}
