//! The services that write a volume while it is saved: they run, their containers are
//! paused for as long as restic reads that volume, or they are stopped while volumes are
//! read (`writers` in server.yml).
//!
//! Whatever is paused or stopped is known here before it is, so that [`Holding::free`] lets
//! it run on after a failure or a signal; and in the journal, so that another process does so
//! after a crash. Swarm knows nothing of paused containers: their tasks count as running and
//! requests to them wait, so no pause is longer than [`LONGEST`]. Docker makes no health check
//! of them, and calls them unhealthy until the first one afterwards, which swarm does not hear.

use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use crate::{
    app::{self, App, Context, Stopped},
    backup::error::Error,
    compose::StackVolume,
    engine::{self, Engine, Scope},
    home::VolumeWriters,
    rollout::{state::wanted::is_job, wants_tasks},
};

/// Clients and proxies give up after about this long.
const LONGEST: Duration = Duration::from_secs(60);
/// Containers get their own grace period; this is for all of them.
const STOP: Duration = Duration::from_secs(300);
/// How long what was stopped may take to run again.
const START: Duration = Duration::from_secs(300);
/// How often a container that Docker cannot pause is tried, and how long between.
const FREEZES: usize = 20;
const REFREEZE: Duration = Duration::from_millis(300);
/// Between two tries to reach an engine, so that what is paused is let go.
const PAUSES: [Duration; 4] = [
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(8),
];

/// A container that is paused.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Paused {
    /// Full name of its service.
    service: String,
    container: String,
}

/// What a backup holds back while it reads.
#[derive(Debug)]
pub(crate) struct Holding {
    how: VolumeWriters,
    paused: Mutex<Vec<Paused>>,
    /// Kept by the one who stops, also when that is left half way.
    stopped: tokio::sync::Mutex<Stopped>,
}

/// How long a volume was held still.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Still {
    /// All the time, or none was to be held.
    Throughout,
    /// Something ran again before it was read.
    TooLong,
    /// A container ended, or somebody else let it run on.
    Broken,
}

impl Holding {
    pub fn new(how: VolumeWriters) -> Self {
        Holding { how, paused: Mutex::default(), stopped: tokio::sync::Mutex::default() }
    }

    pub fn stops(&self) -> bool {
        self.how == VolumeWriters::Stop
    }

    fn paused(&self) -> std::sync::MutexGuard<'_, Vec<Paused>> {
        self.paused.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something with a volume that nobody writes meanwhile, if it does not take too
    /// long; returns whether that was so.
    ///
    /// # Errors
    /// Those of the work, and what the engine says.
    pub async fn while_still<T>(
        &self,
        app: &App,
        volume: &StackVolume,
        work: impl Future<Output = Result<T, Error>>,
    ) -> Result<(T, Still), Error> {
        if self.how == VolumeWriters::Pause {
            self.pause(app, volume).await?;
        }
        if self.paused().is_empty() {
            return Ok((work.await?, Still::Throughout));
        }
        tokio::pin!(work);
        match tokio::time::timeout(LONGEST, &mut work).await {
            Ok(done) => {
                let held = self.unpause(app).await?;
                Ok((done?, if held { Still::Throughout } else { Still::Broken }))
            }
            Err(_) => {
                self.unpause(app).await?;
                Ok((work.await?, Still::TooLong))
            }
        }
    }

    /// Pauses the containers that write a volume, on whichever node they run.
    async fn pause(&self, app: &App, volume: &StackVolume) -> Result<(), Error> {
        for service in writers(app, [volume]) {
            for container in app.engine.containers(&service).await? {
                let paused = Paused { service: service.clone(), container: container.id };
                self.paused().push(paused.clone());
                match freeze(app, &paused).await {
                    Ok(()) => {}
                    // It ended in between: it writes nothing.
                    Err(error) if error.is_not_found() => {
                        self.paused().retain(|known| *known != paused);
                    }
                    Err(error) => return Err(error.into()),
                }
            }
        }
        Ok(())
    }

    /// Lets everything that is paused run on; returns whether all of it was paused until now.
    async fn unpause(&self, app: &App) -> Result<bool, Error> {
        let (mut held, mut failed) = (true, None);
        let all = self.paused().clone();
        for paused in all {
            match unpause(app, &paused).await {
                Ok(was_paused) => {
                    held &= was_paused;
                    self.paused().retain(|known| *known != paused);
                }
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        failed.map_or(Ok(held), |error| Err(error.into()))
    }

    /// Stops services by their keys, side by side.
    ///
    /// # Errors
    /// Containers that do not end, and what the engine says.
    pub async fn stop(&self, context: &Context, app: &App, keys: &[String]) -> Result<(), Error> {
        let mut stopped = self.stopped.lock().await;
        Ok(app::scale_down(context, app, keys, STOP, &mut stopped).await?)
    }

    /// Lets everything run on that is paused or stopped, as it was before.
    ///
    /// # Errors
    /// [`Error::NotStarted`], and what the engine says.
    pub async fn free(&self, context: &Context, app: &App) -> Result<(), Error> {
        let unpaused = self.unpause(app).await;
        let mut stopped = self.stopped.lock().await;
        if !stopped.is_empty() {
            context.progress.step(format!("start {}", stopped.services().join(", ")));
            let mut failed = app::bring_back(context, app, &stopped, START).await;
            for pause in PAUSES {
                if !failed.iter().any(|(_, error)| error.of_engine().is_some_and(is_lost)) {
                    break;
                }
                tokio::time::sleep(pause).await;
                failed = app::bring_back(context, app, &stopped, START).await;
            }
            let services: Vec<String> = failed.iter().map(|(key, _)| key.clone()).collect();
            *stopped = std::mem::take(&mut *stopped).only(&services);
            if let Some((_, first)) = failed.into_iter().next() {
                let app = app.entry.name.to_string();
                let (data, source) = ("its data is unchanged", Box::new(first.into()));
                return Err(Error::NotStarted { app, services, data, source });
            }
        }
        unpaused.map(drop)
    }
}

/// Tried again where it is refused: runc gives up ("unable to freeze") where a health check
/// starts a program at that moment, and thaws the container.
async fn freeze(app: &App, paused: &Paused) -> Result<(), engine::Error> {
    for _ in 1..FREEZES {
        match app.engine.pause(&paused.service, &paused.container).await {
            Err(engine::Error::Refused { .. }) => tokio::time::sleep(REFREEZE).await,
            done => return done,
        }
    }
    app.engine.pause(&paused.service, &paused.container).await
}

/// Tried for a while where the engine cannot be reached: a paused app answers nobody.
async fn unpause(app: &App, paused: &Paused) -> Result<bool, engine::Error> {
    for pause in PAUSES {
        match app.engine.unpause(&paused.service, &paused.container).await {
            Err(error) if is_lost(&error) => tokio::time::sleep(pause).await,
            done => return done,
        }
    }
    app.engine.unpause(&paused.service, &paused.container).await
}

fn is_lost(error: &engine::Error) -> bool {
    matches!(error, engine::Error::Unreachable { .. })
}

/// Full names of the services that may write one of these volumes.
fn writers<'a>(app: &App, volumes: impl IntoIterator<Item = &'a StackVolume>) -> BTreeSet<String> {
    let names: Vec<&str> = volumes.into_iter().map(|volume| volume.name.as_str()).collect();
    let services = app.stack.services.iter().filter(|service| {
        let task = service.spec.task_template.as_ref();
        let container = task.and_then(|task| task.container_spec.as_ref());
        let mounts = container.and_then(|container| container.mounts.as_ref());
        mounts.into_iter().flatten().any(|mount| {
            let is_one = mount.source.as_deref().is_some_and(|source| names.contains(&source));
            is_one && mount.read_only != Some(true)
        })
    });
    services.filter_map(|service| service.spec.name.clone()).collect()
}

/// Keys of the services that may write a volume.
pub(crate) fn writer_keys(app: &App, volume: &StackVolume) -> Vec<String> {
    let prefix = format!("{}_", app.name);
    let names = writers(app, [volume]);
    names.iter().filter_map(|name| name.strip_prefix(&prefix)).map(Into::into).collect()
}

/// What runs and may write one of these volumes: keys, and live services. One that runs to
/// an end by itself is not interrupted.
///
/// # Errors
/// What the engine says.
pub(crate) async fn running_writers<'a>(
    app: &App,
    volumes: impl IntoIterator<Item = &'a StackVolume>,
) -> Result<Vec<(String, engine::api::Service)>, Error> {
    let names = writers(app, volumes);
    let prefix = format!("{}_", app.name);
    let live = app.engine.services(Scope::Stack(&app.name)).await?;
    let running = live.into_iter().filter_map(|service| {
        let spec = service.spec.as_ref()?;
        let name = spec.name.as_ref()?;
        let is_one = names.contains(name) && wants_tasks(spec) && !is_job(spec);
        let key = name.strip_prefix(&prefix)?.to_owned();
        is_one.then_some((key, service))
    });
    Ok(running.collect())
}
