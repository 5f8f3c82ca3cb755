//! How a command fails: one sentence, the causes behind it, hints, an exit code.
//!
//! Every room has its own error type; here they all become a [`Failure`]. The
//! cause chain leaves out what the sentence before it already says, since many
//! errors show their source in their own message.

use std::error::Error as StdError;

use serde::Serialize;

use crate::{
    compose::Problems,
    hint::Hint,
    lint::{Finding, Position},
};

use super::exit::Exit;

/// What a command returns.
pub type Outcome = Result<Exit, Failure>;

/// A command that did not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    pub exit: Exit,
    /// One sentence, in lower case and without a full stop. None if there is
    /// nothing to say, because the reader of our output has gone away.
    pub message: Option<String>,
    /// Whether its line breaks are our own: see [`Hint::is_laid_out`].
    pub is_laid_out: bool,
    pub causes: Vec<String>,
    pub hints: Vec<String>,
    /// What the message says, one by one, where it is about files or settings.
    pub findings: Vec<Finding>,
    /// The place that it is about.
    pub position: Option<Box<Position>>,
    /// What programs are told in its place, if the message for people has a layout, or if
    /// there is more to tell them.
    pub plain: Option<Box<Plain>>,
}

/// What programs are told: a message in place of one that shows lines of files with marks and
/// hints below them, and what there is nevertheless.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plain {
    pub message: String,
    pub hints: Vec<String>,
    /// A backup that is complete.
    pub set: Option<String>,
}

impl Failure {
    pub fn new(message: impl Into<String>) -> Self {
        Failure {
            exit: Exit::FAILED,
            message: Some(message.into()),
            is_laid_out: false,
            causes: Vec::new(),
            hints: Vec::new(),
            findings: Vec::new(),
            position: None,
            plain: None,
        }
    }

    /// With line breaks of its own: each foreign text in it is one line.
    pub fn laid_out(message: impl Into<String>) -> Self {
        Failure { is_laid_out: true, ..Failure::new(message) }
    }

    /// The command was used wrongly, in a way that only shows after parsing.
    pub fn usage(message: impl Into<String>) -> Self {
        Failure::new(message).exit(Exit::USAGE)
    }

    /// Consent is needed, and nobody can be asked.
    pub fn consent(message: impl Into<String>) -> Self {
        Failure::new(message).exit(Exit::NEEDS_CONSENT)
    }

    /// The person at the terminal said no, or pressed Ctrl-C. Nothing is said
    /// when the message is empty.
    pub fn interrupted(message: impl Into<String>) -> Self {
        let mut failure = Failure::new(message).exit(Exit::INTERRUPTED);
        failure.message = failure.message.filter(|message| !message.is_empty());
        failure
    }

    /// The reader of standard output closed it: not a failure of ours.
    pub fn reader_gone() -> Self {
        Failure { message: None, ..Failure::new("") }.exit(Exit::DONE)
    }

    /// An error of the library, with its causes and its hint.
    pub fn of(error: &impl Hint) -> Self {
        let mut failure = Failure::new(error.to_string());
        failure.is_laid_out = error.is_laid_out();
        failure.add_causes(error.source());
        failure.hints.extend(error.hint());
        failure
    }

    /// A system call that failed while `doing` something.
    pub fn io(doing: impl Into<String>, error: &std::io::Error) -> Self {
        let mut failure = Failure::new(doing);
        failure.causes.push(error.to_string());
        failure
    }

    #[must_use]
    pub fn exit(mut self, exit: Exit) -> Self {
        self.exit = exit;
        self
    }

    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// The error for programs that asked for JSON; none if there is nothing to
    /// say.
    pub fn report(&self) -> Option<impl Serialize + '_> {
        #[derive(Serialize)]
        struct Report<'a> {
            error: Told<'a>,
        }
        #[derive(Serialize)]
        struct Told<'a> {
            message: &'a str,
            file: Option<&'a str>,
            line: Option<usize>,
            column: Option<usize>,
            causes: &'a [String],
            hints: &'a [String],
            findings: &'a [Finding],
            exit_code: u8,
            #[serde(skip_serializing_if = "Option::is_none")]
            set: Option<&'a str>,
        }
        let Failure { plain, causes, findings, exit, .. } = self;
        let (message, hints) = match plain {
            Some(plain) => (Some(plain.message.as_str()), &plain.hints),
            None => (self.message.as_deref(), &self.hints),
        };
        let first = || findings.first().and_then(|finding| finding.position.as_ref());
        let position = self.position.as_deref().or_else(first);
        let known = |number: usize| Some(number).filter(|number| *number > 0);
        message.map(|message| Report {
            error: Told {
                message,
                file: position.map(|position| position.file.as_str()),
                line: position.and_then(|position| known(position.line)),
                column: position.and_then(|position| known(position.column)),
                causes,
                hints,
                findings,
                exit_code: exit.code(),
                set: plain.as_ref().and_then(|plain| plain.set.as_deref()),
            },
        })
    }

    /// Compose files that cannot be read: people see the lines, programs a sentence.
    fn with_problems(mut self, problems: &Problems) -> Self {
        let more = match problems.0.len().saturating_sub(1) {
            0 => String::new(),
            more => format!(" (and {more} more, see `findings`)"),
        };
        self.plain = problems.0.first().map(|first| {
            let mut hints = self.hints.clone();
            for hint in problems.0.iter().filter_map(|problem| problem.hint.as_ref()) {
                if !hints.contains(hint) {
                    hints.push(hint.clone());
                }
            }
            Box::new(Plain { message: format!("{}{more}", first.sentence()), hints, set: None })
        });
        self.findings = problems.0.iter().cloned().map(Finding::from).collect();
        self
    }

    /// The findings of an operation's error, and their positions.
    fn with_operation(self, error: crate::app::Error) -> Self {
        use crate::app::Error;
        match error {
            Error::Rollout(error) => self.with_rollout(error),
            Error::Compose(problems) => self.with_problems(&problems),
            Error::Home(error) => Failure { position: error.position().map(Box::new), ..self },
            _ => self,
        }
    }

    /// What keeps files from being deployed, one by one.
    fn with_rollout(self, error: crate::rollout::Error) -> Self {
        match error {
            crate::rollout::Error::Unfit { findings, .. } => Failure { findings, ..self },
            _ => self,
        }
    }

    fn add_causes(&mut self, mut source: Option<&(dyn StdError + 'static)>) {
        let mut above = self.message.clone().unwrap_or_default();
        while let Some(error) = source {
            let text = error.to_string();
            if !above.contains(&text) {
                self.causes.push(text.clone());
                above = text;
            }
            source = error.source();
        }
    }
}

macro_rules! failures_of {
    ($($error:ty),* $(,)?) => {
        $(impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                Failure::of(&error)
            }
        })*
    };
}

failures_of!(
    crate::operation::ProvisionError,
    crate::backup::schedule::Error,
    crate::engine::Error,
    crate::engine::docker_config::Error,
    crate::home::grant::InvalidGrant,
    crate::hooks::RevokeError,
    crate::plugin::Error,
    crate::recipe::Error,
    crate::scaffold::Error,
    crate::secrets::Error,
    crate::toolchain::Error,
    crate::wiring::Error,
);

impl From<crate::home::Error> for Failure {
    fn from(error: crate::home::Error) -> Self {
        let exit = match error {
            crate::home::Error::Locked { .. } | crate::home::Error::Running { .. } => Exit::LOCKED,
            _ => Exit::FAILED,
        };
        let failure = Failure::of(&error).exit(exit);
        Failure { position: error.position().map(Box::new), ..failure }
    }
}

impl From<crate::secrets::escrow::Error> for Failure {
    fn from(error: crate::secrets::escrow::Error) -> Self {
        let failure = Failure::of(&error);
        Failure { position: error.position().map(Box::new), ..failure }
    }
}

impl From<crate::home::env_file::ParseError> for Failure {
    fn from(error: crate::home::env_file::ParseError) -> Self {
        crate::home::Error::from(error).into()
    }
}

impl From<crate::scenario::Error> for Failure {
    fn from(error: crate::scenario::Error) -> Self {
        use crate::scenario::Error;
        let exit = match error {
            Error::UnknownHook { .. }
            | Error::AmbiguousHook { .. }
            | Error::Arguments { .. }
            | Error::NothingFound { .. } => Exit::USAGE,
            _ => Exit::FAILED,
        };
        Failure::of(&error).exit(exit)
    }
}

/// A name on the command line that can't be one.
impl From<crate::home::names::InvalidName> for Failure {
    fn from(error: crate::home::names::InvalidName) -> Self {
        Failure::of(&error).exit(Exit::USAGE)
    }
}

impl From<crate::compose::Problems> for Failure {
    fn from(problems: crate::compose::Problems) -> Self {
        Failure::of(&problems).with_problems(&problems)
    }
}

impl From<crate::scaffold::upstream::Error> for Failure {
    fn from(error: crate::scaffold::upstream::Error) -> Self {
        use crate::scaffold::upstream::Error;
        match error {
            Error::Problems(problems) => problems.into(),
            error @ Error::Address(_) => Failure::of(&error).exit(Exit::USAGE),
            error => Failure::of(&error),
        }
    }
}

impl From<crate::app::Error> for Failure {
    fn from(error: crate::app::Error) -> Self {
        let failure = Failure::of(&error).exit(exit_of_operation(&error));
        failure.with_operation(error)
    }
}

impl From<crate::rollout::Error> for Failure {
    fn from(error: crate::rollout::Error) -> Self {
        let failure = Failure::of(&error).exit(exit_of_rollout(&error));
        failure.with_rollout(error)
    }
}

fn exit_of_rollout(error: &crate::rollout::Error) -> Exit {
    use crate::rollout::Error;
    match error {
        Error::RolledBack(_) | Error::SwarmRolledBack(_) => Exit::ROLLED_BACK,
        _ => Exit::FAILED,
    }
}

fn exit_of_operation(error: &crate::app::Error) -> Exit {
    use crate::app::{Error, Left};
    match error {
        Error::Home(crate::home::Error::Locked { .. }) | Error::Taken(_) | Error::Unfinished(_) => {
            Exit::LOCKED
        }
        Error::NeedsConsent { .. }
        | Error::NeedsTakeover(_)
        | Error::NeedsDowngrade(_)
        | Error::NeedsPull(_)
        | Error::DataMigrated(_)
        | Error::DataLeft { .. }
        | Error::PlanChanged { .. }
        | Error::ByHand { .. }
        | Error::NoRotation { way: crate::app::NoRotation::ByHand, .. }
        | Error::Declined { .. } => Exit::NEEDS_CONSENT,
        Error::BadGrant { .. }
        | Error::BadReach { .. }
        | Error::NoProvider { .. }
        | Error::NotByHand { .. }
        | Error::NotASender { .. } => Exit::USAGE,
        Error::Rollout(error) => exit_of_rollout(error),
        Error::Migration(failed) if failed.left == Left::Back => Exit::ROLLED_BACK,
        Error::UpgradeUndone { .. } => Exit::ROLLED_BACK,
        _ => Exit::FAILED,
    }
}

impl From<crate::backup::Error> for Failure {
    fn from(error: crate::backup::Error) -> Self {
        use crate::backup::Error;
        let exit = match &error {
            Error::Operation(error) => exit_of_operation(error),
            Error::AfterBackup { .. } | Error::NotCopied { .. } | Error::Verify { .. } => {
                Exit::PARTLY
            }
            Error::Locked { .. } => Exit::LOCKED,
            Error::NotSaved(_) => Exit::NEEDS_CONSENT,
            Error::Cancelled { .. } | Error::Interrupted => Exit::INTERRUPTED,
            _ => Exit::FAILED,
        };
        let failure = Failure::of(&error).exit(exit);
        match error {
            Error::Operation(error) => failure.with_operation(error),
            Error::Home(error) => Failure { position: error.position().map(Box::new), ..failure },
            Error::AfterBackup { set, .. } | Error::NotCopied { set, .. } => {
                let message = failure.message.clone().unwrap_or_default();
                let (hints, set) = (failure.hints.clone(), Some(set.to_string()));
                Failure { plain: Some(Box::new(Plain { message, hints, set })), ..failure }
            }
            _ => failure,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("reading x: {source}")]
    struct Outer {
        #[source]
        source: Middle,
    }

    #[derive(Debug, thiserror::Error)]
    #[error("the disk said no")]
    struct Middle(#[source] Inner);

    #[derive(Debug, thiserror::Error)]
    #[error("bad sector")]
    struct Inner;

    impl Hint for Outer {
        fn hint(&self) -> Option<String> {
            Some("buy another disk".into())
        }
    }

    #[test]
    fn the_chain_says_nothing_twice() {
        let failure = Failure::of(&Outer { source: Middle(Inner) });
        assert_eq!(failure.message.as_deref(), Some("reading x: the disk said no"));
        assert_eq!(failure.causes, ["bad sector"]);
        assert_eq!(failure.hints, ["buy another disk"]);
    }
}
