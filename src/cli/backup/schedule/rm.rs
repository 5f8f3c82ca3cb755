//! `potluck backup schedule rm`

use std::path::PathBuf;

use super::{
    places::{installed, remove},
    planned::name,
};
use crate::cli::{
    exit::Exit,
    failure::{Failure, Outcome},
    session::Session,
};

/// Remove a schedule.
///
/// Only what potluck wrote is removed. A run that is at work is not
/// disturbed.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The schedule's name
    #[arg(value_name = "NAME", value_parser = name)]
    name: String,

    /// From this folder
    #[arg(long, value_name = "FOLDER")]
    into: Option<PathBuf>,
}

pub fn run(args: &Args, session: &Session) -> Outcome {
    let all = installed(args.into.as_deref())?;
    let ours: Vec<_> = all.iter().filter(|it| it.mark.name == args.name).collect();
    if ours.is_empty() {
        return Err(Failure::new(format!("potluck installed no schedule {}", args.name))
            .hint("`potluck backup schedule ls` lists them"));
    }
    for it in ours {
        remove(it)?;
        session.ui.say(format_args!("Removed {} ({}).", args.name, it.place.shown()));
    }
    Ok(Exit::DONE)
}
