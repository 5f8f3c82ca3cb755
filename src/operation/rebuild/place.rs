//! The files of an app that is made take their places in the folder, and leave it again when
//! it is undone.

use std::{fs, io, path::Path};

use super::prepare::Rebuild;
use crate::{
    app::{self, Context},
    backup::Error,
    home::{
        self, AppGuard,
        write::{Existing, Readers, write_whole},
    },
    owner::journal::MadeKind,
    recipe::Store,
    secrets::escrow::{self, File, Folder, Stem},
};

/// The settings of the app go last: what has them is an app, and one that was begun here can
/// be begun again.
pub(super) fn place(context: &Context, guard: &AppGuard, rebuild: &Rebuild) -> Result<(), Error> {
    let Rebuild { target, aside, signer, .. } = rebuild;
    let (home, there) = (&context.home, aside.home());
    if target.server.is_some() {
        home.write_server(&target.app.server, &there.server(&target.app.server)?)?;
    }
    if let Some((fingerprint, signer)) = signer {
        home.write_signer(fingerprint, signer)?;
    }
    if let Some(recipients) = &aside.recipients {
        match write_whole(&home.recipients_path(), recipients, Existing::Keep, Readers::Shared) {
            Err(home::Error::Io { source, .. })
                if source.kind() == io::ErrorKind::AlreadyExists => {}
            written => written?,
        }
    }
    if let Some(recipe) = aside.recipe.as_ref().filter(|_| !aside.is_linked()) {
        let (from, to) = (Store::new(there.recipes()), Store::new(home.recipes()));
        let (from, to) = (from.place(recipe), to.place(recipe));
        fs::create_dir_all(home.recipes()).map_err(Error::io("making", home.recipes()))?;
        match fs::rename(&from, &to) {
            // Another app of the recipe was made meanwhile.
            Err(_) if to.is_dir() => {}
            moved => moved.map_err(Error::io("moving", &to))?,
        }
    }
    let (from, to) = (Folder::of(&there, &target.app), Folder::of(home, &target.app));
    let had = to.files().map_err(of_escrow)?;
    for file in from.files().map_err(of_escrow)? {
        if !had.contains(&file) {
            to.write(&file, &from.read(&file).map_err(of_escrow)?).map_err(of_escrow)?;
        }
    }
    home.write_lock_file(guard, &there.lock_file(&target.app)?)?;
    let env = there.env(&target.app)?;
    match home.create_app(&target.app, &env) {
        // Of one that was begun here.
        Err(home::Error::AppExists(_)) => Ok(home.write_env(&target.app, &env)?),
        created => Ok(created?),
    }
}

/// Removes the files of an app that is not made. Its recipe, its server and who signs are
/// the folder's own now.
pub(super) fn take_away(
    context: &Context,
    guard: &AppGuard,
    made: &[(MadeKind, String)],
) -> Result<(), Error> {
    let folder = Folder::of(&context.home, guard.app());
    for (_, name) in made.iter().filter(|(kind, _)| *kind == MadeKind::Kept) {
        let stem = Stem::new(name).map_err(of_escrow)?;
        folder.remove(&File::finished(stem)).map_err(of_escrow)?;
    }
    remove_if_empty(folder.path())?;
    Ok(context.home.remove_app(guard.app())?)
}

/// Removes a folder that holds nothing any more, or is gone already.
///
/// # Errors
/// One that cannot be removed for another reason than what it holds.
pub(in crate::operation) fn remove_if_empty(folder: &Path) -> Result<(), Error> {
    match fs::remove_dir(folder) {
        Err(error)
            if !matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::DirectoryNotEmpty
            ) =>
        {
            Err(Error::io("removing", folder)(error))
        }
        _ => Ok(()),
    }
}

pub(super) fn of_escrow(error: escrow::Error) -> Error {
    app::Error::from(crate::secrets::Error::from(error)).into()
}
