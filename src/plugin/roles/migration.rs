//! `migration`: what has to happen to the data between two versions.

use std::collections::BTreeSet;

use crate::plugin::{Error, Hooks, Step, hooks::run};

/// Steps of one plan, and bytes of a step's id.
const MANY: usize = 100;
const ID: usize = 100;

/// The hooks of [`Role::Migration`](crate::plugin::Role::Migration).
impl Hooks {
    /// The steps from one version to the other, in order. Ids are unique.
    pub async fn migration_plan(&mut self, before: &str, after: &str) -> Result<Vec<Step>, Error> {
        let (call, outcome) = run!(self, Migration "plan", migration, |role, store| {
            role.potluck_recipe_migration().call_plan(store, before, after)
        });
        let steps = self.end(call, outcome)?;
        if steps.len() > MANY {
            return Err(self.answer(call, format!("more than {MANY} steps")));
        }
        let mut ids = BTreeSet::new();
        let mut plan = Vec::with_capacity(steps.len());
        for step in steps {
            let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
            if step.id.is_empty() || step.id.len() > ID || !step.id.chars().all(plain) {
                let message = format!("{:?} is not the id of a step", step.id);
                return Err(self.answer(call, message));
            }
            if !ids.insert(step.id.clone()) {
                return Err(self.answer(call, format!("two steps are called {:?}", step.id)));
            }
            plan.push(Step {
                description: self.line(&step.description),
                id: step.id,
                reversible: step.reversible,
            });
        }
        Ok(plan)
    }

    /// Runs one step of the plan.
    pub async fn migrate(&mut self, step: &str) -> Result<(), Error> {
        let (call, outcome) = run!(self, Migration "run", migration, |role, store| {
            role.potluck_recipe_migration().call_run(store, step)
        });
        self.end(call, outcome)
    }
}
