//! `potluck app history`

use serde::Serialize;

use crate::{
    app::Unfinished,
    cli::{
        arguments::{AppArg, JsonArg},
        failure::Outcome,
        session::{Session, wait},
        table::Table,
    },
    operation::{self, ReleaseRow},
    owner::history::{Line, OPERATION},
};

/// Show what was done to an app, newest first.
///
/// Each deploy, undeploy, backup and restore that changed something, from whichever
/// machine: who, when, the version, and how it ended. The last fifty are kept on the
/// server. Below are the releases that `potluck app rollback` can bring back.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  potluck app history wiki.example.org
  potluck app show wiki.example.org 5f2a

JSON: {app, operations, releases, unfinished}; an operation is {operation, what, user, host,
began, ended, before, after, set, settings, migrated, detached, chaos, outcome, step, error, by}, its
outcome `done`, `failed`, `failed-and-undone` or `aborted`; `settings` are names of those that
it changed, `migrated` is there if it began to migrate data, `detached` if nobody waited for
it, `chaos` if it brought files that no version stands for; of changes of secrets and volumes,
`before` and `after` are names of those that went and came; a release is {release, version, user, host, at, operation, set, held, migrated, replays};
`unfinished` is {app, operation, what, told, began,
steps, step, no_return, past_return, aborting, running, holds} or null.")]
pub struct Args {
    #[command(flatten)]
    app: AppArg,

    #[command(flatten)]
    json: JsonArg,
}

#[derive(Serialize)]
struct Report {
    app: String,
    /// Newest first.
    operations: Vec<Line>,
    /// Newest first.
    releases: Vec<ReleaseRow>,
    unfinished: Option<Unfinished>,
}

pub fn run(args: &Args, session: &Session) -> Outcome {
    let home = session.home()?;
    let entry = session.app(&home, &args.app)?;
    let on_server = super::on_server(session, &home, &entry)?;
    let (found, (releases, unreadable)) = wait("interrupted", async {
        let found = operation::history(&on_server).await?;
        Ok((found, operation::kept_releases(&on_server).await?))
    })?;
    for error in &unreadable {
        super::warn_of(session, error);
    }
    let (mut operations, unfinished) = found;
    operations.reverse();
    let report = Report { app: entry.name.to_string(), operations, releases, unfinished };
    session.report(&report, &args.json, |report| {
        if let Some(unfinished) = &report.unfinished {
            session.ui.warn(unfinished);
        }
        if report.operations.is_empty() {
            session.ui.say(format_args!("Nothing was done to {} yet.", report.app));
            return Ok(());
        }
        let mut table =
            Table::new(&["OPERATION", "WHEN", "WHAT", "VERSION", "WHO", "TOOK", "RESULT"]);
        for line in &report.operations {
            table.row(line.row());
        }
        table.print(&session.ui)?;
        for line in report.operations.iter().filter(|line| !line.settings.is_empty()) {
            let operation: String = line.operation.chars().take(OPERATION).collect();
            session.ui.say(format_args!("{operation} changed {}", line.settings.join(", ")));
        }
        let mut table = Table::new(&["RELEASE", "WHEN", "VERSION", "WHO", "BACKUP BEFORE"]);
        for release in &report.releases {
            let came_back = release.replays.as_ref().map(|of| format!(" ({of} again)"));
            table.row([
                format!("{}{}", release.release, came_back.unwrap_or_default()),
                release.at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
                release.version.clone(),
                format!("{}@{}", release.user, release.host),
                match (&release.set, release.held) {
                    (Some(set), true) => format!("{set}, held"),
                    (Some(set), false) => set.clone(),
                    (None, _) => String::new(),
                },
            ]);
        }
        if report.releases.is_empty() { Ok(()) } else { table.print(&session.ui) }
    })
}
