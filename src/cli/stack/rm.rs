//! `potluck stack rm`

use std::{sync::Arc, time::Duration};

use crate::{
    cli::{
        arguments::duration,
        exit::Exit,
        failure::{Failure, Outcome},
        progress::Renderer,
        session::{Session, wait},
    },
    home::StackName,
    rollout,
};

use super::target::TargetArg;

/// Remove stacks: services, networks, configs and secrets.
///
/// Everything that has the stack's label is removed, except volumes. A stack that doesn't
/// exist is a warning, as with docker. Without --detach, waits until the containers are
/// gone.
#[derive(Debug, clap::Args)]
#[command(visible_aliases = ["remove", "down"])]
pub struct Args {
    /// The stacks' names
    #[arg(value_name = "STACK", required = true)]
    stacks: Vec<StackName>,

    /// Don't wait for the containers to end
    #[arg(
        short,
        long,
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        default_value = "false",
        hide_default_value = true,
        value_name = "BOOL"
    )]
    detach: bool,

    /// How long to wait for each stack, 90s or 5m
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "2m")]
    timeout: Duration,

    #[command(flatten)]
    target: TargetArg,
}

pub fn run(args: &Args, session: &Session) -> Outcome {
    let renderer = Renderer::new(Arc::clone(&session.ui));
    let result = wait("interrupted: some of the stack is already removed", async {
        let engine = args.target.engine(session)?;
        let mut failures: Vec<Failure> = Vec::new();
        // One that can't be removed keeps no other one.
        for stack in &args.stacks {
            let removed =
                rollout::remove_stack(engine.as_ref(), stack, args.detach, args.timeout, &renderer);
            match removed.await {
                Ok(true) => {}
                Ok(false) => session.ui.warn(format_args!("nothing found in stack {stack}")),
                Err(error) => failures.push(error.into()),
            }
        }
        Ok(failures)
    });
    renderer.finish();
    let mut failures = result?;
    let Some(last) = failures.pop() else { return Ok(Exit::DONE) };
    for failure in &failures {
        session.ui.fail(failure);
    }
    let partly = failures.len() + 1 < args.stacks.len();
    Err(if partly { last.exit(Exit::PARTLY) } else { last })
}
