//! Proves whether an engine runs on this machine, and where it keeps its volumes.
//!
//! What an engine says of paths is a claim. A socket may lead anywhere (a
//! forwarded one, a proxy), and an engine without root's rights (rootless) may
//! name a folder that it could not read itself, for root to read. So the claim
//! is checked against what the kernel knows: the process at the other end of the
//! socket has the database of exactly these volumes open, as every Docker
//! engine does for as long as it runs (moby, `volume/service/store.go`), and is
//! root of this machine.

use std::{
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use tokio::net::UnixStream;

use super::{
    SwarmEngine,
    call::{About, Verb},
};
use crate::engine::{Error, Kind};

/// The database of an engine's volumes, in their folder.
const DATABASE: &str = "metadata.db";
/// The first process, which opens sockets for services that start later.
const INIT: i32 = 1;

impl SwarmEngine {
    /// The folder with this engine's volumes, once it is proved to be this
    /// machine's.
    pub(super) async fn find_volumes(&self) -> Result<PathBuf, Error> {
        let elsewhere =
            |reason: String| Error::Elsewhere { endpoint: self.endpoint.clone(), reason };
        let Some(socket) = self.endpoint.strip_prefix("unix://") else {
            return Err(elsewhere("it is reached over a network".into()));
        };
        let about = About::new(Verb::Inspect, Kind::Node, "itself");
        let info = self.call(about, self.docker.info()).await?;
        let root = PathBuf::from(info.docker_root_dir.unwrap_or_default());
        if !root.is_absolute() {
            return Err(elsewhere("it names no folder for its data".into()));
        }
        let volumes = root.join("volumes");
        let peer = UnixStream::connect(socket).await.and_then(|stream| stream.peer_cred());
        let peer = peer.map_err(|e| {
            elsewhere(format!("its socket does not tell which process serves it: {e}"))
        })?;
        let socket = PathBuf::from(socket);
        let looked = {
            let volumes = volumes.clone();
            let peer = Peer { pid: peer.pid(), uid: peer.uid() };
            tokio::task::spawn_blocking(move || prove(&volumes, peer, &socket)).await
        };
        looked.unwrap_or_else(|e| Err(e.to_string())).map_err(elsewhere)?;
        Ok(volumes)
    }
}

/// Who opened the other end of a socket, as the kernel tells.
#[derive(Debug, Clone, Copy)]
struct Peer {
    pid: Option<i32>,
    uid: u32,
}

/// The process behind the socket has the database of these volumes open.
fn prove(volumes: &Path, peer: Peer, socket: &Path) -> Result<(), String> {
    if peer.uid != 0 {
        return Err(format!(
            "the engine runs as the user {}, not as root (is it a rootless one?)",
            peer.uid
        ));
    }
    // None, or 0, from another namespace of processes.
    let Some(pid) = peer.pid.filter(|pid| *pid > 0) else {
        return Err("the engine's process is not among those of this machine".into());
    };
    let database = volumes.join(DATABASE);
    let wanted = fs::metadata(&database).map_err(|e| match e.kind() {
        io::ErrorKind::NotFound => {
            format!("it says that its data is in {}, which this machine lacks", database.display())
        }
        _ => format!("{}: {e}", database.display()),
    })?;
    let engine = if pid == INIT { started_by_init(&wanted, socket)? } else { Some(pid) };
    let Some(engine) = engine.filter(|pid| holds(*pid, &wanted)) else {
        let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        return Err(format!(
            "the process behind the socket ({}) is not the engine that keeps {}",
            shown(&name),
            volumes.display()
        ));
    };
    let user = |of: &str| fs::read_link(format!("/proc/{of}/ns/user"));
    match (user("self"), user(&engine.to_string())) {
        (Ok(ours), Ok(theirs)) if ours == theirs => Ok(()),
        (Ok(_), Ok(_)) => Err("the engine has a user namespace of its own (rootless)".into()),
        (Err(e), _) | (_, Err(e)) => Err(format!("the engine's process: {e}")),
    }
}

/// A short plain name, for a message.
fn shown(name: &str) -> String {
    let plain: String = name.chars().filter(char::is_ascii_graphic).take(16).collect();
    if plain.is_empty() { "unknown".into() } else { format!("`{plain}`") }
}

/// Whether a process has the very file open.
fn holds(pid: i32, wanted: &fs::Metadata) -> bool {
    descriptors(pid).any(|descriptor| {
        fs::metadata(descriptor)
            .is_ok_and(|found| (found.dev(), found.ino()) == (wanted.dev(), wanted.ino()))
    })
}

fn descriptors(pid: i32) -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir(format!("/proc/{pid}/fd"));
    entries.into_iter().flatten().flatten().map(|entry| entry.path())
}

/// Inodes of the sockets that a process has open.
fn sockets(pid: i32) -> impl Iterator<Item = u64> {
    descriptors(pid).filter_map(|descriptor| {
        let link = fs::read_link(descriptor).ok()?;
        link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
    })
}

/// Where systemd opened the socket: the process that holds the database and was
/// handed that very socket.
fn started_by_init(wanted: &fs::Metadata, socket: &Path) -> Result<Option<i32>, String> {
    let failed = |e: io::Error| format!("looking for the engine's process: {e}");
    let table = fs::read_to_string("/proc/net/unix").map_err(failed)?;
    let there = fs::metadata(socket).map_err(failed)?;
    let is_there = |path: &str| {
        fs::metadata(path).is_ok_and(|m| (m.dev(), m.ino()) == (there.dev(), there.ino()))
    };
    let listening: Vec<u64> =
        listening(&table).filter(|(_, path)| is_there(path)).map(|(inode, _)| inode).collect();
    let processes = fs::read_dir("/proc").map_err(failed)?.flatten();
    let mut pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    Ok(pids.find(|pid| {
        *pid != INIT && sockets(*pid).any(|inode| listening.contains(&inode)) && holds(*pid, wanted)
    }))
}

/// Sockets of `/proc/net/unix` that somebody listens on, by inode and path.
/// `Num RefCount Protocol Flags Type St Inode Path`; the flag is `SO_ACCEPTCON`.
fn listening(table: &str) -> impl Iterator<Item = (u64, &str)> {
    table.lines().skip(1).filter_map(|line| {
        let mut fields = line.split_ascii_whitespace();
        let flags = u32::from_str_radix(fields.nth(3)?, 16).ok()?;
        let inode = fields.nth(2)?.parse().ok()?;
        let path = fields.next()?;
        (flags & 0x1_0000 != 0).then_some((inode, path))
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn sockets_that_somebody_listens_on_are_read_as_the_kernel_writes_them() {
        let table = "Num       RefCount Protocol Flags    Type St Inode Path\n\
            0000000000000000: 00000002 00000000 00010000 0001 01 5661 /run/docker.sock\n\
            0000000000000000: 00000003 00000000 00000000 0001 03 5700 /run/docker.sock\n\
            0000000000000000: 00000003 00000000 00000000 0001 03 5701\n";
        assert_eq!(listening(table).collect::<Vec<_>>(), [(5661, "/run/docker.sock")]);
    }

    #[test]
    fn only_the_process_that_keeps_the_volumes_is_their_engine() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("socket");
        let _listener = UnixListener::bind(&socket).unwrap();
        let ours = |uid| Peer { pid: i32::try_from(std::process::id()).ok(), uid };
        let said = |peer| prove(folder.path(), peer, &socket).unwrap_err();
        assert!(said(ours(0)).contains("which this machine lacks"), "{}", said(ours(0)));
        fs::write(folder.path().join(DATABASE), "").unwrap();
        assert!(said(ours(0)).contains("is not the engine that keeps"), "{}", said(ours(0)));
        assert!(said(ours(1000)).contains("rootless"), "{}", said(ours(1000)));
        let nobody = Peer { pid: Some(0), uid: 0 };
        assert!(said(nobody).contains("not among those of this machine"));
        // Opened elsewhere, under another name: what counts is the file.
        let _open = fs::File::open(folder.path().join(DATABASE)).unwrap();
        prove(folder.path(), ours(0), &socket).unwrap();
    }

    #[test]
    fn a_name_of_a_process_is_no_text_of_ours() {
        assert_eq!(shown("ssh\n"), "`ssh`");
        assert_eq!(shown("a\u{1b}[2J b\n"), "`a[2Jb`");
        assert_eq!(shown(""), "unknown");
    }
}
