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
    text::line,
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

/// Which complete sets are judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Judging {
    All,
    /// From the newest on, until one is as it should be.
    Newest,
}

/// Reads the manifests of complete sets, newest first.
///
/// # Errors
/// Those of restic that are not about one manifest.
pub(crate) async fn judge(
    context: &Context,
    restic: &Restic,
    app: &AppEntry,
    sets: &[&SetSummary],
    judging: Judging,
) -> Result<Judged, Error> {
    let mut seen = remembered(&context.home, app, restic.copy())?;
    let listed: BTreeSet<&str> = sets.iter().filter_map(|set| set.manifest.as_deref()).collect();
    let before = seen.len();
    seen.retain(|snapshot, _| listed.contains(snapshot.as_str()));
    let mut is_new = before != seen.len();
    let team = context.home.signers()?;
    let complete: Vec<&SetSummary> = sets.iter().copied().filter(|set| set.complete).collect();
    let mut judged = Judged::default();
    let at_once = match judging {
        Judging::All => complete.len().max(1),
        Judging::Newest => 1,
    };
    for some in complete.chunks(at_once) {
        let is_unread = |set: &&&SetSummary| {
            set.manifest.as_ref().is_some_and(|snapshot| !seen.contains_key(snapshot))
        };
        let unread: Vec<&SetSummary> = some.iter().filter(is_unread).copied().collect();
        if !unread.is_empty() {
            context.progress.step(format!("read {} manifests", unread.len()));
        }
        let reading = unread.iter().map(|set| read(context, restic, app, set));
        let read: Vec<(&SetSummary, Result<Seen, String>)> =
            stream::iter(reading).buffered(AT_A_TIME).try_collect().await?;
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
        for set in some {
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
        if judging == Judging::Newest && some.iter().any(|set| !judged.doubts_any(&set.id)) {
            break;
        }
    }
    if is_new {
        let bytes = serde_json::to_vec(&seen).expect("plain data");
        write_state(&path(&context.home, app, restic.copy()), &bytes)?;
    }
    Ok(judged)
}

/// Leaves out the sets that are not to be relied on, and says of each what that means:
/// `is not copied`.
///
/// # Errors
/// As [`judge`].
pub(crate) async fn relied_on(
    context: &Context,
    restic: &Restic,
    app: &AppEntry,
    sets: &mut Vec<SetSummary>,
    (judging, means): (Judging, &str),
) -> Result<(), Error> {
    let all: Vec<&SetSummary> = sets.iter().collect();
    let judged = judge(context, restic, app, &all, judging).await?;
    for (set, why) in judged.doubts.iter().chain(&judged.forged) {
        context.progress.warn(format!("the backup {set} {means}: {}", line(why)));
    }
    sets.retain(|set| !judged.doubts_any(&set.id));
    Ok(())
}

impl Judged {
    /// Whether a set is not to be relied on.
    fn doubts_any(&self, set: &SetId) -> bool {
        self.doubts.contains_key(set) || self.forged.contains_key(set)
    }
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
        match manifest.app == app.name.as_str() && manifest.server == set.server {
            true => Ok(Seen { set: manifest.set, signature, trees }),
            false => Err(format!("its manifest is of {} on {}", manifest.app, manifest.server)),
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
