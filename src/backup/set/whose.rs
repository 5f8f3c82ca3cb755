//! Whose sets are meant, where a repository holds those of several servers.

use crate::home::ServerName;

/// Whose sets of an app's name are meant. Apps of several servers may have one name and one
/// repository, and an app that was moved left its sets under the name of the server before.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Of {
    /// Those of the app's own server.
    #[default]
    Own,
    /// Those of this server.
    Server(ServerName),
    /// Those of the app's own server; where it has none, those of the only other one.
    Any,
}
