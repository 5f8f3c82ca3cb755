//! `potluck app drift`

use std::sync::Arc;

use futures_util::{StreamExt, stream};
use serde::Serialize;

use crate::{
    app::{Context, OnServer},
    cli::{
        arguments::JsonArg,
        exit::Exit,
        failure::{Failure, Outcome},
        grants::{Answers, PlanQuestion, show_changes},
        session::{SERVERS_AT_A_TIME, Session, engine, wait},
    },
    engine::Engine,
    home::{AppEntry, AppName, ServerName},
    operation::{self, Drift},
};

/// Show what somebody changed by hand.
///
/// Compares what runs with what potluck deployed last, from whichever machine, and says who
/// that was. Nothing is changed: `potluck app deploy` brings this folder's settings, and
/// `potluck app rollback APP RELEASE` the recorded state.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  potluck app drift wiki.example.org
  potluck app drift --all --exit-code

JSON: a list of {app, release, unrecorded, changes, error}; the release is as in `app history
--json`, null where none was recorded; `unrecorded` says what potluck brought since that is no
release (it failed, or nobody waited for it), or is null; a change is as in `app deploy --json`, and says what would
bring the recorded state back; `error` is null, or why the app could not be looked at.")]
pub struct Args {
    /// The app, by its domain
    #[arg(value_name = "APP", required_unless_present = "all", conflicts_with = "all")]
    app: Option<AppName>,

    /// Only on this server
    #[arg(long, value_name = "NAME")]
    server: Option<ServerName>,

    /// All apps
    #[arg(long)]
    all: bool,

    /// End with exit code 7 if something was changed by hand
    #[arg(long)]
    exit_code: bool,

    #[command(flatten)]
    json: JsonArg,
}

#[derive(Serialize)]
struct Row {
    #[serde(flatten)]
    drift: Drift,
    error: Option<String>,
}

pub fn run(args: &Args, session: &Session) -> Outcome {
    let home = session.home()?;
    if let Some(server) = &args.server {
        home.server(server)?;
    }
    let entries = match &args.app {
        Some(app) => vec![match &args.server {
            None => home.app(app)?,
            Some(server) => home.app_on(app, server)?,
        }],
        None => {
            let mut all = home.apps()?;
            all.retain(|app| args.server.as_ref().is_none_or(|server| app.server == *server));
            all
        }
    };
    let operating = session.context(&home, Answers::new(&session.ui, PlanQuestion::Yes))?;
    let mut rows = Vec::new();
    let mut failed = 0;
    for (entry, looked) in look(session, &operating.context, &entries)? {
        match looked {
            Ok(drift) => rows.push(Row { drift, error: None }),
            Err(failure) if args.all => {
                failed += 1;
                let drift = Drift {
                    app: entry.name.to_string(),
                    release: None,
                    unrecorded: None,
                    changes: Vec::new(),
                };
                rows.push(Row { drift, error: Some(failure.message.unwrap_or_default()) });
            }
            Err(failure) => return Err(failure),
        }
    }
    let drifted = rows.iter().filter(|row| !row.drift.changes.is_empty()).count();
    session.report(&rows, &args.json, |rows| {
        for row in rows {
            show(session, row);
        }
        Ok(())
    })?;
    if failed > 0 {
        let failure =
            Failure::new(format!("{failed} of {} apps could not be looked at", entries.len()));
        return Err(match failed == entries.len() {
            true => failure,
            false => Failure { exit: Exit::PARTLY, ..failure },
        });
    }
    Ok(if drifted > 0 && args.exit_code { Exit::DIFFERS } else { Exit::DONE })
}

/// An app, and how it differs.
type Looked<'a> = (&'a AppEntry, Result<Drift, Failure>);

/// Looks at apps: at several servers at a time, on each at one app after the other, over
/// one connection. In the order of the apps, which are sorted by server.
fn look<'a>(
    session: &Session,
    context: &Context,
    entries: &'a [AppEntry],
) -> Result<Vec<Looked<'a>>, Failure> {
    let home = &context.home;
    wait("interrupted", async {
        let servers =
            entries.chunk_by(|one, next| one.server == next.server).map(|apps| async move {
                let engine = engine(home, &apps[0].server);
                let mut looked = Vec::new();
                for app in apps {
                    let drift = match &engine {
                        Ok(engine) => one(session, context, app, Arc::clone(engine)).await,
                        Err(failure) => Err(failure.clone()),
                    };
                    looked.push((app, drift));
                }
                looked
            });
        let looked: Vec<_> = stream::iter(servers).buffered(SERVERS_AT_A_TIME).collect().await;
        Ok(looked.into_iter().flatten().collect())
    })
}

async fn one(
    session: &Session,
    context: &Context,
    app: &AppEntry,
    engine: Arc<dyn Engine>,
) -> Result<Drift, Failure> {
    let on_server = OnServer::over(&context.home, app, engine)?;
    super::tell_broken(session, &on_server);
    Ok(operation::drift(context, &on_server).await?)
}

fn show(session: &Session, Row { drift, error }: &Row) {
    let Drift { app, release, unrecorded, changes } = drift;
    match (release, error) {
        (_, Some(error)) => session.ui.warn(format_args!("{app}: {error}")),
        (None, None) => session.ui.say(format_args!(
            "{app}: nothing to compare with, because no release is recorded yet"
        )),
        (Some(release), None) if changes.is_empty() => {
            session.ui.say(format_args!("{app} runs {release}."));
        }
        (Some(release), None) => {
            session.ui.say(format_args!("{app} was changed since {release}; to bring that back:"));
            if let Some(unrecorded) = unrecorded {
                session.ui.say(format_args!("  (not only by hand: after it came {unrecorded})"));
            }
            show_changes(&session.ui, changes);
        }
    }
}
