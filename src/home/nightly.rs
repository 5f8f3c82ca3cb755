//! `backup.yml` in the operator's folder: what `potluck backup run` and `backup status` do
//! besides, for all servers of the folder.
//!
//! ```yaml
//! except: ["*.test.example.org"]   # apps that are never backed up
//! max-age: 26h                     # how old a backup may be
//! metrics: /var/lib/prometheus/node-exporter/potluck.prom
//! ping:
//!   url-file: /etc/potluck/ping    # or `url:`; it lets anyone who knows it report
//! notify:                          # without it, what notify.yml says
//!   mail: [ops@example.org]
//! ```

use std::path::{Path, PathBuf};

use serde::Deserialize;
use url::Url;

use super::{
    Error, Home,
    folder::read_yaml,
    notify::{NotifySettings, secret_url, whole},
};

/// The file's name in the folder.
const FILE: &str = "backup.yml";

/// What the file says.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct NightlySettings {
    /// Apps that are never backed up, by name or pattern.
    pub except: Vec<String>,
    /// How old a backup may be; a time as `--max-age` takes it.
    pub max_age: Option<String>,
    /// A file for Prometheus' textfile collector, `….prom`.
    pub metrics: Option<PathBuf>,
    pub ping: Option<PingSettings>,
    pub notify: Option<NotifySettings>,
}

/// A monitor that expects to hear of each run, in the manner of Healthchecks.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct PingSettings {
    /// Its address, by which anyone can report: never shown.
    url: Option<String>,
    /// A file that holds the address.
    url_file: Option<PathBuf>,
}

impl std::fmt::Debug for PingSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PingSettings").field("url_file", &self.url_file).finish_non_exhaustive()
    }
}

impl Home {
    /// What `backup.yml` says, with paths that begin at the root; a missing file says nothing.
    ///
    /// # Errors
    /// [`Error::Yaml`], [`Error::Invalid`] with what is wrong in it.
    pub fn nightly(&self) -> Result<NightlySettings, Error> {
        let path = self.root().join(FILE);
        if !path.exists() {
            return Ok(NightlySettings::default());
        }
        let mut settings: NightlySettings = read_yaml(&path)?;
        let bad = |message: String| Error::Invalid { path: path.clone(), message };
        let whole = |file: &Path| whole(&path, self.root(), file);
        settings.metrics = settings.metrics.as_deref().map(whole).transpose()?;
        if let Some(metrics) = &settings.metrics
            && metrics.extension().is_none_or(|ending| ending != "prom")
        {
            return Err(bad(
                "`metrics` is a file whose name ends in `.prom`: node_exporter reads no \
                            other"
                    .into(),
            ));
        }
        if let Some(ping) = &mut settings.ping {
            if ping.url.is_some() == ping.url_file.is_some() {
                return Err(bad("`ping` has either `url` or `url-file`".into()));
            }
            ping.url_file = ping.url_file.as_deref().map(whole).transpose()?;
        }
        match &mut settings.notify {
            Some(notify) => notify.check(&path, self.root())?,
            None => settings.notify = self.notify()?,
        }
        Ok(settings)
    }
}

impl PingSettings {
    /// The monitor's address, read from its file where there is one.
    ///
    /// # Errors
    /// If the file cannot be read, or has no address; the address is in no message.
    pub fn url(&self) -> Result<Url, Error> {
        secret_url(Path::new(FILE), self.url.as_deref(), self.url_file.as_deref())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn read(text: &str) -> Result<NightlySettings, String> {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(FILE), text).unwrap();
        let home = Home::new(folder.path());
        home.nightly().map_err(|error| error.without_position())
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, said) in [
            ("metrics: /a.txt", "whose name ends in `.prom`"),
            ("metrics: ~/a.prom", "without `~`"),
            ("ping: {}", "either `url` or `url-file`"),
            ("ping: {url: https://a.example, url-file: x}", "either `url` or `url-file`"),
            ("notify: {}", "`command`, `mail` or `webhook`"),
            ("pings: 1", "unknown key `pings`"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(said), "{text}: {error}");
        }
        assert_eq!(read("# nothing\n"), Ok(NightlySettings::default()));
        let all = read("except: ['*.test']\nmax-age: 2d\nmetrics: m.prom\nping: {url-file: p}\n");
        let all = all.unwrap();
        assert!(
            all.metrics.unwrap().is_absolute() && all.ping.unwrap().url_file.unwrap().is_absolute()
        );
    }

    #[test]
    fn a_monitors_address_is_in_no_message() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ping");
        let ping = |url: Option<&str>, url_file: Option<&Path>| PingSettings {
            url: url.map(str::to_owned),
            url_file: url_file.map(Path::to_owned),
        };
        fs::write(&file, "https://hc.example/0c8983c9\n").unwrap();
        assert_eq!(ping(None, Some(&file)).url().unwrap().path(), "/0c8983c9");
        fs::write(&file, "hc.example/0c8983c9").unwrap();
        for ping in [ping(None, Some(&file)), ping(Some("ftp://a.example/0c8983c9"), None)] {
            let said = format!("{} {ping:?}", ping.url().unwrap_err());
            assert!(said.contains("does not begin with `https://`"), "{said}");
            assert!(!said.contains("0c8983c9"), "{said}");
        }
    }
}
