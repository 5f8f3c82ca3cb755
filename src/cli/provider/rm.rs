//! `potluck provider rm`

use crate::{
    cli::{
        exit::Exit,
        failure::{Failure, Outcome},
        session::Session,
    },
    home::ProviderName,
};

/// Remove a provider from the folder; nothing at the provider.
///
/// Apps that are connected to it go on using it, but can't be checked or repaired, so it is
/// refused while there are some.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  potluck provider rm house")]
pub struct Args {
    /// What it is called here
    #[arg(value_name = "NAME")]
    name: ProviderName,

    /// Remove it although apps are connected to it
    #[arg(long)]
    force: bool,
}

pub fn run(args: &Args, session: &Session) -> Outcome {
    let home = session.home()?;
    let mut connected = Vec::new();
    for entry in home.apps()? {
        let lock = home.lock_file(&entry)?;
        let uses =
            |it: &crate::home::Connection| it.server.is_none() && it.provider == args.name.as_str();
        if lock.connections.values().any(uses) {
            connected.push(entry.name.to_string());
        }
    }
    if !connected.is_empty() && !args.force {
        return Err(Failure::new(format!(
            "apps are connected to {}: {}",
            args.name,
            connected.join(", ")
        ))
        .hint("disconnect them first (`potluck sso disconnect APP`), or add --force"));
    }
    home.remove_provider(&args.name)?;
    session.ui.say(format_args!("Removed {}.", args.name));
    Ok(Exit::DONE)
}
