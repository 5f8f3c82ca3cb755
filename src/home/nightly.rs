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

use super::{
    Error, Home,
    folder::read_yaml,
    notify::{NotifySettings, SecretUrl, whole},
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
    /// A monitor that expects to hear of each run, in the manner of Healthchecks.
    pub ping: Option<SecretUrl>,
    pub notify: Option<NotifySettings>,
}

impl Home {
    /// What `backup.yml` says, with paths that begin at the root; a missing file says nothing.
    ///
    /// # Errors
    /// [`Error::Yaml`], [`Error::Invalid`] with what is wrong in it.
    pub fn nightly(&self) -> Result<NightlySettings, Error> {
        let path = self.root().join(FILE);
        if !path.exists() {
            return Ok(NightlySettings { notify: self.notify()?, ..NightlySettings::default() });
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
            ping.check("ping", &path, self.root())?;
        }
        match &mut settings.notify {
            Some(notify) => notify.check(&path, self.root())?,
            None => settings.notify = self.notify()?,
        }
        Ok(settings)
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
}
