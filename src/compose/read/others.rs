//! Files that compose files name by `include` and `extends`. Their number and
//! their total size are limited.

use std::path::Path;

use crate::compose::{LoadOptions, Source, decode};

/// Files that one load reads besides those given to it.
const MOST_FILES: usize = 100;
/// Bytes of all of them.
const MOST_BYTES: usize = 16 << 20;
/// How deep files may include each other, and services extend each other.
pub const DEEPEST: usize = 16;

/// Counts what was read.
#[derive(Debug, Default)]
pub struct Others {
    files: usize,
    bytes: usize,
}

impl Others {
    /// Reads one file; its name in messages is relative to the working folder.
    pub fn read(&mut self, path: &Path, options: &LoadOptions<'_>) -> Result<Source, String> {
        let shown = path.strip_prefix(options.working_dir).unwrap_or(path).display().to_string();
        if self.files == MOST_FILES {
            return Err(format!("more than {MOST_FILES} files are included or extended"));
        }
        self.files += 1;
        let bytes = options.files.read(path).map_err(|e| format!("{shown} cannot be read: {e}"))?;
        self.bytes = self.bytes.saturating_add(bytes.len());
        if self.bytes > MOST_BYTES {
            return Err("the files that are included or extended are too large".into());
        }
        let text = String::from_utf8(bytes).map_err(|_| format!("{shown} is not UTF-8 text"))?;
        Ok(Source { name: shown, text })
    }
}

/// Where a file is that another one names; an error for what is no file.
pub fn locate(folder: &Path, path: &str) -> Result<std::path::PathBuf, String> {
    if path.contains("://") || path.starts_with("git@") || path.starts_with("oci:") {
        return Err(format!("`{path}` is not a file; only files can be read here"));
    }
    if path.is_empty() {
        return Err("the path is empty".into());
    }
    Ok(decode::clean(&folder.join(path)))
}
