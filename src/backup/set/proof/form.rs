//! The forms of dumps that have an end of their own.

use super::{
    Content, contains, first,
    pgdump::{Custom, Stopped},
    zstd::Frames,
};

/// A form of dumps that has an end of its own.
#[derive(Debug)]
pub(super) struct Form {
    pub name: &'static str,
    pub begins: fn(&[u8]) -> bool,
    /// Whether it is complete; if it is, why that is still not known for sure.
    pub whole: fn(&Content) -> Result<Option<&'static str>, &'static str>,
    /// What follows it from part to part.
    pub walk: Option<fn() -> Walk>,
}

/// Follows a form whose parts say where the next one is.
#[derive(Debug)]
pub(super) enum Walk {
    Custom(Box<Custom>),
    Zstd(Frames),
}

impl Walk {
    pub fn push(&mut self, bytes: &[u8]) {
        match self {
            Walk::Custom(custom) => custom.push(bytes),
            Walk::Zstd(frames) => frames.push(bytes),
        }
    }

    /// The names that it found.
    ///
    /// # Errors
    /// Why it is not complete, or why that is not known.
    pub fn end(self) -> Result<Option<String>, Stopped> {
        match self {
            Walk::Custom(custom) => custom.end(),
            Walk::Zstd(frames) => {
                frames.end().map_err(|reason| Stopped::Incomplete(reason.into())).map(|()| None)
            }
        }
    }
}

/// Only the decompressed dump would show whether it is complete.
const COMPRESSED: &str = "it is compressed, and potluck looks only into what gzip made";

/// The mark before the checksum that ends a bzip2 stream; it begins at any bit.
const BZIP2_END: u128 = 0x1772_4538_5090;

pub(super) const FORMS: &[Form] = &[
    Form {
        name: "dump of pg_dump",
        begins: |head| contains(first(head, 128), b"-- PostgreSQL database dump\n"),
        whole: |content| line(content, "-- PostgreSQL database dump complete"),
        walk: None,
    },
    Form {
        name: "dump of pg_dumpall",
        begins: |head| contains(first(head, 128), b"-- PostgreSQL database cluster dump\n"),
        whole: |content| line(content, "-- PostgreSQL database cluster dump complete"),
        walk: None,
    },
    Form {
        name: "archive of pg_dump",
        begins: |head| head.starts_with(b"PGDMP"),
        whole: |_| Ok(None),
        walk: Some(|| Walk::Custom(Box::default())),
    },
    Form {
        name: "dump of mysqldump",
        // MariaDB's has a line about its sandbox mode before it.
        begins: |head| {
            let head = first(head, 256);
            contains(head, b"-- MySQL dump ") || contains(head, b"-- MariaDB dump ")
        },
        whole: |content| line(content, "-- Dump completed"),
        walk: None,
    },
    Form {
        name: "dump of sqlite3",
        begins: |head| head.starts_with(b"PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\n"),
        whole: |content| {
            if content.ends_with_line("ROLLBACK; -- due to errors").is_ok() {
                return Err("it ends in a rollback because of errors");
            }
            line(content, "COMMIT;")
        },
        walk: None,
    },
    Form {
        name: "SQLite database",
        begins: |head| head.starts_with(b"SQLite format 3\0"),
        whole: sqlite_database,
        walk: None,
    },
    Form {
        name: "snapshot of Redis",
        begins: |head| head.starts_with(b"REDIS00"),
        whole: redis_snapshot,
        walk: None,
    },
    Form {
        name: "archive of mongodump",
        begins: |head| head.starts_with(&[0x6d, 0xe2, 0x99, 0x81]),
        whole: |content| match content.tail.ends_with(&[0xff; 4]) {
            true => Ok(None),
            false => Err("its end is missing"),
        },
        walk: None,
    },
    Form {
        name: "tar archive",
        begins: |head| head.get(257..262) == Some(b"ustar"),
        whole: |content| match content.tail.ends_with(&[0; 1024]) {
            true => Ok(None),
            false => Err("the two empty blocks that end one are missing"),
        },
        walk: None,
    },
    Form {
        name: "zip archive",
        begins: |head| head.starts_with(b"PK\x03\x04"),
        whole: |content| match contains(&content.tail, b"PK\x05\x06") {
            true => Ok(None),
            false => Err("the list of its files, which ends one, is missing"),
        },
        walk: None,
    },
    Form {
        name: "xz stream",
        begins: |head| head.starts_with(b"\xfd7zXZ\0"),
        whole: |content| match content.bytes {
            32 => Err("it holds no data"),
            _ if content.tail.ends_with(b"YZ") => Ok(Some(COMPRESSED)),
            _ => Err("its end is missing"),
        },
        walk: None,
    },
    Form {
        name: "bzip2 stream",
        begins: |head| head.starts_with(b"BZh"),
        whole: |content| match content.bytes {
            14 => Err("it holds no data"),
            _ if ends_bzip2(&content.tail) => Ok(Some(COMPRESSED)),
            _ => Err("its end is missing"),
        },
        walk: None,
    },
    Form {
        name: "zstd stream",
        begins: |head| head.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]),
        whole: |_| Ok(Some(COMPRESSED)),
        walk: Some(|| Walk::Zstd(Frames::default())),
    },
];

fn line(content: &Content, line: &str) -> Result<Option<&'static str>, &'static str> {
    content.ends_with_line(line).map(|()| None)
}

/// The mark, 32 bits of a checksum, and up to seven bits that fill the last byte.
fn ends_bzip2(tail: &[u8]) -> bool {
    let last = &tail[tail.len().saturating_sub(11)..];
    let bits = last.iter().fold(0_u128, |bits, byte| bits << 8 | u128::from(*byte));
    (0..8).any(|filled| (bits >> (32 + filled)) & 0xffff_ffff_ffff == BZIP2_END)
}

/// The end of all databases, and a checksum of 8 bytes. `redis-cli --rdb -` leaves after
/// them the 40 hexadecimal digits that mark the end of a transfer: it removes them from a
/// file, but cannot do so from a pipe (redis, `redis-cli.c`, `getRDB`).
fn redis_snapshot(content: &Content) -> Result<Option<&'static str>, &'static str> {
    const MARK: usize = 40;
    let ends = |bytes: &[u8]| bytes.iter().rev().nth(8) == Some(&0xff);
    let marked = content.tail.len().checked_sub(MARK).map(|at| content.tail.split_at(at));
    let ends_marked =
        marked.is_some_and(|(before, mark)| mark.iter().all(u8::is_ascii_hexdigit) && ends(before));
    if ends(&content.tail) || ends_marked { Ok(None) } else { Err("its end is missing") }
}

/// The header of a database says how many pages it has, where its writer kept
/// that up to date (<https://www.sqlite.org/fileformat.html>, 1.3.7).
fn sqlite_database(content: &Content) -> Result<Option<&'static str>, &'static str> {
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
    if changed != valid {
        return Ok(Some("its header does not say how large it is"));
    }
    if content.bytes < size * pages { Err(CUT_OFF) } else { Ok(None) }
}
