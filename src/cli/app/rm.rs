//! `potluck app rm`

use std::time::Duration;

use crate::{
    app::{self, Context, Leaving},
    backup,
    cli::{
        arguments::{AppArg, LockArg, duration},
        exit::Exit,
        failure::{Failure, Outcome},
        grants::{Answers, PlanQuestion},
        prompt,
        session::{Session, wait, wait_cancelling},
        ui::clean,
    },
    home::{AppEntry, AppGuard, Home},
    operation::{self, Lease, Leftovers, Look, Saved},
};

/// Remove an app for good: its secrets, its volumes, its settings.
///
/// Says each thing that goes before it asks, and refuses while the app is deployed, or if no
/// complete and recent backup holds what its recipe backs up. Volumes that no backup has stay
/// on the server. Backups and encrypted copies of secrets are kept. If the recipe can't be read,
/// secrets that only it could name are kept, and listed.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  potluck backup create wiki.example.org
  potluck app undeploy wiki.example.org && potluck app rm wiki.example.org
  potluck app rm wiki.example.org --yes
  potluck app rm test.example.org --yes --no-backup

Without a terminal, --yes is needed; else the exit code is 6. It is also 6 without such a
backup, at a terminal, too, unless --no-backup is given.")]
pub struct Args {
    #[command(flatten)]
    app: AppArg,

    #[command(flatten)]
    lock: LockArg,

    /// Don't ask
    #[arg(short, long)]
    yes: bool,

    #[command(flatten)]
    saved: SavedArg,

    /// Leave what providers of sign-on and mail hold for the app
    #[arg(long)]
    leave_provider: bool,

    /// Remove the settings here even when the server can't be cleaned up
    #[arg(long)]
    force: bool,
}

/// Which backup has to hold data that is to be removed.
#[derive(Debug, clap::Args)]
pub(super) struct SavedArg {
    /// Remove it even if no complete, recent backup has its data, with all of its volumes
    #[arg(long)]
    no_backup: bool,

    /// How old the newest backup may be, 90m or 7d; of an undeployed app, when it was
    /// undeployed
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "24h", conflicts_with = "no_backup")]
    max_age: Duration,
}

pub fn run(args: &Args, session: &Session) -> Outcome {
    let home = session.home()?;
    let entry = session.app(&home, &args.app)?;
    let guard = session.guard(&home, &entry, "a removal", &args.lock)?;
    let operating =
        session.context(&home, Answers::new(&session.ui, PlanQuestion::Yes))?.waiting(&args.lock);
    let found = wait("interrupted: nothing was changed", async {
        Ok(look(&operating.context, &guard).await)
    })?;
    // Before the question: what is to go, and what cannot be removed.
    let found = unless_forced(args, session, &entry, found)?;
    let keeps = match &found {
        Some((leaving, left)) => {
            require_saved(&args.saved, session, &operating.context, leaving, left)?
        }
        None => Vec::new(),
    };
    operating.pause();
    super::tell_dependents(session, &home, &entry)?;
    require_disconnected(args, session, &home, &entry)?;
    if !keeps.is_empty() {
        session.ui.warn(format_args!(
            "no backup has {}, so they stay on {}: `potluck server prune {} --volumes` removes them \
             afterwards, or `--no-backup` with the app",
            clean(&keeps.join(", ")),
            entry.server,
            entry.server
        ));
    }
    agree(args, session, &entry, found.as_ref().map(|(_, left)| left), &keeps)?;
    if let Some((leaving, _)) = &found {
        let removed = wait("interrupted: some of the app may be removed already", async {
            Ok(operation::remove(&operating.context, &guard, leaving, &keeps).await)
        })?;
        unless_forced(args, session, &entry, removed)?;
    }
    drop(operating);
    home.remove_app(&entry)?;
    session.ui.say(format_args!("Removed {}.", entry.name));
    let copies = home.secrets_folder(&entry);
    if copies.is_dir() {
        session.ui.hint(format_args!(
            "the encrypted copies of its secrets are left: remove {} when no backup needs them",
            copies.display()
        ));
    }
    Ok(Exit::DONE)
}

/// Stops before the record goes without which a provider is never asked to remove what it holds.
fn require_disconnected(
    args: &Args,
    session: &Session,
    home: &Home,
    entry: &AppEntry,
) -> Result<(), Failure> {
    if args.leave_provider {
        super::tell_connected(session, home, entry);
        return Ok(());
    }
    // What else is wrong with its files is said elsewhere.
    let Ok(lock) = home.lock_file(entry) else { return Ok(()) };
    let Some((kind, connection)) = lock.connections.iter().next() else { return Ok(()) };
    let provider = clean(&connection.provider).into_owned();
    let app = &entry.name;
    Err(Failure::consent(format!("{provider} still holds what it made for {app}"))
        .hint(format!("`potluck {kind} disconnect {app}` removes it there"))
        .hint("`--leave-provider` removes the app, and leaves it there"))
}

/// What is left of an undeployed app on its server.
///
/// # Errors
/// As [`operation::leftovers`]; another operation that has the app.
pub(super) async fn look(
    context: &Context,
    guard: &AppGuard,
) -> Result<(Leaving, Leftovers), app::Error> {
    let leaving = Leaving::load(context, guard.app()).await?;
    let engine = &leaving.on_server.engine;
    let left = match operation::leftovers(&leaving).await {
        // Perhaps another operation is at work: it is waited for, or named.
        Err(app::Error::StillDeployed { .. }) => {
            let again = async |_: &Lease| operation::leftovers(&leaving).await;
            operation::leased(context, engine, guard, "a removal", again).await?
        }
        left => left?,
    };
    if context.lock_wait.is_zero() {
        operation::refuse_taken(engine).await?;
    }
    Ok((leaving, left))
}

/// Stops before an operator is asked to delete data that no good backup has. Returns the volumes
/// that no backup has, though there is a good one.
///
/// # Errors
/// [`backup::Error::NotSaved`], and what looking for it ends in.
pub(super) fn require_saved(
    args: &SavedArg,
    session: &Session,
    context: &Context,
    leaving: &Leaving,
    left: &Leftovers,
) -> Result<Vec<String>, Failure> {
    if args.no_backup {
        if !left.volumes.is_empty() {
            session.ui.warn(format_args!(
                "whether a backup has the data of {} is not looked at (--no-backup)",
                leaving.on_server.entry.name
            ));
        }
        return Ok(Vec::new());
    }
    let options = crate::cli::backup::options();
    let Saved { set, mut without } = wait_cancelling(&options.cancel, async {
        operation::require_saved(context, leaving, args.max_age, Look::Whole, &options)
            .await
            .map_err(|error| match error {
                error @ backup::Error::NotSaved(_) => Failure::from(error),
                error => Failure::from(error)
                    .hint("`--no-backup` removes the app without looking for a backup"),
            })
    })?;
    without.retain(|volume| left.volumes.contains(volume));
    if let Some(set) = set {
        session.ui.say(match without.is_empty() {
            true => format!("The backup {set} has its data, and is kept."),
            false => format!("The backup {set} has what its recipe backs up, and is kept."),
        });
    }
    Ok(without)
}

/// Says each thing that goes, and asks.
fn agree(
    args: &Args,
    session: &Session,
    entry: &AppEntry,
    left: Option<&Leftovers>,
    keeps: &[String],
) -> Result<(), Failure> {
    let ui = &session.ui;
    for (what, names) in
        left.iter().flat_map(|left| [("secrets", &left.secrets), ("volumes", &left.volumes)])
    {
        let names: Vec<_> = names.iter().filter(|it| !keeps.contains(it)).cloned().collect();
        if !names.is_empty() {
            ui.say(format_args!("Deletes the {what} {}.", clean(&names.join(", "))));
        }
    }
    ui.say(format_args!("Deletes the settings and the lock file of {}.", entry.name));
    let needs = format!(
        "removing {} deletes its secrets, volumes and settings, which needs your consent",
        entry.name
    );
    let question = format!(
        "Delete the secrets, volumes and settings of {} on {}? There is no way back.",
        entry.name, entry.server
    );
    prompt::agree(ui, args.yes, &needs, &question)
}

/// What came of work on the server; none where it failed and `--force` continues without.
fn unless_forced<T>(
    args: &Args,
    session: &Session,
    entry: &AppEntry,
    result: Result<T, app::Error>,
) -> Result<Option<T>, Failure> {
    match result {
        Ok(done) => Ok(Some(done)),
        Err(
            error @ (app::Error::StillDeployed { .. }
            | app::Error::Taken(_)
            | app::Error::Unfinished(_)
            | app::Error::BadJournal { .. }),
        ) => Err(error.into()),
        Err(error) if args.force => {
            session.ui.warn(format_args!(
                "what {} has on {} was not removed: {error}",
                entry.name, entry.server
            ));
            Ok(None)
        }
        Err(error) => Err(Failure::from(error).hint("`--force` removes the settings here anyway")),
    }
}
