//! `potluck app upgrade`

mod many;
mod one;
mod target;

use std::time::Duration;

pub use self::{
    many::{Due, How, Row, show, upgrade},
    target::{Recipes, Target, Wanted},
};

use crate::{
    cli::{
        arguments::{Assignment, GrantArg, JsonArg, LockArg, StrictArg, duration},
        failure::{Failure, Outcome},
        session::Session,
    },
    home::ServerName,
};

/// Upgrade an app to a newer version of its recipe, with a way back.
///
/// Fetches the recipe, shows what changes with the notes of each release on the way, takes
/// a backup before anything changes, deploys, migrates the data step by step, and waits
/// until everything runs. If that fails, the version before comes back by itself, and where
/// the data was migrated beyond what it can use, its data from the backup, too: exit code 4.
///
/// Settings that are new in the recipe's sample are asked for, or named where nobody can be
/// asked; likewise new secrets. Where no backup can be taken, nothing is upgraded unless
/// you pass --no-backup.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  potluck app upgrade wiki.example.org --dry-run
  potluck app upgrade wiki.example.org
  potluck app upgrade wiki.example.org 1.3.0+6.4.5 -n --set MAIL_FROM=wiki@example.org
  potluck app upgrade --all --server swarm.example.org --dry-run
  potluck app upgrade '*.example.org' --yes

Several apps are upgraded four at a time, each in the end or not at all; one that fails
keeps no other from being upgraded. Exit code 3 means that some failed.

JSON: as `app deploy --json`, and {before}; of several apps a list of {app, server, before,
after, changes, outcome, error, seconds}, its outcome `newest`, `planned`, `upgraded`, `not-deployed`,
`undone` or `failed`.")]
pub struct Args {
    /// The app, by its domain, or a pattern with `*`
    #[arg(value_name = "APP", required_unless_present = "all", conflicts_with = "all")]
    app: Option<String>,

    /// The recipe's version, a release or a commit [default: the newest release]
    #[arg(value_name = "VERSION", conflicts_with = "all")]
    version: Option<String>,

    /// All apps, or all of a server's
    #[arg(long)]
    all: bool,

    /// Only on this server
    #[arg(short, long, value_name = "NAME")]
    server: Option<ServerName>,

    /// Take no backup: then data that was migrated cannot come back
    #[arg(long)]
    no_backup: bool,

    /// A setting that is new, or changes with the upgrade; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<Assignment>,

    /// Generate secrets that are new, without a question
    #[arg(long)]
    secrets: bool,

    /// Show the plan and change nothing
    #[arg(long)]
    dry_run: bool,

    /// Don't ask whether to carry the plan out
    #[arg(short, long)]
    yes: bool,

    #[command(flatten)]
    lock: LockArg,

    #[command(flatten)]
    grants: GrantArg,

    /// How long to wait for the services, 90s or 5m
    ///
    /// [default: the recipe's timeout label, else 5m]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    timeout: Option<Duration>,

    /// Overwrite what a colleague deployed since, from a folder that doesn't know of it
    #[arg(long)]
    overwrite: bool,

    #[command(flatten)]
    strict: StrictArg,

    #[command(flatten)]
    json: JsonArg,
}

impl Args {
    fn wanted(&self) -> Wanted<'_> {
        self.version.as_deref().map_or(Wanted::Newest, Wanted::Named)
    }
}

pub fn run(args: &Args, session: &Session) -> Outcome {
    match &args.app {
        Some(app) if !app.contains('*') => {
            let name = app.parse().map_err(|error| Failure::usage(format!("`{app}`: {error}")))?;
            one::run(args, session, &name)
        }
        _ => many::run(args, session),
    }
}
