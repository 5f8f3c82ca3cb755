//! `potluck app secret`

mod adopt;
mod export;
mod generate;
mod import;
mod insert;
mod ls;
mod restore;
mod rm;
mod rotate;
mod show;

use clap::Subcommand;

use crate::{
    app::App,
    cli::{
        failure::{Failure, Outcome},
        session::Session,
    },
    home::Home,
    secrets::{
        self, Keeper, SecretPlan, SecretVersion, Survey,
        escrow::{self, Folder, Recipients},
    },
};

pub use generate::generate_missing;

#[derive(Debug, Subcommand)]
#[command(
    arg_required_else_help = true,
    after_long_help = "\
Examples:
  potluck app secret generate wiki.example.org
  potluck app secret insert wiki.example.org smtp_password < password.txt
  potluck app secret ls wiki.example.org
  potluck app secret rm wiki.example.org smtp_password v1
  potluck app secret show wiki.example.org admin_password
  potluck app secret rotate wiki.example.org admin_password"
)]
pub enum Command {
    Generate(generate::Args),
    Insert(insert::Args),
    #[command(visible_alias = "list")]
    Ls(ls::Args),
    #[command(visible_alias = "remove")]
    Rm(rm::Args),
    Show(show::Args),
    Rotate(rotate::Args),
    Adopt(adopt::Args),
    Restore(restore::Args),
    Export(export::Args),
    Import(import::Args),
}

pub fn run(command: &Command, session: &Session) -> Outcome {
    match command {
        Command::Generate(args) => generate::run(args, session),
        Command::Insert(args) => insert::run(args, session),
        Command::Ls(args) => ls::run(args, session),
        Command::Rm(args) => rm::run(args, session),
        Command::Show(args) => show::run(args, session),
        Command::Rotate(args) => rotate::run(args, session),
        Command::Adopt(args) => adopt::run(args, session),
        Command::Restore(args) => restore::run(args, session),
        Command::Export(args) => export::run(args, session),
        Command::Import(args) => import::run(args, session),
    }
}

/// All versions of an app's secrets, and of which a copy is kept.
///
/// # Errors
/// What the engine says; files that cannot be read.
async fn versions(home: &Home, app: &App) -> Result<Vec<SecretVersion>, Failure> {
    let (entry, engine) = (&app.entry, app.engine.as_ref());
    let mut all = secrets::versions(engine, &entry.name, &app.name, &survey(app)).await?;
    let recipients = Recipients::read(&home.recipients_path())?;
    escrow::mark_kept(&mut all, &app.name, &Folder::of(home, entry), &recipients)?;
    Ok(all)
}

/// Where the app's new secrets are kept.
///
/// # Errors
/// Recipients that cannot be read.
fn keeper(home: &Home, app: &App) -> Result<Keeper, Failure> {
    Ok(Keeper::of(home, &app.entry, &app.name)?)
}

/// Says that no copy of a new secret is kept, where that is so.
fn tell_not_kept(session: &Session, keeper: &Keeper) {
    if !keeper.keeps() {
        session.ui.warn(escrow::NOT_KEPT);
    }
}

/// The secrets that an app needs, and what is wrong with them.
pub fn survey(app: &App) -> Survey {
    secrets::survey(&app.stack, &app.env, &app.sources)
}

/// The same secret in another version, for example the next.
fn in_version(plan: &SecretPlan, version: &str) -> Result<SecretPlan, Failure> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if version.is_empty() || !version.chars().all(plain) {
        return Err(Failure::usage(format!("`{version}` is not a version of a secret")));
    }
    plan.in_version(version)?
        .ok_or_else(|| Failure::usage(format!("the secret `{}` has no versions", plan.name)))
}
