//! What a deploy needs of restores, which deploy themselves: it knows them by what they do.

use std::{fmt, sync::Arc};

use async_trait::async_trait;

use crate::{
    app::{App, Context},
    backup::{self, Options, set::SetId},
    home::AppGuard,
    recipe::Version,
};

use super::journal::Journal;

/// What taking a backup set and going back to it needs.
#[derive(Debug, Clone)]
pub(super) struct Means {
    pub options: Options,
    pub restores: Arc<dyn Restores>,
}

/// The data that comes back with a release.
#[derive(Debug, Clone)]
pub struct DataBack {
    pub(super) set: SetId,
    /// What names the release's version of the recipe to git: its plugins restore the data.
    pub(super) version: Version,
    pub(super) means: Means,
}

/// What a restore needs besides the app.
pub(super) struct On<'a> {
    pub context: &'a Context,
    pub guard: &'a AppGuard,
    pub options: &'a Options,
}

/// Restores sets.
#[async_trait(?Send)]
pub(super) trait Restores: fmt::Debug + Send + Sync {
    /// Proves that a set is complete and has a place in the app; returns the bytes that it
    /// takes to bring it back beside what is there.
    async fn check(&self, on: &On<'_>, app: &App, set: &SetId) -> Result<u64, backup::Error>;

    /// Brings the data of a set back, and services to what an operation's journal has.
    async fn bring(
        &self,
        on: &On<'_>,
        app: &mut App,
        journal: &Journal,
    ) -> Result<(), backup::Error>;

    /// Brings the data of a set back for a release; of its services, only data stores run
    /// then. What another process did is not done again.
    async fn begin(
        &self,
        on: &On<'_>,
        data: &DataBack,
        app: &App,
        journal: &Journal,
    ) -> Result<Box<dyn Begun>, backup::Error>;
}

/// A restore whose data is there.
#[async_trait(?Send)]
pub(super) trait Begun {
    /// What needs services that run.
    async fn complete(&mut self, on: &On<'_>, journal: &Journal) -> Result<(), backup::Error>;
}
