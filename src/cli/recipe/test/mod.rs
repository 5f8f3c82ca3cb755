//! `potluck recipe test`

mod answers;
mod bench;
mod copy;
mod neighbour;
mod stages;
mod sweep;
mod witness;

use std::{fs, path::PathBuf, time::Duration};

use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::{
    acceptance::{Level, Outcome as Ended, Server, Stage, Verdict, junit, level},
    cli::{
        arguments::{JsonArg, duration},
        exit::Exit,
        failure::{Failure, Outcome},
        session::{Session, wait_cancelling},
        table::Table,
        ui::{Ui, clean},
    },
    home::ServerName,
};

use super::source::VersionArg;
use bench::{Bench, Place};
use copy::Copied;

/// Test a recipe as its users will use it, to a level of 0 to 9.
///
/// Installs apps of it, installs them again, beside each other and beside a stack of others,
/// upgrades one from the release before, restores a backup after a loss and on an empty swarm,
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

Levels: 1 lint has no errors, and it installs; 2 the scenarios of its plugins pass; 3 it installs
again; 4 two at once, and neighbours are untouched; 5 it is upgraded; 6 it is restored; 7 on an
empty swarm, too; 8 secrets and domain change; 9 all of it on a real server, without a warning.
docs/recipes.md says more.

Settings: those of `.env.sample`, then of the recipe's `tests/settings.env`, then of --set. `{port}`
in a value is a free port, for each app another; `{port2}` to `{port4}` are more of them.

Exit codes: 0 nothing failed, and --level was reached; 1 a stage failed, or --level was not reached;
130 interrupted, and what was made is removed.

JSON: {recipe, version, server, level, shows, stopped_by, warnings, stages}; a stage is {stage, result, why,
seconds, commands}, its result `passed`, `failed`, `not-applicable`, `not-shown` or `not-run`.")]
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

    /// Only these stages, and what they need
    #[arg(long, value_name = "STAGE", value_delimiter = ',', value_parser = stage())]
    only: Vec<String>,

    /// A setting of the apps; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,

    /// Fail below this level
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(0..=9))]
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
    #[serde(flatten)]
    level: Level,
    /// Of lint.
    warnings: usize,
    stages: Vec<Ended>,
}

pub fn run(args: &Args, session: &Session) -> Outcome {
    let unwritable =
        |file: &PathBuf, error| Failure::io(format!("writing {}", file.display()), &error);
    // Known before minutes of testing are lost to it.
    if let Some(file) = &args.junit {
        fs::write(file, "").map_err(|error| unwritable(file, error))?;
    }
    let copied = Copied::of(session, &args.recipe, &args.version.of(session, &args.recipe)?)?;
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
        let tested = stages::all(&mut bench, &wanted, &mut |ended| tell(&session.ui, ended)).await;
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
    if let Some(file) = &args.junit {
        fs::write(file, junit(&recipe, &outcomes)).map_err(|error| unwritable(file, error))?;
    }
    let level = level(&outcomes, server, warnings);
    let failed = outcomes.iter().any(|ended| matches!(ended.verdict, Verdict::Failed(_)));
    let below = args.level.is_some_and(|wanted| level.level < wanted);
    let report = Report { recipe, version, server, level, warnings, stages: outcomes };
    session.report(&report, &args.json, |report| show(session, report))?;
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

/// A stage that just ended.
fn tell(ui: &Ui, ended: &Ended) {
    let why = ended.verdict.why().map(|why| format!(": {}", clean(why))).unwrap_or_default();
    let seconds = ended.seconds.as_secs_f64();
    ui.say(format_args!("{} {} ({seconds:.1} s){why}", ended.stage, ended.verdict.word()));
    if matches!(ended.verdict, Verdict::Failed(_)) {
        for command in &ended.commands {
            ui.say(format_args!("  $ {}", clean(command)));
        }
    }
}

fn show(session: &Session, report: &Report) -> Result<(), Failure> {
    let mut table = Table::new(&["STAGE", "RESULT", "SECONDS", "SHOWS"]);
    for ended in &report.stages {
        let seconds = format!("{:.1}", ended.seconds.as_secs_f64());
        let (stage, word) = (ended.stage.name(), ended.verdict.word());
        table.row([stage, word, seconds.as_str(), ended.stage.about()]);
    }
    table.print(&session.ui)?;
    let at = report.level.level;
    let what = report.level.shows;
    let on = match report.server {
        Server::Simulated => "on a simulated server",
        Server::Real => "on a real server",
    };
    session.ui.out_lines(format_args!("Level {at}, {on}: {what}."))?;
    if let Some(why) = &report.level.stopped_by {
        let first = why.lines().next().unwrap_or_default();
        session.ui.say(format_args!("Not {}, because {}", at + 1, clean(first)));
    }
    Ok(())
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
