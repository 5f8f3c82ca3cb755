//! `potluck stack services`

use crate::{
    cli::{
        arguments::JsonArg,
        failure::Outcome,
        session::{Session, wait},
        table::Table,
    },
    home::StackName,
    rollout::{self, ServiceRow},
};

use super::target::TargetArg;

/// Show the services of a stack.
///
/// A stack that doesn't exist is a warning, as with docker.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
JSON: a list of {service, name, id, mode, running, desired, completed, image,
ports}; `completed` is null for a service that is not a job.")]
pub struct Args {
    /// The stack's name
    #[arg(value_name = "STACK")]
    stack: StackName,

    #[command(flatten)]
    target: TargetArg,

    #[command(flatten)]
    json: JsonArg,
}

pub fn run(args: &Args, session: &Session) -> Outcome {
    let rows = wait("interrupted", async {
        let engine = args.target.engine(session)?;
        Ok(rollout::stack_services(engine.as_ref(), &args.stack).await?)
    })?;
    if rows.is_empty() {
        session.ui.warn(format_args!("nothing found in stack {}", args.stack));
    }
    session.report(&rows, &args.json, |rows| {
        if rows.is_empty() {
            return Ok(());
        }
        let mut table = Table::new(&["ID", "NAME", "MODE", "REPLICAS", "IMAGE", "PORTS"]);
        for row in rows {
            table.row([
                row.id.get(..12).unwrap_or(&row.id),
                &row.name,
                row.mode,
                &replicas(row),
                row.image.split('@').next().unwrap_or_default(),
                &row.ports.join(", "),
            ]);
        }
        table.print(&session.ui)
    })
}

/// `1/2`, and for a job also how many tasks are done.
pub fn replicas(row: &ServiceRow) -> String {
    let running = format!("{}/{}", row.running, row.desired);
    match row.completed {
        Some(done) => format!("{running} ({done}/{} completed)", row.desired.max(done)),
        None => running,
    }
}
