//! Why an export of `abra.sh` is not taken.

use std::fmt;

/// How many exports are read, and how many are named that are not; real files
/// have a handful.
pub(super) const MAX_EXPORTS: usize = 500;

/// Why an export is not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// Functions are never run.
    Function,
    /// A condition, a loop or a subshell may not be run.
    Block,
    /// Whether it is exported depends on a `set -a` that is not always run.
    Perhaps,
    /// Only a shell could compute the value.
    Computed,
    /// It refers to a name without an earlier value in the script.
    Unknown(String),
    TooMany,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::Function => f.write_str("it is in a function, and these are never run"),
            Reason::Block => f.write_str("it is in a condition, a block or a subshell"),
            Reason::Perhaps => f.write_str("the `set -a` above is in a condition or a block"),
            Reason::Computed => f.write_str("a shell would have to compute its value"),
            Reason::Unknown(other) => {
                write!(f, "it refers to `{other}`, which has no value before it")
            }
            Reason::TooMany => write!(f, "more than {MAX_EXPORTS} are not read"),
        }
    }
}
