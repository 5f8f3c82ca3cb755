//! What is said of an operation that did not end, before it is finished or undone.

use crate::{
    app::Unfinished,
    cli::{failure::Failure, prompt, session::Session, ui::clean},
    owner::journal::Step,
};

/// How far it came.
pub fn show(session: &Session, found: &Unfinished) {
    session.ui.say(format_args!("{found}."));
    match (&found.no_return, found.past_return) {
        (Some(step), true) => {
            session
                .ui
                .say(format_args!("It cannot be undone any more: `{}` has begun.", clean(step)));
        }
        (Some(step), false) => {
            session.ui.say(format_args!("It can be undone until `{}` begins.", clean(step)));
        }
        (None, _) => session.ui.say("It can be undone at any time."),
    }
}

/// Steps, one a line.
pub fn list<'a>(session: &Session, title: &str, steps: impl Iterator<Item = &'a Step>) {
    session.ui.say(title);
    for step in steps {
        session.ui.say(format_args!("  {} ({})", clean(&step.name), step.undo));
    }
}

/// Asks before anything changes.
///
/// # Errors
/// Without an answer, or with a no.
pub fn agree(session: &Session, yes: bool, question: &str) -> Result<(), Failure> {
    prompt::agree(&session.ui, yes, "this needs your consent", question)
}
