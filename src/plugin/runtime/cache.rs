//! A cache of compiled code.
//!
//! An entry is named by the component's sha256 and by the engine's configuration and
//! version, and begins with the sha256 of that name and of the code that follows, so that
//! an entry that was damaged, or renamed, is compiled anew instead of run. Anyone who can
//! write here can run code as this user; so the folder is private, and entries that others
//! can write are not used.

use std::{
    fs::{self, OpenOptions},
    hash::{DefaultHasher, Hash, Hasher},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use rustix::fs::OFlags;
use sha2::{Digest, Sha256};
use wasmtime::{Engine, component::Component};

use crate::plugin::Error;

/// Number of entries; the oldest are removed first. A team has tens of
/// plugins, and an upgrade of the engine compiles all of them again.
const ENTRIES: usize = 128;
/// Bytes of an entry: a large component's code is three times its size.
const ENTRY: u64 = 512 << 20;
const SUM: usize = 32;

/// The folder, and the engine that its entries are for.
pub struct Cache {
    folder: PathBuf,
    engine: String,
}

impl Cache {
    pub fn new(folder: &Path, engine: &Engine) -> Self {
        let mut hasher = DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut hasher);
        Cache { folder: folder.into(), engine: format!("{:016x}", hasher.finish()) }
    }

    fn path(&self, digest: &str) -> PathBuf {
        self.folder.join(format!("{digest}-{}.cwasm", self.engine))
    }

    /// The compiled component; none when it has to be compiled.
    pub fn get(&self, engine: &Engine, digest: &str) -> Option<Component> {
        let code = match self.read(digest) {
            Ok(code) => code,
            Err(error) => {
                if error.kind() != io::ErrorKind::NotFound {
                    tracing::warn!(%digest, %error, "a cached plugin is not used");
                }
                return None;
            }
        };
        // SAFETY: `deserialize` runs what it is given as native code. These
        // bytes were written by `put` below: they lie in a folder and a file
        // that belong to this user and that nobody else can write (checked in
        // `read` on the open file), and they have the checksum they were
        // written with. wasmtime itself refuses code of another version or
        // configuration.
        #[expect(unsafe_code, reason = "the only way to load compiled code")]
        let component = unsafe { Component::deserialize(engine, &code[SUM..]) };
        component
            .inspect_err(|error| tracing::warn!(%digest, %error, "a cached plugin is not used"))
            .ok()
    }

    fn sum(&self, digest: &str, code: &[u8]) -> [u8; SUM] {
        let sum = Sha256::new().chain_update(digest).chain_update(&self.engine);
        sum.chain_update(code).finalize().into()
    }

    /// An entry that only this user can access and whose checksum is right.
    fn read(&self, digest: &str) -> io::Result<Vec<u8>> {
        let foreign = |what: &str| io::Error::other(format!("other users can use {what}"));
        if !private(&fs::symlink_metadata(&self.folder)?, libc_mode::DIRECTORY) {
            return Err(foreign("the folder"));
        }
        let file = OpenOptions::new()
            .read(true)
            // A pipe would keep us waiting for its other end.
            .custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits() as i32)
            .open(self.path(digest))?;
        let metadata = file.metadata()?;
        if !private(&metadata, libc_mode::REGULAR) {
            return Err(foreign("the file"));
        }
        if metadata.len() > ENTRY {
            return Err(io::Error::other("the file is too large"));
        }
        let mut code = Vec::with_capacity(metadata.len() as usize);
        file.take(ENTRY).read_to_end(&mut code)?;
        if code.len() <= SUM || self.sum(digest, &code[SUM..])[..] != code[..SUM] {
            return Err(io::Error::other("the file is damaged"));
        }
        Ok(code)
    }

    /// Stores compiled code. Writers may race: each writes its own file and
    /// renames it, and any of these is valid.
    pub fn put(&self, digest: &str, code: &[u8]) -> Result<(), Error> {
        let failed = |action, path: &Path| {
            let path = path.to_owned();
            move |source| Error::Cache { action, path, source }
        };
        self.make_folder().map_err(failed("make the private folder", &self.folder))?;
        let mut file = tempfile::Builder::new()
            .prefix(".new-")
            .tempfile_in(&self.folder)
            .map_err(failed("write in", &self.folder))?;
        // Readable and writable by this user alone: tempfile's default. It may be
        // large and is not synced: what a power cut damaged, its checksum tells.
        let path = self.path(digest);
        file.write_all(&self.sum(digest, code))
            .and_then(|()| file.write_all(code))
            .map_err(failed("write", &path))?;
        file.persist(&path).map_err(|error| failed("write", &path)(error.error))?;
        self.prune(&path);
        Ok(())
    }

    fn make_folder(&self) -> io::Result<()> {
        if let Some(parent) = self.folder.parent() {
            fs::create_dir_all(parent)?;
        }
        match fs::DirBuilder::new().mode(0o700).create(&self.folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        if private(&fs::symlink_metadata(&self.folder)?, libc_mode::DIRECTORY) {
            return Ok(());
        }
        Err(io::Error::other("it is not a folder that only this user can use (mode 0700)"))
    }

    /// Removes the oldest entries beyond [`ENTRIES`], and what a crash left.
    /// Errors of this are ignored.
    fn prune(&self, new: &Path) {
        let Ok(folder) = fs::read_dir(&self.folder) else { return };
        let mut entries: Vec<_> = folder
            .flatten()
            .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
            .filter(|(_, path)| path != new)
            .collect();
        entries.sort();
        let surplus = (entries.len() + 1).saturating_sub(ENTRIES);
        for (_, path) in entries.into_iter().take(surplus) {
            if let Err(error) = fs::remove_file(&path) {
                tracing::debug!(path = %path.display(), %error, "an old cached plugin stays");
            }
        }
    }
}

/// The kinds of `st_mode`.
mod libc_mode {
    pub const DIRECTORY: u32 = 0o040_000;
    pub const REGULAR: u32 = 0o100_000;
    pub const KIND: u32 = 0o170_000;
}

/// Of this kind, this user's, and closed to everyone else.
fn private(metadata: &fs::Metadata, kind: u32) -> bool {
    metadata.mode() & libc_mode::KIND == kind
        && metadata.mode() & 0o077 == 0
        && metadata.uid() == rustix::process::geteuid().as_raw()
}
