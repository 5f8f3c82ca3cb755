//! One call to the engine: its time limit, and what its failure means.

use std::{error::Error as _, future::Future, time::Duration};

use bollard::errors::Error as Bollard;

use super::SwarmEngine;
use crate::engine::{Error, Kind};

/// How long a plain call may take. The docker CLI has no limit; a manager
/// that lost its quorum answers after 20 s by itself, a registry lookup over a
/// slow line takes seconds.
pub(super) const LIMIT: Duration = Duration::from_secs(60);

/// An upload gets this many bytes per second at least, on top of [`LIMIT`].
const SLOWEST_UPLOAD: u64 = 256 * 1024;

/// So much of what the engine says is shown, in characters.
const LONGEST_MESSAGE: usize = 2000;

pub(super) fn limit_for_bytes(bytes: u64) -> Duration {
    LIMIT + Duration::from_secs(bytes / SLOWEST_UPLOAD)
}

/// What a call does, for messages and for telling a taken name (a refused
/// *create*) from other conflicts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    List,
    Inspect,
    Create,
    Update,
    Remove,
    Run,
    Pause,
    Unpause,
    Read,
    Write,
}

/// What a call is about.
#[derive(Debug, Clone)]
pub(super) struct About {
    verb: Verb,
    kind: Kind,
    name: String,
}

impl About {
    pub(super) fn new(verb: Verb, kind: Kind, name: &str) -> Self {
        Self { verb, kind, name: name.to_owned() }
    }

    pub(super) fn list(kind: Kind) -> Self {
        Self::new(Verb::List, kind, "")
    }

    /// The words after "the engine refused to".
    fn action(&self) -> String {
        let (kind, name) = (self.kind, &self.name);
        match self.verb {
            Verb::List => format!("list {kind}s"),
            Verb::Inspect => format!("show the {kind} `{name}`"),
            Verb::Create => format!("create the {kind} `{name}`"),
            Verb::Update => format!("update the {kind} `{name}`"),
            Verb::Remove => format!("remove the {kind} `{name}`"),
            Verb::Run => format!("run a program in the {kind} `{name}`"),
            Verb::Pause => format!("pause the {kind} `{name}`"),
            Verb::Unpause => format!("unpause the {kind} `{name}`"),
            Verb::Read => format!("read from the {kind} `{name}`"),
            Verb::Write => format!("write to the {kind} `{name}`"),
        }
    }
}

impl SwarmEngine {
    /// Awaits a call within the usual limit and translates its failure.
    pub(super) async fn call<T>(
        &self,
        about: About,
        call: impl Future<Output = Result<T, Bollard>>,
    ) -> Result<T, Error> {
        self.call_within(LIMIT, about, call).await
    }

    pub(super) async fn call_within<T>(
        &self,
        limit: Duration,
        about: About,
        call: impl Future<Output = Result<T, Bollard>>,
    ) -> Result<T, Error> {
        match tokio::time::timeout(limit, call).await {
            Ok(answer) => answer.map_err(|error| translate(&self.endpoint, &about, error)),
            Err(_) => Err(Error::Unreachable {
                endpoint: self.endpoint.clone(),
                reason: format!("no answer within {} s", limit.as_secs()),
            }),
        }
    }
}

/// What bollard's error means to the caller.
pub(super) fn translate(endpoint: &str, about: &About, error: Bollard) -> Error {
    match error {
        Bollard::DockerResponseServerError { status_code, message } => {
            refusal(endpoint, about, status_code, message)
        }
        Bollard::JsonDataError { .. }
        | Bollard::JsonSerdeError { .. }
        | Bollard::StrParseError { .. }
        | Bollard::DockerStreamError { .. } => {
            Error::Refused { action: about.action(), message: error.to_string() }
        }
        other => unreachable(endpoint, &other),
    }
}

/// The error of a failed connection, with the innermost reason.
pub(super) fn unreachable(endpoint: &str, error: &Bollard) -> Error {
    let reason = match error {
        Bollard::SocketNotFoundError(path) => format!("there is no socket at {path}"),
        Bollard::RequestTimeoutError => format!("no answer within {} s", LIMIT.as_secs()),
        other => {
            let mut innermost = other.to_string();
            let mut source = other.source();
            while let Some(cause) = source {
                innermost = cause.to_string();
                source = cause.source();
            }
            innermost
        }
    };
    Error::Unreachable { endpoint: endpoint.to_owned(), reason }
}

/// Docker's answer with an error code. The codes of swarm errors differ
/// between engine versions, so their texts count, too.
fn refusal(endpoint: &str, about: &About, code: u16, message: String) -> Error {
    let name = || about.name.clone();
    if message.contains("update out of sequence") {
        return Error::OutOfSequence { service: name() };
    }
    if code == 503 && message.contains("swarm") {
        return Error::NotManager { endpoint: endpoint.to_owned() };
    }
    if about.verb == Verb::Create
        && (code == 409
            || message.contains("AlreadyExists")
            || message.contains("already exists")
            || message.contains("name conflicts with an existing object"))
    {
        return Error::Exists { kind: about.kind, name: name() };
    }
    if code == 404
        && let Some(path) = missing_file(&message)
    {
        return Error::NotFound { kind: Kind::File, name: path.to_owned() };
    }
    // A service that asks for a missing network or secret is refused with the
    // same code as a missing service.
    let itself_missing = match about.verb {
        Verb::Create => false,
        Verb::Update => message.starts_with("service ") || message.contains("No such"),
        _ => true,
    };
    if code == 404 && itself_missing {
        return Error::NotFound { kind: about.kind, name: name() };
    }
    Error::Refused { action: about.action(), message: plain(&message) }
}

/// The file or folder of a container that an archive was asked for, or into.
fn missing_file(message: &str) -> Option<&str> {
    let (path, _) =
        message.strip_prefix("Could not find the file ")?.rsplit_once(" in container ")?;
    Some(path)
}

/// The message without gRPC's wrapping, `rpc error: code = X desc = …`.
fn plain(message: &str) -> String {
    let text = match message.split_once(" desc = ") {
        Some((head, text)) if head.starts_with("rpc error") => text,
        _ => message,
    };
    let text = text.trim();
    if text.is_empty() {
        return "it gave no reason".to_owned();
    }
    let mut kept: String = text.chars().take(LONGEST_MESSAGE).collect();
    if kept.len() < text.len() {
        kept.push('…');
    }
    kept
}

/// An id or name that needs no escaping in a path of the API. bollard does
/// not escape, so a name with `/` or `?` would call something else.
pub(super) fn checked(kind: Kind, name: &str) -> Result<&str, Error> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    if name.is_empty() || name.starts_with('.') || !name.chars().all(plain) {
        return Err(Error::NotFound { kind, name: name.to_owned() });
    }
    Ok(name)
}

/// The same for an image, whose reference has slashes, colons and an `@`.
pub(super) fn checked_image(image: &str) -> Result<&str, Error> {
    let segment = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && part
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '@'))
    };
    if !image.split('/').all(segment) {
        return Err(Error::NotFound { kind: Kind::Image, name: image.to_owned() });
    }
    Ok(image)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(verb: Verb, code: u16, message: &str) -> String {
        let about = About::new(verb, Kind::Service, "web");
        refusal("unix:///s", &about, code, message.to_owned()).to_string()
    }

    #[test]
    fn answers_of_the_engine_are_told_apart() {
        for (verb, code, message, expected) in [
            (Verb::Inspect, 404, "service web not found", "no service is called `web`"),
            (
                Verb::Update,
                500,
                "rpc error: code = Unknown desc = update out of sequence",
                "the service `web` was changed by someone else in the meantime",
            ),
            (
                Verb::Create,
                409,
                "rpc error: code = AlreadyExists desc = name conflicts with an existing object",
                "the service `web` exists already",
            ),
            (
                Verb::Create,
                404,
                "network back not found",
                "the engine refused to create the service `web`: network back not found",
            ),
            (
                Verb::Read,
                404,
                "Could not find the file /x in container 1",
                "no file is called `/x`",
            ),
            (
                Verb::Run,
                409,
                "Container 1 is not running",
                "the engine refused to run a program in the service `web`: Container 1 is not running",
            ),
            (
                Verb::List,
                503,
                "This node is not a swarm manager. Use \"docker swarm init\".",
                "the Docker engine at unix:///s is not a swarm manager",
            ),
            (
                Verb::Remove,
                400,
                "rpc error: code = InvalidArgument desc = secret 'a' is in use",
                "the engine refused to remove the service `web`: secret 'a' is in use",
            ),
        ] {
            assert_eq!(told(verb, code, message), expected);
        }
    }

    #[test]
    fn a_long_message_is_cut() {
        let cut = plain(&"ü".repeat(LONGEST_MESSAGE + 1));
        assert_eq!(cut.chars().count(), LONGEST_MESSAGE + 1);
        assert!(cut.ends_with("ü…"));
        assert_eq!(plain(&"x".repeat(LONGEST_MESSAGE)).len(), LONGEST_MESSAGE);
    }

    #[test]
    fn a_name_cannot_reach_another_path_of_the_api() {
        for bad in ["", ".", "..", "a/b", "a?force=1", "a#b", "a%2fb", "a b"] {
            assert!(checked(Kind::Volume, bad).is_err(), "{bad:?} was accepted");
        }
        for good in ["a", "wiki_example_org_db", "a.b-c_d", "0123abc"] {
            assert!(checked(Kind::Volume, good).is_ok(), "{good:?} was refused");
        }
        for bad in ["", "a//b", "../a", "a/../b", "a?b", "a b"] {
            assert!(checked_image(bad).is_err(), "{bad:?} was accepted");
        }
        assert!(checked_image("ghcr.io:5000/a/b_c:1.2@sha256:00").is_ok());
    }
}
