//! `potluck stack ps`

use crate::{
    cli::{
        arguments::JsonArg,
        failure::Outcome,
        session::{Session, wait},
        table::Table,
        when::when,
    },
    home::StackName,
    rollout,
};

use super::super::app::trouble;

use super::target::TargetArg;

/// Show the tasks of a stack.
///
/// Shows the tasks that run or will run, or the last one that ended if none runs. Exit code 1
/// when there is no such stack.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
JSON: a list of {service, task, slot, node, state, desired, health, image,
exit_code, error, failures, cause, since}, as `app ps` has it.")]
pub struct Args {
    /// The stack's name
    #[arg(value_name = "STACK")]
    stack: StackName,

    /// Show all tasks that have ended, too
    #[arg(short, long)]
    all: bool,

    #[command(flatten)]
    target: TargetArg,

    #[command(flatten)]
    json: JsonArg,
}

pub fn run(args: &Args, session: &Session) -> Outcome {
    let rows = wait("interrupted", async {
        let engine = args.target.engine(session)?;
        Ok(rollout::stack_tasks(engine.as_ref(), &args.stack, args.all).await?)
    })?;
    session.report(&rows, &args.json, |rows| {
        let mut table =
            Table::new(&["ID", "NAME", "IMAGE", "NODE", "DESIRED STATE", "CURRENT STATE", "ERROR"]);
        for row in rows {
            let slot = row.slot.map(|slot| format!(".{slot}")).unwrap_or_default();
            let task = row.task.as_deref().unwrap_or("-");
            let since = row.since.as_deref().map(when);
            table.row([
                task.get(..12).unwrap_or(task),
                &format!("{}_{}{slot}", args.stack, row.service),
                &row.image,
                row.node.as_deref().unwrap_or("-"),
                if row.desired.is_empty() { "-" } else { &row.desired },
                &since.map_or(row.state.clone(), |since| format!("{} since {since}", row.state)),
                &trouble(row),
            ]);
        }
        table.print(&session.ui)
    })
}
