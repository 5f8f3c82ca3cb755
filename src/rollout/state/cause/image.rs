//! Why a node cannot get an image, as far as messages let it be told; pure.
//!
//! An engine that cannot pull an image tries to make the container nevertheless, and
//! reports only `No such image` (moby/moby, `daemon/cluster/executor/container`): the
//! registry has to be asked again to know why.

/// What keeps a node from an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The registry has no such image.
    Missing,
    /// It gives no access, or hides that there is none.
    Denied,
    /// The registry does not answer, or not in a way that the engine accepts.
    Unreachable,
    /// It answers fewer requests than were made.
    Limited,
    /// The manager could have it: it is the node that cannot.
    OfNode,
    /// The image is for other machines.
    Platform,
    /// The engine says only that it does not have it.
    Unknown,
}

/// Parts of messages, in small letters, each with what it means; the first that is found
/// counts.
const WORDS: &[(&str, Fault)] = &[
    ("toomanyrequests", Fault::Limited),
    ("too many requests", Fault::Limited),
    ("rate limit", Fault::Limited),
    ("no matching manifest", Fault::Platform),
    ("no match for platform", Fault::Platform),
    ("cannot be used on this platform", Fault::Platform),
    ("denied", Fault::Denied),
    ("unauthorized", Fault::Denied),
    ("authentication required", Fault::Denied),
    ("no basic auth credentials", Fault::Denied),
    ("forbidden", Fault::Denied),
    ("no such host", Fault::Unreachable),
    ("connection refused", Fault::Unreachable),
    ("connection reset", Fault::Unreachable),
    ("network is unreachable", Fault::Unreachable),
    ("no route to host", Fault::Unreachable),
    ("timeout", Fault::Unreachable),
    ("deadline exceeded", Fault::Unreachable),
    ("request canceled", Fault::Unreachable),
    ("x509:", Fault::Unreachable),
    ("tls:", Fault::Unreachable),
    ("http response to https client", Fault::Unreachable),
    ("temporary failure in name resolution", Fault::Unreachable),
    ("server misbehaving", Fault::Unreachable),
    ("proxyconnect", Fault::Unreachable),
    ("dial tcp", Fault::Unreachable),
    ("manifest unknown", Fault::Missing),
    ("name unknown", Fault::Missing),
    ("not found", Fault::Missing),
    ("no such image", Fault::Unknown),
    ("pull access", Fault::Denied),
];

/// What the refusal of a task says of its image; none where it is about something else.
pub(crate) fn fault(error: &str) -> Option<Fault> {
    let error = error.to_ascii_lowercase();
    let about = ["no such image", "manifest", "pull", "image", "toomanyrequests", "registry"];
    about.iter().any(|word| error.contains(word)).then(|| of_answer(&error))
}

/// What a registry's refusal means.
pub(crate) fn of_answer(message: &str) -> Fault {
    let message = message.to_ascii_lowercase();
    let found = WORDS.iter().find(|(word, _)| message.contains(word));
    found.map_or(Fault::Unknown, |(_, fault)| *fault)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_its_kind() {
        for (message, fault) in [
            ("No such image: x:1", Fault::Unknown),
            ("No such image: x:1@sha256:00", Fault::Unknown),
            ("errors:\nmanifest unknown: manifest unknown", Fault::Missing),
            ("manifest for x:9 not found: manifest unknown: manifest unknown", Fault::Missing),
            (
                "errors:\ndenied: requested access to the resource is denied\nunauthorized: \
                 authentication required",
                Fault::Denied,
            ),
            (
                "pull access denied for x, repository does not exist or may require 'docker login'",
                Fault::Denied,
            ),
            (
                "Get \"https://registry-1.docker.io/v2/\": dial tcp: lookup registry-1.docker.io: no \
                 such host",
                Fault::Unreachable,
            ),
            (
                "Get \"https://127.0.0.1:5000/v2/\": http: server gave HTTP response to HTTPS client",
                Fault::Unreachable,
            ),
            (
                "Get \"https://r/v2/\": x509: certificate signed by unknown authority",
                Fault::Unreachable,
            ),
            (
                "toomanyrequests: You have reached your pull rate limit. You may increase the limit \
                 by authenticating",
                Fault::Limited,
            ),
            (
                "no matching manifest for linux/arm64/v8 in the manifest list entries",
                Fault::Platform,
            ),
        ] {
            assert_eq!(of_answer(message), fault, "{message}");
        }
        for (error, is_about_it) in [
            ("No such image: x:1", true),
            ("invalid mount config for type \"bind\": bind source path does not exist: /x", false),
            ("starting container failed: exec: \"x\": not found", false),
        ] {
            assert_eq!(fault(error).is_some(), is_about_it, "{error}");
        }
    }
}
