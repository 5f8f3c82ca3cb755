//! Undoing a connection that was not made: the settings, the secrets, and what the provider
//! holds. The services went back with their deploy, or are put back from the journal.

use crate::{
    app::{self, Context, Error, OnServer},
    home::{
        self, AppGuard, Connection, ConnectionKind, EnvFile,
        connection::{Connecting, Held},
    },
    hooks::Guarding,
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
    client::{Asked, Plugin},
    provider::Provider,
    recorded::{connecting, forget, note, secrets_of},
    roles,
};

/// Puts back what the operation found. In another folder than the one
/// that it was begun in there is nothing to put back. What the provider holds goes also where
/// the settings cannot be written: its token is known here only.
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
    let settings = match &connecting {
        Some(connecting) => settings_back(context, guard, connecting),
        None => Ok(()),
    };
    let made = secrets_of(&kept).into_iter().collect();
    remove_secrets(context, entry, engine, &made).await?;
    let (of, settings_left) = (connecting.as_ref(), settings.as_ref().err());
    at_provider(context, guard, engine, journal, (provider, of)).await.inspect_err(|_| {
        if let Some(left) = settings_left {
            context.progress.warn(format!("the settings are not as they were: {left}"));
        }
    })?;
    match (settings, connecting) {
        (Ok(()), None) => Ok(()),
        (Ok(()), Some(_)) => forget(context, entry),
        (Err(unwritten), None) => Err(unwritten),
        (Err(unwritten), Some(connecting)) => {
            // The settings are for the next run; what the provider held is gone.
            note(context, guard, journal, connecting.kind, |it| it.held = None)?;
            Err(unwritten)
        }
    }
}

/// The provider's side, as far as this folder knows what was asked for.
async fn at_provider(
    context: &Context,
    guard: &AppGuard,
    engine: &Confined,
    journal: &Journal,
    (provider, connecting): (&Provider, Option<&Connecting>),
) -> Result<(), Error> {
    let entry = guard.app();
    if let Some(of) = journal.entry().connection.as_ref().filter(|of| of.rotates) {
        if journal.kept().has_begun(Undo::Connecting) {
            context.progress.warn(keeps_other_secret(of, guard));
            unsure(context, guard, of.kind)?;
        }
        return Ok(());
    }
    let Some(connecting) = connecting else {
        return elsewhere(context, guard, engine, journal, provider).await;
    };
    let recorded = connecting.recorded.as_deref().filter(|it| provider.is_of(it));
    let Some(held) = &connecting.held else {
        // What fails in this process is known not to have been done, or is said where it fails.
        if journal.is_resumed() && journal.kept().has_begun(Undo::Provider) {
            unknown(context, guard, engine, journal, (provider, recorded)).await;
        }
        return Ok(());
    };
    context.progress.step(format!("undo at {}", provider.name()));
    let is_another = recorded.is_none_or(|it| it.held.is_another(held));
    if is_another && is_by_hand(held) {
        context.progress.warn(stays_by_hand(provider.name(), held));
    } else if is_another {
        provider.take_back(context, entry, engine.stack(), held).await?;
    }
    // Beside another client of a provider outside, the recorded one was left as it was.
    let is_beside = is_another && matches!(provider, Provider::Outside(_));
    if let Some(recorded) = recorded.filter(|it| it.held != *held && !is_beside) {
        as_recorded(context, guard, engine, provider, (recorded, held)).await?;
    }
    Ok(())
}

/// Records that the provider may have replaced the secret, for the next look and plan.
fn unsure(context: &Context, guard: &AppGuard, kind: ConnectionKind) -> Result<(), Error> {
    let mut lock = context.home.lock_file(guard.app())?;
    let Some(connection) = lock.connections.get_mut(&kind) else { return Ok(()) };
    connection.unsure = true;
    Ok(context.home.write_lock_file(guard, &lock)?)
}

fn is_by_hand(held: &Held) -> bool {
    matches!(held, Held::Client(client) if client.by_hand)
}

/// Somebody made it for the connection, and will try again.
fn stays_by_hand(provider: &str, held: &Held) -> String {
    let id = match held {
        Held::Client(client) => line(&client.id),
        Held::Account(account) => line(&account.sender),
    };
    format!(
        "the client `{id}`, which was made by hand at {provider}, stays, and so does a copy of its \
         secret that is kept"
    )
}

/// The provider's side where it is not known what it was asked and has done.
async fn unknown(
    context: &Context,
    guard: &AppGuard,
    engine: &Confined,
    journal: &Journal,
    (provider, recorded): (&Provider, Option<&Connection>),
) {
    let Provider::Outside(outside) = provider else { return };
    let Some(of) = journal.entry().connection.filter(|of| of.kind == ConnectionKind::Sso) else {
        return;
    };
    if of.new || of.new_client {
        if outside.registers() {
            let name = client_name(context, guard).await;
            context.progress.warn(outside.maybe_made(guard.app(), name.as_deref()));
        }
        return;
    }
    let Some(recorded) = recorded else { return };
    let back = as_recorded(context, guard, engine, provider, (recorded, &recorded.held)).await;
    if let Err(error) = back {
        context.progress.warn(format!(
            "whether {} has what it had is not known: {error}; `potluck sso connect {}` compares",
            provider.name(),
            guard.app().name
        ));
    }
}

/// What a client that the app asks for is called, if its plugin says so.
async fn client_name(context: &Context, guard: &AppGuard) -> Option<String> {
    let (kind, guarding) = (ConnectionKind::Sso, Guarding::Held(guard));
    let app = app::load_deployed(context, guard.app()).await.ok()?;
    let plugin = Plugin::start(context, &app, kind, roles(kind).0, guarding).await;
    match plugin.ok()?.asks(None).await.ok()? {
        Asked::Client(request) => Some(request.display_name),
        Asked::Account(_) => None,
    }
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
    guard: &AppGuard,
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
        (_, ConnectionKind::Sso, Provider::Outside(outside)) if outside.registers() => {
            let recorded = context.home.lock_file(guard.app())?.connections.remove(&of.kind);
            let recorded = recorded.filter(|it| provider.is_of(it));
            unknown(context, guard, engine, journal, (provider, recorded.as_ref())).await;
            Ok(())
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

/// Asks the provider for what it held before; `now` is what it was told since.
async fn as_recorded(
    context: &Context,
    guard: &AppGuard,
    engine: &Confined,
    provider: &Provider,
    (recorded, now): (&Connection, &Held),
) -> Result<(), Error> {
    // A relay holds nothing, and what somebody entered nobody else changed.
    let is_managed = matches!(&recorded.held, Held::Client(held) if held.registration.is_some());
    if matches!(provider, Provider::Outside(_)) && !is_managed {
        return Ok(());
    }
    let app = app::load(context, guard.app(), &Version::Newest).await?;
    let asked = Asked::recorded(engine.stack(), &recorded.held);
    provider.give(context, &app, &asked, Some(now), None).await.map(drop)
}
