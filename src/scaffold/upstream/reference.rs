//! Variables in texts, as Compose writes them: `$NAME`, `${NAME}`, `${NAME:-default}`,
//! `${NAME:?message}`, and `$$` for a dollar sign (compose-spec, `12-interpolation.md`).

/// A part of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// As it is written, `$$` included.
    Text(String),
    Variable(Variable),
}

/// A variable where it is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variable {
    pub name: String,
    /// With `-`; it may have variables in it.
    pub default: Option<String>,
    /// With `?`: what Compose says where it is missing.
    pub required: Option<String>,
    /// With `+`: its value if it is set to any, which docker does not know in a stack.
    pub alternative: Option<String>,
    /// As it is written.
    written: String,
}

impl Variable {
    /// As it is written.
    pub fn written(&self) -> &str {
        &self.written
    }
}

/// Deepest nesting of defaults that are read.
const DEEPEST: usize = 8;

/// The parts of a text, in order.
pub fn pieces(text: &str) -> Vec<Piece> {
    let mut pieces = vec![];
    let mut plain = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        plain.push_str(&rest[..at]);
        rest = &rest[at..];
        if rest.starts_with("$$") {
            plain.push_str("$$");
            rest = &rest[2..];
        } else if let Some((variable, length)) = variable(rest) {
            if !plain.is_empty() {
                pieces.push(Piece::Text(std::mem::take(&mut plain)));
            }
            pieces.push(Piece::Variable(variable));
            rest = &rest[length..];
        } else {
            plain.push('$');
            rest = &rest[1..];
        }
    }
    plain.push_str(rest);
    if !plain.is_empty() {
        pieces.push(Piece::Text(plain));
    }
    pieces
}

/// The variable at the beginning of a text, and how long it is.
fn variable(text: &str) -> Option<(Variable, usize)> {
    let named = |text: &str| {
        let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let name = &text[..end.unwrap_or(text.len())];
        let begins = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        begins.then(|| name.to_owned())
    };
    let after = text.strip_prefix('$')?;
    let Some(inner) = after.strip_prefix('{') else {
        let name = named(after)?;
        let length = 1 + name.len();
        let written = text[..length].into();
        let variable = Variable { name, default: None, required: None, alternative: None, written };
        return Some((variable, length));
    };
    let end = closing(inner)?;
    let name = named(&inner[..end])?;
    let operator = &inner[name.len()..end];
    let argument = |sign: char| {
        let operator = operator.strip_prefix(':').unwrap_or(operator);
        operator.strip_prefix(sign).map(str::to_owned)
    };
    let (default, required, alternative) = (argument('-'), argument('?'), argument('+'));
    let known =
        operator.is_empty() || [&default, &required, &alternative].into_iter().any(Option::is_some);
    let length = 2 + end + 1;
    let written = text[..length].into();
    known.then_some((Variable { name, default, required, alternative, written }, length))
}

/// Where the brace that belongs to the one before the text is.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, c) in text.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => return Some(at),
            '}' => depth -= 1,
            _ => {}
        }
    }
    None
}

/// The one variable that is the whole text.
pub fn sole(text: &str) -> Option<Variable> {
    match <[Piece; 1]>::try_from(pieces(text.trim())) {
        Ok([Piece::Variable(variable)]) => Some(variable),
        _ => None,
    }
}

/// All variables of a text, those in defaults too.
pub fn variables(text: &str) -> Vec<Variable> {
    let mut found = vec![];
    collect(text, DEEPEST, &mut found);
    found
}

fn collect(text: &str, depth: usize, found: &mut Vec<Variable>) {
    for piece in pieces(text) {
        let Piece::Variable(variable) = piece else { continue };
        if let Some(default) = variable.default.as_deref().filter(|_| depth > 0) {
            collect(default, depth - 1, found);
        }
        found.push(variable);
    }
}

/// The text with values in place of variables; what is set nowhere becomes nothing.
pub fn resolved(text: &str, lookup: &dyn Fn(&str) -> Option<String>) -> String {
    fill(text, lookup, DEEPEST)
}

fn fill(text: &str, lookup: &dyn Fn(&str) -> Option<String>, depth: usize) -> String {
    let mut out = String::new();
    for piece in pieces(text) {
        match piece {
            Piece::Text(text) => out.push_str(&text.replace("$$", "$")),
            Piece::Variable(variable) => {
                let value = lookup(&variable.name).filter(|value| !value.is_empty());
                if let Some(alternative) = variable.alternative {
                    if value.is_some() && depth > 0 {
                        out.push_str(&fill(&alternative, lookup, depth - 1));
                    }
                    continue;
                }
                match (value, variable.default) {
                    (Some(value), _) => out.push_str(&value),
                    (None, Some(default)) if depth > 0 => {
                        out.push_str(&fill(&default, lookup, depth - 1));
                    }
                    (None, _) => {}
                }
            }
        }
    }
    out
}

/// A dollar sign that begins no variable, with what follows it: Compose refuses a file that has
/// one.
pub fn broken(text: &str) -> Option<String> {
    pieces(text).into_iter().find_map(|piece| {
        let Piece::Text(text) = piece else { return None };
        let text = text.replace("$$", "");
        text.find('$').map(|at| text[at..].to_owned())
    })
}

/// The text with such dollar signs as Compose writes one that is meant: `$$`.
pub fn mended(text: &str) -> String {
    let mended = |piece| match piece {
        Piece::Text(text) => {
            text.split("$$").map(|part| part.replace('$', "$$")).collect::<Vec<_>>().join("$$")
        }
        Piece::Variable(variable) => variable.written,
    };
    pieces(text).into_iter().map(mended).collect()
}

/// The text with each variable replaced by what `with` says, or kept as it is written.
pub fn replaced(text: &str, with: &mut dyn FnMut(&Variable) -> Option<String>) -> String {
    let written = |piece| match piece {
        Piece::Text(text) => text,
        Piece::Variable(variable) => with(&variable).unwrap_or(variable.written),
    };
    pieces(text).into_iter().map(written).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_found_in_texts() {
        for (text, names) in [
            ("plain", vec![]),
            ("$$A ${B} $C-d", vec!["B", "C"]),
            ("${A:-x}:${B-y}:${C:?needed - now}", vec!["A", "B", "C"]),
            ("${A:-${B:-c}}", vec!["B", "A"]),
            ("a$", vec![]),
            ("${", vec![]),
            ("${1}", vec![]),
            ("${A!x}", vec![]),
        ] {
            let found: Vec<_> = variables(text).into_iter().map(|it| it.name).collect();
            assert_eq!(found, names, "{text}");
            assert_eq!(replaced(text, &mut |_| None), text, "{text}");
        }
        assert_eq!(sole("${A:-b}").unwrap().default.as_deref(), Some("b"));
        assert_eq!(sole("${A:?b - c}").unwrap().required.as_deref(), Some("b - c"));
        assert_eq!(sole("${A?}").unwrap().required.as_deref(), Some(""));
        assert_eq!(sole("${A:+b}").unwrap().alternative.as_deref(), Some("b"));
        assert!(sole("${A}x").is_none());
    }

    #[test]
    fn what_begins_no_variable_is_found() {
        for (text, found, mended_to) in [
            ("a", None, "a"),
            ("$A ${B:-c} $$d", None, "$A ${B:-c} $$d"),
            ("${BAD", Some("${BAD"), "$${BAD"),
            ("cost 5$", Some("$"), "cost 5$$"),
            ("$2y$10$abc", Some("$2y$10"), "$$2y$$10$abc"),
            ("$$${A!x}", Some("${A!x}"), "$$$${A!x}"),
        ] {
            assert_eq!(broken(text).as_deref(), found, "{text}");
            assert_eq!(mended(text), mended_to, "{text}");
            assert_eq!(broken(&mended(text)), None, "{text}");
        }
    }

    #[test]
    fn defaults_count_where_nothing_is_set() {
        let lookup = |name: &str| (name == "SET").then(|| "it".to_owned());
        for (text, value) in [
            ("${SET:-other}", "it"),
            ("${UNSET:-other}", "other"),
            ("${UNSET:-${SET}}!", "it!"),
            ("${UNSET}$$", "$"),
            ("${SET:+a}${UNSET:+b}", "a"),
        ] {
            assert_eq!(resolved(text, &lookup), value, "{text}");
        }
    }
}
