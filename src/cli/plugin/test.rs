//! `potluck plugin test`

use std::{
    collections::{BTreeSet, HashMap},
    path::{Path, PathBuf},
};

use serde::Serialize;
use serde_json::{Map, Value};

use crate::{
    cli::{
        arguments::JsonArg,
        exit::Exit,
        failure::{Failure, Outcome},
        session::{Session, wait},
    },
    hint::Hint,
    home::write::{self, Existing, Readers},
    plugin::{Plugin, Runtime},
    scenario::{self, Component, Error, Played, Scenario, file::read_text, find::Suite},
    text::line,
};

/// Test a plugin with scenarios, without any server.
///
/// A scenario is a file that says what is given (settings, secrets, what
/// services and origins answer), which hook is called, and what is
/// expected. The component itself runs, sandboxed as on a server.
///
/// PATH is a plugin's folder with tests/*.yml, a component with such a folder
/// beside it, a recipe's folder with plugins/NAME/tests/*.yml, or one scenario.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  potluck plugin test
  potluck plugin test plugins/wiki --filter first-deploy
  potluck plugin test plugins/wiki --update

Grants, options and limits that a scenario doesn't give are those of the
recipe.yml around the plugin. Ends with exit code 1 when a scenario failed.

--update changes only `expect`, in the steps whose result differs.

A scenario that gives the plugin the value of a secret causes a warning: for an app that
works only where a copy is kept and the operator has a key. A component that is older than
its sources causes one, too.

JSON: {passed, failed, updated, scenarios}; a scenario is {plugin, scenario, about, passed,
updated, error, warnings, steps}, a step {call, passed, difference, unanswered, actual}.")]
pub struct Args {
    /// What to test
    #[arg(value_name = "PATH", default_value = ".")]
    path: PathBuf,

    /// Only scenarios whose name or description contains this text
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,

    /// The component's file, or std:NAME [default: the one in PATH, or beside it]
    #[arg(long, value_name = "COMPONENT")]
    component: Option<String>,

    /// Write the actual results into the scenarios that failed, if every call of
    /// the plugin had an answer
    #[arg(long)]
    update: bool,

    #[command(flatten)]
    json: JsonArg,
}

#[derive(Serialize)]
struct Report {
    passed: usize,
    failed: usize,
    updated: usize,
    scenarios: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    plugin: String,
    scenario: String,
    about: Option<String>,
    passed: bool,
    /// Whether its file was updated to the actual results.
    updated: bool,
    /// Why it could not be played.
    error: Option<String>,
    #[serde(skip)]
    hint: Option<String>,
    /// Whether another scenario reported that already.
    #[serde(skip)]
    is_told: bool,
    /// Where a server would behave differently.
    warnings: Vec<String>,
    steps: Vec<StepRow>,
}

#[derive(Serialize)]
struct StepRow {
    call: String,
    passed: bool,
    difference: Option<String>,
    unanswered: Vec<Value>,
    actual: Map<String, Value>,
}

pub fn run(args: &Args, session: &Session) -> Outcome {
    let suites = scenario::find::find(&args.path)?;
    let mut bench =
        Bench { runtime: Runtime::new(&session.home()?.plugin_cache())?, plugins: HashMap::new() };
    let rows = wait("interrupted", async {
        let mut rows = Vec::new();
        for suite in &suites {
            for path in &suite.scenarios {
                if let Some(row) = bench.play(args, session, suite, path).await? {
                    if !args.json.json {
                        show(session, &row)?;
                    }
                    rows.push(row);
                }
            }
        }
        Ok(rows)
    })?;
    if rows.is_empty() {
        return Err(Failure::usage("no scenario matches the filter"));
    }
    let passed = rows.iter().filter(|row| row.passed).count();
    let updated = rows.iter().filter(|row| row.updated).count();
    let failed = rows.len() - passed - updated;
    if args.json.json {
        session.ui.json_of_texts(&Report { passed, failed, updated, scenarios: rows })?;
    } else {
        let updated = if updated == 0 { String::new() } else { format!(", {updated} updated") };
        session.ui.out(format_args!("{passed} passed, {failed} failed{updated}"))?;
    }
    Ok(if failed == 0 { Exit::DONE } else { Exit::FAILED })
}

/// The components that were loaded so far, or why they were not.
struct Bench {
    runtime: Runtime,
    plugins: HashMap<String, Result<Plugin, Obstacle>>,
}

/// Why a scenario cannot be played, or its file cannot be updated.
#[derive(Clone)]
struct Obstacle {
    message: String,
    hint: Option<String>,
    is_told: bool,
}

impl From<Error> for Obstacle {
    fn from(error: Error) -> Self {
        Obstacle { message: error.to_string(), hint: error.hint(), is_told: false }
    }
}

impl Bench {
    /// None when the filter leaves it out.
    async fn play(
        &mut self,
        args: &Args,
        session: &Session,
        suite: &Suite,
        path: &Path,
    ) -> Result<Option<Row>, Failure> {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let read = Scenario::read(path);
        let about = read.as_ref().ok().and_then(|scenario| scenario.about.clone());
        if let Some(filter) = &args.filter
            && !name.contains(filter)
            && !about.as_ref().is_some_and(|about| about.contains(filter))
        {
            return Ok(None);
        }
        let mut row = Row {
            plugin: suite.name.clone(),
            scenario: name,
            about,
            passed: false,
            updated: false,
            error: None,
            hint: None,
            is_told: false,
            warnings: Vec::new(),
            steps: Vec::new(),
        };
        let played = match read {
            Ok(scenario) => {
                let played = self.play_read(args, session, suite, path, &scenario).await;
                played.map(|played| (scenario, played))
            }
            Err(error) => Err(error.into()),
        };
        match played {
            Err(obstacle) => row.met(obstacle),
            Ok((scenario, played)) => {
                row.passed = played.iter().all(Played::passed);
                // A call without an answer failed for the scenario's own reason,
                // which is not what to expect of the plugin.
                let answered = played.iter().all(|step| step.unanswered.is_empty());
                if args.update && !row.passed && answered {
                    match rewrite(path, &corrected(&scenario, &played)) {
                        Ok(()) => row.updated = true,
                        Err(obstacle) => row.met(obstacle),
                    }
                }
                let revealed: BTreeSet<&String> =
                    played.iter().flat_map(|step| &step.revealed).collect();
                row.warnings = revealed
                    .into_iter()
                    .map(|name| {
                        format!(
                            "it is told the value of the secret `{name}`; on a server that \
                             call fails unless a copy is kept and the operator has a key \
                             (`{name}: null` plays it)"
                        )
                    })
                    .collect();
                row.steps = played.into_iter().map(Into::into).collect();
            }
        }
        Ok(Some(row))
    }

    async fn play_read(
        &mut self,
        args: &Args,
        session: &Session,
        suite: &Suite,
        path: &Path,
        scenario: &Scenario,
    ) -> Result<Vec<Played>, Obstacle> {
        let folder = path.parent().unwrap_or(Path::new(""));
        let component = match (&args.component, &scenario.component, &suite.component) {
            (Some(given), ..) => Component::named(given, Path::new(""))?,
            (None, Some(own), _) => Component::named(own, folder)?,
            (None, None, Some(beside)) => beside.clone(),
            (None, None, None) => return Err(Error::NoComponent { folder: folder.into() }.into()),
        };
        let key = component.to_string();
        let plugin = match self.plugins.get(&key) {
            Some(loaded) => loaded.clone(),
            None => {
                // Another component than the suite's has its sources elsewhere.
                if suite.component.as_ref() == Some(&component)
                    && let Some(newer) = component.newer_source(&suite.folder)
                {
                    session.ui.warn(format_args!(
                        "{component} is older than {}; `potluck plugin build` builds it again",
                        newer.display()
                    ));
                }
                let loaded = self.load(&suite.name, &component).await.map_err(Obstacle::from);
                let known = loaded.clone().map_err(|o| Obstacle { is_told: true, ..o });
                self.plugins.insert(key, known);
                loaded
            }
        }?;
        Ok(scenario::play(&plugin, scenario, &suite.defaults).await?)
    }

    async fn load(&self, name: &str, component: &Component) -> Result<Plugin, Error> {
        Ok(self.runtime.load(name, &component.read()?).await?)
    }
}

impl Row {
    fn met(&mut self, obstacle: Obstacle) {
        self.error = Some(obstacle.message);
        self.hint = obstacle.hint;
        self.is_told = obstacle.is_told;
    }
}

impl From<Played> for StepRow {
    fn from(played: Played) -> Self {
        StepRow {
            passed: played.passed(),
            call: played.call,
            difference: played.difference,
            unanswered: played.unanswered,
            actual: played.actual,
        }
    }
}

/// Writes the new expectations into a scenario's file; if that fails, the other
/// scenarios are still played.
fn rewrite(path: &Path, expects: &[Option<Map<String, Value>>]) -> Result<(), Obstacle> {
    let text = scenario::update(&read_text(path)?, expects)?;
    write::write_whole(path, text.as_bytes(), Existing::Replace, Readers::Shared).map_err(|error| {
        Obstacle { message: error.to_string(), hint: error.hint(), is_told: false }
    })
}

/// The new expectation of each step whose result differs.
fn corrected(scenario: &Scenario, played: &[Played]) -> Vec<Option<Map<String, Value>>> {
    let steps = scenario.steps.iter().zip(played);
    steps.map(|(step, played)| (!played.passed()).then(|| played.corrected(&step.expect))).collect()
}

fn show(session: &Session, row: &Row) -> Result<(), Failure> {
    let verdict = match (row.passed, row.updated) {
        (true, _) => "ok     ",
        (false, true) => "updated",
        (false, false) => "FAILED ",
    };
    let about = row.about.as_ref().map(|about| format!(": {}", line(about))).unwrap_or_default();
    let mut text = format!("{verdict} {}/{}{about}\n", row.plugin, row.scenario);
    if row.is_told {
        text.push_str("  as above\n");
    } else if let Some(error) = &row.error {
        text.push_str(&format!("  {error}\n"));
        let hint = row.hint.iter();
        hint.for_each(|hint| text.push_str(&format!("  hint: {}\n", line(hint))));
    }
    let failed = row.steps.iter().filter(|step| !step.passed && !row.updated);
    for step in failed {
        let mut part = String::new();
        if let Some(difference) = &step.difference {
            part.push_str("expected (-) and found (+)\n");
            part.push_str(difference);
        }
        if !step.unanswered.is_empty() {
            part.push_str("the scenario has no answer for\n");
            part.push_str(&yaml(&step.unanswered));
        }
        text.push_str(&format!("  {}\n", line(&step.call)));
        part.lines().for_each(|line| text.push_str(&format!("    {line}\n")));
    }
    session.ui.out_lines(text.trim_end())?;
    for warning in &row.warnings {
        session.ui.warn(format_args!("{}/{}: {warning}", row.plugin, row.scenario));
    }
    Ok(())
}

pub(super) fn yaml(value: &impl Serialize) -> String {
    // Every value of ours can be written; one that could not would be shown as
    // the reason.
    serde_saphyr::to_string(value).unwrap_or_else(|error| error.to_string())
}
