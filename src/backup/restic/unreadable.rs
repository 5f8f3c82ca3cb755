//! Snapshots that restic leaves out of a list because it cannot read their files. It
//! only says so on standard error and ends with exit code 0.

use std::{collections::BTreeSet, fmt};

use super::retries;

/// So many digits of an id tell a file apart.
const DIGITS: usize = 10;

/// Snapshot files of a repository that cannot be read. Which app and which backup they
/// belong to is unknown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// Without credentials.
    pub repository: String,
    /// The beginnings of their names; at least one.
    pub ids: BTreeSet<String>,
    /// The command that shows all damage.
    pub check: String,
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.ids.len();
        let files = if count == 1 { "snapshot file" } else { "snapshot files" };
        let example = self.ids.first().map_or("", String::as_str);
        write!(
            f,
            "{count} {files} (`{example}…`) of the repository at {} cannot be read",
            self.repository
        )
    }
}

impl Unreadable {
    /// restic 0.14 has no command that repairs a snapshot's file.
    pub fn hint(&self) -> String {
        let Unreadable { check, ids, .. } = self;
        let example = ids.first().map_or("", String::as_str);
        format!(
            "`{check}` shows all that is damaged; put files such as `snapshots/{example}…` back \
             from a copy of the repository, or remove them from it to give up those backups"
        )
    }
}

/// The beginnings of the names of snapshots that were left out.
pub(super) fn left_out(stderr: &str) -> BTreeSet<String> {
    stderr.lines().filter_map(of_line).collect()
}

/// Up to 0.14 `could not load snapshot ID: reason`, later `Ignoring "ID": reason`.
fn of_line(said: &str) -> Option<String> {
    let said = said.trim_start_matches("\u{1b}[2K").trim();
    if retries::reason(said).is_some() {
        return None;
    }
    let rest = said
        .strip_prefix("could not load snapshot ")
        .or_else(|| said.strip_prefix("Ignoring \""))?;
    let digits = |text: &str| -> String {
        text.chars().take_while(char::is_ascii_hexdigit).take(DIGITS).collect()
    };
    // The reason has more digits than the name in 0.14.
    let named = rest.split_once("<snapshot/").map(|(_, name)| digits(name));
    let id = named.unwrap_or_else(|| digits(rest));
    (!id.is_empty()).then_some(id)
}

/// Why there is no list at all, although restic ended with exit code 0.
pub(super) fn no_list(stderr: &str) -> Option<String> {
    let said =
        stderr.lines().find_map(|said| said.trim().strip_prefix("could not load snapshots: "));
    said.map(retries::shortened)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_list_leaves_out_is_told() {
        for (stderr, expected) in [
            ("", &[] as &[&str]),
            // Recorded from restic 0.14.0.
            (
                "could not load snapshot 152d5b8a: load <snapshot/152d5b8a53>: invalid data returned\n",
                &["152d5b8a53"],
            ),
            (
                "\u{1b}[2Kcould not load snapshot 152d5b8a: ciphertext verification failed\ncould not load snapshot 4793a06b: load <snapshot/4793a06b17>: invalid data returned\n",
                &["152d5b8a", "4793a06b17"],
            ),
            (
                "Ignoring \"152d5b8a53cb4596b72b6fd5d9800ad105e150354e540dfddb078d5066ce1646\": wrong data returned\n",
                &["152d5b8a53"],
            ),
            (
                "Load(<snapshot/152d5b8a53>, 0, 0) returned error, retrying after 552.330144ms: connection reset\n",
                &[],
            ),
            ("unable to open cache: no such file or directory\n", &[]),
        ] {
            let found: Vec<String> = left_out(stderr).into_iter().collect();
            assert_eq!(found, expected, "{stderr:?}");
        }
        assert_eq!(no_list("could not load snapshots: EOF\n").as_deref(), Some("EOF"));
        assert_eq!(no_list("could not load snapshot 15: EOF\n"), None);
    }
}
