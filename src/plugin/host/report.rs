//! `report`: log lines and progress for the operator.

use wasmtime::component::{HasSelf, Linker};

use super::State;
use crate::plugin::runtime::limits::Logged;
use crate::{
    plugin::{bindings::report, text},
    progress::{Event, Level},
};

/// Bytes of one line; what is longer is cut.
const LINE: usize = 4096;
/// Bytes of a step's name.
const STEP: usize = 120;

pub fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    report::add_to_linker::<_, HasSelf<State>>(linker, |state| state)
}

impl report::Host for State {
    fn log(&mut self, level: report::Level, message: String) -> wasmtime::Result<()> {
        self.call()?;
        let level = match level {
            report::Level::Debug => Level::Debug,
            report::Level::Info => Level::Info,
            report::Level::Warn => Level::Warn,
            report::Level::Error => Level::Error,
        };
        let message = self.clean(&message);
        if level == Level::Error {
            self.last_words = Some(text::clean_line(&message, LINE));
        }
        self.log_lines(level, &message);
        Ok(())
    }

    fn progress(&mut self, step: String, done: u64, total: Option<u64>) -> wasmtime::Result<()> {
        self.call()?;
        let step = text::clean_line(&self.clean(&step), STEP);
        if self.account.log(step.len()) == Logged::Yes {
            let unit = "";
            self.surroundings.progress.event(Event::Progress { step, done, total, unit });
        }
        Ok(())
    }
}

impl State {
    /// Passes on a message that is [clean](State::clean), line by line, as long
    /// as the hook has log left.
    pub fn log_lines(&mut self, level: Level, message: &str) {
        for line in message.lines().filter(|line| !line.trim().is_empty()) {
            match self.account.log(line.len()) {
                Logged::Yes => self.say(level, text::clean_line(line, LINE)),
                Logged::LimitReached => {
                    let limit = self.account.limits().log;
                    self.say(
                        Level::Warn,
                        format!("logged more than {limit} bytes; the rest of this hook is dropped"),
                    );
                }
                Logged::No => return,
            }
        }
    }
}
