//! Removes secret values that a plugin has seen from everything it says.
//!
//! Best effort: a plugin that wants to give a secret away can encode it. This
//! is for a careless plugin that logs what it sends.

use std::sync::{Arc, Mutex, MutexGuard};

use zeroize::Zeroizing;

use crate::plugin::text;

/// Values this short are part of too much ordinary text to be removed from it.
const SHORT: usize = 4;

/// If a value has several lines, each of these is removed as well, because text that
/// arrives line by line (stdout) never contains the whole value. Shorter lines are common
/// text.
const LINE: usize = 16;
/// Number of texts to look for; each costs time in every printed line.
const MANY: usize = 1000;

/// The values one instance has seen; clones share them.
#[derive(Clone, Default)]
pub struct Revealed(Arc<Mutex<Vec<Zeroizing<String>>>>);

impl Revealed {
    pub fn remember(&self, value: &str) {
        let value = Zeroizing::new(text::clean(value));
        let value = value.trim();
        let whole = Some(value).filter(|value| value.len() >= SHORT);
        let lines = value.lines().map(str::trim).filter(|line| line.len() >= LINE);
        let mut known = self.lock();
        for part in whole.into_iter().chain(lines) {
            if known.len() < MANY && !known.iter().any(|k| k.as_str() == part) {
                known.push(Zeroizing::new(part.to_owned()));
            }
        }
        // A value that is part of another must not keep that from being found.
        known.sort_by_key(|value| std::cmp::Reverse(value.len()));
    }

    /// The text, which is [clean](text::clean), with `***` for every value.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_found_whole_and_line_by_line() {
        let revealed = Revealed::default();
        revealed.remember("abc");
        revealed.remember("hunter22\r\n");
        revealed.remember("hunter22-and-more");
        revealed.remember("-----BEGIN KEY-----\nMC4CAQAwBQYDK2VwBCIEIA\n-----END KEY-----\n");
        for (text, wanted) in [
            ("abc", "abc"),
            ("it is hunter22!", "it is ***!"),
            ("it is hunter22-and-more", "it is ***"),
            ("key:\nMC4CAQAwBQYDK2VwBCIEIA", "key:\n***"),
            ("-----BEGIN KEY-----\nMC4CAQAwBQYDK2VwBCIEIA\n-----END KEY-----", "***"),
        ] {
            assert_eq!(revealed.redact(text.into()), wanted);
        }
    }
}
