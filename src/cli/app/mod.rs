//! `potluck app`

mod abort;
mod check;
mod cmd;
mod config;
mod cp;
mod deploy;
mod drift;
mod env;
mod errors;
mod history;
mod labels;
mod logs;
mod ls;
mod move_away;
mod new;
mod places;
mod plan;
mod ps;
mod restart;
mod resume;
mod rm;
mod rollback;
mod run;
mod scale;
mod secret;
mod services;
mod show;
mod undeploy;
mod unfinished;
mod unlock;
pub mod upgrade;
mod volume;

use clap::Subcommand;

pub(in crate::cli) use cmd::check_whole;
pub(in crate::cli) use ps::trouble;

use super::{
    deferred::Deferred,
    failure::{Failure, Outcome},
    session::Session,
    ui::clean,
};
use crate::{
    app::{self, OnServer},
    engine::{Engine, Scope},
    hint::Hint,
    home::{AppEntry, Home, StackName},
    operation,
};

#[derive(Debug, Subcommand)]
#[command(
    arg_required_else_help = true,
    after_long_help = "\
From nothing to a running app:
  potluck app new wordpress --domain blog.example.org --server default
  potluck app config blog.example.org
  potluck app secret generate blog.example.org
  potluck app check blog.example.org
  potluck app deploy blog.example.org"
)]
pub enum Command {
    New(new::Args),
    #[command(visible_alias = "list")]
    Ls(ls::Args),
    Config(config::Args),
    Check(check::Args),
    Plan(plan::Args),
    Deploy(deploy::Args),
    Upgrade(Box<upgrade::Args>),
    Rollback(rollback::Args),
    Drift(drift::Args),
    Undeploy(undeploy::Args),
    Ps(ps::Args),
    Services(services::Args),
    Labels(labels::Args),
    Errors(errors::Args),
    Logs(logs::Args),
    Restart(restart::Args),
    Scale(scale::Args),
    Run(run::Args),
    Cp(cp::Args),
    #[command(visible_alias = "command")]
    Cmd(cmd::Args),
    #[command(visible_alias = "mv")]
    Move(move_away::Args),
    #[command(visible_alias = "remove")]
    Rm(rm::Args),
    History(history::Args),
    Show(show::Args),
    Resume(resume::Args),
    Abort(abort::Args),
    Unlock(unlock::Args),
    /// Generate and manage an app's secrets.
    ///
    /// Secrets are stored on the app's server, which hands them to services and
    /// never gives them back. The recipe says which secrets an app has; the
    /// SECRET_*_VERSION settings say which version each has and how it is made.
    /// Once `potluck key new` was run, a copy of each new one is kept in the folder,
    /// encrypted for the people that `potluck key ls` lists.
    #[command(subcommand)]
    Secret(Deferred<secret::Command>),
    /// Show and change an app's settings, one by one.
    ///
    /// `potluck app config` opens them in an editor.
    #[command(subcommand)]
    Env(Deferred<env::Command>),
    /// Show an app's volumes, and remove them.
    #[command(subcommand)]
    Volume(Deferred<volume::Command>),
}

pub fn run(command: &Command, session: &Session) -> Outcome {
    match command {
        Command::New(args) => new::run(args, session),
        Command::Ls(args) => ls::run(args, session),
        Command::Config(args) => config::run(args, session),
        Command::Check(args) => check::run(args, session),
        Command::Plan(args) => plan::run(args, session),
        Command::Deploy(args) => deploy::run(args, session),
        Command::Upgrade(args) => upgrade::run(args, session),
        Command::Rollback(args) => rollback::run(args, session),
        Command::Drift(args) => drift::run(args, session),
        Command::Undeploy(args) => undeploy::run(args, session),
        Command::Ps(args) => ps::run(args, session),
        Command::Services(args) => services::run(args, session),
        Command::Labels(args) => labels::run(args, session),
        Command::Errors(args) => errors::run(args, session),
        Command::Logs(args) => logs::run(args, session),
        Command::Restart(args) => restart::run(args, session),
        Command::Scale(args) => scale::run(args, session),
        Command::Run(args) => run::run(args, session),
        Command::Cp(args) => cp::run(args, session),
        Command::Cmd(args) => cmd::run(args, session),
        Command::Secret(Deferred(command)) => secret::run(command, session),
        Command::Env(Deferred(command)) => env::run(command, session),
        Command::Volume(Deferred(command)) => volume::run(command, session),
        Command::Move(args) => move_away::run(args, session),
        Command::Rm(args) => rm::run(args, session),
        Command::History(args) => history::run(args, session),
        Command::Show(args) => show::run(args, session),
        Command::Resume(args) => resume::run(args, session),
        Command::Abort(args) => abort::run(args, session),
        Command::Unlock(args) => unlock::run(args, session),
    }
}

/// The app as its server knows it; warns about files that can't be read.
///
/// # Errors
/// As [`OnServer::new`].
fn on_server(session: &Session, home: &Home, entry: &AppEntry) -> Result<OnServer, Failure> {
    let on_server = OnServer::new(home, entry)?;
    tell_broken(session, &on_server);
    Ok(on_server)
}

/// Warns about the app's files that can't be read.
fn tell_broken(session: &Session, on_server: &OnServer) {
    for error in &on_server.broken {
        session.ui.warn(format_args!("{error}; continuing without it"));
        tell_hint(session, error);
    }
}

/// Warns about something that can't be read and is not needed, with a hint.
pub fn warn_of(session: &Session, error: &impl Hint) {
    session.ui.warn(error);
    tell_hint(session, error);
}

fn tell_hint(session: &Session, error: &impl Hint) {
    if let Some(hint) = error.hint() {
        session.ui.hint(hint);
    }
}

/// Says which apps are connected to one that is about to go.
///
/// # Errors
/// A folder that cannot be read.
fn tell_dependents(session: &Session, home: &Home, entry: &AppEntry) -> Result<(), Failure> {
    let dependents = operation::dependents(home, entry)?;
    if !dependents.is_empty() {
        session.ui.warn(format_args!(
            "without {} these apps are without their provider: {}",
            entry.name,
            dependents.join(", ")
        ));
    }
    Ok(())
}

/// Says what providers hold for an app that is about to be removed.
fn tell_connected(session: &Session, home: &Home, entry: &AppEntry) {
    // What else is wrong with its files is said elsewhere.
    let Ok(lock) = home.lock_file(entry) else { return };
    for (kind, connection) in &lock.connections {
        session.ui.warn(format_args!(
            "{} still holds what it made for {}",
            clean(&connection.provider),
            entry.name
        ));
        session.ui.hint(format_args!(
            "`potluck {kind} disconnect {}` removes it, before the app is undeployed",
            entry.name
        ));
    }
}

/// Keys and ids of the app's services on its server, or of one of them.
///
/// # Errors
/// When the app isn't deployed, or has no such service.
async fn services(
    engine: &dyn Engine,
    entry: &AppEntry,
    stack: &StackName,
    only: Option<&str>,
) -> Result<Vec<(String, String)>, Failure> {
    let key = |full: &str| full.strip_prefix(&format!("{stack}_")).unwrap_or(full).to_owned();
    let mut all: Vec<(String, String)> = engine
        .services(Scope::Stack(stack))
        .await?
        .into_iter()
        .filter_map(|service| Some((key(service.spec?.name?.as_str()), service.id?)))
        .collect();
    all.sort();
    if all.is_empty() {
        return Err(app::Error::NotDeployed { app: entry.name.to_string() }.into());
    }
    let Some(only) = only else { return Ok(all) };
    if let Some(found) = all.iter().find(|(key, _)| key == only) {
        return Ok(vec![found.clone()]);
    }
    let known = all.into_iter().map(|(key, _)| key).collect();
    Err(app::Error::UnknownService { service: only.to_owned(), known }.into())
}
