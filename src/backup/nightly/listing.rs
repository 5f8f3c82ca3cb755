//! What a server's repository holds, of all apps at once: restic spends half a second on each
//! question.

use std::collections::BTreeMap;

use crate::{
    app::Context,
    backup::{
        error::Error,
        options::{Missing, Options, find, unless_cancelled},
        restic::{Restic, Unreadable},
        set::{
            self, SetId, SetSummary,
            judged::{Judged, Judging, judge},
        },
    },
    home::AppEntry,
};

/// The sets of a server's repository.
#[derive(Debug)]
pub struct Kept {
    /// Newest first.
    sets: Vec<SetSummary>,
    unreadable: Option<Unreadable>,
    /// None where there is no repository.
    restic: Option<Restic>,
}

impl Kept {
    /// Those of an app, newest first.
    pub fn of(&self, app: &AppEntry) -> Vec<&SetSummary> {
        let is_its =
            |set: &&SetSummary| set.app == app.name.as_str() && set.server == app.server.as_str();
        self.sets.iter().filter(is_its).collect()
    }

    /// What is wrong if not all of them could be read, and what to do about it.
    pub fn unreadable(&self) -> Option<(String, String)> {
        let unreadable = self.unreadable.as_ref()?;
        Some((unreadable.to_string(), unreadable.hint()))
    }

    /// The newest sets of an app that no machine of the team made, or whose manifests cannot
    /// be read, and why: tags alone make no backup. A manifest is read once.
    ///
    /// # Errors
    /// Those of restic that are not about one manifest.
    pub async fn doubted(
        &self,
        context: &Context,
        app: &AppEntry,
        options: &Options,
    ) -> Result<BTreeMap<SetId, String>, Error> {
        let Some(restic) = &self.restic else { return Ok(BTreeMap::new()) };
        let sets = self.of(app);
        let judging = judge(context, restic, app, &sets, Judging::Newest);
        let Judged { doubts, mut forged } =
            unless_cancelled(&options.cancel, "nothing was changed", judging).await?;
        forged.extend(doubts);
        Ok(forged)
    }
}

/// The sets in the repository of an app's server, or in the copy that the options name; none
/// where there is no repository.
///
/// # Errors
/// [`Error::WrongPassword`], and restic's failures.
pub async fn kept(context: &Context, app: &AppEntry, options: &Options) -> Result<Kept, Error> {
    let listing = async {
        let restic = find(context, app, options, Missing::Refused).await?;
        let found = restic.listing(set::TAG).await?;
        let (sets, unreadable) = (set::sets(&found.snapshots), found.unreadable);
        Ok(Kept { sets, unreadable, restic: Some(restic) })
    };
    match unless_cancelled(&options.cancel, "nothing was changed", listing).await {
        Err(Error::NoRepository { .. }) => {
            Ok(Kept { sets: Vec::new(), unreadable: None, restic: None })
        }
        listed => listed,
    }
}
