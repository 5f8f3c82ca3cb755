//! `potluck backup evidence`

use std::time::Duration;

use crate::{
    backup::{
        evidence::{Filed, evidence},
        shown,
    },
    cli::{
        arguments::{AppArg, JsonArg},
        failure::{Failure, Outcome},
        session::Session,
        ui::Ui,
    },
    text::one_line,
};

/// Show what drills of an app's backups came to, and whether that is believed.
///
/// A piece of evidence is believed if a machine of the team signed it, and if it is of this
/// app. The newest comes last, with all that it says.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  potluck backup evidence wiki.example.org
  potluck backup evidence wiki.example.org --json

JSON: a list of {file, signer, distrust, evidence}, oldest first; `distrust` says why it is not
believed. Evidence is {potluck, app, server, on, by, began, ended, ok, error, set, taken, recipe,
version, items, steps, checks, left_out}, an item {kind, name, bytes, tree}, a step {step,
seconds}.

Exit code 1 if the newest evidence is not believed, or is of a drill that failed.")]
pub struct Args {
    #[command(flatten)]
    app: AppArg,

    #[command(flatten)]
    json: JsonArg,
}

pub fn run(args: &Args, session: &Session) -> Outcome {
    let home = session.home()?;
    let app = session.app(&home, &args.app)?;
    let filed = evidence(&home, &app)?;
    session.report(&filed, &args.json, |filed| {
        for one in filed {
            session.ui.out(line(one))?;
        }
        if let Some(last) = filed.last() {
            details(&session.ui, last);
        }
        Ok(())
    })?;
    match filed.last() {
        None => Err(Failure::new(format!("no backup of {} was drilled", app.name))
            .hint(format!("`potluck backup drill {}` does", app.name))),
        Some(last) if last.believed().is_some_and(|it| it.ok) => Ok(crate::cli::exit::Exit::DONE),
        Some(last) => {
            let what = match last.believed() {
                Some(_) => "is of a drill that failed",
                None => "is not believed",
            };
            Err(Failure::new(format!("the newest evidence of {} {what}", app.name)))
        }
    }
}

fn line(filed: &Filed) -> String {
    let said = match (&filed.evidence, &filed.distrust) {
        (_, Some(distrust)) => format!("NOT BELIEVED: {distrust}"),
        (None, None) => String::new(),
        (Some(it), None) => {
            let began = it.began.strftime("%Y-%m-%d %H:%M UTC");
            let took = Duration::try_from(it.ended.duration_since(it.began)).unwrap_or_default();
            let set = it.set.as_deref().unwrap_or("no backup");
            let end = match &it.error {
                None => "good".to_owned(),
                Some(error) => format!("FAILED: {error}"),
            };
            format!("{began}  {set}  on {} by {}, {}: {end}", it.on, it.by, shown(took))
        }
    };
    one_line(&format!("{}: {said}", filed.file))
}

fn details(ui: &Ui, filed: &Filed) {
    let Some(evidence) = filed.believed() else { return };
    let steps = evidence.steps.iter().map(|it| format!("{} {:.1} s", it.step, it.seconds));
    ui.say_list("took:", &steps.collect::<Vec<_>>());
    ui.say_list("checked:", &evidence.checks);
    ui.say_list("left out:", &evidence.left_out);
}
