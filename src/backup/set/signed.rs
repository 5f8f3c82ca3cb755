//! Manifests that the machine which made them has signed: anyone who has the repository's
//! password can make snapshots with any tags.
//!
//! What is stored is an envelope around the manifest's very text, so that a signature never
//! depends on how JSON is written. `signing.rs` has the key.

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use serde::{Deserialize, Serialize};

use crate::home::Fingerprint;

/// The form that is written: signed, with the tree of each item. Form 1 has neither.
pub(crate) const FORMAT: u32 = 2;
/// Precedes what is signed, so that a signature is good for nothing else.
pub(super) const DOMAIN: &[u8] = b"potluck backup manifest 2\n";

/// A manifest and its signature, as they are stored.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Envelope {
    pub format: u32,
    /// The public key, in hex.
    pub key: String,
    /// In hex.
    pub signature: String,
    /// The text that was signed.
    pub manifest: String,
}

/// The public key of an envelope, in hex.
pub(crate) fn key(stored: &[u8]) -> Option<String> {
    serde_json::from_slice(stored).ok().map(|envelope: Envelope| envelope.key)
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
    let text = envelope.manifest.into_bytes();
    let signature = signer_of(DOMAIN, &envelope.key, &envelope.signature, &text);
    Ok((text, signature))
}

/// Who signed a text of a kind, by the key and the signature in hex.
pub(crate) fn signer_of(kind: &[u8], key: &str, signature: &str, text: &[u8]) -> Signature {
    let (Ok(key), Ok(signature)) = (hex::decode(key), hex::decode(signature)) else {
        return Signature::Wrong;
    };
    let signed = [kind, text].concat();
    match UnparsedPublicKey::new(&ED25519, &key).verify(&signed, &signature) {
        Ok(()) => Signature::By(Fingerprint::of(&key)),
        Err(_) => Signature::Wrong,
    }
}
