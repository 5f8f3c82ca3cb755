//! Undoing a connection that was not made: the settings, the secrets, and what the provider
//! holds. The services went back with their deploy, or are put back from the journal.

use crate::{
    app::{self, Context, Error, OnServer},
    home::{self, AppGuard, Connection, ConnectionKind, EnvFile, connection::Connecting},
    operation::{journal::Journal, unfinished::look},
    owner::{
        Confined,
        journal::{Connects, Undo},
    },
    recipe::Version,
    text::line,
    wiring::settings,
};

use super::{
    change::remove_secrets,
    client::Asked,
    provider::Provider,
    recorded::{connecting, forget, secrets_of},
};

/// Puts back what the operation found. In another folder than the one
/// that it was begun in there is nothing to put back.
///
/// # Errors
/// Files that cannot be written, and what the provider and the engine say.
pub(super) async fn files_and_provider(
    context: &Context,
    guard: &AppGuard,
    engine: &Confined,
    journal: &Journal,
    provider: &Provider,
) -> Result<(), Error> {
    let entry = guard.app();
    let kept = journal.entry();
    let connecting = connecting(context, entry)?.filter(|it| it.operation == kept.operation);
    if let Some(connecting) = &connecting {
        settings_back(context, guard, connecting)?;
    }
    let made = secrets_of(&kept).into_iter().collect();
    remove_secrets(context, entry, engine, &made).await?;
    if let Some(of) = kept.connection.as_ref().filter(|of| of.rotates) {
        if journal.kept().has_begun(Undo::Connecting) {
            context.progress.warn(keeps_other_secret(of, guard));
            unsure(context, guard, of.kind)?;
        }
        return if connecting.is_some() { forget(context, entry) } else { Ok(()) };
    }
    let Some(connecting) = connecting else {
        return elsewhere(context, engine, journal, provider).await;
    };
    let recorded = connecting.recorded.as_deref();
    if let Some(held) = &connecting.held {
        context.progress.step(format!("undo at {}", provider.name()));
        match recorded.filter(|it| provider.is_of(it)) {
            None => provider.take_back(context, entry, engine.stack(), held).await?,
            Some(recorded) if recorded.held != *held => {
                if recorded.held.is_another(held) {
                    provider.take_back(context, entry, engine.stack(), held).await?;
                }
                as_recorded(context, guard, engine, provider, recorded).await?;
            }
            Some(_) => {}
        }
    }
    forget(context, entry)
}

/// Records that the provider may have replaced the secret, for the next look and plan.
fn unsure(context: &Context, guard: &AppGuard, kind: ConnectionKind) -> Result<(), Error> {
    let mut lock = context.home.lock_file(guard.app())?;
    let Some(connection) = lock.connections.get_mut(&kind) else { return Ok(()) };
    connection.unsure = true;
    Ok(context.home.write_lock_file(guard, &lock)?)
}

/// There is no way back to a secret that was replaced.
fn keeps_other_secret(of: &Connects, guard: &AppGuard) -> String {
    let Connects { kind, provider, .. } = of;
    let lost = match kind {
        ConnectionKind::Sso => "nobody signs in",
        ConnectionKind::Mail => "it sends no mail",
    };
    let app = &guard.app().name;
    format!(
        "{} may have given another secret already: then {lost} until `potluck {kind} connect \
         {app}` has brought that to the app",
        line(provider)
    )
}

/// The provider's side from another folder than the one that it was begun in, which does not
/// know what the provider gave.
async fn elsewhere(
    context: &Context,
    engine: &Confined,
    journal: &Journal,
    provider: &Provider,
) -> Result<(), Error> {
    let begun = journal.kept().has_begun(Undo::Provider);
    let Some(of) = journal.entry().connection.filter(|_| begun) else { return Ok(()) };
    let name = provider.name();
    match (of.new, of.kind, provider) {
        (true, ConnectionKind::Sso, Provider::App(_)) => {
            context.progress.step(format!("undo at {name}"));
            provider.take_back_client(engine.stack()).await
        }
        _ => {
            context.progress.warn(format!(
                "what {name} holds was left as it is, because only the folder that the operation \
                 was begun in knows what it was"
            ));
            Ok(())
        }
    }
}

/// Puts the settings back that an operation left which has ended and could not undo itself:
/// the disk was full, say. What the provider holds is compared by the next one.
///
/// # Errors
/// Files that cannot be read or written, and what the engine says.
pub(super) async fn leftover(context: &Context, guard: &AppGuard) -> Result<(), Error> {
    let Some(connecting) = connecting(context, guard.app())? else { return Ok(()) };
    let on_server = OnServer::new(&context.home, guard.app())?;
    let unfinished = look(&on_server.engine).await?;
    // That is for `app resume` and `app abort`.
    if unfinished.is_some_and(|kept| kept.entry.operation == connecting.operation) {
        return Ok(());
    }
    settings_back(context, guard, &connecting)?;
    forget(context, guard.app())
}

/// The settings as they were, to the letter where nobody else changed them since.
///
/// # Errors
/// Files that cannot be written.
pub(super) fn settings_back(
    context: &Context,
    guard: &AppGuard,
    connecting: &Connecting,
) -> Result<(), Error> {
    let mut env = context.home.env(guard.app())?;
    let now = env.clone();
    for (key, value) in &connecting.before {
        settings::put(&mut env, key, value.as_deref()).map_err(home::Error::from)?;
    }
    let was = connecting.text.as_ref().and_then(|text| EnvFile::parse("settings", text).ok());
    if let Some(was) = was.filter(|was| was.values() == env.values()) {
        env = was;
    }
    match env == now {
        true => Ok(()),
        false => Ok(context.home.write_env(guard.app(), &env)?),
    }
}

/// Asks the provider for what it held before.
async fn as_recorded(
    context: &Context,
    guard: &AppGuard,
    engine: &Confined,
    provider: &Provider,
    recorded: &Connection,
) -> Result<(), Error> {
    let app = app::load(context, guard.app(), &Version::Newest).await?;
    let asked = Asked::recorded(engine.stack(), &recorded.held);
    provider.give(context, &app, &asked, Some(&recorded.held), None).await.map(drop)
}
