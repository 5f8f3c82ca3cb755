//! Who uses a volume that is to be read or restored.

use std::fmt;

use serde::Serialize;

/// Who mounts a volume, and is not a service of the app.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase", tag = "kind", content = "name")]
pub enum VolumeUser {
    /// A service that says how many tasks it wants.
    Service(String),
    /// A service with a task on each node, or a job.
    Everywhere(String),
    Container(String),
}

impl VolumeUser {
    /// What to type to stop it; `simulated` is the name of a server that is only
    /// simulated.
    pub fn stop(&self, simulated: Option<&str>) -> String {
        if let Some(server) = simulated {
            return format!(
                "{self}: `potluck stack rm --server {server}` removes the stack that it is of"
            );
        }
        match self {
            VolumeUser::Service(name) => format!("`docker service scale {}=0`", plain(name)),
            VolumeUser::Everywhere(name) => format!("`docker service rm {}`", plain(name)),
            VolumeUser::Container(name) => format!("`docker stop {}`", plain(name)),
        }
    }
}

impl fmt::Display for VolumeUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            VolumeUser::Service(name) | VolumeUser::Everywhere(name) => {
                write!(f, "the service `{}`", plain(name))
            }
            VolumeUser::Container(name) => write!(f, "the container `{}`", plain(name)),
        }
    }
}

/// A name as Docker allows them: it will be typed into a shell.
fn plain(name: &str) -> String {
    let odd = |c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-'));
    name.replace(odd, "?")
}
