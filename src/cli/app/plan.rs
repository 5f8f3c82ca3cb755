//! `potluck app plan`

use std::sync::Arc;

use serde::Serialize;

use crate::{
    app,
    cli::{
        arguments::{AppArg, GrantArg, JsonArg, StrictArg},
        exit::Exit,
        failure::{Failure, Outcome},
        grants::{Answers, PlanQuestion, show_plan},
        session::{Session, wait},
    },
    home::{AppEntry, Home},
    operation::{self, DeployOptions, DeployReport},
    recipe::Version,
    rollout::Plan,
};

/// Show what a deploy of an app would change.
///
/// Shows the plan that `app deploy` would ask about, and changes nothing; the same as `app
/// deploy --dry-run`. With --exit-code, scripts are told whether there is anything to do.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  potluck app plan wiki.example.org
  potluck app plan wiki.example.org 1.3.0+6.4.5
  potluck app plan wiki.example.org --exit-code --quiet

JSON: {app, stack, version, differs, plan: {changes, warnings, reach, on_failure}},
the plan as in `app deploy --json`; `differs` is whether it has changes.")]
pub struct Args {
    #[command(flatten)]
    app: AppArg,

    /// The recipe's version, a release or a commit [default: what the settings pin]
    #[arg(value_name = "VERSION")]
    version: Option<String>,

    /// End with exit code 7 if a deploy would change something
    #[arg(long)]
    exit_code: bool,

    #[command(flatten)]
    grants: GrantArg,

    /// Look at a deploy of the recipe's folder as it is, committed or not
    #[arg(short = 'C', long, conflicts_with = "version")]
    chaos: bool,

    #[command(flatten)]
    strict: StrictArg,

    #[command(flatten)]
    json: JsonArg,
}

#[derive(Serialize)]
struct Planned<'a> {
    app: &'a str,
    stack: &'a str,
    version: Option<&'a str>,
    differs: bool,
    plan: &'a Plan,
}

pub fn run(args: &Args, session: &Session) -> Outcome {
    let home = session.home()?;
    let entry = session.app(&home, &args.app)?;
    let options = DeployOptions {
        version: wanted(args.version.as_deref(), args.chaos),
        strictness: args.strict.strictness(),
        ..DeployOptions::default()
    };
    let report = planned(session, &home, &entry, &options, &args.grants)?;
    let differs = !report.plan.changes.is_empty();
    let planned = Planned {
        app: &report.app,
        stack: &report.stack,
        version: report.version.as_deref(),
        differs,
        plan: &report.plan,
    };
    session.report(&planned, &args.json, |planned| {
        show_plan(&session.ui, planned.plan);
        Ok(())
    })?;
    Ok(if differs && args.exit_code { Exit::DIFFERS } else { Exit::DONE })
}

/// The version that the arguments name.
pub(super) fn wanted(version: Option<&str>, chaos: bool) -> Version {
    match (version, chaos) {
        (_, true) => Version::Working,
        (Some(version), false) => Version::Named(version.to_owned()),
        (None, false) => Version::Newest,
    }
}

/// What a deploy would do.
///
/// # Errors
/// As [`operation::plan`].
pub(super) fn planned(
    session: &Session,
    home: &Home,
    entry: &AppEntry,
    options: &DeployOptions,
    grants: &GrantArg,
) -> Result<DeployReport, Failure> {
    let answers = Answers::new(&session.ui, PlanQuestion::Yes);
    let operating = session.context(home, Arc::clone(&answers))?.granting(grants);
    wait("interrupted: nothing of the app was changed", async {
        let mut app = app::load_to_deploy(&operating.context, entry, &options.version).await?;
        Ok(operation::plan(&operating.context, &mut app, options).await?)
    })
}
