//! The copies of a server's backups: after a backup, what a copy lacks is copied there, the
//! manifests last, so that an interruption leaves a set that is incomplete there, too.
//!
//! A copy thins its sets out by rules of its own. So it receives only what is newer than the
//! newest set that both repositories have.

use std::time::Instant;

use serde::Serialize;

use super::alone::alone;
use crate::{
    app::Context,
    backup::{
        Error, Options,
        known::remember_copy,
        options::{Missing, find},
        restic::{LOCK_LIMIT, Restic},
        set::{
            SetSummary,
            judged::{Judging, relied_on},
            snapshots::{Sets, sets_of},
            whose::Of,
        },
    },
    hint::Hint,
    home::{AppEntry, CopyName},
    progress::Event,
};

/// What a copy received.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CopyReport {
    pub copy: String,
    /// Without credentials.
    pub repository: String,
    /// The sets that it lacked.
    pub sets: usize,
    pub seconds: f64,
}

/// What came of copying: which copies have the app's sets now, and which have not.
#[derive(Debug, Default)]
pub(super) struct Copied {
    pub copies: Vec<CopyReport>,
    /// The name of each of the others, and why.
    pub failed: Vec<String>,
    /// What to do about the first of them.
    pub hint: Option<String>,
}

/// Copies what the copies of an app's server lack. One that fails keeps no other from it.
///
/// # Errors
/// What keeps the server's own repository from being read.
pub(super) async fn copy_all(
    context: &Context,
    app: &AppEntry,
    options: &Options,
) -> Result<Copied, Error> {
    let mut copied = Copied::default();
    let backup = context.home.backup(&app.server)?;
    if backup.copies_of(&app.name).next().is_none() {
        return Ok(copied);
    }
    let source = find(context, app, options, Missing::Refused).await?;
    let Sets { mut sets, .. } = sets_of(&source, app, &Of::Own).await?;
    // What somebody else put into the one is not to be believed in the other.
    relied_on(context, &source, app, &mut sets, (Judging::All, "is not copied")).await?;
    for (copy, _) in backup.copies_of(&app.name) {
        let began = Instant::now();
        context.progress.step(format!("copy the backup to {copy}"));
        match copy_to(context, app, (&source, &sets), copy, options).await {
            Ok((repository, sets)) => copied.copies.push(CopyReport {
                copy: copy.to_string(),
                repository,
                sets,
                seconds: began.elapsed().as_secs_f64(),
            }),
            Err(error) => {
                if copied.hint.is_none() {
                    copied.hint = error.hint();
                }
                copied.failed.push(format!("`{copy}`: {error}"));
            }
        }
    }
    source.settle().await;
    Ok(copied)
}

async fn copy_to(
    context: &Context,
    app: &AppEntry,
    (source, sets): (&Restic, &[SetSummary]),
    copy: &CopyName,
    options: &Options,
) -> Result<(String, usize), Error> {
    let options = options.of(Some(copy));
    let target = find(context, app, &options, Missing::Refused).await?;
    let there = match sets_of(&target, app, &Of::Own).await {
        Err(Error::NoRepository { .. }) => {
            make(context, app, source, &target).await?;
            Vec::new()
        }
        found => found?.sets,
    };
    let going = lacking(sets, &there);
    for set in &going {
        let is_manifest = |id: &&String| set.manifest.as_ref() == Some(*id);
        let (manifest, items): (Vec<&String>, Vec<&String>) =
            set.snapshots.iter().partition(is_manifest);
        for ids in [items, manifest] {
            let ids: Vec<String> = ids.into_iter().cloned().collect();
            let copying = || target.copy_from(source, &ids);
            target.past_locks(LOCK_LIMIT, &*context.progress, copying).await?;
        }
    }
    if !going.is_empty() {
        let Sets { sets: there, .. } = sets_of(&target, app, &Of::Own).await?;
        let is_whole = |set: &&&SetSummary| there.iter().any(|it| it.id == set.id && it.complete);
        if let Some(set) = going.iter().find(|set| !is_whole(set)) {
            let (set, repository) = (set.id.clone(), target.name().to_owned());
            return Err(Error::CopyIncomplete { set, repository });
        }
    }
    remember_copy(context, &app.server, copy, target.name())?;
    target.settle().await;
    Ok((target.name().to_owned(), going.len()))
}

/// Makes the repository of a copy that never had one.
async fn make(
    context: &Context,
    app: &AppEntry,
    source: &Restic,
    target: &Restic,
) -> Result<(), Error> {
    let repository = target.name().to_owned();
    // restic spoils one that two make at once.
    let _alone = alone(context, app).await?;
    match sets_of(target, app, &Of::Own).await {
        Err(Error::NoRepository { .. }) => {}
        found => return found.map(drop),
    }
    target.init_as(source).await?;
    context.progress.event(Event::Done {
        name: "repository".into(),
        detail: format!("made at {repository}, because there was none"),
    });
    Ok(())
}

/// The complete sets that a copy lacks and is to receive, oldest first; both lists are newest
/// first.
fn lacking<'a>(sets: &'a [SetSummary], there: &[SetSummary]) -> Vec<&'a SetSummary> {
    let has = |set: &SetSummary| there.iter().any(|it| it.id == set.id && it.complete);
    let mut lacking: Vec<&SetSummary> =
        sets.iter().filter(|set| set.complete).take_while(|set| !has(set)).collect();
    lacking.reverse();
    lacking
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_receives_what_is_newer_than_the_newest_that_both_have() {
        let sets = |ids: &[&str]| -> Vec<SetSummary> {
            ids.iter()
                .map(|id| {
                    let (day, complete) = match id.strip_suffix('?') {
                        Some(day) => (day, false),
                        None => (*id, true),
                    };
                    let id = format!("2026010{day}T000000Z-aaaaaa").parse().unwrap();
                    SetSummary { complete, ..SetSummary::new(id, "w", "s") }
                })
                .collect()
        };
        for (here, there, expected) in [
            (&["3", "2", "1"][..], &[][..], &["1", "2", "3"][..]),
            (&["3", "2", "1"], &["3"], &[]),
            (&["3", "2", "1"], &["2"], &["3"]),
            // Its own rules removed 1.
            (&["4", "3?", "2", "1"], &["2"], &["4"]),
            // Interrupted there.
            (&["2", "1"], &["2?", "1"], &["2"]),
            // One of the future, which only somebody else can have made.
            (&["3", "2"], &["9", "2"], &["3"]),
            (&[], &["1"], &[]),
        ] {
            let (here, there) = (sets(here), sets(there));
            let found: Vec<String> =
                lacking(&here, &there).iter().map(|set| set.id.as_str()[7..8].to_owned()).collect();
            assert_eq!(found, expected, "{there:?}");
        }
    }
}
