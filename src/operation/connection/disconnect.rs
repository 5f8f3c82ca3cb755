//! Undoing a connection: the app as it was before it, and nothing left at the provider.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{
    app::{self, App, Context, Error},
    home::{AppGuard, Connection, ConnectionKind, Grant, connection::Held},
    hooks::Guarding,
    operation::{
        journal::{Journal, stays_unfinished},
        lease::{Lease, leased},
        unfinished::abandoned,
    },
    owner::journal::{Connects, Entry, Step, Undo, What},
    plugin::Changes,
    rollout::{Change, ChangeAction, ChangeKind, Error as RolloutError, Plan},
    text::line,
    wiring::settings::Way,
};

use super::{
    change::{deploy_again, full_names, is_deployed, remove_secrets},
    client::Plugin,
    connect::{ConnectReport, RECORD, SERVICES, SETTINGS, at, edited, of_services},
    plan,
    provider::Provider,
    recorded::{connecting, forget, note, record},
    roles, undo,
};

/// How an app is disconnected.
#[derive(Debug, Clone, Copy)]
pub struct DisconnectOptions {
    pub kind: ConnectionKind,
    /// Leaves what the provider holds: it is gone, or does not answer.
    pub leave_provider: bool,
    /// Shows the plan and changes nothing.
    pub dry_run: bool,
    /// How long services may take.
    pub timeout: Option<Duration>,
}

/// What is known before the first step.
struct Prepared {
    app: App,
    kind: ConnectionKind,
    recorded: Connection,
    changes: Changes,
    timeout: Option<Duration>,
    /// None where it is to be left alone.
    provider: Option<Provider>,
}

/// What is to become of the provider's side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Theirs {
    /// It is left alone, or gone already.
    Left,
    Removed,
    /// As much of it as is left: removing it was begun.
    Begun,
}

/// Disconnects an app.
///
/// # Errors
/// [`Error::NotConnected`], [`Error::Declined`], those of a deploy; until the provider's side
/// is begun, what was changed is undone.
pub async fn disconnect(
    context: &Context,
    guard: &AppGuard,
    options: &DisconnectOptions,
) -> Result<ConnectReport, Error> {
    let began = Instant::now();
    if !options.dry_run {
        undo::leftover(context, guard).await?;
    }
    let theirs = if options.leave_provider { Theirs::Left } else { Theirs::Removed };
    let mut prepared = prepare(context, guard, options, theirs).await?;
    let deployed = is_deployed(&prepared.app).await?;
    let mut plan = show(&prepared, deployed)?;
    if deployed {
        plan.warnings.extend(edited(&prepared.app).await?);
    }
    let report = |plan: Plan, changed: bool| ConnectReport {
        app: guard.app().name.to_string(),
        kind: options.kind,
        provider: prepared.recorded.provider.clone(),
        plan,
        changed,
        deployed,
        findings: Vec::new(),
        seconds: began.elapsed().as_secs_f64(),
    };
    if options.dry_run {
        return Ok(report(plan, false));
    }
    if !context.consent.plan(&plan) {
        return Err(Error::Declined { app: guard.app().name.to_string() });
    }
    let report = report(plan, true);
    prepared.app.engine.require().await?;
    let engine = Arc::clone(&prepared.app.engine);
    let doing = format!("a disconnection from {}", report.provider);
    leased(context, &engine, guard, &doing, async |lease: &Lease| {
        let entry = entry(lease, &prepared).await?;
        let journal = Journal::begin(&prepared.app.engine, lease, entry).await?;
        run(context, guard, &mut prepared, journal).await
    })
    .await?;
    Ok(ConnectReport { seconds: began.elapsed().as_secs_f64(), ..report })
}

async fn prepare(
    context: &Context,
    guard: &AppGuard,
    options: &DisconnectOptions,
    theirs: Theirs,
) -> Result<Prepared, Error> {
    let entry = guard.app();
    let kind = options.kind;
    let app = app::load_deployed(context, entry).await?;
    // One that was begun may have no record any more.
    let begun = connecting(context, entry)?.filter(|it| it.kind == kind);
    let begun = begun.and_then(|it| it.recorded).map(|it| *it);
    let Some(mut recorded) = app.lock.connections.get(&kind).cloned().or(begun) else {
        return Err(match abandoned(&app.engine).await? {
            Some(unfinished) => Error::Unfinished(Box::new(unfinished)),
            None => Error::NotConnected { app: entry.name.to_string(), kind },
        });
    };
    let guarding = Guarding::Held(guard);
    let changes = match Plugin::start(context, &app, kind, roles(kind).0, guarding).await {
        Ok(mut plugin) => plugin.disconnect(kind).await?,
        // The record says what it wrote.
        Err(error @ Error::NoRole { .. }) => {
            context.progress.warn(format!("{error}; what was recorded is undone"));
            Changes::default()
        }
        Err(error) => return Err(error),
    };
    // A lock file may name any secret: only those that a plugin may make are removed.
    let may_make = |name: &String| {
        let grant = Grant::Secret(name.clone());
        app.checkout.manifest.plugins.iter().any(|plugin| plugin.grants.contains(&grant))
    };
    recorded.secrets.retain(|name, _| may_make(name));
    let (name, server) = (&recorded.provider, recorded.server.as_ref());
    let provider = match theirs {
        Theirs::Left => None,
        Theirs::Removed => {
            let found = async {
                let found = Provider::find(context, kind, name, server, entry).await?;
                found.require_removable(context, entry, &recorded.held)?;
                Ok(found)
            };
            Some(found.await.inspect_err(|_: &Error| {
                context.progress.warn(format!(
                    "`potluck {kind} disconnect {} --leave-provider` does without {name}",
                    entry.name
                ));
            })?)
        }
        Theirs::Begun => {
            let found = Provider::find(context, kind, name, server, entry).await?;
            match found.require_removable(context, entry, &recorded.held) {
                Ok(()) => Some(found),
                // Its token goes right after it; nothing else could end this operation.
                Err(error) => {
                    context.progress.warn(maybe_left(name, &recorded.held, &error));
                    None
                }
            }
        }
    };
    let timeout = options.timeout;
    Ok(Prepared { app, kind, recorded, changes, timeout, provider })
}

/// What cannot be removed once more by an operation that had begun to.
fn maybe_left(provider: &str, held: &Held, error: &Error) -> String {
    let what = match held {
        Held::Client(client) => format!("the client `{}`", line(&client.id)),
        Held::Account(account) => format!("the account of {}", line(&account.sender)),
    };
    format!(
        "{what} was being removed at {}, and whether it is gone is not known here: look there, and \
         remove it if it is not ({error})",
        line(provider)
    )
}

fn show(prepared: &Prepared, deployed: bool) -> Result<Plan, Error> {
    let Prepared { app, kind, recorded, changes: asked, provider, .. } = prepared;
    let wanted = plan::wanted(&app.env, asked, Some(recorded), Way::Off)?;
    let mut changes = plan::in_settings(&wanted, &recorded.provider);
    if deployed && !changes.is_empty() {
        changes.push(plan::deploys());
    }
    let told = match kind {
        ConnectionKind::Sso => {
            "people who only sign in there need another way in, such as a password of the app's"
        }
        ConnectionKind::Mail => "the app sends no mail any more",
    };
    let mut warnings = vec![told.to_owned()];
    match provider {
        Some(_) => changes.push(Change {
            kind: plan::held_by_provider(*kind),
            name: format!("at {}", recorded.provider),
            action: ChangeAction::Remove,
            details: Vec::new(),
        }),
        None => warnings.push(format!("{} keeps what it made for the app", recorded.provider)),
    }
    let secret = |name: &String| Change {
        kind: ChangeKind::Secret,
        name: name.clone(),
        action: ChangeAction::Remove,
        details: Vec::new(),
    };
    changes.extend(recorded.secrets.keys().map(secret));
    let on_failure = "the settings and services return to what they are now, until the provider \
                      was told to remove its part";
    Ok(Plan { changes, warnings, reach: Vec::new(), on_failure: Some(on_failure.into()) })
}

async fn entry(lease: &Lease, prepared: &Prepared) -> Result<Entry, Error> {
    let Prepared { app, kind, recorded, provider, .. } = prepared;
    let mut steps = vec![Step::new(SETTINGS, Undo::Settings), Step::new(SERVICES, Undo::Services)];
    if provider.is_some() {
        steps.push(Step::new(at(&recorded.provider), Undo::Never));
    }
    steps.push(Step::new(RECORD, Undo::Nothing));
    Ok(Entry {
        recipe: app.checkout.recipe.to_string(),
        steps,
        connection: Some(Connects {
            sender: None,
            kind: *kind,
            provider: recorded.provider.clone(),
            server: recorded.server.clone(),
            new: false,
            rotates: false,
            new_client: false,
        }),
        ..of_services(lease, app, What::Disconnect).await?
    })
}

async fn run(
    context: &Context,
    guard: &AppGuard,
    prepared: &mut Prepared,
    journal: Journal,
) -> Result<(), Error> {
    let mut undone = true;
    let client = prepared.app.entry.name.clone();
    // From the beginning: an app that is disconnected half is not connected.
    let provider = prepared.provider.take();
    let done = match &provider {
        None => forward(context, guard, prepared, None, &journal).await,
        Some(provider) => {
            let forward =
                async || forward(context, guard, prepared, Some(provider), &journal).await;
            provider.leased(context, &client, forward).await
        }
    };
    if let Err(error) = &done
        && !error.of_engine().is_some_and(stays_unfinished)
        && !journal.is_past_return()
    {
        let back = back(context, guard, &journal);
        if let Err(left) = back {
            context.progress.warn(format!("undoing it failed as well: {left}"));
            undone = false;
        }
        undone &= !matches!(error, Error::Rollout(RolloutError::UndoFailed { .. }));
    }
    journal.conclude(context, done, Error::of_engine, |_| undone).await
}

/// The settings as they were; the services went back with their deploy.
fn back(context: &Context, guard: &AppGuard, journal: &Journal) -> Result<(), Error> {
    let operation = journal.entry().operation;
    let begun = connecting(context, guard.app())?.filter(|it| it.operation == operation);
    let Some(begun) = begun else { return Ok(()) };
    undo::settings_back(context, guard, &begun)?;
    forget(context, guard.app())
}

async fn forward(
    context: &Context,
    guard: &AppGuard,
    prepared: &Prepared,
    provider: Option<&Provider>,
    journal: &Journal,
) -> Result<(), Error> {
    let Prepared { app, kind, recorded, changes, timeout, .. } = prepared;
    let env = context.home.env(guard.app())?;
    let wanted = plan::wanted(&env, changes, Some(recorded), Way::Off)?;
    let before: BTreeMap<String, Option<String>> =
        wanted.changed.iter().map(|(key, (before, _))| (key.clone(), before.clone())).collect();
    note(context, guard, journal, *kind, |connecting| {
        connecting.recorded = Some(Box::new(recorded.clone()));
        connecting.before.extend(before);
        connecting.text.get_or_insert(env.to_text());
    })?;
    journal.step(SETTINGS).await?;
    context.progress.step(SETTINGS);
    if wanted.env != env {
        context.home.write_env(guard.app(), &wanted.env)?;
    }
    journal.step(SERVICES).await?;
    if is_deployed(app).await? {
        deploy_again(context, guard, app, journal, *timeout).await?;
    }
    if let Some(provider) = provider {
        let step = at(&recorded.provider);
        journal.step(&step).await?;
        context.progress.step(step);
        let gone = provider.take_back(context, &app.entry, &app.name, &recorded.held).await;
        gone.inspect_err(|_| {
            context.progress.warn(format!(
                "`potluck {kind} disconnect {} --leave-provider` ends the connection here, and \
                 leaves to you what {} holds",
                app.entry.name,
                line(&recorded.provider)
            ));
        })?;
    }
    journal.step(RECORD).await?;
    let secrets = full_names(&app.name, recorded);
    remove_secrets(context, &app.entry, &app.engine, &secrets).await?;
    record(context, guard, *kind, None)
}

/// Finishes one that did not end.
///
/// # Errors
/// As [`disconnect`].
pub(super) async fn finish(
    context: &Context,
    guard: &AppGuard,
    engine: &Arc<crate::owner::Confined>,
    of: &Connects,
    journal: Journal,
) -> Result<(), Error> {
    let step = at(&of.provider);
    let lock = context.home.lock_file(guard.app())?;
    let is_recorded = lock.connections.contains_key(&of.kind);
    // All was done but to say so.
    if journal.has_begun(RECORD) && !is_recorded && connecting(context, guard.app())?.is_none() {
        return journal.conclude(context, Ok(()), Error::of_engine, |_| false).await;
    }
    let theirs = match journal.has_step(&step) && !journal.has_begun(RECORD) {
        false => Theirs::Left,
        true if journal.has_begun(&step) => Theirs::Begun,
        true => Theirs::Removed,
    };
    let leave_provider = theirs == Theirs::Left;
    let options =
        DisconnectOptions { kind: of.kind, leave_provider, dry_run: false, timeout: None };
    let mut prepared = prepare(context, guard, &options, theirs).await?;
    prepared.app.engine = Arc::clone(engine);
    run(context, guard, &mut prepared, journal).await
}
