//! `potluck backup forget`

use serde::Serialize;

use crate::{
    backup::{Error, retention::Action},
    cli::{
        arguments::JsonArg,
        failure::{Failure, Outcome},
        grants::{Answers, PlanQuestion},
        session::{Session, wait_cancelling},
        table::Table,
        ui::counted,
    },
    hint::Hint,
    home::{AppEntry, CopyName},
    operation::{self, ForgetReport, Removing},
};

/// Remove backups that no rule of the server keeps.
///
/// The rules are `backup: keep:` in server.yml, for each app of the server: `last`, `hourly`,
/// `daily`, `weekly`, `monthly` and `yearly` are numbers, `within` is a time before the
/// newest backup, such as 30d; days are those of UTC. Without rules, all complete backups
/// are kept. The newest complete one is always kept, and so is what is held, what an
/// upgrade needs for its way back, and what cannot be judged. Incomplete ones are removed
/// after a day.
///
/// Copies are thinned out by rules of their own, `backup: copies: NAME: keep:`.
///
/// Nothing is removed if a backup is of the future or may be forged, or the newest is
/// far smaller than those before it. The space is freed by `potluck backup prune`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  potluck backup forget wiki.example.org --dry-run
  potluck backup forget --all

Exit code 1 if nothing could be removed as it should, 3 if that is so of some apps.

JSON: a list of {app, server, copy, repository, rules, outcome, error, removed, sets}, its
outcome `removed`, `planned`, `refused-by-store`, `implausible` or `failed`; `copy` is null for
the server's own repository; a set is {set, time,
complete, bytes, action, reasons}.")]
pub struct Args {
    #[command(flatten)]
    apps: super::AppsArg,

    #[command(flatten)]
    places: super::PlacesArg,

    /// Show what would be removed, and why the rest is kept
    #[arg(long)]
    dry_run: bool,

    /// Decide also where something is implausible; that is kept then, and counts for no rule
    #[arg(long)]
    force: bool,

    #[command(flatten)]
    json: JsonArg,
}

#[derive(Serialize)]
struct Row {
    #[serde(flatten)]
    report: ForgetReport,
    outcome: &'static str,
    error: Option<String>,
    #[serde(skip)]
    hint: Option<String>,
}

pub fn run(args: &Args, session: &Session) -> Outcome {
    let home = session.home()?;
    let entries = args.apps.chosen(&home)?;
    let operating = session.context(&home, Answers::new(&session.ui, PlanQuestion::Yes))?;
    let options = super::options();
    let removing = Removing { dry_run: args.dry_run, force: args.force };
    let mut places = Vec::new();
    for entry in entries {
        let of = args.places.of(&home, &entry.server)?;
        places.extend(of.into_iter().map(|copy| (entry.clone(), copy)));
    }
    let forgotten = super::each(&places, async |(entry, copy)| {
        let options = options.of(copy.as_ref());
        operation::forget(&operating.context, entry, &options, removing).await
    });
    let forgotten = wait_cancelling(&options.cancel, forgotten)?;
    let row = |(place, done)| row(place, done, args.dry_run);
    let rows: Vec<Row> = forgotten.into_iter().map(row).collect();
    drop(operating);
    let bad = rows.iter().filter(|row| row.error.is_some()).count();
    let all = rows.len();
    session.report(&rows, &args.json, |rows| {
        for row in rows {
            show(session, row, args.dry_run)?;
        }
        Ok(())
    })?;
    super::ended(bad, all, "apps were not thinned out")
}

fn row(
    (entry, copy): &(AppEntry, Option<CopyName>),
    done: Result<ForgetReport, Error>,
    dry_run: bool,
) -> Row {
    let (outcome, error) = match done {
        Ok(report) => {
            let outcome = if dry_run { "planned" } else { "removed" };
            return Row { report, outcome, error: None, hint: None };
        }
        Err(error @ (Error::Refused { .. } | Error::AppendOnly { .. })) => {
            ("refused-by-store", error)
        }
        Err(error @ Error::Implausible { .. }) => ("implausible", error),
        Err(error) => ("failed", error),
    };
    let report = ForgetReport {
        app: entry.name.to_string(),
        server: entry.server.to_string(),
        copy: copy.as_ref().map(ToString::to_string),
        repository: None,
        rules: false,
        sets: Vec::new(),
        removed: 0,
    };
    Row { report, outcome, error: Some(error.to_string()), hint: error.hint() }
}

fn show(session: &Session, row: &Row, dry_run: bool) -> Result<(), Failure> {
    let Row { report, error, hint, .. } = row;
    if let Some(error) = error {
        let at = super::place(&report.app, report.copy.as_deref());
        session.ui.warn(format_args!("{at}: {error}"));
        if let Some(hint) = hint {
            session.ui.hint(hint);
        }
        return Ok(());
    }
    if dry_run && !report.sets.is_empty() {
        let mut table = Table::new(&["BACKUP", "SIZE", "ACTION", "WHY"]);
        for set in &report.sets {
            table.row([
                set.set.to_string(),
                set.bytes.map_or("incomplete".into(), |it| indicatif::HumanBytes(it).to_string()),
                if set.action == Action::Keep { "keep" } else { "remove" }.to_owned(),
                set.reasons.join(", "),
            ]);
        }
        table.print(&session.ui)?;
    }
    let kept = report.sets.len() - report.removed;
    session.ui.say(format_args!(
        "{}: {} {}, {} kept.",
        super::place(&report.app, report.copy.as_deref()),
        counted(report.removed, "backup"),
        if dry_run { "would be removed" } else { "removed" },
        kept
    ));
    if !report.rules && report.copy.is_none() {
        session.ui.hint(format_args!(
            "there are no rules: `backup: keep: {{daily: 7, weekly: 4}}` in server.yml of {}",
            report.server
        ));
    }
    Ok(())
}
