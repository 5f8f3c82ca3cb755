//! Changes one assignment in a file without touching the rest.

use super::{EnvFile, ParseError, Quoting, syntax};

impl EnvFile {
    /// Assigns a key: in place if it exists (even commented out), else at the end. Keeps
    /// everything else byte for byte, the value's quoting too where the new value allows
    /// it. Earlier assignments of the key, which the last one may have built upon
    /// (`COMPOSE_FILE="$COMPOSE_FILE:…"`), are commented out.
    ///
    /// # Errors
    /// [`ParseError`] when `key` cannot be a key or something would become too
    /// long; the file is then unchanged.
    pub fn set(&mut self, key: &str, value: &str) -> Result<(), ParseError> {
        if !syntax::is_valid_key(key) {
            return Err(ParseError {
                file: self.name.clone(),
                line: self.text.lines().count() + 1,
                message: format!("`{key}` cannot be the name of a setting"),
            });
        }
        let mut text = self.text.clone();
        let entry = self.active(key).or_else(|| self.entries.iter().find(|entry| entry.key == key));
        match entry {
            Some(entry) => {
                text.replace_range(entry.raw.clone(), &quote(value, entry.quoting));
                text.replace_range(entry.marker.clone(), "");
                // Back to front, so that places before stay where they are.
                let earlier = self.entries.iter().filter(|other| {
                    other.key == key && !other.commented && other.line < entry.line
                });
                for other in earlier.rev() {
                    text.insert(other.marker.start, '#');
                }
            }
            None => {
                let line_end = if self.text.contains("\r\n") { "\r\n" } else { "\n" };
                // A byte order mark alone is an empty file; elsewhere it is text.
                if !matches!(text.as_str(), "" | "\u{feff}") && !text.ends_with('\n') {
                    text.push_str(line_end);
                }
                text.push_str(&format!("{key}={}{line_end}", quote(value, Quoting::Bare)));
            }
        }
        *self = EnvFile::parse(&self.name, &text)?;
        Ok(())
    }

    /// Comments out every assignment of a key, and keeps everything else.
    ///
    /// # Errors
    /// [`ParseError`] when something would become too long.
    pub fn unset(&mut self, key: &str) -> Result<(), ParseError> {
        let mut text = self.text.clone();
        let active = self.entries.iter().filter(|entry| entry.key == key && !entry.commented);
        // Back to front, so that places before stay where they are.
        for entry in active.rev() {
            text.insert(entry.marker.start, '#');
        }
        *self = EnvFile::parse(&self.name, &text)?;
        Ok(())
    }
}

/// Writes a value so that it reads back as it is.
fn quote(value: &str, wanted: Quoting) -> String {
    let control = value.contains(|c: char| c.is_control());
    let bare = !control
        && !value.contains('$')
        && !value.starts_with(['"', '\'', '#'])
        && !value.starts_with(syntax::is_blank)
        && !value.ends_with(syntax::is_blank)
        && !value.contains(" #")
        && !value.contains("\t#");
    let single = !control && !value.contains('\'');
    match wanted {
        Quoting::Bare if bare => value.to_owned(),
        Quoting::Bare | Quoting::Single if single => format!("'{value}'"),
        _ => {
            let mut quoted = String::with_capacity(value.len() + 2);
            quoted.push('"');
            for c in value.chars() {
                match c {
                    '\n' => quoted.push_str("\\n"),
                    '\r' => quoted.push_str("\\r"),
                    '\t' => quoted.push_str("\\t"),
                    '"' | '\\' | '$' => quoted.extend(['\\', c]),
                    c => quoted.push(c),
                }
            }
            quoted.push('"');
            quoted
        }
    }
}
