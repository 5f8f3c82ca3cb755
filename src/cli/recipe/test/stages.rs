//! What is typed in each stage.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Instant,
};

use serde_json::Value;

use super::{
    bench::{App, Bench, EMPTY, SERVER, Stop},
    neighbour::Neighbour,
    origin::Origin,
    results::Results,
    witness::Witness,
};
use crate::{
    acceptance::{Outcome, Stage, Verdict},
    cli::failure::Failure,
    secrets::escrow::next_version,
};

/// What later stages need of earlier ones.
struct Made {
    app: Option<(App, Witness)>,
    neighbour: Result<Neighbour, String>,
    warnings: usize,
}

/// Carries out the stages that are wanted, in their order, and shows them. With the number of
/// lint's warnings.
///
/// # Errors
/// When it is interrupted, or the results cannot be shown.
pub async fn all(
    bench: &mut Bench,
    wanted: &[Stage],
    results: &mut Results<'_>,
) -> Result<(Vec<Outcome>, usize), Failure> {
    let neighbour = Err("it was not tried".to_owned());
    let mut made = Made { app: None, neighbour, warnings: 0 };
    let mut outcomes: Vec<Outcome> = vec![];
    for stage in Stage::ALL {
        let began = Instant::now();
        let mut lacks = None;
        let verdict = match prevented(stage, wanted, &outcomes) {
            Some(verdict) => verdict,
            None => {
                results.begin(stage);
                match one(stage, bench, &mut made).await {
                    Ok(said) => {
                        lacks = said;
                        Verdict::Passed
                    }
                    Err(Stop::Failed(why)) => Verdict::Failed(why),
                    Err(Stop::NotShown(why)) => Verdict::NotShown(why),
                    Err(Stop::NotApplicable(why)) => Verdict::NotApplicable(why),
                    Err(Stop::Interrupted) => break,
                }
            }
        };
        let (seconds, commands) = (began.elapsed(), bench.typed());
        let outcome = Outcome { stage, verdict, lacks, seconds, commands };
        if wanted.contains(&stage) {
            results.end(&outcome)?;
        }
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

/// One stage; what it did not show of what it is about, if it passed.
async fn one(stage: Stage, bench: &mut Bench, made: &mut Made) -> Result<Option<String>, Stop> {
    match stage {
        Stage::Lint => lint(bench, made).await,
        Stage::Scenarios => scenarios(bench).await,
        Stage::Install => install(bench, made).await,
        Stage::Again => again(bench, made).await,
        Stage::Twice => twice(bench, made).await,
        Stage::Upgrade => return upgrade(bench).await,
        Stage::Restore => restore(bench, made).await,
        Stage::EmptySwarm => empty_swarm(bench, made).await,
        Stage::Rotate => rotate(bench, made).await,
        Stage::Domain => domain(bench, made).await,
        Stage::Neighbour => neighbour(bench, made).await,
    }
    .map(|()| None)
}

/// The app of the first stages.
fn first(made: &Made) -> Result<(App, Witness), Stop> {
    made.app.clone().ok_or_else(|| Stop::Failed("there is no app".into()))
}

async fn lint(bench: &mut Bench, made: &mut Made) -> Result<(), Stop> {
    let folder = format!("./{}", bench.recipe.name);
    let ran = bench.run(&["recipe", "lint", &folder, "--json"]).await?;
    let report: Value = serde_json::from_str(&ran.stdout).map_err(|_| bench.stopped(&ran))?;
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
    let own = bench.recipe.plugins();
    if own.is_empty() {
        return Err(Stop::NotApplicable("it has no plugins of its own".into()));
    }
    let folder = format!("./{}", bench.recipe.name);
    let report = bench.json(&["plugin", "test", &folder]).await?;
    let played = report["scenarios"].as_array().cloned().unwrap_or_default();
    let without: Vec<String> =
        own.into_iter().filter(|name| !played.iter().any(|it| it["plugin"] == **name)).collect();
    match without.is_empty() {
        true => Ok(()),
        false => Err(Stop::Failed(format!(
            "these plugins have no scenario in plugins/NAME/tests: {}",
            without.join(", ")
        ))),
    }
}

async fn install(bench: &mut Bench, made: &mut Made) -> Result<(), Stop> {
    // The copies of secrets are needed where nothing else is left.
    bench.good(&["key", "new"]).await?;
    let tag = bench.recipe.tag();
    let app = bench.install("one", &tag).await?;
    let witness = Witness::plant(bench, &app, "one").await?;
    // The image of the app is there.
    let image = image(bench, &app).await?;
    made.neighbour = match Neighbour::move_in(bench, &image).await {
        Ok(neighbour) => Ok(neighbour),
        Err(Stop::Interrupted) => return Err(Stop::Interrupted),
        Err(Stop::Failed(why) | Stop::NotShown(why) | Stop::NotApplicable(why)) => Err(why),
    };
    made.app = Some((app, witness));
    Ok(())
}

/// The image of one of an app's services.
async fn image(bench: &mut Bench, app: &App) -> Result<String, Stop> {
    let rows = bench.json(&["app", "services", &app.domain, "--server", app.server]).await?;
    let rows = rows.as_array().cloned().unwrap_or_default();
    let named = rows.iter().find(|row| row["service"] == "app").or_else(|| rows.first());
    let image = named.and_then(|row| row["image"].as_str()).unwrap_or_default();
    Ok(image.to_owned())
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
    let second = match bench.install("two", &tag).await {
        Err(Stop::Failed(why)) if is_of_ports(&why) => {
            return Err(Stop::NotShown(format!(
                "two apps of it publish the same port, unless a setting has it, to which the test \
                 gives `{{port}}`: {why}"
            )));
        }
        installed => installed?,
    };
    let other = Witness::plant(bench, &second, "two").await?;
    witness.holds(bench, &app).await?;
    other.holds(bench, &second).await?;
    bench.remove(&second).await?;
    // What the second took with it was its own.
    witness.holds(bench, &app).await
}

/// Whether a deploy failed for a port that another service has.
fn is_of_ports(why: &str) -> bool {
    ["is published by the service", "is taken by the service"].iter().any(|it| why.contains(it))
}

async fn upgrade(bench: &mut Bench) -> Result<Option<String>, Stop> {
    let (before, after) = bench.recipe.upgrade();
    let app = bench.install("old", &before).await?;
    let witness = Witness::plant(bench, &app, "old").await?;
    bench.deploy(SERVER, &["app", "upgrade", &app.domain, &after, "--no-input"]).await?;
    running(bench, &app).await?;
    witness.holds(bench, &app).await?;
    bench.remove(&app).await?;
    Ok(match bench.recipe.origin {
        Origin::Other { .. } => None,
        Origin::Itself(why) => Some(format!("upgraded onto itself: {why}")),
    })
}

async fn restore(bench: &mut Bench, made: &mut Made) -> Result<(), Stop> {
    let (app, witness) = first(made)?;
    bench.good(&["backup", "create", &app.domain]).await?;
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
    let server = if bench.has_empty { EMPTY } else { SERVER };
    let there = App { domain: app.domain.clone(), server };
    if !bench.has_empty {
        // Where there is one server only, it is empty of the app.
        bench.remove(&app).await?;
    }
    bring_back(bench, &app, &there).await?;
    running(bench, &there).await?;
    witness.holds(bench, &there).await?;
    match bench.has_empty {
        true => bench.remove(&there).await,
        false => Ok(()),
    }
}

/// Makes an app out of another one's backup.
async fn bring_back(bench: &mut Bench, of: &App, app: &App) -> Result<(), Stop> {
    let (source, name) = (of.domain.as_str(), app.domain.as_str());
    let at = ["--server", of.server, "--to-server", app.server, "--to-app", name];
    let arguments = [&["backup", "restore", source][..], &at, &["--yes", "--no-input"]].concat();
    bench.deploy(app.server, &arguments).await?;
    Ok(())
}

async fn rotate(bench: &mut Bench, made: &mut Made) -> Result<(), Stop> {
    let (app, witness) = first(made)?;
    let at = [app.domain.as_str(), "--server", SERVER];
    let secrets = bench.json(&[&["app", "secret", "ls"][..], &at].concat()).await?;
    let made_here = |it: &&Value| it["generate"] != false && it["current"] == true;
    let versions: BTreeMap<String, String> = secrets
        .as_array()
        .into_iter()
        .flatten()
        .filter(made_here)
        .filter_map(|it| Some((it["name"].as_str()?.into(), it["version"].as_str()?.into())))
        .collect();
    if versions.is_empty() {
        return Err(Stop::NotApplicable("it has no secrets that are made for it".into()));
    }
    let mut stores = bench.recipe.stores();
    stores.retain(|(_, secret)| versions.contains_key(secret));
    let is_store = |name: &String| stores.iter().any(|(_, secret)| secret == name);
    let plain: Vec<&str> =
        versions.keys().filter(|name| !is_store(name)).map(String::as_str).collect();
    if !plain.is_empty() {
        bench.good(&[&["app", "secret", "rotate"][..], &at, &plain].concat()).await?;
    }
    for (plugin, secret) in &stores {
        let next = next_version(&versions[secret], &BTreeSet::new());
        let key = secret.to_uppercase().replace('-', "_");
        let setting = format!("SECRET_{key}_VERSION={next}");
        bench.good(&[&["app", "env", "set"][..], &at, &[&setting]].concat()).await?;
        let command = match stores.len() {
            1 => "rotate-password".to_owned(),
            _ => format!("{plugin}:rotate-password"),
        };
        bench.good(&[&["app", "cmd"][..], &at, &[&command]].concat()).await?;
    }
    bench.deploy(SERVER, &[&["app", "deploy"][..], &at, &["--no-input"]].concat()).await?;
    running(bench, &app).await?;
    witness.holds(bench, &app).await
}

async fn domain(bench: &mut Bench, made: &mut Made) -> Result<(), Stop> {
    let (app, witness) = first(made)?;
    let other = bench.app("other", SERVER);
    // One domain goes, the other comes: both would publish the same ports.
    bench.good(&["app", "undeploy", &app.domain, "--server", SERVER, "--yes"]).await?;
    bring_back(bench, &app, &other).await?;
    running(bench, &other).await?;
    witness.holds(bench, &other).await?;
    bench.remove(&other).await
}

async fn neighbour(bench: &mut Bench, made: &mut Made) -> Result<(), Stop> {
    match made.neighbour.clone() {
        Ok(neighbour) => neighbour.is_as_it_was(bench).await,
        Err(why) => Err(Stop::NotShown(format!(
            "a stack with the image of the recipe's service and a shell as its program did not \
             run: {why}"
        ))),
    }
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
    fn a_port_that_another_has_is_told_from_other_failures() {
        assert!(is_of_ports("port 465/tcp of the service `app` is published by the service `x`"));
        assert!(is_of_ports("app: rejected: port 80 is taken by the service `x`"));
        assert!(!is_of_ports("app: exit code 1"));
    }

    #[test]
    fn a_stage_is_not_begun_without_what_it_needs() {
        let outcome = |stage, verdict| Outcome {
            stage,
            verdict,
            lacks: None,
            seconds: Duration::ZERO,
            commands: vec![],
        };
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
