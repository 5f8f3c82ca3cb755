//! Going back to a release: what ran then, from the swarm alone. It is a deploy whose
//! stack comes from the release; plugins do not run, because they are the recipe's.
//!
//! Data does not go back by itself. Where it was migrated since, old code may destroy it,
//! so that needs a word of the operator.

use std::{fmt, sync::Arc};

use jiff::Timestamp;
use serde::Serialize;

use crate::{
    app::{App, Context, Error, OnServer, replay::replay},
    compose::Warning,
    home::AppGuard,
    owner::{
        history::Line,
        journal::{Outcome, What},
        release::Release,
    },
    text::line,
};

use super::{
    DeployOptions, DeployReport,
    deploy::{deploy, plan},
    releases::{self, Releases},
    unfinished,
};

/// The release that is wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Target {
    /// The one before what was recorded last.
    #[default]
    Before,
    /// By its number.
    Number(u64),
    /// The newest of a version of the recipe.
    Version(String),
}

impl Target {
    /// `r14`, or a version.
    pub fn parse(text: &str) -> Self {
        match text.strip_prefix('r').and_then(|number| number.parse().ok()) {
            Some(number) => Target::Number(number),
            None => Target::Version(text.to_owned()),
        }
    }
}

/// A release that can come back, for people and programs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReleaseRow {
    /// `r14`.
    pub release: String,
    pub version: String,
    pub user: String,
    pub host: String,
    pub at: Timestamp,
    /// The operation that brought it.
    pub operation: String,
    /// The backup set that was taken right before it.
    pub set: Option<String>,
    /// Migrations that were run to get there.
    pub migrated: Vec<String>,
    /// The release whose state it brought back.
    pub replays: Option<String>,
}

impl fmt::Display for ReleaseRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ReleaseRow { release, version, user, host, at, .. } = self;
        let at = at.strftime("%Y-%m-%d %H:%M:%S UTC");
        write!(f, "{release}, version {version}, deployed by {user} on {host} at {at}")
    }
}

impl ReleaseRow {
    fn of(release: &Release) -> Self {
        let clean = |text: &String| line(text).into_owned();
        ReleaseRow {
            release: release.name(),
            version: clean(&release.version),
            user: clean(&release.user),
            host: clean(&release.host),
            at: release.at,
            operation: clean(&release.operation),
            set: release.set.as_ref().map(clean),
            migrated: release.migrated.iter().map(clean).collect(),
            replays: release.replays.map(|number| format!("r{number}")),
        }
    }
}

/// The releases of an app, newest first, and what is wrong with those that cannot be read.
///
/// # Errors
/// What the engine says.
pub async fn kept_releases(on_server: &OnServer) -> Result<(Vec<ReleaseRow>, Vec<Error>), Error> {
    on_server.engine.require().await?;
    let Releases { known, unreadable, .. } = releases::all(&on_server.engine).await?;
    let rows = known.iter().map(|kept| ReleaseRow::of(&kept.release)).collect();
    Ok((rows, unreadable))
}

/// A release to go back to, and what speaks against it.
pub struct WayBack {
    pub app: App,
    pub release: ReleaseRow,
    /// What migrated the data since, for people; empty if nothing is known to have.
    pub migrated: Vec<String>,
    /// The backup set with the data of that time, if one was taken right after it.
    pub set: Option<String>,
    /// Whether the recipe's version is another than what runs.
    pub other_version: bool,
}

/// The app as a release has it.
///
/// # Errors
/// [`Error::NoRelease`], [`Error::NotDeployed`], releases that cannot be read.
pub async fn find_release(
    context: &Context,
    on_server: &OnServer,
    target: &Target,
) -> Result<WayBack, Error> {
    on_server.engine.require().await?;
    let app = on_server.entry.name.to_string();
    let found = releases::all(&on_server.engine).await?;
    let known: Vec<Release> = found.known.into_iter().map(|kept| kept.release).collect();
    let lines = unfinished::history_of(&*on_server.engine.beneath(), &on_server.stack).await?;
    let lines = lines.map(|history| history.lines).unwrap_or_default();
    let Some(index) = pick(&known, target, failed_since(&known, &lines)) else {
        if let Some(unreadable) = found.unreadable.into_iter().next() {
            return Err(unreadable);
        }
        return Err(Error::NoRelease {
            app,
            wanted: match target {
                Target::Before => None,
                Target::Number(number) => Some(format!("r{number}")),
                Target::Version(version) => Some(version.clone()),
            },
            known: known.iter().map(Release::told).collect(),
        });
    };
    let since = Since::of(&known, index, &lines);
    let other_version = known[0].pin != known[index].pin;
    let release = known.into_iter().nth(index).ok_or_else(|| Error::NotDeployed { app })?;
    let row = ReleaseRow::of(&release);
    let engine = Arc::clone(&on_server.engine);
    let app = replay(&context.home, &on_server.entry, engine, release)?;
    Ok(WayBack { app, release: row, migrated: since.migrated, set: since.set, other_version })
}

/// Whether something newer than the last release was brought, and failed.
fn failed_since(known: &[Release], lines: &[Line]) -> bool {
    let Some(last) = known.first() else { return false };
    let brings = |line: &Line| matches!(line.what, What::Deploy | What::Upgrade | What::Rollback);
    let is_later = |line: &Line| line.ended > last.at && line.operation != last.operation;
    lines.iter().any(|line| {
        brings(line) && is_later(line) && line.outcome == Outcome::Failed && line.step.is_some()
    })
}

/// The index of the release that is meant, among all, newest first.
fn pick(known: &[Release], target: &Target, failed_since: bool) -> Option<usize> {
    match target {
        Target::Before if failed_since => (!known.is_empty()).then_some(0),
        Target::Before => {
            // What a rollback brought back is no step forward: go before that.
            let mut index = 0;
            while let Some(number) = known.get(index)?.replays {
                index = known.iter().position(|release| release.number == number)?;
            }
            (index + 1 < known.len()).then_some(index + 1)
        }
        Target::Number(number) => known.iter().position(|release| release.number == *number),
        Target::Version(version) => known.iter().position(|release| {
            release.version == *version || release.pin.commit.as_ref() == Some(version)
        }),
    }
}

/// What was done since a release.
#[derive(Debug, PartialEq, Eq)]
struct Since {
    migrated: Vec<String>,
    /// The set that was taken by the first operation after it.
    set: Option<String>,
}

impl Since {
    fn of(known: &[Release], index: usize, lines: &[Line]) -> Self {
        let Some(target) = known.get(index) else {
            return Since { migrated: Vec::new(), set: None };
        };
        let mut migrated: Vec<String> = Vec::new();
        let mut later = Vec::new();
        let mut at = 0;
        while at < index {
            let release = &known[at];
            later.push(release);
            if !release.migrated.is_empty() {
                let steps = release.migrated.join(", ");
                migrated.push(format!("{} ({steps})", release.told()));
            }
            at += 1;
            if !release.restored {
                continue;
            }
            // The data is that of an earlier release again, whatever was between.
            match known.iter().position(|it| Some(it.number) == release.replays) {
                Some(of) if of <= index => at = of,
                _ => {
                    migrated.push(format!("{}, which brought older data back", release.told()));
                    break;
                }
            }
        }
        migrated.reverse();
        // One that failed has no release, and may have left migrated data.
        let is_release = |line: &Line| known.iter().any(|it| it.operation == line.operation);
        let left = |line: &&Line| {
            line.migrated
                && line.began > target.at
                && matches!(line.outcome, Outcome::Done | Outcome::Failed)
                && !is_release(line)
        };
        let failed = lines.iter().filter(left);
        migrated.extend(failed.clone().map(|it| {
            let at = it.began.strftime("%Y-%m-%d %H:%M:%S UTC");
            format!("the {} by {} on {} at {at}, which {}", it.what, it.user, it.host, it.outcome)
        }));
        let first_release = later.last().map(|release| (release.at, release.set.clone()));
        let first_failed = failed.map(|line| (line.began, line.set.clone())).next();
        let first = first_release.into_iter().chain(first_failed).min_by_key(|(at, _)| *at);
        Since { migrated, set: first.and_then(|(_, set)| set) }
    }
}

/// The app that a rollback which did not end brings back.
///
/// # Errors
/// [`Error::NoRelease`], and what the engine says.
pub(super) async fn load_again(
    context: &Context,
    on_server: &OnServer,
    number: u64,
) -> Result<App, Error> {
    Ok(find_release(context, on_server, &Target::Number(number)).await?.app)
}

/// What becomes of data that was migrated since.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Data {
    /// Nothing was said: such a rollback is refused.
    #[default]
    Unsaid,
    /// It stays as it is, whatever the old code does with it.
    Keep,
}

/// Goes back to a release.
///
/// # Errors
/// [`Error::DataMigrated`], and those of a deploy.
pub async fn roll_back(
    context: &Context,
    guard: &AppGuard,
    way: WayBack,
    data: Data,
    options: &DeployOptions,
) -> Result<DeployReport, Error> {
    let mut app = allow(way, data)?;
    deploy(context, guard, &mut app, &going_back(options)).await
}

/// What that would do. Changes nothing.
///
/// # Errors
/// As [`roll_back`].
pub async fn plan_rollback(
    context: &Context,
    way: WayBack,
    data: Data,
    options: &DeployOptions,
) -> Result<DeployReport, Error> {
    let mut app = allow(way, data)?;
    plan(context, &mut app, &going_back(options)).await
}

/// The operator named the release: that it is older needs no further word.
fn going_back(options: &DeployOptions) -> DeployOptions {
    DeployOptions { downgrade: true, ..options.clone() }
}

fn allow(way: WayBack, data: Data) -> Result<App, Error> {
    let WayBack { mut app, release, migrated, set, other_version } = way;
    let name = app.entry.name.to_string();
    if !migrated.is_empty() && data == Data::Unsaid {
        let ReleaseRow { release, version, .. } = release;
        return Err(Error::DataMigrated { app: name, release, version, migrated, set });
    }
    let mut warn = |message: String| app.warnings.push(Warning { message, position: None });
    if !migrated.is_empty() {
        let since = migrated.join("; ");
        warn(format!("the data stays as it was migrated since: {since}"));
    } else if other_version {
        warn(format!(
            "nothing is known of whether {} can use the data that was written since: plugins say \
             so only of migrations that they know",
            release.version
        ));
    }
    warn("plugins are not called: they are the recipe's, and this brings the release alone".into());
    Ok(app)
}
