//! The parts of a restore: volumes are restored beside the live ones and exchanged, dumps and
//! items of plugins restored.

use std::{collections::BTreeSet, time::Duration};

use super::put_back::put_back;
use crate::{
    app::{App, Context, World},
    backup::{
        error::Error,
        options::Meter,
        restic::{Reread, Restic},
        set::{
            SetId,
            exec::session,
            manifest::{Item, VolumeFacts},
            plan::{Planned, What},
            stream::Dump,
        },
        volume::place::{Access, Seat, StagedPlace, SwappedPlace},
    },
    compose::StackVolume,
    engine::STACK_LABEL,
    hooks::{self, AppServices, RestoreHook},
    plugin::{Hooks, ServiceError, StackServices},
};

/// A data store that starts on restored files may repair them first.
pub(crate) const START: Duration = Duration::from_secs(600);
/// How much of what a hook prints is read.
const SHOWN: usize = 64 * 1024;

/// What the parts need of the whole.
pub(crate) struct Restoring<'a> {
    pub context: &'a Context,
    pub restic: &'a Restic,
    pub set: &'a SetId,
    /// Whether only files of a volume are restored.
    pub part: bool,
}

/// What a failed exchange of volumes leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Left {
    /// All volumes have what they had.
    AsBefore,
    /// Some have the data of the backup.
    Mixed,
}

/// A volume's new content, and the engine that has it.
pub(crate) type StagedVolume = (Seat, StagedPlace, VolumeFacts);

impl Restoring<'_> {
    /// Restores all volumes beside the live ones, creating those that are
    /// missing as swarm would.
    pub async fn stage_all(
        &self,
        app: &App,
        items: &[(Item, Planned)],
    ) -> Result<Vec<StagedVolume>, Error> {
        let mut staged = Vec::new();
        for (item, place) in items {
            let (What::Volume { volume, .. }, Some(facts)) = (&place.what, &item.volume) else {
                continue;
            };
            let seat = Seat::of(app, volume, "restored").await?;
            let meter = Meter::new(&*self.context.progress, format!("volume {}", item.name));
            let live = seat.create(app, volume, labels(app, volume)).await?;
            let folder = seat.open(app, self.restic, &live, Access::Restore).await?;
            folder.check_places(facts).await?;
            let beside = folder.stage(self.set).await?;
            for left in beside.swept() {
                let left = left.display();
                self.context
                    .progress
                    .warn(format!("removed {left}, left by an interrupted restore"));
            }
            // One that was empty has no snapshot: an empty folder takes its place.
            if let Some(snapshot) = &item.snapshot {
                // Of a part, only what takes a place.
                let paths = if self.part { facts.paths.as_slice() } else { &[] };
                let reread = match self.context.world {
                    World::Sealed => Reread::Yes,
                    World::Open => Reread::No,
                };
                self.restic.restore_paths(snapshot, beside.view()?, paths, reread).await?;
            }
            staged.push((seat, beside, facts.clone()));
            meter.done(format!("{} bytes", item.bytes));
        }
        Ok(staged)
    }

    /// Runs what labels ask for while the app still runs. A service that does
    /// not run is skipped with a warning: its data is restored nevertheless.
    pub async fn before_restore(&self, app: &App) -> Result<(), Error> {
        let services = AppServices::of(app);
        for RestoreHook { label, service, command, grant, granted } in hooks::before_restore(app)? {
            if !granted {
                let reason =
                    format!("`{label}` of `{service}` needs the grant `{grant}` in recipe.yml");
                return Err(Error::BadItem { reason });
            }
            let name = format!("{service}: restore.pre-hook");
            self.context.progress.step(name);
            let failed = |reason: String, stderr: String| Error::LabelHook {
                label,
                service: service.clone(),
                reason,
                stderr,
            };
            match services.run(&service, &command, Vec::new(), SHOWN).await {
                Ok(output) if output.exit_code == 0 => {}
                Ok(output) => {
                    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
                    let reason = format!("it ended with exit code {}", output.exit_code);
                    return Err(failed(reason, stderr));
                }
                Err(ServiceError::NotRunning(_)) => {
                    let message =
                        format!("`{label}` did not run: the service `{service}` does not run");
                    self.context.progress.warn(message);
                }
                Err(error) => return Err(failed(error.to_string(), String::new())),
            }
        }
        Ok(())
    }

    /// Exchanges all volumes, or none: a failure is undone. Removing the old
    /// content can take long, so this does not run on the async threads.
    pub async fn commit_all(
        &self,
        app: &App,
        staged: Vec<StagedVolume>,
    ) -> Result<(), Box<(Error, Left)>> {
        for (seat, staged, facts) in &staged {
            // Again: other containers went on meanwhile, and the app did until
            // it was stopped.
            let checked = async {
                let place = staged.place();
                seat.check_unshared(app, place.volume()).await?;
                place.check_places(facts).await
            };
            checked.await.map_err(|error| Box::new((error, Left::AsBefore)))?;
        }
        // A task of its own: once begun, it is not left in the middle.
        let committing = tokio::spawn(async move {
            let mut swapped: Vec<SwappedPlace> = Vec::new();
            for (_, staged, facts) in staged {
                match staged.swap(facts).await {
                    Ok(done) => swapped.push(done),
                    Err(error) => {
                        // One that fails must not keep the others.
                        let mut failed = None;
                        for done in swapped.into_iter().rev() {
                            if let Err(undo) = done.undo().await {
                                failed.get_or_insert(undo);
                            }
                        }
                        return Err(Box::new(match failed {
                            Some(undo) => (undo, Left::Mixed),
                            None => (error, Left::AsBefore),
                        }));
                    }
                }
            }
            let mut left = Vec::new();
            for done in swapped {
                left.extend(done.finish().await.err());
            }
            Ok(left)
        });
        let left = committing.await.unwrap_or_else(|e| {
            let error = Error::Io {
                action: "putting the volumes into their places",
                path: "volumes".into(),
                source: std::io::Error::other(e),
            };
            Err(Box::new((error, Left::Mixed)))
        })?;
        for error in left {
            let message = format!("the previous content was not removed: {error}");
            self.context.progress.warn(message);
        }
        Ok(())
    }

    /// Restores all dumps, each once its service is ready.
    pub async fn put_back_all(
        &self,
        app: &App,
        items: &[(Item, Planned)],
        data: &BTreeSet<String>,
    ) -> Result<(), Error> {
        let services = AppServices::of(app);
        for service in data {
            services.wait_ready(service, START).await.map_err(|e| Error::PutBack {
                item: "the dumps".into(),
                service: service.clone(),
                reason: format!("it failed to start: {e}"),
                stderr: String::new(),
            })?;
        }
        for (item, place) in items {
            let What::Dump { service, put_back: command, belief, .. } = &place.what else {
                continue;
            };
            let Some(snapshot) = &item.snapshot else { continue };
            let mut meter = Meter::new(&*self.context.progress, format!("dump {}", item.name));
            let download = self.restic.dump(snapshot, item.name.as_str()).await?;
            let session = session(app, service, command, true).await?;
            let dump = Dump { item: item.name.as_str(), service, belief };
            let mut reached = |bytes| meter.reached(bytes, Some(item.bytes));
            let fed = put_back(dump, download, session, &mut reached).await?;
            if fed != item.bytes {
                return Err(Error::ResticOutput {
                    action: format!("read `{}`", item.name),
                    message: format!("it gave {fed} bytes of {}", item.bytes),
                });
            }
            meter.done(format!("{fed} bytes"));
        }
        Ok(())
    }

    /// Hands an item to the plugin that produced it.
    pub async fn consume(
        &self,
        item: &Item,
        hooks: Option<&mut (String, Hooks)>,
    ) -> Result<(), Error> {
        let (Some((_, hooks)), Some(snapshot)) = (hooks, &item.snapshot) else { return Ok(()) };
        let meter = Meter::new(&*self.context.progress, format!("custom {}", item.name));
        let mut download = self.restic.dump(snapshot, item.name.as_str()).await?;
        if let Some(reader) = download.reader() {
            hooks.consume(item.name.as_str(), Box::new(reader)).await?;
        }
        download.finish().await?;
        meter.done(format!("{} bytes", item.bytes));
        Ok(())
    }
}

/// Checks the places for all volumes of a set before anything stops, and changes nothing:
/// each must be a folder of this machine that nobody else writes, and must have the folders
/// that its paths lead through.
pub(crate) async fn check_volumes(
    app: &App,
    restic: &Restic,
    items: &[(Item, Planned)],
) -> Result<(), Error> {
    for (item, place) in items {
        let (What::Volume { volume, .. }, Some(facts)) = (&place.what, &item.volume) else {
            continue;
        };
        let seat = Seat::of(app, volume, "restored").await?;
        seat.check_unshared(app, &volume.name).await?;
        if let Some(live) = seat.live(app, volume).await? {
            seat.open(app, restic, &live, Access::Restore).await?.check_places(facts).await?;
        }
    }
    Ok(())
}

/// What swarm writes on the volumes of a stack's tasks.
fn labels(app: &App, volume: &StackVolume) -> std::collections::BTreeMap<String, String> {
    let mut labels = volume.labels.clone();
    labels.insert(STACK_LABEL.into(), app.name.to_string());
    labels
}
