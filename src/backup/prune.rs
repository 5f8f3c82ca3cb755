//! `backup prune`: frees the space of what was forgotten, in one server's repository. Apart
//! from `forget`, because it takes long, locks out everyone else, and may be run from
//! elsewhere.

use std::time::Instant;

use jiff::Timestamp;
use serde::Serialize;

use super::{
    error::Error,
    options::{Options, of_server, unless_cancelled},
    restic::LOCK_LIMIT,
    results::{self, Subject},
};
use crate::{app::Context, home::ServerName, text::line};

/// What a prune did.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PruneReport {
    pub server: String,
    /// The name of the copy; none for the server's own repository.
    pub copy: Option<String>,
    /// Without credentials.
    pub repository: String,
    /// What was freed, in restic's words: `3.2 MiB`.
    pub freed: Option<String>,
    pub seconds: f64,
}

/// Prunes the repository of a server.
///
/// # Errors
/// [`Error::AppendOnly`]; [`Error::Refused`] from a store that takes additions only; [`Error::Locked`], and
/// restic's other failures.
pub async fn prune(
    context: &Context,
    server: &ServerName,
    options: &Options,
) -> Result<PruneReport, Error> {
    let began = Instant::now();
    let work = async {
        let restic = of_server(context, server, options).await?;
        restic.may_remove()?;
        context.progress.step(format!("prune {}", restic.name()));
        let done = restic.past_locks(LOCK_LIMIT, &*context.progress, || restic.prune()).await;
        restic.settle().await;
        Ok((restic.name().to_owned(), done?))
    };
    let done = unless_cancelled(&options.cancel, "what was not freed yet is kept", work).await;
    let error = done.as_ref().err().map(|error| line(&error.to_string()).into_owned());
    if !matches!(done, Err(Error::AppendOnly { .. })) {
        let copy = options.from.as_ref();
        results::record(&context.home, Subject::Prune(server), copy, Timestamp::now(), error)?;
    }
    let (repository, freed) = done?;
    let seconds = began.elapsed().as_secs_f64();
    let copy = options.from.as_ref().map(ToString::to_string);
    Ok(PruneReport { server: server.to_string(), copy, repository, freed, seconds })
}
