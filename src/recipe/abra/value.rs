//! The value of a word of a shell script, if no shell is needed to compute it.

use super::reason::Reason;

/// Longest value, in bytes.
const MAX_VALUE: usize = 64 << 10;
/// `${A:-${B:-…}}` nested deeper than this is not computed.
const MAX_NESTING: usize = 20;

/// The text that a word stands for. `lookup` knows the variables so far.
///
/// # Errors
/// [`Reason::Computed`], [`Reason::Unknown`].
pub(super) fn value(word: &str, lookup: &dyn Fn(&str) -> Option<String>) -> Result<String, Reason> {
    let mut out = String::new();
    expand(word, lookup, &mut out, 0)?;
    Ok(out)
}

fn expand(
    word: &str,
    lookup: &dyn Fn(&str) -> Option<String>,
    out: &mut String,
    nesting: usize,
) -> Result<(), Reason> {
    let mut at = 0;
    let mut in_quotes = false;
    while let Some(c) = word[at..].chars().next() {
        if out.len() > MAX_VALUE || nesting > MAX_NESTING {
            return Err(Reason::Computed);
        }
        at += c.len_utf8();
        let rest = &word[at..];
        match c {
            '\'' if !in_quotes => {
                let (text, _) = rest.split_once('\'').ok_or(Reason::Computed)?;
                out.push_str(text);
                at += text.len() + 1;
            }
            '"' => in_quotes = !in_quotes,
            '\\' => {
                let next = rest.chars().next().ok_or(Reason::Computed)?;
                at += next.len_utf8();
                if in_quotes && !matches!(next, '$' | '`' | '"' | '\\' | '\n') {
                    out.push('\\');
                }
                if next != '\n' {
                    out.push(next);
                }
            }
            '`' => return Err(Reason::Computed),
            '(' | ')' if !in_quotes => return Err(Reason::Computed),
            '$' if !in_quotes && rest.starts_with(['\'', '"']) => return Err(Reason::Computed),
            '$' => at += reference(rest, lookup, out, nesting)?,
            c => out.push(c),
        }
    }
    if in_quotes || out.len() > MAX_VALUE { Err(Reason::Computed) } else { Ok(()) }
}

/// What follows a `$`; how many bytes of it belong to that.
fn reference(
    rest: &str,
    lookup: &dyn Fn(&str) -> Option<String>,
    out: &mut String,
    nesting: usize,
) -> Result<usize, Reason> {
    let unknown = |name: &str| Reason::Unknown(name.to_owned());
    if let Some(inside) = rest.strip_prefix('{') {
        let name = name(inside).ok_or(Reason::Computed)?;
        let end = closing(inside).ok_or(Reason::Computed)?;
        let known = lookup(name);
        let default = &inside[name.len()..end];
        let default = if let Some(default) = default.strip_prefix(":-") {
            Some((default, known.as_deref().unwrap_or_default().is_empty()))
        } else {
            default.strip_prefix('-').map(|default| (default, known.is_none()))
        };
        match (default, known) {
            (Some((default, true)), _) => expand(default, lookup, out, nesting + 1)?,
            (Some(_), known) => out.push_str(&known.unwrap_or_default()),
            (None, _) if name.len() != end => return Err(Reason::Computed),
            (None, known) => out.push_str(&known.ok_or_else(|| unknown(name))?),
        }
        return Ok(end + 2);
    }
    if let Some(name) = name(rest) {
        out.push_str(&lookup(name).ok_or_else(|| unknown(name))?);
        return Ok(name.len());
    }
    let is_special = |c: char| c.is_ascii_digit() || "({@*#?!$-".contains(c);
    if rest.starts_with(is_special) {
        return Err(Reason::Computed);
    }
    out.push('$');
    Ok(0)
}

/// The name that a text begins with.
pub(super) fn name(text: &str) -> Option<&str> {
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    let name = &text[..end.unwrap_or(text.len())];
    (!name.is_empty() && !name.starts_with(|c: char| c.is_ascii_digit())).then_some(name)
}

/// The place of the `}` that ends a reference.
fn closing(text: &str) -> Option<usize> {
    let mut quote = None;
    let mut depth = 0_usize;
    let mut before = ' ';
    for (at, c) in text.char_indices() {
        match (quote, c) {
            _ if before == '\\' => {}
            (Some(open), c) if open == c => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(c),
            (None, '{') if before == '$' => depth += 1,
            (None, '}') if depth == 0 => return Some(at),
            (None, '}') => depth -= 1,
            _ => {}
        }
        before = if before == '\\' { ' ' } else { c };
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_stand_for_what_a_shell_makes_of_them() {
        let lookup = |name: &str| match name {
            "A" => Some("a".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        };
        let unknown = |name: &str| Err(Reason::Unknown(name.to_owned()));
        for (word, expected) in [
            ("v1", Ok("v1")),
            ("\"v 2;x\"", Ok("v 2;x")),
            ("'v$3'\"4\"5", Ok("v$345")),
            ("a\\ b\\\nc", Ok("a bc")),
            ("\"a\\n\\\"\\$b\\\\\"", Ok("a\\n\"$b\\")),
            ("\"two\nlines\"", Ok("two\nlines")),
            ("$A-${A}é\"$A\"", Ok("a-aéa")),
            ("${B:-x}${B-y}${EMPTY:-z}${EMPTY-z}${A:-w}", Ok("xyza")),
            ("${B:-${C:-\"}\"}}", Ok("}")),
            ("${EMPTY}", Ok("")),
            ("100$", Ok("100$")),
            ("\"100$\"", Ok("100$")),
            ("$B", unknown("B")),
            ("\"${B}\"", unknown("B")),
            ("$(id)", Err(Reason::Computed)),
            ("`id`", Err(Reason::Computed)),
            ("\"$(id)\"", Err(Reason::Computed)),
            ("${A%x}", Err(Reason::Computed)),
            ("${#A}", Err(Reason::Computed)),
            ("$((1))", Err(Reason::Computed)),
            ("$1", Err(Reason::Computed)),
            ("$'a'", Err(Reason::Computed)),
            ("(a b)", Err(Reason::Computed)),
            ("'open", Err(Reason::Computed)),
            ("\"open", Err(Reason::Computed)),
            ("${open", Err(Reason::Computed)),
        ] {
            assert_eq!(value(word, &lookup), expected.map(str::to_owned), "{word}");
        }
    }

    #[test]
    fn values_are_bounded() {
        let lookup = |_: &str| Some("x".repeat(1000));
        assert_eq!(value(&"$A".repeat(1000), &lookup), Err(Reason::Computed));
        let deep = "${B:-".repeat(1000) + &"}".repeat(1000);
        assert_eq!(value(&deep, &|_| None), Err(Reason::Computed));
    }

    proptest::proptest! {
        #[test]
        fn any_word_is_read(word in "([AB$'\"\\\\{}()`:é-]|\n){0,40}") {
            let _ = value(&word, &|name| (name == "A").then(|| "x".to_owned()));
        }
    }
}
