//! Upgrading an app: a deploy of another version with a backup set before anything changes,
//! whose data comes back with the old version if it fails.

use std::sync::Arc;

use async_trait::async_trait;

use crate::{
    app::{self, App, Error, replay::replay},
    backup::{
        self, Options,
        set::{SetId, snapshots::Which},
    },
};

use super::{
    journal::Journal,
    options::Upgrade,
    recover::{restore_files, undo_services},
    restore::{Restore, prepare_restore, steps::DUMPS},
    restores::{Begun, DataBack, Means, On, Restores},
};

impl Upgrade {
    /// One with a backup set before it, where there is something to back up.
    pub fn with_backup(options: Options) -> Self {
        Upgrade { backup: Some(Means { options, restores: Arc::new(Sets) }) }
    }

    /// One that leaves data where the old version may be unable to use it.
    pub fn without_backup() -> Self {
        Upgrade { backup: None }
    }
}

/// Sets, restored as `backup restore` does it.
#[derive(Debug)]
struct Sets;

#[async_trait(?Send)]
impl Restores for Sets {
    async fn check(&self, on: &On<'_>, app: &App, set: &SetId) -> Result<u64, backup::Error> {
        let which = Which::Named(set.to_string());
        let restore = prepare_restore(on.context, on.guard, app, &which, on.options).await?;
        Ok(restore.room())
    }

    async fn bring(
        &self,
        on: &On<'_>,
        app: &mut App,
        journal: &Journal,
    ) -> Result<(), backup::Error> {
        let On { context, guard, options } = *on;
        let entry = journal.entry();
        let which = Which::Named(entry.set.clone().unwrap_or_default());
        let restore = prepare_restore(context, guard, app, &which, options).await?;
        let mut restore = restore.onto(app, entry.services.clone()).await?;
        restore.bring_data(context, guard, app, options, journal).await?;
        // The data is that of the version before, whatever becomes of its services: the next
        // deploy has to bring that version. Steps that were done were done to data that is
        // gone.
        restore_files(context, guard, &entry)?;
        app.lock = context.home.lock_file(&app.entry).map_err(Error::from)?;
        if app.lock.upgrade.take().is_some() {
            context.home.write_lock_file(guard, &app.lock).map_err(Error::from)?;
        }
        undo_services(&*context.progress, &app.engine, &entry).await?;
        restore.complete(context, guard, app, options, journal).await.map(drop)
    }

    async fn begin(
        &self,
        on: &On<'_>,
        data: &DataBack,
        app: &App,
        journal: &Journal,
    ) -> Result<Box<dyn Begun>, backup::Error> {
        let On { context, guard, options } = *on;
        let mut of_recipe = app::load(context, &app.entry, &data.version).await?;
        of_recipe.engine = Arc::clone(&app.engine);
        let which = Which::Named(data.set.to_string());
        let mut restore = prepare_restore(context, guard, &of_recipe, &which, options).await?;
        if !journal.was_done(DUMPS) {
            if let Some(release) = &app.replays {
                let (entry, engine) = (&app.entry, Arc::clone(&app.engine));
                let release = replay(&context.home, entry, engine, (**release).clone())?;
                restore = restore.onto_release(&of_recipe, release).await?;
            }
            restore.bring_data(context, guard, &mut of_recipe, options, journal).await?;
        }
        Ok(Box::new(Half { restore, app: of_recipe }))
    }
}

/// A restore whose data is there, and the app whose plugins complete it.
struct Half {
    restore: Restore,
    app: App,
}

#[async_trait(?Send)]
impl Begun for Half {
    async fn complete(&mut self, on: &On<'_>, journal: &Journal) -> Result<(), backup::Error> {
        let On { context, guard, options } = *on;
        let Half { restore, app } = self;
        restore.complete(context, guard, app, options, journal).await.map(drop)
    }
}
