//! `potluck app ps`

use crate::{
    app::{self, OnServer},
    cli::{
        arguments::{AppArg, JsonArg},
        failure::Outcome,
        session::{Session, wait},
        table::Table,
        ui::clean,
        when::when,
    },
    operation,
    rollout::TaskRow,
};

/// Show an app's services and their state.
///
/// Shows one line per task: the tasks that run or will run, or the last one that ended if
/// none runs. If swarm keeps restarting a task, its line says how often earlier ones failed
/// in the last ten minutes, and why. A service without tasks has a line, too. If a service
/// has several replicas, each line has the number of its replica, as `app logs` accepts it.
/// Exit code 1 when the app is not deployed.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
JSON: a list of {service, task, slot, node, state, desired, health, image,
exit_code, error, failures, cause, since}; states and errors are in swarm's words;
`since` is RFC 3339; of a service without tasks, `task` is null and `state` `0/0`,
`health` is null where there is no health check or the task is on another node,
`failures` is how often tasks in its place failed in the last ten minutes.")]
pub struct Args {
    #[command(flatten)]
    app: AppArg,

    /// Show all tasks that have ended, too
    #[arg(short, long)]
    all: bool,

    #[command(flatten)]
    json: JsonArg,
}

pub fn run(args: &Args, session: &Session) -> Outcome {
    let home = session.home()?;
    let entry = session.app(&home, &args.app)?;
    let OnServer { engine, stack, .. } = super::on_server(session, &home, &entry)?;
    // What cannot be read is said already.
    if let Some(told) =
        home.salvage(&entry).ok().and_then(|it| app::half_restored(&entry.name, &it.lock))
    {
        session.ui.warn(told);
    }
    let (rows, unfinished) = wait("interrupted", async {
        let rows = app::ps(engine.readable().await?, &entry.name, &stack, args.all).await?;
        Ok((rows, operation::abandoned(&engine).await))
    })?;
    match unfinished {
        Ok(None) => {}
        Ok(Some(unfinished)) => {
            session.ui.warn(&unfinished);
            session.ui.hint(unfinished.next());
        }
        Err(error) => super::warn_of(session, &error),
    }
    session.report(&rows, &args.json, |rows| {
        let mut table =
            Table::new(&["SERVICE", "STATE", "HEALTH", "SINCE", "NODE", "IMAGE", "ERROR"]);
        for row in rows {
            table.row([
                row.place().as_str(),
                &row.state,
                row.health.unwrap_or("-"),
                &row.since.as_deref().map_or_else(|| "-".into(), when),
                row.node.as_deref().unwrap_or("-"),
                &row.image,
                &trouble(row),
            ]);
        }
        table.print(&session.ui)?;
        if let Some(row) = rows.iter().find(|row| row.failures > 0) {
            session.ui.hint(format_args!(
                "`potluck app logs {} {}` shows what it wrote, if it was started",
                entry.name,
                clean(&row.place())
            ));
        }
        Ok(())
    })
}

/// What is wrong, or was wrong in the last minutes.
pub(in crate::cli) fn trouble(row: &TaskRow) -> String {
    let cause = row.cause.as_deref().or(row.error.as_deref());
    match (row.failures, cause) {
        (0, Some(cause)) => cause.to_owned(),
        (0, None) => String::new(),
        (1, Some(cause)) => format!("failed once in 10 min: {cause}"),
        (times, Some(cause)) => format!("failed {times} times in 10 min: {cause}"),
        (times, None) => format!("failed {times} times in 10 min"),
    }
}
