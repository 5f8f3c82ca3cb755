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
    pub webhook: Option<WebhookSettings>,
}

/// An address that reports are posted to.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct WebhookSettings {
    /// Anyone who knows it can write there: never shown.
    url: Option<String>,
    /// A file that holds it.
    url_file: Option<PathBuf>,
}

impl std::fmt::Debug for WebhookSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WebhookSettings").field("url_file", &self.url_file).finish_non_exhaustive()
    }
}

impl WebhookSettings {
    /// The address, read from its file where there is one.
    ///
    /// # Errors
    /// If the file cannot be read, or has no address; the address is in no message.
    pub fn url(&self) -> Result<Url, Error> {
        secret_url(Path::new(FILE), self.url.as_deref(), self.url_file.as_deref())
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
            if webhook.url.is_some() == webhook.url_file.is_some() {
                return Err(bad("`webhook` has either `url` or `url-file`".into()));
            }
            webhook.url_file = webhook.url_file.as_deref().map(whole).transpose()?;
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

/// An address that lets anyone who knows it tell something: read from its file where there is
/// one, and in no message.
pub(super) fn secret_url(
    settings: &Path,
    url: Option<&str>,
    file: Option<&Path>,
) -> Result<Url, Error> {
    let (text, path) = match file {
        Some(path) => (read_text(path)?, path),
        None => (url.unwrap_or_default().to_owned(), settings),
    };
    let url = Url::parse(text.trim()).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    url.ok_or_else(|| Error::Invalid {
        path: path.to_owned(),
        message: "its address does not begin with `https://` or `http://`, or is malformed".into(),
    })
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
}
