//! Kept secrets, put back on a swarm that lacks them.

use super::{
    Error as EscrowError, Identity,
    folder::{File, Folder},
    keep::{Keeper, mend},
    seal,
};
use crate::{
    engine::Engine,
    home::{AppName, StackName},
    secrets::{Error, store},
};

/// What became of each kept secret: names and versions, `db_password_v1`.
#[derive(Debug, Default, serde::Serialize)]
pub struct Restored {
    pub restored: Vec<String>,
    /// Those that the swarm has already.
    pub present: Vec<String>,
    pub failed: Vec<Failed>,
}

/// One that could not be put back.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Failed {
    pub secret: String,
    pub why: String,
}

/// Puts back the kept secrets of an app that its swarm lacks, of those that are wanted by
/// name and version; replaces none.
///
/// # Errors
/// [`Error::Engine`]; what cannot be read is in [`Restored::failed`].
pub async fn restore(
    engine: &dyn Engine,
    app: &AppName,
    stack: &StackName,
    (folder, keeper): (&Folder, &Keeper),
    identity: &Identity,
    wanted: impl Fn(&str) -> bool,
) -> Result<Restored, Error> {
    mend(engine, keeper).await?;
    let present = store::by_name(engine).await?;
    let mut done = Restored::default();
    for file in folder.files()? {
        let secret = file.stem.to_string();
        let full_name = file.stem.full_name(stack);
        if file.unfinished.is_some() || !file.stem.is_of_swarm() || !wanted(&secret) {
            continue;
        }
        if present.contains_key(&full_name) {
            done.present.push(secret);
            continue;
        }
        let value = match opened(folder, &file, identity) {
            Ok(value) => value,
            Err(why) => {
                done.failed.push(Failed { secret, why });
                continue;
            }
        };
        let (name, version) = secret.rsplit_once('_').unwrap_or((&secret, ""));
        match store::create(
            engine,
            app,
            (name, version, &full_name),
            &value,
            (None, Some(store::digest(&value)?)),
        )
        .await
        {
            Ok(()) => done.restored.push(secret),
            Err(Error::Exists { .. }) => done.present.push(secret),
            Err(error @ Error::Size { .. }) => {
                let why = error.to_string();
                done.failed.push(Failed { secret, why });
            }
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}

fn opened(
    folder: &Folder,
    file: &File,
    identity: &Identity,
) -> Result<zeroize::Zeroizing<Vec<u8>>, String> {
    let sealed = folder.read(file).map_err(|error| match error {
        EscrowError::File { message, .. } => message,
        other => other.to_string(),
    })?;
    seal::open(&sealed, identity)
}
