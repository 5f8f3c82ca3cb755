//! `potluck stack config`

use crate::cli::{arguments::JsonArg, exit::Exit, failure::Outcome, session::Session};

use super::files::{FilesArg, Variables};

/// Print compose files merged, interpolated and checked.
///
/// Prints the same as docker stack config. All errors are shown at once, each
/// with its line. Needs no server.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  potluck stack config -c compose.yml
  potluck stack config -c compose.yml,compose.smtp.yml --json
  cat compose.yml | potluck stack config -c -

JSON: an object of version, services, networks, volumes, secrets and configs, as
in the YAML.")]
pub struct Args {
    #[command(flatten)]
    files: FilesArg,

    /// Leave ${NAME} unchanged
    #[arg(long)]
    skip_interpolation: bool,

    #[command(flatten)]
    json: JsonArg,
}

pub fn run(args: &Args, session: &Session) -> Outcome {
    let variables = match args.skip_interpolation {
        true => Variables::AsWritten,
        false => Variables::Replaced,
    };
    let (config, _) = args.files.load(session, None, variables)?;
    if args.json.json {
        session.ui.json_exact(&config.to_json())?;
    } else {
        session.ui.out_lines(config.to_yaml().trim_end_matches('\n'))?;
    }
    // The process ends: to free thousands of small pieces first takes as long as a
    // twentieth of all the work.
    std::mem::forget(config);
    Ok(Exit::DONE)
}
