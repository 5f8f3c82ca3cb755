//! Snapshots of one repository into another: `restic copy`, which keeps their tags, times and
//! trees, gives them ids of their own, and passes over what was copied before.

use std::{ffi::OsString, process::Stdio};

use super::{CHANGE, LONGEST_REPORT, Restic};
use crate::backup::error::Error;

impl Restic {
    /// Makes the repository, which divides data as the other one does: else nothing that both
    /// hold would be the same.
    ///
    /// # Errors
    /// As [`Restic::init`]; [`Error::Clash`].
    pub async fn init_as(&self, source: &Restic) -> Result<(), Error> {
        let action = "make the repository";
        let arguments = ["init".into(), "--copy-chunker-params".into()];
        let work = self.with_source(action, source, &arguments);
        match tokio::time::timeout(CHANGE, work).await {
            Ok(done) => done,
            Err(_) => {
                let what = format!("restic, asked to {action},");
                Err(Error::TimedOut { what, seconds: CHANGE.as_secs() })
            }
        }
    }

    /// Copies these snapshots of another repository into this one.
    ///
    /// # Errors
    /// [`Error::Clash`], and restic's failures.
    pub async fn copy_from(&self, source: &Restic, ids: &[String]) -> Result<(), Error> {
        if ids.is_empty() {
            return Ok(());
        }
        let mut arguments: Vec<OsString> = vec!["copy".into()];
        arguments.extend(self.patience());
        arguments.push("--".into());
        arguments.extend(ids.iter().map(Into::into));
        // As long as the data takes: no limit but the caller's.
        self.with_source("copy snapshots", source, &arguments).await
    }

    async fn with_source(
        &self,
        action: &str,
        source: &Restic,
        arguments: &[OsString],
    ) -> Result<(), Error> {
        let mut command = self.command(arguments);
        command.stdin(Stdio::null());
        for (key, value) in &source.repository.environment {
            let here = self.repository.environment.iter().find(|(known, _)| known == key);
            match here {
                None => {
                    command.env(key, value);
                }
                Some((_, known)) if known == value => {}
                Some(_) => {
                    return Err(Error::Clash {
                        variable: key.to_string_lossy().into_owned(),
                        from: source.name().to_owned(),
                        target: self.name().to_owned(),
                    });
                }
            }
        }
        command
            .env("RESTIC_FROM_REPOSITORY", &source.repository.location)
            .env("RESTIC_FROM_PASSWORD_FILE", &source.repository.password_file);
        self.collected(action, self.start(command)?, LONGEST_REPORT).await.map(drop)
    }
}
