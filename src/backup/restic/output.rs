//! What restic prints under `--json`, as far as potluck reads it. Unknown
//! fields and message types are skipped, because newer versions add more of them.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::unread::Vanished;

/// A snapshot in a list.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Snapshot {
    /// 64 hex digits.
    pub id: String,
    pub time: Timestamp,
    #[serde(default)]
    pub tags: Vec<String>,
    /// Digest of what it holds; the same in every copy.
    #[serde(default)]
    pub tree: String,
    #[serde(default)]
    pub paths: Vec<String>,
    #[serde(default)]
    pub hostname: String,
}

/// A line of `backup --json`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(tag = "message_type", rename_all = "snake_case")]
pub(super) enum BackupMessage {
    Status {
        #[serde(default)]
        bytes_done: u64,
        total_bytes: Option<u64>,
        #[serde(default)]
        total_files: u64,
    },
    Summary(Summary),
    #[serde(other)]
    Other,
}

/// What a backup did.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Summary {
    /// Short (0.14) or full.
    pub snapshot_id: String,
    #[serde(rename = "total_bytes_processed")]
    pub bytes: u64,
    #[serde(rename = "total_files_processed")]
    pub files: u64,
    /// Bytes that were new to the repository.
    #[serde(default, rename = "data_added")]
    pub added: u64,
    /// Files that vanished before they were read; restic 0.18 skips most of
    /// them silently.
    #[serde(skip)]
    pub vanished: Vanished,
}

/// restic's version, for features that only newer ones have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    pub major: u32,
    pub minor: u32,
}

impl Version {
    /// The first version that works: earlier ones lack `--json` where it is
    /// needed and repository format 2.
    pub const OLDEST: Version = Version { major: 0, minor: 14 };
    /// Restores long runs of zeros as holes where it is asked to (restic #79).
    pub const SPARSE: Version = Version { major: 0, minor: 15 };
    /// Waits for a lock itself (restic #719).
    pub const RETRIES_LOCKS: Version = Version { major: 0, minor: 16 };
    /// Calls `rebuild-index` `repair index`.
    pub const REPAIRS: Version = Version { major: 0, minor: 16 };

    /// From `restic 0.18.0 compiled with …`, also `0.19.1-dev (compiled manually)`.
    pub fn parse(printed: &str) -> Option<Self> {
        let number = printed.trim().strip_prefix("restic ")?.split_whitespace().next()?;
        let mut parts = number.split(['.', '-']);
        Some(Version { major: parts.next()?.parse().ok()?, minor: parts.next()?.parse().ok()? })
    }
}

/// What `stats --mode raw-data` tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct Stored {
    /// Bytes that the data takes.
    #[serde(rename = "total_size")]
    pub bytes: u64,
    /// Before compression; since 0.15.
    #[serde(default, rename = "total_uncompressed_size")]
    pub uncompressed: Option<u64>,
}

/// A file of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    pub path: String,
    /// `file`, `dir`, `symlink`, ….
    #[serde(alias = "type")]
    pub kind: String,
    #[serde(default)]
    pub size: u64,
    /// As `chmod` has it, without the kind of file.
    #[serde(default, deserialize_with = "mode")]
    pub mode: u32,
    #[serde(default)]
    pub uid: u32,
    #[serde(default)]
    pub gid: u32,
    pub mtime: Option<Timestamp>,
}

/// restic prints Go's `os.FileMode`, whose bits above the permissions are its own.
fn mode<'de, D: serde::Deserializer<'de>>(from: D) -> Result<u32, D::Error> {
    let go = u32::deserialize(from)?;
    let special = [(23, 0o4000), (22, 0o2000), (20, 0o1000)];
    let special = special.iter().filter(|(bit, _)| go & (1 << bit) != 0);
    Ok(special.fold(go & 0o777, |mode, (_, unix)| mode | unix))
}

/// The files among the lines of `ls --json`; the first is the snapshot.
pub(super) fn listed(json: &[u8]) -> Result<Vec<Listed>, serde_json::Error> {
    #[derive(Deserialize)]
    struct Kind {
        struct_type: String,
    }
    let mut files = Vec::new();
    for line in json.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        if serde_json::from_slice::<Kind>(line)?.struct_type == "node" {
            files.push(serde_json::from_slice(line)?);
        }
    }
    Ok(files)
}

/// How much a prune removes, of `total prune:   12 blobs / 3.2 MiB`.
pub(super) fn freed(said: &str) -> Option<String> {
    let total = said.lines().find_map(|line| line.trim().strip_prefix("total prune:"))?;
    Some(total.split_once('/')?.1.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_prune_frees_is_read() {
        let said = "to delete:            5 blobs / 1.2 MiB\ntotal prune:         12 blobs / 3.212 MiB\nremaining:  1 blobs / 2 B\n";
        assert_eq!(freed(said).as_deref(), Some("3.212 MiB"));
        assert_eq!(freed("counting files in repo\n"), None);
    }

    #[test]
    fn modes_are_those_of_unix() {
        // `ls --json` of restic 0.14: a folder with the sticky bit, and a file.
        for (go, unix) in [(2_148_532_735_u32, 0o1777), (2_147_484_141, 0o755), (420, 0o644)] {
            let json = format!(
                r#"{{"struct_type":"node","path":"/a","type":"dir","mode":{go},"mtime":null}}"#
            );
            assert_eq!(listed(json.as_bytes()).unwrap()[0].mode, unix, "{go}");
        }
    }

    #[test]
    fn versions_are_read() {
        for (printed, version) in [
            ("restic 0.14.0 compiled with go1.19.8 on linux/amd64\n", Some((0, 14))),
            ("restic 0.19.1-dev (compiled manually) compiled with go1.25", Some((0, 19))),
            ("restic 1.0", Some((1, 0))),
            ("borg 1.2.3", None),
            ("restic", None),
            ("", None),
        ] {
            let expected = version.map(|(major, minor)| Version { major, minor });
            assert_eq!(Version::parse(printed), expected, "{printed:?}");
        }
        assert!(Version { major: 0, minor: 9 } < Version::OLDEST);
    }

    /// Recorded from restic 0.14.0, and 0.18's additions.
    #[test]
    fn messages_of_a_backup_are_read() {
        let status = r#"{"message_type":"status","percent_done":0,"total_files":1,"bytes_done":1344057,"current_files":["/dump.sql"]}"#;
        assert_eq!(
            serde_json::from_str::<BackupMessage>(status).unwrap(),
            BackupMessage::Status { bytes_done: 1_344_057, total_bytes: None, total_files: 1 }
        );
        let summary = r#"{"message_type":"summary","dry_run":false,"files_new":1,"files_changed":0,"files_unmodified":0,"dirs_new":0,"dirs_changed":0,"dirs_unmodified":0,"data_blobs":3,"tree_blobs":1,"data_added":3000424,"data_added_packed":1,"total_files_processed":1,"total_bytes_processed":3000000,"total_duration":0.320405265,"backup_start":"2026-11-21T20:28:41Z","snapshot_id":"2e48ac76"}"#;
        assert_eq!(
            serde_json::from_str::<BackupMessage>(summary).unwrap(),
            BackupMessage::Summary(Summary {
                snapshot_id: "2e48ac76".into(),
                bytes: 3_000_000,
                files: 1,
                added: 3_000_424,
                vanished: Vanished::default(),
            })
        );
        let other = r#"{"message_type":"verbose_status","action":"new"}"#;
        assert_eq!(serde_json::from_str::<BackupMessage>(other).unwrap(), BackupMessage::Other);
    }

    #[test]
    fn a_list_of_snapshots_is_read() {
        let list = r#"[{"time":"2026-11-21T20:28:39.29152318Z","tree":"88d0","paths":["/v"],"hostname":"h","username":"root","tags":["potluck","app:x"],"id":"ecf6","short_id":"ecf6cf76"},{"time":"2026-11-21T21:28:39+01:00","paths":["/v"],"id":"aa"}]"#;
        let list: Vec<Snapshot> = serde_json::from_str(list).unwrap();
        assert_eq!(list[0].tags, ["potluck", "app:x"]);
        assert!(list[1].tags.is_empty());
    }
}
