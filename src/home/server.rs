//! One server: `servers/<server>/server.yml`. Optional, so that abra's folders
//! work: without it the endpoint is `ssh://<server>`, or this machine's socket
//! for the server called `default`.

use std::{collections::BTreeMap, path::PathBuf};

use serde::{Deserialize, Deserializer, Serialize, de::Error as _};

use super::{
    connection::ConnectionKind,
    copy::{CopyName, CopySettings, is_unnamed},
    keep::Keep,
    names::AppName,
    writers::{AppBackupSettings, VolumeWriters},
};

/// The operator's settings of a server.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ServerSettings {
    /// `unix:///var/run/docker.sock`, `ssh://user@host:port`,
    /// `tcp://host:port?certificates=/path/to/folder` or `simulated`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// How the engines of further nodes are reached, by their host name or id:
    /// `unix:///path/to/socket` or `ssh://[user@]host[:port][?jump=[user@]host[:port]]`.
    #[serde(
        default,
        skip_serializing_if = "BTreeMap::is_empty",
        deserialize_with = "node_endpoints"
    )]
    pub nodes: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "checked_backup")]
    pub backup: Option<BackupSettings>,
    /// Networks that apps of this server may share without a question; without
    /// the key, `proxy`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub networks: Option<Vec<String>>,
    /// The providers that apps of this server are connected to where none is named: an app,
    /// or a name in `providers/`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub providers: BTreeMap<ConnectionKind, String>,
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

/// What is wrong with the endpoint of a node, if anything. Whether it leads anywhere
/// only the engine tells.
///
/// # Errors
/// A sentence that says what was expected.
pub fn check_node_endpoint(node: &str, endpoint: &str) -> Result<(), String> {
    let plain = |c: char| c.is_ascii_graphic();
    if node.is_empty() || !node.chars().all(plain) {
        return Err(format!("`{}` is not the name or id of a node", crate::text::line(node)));
    }
    let path = endpoint.strip_prefix("unix://");
    let target = endpoint.strip_prefix("ssh://").filter(|target| !target.is_empty());
    let tls = endpoint.strip_prefix("tcp://").filter(|it| it.contains("?certificates=/"));
    let is_known =
        path.is_some_and(|path| path.starts_with('/')) || target.is_some() || tls.is_some();
    if is_known && endpoint.chars().all(plain) {
        return Ok(());
    }
    Err(format!(
        "the endpoint of the node `{node}` is invalid: expected `unix:///path/to/socket`, \
         `ssh://[user@]host[:port]` or `tcp://host:port?certificates=/path/to/folder`, found `{}`",
        crate::text::line(endpoint)
    ))
}

fn node_endpoints<'de, D: Deserializer<'de>>(
    from: D,
) -> Result<BTreeMap<String, String>, D::Error> {
    let nodes = BTreeMap::<String, String>::deserialize(from)?;
    for (node, endpoint) in &nodes {
        check_node_endpoint(node, endpoint).map_err(D::Error::custom)?;
    }
    Ok(nodes)
}

fn checked_backup<'de, D: Deserializer<'de>>(from: D) -> Result<Option<BackupSettings>, D::Error> {
    let backup = Option::<BackupSettings>::deserialize(from)?;
    match backup.as_ref().map_or(Ok(()), BackupSettings::check) {
        Ok(()) => Ok(backup),
        Err(reason) => Err(D::Error::custom(reason)),
    }
}

/// Where the backups of a server's apps go.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
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
    /// A program and its arguments that print the password, instead of a file.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub password_command: Vec<String>,
    /// Variables for restic, for example of an S3 repository, one `KEY=value`
    /// a line; values never appear in arguments or logs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment_file: Option<PathBuf>,
    /// The image of the container that reads and writes volumes which potluck cannot
    /// reach itself: one with `restic` and a shell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub helper_image: Option<String>,
    /// From where the repository is reached; without it, from wherever its location says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reach: Option<ReachedFrom>,
    /// Which backups `backup forget` keeps; without it, all complete ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep: Option<Keep>,
    /// The repository takes additions only: nothing is removed from it, and `backup check`
    /// proves that its store refuses that.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub append_only: bool,
    /// A dump is refused if it has less than this part of the last one's size, in percent;
    /// 0 for no limit.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "percent")]
    pub smallest_dump: Option<u8>,
    /// Further repositories, to which each backup is copied.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub copies: BTreeMap<CopyName, CopySettings>,
    /// What services do while the volumes that they write are read; without it, they run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub writers: Option<VolumeWriters>,
    /// What the backups of single apps do otherwise, by domain.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub apps: BTreeMap<AppName, AppBackupSettings>,
}

/// Who reaches a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReachedFrom {
    /// The nodes themselves.
    Node,
    /// Only the machine that potluck runs on.
    Operator,
}

/// The helper's image where the settings name none: restic's own.
pub const HELPER_IMAGE: &str = "restic/restic:0.18.0";

/// Which part of the last one's size a dump has at least, in percent, where the settings say
/// nothing.
pub const SMALLEST_DUMP: u8 = 25;

fn percent<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u8>, D::Error> {
    match u8::deserialize(from)? {
        part @ 0..=100 => Ok(Some(part)),
        part => Err(D::Error::custom(format!("expected a percentage from 0 to 100, found {part}"))),
    }
}

impl BackupSettings {
    /// The size that a dump has at least, in percent of the last one's.
    pub fn smallest_dump(&self) -> u8 {
        self.smallest_dump.unwrap_or(SMALLEST_DUMP)
    }

    /// The image of the helper container.
    pub fn helper_image(&self) -> &str {
        self.helper_image.as_deref().unwrap_or(HELPER_IMAGE)
    }

    /// What the services of an app do while the volumes that they write are read.
    pub fn writers_of(&self, app: &AppName) -> VolumeWriters {
        let own = self.apps.get(app).and_then(|app| app.writers);
        own.or(self.writers).unwrap_or_default()
    }

    /// Which backups of an app `backup forget` keeps in the server's own repository, or in a
    /// copy.
    pub fn keep_of(&self, app: &AppName, copy: Option<&CopyName>) -> Option<&Keep> {
        match copy {
            None => self.apps.get(app).and_then(|app| app.keep.as_ref()).or(self.keep.as_ref()),
            Some(copy) => self.copies.get(copy)?.keep.as_ref(),
        }
    }

    /// The copies that receive the backups of an app.
    pub fn copies_of(&self, app: &AppName) -> impl Iterator<Item = (&CopyName, &CopySettings)> {
        let wanted = self.apps.get(app).and_then(|app| app.copies.as_ref());
        self.copies.iter().filter(move |(name, _)| wanted.is_none_or(|it| it.contains(*name)))
    }

    /// Fails for rules that keep nothing, and for an app that is to be copied to where there is
    /// no copy.
    fn check(&self) -> Result<(), String> {
        let of_apps = self.apps.values().filter_map(|app| app.keep.as_ref());
        let of_copies = self.copies.values().filter_map(|copy| copy.keep.as_ref());
        if self.keep.iter().chain(of_apps).chain(of_copies).any(Keep::is_empty) {
            let said = "`keep:` has no rule that keeps anything: write one, such as `daily: 7`, or \
                        leave `keep:` out to keep all backups";
            return Err(said.into());
        }
        let mut places = vec![("the server's own repository".to_owned(), place(&self.repository))];
        for (name, copy) in &self.copies {
            let place = place(&copy.repository);
            if let Some((other, _)) = places.iter().find(|(_, other)| *other == place) {
                return Err(format!(
                    "the copy `{name}` is {other}: what is lost there is lost in both"
                ));
            }
            places.push((format!("the copy of `{name}`"), place));
        }
        for (app, settings) in &self.apps {
            for copy in settings.copies.iter().flatten() {
                if !self.copies.contains_key(copy) {
                    return Err(format!(
                        "`apps: {app}: copies:` names `{copy}`, which is not a copy"
                    ));
                }
            }
        }
        Ok(())
    }

    /// Whether it names a repository of the operator's.
    pub fn names_repository(&self) -> bool {
        !self.repository.is_empty()
    }
}

/// The same for each way to write where a repository is, as far as that can be seen.
fn place(repository: &str) -> &str {
    let place = repository.strip_prefix("local:").unwrap_or(repository).trim_end_matches('/');
    place.strip_prefix("./").unwrap_or(place)
}

impl From<CopySettings> for BackupSettings {
    fn from(copy: CopySettings) -> Self {
        let CopySettings {
            repository,
            password_file,
            password_command,
            environment_file,
            keep,
            append_only,
        } = copy;
        BackupSettings {
            repository,
            password_file,
            password_command,
            environment_file,
            keep,
            append_only,
            ..BackupSettings::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_app_may_have_its_writers_do_otherwise() {
        let read = |text: &str| serde_saphyr::from_str::<ServerSettings>(text);
        let settings = read(
            "backup:\n  writers: pause\n  apps:\n    a.example: {writers: stop}\n    \
             b.example: {}\n",
        );
        let backup = settings.unwrap().backup.unwrap();
        for (app, writers) in [
            ("a.example", VolumeWriters::Stop),
            ("b.example", VolumeWriters::Pause),
            ("c.example", VolumeWriters::Pause),
        ] {
            assert_eq!(backup.writers_of(&AppName::new(app).unwrap()), writers, "{app}");
        }
        let none = BackupSettings::default();
        assert_eq!(none.writers_of(&AppName::new("a.example").unwrap()), VolumeWriters::Run);
        for bad in [
            "writers: freeze",
            "apps: {a.example: {writer: stop}}",
            "apps: {'a/b': {}}",
            "apps: {a.example: {copies: [vault]}}",
            "keep: {last: 0}",
            "keep: {}",
            "copies: {vault: {repository: /v, keep: {daily: 0}}}",
            "repository: /v\ncopies: {vault: {repository: \"local:/v/\"}}",
            "copies: {vault: {repository: /v}, paris: {repository: /v}}",
        ] {
            assert!(read(&format!("backup:\n  {bad}\n")).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_app_may_have_rules_and_copies_of_its_own() {
        let text = "keep: {daily: 7}\ncopies: {vault: {repository: /v, keep: {monthly: 2}}, paris: \
                    {repository: /p}}\napps: {a.example: {keep: {last: 1}, copies: [paris]}}";
        let backup: BackupSettings = serde_saphyr::from_str(text).unwrap();
        let (a, b) = (AppName::new("a.example").unwrap(), AppName::new("b.example").unwrap());
        let vault: CopyName = "vault".parse().unwrap();
        let last = |keep: Option<&Keep>| keep.map(|keep| (keep.last.number(), keep.daily.number()));
        assert_eq!(last(backup.keep_of(&a, None)), Some((1, 0)));
        assert_eq!(last(backup.keep_of(&b, None)), Some((0, 7)));
        assert_eq!(backup.keep_of(&a, Some(&vault)).unwrap().monthly.number(), 2);
        let copies = |app| backup.copies_of(app).map(|it| it.0.as_str()).collect::<Vec<_>>();
        assert_eq!((copies(&a), copies(&b)), (vec!["paris"], vec!["paris", "vault"]));
    }

    #[test]
    fn endpoints_of_nodes_are_sockets_or_ssh() {
        for good in [
            "unix:///run/docker.sock",
            "ssh://db1.example.org",
            "ssh://root@10.0.0.2:2222?jump=root@swarm.example.org",
        ] {
            assert_eq!(check_node_endpoint("db1", good), Ok(()));
        }
        for bad in ["tcp://10.0.0.2:2375", "unix://relative", "ssh://", "", "ssh://a b", "db1"] {
            let said = check_node_endpoint("db1", bad).unwrap_err();
            assert!(said.contains("node `db1`") && said.contains("`ssh://"), "{said}");
        }
        assert!(check_node_endpoint("", "ssh://a").is_err());
        let read = |text: &str| serde_saphyr::from_str::<ServerSettings>(text);
        let settings = read("nodes:\n  db1: ssh://db1.example.org\n").unwrap();
        assert_eq!(settings.nodes["db1"], "ssh://db1.example.org");
        let said = read("nodes:\n  db1: db1.example.org\n").unwrap_err().to_string();
        assert!(said.contains("the endpoint of the node `db1` is invalid"), "{said}");
        assert!(read("nodes:\n  a: ssh://a\n  a: ssh://b\n").is_err(), "a duplicate");
    }

    #[test]
    fn how_much_a_dump_may_shrink_is_a_percentage() {
        let read = |text: &str| serde_saphyr::from_str::<BackupSettings>(text);
        for (text, part) in [("{}", 25), ("smallest-dump: 0", 0), ("smallest-dump: 100", 100)] {
            assert_eq!(read(text).unwrap().smallest_dump(), part, "{text}");
        }
        for text in ["smallest-dump: 101", "smallest-dump: -1", "smallest-dump: half"] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
