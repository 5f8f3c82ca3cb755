//! Reading a set's manifest, and judging who made the set.

use super::{
    SetSummary,
    manifest::{self, Item, Manifest},
    signed::{Signature, key},
    trust::{Distrust, Origin, Trust, origin, trees_of},
};
use crate::{
    app::Context,
    backup::{
        error::Error,
        restic::{LOCK_LIMIT, Restic},
    },
    home::AppEntry,
};

/// A set whose manifest was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Opened {
    /// The ids of its items are whole.
    pub manifest: Manifest,
    pub signature: Signature,
    /// The key that it names, in hex.
    pub key: Option<String>,
    pub origin: Result<Origin, Distrust>,
}

/// Reads the manifest of a complete set.
///
/// # Errors
/// [`Error::Manifest`], [`Error::OtherApp`], [`Error::Incomplete`], and restic's failures.
pub(crate) async fn open(
    context: &Context,
    restic: &Restic,
    app: &AppEntry,
    set: &SetSummary,
    trust: &Trust,
) -> Result<Opened, Error> {
    let snapshot = set.manifest.as_deref().ok_or_else(|| Error::Incomplete {
        set: set.id.clone(),
        reason: "it has no manifest".into(),
    })?;
    // The first of a command that takes a lock.
    let read = || restic.read(snapshot, manifest::FILE, manifest::LIMIT);
    let json = restic.read_past_locks(LOCK_LIMIT, &*context.progress, read).await?;
    let (mut manifest, signature) = Manifest::open(&json, &set.id)
        .map_err(|reason| Error::Manifest { set: set.id.clone(), reason })?;
    // Tags and restic's host are not signed; the manifest is.
    if (manifest.app.as_str(), &manifest.server) != (app.name.as_str(), &set.server) {
        return Err(Error::OtherApp {
            set: set.id.clone(),
            found: format!("{} on {}", manifest.app, manifest.server),
            app: format!("{} on {}", app.name, set.server),
        });
    }
    let team = context.home.signers()?;
    let origin = origin(&set.id, &signature, &trees_of(&manifest), &set.trees, &team, trust);
    for item in &mut manifest.items {
        whole(set, item)?;
    }
    Ok(Opened { manifest, signature, key: key(&json), origin })
}

/// Copies of a repository give snapshots other ids: the tags find them.
fn whole(set: &SetSummary, item: &mut Item) -> Result<(), Error> {
    let name = item.label();
    let Some(told) = item.snapshot.as_mut() else { return Ok(()) };
    let part = set.parts.get(&name);
    // What has a tree is known by that, which was compared.
    let is_same = |full: &&String| item.tree.is_some() || full.starts_with(told.as_str());
    match part.filter(is_same) {
        Some(full) => told.clone_from(full),
        None => {
            let reason = format!("the snapshot of `{}` is gone", item.name);
            return Err(Error::Incomplete { set: set.id.clone(), reason });
        }
    }
    Ok(())
}

/// Fails for a set that is not believed; returns what has to be told about one that is.
///
/// # Errors
/// [`Error::Distrusted`].
pub(crate) fn believe(opened: &Opened, trust: &Trust) -> Result<Option<String>, Error> {
    let set = &opened.manifest.set;
    match &opened.origin {
        Ok(Origin::Signed(_)) => Ok(None),
        Ok(Origin::BeforeSigning) => Ok(Some(format!(
            "the backup {set} is not signed: anyone who can write to the repository could have \
             made it"
        ))),
        Err(why) if trust.unsigned => Ok(Some(format!("the backup {set} may be forged: {why}"))),
        Err(why) => Err(Error::Distrusted { set: set.clone(), why: Box::new(why.clone()) }),
    }
}
