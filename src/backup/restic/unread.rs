//! What restic could not read in a folder: its exit code 3 says only that there was
//! something. A file that vanished is not an error, because apps create and remove files
//! all the time; a file that could not be read is.

use serde::Deserialize;

/// Longest message that restic prints about a file.
const LONGEST_LINE: usize = 64 * 1024;
/// How many names are kept; the rest is counted.
const KEPT: usize = 10_000;
/// `ENOENT` of Linux, as restic up to 0.16 prints error numbers.
const ABSENT: i64 = 2;

/// Errors that a run printed about single files.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Unread {
    /// Files that vanished, as restic names them.
    vanished: Vec<String>,
    vanished_count: u64,
    /// Of these restic (0.14) does not say what went wrong.
    unclear: Vec<String>,
    /// Files that exist but could not be read, and unclear ones beyond the kept number.
    failed: u64,
    /// The line that is not at its end yet.
    line: Vec<u8>,
}

/// Files that were gone when restic came to read them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Vanished {
    pub count: u64,
    /// The first ten thousand.
    pub names: Vec<String>,
}

#[derive(Deserialize)]
struct Message {
    message_type: String,
    #[serde(default)]
    error: serde_json::Value,
    item: Option<String>,
}

enum Kind {
    Vanished,
    Unclear,
    Failed,
}

impl Unread {
    /// Reads the next bytes of standard error.
    pub fn push(&mut self, bytes: &[u8]) {
        for piece in bytes.split_inclusive(|b| *b == b'\n') {
            let room = LONGEST_LINE.saturating_sub(self.line.len());
            self.line.extend_from_slice(&piece[..piece.len().min(room)]);
            if piece.ends_with(b"\n") {
                let line = std::mem::take(&mut self.line);
                self.read(&line);
            }
        }
    }

    fn read(&mut self, line: &[u8]) {
        let Ok(message) = serde_json::from_slice::<Message>(line) else { return };
        if message.message_type != "error" {
            return;
        }
        let name = message.item.filter(|item| !item.is_empty());
        match (kind(&message.error), name) {
            (Kind::Vanished, Some(name)) => {
                self.vanished_count += 1;
                if self.vanished.len() < KEPT {
                    self.vanished.push(name);
                }
            }
            (Kind::Unclear, Some(name)) if self.unclear.len() < KEPT => self.unclear.push(name),
            // An error about nothing in particular forgives nothing.
            _ => self.failed += 1,
        }
    }

    /// Whether all errors are about something that exists but that restic does not name:
    /// for 0.14 and some newer versions, that is the tree of the previous snapshot.
    pub fn is_of_the_one_before(&self, gone: impl Fn(&str) -> bool) -> bool {
        self.failed == 0 && self.unclear.iter().any(|name| !gone(name))
    }

    /// Whether restic read all that it was to read.
    pub fn is_none(&self) -> bool {
        self.failed == 0 && self.vanished_count == 0 && self.unclear.is_empty()
    }

    /// The vanished files, if nothing else went wrong. `gone` checks
    /// whether a path that restic did not explain is missing.
    pub fn forgiven(&self, gone: impl Fn(&str) -> bool) -> Option<Vanished> {
        let all = self.failed == 0
            && self.vanished_count + self.unclear.len() as u64 > 0
            && self.unclear.iter().all(|name| gone(name));
        all.then(|| Vanished {
            count: self.vanished_count + self.unclear.len() as u64,
            names: self.vanished.iter().chain(&self.unclear).take(KEPT).cloned().collect(),
        })
    }
}

fn kind(error: &serde_json::Value) -> Kind {
    let text = error.get("message").and_then(|said| said.as_str());
    match (error.get("Err"), text) {
        (Some(number), _) if number.as_i64() == Some(ABSENT) => Kind::Vanished,
        (_, Some(text)) if text.ends_with("no such file or directory") => Kind::Vanished,
        (_, Some(text)) if text.contains("the repository could be damaged") => Kind::Unclear,
        (None, None) => Kind::Unclear,
        _ => Kind::Failed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GONE: &str = r#"{"message_type":"error","error":{"Op":"lstat","Path":"f","Err":2},"during":"archival","item":"/v/f"}"#;
    const GONE_NEWER: &str = r#"{"message_type":"error","error":{"message":"lstat /v/g: no such file or directory"},"during":"archival","item":"/v/g"}"#;
    const REFUSED: &str = r#"{"message_type":"error","error":{"Op":"open","Path":"s","Err":13},"during":"archival","item":"/v/s"}"#;
    const REFUSED_NEWER: &str = r#"{"message_type":"error","error":{"message":"open /v/s: permission denied"},"during":"archival","item":"/v/s"}"#;
    const UNCLEAR: &str =
        r#"{"message_type":"error","error":{},"during":"archival","item":"f212"}"#;
    const NAMELESS: &str =
        r#"{"message_type":"error","error":{"Err":2},"during":"archival","item":""}"#;
    const LAST: &str = "Warning: at least one source file could not be read";

    fn forgiven(lines: &[&str], gone: bool) -> Option<u64> {
        let text = lines.iter().map(|line| format!("{line}\n")).collect::<String>();
        for piece in [1, 50, 4096] {
            let mut unread = Unread::default();
            text.as_bytes().chunks(piece).for_each(|piece| unread.push(piece));
            let found = unread.forgiven(|_| gone).map(|vanished| vanished.count);
            if piece == 4096 {
                return found;
            }
        }
        None
    }

    /// Recorded from restic 0.14 and, "newer", 0.18.
    #[test]
    fn only_what_vanished_is_forgiven() {
        for (lines, gone, expected) in [
            (vec![LAST], true, None),
            (vec![GONE, GONE_NEWER, LAST], false, Some(2)),
            (vec![GONE, REFUSED, LAST], true, None),
            (vec![REFUSED_NEWER, LAST], true, None),
            (vec![GONE, UNCLEAR, LAST], true, Some(2)),
            (vec![GONE, UNCLEAR, LAST], false, None),
            (vec![NAMELESS, LAST], true, None),
        ] {
            assert_eq!(forgiven(&lines, gone), expected, "{lines:?}, gone: {gone}");
        }
    }

    #[test]
    fn a_snapshot_before_that_cannot_be_read_is_told_from_files_that_cannot() {
        let newer = r#"{"message_type":"error","error":{"message":"tree 01234567 is not known; the repository could be damaged, run `repair index` to try to repair it"},"during":"archival","item":"/v"}"#;
        for (lines, gone, expected) in [
            (vec![UNCLEAR, LAST], false, true),
            (vec![newer, GONE, LAST], false, true),
            (vec![UNCLEAR, LAST], true, false),
            (vec![UNCLEAR, REFUSED, LAST], false, false),
            (vec![REFUSED_NEWER, LAST], false, false),
            (vec![GONE, LAST], false, false),
        ] {
            let mut unread = Unread::default();
            lines.iter().for_each(|line| unread.push(format!("{line}\n").as_bytes()));
            assert_eq!(unread.is_of_the_one_before(|_| gone), expected, "{lines:?}, gone: {gone}");
        }
    }

    #[test]
    fn a_thousand_vanished_files_hide_no_failure() {
        let mut lines = vec![REFUSED];
        lines.extend([GONE; 1000]);
        assert_eq!(forgiven(&lines, true), None);
        assert_eq!(forgiven(&lines[1..], true), Some(1000));
    }
}
