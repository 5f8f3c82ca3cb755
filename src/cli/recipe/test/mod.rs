//! `potluck recipe test`

mod answers;
mod bench;
mod copy;
mod neighbour;
mod origin;
mod results;
mod stages;
mod sweep;
mod unanswered;
mod witness;

use std::{fs, path::PathBuf, time::Duration};

use serde::{Serialize, Serializer};
use tokio_util::sync::CancellationToken;

use crate::{
    acceptance::{Lacking, Level, Outcome as Ended, Server, Stage, Verdict, junit, level},
    cli::{
        arguments::{JsonArg, duration},
        exit::Exit,
        failure::{Failure, Outcome},
        session::{Session, wait_cancelling},
        ui::clean,
    },
    home::ServerName,
};

use super::source::VersionArg;
use bench::{Bench, Place};
use copy::Copied;
use results::{Results, show};

/// Test a recipe as its users will use it, to a level of 0 to 9.
///
/// Installs apps of it, installs them again, beside each other and beside a stack of others,
/// upgrades one from the release before (from itself where there is none), restores a backup after a loss and on an empty swarm,
/// gives them new secrets and another domain, and looks each time whether the data is there.
/// A level counts only with all below it.
///
/// Without --server everything happens on a simulated server and takes about a minute; what a
/// hook needs of its services there, `tests/simulated.yml` answers. With --server it happens on
/// a real one, and is removed afterwards. Your own apps, backups and settings are not touched.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  potluck recipe test ./wiki
  potluck recipe test wiki 1.3.0+6.4.5 --server lab --level 7
  potluck recipe test . --junit report.xml
  potluck recipe test . --only install,restore --keep
  potluck recipe test ./wiki --from ~/wiki-of-last-year --only upgrade

Levels: 1 lint has no errors, and it installs; 2 the scenarios of its plugins pass; 3 it installs
again; 4 two at once, and neighbours are untouched; 5 it is upgraded; 6 it is restored; 7 on an
empty swarm, too; 8 secrets and domain change; 9 all of it on a real server, without a warning.
A stage that does not apply to the recipe lowers no level, and the level names it: \"without a
restore\". With --only there is no level. docs/recipes.md says more.

Settings: those of `.env.sample`, then of the recipe's `tests/settings.env`, then of --set. `{port}`
in a value is a free port, for each app another; `{port2}` to `{port4}` are more of them.

Exit codes: 0 nothing failed, and --level was reached; 1 a stage failed, or --level was not reached;
130 interrupted, and what was made is removed.

JSON: {recipe, version, server, level, shows, stopped_by, without, warnings, stages}; with --only,
`level`, `shows` and `stopped_by` are null. What the level is `without` is a list of {stage, what,
why}. A stage is {stage, result, why, lacks, seconds, commands}: its result `passed`, `failed`,
`not-applicable`, `not-shown` or `not-run`; `lacks` is what one that passed did not show.")]
pub struct Args {
    /// The recipe: its name, its folder, or the URL of its git repository
    #[arg(value_name = "RECIPE", default_value = ".")]
    recipe: String,

    #[command(flatten)]
    version: VersionArg,

    /// Test on this server of yours [default: a simulated one]
    #[arg(short, long, value_name = "NAME")]
    server: Option<ServerName>,

    /// A server without apps, to restore on; with --server
    #[arg(long, value_name = "NAME", requires = "server")]
    empty_server: Option<ServerName>,

    /// Upgrade from this version of the recipe, or from this folder [default: the release before]
    #[arg(long, value_name = "VERSION|FOLDER")]
    from: Option<String>,

    /// Only these stages, and what they need; without a level
    #[arg(long, value_name = "STAGE", value_delimiter = ',', value_parser = stage())]
    only: Vec<String>,

    /// A setting of the apps; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,

    /// Fail below this level
    #[arg(long, value_name = "N", conflicts_with = "only", value_parser = clap::value_parser!(u8).range(0..=9))]
    level: Option<u8>,

    /// Write the results into this file, as JUnit's XML
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,

    /// Grant what its plugins and services ask for, also on a server of yours
    #[arg(short, long)]
    yes: bool,

    /// Leave the apps, to look at them
    #[arg(long)]
    keep: bool,

    /// How long one command may take, 90s or 10m
    #[arg(long, value_name = "TIME", default_value = "15m", value_parser = duration)]
    timeout: Duration,

    #[command(flatten)]
    json: JsonArg,
}

fn stage() -> clap::builder::PossibleValuesParser {
    Stage::ALL.map(Stage::name).into()
}

#[derive(Serialize)]
struct Report {
    recipe: String,
    version: Option<String>,
    server: Server,
    /// None where stages were left out.
    #[serde(flatten, serialize_with = "flat")]
    level: Option<Level>,
    /// Of lint.
    warnings: usize,
    stages: Vec<Ended>,
}

/// The keys of a level, also where there is none.
fn flat<S: Serializer>(level: &Option<Level>, serializer: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Flat<'a> {
        level: Option<u8>,
        shows: Option<&'static str>,
        stopped_by: Option<&'a str>,
        without: &'a [Lacking],
    }
    let level = level.as_ref();
    Flat {
        level: level.map(|it| it.level),
        shows: level.map(|it| it.shows),
        stopped_by: level.and_then(|it| it.stopped_by.as_deref()),
        without: level.map(|it| it.without.as_slice()).unwrap_or_default(),
    }
    .serialize(serializer)
}

pub fn run(args: &Args, session: &Session) -> Outcome {
    let unwritable =
        |file: &PathBuf, error| Failure::io(format!("writing {}", file.display()), &error);
    // Known before minutes of testing are lost to it.
    if let Some(file) = &args.junit {
        fs::write(file, "").map_err(|error| unwritable(file, error))?;
    }
    let version = args.version.of(session, &args.recipe)?;
    let copied = Copied::of(session, &args.recipe, &version, args.from.as_deref())?;
    let place = Place::of(session, args.server.as_ref(), args.empty_server.as_ref())?;
    let server = place.server();
    let cancel = CancellationToken::new();
    let (recipe, version) = (copied.name.to_string(), copied.candidate.clone());
    let mut bench = Bench::new(copied, place, args.set.clone(), args.timeout, cancel.clone())?;
    if args.yes {
        bench.agree();
    }
    let wanted: Vec<Stage> = wanted(&args.only);
    let (outcomes, warnings) = wait_cancelling(&cancel, async {
        for line in bench.clear_older().await {
            session.ui.warn(clean(&line));
        }
        let mut results = Results::new(&session.ui, args.json.json);
        let tested = stages::all(&mut bench, &wanted, &mut results).await;
        if args.keep {
            let folder = bench.keep();
            session.ui.say(format_args!(
                "Kept: `POTLUCK_DIR={} potluck app ls` shows the apps.",
                folder.display()
            ));
        } else {
            for left in bench.clear().await {
                session.ui.warn(format_args!("was not removed: {}", clean(&left)));
            }
        }
        tested
    })?;
    let level = (wanted == Stage::ALL).then(|| level(&outcomes, server, warnings));
    if let Some(file) = &args.junit {
        let xml = junit(&recipe, &outcomes, level.as_ref().map(|level| (level, server)));
        fs::write(file, xml).map_err(|error| unwritable(file, error))?;
    }
    let failed = outcomes.iter().any(|ended| matches!(ended.verdict, Verdict::Failed(_)));
    let below = level.as_ref().zip(args.level).is_some_and(|(level, wanted)| level.level < wanted);
    let report = Report { recipe, version, server, level, warnings, stages: outcomes };
    session.report_of_texts(&report, &args.json, |report| match &report.level {
        Some(level) => show(&session.ui, level, report.server),
        None => session.ui.out("No level: --only left stages out."),
    })?;
    if let (Some(wanted), true) = (args.level, below) {
        session.ui.warn(format_args!("level {wanted} was asked for"));
    }
    Ok(if failed || below { Exit::FAILED } else { Exit::DONE })
}

/// The stages that were asked for, with those that they need; all where none was.
fn wanted(only: &[String]) -> Vec<Stage> {
    let mut wanted: Vec<Stage> = Stage::ALL
        .into_iter()
        .filter(|stage| only.is_empty() || only.iter().any(|name| name == stage.name()))
        .collect();
    for stage in Stage::ALL.into_iter().rev() {
        if wanted.contains(&stage) {
            wanted.extend(stage.needs());
        }
    }
    wanted.sort_unstable();
    wanted.dedup();
    wanted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_comes_with_what_it_needs() {
        assert_eq!(wanted(&[]), Stage::ALL);
        let names = |only: &[&str]| {
            let only: Vec<String> = only.iter().map(|name| (*name).to_owned()).collect();
            wanted(&only).into_iter().map(Stage::name).collect::<Vec<_>>()
        };
        assert_eq!(names(&["lint"]), ["lint"]);
        assert_eq!(names(&["domain"]), ["install", "restore", "domain"]);
    }
}
