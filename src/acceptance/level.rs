//! The level that the results of the stages show.

use serde::Serialize;

use super::{Outcome, Stage, Verdict};

/// What each level asks for, beyond the ones below it. The ninth also asks for a real server
/// and no warning of lint.
const LEVELS: [(u8, &str, &[Stage]); 9] = [
    (1, "can be installed", &[Stage::Lint, Stage::Install]),
    (2, "its plugins do what their scenarios say", &[Stage::Scenarios]),
    (3, "can be installed again", &[Stage::Again]),
    (4, "keeps to itself", &[Stage::Twice, Stage::Neighbour]),
    (5, "can be upgraded", &[Stage::Upgrade]),
    (6, "can be restored", &[Stage::Restore]),
    (7, "can be restored anywhere", &[Stage::EmptySwarm]),
    (8, "can be changed", &[Stage::Rotate, Stage::Domain]),
    (9, "all of it on a real server, and no warning", &[]),
];

/// Where the stages were carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Server {
    Simulated,
    Real,
}

impl Server {
    /// "on …".
    pub fn place(self) -> &'static str {
        match self {
            Server::Simulated => "on a simulated server",
            Server::Real => "on a real server",
        }
    }
}

/// How good a recipe is shown to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Level {
    /// 0 to 9.
    pub level: u8,
    /// What that is, in words.
    pub shows: &'static str,
    /// What keeps it from the next one; none at 9.
    pub stopped_by: Option<String>,
    /// Stages up to this level that did not show all that they are about.
    pub without: Vec<Lacking>,
}

/// What a level counts without having shown it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Lacking {
    pub stage: Stage,
    /// The part, in words.
    pub what: &'static str,
    pub why: String,
}

impl Level {
    /// The level with what it lacks, as one sentence.
    pub fn sentence(&self, server: Server) -> String {
        let parts: Vec<&str> = self.without.iter().map(|part| part.what).collect();
        let without = match parts.split_last() {
            None => String::new(),
            Some((one, [])) => format!(", without {one}"),
            Some((last, others)) => format!(", without {} and {last}", others.join(", ")),
        };
        format!("Level {}, {}{without}: {}.", self.level, server.place(), self.shows)
    }
}

/// The highest level of which each stage, and each of the levels below it, counts. `warnings`
/// is the number of lint's.
pub fn level(outcomes: &[Outcome], server: Server, warnings: usize) -> Level {
    let reached = |level: u8, stopped_by| {
        let (shows, without) = (shows(level, outcomes), without(level, outcomes));
        Level { level, shows, stopped_by, without }
    };
    let stop = |below: u8, why: String| reached(below, Some(why));
    for (number, _, stages) in LEVELS {
        for stage in stages {
            let found = outcomes.iter().find(|outcome| outcome.stage == *stage);
            match found.map(|outcome| &outcome.verdict) {
                Some(verdict) if verdict.counts() => {}
                Some(verdict) => {
                    let why = verdict.why().map(|why| format!(": {why}")).unwrap_or_default();
                    return stop(number - 1, format!("{stage} {}{why}", verdict.word()));
                }
                None => return stop(number - 1, format!("{stage} was not run")),
            }
        }
    }
    if server == Server::Simulated {
        return stop(8, "the server is simulated: --server names a real one".into());
    }
    match warnings {
        0 => reached(9, None),
        1 => stop(8, "lint has a warning".into()),
        some => stop(8, format!("lint has {some} warnings")),
    }
}

/// The words of a level that a recipe claims; none for a number that is not one.
pub(super) fn words(level: u8) -> Option<&'static str> {
    match level {
        0 => Some("broken"),
        _ => LEVELS.iter().find(|(number, ..)| *number == level).map(|(_, words, _)| *words),
    }
}

/// Parts of the stages up to a level that were not shown.
fn without(level: u8, outcomes: &[Outcome]) -> Vec<Lacking> {
    let counted = |stage: Stage| {
        LEVELS.iter().any(|(number, _, stages)| *number <= level && stages.contains(&stage))
    };
    let lacking = |outcome: &Outcome| {
        let why = outcome.lacking()?.to_owned();
        Some(Lacking { stage: outcome.stage, what: outcome.stage.subject(), why })
    };
    outcomes.iter().filter(|outcome| counted(outcome.stage)).filter_map(lacking).collect()
}

/// What a level is, in words. Below the first one, only what failed is broken: what could not be
/// seen may well be in order.
fn shows(level: u8, outcomes: &[Outcome]) -> &'static str {
    if let Some((_, words, _)) = LEVELS.iter().find(|(number, ..)| *number == level) {
        return words;
    }
    let (_, _, first) = LEVELS[0];
    let of_first = outcomes.iter().filter(|outcome| first.contains(&outcome.stage));
    match of_first.map(|outcome| &outcome.verdict).find(|verdict| !verdict.counts()) {
        Some(Verdict::Failed(_)) => "broken",
        Some(Verdict::NotShown(_)) => "nothing yet, as its install could not be seen here",
        _ => "nothing yet, as lint or install was not run",
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn outcomes(changed: &[(Stage, Verdict)]) -> Vec<Outcome> {
        let outcome = |stage| {
            let other = changed.iter().find(|(changed, _)| *changed == stage);
            Outcome {
                stage,
                verdict: other.map_or(Verdict::Passed, |(_, verdict)| verdict.clone()),
                lacks: None,
                seconds: Duration::ZERO,
                commands: vec![],
            }
        };
        Stage::ALL.map(outcome).into()
    }

    #[test]
    fn each_stage_has_a_level() {
        for stage in Stage::ALL {
            let levels = LEVELS.iter().filter(|(_, _, stages)| stages.contains(&stage));
            assert_eq!(levels.count(), 1, "{stage}");
        }
    }

    #[test]
    fn a_level_counts_only_with_all_lower_ones() {
        let failed = || Verdict::Failed("no".into());
        for (changed, expected) in [
            (vec![], 9),
            (vec![(Stage::Lint, failed())], 0),
            (vec![(Stage::Install, failed())], 0),
            (vec![(Stage::Again, failed()), (Stage::Domain, failed())], 2),
            (vec![(Stage::Neighbour, failed())], 3),
            (vec![(Stage::Upgrade, Verdict::NotApplicable("first".into()))], 9),
            (vec![(Stage::EmptySwarm, Verdict::NotShown("one server".into()))], 6),
            (vec![(Stage::Rotate, Verdict::NotRun("--only".into()))], 7),
        ] {
            let found = level(&outcomes(&changed), Server::Real, 0);
            assert_eq!(found.level, expected, "{changed:?}");
            assert_eq!(found.stopped_by.is_none(), expected == 9);
        }
        assert_eq!(level(&outcomes(&[]), Server::Simulated, 0).level, 8);
        assert_eq!(level(&outcomes(&[]), Server::Real, 1).level, 8);
        assert_eq!(level(&[], Server::Real, 0).level, 0);
    }

    #[test]
    fn a_level_says_what_it_lacks() {
        let none = || Verdict::NotApplicable("it has none".into());
        let mut of = outcomes(&[(Stage::Scenarios, none()), (Stage::Rotate, none())]);
        for outcome in &mut of {
            if outcome.stage == Stage::Upgrade {
                outcome.lacks = Some("no release before".into());
            }
        }
        let found = level(&of, Server::Real, 0);
        assert_eq!(
            found.sentence(Server::Real),
            "Level 9, on a real server, without scenarios, an upgrade from an earlier release and \
             new secrets: all of it on a real server, and no warning."
        );
        assert_eq!(found.without[1].why, "no release before");
        // What only higher levels ask for is not said of a lower one.
        of.retain(|outcome| outcome.stage != Stage::Again);
        assert_eq!(
            level(&of, Server::Simulated, 0).sentence(Server::Simulated),
            "Level 2, on a simulated server, without scenarios: its plugins do what their \
             scenarios say."
        );
    }

    #[test]
    fn only_what_failed_is_broken() {
        let why = || "why".to_owned();
        for (changed, expected) in [
            (vec![], "can be changed"),
            (
                vec![(Stage::Again, Verdict::Failed(why()))],
                "its plugins do what their scenarios say",
            ),
            (vec![(Stage::Lint, Verdict::Failed(why()))], "broken"),
            (vec![(Stage::Install, Verdict::Failed(why()))], "broken"),
            (
                vec![(Stage::Install, Verdict::NotShown(why()))],
                "nothing yet, as its install could not be seen here",
            ),
            (
                vec![(Stage::Install, Verdict::NotRun(why()))],
                "nothing yet, as lint or install was not run",
            ),
        ] {
            let found = level(&outcomes(&changed), Server::Simulated, 0);
            assert_eq!(found.shows, expected, "{changed:?}");
        }
    }
}
