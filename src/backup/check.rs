//! `backup check`: restic's own check of a server's repository, with a part of its data
//! that moves on from run to run, so that everything was read after so many of them.

use std::{cell::Cell, fmt, str::FromStr, time::Instant};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    append_only::{Proof, Removal, prove},
    error::Error,
    options::{Options, of_server, unless_cancelled},
    restic::LOCK_LIMIT,
    results::{self, Subject},
};
use crate::{
    app::Context,
    home::{
        CopyName, Home, ServerName,
        write::{read_state, write_state},
    },
    text::line,
};

/// restic divides pack files by the first byte of their names.
const MOST: u32 = 256;

/// What is wrong where a removal was accepted.
pub const ACCEPTED: &str = "the store let a snapshot be removed, although the settings say \
                            `append-only`: anyone with its credentials can remove backups";

/// How much of the data is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reading {
    /// None of it: only that what is referred to exists.
    #[default]
    Structure,
    /// The next of so many parts.
    Rolling(Parts),
    /// This part.
    Part(Part),
}

/// The number of parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parts(u32);

/// A part of the data, `3/7`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    number: u32,
    of: u32,
}

impl FromStr for Parts {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text.parse() {
            Ok(parts @ 1..=MOST) => Ok(Parts(parts)),
            _ => Err(format!("expected a number from 1 to {MOST}")),
        }
    }
}

impl FromStr for Part {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || format!("expected n/t, as in 3/7, up to {MOST}/{MOST}");
        let (number, of) = text.split_once('/').ok_or_else(bad)?;
        let (number, of) = (number.parse().map_err(|_| bad())?, of.parse().map_err(|_| bad())?);
        let is_part = (1..=MOST).contains(&of) && (1..=of).contains(&number);
        if is_part { Ok(Part { number, of }) } else { Err(bad()) }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.of)
    }
}

/// How far a repository was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Rolled {
    /// Without credentials.
    repository: String,
    of: u32,
    /// Parts of this round that were read.
    done: u32,
    /// When the round began.
    since: Timestamp,
    /// When the last round that was finished had begun: nothing is unread for longer.
    covered: Option<Timestamp>,
}

impl Rolled {
    /// Begins a round, or continues the one that there is.
    fn of(before: Option<Rolled>, repository: &str, parts: Parts, now: Timestamp) -> Self {
        let before = before.filter(|it| it.repository == repository);
        let covered = before.as_ref().and_then(|it| it.covered);
        match before {
            Some(it) if it.of == parts.0 && it.done < it.of => it,
            _ => Rolled {
                repository: repository.to_owned(),
                of: parts.0,
                done: 0,
                since: now,
                covered,
            },
        }
    }

    fn next(&self) -> Part {
        Part { number: self.done + 1, of: self.of }
    }

    /// A part was read, and found whole.
    fn advance(&mut self) {
        self.done += 1;
        if self.done == self.of {
            self.covered = Some(self.since);
        }
    }
}

/// What a check found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CheckReport {
    pub server: String,
    /// The name of the copy; none for the server's own repository.
    pub copy: Option<String>,
    /// Without credentials.
    pub repository: String,
    /// The part of the data that was read, `3/7`; none if only the structure was checked.
    pub read: Option<String>,
    /// All of the data was read since then; none until a round is finished.
    pub covered_since: Option<Timestamp>,
    /// What came of trying to remove something; none where the settings don't say that the
    /// repository takes additions only.
    pub append_only: Option<Proof>,
    pub seconds: f64,
}

/// Checks the repository of a server. A part that is damaged is checked again by the next
/// run.
///
/// # Errors
/// [`Error::Damaged`] and restic's other failures.
pub async fn check(
    context: &Context,
    server: &ServerName,
    reading: Reading,
    options: &Options,
) -> Result<CheckReport, Error> {
    let looked = Cell::new(None);
    let work = checking(context, server, reading, options, &looked);
    let done = unless_cancelled(&options.cancel, "the check did not finish", work).await;
    let error = done.as_ref().err().map(|error| line(&error.to_string()).into_owned());
    let copy = options.from.as_ref();
    results::record_check(&context.home, server, copy, Timestamp::now(), error, looked.take())?;
    if let Ok(CheckReport { append_only: Some(proof), .. }) = &done {
        let error = match proof.removal {
            Removal::Refused => Some(None),
            Removal::Accepted => Some(Some(ACCEPTED.to_owned())),
            // No proof: the age of the last one grows.
            Removal::Unknown => None,
        };
        if let Some(error) = error {
            results::record(&context.home, Subject::AppendOnly(server), copy, proof.at, error)?;
        }
    }
    done
}

/// `looked` is told the part of the data that is read, once it is.
async fn checking(
    context: &Context,
    server: &ServerName,
    reading: Reading,
    options: &Options,
    looked: &Cell<Option<String>>,
) -> Result<CheckReport, Error> {
    let began = Instant::now();
    let restic = of_server(context, server, options).await?;
    let before = rolled(&context.home, server, restic.copy())?;
    let mut rolling = match reading {
        Reading::Rolling(parts) => {
            Some(Rolled::of(before.clone(), restic.name(), parts, Timestamp::now()))
        }
        Reading::Structure | Reading::Part(_) => None,
    };
    let part = match reading {
        Reading::Part(part) => Some(part),
        _ => rolling.as_ref().map(Rolled::next),
    };
    context.progress.step(match part {
        Some(part) => format!("check {}, and read part {part} of its data", restic.name()),
        None => format!("check {}", restic.name()),
    });
    let subset = part.map(|part| part.to_string());
    looked.set(subset.clone());
    let check = || restic.check(subset.as_deref());
    let done = restic.read_past_locks(LOCK_LIMIT, &*context.progress, check).await;
    restic.settle().await;
    done?;
    if let Some(rolled) = &mut rolling {
        rolled.advance();
        let bytes = serde_json::to_vec(rolled).expect("plain data");
        write_state(&path(&context.home, server, restic.copy()), &bytes)?;
    }
    let append_only = match restic.may_remove() {
        Ok(()) => None,
        Err(_) => Some(prove(context, &restic).await),
    };
    let covered = rolling.or(before.filter(|it| it.repository == restic.name()));
    Ok(CheckReport {
        server: server.to_string(),
        copy: restic.copy().map(ToString::to_string),
        repository: restic.name().to_owned(),
        read: subset,
        covered_since: covered.and_then(|it| it.covered),
        append_only,
        seconds: began.elapsed().as_secs_f64(),
    })
}

/// Nothing where the file is of another version of potluck: then a round begins.
fn rolled(
    home: &Home,
    server: &ServerName,
    copy: Option<&CopyName>,
) -> Result<Option<Rolled>, Error> {
    let bytes = read_state(&path(home, server, copy))?;
    Ok(bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
}

fn path(home: &Home, server: &ServerName, copy: Option<&CopyName>) -> std::path::PathBuf {
    let folder = home.state().join("checks");
    match copy {
        None => folder.join(format!("{server}.json")),
        Some(copy) => folder.join("copies").join(server.as_str()).join(format!("{copy}.json")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_as_many_runs_as_there_are_parts_everything_was_read() {
        let now = |day: i64| Timestamp::from_second(day * 86_400).unwrap();
        let seven = Parts(7);
        let (mut kept, mut read) = (None, Vec::new());
        for day in 0..15 {
            let mut rolled = Rolled::of(kept, "/r", seven, now(day));
            read.push(rolled.next().to_string());
            rolled.advance();
            let covered = match day {
                0..6 => None,
                6..13 => Some(now(0)),
                _ => Some(now(7)),
            };
            assert_eq!(rolled.covered, covered, "day {day}");
            kept = Some(rolled);
        }
        let round: Vec<String> = (1..=7).map(|number| format!("{number}/7")).collect();
        assert_eq!(read[..7], round);
        assert_eq!(read[7..14], round);
        // What is not counted as read comes again.
        let again = Rolled::of(kept.clone(), "/r", seven, now(15));
        assert_eq!(again.next().to_string(), "2/7");
        // Another repository, or another number of parts, is another round.
        let moved = Rolled::of(kept.clone(), "/other", seven, now(15));
        assert_eq!((moved.next().to_string(), moved.covered), ("1/7".into(), None));
        let finer = Rolled::of(kept, "/r", Parts(30), now(15));
        assert_eq!((finer.next().to_string(), finer.covered), ("1/30".into(), Some(now(7))));
    }

    #[test]
    fn parts_are_read_strictly() {
        for bad in ["", "0", "257", "x", "-1"] {
            assert!(bad.parse::<Parts>().is_err(), "{bad:?} was accepted");
        }
        for bad in ["", "1", "0/7", "8/7", "1/0", "1/257", "a/b", "1/7/9"] {
            assert!(bad.parse::<Part>().is_err(), "{bad:?} was accepted");
        }
        assert_eq!("7/7".parse::<Part>().unwrap().to_string(), "7/7");
    }
}
