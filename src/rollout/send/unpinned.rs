//! Why an image is sent without its digest, in words; pure.

use crate::{engine, text::line_of};

/// Bytes of a registry's own words.
const SAID: usize = 200;
/// What Docker says when nothing answers (Go's `net` and `net/http`).
const SILENCE: [&str; 9] = [
    "dial tcp",
    "no such host",
    "connection refused",
    "connection reset",
    "i/o timeout",
    "context deadline exceeded",
    "request canceled",
    "TLS handshake timeout",
    "EOF",
];

/// The warning for an image whose registry gave no digest; without an error it
/// gave no answer in time.
pub(in crate::rollout) fn warning(image: &str, error: Option<&engine::Error>) -> String {
    format!("{}: the image `{image}` is not pinned, each node uses its own copy", reason(error))
}

fn reason(error: Option<&engine::Error>) -> String {
    const SILENT: &str = "registry not reachable";
    let Some(error) = error else { return SILENT.into() };
    match error {
        engine::Error::NotFound { .. } => "the registry has no such image".into(),
        engine::Error::Refused { message, .. } => {
            let said = |words: &[&str]| words.iter().any(|word| message.contains(word));
            if said(&["manifest unknown", "not found"]) {
                "the registry has no such image".into()
            } else if said(&["unauthorized", "denied", "authentication required", "no basic auth"])
            {
                "the registry denies access".into()
            } else if said(&SILENCE) {
                SILENT.into()
            } else {
                format!("the registry gives no digest ({})", line_of(message, SAID))
            }
        }
        _ => SILENT.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_is_the_registrys() {
        for (message, reason) in [
            (
                r#"Get "https://registry-1.docker.io/v2/": dial tcp: lookup registry-1.docker.io: no such host"#,
                "registry not reachable",
            ),
            (
                "Get \"https://a/v2/\": net/http: request canceled while waiting",
                "registry not reachable",
            ),
            (
                "errors:\ndenied: requested access to the resource is denied",
                "the registry denies access",
            ),
            ("manifest unknown: manifest unknown", "the registry has no such image"),
            (
                "toomanyrequests: slow\ndown",
                "the registry gives no digest (toomanyrequests: slow down)",
            ),
        ] {
            let refused =
                engine::Error::Refused { action: "show it".into(), message: message.into() };
            assert_eq!(
                warning("busybox:1", Some(&refused)),
                format!(
                    "{reason}: the image `busybox:1` is not pinned, each node uses its own copy"
                )
            );
        }
        assert!(warning("a", None).starts_with("registry not reachable: "));
    }
}
