//! The machines whose backups the team believes: `signers/<fingerprint>.yml` in the shared
//! folder, one for each machine that made any. The private key never leaves its machine.

use std::{fmt, path::PathBuf, str::FromStr};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{
    Error, Home,
    folder::{names_in, read_yaml, write_yaml},
};

/// Bytes of the digest that are a fingerprint: short enough for paper, and too long for
/// anyone to find another key with the same.
const BYTES: usize = 16;
/// The ending of a signer's file.
const ENDING: &str = ".yml";

/// The name of a public key: 32 hex digits of its digest.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Fingerprint(String);

/// Text that is not a fingerprint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected the fingerprint of a signer: 32 hex digits")]
pub struct InvalidFingerprint;

impl Fingerprint {
    /// Of a public key.
    pub fn of(key: &[u8]) -> Self {
        Fingerprint(hex::encode(&Sha256::digest(key)[..BYTES]))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Fingerprint {
    type Err = InvalidFingerprint;
    /// As people copy it from paper: in groups, in capitals.
    fn from_str(text: &str) -> Result<Self, InvalidFingerprint> {
        let digits: String = text
            .chars()
            .filter(|c| !matches!(c, ' ' | ':' | '-'))
            .map(|c| c.to_ascii_lowercase())
            .collect();
        let is_whole = digits.len() == 2 * BYTES && digits.bytes().all(|b| b.is_ascii_hexdigit());
        if is_whole { Ok(Fingerprint(digits)) } else { Err(InvalidFingerprint) }
    }
}

impl TryFrom<String> for Fingerprint {
    type Error = InvalidFingerprint;
    fn try_from(text: String) -> Result<Self, InvalidFingerprint> {
        text.parse()
    }
}

impl From<Fingerprint> for String {
    fn from(fingerprint: Fingerprint) -> String {
        fingerprint.0
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A machine that signs its backups.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signer {
    /// Its public key, Ed25519, in hex.
    pub key: String,
    /// The account and the machine.
    pub by: String,
    /// Since when it signs: older backups of it are unsigned.
    pub since: Timestamp,
}

impl Home {
    /// Where the private key of this machine is.
    pub fn signing_key_path(&self) -> PathBuf {
        self.state().join("signing-key")
    }

    fn signer_path(&self, fingerprint: &Fingerprint) -> PathBuf {
        self.root().join("signers").join(format!("{fingerprint}{ENDING}"))
    }

    /// All signers, by fingerprint.
    ///
    /// # Errors
    /// [`Error::Yaml`], and [`Error::Invalid`] for a file whose key has another fingerprint
    /// than its name.
    pub fn signers(&self) -> Result<Vec<(Fingerprint, Signer)>, Error> {
        let mut signers = Vec::new();
        for name in names_in(&self.root().join("signers"))? {
            let Some(fingerprint) = name.strip_suffix(ENDING).and_then(|it| it.parse().ok()) else {
                continue;
            };
            let path = self.signer_path(&fingerprint);
            let signer: Signer = read_yaml(&path)?;
            let key = hex::decode(&signer.key).unwrap_or_default();
            if Fingerprint::of(&key) != fingerprint {
                let message = "its key has another fingerprint than its name".into();
                return Err(Error::Invalid { path, message });
            }
            signers.push((fingerprint, signer));
        }
        signers.sort();
        Ok(signers)
    }

    /// Makes a signer known to the team.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn write_signer(&self, fingerprint: &Fingerprint, signer: &Signer) -> Result<(), Error> {
        write_yaml(&self.signer_path(fingerprint), signer)
    }
}

impl PartialOrd for Signer {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Signer {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (&self.key, self.since).cmp(&(&other.key, other.since))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_read_as_people_copy_it() {
        let fingerprint = Fingerprint::of(b"key");
        let text = fingerprint.as_str();
        assert_eq!(text.len(), 32);
        let grouped = text.as_bytes().chunks(4).map(|it| std::str::from_utf8(it).unwrap());
        let grouped = grouped.collect::<Vec<_>>().join("-").to_uppercase();
        assert_eq!(grouped.parse::<Fingerprint>().unwrap(), fingerprint);
        for bad in ["", "abc", &text[1..], &format!("{text}0"), &"g".repeat(32)] {
            assert!(bad.parse::<Fingerprint>().is_err(), "{bad:?} was accepted");
        }
    }

    #[test]
    fn a_file_under_a_name_of_another_key_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::new(folder.path());
        assert!(home.signers().unwrap().is_empty());
        let since = "2026-11-21T20:31:00Z".parse().unwrap();
        let signer = Signer { key: hex::encode([7; 32]), by: "anna@laptop".into(), since };
        let fingerprint = Fingerprint::of(&[7; 32]);
        home.write_signer(&fingerprint, &signer).unwrap();
        assert_eq!(home.signers().unwrap(), [(fingerprint, signer.clone())]);
        home.write_signer(&Fingerprint::of(&[8; 32]), &signer).unwrap();
        let error = home.signers().unwrap_err().to_string();
        assert!(error.contains("another fingerprint"), "{error}");
    }
}
