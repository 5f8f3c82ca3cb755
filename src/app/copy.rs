//! Files copied into a running container and out of it, as `docker cp` does, on whichever
//! node it runs.
//!
//! What comes out of a container was written by its app: it is unpacked into a fresh folder
//! beside the destination, through no link, without devices, owners and rights of root, and
//! takes its name only when it is whole.

use std::{
    fs::{self, File, Metadata},
    io::{self, Read, Write},
    os::unix::fs::{FileTypeExt, PermissionsExt},
    path::{Component, Path, PathBuf},
};

use futures_util::{StreamExt, TryStreamExt, stream::BoxStream};
use serde::Serialize;
use tokio::io::AsyncRead;
use tokio_util::io::{ReaderStream, StreamReader, SyncIoBridge};

use super::Error;
use crate::engine::{self, Engine, api};

/// Between the one who packs and the one who sends.
const PIPE: usize = 256 * 1024;
/// The first file of an archive is named within so many bytes.
const HEAD: usize = 64 * 1024;

/// What was copied.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Copied {
    /// Files, links and folders.
    pub files: u64,
    pub bytes: u64,
    /// Devices, sockets and pipes, which are left out.
    pub skipped: Vec<String>,
}

/// What swarm mounts into the containers of a service: secrets, configs, memory. The engine
/// would write over the first two, whose task then has another value than the swarm, and below
/// the last; and it reads what is below them, which is empty.
#[derive(Debug, Clone, Default)]
pub struct Mounted(Vec<PathBuf>);

impl Mounted {
    pub fn of(spec: &api::ServiceSpec) -> Self {
        let task = spec.task_template.as_ref();
        let Some(container) = task.and_then(|task| task.container_spec.as_ref()) else {
            return Mounted::default();
        };
        let secrets = container.secrets.iter().flatten().filter_map(|it| it.file.as_ref());
        let secrets = secrets.filter_map(|file| file.name.as_deref());
        let secrets: Vec<PathBuf> = secrets.map(|name| Path::new(SECRETS).join(name)).collect();
        let configs = container.configs.iter().flatten().filter_map(|it| it.file.as_ref());
        let configs = configs.filter_map(|file| file.name.as_deref());
        let configs = configs.map(|name| Path::new("/").join(name));
        let memory = container.mounts.iter().flatten();
        let memory = memory.filter(|mount| mount.typ == Some(api::MountType::TMPFS));
        let memory = memory.filter_map(|mount| mount.target.as_ref()).map(PathBuf::from);
        // The folder of secrets is memory, too.
        let folder = (!secrets.is_empty()).then(|| PathBuf::from(SECRETS));
        Mounted(secrets.into_iter().chain(configs).chain(memory).chain(folder).collect())
    }

    /// # Errors
    /// [`Error::NotCopied`] for a path that is one of them, or below one.
    fn refuse(&self, path: &Path) -> Result<(), Error> {
        let path = plain(path);
        match self.0.iter().find(|mounted| path.starts_with(mounted)) {
            None => Ok(()),
            Some(mounted) => Err(Error::NotCopied {
                path: path.display().to_string(),
                reason: format!("swarm mounts {} there", mounted.display()),
            }),
        }
    }

    /// The same for all that a file or folder of this machine would become.
    fn refuse_all(&self, source: &Path, destination: &Path) -> Result<(), Error> {
        self.refuse(destination)?;
        let destination = plain(destination);
        for mounted in &self.0 {
            if let Ok(below) = mounted.strip_prefix(&destination)
                && source.join(below).symlink_metadata().is_ok()
            {
                self.refuse(mounted)?;
            }
        }
        Ok(())
    }
}

/// Where secrets are that name no other place.
const SECRETS: &str = "/run/secrets";

/// A path without `.`, `..` and doubled slashes.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::from("/");
    for part in path.components() {
        match part {
            Component::Normal(name) => plain.push(name),
            Component::ParentDir => drop(plain.pop()),
            Component::Prefix(_) | Component::RootDir | Component::CurDir => {}
        }
    }
    plain
}

/// Copies a file or a folder of this machine into a container, where it belongs to root: into
/// `target` if that is a folder, else under that name.
///
/// # Errors
/// [`Error::NotCopied`], and what the engine says.
pub async fn copy_in(
    engine: &dyn Engine,
    container: &str,
    mounted: &Mounted,
    source: &Path,
    target: &str,
) -> Result<Copied, Error> {
    let bad = |reason: String| Error::NotCopied { path: source.display().to_string(), reason };
    let failed = |error: io::Error| bad(error.to_string());
    from_root(target)?;
    let real = fs::canonicalize(source).map_err(failed)?;
    let own = real.file_name().and_then(|name| name.to_str());
    let own = own.ok_or_else(|| bad("it has no name that can be used".into()))?;
    let (folder, name) = match folder_of(engine, container, target).await? {
        Some(true) => (target.to_owned(), own.to_owned()),
        Some(false) | None if target.ends_with('/') => return Err(no_folder(target)),
        Some(false) | None => {
            let (folder, name) = target.rsplit_once('/').unwrap_or(("", target));
            (format!("{folder}/"), name.to_owned())
        }
    };
    mounted.refuse_all(&real, &Path::new(&folder).join(&name))?;
    let source = real.clone();
    let size = tokio::task::spawn_blocking(move || size_of(&source)).await.map_err(joined)?;
    let size = size.map_err(failed)?;
    let (ours, theirs) = tokio::io::duplex(PIPE);
    let mut writer = SyncIoBridge::new(ours);
    let packing = tokio::task::spawn_blocking(move || {
        let mut copied = Copied::default();
        let mut tar = tar::Builder::new(&mut writer);
        pack(&mut tar, &real, Path::new(&name), &mut copied)?;
        tar.finish()?;
        drop(tar);
        writer.flush()?;
        writer.shutdown()?;
        Ok::<_, io::Error>(copied)
    });
    let archive = ReaderStream::with_capacity(theirs, PIPE).boxed();
    let sent = engine.put_archive(container, &folder, archive, size).await;
    // Why there was no whole archive says more than that the engine found none.
    let copied = packing.await.map_err(joined)?;
    match (sent, copied) {
        (Ok(()), copied) => copied.map_err(failed),
        (Err(_), Err(error)) if error.kind() != io::ErrorKind::BrokenPipe => Err(failed(error)),
        (Err(error), _) => Err(error.into()),
    }
}

/// # Errors
/// A path that does not begin at the root.
fn from_root(path: &str) -> Result<(), Error> {
    match path.starts_with('/') {
        true => Ok(()),
        false => Err(Error::NotCopied {
            path: path.to_owned(),
            reason: "a path in a container begins with `/`".into(),
        }),
    }
}

fn no_folder(path: &str) -> Error {
    Error::NotCopied { path: path.to_owned(), reason: "there is no such folder".into() }
}

/// Unpacks a tar archive, as it is read, in a folder of a container; owners and modes are
/// those of the archive.
///
/// # Errors
/// [`Error::NotCopied`], and what the engine says, also of what is no archive.
pub async fn unpack_in(
    engine: &dyn Engine,
    container: &str,
    mounted: &Mounted,
    archive: impl AsyncRead + Unpin + Send + 'static,
    folder: &str,
) -> Result<Copied, Error> {
    from_root(folder)?;
    mounted.refuse(Path::new(folder))?;
    if folder_of(engine, container, folder).await? != Some(true) {
        return Err(no_folder(folder));
    }
    let (ours, theirs) = tokio::io::duplex(PIPE);
    let mut writer = SyncIoBridge::new(ours);
    let reader = SyncIoBridge::new(archive);
    let (mounted, place) = (mounted.clone(), PathBuf::from(folder));
    let checking = tokio::task::spawn_blocking(move || {
        let copied = checked(reader, &mut writer, &mounted, &place)?;
        writer.flush().map_err(broken)?;
        writer.shutdown().map_err(broken)?;
        Ok::<_, Error>(copied)
    });
    // How much comes is not known, and neither is how long it takes.
    let pieces = ReaderStream::with_capacity(theirs, PIPE).boxed();
    let sent = engine.put_archive(container, folder, pieces, u64::MAX).await;
    // Why there was no whole archive says more than that the engine found none.
    let copied = checking.await.map_err(joined)?;
    match (sent, copied) {
        (_, Err(error)) => Err(error),
        (Err(error), Ok(_)) => Err(error.into()),
        (Ok(()), Ok(copied)) => Ok(copied),
    }
}

fn broken(error: io::Error) -> Error {
    Error::NotCopied { path: "the archive".into(), reason: error.to_string() }
}

/// Hands an archive on, entry by entry.
///
/// # Errors
/// One without entries, one that breaks off, and one that writes over what swarm mounts.
fn checked(
    archive: impl Read,
    into: impl Write,
    mounted: &Mounted,
    folder: &Path,
) -> Result<Copied, Error> {
    let mut archive = tar::Archive::new(archive);
    let mut builder = tar::Builder::new(into);
    let mut copied = Copied::default();
    for entry in archive.entries().map_err(broken)? {
        let mut entry = entry.map_err(broken)?;
        let path = entry.path().map_err(broken)?.into_owned();
        mounted.refuse(&folder.join(path.strip_prefix("/").unwrap_or(&path)))?;
        let mut header = entry.header().clone();
        let kind = header.entry_type();
        let handed = if kind.is_symlink() || kind.is_hard_link() {
            let target = entry.link_name().map_err(broken)?.unwrap_or_default().into_owned();
            builder.append_link(&mut header, &path, target)
        } else {
            if kind.is_gnu_sparse() {
                header.set_entry_type(tar::EntryType::Regular);
            }
            header.set_size(entry.size());
            copied.bytes += entry.size();
            builder.append_data(&mut header, &path, &mut entry)
        };
        handed.map_err(broken)?;
        copied.files += 1;
    }
    if copied.files == 0 {
        return Err(broken(io::Error::other("it is empty")));
    }
    builder.finish().map_err(broken)?;
    Ok(copied)
}

/// A file or a folder of a container as a tar archive, as the engine packs it.
///
/// # Errors
/// [`Error::NotCopied`], and what the engine says.
pub async fn archive_of(
    engine: &dyn Engine,
    container: &str,
    mounted: &Mounted,
    source: &str,
) -> Result<BoxStream<'static, Result<bytes::Bytes, engine::Error>>, Error> {
    from_root(source)?;
    mounted.refuse(Path::new(source))?;
    let pieces = engine::if_there(engine.get_archive(container, source).await)?;
    pieces.ok_or_else(|| no_file(source))
}

fn no_file(path: &str) -> Error {
    Error::NotCopied { path: path.to_owned(), reason: "there is no such file".into() }
}

fn joined(error: tokio::task::JoinError) -> Error {
    Error::NotCopied { path: "the files".into(), reason: error.to_string() }
}

/// Whether a path of a container is a folder, or may lead to one; none where nothing is there.
async fn folder_of(
    engine: &dyn Engine,
    container: &str,
    path: &str,
) -> Result<Option<bool>, Error> {
    let Some(mut pieces) = engine::if_there(engine.get_archive(container, path).await)? else {
        return Ok(None);
    };
    let mut head = Vec::new();
    while head.len() < HEAD {
        let Some(piece) = pieces.next().await else { break };
        head.extend_from_slice(&piece?);
        let mut archive = tar::Archive::new(head.as_slice());
        let first = archive.entries().ok().and_then(|mut all| all.next()?.ok());
        if let Some(first) = first {
            let kind = first.header().entry_type();
            return Ok(Some(kind.is_dir() || kind.is_symlink()));
        }
    }
    Ok(Some(false))
}

/// Bytes of all files below a path.
fn size_of(path: &Path) -> io::Result<u64> {
    let meta = path.symlink_metadata()?;
    if !meta.is_dir() {
        return Ok(meta.len());
    }
    fs::read_dir(path)?.try_fold(0, |sum, entry| Ok(sum + size_of(&entry?.path())?))
}

/// Adds a file, or a folder with all that is in it, by this name.
fn pack(
    tar: &mut tar::Builder<impl Write>,
    path: &Path,
    name: &Path,
    copied: &mut Copied,
) -> io::Result<()> {
    let meta = path.symlink_metadata()?;
    let mut header = header(&meta);
    let kind = meta.file_type();
    if kind.is_dir() {
        header.set_size(0);
        tar.append_data(&mut header, name, io::empty())?;
        let mut below: Vec<_> = fs::read_dir(path)?.collect::<io::Result<_>>()?;
        below.sort_by_key(fs::DirEntry::file_name);
        for entry in below {
            pack(tar, &entry.path(), &name.join(entry.file_name()), copied)?;
        }
    } else if kind.is_symlink() {
        header.set_size(0);
        tar.append_link(&mut header, name, fs::read_link(path)?)?;
    } else if kind.is_fifo() || kind.is_socket() || kind.is_char_device() || kind.is_block_device()
    {
        copied.skipped.push(path.display().to_string());
        return Ok(());
    } else {
        // One that grew meanwhile is cut, one that shrank is an error.
        let mut file = File::open(path)?.take(meta.len());
        tar.append_data(&mut header, name, &mut file)?;
        if file.limit() > 0 {
            let said = format!("{} became shorter while it was read", path.display());
            return Err(io::Error::other(said));
        }
        copied.bytes += meta.len();
    }
    copied.files += 1;
    Ok(())
}

fn header(meta: &Metadata) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_metadata_in_mode(meta, tar::HeaderMode::Complete);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mode(meta.permissions().mode() & 0o777);
    header
}

/// Copies a file or a folder of a container to this machine: into `target` if that is a
/// folder, else under that name.
///
/// # Errors
/// [`Error::NotCopied`], also where a folder of that name exists; and what the engine says.
pub async fn copy_out(
    engine: &dyn Engine,
    container: &str,
    mounted: &Mounted,
    source: &str,
    target: &Path,
) -> Result<Copied, Error> {
    let of_source = |reason: String| Error::NotCopied { path: source.to_owned(), reason };
    let own = match Path::new(source).components().next_back() {
        Some(Component::Normal(name)) if source.starts_with('/') => name.to_owned(),
        _ => return Err(of_source("name a file or a folder, from `/` on".into())),
    };
    mounted.refuse(Path::new(source))?;
    let to = if target.is_dir() { target.join(&own) } else { target.to_owned() };
    let failed = |error: io::Error| Error::NotCopied {
        path: to.display().to_string(),
        reason: error.to_string(),
    };
    if to.is_dir() {
        return Err(failed(io::Error::other("there is a folder of that name")));
    }
    let parent = match to.parent() {
        Some(parent) if parent != Path::new("") => parent.to_owned(),
        _ => PathBuf::from("."),
    };
    let beside = tempfile::Builder::new().prefix(".potluck-").tempdir_in(parent).map_err(failed)?;
    let pieces = engine::if_there(engine.get_archive(container, source).await)?;
    let pieces = pieces.ok_or_else(|| no_file(source))?;
    let reader = SyncIoBridge::new(StreamReader::new(pieces.map_err(io::Error::other)));
    let (into, finally) = (beside.path().to_owned(), to.clone());
    let unpacking = tokio::task::spawn_blocking(move || {
        let copied = unpack(reader, &into)?;
        let mut made = fs::read_dir(&into)?;
        match (made.next(), made.next()) {
            (Some(one), None) => fs::rename(one?.path(), finally)?,
            (None, _) => {
                return Err(io::Error::other("it is neither a file nor a link nor a folder"));
            }
            (Some(_), Some(_)) => return Err(io::Error::other("more came than was asked for")),
        }
        Ok(copied)
    });
    unpacking.await.map_err(joined)?.map_err(failed)
}

/// Unpacks an archive that is not trusted into an empty folder of ours.
fn unpack(archive: impl Read, into: &Path) -> io::Result<Copied> {
    let mut archive = tar::Archive::new(archive);
    archive.set_mask(0o7000);
    archive.set_overwrite(false);
    let (mut copied, mut folders) = (Copied::default(), Vec::new());
    for entry in archive.entries()? {
        let mut entry = entry?;
        let kind = entry.header().entry_type();
        let is_plain = kind.is_file() || kind.is_contiguous() || kind.is_gnu_sparse();
        if kind.is_dir() {
            folders.push(entry);
            continue;
        }
        if !is_plain && !kind.is_symlink() && !kind.is_hard_link() {
            copied.skipped.push(entry.path()?.display().to_string());
            continue;
        }
        let size = if is_plain { entry.size() } else { 0 };
        if !entry.unpack_in(into)? {
            return Err(io::Error::other("a path in it leads out of it"));
        }
        copied.files += 1;
        copied.bytes += size;
    }
    // The innermost first: one that may not be written is complete then.
    folders.sort_by(|a, b| b.path_bytes().cmp(&a.path_bytes()));
    for mut folder in folders {
        if !folder.unpack_in(into)? {
            return Err(io::Error::other("a path in it leads out of it"));
        }
        copied.files += 1;
    }
    Ok(copied)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn packed(path: &Path, name: &str) -> (Vec<u8>, Copied) {
        let mut copied = Copied::default();
        let mut tar = tar::Builder::new(Vec::new());
        pack(&mut tar, path, Path::new(name), &mut copied).unwrap();
        (tar.into_inner().unwrap(), copied)
    }

    #[test]
    fn nothing_is_written_over_what_swarm_mounts() {
        let folder = tempfile::tempdir().unwrap();
        let source = folder.path().join("run");
        fs::create_dir_all(source.join("secrets")).unwrap();
        fs::write(source.join("secrets/pw"), "mine").unwrap();
        fs::write(source.join("page"), "mine").unwrap();
        let mounted = Mounted(["/run/secrets/pw", "/page", "/tmp"].map(PathBuf::from).into());
        let refused =
            |destination: &str| mounted.refuse_all(&source, Path::new(destination)).is_err();
        for (destination, is) in [
            ("/run/secrets/pw", true),
            ("/run//x/../secrets/./pw", true),
            ("/tmp/x", true),
            ("/run", true),
            ("/", true),
            ("/srv/run", false),
            ("/pages", false),
            ("/run/secrets2", false),
        ] {
            assert_eq!(refused(destination), is, "{destination}");
        }
        let (archive, _) = packed(&source, "run");
        let check = |place: &str| {
            let mut out = Vec::new();
            checked(archive.as_slice(), &mut out, &mounted, Path::new(place)).map(|_| out)
        };
        assert!(check("/").is_err());
        let out = check("/srv").unwrap();
        let into = folder.path().join("into");
        fs::create_dir(&into).unwrap();
        assert_eq!(unpack(out.as_slice(), &into).unwrap().files, 4);
        let empty = checked(io::empty(), io::sink(), &mounted, Path::new("/srv"));
        assert!(empty.unwrap_err().to_string().contains("it is empty"));
    }

    #[test]
    fn what_is_packed_comes_back() {
        let folder = tempfile::tempdir().unwrap();
        let source = folder.path().join("source");
        fs::create_dir_all(source.join("sub")).unwrap();
        fs::write(source.join("sub/page"), "soup").unwrap();
        fs::set_permissions(source.join("sub/page"), PermissionsExt::from_mode(0o4640)).unwrap();
        symlink("/etc/passwd", source.join("link")).unwrap();
        rustix::fs::mkfifoat(rustix::fs::CWD, source.join("pipe"), rustix::fs::Mode::RUSR).unwrap();
        fs::set_permissions(source.join("sub"), PermissionsExt::from_mode(0o555)).unwrap();
        let (archive, copied) = packed(&source, "copy");
        assert_eq!((copied.files, copied.bytes), (4, 4));
        assert_eq!(copied.skipped, [source.join("pipe").display().to_string()]);

        let into = folder.path().join("into");
        fs::create_dir(&into).unwrap();
        let back = unpack(archive.as_slice(), &into).unwrap();
        assert_eq!((back.files, back.bytes), (4, 4));
        assert_eq!(fs::read_to_string(into.join("copy/sub/page")).unwrap(), "soup");
        assert_eq!(fs::read_link(into.join("copy/link")).unwrap(), Path::new("/etc/passwd"));
        let mode =
            |path: &str| fs::metadata(into.join(path)).unwrap().permissions().mode() & 0o7777;
        assert_eq!((mode("copy/sub/page"), mode("copy/sub")), (0o640, 0o555));
        fs::set_permissions(into.join("copy/sub"), PermissionsExt::from_mode(0o755)).unwrap();
        fs::set_permissions(source.join("sub"), PermissionsExt::from_mode(0o755)).unwrap();
    }

    #[test]
    fn an_archive_writes_nowhere_but_into_its_folder() {
        let folder = tempfile::tempdir().unwrap();
        let outside = folder.path().join("outside");
        fs::create_dir(&outside).unwrap();
        let entry = |tar: &mut tar::Builder<Vec<u8>>, name: &str, kind: tar::EntryType| {
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(kind);
            header.set_mode(0o6755);
            header.set_size(if kind.is_file() { 4 } else { 0 });
            // The library's own way refuses such names.
            header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
            if kind.is_symlink() {
                header.set_link_name(&outside).unwrap();
            }
            header.set_cksum();
            let content: &[u8] = if kind.is_file() { b"evil" } else { b"" };
            tar.append(&header, content).unwrap();
        };
        use tar::EntryType::{Char, Regular, Symlink};
        for entries in [
            &[("../evil", Regular)][..],
            &[("x/../../evil", Regular)],
            &[("x", Symlink), ("x/evil", Regular)],
            &[("x", Char)],
            &[("/etc/potluck-evil", Regular)],
        ] {
            let into = tempfile::tempdir_in(folder.path()).unwrap();
            let mut tar = tar::Builder::new(Vec::new());
            for (name, kind) in entries {
                entry(&mut tar, name, *kind);
            }
            let tar = tar.into_inner().unwrap();
            let unpacked = unpack(tar.as_slice(), into.path());
            assert!(!folder.path().join("evil").exists(), "{entries:?}");
            assert!(fs::read_dir(&outside).unwrap().next().is_none(), "{entries:?}");
            assert!(!Path::new("/etc/potluck-evil").exists(), "{entries:?}");
            match entries {
                [(_, Char)] => assert_eq!(unpacked.unwrap().skipped, ["x"]),
                // It loses its leading `/`.
                [("/etc/potluck-evil", _)] => assert_eq!(unpacked.unwrap().files, 1),
                _ => assert!(unpacked.is_err(), "{entries:?}"),
            }
        }
    }
}
