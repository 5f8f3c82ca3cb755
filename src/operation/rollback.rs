//! Going back to a release: what ran then, from the swarm alone. It is a deploy whose
//! stack comes from the release; plugins do not run, because they are the recipe's.
//!
//! Data does not go back by itself. Where it was migrated since, old code may destroy it,
//! so that needs a word of the operator.

use std::{collections::BTreeSet, fmt, sync::Arc};

use jiff::Timestamp;
use serde::Serialize;

use crate::{
    app::{App, Context, DataMigrated, Error, OnServer, replay::replay},
    backup::{self, set::SetId},
    compose::Warning,
    engine::{Scope, if_there},
    home::AppGuard,
    owner::{
        history::Line,
        journal::{Outcome, What},
        release::{self, Release, held},
    },
    recipe::Version,
    text::line,
};

use super::{
    DeployOptions, DeployReport, Upgrade,
    deploy::{deploy, plan},
    releases::{self, Releases},
    restores::DataBack,
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
    /// Whether that set is to be kept still.
    pub held: bool,
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
            held: false,
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
    let held = held(&known, Timestamp::now());
    let is_held = |release: &Release| release.set.as_deref().is_some_and(|it| held.contains(it));
    let row = |release| ReleaseRow { held: is_held(release), ..ReleaseRow::of(release) };
    Ok((known.iter().map(|kept| row(&kept.release)).collect(), unreadable))
}

/// A release to go back to, and what speaks against it.
pub struct WayBack {
    pub app: App,
    pub release: ReleaseRow,
    /// What migrated the data since, for people; empty if nothing is known to have.
    pub migrated: Vec<String>,
    /// The backup set with the data of that time, if one was taken right after it.
    pub set: Option<String>,
    /// Whether what runs has another version of the recipe.
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
    let lines = unfinished::lines_of(&on_server.engine).await?;
    let Some(index) = pick(&known, target, unrecorded(&known, &lines).is_some()) else {
        let own = |number| release::name(&on_server.stack, number);
        let mut unreadable = found.unreadable.into_iter();
        let meant = unreadable.find(|error| match (target, error) {
            (Target::Number(number), Error::BadJournal { name, .. }) => *name == own(*number),
            _ => true,
        });
        if let Some(unreadable) = meant {
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
    let release = known.into_iter().nth(index).ok_or(Error::NotDeployed { app })?;
    let (app, release) = as_app(context, on_server, release).await?;
    Ok(WayBack { app, release, migrated: since.migrated, set: since.set, other_version })
}

/// The app as this release has it.
///
/// # Errors
/// [`Error::ReleaseIncomplete`], settings that cannot be read.
pub(super) async fn as_app(
    context: &Context,
    on_server: &OnServer,
    release: Release,
) -> Result<(App, ReleaseRow), Error> {
    let row = ReleaseRow::of(&release);
    require_parts(on_server, &release).await?;
    let engine = Arc::clone(&on_server.engine);
    let app = replay(&context.home, &on_server.entry, engine, release)?;
    Ok((app, row))
}

/// Fails if a secret or a config is gone that a release needs: their contents are nowhere
/// else.
async fn require_parts(on_server: &OnServer, release: &Release) -> Result<(), Error> {
    let engine = on_server.engine.beneath();
    let secrets = engine.secrets(Scope::All).await?;
    let secrets: BTreeSet<String> =
        secrets.into_iter().filter_map(|secret| secret.spec?.name).collect();
    let missing = release.secrets.difference(&secrets);
    let mut gone: Vec<String> =
        missing.map(|name| format!("the secret `{}`", line(name))).collect();
    // One by one: a list of configs carries their contents.
    for name in &release.configs {
        if if_there(engine.config(name).await)?.is_none() {
            gone.push(format!("the config `{}`", line(name)));
        }
    }
    if gone.is_empty() {
        return Ok(());
    }
    let app = on_server.entry.name.to_string();
    Err(Error::ReleaseIncomplete { app, release: release.name(), gone })
}

/// The newest operation that brought something else than the last release, and is none:
/// it failed, or nobody waited for it.
pub(super) fn unrecorded<'a>(known: &[Release], lines: &'a [Line]) -> Option<&'a Line> {
    let last = known.first()?;
    let brings = |line: &Line| matches!(line.what, What::Deploy | What::Upgrade | What::Rollback);
    let is_later = |line: &Line| line.ended > last.at && line.operation != last.operation;
    let mut newest = lines.iter().rev().filter(|line| brings(line) && is_later(line));
    newest.find(|line| match line.outcome {
        Outcome::Failed => line.step.is_some(),
        Outcome::Done => line.detached,
        Outcome::FailedAndUndone | Outcome::Aborted => false,
    })
}

/// The index of the release that is meant, among all, newest first.
fn pick(known: &[Release], target: &Target, is_unrecorded: bool) -> Option<usize> {
    match target {
        // What runs is none of them.
        Target::Before if is_unrecorded => (!known.is_empty()).then_some(0),
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
        let mut at = 0;
        while at < index {
            let release = &known[at];
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
        // Data that came back since is that of the release, or was said above.
        let came_back = known[..index].iter().filter(|it| it.restored).map(|it| it.at).max();
        // One that failed has no release, and may have left migrated data.
        let is_release = |line: &Line| known.iter().any(|it| it.operation == line.operation);
        let left = |line: &&Line| {
            line.migrated
                && line.began > target.at
                && came_back.is_none_or(|at| line.began > at)
                && matches!(line.outcome, Outcome::Done | Outcome::Failed)
                && !is_release(line)
        };
        let failed = lines.iter().filter(left);
        migrated.extend(failed.clone().map(ToString::to_string));
        let next = index.checked_sub(1).and_then(|next| known.get(next));
        let first_release = next.map(|release| (release.at, release.set.clone()));
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
#[derive(Debug, Clone, Default)]
pub enum Data {
    /// Nothing was said: such a rollback is refused.
    #[default]
    Unsaid,
    /// It is kept as it is, at the operator's risk.
    Keep,
    /// That of the release's time comes back.
    Back(backup::Options),
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
    let (mut app, data) = allow(way, data)?;
    deploy(context, guard, &mut app, &going_back(options, data)).await
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
    let (mut app, data) = allow(way, data)?;
    plan(context, &mut app, &going_back(options, data)).await
}

/// The operator named the release: that it is older needs no further word.
fn going_back(options: &DeployOptions, data: Option<DataBack>) -> DeployOptions {
    DeployOptions { downgrade: true, data, ..options.clone() }
}

/// The data of a release's time.
pub(super) fn data_of(app: &App, set: SetId, options: backup::Options) -> Option<DataBack> {
    let version = app.replays.as_ref()?.pin.released()?.clone();
    let means = Upgrade::with_backup(options).backup?;
    Some(DataBack { set, version: Version::Named(version), means })
}

fn allow(way: WayBack, data: Data) -> Result<(App, Option<DataBack>), Error> {
    let WayBack { mut app, release, migrated, set, other_version } = way;
    let name = app.entry.name.to_string();
    if let Data::Back(options) = data {
        let known = set.as_ref().and_then(|set| set.parse().ok());
        let Some(data) = known.and_then(|set| data_of(&app, set, options)) else {
            return Err(Error::NoDataOf { app: name, release: release.release });
        };
        let message = format!(
            "the data comes back from the backup {}: what was written since is lost",
            data.set
        );
        app.warnings.push(Warning { message, position: None });
        return Ok((app, Some(data)));
    }
    if !migrated.is_empty() && matches!(data, Data::Unsaid) {
        let ReleaseRow { release, version, .. } = release;
        let migrated = DataMigrated { app: name, release, version, migrated, set };
        return Err(Error::DataMigrated(Box::new(migrated)));
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
    Ok((app, None))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Number, whether data was migrated, the set before, what it replays and whether with
    /// data.
    type Row<'a> = (u64, bool, Option<&'a str>, Option<u64>, bool);

    /// Newest first.
    fn known(all: &[Row<'_>]) -> Vec<Release> {
        let release = |&(number, migrated, set, replays, restored): &Row<'_>| -> Release {
            let migrated: Vec<&str> = if migrated { vec!["a: migrate 1"] } else { vec![] };
            let value = serde_json::json!({
                "number": number, "operation": number.to_string(), "user": "anna",
                "host": "laptop", "at": format!("2026-11-26T03:00:{number:02}Z"), "app": "a",
                "recipe": "a", "version": format!("{number}.0.0"), "pin": {}, "set": set,
                "migrated": migrated, "replays": replays, "restored": restored, "services": [],
            });
            serde_json::from_value(value).unwrap()
        };
        all.iter().map(release).collect()
    }

    fn failed(second: u32, set: Option<&str>) -> Line {
        let value = serde_json::json!({
            "operation": "x", "what": "upgrade", "user": "ben", "host": "desk",
            "began": format!("2026-11-26T03:00:{second:02}Z"),
            "ended": format!("2026-11-26T03:00:{second:02}Z"),
            "migrated": true, "outcome": "failed", "set": set, "step": "a: migrate 1",
        });
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn the_release_that_is_meant_is_found() {
        let plain = |number| (number, false, None, None, false);
        let back = |number, of| (number, false, None, Some(of), false);
        let three = known(&[plain(3), plain(2), plain(1)]);
        let went_back = known(&[back(3, 1), plain(2), plain(1)]);
        let version = |text: &str| Target::Version(text.into());
        for (known, target, failed, found) in [
            (&three, Target::Before, false, Some(1)),
            // What was brought after the last release failed: that release is before it.
            (&three, Target::Before, true, Some(0)),
            (&three, Target::Number(1), false, Some(2)),
            (&three, Target::Number(9), false, None),
            (&three, version("2.0.0"), false, Some(1)),
            (&three, version("4.0.0"), false, None),
            // A second rollback goes on before what the first one brought back.
            (&went_back, Target::Before, false, None),
            (&Vec::new(), Target::Before, true, None),
        ] {
            assert_eq!(pick(known, &target, failed), found, "{target:?}");
        }
        assert_eq!(Target::parse("r14"), Target::Number(14));
        assert_eq!(Target::parse("release"), version("release"));
    }

    #[test]
    fn what_runs_and_is_no_release_is_known() {
        let one = known(&[(2, false, None, None, false)]);
        let line = |second, outcome, detached| Line { outcome, detached, ..failed(second, None) };
        for (lines, found) in [
            (vec![], None),
            (vec![line(5, Outcome::Failed, false)], Some(5)),
            // Before the release.
            (vec![line(1, Outcome::Failed, false)], None),
            (vec![line(5, Outcome::Done, true)], Some(5)),
            // What changed nothing beyond the release is recorded as that.
            (vec![line(5, Outcome::Done, false)], None),
            (vec![line(5, Outcome::FailedAndUndone, true)], None),
            (vec![line(5, Outcome::Done, true), line(6, Outcome::Failed, false)], Some(6)),
            (vec![line(5, Outcome::Done, true), line(6, Outcome::Aborted, false)], Some(5)),
        ] {
            let second =
                unrecorded(&one, &lines).map(|line| line.ended.strftime("%-S").to_string());
            assert_eq!(second, found.map(|found: u32| found.to_string()), "{lines:?}");
            assert_eq!(unrecorded(&[], &lines), None);
        }
    }

    #[test]
    fn migrations_since_a_release_are_known_and_the_set_with_its_data() {
        let said = |known: &[Release], index, lines: &[Line]| {
            let since = Since::of(known, index, lines);
            (since.migrated.len(), since.set)
        };
        let set = |set: &str| Some(set.to_owned());
        let plain = known(&[(2, false, Some("s2"), None, false), (1, false, None, None, false)]);
        assert_eq!(said(&plain, 1, &[]), (0, set("s2")));
        assert_eq!(said(&plain, 0, &[]), (0, None));
        let migrated = known(&[(2, true, Some("s2"), None, false), (1, false, None, None, false)]);
        assert_eq!(said(&migrated, 1, &[]), (1, set("s2")));
        // An upgrade that failed and stayed has no release.
        assert_eq!(said(&plain, 0, &[failed(5, Some("s5"))]), (1, set("s5")));
        let undone = Line { outcome: Outcome::FailedAndUndone, ..failed(5, None) };
        assert_eq!(said(&plain, 0, &[undone]), (0, None));
        // Data that came back was not migrated.
        let restored = known(&[
            (3, false, None, Some(1), true),
            (2, true, Some("s2"), None, false),
            (1, false, None, None, false),
        ]);
        assert_eq!(said(&restored, 2, &[]), (0, set("s2")));
        assert_eq!(said(&restored, 1, &[]), (1, None));
    }
}
