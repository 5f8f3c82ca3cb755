//! What people read has no gap where the source of a message breaks its line: a
//! missing `\` leaves the indentation in the middle of a sentence. And it has one word
//! for one thing, the one that a technical writer would take: in messages, in comments
//! and in `docs/`.

use std::{
    fs,
    path::{Path, PathBuf},
};

use syn::{punctuated::Punctuated, visit::Visit};

/// Sources whose texts are laid out: columns of help, files that are written.
const LAID_OUT: &[&str] = &["scaffold"];

fn sources(folder: &Path, ending: &str, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, ending, found);
        } else if path.extension().is_some_and(|found| found == ending) {
            found.push(path);
        }
    }
}

/// Blanks between two words of one line, or a line that begins in the middle of a
/// sentence and is indented.
fn gap(text: &str) -> Option<String> {
    let words: Vec<char> = text.chars().collect();
    let word = |c: char| c.is_ascii_lowercase() || matches!(c, ',' | ';' | '`');
    let mut at = 0;
    while at < words.len() {
        let blank = |c: &char| *c == ' ' || *c == '\n';
        let run = words[at..].iter().take_while(|c| blank(c)).count();
        let gap: String = words[at..at + run].iter().collect();
        let broken = gap.starts_with('\n') && gap.len() > 8 && !gap[1..].contains('\n');
        if at > 0
            && (gap.len() > 1 && !gap.contains('\n') || broken)
            && word(words[at - 1])
            && words.get(at + run).is_some_and(|&c| c.is_ascii_lowercase())
        {
            let from = at.saturating_sub(20);
            return Some(words[from..(at + run + 20).min(words.len())].iter().collect());
        }
        at += run.max(1);
    }
    None
}

/// What was said of old, and what is said now. Messages, comments and the pages in
/// `docs/` are held to it.
const WORDS: &[(&str, &str)] = &[
    ("is not there", "does not exist, is missing"),
    ("are not there", "do not exist, are missing"),
    ("isn't there", "does not exist, is missing"),
    ("is there already", "exists already"),
    ("belongs here", "expected …"),
    ("there twice", "duplicate"),
    ("nobody knows", "unknown"),
    ("that nothing has", "unknown"),
    ("is another than", "changed"),
    ("come to run", "fail, start"),
    ("goes on with", "continues, resumes"),
    ("going on with", "continuing, resuming"),
    ("go on with", "continue, resume"),
    ("stands in ", "is recorded in"),
    ("stand in ", "are in"),
    ("stands behind", "follows"),
    ("what stands", "the text"),
    ("from before", "earlier, previous"),
    ("stay as they are", "are kept"),
    ("stays as it is", "is kept"),
    ("whoever", "anyone who"),
    ("is told to", "receives"),
    ("not to be seen", "invisible"),
    ("nobody sees", "invisible"),
    ("come to its end", "finish"),
    ("came to its end", "finished"),
    ("comes out otherwise", "gives a different result"),
    ("came out otherwise", "differs"),
    ("all the same", "nevertheless, anyway"),
    ("called so", "has this name"),
    ("half-way", "say what was done, and what was not"),
    ("makes no sense", "is invalid"),
    ("held against", "compared with"),
    ("without a word", "silently, without a message"),
];

/// `is no` is said of what exists ("there is no stack") or goes on ("is no longer"); of
/// anything else it is "is not a".
fn is_no(text: &str) -> bool {
    let allowed = ["there is no ", "there are no ", "is no longer", "are no longer"];
    let text = allowed.iter().fold(text.to_owned(), |text, allowed| text.replace(allowed, ""));
    text.contains(" is no ") || text.contains(" are no ")
}

fn old_word(text: &str) -> Option<String> {
    let folded = text.to_lowercase();
    let (old, now) = WORDS.iter().find(|(old, _)| folded.contains(old))?;
    Some(format!("{text:?} has `{old}`: say {now}"))
}

fn old_word_of_a_message(text: &str) -> Option<String> {
    let negated = is_no(&text.to_lowercase());
    let negated = negated.then(|| format!("{text:?} has `is no`: say `is not a`"));
    old_word(text).or(negated)
}

/// The texts of a file that are neither code nor literals: runs of lines that begin with
/// `mark`, each as one line.
fn runs(text: &str, mark: fn(&str) -> Option<&str>) -> Vec<String> {
    let mut runs = vec![String::new()];
    for line in text.lines() {
        match (mark(line.trim_start()), runs.last_mut()) {
            (Some(words), Some(run)) if !words.trim().is_empty() => {
                run.push_str(words.trim());
                run.push(' ');
            }
            _ => runs.push(String::new()),
        }
    }
    runs
}

/// Every line of a page.
fn any(line: &str) -> Option<&str> {
    Some(line)
}

/// A comment of Rust, whether documentation or not.
fn comment(line: &str) -> Option<&str> {
    line.strip_prefix("//").map(|words| words.trim_start_matches(['/', '!']))
}

/// What `look` finds in the texts of a file.
struct Texts {
    look: fn(&str) -> Option<String>,
    found: Vec<String>,
}

impl<'ast> Visit<'ast> for Texts {
    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        let tests = |attribute: &syn::Attribute| {
            attribute.path().is_ident("cfg")
                && attribute.parse_args::<syn::Ident>().is_ok_and(|what| what == "test")
        };
        if !module.attrs.iter().any(tests) {
            syn::visit::visit_item_mod(self, module);
        }
    }

    // Help is laid out by hand, and documentation is no message.
    fn visit_attribute(&mut self, _: &'ast syn::Attribute) {}

    fn visit_lit_str(&mut self, text: &'ast syn::LitStr) {
        self.found.extend((self.look)(&text.value()));
    }

    fn visit_macro(&mut self, found: &'ast syn::Macro) {
        // `format!` and its like: a list of expressions.
        type Arguments = Punctuated<syn::Expr, syn::Token![,]>;
        if let Ok(arguments) = found.parse_body_with(Arguments::parse_terminated) {
            for argument in &arguments {
                self.visit_expr(argument);
            }
        }
    }
}

#[test]
fn no_message_has_a_gap() {
    let found = in_messages(gap);
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn one_word_is_said_for_one_thing() {
    let found = in_messages(old_word_of_a_message);
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn comments_and_pages_have_the_same_words() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    sources(&root.join("src"), "rs", &mut files);
    sources(&root.join("docs"), "md", &mut files);
    files.extend(["README.md", "CHANGELOG.md"].map(|page| root.join(page)));
    let mut found = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let code = file.extension().is_some_and(|ending| ending == "rs");
        let runs = runs(&text, if code { comment } else { any });
        let old = runs.iter().filter_map(|run| old_word(run));
        found.extend(old.map(|old| format!("{}: {old}", file.display())));
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

fn in_messages(look: fn(&str) -> Option<String>) -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, "rs", &mut files);
    let mut found = Vec::new();
    for file in files {
        let below = file.strip_prefix(&root).unwrap();
        let name = below.to_string_lossy().into_owned();
        let is_test = name.ends_with("tests.rs");
        if is_test || LAID_OUT.iter().any(|folder| below.starts_with(folder)) {
            continue;
        }
        let mut texts = Texts { look, found: Vec::new() };
        texts.visit_file(&syn::parse_file(&fs::read_to_string(&file).unwrap()).unwrap());
        found.extend(texts.found.into_iter().map(|text| format!("src/{name}: {text:?}")));
    }
    found
}

#[test]
fn a_gap_is_seen() {
    for text in [
        "permission to     run programs",
        "the disk,  which",
        "a sentence\n            that breaks",
    ] {
        assert!(gap(text).is_some(), "{text}");
    }
    for text in
        ["a sentence. Another", "a list:\n  one", "two\n  columns", "a\n\n        b", "", " x"]
    {
        assert!(gap(text).is_none(), "{text}");
    }
}

#[test]
fn an_old_word_is_seen() {
    for text in ["Whoever asks", "the file is not there", "it is no number", "these are no keys"] {
        assert!(old_word_of_a_message(text).is_some(), "{text}");
    }
    for text in ["there is no stack", "it is no longer deployed", "it is not a number"] {
        assert!(old_word_of_a_message(text).is_none(), "{text}");
    }
    let code = "/// A file that\n/// is not there.\nfn x() {}\n// why\n//\n// else\n";
    let expected = ["A file that is not there. ", "why ", "else "];
    assert_eq!(runs(code, comment), expected);
}
