//! Why deploying a stack to a swarm, or removing it, failed.
//!
//! Variants with an exit code of their own say so; all others end with
//! 1.

use std::{fmt, time::Duration};

use crate::{
    hint::Hint,
    lint::{Finding, Severity},
    text::{line, line_of},
};

use super::state::State;

/// Bytes of a finding in the list of those that stop a deploy.
const FINDING: usize = 2000;

/// Why deploying a stack to a swarm, or removing it, failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    #[error(transparent)]
    Engine(#[from] crate::engine::Error),
    #[error(transparent)]
    Docker(#[from] crate::engine::docker_config::Error),
    /// All reasons that stop a deploy before it begins.
    #[error("{subject} cannot be deployed:\n{}", indented(.findings))]
    Unfit { subject: Subject, findings: Vec<Finding> },
    /// Exit code 4: it failed and the old version is back.
    #[error("{0}\nthe previous version is running again")]
    RolledBack(Failed),
    /// Exit code 4: the update failed and swarm itself went back.
    #[error("{0}\nswarm returned these services to what they ran before")]
    SwarmRolledBack(Failed),
    /// It failed, and nothing was rolled back.
    #[error("{0}")]
    Failed(Failed),
    /// The swarm accepted nothing of what was sent.
    #[error("{0}\nnothing was changed: the previous version keeps running")]
    Untouched(Failed),
    /// A service of another stack, or of none, publishes a port.
    #[error(
        "port {port} of the service `{service}` is published by the service `{holder}` already; nothing was changed"
    )]
    PortHeld { port: String, service: String, holder: String },
    /// It failed, and so did going back.
    #[error("{failed}\nrolling back failed as well: {}", line(.undo))]
    UndoFailed { failed: Failed, undo: Box<str> },
    #[error("there is no stack `{stack}` on this server")]
    NoStack { stack: String },
    #[error("{what} took longer than {} s", .limit.as_secs())]
    TimedOut { what: String, limit: Duration },
}

/// What is deployed, for messages.
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

/// Services that do not run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    /// What was tried: `the deploy of wiki.example.org`.
    pub what: String,
    pub subject: Subject,
    pub services: Vec<FailedService>,
    /// What the swarm took before or beside what it refused, by service.
    pub taken: Box<[Taken]>,
}

/// A service that the swarm accepted while it refused another one of the same deploy.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Taken {
    /// The key in the compose file.
    pub service: String,
    /// Whether it was not there before.
    pub is_new: bool,
    pub fate: Fate,
}

/// What happened to the services that the swarm accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fate {
    /// It was returned to the state before the deploy.
    Undone,
    /// It keeps what was sent.
    Stays,
    /// Undoing it failed, for one service at least.
    Unknown,
}

/// One service that does not run.
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

/// Why a service does not run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    /// It is in a state that waiting cannot improve.
    Stuck(State),
    /// The deadline passed in this state.
    Late { state: State, limit: Duration },
    /// Somebody else changed the service in the meantime.
    ChangedElsewhere,
    /// Somebody else removed the service.
    Gone,
    /// The swarm refused it.
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
        for taken in self.taken.iter() {
            write!(f, "\n  {}: {taken}", line(&taken.service))?;
        }
        Ok(())
    }
}

impl fmt::Display for Taken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match (self.is_new, self.fate) {
            (true, Fate::Undone) => "was made, and is removed again",
            (true, Fate::Stays) => "was made, and stays",
            (true, Fate::Unknown) => "was made",
            (false, Fate::Undone) => "was updated, and is rolled back",
            (false, Fate::Stays) => "was updated, and stays updated",
            (false, Fate::Unknown) => "was updated",
        })
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
        let warning = if finding.severity == Severity::Warning { "warning: " } else { "" };
        let head =
            format!("{warning}{} [{}]", line_of(&finding.to_string(), FINDING), finding.code);
        lines.push(format!("  {head}"));
        let fix = finding.fix.as_ref();
        lines.extend(fix.map(|fix| format!("    fix: {}", line_of(fix, FINDING))));
    }
    lines.join("\n")
}

impl Hint for Error {
    fn is_laid_out(&self) -> bool {
        matches!(
            self,
            Error::Unfit { .. }
                | Error::RolledBack(_)
                | Error::SwarmRolledBack(_)
                | Error::Failed(_)
                | Error::Untouched(_)
                | Error::UndoFailed { .. }
        )
    }

    fn hint(&self) -> Option<String> {
        match self {
            Error::Engine(e) => e.hint(),
            Error::Docker(e) => e.hint(),
            Error::Failed(failed)
            | Error::UndoFailed { failed, .. }
            | Error::SwarmRolledBack(failed) => Some(match &failed.subject {
                Subject::App(app) => {
                    format!("`potluck app errors {app}` shows why, and what to do about it")
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
            Error::NoStack { .. } => Some("`potluck stack ls` lists the stacks".into()),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_said_what_the_engine_took_beside_what_it_refused() {
        let failed = |fate| Failed {
            what: "the deploy of wiki".into(),
            subject: Subject::App("wiki".into()),
            services: vec![FailedService {
                service: "web".into(),
                problem: Problem::Refused("the engine refused it: no".into()),
                cause: None,
                log: vec![],
            }],
            taken: Box::new([
                Taken { service: "new".into(), is_new: true, fate },
                Taken { service: "old".into(), is_new: false, fate },
            ]),
        };
        let head = "the deploy of wiki failed\n  web: the engine refused it: no\n";
        for (error, tail) in [
            (
                Error::RolledBack(failed(Fate::Undone)),
                "  new: was made, and is removed again\n  old: was updated, and is rolled back\n\
                 the previous version is running again",
            ),
            (
                Error::Failed(failed(Fate::Stays)),
                "  new: was made, and stays\n  old: was updated, and stays updated",
            ),
            (
                Error::UndoFailed { failed: failed(Fate::Unknown), undo: "old: gone".into() },
                "  new: was made\n  old: was updated\nrolling back failed as well: old: gone",
            ),
        ] {
            assert_eq!(error.to_string(), format!("{head}{tail}"));
        }
    }
}
