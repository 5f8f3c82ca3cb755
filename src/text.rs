//! Cleans text that others wrote before it is shown.
//!
//! Names and values of recipes, samples and manifests, messages of engines,
//! registries, git, restic, containers and plugins are read by a person at a
//! terminal, between lines of ours. An escape sequence could move the cursor, set
//! the window's title or hide what was said before; a line break could begin a
//! line that we never wrote; a direction mark makes a line read as another, and a
//! character without a width makes two names look the same.
//!
//! [`line()`] makes one line of foreign text, and puts `�` where it removed something.
//! [`lines`] keeps line breaks: it is for separate texts, such as the output of a plugin's
//! command, and for text that we assembled from lines. Both are idempotent.

use std::borrow::Cow;

/// Bytes of one foreign text among ours.
pub const LONGEST: usize = 1000;

/// The replacement for something that is not shown.
const MARK: char = '\u{fffd}';

/// One line of at most [`LONGEST`] bytes, `…` behind it when there was more.
pub fn line(text: &str) -> Cow<'_, str> {
    line_of(text, LONGEST)
}

/// One line of at most `most` bytes.
pub fn line_of(text: &str, most: usize) -> Cow<'_, str> {
    if text.len() <= most && is_plain(text) {
        return Cow::Borrowed(text);
    }
    let foul = |c: char| c.is_control() || is_hidden(c) || is_selector(c);
    if text.len() <= most && !text.contains(foul) {
        return Cow::Borrowed(text);
    }
    let mut line = walk(text, most, Some(MARK)).replace("\r\n", " ").replace(['\n', '\t'], " ");
    if line.len() > most {
        line.truncate(line.floor_char_boundary(most));
        line.push('…');
    }
    Cow::Owned(line)
}

/// Whether a line needs no cleaning, judging by its bytes alone: a quick check that
/// is true for nearly all text.
pub fn is_plain(text: impl AsRef<[u8]>) -> bool {
    text.as_ref().iter().all(|byte| matches!(byte, b' '..=b'~'))
}

/// An error or a report as one line: its lines with blanks between them, and no more of them
/// than anybody reads.
pub fn one_line(text: &str) -> String {
    const LONGEST: usize = 4000;
    let parts: Vec<&str> = text.lines().map(str::trim).filter(|part| !part.is_empty()).collect();
    line_of(&parts.join(" "), LONGEST).into_owned()
}

/// The text with its line breaks and tabs, each line as [`line_of`] shows it.
pub fn lines(text: &str, most: usize) -> String {
    let lines: Vec<_> = text.split('\n').map(|line| tabbed(line, most)).collect();
    lines.join("\n")
}

fn tabbed(line: &str, most: usize) -> String {
    let line = line.strip_suffix('\r').unwrap_or(line);
    let parts: Vec<_> = line.split('\t').map(|part| line_of(part, most)).collect();
    parts.join("\t")
}

/// The text without control characters, escape sequences and invisible characters, except
/// line breaks and tabs; they are removed without a replacement. Reading stops once the
/// result is longer than `enough`.
pub fn stripped(text: &str, enough: usize) -> String {
    walk(text, enough, None)
}

fn walk(text: &str, enough: usize, mark: Option<char>) -> String {
    let mut out = String::with_capacity(text.len().min(enough.saturating_add(8)));
    let mut chars = text.chars().peekable();
    while out.len() <= enough
        && let Some(c) = chars.next()
    {
        match c {
            '\n' | '\t' => out.push(c),
            // The end of a line as Windows writes it is one break.
            '\r' if chars.peek() == Some(&'\n') => {}
            c if is_selector(c) => {}
            c if c.is_control() || is_hidden(c) => {
                match c {
                    '\u{1b}' => skip_escape(&mut chars),
                    // The one-character form of ESC [.
                    '\u{9b}' => skip_parameters(&mut chars),
                    _ => {}
                }
                out.extend(mark);
            }
            c => out.push(c),
        }
    }
    out
}

type Chars<'a> = std::iter::Peekable<std::str::Chars<'a>>;

/// What follows ESC (ECMA-48): `[` parameters and a final byte, a string up to
/// its terminator, or one character after intermediates.
fn skip_escape(chars: &mut Chars<'_>) {
    match chars.peek() {
        Some('[') => {
            chars.next();
            skip_parameters(chars);
        }
        Some(']' | 'P' | '_' | '^' | 'X') => {
            chars.next();
            while let Some(c) = chars.next_if(|c| *c != '\n') {
                match c {
                    '\u{7}' | '\u{9c}' => break,
                    '\u{1b}' => {
                        chars.next_if_eq(&'\\');
                        break;
                    }
                    // An unfinished string must not swallow what follows the line.
                    _ => {}
                }
            }
        }
        _ => {
            while chars.next_if(|c| matches!(c, ' '..='/')).is_some() {}
            chars.next_if(|c| matches!(c, '0'..='~'));
        }
    }
}

fn skip_parameters(chars: &mut Chars<'_>) {
    while chars.next_if(|c| matches!(c, ' '..='?')).is_some() {}
    chars.next_if(|c| matches!(c, '@'..='~'));
}

/// Direction marks, breaks of lines and paragraphs, annotations, fillers, joiners
/// and all else that has no width of its own, tags, which spell invisible text,
/// and code points that are not characters (Unicode: Default_Ignorable, Cf,
/// Zl, Zp, noncharacters).
pub fn is_hidden(c: char) -> bool {
    matches!(
        c,
        '\u{ad}'
            | '\u{34f}'
            | '\u{600}'..='\u{605}'
            | '\u{61c}'
            | '\u{6dd}'
            | '\u{70f}'
            | '\u{890}'..='\u{891}'
            | '\u{8e2}'
            | '\u{115f}'..='\u{1160}'
            | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{3164}'
            | '\u{fdd0}'..='\u{fdef}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}'
            | '\u{110bd}'
            | '\u{110cd}'
            | '\u{13430}'..='\u{1345f}'
            | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}'
    ) || (c as u32) & 0xfffe == 0xfffe
}

/// Chooses between two forms of the character before it, as in emoji: removed
/// without a mark.
fn is_selector(c: char) -> bool {
    matches!(c, '\u{fe00}'..='\u{fe0f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_becomes_one_line() {
        for (given, wanted) in [
            ("plain text", "plain text"),
            ("a\nerror: fake\r\n\tb", "a error: fake  b"),
            ("\u{1b}[31mred\u{1b}[0m", "�red�"),
            ("\u{1b}]0;title\u{7}after", "�after"),
            ("\u{1b}]0;title", "�"),
            ("\u{1b}P q\nnext", "� next"),
            ("\u{9b}31mred", "�red"),
            ("a\rb\u{8}\u{0}\u{7f}\u{85}c", "a�b����c"),
            ("user\u{202e}gpj.exe", "user�gpj.exe"),
            ("a\u{200b}b\u{2028}c\u{e0041}d\u{ad}e\u{2066}f\u{feff}", "a�b�c�d�e�f�"),
            ("\u{fdd0}\u{ffff}\u{10fffe}", "���"),
            ("⚠\u{fe0f} Grüße, 世界", "⚠ Grüße, 世界"),
        ] {
            assert_eq!(line(given), wanted, "{given:?}");
            assert_eq!(line(wanted), wanted, "twice: {given:?}");
        }
    }

    #[test]
    fn a_line_is_cut_between_characters() {
        assert_eq!(line_of("üüü", 3), "ü…");
        assert_eq!(line_of("abc", 3), "abc");
        assert_eq!(line(&"x".repeat(2000)).len(), LONGEST + '…'.len_utf8());
    }

    #[test]
    fn lines_are_kept_where_they_are_wanted() {
        assert_eq!(lines("a\r\n\tb\u{1b}[2Jc\n", 9), "a\n\tb�c\n");
        assert_eq!(stripped("a\u{1b}[2J\n\u{200b}b", 9), "a\nb");
    }

    #[test]
    fn nothing_that_is_not_seen_is_left() {
        for c in ('\0'..=char::MAX).filter(|c| c.is_control() || is_hidden(*c)) {
            let shown = line(&format!("a{c}b")).into_owned();
            assert!(!shown.contains(|c: char| c.is_control() || is_hidden(c)), "{c:?}: {shown:?}");
        }
    }
}
