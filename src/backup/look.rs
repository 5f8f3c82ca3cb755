//! `backup show`, `ls` and `download`: what is in a set, without an app to restore it into.

use std::path::Path;

use jiff::Timestamp;
use serde::Serialize;
use tokio::io::{AsyncWrite, AsyncWriteExt};

use super::{
    error::Error,
    options::{Missing, Options, find, unless_cancelled},
    restic::{Listed, Restic},
    set::{
        ItemKind, SetId, SetSummary,
        choose::choose,
        manifest::{Item, Manifest, VolumeFacts},
        open::{Opened, believe},
        signed::Signature,
        snapshots::{Which, sets_of},
        trust::Origin,
    },
};
use crate::{
    app::Context,
    home::{AppEntry, Fingerprint},
    text::line,
};

/// Size of the pieces that a download is passed on in.
const PIECE: usize = 256 * 1024;

/// A set, as its manifest describes it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Shown {
    pub set: SetId,
    pub app: String,
    pub server: String,
    pub stack: String,
    pub recipe: String,
    pub version: Option<String>,
    pub commit: Option<String>,
    /// When it was begun.
    pub time: Timestamp,
    /// Version of potluck that took it.
    pub potluck: String,
    /// Without credentials.
    pub repository: String,
    pub bytes: u64,
    pub items: Vec<ShownItem>,
    pub warnings: Vec<String>,
    /// The key that signed it.
    pub signer: Option<Fingerprint>,
    /// The account and the machine that have the key; none for an unknown one.
    pub signed_by: Option<String>,
    /// Whether a restore believes it.
    pub believed: bool,
    /// Why not, or what is missing to be sure.
    pub doubt: Option<String>,
    /// Why the team holds it.
    pub held: Vec<String>,
}

/// One item of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ShownItem {
    pub name: String,
    pub kind: ItemKind,
    pub bytes: u64,
    pub seconds: f64,
    /// Whole id; none for an empty volume.
    pub snapshot: Option<String>,
    /// Digest of what it holds, the same in every copy.
    pub tree: Option<String>,
    pub service: Option<String>,
    pub plugin: Option<String>,
    pub volume: Option<VolumeFacts>,
}

impl From<Item> for ShownItem {
    fn from(item: Item) -> Self {
        ShownItem {
            name: item.name.to_string(),
            kind: item.kind,
            bytes: item.bytes,
            seconds: std::time::Duration::from_millis(item.milliseconds).as_secs_f64(),
            snapshot: item.snapshot,
            tree: item.tree,
            service: item.service,
            plugin: item.plugin,
            volume: item.volume,
        }
    }
}

/// Describes a set, no matter who made it.
///
/// # Errors
/// [`Error::NoSet`] and its like, [`Error::Manifest`], restic's failures.
pub async fn show(
    context: &Context,
    app: &AppEntry,
    which: &Which,
    options: &Options,
) -> Result<Shown, Error> {
    let work = async {
        let (restic, _, opened) = read(context, app, which, options).await?;
        let signer = match &opened.signature {
            Signature::By(found) => Some(found.clone()),
            Signature::Missing | Signature::Wrong => None,
        };
        let team = context.home.signers()?;
        let known = team.iter().find(|(known, _)| Some(known) == signer.as_ref());
        let set = opened.manifest.set.clone();
        let held = context.home.holds(app)?.holds.into_iter();
        let held = held
            .filter(|hold| hold.set == set.as_str() && hold.is_on(Timestamp::now()))
            .map(|hold| hold.reason.unwrap_or_else(|| format!("by {}", hold.by)))
            .collect();
        let doubt = match &opened.origin {
            Ok(Origin::Signed(_)) => None,
            Ok(Origin::BeforeSigning) => Some("it is not signed".to_owned()),
            Err(why) => Some(why.to_string()),
        };
        let (bytes, believed) = (opened.manifest.bytes(), opened.origin.is_ok());
        let Manifest { stack, server, app, recipe, version, commit, created, potluck, .. } =
            opened.manifest;
        Ok(Shown {
            set,
            app,
            server,
            stack,
            recipe,
            version,
            commit,
            time: created,
            potluck,
            repository: restic.name().to_owned(),
            bytes,
            items: opened.manifest.items.into_iter().map(ShownItem::from).collect(),
            warnings: opened.manifest.warnings,
            signed_by: known.map(|(_, signer)| signer.by.clone()),
            signer,
            believed,
            doubt,
            held,
        })
    };
    unless_cancelled(&options.cancel, "nothing was changed", work).await
}

/// Lists what is at a path of an item: the entries of a folder, or with `all` everything
/// below it.
///
/// # Errors
/// [`Error::NoItem`], [`Error::Distrusted`], and as [`show`].
pub async fn ls(
    context: &Context,
    app: &AppEntry,
    which: &Which,
    (item, path): (&str, &Path),
    all: bool,
    options: &Options,
) -> Result<Vec<Listed>, Error> {
    let work = async {
        let (restic, _, opened) = read(context, app, which, options).await?;
        tell(context, &opened, options)?;
        let Some(snapshot) = snapshot_of(&opened.manifest, item)?.snapshot.clone() else {
            return Ok(Vec::new());
        };
        let found = restic.ls(&snapshot, path, all).await;
        restic.settle().await;
        let found = found?;
        // An empty folder is found by its name, which is left out.
        if found.is_empty() && path != Path::new("") {
            let above = path.parent().unwrap_or(Path::new(""));
            let beside = restic.ls(&snapshot, above, false).await;
            restic.settle().await;
            let wanted = path.to_string_lossy();
            let wanted = wanted.trim_matches('/');
            if !beside?.iter().any(|entry| entry.path.trim_matches('/') == wanted) {
                return Err(Error::NoItem {
                    set: opened.manifest.set.clone(),
                    reason: format!("`{}` is not in `{item}`", path.display()),
                });
            }
        }
        Ok(found)
    };
    unless_cancelled(&options.cancel, "nothing was changed", work).await
}

/// Writes an item: a dump as its file; of a volume a file as it is, and a folder, or the
/// whole volume, as a tar. Returns the number of bytes.
///
/// # Errors
/// As [`ls`]; what was written is not whole then.
pub async fn download(
    context: &Context,
    app: &AppEntry,
    which: &Which,
    (item, path): (&str, &Path),
    into: &mut (dyn AsyncWrite + Unpin + Send),
    options: &Options,
) -> Result<u64, Error> {
    let work = async {
        let (restic, _, opened) = read(context, app, which, options).await?;
        tell(context, &opened, options)?;
        let item = snapshot_of(&opened.manifest, item)?;
        let Some(snapshot) = &item.snapshot else {
            return Err(Error::NoItem {
                set: opened.manifest.set.clone(),
                reason: format!("`{}` holds no files", item.name),
            });
        };
        let file = match item.kind {
            ItemKind::Volume => path.to_string_lossy().trim_start_matches('/').to_owned(),
            _ => item.name.to_string(),
        };
        let written = pass(&restic, snapshot, &file, into).await;
        restic.settle().await;
        written
    };
    unless_cancelled(&options.cancel, "what was written is not whole", work).await
}

async fn pass(
    restic: &Restic,
    snapshot: &str,
    file: &str,
    into: &mut (dyn AsyncWrite + Unpin + Send),
) -> Result<u64, Error> {
    let mut download = restic.dump(snapshot, file).await?;
    let mut piece = vec![0; PIECE];
    let mut written = 0;
    loop {
        let read = download.read(&mut piece).await?;
        if read == 0 {
            break;
        }
        into.write_all(&piece[..read]).await.map_err(Error::io("writing", "the download"))?;
        written += read as u64;
    }
    into.flush().await.map_err(Error::io("writing", "the download"))?;
    download.finish().await?;
    Ok(written)
}

async fn read(
    context: &Context,
    app: &AppEntry,
    which: &Which,
    options: &Options,
) -> Result<(Restic, SetSummary, Opened), Error> {
    let restic = find(context, app, options, Missing::Refused).await?;
    let sets = sets_of(&restic, app, &options.sets_of).await?;
    let (set, opened) = choose(context, &restic, app, sets, which, options).await?;
    Ok((restic, set, opened))
}

fn tell(context: &Context, opened: &Opened, options: &Options) -> Result<(), Error> {
    if let Some(doubt) = believe(opened, &options.trust)? {
        context.progress.warn(doubt);
    }
    Ok(())
}

/// An item by its name, or `kind/name` where several have it.
fn snapshot_of<'a>(manifest: &'a Manifest, wanted: &str) -> Result<&'a Item, Error> {
    let is_meant = |item: &&Item| item.name.as_str() == wanted || item.label() == wanted;
    let mut found = manifest.items.iter().filter(is_meant);
    let no = |reason: String| Error::NoItem { set: manifest.set.clone(), reason };
    match (found.next(), found.next()) {
        (Some(item), None) => Ok(item),
        (Some(item), Some(other)) => Err(no(format!(
            "`{}` is the name of two items: write {} or {}",
            item.name,
            item.label(),
            other.label()
        ))),
        (None, _) => {
            let items = manifest.items.iter().map(Item::label);
            let items = items.collect::<Vec<_>>().join(", ");
            Err(no(format!("no item is called `{}`; it has {}", line(wanted), line(&items))))
        }
    }
}
