//! Ensures that the backups of a folder are made by one `backup run` at a time.

use super::{
    Error, Home,
    held::{Held, NotHeld},
};

/// Hidden, as no folder of a server can be, among which it lies.
const FILE: &str = ".backup-run";

/// Proof that no other `backup run` with this folder is at work on this machine. Released
/// when dropped, and when the process ends, however it ends.
#[derive(Debug)]
pub struct RunGuard {
    _held: Held,
}

impl Home {
    /// Claims the folder for a `backup run`, without waiting.
    ///
    /// # Errors
    /// [`Error::Running`] while another one has it.
    pub fn guard_run(&self) -> Result<RunGuard, Error> {
        let path = self.state().join("locks").join(FILE);
        match Held::claim(&path, "a backup run") {
            Ok(held) => Ok(RunGuard { _held: held }),
            Err(NotHeld::Taken(holder)) => Err(Error::Running { holder }),
            Err(NotHeld::Failed(action, source)) => Err(Error::Io { action, path, source }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_is_told_since_when_the_first_runs() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::new(folder.path());
        let held = home.guard_run().unwrap();
        let told = home.guard_run().unwrap_err().to_string();
        assert!(told.starts_with("a backup run has been running since 20"), "{told}");
        drop(held);
        home.guard_run().unwrap();
    }
}
