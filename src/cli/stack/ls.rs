//! `potluck stack ls`

use crate::{
    cli::{
        arguments::JsonArg,
        failure::Outcome,
        session::{Session, wait},
        table::Table,
    },
    rollout,
};

use super::target::TargetArg;

/// List the stacks of a swarm.
///
/// Lists those of apps, too: a stack is everything that has the same stack label.
#[derive(Debug, clap::Args)]
#[command(visible_alias = "list", after_long_help = "JSON: a list of {stack, services}.")]
pub struct Args {
    #[command(flatten)]
    target: TargetArg,

    #[command(flatten)]
    json: JsonArg,
}

pub fn run(args: &Args, session: &Session) -> Outcome {
    let rows = wait("interrupted", async {
        let engine = args.target.engine(session)?;
        Ok(rollout::stacks(engine.as_ref()).await?)
    })?;
    session.report(&rows, &args.json, |rows| {
        let mut table = Table::new(&["NAME", "SERVICES"]);
        for row in rows {
            table.row([row.stack.as_str(), &row.services.to_string()]);
        }
        table.print(&session.ui)
    })
}
