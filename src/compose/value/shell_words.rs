//! Splits a command line into words, as google/shlex does: quotes, escapes, and
//! comments that begin a word.
//!
//! Docker reads `command` and `entrypoint` with that, and it is no shell: a backslash
//! in double quotes escapes every character, one before a line's end keeps that, and a
//! carriage return divides words. The crates that split as a shell does (`shlex`,
//! `shell-words`) would run other words than docker.

/// Splits the text.
pub fn split(text: &str) -> Result<Vec<String>, String> {
    let mut words = vec![];
    let mut word: Option<String> = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            ' ' | '\t' | '\r' | '\n' => words.extend(word.take()),
            '#' if word.is_none() => {
                for c in chars.by_ref() {
                    if c == '\n' {
                        break;
                    }
                }
            }
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next() {
                        Some('\'') => break,
                        Some(c) => word.push(c),
                        None => return Err("the single quote is not closed".into()),
                    }
                }
            }
            '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next() {
                        Some('"') => break,
                        Some('\\') => word.push(escaped(&mut chars)?),
                        Some(c) => word.push(c),
                        None => return Err("the double quote is not closed".into()),
                    }
                }
            }
            '\\' => {
                let c = escaped(&mut chars)?;
                word.get_or_insert_default().push(c);
            }
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Ok(words)
}

fn escaped(chars: &mut std::str::Chars<'_>) -> Result<char, String> {
    chars.next().ok_or_else(|| "the text ends in a backslash".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_split_as_in_shlex() {
        for (text, words) in [
            ("", vec![]),
            ("a  b\tc\n", vec!["a", "b", "c"]),
            ("sh -c 'echo \"hi\"'", vec!["sh", "-c", "echo \"hi\""]),
            ("a\"b c\"d", vec!["ab cd"]),
            ("''", vec![""]),
            ("a # comment\nb", vec!["a", "b"]),
            ("a#b", vec!["a#b"]),
            (r"a\ b", vec!["a b"]),
            (r#""a\"b\n""#, vec!["a\"bn"]),
            (r"'a\b'", vec![r"a\b"]),
            // Where a shell has other words.
            (r#""$A\d""#, vec!["$Ad"]),
            ("a\\\nb", vec!["a\nb"]),
            ("a\rb", vec!["a", "b"]),
        ] {
            assert_eq!(split(text).unwrap(), words, "{text:?}");
        }
        for text in ["'a", "\"a", "a\\", "\"a\\"] {
            assert!(split(text).is_err(), "{text:?}");
        }
    }
}
