//! Words of commands that are shown to be typed: a shell reads each as one word.

use std::path::Path;

use super::ui::clean;

/// A word as a shell would read it, in quotes where it needs them.
pub fn word(word: &str) -> String {
    let word = clean(word);
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@%+,".contains(c);
    match !word.is_empty() && word.chars().all(is_plain) {
        true => word.to_string(),
        false => format!("'{}'", word.replace('\'', "'\\''")),
    }
}

/// A path as one word.
pub fn path(path: &Path) -> String {
    word(&path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_reads_one_word() {
        for (given, quoted) in [
            ("A=b/c", "A=b/c"),
            ("it's", "'it'\\''s'"),
            ("", "''"),
            ("/home/me/my recipes/wiki", "'/home/me/my recipes/wiki'"),
            ("$(x)", "'$(x)'"),
        ] {
            assert_eq!(word(given), quoted);
        }
        assert_eq!(path(Path::new("a b")), "'a b'");
    }
}
