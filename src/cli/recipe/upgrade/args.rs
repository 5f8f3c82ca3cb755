//! Its arguments.

use std::time::Duration;

use clap::ValueEnum;

use crate::{
    cli::{
        arguments::{JsonArg, duration},
        recipe::authoring::{BumpArg, WorkArg},
    },
    recipe::author::Bump,
};

/// Write newer tags of images into a recipe.
///
/// Asks each image's registry, with the credentials that docker has for it (`docker login`).
/// Only tags of the same kind count: as many numbers, and the same words before and behind them
/// (`1.28.0-alpine` becomes `1.28.1-alpine`, never `1.29` or `1.28.1`). A tag is written where
/// it is: in a compose file, in the default of a variable, in .env.sample. At a terminal you
/// choose; else --major, --minor or --patch say how far to go. Nothing is committed.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  potluck recipe upgrade wiki
  potluck recipe upgrade wiki --minor --sync
  potluck recipe upgrade . --patch --min-age 3d --pin
  potluck recipe upgrade wiki --all-tags --dry-run --json

--minor keeps the first number of each tag, --patch the first two. A new major version of a
database is left out, because its data has to be moved: --database-majors takes it, and says
what must be done. An image that is pinned by its digest gets that of its new tag; with any of
these flags also where the tag was built anew.

When an image was built is what it says of itself. One that does not say it, or says what cannot
be right (1970, next year), is left out by --min-age.

All files are changed, or none. Exit code 3 where some registries did not answer.

JSON: {recipe, images, left_out, label, note}; an image is {file, service, variable, image, tag,
digest, newer, rebuilt, too_young, chosen, new_digest, created, release_notes, warning, written,
error}; `newer` are newer tags, newest first, at most ten without --all-tags; `file` is where
the tag is written. With --sync `label` is {file, before, after} and `note` what release/next
says, else null.")]
pub struct Args {
    #[command(flatten)]
    pub work: WorkArg,

    #[command(flatten)]
    pub bump: BumpArg,

    /// Take new major versions of databases, too
    #[arg(long)]
    pub database_majors: bool,

    /// Leave out images that were built less than this ago
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub min_age: Option<Duration>,

    /// Write the digest behind each tag
    #[arg(long)]
    pub pin: bool,

    /// Write the next version into the label, and the changes into release/next; the number
    /// that is raised follows from the greatest change
    #[arg(
        long,
        value_name = "NUMBER",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "auto"
    )]
    pub sync: Option<Raise>,

    /// Show all newer tags
    #[arg(short, long)]
    pub all_tags: bool,

    /// Show newer tags and change nothing
    #[arg(long)]
    pub dry_run: bool,

    #[command(flatten)]
    pub json: JsonArg,
}

/// Which number of the recipe's version is raised.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Raise {
    /// That of the greatest change
    Auto,
    Major,
    Minor,
    Patch,
}

impl Raise {
    /// None for what the changes say.
    pub fn bump(self) -> Option<Bump> {
        match self {
            Raise::Auto => None,
            Raise::Major => Some(Bump::Major),
            Raise::Minor => Some(Bump::Minor),
            Raise::Patch => Some(Bump::Patch),
        }
    }
}
