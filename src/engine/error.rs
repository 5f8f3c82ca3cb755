//! Errors between potluck and a swarm.

use std::fmt;

use crate::hint::Hint;

/// What kind of object an error is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    Service,
    Network,
    Secret,
    Config,
    Task,
    Node,
    Volume,
    Container,
    Image,
    /// In a container.
    File,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Service => "service",
            Kind::Network => "network",
            Kind::Secret => "secret",
            Kind::Config => "config",
            Kind::Task => "task",
            Kind::Node => "node",
            Kind::Volume => "volume",
            Kind::Container => "container",
            Kind::Image => "image",
            Kind::File => "file",
        })
    }
}

/// An engine's refusal or silence.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no answer, or the connection broke.
    #[error("cannot reach the Docker engine at {endpoint}: {reason}")]
    Unreachable { endpoint: String, reason: String },
    /// An engine answers, but it is not a swarm manager.
    #[error("the Docker engine at {endpoint} is not a swarm manager")]
    NotManager { endpoint: String },
    /// An engine answers, but it is in no swarm.
    #[error("the Docker engine at {endpoint} is not a node of a swarm")]
    NoNode { endpoint: String },
    #[error("no {kind} is called `{name}`")]
    NotFound { kind: Kind, name: String },
    /// The name is taken.
    #[error("the {kind} `{name}` exists already")]
    Exists { kind: Kind, name: String },
    /// Somebody else changed the service since it was read.
    #[error("the service `{service}` was changed by someone else in the meantime")]
    OutOfSequence { service: String },
    /// Another operation has the app now: this one stops before its next change.
    #[error("the lease of `{stack}` is lost: this operation changes nothing more")]
    LeaseLost { stack: String },
    /// The engine understood and said no.
    #[error("the engine refused to {action}: {message}")]
    Refused { action: String, message: String },
    /// The engine's files are not on this machine, or it cannot be proved that they are.
    #[error("the volumes of {endpoint} are not on this machine: {reason}")]
    Elsewhere { endpoint: String, reason: String },
    /// The node of a container or a volume has no endpoint.
    #[error("no endpoint is known for the node `{node}`")]
    NoEndpoint {
        /// Its host name, or its id.
        node: String,
        /// The server's name; none where the engine is nobody's server.
        server: Option<String>,
    },
    /// What answers at the endpoint of a node is another one.
    #[error("the engine at {endpoint} is not that of the node `{node}`")]
    OtherNode { node: String, endpoint: String, server: String },
    /// The image of the helper container is missing, and cannot be fetched.
    #[error("the engine at {endpoint} lacks the image `{image}` and cannot fetch it: {reason}")]
    NoHelperImage { image: String, endpoint: String, reason: String },
    /// An endpoint of a form that is not known.
    #[error("`{endpoint}` is not an endpoint: {reason}")]
    BadEndpoint { endpoint: String, reason: String },
    /// The object is not recorded as owned by the app that asked for it.
    #[error(transparent)]
    Foreign(Box<Foreign>),
    /// Reading or writing state on this machine.
    #[error("{action}: {source}")]
    Io {
        action: String,
        #[source]
        source: std::io::Error,
    },
}

/// What an app may not touch, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} is left alone: {reason}")]
pub struct Foreign {
    /// ``the service `wiki_db` ``
    pub what: String,
    pub reason: String,
    pub hint: Option<String>,
}

impl Error {
    /// Whether the object simply does not exist.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Error::NotFound { .. })
    }
}

/// What was asked for, or was to be removed; none where it does not exist.
///
/// # Errors
/// All others.
pub(crate) fn if_there<T>(result: Result<T, Error>) -> Result<Option<T>, Error> {
    match result {
        Err(error) if error.is_not_found() => Ok(None),
        result => result.map(Some),
    }
}

impl Hint for Error {
    fn hint(&self) -> Option<String> {
        match self {
            Error::Unreachable { endpoint, .. } => Some(match endpoint.strip_prefix("ssh://") {
                Some(target) => format!(
                    "check that `ssh {} docker version` works without a password",
                    ssh_arguments(target)
                ),
                None if endpoint.starts_with("tcp://") => {
                    "check that the engine listens there with `--tlsverify`, and that its \
                     certificates and yours are of the same authority"
                        .into()
                }
                None => "check that the engine runs and that you may use its socket".into(),
            }),
            Error::NotManager { .. } => Some("run `docker swarm init` on that server".into()),
            Error::BadEndpoint { .. } => Some(
                "endpoints are `unix:///path/to/socket`, `ssh://[user@]host[:port]`, \
                 `tcp://host:port?certificates=/path/to/folder` or `simulated`"
                    .into(),
            ),
            Error::Elsewhere { .. } => Some(
                "run potluck as root on the server itself, with its engine's own socket as endpoint"
                    .into(),
            ),
            Error::NoEndpoint { server: Some(server), .. } => Some(format!(
                "`potluck server nodes {server}` lists the nodes and adds their endpoints"
            )),
            Error::NoEndpoint { server: None, .. } => {
                Some("use the engine of that node itself".into())
            }
            Error::NoHelperImage { image, .. } => Some(format!(
                "load it there (`docker pull {image}`), or name another image with restic and a \
                 shell as `helper-image` of `backup` in server.yml"
            )),
            Error::OtherNode { server, .. } => Some(format!(
                "`potluck server nodes {server}` shows which node answers; correct `nodes` in \
                 servers/{server}/server.yml"
            )),
            Error::OutOfSequence { .. } => Some("run the command again".into()),
            Error::LeaseLost { .. } => Some(
                "someone broke the lease, another operation took it over, or the connection was lost \
                 for too long: look at what runs, then run the command again"
                    .into(),
            ),
            Error::Foreign(foreign) => foreign.hint.clone(),
            _ => None,
        }
    }
}

/// `[user@]host[:port]` as `ssh` takes it.
fn ssh_arguments(target: &str) -> String {
    match target.rsplit_once(':') {
        // The colons of an IPv6 address are in brackets.
        Some((host, port)) if !port.contains(']') => format!("-p {port} {host}"),
        _ => target.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hint_can_be_typed() {
        for (target, arguments) in [
            ("host", "host"),
            ("root@host:2222", "-p 2222 root@host"),
            ("[::1]", "[::1]"),
            ("me@[::1]:22", "-p 22 me@[::1]"),
        ] {
            assert_eq!(ssh_arguments(target), arguments);
        }
    }
}
