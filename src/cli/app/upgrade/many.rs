//! Several apps, side by side and without questions: what would be asked is a failure of
//! that app, which can then be upgraded alone.

use std::{sync::Arc, time::Instant};

use futures_util::{StreamExt, stream};
use serde::Serialize;

use super::{
    Args,
    target::{Recipes, Target},
};
use crate::{
    app,
    backup::Options,
    cli::{
        arguments::LockArg,
        backup,
        exit::Exit,
        failure::{Failure, Outcome},
        grants::{Answers, PlanQuestion},
        prompt::{self, Enter},
        session::{Operating, Session, wait_cancelling},
        side_by_side::{Named, Unasked, of_app, select},
        table::Table,
    },
    home::{AppEntry, Home},
    operation::{self, DeployOptions, DeployReport},
};

/// Apps that are upgraded at a time.
const AT_A_TIME: usize = 4;

const INTERRUPTED: &str =
    "interrupted: `potluck app ls --status` shows which apps have an unfinished operation";

/// What came of an app.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    pub app: String,
    pub server: String,
    pub before: Option<String>,
    pub after: Option<String>,
    /// Number of the plan's changes.
    pub changes: Option<usize>,
    /// `newest`, `planned`, `upgraded`, `not-deployed`, `undone` or `failed`.
    pub outcome: &'static str,
    pub error: Option<String>,
    pub seconds: f64,
    /// What the maintainers say of the releases on the way.
    #[serde(skip)]
    pub notes: Vec<String>,
}

/// An app that is to be upgraded.
pub struct Due {
    pub entry: AppEntry,
    pub target: Target,
    pub row: Row,
}

impl Row {
    /// Of an app of which nothing is known yet.
    pub fn of(entry: &AppEntry) -> Self {
        Row {
            app: entry.name.to_string(),
            server: entry.server.to_string(),
            before: None,
            after: None,
            changes: None,
            outcome: "failed",
            error: None,
            seconds: 0.0,
            notes: Vec::new(),
        }
    }

    /// Of one whose versions are known.
    pub fn towards(self, target: &Target) -> Self {
        Row { before: target.before.clone(), after: Some(target.after().to_owned()), ..self }
    }
}

pub fn run(args: &Args, session: &Session) -> Outcome {
    for (flag, is_given) in [
        ("--set", !args.set.is_empty()),
        ("--secrets", args.secrets),
        ("--grant", !args.grants.grant.is_empty()),
    ] {
        if is_given {
            let message = format!("{flag} is for one app, and several are to be upgraded");
            let hint = format!("`potluck app upgrade APP {flag} …` upgrades one");
            return Err(Failure::usage(message).hint(hint));
        }
    }
    let home = session.home()?;
    let entries = select(&home, args.app.as_slice(), args.server.as_ref())?.apps;
    let mut rows = Vec::new();
    let mut due = Vec::new();
    let mut recipes = Recipes::default();
    for entry in entries {
        let row = Row::of(&entry);
        match Target::of(args.wanted(), session, &home, &entry, &mut recipes) {
            Ok(target) => {
                let row = row.towards(&target);
                match target.is_there() {
                    Some(_) => rows.push(Row { outcome: "newest", ..row }),
                    None => due.push(Due { entry, target, row }),
                }
            }
            Err(failure) => rows.push(Row { error: failure.message, ..row }),
        }
    }
    let ask = !due.is_empty() && !args.dry_run && !args.yes && session.ui.is_interactive();
    if ask {
        for Due { entry, target, .. } in &due {
            let before = target.before.as_deref().unwrap_or_default();
            session.ui.say(format_args!("  {}: {before} → {}", entry.name, target.after()));
        }
        let question = format!("Upgrade {} apps?", due.len());
        if !prompt::confirm(&session.ui, &question, Enter::Yes)? {
            return Err(Failure::interrupted(""));
        }
    }
    let options = backup::options();
    let deploys = |target: &Target| target.options(args, &options);
    let how = How { dry_run: args.dry_run, lock: &args.lock, options: &options, deploys: &deploys };
    let done = upgrade(session, &home, due, &how)?;
    rows.extend(done);
    rows.sort_by(|a, b| (&a.app, &a.server).cmp(&(&b.app, &b.server)));
    let bad = rows.iter().filter(|row| matches!(row.outcome, "undone" | "failed")).count();
    let all = rows.len();
    session.report(&rows, &args.json, |rows| show(session, rows))?;
    match bad {
        0 => Ok(Exit::DONE),
        bad => {
            let failure = Failure::new(format!("{bad} of {all} apps were not upgraded"))
                .hint("`potluck app upgrade APP` tries one again, and asks what is to be asked");
            Err(if bad == all { failure } else { failure.exit(Exit::PARTLY) })
        }
    }
}

/// How apps are upgraded.
pub struct How<'a> {
    pub dry_run: bool,
    pub lock: &'a LockArg,
    pub options: &'a Options,
    pub deploys: &'a dyn Fn(&Target) -> DeployOptions,
}

/// Upgrades them side by side.
///
/// # Errors
/// If it was interrupted; what fails of an app is in its row.
pub fn upgrade(
    session: &Session,
    home: &Home,
    due: Vec<Due>,
    how: &How<'_>,
) -> Result<Vec<Row>, Failure> {
    let mut operating =
        session.context(home, Answers::new(&session.ui, PlanQuestion::Yes))?.waiting(how.lock);
    operating.context.consent = Arc::new(Unasked);
    operating.context.progress = Arc::new(Named(Arc::clone(&operating.context.progress)));
    let all = async {
        let works = due.into_iter().map(|due| {
            let name = due.entry.name.to_string();
            of_app(name, one(session, home, &operating, how, due))
        });
        Ok(stream::iter(works).buffer_unordered(AT_A_TIME).collect::<Vec<Row>>().await)
    };
    wait_cancelling(&how.options.cancel, async {
        tokio::select! {
            done = all => done,
            () = how.options.cancel.cancelled() => Err(Failure::interrupted(INTERRUPTED)),
        }
    })
}

async fn one(
    session: &Session,
    home: &Home,
    operating: &Operating,
    how: &How<'_>,
    Due { entry, target, row }: Due,
) -> Row {
    let began = Instant::now();
    let context = &operating.context;
    let deploys = (how.deploys)(&target);
    let work = async {
        let mut app = app::load_to_deploy(context, &entry, &target.version).await?;
        let done = match how.dry_run {
            true => operation::plan(context, &mut app, &deploys).await,
            false => {
                let guard = session.guard_beside(home, &entry, "an upgrade", how.lock).await?;
                operation::deploy(context, &guard, &mut app, &deploys).await
            }
        };
        match done {
            // On purpose: an upgrade of all starts nothing.
            Err(app::Error::NotDeployed { .. }) => Ok(None),
            done => Ok::<Option<DeployReport>, Failure>(Some(done?)),
        }
    };
    // Boxed: the future of a deploy is large, and there are several.
    let done = Box::pin(work).await;
    let seconds = began.elapsed().as_secs_f64();
    match done {
        Ok(None) => Row { outcome: "not-deployed", seconds, ..row },
        Ok(Some(report)) => Row {
            changes: Some(report.plan.changes.len()),
            outcome: if how.dry_run { "planned" } else { "upgraded" },
            notes: notes(&report),
            seconds,
            ..row
        },
        Err(failure) => Row {
            outcome: if failure.exit == Exit::ROLLED_BACK { "undone" } else { "failed" },
            error: failure.message,
            seconds,
            ..row
        },
    }
}

/// The notes of the releases on the way, as its plan has them.
fn notes(report: &DeployReport) -> Vec<String> {
    let details = report.plan.changes.iter().flat_map(|change| &change.details);
    details.filter(|detail| detail.starts_with("note of ")).cloned().collect()
}

/// # Errors
/// When standard output can't be written.
pub fn show(session: &Session, rows: &[Row]) -> Result<(), Failure> {
    let mut table = Table::new(&["APP", "SERVER", "FROM", "TO", "CHANGES", "RESULT"]);
    for row in rows {
        table.row([
            row.app.clone(),
            row.server.clone(),
            row.before.clone().unwrap_or_default(),
            row.after.clone().unwrap_or_default(),
            row.changes.map(|changes| changes.to_string()).unwrap_or_default(),
            row.outcome.to_owned(),
        ]);
    }
    table.print(&session.ui)?;
    for row in rows {
        if let Some(error) = &row.error {
            session.ui.warn(format_args!("{}: {error}", row.app));
        }
    }
    Ok(())
}
