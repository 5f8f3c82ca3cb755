//! What was done to an app: one config a stack, `potluck.<stack>.history`, with a line for
//! each operation that ended; pure. An app's history goes with the app: what removed it is
//! in one config a swarm, [`REMOVALS`].
//!
//! The lines are a label, updated by version, newest last; the oldest go when there are
//! more than [`MOST`]. Foreign data, as journals are.

use std::{collections::HashMap, fmt};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    journal::{Outcome, What},
    record::{KIND_LABEL, Unreadable, content, id_and_version, own_name},
};
use crate::{engine::api, home::StackName, text};

/// The label's value on histories.
pub(crate) const HISTORY_KIND: &str = "history";
/// The name of the history of removed apps. Those of stacks end in `.history`.
pub(crate) const REMOVALS: &str = "potluck.removals";
const LINES_LABEL: &str = "org.potluck.lines";
/// The newest form of a history that is understood.
const FORMAT: u32 = 1;
/// Operations that are remembered.
const MOST: usize = 50;
/// Good backups that are not the first to be forgotten.
const BACKUPS: usize = 10;
/// Bytes of the lines that are read.
const LONGEST: usize = 256 * 1024;
/// Names of settings that a line has.
const MOST_SETTINGS: usize = 20;
/// Digits of an operation's name that are shown.
pub const OPERATION: usize = 8;
/// Characters of each of a line's texts.
const SHOWN: usize = 300;

/// One operation that ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    pub operation: String,
    /// The app, in the history of removed ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app: Option<String>,
    pub what: What,
    /// The account and the machine that began it.
    pub user: String,
    pub host: String,
    pub began: Timestamp,
    pub ended: Timestamp,
    /// Versions of the recipe; of secrets and volumes, the names of those that went and of
    /// those that came; of a move, servers.
    #[serde(default)]
    pub before: Option<String>,
    #[serde(default)]
    pub after: Option<String>,
    /// The backup set that it made or restored.
    #[serde(default)]
    pub set: Option<String>,
    /// Names of the settings that it changed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub settings: Vec<String>,
    /// Whether it began to migrate data.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub migrated: bool,
    /// Whether nobody waited for what it brought, so that it is no release.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub detached: bool,
    /// Whether it brought files that no version stands for.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub chaos: bool,
    pub outcome: Outcome,
    /// The step that failed, or after which it was aborted.
    #[serde(default)]
    pub step: Option<String>,
    /// What it failed with, in one line.
    #[serde(default)]
    pub error: Option<String>,
    /// Who finished or undid it, where that is someone else.
    #[serde(default)]
    pub by: Option<String>,
}

impl Line {
    /// Whether it was about what runs, and not about what is stored beside.
    pub fn is_of_services(&self) -> bool {
        !matches!(self.what, What::Secrets | What::Volumes)
    }

    /// For a table: the operation, when it began, what it was, of which version or set, by whom,
    /// how long it took, and how it ended.
    pub fn row(&self) -> [String; 7] {
        // Of an upgrade, the set is beside its release.
        let is_about_set = matches!(self.what, What::Backup | What::Restore | What::Rebuild);
        let about = match (&self.set, &self.before, &self.after) {
            (Some(set), ..) if is_about_set => set.clone(),
            (_, _, Some(server)) if self.what == What::Move => format!("to {server}"),
            (_, Some(before), Some(after)) if before != after => format!("{before} → {after}"),
            (_, _, Some(after)) => after.clone(),
            (_, Some(before), None) => before.clone(),
            (set, None, None) => set.clone().unwrap_or_default(),
        };
        let about = if self.chaos { format!("{about} (chaos)") } else { about };
        let seconds = self.ended.duration_since(self.began).as_secs().max(0);
        [
            self.operation.chars().take(OPERATION).collect(),
            self.began.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
            self.what.to_string(),
            about,
            format!("{}@{}", self.user, self.host),
            format!("{seconds} s"),
            self.outcome.to_string(),
        ]
    }

    /// The same, fit to be shown.
    fn cleaned(mut self) -> Self {
        let clean = |text: &mut String| *text = text::line_of(text, SHOWN).into_owned();
        [&mut self.operation, &mut self.user, &mut self.host].into_iter().for_each(clean);
        let optional = [
            &mut self.app,
            &mut self.before,
            &mut self.after,
            &mut self.set,
            &mut self.step,
            &mut self.error,
            &mut self.by,
        ];
        optional.into_iter().flatten().for_each(clean);
        self.settings.truncate(MOST_SETTINGS);
        self.settings.iter_mut().for_each(clean);
        self
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Line { what, user, host, .. } = self;
        let began = self.began.strftime("%Y-%m-%d %H:%M:%S UTC");
        write!(f, "the {what} by {user} on {host} at {began}")?;
        f.write_str(match (self.outcome, self.detached) {
            (Outcome::Done, true) => ", which nobody waited for (--detach)",
            (Outcome::Done, false) => "",
            (Outcome::FailedAndUndone, _) => ", which failed and was undone",
            (Outcome::Failed, _) => ", which failed",
            (Outcome::Aborted, _) => ", which was aborted",
        })
    }
}

#[derive(Serialize, Deserialize)]
struct Content {
    format: u32,
}

/// A history as it is on the swarm.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct History {
    /// The config's id, and the version to change it by.
    pub config: String,
    pub version: u64,
    /// Oldest first.
    pub lines: Vec<Line>,
}

/// The name of a stack's history.
pub(crate) fn name(stack: &StackName) -> String {
    own_name(stack, ".history")
}

/// The config that a history of this name is kept as, with one more line.
pub(crate) fn spec(name: &str, mut lines: Vec<Line>, line: Line) -> api::ConfigSpec {
    lines.retain(|known| known.operation != line.operation);
    lines.push(line.cleaned());
    while lines.len() > MOST {
        lines.remove(forgotten(&lines));
    }
    let labels = HashMap::from([
        (KIND_LABEL.to_owned(), HISTORY_KIND.to_owned()),
        (LINES_LABEL.to_owned(), serde_json::json!(lines).to_string()),
    ]);
    api::ConfigSpec {
        name: Some(name.to_owned()),
        labels: Some(labels),
        data: Some(STANDARD.encode(serde_json::json!(Content { format: FORMAT }).to_string())),
        ..Default::default()
    }
}

/// Which line goes first: the oldest, but good backups, of which every night brings one, leave
/// room for what people did.
fn forgotten(lines: &[Line]) -> usize {
    let is_backup = |line: &Line| line.what == What::Backup && line.outcome == Outcome::Done;
    match lines.iter().filter(|line| is_backup(line)).count() > BACKUPS {
        true => lines.iter().position(is_backup).unwrap_or_default(),
        false => 0,
    }
}

impl History {
    /// # Errors
    /// What is no history of a form that is understood.
    pub fn read(config: &api::Config) -> Result<Self, Unreadable> {
        let broken = |reason: &str| Unreadable::Broken(reason.to_owned());
        let spec = config.spec.as_ref().ok_or_else(|| broken("it has no specification"))?;
        let data = STANDARD
            .decode(spec.data.as_deref().unwrap_or_default())
            .map_err(|_| broken("its content is not base64"))?;
        let Content { .. } = content(&data, FORMAT)?;
        let lines = spec.labels.as_ref().and_then(|labels| labels.get(LINES_LABEL));
        let lines = lines.ok_or_else(|| broken("it has no lines"))?;
        if lines.len() > LONGEST {
            return Err(broken("it is too large"));
        }
        let lines: Vec<Line> =
            serde_json::from_str(lines).map_err(|error| broken(&error.to_string()))?;
        let (config, version) = id_and_version(config)?;
        Ok(History { config, version, lines: lines.into_iter().map(Line::cleaned).collect() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(operation: usize) -> Line {
        Line {
            operation: operation.to_string(),
            app: None,
            what: What::Deploy,
            user: "anna".into(),
            host: "laptop".into(),
            began: "2026-11-26T03:00:00Z".parse().unwrap(),
            ended: "2026-11-26T03:00:15Z".parse().unwrap(),
            before: None,
            after: Some("1".into()),
            set: None,
            settings: vec!["MAIL_FROM".into()],
            migrated: false,
            detached: false,
            chaos: false,
            outcome: Outcome::Failed,
            step: Some("services".into()),
            error: Some(format!("a\u{1b}[31m{}", "x".repeat(2 * SHOWN))),
            by: None,
        }
    }

    fn config(spec: api::ConfigSpec) -> api::Config {
        api::Config {
            id: Some("c1".into()),
            version: Some(api::ObjectVersion { index: Some(7) }),
            spec: Some(spec),
            ..Default::default()
        }
    }

    #[test]
    fn the_newest_operations_are_remembered_once_each_and_harmlessly() {
        let name = name(&StackName::new("a_example").unwrap());
        let mut lines = Vec::new();
        for operation in 0..MOST + 3 {
            let spec = spec(&name, lines, line(operation));
            let labels = spec.labels.clone().unwrap();
            assert!(!labels.contains_key(crate::engine::STACK_LABEL), "docker would remove it");
            lines = History::read(&config(spec)).unwrap().lines;
        }
        let again = spec(&name, lines, line(MOST + 2));
        let History { lines, version, .. } = History::read(&config(again)).unwrap();
        assert_eq!((lines.len(), version), (MOST, 7));
        assert_eq!(lines.last().unwrap().operation, (MOST + 2).to_string());
        assert_eq!(lines[0].operation, "3");
        let error = lines[0].error.as_deref().unwrap();
        assert!(error.len() <= SHOWN + 4 && !error.contains('\u{1b}'), "{error:?}");
    }

    #[test]
    fn what_people_did_is_not_pushed_out_by_backups() {
        let name = name(&StackName::new("a_example").unwrap());
        let deploys = 4;
        let mut lines: Vec<Line> = (0..deploys).map(line).collect();
        for night in 0..300 {
            let backup = Line { what: What::Backup, outcome: Outcome::Done, ..line(1000 + night) };
            lines = History::read(&config(spec(&name, lines, backup))).unwrap().lines;
        }
        assert_eq!(lines.len(), MOST);
        let is_deploy = |line: &&Line| line.what == What::Deploy;
        assert_eq!(lines.iter().filter(is_deploy).count(), deploys);
        assert_eq!(lines.last().unwrap().operation, "1299");
        // Failed ones are what somebody looks for.
        for night in 0..MOST {
            let failed = Line { what: What::Backup, ..line(2000 + night) };
            lines = History::read(&config(spec(&name, lines, failed))).unwrap().lines;
        }
        assert_eq!(lines.iter().filter(|line| line.outcome == Outcome::Done).count(), 0);
    }

    #[test]
    fn what_is_no_history_is_said() {
        let of = |data: &str, lines: &str| {
            let labels = Some(HashMap::from([(LINES_LABEL.to_owned(), lines.to_owned())]));
            let data = Some(STANDARD.encode(data));
            History::read(&config(api::ConfigSpec { data, labels, ..Default::default() }))
        };
        let format = r#"{"format":1}"#;
        for (data, lines) in [("", "[]"), ("{}", "[]"), (format, "{}"), (format, "[{}]")] {
            assert!(matches!(of(data, lines), Err(Unreadable::Broken(_))), "{data} {lines}");
        }
        assert!(matches!(of(format, &" ".repeat(LONGEST + 1)), Err(Unreadable::Broken(_))));
        assert_eq!(of(r#"{"format":2}"#, "[]"), Err(Unreadable::Newer));
        assert_eq!(of(format, "[]").map(|it| it.lines.len()), Ok(0));
    }
}
