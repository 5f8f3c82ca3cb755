//! Bold, dim and colours, as marks within a text.
//!
//! A line is cleaned as a whole just before it is printed, our own styles
//! included, so escape sequences cannot stand for them there: a recipe could
//! write the same. A [`Mark`] writes a seal that is random in every run, which
//! nobody else can write, and [`painted`] puts the style in its place.

use std::{fmt, sync::OnceLock};

use anstyle::{AnsiColor, Style};

use crate::text;

/// The beginning of a style, `{BOLD}`, or its end, `{BOLD:#}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark(u8);

pub const BOLD: Mark = Mark(0);
pub const DIM: Mark = Mark(1);
pub const ERROR: Mark = Mark(2);
pub const WARNING: Mark = Mark(3);
pub const HINT: Mark = Mark(4);
/// Easily told apart, and readable on light and dark.
pub const COLOURS: [Mark; 6] = [Mark(5), Mark(6), Mark(7), Mark(8), Mark(9), Mark(10)];

const STYLES: [Style; 11] = [
    Style::new().bold(),
    Style::new().dimmed(),
    AnsiColor::Red.on_default().bold(),
    AnsiColor::Yellow.on_default().bold(),
    AnsiColor::Cyan.on_default().bold(),
    AnsiColor::Cyan.on_default(),
    AnsiColor::Yellow.on_default(),
    AnsiColor::Green.on_default(),
    AnsiColor::Magenta.on_default(),
    AnsiColor::Blue.on_default(),
    AnsiColor::Red.on_default(),
];

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(seal) = seal() else { return Ok(()) };
        let end = if f.alternate() { 'a' } else { 'A' };
        write!(f, "{seal}{}", char::from(end as u8 + self.0))
    }
}

/// Four private-use characters that cannot be guessed; none, and so no styles,
/// if there is no randomness.
fn seal() -> Option<&'static str> {
    static SEAL: OnceLock<Option<String>> = OnceLock::new();
    SEAL.get_or_init(|| {
        let mut random = [0; 8];
        getrandom::fill(&mut random).ok()?;
        let private = |pair: &[u8]| {
            char::from_u32(0xf_0000 + u32::from(pair[0]) * 250 + u32::from(pair[1]) % 250)
        };
        random.chunks(2).map(private).collect()
    })
    .as_deref()
}

/// One line as it is printed: styles are styles, everything else is cleaned.
pub fn painted(text: &str, most: usize) -> String {
    let Some(seal) = seal() else { return text::line_of(text, most).into_owned() };
    let mut parts = text.split(seal);
    let mut out = text::line_of(parts.next().unwrap_or_default(), most).into_owned();
    for part in parts {
        let code = part.bytes().next().unwrap_or_default();
        let style = |base: u8| STYLES.get(usize::from(code.wrapping_sub(base)));
        match (style(b'A'), style(b'a')) {
            (Some(style), _) => out.push_str(&style.render().to_string()),
            (_, Some(style)) => out.push_str(&style.render_reset().to_string()),
            (None, None) => {}
        }
        out.push_str(&text::line_of(part.get(1..).unwrap_or_default(), most));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_styles_are_styles() {
        let foreign = "\u{1b}[1mloud\u{1b}[0m\nerror: fake";
        assert_eq!(
            painted(&format!("{BOLD}name{BOLD:#}: {foreign}"), 99),
            "\u{1b}[1mname\u{1b}[0m: �loud� error: fake"
        );
        assert_eq!(painted(&format!("{}x{ERROR:#}", COLOURS[5]), 99), "\u{1b}[31mx\u{1b}[0m");
        let guessed: String = (0xf_0000..0xf_0100).filter_map(char::from_u32).collect();
        assert!(!painted(&guessed, 9999).contains('\u{1b}'));
    }
}
