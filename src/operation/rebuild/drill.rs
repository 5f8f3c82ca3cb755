//! A drill: a backup is restored as an app of its own, sealed off, and removed again. What
//! came of it is signed.
//!
//! The app is a rebuild whose files stay aside, under a name that follows from the app's and
//! belongs to nothing else; so a drill that was killed is found by the next one, on any
//! machine, by the journal that it left on the server.

use std::{path::PathBuf, sync::Arc};

use jiff::Timestamp;
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::{
    plan::NewApp,
    prepare::Rebuild,
    run::{DATA, SERVICES, go, identity_of},
    undo::undo,
    watch::Watch,
};
use crate::{
    app::{self, App, Context, Error as AppError},
    backup::{
        Error, ItemKind, Options, SetId, Which,
        evidence::{self, Evidence, Restored},
        restore::obstacle::Obstacle,
        set::manifest::Item,
    },
    engine,
    hint::Hint,
    home::{AppEntry, AppGuard, AppName, EnvFile, LockFile, ServerName},
    operation::{
        claim::claim,
        journal::Journal,
        lease::{Lease, leased, leased_anyway},
        unfinished,
    },
    owner::{Claimant, Confined},
    text::one_line,
};

/// What has the app while it is drilled.
const DOING: &str = "a drill";
/// The end of the names of apps that are drilled: no resolver knows any below it (RFC 6761).
const NOWHERE: &str = "invalid";
/// Hex digits that tell drilled apps apart.
const DIGITS: usize = 12;

/// What came of a drill.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Drilled {
    #[serde(flatten)]
    pub evidence: Evidence,
    /// Where it is kept.
    pub file: PathBuf,
    /// What to type.
    pub next: Option<String>,
}

/// What a drill would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DrillPlan {
    pub app: String,
    pub server: String,
    /// The server that it would be on.
    pub on: String,
    /// The app's name meanwhile.
    pub drilled_as: String,
    pub set: SetId,
    pub taken: Timestamp,
    pub bytes: u64,
    pub services: Vec<String>,
    pub volumes: Vec<String>,
    pub secrets: Vec<String>,
    pub left_out: Vec<String>,
    pub warnings: Vec<String>,
}

/// What is known of a drill so far.
#[derive(Default)]
struct Facts {
    set: Option<String>,
    taken: Option<Timestamp>,
    recipe: Option<String>,
    version: Option<String>,
    items: Vec<Item>,
    services: Vec<String>,
    left_out: Vec<String>,
    checks: Vec<String>,
}

/// The app that is made of another one's backup. Its name follows from that one's, so that
/// what a drill left is found by the next.
fn scratch(source: &AppEntry, server: &ServerName) -> Result<AppEntry, Error> {
    let digest = Sha256::digest(format!("{}/{}", source.server, source.name));
    let name = format!("drill-{}.{NOWHERE}", &hex::encode(digest)[..DIGITS]);
    let name = AppName::new(&name).map_err(AppError::from)?;
    Ok(AppEntry { name, server: server.clone() })
}

/// What a drill of an app's newest backup on a server would do; changes nothing.
///
/// # Errors
/// As of a rebuild: what keeps the app from being made.
pub async fn plan_drill(
    context: &Context,
    source: &AppEntry,
    server: &ServerName,
    options: &Options,
) -> Result<DrillPlan, Error> {
    let scratch = scratch(source, server)?;
    let guard = claim(&context.home, &scratch, DOING, context.lock_wait).await?;
    let sealed = context.in_folder(context.home.clone())?.sealed();
    let engine = engine_of(&sealed, &scratch)?;
    if unfinished::look(&engine).await?.is_some() {
        return Err(Error::DrillLeft { app: source.name.to_string() });
    }
    let rebuild = prepare(&sealed, &guard, source, options).await?;
    let plan = rebuild.plan;
    Ok(DrillPlan {
        app: source.name.to_string(),
        server: source.server.to_string(),
        on: server.to_string(),
        drilled_as: plan.app,
        set: plan.set,
        taken: plan.taken,
        bytes: plan.bytes,
        services: plan.services,
        volumes: plan.volumes,
        secrets: plan.secrets,
        left_out: rebuild.left_out,
        warnings: plan.warnings,
    })
}

/// Drills an app's newest backup on a server. What fails is in the evidence.
///
/// # Errors
/// Where no evidence can be made: another drill of the app is at work, it is cancelled, or
/// evidence cannot be signed or written.
pub async fn drill(
    context: &Context,
    source: &AppEntry,
    server: &ServerName,
    options: &Options,
) -> Result<Drilled, Error> {
    let scratch = scratch(source, server)?;
    let guard = claim(&context.home, &scratch, DOING, context.lock_wait).await?;
    let sealed = context.in_folder(context.home.clone())?.sealed();
    let (mut facts, mut watch) = (Facts::default(), Watch::start());
    let began = Timestamp::now();
    let work = carry_out(&sealed, &guard, source, options, &mut facts, &mut watch);
    // Boxed: the future of a rebuild is large.
    let done = Box::pin(work).await;
    let error = match done {
        Err(error @ (Error::Cancelled { .. } | Error::Interrupted)) => return Err(error),
        // Nothing was tried.
        Err(Error::Operation(error @ AppError::Taken(_))) => return Err(error.into()),
        done => done.err(),
    };
    let next = error.as_ref().and_then(|error| next(error, source, &scratch));
    let checks = checks(&facts, &watch);
    let evidence = Evidence {
        potluck: env!("CARGO_PKG_VERSION").to_owned(),
        app: source.name.to_string(),
        server: source.server.to_string(),
        on: server.to_string(),
        by: context.operator.to_string(),
        began,
        ended: Timestamp::now(),
        ok: error.is_none(),
        error: error.as_ref().map(|error| one_line(&error.to_string())),
        set: facts.set,
        taken: facts.taken,
        recipe: facts.recipe,
        version: facts.version,
        checks,
        items: facts.items.iter().map(restored).collect(),
        steps: watch.steps,
        left_out: facts.left_out,
    };
    let file = evidence::file(context, source, &evidence)?;
    Ok(Drilled { evidence, file, next })
}

/// What to do about a drill that failed.
fn next(error: &Error, source: &AppEntry, scratch: &AppEntry) -> Option<String> {
    if let Error::Obstacle(obstacle) = error
        && let Obstacle::Secrets { .. } = **obstacle
    {
        return Some(format!(
            "a drill opens the copies of secrets with the key that $POTLUCK_IDENTITY names, or \
             ~/.config/potluck/identity; `potluck app secret adopt {}` keeps those that have \
             none, for the next backup",
            source.name
        ));
    }
    // What it is called meanwhile is gone by now.
    error.hint().map(|hint| one_line(&hint)).filter(|hint| !hint.contains(scratch.name.as_str()))
}

fn restored(item: &Item) -> Restored {
    let (kind, name) = (item.kind, item.name.to_string());
    Restored { kind, name, bytes: item.bytes, tree: item.tree.clone() }
}

/// What was checked, and was good.
fn checks(facts: &Facts, watch: &Watch) -> Vec<String> {
    let mut checks = Vec::new();
    if facts.set.is_some() {
        checks.push("the manifest is signed by a machine of the team".to_owned());
    }
    if watch.has(DATA) {
        checks.extend(facts.items.iter().filter_map(|item| {
            let Item { name, bytes, .. } = item;
            match item.kind {
                ItemKind::Volume => Some(format!(
                    "volume {name}: restored, read again, equal to the backup ({bytes} bytes)"
                )),
                ItemKind::Dump => Some(format!("dump {name}: loaded whole ({bytes} bytes)")),
                ItemKind::Custom | ItemKind::Settings => None,
            }
        }));
    }
    if watch.has(SERVICES) {
        checks.push(format!("services run: {}", facts.services.join(", ")));
    }
    checks.extend(facts.checks.iter().cloned());
    checks
}

async fn prepare(
    context: &Context,
    guard: &AppGuard,
    source: &AppEntry,
    options: &Options,
) -> Result<Rebuild, Error> {
    let target = NewApp {
        source: source.clone(),
        app: guard.app().clone(),
        server: None,
        new_secrets: Default::default(),
        identity: identity_of(context)?,
    };
    Box::pin(Rebuild::prepare(context, guard, target, &Which::Latest, options)).await
}

async fn carry_out(
    context: &Context,
    guard: &AppGuard,
    source: &AppEntry,
    options: &Options,
    facts: &mut Facts,
    watch: &mut Watch,
) -> Result<(), Error> {
    sweep(context, guard, source).await?;
    let rebuild = prepare(context, guard, source, options).await?;
    let plan = &rebuild.plan;
    facts.set = Some(plan.set.to_string());
    facts.taken = Some(plan.taken);
    facts.recipe = Some(plan.recipe.clone());
    facts.version.clone_from(&plan.version);
    facts.items.clone_from(&rebuild.items);
    facts.services.clone_from(&plan.services);
    facts.left_out.clone_from(&rebuild.left_out);
    watch.lap("prepare");
    let there = context.in_folder(rebuild.aside.home())?;
    let mut app: App = app::load_deployed(&there, guard.app()).await?;
    let engine = Arc::clone(&app.engine);
    let (done, removed) = leased(&there, &engine, guard, DOING, async |lease: &Lease| {
        let journal = Journal::begin(&engine, lease, rebuild.entry(&app, lease)?).await?;
        let identity = rebuild.target.identity.as_ref();
        let going = go(&there, guard, &mut app, identity, options, &journal, watch);
        let done = Box::pin(going).await;
        let removed = undo(&there, guard, &engine, journal).await;
        watch.lap("remove");
        Ok::<_, Error>((done, removed))
    })
    .await?;
    if let Err(error) = removed {
        let left = "what the drill made is not all removed; the next drill of this app removes it";
        context.progress.warn(format!("{left}: {error}"));
        // What failed first is the cause.
        done?;
        return Err(error);
    }
    let report = done?;
    let consumed = rebuild.items.iter().filter(|item| item.kind == ItemKind::Custom);
    let consumed = consumed.map(|item| format!("item {}: taken back by its plugin", item.name));
    facts.checks.extend(consumed);
    facts.checks.extend(report.checks);
    Ok(())
}

/// The engine of the server, confined to the app that is drilled.
fn engine_of(context: &Context, scratch: &AppEntry) -> Result<Arc<Confined>, Error> {
    let home = &context.home;
    let endpoint = home.endpoint(&scratch.server)?;
    let nodes = home.server(&scratch.server)?.nodes;
    let engine = engine::connect(&endpoint, nodes, &home.state(), scratch.server.as_str())?;
    let env = EnvFile::parse("drill", "").map_err(crate::home::Error::from);
    let claimant = Claimant::new(scratch, &env?, &LockFile::default()).map_err(AppError::from)?;
    Ok(Arc::new(Confined::new(engine, claimant)))
}

/// Removes what an earlier drill of the app left, which was killed.
async fn sweep(context: &Context, guard: &AppGuard, source: &AppEntry) -> Result<(), Error> {
    let engine = engine_of(context, guard.app())?;
    if unfinished::look(&engine).await?.is_none() {
        return Ok(());
    }
    leased_anyway(context, &engine, guard, DOING, async |lease: &Lease| {
        // It may have ended meanwhile.
        let Some(kept) = unfinished::look(&engine).await? else { return Ok(()) };
        let by = kept.entry.told();
        let journal = Journal::go_on(&engine, lease, kept);
        undo(context, guard, &engine, journal).await?;
        let app = &source.name;
        context
            .progress
            .warn(format!("{app}: removed what an earlier drill left, which was killed ({by})"));
        Ok(())
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_app_is_drilled_under_a_name_that_nothing_else_has() {
        let of = |name: &str, server: &str| {
            let source = AppEntry { name: name.parse().unwrap(), server: server.parse().unwrap() };
            scratch(&source, &"there".parse().unwrap()).unwrap()
        };
        let one = of("wiki.example.org", "here");
        assert_eq!(one, of("wiki.example.org", "here"));
        assert_ne!(one, of("wiki.example.org", "other"));
        assert_ne!(one, of("blog.example.org", "here"));
        assert!(one.name.as_str().ends_with(".invalid"), "{one:?}");
        assert_eq!(one.server.as_str(), "there");
    }
}
