//! What an operation reports while it runs.
//!
//! The library reports facts; the command line decides how they look (a
//! spinner, plain lines, nothing). Events never carry secret values.

use std::fmt;

/// Something that happened, in the order it happened.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A step of the operation began: `lint`, `hooks before-deploy`, `converge`.
    Step { name: String },
    /// The step is done; `detail` says with what result.
    Done { name: String, detail: String },
    /// A service is in this state now, `2/2 running, healthy` or `pulling`.
    Service { service: String, state: String },
    /// A plugin's own line.
    Hook { plugin: String, level: Level, message: String },
    /// `done` of `total` units, bytes where `unit` is `bytes`.
    Progress { step: String, done: u64, total: Option<u64>, unit: &'static str },
    /// Something the person should know that does not stop the operation.
    Warning { message: String },
}

/// How much a line matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    Debug,
    Info,
    Warn,
    Error,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Level::Debug => "debug",
            Level::Info => "info",
            Level::Warn => "warning",
            Level::Error => "error",
        })
    }
}

/// Takes events. Must not block: it is called from async code.
pub trait Sink: Send + Sync {
    fn event(&self, event: Event);
}

impl dyn Sink + '_ {
    /// A step of the operation begins ([`Event::Step`]).
    pub fn step(&self, name: impl Into<String>) {
        self.event(Event::Step { name: name.into() });
    }

    /// Reports a problem that does not stop the operation ([`Event::Warning`]).
    pub fn warn(&self, message: impl Into<String>) {
        self.event(Event::Warning { message: message.into() });
    }
}

/// Drops every event: for callers that want only the result.
pub struct Silent;

impl Sink for Silent {
    fn event(&self, _event: Event) {}
}
