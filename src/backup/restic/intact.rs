//! Checks whether a repository has the files that its index names. restic does not store
//! data again that its index lists: if such a file is missing, it creates backups that look
//! normal but cannot be restored.

use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};

use super::{
    Restic,
    failure::{Doing, judge},
    process::Ended,
};
use crate::backup::error::Error;

/// Longest line of restic's output; the rest is skipped.
const LONGEST_LINE: u64 = 64 * 1024;
/// The output that follows the check of all files: reading their contents takes
/// time in proportion to the repository's size.
const NEXT: &[u8] = b"check snapshots";

impl Restic {
    /// Lists the files of the repository and compares them with its index, by name and
    /// size; this takes as long as the first part of `restic check`. The contents are not read.
    ///
    /// # Errors
    /// [`Error::PacksMissing`], and restic's failures.
    pub async fn check_packs(&self) -> Result<(), Error> {
        let first = self.missing_packs().await?;
        if first.is_empty() {
            return Ok(());
        }
        // Nothing is locked: a prune may have removed files between the two looks. Then
        // the index of now does not name them.
        let again = self.missing_packs().await?;
        let Some(example) = again.first() else { return Ok(()) };
        Err(Error::PacksMissing {
            repository: self.name().to_owned(),
            count: again.len(),
            example: example.clone(),
            repair: self.rebuild(),
        })
    }

    async fn missing_packs(&self) -> Result<Vec<String>, Error> {
        let action = "look for missing files";
        let odd = |e: std::io::Error| Error::ResticOutput {
            action: action.into(),
            message: e.to_string(),
        };
        let arguments = ["check", "--no-lock", "--with-cache"].map(Into::into);
        let mut command = self.command(&arguments);
        command.stdin(std::process::Stdio::null());
        let mut process = self.start(command)?;
        // It holds no lock that it could leave.
        process.begun.cancel();
        let mut through = false;
        if let Some(stdout) = process.stdout.take() {
            let mut stdout = BufReader::new(stdout);
            let mut said = Vec::new();
            while (&mut stdout)
                .take(LONGEST_LINE)
                .read_until(b'\n', &mut said)
                .await
                .map_err(odd)?
                > 0
            {
                through = said.starts_with(NEXT);
                if through {
                    break;
                }
                said.clear();
            }
        }
        let ended = match through {
            true => process.interrupt().await,
            false => process.wait().await,
        };
        let ended = ended.map_err(odd)?;
        let missing = named_missing(&ended);
        if missing.is_empty() && !through {
            judge(&Doing { action, repository: &self.name }, &ended)?;
        }
        Ok(missing)
    }
}

/// The files that are missing or of another size, shortened; of very many, the last.
fn named_missing(ended: &Ended) -> Vec<String> {
    let missing = |said: &str| {
        let said = said.trim().trim_start_matches("error: ");
        let (name, what) = said.strip_prefix("pack ")?.split_once(": ")?;
        let is_so =
            ["does not exist", "unexpected file size"].iter().any(|so| what.starts_with(so));
        let is_name = name.len() >= 8 && name.bytes().all(|b| b.is_ascii_hexdigit());
        (is_so && is_name).then(|| name.chars().take(10).collect())
    };
    ended.stderr.lines().filter_map(missing).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;

    use super::*;
    use crate::backup::restic::unread::Unread;

    /// Recorded from restic 0.14.0.
    #[test]
    fn only_files_that_the_index_misses_count() {
        let stderr = "pack b9ccf50d85b5aa7d826bfd9ca200179acb9688c5e8cba93fe88dd6752d01b261: does not exist\n\
                      pack 56edde7946c921ee14bf7424a68b0d2bf76d12ec1e0163089ac22facede6c6a0: unexpected file size: got 100000, expected 300127\n\
                      pack 764f0cf28027273bc5786074366978ffd48090b1f03e790462fe73a4cc38b793: not referenced in any index\n\
                      signal interrupt received, cleaning up\n";
        let ended = Ended {
            status: std::process::ExitStatus::from_raw(256),
            stderr: stderr.into(),
            unread: Unread::default(),
            gave_up: false,
        };
        assert_eq!(named_missing(&ended), ["b9ccf50d85", "56edde7946"]);
    }
}
