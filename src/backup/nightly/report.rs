//! The report of a run.

use jiff::Timestamp;
use serde::Serialize;

use super::row::{Outcome, Row};

/// What came of a run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    pub began: Timestamp,
    pub ended: Timestamp,
    pub seconds: f64,
    /// By name.
    pub apps: Vec<Row>,
    /// Apps that the settings leave out.
    pub left_out: Vec<String>,
    pub backed_up: usize,
    pub failed: usize,
    /// The run was told to end before it was done.
    pub interrupted: bool,
    /// Problems with telling others of the run: a monitor that does not answer.
    pub warnings: Vec<String>,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Every app that has something to back up is backed up.
    Good,
    /// Some are not.
    SomeFailed,
    /// None is.
    AllFailed,
}

impl Report {
    /// Puts the rows in order and counts them.
    pub fn new(
        began: Timestamp,
        ended: Timestamp,
        mut apps: Vec<Row>,
        left_out: Vec<String>,
    ) -> Self {
        apps.sort_by(|a, b| (&a.app, &a.server).cmp(&(&b.app, &b.server)));
        let count = |is: fn(Outcome) -> bool| apps.iter().filter(|row| is(row.outcome)).count();
        let has_set = |outcome| matches!(outcome, Outcome::BackedUp | Outcome::Partly);
        Report {
            began,
            ended,
            seconds: ended.duration_since(began).as_secs_f64().max(0.0),
            backed_up: count(has_set),
            failed: count(Outcome::is_bad),
            interrupted: count(|outcome| outcome == Outcome::Interrupted) > 0,
            apps,
            left_out,
            warnings: Vec::new(),
        }
    }

    pub fn ending(&self) -> Ending {
        match (self.failed, self.backed_up) {
            (0, _) => Ending::Good,
            (_, 0) => Ending::AllFailed,
            _ => Ending::SomeFailed,
        }
    }

    /// `2 of 3 apps backed up, 1 failed`.
    pub fn summary(&self) -> String {
        let Report { backed_up, failed, .. } = self;
        let all = self.apps.len();
        let apps = if all == 1 { "app" } else { "apps" };
        let failed = match failed {
            0 => String::new(),
            failed => format!(", {failed} failed"),
        };
        let left_out = match self.left_out.len() {
            0 => String::new(),
            count => format!(", {count} left out by backup.yml"),
        };
        format!("{backed_up} of {all} {apps} backed up{failed}{left_out}")
    }

    /// For people who were not there: what failed first.
    pub fn text(&self) -> String {
        let when = |time: &Timestamp| time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string();
        let mut lines = vec![
            format!("{}.", self.summary()),
            format!("Began {}, ended {}.", when(&self.began), when(&self.ended)),
            String::new(),
        ];
        let (bad, good): (Vec<&Row>, Vec<&Row>) =
            self.apps.iter().partition(|row| row.outcome.is_bad());
        lines.extend(bad.into_iter().chain(good).map(Row::line));
        if !self.left_out.is_empty() {
            lines.push(format!("left out by backup.yml: {}", self.left_out.join(", ")));
        }
        lines.extend(self.warnings.iter().map(|warning| format!("warning: {warning}")));
        lines.push(String::new());
        lines.join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(app: &str, outcome: Outcome) -> Row {
        Row {
            app: app.into(),
            server: Some("here".into()),
            outcome,
            set: None,
            bytes: None,
            seconds: 1.0,
            tries: 1,
            warnings: Vec::new(),
            error: None,
            next: None,
        }
    }

    #[test]
    fn a_run_is_good_only_if_no_app_failed() {
        use Outcome::{BackedUp, Failed, Interrupted, NeverDeployed, Partly};
        for (outcomes, ending, summary) in [
            (vec![BackedUp, BackedUp], Ending::Good, "2 of 2 apps backed up"),
            (vec![BackedUp, NeverDeployed], Ending::Good, "1 of 2 apps backed up"),
            (vec![BackedUp, Failed], Ending::SomeFailed, "1 of 2 apps backed up, 1 failed"),
            (vec![BackedUp, Interrupted], Ending::SomeFailed, "1 of 2 apps backed up, 1 failed"),
            (vec![Partly], Ending::SomeFailed, "1 of 1 app backed up, 1 failed"),
            (vec![Failed, NeverDeployed], Ending::AllFailed, "0 of 2 apps backed up, 1 failed"),
            (vec![Interrupted], Ending::AllFailed, "0 of 1 app backed up, 1 failed"),
        ] {
            let rows = outcomes.iter().map(|outcome| row("a", *outcome)).collect();
            let now = Timestamp::UNIX_EPOCH;
            let report = Report::new(now, now, rows, Vec::new());
            assert_eq!((report.ending(), report.summary().as_str()), (ending, summary));
        }
    }

    #[test]
    fn what_failed_is_said_first() {
        let now = Timestamp::UNIX_EPOCH;
        let rows = vec![row("b", Outcome::Failed), row("a", Outcome::NeverDeployed)];
        let report = Report::new(now, now, rows, vec!["c".into()]);
        let order: Vec<&str> = report.apps.iter().map(|row| row.app.as_str()).collect();
        assert_eq!(order, ["a", "b"]);
        let text = report.text();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "0 of 2 apps backed up, 1 failed, 1 left out by backup.yml.");
        assert!(lines[3].starts_with("b: FAILED") && lines[4].starts_with("a: never"), "{text}");
    }
}
