//! `potluck recipe sync`

use serde::Serialize;

use super::authoring::{BumpArg, NEXT, WorkArg, compose, of_file, rename, unnumbered, wanted};
use crate::{
    cli::{
        arguments::JsonArg,
        failure::{Failure, Outcome},
        session::Session,
        ui::clean,
    },
    recipe::author::{
        Bump, Change, Contents, Desk, Texts, Unedited, after, changes, greatest, noted,
        set_version, version,
    },
};

/// Write a recipe's next version into its label.
///
/// The label `coop-cloud.${STACK_NAME}.version` of the service `app` says what runs. Only its
/// line in compose.yml is changed, or added; nothing is committed. With --from the images are
/// compared with those of a commit: the greatest change says which number is raised, and
/// `release/next` gets a line for each.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  potluck recipe sync wiki --minor
  potluck recipe sync wiki 1.3.0+6.4.5
  potluck recipe sync . --from HEAD

The version is the one given, or that of the newest release with a number raised and the tag of
the image of the service `app` behind it. With --from it is raised once for all changes since
the newest release; where the clone has no releases (a CI's often lacks the tags), since the
version that the label of the commit says. Renovate runs it so: docs/cli.md, \"With Renovate\".

JSON: {recipe, file, before, after, written, note}; `note` is what `release/next` says with
--from, else null.")]
pub struct Args {
    #[command(flatten)]
    work: WorkArg,

    /// The version [default: the newest release with a number raised]
    #[arg(value_name = "VERSION", conflicts_with_all = ["major", "minor", "patch"])]
    version: Option<String>,

    #[command(flatten)]
    bump: BumpArg,

    /// Raise the number that the changes of images since this commit ask for, and note them
    #[arg(long, value_name = "COMMIT", conflicts_with = "version")]
    from: Option<String>,

    /// Show what would be written and change nothing
    #[arg(long)]
    dry_run: bool,

    #[command(flatten)]
    json: JsonArg,
}

#[derive(Serialize)]
struct Report {
    recipe: String,
    file: String,
    /// The version that the label said.
    before: Option<String>,
    after: String,
    written: bool,
    note: Option<String>,
}

pub fn run(args: &Args, session: &Session) -> Outcome {
    let (store, recipe, desk) = args.work.open(session)?;
    let texts = desk.texts()?;
    let newest = store.versions(&recipe)?.into_iter().next();
    let next = match &args.from {
        None => {
            let given = args.version.as_deref();
            let after = wanted(session, given, args.bump.bump(), newest.as_deref(), &texts)?;
            Next::labelled(&texts, after)?
        }
        Some(from) => {
            let earlier = desk.texts_at(from)?;
            let images = |texts: &Texts| -> Result<Vec<_>, Failure> {
                let spots = texts.spots().map_err(|error| Failure::of(&error))?.spots;
                Ok(spots.into_iter().flat_map(|spot| spot.uses).collect())
            };
            let changes = changes(&images(&earlier)?, &images(&texts)?);
            for warning in changes.iter().filter_map(Change::warning) {
                session.ui.warn(clean(&warning));
            }
            let base = base(newest, &earlier);
            Next::changed(&desk, &texts, &changes, args.bump.bump(), base.as_deref())?
        }
    };
    let written = !next.contents.is_empty() && !args.dry_run;
    if written {
        desk.write(&next.contents)?;
    }
    let report = Report {
        recipe: recipe.to_string(),
        file: next.file.clone(),
        before: next.before.clone(),
        after: next.after.clone(),
        written,
        note: next.note.clone(),
    };
    session.report_of_texts(&report, &args.json, |_| {
        next.show(session, args.dry_run);
        if args.dry_run {
            session.ui.say("Nothing was changed: this was a dry run.");
        }
        Ok(())
    })
}

/// The version that changes are counted from: the newest release; where the clone has none, what
/// the label said earlier.
pub fn base(newest: Option<String>, earlier: &Texts) -> Option<String> {
    newest.or_else(|| earlier.main().and_then(|(_, text)| version(text).ok().flatten()))
}

/// What the next version changes.
#[derive(Debug, Default)]
pub struct Next {
    /// The file with the label.
    pub file: String,
    /// What the label says.
    pub before: Option<String>,
    pub after: String,
    /// The note of the coming release, where lines were added.
    pub note: Option<String>,
    /// What is to be written.
    pub contents: Contents,
}

impl Next {
    /// With the version in the label, and nothing else.
    ///
    /// # Errors
    /// Where the label cannot be written.
    fn labelled(texts: &Texts, after: String) -> Result<Self, Failure> {
        let (file, text) = compose(texts)?;
        let failed = |error| unedited(&file, &error, &after);
        let before = version(&text).map_err(failed)?;
        let mut contents = Contents::new();
        if before.as_ref() != Some(&after) {
            let text = set_version(&text, &after).map_err(failed)?;
            contents.insert(file.clone(), Some(text));
        }
        Ok(Next { file, before, after, note: None, contents })
    }

    /// With the version that changes of images ask for, and a note that has them; `base` is the
    /// newest release. Without changes the label is kept.
    ///
    /// # Errors
    /// Where the label cannot be written, or the newest release has no numbers to raise.
    pub fn changed(
        desk: &Desk,
        texts: &Texts,
        changes: &[Change],
        bump: Option<Bump>,
        base: Option<&str>,
    ) -> Result<Self, Failure> {
        let (file, text) = compose(texts)?;
        let before = version(&text).map_err(|error| of_file(&file, &error))?;
        let Some(bump) = bump.or(greatest(changes)) else {
            let after = before.clone().unwrap_or_default();
            return Ok(Next { file, before, after, ..Next::default() });
        };
        let upstream = texts.upstream().map_err(|error| Failure::of(&error))?;
        let after = after(base, before.as_deref(), bump, upstream.as_deref())
            .ok_or_else(|| unnumbered(base))?;
        let mut next = Next::labelled(texts, after)?;
        let note = desk.text(NEXT)?;
        let noted = noted(note.as_deref(), changes);
        if note.as_ref() != Some(&noted) {
            next.contents.insert(NEXT.to_owned(), Some(noted.clone()));
        }
        next.note = Some(noted);
        Ok(next)
    }

    /// Says what was written, or would be.
    pub fn show(&self, session: &Session, dry_run: bool) {
        let Next { file, before, after, note, .. } = self;
        let (before, after) = (clean(before.as_deref().unwrap_or("none")), clean(after));
        session.ui.say(match (before == after, dry_run) {
            (true, _) => format!("The label says {after} already."),
            (false, false) => format!("{file}: the label says {after}, no longer {before}."),
            (false, true) => format!("{file}: the label would say {after}, no longer {before}."),
        });
        let Some(note) = note else { return };
        session.ui.say(format_args!("{NEXT}:"));
        for line in note.lines() {
            session.ui.say(format_args!("  {}", clean(line)));
        }
    }
}

/// A file that is not changed, with the line to write by hand.
pub fn unedited(file: &str, error: &Unedited, version: &str) -> Failure {
    let failure = Failure::new(format!("{file} was not changed: {error}"));
    failure.hint(match error {
        Unedited::NoApp => rename(file),
        Unedited::Unreadable(_) | Unedited::Unusual => format!(
            "write the label of the service `app` yourself: \
             `coop-cloud.${{STACK_NAME}}.version={version}`"
        ),
    })
}
