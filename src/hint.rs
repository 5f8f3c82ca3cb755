//! What to try next, said by the error that knows.

/// An error that may know the next step. Every error type of the library
/// implements it; an error that wraps another passes the question on, so that
/// the hint of the innermost cause reaches the person at the terminal.
pub trait Hint: std::error::Error {
    /// One imperative sentence, or a command to type; none when nothing better
    /// than the message can be said.
    fn hint(&self) -> Option<String> {
        None
    }

    /// Whether the line breaks of its message are its own: it has a layout, and
    /// made one line of everything in it that others wrote. The message of any
    /// other error is one line, whatever is in it.
    fn is_laid_out(&self) -> bool {
        false
    }
}
