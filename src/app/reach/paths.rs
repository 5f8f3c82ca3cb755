//! Paths of a node: brought into one form, and which of them contain an engine's socket.

use std::path::Path;

/// Sockets by which an engine is commanded.
const SOCKETS: &[&str] = &[
    "/run/docker.sock",
    "/run/containerd/containerd.sock",
    "/run/docker/containerd/containerd.sock",
    "/run/podman/podman.sock",
    "/run/crio/crio.sock",
    "/run/user/0/docker.sock",
    "/run/user/0/podman/podman.sock",
];
/// What such sockets are called, wherever they are.
const SOCKET_NAMES: &[&str] = &[
    "docker.sock",
    "containerd.sock",
    "containerd.sock.ttrpc",
    "podman.sock",
    "crio.sock",
    "cri-dockerd.sock",
    "dockershim.sock",
    "buildkitd.sock",
    "docker_engine",
];
/// Folders with which the node can be taken over.
const MASTERS: &[&str] =
    &["/boot", "/dev", "/etc", "/lib", "/opt", "/proc", "/root", "/sys", "/usr", "/var/lib"];

/// A path without `.`, `..` and doubled slashes, as the kernel walks it where
/// there are no links. Paths of Windows are kept.
pub fn tidy(path: &str) -> String {
    if !path.starts_with('/') {
        return path.to_owned();
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

/// A tidy path as it is shown: paths in the recipe's private copy are relative to
/// it, because the copy's place differs each time.
pub fn shown(path: &str, checkout: Option<&Path>) -> String {
    let inside = checkout.and_then(|folder| Path::new(path).strip_prefix(folder).ok());
    match inside {
        Some(inside) => format!("./{}", inside.display()),
        None => path.to_owned(),
    }
}

/// `/var/run` is a link on every Linux of today.
fn linked(path: &str) -> String {
    match path.strip_prefix("/var/run") {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => format!("/run{rest}"),
        _ => path.to_owned(),
    }
}

/// Whether a tidy path is an engine's socket.
pub fn is_socket(path: &str) -> bool {
    let name = path.rsplit(['/', '\\']).next().unwrap_or_default();
    SOCKET_NAMES.contains(&name) || SOCKETS.contains(&linked(path).as_str())
}

/// Whether an engine's socket lies below a tidy path.
pub fn holds_socket(path: &str) -> bool {
    let path = linked(path);
    let below = |socket: &str| {
        path == "/" || socket.strip_prefix(&path).is_some_and(|rest| rest.starts_with('/'))
    };
    // The link itself, and what a user of another number has.
    path == "/var" || path.starts_with("/run/user/") || SOCKETS.iter().any(|socket| below(socket))
}

/// Whether anyone who can write below a tidy path can take over the node.
pub fn masters_node(path: &str) -> bool {
    let below = |folder: &str| {
        path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    path == "/" || path == "/var" || MASTERS.iter().any(|folder| below(folder))
}
