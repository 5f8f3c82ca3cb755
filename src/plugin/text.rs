//! Text of plugins made fit for a terminal.
//!
//! A plugin's log lines, failures and names are printed where an operator
//! reads them. Escape sequences could move the cursor, set the window's title
//! or hide what was said before; direction marks can make a line read as
//! another. All of that is taken out; line breaks and tabs stay.

use crate::home::Grant;

/// Bytes of what a grant names: a domain name has at most 253.
const THING: usize = 300;

/// The text without control characters, escape sequences and direction marks.
pub fn clean(text: &str) -> String {
    clean_to(text, usize::MAX)
}

/// The same, and no more once it is longer than `enough`.
fn clean_to(text: &str, enough: usize) -> String {
    let mut out = String::with_capacity(text.len().min(enough));
    let mut chars = text.chars().peekable();
    while out.len() <= enough
        && let Some(c) = chars.next()
    {
        match c {
            '\n' | '\t' => out.push(c),
            '\u{1b}' => skip_escape(&mut chars),
            // The one-character form of ESC [.
            '\u{9b}' => skip_parameters(&mut chars),
            c if c.is_control() || is_hidden(c) => {}
            c => out.push(c),
        }
    }
    out
}

/// The same on one line, and cut at `max` bytes.
pub fn clean_line(text: &str, max: usize) -> String {
    let mut line = clean_to(text, max).replace(['\n', '\t'], " ");
    if line.len() > max {
        line.truncate(line.floor_char_boundary(max));
        line.push('…');
    }
    line
}

/// A grant as a guest names it, fit to be shown: names that could be granted are
/// short and plain, and stay as they are.
pub fn grant(grant: &Grant) -> Grant {
    let thing = |thing: &str| clean_line(thing, THING);
    match grant {
        Grant::Exec(service) => Grant::Exec(thing(service)),
        Grant::Secret(name) => Grant::Secret(thing(name)),
        Grant::Http(origin) => Grant::Http(thing(origin)),
    }
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
            while let Some(c) = chars.next() {
                match c {
                    '\u{7}' | '\u{9c}' => break,
                    '\u{1b}' => {
                        chars.next_if_eq(&'\\');
                        break;
                    }
                    // An unfinished string must not swallow what follows.
                    '\n' => break,
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

/// Marks of direction, breaks that are not `\n`, annotations, and tags, which
/// spell a text that nobody sees.
/// Direction marks, tags, and characters without a width that break lines or
/// words.
pub fn is_hidden(c: char) -> bool {
    matches!(
        c,
        '\u{61c}'
            | '\u{200e}'
            | '\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2066}'..='\u{2069}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_reaches_the_terminal_but_text() {
        for (given, wanted) in [
            ("plain\ttext\nmore", "plain\ttext\nmore"),
            ("\u{1b}[31mred\u{1b}[0m", "red"),
            ("\u{1b}[2J\u{1b}[1;1Hwiped", "wiped"),
            ("\u{1b}]0;title\u{7}after", "after"),
            ("\u{1b}]8;;http://x\u{1b}\\link", "link"),
            ("\u{1b}P q\nnext", "next"),
            ("\u{9b}31mred", "red"),
            ("\u{1b}(Btext", "text"),
            ("\u{1b}", ""),
            ("a\rb\u{8}\u{0}\u{7f}c", "abc"),
            ("user\u{202e}gpj.exe", "usergpj.exe"),
            ("a\u{61c}b\u{e0041}c\u{fff9}d", "abcd"),
            ("Grüße, 世界", "Grüße, 世界"),
        ] {
            assert_eq!(clean(given), wanted, "{given:?}");
        }
    }

    #[test]
    fn a_line_is_cut_between_characters() {
        assert_eq!(clean_line("üüü", 3), "ü…");
        assert_eq!(clean_line("a\nb", 9), "a b");
    }
}
