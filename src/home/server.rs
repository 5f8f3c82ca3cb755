//! One server: `servers/<server>/server.yml`. Optional, so that abra's folders
//! work: without it the endpoint is `ssh://<server>`, or this machine's socket
//! for the server called `default`.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::keep::Keep;

/// The operator's settings of a server.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ServerSettings {
    /// `unix:///var/run/docker.sock`, `ssh://user@host:port` or `simulated`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup: Option<BackupSettings>,
    /// Networks that apps of this server may share without a question; without
    /// the key, `proxy`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub networks: Option<Vec<String>>,
}

/// The network by which a reverse proxy reaches the apps of a server whose
/// settings say nothing else.
const SHARED_NETWORK: &str = "proxy";

impl ServerSettings {
    /// Names of networks that apps may share without a question.
    pub fn shared_networks(&self) -> Vec<String> {
        self.networks.clone().unwrap_or_else(|| vec![SHARED_NETWORK.to_owned()])
    }
}

/// Where the backups of a server's apps go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct BackupSettings {
    /// A restic repository, `sftp:backup@host:/srv/restic`, or a local path; empty for
    /// potluck's own, below `state/`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub repository: String,
    /// File that holds the repository's password; only its owner can read it. Empty for
    /// that of potluck's own repository.
    #[serde(default, skip_serializing_if = "is_unnamed")]
    pub password_file: PathBuf,
    /// Variables for restic, for example of an S3 repository, one `KEY=value`
    /// a line; values never appear in arguments or logs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment_file: Option<PathBuf>,
    /// Which backups `backup forget` keeps; without it, all complete ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep: Option<Keep>,
}

impl BackupSettings {
    /// Whether it names a repository of the operator's.
    pub fn names_repository(&self) -> bool {
        !self.repository.is_empty()
    }
}

fn is_unnamed(path: &std::path::Path) -> bool {
    path.as_os_str().is_empty()
}
