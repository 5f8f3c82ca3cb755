//! Checks whether a dump is complete, as far as its own bytes show.
//!
//! An exit code proves little: the exit code of a pipe is that of its last program, and a
//! shell inside another one hides a failure. But the dumps of databases have a defined end,
//! and so has the output of `gzip`, with a checksum. A dump that begins like one of these
//! forms must end like it (`form.rs`), no matter what its plugin says; beyond that, the
//! plugin can say how it ends. Where neither knows anything, nobody does: a dump of an
//! unknown form is accepted if it is not empty, with the reason why it is not known to be
//! complete.
//!
//! All of it happens while the bytes pass by, in constant memory.

mod form;
mod gather;
mod names;
mod pgdump;
mod zstd;

use std::{collections::BTreeSet, io::Write, mem};

use flate2::write::MultiGzDecoder;

use crate::plugin::{Belief, Ending};
use form::{FORMS, Form, Walk};
use names::NamesIn;

/// Begins a gzip stream (RFC 1952), with the one method there is.
const GZIP: &[u8] = &[0x1f, 0x8b, 8];
/// How much of the beginning tells the form.
const HEAD: usize = 1024;
/// How far from its end the mark of an end may be: recipes add lines of their own.
const TAIL: usize = 64 * 1024;

/// How a file with such a name begins.
const NAMES: &[(&str, &[u8])] = &[
    ("gz", GZIP),
    ("tgz", GZIP),
    ("bz2", b"BZh"),
    ("xz", b"\xfd7zXZ\0"),
    ("zst", &[0x28, 0xb5, 0x2f, 0xfd]),
    ("zip", b"PK"),
];

/// Other endings of names that dumps have.
const DUMPS: &[&str] = &["archive", "bak", "dmp", "dump", "pgdump", "rdb", "sql"];

/// What has been seen of a dump so far.
#[derive(Debug)]
pub struct Proof {
    state: State,
    ending: Ending,
}

/// What is known at the end of a dump that is not refused.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Seen {
    /// Why it is not known to be complete, as a sentence about "it"; none where it is known.
    pub unknown: Option<String>,
    /// The names of what it holds, such as databases; none where it does not say so, or where
    /// they were not looked for.
    pub names: Option<BTreeSet<String>>,
}

#[derive(Debug)]
enum State {
    /// Too few bytes to tell a compressed one.
    Few(Vec<u8>, Content),
    Plain(Content),
    Gzip(Box<MultiGzDecoder<Content>>),
    Broken(String),
}

impl Default for Proof {
    fn default() -> Self {
        Proof::of(&Belief::default())
    }
}

impl Proof {
    /// For a dump that can be believed in this way.
    pub fn of(belief: &Belief) -> Self {
        let names = belief.names.as_ref().map(|names| NamesIn::new(names.between.as_ref()));
        let content = Content { names, ..Content::default() };
        Proof { state: State::Few(Vec::new(), content), ending: belief.ending.clone() }
    }

    /// Looks at the next bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        match &mut self.state {
            State::Few(few, content) => {
                few.extend_from_slice(bytes);
                if few.len() < GZIP.len() {
                    return;
                }
                let (few, content) = (mem::take(few), mem::take(content));
                self.state = if few.starts_with(GZIP) {
                    State::Gzip(Box::new(MultiGzDecoder::new(content)))
                } else {
                    State::Plain(content)
                };
                self.push(&few);
            }
            State::Plain(content) => content.push(bytes),
            State::Gzip(decoder) => {
                if let Err(error) = decoder.write_all(bytes) {
                    self.state = State::Broken(format!("its gzip stream is broken: {error}"));
                }
            }
            State::Broken(_) => {}
        }
    }

    /// Why its first bytes do not match its name, as a sentence about "it". This is not a
    /// failure: the name may be wrong and the dump complete.
    pub fn doubt(&self, name: &str) -> Option<String> {
        let (_, ending) = name.rsplit_once('.')?;
        let ending = ending.to_ascii_lowercase();
        let (_, begins) = NAMES.iter().find(|(known, _)| *known == ending)?;
        let is_so = match &self.state {
            State::Gzip(_) => *begins == GZIP,
            State::Plain(content) => content.head.starts_with(begins),
            State::Few(few, _) => few.is_empty(),
            // What is broken is told as such.
            State::Broken(_) => true,
        };
        (!is_so).then(|| format!("it does not begin like a `.{ending}` file"))
    }

    /// At the end of a file that may be a dump, by its name: what is not called one may be
    /// of any form.
    ///
    /// # Errors
    /// Why it is not complete, or why nobody can tell, as a sentence about "it".
    pub fn end_of_file(self, name: &str) -> Result<(), String> {
        match self.end()?.unknown {
            Some(reason) => unless_called_dump(name, &reason),
            None => Ok(()),
        }
    }

    /// The same of a file of which only the beginning was read.
    ///
    /// # Errors
    /// Why nobody can tell whether it is complete.
    pub fn end_of_beginning(self, name: &str) -> Result<(), String> {
        match self.doubt(name) {
            Some(doubt) => Err(doubt),
            None => unless_called_dump(name, "it is too large to be read twice"),
        }
    }

    /// At the end of the dump.
    ///
    /// # Errors
    /// Why it is not complete, as a sentence about "it".
    pub fn end(self) -> Result<Seen, String> {
        let Proof { state, ending } = self;
        match state {
            State::Few(few, _) if few.is_empty() => Err("it is empty".into()),
            State::Few(few, mut content) => {
                content.push(&few);
                content.end(&ending)
            }
            State::Plain(content) => content.end(&ending),
            State::Gzip(decoder) => match decoder.finish() {
                Ok(content) if content.bytes == 0 => Err("its gzip stream is empty".into()),
                Ok(content) => content.end(&ending),
                Err(_) => Err("its gzip stream is cut off".into()),
            },
            State::Broken(reason) => Err(reason),
        }
    }
}

/// What nobody can tell of a file matters if its name says that it is a dump.
fn unless_called_dump(name: &str, reason: &str) -> Result<(), String> {
    let ending = name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase());
    let is_called_dump = ending.is_some_and(|ending| {
        DUMPS.contains(&&*ending) || NAMES.iter().any(|(known, _)| *known == ending)
    });
    match is_called_dump {
        true => Err(format!("nobody can tell whether it is complete, because {reason}")),
        false => Ok(()),
    }
}

/// What is not compressed by gzip.
#[derive(Debug, Default)]
struct Content {
    head: Vec<u8>,
    /// At least the last [`TAIL`] bytes.
    tail: Vec<u8>,
    bytes: u64,
    /// Whether there was enough of it to tell its form.
    has_form: bool,
    form: Option<&'static Form>,
    /// Follows a form whose parts say where the next one is.
    walk: Option<Walk>,
    names: Option<NamesIn>,
}

impl Write for Content {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.push(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Content {
    fn push(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        if let Some(names) = &mut self.names {
            names.push(bytes);
        }
        if bytes.len() >= TAIL {
            self.tail.clear();
        } else if self.tail.len() > 2 * TAIL {
            self.tail.drain(..self.tail.len() - TAIL);
        }
        self.tail.extend_from_slice(&bytes[bytes.len().saturating_sub(TAIL)..]);
        let room = HEAD - self.head.len();
        if room > 0 {
            let (first, rest) = bytes.split_at(bytes.len().min(room));
            self.head.extend_from_slice(first);
            if self.head.len() == HEAD {
                self.begin();
                self.walk(rest);
            }
        } else {
            self.walk(bytes);
        }
    }

    /// Tells the form by the head.
    fn begin(&mut self) {
        let form = FORMS.iter().find(|form| (form.begins)(&self.head));
        (self.has_form, self.form) = (true, form);
        self.walk = form.and_then(|form| form.walk).map(|walk| walk());
        let head = mem::take(&mut self.head);
        self.walk(&head);
        self.head = head;
    }

    fn walk(&mut self, bytes: &[u8]) {
        if let Some(walk) = &mut self.walk {
            walk.push(bytes);
        }
    }

    fn end(mut self, ending: &Ending) -> Result<Seen, String> {
        if !self.has_form {
            self.begin();
        }
        let form = self.form;
        let mut unknown = None;
        if let Some(form) = form {
            let incomplete = |reason: &str| format!("it is not a complete {}: {reason}", form.name);
            unknown = (form.whole)(&self).map_err(incomplete)?.map(str::to_owned);
        }
        let mut names = self.names.as_mut().map(|names| mem::take(&mut names.found));
        if let Some(walk) = self.walk.take() {
            match walk.end() {
                Ok(named) => {
                    if let Some(names) = &mut names {
                        names.extend(named);
                    }
                }
                Err(pgdump::Stopped::Incomplete(reason)) => {
                    let name = form.map_or("dump", |form| form.name);
                    return Err(format!("it is not a complete {name}: {reason}"));
                }
                Err(pgdump::Stopped::Unknown(reason)) => unknown = Some(reason),
            }
        }
        let tail = &self.tail[self.tail.len().saturating_sub(TAIL)..];
        match ending {
            Ending::Any if form.is_none() => {
                unknown = Some("its form is unknown, and nothing says how it ends".to_owned());
            }
            Ending::Known if form.is_none() => {
                return Err("it does not begin like a dump of a kind that potluck knows".into());
            }
            Ending::Any | Ending::Known => {}
            Ending::Unmarked => unknown = None,
            Ending::Line(line) => {
                self.ends_with_line(line)
                    .map_err(|_| format!("no line near its end begins with `{line}`"))?;
                unknown = None;
            }
            Ending::Bytes(bytes) => {
                if !tail.ends_with(bytes) {
                    return Err("its last bytes are not those that end such a dump".into());
                }
                unknown = None;
            }
        }
        let names = names.filter(|names| !names.is_empty());
        Ok(Seen { unknown, names })
    }

    fn ends_with_line(&self, line: &str) -> Result<(), &'static str> {
        let marked = format!("\n{line}");
        let tail = &self.tail[self.tail.len().saturating_sub(TAIL)..];
        // The first line has nothing before it.
        let alone = self.bytes == tail.len() as u64 && tail.starts_with(line.as_bytes());
        match alone || contains(tail, marked.as_bytes()) {
            true => Ok(()),
            false => Err("the lines that end one are missing"),
        }
    }
}

fn first(bytes: &[u8], count: usize) -> &[u8] {
    &bytes[..bytes.len().min(count)]
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

#[cfg(test)]
mod tests {
    use flate2::{Compression, write::GzEncoder};

    use super::*;

    fn judged(bytes: &[u8], piece: usize) -> String {
        judged_as(&Belief::default(), bytes, piece)
    }

    fn judged_as(belief: &Belief, bytes: &[u8], piece: usize) -> String {
        let mut proof = Proof::of(belief);
        bytes.chunks(piece).for_each(|piece| proof.push(piece));
        match proof.end() {
            Ok(Seen { unknown: None, .. }) => "whole".into(),
            Ok(Seen { unknown: Some(reason), .. }) => format!("unknown: {reason}"),
            Err(reason) => reason,
        }
    }

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    const POSTGRES: &str = "--\n-- PostgreSQL database dump\n--\n\\restrict x\nCREATE TABLE t ();\n\
                            --\n-- PostgreSQL database dump complete\n--\n\n\\unrestrict x\n";
    const MARIADB: &str = "/*M!999999\\- enable the sandbox mode */ \n\
                           -- MariaDB dump 10.19  Distrib 10.11.6-MariaDB\nCREATE TABLE t ();\n\
                           -- Dump completed\nCREATE TABLE `potluck_complete` (`at` INT);\n";
    const XZ: &str = "fd377a585a000004e6d6b4460200210116000000742fe5a3010003726f77730090614b838657e55f00011c046f2c9cc11fb6f37d010000000004595a";
    const BZIP2: &str =
        "425a6839314159265359a573e7ea0000008180000098802000219a68334d0cbc5dc914e1424295cf9fa8";
    const ZSTD: &str = "28b52ffd0458210000726f777356d13def";

    fn tar() -> Vec<u8> {
        let mut tar = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_ustar();
        header.set_size(4);
        tar.append_data(&mut header, "rows", &b"rows"[..]).unwrap();
        tar.into_inner().unwrap()
    }

    const SQLITE: &str = "PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\nCREATE TABLE t (a);\n";

    #[test]
    fn a_dump_that_begins_like_a_known_one_has_to_end_like_it() {
        let cut = |text: &str| text.as_bytes()[..text.len() / 2].to_vec();
        let rdb = |end: &[u8]| [b"REDIS0011\xfe\0", end, &[7; 8]].concat();
        for (dump, expected) in [
            (b"".to_vec(), "it is empty"),
            (b"x".to_vec(), "unknown: its form is unknown"),
            (b"rows of a form that nobody knows".to_vec(), "unknown: its form is unknown"),
            (POSTGRES.into(), "whole"),
            (cut(POSTGRES), "not a complete dump of pg_dump"),
            (MARIADB.into(), "whole"),
            (cut(MARIADB), "not a complete dump of mysqldump"),
            (format!("{SQLITE}COMMIT;\n").into(), "whole"),
            (format!("{SQLITE}ROLLBACK; -- due to errors\n").into(), "because of errors"),
            (SQLITE.into(), "not a complete dump of sqlite3"),
            (rdb(b"\xff"), "whole"),
            (rdb(b""), "not a complete snapshot of Redis"),
            ([rdb(b"\xff"), vec![b'0'; 40]].concat(), "whole"),
            ([rdb(b""), vec![b'0'; 40]].concat(), "not a complete snapshot of Redis"),
            (b"SQLite format 3\0".to_vec(), "shorter than its header"),
            (tar(), "whole"),
            (tar()[..1024].to_vec(), "not a complete tar archive"),
            (b"PK\x03\x04rowsPK\x05\x06end".to_vec(), "whole"),
            (b"PK\x03\x04rows".to_vec(), "not a complete zip archive"),
            (b"\x6d\xe2\x99\x81rows\xff\xff\xff\xff".to_vec(), "whole"),
            (b"\x6d\xe2\x99\x81rows\xff".to_vec(), "not a complete archive of mongodump"),
        ] {
            for piece in [1, 7, 4096] {
                let said = judged(&dump, piece);
                assert!(said.contains(expected), "{:?}: {said}", String::from_utf8_lossy(&dump));
            }
        }
    }

    #[test]
    fn a_plugin_says_how_its_dumps_end() {
        use Ending::{Any, Bytes, Known, Line, Unmarked};
        let line = |text: &str| Line(text.into());
        let rows = b"rows\n-- the end of all\n".to_vec();
        for (ending, dump, expected) in [
            (Any, rows.clone(), "unknown: its form is unknown"),
            (Known, rows.clone(), "it does not begin like a dump"),
            (Known, b"P".to_vec(), "it does not begin like a dump"),
            (Known, POSTGRES.into(), "whole"),
            (Unmarked, rows.clone(), "whole"),
            (line("-- the end"), rows.clone(), "whole"),
            (line("-- the end"), gzip(&rows), "whole"),
            (line("rows"), rows.clone(), "whole"),
            (line("the end"), rows.clone(), "no line near its end begins with `the end`"),
            (line("-- the end"), b"rows\n".to_vec(), "no line near its end"),
            (line("-- the end"), b"".to_vec(), "it is empty"),
            (Bytes(b"all\n".to_vec()), rows.clone(), "whole"),
            (Bytes(b"all".to_vec()), rows.clone(), "its last bytes are not those"),
            (Bytes(b"x".to_vec()), b"x".to_vec(), "whole"),
            // What potluck knows is asked anyway.
            (Unmarked, POSTGRES[..60].into(), "not a complete dump of pg_dump"),
            (line("CREATE TABLE"), POSTGRES[..60].into(), "not a complete dump of pg_dump"),
            (line("CREATE TABLE `potluck_complete`"), MARIADB.into(), "whole"),
            (line("CREATE TABLE `potluck_complete`"), POSTGRES.into(), "no line near its end"),
        ] {
            for piece in [1, 7, 4096] {
                let belief = Belief { ending: ending.clone(), ..Belief::default() };
                let said = judged_as(&belief, &dump, piece);
                assert!(said.contains(expected), "{ending:?}: {said}");
            }
        }
    }

    #[test]
    fn a_file_that_is_called_a_dump_ought_to_be_known() {
        for (name, bytes, doubted) in [
            ("backup.sql", b"rows".to_vec(), true),
            ("a/backup.SQL", b"rows".to_vec(), true),
            ("backup.sql", POSTGRES.into(), false),
            ("backup.sql.gz", gzip(POSTGRES.as_bytes()), false),
            ("backup.sql.gz", gzip(b"rows"), true),
            ("config.php", b"rows".to_vec(), false),
            ("sql", b"rows".to_vec(), false),
            ("config.php", Vec::new(), true),
        ] {
            let mut proof = Proof::default();
            proof.push(&bytes);
            assert_eq!(proof.end_of_file(name).is_err(), doubted, "{name}: {bytes:?}");
        }
    }

    #[test]
    fn names_are_looked_for_where_they_are_wanted() {
        let listing = crate::plugin::Command {
            argv: vec!["list".into()],
            env: Vec::new(),
            user: None,
            workdir: None,
            timeout: None,
        };
        let names = crate::plugin::Names { listing, between: None, all: true };
        let wanting = Belief { names: Some(names), ..Belief::default() };
        let dump = MARIADB.replace("CREATE", "-- Host: db    Database: wiki\nCREATE");
        for (belief, dump, expected) in [
            (&wanting, dump.clone().into_bytes(), Some("wiki")),
            (&wanting, gzip(dump.as_bytes()), Some("wiki")),
            (&wanting, MARIADB.into(), None),
            (&Belief::default(), dump.into(), None),
        ] {
            let mut proof = Proof::of(belief);
            dump.chunks(7).for_each(|piece| proof.push(piece));
            let names = proof.end().unwrap().names;
            assert_eq!(names, expected.map(|name| [name.to_owned()].into()));
        }
    }

    #[test]
    fn a_name_that_the_bytes_belie_is_a_doubt() {
        for (name, bytes, doubted) in [
            ("dump.gz", b"random".to_vec(), true),
            ("dump.GZ", b"x".to_vec(), true),
            ("a/dump.sql.gz", gzip(b"rows"), false),
            ("dump.xz", gzip(b"rows"), true),
            ("dump.xz", b"\xfd7zXZ\0...".to_vec(), false),
            ("dump.zst", b"random".to_vec(), true),
            ("dump.sql", b"random".to_vec(), false),
            ("gz", b"random".to_vec(), false),
            // That it is empty is said elsewhere.
            ("dump.gz", Vec::new(), false),
        ] {
            let mut proof = Proof::default();
            proof.push(&bytes);
            assert_eq!(proof.doubt(name).is_some(), doubted, "{name}: {bytes:?}");
        }
    }

    #[test]
    fn what_gzip_made_is_looked_into() {
        let long: String = (0..20_000).map(|n| format!("INSERT {n};\n")).collect();
        let long = POSTGRES.replace("CREATE", &format!("{long}CREATE"));
        let whole = gzip(long.as_bytes());
        let half = &long.as_bytes()[..long.len() / 2];
        let mut flipped = whole.clone();
        let at = whole.len() - 6;
        flipped[at] ^= 1;
        for (dump, expected) in [
            (whole.clone(), "whole"),
            ([gzip(b"a"), gzip(b"b")].concat(), "unknown: its form is unknown"),
            (gzip(b""), "its gzip stream is empty"),
            (whole[..whole.len() - 9].to_vec(), "gzip stream is cut off"),
            (whole[..whole.len() - 3].to_vec(), "gzip stream is cut off"),
            (whole[..whole.len() / 2].to_vec(), "gzip stream is cut off"),
            (whole[..10].to_vec(), "gzip stream is cut off"),
            (flipped, "gzip stream"),
            (gzip(half), "not a complete dump of pg_dump"),
        ] {
            for piece in [1, 32 * 1024] {
                let said = judged(&dump, piece);
                assert!(said.contains(expected), "{} bytes: {said}", dump.len());
            }
        }
    }

    /// `printf rows | xz`, `bzip2` and `zstd`, recorded; bzip2's ends at any bit.
    #[test]
    fn other_compressed_streams_end_as_they_do_and_hide_what_they_hold() {
        for (whole, name) in [(XZ, "xz"), (BZIP2, "bzip2"), (ZSTD, "zstd")] {
            let whole = hex::decode(whole).unwrap();
            for piece in [1, 4096] {
                let said = judged(&whole, piece);
                assert!(said.starts_with("unknown: it is compressed"), "{name}: {said}");
                let said = judged(&[&whole[..], &whole].concat(), piece);
                assert!(said.starts_with("unknown: it is compressed"), "{name} twice: {said}");
                for cut in [whole.len() - 1, whole.len() - 5] {
                    let said = judged(&whole[..cut], piece);
                    let expected = format!("not a complete {name} stream");
                    assert!(said.contains(&expected), "{name} to {cut}: {said}");
                }
            }
        }
    }

    /// `: | xz`, `: | bzip2`, `: | zstd`, recorded.
    #[test]
    fn other_compressed_nothing_is_no_dump() {
        for empty in [
            "fd377a585a000004e6d6b446000000001cdf44211fb6f37d010000000004595a",
            "425a683917724538509000000000",
            "28b52ffd240001000099e9d851",
        ] {
            let said = judged(&hex::decode(empty).unwrap(), 4096);
            assert!(said.contains("it holds no data"), "{said}");
        }
    }
}
