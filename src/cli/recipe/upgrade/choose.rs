//! Which of the newer images is taken.

use std::fmt;

use super::{
    args::Args,
    job::{Job, SHOWN},
};
use crate::{
    cli::{failure::Failure, prompt, session::Session},
    recipe::author::{Bump, Choice, DatabaseMajors, MajorStep, permitted},
};

/// Finds what may be taken, as far as the command line says.
pub fn open(args: &Args, asking: bool, job: &mut Job) {
    // Who is asked sees what a database asks for, and decides.
    let is_taken = args.database_majors || asking;
    let majors = if is_taken { DatabaseMajors::Taken } else { DatabaseMajors::LeftOut };
    let bump = args.bump.bump().unwrap_or(Bump::Major);
    (job.open, job.left_out) = permitted(&job.spot, &job.offers, bump, majors);
}

/// Chooses for the person, or lets them choose.
///
/// # Errors
/// Where the question was left.
pub fn choose(args: &Args, session: &Session, asking: bool, job: &mut Job) -> Result<(), Failure> {
    if asking {
        return ask(args, session, job);
    }
    let is_wanted = args.bump.bump().is_some() || args.dry_run;
    if is_wanted {
        job.chosen = job.open.first().cloned();
    }
    if job.chosen.is_none() && (is_wanted || args.pin) {
        job.chosen = job.rebuilt.clone();
    }
    Ok(())
}

/// One answer to the question.
struct Answer {
    shown: String,
    choice: Option<Choice>,
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

fn ask(args: &Args, session: &Session, job: &mut Job) -> Result<(), Failure> {
    if job.open.is_empty() && job.rebuilt.is_none() {
        return Ok(());
    }
    let image = job.first();
    let keep = Answer { shown: format!("{} (as it is)", image.tag), choice: None };
    let rebuilt = job.rebuilt.as_ref().map(|choice| Answer {
        shown: format!("{} (built anew)", image.tag),
        choice: Some(choice.clone()),
    });
    let most = if args.all_tags { usize::MAX } else { SHOWN };
    let newer = job.open.iter().take(most).map(|choice| {
        let step = MajorStep::of(image, &choice[0].tag);
        let note = step.map(|step| format!(" (a new major version of {})", step.database));
        Answer {
            shown: format!("{}{}", choice[0].tag, note.unwrap_or_default()),
            choice: Some(choice.clone()),
        }
    });
    let options = std::iter::once(keep).chain(rebuilt).chain(newer).collect();
    let services: Vec<_> = job.spot.uses.iter().map(|it| it.service.as_str()).collect();
    let question = format!("{} of {} in {}:", image.name, services.join(", "), job.spot.file);
    job.chosen = prompt::select(&session.ui, &question, options)?.choice;
    Ok(())
}
