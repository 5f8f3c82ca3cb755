//! The grammar of one line, and expansion.

use std::ops::Range;

use super::{MAX_VALUE, Quoting};

/// How deep defaults may nest, `${A:-${B:-…}}`.
const MAX_DEPTH: usize = 16;
/// How many names without a value one line tells of.
const MAX_UNSET: usize = 8;

/// A line that assigns, as places in the text.
pub(super) struct Assignment {
    pub key: String,
    pub marker: Range<usize>,
    pub raw: Range<usize>,
    pub quoting: Quoting,
    /// Behind the `#`; empty when there is none.
    pub comment: Range<usize>,
    pub commented: bool,
}

/// Lines without their ends, numbered from 1. A byte order mark belongs to no line.
pub(super) fn lines(text: &str) -> impl Iterator<Item = (usize, Range<usize>)> + '_ {
    let mut at = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    let mut number = 0;
    std::iter::from_fn(move || {
        if at >= text.len() {
            return None;
        }
        let start = at;
        let end = text[start..].find('\n').map_or(text.len(), |i| start + i);
        at = end + 1;
        number += 1;
        let line = &text[start..end];
        Some((number, start..start + line.strip_suffix('\r').unwrap_or(line).len()))
    })
}

/// Whether a line begins like an assignment of this key, whatever follows.
pub(super) fn begins_with_key(line: &str, key: &str) -> bool {
    let line = line.trim_start();
    let line = match line.strip_prefix("export") {
        Some(rest) if rest.starts_with([' ', '\t']) => rest.trim_start(),
        _ => line,
    };
    line.strip_prefix(key).is_some_and(|rest| !rest.starts_with(is_key))
}

/// What a line assigns; none for a blank line or a comment.
pub(super) fn assignment(text: &str, line: Range<usize>) -> Result<Option<Assignment>, String> {
    let end = line.end;
    let mut at = skip_blanks(text, line.clone());
    if at == end {
        return Ok(None);
    }
    let mut marker = at..at;
    let commented = text[at..end].starts_with('#');
    if commented {
        marker.end = skip_blanks(text, at + 1..end);
        at = marker.end;
    }
    if let Some(rest) = text[at..end].strip_prefix("export")
        && rest.starts_with([' ', '\t'])
    {
        at = skip_blanks(text, at + "export".len()..end);
    }
    let key_end = at + text[at..end].find(|c: char| !is_key(c)).unwrap_or(end - at);
    let key = &text[at..key_end];
    if commented {
        // Only what cannot be prose: an upper-case key directly before its `=`.
        let plain = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
        if !key.starts_with(|c: char| c.is_ascii_uppercase())
            || !key.chars().all(plain)
            || !text[key_end..end].starts_with('=')
        {
            return Ok(None);
        }
    }
    let equals = skip_blanks(text, key_end..end);
    if !text[equals..end].starts_with('=') {
        // The line itself may be a piece of a secret, so it is not shown.
        return Err("this is not an assignment: expected `KEY=value`".into());
    }
    if !is_valid_key(key) {
        return Err("the text before `=` is not a key".into());
    }
    let found = value(text, equals + 1, end).map(|(raw, quoting, comment)| Assignment {
        key: key.to_owned(),
        marker,
        raw,
        quoting,
        comment,
        commented,
    });
    // A comment is never wrong.
    if commented { Ok(found.ok()) } else { found.map(Some) }
}

/// Whether a key can be assigned.
pub(super) fn is_valid_key(key: &str) -> bool {
    key.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && key.chars().all(is_key)
}

fn is_key(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-')
}

/// The value that begins behind `=`: its bytes, how it is quoted, its comment.
fn value(
    text: &str,
    start: usize,
    end: usize,
) -> Result<(Range<usize>, Quoting, Range<usize>), String> {
    let first = skip_blanks(text, start..end);
    let quoting = match text[first..end].chars().next() {
        Some('\'') => Quoting::Single,
        Some('"') => Quoting::Double,
        _ => return Ok(bare_value(text, start, first, end)),
    };
    let raw_end = quoted_end(&text[first..end]).map(|length| first + length)?;
    let rest = skip_blanks(text, raw_end..end);
    match text[rest..end].chars().next() {
        None => Ok((first..raw_end, quoting, end..end)),
        Some('#') => Ok((first..raw_end, quoting, rest + 1..end)),
        Some(_) => Err("unexpected text after the closing quote".into()),
    }
}

fn bare_value(
    text: &str,
    start: usize,
    first: usize,
    end: usize,
) -> (Range<usize>, Quoting, Range<usize>) {
    let mut blank = first > start;
    let mut hash = None;
    for (i, c) in text[first..end].char_indices() {
        if c == '#' && blank {
            hash = Some(first + i);
            break;
        }
        blank = is_blank(c);
    }
    let value = &text[first..hash.unwrap_or(end)];
    let length = value.trim_end_matches(is_blank).len();
    // An empty value is where one would be written: directly behind the `=`.
    let raw = if length == 0 { start..start } else { first..first + length };
    (raw, Quoting::Bare, hash.map_or(end, |hash| hash + 1)..end)
}

/// Length of a value that begins with a quote. Pieces join as in a shell:
/// `"$A":b` is one value.
fn quoted_end(text: &str) -> Result<usize, String> {
    let mut quote = None;
    let mut chars = text.char_indices();
    while let Some((i, c)) = chars.next() {
        match (quote, c) {
            (None, '"' | '\'') => quote = Some(c),
            (None, c) if is_blank(c) || c == '#' => return Ok(i),
            (Some('"'), '\\') => {
                chars.next();
            }
            (Some(open), c) if c == open => quote = None,
            _ => {}
        }
    }
    match quote {
        None => Ok(text.len()),
        Some(open) => Err(format!("the quote `{open}` is not closed on its line")),
    }
}

/// Whether a value as written refers to `key`.
pub(super) fn mentions(raw: &str, key: &str) -> bool {
    raw.match_indices('$').any(|(i, _)| {
        let rest = &raw[i + 1..];
        let rest = rest.strip_prefix('{').unwrap_or(rest);
        rest.strip_prefix(key).is_some_and(|rest| !rest.starts_with(is_name))
    })
}

/// The value of `raw`. Names that have no value are added to `unset`.
pub(super) fn expand<'a>(
    raw: &str,
    lookup: impl Fn(&str) -> Option<&'a str>,
    unset: &mut Vec<String>,
) -> Result<String, String> {
    let mut expander = Expander { lookup, unset, out: String::new() };
    let quoted = raw.starts_with(['"', '\'']);
    let mut rest = raw;
    while let Some(first) = rest.chars().next() {
        let piece;
        match first {
            '\'' if quoted => {
                let end = rest[1..].find('\'').map_or(rest.len() - 1, |i| i + 1);
                expander.push(&rest[1..end])?;
                rest = &rest[end + 1..];
                continue;
            }
            '"' if quoted => {
                let end = double_end(rest);
                piece = (&rest[1..end], true);
                rest = &rest[end + 1..];
            }
            _ => {
                let stop = |c| quoted && matches!(c, '"' | '\'');
                let end = rest.find(stop).unwrap_or(rest.len());
                piece = (&rest[..end], false);
                rest = &rest[end..];
            }
        }
        expander.expand(piece.0, piece.1, 0)?;
    }
    Ok(expander.out)
}

/// Where the double quote that opens `text` closes; [`quoted_end`] has seen
/// that it does.
fn double_end(text: &str) -> usize {
    let mut chars = text.char_indices().skip(1);
    while let Some((i, c)) = chars.next() {
        match c {
            '\\' => {
                chars.next();
            }
            '"' => return i,
            _ => {}
        }
    }
    text.len() - 1
}

struct Expander<'u, L> {
    lookup: L,
    unset: &'u mut Vec<String>,
    out: String,
}

impl<'a, L: Fn(&str) -> Option<&'a str>> Expander<'_, L> {
    fn push(&mut self, text: &str) -> Result<(), String> {
        if self.out.len() + text.len() > MAX_VALUE {
            return Err(format!("the value is longer than {MAX_VALUE} bytes"));
        }
        self.out.push_str(text);
        Ok(())
    }

    fn expand(&mut self, text: &str, escapes: bool, depth: usize) -> Result<(), String> {
        if depth > MAX_DEPTH {
            return Err("the defaults are nested too deeply".into());
        }
        let mut rest = text;
        while let Some(i) = rest.find(['$', '\\']) {
            self.push(&rest[..i])?;
            rest = &rest[i..];
            rest = match rest.strip_prefix('\\') {
                Some(escaped) => self.escape(escaped, escapes)?,
                None => self.reference(&rest[1..], escapes, depth)?,
            };
        }
        self.push(rest)
    }

    /// What follows a backslash; returns the rest.
    fn escape<'t>(&mut self, rest: &'t str, escapes: bool) -> Result<&'t str, String> {
        let Some(c) = rest.chars().next() else {
            self.push("\\")?;
            return Ok(rest);
        };
        let literal = match c {
            '$' => "$",
            'n' if escapes => "\n",
            'r' if escapes => "\r",
            't' if escapes => "\t",
            '"' if escapes => "\"",
            '\\' if escapes => "\\",
            '`' if escapes => "`",
            _ => {
                self.push("\\")?;
                return Ok(rest);
            }
        };
        self.push(literal)?;
        Ok(&rest[c.len_utf8()..])
    }

    /// What follows a `$`; returns the rest.
    fn reference<'t>(
        &mut self,
        rest: &'t str,
        escapes: bool,
        depth: usize,
    ) -> Result<&'t str, String> {
        let Some(inside) = rest.strip_prefix('{') else {
            let length = name_length(rest);
            if length == 0 {
                self.push("$")?;
            } else {
                self.variable(&rest[..length], None, escapes, depth)?;
            }
            return Ok(&rest[length..]);
        };
        let close = brace_end(inside).ok_or("`${` is not closed; write `\\$` for a plain `$`")?;
        let (body, rest) = (&inside[..close], &inside[close + 1..]);
        let (name, operator) = body.split_at(name_length(body));
        let default = match operator {
            "" => None,
            _ => Some(
                operator
                    .strip_prefix(":-")
                    .map(|default| (default, true))
                    .or_else(|| operator.strip_prefix('-').map(|default| (default, false))),
            ),
        };
        match default {
            _ if name.is_empty() => Err("a `${…}` names no key".into()),
            Some(None) => Err(format!(
                "`${{{name}…}}` is not understood: known are `${{KEY}}`, `${{KEY-default}}` and \
                 `${{KEY:-default}}`"
            )),
            default => {
                self.variable(name, default.flatten(), escapes, depth)?;
                Ok(rest)
            }
        }
    }

    /// Puts a key's value, or its default: `(text, also when the key is empty)`.
    fn variable(
        &mut self,
        name: &str,
        default: Option<(&str, bool)>,
        escapes: bool,
        depth: usize,
    ) -> Result<(), String> {
        match ((self.lookup)(name), default) {
            (Some(""), Some((default, true))) | (None, Some((default, _))) => {
                self.expand(default, escapes, depth + 1)
            }
            (Some(value), _) => self.push(value),
            (None, None) => {
                if !self.unset.iter().any(|known| known == name) && self.unset.len() < MAX_UNSET {
                    self.unset.push(name.to_owned());
                }
                Ok(())
            }
        }
    }
}

/// Where the brace that was opened before `text` closes.
fn brace_end(text: &str) -> Option<usize> {
    let mut open = 1;
    let mut chars = text.char_indices();
    while let Some((i, c)) = chars.next() {
        match c {
            '\\' => {
                chars.next();
            }
            '{' => open += 1,
            '}' => open -= 1,
            _ => {}
        }
        if open == 0 {
            return Some(i);
        }
    }
    None
}

fn name_length(text: &str) -> usize {
    if text.starts_with(|c: char| c.is_ascii_digit()) {
        return 0;
    }
    text.find(|c: char| !is_name(c)).unwrap_or(text.len())
}

fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

pub(super) fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t')
}

fn skip_blanks(text: &str, range: Range<usize>) -> usize {
    let rest = &text[range.clone()];
    range.end - rest.trim_start_matches(is_blank).len()
}
