//! The stages of a test, and how each ended.

use std::{fmt, time::Duration};

use serde::Serialize;

/// What is tried, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    Lint,
    Scenarios,
    Install,
    Again,
    Twice,
    Upgrade,
    Restore,
    EmptySwarm,
    Rotate,
    Domain,
    Neighbour,
}

impl Stage {
    pub const ALL: [Stage; 11] = [
        Stage::Lint,
        Stage::Scenarios,
        Stage::Install,
        Stage::Again,
        Stage::Twice,
        Stage::Upgrade,
        Stage::Restore,
        Stage::EmptySwarm,
        Stage::Rotate,
        Stage::Domain,
        Stage::Neighbour,
    ];

    /// As it is named at the prompt and in reports.
    pub fn name(self) -> &'static str {
        match self {
            Stage::Lint => "lint",
            Stage::Scenarios => "scenarios",
            Stage::Install => "install",
            Stage::Again => "again",
            Stage::Twice => "twice",
            Stage::Upgrade => "upgrade",
            Stage::Restore => "restore",
            Stage::EmptySwarm => "empty-swarm",
            Stage::Rotate => "rotate",
            Stage::Domain => "domain",
            Stage::Neighbour => "neighbour",
        }
    }

    /// What it shows.
    pub fn about(self) -> &'static str {
        match self {
            Stage::Lint => "lint finds no error",
            Stage::Scenarios => "the scenarios of its own plugins pass",
            Stage::Install => "a new app is deployed, runs and is healthy",
            Stage::Again => {
                "a second deploy changes nothing; undeployed and deployed, it has its data"
            }
            Stage::Twice => "two apps of it run at once, each with its own data",
            Stage::Upgrade => "an app of an earlier version is upgraded, with its data",
            Stage::Restore => "a backup brings the data back after its volumes are gone",
            Stage::EmptySwarm => "a backup brings the app back on a swarm that has nothing of it",
            Stage::Rotate => "it runs on after all of its secrets are new",
            Stage::Domain => "it comes back under another domain, with its data",
            Stage::Neighbour => "a stack that was there before is as it was",
        }
    }

    /// What a level is without that counts it unseen: "without …".
    pub fn subject(self) -> &'static str {
        match self {
            Stage::Lint => "lint",
            Stage::Scenarios => "scenarios",
            Stage::Install => "an install",
            Stage::Again => "a second install",
            Stage::Twice => "two apps at once",
            Stage::Upgrade => "an upgrade from an earlier release",
            Stage::Restore => "a restore",
            Stage::EmptySwarm => "a restore on an empty swarm",
            Stage::Rotate => "new secrets",
            Stage::Domain => "another domain",
            Stage::Neighbour => "a neighbour",
        }
    }

    /// The stage without which this one cannot begin.
    pub fn needs(self) -> Option<Stage> {
        match self {
            Stage::Lint | Stage::Scenarios | Stage::Install => None,
            Stage::EmptySwarm | Stage::Domain => Some(Stage::Restore),
            _ => Some(Stage::Install),
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How a stage ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "result", content = "why", rename_all = "kebab-case")]
pub enum Verdict {
    Passed,
    /// What went wrong, and what to do.
    Failed(String),
    /// The recipe has nothing that this is about: it lowers no level.
    NotApplicable(String),
    /// It could not be shown here, on this server or with these files.
    NotShown(String),
    /// A stage before it, or the caller's choice, prevented it.
    NotRun(String),
}

impl Verdict {
    /// Whether a level that asks for the stage is reached with it.
    pub fn counts(&self) -> bool {
        matches!(self, Verdict::Passed | Verdict::NotApplicable(_))
    }

    /// In a word.
    pub fn word(&self) -> &'static str {
        match self {
            Verdict::Passed => "passed",
            Verdict::Failed(_) => "failed",
            Verdict::NotApplicable(_) => "not applicable",
            Verdict::NotShown(_) => "not shown",
            Verdict::NotRun(_) => "not run",
        }
    }

    /// Why, where there is something to say.
    pub fn why(&self) -> Option<&str> {
        match self {
            Verdict::Passed => None,
            Verdict::Failed(why)
            | Verdict::NotApplicable(why)
            | Verdict::NotShown(why)
            | Verdict::NotRun(why) => Some(why),
        }
    }
}

/// A stage that ended, or did not begin.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Outcome {
    pub stage: Stage,
    #[serde(flatten)]
    pub verdict: Verdict,
    /// Of one that passed: what it did not show, and why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lacks: Option<String>,
    #[serde(serialize_with = "seconds")]
    pub seconds: Duration,
    /// What was typed, to see it again.
    pub commands: Vec<String>,
}

impl Outcome {
    /// Why a level that counts the stage does so without the whole of it.
    pub fn lacking(&self) -> Option<&str> {
        match &self.verdict {
            Verdict::NotApplicable(why) => Some(why),
            Verdict::Passed => self.lacks.as_deref(),
            _ => None,
        }
    }
}

fn seconds<S: serde::Serializer>(took: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64((took.as_secs_f64() * 1000.0).round() / 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_are_in_their_order_and_need_only_earlier_ones() {
        assert!(Stage::ALL.is_sorted());
        for stage in Stage::ALL {
            assert!(stage.needs().is_none_or(|needed| needed < stage), "{stage}");
        }
    }

    #[test]
    fn an_outcome_is_flat_in_json() {
        let outcome = Outcome {
            stage: Stage::EmptySwarm,
            verdict: Verdict::NotShown("one server".into()),
            lacks: None,
            seconds: Duration::from_millis(1500),
            commands: vec![],
        };
        assert_eq!(
            serde_json::to_value(&outcome).unwrap(),
            serde_json::json!({"stage": "empty-swarm", "result": "not-shown", "why": "one server", "seconds": 1.5, "commands": []})
        );
    }
}
