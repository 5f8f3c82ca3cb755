//! The keys of a repository: each opens it by a password of its own.

use std::path::Path;

use serde::Deserialize;

use super::{CHANGE, QUESTION, Restic};
use crate::backup::error::Error;

/// A key, as restic lists it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Key {
    /// Its id, or the first digits of it.
    pub id: String,
    /// It opened the repository for this list.
    #[serde(default)]
    pub current: bool,
}

impl Restic {
    /// The key that the password of this repository opens.
    ///
    /// # Errors
    /// [`Error::WrongPassword`], [`Error::NoRepository`], and restic's other failures.
    pub async fn key(&self) -> Result<Key, Error> {
        let action = "list the keys";
        let arguments = ["key", "list", "--json", "--no-lock"].map(Into::into);
        let json = self.answer(action, &arguments, 1024 * 1024, QUESTION).await?;
        let odd = |message: String| Error::ResticOutput { action: action.into(), message };
        let keys: Vec<Key> = serde_json::from_slice(&json).map_err(|e| odd(e.to_string()))?;
        let current = keys.into_iter().find(|key| key.current);
        current.ok_or_else(|| odd("none of them is marked as the current one".into()))
    }

    /// Adds a key that the password in a file opens.
    ///
    /// # Errors
    /// restic's failures.
    pub async fn add_key(&self, password_file: &Path) -> Result<(), Error> {
        let arguments =
            ["key".into(), "add".into(), "--new-password-file".into(), password_file.into()];
        self.answer("add a key", &arguments, 64 * 1024, CHANGE).await.map(drop)
    }

    /// Removes a key, which is not the one that opened the repository.
    ///
    /// # Errors
    /// [`Error::Refused`], and restic's other failures.
    pub async fn remove_key(&self, key: &Key) -> Result<(), Error> {
        let arguments = ["key".into(), "remove".into(), key.id.clone().into()];
        self.answer("remove a key", &arguments, 64 * 1024, CHANGE).await.map(drop)
    }
}
