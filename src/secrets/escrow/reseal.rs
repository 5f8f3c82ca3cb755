//! All kept secrets of a folder, encrypted anew when those who may read them change.
//!
//! Nothing is replaced by something that was not read back: each new file is opened with
//! the identity that made it, and compared, before it takes the old one's place.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
};

use super::{
    Error,
    folder::{File, Folder, read_plain},
    identity::Identity,
    recipients::{Recipient, Recipients, Tag},
    seal::{self, Former, Header},
};
use crate::home::{
    self, AppEntry, Home,
    write::{Existing, Readers, write_whole},
};

/// One file of one app.
struct Kept {
    app: AppEntry,
    folder: Folder,
    file: File,
}

/// A file that was left as it is, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotResealed {
    pub path: PathBuf,
    pub why: String,
}

/// What became of all files.
#[derive(Debug, Default)]
pub struct Resealed {
    /// How many were encrypted anew.
    pub resealed: usize,
    /// How many were encrypted for just those who may read them already.
    pub right: usize,
    pub failed: Vec<NotResealed>,
}

/// The secrets of one app that somebody can read or could.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Readable {
    pub app: AppEntry,
    /// Names and versions, `db_password_v1`.
    pub stems: Vec<String>,
}

fn all(home: &Home) -> Result<Vec<Kept>, Error> {
    let mut all = Vec::new();
    for app in home.apps_with_secrets()? {
        let folder = Folder::of(home, &app);
        for file in folder.files()? {
            all.push(Kept { app: app.clone(), folder: folder.clone(), file });
        }
    }
    Ok(all)
}

impl Kept {
    fn path(&self) -> PathBuf {
        self.folder.path_of(&self.file)
    }

    fn header(&self) -> Result<(Vec<u8>, Header), String> {
        let sealed = self.folder.read(&self.file).map_err(reason)?;
        let header = seal::header(&sealed)?;
        Ok((sealed, header))
    }

    /// The file for others, read back.
    fn for_others(
        &self,
        sealed: &[u8],
        readers: &[Recipient],
        former: &BTreeSet<Former>,
        identity: &Identity,
    ) -> Result<Vec<u8>, String> {
        let value = seal::open(sealed, identity)?;
        let new = seal::seal(&value, readers, former).map_err(|e| e.to_string())?;
        let again = seal::open(&new, identity)?;
        match again == value {
            true => Ok(new),
            false => Err("what was encrypted anew reads differently".into()),
        }
    }
}

/// The message alone: the path is said beside it.
fn reason(error: Error) -> String {
    match error {
        Error::File { message, .. } => message,
        other => other.to_string(),
    }
}

/// Names and versions of all kept secrets that these keys open, by app.
///
/// # Errors
/// Folders that cannot be listed.
pub fn readable_by(home: &Home, keys: &[Tag]) -> Result<Vec<Readable>, Error> {
    let opens = |header: &Header| match &header.readers {
        Some(readers) => keys.iter().any(|key| readers.contains(key)),
        // What does not say might be for anybody.
        None => true,
    };
    stems_where(home, opens)
}

/// How many secrets are kept, and how many of them each key opens.
///
/// # Errors
/// As [`readable_by`].
pub fn counts(home: &Home) -> Result<(usize, BTreeMap<Tag, usize>), Error> {
    let (mut total, mut opened) = (0, BTreeMap::new());
    for kept in all(home)?.iter().filter(|kept| kept.file.unfinished.is_none()) {
        total += 1;
        let readers = kept.header().ok().and_then(|(_, header)| header.readers);
        for tag in readers.into_iter().flatten() {
            *opened.entry(tag).or_default() += 1;
        }
    }
    Ok((total, opened))
}

fn stems_where(home: &Home, is_meant: impl Fn(&Header) -> bool) -> Result<Vec<Readable>, Error> {
    let mut found: Vec<Readable> = Vec::new();
    for kept in all(home)?.into_iter().filter(|kept| kept.file.unfinished.is_none()) {
        if kept.header().is_ok_and(|(_, header)| is_meant(&header)) {
            let stem = kept.file.stem.to_string();
            match found.last_mut() {
                Some(last) if last.app == kept.app => last.stems.push(stem),
                _ => found.push(Readable { app: kept.app, stems: vec![stem] }),
            }
        }
    }
    Ok(found)
}

/// Adds a recipient, and encrypts for all recipients what the identity opens. False when
/// it is one already.
///
/// # Errors
/// Files that cannot be written; what cannot be read is in [`Resealed::failed`].
pub fn add(
    home: &Home,
    new: Recipient,
    identity: Option<&Identity>,
) -> Result<(bool, Resealed), Error> {
    let _alone = alone(home)?;
    let mut recipients = Recipients::read(&home.recipients_path())?;
    let is_new = recipients.add(new);
    if is_new {
        write(home, &recipients)?;
    }
    Ok((is_new, reseal(home, &recipients, identity)?))
}

/// Encrypts for all recipients what is not yet, as far as the identity opens it.
///
/// # Errors
/// As [`add`].
pub fn reseal(
    home: &Home,
    recipients: &Recipients,
    identity: Option<&Identity>,
) -> Result<Resealed, Error> {
    let wanted: BTreeSet<Tag> = recipients.all().iter().map(Recipient::tag).collect();
    let mut done = Resealed::default();
    for kept in all(home)? {
        let new = kept.header().and_then(|(sealed, header)| {
            if header.readers.as_ref() == Some(&wanted) {
                return Ok(None);
            }
            let identity = identity.ok_or_else(|| "there is no key to open it with".to_owned())?;
            let former = formers(&header, &wanted, recipients);
            kept.for_others(&sealed, recipients.all(), &former, identity).map(Some)
        });
        match new {
            Ok(None) => done.right += 1,
            Ok(Some(new)) => {
                kept.folder.write(&kept.file, &new)?;
                done.resealed += 1;
            }
            Err(why) => done.failed.push(NotResealed { path: kept.path(), why }),
        }
    }
    Ok(done)
}

/// Takes keys away: encrypts everything for those that remain, after it was proved that
/// the identity, which is one of theirs, reads all of it.
///
/// # Errors
/// [`Error::LastReader`], [`Error::NotARemainingReader`], [`Error::CannotReseal`]; then
/// nothing was changed.
pub fn remove(home: &Home, gone: &[Recipient], identity: &Identity) -> Result<Resealed, Error> {
    let _alone = alone(home)?;
    let mut recipients = Recipients::read(&home.recipients_path())?;
    let name = || gone.first().map(|one| one.name.clone()).unwrap_or_default();
    recipients.remove(gone);
    if recipients.is_empty() {
        return Err(Error::LastReader { name: name() });
    }
    if !recipients.all().iter().any(|one| identity.is_of(one)) {
        return Err(Error::NotARemainingReader { path: identity.path().into() });
    }
    let wanted: BTreeSet<Tag> = recipients.all().iter().map(Recipient::tag).collect();
    let anew = |kept: &Kept| -> Result<Option<Vec<u8>>, String> {
        let (sealed, header) = kept.header()?;
        if header.readers.as_ref() == Some(&wanted) {
            // Also what is right already has to be readable.
            seal::open(&sealed, identity)?;
            return Ok(None);
        }
        let mut former = formers(&header, &wanted, &recipients);
        if header.readers.is_none() {
            former.extend(gone.iter().map(|one| Former { tag: one.tag(), name: one.name.clone() }));
        }
        kept.for_others(&sealed, recipients.all(), &former, identity).map(Some)
    };
    // Twice, so that it is known of all before the first is replaced, and no more than one
    // is in memory.
    let failed = all(home)?;
    let failed = failed.iter().filter_map(|kept| Some((kept.path(), anew(kept).err()?)));
    let failed: Vec<_> = failed.collect();
    if !failed.is_empty() {
        return Err(Error::CannotReseal(failed));
    }
    let mut done = Resealed::default();
    let mut pass = || -> Result<(), Error> {
        for kept in all(home)? {
            match anew(&kept) {
                Ok(None) => done.right += 1,
                Ok(Some(new)) => {
                    kept.folder.write(&kept.file, &new)?;
                    done.resealed += 1;
                }
                Err(why) => done.failed.push(NotResealed { path: kept.path(), why }),
            }
        }
        Ok(())
    };
    // The list goes last: a second try after a crash still knows whom it is about. What a
    // command beside this one made for the old list is found after it.
    pass()?;
    write(home, &recipients)?;
    pass()?;
    Ok(done)
}

/// Keeps two commands of this folder from changing the list at once: the second would write
/// what it read before the first. Waits, since that is short.
fn alone(home: &Home) -> Result<fs::File, Error> {
    let folder = home.state().join("locks");
    let path = folder.join("recipients");
    let failed = |source| home::Error::Io { action: "locking", path: path.clone(), source };
    fs::create_dir_all(&folder).map_err(failed)?;
    let file = fs::OpenOptions::new().write(true).create(true).truncate(false).open(&path);
    let file = file.map_err(failed)?;
    file.lock().map_err(failed)?;
    Ok(file)
}

/// Those who once could read a file and no longer may.
fn formers(header: &Header, wanted: &BTreeSet<Tag>, recipients: &Recipients) -> BTreeSet<Former> {
    let readers = header.readers.iter().flatten().map(|tag| Former {
        tag: tag.clone(),
        name: recipients.name_of(tag).unwrap_or("a removed key").to_owned(),
    });
    let mut former: BTreeSet<Former> = header.former.iter().cloned().chain(readers).collect();
    former.retain(|one| !wanted.contains(&one.tag));
    former
}

/// Writes the list, and what git needs to merge it: see [`super::recipients`].
fn write(home: &Home, recipients: &Recipients) -> Result<(), Error> {
    /// Text that git merged or gave other line ends is no file of age any more.
    const RULES: [&str; 3] = ["/recipients merge=union", "*.age binary", "*.unfinished binary"];
    const LONGEST: u64 = 1 << 20;
    let attributes = home.root().join(".gitattributes");
    let text = read_plain(&attributes, LONGEST)?.unwrap_or_default();
    let mut text = String::from_utf8_lossy(&text).into_owned();
    let has = |text: &str, rule: &str| text.lines().any(|line| line.trim() == rule);
    let missing: Vec<&str> = RULES.into_iter().filter(|rule| !has(&text, rule)).collect();
    if !missing.is_empty() {
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        missing.iter().for_each(|rule| text.push_str(&format!("{rule}\n")));
        write_whole(&attributes, text.as_bytes(), Existing::ReplaceLink, Readers::Shared)?;
    }
    let list = recipients.to_text();
    let path = home.recipients_path();
    Ok(write_whole(&path, list.as_bytes(), Existing::ReplaceLink, Readers::Shared)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secrets::escrow::{folder::Stem, seal::tests::person};

    struct Team {
        folder: tempfile::TempDir,
        home: Home,
        app: AppEntry,
    }

    impl Team {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let home = Home::new(folder.path().join("home"));
            let app = AppEntry {
                name: "a.example".parse().unwrap(),
                server: "simulated".parse().unwrap(),
            };
            Team { folder, home, app }
        }

        fn person(&self, name: &str) -> (Identity, Recipient) {
            person(self.folder.path(), name)
        }

        fn keep(&self, stem: &str, value: &[u8]) {
            let all = Recipients::read(&self.home.recipients_path()).unwrap();
            let sealed = seal::seal(value, all.all(), &BTreeSet::new()).unwrap();
            self.folder().write(&self.file(stem), &sealed).unwrap();
        }

        fn folder(&self) -> Folder {
            Folder::of(&self.home, &self.app)
        }

        fn file(&self, stem: &str) -> File {
            File::finished(Stem::new(stem).unwrap())
        }

        fn read(&self, stem: &str, identity: &Identity) -> Result<Vec<u8>, String> {
            let sealed = self.folder().read(&self.file(stem)).unwrap();
            seal::open(&sealed, identity).map(|value| value.to_vec())
        }

        fn bytes(&self) -> Vec<(File, Vec<u8>)> {
            let files = self.folder().files().unwrap();
            files.into_iter().map(|f| (f.clone(), self.folder().read(&f).unwrap())).collect()
        }
    }

    #[test]
    fn a_new_person_reads_what_exists_and_a_removed_one_does_not() {
        let team = Team::new();
        let [(anna, a), (ben, b)] = ["anna", "ben"].map(|name| team.person(name));
        assert!(add(&team.home, a.clone(), Some(&anna)).unwrap().0);
        team.keep("db_v1", b"one");
        team.keep("key_v1", b"two");
        let (is_new, done) = add(&team.home, b.clone(), None).unwrap();
        assert!(is_new);
        assert_eq!((done.resealed, done.failed.len()), (0, 2));
        let (is_new, done) = add(&team.home, b.clone(), Some(&anna)).unwrap();
        assert_eq!((is_new, done.resealed, done.failed), (false, 2, vec![]));
        assert_eq!(team.read("db_v1", &ben).unwrap(), b"one");
        // What is right already is not written again, for git's sake.
        let before = team.bytes();
        assert_eq!(add(&team.home, b.clone(), Some(&anna)).unwrap().1.right, 2);
        assert_eq!(team.bytes(), before);
        assert_eq!(readable_by(&team.home, &[b.tag()]).unwrap()[0].stems, ["db_v1", "key_v1"]);

        let done = remove(&team.home, std::slice::from_ref(&b), &anna).unwrap();
        assert_eq!((done.resealed, done.failed), (2, vec![]));
        for (stem, value) in [("db_v1", b"one"), ("key_v1", b"two")] {
            assert_eq!(team.read(stem, &anna).unwrap(), value);
            assert_eq!(team.read(stem, &ben).unwrap_err(), "it is not encrypted for your key");
            let header = seal::header(&team.folder().read(&team.file(stem)).unwrap()).unwrap();
            assert_eq!(header.readers, Some(BTreeSet::from([a.tag()])));
            let former: Vec<_> = header.former.iter().map(|f| f.name.as_str()).collect();
            assert_eq!(former, ["ben"]);
        }
        assert_eq!(counts(&team.home).unwrap(), (2, BTreeMap::from([(a.tag(), 2)])));
    }

    #[test]
    fn a_removal_that_was_killed_before_its_end_is_repeated() {
        let team = Team::new();
        let [(anna, a), (ben, b)] = ["anna", "ben"].map(|name| team.person(name));
        add(&team.home, a, Some(&anna)).unwrap();
        add(&team.home, b.clone(), Some(&anna)).unwrap();
        team.keep("db_v1", b"one");
        team.keep("key_v1", b"two");
        let before = (team.bytes(), std::fs::read(team.home.recipients_path()).unwrap());
        remove(&team.home, std::slice::from_ref(&b), &anna).unwrap();
        // One of two files was replaced, and the list was not.
        let (file, sealed) = &before.0[1];
        team.folder().write(file, sealed).unwrap();
        std::fs::write(team.home.recipients_path(), &before.1).unwrap();
        let done = remove(&team.home, std::slice::from_ref(&b), &anna).unwrap();
        assert_eq!((done.resealed, done.failed), (1, vec![]));
        for stem in ["db_v1", "key_v1"] {
            assert!(team.read(stem, &ben).is_err() && team.read(stem, &anna).is_ok());
            let header = seal::header(&team.folder().read(&team.file(stem)).unwrap()).unwrap();
            assert_eq!(header.former.len(), 1, "what he could read stays known");
        }
    }

    #[test]
    fn nothing_changes_where_something_cannot_be_proved() {
        let team = Team::new();
        let [(anna, a), (ben, b), (carl, _)] =
            ["anna", "ben", "carl"].map(|name| team.person(name));
        add(&team.home, a.clone(), Some(&anna)).unwrap();
        team.keep("db_v1", b"one");
        let last = remove(&team.home, std::slice::from_ref(&a), &anna).unwrap_err();
        assert!(matches!(last, Error::LastReader { .. }), "{last}");
        add(&team.home, b.clone(), Some(&anna)).unwrap();
        let before = (team.bytes(), std::fs::read(team.home.recipients_path()).unwrap());
        let not_mine = remove(&team.home, std::slice::from_ref(&b), &carl).unwrap_err();
        assert!(matches!(not_mine, Error::NotARemainingReader { .. }), "{not_mine}");
        let own = remove(&team.home, std::slice::from_ref(&b), &ben).unwrap_err();
        assert!(matches!(own, Error::NotARemainingReader { .. }), "{own}");
        // One file is for ben alone, and one is no file of age.
        let only_ben = seal::seal(b"x", std::slice::from_ref(&b), &BTreeSet::new()).unwrap();
        team.folder().write(&team.file("ben_v1"), &only_ben).unwrap();
        team.folder().write(&team.file("bad_v1"), b"garbage").unwrap();
        let said = remove(&team.home, std::slice::from_ref(&b), &anna).unwrap_err().to_string();
        assert!(said.starts_with("2 secrets cannot be encrypted anew"), "{said}");
        assert!(said.contains("ben_v1.age (it is not encrypted for your key)"), "{said}");
        team.folder().remove(&team.file("ben_v1")).unwrap();
        team.folder().remove(&team.file("bad_v1")).unwrap();
        let after = (team.bytes(), std::fs::read(team.home.recipients_path()).unwrap());
        assert_eq!(before, after);
    }

    #[test]
    fn of_two_who_add_at_once_none_is_lost() {
        let team = Team::new();
        let people: Vec<_> = (0..8).map(|n| team.person(&format!("p{n}")).1).collect();
        std::thread::scope(|scope| {
            for one in &people {
                scope.spawn(|| add(&team.home, one.clone(), None).unwrap());
            }
        });
        let list = Recipients::read(&team.home.recipients_path()).unwrap();
        assert_eq!(list.all().len(), people.len());
    }

    #[test]
    fn git_is_told_how_to_merge_the_list_and_keeps_its_other_rules() {
        let team = Team::new();
        let (anna, a) = team.person("anna");
        std::fs::create_dir_all(team.home.root()).unwrap();
        let attributes = team.home.root().join(".gitattributes");
        std::fs::write(&attributes, "*.bin binary").unwrap();
        for _ in 0..2 {
            add(&team.home, a.clone(), Some(&anna)).unwrap();
            let text = std::fs::read_to_string(&attributes).unwrap();
            assert_eq!(
                text,
                "*.bin binary\n/recipients merge=union\n*.age binary\n*.unfinished binary\n"
            );
        }
    }
}
