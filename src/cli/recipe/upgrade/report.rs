//! What is told of it.

use jiff::Timestamp;
use serde::Serialize;

use super::{
    args::Args,
    job::{Job, SHOWN},
};
use crate::{
    cli::{
        failure::Failure,
        recipe::sync::Next,
        session::Session,
        shell,
        table::Table,
        ui::{clean, counted},
    },
    home::RecipeName,
};

#[derive(Serialize)]
pub struct Report {
    recipe: String,
    images: Vec<Row>,
    /// Images whose tags cannot be changed at one place, as sentences.
    left_out: Vec<String>,
    label: Option<Label>,
    note: Option<String>,
}

/// One service at one place where its tag is written.
#[derive(Serialize)]
struct Row {
    file: String,
    service: String,
    /// Whose value, or whose default, the tag is.
    variable: Option<String>,
    /// Without its tag.
    image: String,
    tag: String,
    digest: Option<String>,
    newer: Vec<String>,
    /// Whether the tag has another digest than the one that is written.
    rebuilt: bool,
    too_young: Vec<String>,
    chosen: Option<String>,
    new_digest: Option<String>,
    created: Option<Timestamp>,
    release_notes: Option<String>,
    warning: Option<String>,
    written: bool,
    error: Option<String>,
}

/// The label of the recipe's version.
#[derive(Serialize)]
struct Label {
    file: String,
    before: Option<String>,
    after: String,
}

impl Report {
    pub fn new(
        args: &Args,
        recipe: &RecipeName,
        jobs: &[Job],
        left_out: Vec<String>,
        next: Option<&Next>,
    ) -> Self {
        let most = if args.all_tags { usize::MAX } else { SHOWN };
        let rows = |job: &Job| {
            let row = |(at, it): (usize, &crate::recipe::author::Use)| {
                let newer = job.offers.iter().filter_map(|choice| choice.get(at));
                let chosen = job.chosen.as_ref().and_then(|choice| choice.get(at));
                Row {
                    file: job.spot.file.clone(),
                    service: it.service.clone(),
                    variable: job.spot.variable.clone(),
                    image: it.image.name.clone(),
                    tag: it.image.tag.clone(),
                    digest: it.image.digest.clone(),
                    newer: newer.take(most).map(|image| image.tag.clone()).collect(),
                    rebuilt: job.rebuilt.is_some(),
                    too_young: job.too_young.clone(),
                    chosen: chosen.map(|image| image.tag.clone()),
                    new_digest: chosen.and_then(|image| image.digest.clone()),
                    created: job.created,
                    release_notes: job.link.clone(),
                    warning: job.warning(),
                    written: job.written,
                    error: job.error.clone(),
                }
            };
            job.spot.uses.iter().enumerate().map(row).collect::<Vec<_>>()
        };
        Report {
            recipe: recipe.to_string(),
            images: jobs.iter().flat_map(rows).collect(),
            left_out,
            label: next.map(|next| Label {
                file: next.file.clone(),
                before: next.before.clone(),
                after: next.after.clone(),
            }),
            note: next.and_then(|next| next.note.clone()),
        }
    }

    /// # Errors
    /// As [`Table::print`].
    pub fn show(&self, args: &Args, session: &Session, next: Option<&Next>) -> Result<(), Failure> {
        let mut table = Table::new(&["FILE", "SERVICE", "IMAGE", "TAG", "NEWER", "BUILT"]);
        for row in &self.images {
            let built = match (&row.chosen, row.created) {
                (None, _) => "-".to_owned(),
                (Some(_), None) => "unknown".to_owned(),
                (Some(_), Some(at)) => at.strftime("%Y-%m-%d").to_string(),
            };
            table.row([&row.file, &row.service, &row.image, &row.tag, &row.newer(args), &built]);
        }
        table.print(&session.ui)?;
        self.warn(session);
        let mut said: Vec<String> = Vec::new();
        for row in &self.images {
            if let (Some(chosen), Some(link)) = (&row.chosen, &row.release_notes) {
                let line = format!("{} {chosen}: {link}", row.image);
                if !said.contains(&line) {
                    said.push(line);
                }
            }
        }
        for line in &said {
            session.ui.say(format_args!("Release notes of {}", clean(line)));
        }
        if let Some(next) = next {
            next.show(session, args.dry_run);
        }
        let written = self.images.iter().filter(|row| row.written).count();
        let open = self.images.iter().any(|row| !row.newer.is_empty() || row.rebuilt);
        if args.dry_run {
            session.ui.say("Nothing was changed: this was a dry run.");
        } else if written > 0 {
            session.ui.say(format_args!(
                "Wrote {}; `potluck recipe diff {}` shows it.",
                counted(written, "tag"),
                shell::word(&args.work.recipe)
            ));
        } else if open && args.bump.bump().is_none() && !session.ui.is_interactive() {
            session.ui.hint("--major, --minor or --patch say how far to go");
        }
        Ok(())
    }

    fn warn(&self, session: &Session) {
        let mut said: Vec<String> = Vec::new();
        for row in &self.images {
            for (sentence, place) in [
                (row.error.as_ref(), format!("{} {}", row.file, row.service)),
                (row.warning.as_ref(), row.image.clone()),
            ] {
                let Some(sentence) = sentence else { continue };
                let line = format!("{place}: {}", clean(sentence));
                if !said.contains(&line) {
                    session.ui.warn(&line);
                    said.push(line);
                }
            }
        }
    }
}

impl Row {
    /// What the table says of newer tags.
    fn newer(&self, args: &Args) -> String {
        let done = if self.written { "written" } else { "chosen" };
        let is_decided = self.written || args.bump.bump().is_some() || args.pin;
        match &self.chosen {
            _ if self.error.is_some() => "?".to_owned(),
            Some(chosen) if is_decided && *chosen != self.tag => format!("{chosen} ({done})"),
            Some(_) if is_decided && self.rebuilt => format!("built anew ({done})"),
            Some(_) if is_decided => format!("its digest ({done})"),
            _ => {
                let rebuilt = self.rebuilt.then(|| "built anew".to_owned());
                let all: Vec<_> = rebuilt.into_iter().chain(self.newer.clone()).collect();
                if all.is_empty() { "-".to_owned() } else { all.join(", ") }
            }
        }
    }
}
