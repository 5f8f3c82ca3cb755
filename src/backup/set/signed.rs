//! Manifests that the machine which made them has signed: anyone who has the repository's
//! password can make snapshots with any tags.
//!
//! What is stored is an envelope around the manifest's very text, so that a signature never
//! depends on how JSON is written. The key is made on first use and kept below `state/`;
//! its public part is written into the shared folder.

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::manifest::{FORMAT, Manifest};
use crate::{
    app::Context,
    backup::error::Error,
    home::{
        self, Fingerprint, Signer,
        write::{Existing, Readers, read_state, write_whole},
    },
};

/// Precedes what is signed, so that a signature is good for nothing else.
const DOMAIN: &[u8] = b"potluck backup manifest 2\n";
/// Bytes of a private key.
const SEED: usize = 32;

/// A manifest and its signature, as they are stored.
#[derive(Debug, Serialize, Deserialize)]
struct Envelope {
    format: u32,
    /// The public key, in hex.
    key: String,
    /// In hex.
    signature: String,
    /// The text that was signed.
    manifest: String,
}

/// Who signed a manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Signature {
    /// It is of a potluck that signed nothing.
    Missing,
    /// The owner of this key did.
    By(Fingerprint),
    /// It is not of the key that it names, or of another text.
    Wrong,
}

/// The key of this machine.
pub(crate) struct Signing {
    pair: Ed25519KeyPair,
}

impl Signing {
    /// The key of this machine, known to the team; made on first use.
    ///
    /// # Errors
    /// [`Error::Home`]; [`Error::Io`] for a key file that cannot be used.
    pub fn of_this_machine(context: &Context) -> Result<Self, Error> {
        let home = &context.home;
        let path = home.signing_key_path();
        let bad =
            |reason: &str| Error::io("reading", &path)(std::io::Error::other(reason.to_owned()));
        let seed = match read_state(&path)? {
            Some(text) => Zeroizing::new(text),
            None => {
                let mut seed = Zeroizing::new([0; SEED]);
                getrandom::fill(seed.as_mut_slice()).map_err(|e| {
                    Error::io("reading", "the operating system's randomness")(e.into())
                })?;
                let text = Zeroizing::new(hex::encode(seed.as_slice()));
                match write_whole(&path, text.as_bytes(), Existing::Keep, Readers::Owner) {
                    Err(home::Error::Io { source, .. })
                        if source.kind() == std::io::ErrorKind::AlreadyExists => {}
                    written => written?,
                }
                // That of another process, if it was faster.
                Zeroizing::new(read_state(&path)?.unwrap_or_default())
            }
        };
        let text = std::str::from_utf8(&seed).map_err(|_| bad("it is not a key"))?;
        let mut bytes = Zeroizing::new([0; SEED]);
        hex::decode_to_slice(text.trim(), bytes.as_mut_slice())
            .map_err(|_| bad("it is not a key"))?;
        let pair = Ed25519KeyPair::from_seed_unchecked(bytes.as_slice())
            .map_err(|_| bad("it is not a key"))?;
        let signing = Signing { pair };
        let fingerprint = signing.fingerprint();
        if !home.signers()?.iter().any(|(known, _)| *known == fingerprint) {
            let signer = Signer {
                key: hex::encode(signing.key()),
                by: format!("{}@{}", context.operator.user, context.operator.host),
                since: Timestamp::now(),
            };
            home.write_signer(&fingerprint, &signer)?;
            context.progress.warn(format!(
                "backups made here are signed from now on, by the key {fingerprint}: note this \
                 fingerprint on paper; its public key is in {}/signers, for the team",
                home.root().display()
            ));
        }
        Ok(signing)
    }

    fn key(&self) -> &[u8] {
        self.pair.public_key().as_ref()
    }

    fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(self.key())
    }

    /// The manifest as it is stored.
    pub fn seal(&self, manifest: &Manifest) -> Vec<u8> {
        let text = serde_json::to_string_pretty(manifest)
            .expect("a manifest is plain data: no maps with odd keys, nothing that can fail");
        let envelope = Envelope {
            format: FORMAT,
            key: hex::encode(self.key()),
            signature: hex::encode(self.pair.sign(&signed(&text))),
            manifest: text,
        };
        let mut json = serde_json::to_vec_pretty(&envelope).expect("plain data");
        json.push(b'\n');
        json
    }
}

fn signed(text: &str) -> Vec<u8> {
    [DOMAIN, text.as_bytes()].concat()
}

/// Takes the manifest's text out of what is stored, and says who signed it.
///
/// # Errors
/// What is wrong, in words.
pub(crate) fn unseal(stored: &[u8]) -> Result<(Vec<u8>, Signature), String> {
    #[derive(Deserialize)]
    struct Form {
        format: u32,
    }
    // The form first: a newer one may differ in everything else.
    let form: Form = serde_json::from_slice(stored).map_err(|e| e.to_string())?;
    match form.format {
        1 => return Ok((stored.to_vec(), Signature::Missing)),
        FORMAT => {}
        format => {
            return Err(format!(
                "its format is {format}; this potluck reads formats up to {FORMAT}"
            ));
        }
    }
    let envelope: Envelope = serde_json::from_slice(stored).map_err(|e| e.to_string())?;
    let (Ok(key), Ok(signature)) = (hex::decode(&envelope.key), hex::decode(&envelope.signature))
    else {
        return Ok((envelope.manifest.into_bytes(), Signature::Wrong));
    };
    let is_good =
        UnparsedPublicKey::new(&ED25519, &key).verify(&signed(&envelope.manifest), &signature);
    let signature = match is_good {
        Ok(()) => Signature::By(Fingerprint::of(&key)),
        Err(_) => Signature::Wrong,
    };
    Ok((envelope.manifest.into_bytes(), signature))
}

#[cfg(test)]
pub(crate) fn signing(seed: u8) -> Signing {
    Signing { pair: Ed25519KeyPair::from_seed_unchecked(&[seed; SEED]).unwrap() }
}
