//! `potluck server rm`

use crate::{
    cli::{exit::Exit, failure::Outcome, session::Session},
    home::ServerName,
};

/// Forget a server.
///
/// The server itself does not change. A server that still has apps in the
/// operator's folder is not removed.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The server
    #[arg(value_name = "NAME")]
    name: ServerName,
}

pub fn run(args: &Args, session: &Session) -> Outcome {
    let home = session.home()?;
    home.remove_server(&args.name)?;
    session.ui.say(format_args!("Removed the server {}.", args.name));
    Ok(Exit::DONE)
}
