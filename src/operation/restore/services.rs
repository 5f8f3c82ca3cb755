//! The services of an app that is restored: which of them run, and how they stop and start
//! in the right order, databases last and first.

use std::{collections::BTreeSet, time::Duration};

use tokio_util::sync::CancellationToken;

use super::{
    super::{DeployOptions, deploy::deploy, recover},
    part::Part,
};
use crate::{
    app::{self, App, Context, Stopped},
    backup::{
        Error,
        options::unless_cancelled,
        restore::data::START as PATIENCE,
        set::{
            manifest::Item,
            plan::{Planned, What},
        },
    },
    engine::{
        Engine, Scope,
        api::{Service, ServiceSpec},
        is_placed,
    },
    home::AppGuard,
    owner::journal::Before,
    rollout::{
        send::apply::Sent,
        state::{
            since::Since,
            wanted::{is_job, with_tasks_again},
        },
        undo, wants_tasks,
    },
};

/// Containers get their own grace period; this is for all of them.
const STOP: Duration = Duration::from_secs(300);

/// How services come back.
pub(super) enum Start {
    /// With the specs that they had when they were stopped.
    AsTheyWere,
    /// By a deploy: they are not all there, or were stopped before.
    Deploy,
    /// With these specs: data stores only, and the rest is somebody else's.
    Stores(Vec<Before>),
    /// By a deploy of this app, of which only data stores ask for tasks.
    Of(Box<App>),
}

/// Which services run when a restore begins.
pub(super) struct Services {
    pub start: Start,
    /// Keys of those that do.
    pub running: Vec<String>,
    /// Those of them that keep running: they only take a dump back, and have none of the
    /// volumes that are exchanged.
    keep: BTreeSet<String>,
    /// Those that do not run, and do afterwards.
    asleep: Vec<Asleep>,
    /// All of them, as they are.
    pub before: Vec<Before>,
}

/// A service that was stopped by hand, or by a restore that did not end.
struct Asleep {
    key: String,
    id: String,
    /// As it is started.
    spec: ServiceSpec,
    /// Whether it is known what it was.
    is_known: bool,
}

impl Services {
    pub async fn look(app: &App, items: &[(Item, Planned)], part: &Part) -> Result<Self, Error> {
        let live = app.engine.services(Scope::Stack(&app.name)).await?;
        let (mut running, mut asleep) = (Vec::new(), Vec::new());
        let mut whole = true;
        for service in &app.stack.services {
            let name = service.spec.name.as_deref();
            let named =
                |live: &&Service| live.spec.as_ref().and_then(|s| s.name.as_deref()) == name;
            let found = live.iter().find(named);
            match found.and_then(|found| Some((found.id.as_ref()?, found.spec.as_ref()?))) {
                Some((id, spec)) if wants_tasks(spec) => {
                    // A job that is done has nothing to stop, and would run anew.
                    if !is_job(spec) || app.engine.tasks(id).await?.iter().any(is_placed) {
                        running.push(service.key.clone());
                    }
                }
                // Stopped by a restore that failed, or by hand.
                Some((id, spec)) if wants_tasks(&service.spec) => asleep.push(Asleep {
                    key: service.key.clone(),
                    id: id.clone(),
                    spec: with_tasks_again(spec, &service.spec),
                    is_known: false,
                }),
                Some(_) => {}
                None => whole = false,
            }
        }
        // There is nothing to restore, so nothing has to stop.
        if items.is_empty() {
            running.clear();
        }
        // A part needs only what takes it back, unless an earlier restore stopped them.
        if *part != Part::All && app.lock.restoring.is_none() {
            let needs = |key: &str| {
                items.iter().any(|(_, place)| match &place.what {
                    What::Dump { service, .. } => service == key,
                    What::Custom => true,
                    What::Volume { .. } => false,
                })
            };
            asleep.retain(|asleep: &Asleep| needs(&asleep.key));
        }
        let (start, keep) = match whole {
            true => (Start::AsTheyWere, untouched(app, items, part)),
            false => (Start::Deploy, BTreeSet::new()),
        };
        Ok(Services { start, running, keep, asleep, before: recover::services(live.iter()) })
    }

    /// Takes from an unfinished restore what the services that it stopped were.
    pub fn recall(&mut self, before: &[Before]) {
        for asleep in &mut self.asleep {
            let Some(was) = before.iter().find(|was| was.id == asleep.id) else { continue };
            let now = self.before.iter().find(|now| now.id == asleep.id);
            if let Some(now) = now.filter(|_| wants_tasks(&was.spec)) {
                asleep.spec = with_tasks_again(&now.spec, &was.spec);
                asleep.is_known = true;
            }
        }
    }

    /// What is otherwise afterwards than it is now, for the plan.
    pub fn told(&self) -> Vec<String> {
        if matches!(self.start, Start::Deploy) && !self.before.is_empty() {
            return vec![
                "not all services of the app exist: they are deployed, and what was changed by \
                 hand, as the number of replicas, becomes what the settings say"
                    .into(),
            ];
        }
        let unknown = self.asleep.iter().filter(|asleep| !asleep.is_known);
        let told = unknown.map(|Asleep { key, spec, .. }| {
            let mode = spec.mode.as_ref();
            let replicas = mode.and_then(|mode| mode.replicated.as_ref()?.replicas);
            let with = match replicas {
                Some(1) | None => String::new(),
                Some(more) => format!(" with {more} replicas, as the settings say"),
            };
            format!("`{key}` is stopped now, and starts{with}")
        });
        told.collect()
    }

    /// Keys of the services that stop meanwhile.
    pub fn stops(&self) -> Vec<String> {
        self.running.iter().filter(|key| !self.keep.contains(*key)).cloned().collect()
    }

    /// Everything of the stack that runs, also what another version brought; data stores
    /// come back with other specs.
    pub async fn all(app: &App, start: Start) -> Result<Self, Error> {
        let live = app.engine.services(Scope::Stack(&app.name)).await?;
        let prefix = format!("{}_", app.name);
        let wants = live.iter().filter_map(|service| service.spec.as_ref());
        let wants = wants.filter(|spec| wants_tasks(spec)).filter_map(|spec| spec.name.as_ref());
        let running = wants.filter_map(|name| name.strip_prefix(&prefix)).map(Into::into).collect();
        let (keep, before) = (BTreeSet::new(), recover::services(live.iter()));
        Ok(Services { start, running, keep, asleep: Vec::new(), before })
    }

    /// Stops what runs and has to, databases last, and returns what was stopped. If that fails, or is
    /// cancelled, everything is started again.
    pub async fn stop(
        &self,
        context: &Context,
        app: &App,
        data: &BTreeSet<String>,
        cancel: &CancellationToken,
    ) -> Result<StoppedApp, Error> {
        let (stores, apps): (Vec<String>, Vec<String>) =
            self.stops().into_iter().partition(|key| data.contains(key));
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
        &mut self,
        context: &Context,
        guard: &AppGuard,
        app: &mut App,
        data: &BTreeSet<String>,
        stopped: StoppedApp,
    ) -> Result<Stopped, Error> {
        let options = DeployOptions { restoring: true, ..DeployOptions::default() };
        match &mut self.start {
            Start::Stores(specs) => {
                start_stores(context, app, specs, data).await?;
                return Ok(Stopped::default());
            }
            Start::Of(other) => {
                context.progress.step("start data stores");
                // Boxed: it is the deploy of an app within that of another.
                Box::pin(deploy(context, guard, other, &options)).await?;
                return Ok(Stopped::default());
            }
            Start::AsTheyWere => {
                let mut stopped = stopped;
                for Asleep { key, id, spec, .. } in self.asleep.drain(..) {
                    let into =
                        if data.contains(&key) { &mut stopped.data } else { &mut stopped.apps };
                    into.add(key, id, spec);
                }
                if !stopped.data.services().is_empty() {
                    context.progress.step("start data stores");
                }
                let failed = app::bring_back(context, app, &stopped.data, PATIENCE).await;
                let mut services = keys(&failed);
                let Some((_, first)) = failed.into_iter().next() else { return Ok(stopped.apps) };
                services.extend(stopped.apps.services().into_iter().map(Into::into));
                return Err(Error::LeftStopped { services, source: Box::new(first.into()) });
            }
            Start::Deploy => {}
        }
        context.progress.step("deploy");
        // Boxed: the future of a deploy is large.
        Box::pin(deploy(context, guard, app, &options)).await?;
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
        let failed = app::bring_back(context, app, &apps, PATIENCE).await;
        let services = keys(&failed);
        match failed.into_iter().next() {
            None => Ok(()),
            Some((_, first)) => {
                Err(not_started(app, "the data is restored", services, first.into()))
            }
        }
    }
}

/// Keys of the services that take dumps back and mount none of the volumes that are
/// exchanged; where nothing but volumes of the app is restored, and not all of it, of every
/// service that mounts none.
fn untouched(app: &App, items: &[(Item, Planned)], part: &Part) -> BTreeSet<String> {
    let is_volume = |place: &Planned| matches!(place.what, What::Volume { .. });
    let files_only = *part != Part::All && items.iter().all(|(_, place)| is_volume(place));
    let exchanged = |name: &str| {
        let mut places = items.iter().map(|(_, place)| &place.what);
        places.any(|what| matches!(what, What::Volume { volume, .. } if volume.name == name))
    };
    let mounts_one = |spec: &ServiceSpec| {
        let container = spec.task_template.as_ref().and_then(|task| task.container_spec.as_ref());
        let mounts = container.and_then(|container| container.mounts.as_ref());
        let mut sources = mounts.into_iter().flatten().filter_map(|mount| mount.source.as_deref());
        sources.any(exchanged)
    };
    let takes_dump = |key: &str| {
        let mut places = items.iter().map(|(_, place)| &place.what);
        places.any(|what| matches!(what, What::Dump { service, .. } if service == key))
    };
    let services = app.stack.services.iter();
    let kept = services
        .filter(|service| (files_only || takes_dump(&service.key)) && !mounts_one(&service.spec));
    kept.map(|service| service.key.clone()).collect()
}

/// Starts the data stores with these specs, and nothing else.
async fn start_stores(
    context: &Context,
    app: &App,
    specs: &[Before],
    data: &BTreeSet<String>,
) -> Result<(), Error> {
    if data.is_empty() {
        return Ok(());
    }
    context.progress.step("start data stores");
    let sent = specs.iter().filter_map(|Before { id, spec }| {
        let key = spec.name.as_deref()?.strip_prefix(&format!("{}_", app.name))?;
        data.contains(key).then(|| Sent {
            key: key.to_owned(),
            id: id.clone(),
            spec: spec.clone(),
            before: Some(spec.clone()),
            since: Since::Unchanged,
        })
    });
    let sent: Vec<Sent> = sent.collect();
    let undone = undo::undo(&*app.engine, &sent, PATIENCE, &*context.progress).await;
    undone.map_err(|failed| {
        let services = data.iter().cloned().collect();
        let app = app.entry.name.to_string();
        let source = app::Error::NotUndone { app, reason: failed.to_string() };
        Error::LeftStopped { services, source: Box::new(source.into()) }
    })
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
pub(super) struct StoppedApp {
    pub apps: Stopped,
    pub data: Stopped,
}

impl StoppedApp {
    /// Starts everything again after a failure that did not change the data,
    /// and returns that failure, with the services that did not start.
    pub async fn bring_back(self, context: &Context, app: &App, because: Error) -> Error {
        context.progress.step("start services");
        let mut failed = app::bring_back(context, app, &self.data, PATIENCE).await;
        failed.extend(app::bring_back(context, app, &self.apps, PATIENCE).await);
        for (service, error) in &failed {
            context.progress.warn(format!("`{service}` did not start again: {error}"));
        }
        match keys(&failed) {
            services if services.is_empty() => because,
            services => not_started(app, "its data is unchanged", services, because),
        }
    }
}
