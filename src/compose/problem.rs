//! The position of something in the files, and what is wrong with it.
//!
//! Every stage works with [`Spot`]s and reports to a [`Sink`]; the names of the
//! files and the excerpts are added once, at the end. All problems that a stage
//! can see are collected, so that one run shows them all.

use std::fmt;

use super::{Problem, Problems, Source};
use crate::text::{line, lines};

/// Problems beyond this number are not listed: so many have one common
/// cause, and the list itself must stay limited.
const MOST_PROBLEMS: usize = 100;
/// Bytes of a line shown as its excerpt.
const LONGEST_EXCERPT: usize = 160;

/// A place in the files. Lines and columns count from 1; line 0 is "nowhere".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, PartialOrd, Ord, Hash)]
pub struct Spot {
    /// Index into the sources.
    pub file: u32,
    pub line: u32,
    pub column: u32,
}

/// A path of keys and positions, built on the stack on the way down.
#[derive(Clone, Copy)]
pub enum Path<'a> {
    Root,
    Key(&'a Path<'a>, &'a str),
    Index(&'a Path<'a>, usize),
}

impl<'a> Path<'a> {
    pub fn key(&'a self, key: &'a str) -> Path<'a> {
        Path::Key(self, key)
    }

    pub fn index(&'a self, index: usize) -> Path<'a> {
        Path::Index(self, index)
    }

    /// The last key; a position is no key.
    pub fn last(&self) -> &str {
        match self {
            Path::Root => "",
            Path::Key(_, key) => key,
            Path::Index(parent, _) => parent.last(),
        }
    }

    /// The keys from the first to the last, positions left out.
    pub fn keys(&self) -> Vec<&str> {
        let mut keys = match self {
            Path::Root => vec![],
            Path::Key(parent, _) | Path::Index(parent, _) => parent.keys(),
        };
        if let Path::Key(_, key) = self {
            keys.push(*key);
        }
        keys
    }

    /// The first key.
    pub fn section(&self) -> &str {
        match self {
            Path::Root => "",
            Path::Key(Path::Root, key) => key,
            Path::Key(parent, _) | Path::Index(parent, _) => parent.section(),
        }
    }

    /// The path as docker's cast table writes it: `services.app.ports.[].target`.
    pub fn pattern(&self) -> String {
        match self {
            Path::Root => String::new(),
            Path::Key(parent, key) => join(parent.pattern(), key),
            Path::Index(parent, _) => join(parent.pattern(), "[]"),
        }
    }
}

fn join(parent: String, key: &str) -> String {
    if parent.is_empty() { key.to_owned() } else { parent + "." + key }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Path::Root => Ok(()),
            Path::Key(Path::Root, key) => f.write_str(key),
            Path::Key(parent, key) => write!(f, "{parent}.{key}"),
            Path::Index(parent, index) => write!(f, "{parent}[{index}]"),
        }
    }
}

/// Names and lines of the files, kept for excerpts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Texts(Vec<Source>);

impl Texts {
    /// Adds a file; spots refer to it by the returned number.
    pub fn push(&mut self, source: Source) -> u32 {
        self.0.push(source);
        u32::try_from(self.0.len() - 1).unwrap_or(u32::MAX)
    }

    pub fn text(&self, file: u32) -> &str {
        self.0.get(file as usize).map_or("", |source| &source.text)
    }

    pub fn name(&self, spot: Spot) -> &str {
        self.0.get(spot.file as usize).map_or("", |s| &s.name)
    }

    /// `compose.yml:12:5`; none when the spot is nowhere.
    pub fn position(&self, spot: Spot) -> Option<String> {
        (spot.line > 0).then(|| format!("{}:{}:{}", self.name(spot), spot.line, spot.column))
    }

    /// The line, shortened when it is long.
    pub fn excerpt(&self, spot: Spot) -> Option<String> {
        let source = self.0.get(spot.file as usize)?;
        let line = source.text.lines().nth((spot.line as usize).checked_sub(1)?)?;
        let mut end = line.len().min(LONGEST_EXCERPT);
        while !line.is_char_boundary(end) {
            end -= 1;
        }
        Some(line[..end].to_owned())
    }
}

/// One problem, before the name of its file is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    pub at: Spot,
    pub path: String,
    pub message: String,
    pub hint: Option<String>,
}

/// Collects problems.
#[derive(Debug, Default)]
pub struct Sink {
    faults: Vec<Fault>,
    /// How many of them are of earlier stages.
    settled: usize,
}

impl Sink {
    /// Begins a stage: from here on, problems at places that an earlier stage
    /// has reported are dropped, because they follow from the same mistake.
    pub fn stage(&mut self) {
        self.settled = self.faults.len();
    }

    pub fn push(&mut self, at: Spot, path: impl fmt::Display, message: impl Into<String>) {
        self.fault(at, path, message.into(), None);
    }

    pub fn hint(
        &mut self,
        at: Spot,
        path: impl fmt::Display,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.fault(at, path, message.into(), Some(hint.into()));
    }

    pub fn fault(
        &mut self,
        at: Spot,
        path: impl fmt::Display,
        message: String,
        hint: Option<String>,
    ) {
        let follows = |before: &Fault| before.at.line > 0 && before.at == at;
        if self.faults[..self.settled].iter().any(follows) {
            return;
        }
        if self.faults.len() <= MOST_PROBLEMS {
            self.faults.push(Fault { at, path: path.to_string(), message, hint });
        }
    }

    #[cfg(test)]
    pub fn is_empty(&self) -> bool {
        self.faults.is_empty()
    }

    /// Ends the stage: returns its problems, if any, sorted by
    /// place.
    pub fn finish(mut self, texts: &Texts) -> Result<(), Problems> {
        if self.faults.is_empty() {
            return Ok(());
        }
        self.faults.sort_by(|a, b| {
            (a.at, &a.path, &a.message, &a.hint).cmp(&(b.at, &b.path, &b.message, &b.hint))
        });
        self.faults.dedup();
        Err(Problems(self.faults.into_iter().map(|fault| fault.locate(texts)).collect()))
    }
}

impl Fault {
    fn locate(self, texts: &Texts) -> Problem {
        Problem {
            file: texts.name(self.at).to_owned(),
            line: self.at.line as usize,
            column: self.at.column as usize,
            excerpt: texts.excerpt(self.at),
            path: self.path,
            message: self.message,
            hint: self.hint,
        }
    }
}

/// All problems as text: one paragraph each, with the line and a mark below
/// the column.
pub fn render(problems: &[Problem]) -> String {
    let mut out = String::new();
    for (index, problem) in problems.iter().enumerate() {
        if index > 0 {
            out.push_str("\n\n");
        }
        out.push_str(&problem.to_string());
    }
    out
}

impl Problem {
    /// Place and message in one line, without the excerpt and the hint.
    pub fn sentence(&self) -> String {
        let mut said = String::new();
        if !self.file.is_empty() {
            said += &line(&self.file);
            if self.line > 0 {
                said += &format!(":{}:{}", self.line, self.column);
            }
            said += ": ";
        }
        if !self.path.is_empty() {
            said += &line(&self.path);
            said += ": ";
        }
        said + &line(&self.message)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The layout is ours: what the files say stays one line.
        f.write_str(&self.sentence())?;
        if let Some(excerpt) = &self.excerpt
            && self.line > 0
        {
            let number = self.line.to_string();
            let gutter = " ".repeat(number.len());
            // Tabs are kept in the indentation, so that the mark stands below.
            let indent: String = excerpt
                .chars()
                .take(self.column.saturating_sub(1))
                .map(|c| if c == '\t' { '\t' } else { ' ' })
                .collect();
            let excerpt = lines(excerpt, LONGEST_EXCERPT);
            write!(f, "\n{gutter} |\n{number} | {excerpt}\n{gutter} | {indent}^")?;
        }
        if let Some(hint) = &self.hint {
            write!(f, "\nhint: {}", line(hint))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_shows_its_line_and_the_column() {
        let mut texts = Texts::default();
        texts.push(Source {
            name: "compose.yml".into(),
            text: "services:\n  app:\n    imag: x\n".into(),
        });
        let mut sink = Sink::default();
        let at = Spot { file: 0, line: 3, column: 5 };
        sink.hint(at, "services.app.imag", "unknown key", "did you mean `image`?");
        let shown = sink.finish(&texts).unwrap_err().to_string();
        assert_eq!(
            shown,
            "compose.yml:3:5: services.app.imag: unknown key\n  |\n3 |     imag: x\n  |     ^\nhint: did you mean `image`?"
        );
    }
}
