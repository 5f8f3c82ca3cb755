//! The warnings of a successful backup: shown at once, and counted in its report
//! for people who did not read the output.

use std::sync::{Mutex, PoisonError};

use crate::progress::Sink;

/// The warnings of one backup.
#[derive(Debug, Default)]
pub(crate) struct Warnings(Mutex<Vec<String>>);

impl Warnings {
    pub fn add(&self, progress: &dyn Sink, message: String) {
        progress.warn(message.clone());
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(message);
    }

    /// What was said so far.
    pub fn all(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn into_all(self) -> Vec<String> {
        self.0.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}
