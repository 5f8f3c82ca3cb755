//! `potluck completions SHELL`

use clap_complete::Shell;

use super::{exit::Exit, failure::Outcome, session::Session};

/// Print completions for a shell.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  potluck completions bash > ~/.local/share/bash-completion/completions/potluck
  potluck completions fish > ~/.config/fish/completions/potluck.fish")]
pub struct Args {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

pub fn run(args: &Args, command: &mut clap::Command, session: &Session) -> Outcome {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, command, "potluck", &mut script);
    session.ui.out_bytes(&script)?;
    Ok(Exit::DONE)
}
