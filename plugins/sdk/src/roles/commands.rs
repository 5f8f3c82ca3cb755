//! Commands of the recipe's own, `potluck app cmd APP NAME ARG…`.

use std::marker::PhantomData;

use crate::{
    Result,
    bindings::{commands::exports::potluck::recipe::commands as wit, recipe::failures},
    export::{guarded, watch_panics},
};

/// What a command is called, and what it takes.
pub use wit::{Parameter, Spec};

/// Commands of the recipe's own.
pub trait Commands {
    /// Every command, with help for people.
    fn specs() -> Vec<Spec>;

    /// Runs one; what it returns is printed on standard output.
    ///
    /// # Errors
    /// What could not be done.
    fn run(name: String, arguments: Vec<String>) -> Result<String>;
}

impl Spec {
    /// A command without parameters.
    pub fn new(name: &str, help: &str) -> Self {
        Spec { name: name.into(), help: help.into(), parameters: Vec::new() }
    }

    /// Adds a parameter that must be given.
    #[must_use]
    pub fn required(self, name: &str, help: &str) -> Self {
        self.parameter(name, help, true, false)
    }

    /// Adds a parameter that must be given and never stands on a command line.
    #[must_use]
    pub fn secret(self, name: &str, help: &str) -> Self {
        self.parameter(name, help, true, true)
    }

    /// Adds a parameter that may be left out.
    #[must_use]
    pub fn optional(self, name: &str, help: &str) -> Self {
        self.parameter(name, help, false, false)
    }

    fn parameter(mut self, name: &str, help: &str, required: bool, secret: bool) -> Self {
        let (name, help) = (name.into(), help.into());
        self.parameters.push(Parameter { name, help, required, secret });
        self
    }
}

#[doc(hidden)]
pub struct Adapter<T>(PhantomData<T>);

impl<T: Commands> wit::Guest for Adapter<T> {
    fn specs() -> Vec<Spec> {
        watch_panics();
        T::specs()
    }
    fn run(name: String, arguments: Vec<String>) -> Result<String, failures::Failure> {
        guarded(|| T::run(name, arguments))
    }
}
