//! `lifecycle`: around deploy, upgrade and removal.

use crate::plugin::{
    Error, Hooks, Transition, bindings::lifecycle::exports::potluck::recipe::lifecycle, hooks::run,
};

/// The hooks of [`Role::Lifecycle`](crate::plugin::Role::Lifecycle).
impl Hooks {
    /// Reads only; fails when the operation must not begin.
    pub async fn check(&mut self, to: &Transition) -> Result<(), Error> {
        let to = to.into();
        let (call, outcome) = run!(self, Lifecycle "check", lifecycle.potluck_recipe_lifecycle, |guest, store| {
            guest.call_check(store, &to)
        });
        self.end(call, outcome)
    }

    /// Before anything changes on the swarm.
    pub async fn before_deploy(&mut self, to: &Transition) -> Result<(), Error> {
        let to = to.into();
        let (call, outcome) = run!(self, Lifecycle "before-deploy", lifecycle.potluck_recipe_lifecycle, |guest, store| {
            guest.call_before_deploy(store, &to)
        });
        self.end(call, outcome)
    }

    /// When all services run and are healthy.
    pub async fn after_deploy(&mut self, to: &Transition) -> Result<(), Error> {
        let to = to.into();
        let (call, outcome) = run!(self, Lifecycle "after-deploy", lifecycle.potluck_recipe_lifecycle, |guest, store| {
            guest.call_after_deploy(store, &to)
        });
        self.end(call, outcome)
    }

    /// While the services still run.
    pub async fn before_remove(&mut self) -> Result<(), Error> {
        let (call, outcome) = run!(self, Lifecycle "before-remove", lifecycle.potluck_recipe_lifecycle, |guest, store| {
            guest.call_before_remove(store)
        });
        self.end(call, outcome)
    }
}

impl From<&Transition> for lifecycle::Transition {
    fn from(to: &Transition) -> Self {
        lifecycle::Transition { before: to.before.clone(), after: to.after.clone() }
    }
}
