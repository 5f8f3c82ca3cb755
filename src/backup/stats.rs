//! `backup stats`: what a server's repository holds, and of which apps.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use super::{
    error::Error,
    options::{Options, of_server, unless_cancelled},
    restic::Stored,
    set::{TAG, sets},
};
use crate::{app::Context, home::ServerName};

/// What a repository holds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StatsReport {
    pub server: String,
    /// Without credentials.
    pub repository: String,
    /// Bytes of data, compressed and without duplicates.
    pub stored: u64,
    /// The same before compression; unknown to old versions of restic.
    pub uncompressed: Option<u64>,
    pub apps: Vec<AppStats>,
}

/// The backups of one app, also of one that was removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AppStats {
    pub app: String,
    /// On which it was backed up.
    pub server: String,
    /// Complete ones.
    pub backups: usize,
    pub incomplete: usize,
    /// When the newest and the oldest complete one were begun.
    pub newest: Option<Timestamp>,
    pub oldest: Option<Timestamp>,
    /// Bytes of the newest complete one before compression.
    pub bytes: Option<u64>,
}

/// What the repository of a server holds.
///
/// # Errors
/// [`Error::NoRepository`] and restic's failures.
pub async fn stats(
    context: &Context,
    server: &ServerName,
    options: &Options,
) -> Result<StatsReport, Error> {
    let work = async {
        let restic = of_server(context, server, options).await?;
        let Stored { bytes, uncompressed } = restic.stats().await?;
        let found = restic.listing(TAG).await?;
        if let Some(unreadable) = found.unreadable {
            context.progress.warn(format!("{unreadable}: backups may be missing from this list"));
        }
        let mut apps: BTreeMap<(String, String), AppStats> = BTreeMap::new();
        // Newest first.
        for set in sets(&found.snapshots) {
            let of = (set.app.clone(), set.server.clone());
            let app = apps.entry(of).or_insert_with(|| AppStats {
                app: set.app.clone(),
                server: set.server.clone(),
                backups: 0,
                incomplete: 0,
                newest: None,
                oldest: None,
                bytes: None,
            });
            if !set.complete {
                app.incomplete += 1;
                continue;
            }
            app.backups += 1;
            app.oldest = Some(set.begun);
            if app.newest.is_none() {
                (app.newest, app.bytes) = (Some(set.begun), set.bytes);
            }
        }
        restic.settle().await;
        Ok(StatsReport {
            server: server.to_string(),
            repository: restic.name().to_owned(),
            stored: bytes,
            uncompressed,
            apps: apps.into_values().collect(),
        })
    };
    unless_cancelled(&options.cancel, "nothing was changed", work).await
}
