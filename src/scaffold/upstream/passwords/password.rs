//! A password of the upstream, the places that use it, and what it becomes.

/// One password, wherever it is used.
#[derive(Debug)]
pub(super) struct Password {
    /// The variable that the upstream has it in.
    pub(super) variable: Option<String>,
    /// What the upstream has as its value.
    pub(super) literal: Option<String>,
    pub(super) uses: Vec<Use>,
}

#[derive(Debug, Clone)]
pub(super) struct Use {
    pub(super) service: usize,
    pub(super) place: Place,
    /// The name that says what it is.
    pub(super) key: String,
    /// The host of the address that it is in: the password is that of this host.
    pub(super) host: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// The value of the variable.
    Whole,
    /// A part of it, as in an address.
    Within,
    /// A word of the command.
    Command,
}

/// What a password becomes.
pub(super) enum Fate {
    Secret(String),
    Setting(String),
}
