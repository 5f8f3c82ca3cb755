//! Where one of an app's volumes is, and how it is read or restored there: directly, when
//! its engine is this machine's and this user may read its folder; else through a helper
//! container of that engine.
//!
//! A volume of the same name exists on every node where a task ran. The right one is where
//! a task that mounts it runs, or ran last.

use std::{collections::BTreeMap, ffi::OsString, path::PathBuf, sync::Arc};

use super::{
    Folder, Staged, Swapped,
    helper::{Container, Use, Wanted, data_path},
    here,
    job::Node,
    there::{StagedThere, SwappedThere, There},
    unreached::{Unreached, unseen},
    view::View,
};
use crate::{
    app::App,
    backup::{
        error::Error,
        restic::Restic,
        set::{SetId, manifest::VolumeFacts},
    },
    compose::StackVolume,
    engine::{self, Engine, Scope, if_there},
    owner::whereabouts,
};

/// A volume that can be read and restored.
#[derive(Debug, Clone)]
pub(crate) enum Place {
    Here(Folder),
    There(There),
}

/// What has a volume's data.
#[derive(Debug)]
pub(crate) enum Seat {
    Engine(Arc<dyn Engine>),
    /// A node that no endpoint reaches: its manager starts jobs there.
    Unreached(Unreached),
}

impl Seat {
    /// The engine of the node that has the data.
    ///
    /// # Errors
    /// [`Error::Scattered`], and [`Error::Engine`] where that node cannot be reached.
    pub async fn of(app: &App, volume: &StackVolume, verb: &'static str) -> Result<Self, Error> {
        if volume.driver.as_deref().is_some_and(|d| d != "local") || !volume.driver_opts.is_empty()
        {
            return Err(Error::Volume {
                volume: volume.name.clone(),
                verb,
                reason: "the recipe gives it a driver or driver options, so that its files may be \
                         anywhere; only volumes that are plain folders of this machine are"
                    .into(),
            });
        }
        let beneath = app.engine.beneath();
        let Some(id) = node_of(app, volume, verb).await? else {
            return Ok(Seat::Engine(beneath));
        };
        match app.engine.of_node(&id).await {
            Ok(engine) => Ok(Seat::Engine(engine.unwrap_or(beneath))),
            Err(engine::Error::NoEndpoint { node, server }) => {
                let node = Node { id, name: node };
                Ok(Seat::Unreached(Unreached { manager: beneath, node, server }))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The volume as that engine has it; none where it has no such volume.
    ///
    /// # Errors
    /// [`Error::Engine`].
    pub async fn live(
        &self,
        app: &App,
        volume: &StackVolume,
    ) -> Result<Option<engine::Volume>, Error> {
        match self {
            Seat::Engine(engine) => {
                Ok(if_there(app.engine.volume_on(&**engine, &volume.name).await)?)
            }
            // A task that mounts it is there, or was.
            Seat::Unreached(_) => Ok(Some(unseen(volume))),
        }
    }

    /// Makes the volume where it is missing.
    ///
    /// # Errors
    /// [`Error::Engine`].
    pub async fn create(
        &self,
        app: &App,
        volume: &StackVolume,
        labels: BTreeMap<String, String>,
    ) -> Result<engine::Volume, Error> {
        match self {
            Seat::Engine(engine) => {
                Ok(app.engine.create_volume_on(&**engine, &volume.name, labels).await?)
            }
            // The node's engine makes what a job mounts.
            Seat::Unreached(_) => Ok(unseen(volume)),
        }
    }

    /// Refuses a volume that others than the app's own services write.
    ///
    /// # Errors
    /// [`Error::UsedByOthers`].
    pub async fn check_unshared(&self, app: &App, volume: &str) -> Result<(), Error> {
        let engine = match self {
            Seat::Engine(engine) => Some(&**engine),
            Seat::Unreached(_) => None,
        };
        here::check_unshared(app, engine, volume).await
    }

    /// How the volume is read, or restored.
    ///
    /// # Errors
    /// [`Error::Volume`] with what keeps it from that; [`Error::Engine`] where no helper
    /// container starts.
    pub async fn open(
        &self,
        app: &App,
        restic: &Restic,
        live: &engine::Volume,
        access: Access,
    ) -> Result<Place, Error> {
        let (verb, access) = match access {
            Access::Read => ("read", Use::Read),
            Access::Restore => ("restored", Use::Write),
        };
        let engine = match self {
            Seat::Engine(engine) => engine,
            Seat::Unreached(unreached) => {
                return unreached.open(app, restic, live, access).await.map(Place::There);
            }
        };
        match here::folder(&**engine, live, verb).await {
            Ok(folder) => return Ok(Place::Here(folder)),
            Err(Error::Engine(engine::Error::Elsewhere { reason, .. })) => {
                tracing::debug!(%reason, volume = %live.name, "a helper container is needed");
            }
            Err(error) => return Err(error),
        }
        let Some(data) = data_path(live) else {
            return Err(Error::Volume {
                volume: live.name.clone(),
                verb,
                reason: format!(
                    "the engine says that it is at {:?}, which is not where engines keep volumes",
                    live.mountpoint
                ),
            });
        };
        let wanted = Wanted {
            stack: app.name.as_str(),
            image: restic.helper_image(),
            volume: &live.name,
            data,
            access,
            network: restic.helper_network()?,
        };
        let container = Container::start(Arc::clone(engine), &wanted).await?;
        Ok(Place::There(There::new(container, &live.name, data)))
    }
}

/// What is to be done with a volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    Read,
    Restore,
}

/// The id of the node that has the data; none where nothing says.
async fn node_of(
    app: &App,
    volume: &StackVolume,
    verb: &'static str,
) -> Result<Option<String>, Error> {
    let mut ids = Vec::new();
    for service in app.engine.services(Scope::Stack(&app.name)).await? {
        let name = service.spec.as_ref().and_then(|s| s.name.as_deref()).unwrap_or_default();
        let key = app.stack.services.iter().find(|s| s.spec.name.as_deref() == Some(name));
        if key.is_some_and(|s| volume.services.contains(&s.key)) {
            ids.extend(service.id);
        }
    }
    let tasks = if ids.is_empty() { Vec::new() } else { app.engine.tasks_of(&ids).await? };
    let mounted = whereabouts::mounted(&tasks).remove(&volume.name).unwrap_or_default();
    if mounted.now.len() > 1 {
        let nodes: Vec<String> = mounted.now.into_iter().collect();
        let (volume, nodes) = (volume.name.clone(), nodes.join(", "));
        return Err(Error::Scattered { volume, verb, nodes });
    }
    if let Some(node) = mounted.node() {
        return Ok(Some(node.to_owned()));
    }
    let seen = app.engine.owned().await?.nodes_of_volumes().remove(&volume.name);
    Ok(seen.filter(|node| !node.is_empty()))
}

impl Place {
    /// Docker's name of it.
    pub fn volume(&self) -> &str {
        match self {
            Place::Here(folder) => folder.volume(),
            Place::There(there) => there.volume(),
        }
    }

    /// As [`Folder::check`].
    pub async fn check(&self, paths: &[String]) -> Result<VolumeFacts, Error> {
        match self {
            Place::Here(folder) => folder.check(paths),
            Place::There(there) => there.check(paths).await,
        }
    }

    /// As [`Folder::check_places`].
    pub async fn check_places(&self, facts: &VolumeFacts) -> Result<(), Error> {
        match self {
            Place::Here(folder) => folder.check_places(facts),
            Place::There(there) => there.check_places(facts).await,
        }
    }

    /// What interrupted restores left beside it; a helper that only reads sees nothing of it.
    pub fn left_behind(&self) -> Vec<PathBuf> {
        match self {
            Place::Here(folder) => folder.left_behind(),
            Place::There(_) => Vec::new(),
        }
    }

    /// As [`Folder::unproved`].
    pub async fn unproved(&self, paths: &[String]) -> Result<Vec<(String, String)>, Error> {
        match self {
            Place::Here(folder) => {
                let (looked, paths) = (folder.clone(), paths.to_vec());
                let looking = tokio::task::spawn_blocking(move || looked.unproved(&paths));
                looking.await.map_err(|e| Error::Volume {
                    volume: folder.volume().to_owned(),
                    verb: "read",
                    reason: e.to_string(),
                })
            }
            Place::There(there) => there.unproved(paths).await,
        }
    }

    /// Whether a path is missing now; through a helper that is not asked, and what restic
    /// does not say itself counts as a failure.
    pub fn is_missing(&self, path: &str) -> bool {
        match self {
            Place::Here(folder) => folder.is_missing(path),
            Place::There(_) => false,
        }
    }

    /// As [`Folder::is_empty`].
    pub async fn is_empty(&self) -> Result<bool, Error> {
        match self {
            Place::Here(folder) => folder.is_empty(),
            Place::There(there) => there.is_empty().await,
        }
    }

    /// As [`Folder::view`].
    pub fn view(&self) -> Result<View, Error> {
        match self {
            Place::Here(folder) => folder.view(),
            Place::There(there) => Ok(there.view()),
        }
    }

    /// As [`Folder::exclude`].
    pub fn exclude(&self, patterns: &[String]) -> Vec<OsString> {
        match self {
            Place::Here(folder) => folder.exclude(patterns),
            Place::There(there) => there.exclude(patterns),
        }
    }

    /// As [`Folder::stage`].
    pub async fn stage(&self, set: &SetId) -> Result<StagedPlace, Error> {
        match self {
            Place::Here(folder) => folder.stage(set).map(StagedPlace::Here),
            Place::There(there) => there.stage(set).await.map(StagedPlace::There),
        }
    }
}

/// What is to take a volume's place.
#[derive(Debug)]
pub(crate) enum StagedPlace {
    Here(Staged),
    There(StagedThere),
}

impl StagedPlace {
    /// As [`Staged::view`].
    pub fn view(&self) -> Result<View, Error> {
        match self {
            StagedPlace::Here(staged) => staged.view(),
            StagedPlace::There(staged) => Ok(staged.view()),
        }
    }

    /// As [`Staged::swept`].
    pub fn swept(&self) -> &[PathBuf] {
        match self {
            StagedPlace::Here(staged) => staged.swept(),
            StagedPlace::There(staged) => staged.swept(),
        }
    }

    /// The volume that it is for.
    pub fn place(&self) -> Place {
        match self {
            StagedPlace::Here(staged) => Place::Here(staged.folder().clone()),
            StagedPlace::There(staged) => Place::There(staged.there().clone()),
        }
    }

    /// As [`Staged::swap`].
    pub async fn swap(self, facts: VolumeFacts) -> Result<SwappedPlace, Error> {
        match self {
            StagedPlace::Here(staged) => {
                let swapped = blocking(move || staged.swap(&facts)).await?;
                Ok(SwappedPlace::Here(swapped))
            }
            StagedPlace::There(staged) => staged.swap(&facts).await.map(SwappedPlace::There),
        }
    }
}

/// A volume with the new content, beside the old one.
#[derive(Debug)]
pub(crate) enum SwappedPlace {
    Here(Swapped),
    There(SwappedThere),
}

impl SwappedPlace {
    /// As [`Swapped::undo`].
    pub async fn undo(self) -> Result<(), Error> {
        match self {
            SwappedPlace::Here(swapped) => blocking(move || swapped.undo()).await,
            SwappedPlace::There(swapped) => swapped.undo().await,
        }
    }

    /// As [`Swapped::finish`].
    pub async fn finish(self) -> Result<(), Error> {
        match self {
            SwappedPlace::Here(swapped) => blocking(move || swapped.finish()).await,
            SwappedPlace::There(swapped) => swapped.finish().await,
        }
    }
}

/// Moving and removing files can take long, so that does not run on the async threads.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|e| {
        Err(Error::Io {
            action: "putting the volumes into their places",
            path: "volumes".into(),
            source: std::io::Error::other(e),
        })
    })
}
