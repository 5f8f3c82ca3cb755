//! How long the parts of a rebuild take.

use std::time::Instant;

use crate::backup::evidence::StepTime;

/// A watch that is read at the end of each part.
#[derive(Debug)]
pub(super) struct Watch {
    since: Instant,
    /// The parts that ended, in order.
    pub steps: Vec<StepTime>,
}

impl Watch {
    pub fn start() -> Self {
        Watch { since: Instant::now(), steps: Vec::new() }
    }

    /// A part ended, and the next begins.
    pub fn lap(&mut self, step: &str) {
        let seconds = self.since.elapsed().as_secs_f64();
        self.steps.push(StepTime { step: step.to_owned(), seconds });
        self.since = Instant::now();
    }

    /// Whether a part ended.
    pub fn has(&self, step: &str) -> bool {
        self.steps.iter().any(|it| it.step == step)
    }

    /// All parts together.
    pub fn seconds(&self) -> f64 {
        StepTime::total(&self.steps)
    }
}
