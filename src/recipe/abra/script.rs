//! The commands of a shell script, and their context: always run, in a block or
//! a condition, or in a function. Nothing is run.

use super::scanner::Scanner;

/// How much of a script is read, in bytes; real ones have some kB.
const MAX_SCRIPT: usize = 1 << 20;
/// Blocks nested deeper than this are not distinguished.
const MAX_BLOCKS: usize = 200;

/// What a script holds, in order.
#[derive(Default)]
pub(super) struct Script<'a> {
    pub commands: Vec<Command<'a>>,
    pub definitions: Vec<Definition<'a>>,
}

/// A simple command, `export A=1 B="$A"`.
pub(super) struct Command<'a> {
    /// As written, quotes included.
    pub words: Vec<&'a str>,
    /// Counted from 1.
    pub line: usize,
    pub place: Place,
}

/// When a command runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Always,
    /// In a condition, a loop, a subshell, a pipe, behind `&&`.
    Block,
    Function,
}

/// A function that is not within another.
pub(super) struct Definition<'a> {
    pub name: &'a str,
    /// The lines right above it that are comments.
    pub comment: Vec<&'a str>,
    /// The text between its brackets, or its one compound command.
    pub body: &'a str,
    /// Counted from 1.
    pub line: usize,
}

/// Reads a script.
pub(super) fn read(text: &str) -> Script<'_> {
    let mut end = text.len().min(MAX_SCRIPT);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let mut scanner = Scanner::new(&text[..end]);
    commands(&mut scanner, 0)
}

/// Reads commands: all there are, or within brackets those up to the closing one.
pub(super) fn commands<'a>(scanner: &mut Scanner<'a>, nesting: usize) -> Script<'a> {
    let mut reader = Reader {
        line_start: scanner.at,
        scanner,
        nesting,
        found: Script::default(),
        blocks: Vec::new(),
        words: Vec::new(),
        line: 0,
        comment: Vec::new(),
        held: Vec::new(),
        head: None,
        case: Case::No,
        is_conditional: false,
        is_fresh: true,
        skips_word: false,
    };
    reader.all();
    reader.found
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Brace,
    Paren,
    If,
    Loop,
    Case,
}

struct Block<'a> {
    kind: Kind,
    /// Where it begins, and what is in it.
    start: usize,
    inside: usize,
    /// `case`: whether the patterns of a clause come next.
    in_pattern: bool,
    /// Of the function that it is the body of.
    head: Option<Head<'a>>,
}

struct Head<'a> {
    name: &'a str,
    comment: Vec<&'a str>,
    line: usize,
}

/// What follows `case`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Case {
    No,
    Subject,
    In,
}

/// What ends a simple command.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Line,
    Semicolon,
    Background,
    Pipe,
    AndOr,
    Bracket,
}

struct Reader<'s, 'a> {
    scanner: &'s mut Scanner<'a>,
    /// How many `$(` and the like this is within; nothing is kept of these.
    nesting: usize,
    found: Script<'a>,
    blocks: Vec<Block<'a>>,
    /// Of the simple command that is being read, and its line.
    words: Vec<&'a str>,
    line: usize,
    line_start: usize,
    /// Comments right above what comes next, and above the words.
    comment: Vec<&'a str>,
    held: Vec<&'a str>,
    /// The function whose body comes next.
    head: Option<Head<'a>>,
    case: Case,
    is_conditional: bool,
    /// Whether nothing came since the last end of a command.
    is_fresh: bool,
    skips_word: bool,
}

impl<'a> Reader<'_, 'a> {
    fn all(&mut self) {
        loop {
            self.scanner.blanks();
            let Some(byte) = self.scanner.peek(0) else { break };
            match byte {
                b'\n' => self.line_end(),
                b'#' => self.comment(),
                b';' => {
                    self.end(End::Semicolon);
                    let is_clause =
                        self.scanner.starts_with(";;") || self.scanner.starts_with(";&");
                    self.scanner.skip(1);
                    if is_clause {
                        while matches!(self.scanner.peek(0), Some(b';' | b'&')) {
                            self.scanner.skip(1);
                        }
                        if let Some(block) = self.blocks.last_mut() {
                            block.in_pattern = block.kind == Kind::Case;
                        }
                    }
                }
                b'&' if self.scanner.peek(1) == Some(b'>') => {
                    self.scanner.skip(1);
                    self.skips_word = self.scanner.redirection(self.nesting);
                }
                b'&' | b'|' => {
                    let end = match self.scanner.peek(1) {
                        Some(next) if next == byte => End::AndOr,
                        _ if byte == b'&' => End::Background,
                        _ => End::Pipe,
                    };
                    let width = if self.scanner.starts_with("|&") { 2 } else { 1 };
                    self.scanner.skip(if end == End::AndOr { 2 } else { width });
                    self.end(end);
                }
                b'<' | b'>' => self.skips_word = self.scanner.redirection(self.nesting),
                b'(' => self.opening(),
                b')' => {
                    if self.closing() {
                        return;
                    }
                }
                _ => self.word(),
            }
        }
        self.end(End::Line);
        // A function whose end is not found ends with the file.
        let text = self.scanner.text;
        if let Some(mut block) = self.blocks.drain(..).find(|block| block.head.is_some())
            && let Some(head) = block.head.take()
        {
            self.found.define(head, &text[block.inside..]);
        }
    }

    fn line_end(&mut self) {
        self.end(End::Line);
        if self.scanner.since(self.line_start).trim().is_empty() {
            self.comment.clear();
        }
        self.scanner.line_end();
        self.line_start = self.scanner.at;
    }

    fn comment(&mut self) {
        let stands_alone = self.scanner.since(self.line_start).trim().is_empty();
        let start = self.scanner.at;
        self.scanner.rest_of_line();
        let comment = self.scanner.since(start).trim_end();
        if stands_alone && !comment.starts_with("#!") {
            self.comment.push(comment);
        }
    }

    fn is_in_pattern(&self) -> bool {
        self.blocks.last().is_some_and(|block| block.in_pattern)
    }

    /// `(`
    fn opening(&mut self) {
        let start = self.scanner.at;
        if self.is_in_pattern() {
            self.scanner.skip(1);
            return;
        }
        let is_name = match self.words[..] {
            [name] => names_function(name),
            ["function", name] => names_function(name),
            _ => false,
        };
        if is_name {
            self.scanner.skip(1);
            self.scanner.blanks();
            if self.scanner.peek(0) == Some(b')') {
                self.scanner.skip(1);
                self.take_head();
                return;
            }
            self.scanner.at = start;
        }
        self.take_keyword_head();
        if self.words.is_empty() || self.words == ["for"] {
            if let Some(end) = self.scanner.arithmetic() {
                self.scanner.at = end;
                if let Some(head) = self.head.take() {
                    self.close_function(head, self.scanner.since(start));
                }
                self.words.clear();
                self.is_fresh = false;
            } else {
                self.scanner.skip(1);
                self.open(Kind::Paren, start);
            }
        } else {
            self.scanner.skip(1);
            self.scanner.inner(self.nesting);
        }
    }

    /// `)`: whether it ends what is read.
    fn closing(&mut self) -> bool {
        if self.is_in_pattern() {
            if let Some(block) = self.blocks.last_mut() {
                block.in_pattern = false;
            }
            self.scanner.skip(1);
            return false;
        }
        self.end(End::Bracket);
        let start = self.scanner.at;
        self.scanner.skip(1);
        if self.blocks.iter().any(|block| block.kind == Kind::Paren) {
            self.close(Kind::Paren, start);
            return false;
        }
        self.nesting > 0
    }

    fn word(&mut self) {
        let start = self.scanner.at;
        let line = if self.words.is_empty() { self.scanner.line() } else { self.line };
        self.scanner.word(self.nesting);
        let word = self.scanner.since(start);
        let is_descriptor = word.bytes().all(|byte| byte.is_ascii_digit())
            && matches!(self.scanner.peek(0), Some(b'<' | b'>'));
        if std::mem::take(&mut self.skips_word) || is_descriptor {
            return;
        }
        match self.case {
            Case::Subject => self.case = Case::In,
            Case::In => {
                self.case = Case::No;
                if let Some(block) = self.blocks.last_mut() {
                    block.in_pattern = word == "in" && block.kind == Kind::Case;
                }
            }
            Case::No if self.is_in_pattern() => {
                if word == "esac" {
                    self.close(Kind::Case, start);
                }
            }
            Case::No if self.words.is_empty() => {
                self.line = line;
                self.held = std::mem::take(&mut self.comment);
                self.first_word(word, start);
            }
            Case::No => {
                if word == "{" && self.take_keyword_head() {
                    self.open(Kind::Brace, start);
                } else {
                    self.words.push(word);
                }
            }
        }
    }

    /// Where a command begins, some words mean something else.
    fn first_word(&mut self, word: &'a str, start: usize) {
        match word {
            "{" => self.open(Kind::Brace, start),
            "if" => self.open(Kind::If, start),
            "while" | "until" => self.open(Kind::Loop, start),
            "for" | "select" => {
                self.open(Kind::Loop, start);
                self.words.push(word);
            }
            "case" => {
                self.open(Kind::Case, start);
                self.case = Case::Subject;
            }
            "}" => self.close(Kind::Brace, start),
            "fi" => self.close(Kind::If, start),
            "done" => self.close(Kind::Loop, start),
            "esac" => self.close(Kind::Case, start),
            "then" | "else" | "elif" | "do" | "!" | "time" => {}
            word => {
                self.head = None;
                self.words.push(word);
            }
        }
    }

    /// Treats the words read as the beginning of a function.
    fn take_head(&mut self) {
        if let Some(name) = self.words.last() {
            let comment = std::mem::take(&mut self.held);
            self.head = Some(Head { name, comment, line: self.line });
        }
        self.words.clear();
    }

    /// `function name` without `()`; whether it was there.
    fn take_keyword_head(&mut self) -> bool {
        let is_one = matches!(self.words[..], ["function", name] if names_function(name));
        if is_one {
            self.take_head();
        }
        is_one
    }

    fn open(&mut self, kind: Kind, start: usize) {
        let head = self.head.take();
        if self.blocks.len() < MAX_BLOCKS {
            let inside = match kind {
                Kind::Brace | Kind::Paren => self.scanner.at,
                _ => start,
            };
            self.blocks.push(Block { kind, start, inside, in_pattern: false, head });
        }
        self.is_fresh = true;
    }

    /// Ends the innermost block of a kind, whose last word begins at `start`.
    fn close(&mut self, kind: Kind, start: usize) {
        let is_bracket = |kind| matches!(kind, Kind::Brace | Kind::Paren);
        let Some(place) = self.blocks.iter().rposition(|block| block.kind == kind) else { return };
        if !is_bracket(kind) && self.blocks[place..].iter().any(|block| is_bracket(block.kind)) {
            return;
        }
        let text = self.scanner.text;
        while self.blocks.len() > place
            && let Some(block) = self.blocks.pop()
        {
            if let Some(head) = block.head {
                let body = match is_bracket(block.kind) {
                    true => &text[block.inside..start],
                    false => &text[block.start..self.scanner.at],
                };
                self.close_function(head, body);
            }
        }
        self.is_fresh = false;
    }

    fn close_function(&mut self, head: Head<'a>, body: &'a str) {
        if self.nesting == 0 && !self.is_in_function() {
            self.found.define(head, body);
        }
    }

    fn is_in_function(&self) -> bool {
        self.blocks.iter().any(|block| block.head.is_some())
    }

    /// Ends the simple command, if there is one.
    fn end(&mut self, end: End) {
        self.skips_word = false;
        if self.is_in_pattern() || self.case != Case::No {
            return;
        }
        if end == End::Line {
            self.take_keyword_head();
        }
        let words = std::mem::take(&mut self.words);
        if !words.is_empty() && self.nesting == 0 {
            let is_own = !self.is_conditional && !matches!(end, End::Pipe | End::Background);
            let place = match () {
                () if self.is_in_function() => Place::Function,
                () if self.blocks.is_empty() && is_own => Place::Always,
                () => Place::Block,
            };
            self.found.commands.push(Command { words, line: self.line, place });
        } else if end == End::Line && self.is_fresh {
            // What follows `&&` may stand on the next line.
            return;
        }
        self.is_conditional = matches!(end, End::Pipe | End::AndOr);
        self.is_fresh = true;
    }
}

impl<'a> Script<'a> {
    fn define(&mut self, head: Head<'a>, body: &'a str) {
        let Head { name, comment, line } = head;
        self.definitions.push(Definition { name, comment, body, line });
    }
}

/// Whether a word may be a function's name.
pub(super) fn names_function(word: &str) -> bool {
    let named = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | ':' | '.');
    !word.is_empty() && word.chars().all(named)
}
