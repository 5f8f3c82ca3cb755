//! Why an operation failed.
//!
//! The variants that the command line tells apart by exit code say so; all
//! others end in 1.

use std::{fmt, time::Duration};

use super::{
    questions::{Ambiguous, ReachWish, Wish},
    state::State,
};
use crate::{
    hint::Hint,
    home::{GivenGrant, GivenReach, Grant},
    lint::Finding,
    plugin::grants::Reason,
    text::{line, line_of},
};

/// Bytes of a finding in the list of those that stop a deploy.
const FINDING: usize = 2000;

/// Why an operation failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    #[error(transparent)]
    Home(#[from] crate::home::Error),
    #[error(transparent)]
    Recipe(#[from] crate::recipe::Error),
    #[error(transparent)]
    Compose(#[from] crate::compose::Problems),
    #[error(transparent)]
    Engine(#[from] crate::engine::Error),
    #[error(transparent)]
    Plugin(#[from] crate::plugin::Error),
    #[error(transparent)]
    Secrets(#[from] crate::secrets::Error),
    /// What stops a deploy before it begins, all of it.
    #[error("{subject} cannot be deployed:\n{}", indented(.findings))]
    Unfit { subject: Subject, findings: Vec<Finding> },
    #[error(transparent)]
    Docker(#[from] crate::engine::docker_config::Error),
    #[error(transparent)]
    Name(#[from] crate::home::names::InvalidName),
    /// Exit code 6: plugins want what was not granted, or services what was not
    /// agreed to.
    #[error("{}", needed(.wishes, .reach))]
    NeedsConsent {
        wishes: Vec<Wish>,
        /// What services would reach beyond the app.
        reach: Vec<ReachWish>,
        /// What was given on the command line without saying to whom.
        ambiguous: Vec<Ambiguous>,
    },
    #[error("what the plugins of {app} may do was changed meanwhile; nothing of them was run")]
    GrantsChanged { app: String },
    /// Exit code 6: an older release than the one that runs.
    #[error("{0}")]
    NeedsDowngrade(Box<super::Downgrade>),
    /// Exit code 6: only labels say that it is the app's.
    #[error("{0}")]
    NeedsTakeover(Box<super::Takeover>),
    /// A grant on the command line that does not fit the app or its recipe.
    #[error("`{grant}` cannot be granted: {reason}")]
    BadGrant { grant: Box<GivenGrant>, reason: String, nearest: Option<String> },
    /// A reach on the command line that no service asks for.
    #[error("`{reach}` cannot be granted: {reason}")]
    BadReach { reach: Box<GivenReach>, reason: String, nearest: Option<String> },
    /// Exit code 6: the plan was shown and not agreed to.
    #[error("the plan for {app} was not agreed to; nothing was changed")]
    Declined { app: String },
    /// Exit code 4: it failed and the old version is back.
    #[error("{0}\nthe previous version is back and runs")]
    RolledBack(Failed),
    /// Exit code 4: swarm itself put back what did not come to run.
    #[error("{0}\nswarm put back what these services ran before")]
    SwarmRolledBack(Failed),
    /// It failed and nothing was undone.
    #[error("{0}")]
    Failed(Failed),
    /// The swarm took none of what was sent.
    #[error("{0}\nnothing was changed: what ran before runs on")]
    Untouched(Failed),
    /// A service of another stack, or of none, publishes a port.
    #[error(
        "port {port} of the service `{service}` is published by the service `{holder}` already; nothing was changed"
    )]
    PortHeld { port: String, service: String, holder: String },
    /// It failed, and so did going back.
    #[error("{failed}\ngoing back failed as well: {}", line(.undo))]
    UndoFailed { failed: Failed, undo: String },
    /// A step of a data migration failed. Exit code 4 where what ran before is
    /// back.
    #[error("{0}")]
    Migration(Box<MigrationFailed>),
    #[error(
        "the upgrade to {after} migrates data, which needs running services: it cannot be detached"
    )]
    DetachedMigration { after: String },
    #[error("{app}'s settings name no recipe")]
    NoRecipe { app: String },
    #[error("{app}'s settings: {message}")]
    BadSetting { app: String, message: String },
    #[error("there is no stack `{stack}` on this server")]
    NoStack { stack: String },
    #[error("{app} is not deployed")]
    NotDeployed { app: String },
    #[error("{app} is still deployed")]
    StillDeployed { app: String },
    #[error("the app has no service `{service}`; it has {known}", known = .known.join(", "))]
    UnknownService { service: String, known: Vec<String> },
    #[error("{what} took longer than {} s", .limit.as_secs())]
    TimedOut { what: String, limit: Duration },
    #[error(
        "the component of the plugin `{plugin}` has the sha256 {found}, but recipe.yml pins {pinned}"
    )]
    PluginPin { plugin: String, pinned: String, found: String },
    #[error("the plugin `{plugin}`: {source}")]
    PluginLimit {
        plugin: String,
        #[source]
        source: crate::plugin::limits::InvalidLimit,
    },
    #[error("potluck's own state: {action} {path}: {reason}")]
    State { action: &'static str, path: String, reason: String },
}

/// Whose deploy it is, for messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    App(String),
    Stack(String),
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Subject::App(app) => f.write_str(app),
            Subject::Stack(stack) => write!(f, "the stack {stack}"),
        }
    }
}

/// Services that did not come to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    /// What was tried: `the deploy of wiki.example.org`.
    pub what: String,
    pub subject: Subject,
    pub services: Vec<FailedService>,
}

/// A step of a data migration that failed.
#[derive(Debug)]
pub struct MigrationFailed {
    pub app: String,
    /// Versions of the recipe.
    pub before: String,
    pub after: String,
    /// `plugin: id`.
    pub step: String,
    /// The release or commit to name for the next try; none for a plain folder.
    pub release: Option<String>,
    pub source: Error,
    pub left: Left,
}

/// How a failed migration leaves the app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Left {
    /// What ran before is back, on data it can run on.
    Back,
    /// The new version runs on data that is migrated in part, because the old
    /// one cannot run on it.
    PartlyMigrated,
    /// Going back failed.
    NotBack(String),
}

/// One service that did not come to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedService {
    /// The key in the compose file.
    pub service: String,
    pub problem: Problem,
    /// Why its task ended, or what its health check printed, where the problem does
    /// not say so itself.
    pub cause: Option<String>,
    /// The last lines that its last task wrote.
    pub log: Vec<String>,
}

/// In which way a service did not come to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    /// It came to a state that does not get better by waiting.
    Stuck(State),
    /// The deadline passed in this state.
    Late { state: State, limit: Duration },
    /// Somebody else changed the service in the meantime.
    ChangedElsewhere,
    /// Somebody else removed the service.
    Gone,
    /// The swarm did not take it.
    Refused(String),
    /// The swarm could not be asked any more.
    Unreachable(String),
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} failed", self.what)?;
        for service in &self.services {
            write!(f, "\n  {}: ", line(&service.service))?;
            f.write_str(&line(&service.problem.to_string()))?;
            if let Some(cause) = &service.cause {
                write!(f, "; {}", line(cause))?;
            }
            for said in &service.log {
                write!(f, "\n    | {}", line(said))?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for MigrationFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let MigrationFailed { app, before, after, step, source, left, .. } = self;
        let said = source.to_string();
        let said = if source.is_laid_out() { said.into() } else { line(&said) };
        let versions = format!("from {before} to {after}");
        writeln!(
            f,
            "the upgrade of {app} {} failed in its migration\n  {}: {said}",
            line(&versions),
            line(step)
        )?;
        match left {
            Left::Back => f.write_str("the previous version is back and runs"),
            Left::PartlyMigrated => f.write_str(
                "the new version runs on data that is migrated in part: the old one cannot run on it",
            ),
            Left::NotBack(undo) => write!(f, "going back failed as well: {}", line(undo)),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Problem::Stuck(state) => write!(f, "{state}"),
            Problem::Late { state, limit } => {
                write!(f, "not ready after {} s: {state}", limit.as_secs())
            }
            Problem::ChangedElsewhere => {
                f.write_str("someone else changed it while it was being deployed")
            }
            Problem::Gone => f.write_str("someone else removed it while it was being deployed"),
            Problem::Refused(reason) | Problem::Unreachable(reason) => f.write_str(reason),
        }
    }
}

/// A line each, and one for what to do about it.
fn indented(findings: &[Finding]) -> String {
    let mut lines = Vec::new();
    for finding in findings {
        let head = format!("{} [{}]", line_of(&finding.to_string(), FINDING), finding.code);
        lines.push(format!("  {head}"));
        let fix = finding.fix.as_ref();
        lines.extend(fix.map(|fix| format!("    fix: {}", line_of(fix, FINDING))));
    }
    lines.join("\n")
}

fn needed(wishes: &[Wish], reach: &[ReachWish]) -> String {
    let only_labels = !wishes.is_empty() && wishes.iter().all(|wish| wish.is_implied);
    let what = match (wishes.is_empty(), reach.is_empty()) {
        (false, true) if only_labels => "the recipe's backups need your consent",
        (false, false) if only_labels => "the recipe and its backups need your consent",
        (false, true) => "the recipe's plugins need your consent",
        (true, _) => "the recipe reaches beyond its app and needs your consent",
        (false, false) => "the recipe and its plugins need your consent",
    };
    let plugins = wishes.iter().map(ToString::to_string);
    let services = reach.iter().map(ToString::to_string);
    format!("{what}:\n{}", plugins.chain(services).collect::<Vec<_>>().join("\n"))
}

/// The flags to add, each with its plugin: a nameless one could come to mean
/// another.
fn to_agree(wishes: &[Wish], reach: &[ReachWish], ambiguous: &[Ambiguous]) -> String {
    let flag = |wish: &Wish, grant: &Grant| format!("--grant '{} {grant}'", wish.plugin);
    let mut flags: Vec<String> =
        wishes.iter().flat_map(|wish| wish.missing().map(|grant| flag(wish, grant))).collect();
    let of_service = |wish: &ReachWish| -> Vec<String> {
        wish.missing().map(|reach| format!("--grant '{} {reach}'", wish.service)).collect()
    };
    flags.extend(reach.iter().flat_map(of_service));
    let look = wishes.iter().any(|wish| wish.reason == Reason::ChangedInPlace);
    if flags.is_empty() || look {
        return "run the command in a terminal and agree".into();
    }
    let mut hint = format!("to agree, add {}", flags.join(" "));
    for Ambiguous { grant, plugins } in ambiguous {
        let plugins: Vec<String> = plugins.iter().map(|plugin| format!("`{plugin}`")).collect();
        hint += &format!("; `{grant}` alone could be meant for {}", plugins.join(" and "));
    }
    hint
}

impl MigrationFailed {
    /// What to type next.
    fn next(&self) -> String {
        let MigrationFailed { app, release, source, left, .. } = self;
        let first = source.hint().map(|hint| format!("{hint}; then ")).unwrap_or_default();
        let version = release.as_ref().map(|release| format!(" {release}")).unwrap_or_default();
        let again = format!("{first}`potluck app deploy {app}{version}` goes on with this step");
        match left {
            Left::Back => again,
            Left::PartlyMigrated => format!(
                "{again}, or `potluck backup restore {app}` brings back the data of a backup from before"
            ),
            Left::NotBack(_) => format!("{again}; `potluck app ps {app}` shows what runs"),
        }
    }
}

impl Hint for Error {
    fn is_laid_out(&self) -> bool {
        match self {
            Error::Compose(error) => error.is_laid_out(),
            Error::Plugin(error) => error.is_laid_out(),
            Error::Unfit { .. }
            | Error::NeedsConsent { .. }
            | Error::NeedsTakeover(_)
            | Error::RolledBack(_)
            | Error::SwarmRolledBack(_)
            | Error::Untouched(_)
            | Error::Failed(_)
            | Error::UndoFailed { .. }
            | Error::Migration(_) => true,
            _ => false,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Error::Home(e) => e.hint(),
            Error::Recipe(e) => e.hint(),
            Error::Compose(e) => e.hint(),
            Error::Engine(e) => e.hint(),
            Error::Plugin(e) => e.hint(),
            Error::Secrets(e) => e.hint(),
            Error::PluginLimit { source, .. } => source.hint(),
            Error::BadGrant { nearest: Some(nearest), .. }
            | Error::BadReach { nearest: Some(nearest), .. } => {
                Some(format!("did you mean `{nearest}`?"))
            }
            Error::NeedsConsent { wishes, reach, ambiguous } => {
                Some(to_agree(wishes, reach, ambiguous))
            }
            Error::GrantsChanged { .. } => Some("run the command again".into()),
            Error::NeedsDowngrade(downgrade) => Some(match downgrade.released {
                true => format!(
                    "to go back all the same, add --downgrade; to stay with what runs, \
                     `potluck app deploy {} {}`",
                    downgrade.app, downgrade.before
                ),
                false => "to go back all the same, add --downgrade".to_owned(),
            }),
            Error::NeedsTakeover(takeover) => Some(format!(
                "if they are this app's, run `potluck app deploy {} --takeover`, or agree at a terminal",
                takeover.app
            )),
            Error::Failed(failed)
            | Error::UndoFailed { failed, .. }
            | Error::SwarmRolledBack(failed) => Some(match &failed.subject {
                Subject::App(app) => {
                    format!("see `potluck app ps {app}` and `potluck app logs {app}`")
                }
                Subject::Stack(stack) => format!("see `potluck stack ps {stack}`"),
            }),
            Error::Untouched(failed) => Some(match &failed.subject {
                Subject::App(app) => {
                    format!("correct what the engine names, then run `potluck app deploy {app}`")
                }
                Subject::Stack(stack) => format!(
                    "correct what the engine names, then run `potluck stack deploy` for {stack} again"
                ),
            }),
            Error::PortHeld { holder, .. } => Some(format!(
                "publish another port, or take it from `{holder}` first; `docker service inspect --pretty {holder}` shows what it is"
            )),
            Error::Migration(failed) => Some(failed.next()),
            Error::DetachedMigration { .. } => Some("run it again without --detach".into()),
            Error::NoRecipe { .. } => {
                Some("write `TYPE=recipe` into them (`potluck app config`)".into())
            }
            Error::NoStack { .. } => Some("`potluck stack ls` shows which there are".into()),
            Error::Docker(e) => e.hint(),
            Error::NotDeployed { app } => Some(format!("run `potluck app deploy {app}`")),
            Error::StillDeployed { app } => Some(format!("run `potluck app undeploy {app}` first")),
            _ => None,
        }
    }
}
