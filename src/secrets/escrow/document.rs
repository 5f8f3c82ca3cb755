//! An app's secrets as one text: to print on paper, or to hand to another team.
//!
//! It is JSON, so that people and programs read it; as it leaves potluck it is either that
//! text or, encrypted for somebody, an armoured file of age with it.

use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{
    Error,
    identity::Identity,
    recipients::Recipient,
    seal::{open_up_to, seal},
};

/// Bytes of a document.
const LARGEST: usize = 16 << 20;
const FORMAT: u32 = 1;

/// Secrets of one app.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Document {
    format: u32,
    pub app: String,
    pub secrets: Vec<Entry>,
}

/// One secret.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    pub name: String,
    pub version: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    value: Option<String>,
    /// A value that is not text.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    base64: Option<String>,
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.value.zeroize();
        self.base64.zeroize();
    }
}

impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Entry").field(&self.name).field(&self.version).finish()
    }
}

impl Entry {
    pub fn new(name: &str, version: &str, value: &[u8]) -> Self {
        let text = std::str::from_utf8(value).ok();
        Entry {
            name: name.into(),
            version: version.into(),
            value: text.map(str::to_owned),
            base64: text.is_none().then(|| STANDARD.encode(value)),
        }
    }

    /// The value's bytes; none where it has none.
    pub fn bytes(&self) -> Option<Zeroizing<Vec<u8>>> {
        let bytes = match (&self.value, &self.base64) {
            (Some(text), None) => text.as_bytes().to_vec(),
            (None, Some(text)) => STANDARD.decode(text).ok()?,
            _ => return None,
        };
        Some(Zeroizing::new(bytes))
    }
}

impl Document {
    pub fn new(app: &str, secrets: Vec<Entry>) -> Self {
        Document { format: FORMAT, app: app.into(), secrets }
    }

    /// The text.
    ///
    /// # Errors
    /// None that are known: it is text.
    pub fn to_text(&self) -> Result<Zeroizing<Vec<u8>>, Error> {
        // As long as it can get, so that growing leaves no copy behind: an escape has up
        // to six characters for one.
        let length = |entry: &Entry| {
            let values = [&entry.value, &entry.base64];
            values.iter().map(|v| v.as_ref().map_or(0, String::len)).sum::<usize>() * 6
                + (entry.name.len() + entry.version.len()) * 6
                + 200
        };
        let room = 1000 + self.app.len() * 6 + self.secrets.iter().map(length).sum::<usize>();
        let mut text = Zeroizing::new(Vec::with_capacity(room));
        serde_json::to_writer_pretty(&mut *text, self).map_err(|e| Error::Seal(e.to_string()))?;
        text.push(b'\n');
        Ok(text)
    }

    /// The text, encrypted and armoured.
    ///
    /// # Errors
    /// [`Error::NoRecipients`], [`Error::Seal`].
    pub fn to_sealed(&self, readers: &[Recipient]) -> Result<Vec<u8>, Error> {
        let sealed = seal(&self.to_text()?, readers, &Default::default())?;
        let failed = |error: std::io::Error| Error::Seal(error.to_string());
        let format = age::armor::Format::AsciiArmor;
        let mut armoured =
            age::armor::ArmoredWriter::wrap_output(Vec::new(), format).map_err(failed)?;
        std::io::Write::write_all(&mut armoured, &sealed).map_err(failed)?;
        armoured.finish().map_err(failed)
    }
}

/// Reads a document, opened with the identity if it is encrypted.
///
/// # Errors
/// Why it cannot be read; no part of it is shown.
pub fn read_document<E: From<Error>>(
    text: &[u8],
    identity: impl FnOnce() -> Result<Identity, E>,
) -> Result<Document, E> {
    let wrong = |message: String| E::from(Error::Document { message });
    let start = text.trim_ascii_start();
    let opened = match start.starts_with(b"age-encryption.org/") || start.starts_with(b"-----") {
        true => open_up_to(text, &identity()?, LARGEST).map_err(wrong)?,
        false => Zeroizing::new(text.to_vec()),
    };
    let document: Document = serde_json::from_slice(&opened).map_err(|e| {
        // The message could quote a value.
        wrong(format!("it is not what `secret export` writes (line {})", e.line()))
    })?;
    match document.format {
        FORMAT => Ok(document),
        other => Err(wrong(format!("its format is {other}, which a newer potluck may read"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secrets::escrow::seal::tests::person;

    #[test]
    fn what_is_exported_is_read_again_and_binary_stays_what_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let (_, recipient) = person(folder.path(), "anna");
        let values = [&b"text"[..], b"two\nlines\n", b"\x00\xff", "quo\"te\u{7f}ä".as_bytes()];
        let entries = values.iter().map(|value| Entry::new("a", "v1", value)).collect();
        let document = Document::new("a.example", entries);
        let plain = document.to_text().unwrap();
        let sealed = document.to_sealed(&[recipient]).unwrap();
        assert!(sealed.starts_with(b"-----BEGIN AGE ENCRYPTED FILE-----\n"));
        for text in [plain.as_slice(), &sealed] {
            let open = || Identity::read(&folder.path().join("anna"), &super::super::nobody);
            let read = read_document::<Error>(text, open).unwrap();
            let found: Vec<_> = read.secrets.iter().map(|e| e.bytes().unwrap().to_vec()).collect();
            assert_eq!(found, values);
        }
        assert!(!format!("{:?}", document.secrets).contains("lines"));
    }

    #[test]
    fn anything_else_is_refused_and_not_shown() {
        let none = || Err::<Identity, _>(Error::NoRecipients);
        for text in [
            "planted",
            r#"{"format":2,"app":"a","secrets":[]}"#,
            r#"{"format":1,"app":"a","secrets":"planted"}"#,
            r#"{"format":1,"app":"a","secrets":[],"planted":1}"#,
        ] {
            let error = read_document(text.as_bytes(), none).err().unwrap();
            assert!(!error.to_string().contains("planted"), "{error}");
        }
        let empty = r#"{"format":1,"app":"a","secrets":[{"name":"a","version":"v1"}]}"#;
        let read = read_document(empty.as_bytes(), none).unwrap();
        assert!(read.secrets[0].bytes().is_none());
    }
}
