//! Data migrations of an upgrade. Plugins are asked for their steps before
//! anything changes; the steps run when the services of the new version run.
//!
//! Each completed step is recorded in the lock file at once, so that an upgrade that failed
//! or was interrupted continues there: a step does not run twice in the same upgrade.

use crate::{
    app::{App, Context, Error},
    home::{AppGuard, LockFile, lock_file::Upgrade},
    owner::{
        history::Line,
        journal::{self as kept, Outcome, Undo, What},
    },
    plugin::{Hooks, Role, Step, Transition},
    rollout::{Change, ChangeAction, ChangeKind},
};

use super::journal::Journal;

/// The steps of one upgrade that are still to be run, in their order.
#[derive(Debug, Default)]
pub(crate) struct Migrations {
    before: String,
    after: String,
    steps: Vec<Planned>,
}

#[derive(Debug)]
struct Planned {
    plugin: String,
    step: Step,
}

/// A step that failed.
#[derive(Debug)]
pub(crate) struct Stopped {
    /// `plugin: id`.
    pub step: String,
    pub source: Error,
    /// Whether the old version can still run on the data.
    pub reversible: bool,
}

impl Migrations {
    /// Asks the plugins for their steps. There are none unless the version
    /// changes. Of an operation that is resumed, those that it did are left out.
    ///
    /// # Errors
    /// A plugin that fails, or whose answer is invalid.
    pub async fn plan(
        context: &Context,
        lock: &LockFile,
        plugins: &mut [(String, Hooks)],
        to: &Transition,
        resumed: Option<&Journal>,
    ) -> Result<Self, Error> {
        let (Some(before), Some(after)) = (&to.before, &to.after) else {
            return Ok(Migrations::default());
        };
        if before == after {
            return Ok(Migrations::default());
        }
        let begun = lock.upgrade.as_ref().filter(|upgrade| upgrade.is(before, after));
        let mut steps = Vec::new();
        for (name, plugin) in plugins.iter_mut().filter(|(_, p)| p.plays(Role::Migration)) {
            context.progress.step(format!("{name}: plan the migration"));
            let done = begun.and_then(|upgrade| upgrade.done.get(name));
            let plan = plugin.migration_plan(before, after).await?;
            let open = plan.into_iter().filter(|s| !done.is_some_and(|d| d.contains(&s.id)));
            let planned = open.map(|step| Planned { plugin: name.clone(), step });
            let is_open = |planned: &Planned| {
                !resumed.is_some_and(|journal| journal.was_done(&planned.row()))
            };
            for planned in planned.filter(is_open) {
                let row = planned.row();
                if let Some(journal) = resumed
                    && !journal.has_step(&row)
                {
                    let entry = journal.entry();
                    return Err(Error::OtherGoal {
                        app: entry.app.clone(),
                        told: entry.told(),
                        reason: format!("the plugin asks for another step, `{row}`"),
                    });
                }
                steps.push(planned);
            }
        }
        Ok(Migrations { before: before.clone(), after: after.clone(), steps })
    }

    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// The first step after which the old version cannot run on the data.
    pub fn first_without_return(&self) -> Option<String> {
        self.steps.iter().find(|planned| !planned.step.reversible).map(Planned::name)
    }

    /// The steps, as the journal has them; with a backup set, its data can come back.
    pub fn rows(&self, has_set: bool) -> impl Iterator<Item = kept::Step> {
        self.steps.iter().map(move |planned| match (planned.step.reversible, has_set) {
            (true, _) => kept::Step::new(planned.row(), Undo::Nothing),
            (false, true) => kept::Step::new(planned.row(), Undo::Data),
            (false, false) => kept::Step::new(planned.row(), Undo::Never),
        })
    }

    /// The steps, as the operator agrees to them.
    pub fn changes(&self) -> impl Iterator<Item = Change> {
        self.steps.iter().map(|planned| {
            let mut details = vec![planned.step.description.clone()];
            if !planned.step.reversible {
                details.push("the old version cannot run on the data afterwards".into());
            }
            Change {
                kind: ChangeKind::Migration,
                name: planned.name(),
                action: ChangeAction::Run,
                details,
            }
        })
    }

    /// Further warnings for the operator.
    pub fn warnings(&self, lock: &LockFile, to: &Transition, has_set: bool) -> Vec<String> {
        let mut warnings = Vec::new();
        if !has_set && self.steps.iter().any(|planned| !planned.step.reversible) {
            warnings.push(
                "if the migration fails, the new version stays deployed; restore an earlier backup to recover the data".into(),
            );
        }
        if let Some(Upgrade { before, after, irreversible: true, .. }) = &lock.upgrade
            && to.after.as_ref() != Some(after)
        {
            warnings.push(format!(
                "an upgrade from {before} to {after} was interrupted in its migration: the data \
                 may not fit another version"
            ));
        }
        warnings
    }

    /// Runs the steps.
    ///
    /// # Errors
    /// The first step that failed; later ones were not begun.
    pub async fn run(
        &self,
        context: &Context,
        guard: &AppGuard,
        app: &mut App,
        plugins: &mut [(String, Hooks)],
        journal: Option<&Journal>,
    ) -> Result<(), Stopped> {
        for planned in &self.steps {
            if let Err(source) = self.run_one(context, guard, app, plugins, planned, journal).await
            {
                let reversible = app.lock.upgrade.as_ref().is_none_or(|u| !u.irreversible);
                return Err(Stopped { step: planned.name(), source, reversible });
            }
        }
        Ok(())
    }

    async fn run_one(
        &self,
        context: &Context,
        guard: &AppGuard,
        app: &mut App,
        plugins: &mut [(String, Hooks)],
        planned: &Planned,
        journal: Option<&Journal>,
    ) -> Result<(), Error> {
        let Planned { plugin: name, step: Step { id, reversible, .. } } = planned;
        if let Some(journal) = journal {
            journal.step(&planned.row()).await?;
        }
        context.progress.step(format!("{name}: migrate {id}"));
        // Before it begins, as it may be cut off.
        let operation = journal.map(|journal| journal.entry().operation);
        self.note(context, guard, app, |upgrade| {
            upgrade.irreversible |= !reversible;
            upgrade.operation = operation;
        })?;
        for (_, plugin) in plugins.iter_mut().filter(|(plugin, _)| plugin == name) {
            plugin.migrate(id).await?;
        }
        self.note(context, guard, app, |upgrade| {
            upgrade.done.entry(name.clone()).or_default().push(id.clone());
        })
    }

    /// Records the progress.
    fn note(
        &self,
        context: &Context,
        guard: &AppGuard,
        app: &mut App,
        change: impl FnOnce(&mut Upgrade),
    ) -> Result<(), Error> {
        let begun = app.lock.upgrade.take().filter(|u| u.is(&self.before, &self.after));
        let upgrade = app
            .lock
            .upgrade
            .insert(begun.unwrap_or_else(|| Upgrade::new(&self.before, &self.after)));
        change(upgrade);
        Ok(context.home.write_lock_file(guard, &app.lock)?)
    }
}

/// Whether earlier data took the place of what a migration had come to, by the hand
/// of somebody else who has another folder: then its steps are all to be done.
pub(super) fn is_gone(upgrade: &Upgrade, lines: &[Line]) -> bool {
    let own = upgrade.operation.as_ref();
    let Some(at) = lines.iter().position(|line| Some(&line.operation) == own) else {
        return false;
    };
    let (line, since) = (&lines[at], &lines[at + 1..]);
    // What is undone with its data is all undone.
    let came_back = |line: &Line| {
        line.migrated
            && line.set.is_some()
            && matches!(line.outcome, Outcome::Aborted | Outcome::FailedAndUndone)
    };
    let brought = |line: &Line| match line.what {
        What::Restore => {
            line.outcome == Outcome::Done && line.after.as_ref() == Some(&upgrade.before)
        }
        What::Rollback => line.outcome == Outcome::Done && line.set.is_some(),
        _ => came_back(line),
    };
    (upgrade.irreversible && came_back(line)) || since.iter().any(brought)
}

impl Planned {
    /// The name of the journal's step.
    fn row(&self) -> String {
        format!("{}: migrate {}", self.plugin, self.step.id)
    }

    fn name(&self) -> String {
        format!("{}: {}", self.plugin, self.step.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(operation: &str, what: &str, outcome: &str, set: Option<&str>) -> Line {
        let value = serde_json::json!({
            "operation": operation, "what": what, "user": "ben", "host": "desk",
            "began": "2026-11-26T03:00:00Z", "ended": "2026-11-26T03:00:01Z",
            "after": "1", "migrated": what == "upgrade", "outcome": outcome, "set": set,
        });
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn progress_is_gone_where_somebody_else_brought_the_data_back() {
        let cut =
            Upgrade { irreversible: true, operation: Some("a".into()), ..Upgrade::new("1", "2") };
        let reversible = Upgrade { irreversible: false, ..cut.clone() };
        let older = Upgrade { operation: None, ..cut.clone() };
        let aborted = line("a", "upgrade", "aborted", Some("s"));
        let undone = line("a", "upgrade", "failed-and-undone", Some("s"));
        let failed = line("a", "upgrade", "failed", Some("s"));
        let alone = line("a", "upgrade", "aborted", None);
        let restore = line("b", "restore", "done", Some("s"));
        let later = Line { after: Some("2".into()), ..restore.clone() };
        let rollback = line("b", "rollback", "done", Some("s"));
        let without = line("b", "rollback", "done", None);
        for (upgrade, lines, gone) in [
            (&cut, vec![&aborted], true),
            (&cut, vec![&undone], true),
            (&cut, vec![&failed], false),
            (&cut, vec![&alone], false),
            (&reversible, vec![&aborted], false),
            (&older, vec![&aborted], false),
            (&cut, vec![], false),
            (&cut, vec![&failed, &restore], true),
            (&cut, vec![&failed, &later], false),
            // Before it.
            (&cut, vec![&restore, &failed], false),
            (&cut, vec![&failed, &rollback], true),
            (&cut, vec![&failed, &without], false),
        ] {
            let lines: Vec<Line> = lines.into_iter().cloned().collect();
            assert_eq!(is_gone(upgrade, &lines), gone, "{upgrade:?} {lines:?}");
        }
    }
}
