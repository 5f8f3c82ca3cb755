//! `potluck upgrade run`

use jiff::Timestamp;

use super::{
    attempts::{self, Attempt},
    due::{Looked, Looking, look, settings},
};
use crate::{
    cli::{
        app::upgrade::{How, Row, Target, show, upgrade},
        arguments::{JsonArg, LockArg},
        backup,
        exit::Exit,
        failure::{Failure, Outcome},
        session::{Session, operator, wait},
        side_by_side::select_known,
    },
    home::{AppEntry, Home, ServerName},
    notify,
    operation::{DeployOptions, Upgrade},
    text::one_line,
};

/// Upgrade the apps that are due, for cron and systemd.
///
/// Of each app as far as upgrades.yml lets it, in its window only, and only where it is well:
/// with a backup before, and back by itself where it fails. A version that failed is not tried
/// again by itself. Nothing is asked: an upgrade that needs an answer fails, and is yours to
/// make with `potluck app upgrade APP`. Those whom notify.yml names are told what was upgraded,
/// with the notes of its releases, and what failed.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  potluck upgrade run --dry-run
  potluck upgrade run
  potluck upgrade run wiki.example.org --any-time --again

Exit codes: 0 all that was due is upgraded, 1 none of it is, 3 some failed.

JSON: a list of {app, server, before, after, changes, outcome, error, seconds}, its outcome
`upgraded`, `planned`, `newest`, `left` (its policy is none), `outside-window`, `not-deployed`,
`failed-before`, `undone` or `failed`.")]
pub struct Args {
    /// Only these apps, by domain, or a pattern with `*`
    #[arg(value_name = "APP")]
    apps: Vec<String>,

    /// Only on this server
    #[arg(short, long, value_name = "NAME")]
    server: Option<ServerName>,

    /// Whether or not it is time
    #[arg(long)]
    any_time: bool,

    /// Try what failed before once more
    #[arg(long)]
    again: bool,

    /// Show what would be upgraded, and change nothing
    #[arg(long)]
    dry_run: bool,

    /// With --dry-run: tell those whom notify.yml names what would be upgraded
    #[arg(long, requires = "dry_run")]
    notify: bool,

    #[command(flatten)]
    lock: LockArg,

    #[command(flatten)]
    json: JsonArg,
}

pub fn run(args: &Args, session: &Session) -> Outcome {
    let home = session.home()?;
    let settings = settings(session, &home)?;
    let apps = select_known(&home, &args.apps, args.server.as_ref())?;
    let looking = Looking { in_window: !args.any_time, again: args.again };
    let looked = look(session, &home, &settings, apps, looking)?;
    let (due, left): (Vec<Looked>, Vec<Looked>) =
        looked.into_iter().partition(|it| it.due.is_some());
    let entries: Vec<AppEntry> =
        due.iter().filter_map(|it| it.due.as_ref()).map(|(entry, _)| entry.clone()).collect();
    let options = backup::options();
    let deploys = |target: &Target| DeployOptions {
        version: target.version.clone(),
        upgrade: Some(Upgrade::with_backup(options.clone())),
        ..DeployOptions::default()
    };
    let how = How { dry_run: args.dry_run, lock: &args.lock, options: &options, deploys: &deploys };
    let due = due.into_iter().map(Looked::into_due).collect();
    let done = upgrade(session, &home, due, &how)?;
    if !args.dry_run {
        for entry in &entries {
            remember(session, &home, entry, &done);
        }
    }
    let mut rows: Vec<Row> = left.into_iter().map(|it| it.row).chain(done).collect();
    rows.sort_by(|a, b| (&a.app, &a.server).cmp(&(&b.app, &b.server)));
    if !args.dry_run || args.notify {
        tell(session, &home, &rows)?;
    }
    session.report(&rows, &args.json, |rows| show(session, rows))?;
    let is_bad = |row: &&Row| matches!(row.outcome, "undone" | "failed");
    let bad = rows.iter().filter(is_bad).count();
    let good = rows.iter().filter(|row| matches!(row.outcome, "upgraded" | "planned")).count();
    match bad {
        0 => Ok(Exit::DONE),
        bad => {
            let failure = Failure::new(format!("{bad} of {} apps were not upgraded", bad + good))
                .hint("`potluck app upgrade APP` tries one again, and asks what is to be asked");
            Err(if good == 0 { failure } else { failure.exit(Exit::PARTLY) })
        }
    }
}

/// Remembers which version of an app failed. Where that cannot be written, it is tried again.
fn remember(session: &Session, home: &Home, entry: &AppEntry, done: &[Row]) {
    let is_it = |row: &&Row| row.app == entry.name.as_str() && row.server == entry.server.as_str();
    let Some(row) = done.iter().find(is_it) else { return };
    // One that is locked, say, was not tried.
    let failed = (row.outcome == "undone").then(|| Attempt {
        version: row.after.clone().unwrap_or_default(),
        at: Timestamp::now(),
        error: one_line(row.error.as_deref().unwrap_or_default()),
    });
    if let Err(error) = attempts::remember(home, entry, failed.as_ref()) {
        session.ui.warn(error);
    }
}

/// Tells people what was done, or is about to be, if anything.
fn tell(session: &Session, home: &Home, rows: &[Row]) -> Result<(), Failure> {
    let Some(settings) = home.notify()? else { return Ok(()) };
    let of = |outcomes: &[&str]| -> Vec<&Row> {
        rows.iter().filter(|row| outcomes.contains(&row.outcome)).collect()
    };
    let (good, bad) = (of(&["upgraded", "planned"]), of(&["undone", "failed"]));
    if good.is_empty() && bad.is_empty() {
        return Ok(());
    }
    let mut text = String::new();
    for row in bad.iter().chain(&good) {
        let version = |version: &Option<String>| version.clone().unwrap_or_else(|| "?".into());
        text += &format!(
            "{}: {} → {}, {}",
            row.app,
            version(&row.before),
            version(&row.after),
            row.outcome
        );
        if let Some(error) = &row.error {
            text += &format!(": {}", one_line(error));
        }
        text += "\n";
        for note in &row.notes {
            text += &format!("  {}\n", one_line(note));
        }
    }
    let did =
        if good.iter().any(|row| row.outcome == "planned") { "to be upgraded" } else { "upgraded" };
    let subject =
        format!("potluck on {}: {} {did}, {} not", operator().host, good.len(), bad.len());
    let environment = backup::options().environment;
    let failed = wait("interrupted", async {
        Ok(notify::tell(&settings, &subject, &text, &environment).await)
    })?;
    for reason in failed {
        session.ui.warn(reason);
    }
    Ok(())
}
