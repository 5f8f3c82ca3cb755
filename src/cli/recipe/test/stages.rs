//! What is typed in each stage.

use std::time::Instant;

use super::{
    bench::{App, Bench, EMPTY, SERVER, Stop},
    witness::Witness,
};
use crate::{
    acceptance::{Outcome, Stage, Verdict},
    cli::failure::Failure,
};

/// What later stages need of earlier ones.
#[derive(Default)]
struct Made {
    app: Option<(App, Witness)>,
    /// Whether there is a backup of it.
    saved: bool,
    neighbour: Option<(String, serde_json::Value)>,
    warnings: usize,
}

/// Carries out the stages that are wanted, in their order; `told` hears of each. With the number
/// of lint's warnings.
///
/// # Errors
/// When it is interrupted.
pub async fn all(
    bench: &mut Bench,
    wanted: &[Stage],
    told: &mut dyn FnMut(&Outcome),
) -> Result<(Vec<Outcome>, usize), Failure> {
    let mut made = Made::default();
    let mut outcomes: Vec<Outcome> = vec![];
    for stage in Stage::ALL {
        let began = Instant::now();
        let verdict = match prevented(stage, wanted, &outcomes) {
            Some(verdict) => verdict,
            None => match one(stage, bench, &mut made).await {
                Ok(()) => Verdict::Passed,
                Err(Stop::Failed(why)) => Verdict::Failed(why),
                Err(Stop::NotShown(why)) => Verdict::NotShown(why),
                Err(Stop::NotApplicable(why)) => Verdict::NotApplicable(why),
                Err(Stop::Interrupted) => break,
            },
        };
        let outcome = Outcome { stage, verdict, seconds: began.elapsed(), commands: bench.typed() };
        told(&outcome);
        outcomes.push(outcome);
    }
    match bench.is_cancelled() {
        true => Err(Failure::interrupted("interrupted: what was made is removed")),
        false => Ok((outcomes, made.warnings)),
    }
}

/// Why a stage is not begun, if it is not.
fn prevented(stage: Stage, wanted: &[Stage], outcomes: &[Outcome]) -> Option<Verdict> {
    if !wanted.contains(&stage) {
        return Some(Verdict::NotRun("it was not asked for".into()));
    }
    let needed = stage.needs()?;
    let before = outcomes.iter().find(|outcome| outcome.stage == needed)?;
    match &before.verdict {
        Verdict::Passed => None,
        // Where there is no data, an app can come back without it.
        Verdict::NotApplicable(_) => None,
        Verdict::NotShown(_) => Some(Verdict::NotShown(format!("{needed} was not shown"))),
        _ => Some(Verdict::NotRun(format!("{needed} did not pass"))),
    }
}

async fn one(stage: Stage, bench: &mut Bench, made: &mut Made) -> Result<(), Stop> {
    match stage {
        Stage::Lint => lint(bench, made).await,
        Stage::Scenarios => scenarios(bench).await,
        Stage::Install => install(bench, made).await,
        Stage::Again => again(bench, made).await,
        Stage::Twice => twice(bench, made).await,
        Stage::Upgrade => upgrade(bench).await,
        Stage::Restore => restore(bench, made).await,
        Stage::EmptySwarm => empty_swarm(bench, made).await,
        Stage::Rotate => rotate(bench, made).await,
        Stage::Domain => domain(bench, made).await,
        Stage::Neighbour => neighbour(bench, made).await,
    }
}

/// The app of the first stages.
fn first(made: &Made) -> Result<(App, Witness), Stop> {
    made.app.clone().ok_or_else(|| Stop::Failed("there is no app".into()))
}

async fn lint(bench: &mut Bench, made: &mut Made) -> Result<(), Stop> {
    let folder = format!("./{}", bench.recipe.name);
    let ran = bench.run(&["recipe", "lint", &folder, "--json"]).await?;
    let report: serde_json::Value =
        serde_json::from_str(&ran.stdout).map_err(|_| bench.stopped(&ran))?;
    let findings = report["findings"].as_array().cloned().unwrap_or_default();
    made.warnings = findings.iter().filter(|it| it["severity"] == "warning").count();
    let errors = findings.iter().filter(|it| it["severity"] == "error");
    let texts: Vec<String> = errors
        .map(|it| {
            let at = it["position"].as_str().unwrap_or_default();
            format!("{at}: {}", it["message"].as_str().unwrap_or_default())
        })
        .collect();
    match texts.is_empty() {
        true => Ok(()),
        false => Err(Stop::Failed(texts.join("\n"))),
    }
}

async fn scenarios(bench: &mut Bench) -> Result<(), Stop> {
    if !bench.recipe.has_plugins() {
        return Err(Stop::NotApplicable("it has no plugins of its own".into()));
    }
    let folder = format!("./{}", bench.recipe.name);
    bench.good(&["plugin", "test", &folder]).await?;
    Ok(())
}

async fn install(bench: &mut Bench, made: &mut Made) -> Result<(), Stop> {
    // The copies of secrets are needed where nothing else is left.
    bench.good(&["key", "new"]).await?;
    let name = bench.stack_name("neighbour");
    let text = "services: {quiet: {image: none, deploy: {replicas: 0}}}\n\
                volumes: {data: }\nnetworks: {default: {labels: {kept: 'yes'}}}\n";
    bench.stack(SERVER, &name, text).await?;
    let seen = neighbours(bench, &name).await?;
    made.neighbour = Some((name, seen));
    let tag = bench.recipe.tag();
    let app = bench.install("one", &tag).await?;
    let witness = Witness::plant(bench, &app, "one").await?;
    made.app = Some((app, witness));
    Ok(())
}

async fn again(bench: &mut Bench, made: &mut Made) -> Result<(), Stop> {
    let (app, witness) = first(made)?;
    let ran = bench.run(&["app", "plan", &app.domain, "--exit-code"]).await?;
    match ran.code {
        0 => {}
        7 => {
            let changes = ran.stdout.trim();
            return Err(Stop::Failed(format!(
                "a second deploy would change something:\n{changes}"
            )));
        }
        _ => return Err(bench.stopped(&ran)),
    }
    bench.deploy(SERVER, &["app", "deploy", &app.domain, "--no-input"]).await?;
    bench.good(&["app", "undeploy", &app.domain, "--yes"]).await?;
    bench.deploy(SERVER, &["app", "deploy", &app.domain, "--no-input"]).await?;
    witness.holds(bench, &app).await
}

async fn twice(bench: &mut Bench, made: &mut Made) -> Result<(), Stop> {
    let (app, witness) = first(made)?;
    let tag = bench.recipe.tag();
    let second = bench.install("two", &tag).await?;
    let other = Witness::plant(bench, &second, "two").await?;
    witness.holds(bench, &app).await?;
    other.holds(bench, &second).await?;
    bench.remove(&second).await?;
    // What the second took with it was its own.
    witness.holds(bench, &app).await
}

async fn upgrade(bench: &mut Bench) -> Result<(), Stop> {
    let Some(previous) = bench.recipe.previous.clone() else {
        return Err(Stop::NotApplicable("there is no release before".into()));
    };
    let app = bench.install("old", &previous).await?;
    let witness = Witness::plant(bench, &app, "old").await?;
    let tag = bench.recipe.tag();
    bench.deploy(SERVER, &["app", "upgrade", &app.domain, &tag, "--no-input"]).await?;
    witness.holds(bench, &app).await?;
    bench.remove(&app).await
}

async fn restore(bench: &mut Bench, made: &mut Made) -> Result<(), Stop> {
    let (app, witness) = first(made)?;
    bench.good(&["backup", "create", &app.domain]).await?;
    made.saved = true;
    if witness.is_nothing() {
        return Err(Stop::NotApplicable("it has no data".into()));
    }
    witness.spoil(bench, &app).await?;
    bench.good(&["app", "undeploy", &app.domain, "--yes"]).await?;
    bench.good(&["app", "volume", "rm", &app.domain, "--all", "--yes", "--no-backup"]).await?;
    bench.good(&["backup", "restore", &app.domain, "--yes"]).await?;
    running(bench, &app).await?;
    witness.holds(bench, &app).await
}

async fn empty_swarm(bench: &mut Bench, made: &mut Made) -> Result<(), Stop> {
    let (app, witness) = first(made)?;
    if !bench.has_empty {
        let why = "there is one server: --empty-server names another, without apps";
        return Err(Stop::NotShown(why.into()));
    }
    let there = App { domain: app.domain.clone(), server: EMPTY };
    bench.made(&there);
    bench
        .deploy(
            EMPTY,
            &[
                "backup",
                "restore",
                &app.domain,
                "--server",
                SERVER,
                "--to-server",
                EMPTY,
                "--yes",
                "--no-input",
            ],
        )
        .await?;
    running(bench, &there).await?;
    witness.holds(bench, &there).await?;
    bench.remove(&there).await
}

async fn rotate(bench: &mut Bench, made: &mut Made) -> Result<(), Stop> {
    let (app, witness) = first(made)?;
    let secrets = bench.json(&["app", "secret", "ls", &app.domain, "--server", SERVER]).await?;
    let names: Vec<String> = secrets
        .as_array()
        .into_iter()
        .flatten()
        .filter(|secret| secret["generate"] != false)
        .filter_map(|secret| secret["name"].as_str().map(str::to_owned))
        .collect();
    if names.is_empty() {
        return Err(Stop::NotApplicable("it has no secrets that are made for it".into()));
    }
    let mut arguments = vec!["app", "secret", "rotate", &app.domain, "--server", SERVER];
    arguments.extend(names.iter().map(String::as_str));
    bench.good(&arguments).await?;
    bench.deploy(SERVER, &["app", "deploy", &app.domain, "--server", SERVER, "--no-input"]).await?;
    running(bench, &app).await?;
    witness.holds(bench, &app).await
}

async fn domain(bench: &mut Bench, made: &mut Made) -> Result<(), Stop> {
    let (app, witness) = first(made)?;
    let other = bench.app("other", SERVER);
    bench.made(&other);
    bench
        .deploy(
            SERVER,
            &[
                "backup",
                "restore",
                &app.domain,
                "--server",
                SERVER,
                "--to-server",
                SERVER,
                "--to-app",
                &other.domain,
                "--yes",
                "--no-input",
            ],
        )
        .await?;
    running(bench, &other).await?;
    witness.holds(bench, &other).await?;
    bench.remove(&other).await
}

async fn neighbour(bench: &mut Bench, made: &mut Made) -> Result<(), Stop> {
    let Some((name, before)) = made.neighbour.clone() else {
        return Err(Stop::Failed("there is no neighbour".into()));
    };
    let now = neighbours(bench, &name).await?;
    match now == before {
        true => Ok(()),
        false => Err(Stop::Failed(format!("the stack {name} was {before}, and is {now}"))),
    }
}

/// What a stack of others is.
async fn neighbours(bench: &mut Bench, name: &str) -> Result<serde_json::Value, Stop> {
    bench.json(&["stack", "services", "--server", SERVER, name]).await
}

/// Whether each task that should run does.
async fn running(bench: &mut Bench, app: &App) -> Result<(), Stop> {
    let rows = bench.json(&["app", "services", &app.domain, "--server", app.server]).await?;
    for row in rows.as_array().into_iter().flatten() {
        if row["running"] != row["desired"] && row["completed"].is_null() {
            let service = row["service"].as_str().unwrap_or_default();
            return Err(Stop::Failed(format!("the service `{service}` does not run")));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_stage_is_not_begun_without_what_it_needs() {
        let outcome =
            |stage, verdict| Outcome { stage, verdict, seconds: Duration::ZERO, commands: vec![] };
        let all = Stage::ALL;
        let failed = [outcome(Stage::Install, Verdict::Failed("no".into()))];
        assert!(matches!(prevented(Stage::Again, &all, &failed), Some(Verdict::NotRun(_))));
        let unseen = [outcome(Stage::Install, Verdict::NotShown("no".into()))];
        assert!(matches!(prevented(Stage::Again, &all, &unseen), Some(Verdict::NotShown(_))));
        let empty = [outcome(Stage::Restore, Verdict::NotApplicable("no".into()))];
        assert_eq!(prevented(Stage::Domain, &all, &empty), None);
        assert!(matches!(prevented(Stage::Lint, &[], &[]), Some(Verdict::NotRun(_))));
    }
}
