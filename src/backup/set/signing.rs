//! The key with which this machine signs manifests. It is made on first use and kept below
//! `state/`; its public part is written into the shared folder.

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use jiff::Timestamp;
use zeroize::Zeroizing;

use super::{
    manifest::Manifest,
    signed::{DOMAIN, Envelope, FORMAT},
};
use crate::{
    app::Context,
    backup::error::Error,
    home::{
        self, Fingerprint, Signer,
        write::{Existing, Readers, read_state, write_whole},
    },
};

/// Bytes of a private key.
const SEED: usize = 32;

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

    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(self.key())
    }

    /// The public key and the signature of a text of a kind, in hex.
    pub fn sign(&self, kind: &[u8], text: &str) -> (String, String) {
        let signature = self.pair.sign(&[kind, text.as_bytes()].concat());
        (hex::encode(self.key()), hex::encode(signature))
    }

    /// The manifest as it is stored.
    pub fn seal(&self, manifest: &Manifest) -> Vec<u8> {
        let text = serde_json::to_string_pretty(manifest)
            .expect("a manifest is plain data: no maps with odd keys, nothing that can fail");
        let (key, signature) = self.sign(DOMAIN, &text);
        let envelope = Envelope { format: FORMAT, key, signature, manifest: text };
        let mut json = serde_json::to_vec_pretty(&envelope).expect("plain data");
        json.push(b'\n');
        json
    }
}

#[cfg(test)]
pub(crate) fn signing(seed: u8) -> Signing {
    Signing { pair: Ed25519KeyPair::from_seed_unchecked(&[seed; SEED]).unwrap() }
}
