//! A private key: what opens kept secrets. It lies outside of the shared folder, and
//! nothing of it is ever shown.

use std::{
    fs::OpenOptions,
    io::{self, Read},
    os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use age::secrecy::{ExposeSecret, SecretString};
use rustix::fs::OFlags;
use zeroize::Zeroizing;

use super::Error;
use crate::home::write::{Existing, Readers, write_whole};

/// Bytes of a file with a key.
const LONGEST: usize = 64 << 10;

/// Asks for the passphrase of a key; none where nobody can be asked.
pub type Ask<'a> = &'a dyn Fn(&str) -> Option<Zeroizing<String>>;

/// Where nobody can be asked.
pub fn nobody(_: &str) -> Option<Zeroizing<String>> {
    None
}

/// Private keys of one file.
pub struct Identity {
    path: PathBuf,
    keys: Vec<Box<dyn age::Identity + Send + Sync>>,
    public: Vec<String>,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identity").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Identity {
    /// Reads age's own file of identities (also one that a passphrase protects) or an
    /// OpenSSH private key.
    ///
    /// # Errors
    /// [`Error::NoIdentity`], [`Error::Identity`].
    pub fn read(path: &Path, ask: Ask<'_>) -> Result<Self, Error> {
        let text = read_private(path)?;
        let wrong = |message: &str| Error::Identity {
            path: path.into(),
            message: message.into(),
            next: None,
        };
        if text.starts_with(b"age-encryption.org/v1") || text.starts_with(b"-----BEGIN AGE") {
            let opened = with_passphrase(path, &text, ask)?;
            let text = std::str::from_utf8(&opened).map_err(|_| wrong("it is not text"))?;
            return of_age(path, text);
        }
        let text = std::str::from_utf8(&text).map_err(|_| wrong("it is not text"))?;
        match text.trim_start().starts_with("-----BEGIN") {
            true => of_ssh(path, text, ask),
            false => of_age(path, text),
        }
    }

    /// Makes a key in a new file that only its owner reads.
    ///
    /// # Errors
    /// [`Error::Home`]; when the file exists.
    pub fn create(path: &Path) -> Result<Self, Error> {
        let key = age::x25519::Identity::generate();
        let public = key.to_public().to_string();
        let secret = key.to_string();
        let secret = secret.expose_secret();
        let lines = ["# public key: ", public.as_str(), "\n", secret, "\n"];
        // As long as it gets, so that growing leaves no copy behind.
        let mut text = Zeroizing::new(String::with_capacity(lines.iter().map(|l| l.len()).sum()));
        lines.iter().for_each(|line| text.push_str(line));
        write_whole(path, text.as_bytes(), Existing::Keep, Readers::Owner)?;
        Ok(Identity { path: path.into(), keys: vec![Box::new(key)], public: vec![public] })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The recipients that belong to it, as age prints them.
    pub fn public(&self) -> &[String] {
        &self.public
    }

    /// Whether it opens what is encrypted for this recipient.
    pub fn is_of(&self, recipient: &super::Recipient) -> bool {
        self.public.iter().any(|key| key == recipient.key())
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &dyn age::Identity> {
        self.keys.iter().map(|key| &**key as &dyn age::Identity)
    }
}

/// A file that nobody else may read, as ssh asks it of its keys.
fn read_private(path: &Path) -> Result<Zeroizing<Vec<u8>>, Error> {
    let wrong = |message: String, next: Option<String>| Error::Identity {
        path: path.into(),
        message,
        next,
    };
    let reading = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => Error::NoIdentity { path: path.into() },
        _ => wrong(error.to_string(), None),
    };
    let mut file = OpenOptions::new()
        .read(true)
        .custom_flags(OFlags::NONBLOCK.bits() as i32)
        .open(path)
        .map_err(reading)?;
    let about = file.metadata().map_err(reading)?;
    if !about.is_file() {
        return Err(wrong("it is not a regular file".into(), None));
    }
    let own = about.uid() == rustix::process::geteuid().as_raw();
    if own && about.permissions().mode() & 0o077 != 0 {
        let next = format!("run `chmod 600 {}`", path.display());
        return Err(wrong("others on this machine may read it".into(), Some(next)));
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(LONGEST + 2));
    (&mut file).take(LONGEST as u64 + 1).read_to_end(&mut bytes).map_err(reading)?;
    if bytes.len() > LONGEST {
        return Err(wrong("it is larger than 64 KiB".into(), None));
    }
    Ok(bytes)
}

/// Lines `AGE-SECRET-KEY-1…`, blank lines and comments.
fn of_age(path: &Path, text: &str) -> Result<Identity, Error> {
    let mut identity = Identity { path: path.into(), keys: Vec::new(), public: Vec::new() };
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let key: age::x25519::Identity = line.parse().map_err(|_| Error::Identity {
            path: path.into(),
            message: format!("line {} is not a private key of age", index + 1),
            next: Some(
                "expected a line `AGE-SECRET-KEY-1…`, as `age-keygen` and `potluck key new` write \
                 it, or an OpenSSH private key"
                    .into(),
            ),
        })?;
        identity.public.push(key.to_public().to_string());
        identity.keys.push(Box::new(key));
    }
    if identity.keys.is_empty() {
        let message = "it has no key".into();
        return Err(Error::Identity { path: path.into(), message, next: None });
    }
    Ok(identity)
}

/// An OpenSSH private key.
fn of_ssh(path: &Path, text: &str, ask: Ask<'_>) -> Result<Identity, Error> {
    use age::ssh::{Identity as Key, UnsupportedKey};
    let wrong = |message: String| Error::Identity { path: path.into(), message, next: None };
    let key = Key::from_buffer(text.as_bytes(), None).map_err(|e| wrong(e.to_string()))?;
    let key = match key {
        Key::Unencrypted(_) => key,
        Key::Encrypted(locked) => {
            let passphrase = passphrase(path, ask)?;
            let opened = locked.decrypt(passphrase).map_err(|_| wrong_passphrase(path))?;
            Key::from(opened)
        }
        Key::Unsupported(why) => {
            return Err(wrong(match why {
                UnsupportedKey::EncryptedPem => {
                    "its old format is not supported: run `ssh-keygen -o -p`".into()
                }
                UnsupportedKey::Hardware(_) => {
                    "a key on a hardware token cannot decrypt; expected ssh-ed25519 or ssh-rsa"
                        .into()
                }
                _ => "expected an ssh key of the kind ssh-ed25519 or ssh-rsa".into(),
            }));
        }
    };
    let public = age::ssh::Recipient::try_from(key.clone())
        .map_err(|_| wrong("expected an ssh key of the kind ssh-ed25519 or ssh-rsa".into()))?;
    Ok(Identity { path: path.into(), keys: vec![Box::new(key)], public: vec![public.to_string()] })
}

/// A file of identities that a passphrase protects.
fn with_passphrase(path: &Path, text: &[u8], ask: Ask<'_>) -> Result<Zeroizing<Vec<u8>>, Error> {
    let wrong = |message: String| Error::Identity { path: path.into(), message, next: None };
    let input = age::armor::ArmoredReader::new(text);
    let decryptor = age::Decryptor::new_buffered(input).map_err(|e| wrong(e.to_string()))?;
    if !decryptor.is_scrypt() {
        return Err(wrong("it is encrypted for a key; expected a private key".into()));
    }
    let key = age::scrypt::Identity::new(passphrase(path, ask)?);
    let opened = decryptor.decrypt(std::iter::once(&key as &dyn age::Identity));
    let opened = opened.map_err(|_| wrong_passphrase(path))?;
    let mut bytes = Zeroizing::new(Vec::with_capacity(LONGEST + 2));
    let read = opened.take(LONGEST as u64 + 1).read_to_end(&mut bytes);
    read.map_err(|e| wrong(e.to_string()))?;
    Ok(bytes)
}

fn passphrase(path: &Path, ask: Ask<'_>) -> Result<SecretString, Error> {
    let given = ask(&format!("Passphrase of {}:", path.display()));
    let given = given.ok_or_else(|| Error::Identity {
        path: path.into(),
        message: "it needs a passphrase, and nobody can be asked".into(),
        next: Some("run it at a terminal, or name a key without a passphrase".into()),
    })?;
    Ok(SecretString::from(given.as_str().to_owned()))
}

fn wrong_passphrase(path: &Path) -> Error {
    let message = "the passphrase is wrong".into();
    Error::Identity { path: path.into(), message, next: None }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_new_key_is_its_owners_alone_and_reads_as_age_writes_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("potluck/identity");
        let made = Identity::create(&path).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
        let read = Identity::read(&path, &nobody).unwrap();
        assert_eq!(read.public(), made.public());
        assert!(Identity::create(&path).is_err(), "a key is never replaced");
        assert!(!format!("{read:?}").contains("SECRET"));
    }

    #[test]
    fn what_cannot_be_a_key_says_why_and_shows_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let said = |text: &[u8], mode: u32| {
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
            Identity::read(&path, &nobody).unwrap_err().to_string()
        };
        for (text, mode, expected) in [
            (&b"planted\n"[..], 0o600, "line 1 is not a private key of age"),
            (b"# only\n\n", 0o600, "it has no key"),
            (b"\xff\xfe", 0o600, "it is not text"),
            (&[b'x'; LONGEST + 1], 0o600, "it is larger than 64 KiB"),
            (b"x", 0o640, "others on this machine may read it"),
            (b"-----BEGIN OPENSSH PRIVATE KEY-----\nplanted\n", 0o600, "SSH identity"),
            (b"age-encryption.org/v1\nplanted", 0o600, "cannot be used"),
        ] {
            let said = said(text, mode);
            assert!(said.contains(expected), "{said}");
            assert!(!said.contains("planted"), "{said}");
        }
        let none = folder.path().join("none");
        assert!(matches!(Identity::read(&none, &nobody), Err(Error::NoIdentity { .. })));
        let said = Identity::read(folder.path(), &nobody).unwrap_err().to_string();
        assert!(said.contains("it is not a regular file"), "{said}");
    }

    #[test]
    fn an_ssh_key_is_an_identity_with_and_without_a_passphrase() {
        let folder = tempfile::tempdir().unwrap();
        for (kind, passphrase) in [("ed25519", ""), ("ed25519", "geheim"), ("rsa", "")] {
            let path = folder.path().join(format!("{kind}{passphrase}"));
            let made = std::process::Command::new("ssh-keygen")
                .args(["-q", "-t", kind, "-N", passphrase, "-C", "me@host", "-f"])
                .arg(&path)
                .status();
            assert!(made.unwrap().success());
            let public = fs::read_to_string(path.with_extension("pub")).unwrap();
            let recipient = super::super::Recipient::parse(&public, None).unwrap();
            assert_eq!(recipient.name, "me@host");
            let ask = |_: &str| Some(Zeroizing::new(passphrase.to_owned()));
            let identity = Identity::read(&path, &ask).unwrap();
            assert!(identity.is_of(&recipient));
            if !passphrase.is_empty() {
                let said = Identity::read(&path, &nobody).unwrap_err().to_string();
                assert!(said.contains("it needs a passphrase"), "{said}");
                let wrong = |_: &str| Some(Zeroizing::new("falsch".to_owned()));
                let said = Identity::read(&path, &wrong).unwrap_err().to_string();
                assert!(said.contains("the passphrase is wrong"), "{said}");
            }
        }
    }

    #[test]
    fn a_file_of_keys_that_a_passphrase_protects_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let key = age::x25519::Identity::generate();
        let path = folder.path().join("locked");
        for armoured in [false, true] {
            let mut recipient =
                age::scrypt::Recipient::new(SecretString::from("geheim".to_owned()));
            recipient.set_work_factor(2);
            let mut sealed = match armoured {
                false => age::encrypt(&recipient, key.to_string().expose_secret().as_bytes()),
                true => {
                    let text = key.to_string();
                    age::encrypt_and_armor(&recipient, text.expose_secret().as_bytes())
                        .map(String::into_bytes)
                }
            }
            .unwrap();
            fs::write(&path, &sealed).unwrap();
            fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
            let ask = |_: &str| Some(Zeroizing::new("geheim".to_owned()));
            let read = Identity::read(&path, &ask).unwrap();
            assert_eq!(read.public(), [key.to_public().to_string()]);
            let wrong = |_: &str| Some(Zeroizing::new("falsch".to_owned()));
            let said = Identity::read(&path, &wrong).unwrap_err().to_string();
            assert!(said.contains("the passphrase is wrong"), "{said}");
            sealed.truncate(sealed.len() / 2);
            fs::write(&path, &sealed).unwrap();
            assert!(Identity::read(&path, &ask).is_err());
        }
    }
}
