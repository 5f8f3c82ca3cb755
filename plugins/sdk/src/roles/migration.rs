//! Data migrations, one journalled step at a time.

use std::marker::PhantomData;

use crate::{
    Result,
    bindings::{migration::exports::potluck::recipe::migration as wit, recipe::failures},
    export::guarded,
};

/// One step; a step that is recorded as done is not run again.
pub use wit::Step;

/// Data migrations, one journalled step at a time.
pub trait Migration {
    /// The steps from one version to another, in order.
    ///
    /// # Errors
    /// Why there is no way from the one to the other.
    fn plan(before: String, after: String) -> Result<Vec<Step>>;

    /// Runs the step of this id.
    ///
    /// # Errors
    /// What could not be done.
    fn run(id: String) -> Result;
}

#[doc(hidden)]
pub struct Adapter<T>(PhantomData<T>);

impl<T: Migration> wit::Guest for Adapter<T> {
    fn plan(before: String, after: String) -> Result<Vec<Step>, failures::Failure> {
        guarded(|| T::plan(before, after))
    }
    fn run(id: String) -> Result<(), failures::Failure> {
        guarded(|| T::run(id))
    }
}
