//! Partly restored data: anyone who deploys, backs up or looks at the app is told
//! about it, until a restore is complete or a deploy accepts the data.

use crate::home::{AppName, lock_file::LockFile};

/// The warning about the app's data; none if no restore was interrupted.
pub fn half_restored(app: &AppName, lock: &LockFile) -> Option<String> {
    let set = lock.restoring.as_ref()?;
    Some(format!("{}; `{}` completes it", unfinished(set), command(app, set)))
}

/// What happened.
pub(super) fn unfinished(set: &str) -> String {
    format!(
        "a restore of the backup {set} did not finish: some of the data may come from the backup, \
         the rest is unchanged"
    )
}

/// What completes it.
pub(super) fn command(app: &AppName, set: &str) -> String {
    format!("potluck backup restore {app} {set}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_restore_that_was_cut_off_is_told_with_what_completes_it() {
        let app = AppName::new("wiki.example.org").unwrap();
        let mut lock = LockFile::default();
        assert_eq!(half_restored(&app, &lock), None);
        lock.restoring = Some("20260101T000000Z-0a0b0c".into());
        let told = half_restored(&app, &lock).unwrap();
        assert!(told.contains("the backup 20260101T000000Z-0a0b0c did not finish"));
        assert!(told.contains("`potluck backup restore wiki.example.org 20260101T000000Z-0a0b0c`"));
    }
}
