//! `potluck recipe upgrade`

mod args;
mod choose;
mod job;
mod report;
mod survey;

use super::sync::{Next, base};
use crate::{
    cli::{
        exit::Exit,
        failure::{Failure, Outcome},
        session::{Session, wait},
        ui::clean,
    },
    recipe::{
        SAMPLE,
        author::{Change, Contents, Texts},
    },
};
pub use args::Args;
use job::Job;
use report::Report;
use survey::Survey;

pub fn run(args: &Args, session: &Session) -> Outcome {
    if session.offline {
        return Err(Failure::usage("`--offline` and asking registries exclude each other"));
    }
    let (store, recipe, desk) = args.work.open(session)?;
    let texts = desk.texts()?;
    let found = texts.spots().map_err(|error| Failure::of(&error))?;
    for left_out in &found.left_out {
        session.ui.warn(clean(left_out));
    }
    let mut jobs: Vec<Job> = found.spots.into_iter().map(Job::new).collect();
    let asking = args.bump.bump().is_none() && session.ui.is_interactive() && !args.dry_run;

    let interrupted = "interrupted: nothing was changed";
    let mut survey = wait(interrupted, async {
        let mut survey = Survey::new(session, &jobs).await?;
        for job in &mut jobs {
            survey.offer(job).await;
            choose::open(args, asking, job);
            if let Some(least) = args.min_age {
                survey.sift(job, least, asking).await;
            }
        }
        Ok(survey)
    })?;
    for job in jobs.iter_mut().filter(|job| job.error.is_none()) {
        choose::choose(args, session, asking, job)?;
    }
    wait(interrupted, async {
        for job in jobs.iter_mut().filter(|job| job.error.is_none()) {
            survey.describe(job, args.pin).await;
        }
        Ok(())
    })?;

    let (mut edited, changes) = edit(&texts, &mut jobs);
    let next = match args.sync.filter(|_| !changes.is_empty()) {
        None => None,
        Some(raise) => {
            let newest = store.versions(&recipe)?.into_iter().next();
            let base = base(newest, &desk.texts_at("HEAD")?);
            Some(Next::changed(&desk, &edited, &changes, raise.bump(), base.as_deref())?)
        }
    };
    let mut contents = differing(&texts, &mut edited);
    contents.extend(next.iter().flat_map(|next| next.contents.clone()));
    if args.dry_run {
        jobs.iter_mut().for_each(|job| job.written = false);
    } else if !contents.is_empty() {
        desk.write(&contents)?;
    }
    let report = Report::new(args, &recipe, &jobs, found.left_out, next.as_ref());
    session
        .report_of_texts(&report, &args.json, |report| report.show(args, session, next.as_ref()))?;
    for hint in &survey.hints {
        session.ui.hint(clean(hint));
    }
    let failed = jobs.iter().filter(|job| job.error.is_some()).count();
    Ok(match failed {
        0 => Exit::DONE,
        all if all == jobs.len() => Exit::FAILED,
        _ => Exit::PARTLY,
    })
}

/// The texts with what was chosen, and what that changes.
fn edit(texts: &Texts, jobs: &mut [Job]) -> (Texts, Vec<Change>) {
    let mut edited = texts.clone();
    let mut changes = Vec::new();
    for job in jobs {
        let Some(chosen) = &job.chosen else { continue };
        match edited.with(&job.spot, chosen) {
            Ok(texts) => {
                edited = texts;
                job.written = true;
                changes.extend(job.changes());
            }
            Err(error) => job.fail(format!("{} was not changed: {error}", job.first().written())),
        }
    }
    (edited, changes)
}

/// The files that differ.
fn differing(texts: &Texts, edited: &mut Texts) -> Contents {
    let mut contents = Contents::new();
    for (file, text) in &edited.compose {
        if texts.compose.get(file) != Some(text) {
            contents.insert(file.clone(), Some(text.clone()));
        }
    }
    if texts.sample != edited.sample {
        contents.insert(SAMPLE.to_owned(), edited.sample.take());
    }
    contents
}
