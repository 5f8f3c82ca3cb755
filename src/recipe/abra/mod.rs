//! `abra.sh`, read as data and never run: the exports that abra's recipes keep
//! the versions of their configs in, and the functions that a port starts from.

mod exports;
mod functions;
mod guess;

pub use exports::exports;
pub use functions::{Function, functions};
pub use guess::{Guess, Hints, guess};
