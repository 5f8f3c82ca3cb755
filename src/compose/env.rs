//! Environment files as docker reads them for `env_file` (docker/cli,
//! `pkg/kvfile`): raw values, no quotes, no escapes, no interpolation.

use super::interpolate::Lookup;

/// Longest line, as in Go's line scanner.
const LONGEST_LINE: usize = 64 * 1024;

/// Reads `KEY=value` lines in order. A key alone takes its value from the
/// environment, and is left out when there is none.
pub fn parse(bytes: &[u8], lookup: Lookup<'_>) -> Result<Vec<(String, String)>, String> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let text = std::str::from_utf8(bytes).map_err(|_| "it is not UTF-8 text".to_owned())?;
    let mut pairs = vec![];
    for (index, line) in text.split('\n').enumerate() {
        let number = index + 1;
        if line.len() >= LONGEST_LINE {
            return Err(format!("line {number} is too long"));
        }
        let line = line.strip_suffix('\r').unwrap_or(line).trim_start();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (key, value) = match line.split_once('=') {
            Some((key, value)) => (key, Some(value)),
            None => (line, None),
        };
        if key.is_empty() {
            return Err(format!("line {number} has no name before `=`"));
        }
        if key.contains([' ', '\t']) {
            return Err(format!("the name `{key}` on line {number} holds a blank"));
        }
        match value {
            Some(value) => pairs.push((key.to_owned(), value.to_owned())),
            None => pairs.extend(lookup(key).map(|value| (key.to_owned(), value))),
        }
    }
    Ok(pairs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_raw() {
        let text = "\u{feff}A=1\n  B= x \n# c\n\nC=\"q\"\r\nD=$A#x\nHOME\nNOPE\nE=\n";
        let lookup = |name: &str| (name == "HOME").then(|| "/root".to_owned());
        let got = parse(text.as_bytes(), &lookup).unwrap();
        let got: Vec<_> = got.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        assert_eq!(
            got,
            [("A", "1"), ("B", " x "), ("C", "\"q\""), ("D", "$A#x"), ("HOME", "/root"), ("E", "")]
        );
    }

    #[test]
    fn broken_files_are_errors() {
        for text in ["=x", "export A=1", "A B=1"] {
            assert!(parse(text.as_bytes(), &|_| None).is_err(), "{text}");
        }
        assert!(parse(&[b'A', b'=', 0xff], &|_| None).is_err());
    }
}
