//! Around deploy, upgrade and removal.

use std::marker::PhantomData;

use crate::{
    Result,
    bindings::{lifecycle::exports::potluck::recipe0_2_0::lifecycle as wit, recipe::failures},
    export::guarded,
};

/// From which version to which; none before a first deploy and after a removal.
pub use wit::Transition;

/// Around deploy, upgrade and removal.
pub trait Lifecycle {
    /// Reads only; a failure stops the operation before anything changed.
    ///
    /// # Errors
    /// What is missing or wrong.
    fn check(to: Transition) -> Result {
        let _ = to;
        Ok(())
    }

    /// After the checks, before the services change.
    ///
    /// # Errors
    /// What could not be done.
    fn before_deploy(to: Transition) -> Result {
        let _ = to;
        Ok(())
    }

    /// When the services run and are healthy. Runs after every deploy, so it
    /// must bear being run again.
    ///
    /// # Errors
    /// What could not be done.
    fn after_deploy(to: Transition) -> Result {
        let _ = to;
        Ok(())
    }

    /// The deploy failed after `before_deploy` was called: to end a maintenance
    /// mode, say. `restored` is true when the services run again, or still, as
    /// they did before.
    ///
    /// # Errors
    /// What could not be done; a warning.
    fn deploy_failed(to: Transition, restored: bool) -> Result {
        let _ = (to, restored);
        Ok(())
    }

    /// While the services still run.
    ///
    /// # Errors
    /// What could not be done.
    fn before_remove() -> Result {
        Ok(())
    }
}

#[doc(hidden)]
pub struct Adapter<T>(PhantomData<T>);

impl<T: Lifecycle> wit::Guest for Adapter<T> {
    fn check(to: Transition) -> Result<(), failures::Failure> {
        guarded(|| T::check(to))
    }
    fn before_deploy(to: Transition) -> Result<(), failures::Failure> {
        guarded(|| T::before_deploy(to))
    }
    fn after_deploy(to: Transition) -> Result<(), failures::Failure> {
        guarded(|| T::after_deploy(to))
    }
    fn deploy_failed(to: Transition, restored: bool) -> Result<(), failures::Failure> {
        guarded(|| T::deploy_failed(to, restored))
    }
    fn before_remove() -> Result<(), failures::Failure> {
        guarded(T::before_remove)
    }
}
