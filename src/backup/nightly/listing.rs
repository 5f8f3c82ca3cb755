//! What a server's repository holds, of all apps at once: restic spends half a second on each
//! question.

use crate::{
    app::Context,
    backup::{
        error::Error,
        options::{Missing, Options, find, unless_cancelled},
        set::{self, SetSummary, snapshots::Sets},
    },
    home::AppEntry,
};

/// The sets of a server's repository.
#[derive(Debug, Clone)]
pub struct Kept(Sets);

impl Kept {
    /// Those of an app, newest first.
    pub fn of(&self, app: &AppEntry) -> Vec<&SetSummary> {
        self.0.sets.iter().filter(|set| set.app == app.name.as_str()).collect()
    }

    /// What is wrong if not all of them could be read, and what to do about it.
    pub fn unreadable(&self) -> Option<(String, String)> {
        let unreadable = self.0.unreadable.as_ref()?;
        Some((unreadable.to_string(), unreadable.hint()))
    }
}

/// The sets in the repository of an app's server, or in the copy that the options name; none where there is no repository.
///
/// # Errors
/// [`Error::WrongPassword`], and restic's failures.
pub async fn kept(context: &Context, app: &AppEntry, options: &Options) -> Result<Kept, Error> {
    let listing = async {
        let restic = find(context, app, options, Missing::Refused).await?;
        let found = restic.listing(set::TAG).await?;
        Ok(Sets { sets: set::sets(&found.snapshots), unreadable: found.unreadable })
    };
    match unless_cancelled(&options.cancel, "nothing was changed", listing).await {
        Ok(sets) => Ok(Kept(sets)),
        Err(Error::NoRepository { .. }) => Ok(Kept(Sets { sets: Vec::new(), unreadable: None })),
        Err(error) => Err(error),
    }
}
