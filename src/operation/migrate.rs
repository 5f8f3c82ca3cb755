//! Data migrations of an upgrade. Plugins are asked for their steps before
//! anything changes; the steps run when the services of the new version run.
//!
//! Each completed step is recorded in the lock file at once, so that an upgrade that failed
//! or was interrupted continues there: a step does not run twice in the same upgrade.

use crate::{
    app::{App, Context, Error},
    home::{AppGuard, LockFile, lock_file::Upgrade},
    owner::journal::{self as kept, Undo},
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
        self.note(context, guard, app, |upgrade| upgrade.irreversible |= !reversible)?;
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

impl Planned {
    /// The name of the journal's step.
    fn row(&self) -> String {
        format!("{}: migrate {}", self.plugin, self.step.id)
    }

    fn name(&self) -> String {
        format!("{}: {}", self.plugin, self.step.id)
    }
}
