//! `lifecycle`: around deploy, upgrade and removal. In 0.1.0 it has no
//! `deploy-failed`.

use wasmtime::Store;

use crate::plugin::{
    Error, Hooks, Transition,
    bindings::{
        failures::Failure, lifecycle::exports::potluck::recipe0_2_0::lifecycle as v0_2,
        lifecycle_0_1::exports::potluck::recipe::lifecycle as v0_1,
    },
    hooks::run,
    host::State,
    roles::versioned::versioned,
};

versioned! {
    ($)
    V0_1: lifecycle_0_1.potluck_recipe_lifecycle,
    V0_2: lifecycle.potluck_recipe0_2_0_lifecycle
}

impl Guest {
    async fn check(&self, store: &mut Store<State>, to: &Transition) -> Outcome {
        either!(self, |role| role.call_check(store, &to.into()))
    }

    async fn before_deploy(&self, store: &mut Store<State>, to: &Transition) -> Outcome {
        either!(self, |role| role.call_before_deploy(store, &to.into()))
    }

    async fn after_deploy(&self, store: &mut Store<State>, to: &Transition) -> Outcome {
        either!(self, |role| role.call_after_deploy(store, &to.into()))
    }

    async fn before_remove(&self, store: &mut Store<State>) -> Outcome {
        either!(self, |role| role.call_before_remove(store))
    }

    async fn deploy_failed(
        &self,
        store: &mut Store<State>,
        to: &Transition,
        restored: bool,
    ) -> Outcome {
        match self {
            Guest::V0_1(_) => Ok(Ok(())),
            Guest::V0_2(role) => {
                role.potluck_recipe0_2_0_lifecycle()
                    .call_deploy_failed(store, &to.into(), restored)
                    .await
            }
        }
    }
}

type Outcome = wasmtime::Result<Result<(), Failure>>;

/// The hooks of [`Role::Lifecycle`](crate::plugin::Role::Lifecycle).
impl Hooks {
    /// Only reads; fails if the operation must not begin.
    pub async fn check(&mut self, to: &Transition) -> Result<(), Error> {
        let (call, outcome) =
            run!(self, Lifecycle "check", lifecycle, |role, store| role.check(store, to));
        self.end(call, outcome)
    }

    /// Before anything changes on the swarm.
    pub async fn before_deploy(&mut self, to: &Transition) -> Result<(), Error> {
        let (call, outcome) = run!(self, Lifecycle "before-deploy", lifecycle, |role, store| {
            role.before_deploy(store, to)
        });
        self.end(call, outcome)
    }

    /// When all services run and are healthy.
    pub async fn after_deploy(&mut self, to: &Transition) -> Result<(), Error> {
        let (call, outcome) = run!(self, Lifecycle "after-deploy", lifecycle, |role, store| {
            role.after_deploy(store, to)
        });
        self.end(call, outcome)
    }

    /// When a deploy failed after `before_deploy` was called; `restored` says
    /// whether the services run as they did before. Skipped for a plugin whose
    /// interface has no such hook.
    pub async fn deploy_failed(&mut self, to: &Transition, restored: bool) -> Result<(), Error> {
        let (call, outcome) = run!(self, Lifecycle "deploy-failed", lifecycle, |role, store| {
            role.deploy_failed(store, to, restored)
        });
        self.end(call, outcome)
    }

    /// While the services still run.
    pub async fn before_remove(&mut self) -> Result<(), Error> {
        let (call, outcome) = run!(self, Lifecycle "before-remove", lifecycle, |role, store| {
            role.before_remove(store)
        });
        self.end(call, outcome)
    }
}

impl From<&Transition> for v0_1::Transition {
    fn from(to: &Transition) -> Self {
        v0_1::Transition { before: to.before.clone(), after: to.after.clone() }
    }
}

impl From<&Transition> for v0_2::Transition {
    fn from(to: &Transition) -> Self {
        v0_2::Transition { before: to.before.clone(), after: to.after.clone() }
    }
}
