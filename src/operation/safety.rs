//! The backup that an upgrade takes before it changes anything, and the way back with it:
//! where the old version cannot use the data any more, the data of the set takes its place.

use std::sync::Arc;

use crate::{
    app::{self, App, Context, Error},
    backup::{
        self, Repository,
        options::{Missing, find, writers_of},
        restic::Restic,
        set::SetId,
    },
    engine::{Engine, if_there},
    hint::Hint,
    home::{AppEntry, AppGuard, VolumeWriters, lock_file::RecipePin},
    owner::{
        Confined,
        journal::{Entry, Undo},
    },
    plugin::Role,
    recipe::Version,
    rollout::{Change, ChangeAction, ChangeKind},
};

use super::{
    backup::{Complete, Found, make, new_set, tidy},
    journal::{Journal, stays_unfinished},
    recover::{restore_files, undo_services},
    restores::{Means, On},
    room::{Room, Short},
};

/// The step of an upgrade that takes the set.
pub(super) const BACKUP: &str = "backup set";

/// The set, and the app as it is before the upgrade, to which the set belongs.
pub(super) struct Safety {
    app: App,
    pub set: SetId,
    /// Without credentials.
    repository: String,
    /// What services do meanwhile.
    writers: VolumeWriters,
    means: Means,
    restic: Option<Restic>,
    /// On the disks of the data, for bringing it back; from when the set was taken.
    room: Option<Room>,
}

/// Whether an app has something to back up.
pub(super) enum Wanted {
    Set(Box<Safety>),
    /// Nothing says how; the warning is for the plan.
    Nothing(Option<String>),
}

/// Gets ready to take a set; a dry run, without a guard, makes no repository. `adopted` is
/// what runs, where the lock file does not know it.
///
/// # Errors
/// [`Error::NoSafety`] where no set can be taken.
pub(super) async fn prepare(
    context: &Context,
    guard: Option<&AppGuard>,
    (entry, engine): (&AppEntry, &Arc<Confined>),
    adopted: Option<&RecipePin>,
    means: &Means,
) -> Result<Wanted, Error> {
    let options = &means.options;
    let mut app = match adopted.and_then(RecipePin::released) {
        Some(version) => app::load(context, entry, &Version::Named(version.clone())).await?,
        None => app::load_deployed(context, entry).await?,
    };
    app.engine = Arc::clone(engine);
    let has_backup = |component: &app::Component| {
        component.roles().is_ok_and(|roles| roles.contains(&Role::Backup))
    };
    if !app.components()?.iter().any(has_backup) {
        let own: Vec<&str> = app
            .stack
            .volumes
            .iter()
            .filter(|volume| !volume.external)
            .map(|volume| volume.name.as_str())
            .collect();
        let warning = (!own.is_empty()).then(|| {
            format!(
                "no backup is taken before the upgrade, because the recipe does not say how: {} \
                 cannot come back",
                own.join(", ")
            )
        });
        return Ok(Wanted::Nothing(warning));
    }
    let ready = async {
        let set = new_set()?;
        let Some(_) = guard else {
            let repository =
                Repository::of(&context.home, &entry.server, None, &options.environment)?;
            return Ok((set, repository.display(), None));
        };
        let restic = find(context, entry, options, Missing::Made).await?;
        Ok((set, restic.name().to_owned(), Some(restic)))
    };
    let writers = writers_of(context, entry, options).map_err(|error| no_safety(entry, &error))?;
    let (set, repository, restic) =
        ready.await.map_err(|error: backup::Error| no_safety(entry, &error))?;
    Ok(Wanted::Set(Box::new(Safety {
        app,
        set,
        repository,
        writers,
        means: means.clone(),
        restic,
        room: None,
    })))
}

fn no_safety(entry: &AppEntry, error: &backup::Error) -> Error {
    Error::NoSafety { app: entry.name.to_string(), reason: error.to_string(), hint: error.hint() }
}

/// What services do while their volumes are read, for a plan; nothing where they run on.
pub(super) fn told_writers(writers: VolumeWriters) -> Option<&'static str> {
    match writers {
        VolumeWriters::Run => None,
        VolumeWriters::Pause => Some("services that write a volume are paused while it is read"),
        VolumeWriters::Stop => Some("services that write volumes stop while they are read"),
    }
}

impl Safety {
    /// That of an upgrade that did not end.
    ///
    /// # Errors
    /// An app that cannot be loaded as it was.
    pub async fn again(
        context: &Context,
        entry: &AppEntry,
        engine: &Arc<Confined>,
        began: &Entry,
        means: &Means,
    ) -> Result<Option<Box<Self>>, Error> {
        let set = began.set.as_ref().and_then(|set| set.parse::<SetId>().ok());
        let (Some(set), Some(_)) = (set, began.index(BACKUP)) else { return Ok(None) };
        let pin = began.marks.as_ref().and_then(|marks| marks.released());
        let version = pin.map_or(Version::Newest, |pin| Version::Named(pin.clone()));
        let mut app = app::load(context, entry, &version).await?;
        app.engine = Arc::clone(engine);
        let repository =
            Repository::of(&context.home, &entry.server, None, &means.options.environment)
                .map_err(|error| no_safety(entry, &error))?
                .display();
        let writers = writers_of(context, entry, &means.options);
        let writers = writers.map_err(|error| no_safety(entry, &error))?;
        let means = means.clone();
        let restic = None;
        Ok(Some(Box::new(Safety { app, set, repository, writers, means, restic, room: None })))
    }

    /// The line of the plan.
    pub fn change(&self) -> Change {
        Change {
            kind: ChangeKind::Backup,
            name: self.app.entry.name.to_string(),
            action: ChangeAction::Create,
            details: [
                Some(format!("a set in {}, before anything changes", self.repository)),
                told_writers(self.writers).map(str::to_owned),
            ]
            .into_iter()
            .flatten()
            .collect(),
        }
    }

    /// Takes the set, and proves that it is complete and has a place to come back to. One
    /// that another process began is taken anew.
    ///
    /// # Errors
    /// [`Error::NoSafety`]; nothing of the app has changed then.
    pub async fn take(
        &mut self,
        context: &Context,
        guard: &AppGuard,
        journal: &Journal,
    ) -> Result<(), Error> {
        let entry = self.app.entry.clone();
        let taken = async {
            if journal.is_resumed() {
                self.tidy(context, guard, Complete::Replaced).await?;
            }
            let restic = match self.restic.take() {
                Some(restic) => restic,
                None => find(context, &entry, &self.means.options, Missing::Made).await?,
            };
            let with = (restic, self.set.clone());
            let report = make(context, guard, &self.app, &self.means.options, with, journal).await;
            let report = match report {
                Ok(report) => Some(report),
                Err(error @ backup::Error::AfterBackup { .. }) => {
                    context.progress.warn(error.to_string());
                    None
                }
                Err(error) => return Err(error),
            };
            for warning in report.iter().flat_map(|report| &report.warnings) {
                context.progress.warn(warning.clone());
            }
            context.progress.step("check the backup set");
            let on = On { context, guard, options: &self.means.options };
            self.means.restores.check(&on, &self.app, &self.set).await
        };
        let bytes = taken.await.map_err(|error| match error {
            // What is left of the set is not known: the operation stays unfinished.
            backup::Error::Engine(lost) if stays_unfinished(&lost) => lost.into(),
            backup::Error::Operation(lost) if lost.of_engine().is_some_and(stays_unfinished) => {
                lost
            }
            error => no_safety(&entry, &error),
        })?;
        self.room = Some(self.keep_room(bytes).await?);
        Ok(())
    }

    /// What comes back is restored beside what is there, whatever the migration leaves free.
    async fn keep_room(&self, bytes: u64) -> Result<Room, Error> {
        let mut folders = Vec::new();
        for volume in self.app.stack.volumes.iter().filter(|volume| !volume.external) {
            if let Some(live) = if_there(self.app.engine.volume(&volume.name).await)? {
                folders.push(live.mountpoint);
            }
        }
        Room::keep(&folders, bytes).map_err(|Short { place, free }| Error::NoRoom {
            app: self.app.entry.name.to_string(),
            needed: bytes,
            free,
            place: place.display().to_string(),
        })
    }

    /// Ends a set that was not taken to its end: plugins receive `after-backup`, and what it
    /// stored is forgotten.
    ///
    /// # Errors
    /// As [`make`].
    pub async fn tidy(
        &self,
        context: &Context,
        guard: &AppGuard,
        complete: Complete,
    ) -> Result<(), backup::Error> {
        let found = Found { set: Some(self.set.clone()), begun: true, complete };
        tidy(context, guard, &self.app, &self.means.options, found).await.map(drop)
    }

    /// Brings services back to what they were before the upgrade, and where the old version
    /// cannot use the data any more, or does not come up with it, the data as well. Returns
    /// whether the data came back.
    ///
    /// # Errors
    /// What failed; the app is then as that left it.
    pub async fn go_back(
        &mut self,
        context: &Context,
        guard: &AppGuard,
        journal: &Journal,
    ) -> Result<bool, backup::Error> {
        journal.abort().await?;
        self.room = None;
        let entry = journal.entry();
        // Otherwise the old version can use the data.
        let mut with_data = journal.kept().has_begun(Undo::Data);
        if !with_data {
            match undo_services(&*context.progress, &self.app.engine, &entry).await {
                Ok(()) => {}
                Err(Error::NotUndone { reason, .. }) => {
                    context.progress.warn(format!(
                        "the version before does not come up on the data as it is now: {reason}"
                    ));
                    with_data = true;
                }
                Err(error) => return Err(error.into()),
            }
        }
        if with_data {
            let Safety { app, set, means, .. } = self;
            context.progress.step(format!("restore the data from {set}"));
            let on = On { context, guard, options: &means.options };
            means.restores.bring(&on, app, journal).await?;
        }
        restore_files(context, guard, &entry)?;
        Ok(with_data)
    }
}
