//! The pages of the documentation, as the tests read them: their blocks of code, with what a
//! comment right before a block says of it, their links, and the headings that links lead to.
//!
//! How a block of `sh` is marked:
//!
//! - not at all: `tests/cli/docs.rs` runs it, after the page's blocks before it;
//! - `<!-- not run: REASON -->`: it cannot run in a test;
//! - `<!-- run: TEST.rs -->`: that test runs it.
//!
//! A comment of the form `<!-- test: …` has commands that only the test needs, and a block of
//! `text` that follows a block of `sh` has what that printed.

#![allow(dead_code, reason = "each group of tests uses some of it")]

use std::{
    fs,
    path::{Path, PathBuf},
};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Folders whose pages are others', or are made by programs.
const FOREIGN: &[&str] = &["target", "dist", "node_modules", "corpus", "fixtures", "scaffold"];

/// A page of this repository.
pub struct Page {
    /// Below the repository's root.
    pub path: PathBuf,
    pub text: String,
}

/// A block of code, or a comment with commands for the test.
pub struct Block {
    /// Of its first line, counted from 1.
    pub line: usize,
    pub language: String,
    /// What follows the language: `file=src/lib.rs`, `from=plugins/examples/c/admin.c`.
    pub info: String,
    pub text: String,
    /// What the comment right before it says.
    pub mark: Option<String>,
}

/// What becomes of a block of `sh`.
#[derive(Debug, PartialEq, Eq)]
pub enum Fate {
    Run,
    RunBy(String),
    NotRun(String),
}

impl Block {
    /// What follows `key=` behind the language.
    pub fn named(&self, key: &str) -> Option<&str> {
        self.info.split(' ').find_map(|word| word.strip_prefix(key)?.strip_prefix('='))
    }

    /// # Panics
    ///
    /// If the mark has another form.
    pub fn fate(&self) -> Fate {
        let Some(mark) = &self.mark else { return Fate::Run };
        if let Some(reason) = mark.strip_prefix("not run: ") {
            return Fate::NotRun(reason.to_owned());
        }
        if let Some(test) = mark.strip_prefix("run: ") {
            return Fate::RunBy(test.to_owned());
        }
        panic!("line {}: `<!-- {mark} -->` says neither `not run: …` nor `run: …`", self.line)
    }
}

/// Every page of the repository that is written here, sorted by path.
pub fn all() -> Vec<Page> {
    let mut found = Vec::new();
    walk(Path::new(ROOT), &mut found);
    found.sort_by(|a: &Page, b: &Page| a.path.cmp(&b.path));
    found
}

/// The pages that readers are led to: README.md and those below `docs/`.
pub fn documentation() -> Vec<Page> {
    let mut pages = all();
    pages.retain(|page| page.path == Path::new("README.md") || page.path.starts_with("docs"));
    pages
}

/// One page, by its path below the root.
pub fn page(path: &str) -> Page {
    let text = fs::read_to_string(Path::new(ROOT).join(path)).unwrap();
    Page { path: path.into(), text }
}

fn walk(folder: &Path, found: &mut Vec<Page>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy();
        if path.is_dir() && !path.is_symlink() {
            if !name.starts_with('.') && !FOREIGN.contains(&name.as_ref()) {
                walk(&path, found);
            }
        } else if name.ends_with(".md") {
            let text = fs::read_to_string(&path).unwrap();
            found.push(Page { path: path.strip_prefix(ROOT).unwrap().to_owned(), text });
        }
    }
}

impl Page {
    /// The blocks of code, in order; a comment `<!-- test: …` is one whose language is `test`.
    pub fn blocks(&self) -> Vec<Block> {
        blocks(&self.text)
    }

    /// The text without blocks of code and comments, which have no links and no headings.
    pub fn prose(&self) -> String {
        let mut prose = String::new();
        let (mut is_code, mut is_comment) = (false, false);
        for line in self.text.lines() {
            let fence = line.trim_start().starts_with("```");
            is_comment |= !is_code && line.trim_start().starts_with("<!--");
            if !is_code && !is_comment && !fence {
                prose.push_str(line);
            }
            prose.push('\n');
            is_code ^= fence;
            is_comment &= !line.contains("-->");
        }
        prose
    }

    /// Where the links lead: `(line, target)`; those that are in code are none.
    pub fn links(&self) -> Vec<(usize, String)> {
        let mut found = Vec::new();
        for (index, line) in self.prose().lines().enumerate() {
            // What is between backticks is shown as it is.
            let words: String = line.split('`').step_by(2).collect::<Vec<_>>().join("`");
            for (at, _) in words.match_indices("](") {
                let target = words[at + 2..].split(')').next().unwrap_or_default();
                found.push((index + 1, target.to_owned()));
            }
        }
        found
    }

    /// The anchors of the headings, as forges make them.
    pub fn anchors(&self) -> Vec<String> {
        let mut found: Vec<String> = Vec::new();
        for line in self.prose().lines() {
            let Some(heading) = line.strip_prefix('#') else { continue };
            let Some(heading) = heading.trim_start_matches('#').strip_prefix(' ') else { continue };
            let anchor = anchor(heading);
            let same = found.iter().filter(|known| **known == anchor).count();
            found.push(if same == 0 { anchor } else { format!("{anchor}-{same}") });
        }
        found
    }
}

/// Letters, digits, `-` and `_` are kept, a blank becomes `-`; what a link shows is kept, where
/// it leads is not.
fn anchor(heading: &str) -> String {
    let mut shown = String::new();
    let mut rest = heading;
    while let Some((before, after)) = rest.split_once("](") {
        shown.push_str(before);
        rest = after.split_once(')').map_or("", |(_, rest)| rest);
    }
    shown.push_str(rest);
    let kept = shown.trim().to_lowercase();
    let kept = kept.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

fn blocks(text: &str) -> Vec<Block> {
    let mut found = Vec::new();
    let mut open: Option<(usize, Block)> = None;
    let mut mark: Option<String> = None;
    let mut comment: Option<Block> = None;
    for (index, line) in text.lines().enumerate() {
        let indent = line.len() - line.trim_start().len();
        let word = line.trim();
        if let Some(block) = &mut comment {
            match word.strip_suffix("-->") {
                None => block.text += &format!("{line}\n"),
                Some(last) => {
                    block.text += &format!("{last}\n");
                    found.extend(comment.take());
                }
            }
        } else if let Some((indent, block)) = &mut open {
            if word == "```" {
                found.extend(open.take().map(|(_, block)| block));
            } else {
                block.text += &format!("{}\n", line.get(*indent..).unwrap_or(word));
            }
        } else if let Some(info) = word.strip_prefix("```") {
            let (language, info) = info.split_once(' ').unwrap_or((info, ""));
            let block = Block {
                line: index + 1,
                language: language.into(),
                info: info.into(),
                text: String::new(),
                mark: mark.take(),
            };
            open = Some((indent, block));
        } else if let Some(first) = word.strip_prefix("<!-- test:") {
            assert!(!word.ends_with("-->"), "line {}: commands need lines of their own", index + 1);
            comment = Some(Block {
                line: index + 1,
                language: "test".into(),
                info: String::new(),
                text: format!("{first}\n"),
                mark: None,
            });
        } else {
            let said = word.strip_prefix("<!-- ").and_then(|word| word.strip_suffix(" -->"));
            mark = said.map(str::to_owned);
        }
    }
    assert!(open.is_none() && comment.is_none(), "a block has no end");
    found
}
