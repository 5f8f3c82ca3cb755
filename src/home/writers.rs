//! What the backups of one app do otherwise than those of its server, and what becomes of the
//! services that write a volume while it is saved: `apps` and `writers` of `backup` in
//! `server.yml`.

use std::{collections::BTreeSet, fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::{copy::CopyName, keep::Keep};

/// What the services that write a volume do while it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum VolumeWriters {
    /// They run on, and restic reads what they are writing.
    #[default]
    Run,
    /// Their containers are paused for as long as restic reads that volume.
    Pause,
    /// They are stopped before the first volume is read, and start after the last.
    Stop,
}

impl VolumeWriters {
    pub const ALL: [VolumeWriters; 3] =
        [VolumeWriters::Run, VolumeWriters::Pause, VolumeWriters::Stop];
}

impl fmt::Display for VolumeWriters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            VolumeWriters::Run => "run",
            VolumeWriters::Pause => "pause",
            VolumeWriters::Stop => "stop",
        })
    }
}

impl FromStr for VolumeWriters {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|known| known.to_string() == text);
        found.ok_or_else(|| format!("expected `run`, `pause` or `stop`, found `{text}`"))
    }
}

/// What the backups of one app do otherwise than those of its server.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct AppBackupSettings {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub writers: Option<VolumeWriters>,
    /// Which of its backups `backup forget` keeps in the server's own repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep: Option<Keep>,
    /// The copies that receive its backups; without it, all of the server's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copies: Option<BTreeSet<CopyName>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_reads_as_it_was_written() {
        for writers in VolumeWriters::ALL {
            assert_eq!(writers.to_string().parse(), Ok(writers));
            let written = serde_json::json!(writers);
            assert_eq!(written, writers.to_string());
        }
        assert!("frozen".parse::<VolumeWriters>().unwrap_err().contains("`frozen`"));
    }
}
