//! One app of a `backup run`: claimed, backed up, tried again where that may help, and what
//! came of it recorded. The caller has the list of apps, and works at several side by side.

use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::{
    backup::{SetReport, back_up},
    claim::claim,
    copies::{Copied, copy_all},
};
use crate::{
    app::{self, Context},
    backup::{
        Error, Options,
        known::was_backed_up,
        nightly::{Attempt, Good, Outcome, Record, Row},
        options::unless_cancelled,
        set::SetId,
    },
    engine,
    hint::Hint,
    home::AppEntry,
};

/// What an app is called while a run has it.
const DOING: &str = "a backup";
/// What cancelling leaves.
const LEFT: &str = "no backup was made";

/// How long a run puts up with what may pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// For another operation on the app; [`Context::lock_wait`] is the same for one that is
    /// on another machine.
    pub lock_wait: Duration,
    /// After the first try.
    pub retries: u32,
    /// Before the second try; doubled from try to try.
    pub pause: Duration,
}

/// Backs an app up as part of a run. What prevents it is in the row: a run continues with the
/// other apps.
pub async fn back_up_one(
    context: &Context,
    entry: &AppEntry,
    patience: Patience,
    options: &Options,
) -> Row {
    let began = Instant::now();
    let mut row = Row {
        app: entry.name.to_string(),
        server: Some(entry.server.to_string()),
        outcome: Outcome::Interrupted,
        set: None,
        bytes: None,
        seconds: 0.0,
        tries: 0,
        warnings: Vec::new(),
        error: Some("the run ended before it was begun".into()),
        next: None,
    };
    if options.cancel.is_cancelled() {
        return row;
    }
    let work = trying(context, entry, patience, options, &mut row.tries);
    // Boxed: the future of a backup is large, and there are several.
    let done = Box::pin(recorded(context, entry, options, work)).await;
    row.seconds = began.elapsed().as_secs_f64();
    match done {
        Ok(report) => Row {
            outcome: Outcome::BackedUp,
            set: Some(report.set.to_string()),
            bytes: Some(report.bytes),
            warnings: report.warnings,
            error: None,
            ..row
        },
        Err(error) => {
            let Attempt { outcome, error: said, next, .. } =
                Attempt::of(&error, entry, Timestamp::now());
            let set = match &error {
                Error::AfterBackup { set, .. } | Error::NotCopied { set, .. } => {
                    Some(set.to_string())
                }
                _ => None,
            };
            Row { outcome, set, error: said, next, ..row }
        }
    }
}

/// Tries it until it is done, fails for good, or was tried often enough.
async fn trying(
    context: &Context,
    entry: &AppEntry,
    patience: Patience,
    options: &Options,
    tries: &mut u32,
) -> Result<SetReport, Error> {
    let claiming =
        async { claim(&context.home, entry, DOING, patience.lock_wait).await.map_err(Error::Home) };
    let guard = unless_cancelled(&options.cancel, LEFT, claiming).await?;
    let mut pause = patience.pause;
    loop {
        *tries += 1;
        let once = async {
            let app = app::load_deployed(context, entry).await?;
            back_up(context, &guard, &app, options).await
        };
        match once.await {
            Err(error) if *tries <= patience.retries && may_pass(&error) => {
                let seconds = pause.as_secs();
                context.progress.warn(format!("{error}; trying again in {seconds} s"));
                let sleeping = async {
                    tokio::time::sleep(pause).await;
                    Ok(())
                };
                unless_cancelled(&options.cancel, LEFT, sleeping).await?;
                pause *= 2;
            }
            done => return done,
        }
    }
}

/// Whether the same may work a minute later: what others do, and what lies between machines.
fn may_pass(error: &Error) -> bool {
    /// How restic, ssh and the like speak of a way that is closed.
    const CLOSED: &[&str] = &[
        "connection refused",
        "connection reset",
        "connection timed out",
        "broken pipe",
        "no route to host",
        "network is unreachable",
        "i/o timeout",
        "tls handshake timeout",
        "temporary failure in name resolution",
        "no such host",
        "unable to start the sftp session",
        "server response unexpected: 5",
        "too many requests",
    ];
    match error {
        Error::Locked { .. } | Error::TimedOut { .. } => true,
        Error::Restic { message, .. } => {
            let said = message.to_lowercase();
            CLOSED.iter().any(|words| said.contains(words))
        }
        error => matches!(error.of_engine(), Some(engine::Error::Unreachable { .. })),
    }
}

/// Copies what was backed up, and records what a try to back the app up comes to, so that
/// `backup status` and the file for Prometheus know it.
///
/// # Errors
/// Those of the work. [`Error::Forgotten`] for an app that its server does not know, although
/// it was backed up before. [`Error::NotCopied`] for a set that not every copy has.
pub async fn recorded(
    context: &Context,
    entry: &AppEntry,
    options: &Options,
    work: impl Future<Output = Result<SetReport, Error>>,
) -> Result<SetReport, Error> {
    let began = Instant::now();
    let mut done = work.await;
    let taken = match &done {
        Ok(report) => Some((report.set.clone(), Some(report.bytes), report.warnings.len())),
        Err(Error::AfterBackup { set, .. }) => Some((set.clone(), None, 0)),
        Err(_) => None,
    };
    if let Some((set, ..)) = &taken {
        done = copied(context, entry, options, set, done).await;
    }
    let mut record = Record::read(&context.home, entry).unwrap_or_else(|error| {
        context.progress.warn(format!("{error}: it is written anew"));
        Record::default()
    });
    if matches!(done, Err(Error::NothingYet { .. }))
        && (record.good.is_some() || was_backed_up(context, entry)?)
    {
        done = Err(Error::Forgotten { app: entry.name.to_string() });
    }
    let ended = Timestamp::now();
    let good = |set: String, bytes, warnings| {
        Some(Good { set, ended, bytes, seconds: began.elapsed().as_secs_f64(), warnings })
    };
    if let Some((set, bytes, warnings)) = taken {
        record.good = good(set.to_string(), bytes, warnings);
    }
    let attempt = match &done {
        Ok(_) => Attempt { ended, outcome: Outcome::BackedUp, error: None, next: None },
        Err(error) => Attempt::of(error, entry, ended),
    };
    record.last = Some(attempt);
    // The backup itself is what counts.
    if let Err(error) = record.write(&context.home, entry) {
        let message = format!("what came of the backup is not recorded here: {error}");
        context.progress.warn(message);
    }
    done
}

/// Copies a set that was taken; what a failed hook made of its backup stays.
async fn copied(
    context: &Context,
    entry: &AppEntry,
    options: &Options,
    set: &SetId,
    done: Result<SetReport, Error>,
) -> Result<SetReport, Error> {
    let left = "the backup is complete, but not every copy has it";
    let copying = Box::pin(copy_all(context, entry, options));
    let Copied { copies, failed, hint } =
        match unless_cancelled(&options.cancel, left, copying).await {
            Ok(copied) => copied,
            Err(error) => Copied {
                failed: vec![format!("any copy: {error}")],
                hint: error.hint(),
                ..Copied::default()
            },
        };
    match done {
        Ok(report) if failed.is_empty() => Ok(SetReport { copies, ..report }),
        Ok(_) => Err(Error::NotCopied { set: set.clone(), failed, hint }),
        Err(error) => {
            for failed in failed {
                context.progress.warn(format!("the backup {set} was not copied to {failed}"));
            }
            Err(error)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_pass_is_tried_again() {
        let restic = |message: &str| Error::Restic {
            action: "save".into(),
            code: 1,
            message: message.into(),
        };
        let unreachable = || engine::Error::Unreachable {
            endpoint: "ssh://a".into(),
            reason: "timed out".into(),
        };
        let locked =
            Error::Locked { repository: "r".into(), by: "PID 1".into(), unlock: String::new() };
        for (error, expected) in [
            (locked, true),
            (Error::Engine(unreachable()), true),
            (Error::Operation(app::Error::from(unreachable())), true),
            (restic("dial tcp 127.0.0.1:1: connect: Connection refused"), true),
            (restic("Fatal: unable to start the sftp session, error: EOF"), true),
            (restic("server response unexpected: 503 Service Unavailable (503)"), true),
            (restic("server response unexpected: 403 Forbidden (403)"), false),
            (restic("pack file is damaged"), false),
            (Error::NothingYet { app: "a".into() }, false),
            (Error::Cancelled { left: LEFT }, false),
            (Error::Interrupted, false),
        ] {
            assert_eq!(may_pass(&error), expected, "{error}");
        }
    }
}
