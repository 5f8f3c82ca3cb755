//! `notify.yml` in the operator's folder: who is told when something is wrong, or did not
//! happen.
//!
//! ```yaml
//! command: [/usr/local/bin/page]   # the report is on its standard input
//! mail: [ops@example.org]
//! webhook:
//!   url-file: /etc/potluck/chat    # or `url:`; it lets anyone who knows it write there
//! ```

use std::path::{Path, PathBuf};

use serde::Deserialize;
use url::Url;

use super::{Error, Home, folder::read_yaml, write::read_text};

/// The file's name in the folder.
const FILE: &str = "notify.yml";

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
    pub webhook: Option<SecretUrl>,
}

/// An address that lets anyone who knows it tell something, a chat or a monitor: it is in no
/// message.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct SecretUrl {
    url: Option<String>,
    /// A file that holds it.
    pub(super) url_file: Option<PathBuf>,
    /// The file of settings that it is from.
    #[serde(skip)]
    settings: PathBuf,
}

impl std::fmt::Debug for SecretUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SecretUrl").field("url_file", &self.url_file).finish_non_exhaustive()
    }
}

impl SecretUrl {
    /// Looks at what is said of it under a key of these settings, and makes its path whole.
    pub(super) fn check(&mut self, key: &str, settings: &Path, root: &Path) -> Result<(), Error> {
        if self.url.is_some() == self.url_file.is_some() {
            let message = format!("`{key}` has either `url` or `url-file`");
            return Err(Error::Invalid { path: settings.to_owned(), message });
        }
        settings.clone_into(&mut self.settings);
        let file = self.url_file.as_deref();
        self.url_file = file.map(|file| whole(settings, root, file)).transpose()?;
        Ok(())
    }

    /// The address, read from its file where there is one.
    ///
    /// # Errors
    /// If the file cannot be read, or has no address; the address is in no message.
    pub fn url(&self) -> Result<Url, Error> {
        let (text, path) = match &self.url_file {
            Some(path) => (read_text(path)?, path),
            None => (self.url.clone().unwrap_or_default(), &self.settings),
        };
        let url =
            Url::parse(text.trim()).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
        url.ok_or_else(|| Error::Invalid {
            path: path.clone(),
            message: "its address does not begin with `https://` or `http://`, or is malformed"
                .into(),
        })
    }
}

impl Home {
    /// Who is told, with paths that begin at the root; none without the file.
    ///
    /// # Errors
    /// [`Error::Yaml`], [`Error::Invalid`] with what is wrong in it.
    pub fn notify(&self) -> Result<Option<NotifySettings>, Error> {
        let path = self.root().join(FILE);
        if !path.exists() {
            return Ok(None);
        }
        let mut settings: NotifySettings = read_yaml(&path)?;
        settings.check(&path, self.root())?;
        Ok(Some(settings))
    }
}

impl NotifySettings {
    /// Looks at what they say, and makes paths whole; `path` is the file that they are in.
    pub(super) fn check(&mut self, path: &Path, root: &Path) -> Result<(), Error> {
        let bad = |message: String| Error::Invalid { path: path.to_owned(), message };
        if self.command.is_empty() && self.mail.is_empty() && self.webhook.is_none() {
            return Err(bad("it names nobody: it has `command`, `mail` or `webhook`".into()));
        }
        let addresses = self.mail.iter().chain(&self.from);
        if let Some(wrong) = addresses.into_iter().find(|address| !is_address(address)) {
            return Err(bad(format!("`{wrong}` is not an address for mail")));
        }
        let whole = |file: &Path| whole(path, root, file);
        // A bare name is looked for where the system's programs are.
        if let Some(program) = self.command.first_mut().filter(|name| name.contains('/')) {
            *program = whole(Path::new(program.as_str()))?.display().to_string();
        }
        self.sendmail = self.sendmail.as_deref().map(whole).transpose()?;
        if let Some(webhook) = &mut self.webhook {
            webhook.check("webhook", path, root)?;
        }
        Ok(())
    }
}

/// A path of a file of settings, from the operator's folder on.
pub(super) fn whole(settings: &Path, root: &Path, file: &Path) -> Result<PathBuf, Error> {
    match file.starts_with("~") {
        true => Err(Error::Invalid {
            path: settings.to_owned(),
            message: format!("write `{}` without `~`, as a whole path", file.display()),
        }),
        false => Ok(root.join(file)),
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

    fn read(text: &str) -> Result<Option<NotifySettings>, String> {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(FILE), text).unwrap();
        Home::new(folder.path()).notify().map_err(|error| error.without_position())
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, said) in [
            ("{}", "it names nobody"),
            ("mail: [-oQ/tmp]", "not an address"),
            ("mail: [\"a@b.example, c\"]", "not an address"),
            ("mail: [\"a\\nBcc: c\"]", "not an address"),
            ("command: [~/page]", "without `~`"),
            ("webhook: {}", "either `url` or `url-file`"),
            ("webhook: {url: https://a.example, url-file: x}", "either `url` or `url-file`"),
            ("mails: [a]", "unknown key `mails`"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(said), "{text}: {error}");
        }
        let settings = read("command: [bin/page, now]\nwebhook: {url-file: chat}\n");
        let settings = settings.unwrap().unwrap();
        assert!(Path::new(&settings.command[0]).is_absolute());
        assert!(settings.webhook.unwrap().url_file.unwrap().is_absolute());
    }

    #[test]
    fn an_address_is_in_no_message() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ping");
        let ping = |url: Option<&str>, url_file: Option<&Path>| SecretUrl {
            url: url.map(str::to_owned),
            url_file: url_file.map(Path::to_owned),
            settings: FILE.into(),
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
