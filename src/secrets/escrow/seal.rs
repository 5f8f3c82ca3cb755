//! One value, encrypted for several people: the bytes of one age file.
//!
//! age leaves unsaid for whom a file is encrypted. So that potluck can tell who reads it
//! without a private key, the head of each file has two more kinds of stanza, which age
//! and rage skip as it is agreed for kinds that they do not know, and which the head's
//! checksum covers: `potluck-readers` with the tags of all keys that open it, and
//! `potluck-former`, one for each key that opened it once and was removed since, with its
//! owner's name. A value that a former reader may know is to be rotated; the next version
//! of it has no such stanza.

use std::{
    borrow::Cow,
    collections::{BTreeSet, HashSet},
    io::{self, Read, Write},
};

use age::{DecryptError, EncryptError};
use age_core::format::{FileKey, Stanza};
use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use zeroize::Zeroizing;

use super::{
    Error, Identity,
    recipients::{Recipient, Tag},
};
use crate::{engine::LARGEST_SECRET, text};

const READERS: &str = "potluck-readers";
const FORMER: &str = "potluck-former";
/// Of a person's name in a head.
const LONGEST_NAME: usize = 64;

/// Somebody who once could read a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Former {
    pub tag: Tag,
    pub name: String,
}

/// What the head of a file says of its readers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Header {
    /// None when it does not say, as in a file that age itself made.
    pub readers: Option<BTreeSet<Tag>>,
    pub former: BTreeSet<Former>,
}

/// The two stanzas, as age asks for them.
struct Marks<'a> {
    readers: &'a [Recipient],
    former: &'a BTreeSet<Former>,
}

impl age::Recipient for Marks<'_> {
    fn wrap_file_key(&self, _: &FileKey) -> Result<(Vec<Stanza>, HashSet<String>), EncryptError> {
        let mut stanzas = vec![Stanza {
            tag: READERS.into(),
            args: self.readers.iter().map(|one| one.tag().0).collect(),
            body: Vec::new(),
        }];
        stanzas.extend(self.former.iter().map(|former| Stanza {
            tag: FORMER.into(),
            args: vec![former.tag.0.clone()],
            body: former.name.as_bytes().to_vec(),
        }));
        Ok((stanzas, HashSet::new()))
    }
}

/// Encrypts a value for all of these.
///
/// # Errors
/// [`Error::NoRecipients`], [`Error::Seal`].
pub fn seal(
    value: &[u8],
    readers: &[Recipient],
    former: &BTreeSet<Former>,
) -> Result<Vec<u8>, Error> {
    if readers.is_empty() {
        return Err(Error::NoRecipients);
    }
    let failed = |error: io::Error| Error::Seal(error.to_string());
    let marks = Marks { readers, former };
    let all = readers.iter().map(Recipient::as_age).chain([&marks as &dyn age::Recipient]);
    let encryptor = age::Encryptor::with_recipients(all).map_err(|e| Error::Seal(e.to_string()))?;
    let mut sealed = Vec::new();
    let mut writer = encryptor.wrap_output(&mut sealed).map_err(failed)?;
    writer.write_all(value).map_err(failed)?;
    writer.finish().map_err(failed)?;
    Ok(sealed)
}

/// The value of a file.
///
/// # Errors
/// Why it cannot be read, in a few words.
pub fn open(sealed: &[u8], identity: &Identity) -> Result<Zeroizing<Vec<u8>>, String> {
    open_up_to(sealed, identity, LARGEST_SECRET)
}

/// The same of something else than a secret.
///
/// # Errors
/// As [`open`].
pub(super) fn open_up_to(
    sealed: &[u8],
    identity: &Identity,
    most: usize,
) -> Result<Zeroizing<Vec<u8>>, String> {
    let sealed = binary(sealed)?;
    let told = |error: DecryptError| match error {
        DecryptError::NoMatchingKeys => "it is not encrypted for your key".to_owned(),
        _ => "it is damaged, or not a file of age".to_owned(),
    };
    let decryptor = age::Decryptor::new_buffered(sealed.as_ref()).map_err(told)?;
    let reader = decryptor.decrypt(identity.keys()).map_err(told)?;
    // As much as is ever needed, so that growing leaves no copy behind; the file is
    // longer than what is in it.
    let room = sealed.len().min(most + 1) + 1;
    let mut value = Zeroizing::new(Vec::with_capacity(room));
    let read = reader.take(most as u64 + 1).read_to_end(&mut value);
    read.map_err(|_| "it is damaged".to_owned())?;
    match value.len() > most {
        true => Err(format!("it has more than {most} bytes")),
        false => Ok(value),
    }
}

/// Who reads a file, as its head says.
///
/// # Errors
/// When it is not a file of age.
pub fn header(sealed: &[u8]) -> Result<Header, String> {
    let sealed = binary(sealed)?;
    let damaged = || "it is damaged, or not a file of age".to_owned();
    let mut lines = sealed.split(|byte| *byte == b'\n').map(std::str::from_utf8);
    if lines.next() != Some(Ok("age-encryption.org/v1")) {
        return Err(damaged());
    }
    let mut header = Header::default();
    let mut former: Option<(Tag, String)> = None;
    for line in lines {
        let line = line.map_err(|_| damaged())?;
        if line.starts_with("---") {
            header.former.extend(former.take().and_then(former_of));
            return Ok(header);
        }
        let Some(stanza) = line.strip_prefix("-> ") else {
            if let Some((_, body)) = &mut former {
                body.push_str(line);
            }
            continue;
        };
        header.former.extend(former.take().and_then(former_of));
        let mut words = stanza.split(' ');
        match words.next() {
            Some(READERS) => {
                header.readers = Some(words.map(|tag| Tag(tag.to_owned())).collect());
            }
            Some(FORMER) => {
                former = words.next().map(|tag| (Tag(tag.to_owned()), String::new()));
            }
            _ => {}
        }
    }
    Err(damaged())
}

fn former_of((tag, body): (Tag, String)) -> Option<Former> {
    let name = STANDARD_NO_PAD.decode(body).ok()?;
    let name = text::line_of(&String::from_utf8_lossy(&name), LONGEST_NAME).into_owned();
    Some(Former { tag, name })
}

/// A file that somebody made with `age -a`, as its bytes.
fn binary(sealed: &[u8]) -> Result<Cow<'_, [u8]>, String> {
    if !sealed.trim_ascii_start().starts_with(b"-----BEGIN") {
        return Ok(Cow::Borrowed(sealed));
    }
    let mut bytes = Vec::new();
    let mut reader = age::armor::ArmoredReader::new(sealed);
    let read = reader.read_to_end(&mut bytes);
    read.map_err(|_| "it is damaged, or not a file of age".to_owned())?;
    Ok(Cow::Owned(bytes))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::secrets::escrow::nobody;

    /// Somebody with a key of age.
    pub fn person(folder: &std::path::Path, name: &str) -> (Identity, Recipient) {
        let identity = Identity::create(&folder.join(name)).unwrap();
        let recipient = Recipient::parse(&identity.public()[0], Some(name)).unwrap();
        (identity, recipient)
    }

    #[test]
    fn who_reads_is_in_the_head_and_in_the_keys() {
        let folder = tempfile::tempdir().unwrap();
        let [(anna, a), (ben, b), (carl, c)] =
            ["anna", "ben", "carl"].map(|name| person(folder.path(), name));
        let gone = Former { tag: c.tag(), name: "Carl Ö.".into() };
        let former = BTreeSet::from([gone.clone()]);
        for size in [0, 1, 100, 64 << 10, LARGEST_SECRET] {
            let value: Vec<u8> = (0..size).map(|i| (i % 251) as u8).collect();
            let sealed = seal(&value, &[a.clone(), b.clone()], &former).unwrap();
            assert_eq!(*open(&sealed, &anna).unwrap(), value);
            assert_eq!(*open(&sealed, &ben).unwrap(), value);
            assert_eq!(open(&sealed, &carl).unwrap_err(), "it is not encrypted for your key");
            let head = header(&sealed).unwrap();
            assert_eq!(head.readers, Some(BTreeSet::from([a.tag(), b.tag()])));
            assert_eq!(head.former, BTreeSet::from([gone.clone()]));
        }
        assert!(matches!(seal(b"x", &[], &former), Err(Error::NoRecipients)));
    }

    #[test]
    fn a_changed_head_is_noticed_by_those_who_read() {
        let folder = tempfile::tempdir().unwrap();
        let (anna, a) = person(folder.path(), "anna");
        let (_, b) = person(folder.path(), "ben");
        let sealed = seal(b"value", std::slice::from_ref(&a), &BTreeSet::new()).unwrap();
        let mut lies = sealed.clone();
        let at = lies.windows(16).position(|w| w == a.tag().0.as_bytes()).unwrap();
        lies[at..at + 16].copy_from_slice(b.tag().0.as_bytes());
        assert!(header(&lies).unwrap().readers.unwrap().contains(&b.tag()));
        assert!(open(&lies, &anna).is_err());
    }

    #[test]
    fn anything_else_is_an_error_and_no_panic() {
        let folder = tempfile::tempdir().unwrap();
        let (anna, a) = person(folder.path(), "anna");
        let sealed = seal(b"value", &[a], &BTreeSet::new()).unwrap();
        for end in 0..sealed.len() {
            assert!(open(&sealed[..end], &anna).is_err(), "cut at {end}");
        }
        for garbage in [
            &b""[..],
            b"\0\0\0",
            b"age-encryption.org/v1\n",
            b"age-encryption.org/v1\n-> potluck-former\n\n---",
            b"-----BEGIN AGE ENCRYPTED FILE-----\n!!!\n",
            &[0xff; 1000],
        ] {
            assert!(open(garbage, &anna).is_err());
            let _ = header(garbage);
        }
        let large = seal(
            &vec![0; LARGEST_SECRET + 1],
            &[Recipient::parse(&anna.public()[0], None).unwrap()],
            &BTreeSet::new(),
        )
        .unwrap();
        assert!(open(&large, &anna).unwrap_err().contains("more than"));
    }

    #[test]
    fn what_age_itself_made_is_read_armoured_or_not() {
        let folder = tempfile::tempdir().unwrap();
        let (anna, a) = person(folder.path(), "anna");
        let sealed =
            age::encrypt_and_armor(&a.key().parse::<age::x25519::Recipient>().unwrap(), b"v");
        let sealed = sealed.unwrap();
        assert_eq!(**open(sealed.as_bytes(), &anna).unwrap(), *b"v");
        assert_eq!(header(sealed.as_bytes()).unwrap(), Header::default());
        let again = Identity::read(&folder.path().join("anna"), &nobody).unwrap();
        assert!(open(sealed.as_bytes(), &again).is_ok());
    }

    proptest::proptest! {
        #[test]
        fn no_head_is_too_odd(stanzas in proptest::collection::vec("[ -~]{0,80}", 0..8)) {
            let text = format!("age-encryption.org/v1\n-> {}\n--- x\n", stanzas.join("\n-> "));
            let _ = header(text.as_bytes());
            let former: String = stanzas.iter().map(|s| format!("-> {FORMER} {s}\n{s}\n")).collect();
            let _ = header(format!("age-encryption.org/v1\n{former}---").as_bytes());
        }
    }
}
