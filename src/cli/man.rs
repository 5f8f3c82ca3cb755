//! `potluck man`

use std::path::{Path, PathBuf};

use clap_mangen::Man;

use super::{
    exit::Exit,
    failure::{Failure, Outcome},
    session::Session,
};

/// Write manual pages.
///
/// One page for each command, `potluck-app-deploy.1` and so on; without --dir the page of
/// potluck itself is printed.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  potluck man --dir ~/.local/share/man/man1
  potluck man | man -l -")]
pub struct Args {
    /// The folder to write them to; it is made if it does not exist
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

pub fn run(args: &Args, command: clap::Command, session: &Session) -> Outcome {
    let Some(dir) = &args.dir else {
        let mut page = Vec::new();
        Man::new(command).render(&mut page).map_err(|e| Failure::io("writing the page", &e))?;
        session.ui.out_bytes(&page)?;
        return Ok(Exit::DONE);
    };
    write(command, dir)
        .map_err(|e| Failure::io(format!("writing manual pages to {}", dir.display()), &e))?;
    session.ui.say(format_args!("Wrote the manual pages to {}.", dir.display()));
    Ok(Exit::DONE)
}

fn write(command: clap::Command, dir: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(dir)?;
    // Pages of `help` would say the same again.
    clap_mangen::generate_to(command.disable_help_subcommand(true), dir)
}
