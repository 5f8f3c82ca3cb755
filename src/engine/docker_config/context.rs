//! Contexts: names for engines, kept in `contexts/meta/<sha256 of the name>/`.

use std::path::PathBuf;

use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::{DockerConfig, Error, read_json};
use crate::home::LOCAL_ENDPOINT;

/// The context that is always there: `DOCKER_HOST`, else the local socket.
pub const DEFAULT_CONTEXT: &str = "default";

/// Enough to say which contexts there are.
const SHOWN: usize = 20;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Meta {
    name: String,
    #[serde(default)]
    endpoints: Endpoints,
}

#[derive(Default, Deserialize)]
struct Endpoints {
    docker: Option<Endpoint>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Endpoint {
    #[serde(default)]
    host: String,
}

/// Whether docker protects a connection with certificates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tls {
    /// As `DOCKER_TLS_VERIFY` or the files of a context want; with those of this folder.
    Wanted(PathBuf),
    No,
}

/// Docker's port where none is named, without and with certificates.
const PORTS: [u16; 2] = [2375, 2376];

impl DockerConfig {
    /// The endpoint of a context.
    ///
    /// # Errors
    /// [`Error::NoContext`], [`Error::Endpoint`], and for files that can't be
    /// read.
    pub fn endpoint(&self, context: &str) -> Result<String, Error> {
        if context == DEFAULT_CONTEXT {
            return Ok(LOCAL_ENDPOINT.to_owned());
        }
        let id = hex::encode(Sha256::digest(context.as_bytes()));
        let path = self.folder.join("contexts/meta").join(&id).join("meta.json");
        let tls = self.folder.join("contexts/tls").join(id).join("docker");
        let tls = if tls.is_dir() { Tls::Wanted(tls) } else { Tls::No };
        let meta: Meta = read_json(&path)?
            .ok_or_else(|| Error::NoContext { name: context.to_owned(), known: self.contexts() })?;
        endpoint_of(&meta.endpoints.docker.map(|e| e.host).unwrap_or_default(), tls)
    }

    fn contexts(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.folder.join("contexts/meta"));
        let mut names: Vec<String> = entries
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| {
                let meta: Option<Meta> = read_json(&entry.path().join("meta.json")).ok()?;
                meta.map(|meta| meta.name)
            })
            .chain([DEFAULT_CONTEXT.to_owned()])
            .take(SHOWN)
            .collect();
        names.sort();
        names
    }
}

/// An endpoint as potluck writes it, from how docker takes it (docker/cli,
/// `opts/hosts.go`).
///
/// # Errors
/// [`Error::Endpoint`] for a kind that is not supported.
pub fn endpoint_of(host: &str, tls: Tls) -> Result<String, Error> {
    let refused = |reason| Err(Error::Endpoint { endpoint: host.to_owned(), reason });
    match host.trim() {
        "" | "unix://" => Ok(LOCAL_ENDPOINT.to_owned()),
        unix if unix.starts_with("unix://") => Ok(unix.to_owned()),
        ssh if ssh.starts_with("ssh://") => Ok(ssh.to_owned()),
        npipe if npipe.starts_with("npipe://") => refused("is a pipe of Windows"),
        fd if fd.starts_with("fd://") => refused("is for the engine itself"),
        tcp => {
            let certificates = match tls {
                Tls::Wanted(folder) => Some(folder),
                Tls::No if tcp.starts_with("https://") => {
                    return refused("is protected by TLS, and no certificates are named");
                }
                Tls::No => None,
            };
            let schemes = ["tcp://", "http://", "https://"];
            let address = schemes.iter().find_map(|it| tcp.strip_prefix(it)).unwrap_or(tcp);
            let address = address.trim_end_matches('/');
            if address.contains(['/', '@', '?']) || address.is_empty() {
                return refused("is not one that potluck knows");
            }
            let has_port =
                address.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
            let port = PORTS[usize::from(certificates.is_some())];
            let port = if has_port { String::new() } else { format!(":{port}") };
            let certificates = certificates
                .map(|folder| format!("?certificates={}", folder.display()))
                .unwrap_or_default();
            Ok(format!("tcp://{address}{port}{certificates}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(host: &str) -> (tempfile::TempDir, DockerConfig) {
        let folder = tempfile::tempdir().unwrap();
        let id = hex::encode(Sha256::digest(b"far"));
        let meta = folder.path().join("contexts/meta").join(id);
        std::fs::create_dir_all(&meta).unwrap();
        let text = format!(
            r#"{{"Name":"far","Metadata":{{}},"Endpoints":{{"docker":{{"Host":"{host}"}}}}}}"#
        );
        std::fs::write(meta.join("meta.json"), text).unwrap();
        std::fs::write(folder.path().join("config.json"), r#"{"currentContext":"far"}"#).unwrap();
        let config = DockerConfig::read(folder.path()).unwrap();
        (folder, config)
    }

    #[test]
    fn a_context_leads_to_its_endpoint() {
        let (_folder, config) = config("ssh://cook@kitchen");
        assert_eq!(config.current_context(), Some("far"));
        assert_eq!(config.endpoint("far").unwrap(), "ssh://cook@kitchen");
        assert_eq!(config.endpoint("default").unwrap(), LOCAL_ENDPOINT);
        let unknown = config.endpoint("near").unwrap_err().to_string();
        assert_eq!(unknown, "docker has no context `near`; it has default, far");
    }

    #[test]
    fn endpoints() {
        for (host, expected) in [
            ("", Some(LOCAL_ENDPOINT)),
            ("unix://", Some(LOCAL_ENDPOINT)),
            ("unix:///run/x.sock", Some("unix:///run/x.sock")),
            ("ssh://a@b:22", Some("ssh://a@b:22")),
            ("tcp://a:2376", Some("tcp://a:2376")),
            ("tcp://a", Some("tcp://a:2375")),
            ("10.0.0.1:2375", Some("tcp://10.0.0.1:2375")),
            ("tcp://[::1]:2375", Some("tcp://[::1]:2375")),
            ("https://a:2376", None),
            ("fd://x", None),
            ("npipe:////./pipe/x", None),
        ] {
            assert_eq!(endpoint_of(host, Tls::No).ok().as_deref(), expected, "{host:?}");
        }
    }

    #[test]
    fn certificates_are_not_left_out_silently() {
        let wanted = || Tls::Wanted("/certs".into());
        for host in ["tcp://a:2376", "https://a:2376", "tcp://a", "a:2376"] {
            let endpoint = endpoint_of(host, wanted()).unwrap();
            assert_eq!(endpoint, "tcp://a:2376?certificates=/certs", "{host}");
        }
        let refused = endpoint_of("https://a:2376", Tls::No).unwrap_err().to_string();
        assert!(refused.contains("TLS"), "{refused}");
        assert_eq!(endpoint_of("unix:///run/x.sock", wanted()).unwrap(), "unix:///run/x.sock");
        let (folder, config) = config("tcp://a:2376");
        assert_eq!(config.endpoint("far").unwrap(), "tcp://a:2376");
        let id = hex::encode(Sha256::digest(b"far"));
        let certificates = folder.path().join("contexts/tls").join(id).join("docker");
        std::fs::create_dir_all(&certificates).unwrap();
        let expected = format!("tcp://a:2376?certificates={}", certificates.display());
        assert_eq!(config.endpoint("far").unwrap(), expected);
    }

    #[test]
    fn a_broken_file_is_not_quoted() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("config.json"), "{\"auths\": \"c2VjcmV0\"}").unwrap();
        let error = DockerConfig::read(folder.path()).unwrap_err().to_string();
        assert!(error.contains("line 1") && !error.contains("c2VjcmV0"), "{error}");
    }
}
