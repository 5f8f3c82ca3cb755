//! `potluck backup run`

use std::time::Duration;

use futures_util::{StreamExt, stream};
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::WritersArg;
use crate::{
    app::Context,
    backup::{
        Options,
        nightly::{Outcome as RowOutcome, Record, Report, Row, metrics, report::Ending},
    },
    cli::{
        arguments::{JsonArg, duration},
        exit::Exit,
        failure::{Failure, Outcome},
        grants::{Answers, PlanQuestion},
        session::{Session, operator, wait_cancelling},
        side_by_side::{Selection, matches, of_app, select, unattended},
        ui::clean,
    },
    home::{
        AppEntry, Home, NightlySettings, ServerName,
        write::{Existing, Readers, write_whole},
    },
    notify::{
        self,
        monitor::{Monitor, Ping},
    },
    operation::{self, Patience},
};

/// For a monitor, once the run was told to end.
const LAST_WORD: Duration = Duration::from_secs(10);

/// Back up all apps, for cron and systemd.
///
/// Asks nothing, backs up several apps at a time, tries again what may pass (a server that
/// does not answer, a locked repository), ends backups that were interrupted, and prints one
/// line per app. An app that fails keeps no other from being backed up.
///
/// backup.yml in the operator's folder says what else a run does: `except` leaves apps out,
/// `metrics` writes a file for Prometheus, `ping` tells a monitor, `notify` runs a command or
/// sends mail if something failed.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  potluck backup run
  potluck backup run '*.example.org' --jobs 4
  potluck backup schedule install '30 3 * * *'

Exit codes: 0 every app is backed up, 1 none is, 3 some are not, 5 another run has not ended,
130 the run was told to end (SIGTERM, Ctrl-C), and has cleaned up.

JSON: {began, ended, seconds, apps, left_out, backed_up, failed, interrupted, warnings}; an app
is {app, server, outcome, set, bytes, seconds, tries, warnings, error, next}, its outcome
`backed-up`, `partly`, `failed`, `never-deployed` or `interrupted`; `next` says what to type.")]
pub struct Args {
    /// Only these apps, by domain, or a pattern with `*`
    #[arg(value_name = "APP")]
    apps: Vec<String>,

    /// Only on this server
    #[arg(short, long, value_name = "NAME")]
    server: Option<ServerName>,

    /// All apps, as without names
    #[arg(long, conflicts_with = "apps")]
    all: bool,

    /// How many apps are backed up at a time
    #[arg(long, value_name = "N", default_value = "2", value_parser = clap::value_parser!(u8).range(1..=16))]
    jobs: u8,

    /// Wait this long for another operation on an app to end, 90s or 10m
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "10m")]
    lock_wait: Duration,

    /// Try this often again what may pass
    #[arg(long, value_name = "N", default_value = "2", value_parser = clap::value_parser!(u8).range(0..=10))]
    retries: u8,

    /// Wait this long before the second try, and twice as long before each further one
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "30s")]
    retry_wait: Duration,

    /// Begin up to this much later, at random, so that many machines don't begin at once
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "0s")]
    jitter: Duration,

    #[command(flatten)]
    writers: WritersArg,

    #[command(flatten)]
    json: JsonArg,
}

pub fn run(args: &Args, session: &Session) -> Outcome {
    let home = session.home()?;
    let options = args.writers.options();
    // What it says besides must not keep the apps from being backed up; but it is said.
    let (settings, broken) = match home.nightly() {
        Ok(settings) => (settings, None),
        Err(error) => (NightlySettings::default(), Some(Failure::from(error))),
    };
    let (report, failure) = wait_cancelling(&options.cancel, async {
        late(args.jitter, session, &options.cancel).await?;
        let _alone = home.guard_run()?;
        let mut told = Told::new(&settings, &options);
        let began = Timestamp::now();
        let (started, done) =
            tokio::join!(told.start(), all(args, session, &home, &settings, &options));
        told.warnings.extend(started.err());
        let mut done =
            done.map(|(rows, left_out)| Report::new(began, Timestamp::now(), rows, left_out));
        if let Ok(report) = &done
            && let Some(path) = &settings.metrics
        {
            told.warnings.extend(write_metrics(&home, &settings, path, report).err());
        }
        let failure = match &done {
            Ok(report) => failed(report),
            Err(failure) => Some(failure.clone()),
        };
        let text = match (&mut done, &failure) {
            (Ok(report), _) => {
                report.warnings.clone_from(&told.warnings);
                report.text()
            }
            (Err(_), Some(failure)) => format!("{}\n", failure.message.clone().unwrap_or_default()),
            (Err(_), None) => String::new(),
        };
        told.end(failure.as_ref(), &text).await;
        for warning in &told.warnings {
            session.ui.warn(warning);
        }
        if let Ok(report) = &mut done {
            report.warnings = told.warnings;
        }
        Ok((done?, failure))
    })?;
    session.report(&report, &args.json, |report| {
        let summary = report.summary();
        session.ui.say(format_args!("{summary}, in {:.1} s.", report.seconds));
        Ok(())
    })?;
    match (failure, broken) {
        (Some(failure), _) => Err(failure),
        (None, Some(broken)) => {
            let message = "every app is backed up, but backup.yml cannot be read: nobody was told";
            let mut failure = Failure::new(message).exit(Exit::PARTLY);
            failure.causes.extend(broken.message);
            failure.hints = broken.hints;
            Err(failure)
        }
        (None, None) => Ok(Exit::DONE),
    }
}

/// Why the command fails, where it does.
fn failed(report: &Report) -> Option<Failure> {
    let look = "`potluck backup status` shows how old the backups of each app are";
    if report.interrupted {
        return Some(Failure::interrupted(format!(
            "the run was told to end: {}; the next one continues",
            report.summary()
        )));
    }
    let (failed, all) = (report.failed, report.apps.len());
    match report.ending() {
        Ending::Good => None,
        Ending::SomeFailed => {
            let message = format!("{failed} of {all} apps are not backed up as they should be");
            Some(Failure::new(message).hint(look).exit(Exit::PARTLY))
        }
        Ending::AllFailed => Some(Failure::new("no app was backed up").hint(look)),
    }
}

/// Waits for a while, chosen at random.
async fn late(
    most: Duration,
    session: &Session,
    cancel: &CancellationToken,
) -> Result<(), Failure> {
    if most.is_zero() {
        return Ok(());
    }
    let mut random = [0; 4];
    getrandom::fill(&mut random)
        .map_err(|e| Failure::io("reading the operating system's randomness", &e.into()))?;
    let wait = most.mul_f64(f64::from(u32::from_ne_bytes(random)) / f64::from(u32::MAX));
    session.ui.say(format_args!("beginning in {} s", wait.as_secs()));
    tokio::select! {
        () = tokio::time::sleep(wait) => Ok(()),
        () = cancel.cancelled() => Err(Failure::interrupted("no app was backed up yet")),
    }
}

/// Backs the apps up; the rows, and the apps that the settings leave out.
async fn all(
    args: &Args,
    session: &Session,
    home: &Home,
    settings: &NightlySettings,
    options: &Options,
) -> Result<(Vec<Row>, Vec<String>), Failure> {
    let Selection { mut apps, unknown } = select(home, &args.apps, args.server.as_ref())?;
    let mut left_out = Vec::new();
    apps.retain(|app| {
        let is_left_out = is_excepted(settings, app);
        if is_left_out {
            left_out.push(app.name.to_string());
        }
        !is_left_out
    });
    for name in &settings.except {
        // One that is misspelt leaves nothing out.
        if args.apps.is_empty()
            && args.server.is_none()
            && !left_out.iter().any(|app| matches(name, app))
        {
            session.ui.warn(format_args!(
                "`except: {}` in backup.yml matches none of the apps",
                clean(name)
            ));
        }
    }
    // A night in which nothing is saved is no good one.
    if apps.is_empty() && unknown.is_empty() {
        let message = format!("no app is backed up: `except` leaves out {}", left_out.join(", "));
        return Err(Failure::new(message).hint("`except` is in backup.yml"));
    }
    let mut operating = session.context(home, Answers::new(&session.ui, PlanQuestion::Yes))?;
    let context = &mut operating.context;
    context.lock_wait = args.lock_wait;
    unattended(context, session.ui.stderr_is_terminal());
    let context: &Context = &operating.context;
    let patience = Patience {
        lock_wait: args.lock_wait,
        retries: args.retries.into(),
        pause: args.retry_wait,
    };
    let mut rows = Vec::new();
    let mut say = |row: Row| -> Result<(), Failure> {
        if !args.json.json {
            // The reader of our output may be gone; the apps are to be backed up anyway.
            match session.ui.out(row.line()) {
                Err(failure) if failure.exit != Exit::DONE => return Err(failure),
                _ => {}
            }
        }
        rows.push(row);
        Ok(())
    };
    for name in unknown {
        say(no_such_app(name))?;
    }
    let works = apps.iter().map(|entry| {
        of_app(entry.name.to_string(), operation::back_up_one(context, entry, patience, options))
    });
    let mut works = stream::iter(works).buffer_unordered(args.jobs.into());
    let mut printed = Ok(());
    while let Some(row) = works.next().await {
        if let Err(failure) = say(row) {
            printed = Err(failure);
        }
    }
    drop(works);
    drop(operating);
    printed.map(|()| (rows, left_out))
}

/// Whether `backup.yml` leaves the app out.
pub fn is_excepted(settings: &NightlySettings, app: &AppEntry) -> bool {
    settings.except.iter().any(|name| matches(name, app.name.as_str()))
}

fn no_such_app(app: String) -> Row {
    Row {
        app,
        server: None,
        outcome: RowOutcome::Failed,
        set: None,
        bytes: None,
        seconds: 0.0,
        tries: 0,
        warnings: Vec::new(),
        error: Some("no app has this name".into()),
        next: Some("`potluck app ls` lists the apps".into()),
    }
}

/// Writes the file for Prometheus, with every app of the folder that is to be backed up.
fn write_metrics(
    home: &Home,
    settings: &NightlySettings,
    path: &std::path::Path,
    report: &Report,
) -> Result<(), String> {
    let known = |app: AppEntry| {
        let record = Record::read(home, &app).map_err(|error| error.to_string())?;
        Ok((app, record))
    };
    let apps = home.apps().map_err(|error| error.to_string())?;
    let apps = apps.into_iter().filter(|app| !is_excepted(settings, app));
    let apps = apps.map(known).collect::<Result<Vec<_>, String>>();
    let text = metrics::text(&apps?, report);
    // One that is made would hide that nobody reads it.
    if let Some(folder) = path.parent().filter(|folder| !folder.is_dir()) {
        return Err(format!(
            "no file for Prometheus was written: {} is not a folder",
            folder.display()
        ));
    }
    write_whole(path, text.as_bytes(), Existing::ReplaceLink, Readers::Shared)
        .map_err(|error| format!("the file for Prometheus is as old as before: {error}"))
}

/// A monitor and people, who are told of the run. What does not work is a warning: the
/// backups are what counts.
struct Told<'a> {
    settings: &'a NightlySettings,
    options: &'a Options,
    monitor: Option<Monitor>,
    warnings: Vec<String>,
}

impl<'a> Told<'a> {
    fn new(settings: &'a NightlySettings, options: &'a Options) -> Self {
        let made = settings.ping.as_ref().map(|ping| {
            let url = ping.url().map_err(|error| error.to_string())?;
            Monitor::new(url, &options.environment)
        });
        let (monitor, warnings) = match made.transpose() {
            Ok(monitor) => (monitor, Vec::new()),
            Err(error) => (None, vec![format!("the monitor was not told: {error}")]),
        };
        Told { settings, options, monitor, warnings }
    }

    async fn start(&self) -> Result<(), String> {
        match &self.monitor {
            None => Ok(()),
            Some(monitor) => tokio::select! {
                told = monitor.ping(Ping::Start) => told,
                () = self.options.cancel.cancelled() => Ok(()),
            },
        }
    }

    async fn end(&mut self, failure: Option<&Failure>, text: &str) {
        if let Some(monitor) = &self.monitor {
            let ping = if failure.is_some() { Ping::Failure(text) } else { Ping::Success(text) };
            let limit = async {
                self.options.cancel.cancelled().await;
                tokio::time::sleep(LAST_WORD).await;
            };
            let told = tokio::select! {
                told = monitor.ping(ping) => told,
                () = limit => Err("the monitor was not told: the run was told to end".into()),
            };
            self.warnings.extend(told.err());
        }
        if let (Some(failure), Some(notify)) = (failure, &self.settings.notify) {
            let said = failure.message.as_deref().unwrap_or("the backup run failed");
            let subject = format!("potluck on {}: {said}", operator().host);
            let failed = notify::tell(notify, &subject, text, &self.options.environment).await;
            self.warnings.extend(failed);
        }
    }
}
