//! HTML out of texts that others wrote.

use std::{borrow::Cow, fmt::Display};

use super::{SCRIPT, STYLE};
use crate::text;

/// Bytes of one text, and of one of several lines.
const LONGEST: usize = 300;
const LINES: usize = 2000;

/// Styles and scripts of the site itself, and nothing else; no form, no frame. The icon is an
/// empty image, or browsers would ask for one.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src data:; \
                      base-uri 'none'; form-action 'none'";

/// Text as one line that is cleaned, bounded and escaped, for elements and attributes in
/// double quotes.
pub fn escaped(text: &str) -> String {
    escape(&text::line_of(text, LONGEST))
}

/// The same with its line breaks.
pub fn escaped_lines(text: &str) -> String {
    let end = text.floor_char_boundary(text.len().min(LINES));
    escape(&text::lines(&text[..end], LINES))
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

/// Text that may hold `code` in backticks.
pub fn with_code(text: &str) -> String {
    let line = text::line_of(text, LONGEST);
    let parts: Vec<_> = line.split('`').collect();
    // One backtick has no partner.
    if parts.len().is_multiple_of(2) {
        return escape(&line);
    }
    let part = |(at, part): (usize, &&str)| match at % 2 {
        0 => escape(part),
        _ => code(part),
    };
    parts.iter().enumerate().map(part).collect()
}

pub fn code(text: &str) -> String {
    format!("<code>{}</code>", escaped(text))
}

/// A link to the web; text alone for anything else.
pub fn link(address: &str) -> String {
    match web(address) {
        Some(url) => format!(
            "<a href=\"{}\" rel=\"nofollow noreferrer\">{}</a>",
            escape(&url),
            escaped(address)
        ),
        None => escaped(address),
    }
}

fn web(address: &str) -> Option<String> {
    let url = url::Url::parse(address).ok()?;
    let is_web = matches!(url.scheme(), "http" | "https") && url.has_host();
    // A name in front of a host makes it look like another.
    let has_name = !url.username().is_empty() || url.password().is_some();
    (is_web && !has_name).then(|| url.to_string())
}

/// A list of items that are HTML already.
pub fn list(items: impl IntoIterator<Item = impl Display>) -> String {
    let items: String = items.into_iter().map(|item| format!("<li>{item}</li>\n")).collect();
    format!("<ul>\n{items}</ul>\n")
}

/// Where a page is: at the top, or one folder below.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    Top,
    Below,
}

/// A whole page; `body` is HTML already, `title` is not.
pub fn document(title: &str, place: Place, body: &str) -> String {
    let up: Cow<'_, str> = if place == Place::Top { "".into() } else { "../".into() };
    let script = match place {
        Place::Top => format!("<script src=\"{SCRIPT}\" defer></script>\n"),
        Place::Below => String::new(),
    };
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\">\n\
         <meta name=\"referrer\" content=\"no-referrer\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>{}</title>\n\
         <link rel=\"icon\" href=\"data:,\">\n\
         <link rel=\"stylesheet\" href=\"{up}{STYLE}\">\n{script}</head>\n<body>\n{body}</body>\n\
         </html>\n",
        escaped(title)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped() {
        for (given, wanted) in [
            ("plain", "plain"),
            ("<b a='1' c=\"2\">&amp;", "&lt;b a=&#39;1&#39; c=&quot;2&quot;&gt;&amp;amp;"),
            ("a\n\u{1b}[2Jb\0", "a �b�"),
        ] {
            assert_eq!(escaped(given), wanted, "{given:?}");
        }
        assert_eq!(escaped_lines("a\n<b>\u{202e}"), "a\n&lt;b&gt;�");
        assert_eq!(with_code("a `<b>` c"), "a <code>&lt;b&gt;</code> c");
        assert_eq!(with_code("a `<b>"), "a `&lt;b&gt;");
    }

    #[test]
    fn links_lead_to_the_web_only() {
        assert_eq!(
            link("https://a.org/\"><b>"),
            "<a href=\"https://a.org/%22%3E%3Cb%3E\" rel=\"nofollow noreferrer\">\
             https://a.org/&quot;&gt;&lt;b&gt;</a>"
        );
        for bad in [
            "javascript:alert(1)",
            " JaVaScRiPt:alert(1)",
            "data:text/html,x",
            "file:///etc/passwd",
            "//a.org",
            "https://bank.org@evil.org/",
            "https://",
            "",
        ] {
            assert!(!link(bad).contains("<a "), "{bad:?}");
        }
    }
}
