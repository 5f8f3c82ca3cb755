//! Whether the manifests of sets can be read: only then is a set known to be what its tags
//! say. What was read is remembered below `state/manifests/`, by the id of its snapshot,
//! which is the digest of what it names: each manifest is read once.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use futures_util::{StreamExt, TryStreamExt, stream};
use serde::{Deserialize, Serialize};

use super::{
    SetId, SetSummary,
    manifest::{self, Manifest},
    signed::Signature,
    trust::{Trust, origin, trees_of},
};
use crate::{
    app::Context,
    backup::{
        error::Error,
        restic::{LOCK_LIMIT, Restic},
    },
    home::{
        AppEntry, CopyName, Home,
        write::{read_state, write_state},
    },
};

/// Manifests that are read at a time: each takes half a second of a processor.
const AT_A_TIME: usize = 2;

/// What became of reading the manifests.
#[derive(Debug, Default)]
pub(crate) struct Judged {
    /// Sets whose manifest cannot be read, and why.
    pub doubts: BTreeMap<SetId, String>,
    /// Sets that no machine of the team made, and why.
    pub forged: BTreeMap<SetId, String>,
}

/// What is remembered of a manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Seen {
    set: SetId,
    signature: Signature,
    trees: BTreeMap<String, Option<String>>,
}

/// Reads the manifests of complete sets.
///
/// # Errors
/// Those of restic that are not about one manifest.
pub(crate) async fn judge(
    context: &Context,
    restic: &Restic,
    app: &AppEntry,
    sets: &[SetSummary],
) -> Result<Judged, Error> {
    let mut seen = remembered(&context.home, app, restic.copy())?;
    let listed: BTreeSet<&str> = sets.iter().filter_map(|set| set.manifest.as_deref()).collect();
    let before = seen.len();
    seen.retain(|snapshot, _| listed.contains(snapshot.as_str()));
    let is_unread = |set: &&SetSummary| {
        set.complete && set.manifest.as_ref().is_some_and(|it| !seen.contains_key(it))
    };
    let unread: Vec<&SetSummary> = sets.iter().filter(is_unread).collect();
    if !unread.is_empty() {
        context.progress.step(format!("read {} manifests", unread.len()));
    }
    let reading = unread.iter().map(|set| read(context, restic, app, set));
    let read: Vec<(&SetSummary, Result<Seen, String>)> =
        stream::iter(reading).buffered(AT_A_TIME).try_collect().await?;
    let mut judged = Judged::default();
    let mut is_new = before != seen.len();
    for (set, found) in read {
        match (found, &set.manifest) {
            (Ok(found), Some(snapshot)) => {
                seen.insert(snapshot.clone(), found);
                is_new = true;
            }
            (Ok(_), None) => {}
            (Err(reason), _) => drop(judged.doubts.insert(set.id.clone(), reason)),
        }
    }
    if is_new {
        let bytes = serde_json::to_vec(&seen).expect("plain data");
        write_state(&path(&context.home, app, restic.copy()), &bytes)?;
    }
    let team = context.home.signers()?;
    for set in sets.iter().filter(|set| set.complete) {
        let known = set.manifest.as_ref().and_then(|snapshot| seen.get(snapshot));
        let Some(known) = known else { continue };
        if known.set != set.id {
            judged.doubts.insert(set.id.clone(), "its manifest is of another set".into());
        }
        let trust = Trust::default();
        let Seen { signature, trees, .. } = known;
        if let Err(why) = origin(&set.id, signature, trees, &set.trees, &team, &trust) {
            judged.forged.insert(set.id.clone(), why.to_string());
        }
    }
    Ok(judged)
}

async fn read<'a>(
    context: &Context,
    restic: &Restic,
    app: &AppEntry,
    set: &'a SetSummary,
) -> Result<(&'a SetSummary, Result<Seen, String>), Error> {
    let snapshot = set.manifest.as_deref().unwrap_or_default();
    let reading = || restic.read(snapshot, manifest::FILE, manifest::LIMIT);
    let json = match restic.read_past_locks(LOCK_LIMIT, &*context.progress, reading).await {
        Ok(json) => json,
        Err(error @ (Error::Damaged { .. } | Error::ResticOutput { .. })) => {
            return Ok((set, Err(error.to_string())));
        }
        Err(error) => return Err(error),
    };
    let found = Manifest::open(&json, &set.id).and_then(|(manifest, signature)| {
        let trees = trees_of(&manifest);
        match manifest.app == app.name.as_str() {
            true => Ok(Seen { set: manifest.set, signature, trees }),
            false => Err(format!("its manifest is of {}", manifest.app)),
        }
    });
    Ok((set, found))
}

/// Nothing where the file is of another version of potluck.
fn remembered(
    home: &Home,
    app: &AppEntry,
    copy: Option<&CopyName>,
) -> Result<BTreeMap<String, Seen>, Error> {
    let bytes = read_state(&path(home, app, copy))?;
    Ok(bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default())
}

/// A copy gives snapshots ids of its own.
fn path(home: &Home, app: &AppEntry, copy: Option<&CopyName>) -> PathBuf {
    let mut folder = home.state().join("manifests");
    if let Some(copy) = copy {
        folder.extend(["copies", copy.as_str()]);
    }
    folder.push(app.server.as_str());
    folder.join(format!("{}.json", app.name))
}
