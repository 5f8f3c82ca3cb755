//! Checks whether a dump is complete, as far as its own bytes show.
//!
//! An exit code proves little: the exit code of a pipe is that of its last program, and a
//! shell inside another one hides a failure. But the dumps of databases have a defined end,
//! and so has the output of `gzip`, with a checksum. A dump that begins like one of these
//! forms must end like it; a dump of an unknown form is accepted if it is not empty.

use std::{io::Write, mem};

use flate2::write::MultiGzDecoder;

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

/// What has been seen of a dump so far.
#[derive(Debug)]
pub struct Proof(State);

#[derive(Debug)]
enum State {
    /// Too few bytes to tell a compressed one.
    Few(Vec<u8>),
    Plain(Content),
    Gzip(Box<MultiGzDecoder<Content>>),
    Broken(String),
}

impl Default for Proof {
    fn default() -> Self {
        Proof(State::Few(Vec::new()))
    }
}

impl Proof {
    /// Looks at the next bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        match &mut self.0 {
            State::Few(few) => {
                few.extend_from_slice(bytes);
                if few.len() < GZIP.len() {
                    return;
                }
                let few = mem::take(few);
                self.0 = if few.starts_with(GZIP) {
                    State::Gzip(Box::new(MultiGzDecoder::new(Content::default())))
                } else {
                    State::Plain(Content::default())
                };
                self.push(&few);
            }
            State::Plain(content) => content.push(bytes),
            State::Gzip(decoder) => {
                if let Err(error) = decoder.write_all(bytes) {
                    self.0 = State::Broken(format!("its gzip stream is broken: {error}"));
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
        let is_so = match &self.0 {
            State::Gzip(_) => *begins == GZIP,
            State::Plain(content) => content.head.starts_with(begins),
            State::Few(few) => few.is_empty(),
            // What is broken is told as such.
            State::Broken(_) => true,
        };
        (!is_so).then(|| format!("it does not begin like a `.{ending}` file"))
    }

    /// At the end of the dump.
    ///
    /// # Errors
    /// Why it is not complete, as a sentence about "it".
    pub fn end(self) -> Result<(), String> {
        match self.0 {
            State::Few(few) if few.is_empty() => Err("it is empty".into()),
            State::Few(_) => Ok(()),
            State::Plain(content) => content.end(),
            State::Gzip(decoder) => match decoder.finish() {
                Ok(content) if content.bytes == 0 => Err("its gzip stream is empty".into()),
                Ok(content) => content.end(),
                Err(_) => Err("its gzip stream is cut off".into()),
            },
            State::Broken(reason) => Err(reason),
        }
    }
}

/// What is not compressed by gzip.
#[derive(Debug, Default)]
struct Content {
    head: Vec<u8>,
    /// At least the last [`TAIL`] bytes.
    tail: Vec<u8>,
    bytes: u64,
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
        let room = HEAD - self.head.len();
        self.head.extend_from_slice(&bytes[..bytes.len().min(room)]);
        if bytes.len() >= TAIL {
            self.tail.clear();
        } else if self.tail.len() > 2 * TAIL {
            self.tail.drain(..self.tail.len() - TAIL);
        }
        self.tail.extend_from_slice(&bytes[bytes.len().saturating_sub(TAIL)..]);
    }

    fn end(&self) -> Result<(), String> {
        let Some(form) = FORMS.iter().find(|form| (form.begins)(&self.head)) else {
            return Ok(());
        };
        (form.whole)(self).map_err(|reason| format!("it is not a complete {}: {reason}", form.name))
    }

    fn ends_with_line(&self, line: &str) -> Result<(), &'static str> {
        let marked = format!("\n{line}");
        let tail = &self.tail[self.tail.len().saturating_sub(TAIL)..];
        match contains(tail, marked.as_bytes()) {
            true => Ok(()),
            false => Err("the lines that end one are missing"),
        }
    }
}

/// A form of dumps that has an end of its own.
struct Form {
    name: &'static str,
    begins: fn(&[u8]) -> bool,
    whole: fn(&Content) -> Result<(), &'static str>,
}

const FORMS: &[Form] = &[
    Form {
        name: "dump of pg_dump",
        begins: |head| contains(first(head, 128), b"-- PostgreSQL database dump\n"),
        whole: |content| content.ends_with_line("-- PostgreSQL database dump complete"),
    },
    Form {
        name: "dump of pg_dumpall",
        begins: |head| contains(first(head, 128), b"-- PostgreSQL database cluster dump\n"),
        whole: |content| content.ends_with_line("-- PostgreSQL database cluster dump complete"),
    },
    Form {
        name: "dump of mysqldump",
        // MariaDB's has a line about its sandbox mode before it.
        begins: |head| {
            let head = first(head, 256);
            contains(head, b"-- MySQL dump ") || contains(head, b"-- MariaDB dump ")
        },
        whole: |content| content.ends_with_line("-- Dump completed"),
    },
    Form {
        name: "dump of sqlite3",
        begins: |head| head.starts_with(b"PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\n"),
        whole: |content| {
            if content.ends_with_line("ROLLBACK; -- due to errors").is_ok() {
                return Err("it ends in a rollback because of errors");
            }
            content.ends_with_line("COMMIT;")
        },
    },
    Form {
        name: "SQLite database",
        begins: |head| head.starts_with(b"SQLite format 3\0"),
        whole: sqlite_database,
    },
    Form {
        name: "snapshot of Redis",
        begins: |head| head.starts_with(b"REDIS00"),
        whole: redis_snapshot,
    },
    Form {
        name: "xz stream",
        begins: |head| head.starts_with(b"\xfd7zXZ\0"),
        whole: |content| match content.bytes {
            32 => Err("it holds no data"),
            _ if content.tail.ends_with(b"YZ") => Ok(()),
            _ => Err("its end is missing"),
        },
    },
    Form {
        name: "bzip2 stream",
        begins: |head| head.starts_with(b"BZh"),
        whole: |content| match content.bytes {
            14 => Err("it holds no data"),
            _ => Ok(()),
        },
    },
    Form {
        name: "zstd stream",
        begins: |head| head.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]),
        whole: |content| match content.bytes {
            // Header, one empty block, perhaps a checksum.
            ..=13 => Err("it holds no data"),
            _ => Ok(()),
        },
    },
];

/// The end of all databases, and a checksum of 8 bytes. `redis-cli --rdb -` leaves after
/// them the 40 hexadecimal digits that mark the end of a transfer: it removes them from a
/// file, but cannot do so from a pipe (redis, `redis-cli.c`, `getRDB`).
fn redis_snapshot(content: &Content) -> Result<(), &'static str> {
    const MARK: usize = 40;
    let ends = |bytes: &[u8]| bytes.iter().rev().nth(8) == Some(&0xff);
    let marked = content.tail.len().checked_sub(MARK).map(|at| content.tail.split_at(at));
    let ends_marked =
        marked.is_some_and(|(before, mark)| mark.iter().all(u8::is_ascii_hexdigit) && ends(before));
    if ends(&content.tail) || ends_marked { Ok(()) } else { Err("its end is missing") }
}

/// The header of a database says how many pages it has, where its writer kept
/// that up to date (<https://www.sqlite.org/fileformat.html>, 1.3.7).
fn sqlite_database(content: &Content) -> Result<(), &'static str> {
    const CUT_OFF: &str = "it is shorter than its header says";
    let word = |at: usize| -> Option<u64> {
        let bytes = content.head.get(at..at + 4)?;
        Some(u64::from(u32::from_be_bytes(bytes.try_into().ok()?)))
    };
    let (Some(size), Some(changed), Some(pages), Some(valid)) =
        (content.head.get(16..18), word(24), word(28), word(92))
    else {
        return Err(CUT_OFF);
    };
    let size = match u64::from(size[0]) << 8 | u64::from(size[1]) {
        1 => 65536,
        size => size,
    };
    if changed == valid && content.bytes < size * pages { Err(CUT_OFF) } else { Ok(()) }
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
        let mut proof = Proof::default();
        bytes.chunks(piece).for_each(|piece| proof.push(piece));
        proof.end().err().unwrap_or_else(|| "whole".into())
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
    const SQLITE: &str = "PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\nCREATE TABLE t (a);\n";

    #[test]
    fn a_dump_that_begins_like_a_known_one_has_to_end_like_it() {
        let cut = |text: &str| text.as_bytes()[..text.len() / 2].to_vec();
        let rdb = |end: &[u8]| [b"REDIS0011\xfe\0", end, &[7; 8]].concat();
        for (dump, expected) in [
            (b"".to_vec(), "it is empty"),
            (b"x".to_vec(), "whole"),
            (b"rows of a form that nobody knows".to_vec(), "whole"),
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
        ] {
            for piece in [1, 7, 4096] {
                let said = judged(&dump, piece);
                assert!(said.contains(expected), "{:?}: {said}", String::from_utf8_lossy(&dump));
            }
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
            ([gzip(b"a"), gzip(b"b")].concat(), "whole"),
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
