//! The proof that a repository takes additions only: a tiny snapshot of our own, which is no
//! backup of anything, and a try to remove it. A store that lets it be removed protects
//! nothing, whatever its settings are believed to say. The snapshot that a good store keeps is
//! tried again the next time, so that there is one at most.

use jiff::Timestamp;
use serde::Serialize;

use super::{
    error::Error,
    restic::{LOCK_LIMIT, Label, Restic},
};
use crate::{app::Context, text::line};

/// The tag of the snapshot; sets have another.
const TAG: &str = "potluck-proof";
/// Its host, and its file.
const NAME: &str = "potluck-append-only";

/// What the store did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Removal {
    /// It is as it should be.
    Refused,
    /// Anyone with these credentials can remove backups.
    Accepted,
    /// It did not answer, or something else failed: no proof of anything.
    Unknown,
}

/// What came of trying to remove something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Proof {
    pub at: Timestamp,
    pub removal: Removal,
    /// What the store said, or why it is unknown.
    pub reason: Option<String>,
}

/// Tries to remove a snapshot that was stored for this.
pub(crate) async fn prove(context: &Context, restic: &Restic) -> Proof {
    context.progress.step(format!("try to remove something from {}", restic.name()));
    let (removal, reason) = match tried(context, restic).await {
        Ok((removal, reason)) => (removal, reason),
        Err(error) => (Removal::Unknown, Some(line(&error.to_string()).into_owned())),
    };
    Proof { at: Timestamp::now(), removal, reason }
}

async fn tried(context: &Context, restic: &Restic) -> Result<(Removal, Option<String>), Error> {
    let found = async || Ok::<_, Error>(restic.snapshots(TAG).await?.into_iter().next());
    let snapshot = match found().await? {
        Some(snapshot) => snapshot,
        None => {
            let store = || store(restic);
            restic.past_locks(LOCK_LIMIT, &*context.progress, store).await?;
            let none = || Error::ResticOutput {
                action: "list the snapshots".into(),
                message: "what was just stored is not among them".into(),
            };
            found().await?.ok_or_else(none)?
        }
    };
    let ids = [snapshot.id.clone()];
    let forget = || restic.forget(&ids);
    let forgotten = restic.past_locks(LOCK_LIMIT, &*context.progress, forget).await;
    restic.settle().await;
    let reason = match forgotten {
        Ok(()) => None,
        Err(Error::Refused { reason, .. }) => Some(reason),
        Err(error) => return Err(error),
    };
    // What restic says of it is not believed: only what is there afterwards.
    let left = restic.snapshots(TAG).await?.into_iter().any(|left| left.id == snapshot.id);
    Ok((if left { Removal::Refused } else { Removal::Accepted }, reason))
}

async fn store(restic: &Restic) -> Result<(), Error> {
    let tags = [TAG.to_owned()];
    let label = Label { host: NAME, tags: &tags };
    let mut upload = restic.backup_stream(label, NAME).await?;
    upload.write(b"potluck tries to remove this, and should not succeed\n").await?;
    upload.finish().await.map(drop)
}
