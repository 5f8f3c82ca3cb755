//! The exit codes of the process.

use std::process::ExitCode;

/// An exit code. The named ones are part of the interface: scripts rely on
/// them, `docs/cli.md` lists them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exit(u8);

impl Exit {
    /// Everything that was asked for is done.
    pub const DONE: Exit = Exit(0);
    /// It failed; nothing is known to be half done.
    pub const FAILED: Exit = Exit(1);
    /// The command was used wrongly; nothing was tried.
    pub const USAGE: Exit = Exit(2);
    /// Some of it is done.
    pub const PARTLY: Exit = Exit(3);
    /// It failed, and was rolled back.
    pub const ROLLED_BACK: Exit = Exit(4);
    /// Someone else is changing the same app.
    pub const LOCKED: Exit = Exit(5);
    /// Consent is needed, and nobody could be asked.
    pub const NEEDS_CONSENT: Exit = Exit(6);
    /// What runs is not what a deploy would bring, and the command was to say so.
    pub const DIFFERS: Exit = Exit(7);
    /// Ended by Ctrl-C: what shells report for a program that SIGINT ended.
    pub const INTERRUPTED: Exit = Exit(130);

    /// The number that the process ends with.
    pub fn code(self) -> u8 {
        self.0
    }

    /// The exit code of a program that ran in a container. Codes that do not
    /// fit into a byte become 1, never 0.
    pub fn of_program(code: i64) -> Exit {
        match u8::try_from(code) {
            Ok(code) => Exit(code),
            Err(_) => Exit::FAILED,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_failed_never_counts_as_done() {
        for (code, exit) in
            [(0, Exit::DONE), (7, Exit(7)), (255, Exit(255)), (256, Exit(1)), (-1, Exit(1))]
        {
            assert_eq!(Exit::of_program(code), exit);
        }
    }
}
