//! What restic tries again. It does so ten times, or for a quarter of an hour from 0.16 on,
//! with growing pauses and no option against it (`internal/backend/retry`), which is right
//! for a remote store that may answer a second later. It looks like a hang, so each try is
//! reported; the answer of a folder on this machine does not change, so there a run that
//! only repeats a request is aborted.

use std::sync::Arc;

use crate::{
    progress::{Silent, Sink},
    text::line,
};

/// No message of restic about another try is longer than this.
const LONGEST_LINE: usize = 4 * 1024;
/// So many times the same answer is enough.
const TRIES: u32 = 2;

/// So many times a store may be silent when its repository is opened: as often as restic 0.14
/// tries, which takes a minute, where newer ones try for a quarter of an hour. In the middle of
/// a run, which has done something already, they may.
const OPENINGS: u32 = 10;
/// What is said of a store that does not answer.
const SILENT: &[&str] = &[
    "connection refused",
    "connection timed out",
    "i/o timeout",
    "network is unreachable",
    "no route to host",
    "no such host",
];

/// Answers of a folder on this machine that will not change.
const LASTING: &[&str] = &[
    "no such file or directory",
    "read-only file system",
    "permission denied",
    "unexpected EOF",
    "is a directory",
];

/// Watches the output of a run of restic.
pub(super) struct Watch {
    sink: Arc<dyn Sink>,
    /// The repository is a folder of this machine.
    local: bool,
    line: Vec<u8>,
    lasting: u32,
    refused: u32,
    openings: u32,
}

impl Default for Watch {
    fn default() -> Self {
        Watch::new(Arc::new(Silent), false)
    }
}

impl Watch {
    pub fn new(sink: Arc<dyn Sink>, local: bool) -> Self {
        Watch { sink, local, line: Vec::new(), lasting: 0, refused: 0, openings: 0 }
    }

    /// Reads the next bytes of standard error; whether the run is to be aborted now.
    pub fn push(&mut self, bytes: &[u8]) -> bool {
        let before = self.gave_up();
        for piece in bytes.split_inclusive(|b| *b == b'\n') {
            let room = LONGEST_LINE.saturating_sub(self.line.len());
            self.line.extend_from_slice(&piece[..piece.len().min(room)]);
            if piece.ends_with(b"\n") {
                let said = std::mem::take(&mut self.line);
                self.read(&String::from_utf8_lossy(&said));
            }
        }
        !before && self.gave_up()
    }

    pub fn gave_up(&self) -> bool {
        self.local && self.lasting >= TRIES || self.refused >= TRIES || self.openings >= OPENINGS
    }

    fn read(&mut self, said: &str) {
        let Some(reason) = reason(said) else { return };
        if !self.gave_up() {
            self.sink.step(format!("restic tries again: {}", line(&shortened(reason))));
        }
        // A store that takes additions only will not remove a file a second later.
        self.refused += u32::from(refused_removal(said).is_some());
        let is_silent = SILENT.iter().any(|silent| reason.contains(silent));
        self.openings += u32::from(is_silent && said.contains("(<config/"));
        // A lock that is gone was that of another restic, which has ended meanwhile.
        let is_unlocked = reason.contains("/locks/") && reason.contains("no such file");
        let is_lasting = LASTING.iter().any(|lasting| reason.contains(lasting));
        if !is_unlocked && (is_lasting || is_of_empty_file(said)) {
            self.lasting += 1;
        }
    }
}

/// Why restic tries something again, if that is what the line says.
pub(super) fn reason(said: &str) -> Option<&str> {
    let (_, after) = said.split_once("returned error, retrying after ")?;
    Some(after.split_once(": ")?.1.trim())
}

/// Whether the line says that a file of the repository has no bytes where some are to be.
pub(super) fn is_of_empty_file(said: &str) -> bool {
    let of_file = said.contains("ReadFull(<") && said.trim_end().ends_with(">): EOF");
    of_file || matches!(reason(said), Some("EOF" | "ReadFull: EOF"))
}

/// Why a store does not remove a file, if that is what the line says.
pub(super) fn refused_removal(said: &str) -> Option<&'static str> {
    const REFUSED: [&str; 6] = [
        "403 Forbidden",
        "405 Method Not Allowed",
        "operation not permitted",
        "AccessDenied",
        "Access Denied",
        "append-only",
    ];
    let about = ["Remove(", "remove ", "RemoveObject", "not removed", "DELETE", "unable to remove"];
    let is_about = about.iter().any(|about| said.contains(about));
    REFUSED.into_iter().find(|refused| is_about && said.contains(refused))
}

/// The text with the long names of a repository's files cut to what tells them apart.
pub(super) fn shortened(text: &str) -> String {
    const LONG: usize = 40;
    const SHOWN: usize = 10;
    let mut short = String::new();
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_hexdigit()).len();
        let (run, after) = rest.split_at(digits);
        if digits >= LONG {
            short.push_str(&run[..SHOWN]);
            short.push('…');
        } else {
            short.push_str(run);
        }
        let other = after.find(|c: char| c.is_ascii_hexdigit()).unwrap_or(after.len());
        short.push_str(&after[..other]);
        rest = &after[other..];
    }
    short
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::progress::Event;

    #[derive(Default)]
    struct Heard(Mutex<Vec<String>>);

    impl Sink for Heard {
        fn event(&self, event: Event) {
            if let Event::Step { name } = event {
                self.0.lock().unwrap().push(name);
            }
        }
    }

    /// Recorded from restic 0.14.0.
    const MISSING: &str = "Load(<data/b9ccf50d85>, 47, 0) returned error, retrying after 552.330144ms: open /r/data/b9/b9ccf50d85b5aa7d826bfd9ca200179acb9688c5e8cba93fe88dd6752d01b261: no such file or directory\n";

    const CUT_OFF: &str = "Load(<data/6e6d37d9ba>, 300050, 0) returned error, retrying after 1.080381816s: ReadFull: unexpected EOF\n";

    const APPEND_ONLY: &str = "Remove(<snapshot/b9ccf50d85>) returned error, retrying after 552.330144ms: blob not removed, server response: 403 Forbidden (403)\n";

    const UNLOCKED: &str = "Load(<lock/b3328c14f0>, 0, 0) returned error, retrying after 720.254544ms: open /r/locks/b3328c14f012f9dad7b8b8a1d4ac9cb8b6e5dcc1b2e7ff5f6d4ac2f39a1be0dd: no such file or directory\n";

    #[test]
    fn what_cannot_change_is_tried_twice_in_a_folder_and_as_often_as_restic_likes_elsewhere() {
        let busy = "Load(<data/b9ccf50d85>, 47, 0) returned error, retrying after 1s: 503\n";
        for (local, lines, given_up) in [
            (true, [MISSING, MISSING], true),
            (false, [MISSING, MISSING], false),
            (true, [MISSING, busy], false),
            (true, [CUT_OFF, CUT_OFF], true),
            (true, [busy, busy], false),
            (true, ["no such file or directory\n", MISSING], false),
            (true, [UNLOCKED, UNLOCKED], false),
            (false, [APPEND_ONLY, APPEND_ONLY], true),
            (false, [APPEND_ONLY, busy], false),
        ] {
            for piece in [1, 4096] {
                let heard = Arc::new(Heard::default());
                let mut watch = Watch::new(heard.clone(), local);
                let text = lines.concat();
                let pieces = text.as_bytes().chunks(piece);
                let told = pieces.map(|piece| watch.push(piece)).filter(|told| *told).count();
                assert_eq!((told, watch.gave_up()), (usize::from(given_up), given_up), "{lines:?}");
                let tries = lines.iter().filter(|line| line.contains("retrying")).count();
                assert_eq!(heard.0.lock().unwrap().len(), tries, "{lines:?}");
            }
        }
    }

    #[test]
    fn a_store_that_does_not_answer_at_all_is_left_after_a_minute() {
        let of = |file: &str| {
            format!(
                "Stat(<{file}>) returned error, retrying after 1s: Head \"http://h/\": dial tcp \
                 127.0.0.1:1: connect: connection refused\n"
            )
        };
        for (file, given_up) in [("config/0000000000", true), ("data/b9ccf50d85", false)] {
            let mut watch = Watch::new(Arc::new(Heard::default()), false);
            let told = (0..10).filter(|_| watch.push(of(file).as_bytes())).count();
            assert_eq!((told, watch.gave_up()), (usize::from(given_up), given_up), "{file}");
        }
    }

    #[test]
    fn a_try_is_told_with_its_reason() {
        let heard = Arc::new(Heard::default());
        Watch::new(heard.clone(), true).push(MISSING.as_bytes());
        let told = "restic tries again: open /r/data/b9/b9ccf50d85…: no such file or directory";
        assert_eq!(*heard.0.lock().unwrap(), [told]);
        assert_eq!(shortened("ä deadbeef é"), "ä deadbeef é");
    }
}
