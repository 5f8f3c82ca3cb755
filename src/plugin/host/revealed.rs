//! Secret values that a plugin has seen, taken out of everything it says.
//!
//! Best effort: a plugin that wants to give a secret away can encode it. This
//! is for the careless one that logs what it sends.

use std::sync::{Arc, Mutex, MutexGuard};

use zeroize::Zeroizing;

/// Values this short stand in too much ordinary text to be taken out of it.
const SHORT: usize = 4;

/// The values one instance has seen; clones share them.
#[derive(Clone, Default)]
pub struct Revealed(Arc<Mutex<Vec<Zeroizing<String>>>>);

impl Revealed {
    pub fn remember(&self, value: &str) {
        let mut known = self.lock();
        if value.len() >= SHORT && !known.iter().any(|k| k.as_str() == value) {
            known.push(Zeroizing::new(value.to_owned()));
        }
    }

    /// The text with `***` for every value.
    pub fn redact(&self, mut text: String) -> String {
        for value in self.lock().iter() {
            if text.contains(value.as_str()) {
                text = text.replace(value.as_str(), "***");
            }
        }
        text
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Zeroizing<String>>> {
        // Nothing panics while it is held, and a list is never half-written.
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}
