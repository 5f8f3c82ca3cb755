//! Providers that are no apps of this folder: `providers/<name>.yml`.

use std::{
    net::IpAddr,
    path::{Path, PathBuf, absolute},
};

use serde::{Deserialize, Serialize};
use url::Url;

use super::{
    Error, Home,
    encryption::Encryption,
    folder::{names_in, read_yaml, write_yaml},
    names::ProviderName,
    write::remove_file,
};
use crate::{hint::nearest, text::line};

/// Where people sign in, or through what mail is sent, outside of the folder's apps.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ProviderSettings {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sso: Option<SsoSettings>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mail: Option<RelaySettings>,
}

/// An OpenID provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct SsoSettings {
    /// To the letter, as its discovery document has it.
    pub issuer: String,
    /// How its clients are made.
    #[serde(default)]
    pub registration: Registration,
    /// A file with the initial access token that it wants for a registration; only its owner
    /// can read it. A relative path is relative to `providers/`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_file: Option<PathBuf>,
    /// The claim with a person's groups.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub groups_claim: Option<String>,
}

/// How a provider's clients are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Registration {
    /// Somebody enters them there, and gives potluck their id and secret.
    #[default]
    ByHand,
    /// By RFC 7591, and changed by RFC 7592.
    Dynamic,
}

/// A mail relay and the account that apps use there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RelaySettings {
    pub host: String,
    pub port: u16,
    /// Without it, what is usual on that port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encryption: Option<Encryption>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// A file with the account's password; only its owner can read it. A relative path is
    /// relative to `providers/`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_file: Option<PathBuf>,
    /// The selector of the relay's DKIM signatures (RFC 6376, 3.1), whose key is looked up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dkim_selector: Option<String>,
}

impl SsoSettings {
    /// What is wrong with the issuer, if something is (OpenID Connect Discovery 1.0, 3: an
    /// address without a query and a fragment).
    pub fn fault(&self) -> Option<String> {
        let issuer = &self.issuer;
        let url = Url::parse(issuer).ok().filter(|url| {
            matches!(url.scheme(), "http" | "https")
                && url.query().is_none()
                && url.fragment().is_none()
                && url.username().is_empty()
                && url.password().is_none()
        });
        let is_issuer = url.is_some() && !issuer.contains(|c: char| is_odd(c) || c == ' ');
        (!is_issuer).then(|| {
            format!(
                "`{}` is not an issuer: that is an address such as https://sso.example.org, \
                 without `?` and `#`",
                line(issuer)
            )
        })
    }
}

impl RelaySettings {
    /// What is wrong with the relay, if something is.
    pub fn fault(&self) -> Option<String> {
        if host(&self.host).is_none() || self.port == 0 {
            return Some(format!("`{}` is not the host and port of a relay", line(&self.place())));
        }
        let name = self.username.as_deref()?;
        if name.is_empty() || name.contains(is_odd) {
            return Some(format!("`{}` is not the name of an account", line(name)));
        }
        (self.encryption == Some(Encryption::None)).then(|| {
            "an account's password is never sent in the clear: take `starttls` or `tls`, or leave \
             the account out"
                .to_owned()
        })
    }

    /// `HOST:PORT`, an address of version 6 in brackets.
    pub fn place(&self) -> String {
        place(&self.host, self.port)
    }
}

impl ProviderSettings {
    /// What is wrong with it, if something is.
    pub fn fault(&self) -> Option<String> {
        if self.sso.is_none() && self.mail.is_none() {
            return Some("it has neither `sso` nor `mail`".into());
        }
        let sso = self.sso.as_ref().and_then(SsoSettings::fault);
        sso.or_else(|| self.mail.as_ref().and_then(RelaySettings::fault))
    }
}

/// What no name and no address has, and what would be another line in a mail's protocol.
fn is_odd(c: char) -> bool {
    c.is_control() || (c.is_whitespace() && c != ' ')
}

/// A host as it is looked up: an address of version 6 has brackets only beside a port.
pub(crate) fn host(text: &str) -> Option<&str> {
    let host = text.strip_prefix('[').and_then(|it| it.strip_suffix(']')).unwrap_or(text);
    let is_host = host.parse::<IpAddr>().is_ok() || url::Host::parse(host).is_ok();
    is_host.then_some(host)
}

/// `HOST:PORT`, an address of version 6 in brackets.
pub(crate) fn place(host: &str, port: u16) -> String {
    match host.contains(':') {
        true => format!("[{host}]:{port}"),
        false => format!("{host}:{port}"),
    }
}

impl Home {
    /// Where the providers are.
    pub fn providers_folder(&self) -> PathBuf {
        self.root().join("providers")
    }

    fn provider_path(&self, name: &ProviderName) -> PathBuf {
        self.providers_folder().join(format!("{name}.yml"))
    }

    /// The names of all providers, sorted.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn providers(&self) -> Result<Vec<ProviderName>, Error> {
        let mut providers: Vec<ProviderName> = names_in(&self.providers_folder())?
            .iter()
            .filter_map(|name| ProviderName::new(name.strip_suffix(".yml")?).ok())
            .collect();
        providers.sort();
        Ok(providers)
    }

    /// One provider; its files have whole paths.
    ///
    /// # Errors
    /// [`Error::UnknownProvider`]; [`Error::Yaml`] with the line; [`Error::Invalid`] with the
    /// fault.
    pub fn provider(&self, name: &ProviderName) -> Result<ProviderSettings, Error> {
        let path = self.provider_path(name);
        if !path.exists() {
            let known = self.providers()?;
            let nearest = nearest(name.as_str(), &known).cloned();
            return Err(Error::UnknownProvider { provider: name.to_string(), nearest });
        }
        let mut settings: ProviderSettings = read_yaml(&path)?;
        if let Some(message) = settings.fault() {
            return Err(Error::Invalid { path, message });
        }
        let folder = self.providers_folder();
        let whole = |file: &mut Option<PathBuf>| -> Result<(), Error> {
            if let Some(file) = file {
                *file = whole(&folder, file)?;
            }
            Ok(())
        };
        settings.sso.iter_mut().try_for_each(|sso| whole(&mut sso.token_file))?;
        settings.mail.iter_mut().try_for_each(|mail| whole(&mut mail.password_file))?;
        Ok(settings)
    }

    /// Adds a provider, or replaces what is said of it.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn write_provider(
        &self,
        name: &ProviderName,
        settings: &ProviderSettings,
    ) -> Result<(), Error> {
        write_yaml(&self.provider_path(name), settings)
    }

    /// Removes a provider from the folder; nothing at the provider.
    ///
    /// # Errors
    /// [`Error::UnknownProvider`], [`Error::Io`].
    pub fn remove_provider(&self, name: &ProviderName) -> Result<(), Error> {
        // One that cannot be read can be removed.
        if !self.provider_path(name).exists() {
            self.provider(name)?;
        }
        remove_file(self.provider_path(name))
    }
}

fn whole(folder: &Path, file: &Path) -> Result<PathBuf, Error> {
    let path = folder.join(file);
    absolute(&path).map_err(|source| Error::Io { action: "resolving", path, source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_provider_is_a_file_with_whole_paths() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::new(folder.path());
        assert!(home.providers().unwrap().is_empty());
        let name = |text: &str| ProviderName::new(text).unwrap();
        let settings = ProviderSettings {
            sso: Some(SsoSettings {
                issuer: "https://sso.example.org".into(),
                registration: Registration::Dynamic,
                token_file: Some("token".into()),
                groups_claim: None,
            }),
            mail: None,
        };
        home.write_provider(&name("house"), &settings).unwrap();
        assert_eq!(home.providers().unwrap(), [name("house")]);
        let read = home.provider(&name("house")).unwrap().sso.unwrap();
        assert_eq!(read.token_file.unwrap(), folder.path().join("providers/token"));
        let said = home.provider(&name("hose")).unwrap_err();
        assert!(matches!(said, Error::UnknownProvider { nearest: Some(_), .. }), "{said}");
        for bad in [
            "",
            "sso: {}",
            "sso: {issuer: x, registration: yes}",
            "other: 1",
            "sso: {issuer: x}",
            "sso: {issuer: 'https://a.example?b'}",
            "sso: {issuer: \"https://a.example\\n\"}",
            "mail: {host: 'a b', port: 25}",
            "mail: {host: a.example, port: 0}",
            "mail: {host: a.example, port: 587, username: \"a\\r\\nMAIL\"}",
            "mail: {host: a.example, port: 587, username: ''}",
            "mail: {host: a.example, port: 25, username: a, encryption: none}",
        ] {
            std::fs::write(folder.path().join("providers/bad.yml"), bad).unwrap();
            assert!(home.provider(&name("bad")).is_err(), "{bad}");
        }
        std::fs::write(
            folder.path().join("providers/six.yml"),
            "mail: {host: '::1', port: 25, username: a b}",
        )
        .unwrap();
        let relay = home.provider(&name("six")).unwrap().mail.unwrap();
        assert_eq!(relay.place(), "[::1]:25");
        home.remove_provider(&name("house")).unwrap();
        assert!(home.provider(&name("house")).is_err());
    }
}
