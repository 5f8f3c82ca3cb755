//! Holds back what a plugin says in a hook whose answer is a secret: only the answer tells
//! what may not be shown, and it comes last.

use std::sync::{Arc, Mutex, MutexGuard};

use super::revealed::Revealed;
use crate::progress::{Event, Sink};

/// Lines that are held; a hook that says more has filled its log long before.
const MOST: usize = 10_000;

/// Passes events on, at once or when the hook has ended.
pub struct HeldBack {
    sink: Arc<dyn Sink>,
    revealed: Revealed,
    /// None while events are passed on at once.
    held: Mutex<Option<Vec<Event>>>,
}

impl HeldBack {
    pub fn new(sink: Arc<dyn Sink>, revealed: Revealed) -> Self {
        HeldBack { sink, revealed, held: Mutex::new(None) }
    }

    /// From now on events wait.
    pub fn hold(&self) {
        self.lock().get_or_insert_default();
    }

    /// Passes on what waited, without the secrets that are known now.
    pub fn release(&self) {
        let held = self.lock().take();
        for event in held.into_iter().flatten() {
            self.sink.event(self.redacted(event));
        }
    }

    fn redacted(&self, event: Event) -> Event {
        match event {
            Event::Hook { plugin, level, message } => {
                Event::Hook { plugin, level, message: self.revealed.redact(message) }
            }
            Event::Progress { step, done, total, unit } => {
                Event::Progress { step: self.revealed.redact(step), done, total, unit }
            }
            other => other,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Vec<Event>>> {
        // A list is never half-written.
        self.held.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Sink for HeldBack {
    fn event(&self, event: Event) {
        match &mut *self.lock() {
            Some(held) if held.len() < MOST => held.push(event),
            Some(_) => {}
            None => self.sink.event(event),
        }
    }
}
