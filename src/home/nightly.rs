//! `backup.yml` in the operator's folder: what `potluck backup run` and `backup status` do
//! besides, for all servers of the folder.
//!
//! ```yaml
//! except: ["*.test.example.org"]   # apps that are never backed up
//! max-age: 26h                     # how old a backup may be
//! metrics: /var/lib/prometheus/node-exporter/potluck.prom
//! ping:
//!   url-file: /etc/potluck/ping    # or `url:`; it lets anyone who knows it report
//! notify:
//!   command: [/usr/local/bin/page] # the report is on its standard input
//!   mail: [ops@example.org]
//! ```

use std::path::{Path, PathBuf};

use serde::Deserialize;
use url::Url;

use super::{Error, Home, folder::read_yaml, write::read_text};

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

/// Who is told of a failure.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct NotifySettings {
    /// A program and its arguments.
    pub command: Vec<String>,
    /// Addresses.
    pub mail: Vec<String>,
    /// The sender; without it, what the mail program makes of this account.
    pub from: Option<String>,
    /// A program that takes mail as sendmail does.
    pub sendmail: Option<PathBuf>,
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
        let whole = |path: &Path| match path.starts_with("~") {
            true => Err(bad(format!("write `{}` without `~`, as a whole path", path.display()))),
            false => Ok(self.root().join(path)),
        };
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
        if let Some(notify) = &mut settings.notify {
            if notify.command.is_empty() && notify.mail.is_empty() {
                return Err(bad("`notify` has `command`, `mail`, or both".into()));
            }
            let addresses = notify.mail.iter().chain(&notify.from);
            if let Some(wrong) = addresses.into_iter().find(|address| !is_address(address)) {
                return Err(bad(format!("`{wrong}` is not an address for mail")));
            }
            // A bare name is looked for where the system's programs are.
            if let Some(program) = notify.command.first_mut().filter(|name| name.contains('/')) {
                let path = whole(Path::new(program.as_str()))?;
                *program = path.display().to_string();
            }
            notify.sendmail = notify.sendmail.as_deref().map(whole).transpose()?;
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
        let (text, place) = match &self.url_file {
            Some(path) => (read_text(path)?, path.clone()),
            None => (self.url.clone().unwrap_or_default(), PathBuf::from(FILE)),
        };
        let url =
            Url::parse(text.trim()).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
        url.ok_or_else(|| Error::Invalid {
            path: place,
            message: "the monitor's address does not begin with `https://` or `http://`, or is \
                      malformed"
                .into(),
        })
    }
}

/// What can be an argument and a line of a mail's head; a mail program knows the rest.
fn is_address(text: &str) -> bool {
    !text.is_empty()
        && !text.starts_with('-')
        && !text.contains(|c: char| c.is_whitespace() || c.is_control() || ",;<>()\"\\".contains(c))
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
            ("notify: {}", "`command`, `mail`, or both"),
            ("notify: {mail: [-oQ/tmp]}", "not an address"),
            ("notify: {mail: [\"a@b.example, c\"]}", "not an address"),
            ("notify: {mail: [\"a\\nBcc: c\"]}", "not an address"),
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
