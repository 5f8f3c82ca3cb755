//! What the commands that change a connection have in common.

use std::{sync::Arc, time::Duration};

use serde::Serialize;

use crate::{
    cli::{
        arguments::{AppArg, GrantArg, IdentityArg, JsonArg, LockArg, duration},
        exit::Exit,
        failure::{Failure, Outcome},
        grants::{Answers, PlanQuestion, show_plan},
        session::{Operating, Session, wait},
        ui::{BOLD, clean, counted},
    },
    home::{AppEntry, AppGuard, AppName, ConnectionKind, Home, ServerName},
    operation::{self, ConnectOptions, ConnectReport},
};

/// How a connection is changed.
#[derive(Debug, clap::Args)]
pub struct ChangeArgs {
    #[command(flatten)]
    lock: LockArg,

    /// Show the plan and change nothing
    #[arg(long)]
    pub dry_run: bool,

    /// Don't ask whether to carry the plan out
    #[arg(short, long)]
    yes: bool,

    #[command(flatten)]
    grants: GrantArg,

    /// How long to wait for the services, 90s or 5m
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub timeout: Option<Duration>,

    #[command(flatten)]
    identity: IdentityArg,

    #[command(flatten)]
    pub json: JsonArg,
}

/// One app, or each that is connected.
#[derive(Debug, clap::Args)]
pub struct WhichArgs {
    /// The app, by its domain
    #[arg(value_name = "APP", required_unless_present = "all")]
    app: Option<AppName>,

    /// Every app that is connected, one after the other
    #[arg(long, conflicts_with = "app")]
    all: bool,

    /// The app's server, if several servers have an app of this name; of --all, the apps of
    /// this server
    #[arg(long, value_name = "NAME")]
    server: Option<ServerName>,
}

impl ChangeArgs {
    /// Carries out one change of an app's connection.
    ///
    /// # Errors
    /// Those of the work; of Ctrl-C, with what it left.
    pub fn change(
        &self,
        session: &Session,
        home: &Home,
        entry: &AppEntry,
        doing: &str,
        work: impl AsyncFnOnce(&Operating, &AppGuard) -> Result<ConnectReport, Failure>,
    ) -> Result<ConnectReport, Failure> {
        let guard = session.guard(home, entry, doing, &self.lock)?;
        let question = if self.yes { PlanQuestion::Yes } else { PlanQuestion::Ask };
        let answers = Answers::new(&session.ui, question);
        let mut operating =
            session.context(home, Arc::clone(&answers))?.granting(&self.grants).waiting(&self.lock);
        if let Some(path) = &self.identity.identity {
            operating.context.identity = Some(path.clone());
        }
        let report = wait(INTERRUPTED, work(&operating, &guard))
            .map_err(|failure| answers.ended(failure))
            .map_err(|failure| interrupted(failure, &answers, entry))?;
        drop(operating);
        if self.dry_run {
            show_plan(&session.ui, &report.plan);
        }
        Ok(report)
    }

    /// Connects one app or all, and says what came of it.
    ///
    /// # Errors
    /// Those of the one app; of all, where one failed.
    pub fn connect(
        &self,
        which: &WhichArgs,
        session: &Session,
        options: &ConnectOptions,
        told: fn(&ConnectReport, bool) -> String,
    ) -> Outcome {
        let home = session.home()?;
        let one = |entry: &AppEntry| {
            self.change(session, &home, entry, "a connection", async |operating, guard| {
                Ok(operation::connect(&operating.context, guard, options).await?)
            })
        };
        let kind = options.kind;
        if let Some(name) = &which.app {
            let arg = AppArg { app: name.clone(), server: which.server.clone() };
            let entry = session.app(&home, &arg)?;
            let report = one(&entry)?;
            return session.report(&report, &self.json, |report| {
                self.say(session, report, told);
                if kind == ConnectionKind::Mail && report.deployed && !self.dry_run {
                    let app = &report.app;
                    let to = format_args!("`potluck mail test {app} --to ADDRESS` sends a message");
                    session.ui.hint(to);
                }
                Ok(())
            });
        }
        let mut rows = Vec::new();
        for entry in connected(&home, kind, which.server.as_ref())? {
            session.ui.say(format_args!("{BOLD}{}{BOLD:#}", entry.name));
            let done = one(&entry);
            match &done {
                Ok(report) => self.say(session, report, told),
                Err(failure) if failure.exit == Exit::INTERRUPTED => {
                    return done.map(|_| Exit::DONE);
                }
                Err(failure) => {
                    session.ui.warn(failure.message.as_deref().map(clean).unwrap_or_default());
                    failure.hints.iter().for_each(|hint| session.ui.hint(clean(hint)));
                }
            }
            rows.push(Row::new(&entry, done));
        }
        self.of_all(session, kind, &rows)
    }

    fn say(
        &self,
        session: &Session,
        report: &ConnectReport,
        told: fn(&ConnectReport, bool) -> String,
    ) {
        session.ui.say(told(report, self.dry_run));
        for finding in &report.findings {
            session.ui.warn(clean(&finding.told()));
        }
    }

    fn of_all(&self, session: &Session, kind: ConnectionKind, rows: &[Row]) -> Outcome {
        session.report(&rows, &self.json, |rows| {
            if rows.is_empty() {
                session.ui.say(format_args!("No app is connected for {}.", kind.noun()));
            }
            Ok(())
        })?;
        let failed: Vec<&Row> = rows.iter().filter(|row| row.error.is_some()).collect();
        let Some(first) = failed.first() else { return Ok(Exit::DONE) };
        let names: Vec<&str> = failed.iter().map(|row| row.app.as_str()).collect();
        let of = counted(rows.len(), "connection");
        let message = format!("{} of {of} failed: {}", failed.len(), names.join(", "));
        let exit = if failed.len() == rows.len() { first.exit } else { Exit::PARTLY };
        Err(Failure::new(message).exit(exit))
    }
}

/// What came of one app's connection among all.
#[derive(Serialize)]
struct Row {
    app: String,
    server: String,
    report: Option<ConnectReport>,
    error: Option<String>,
    #[serde(skip)]
    exit: Exit,
}

impl Row {
    fn new(entry: &AppEntry, done: Result<ConnectReport, Failure>) -> Self {
        let (app, server) = (entry.name.to_string(), entry.server.to_string());
        match done {
            Ok(report) => Row { app, server, report: Some(report), error: None, exit: Exit::DONE },
            Err(failure) => {
                let exit = failure.exit;
                let error = failure.message.unwrap_or_else(|| "it failed".into());
                Row { app, server, report: None, error: Some(error), exit }
            }
        }
    }
}

/// The apps that may be connected.
fn connected(
    home: &Home,
    kind: ConnectionKind,
    server: Option<&ServerName>,
) -> Result<Vec<AppEntry>, Failure> {
    if let Some(server) = server {
        home.server(server)?;
    }
    let mut apps = home.apps()?;
    apps.retain(|app| server.is_none_or(|server| app.server == *server));
    apps.retain(|app| may_be_connected(home, app, kind));
    Ok(apps)
}

const INTERRUPTED: &str = "interrupted: what was begun may be unfinished";

/// Whether an app is connected; one whose record cannot be read may be, and that is said later.
pub(super) fn may_be_connected(home: &Home, app: &AppEntry, kind: ConnectionKind) -> bool {
    home.lock_file(app).map_or(true, |lock| lock.connections.contains_key(&kind))
}

/// What Ctrl-C left.
fn interrupted(failure: Failure, answers: &Answers, entry: &AppEntry) -> Failure {
    match failure.exit {
        Exit::INTERRUPTED if !answers.gave_way() => {
            Failure::interrupted("interrupted: nothing was changed")
        }
        Exit::INTERRUPTED => failure.hint(format!(
            "`potluck app resume {0}` finishes it, `potluck app abort {0}` undoes it",
            entry.name
        )),
        _ => failure,
    }
}
