//! The parts of a restore: volumes are restored beside the live ones,
//! services stopped and started in the right order, dumps and items of plugins restored.

use std::{collections::BTreeSet, time::Duration};

use tokio_util::sync::CancellationToken;

use super::put_back::put_back;
use crate::{
    app::{self, App, Context, Stopped},
    backup::{
        error::Error,
        options::{Meter, unless_cancelled},
        restic::Restic,
        set::{
            SetId,
            manifest::{Item, VolumeFacts},
            plan::{Planned, What},
            stream::Dump,
            take::{check_node, session},
        },
        volume::{Staged, Swapped, here},
    },
    compose::StackVolume,
    engine::{Engine, STACK_LABEL, Scope},
    home::AppGuard,
    hooks::{self, AppServices, RestoreHook},
    operation::{self, DeployOptions},
    plugin::{Hooks, ServiceError, StackServices},
    rollout::wants_tasks,
};

/// Containers get their own grace period; this is for all of them.
const STOP: Duration = Duration::from_secs(300);
/// A data store that starts on restored files may repair them first.
const START: Duration = Duration::from_secs(600);
/// How much of what a hook prints is read.
const SHOWN: usize = 64 * 1024;

/// What the parts need of the whole.
pub(in crate::backup) struct Restoring<'a> {
    pub context: &'a Context,
    pub restic: &'a Restic,
    pub set: &'a SetId,
}

/// What a failed exchange of volumes leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Left {
    /// All volumes have what they had.
    AsBefore,
    /// Some have the data of the backup.
    Mixed,
}

impl Restoring<'_> {
    /// Restores all volumes beside the live ones, creating those that are
    /// missing as swarm would.
    pub async fn stage_all(
        &self,
        app: &App,
        items: &[(Item, Planned)],
    ) -> Result<Vec<(Staged, VolumeFacts)>, Error> {
        let mut staged = Vec::new();
        for (item, place) in items {
            let (What::Volume { volume, .. }, Some(facts)) = (&place.what, &item.volume) else {
                continue;
            };
            check_node(app, volume, "restored").await?;
            let meter = Meter::new(&*self.context.progress, format!("volume {}", item.name));
            let live = app.engine.create_volume(&volume.name, labels(app, volume)).await?;
            let folder = here::folder(app, volume, &live, "restored").await?;
            folder.check_places(facts)?;
            let beside = folder.stage(self.set)?;
            for left in beside.swept() {
                let left = left.display();
                self.context
                    .progress
                    .warn(format!("removed {left}, left by an interrupted restore"));
            }
            // One that was empty has no snapshot: an empty folder takes its place.
            if let Some(snapshot) = &item.snapshot {
                self.restic.restore(snapshot, beside.view()?).await?;
            }
            staged.push((beside, facts.clone()));
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
        staged: Vec<(Staged, VolumeFacts)>,
    ) -> Result<(), Box<(Error, Left)>> {
        for (staged, facts) in &staged {
            // Again: other containers went on meanwhile, and the app did until
            // it was stopped.
            let checked = async {
                here::check_unshared(app, staged.folder().volume()).await?;
                staged.folder().check_places(facts)
            };
            checked.await.map_err(|error| Box::new((error, Left::AsBefore)))?;
        }
        let committing = tokio::task::spawn_blocking(move || {
            let mut swapped = Vec::new();
            for (staged, facts) in staged {
                match staged.swap(&facts) {
                    Ok(done) => swapped.push(done),
                    Err(error) => {
                        // One that fails must not keep the others.
                        let undone = swapped.into_iter().rev().map(Swapped::undo);
                        let undone: Vec<Error> = undone.filter_map(Result::err).collect();
                        return Err(Box::new(match undone.into_iter().next() {
                            Some(undo) => (undo, Left::Mixed),
                            None => (error, Left::AsBefore),
                        }));
                    }
                }
            }
            Ok(swapped.into_iter().filter_map(|done| done.finish().err()).collect::<Vec<_>>())
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
            let What::Dump { service, put_back: command, .. } = &place.what else { continue };
            let Some(snapshot) = &item.snapshot else { continue };
            let mut meter = Meter::new(&*self.context.progress, format!("dump {}", item.name));
            let download = self.restic.dump(snapshot, item.name.as_str()).await?;
            let session = session(app, service, command, true).await?;
            let dump = Dump { item: item.name.as_str(), service };
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
pub(in crate::backup) async fn check_volumes(
    app: &App,
    items: &[(Item, Planned)],
    exist: &BTreeSet<String>,
) -> Result<(), Error> {
    for (item, place) in items {
        let (What::Volume { volume, .. }, Some(facts)) = (&place.what, &item.volume) else {
            continue;
        };
        check_node(app, volume, "restored").await?;
        here::check_unshared(app, &volume.name).await?;
        if exist.contains(&volume.name) {
            let live = app.engine.volume(&volume.name).await?;
            here::folder(app, volume, &live, "restored").await?.check_places(facts)?;
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

/// Which services run when a restore begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::backup) struct Services {
    /// Every service is deployed and asks for tasks.
    pub whole: bool,
    /// Keys of those that do.
    pub running: Vec<String>,
}

impl Services {
    pub async fn look(app: &App, items: &[(Item, Planned)]) -> Result<Self, Error> {
        let live = app.engine.services(Scope::Stack(&app.name)).await?;
        let mut running = Vec::new();
        let mut whole = true;
        for service in &app.stack.services {
            let name = service.spec.name.as_deref();
            let found = live.iter().filter_map(|s| s.spec.as_ref());
            let found = found.clone().find(|spec| spec.name.as_deref() == name);
            match found {
                Some(spec) if wants_tasks(spec) => running.push(service.key.clone()),
                // Stopped by a restore that failed, or by hand.
                Some(_) if wants_tasks(&service.spec) => whole = false,
                Some(_) => {}
                None => whole = false,
            }
        }
        // There is nothing to restore, so nothing has to stop.
        if items.is_empty() {
            running.clear();
        }
        Ok(Services { whole, running })
    }

    /// Stops what runs, databases last, and returns what was stopped. If
    /// that fails, or is cancelled, everything is started again.
    pub async fn stop(
        &self,
        context: &Context,
        app: &App,
        data: &BTreeSet<String>,
        cancel: &CancellationToken,
    ) -> Result<StoppedApp, Error> {
        let (stores, apps): (Vec<String>, Vec<String>) =
            self.running.iter().cloned().partition(|key| data.contains(key));
        let mut stopped = StoppedApp::default();
        let outcome = {
            let StoppedApp { apps: apps_stopped, data: data_stopped } = &mut stopped;
            let stopping = async {
                context.progress.step("stop services");
                app::scale_down(context, app, &apps, STOP, apps_stopped).await?;
                app::scale_down(context, app, &stores, STOP, data_stopped).await?;
                Ok(())
            };
            unless_cancelled(cancel, "the app is unchanged", stopping).await
        };
        match outcome {
            Ok(()) => Ok(stopped),
            Err(error) => Err(stopped.bring_back(context, app, error).await),
        }
    }

    /// Starts the services that receive dumps, and nothing else; returns
    /// what is still stopped. An incomplete stack is deployed for that.
    pub async fn start_data(
        &self,
        context: &Context,
        guard: &AppGuard,
        app: &mut App,
        data: &BTreeSet<String>,
        stopped: StoppedApp,
    ) -> Result<Stopped, Error> {
        if self.whole {
            if !data.is_empty() {
                context.progress.step("start data stores");
            }
            let failed = app::bring_back(context, app, &stopped.data, START).await;
            let mut services = keys(&failed);
            let Some((_, first)) = failed.into_iter().next() else { return Ok(stopped.apps) };
            services.extend(stopped.apps.services().into_iter().map(Into::into));
            return Err(Error::LeftStopped { services, source: Box::new(first.into()) });
        }
        context.progress.step("deploy");
        let options = DeployOptions { restoring: true, ..DeployOptions::default() };
        operation::deploy(context, guard, app, &options).await?;
        let mut apps = Stopped::default();
        if !data.is_empty() {
            let keys = app.stack.services.iter().map(|s| s.key.clone());
            let others: Vec<String> = keys.filter(|key| !data.contains(key)).collect();
            app::scale_down(context, app, &others, STOP, &mut apps).await?;
        }
        Ok(apps)
    }

    /// Starts the rest.
    pub async fn start_rest(
        &self,
        context: &Context,
        app: &App,
        apps: Stopped,
    ) -> Result<(), Error> {
        context.progress.step("start services");
        let failed = app::bring_back(context, app, &apps, START).await;
        let services = keys(&failed);
        match failed.into_iter().next() {
            None => Ok(()),
            Some((_, first)) => {
                Err(not_started(app, "the data is restored", services, first.into()))
            }
        }
    }
}

fn keys(failed: &[(String, app::Error)]) -> Vec<String> {
    failed.iter().map(|(key, _)| key.clone()).collect()
}

/// The error of services that did not start, after something else failed or
/// because of what kept the first of them.
fn not_started(app: &App, data: &'static str, services: Vec<String>, because: Error) -> Error {
    let app = app.entry.name.to_string();
    Error::NotStarted { app, services, data, source: Box::new(because) }
}

/// Stopped services, by when they are started again.
#[derive(Debug, Default)]
pub(in crate::backup) struct StoppedApp {
    pub apps: Stopped,
    pub data: Stopped,
}

impl StoppedApp {
    /// Starts everything again after a failure that did not change the data,
    /// and returns that failure, with the services that did not start.
    pub async fn bring_back(self, context: &Context, app: &App, because: Error) -> Error {
        context.progress.step("start services");
        let mut failed = app::bring_back(context, app, &self.data, START).await;
        failed.extend(app::bring_back(context, app, &self.apps, START).await);
        for (service, error) in &failed {
            context.progress.warn(format!("`{service}` did not start again: {error}"));
        }
        match keys(&failed) {
            services if services.is_empty() => because,
            services => not_started(app, "its data is unchanged", services, because),
        }
    }
}
