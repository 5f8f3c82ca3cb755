//! Cleans the text of plugins for a terminal, with [`crate::text`].
//!
//! A plugin's log lines, failures and names are printed where an operator
//! reads them. Escape sequences could move the cursor, set the window's title
//! or hide what was said before; direction marks can make a line read as
//! another. All of that is removed; line breaks and tabs are kept.

use crate::{home::Grant, text::stripped};

/// Bytes of what a grant names: a domain name has at most 253.
const THING: usize = 300;

/// The text without control characters, escape sequences and direction marks.
pub fn clean(text: &str) -> String {
    stripped(text, usize::MAX)
}

/// The same on one line, and cut at `max` bytes.
pub fn clean_line(text: &str, max: usize) -> String {
    let mut line = stripped(text, max).replace(['\n', '\t'], " ");
    if line.len() > max {
        line.truncate(line.floor_char_boundary(max));
        line.push('…');
    }
    line
}

/// A grant as a guest names it, cleaned for display: names that could be granted
/// are short and plain, and do not change.
pub fn grant(grant: &Grant) -> Grant {
    let thing = |thing: &str| clean_line(thing, THING);
    match grant {
        Grant::Exec(service) => Grant::Exec(thing(service)),
        Grant::Secret(name) => Grant::Secret(thing(name)),
        Grant::Http(origin) => Grant::Http(thing(origin)),
    }
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
            ("\u{1b}P q\nnext", "\nnext"),
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
