//! Providers that are no apps of this folder: `providers/<name>.yml`.

use std::path::{Path, PathBuf, absolute};

use serde::{Deserialize, Serialize};

use super::{
    Error, Home,
    encryption::Encryption,
    folder::{names_in, read_yaml, write_yaml},
    names::ProviderName,
    write::remove_file,
};
use crate::hint::nearest;

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
    /// [`Error::UnknownProvider`]; [`Error::Yaml`] with the line.
    pub fn provider(&self, name: &ProviderName) -> Result<ProviderSettings, Error> {
        let path = self.provider_path(name);
        if !path.exists() {
            let known = self.providers()?;
            let nearest = nearest(name.as_str(), &known).cloned();
            return Err(Error::UnknownProvider { provider: name.to_string(), nearest });
        }
        let mut settings: ProviderSettings = read_yaml(&path)?;
        if settings.sso.is_none() && settings.mail.is_none() {
            let message = "it has neither `sso` nor `mail`".into();
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
        for bad in ["", "sso: {}", "sso: {issuer: x, registration: yes}", "other: 1"] {
            std::fs::write(folder.path().join("providers/bad.yml"), bad).unwrap();
            assert!(home.provider(&name("bad")).is_err(), "{bad}");
        }
        home.remove_provider(&name("house")).unwrap();
        assert!(home.provider(&name("house")).is_err());
    }
}
