//! `potluck key`

mod add;
mod ls;
mod new;
mod rm;

use clap::Subcommand;

use super::{failure::Outcome, session::Session, ui::counted};
use crate::{
    home::Home,
    secrets::escrow::{Readable, Resealed},
};

#[derive(Debug, Subcommand)]
#[command(
    arg_required_else_help = true,
    after_long_help = "\
Examples:
  potluck key new
  potluck key ls
  potluck key add age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p --name anna
  potluck key add 'ssh-ed25519 AAAAC3Nz… ben@laptop'
  potluck key rm ben"
)]
pub enum Command {
    New(new::Args),
    Ls(ls::Args),
    Add(add::Args),
    Rm(rm::Args),
}

pub fn run(command: &Command, session: &Session) -> Outcome {
    match command {
        Command::New(args) => new::run(args, session),
        Command::Ls(args) => ls::run(args, session),
        Command::Add(args) => add::run(args, session),
        Command::Rm(args) => rm::run(args, session),
    }
}

/// Says what was encrypted anew, and what was not and why.
fn tell_resealed(session: &Session, done: &Resealed) {
    if done.resealed > 0 {
        let secrets = counted(done.resealed, "secret");
        session.ui.say(format_args!("Encrypted {secrets} anew for everyone in the list."));
    }
    /// More are rarely read.
    const SHOWN: usize = 10;
    for failed in done.failed.iter().take(SHOWN) {
        let path = failed.path.display();
        session.ui.warn(format_args!("{path} was not encrypted anew: {}", failed.why));
    }
    if let Some(more) = done.failed.len().checked_sub(SHOWN).filter(|more| *more > 0) {
        session.ui.warn(format_args!("nor were {more} more"));
    }
}

/// What is to be committed, and what somebody else has to do.
fn tell_next(session: &Session, home: &Home) {
    let root = home.root().display();
    session.ui.hint(format_args!("if the team shares {root} in git, commit it now"));
}

/// The commands that rotate what somebody could read.
fn tell_rotations(session: &Session, readable: &[Readable], who: &str) {
    if readable.is_empty() {
        return;
    }
    session.ui.say(format_args!("{who} may know these secrets; rotate each, then deploy its app:"));
    for Readable { app, stems } in readable {
        let mut names: Vec<&str> =
            stems.iter().map(|stem| stem.rsplit_once('_').map_or(&**stem, |(n, _)| n)).collect();
        names.dedup();
        session.ui.say(format_args!(
            "  potluck app secret rotate {} {}",
            app.name,
            names.join(" ")
        ));
    }
    session.ui.say("`potluck app secret ls APP` shows which of them are still to be rotated.");
}
