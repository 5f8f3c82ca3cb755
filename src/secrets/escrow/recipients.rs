//! `$POTLUCK_DIR/recipients`: for whom secrets are encrypted, and whose keys they are.
//!
//! ```text
//! # anna
//! age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p
//! # ben
//! ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI…
//! # removed age1lggyhqrw2nlhcxprm67z43rta597azn8gknawjehu9d9dl0jq3yqqvfafg carl
//! ```
//!
//! One key a line, and above it a comment with whose it is, which counts for every key up
//! to the next comment. `age -R recipients` reads this as it is, which a name on the key's
//! own line would prevent. Two people who each add a key change the same place; so potluck
//! writes `recipients merge=union` into `.gitattributes`, with which git takes the lines of
//! both sides, and a block whose comment line git found equal on both sides still names
//! both of its keys. (The encrypted files are `binary` there: two that were both encrypted
//! anew are a conflict, of which either side can be taken; `potluck key add` completes it.)
//!
//! A union brings a deleted line back if the other side changed a line beside it. So a key
//! that was removed leaves a line `# removed KEY NAME`, which counts for more than the key
//! itself wherever it is in the file: after a merge somebody may lack a key, but nobody has
//! one that was taken away.

use std::path::Path;

use sha2::{Digest, Sha256};

use super::Error;
use crate::{hint::nearest, text};

/// More would make each file's head longer than what it protects.
const MOST: usize = 200;
/// Bytes of a name.
const LONGEST_NAME: usize = 64;
/// The comment that takes a key away.
const REMOVED: &str = "removed ";

/// Names a key in the head of a file: the first digits of the key's digest.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tag(pub(super) String);

/// One key for which secrets are encrypted.
#[derive(Clone)]
pub struct Recipient {
    /// Whose it is.
    pub name: String,
    text: String,
    key: Key,
}

#[derive(Clone)]
enum Key {
    Age(age::x25519::Recipient),
    Ssh(age::ssh::Recipient),
}

impl std::fmt::Debug for Recipient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Recipient").field(&self.name).field(&self.text).finish()
    }
}

impl Recipient {
    /// Reads `age1…`, or the line of an ssh public key, whose comment is the name when
    /// none is given.
    ///
    /// # Errors
    /// [`Error::Recipient`], [`Error::Name`].
    pub fn parse(text: &str, name: Option<&str>) -> Result<Self, Error> {
        let (key, comment) = parse_key(text.trim()).map_err(|m| Error::Recipient { message: m })?;
        let text = key.text();
        let name = match name {
            Some(name) => checked_name(name)?,
            None => comment.unwrap_or_else(|| short(&text)),
        };
        Ok(Recipient { name, text, key })
    }

    /// The key as age prints it, without a comment.
    pub fn key(&self) -> &str {
        &self.text
    }

    /// `age`, `ssh-ed25519`, `ssh-rsa`.
    pub fn kind(&self) -> &str {
        match &self.key {
            Key::Age(_) => "age",
            Key::Ssh(_) => self.text.split(' ').next().unwrap_or_default(),
        }
    }

    pub fn tag(&self) -> Tag {
        tag_of(&self.text)
    }

    pub(super) fn as_age(&self) -> &dyn age::Recipient {
        match &self.key {
            Key::Age(key) => key,
            Key::Ssh(key) => key,
        }
    }
}

impl Key {
    fn text(&self) -> String {
        match self {
            Key::Age(key) => key.to_string(),
            Key::Ssh(key) => key.to_string(),
        }
    }
}

/// Of a key as age prints it.
pub(super) fn tag_of(key: &str) -> Tag {
    const DIGITS: usize = 16;
    let mut digest = hex::encode(Sha256::digest(key));
    digest.truncate(DIGITS);
    Tag(digest)
}

/// The whole file, with what others wrote into it.
#[derive(Debug, Clone, Default)]
pub struct Recipients {
    all: Vec<Recipient>,
    removed: Vec<(Tag, String)>,
    lines: Vec<String>,
}

impl Recipients {
    /// Those of a file; none where there is no file.
    ///
    /// # Errors
    /// [`Error::RecipientsLine`], [`Error::File`].
    pub fn read(path: &Path) -> Result<Self, Error> {
        const MAX: u64 = 1 << 20;
        let Some(bytes) = super::folder::read_plain(path, MAX)? else {
            return Ok(Recipients::default());
        };
        let text = String::from_utf8(bytes).map_err(|e| Error::File {
            path: path.into(),
            message: format!("it is not UTF-8 text (byte {})", e.utf8_error().valid_up_to() + 1),
        })?;
        Self::parse(path, &text)
    }

    /// Reads the text of a file.
    ///
    /// # Errors
    /// [`Error::RecipientsLine`].
    pub fn parse(path: &Path, text: &str) -> Result<Self, Error> {
        let wrong = |line: usize, message: String| Error::RecipientsLine {
            path: path.into(),
            line,
            message,
        };
        let mut read = Recipients::default();
        let mut owner: Option<String> = None;
        for (index, line) in text.lines().enumerate() {
            read.lines.push(line.to_owned());
            let line = line.trim();
            if let Some(comment) = line.strip_prefix('#') {
                let comment = comment.trim();
                match comment.strip_prefix(REMOVED).map(split_key) {
                    Some(Ok((key, name))) => {
                        let name = name.unwrap_or_else(|| short(&key.text()));
                        read.removed.push((tag_of(&key.text()), name));
                    }
                    Some(Err(message)) => return Err(wrong(index + 1, message)),
                    None => owner = Some(clean_name(comment)).filter(|name| !name.is_empty()),
                }
                continue;
            }
            if line.is_empty() {
                continue;
            }
            let (key, comment) = parse_key(line).map_err(|m| wrong(index + 1, m))?;
            let text = key.text();
            let name = owner.clone().or(comment).unwrap_or_else(|| short(&text));
            if !read.all.iter().any(|known| known.text == text) {
                read.all.push(Recipient { name, text, key });
            }
            if read.all.len() > MOST {
                return Err(wrong(index + 1, format!("there are more than {MOST} recipients")));
            }
        }
        let Recipients { all, removed, .. } = &mut read;
        all.retain(|one| !removed.iter().any(|(tag, _)| *tag == one.tag()));
        Ok(read)
    }

    pub fn all(&self) -> &[Recipient] {
        &self.all
    }

    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Whose key has this tag, also of one that was removed.
    pub fn name_of(&self, tag: &Tag) -> Option<&str> {
        let here = self.all.iter().find(|one| one.tag() == *tag).map(|one| one.name.as_str());
        let gone = || self.removed.iter().find(|(gone, _)| gone == tag);
        here.or_else(|| gone().map(|(_, name)| name.as_str()))
    }

    /// All keys of this name, or the one that this is.
    ///
    /// # Errors
    /// [`Error::UnknownRecipient`] with the nearest name.
    pub fn find(&self, given: &str) -> Result<Vec<&Recipient>, Error> {
        let key = parse_key(given.trim()).ok().map(|(key, _)| key.text());
        let found: Vec<_> = match &key {
            Some(key) => self.all.iter().filter(|one| one.text == *key).collect(),
            None => self.all.iter().filter(|one| one.name == given).collect(),
        };
        if found.is_empty() {
            let names = self.all.iter().map(|one| one.name.as_str());
            let nearest = nearest(given, names).map(str::to_owned);
            return Err(Error::UnknownRecipient { given: given.into(), nearest });
        }
        Ok(found)
    }

    /// With one more; false when it is one already.
    pub fn add(&mut self, new: Recipient) -> bool {
        if self.all.iter().any(|one| one.text == new.text) {
            return false;
        }
        let tag = new.tag();
        self.removed.retain(|(gone, _)| *gone != tag);
        self.lines.retain(|line| removed_key(line).is_none_or(|key| tag_of(&key) != tag));
        self.lines.push(format!("# {}", new.name));
        self.lines.push(new.text.clone());
        self.all.push(new);
        true
    }

    /// Without these keys, each of which leaves a line that says so.
    pub fn remove(&mut self, gone: &[Recipient]) {
        for one in gone {
            let is_it = |line: &str| {
                let line = line.trim();
                !line.starts_with('#')
                    && parse_key(line).is_ok_and(|(key, _)| key.text() == one.text)
            };
            while let Some(at) = self.lines.iter().position(|line| is_it(line)) {
                self.lines.remove(at);
                let names_others = names_a_key(&self.lines[at..]);
                let names_it = at
                    .checked_sub(1)
                    .filter(|above| self.lines[*above].trim_start_matches(['#', ' ']) == one.name);
                match names_it {
                    Some(above) if !names_others => drop(self.lines.remove(above)),
                    _ => {}
                }
            }
            self.lines.push(format!("# {REMOVED}{} {}", one.text, one.name));
            self.removed.push((one.tag(), one.name.clone()));
            self.all.retain(|other| other.text != one.text);
        }
    }

    /// The file's text.
    pub fn to_text(&self) -> String {
        self.lines.iter().map(|line| format!("{line}\n")).collect()
    }
}

/// Whether a key follows before the next name: the name above counts for it, too.
fn names_a_key(lines: &[String]) -> bool {
    let lines = lines.iter().map(|line| line.trim()).filter(|line| !line.is_empty());
    let is_name = |line: &&str| line.starts_with('#') && removed_key(line).is_none();
    lines.take_while(|line| !is_name(line)).any(|line| !line.starts_with('#'))
}

/// The key of a line that says that it was removed.
fn removed_key(line: &str) -> Option<String> {
    let comment = line.trim().strip_prefix('#')?.trim().strip_prefix(REMOVED)?;
    split_key(comment).ok().map(|(key, _)| key.text())
}

/// A key, and the rest of its line: a name.
fn split_key(text: &str) -> Result<(Key, Option<String>), String> {
    match text.starts_with("ssh-") {
        true => parse_key(text),
        false => {
            let (key, name) = text.split_once(' ').unwrap_or((text, ""));
            let name = Some(clean_name(name)).filter(|name| !name.is_empty());
            Ok((parse_key(key)?.0, name))
        }
    }
}

/// A key, and the comment that an ssh public key has behind it.
fn parse_key(text: &str) -> Result<(Key, Option<String>), String> {
    use age::ssh::ParseRecipientKeyError as Wrong;
    if text.starts_with("AGE-SECRET-KEY-") || text.contains("PRIVATE KEY") {
        return Err("this is a private key, which nobody else may see: a recipient is the public \
                    one, which begins with `age1` or `ssh-`"
            .into());
    }
    if text.starts_with("ssh-") || text.starts_with("ecdsa-") || text.starts_with("sk-") {
        let mut words = text.splitn(3, ' ');
        let key = [words.next(), words.next()].map(Option::unwrap_or_default).join(" ");
        let comment = words.next().map(clean_name).filter(|comment| !comment.is_empty());
        return match key.parse() {
            Ok(key) => Ok((Key::Ssh(key), comment)),
            Err(Wrong::RsaModulusTooSmall) => Err("this RSA key is shorter than 2048 bits".into()),
            Err(Wrong::RsaModulusTooLarge) => Err("this RSA key is longer than 4096 bits".into()),
            Err(Wrong::Unsupported(kind)) => Err(format!(
                "ssh keys of the kind `{}` cannot decrypt; expected ssh-ed25519 or ssh-rsa",
                text::line(&kind)
            )),
            Err(_) => Err(format!("`{}` is not an ssh public key", short(text))),
        };
    }
    match text.parse() {
        Ok(key) => Ok((Key::Age(key), None)),
        Err(_) => Err(format!("`{}` is not a recipient", short(text))),
    }
}

fn short(text: &str) -> String {
    text::line_of(text, 24).into_owned()
}

fn clean_name(text: &str) -> String {
    text::line_of(text.trim(), LONGEST_NAME).into_owned()
}

fn checked_name(name: &str) -> Result<String, Error> {
    let wrong = |why| Error::Name { name: clean_name(name), why };
    let name = name.trim();
    if name.is_empty() {
        return Err(wrong("it is empty"));
    }
    if name.len() > LONGEST_NAME {
        return Err(wrong("it is longer than 64 bytes"));
    }
    if clean_name(name) != name || name.starts_with('#') || name.starts_with(REMOVED) {
        return Err(wrong("it has invisible characters, or begins like a comment"));
    }
    if parse_key(name).is_ok() {
        return Err(wrong("it is a key"));
    }
    Ok(name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANNA: &str = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p";
    const BEN: &str = "age1lggyhqrw2nlhcxprm67z43rta597azn8gknawjehu9d9dl0jq3yqqvfafg";
    const SSH: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHsKLqeplhpW+uObz5dvMgjz1OxfM/XXUB+VHtZ6isGN";

    fn parsed(text: &str) -> Recipients {
        Recipients::parse(Path::new("recipients"), text).unwrap()
    }

    fn shown(text: &str) -> Vec<(String, String)> {
        let kind = |one: &Recipient| (one.name.clone(), one.kind().to_owned());
        parsed(text).all().iter().map(kind).collect()
    }

    #[test]
    fn each_key_has_the_name_above_it() {
        let own = |name: &str, kind: &str| (name.to_owned(), kind.to_owned());
        for (text, expected) in [
            (String::new(), vec![]),
            (format!("# anna\n{ANNA}\n"), vec![own("anna", "age")]),
            (
                format!("# anna\n{ANNA}\n\n{BEN}\n# c\n{SSH} c@host\n"),
                vec![own("anna", "age"), own("anna", "age"), own("c", "ssh-ed25519")],
            ),
            (format!("{SSH} c@host"), vec![own("c@host", "ssh-ed25519")]),
            (format!("# the team\n# anna\n{ANNA}\n{ANNA}"), vec![own("anna", "age")]),
            // What was removed is gone, wherever a merge put the two lines.
            (
                format!("# removed {BEN} ben\n# anna\n{ANNA}\n# ben\n{BEN}\n"),
                vec![own("anna", "age")],
            ),
            (format!("# removed {SSH} c\n# anna\n{ANNA}\n{SSH}\n"), vec![own("anna", "age")]),
        ] {
            assert_eq!(shown(&text), expected, "{text}");
        }
        assert!(parsed(ANNA).all()[0].name.starts_with("age1ql3z7hjy54pw3hyww"), "its beginning");
    }

    #[test]
    fn what_is_wrong_names_its_line() {
        let secret = "AGE-SECRET-KEY-1GQ9778VQXMMJVE8SK7J6VT8UJ4HDQAJUVSFCWCM02D8GEWQ72PVQ2Y5J33";
        for (text, line, words) in [
            ("# anna\nage1nonsense\n", 2, "`age1nonsense` is not a recipient"),
            ("<<<<<<< HEAD\n", 1, "`<<<<<<< HEAD` is not a recipient"),
            ("\n\nssh-ed25519 AAAA\n", 3, "is not an ssh public key"),
            ("ssh-dss AAAAB3NzaC1kc3M=\n", 1, "`ssh-dss` cannot decrypt"),
            ("# removed nobody\n", 1, "`nobody` is not a recipient"),
            (secret, 1, "this is a private key"),
        ] {
            let error = Recipients::parse(Path::new("recipients"), text).unwrap_err();
            let said = error.to_string();
            assert!(said.starts_with(&format!("recipients, line {line}: ")), "{said}");
            assert!(said.contains(words), "{said}");
            assert!(!said.contains("AGE-SECRET-KEY-1GQ"), "{said}");
            assert_eq!(error.position().unwrap().line, line);
        }
        let many: String = (0..=MOST)
            .map(|_| format!("{}\n", age::x25519::Identity::generate().to_public()))
            .collect();
        let said = Recipients::parse(Path::new("r"), &many).unwrap_err().to_string();
        assert_eq!(said, "r, line 201: there are more than 200 recipients");
    }

    #[test]
    fn what_others_wrote_stays_and_what_is_removed_leaves_a_line() {
        let mut all = parsed(&format!("# Keys of the team.\n\n# anna\n{ANNA}\n"));
        assert!(all.add(Recipient::parse(BEN, Some("ben")).unwrap()));
        assert!(!all.add(Recipient::parse(BEN, Some("other")).unwrap()));
        assert!(all.add(Recipient::parse(&format!("{SSH} c@host"), None).unwrap()));
        let full =
            format!("# Keys of the team.\n\n# anna\n{ANNA}\n# ben\n{BEN}\n# c@host\n{SSH}\n");
        assert_eq!(all.to_text(), full);
        let ben = all.find("ben").unwrap()[0].clone();
        all.remove(std::slice::from_ref(&ben));
        let without = format!(
            "# Keys of the team.\n\n# anna\n{ANNA}\n# c@host\n{SSH}\n# removed {BEN} ben\n"
        );
        assert_eq!(all.to_text(), without);
        assert_eq!(all.name_of(&ben.tag()), Some("ben"));
        let again = parsed(&all.to_text());
        assert_eq!(again.all().len(), 2);
        assert_eq!(again.name_of(&ben.tag()), Some("ben"));
        // Who comes back is one again.
        all.add(ben);
        assert_eq!(parsed(&all.to_text()).all().len(), 3);
        assert!(!all.to_text().contains("removed"));
    }

    #[test]
    fn a_name_that_others_share_stays_for_them() {
        let mut all = parsed(&format!("# anna\n{ANNA}\n{BEN}\n"));
        let first = all.find(ANNA).unwrap()[0].clone();
        all.remove(&[first]);
        assert_eq!(shown(&all.to_text()), [("anna".to_owned(), "age".to_owned())]);
        assert_eq!(all.find("anna").unwrap().len(), 1);
        let said = all.find("ana").unwrap_err();
        assert!(
            matches!(said, Error::UnknownRecipient { nearest: Some(name), .. } if name == "anna")
        );
    }

    #[test]
    fn a_name_is_one_line_and_not_a_key() {
        for bad in ["", " ", "a\nb", "# a", "removed x", ANNA, &"x".repeat(65), "a\u{202e}b"] {
            assert!(Recipient::parse(ANNA, Some(bad)).is_err(), "{bad:?}");
        }
        assert_eq!(Recipient::parse(ANNA, Some(" Anna B. ")).unwrap().name, "Anna B.");
    }

    proptest::proptest! {
        /// Whatever merges leave of the lines, in whatever order: a key that was removed is
        /// nobody's, and what is written is read again.
        #[test]
        fn a_removed_key_stays_removed(picked in proptest::collection::vec(0..9_usize, 0..12)) {
            let lines = [
                "# anna".to_owned(),
                "# ben".to_owned(),
                ANNA.to_owned(),
                BEN.to_owned(),
                format!("{SSH} c@host"),
                format!("# removed {BEN} ben"),
                format!("#removed {SSH}"),
                String::new(),
                "   # a remark  ".to_owned(),
            ];
            let text: String = picked.iter().map(|at| format!("{}\n", lines[*at])).collect();
            let read = parsed(&text);
            let tag = |key: &str| Recipient::parse(key, None).unwrap().tag();
            for (removed, key) in [(5, BEN), (6, SSH)] {
                let is_one = read.all().iter().any(|one| one.tag() == tag(key));
                proptest::prop_assert!(!(picked.contains(&removed) && is_one));
            }
            proptest::prop_assert_eq!(shown(&read.to_text()), shown(&text));
            let mut without = read.clone();
            without.remove(&read.all().iter().filter(|one| one.key() == ANNA).cloned().collect::<Vec<_>>());
            let again = parsed(&without.to_text());
            proptest::prop_assert!(again.all().iter().all(|one| one.key() != ANNA));
            let others = |list: &Recipients| {
                let name = |one: &Recipient| (one.name.clone(), one.key().to_owned());
                list.all().iter().filter(|one| one.key() != ANNA).map(name).collect::<Vec<_>>()
            };
            proptest::prop_assert_eq!(others(&again), others(&read));
        }

        #[test]
        fn no_text_is_too_odd(text in "\\PC*") {
            let _ = Recipients::parse(Path::new("recipients"), &text);
            let _ = Recipient::parse(&text, Some(&text));
        }
    }
}
