//! `potluck stack deploy`

use std::{sync::Arc, time::Duration};

use crate::{
    cli::{
        arguments::{JsonArg, duration},
        failure::Outcome,
        progress::Renderer,
        session::{Session, wait},
    },
    home::StackName,
    rollout::{self, ResolveImage, StackOptions},
};

use super::{
    files::{Disk, FilesArg, Variables, takes, warn_of_idle},
    target::TargetArg,
};

/// Deploy compose files as a stack, or update a stack to them.
///
/// Sends the swarm what docker stack deploy would send, except what has not changed; jobs
/// are always sent, and run at each deploy. A config or secret whose file changed, which is
/// an error in docker, is replaced by a new one, and its services are updated.
///
/// Without --detach, waits until every service runs and keeps running. If one doesn't, the
/// command ends with exit code 1, or with 4 if swarm rolled back to what ran before
/// (`failure_action: rollback`); nothing else is undone.
#[derive(Debug, clap::Args)]
#[command(visible_alias = "up")]
#[command(after_long_help = "\
Examples:
  potluck stack deploy -c compose.yml blog
  potluck stack deploy -c compose.yml,compose.smtp.yml --prune blog
  potluck stack deploy -c compose.yml --with-registry-auth --detach blog
  DOCKER_HOST=ssh://root@host potluck stack deploy -c - blog <compose.yml

JSON: {stack, plan: {changes, warnings}, changed, completed, stopped, seconds}; a change is {kind,
name, action, details}.")]
pub struct Args {
    #[command(flatten)]
    files: FilesArg,

    /// The stack's name, which becomes the prefix of all its objects
    #[arg(value_name = "STACK")]
    stack: StackName,

    /// Remove services that the files no longer have, once the others run
    #[arg(long)]
    prune: bool,

    /// When to ask registries for the digest of a tag
    #[arg(long, value_name = "WHEN", value_enum, default_value_t)]
    resolve_image: When,

    /// Send the credentials for registries that docker has, so that every node
    /// can pull
    #[arg(long)]
    with_registry_auth: bool,

    /// Don't wait for the services to come up
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

    /// How long to wait for the services, 90s or 5m
    ///
    /// [default: the timeout label of the stack, else 5m]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    timeout: Option<Duration>,

    #[command(flatten)]
    target: TargetArg,

    #[command(flatten)]
    json: JsonArg,
}

#[derive(Debug, Clone, Copy, Default, clap::ValueEnum)]
enum When {
    /// At every deploy.
    #[default]
    Always,
    /// When the image's name in the files changed.
    Changed,
    /// Each node resolves it by itself.
    Never,
}

pub fn run(args: &Args, session: &Session) -> Outcome {
    let (config, warnings) = args.files.load(session, Some(&args.stack), Variables::Replaced)?;
    let stack = config.to_stack(&args.stack, &Disk)?;
    takes(&config, &args.stack)?;
    for warning in &warnings {
        match &warning.position {
            Some(position) => session.ui.warn(format_args!("{position}: {}", warning.message)),
            None => session.ui.warn(&warning.message),
        }
    }
    warn_of_idle(&config, &args.stack, &session.ui);
    let options = StackOptions {
        prune: args.prune,
        resolve_image: match args.resolve_image {
            When::Always => ResolveImage::Always,
            When::Changed => ResolveImage::Changed,
            When::Never => ResolveImage::Never,
        },
        with_registry_auth: args.with_registry_auth,
        detach: args.detach,
        timeout: args.timeout,
    };
    let docker = session.docker_config();
    let renderer = Renderer::new(Arc::clone(&session.ui));
    let report = wait("interrupted: the swarm continues with the changes already sent", async {
        let engine = args.target.engine(session)?;
        let deploy = rollout::deploy_stack(engine.as_ref(), &stack, &docker, &options, &renderer);
        Ok(deploy.await?)
    });
    renderer.finish();
    let report = report?;
    session.report(&report, &args.json, |report| {
        let (name, seconds) = (&report.stack, report.seconds);
        session.ui.say(match (report.changed, args.detach) {
        (false, true) => format!("{name} is up to date ({seconds:.1} s)."),
        (false, false) => {
            let told = report.reached.told("is up to date", " and running");
            format!("{name} {told} ({seconds:.1} s).")
        }
        (true, true) => format!(
            "{name} was handed to the swarm ({seconds:.1} s). `potluck stack ps {name}` shows how \
             it does."
        ),
        (true, false) => {
            let told = report.reached.told("is deployed", ", running and healthy");
            format!("{name} {told} ({seconds:.1} s).")
        }
    });
        Ok(())
    })
}
