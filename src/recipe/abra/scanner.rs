//! What a shell script is made of below its commands: words with their quotes
//! and expansions, here-documents, arithmetic. Nothing is run or expanded.

/// `$(…)` within `$(…)` deeper than this is not parsed.
const MAX_NESTING: usize = 40;
/// Arithmetic that is longer is taken for subshells.
const MAX_ARITHMETIC: usize = 256;

/// Reads a script from front to back. Every place is one of a byte; words begin
/// and end at ASCII, so they can be cut out of the text.
pub(super) struct Scanner<'a> {
    pub text: &'a str,
    /// What is read next.
    pub at: usize,
    /// Here-documents that begin behind the line: their ends, and whether tabs
    /// before these count.
    documents: Vec<(String, bool)>,
    /// A place, and the line that it is in.
    counted: (usize, usize),
}

impl<'a> Scanner<'a> {
    pub fn new(text: &'a str) -> Self {
        Scanner { text, at: 0, documents: Vec::new(), counted: (0, 1) }
    }

    pub fn peek(&self, ahead: usize) -> Option<u8> {
        self.text.as_bytes().get(self.at + ahead).copied()
    }

    pub fn starts_with(&self, text: &str) -> bool {
        self.text.as_bytes().get(self.at..).is_some_and(|rest| rest.starts_with(text.as_bytes()))
    }

    /// Advances, at most to the end.
    pub fn skip(&mut self, bytes: usize) {
        self.at = (self.at + bytes).min(self.text.len());
    }

    /// From a place up to where the scanner is.
    pub fn since(&self, start: usize) -> &'a str {
        self.text.get(start..self.at).unwrap_or_default()
    }

    /// The line that is read, counted from 1.
    pub fn line(&mut self) -> usize {
        let (from, line) = self.counted;
        let passed = &self.text.as_bytes()[from..self.at];
        let line = line + passed.iter().filter(|byte| **byte == b'\n').count();
        self.counted = (self.at, line);
        line
    }

    /// Passes blanks, and line ends that are escaped.
    pub fn blanks(&mut self) {
        loop {
            match self.peek(0) {
                Some(b' ' | b'\t' | b'\r') => self.skip(1),
                Some(b'\\') if self.peek(1) == Some(b'\n') => self.skip(2),
                _ => return,
            }
        }
    }

    /// Passes the rest of the line, not its end.
    pub fn rest_of_line(&mut self) {
        let rest = &self.text.as_bytes()[self.at..];
        self.skip(rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len()));
    }

    /// Passes a line's end and the here-documents behind it.
    pub fn line_end(&mut self) {
        self.skip(1);
        for (end, with_tabs) in std::mem::take(&mut self.documents) {
            while self.at < self.text.len() {
                let start = self.at;
                self.rest_of_line();
                let line = self.since(start).trim_end_matches('\r');
                self.skip(1);
                if line == end || with_tabs && line.trim_start_matches('\t') == end {
                    break;
                }
            }
        }
    }

    /// Passes a word, quotes and expansions with it; not at all where none begins.
    pub fn word(&mut self, nesting: usize) {
        let mut before = 0;
        while let Some(byte) = self.peek(0) {
            match byte {
                b' ' | b'\t' | b'\r' | b'\n' | b';' | b'&' | b'|' | b'<' | b'>' | b')' => return,
                // An array, or a pattern as `@(a|b)`.
                b'(' if matches!(before, b'=' | b'@' | b'?' | b'*' | b'+' | b'!') => {
                    self.skip(1);
                    self.inner(nesting);
                }
                b'(' => return,
                _ => self.part(nesting, false),
            }
            before = byte;
        }
    }

    /// Passes one character, or a quote or expansion as a whole.
    fn part(&mut self, nesting: usize, in_quotes: bool) {
        match self.peek(0) {
            Some(b'\\') => self.skip(2),
            Some(b'\'') if !in_quotes => {
                self.skip(1);
                self.until(b'\'', false);
            }
            Some(b'"') => {
                self.skip(1);
                while self.peek(0).is_some_and(|byte| byte != b'"') {
                    // Another `"` cannot be met here.
                    self.part(nesting, true);
                }
                self.skip(1);
            }
            Some(b'`') => {
                self.skip(1);
                self.until(b'`', true);
            }
            Some(b'$') => self.expansion(nesting, in_quotes),
            _ => self.skip(1),
        }
    }

    fn until(&mut self, end: u8, knows_escapes: bool) {
        while let Some(byte) = self.peek(0) {
            match byte {
                b'\\' if knows_escapes => self.skip(1),
                byte if byte == end => break,
                _ => {}
            }
            self.skip(1);
        }
        self.skip(1);
    }

    fn expansion(&mut self, nesting: usize, in_quotes: bool) {
        self.skip(1);
        match self.peek(0) {
            Some(b'{') if nesting < MAX_NESTING => {
                self.skip(1);
                while self.peek(0).is_some_and(|byte| byte != b'}') {
                    self.part(nesting + 1, in_quotes);
                }
                self.skip(1);
            }
            Some(b'(') => {
                if let Some(end) = self.arithmetic() {
                    self.at = end;
                } else {
                    self.skip(1);
                    self.inner(nesting);
                }
            }
            Some(b'\'') if !in_quotes => {
                self.skip(1);
                self.until(b'\'', true);
            }
            Some(b'{') => self.at = self.text.len(),
            _ => {}
        }
    }

    /// Passes commands up to the `)` that belongs to the `(` before them.
    pub fn inner(&mut self, nesting: usize) {
        if nesting < MAX_NESTING {
            super::script::commands(self, nesting + 1);
        } else {
            self.at = self.text.len();
        }
    }

    /// The place behind `((…))`, if that is what begins here.
    pub fn arithmetic(&self) -> Option<usize> {
        let bytes = &self.text.as_bytes()[self.at..];
        if !bytes.starts_with(b"((") {
            return None;
        }
        let mut depth = 0_usize;
        for (place, byte) in bytes.iter().enumerate().take(MAX_ARITHMETIC) {
            match byte {
                b'(' => depth += 1,
                b')' if depth > 2 => depth -= 1,
                b')' => {
                    return (bytes.get(place + 1) == Some(&b')')).then_some(self.at + place + 2);
                }
                _ => {}
            }
        }
        None
    }

    /// Passes `<`, `>` and the signs that belong to them; whether a file's name follows.
    pub fn redirection(&mut self, nesting: usize) -> bool {
        if self.starts_with("<(") || self.starts_with(">(") {
            self.skip(2);
            self.inner(nesting);
            return false;
        }
        if self.starts_with("<<<") {
            self.skip(3);
            return true;
        }
        if self.starts_with("<<") {
            self.skip(2);
            self.here_document();
            return false;
        }
        self.skip(1);
        if matches!(self.peek(0), Some(b'<' | b'>' | b'&' | b'|')) {
            self.skip(1);
        }
        true
    }

    fn here_document(&mut self) {
        let with_tabs = self.peek(0) == Some(b'-');
        if with_tabs {
            self.skip(1);
        }
        self.blanks();
        let start = self.at;
        // Nothing in the word is expanded: `$(` is two letters of it.
        while let Some(byte) = self.peek(0) {
            match byte {
                b' ' | b'\t' | b'\r' | b'\n' | b';' | b'&' | b'|' | b'<' | b'>' | b'(' | b')' => {
                    break;
                }
                b'\'' | b'"' => {
                    self.skip(1);
                    self.until(byte, false);
                }
                _ => self.skip(1),
            }
        }
        let word = self.since(start);
        if !word.is_empty() {
            self.documents.push((word.replace(['\'', '"', '\\'], ""), with_tabs));
        }
    }
}
