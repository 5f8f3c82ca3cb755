//! The names of what a dump holds, read from its lines: databases, mostly.
//!
//! Data could imitate such a line, but not easily: programs that write dumps escape the
//! beginning of a line in it.

use std::collections::BTreeSet;

/// Longest line that is looked at; names are shorter.
const LINE: usize = 1024;
/// Names that are remembered.
const MANY: usize = 10_000;

/// Looks for names.
#[derive(Debug)]
pub(super) struct NamesIn {
    between: Option<(String, String)>,
    line: Vec<u8>,
    pub found: BTreeSet<String>,
}

impl NamesIn {
    /// `between` is the text before and after a name in a line; without it, the lines of
    /// `mysqldump`, `pg_dumpall` and `pg_dump --create` are known.
    pub fn new(between: Option<&(String, String)>) -> Self {
        NamesIn { between: between.cloned(), line: Vec::new(), found: BTreeSet::new() }
    }

    pub fn push(&mut self, mut bytes: &[u8]) {
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            self.add(&bytes[..end]);
            self.look();
            self.line.clear();
            bytes = &bytes[end + 1..];
        }
        self.add(bytes);
    }

    fn add(&mut self, bytes: &[u8]) {
        let room = LINE - self.line.len();
        self.line.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    fn look(&mut self) {
        if self.found.len() >= MANY {
            return;
        }
        let line = self.line.strip_suffix(b"\r").unwrap_or(&self.line);
        let name = match &self.between {
            Some((before, after)) => {
                let rest = line.strip_prefix(before.as_bytes());
                rest.map(|rest| text(until(rest, after.as_bytes())))
            }
            None => usual(line),
        };
        self.found.extend(name.filter(|name| !name.is_empty()));
    }
}

fn usual(line: &[u8]) -> Option<String> {
    if let Some(rest) = line.strip_prefix(b"-- Current Database: `") {
        let name = rest.strip_suffix(b"`")?;
        return Some(text(name).replace("``", "`"));
    }
    if let Some(rest) = line.strip_prefix(b"-- Host: ") {
        // The name is empty where there are several databases.
        let rest = text(rest);
        return Some(rest.split_once("    Database: ")?.1.to_owned());
    }
    let rest = text(line.strip_prefix(b"\\connect ")?);
    // `\connect -reuse-previous=on "dbname='an odd name'"`
    if let Some((_, rest)) = rest.split_once("\"dbname='") {
        return Some(rest.strip_suffix("'\"")?.replace("\\'", "'").replace("\\\\", "\\"));
    }
    let quoted = rest.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    Some(quoted.map_or(rest.clone(), |name| name.replace("\"\"", "\"")))
}

fn until<'a>(text: &'a [u8], end: &[u8]) -> &'a [u8] {
    if end.is_empty() {
        return text;
    }
    let at = text.windows(end.len()).position(|window| window == end);
    &text[..at.unwrap_or(text.len())]
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_where_programs_write_them() {
        let between = |before: &str, after: &str| Some((before.to_owned(), after.to_owned()));
        for (lines, between, expected) in [
            ("-- Host: localhost    Database: wiki\nx\n", None, &["wiki"][..]),
            (
                "-- Host: db    Database: \n-- Current Database: `a`\n-- Current Database: `b``c`\n",
                None,
                &["a", "b`c"],
            ),
            (
                "\\connect template1\n\\connect -reuse-previous=on \"dbname='odd name'\"\n\
                 \\connect \"Wiki\"\n",
                None,
                &["Wiki", "odd name", "template1"],
            ),
            ("x \\connect y\n\\\\connect z\n", None, &[]),
            ("# base: one;\n# base: two\r\n", between("# base: ", ";"), &["one", "two"]),
            ("# base: one;\n", between("# base: ", ""), &["one;"]),
            ("-- Current Database: `a`\n", between("#", ""), &[]),
            // One that does not end may be cut off.
            ("-- Current Database: `a`", None, &[]),
        ] {
            for piece in [1, 7, 4096] {
                let mut names = NamesIn::new(between.as_ref());
                lines.as_bytes().chunks(piece).for_each(|piece| names.push(piece));
                assert!(names.found.iter().eq(expected), "{lines:?}: {:?}", names.found);
            }
        }
        let long = format!("-- Current Database: `{}`\n", "x".repeat(1 << 20));
        let mut names = NamesIn::new(None);
        names.push(long.as_bytes());
        assert!(names.found.is_empty() && names.line.capacity() < 1 << 16);
    }
}
