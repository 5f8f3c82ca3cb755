//! Arguments, terminal, exit codes: the only room that prints, reads the
//! environment or looks for the home directory.
//!
//! A command is one file: an `Args` struct, whose doc comments are its help, and
//! one function, `run`. What they share: [`session`] finds the operator's files
//! and what an operation needs, [`ui`] writes, [`prompt`] asks, [`progress`]
//! shows what an operation says, [`failure`] turns every error into a sentence,
//! its causes, hints and an exit code.

mod app;
mod arguments;
mod backup;
mod catalogue;
mod completions;
mod connection;
mod deferred;
mod exit;
mod failure;
mod findings;
mod fleet;
mod foreign_flags;
mod foreign_words;
mod grants;
mod key;
mod log;
mod man;
mod newest;
mod plugin;
mod progress;
mod prompt;
mod provider;
mod recipe;
mod seen;
mod server;
mod session;
mod shell;
mod side_by_side;
mod stack;
mod status;
mod style;
mod table;
mod ui;
mod upgrade;
mod when;

use std::{ffi::OsString, process::ExitCode};

use clap::{ArgMatches, CommandFactory, FromArgMatches, Parser, Subcommand};
use tracing_subscriber::filter::EnvFilter;

use arguments::Global;
use deferred::{Deferred, whole};
use failure::Outcome;
use session::Session;
use ui::{Talk, Ui};

/// Deploy libre apps to Docker Swarm, with sandboxed hooks and backups.
///
/// A recipe packages an app; an app is one instance of a recipe, named by its
/// domain; a server is a Docker Swarm that apps are deployed to.
#[derive(Debug, Parser)]
#[command(
    name = "potluck",
    bin_name = "potluck",
    version,
    max_term_width = 100,
    subcommand_required = true,
    arg_required_else_help = true,
    after_long_help = "\
Examples:
  potluck server add --local
  potluck app new ./recipes-examples/static-html --domain www.example.org
  potluck app secret generate www.example.org
  potluck app deploy www.example.org
  potluck backup create www.example.org

Exit codes:
  0 done, 1 failed, 2 usage error, 3 partly done, 4 failed and rolled back,
  5 locked by someone else, 6 needs consent, 7 differs"
)]
struct Cli {
    #[command(flatten)]
    global: Global,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Manage the servers that apps are deployed to.
    ///
    /// A server is a Docker Swarm, reached through a socket of this machine or over
    /// SSH. A single machine is enough: run `docker swarm init` on it once.
    #[command(subcommand, visible_alias = "s")]
    Server(Deferred<server::Command>),
    /// Look at recipes, and make and release them.
    ///
    /// A recipe is a folder, usually a git repository, that packages an app: its
    /// compose files, a sample of its settings, and plugins for its hooks.
    #[command(subcommand, visible_alias = "r")]
    Recipe(Deferred<recipe::Command>),
    /// Make and fetch the catalogue of recipes.
    ///
    /// The catalogue is a list of recipes with their versions, recipes.json, in abra's format.
    #[command(subcommand)]
    Catalogue(Deferred<catalogue::Command>),
    /// Set up, deploy and look after apps.
    ///
    /// An app is one instance of a recipe, named by its domain. Its settings are one
    /// environment file in the operator's folder, servers/SERVER/APP.env.
    #[command(subcommand, visible_alias = "a")]
    App(Deferred<app::Command>),
    /// Take, list and restore backups of apps.
    ///
    /// Backups are kept in a restic repository: the one in the server's settings
    /// (servers/SERVER/server.yml, `backup:`), else one on this machine in the
    /// operator's folder. The recipe says what is saved.
    #[command(subcommand)]
    Backup(Deferred<backup::Command>),
    /// Work with compose files as docker stack does.
    ///
    /// They take any compose file, without a recipe and without settings: variables come from
    /// the environment, paths are relative to the first file's folder, as with the docker
    /// command of the same name.
    #[command(subcommand)]
    Stack(Deferred<stack::Command>),
    /// Create, build, test and inspect plugins of recipes; manage their grants.
    ///
    /// A plugin is a WebAssembly component that plays one or more roles: it takes
    /// part in deploys, decides what a backup holds, or offers commands. It reaches
    /// nothing that you didn't grant.
    #[command(subcommand)]
    Plugin(Deferred<plugin::Command>),
    /// Let people sign in to apps through a provider.
    ///
    /// Connects an app to an OpenID provider: an app of this folder that plays the role, or one
    /// outside. Both ends are compared and repaired; a client is never made anew where there
    /// is one, because people would become others.
    #[command(subcommand)]
    Sso(Deferred<connection::SsoCommand>),
    /// Let apps send mail through a relay.
    ///
    /// Connects an app to a mail relay: an app of this folder that plays the role, or one
    /// outside.
    #[command(subcommand)]
    Mail(Deferred<connection::MailCommand>),
    /// Upgrade apps by themselves: which, how far, and when.
    ///
    /// upgrades.yml in the operator's folder has a policy for each app, none, patch or minor,
    /// and a window. What is due is upgraded with a backup before, and comes back by itself
    /// where it fails.
    #[command(subcommand)]
    Upgrade(Deferred<upgrade::Command>),
    Status(status::Args),
    Log(log::Args),
    /// Manage providers of sign-on and mail that are no apps.
    ///
    /// A provider outside is an OpenID provider or a mail relay that somebody else runs. An app
    /// of this folder that plays the role needs no adding.
    #[command(subcommand)]
    Provider(Deferred<provider::Command>),
    /// Manage who can read the secrets that are kept.
    ///
    /// A copy of each secret is kept in the folder, encrypted with age for every key of this
    /// list. A key has two halves: the public one, a recipient, is in `recipients` in the
    /// folder, which the team shares; the private one, an identity, is on its owner's machine
    /// alone. docs/escrow.md says how to read a secret without potluck.
    #[command(subcommand)]
    Key(Deferred<key::Command>),
    #[command(visible_alias = "autocomplete")]
    Completions(completions::Args),
    Man(man::Args),
}

/// Runs the command line and returns its exit code.
pub fn main() -> ExitCode {
    run(std::env::args_os()).into()
}

fn run(arguments: impl IntoIterator<Item = OsString>) -> exit::Exit {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let parsed = Cli::command().try_get_matches_from(&arguments);
    let parsed = parsed.and_then(|matches| Ok((Cli::from_arg_matches(&matches)?, matches)));
    let (cli, matches) = match parsed {
        Ok(parsed) => parsed,
        Err(mut error) => {
            foreign_flags::advise(&mut error, &arguments);
            foreign_words::advise(&mut error, &arguments);
            // Help and version are "errors" with exit code 0; a closed pipe is
            // nobody's loss, a full disk is.
            let printed = error.print().or_else(|e| match e.kind() {
                std::io::ErrorKind::BrokenPipe => Ok(()),
                _ => Err(e),
            });
            return match error.exit_code() {
                0 if printed.is_err() => exit::Exit::FAILED,
                0 => exit::Exit::DONE,
                _ => exit::Exit::USAGE,
            };
        }
    };
    cli.global.color.write_global();
    start_log(cli.global.verbose);
    let talk = if cli.global.quiet { Talk::Quiet } else { Talk::Normal };
    let ui = Ui::new(talk, !cli.global.no_input);
    let session = Session::new(cli.global.potluck_dir, cli.global.offline, ui);
    match dispatch(&cli.command, &session) {
        Ok(exit) => exit,
        Err(failure) => {
            session.ui.fail(&failure);
            if asks_for_json(&matches) {
                session.ui.fail_json(&failure);
            }
            failure.exit
        }
    }
}

/// Whether the command was given `--json`.
fn asks_for_json(matches: &ArgMatches) -> bool {
    match matches.subcommand() {
        Some((_, matches)) => asks_for_json(matches),
        None => matches!(matches.try_get_one::<bool>("json"), Ok(Some(true))),
    }
}

fn dispatch(command: &Command, session: &Session) -> Outcome {
    match command {
        Command::Server(Deferred(command)) => server::run(command, session),
        Command::Recipe(Deferred(command)) => recipe::run(command, session),
        Command::Catalogue(Deferred(command)) => catalogue::run(command, session),
        Command::App(Deferred(command)) => app::run(command, session),
        Command::Backup(Deferred(command)) => backup::run(command, session),
        Command::Stack(Deferred(command)) => stack::run(command, session),
        Command::Plugin(Deferred(command)) => plugin::run(command, session),
        Command::Sso(Deferred(command)) => connection::sso(command, session),
        Command::Mail(Deferred(command)) => connection::mail(command, session),
        Command::Upgrade(Deferred(command)) => upgrade::run(command, session),
        Command::Status(args) => status::run(args, session),
        Command::Log(args) => log::run(args, session),
        Command::Provider(Deferred(command)) => provider::run(command, session),
        Command::Key(Deferred(command)) => key::run(command, session),
        Command::Completions(args) => completions::run(args, &mut whole::<Cli>(), session),
        Command::Man(args) => man::run(args, whole::<Cli>(), session),
    }
}

/// Bytes of a line of the traces.
const TRACE: usize = 8000;

/// Traces go to standard error when asked for. Only our own: what the HTTP and
/// Docker libraries log can hold the bodies of requests, and so secrets.
fn start_log(verbose: u8) {
    let level = match verbose {
        0 => return,
        1 => "potluck=debug",
        _ => "potluck=trace",
    };
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(level))
        .with_writer(|| Traces)
        .with_ansi(false)
        .init();
}

/// Writes traces, each as one line, because they may contain foreign text.
struct Traces;

impl std::io::Write for Traces {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        let text = String::from_utf8_lossy(line);
        let text = crate::text::line_of(text.trim_end(), TRACE);
        std::io::stderr().lock().write_all(format!("{text}\n").as_bytes())?;
        Ok(line.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        whole::<Cli>().debug_assert();
        Cli::command().debug_assert();
    }
}

#[cfg(test)]
mod reference_tests;

#[cfg(test)]
mod said_tests;
