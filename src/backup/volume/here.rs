//! Where a volume's files are on this machine, and who else writes them.
//!
//! The engine's answer is not simply believed: a mount point counts only
//! if the engine provably runs on this machine ([`Engine::volumes_folder`])
//! and only as the folder in which such an engine keeps that volume.

use std::collections::BTreeSet;

use super::{Folder, user::VolumeUser};
use crate::{
    app::App,
    backup::error::Error,
    engine::{self, Engine, Mounting, Scope, api},
    rollout::wants_tasks,
};

/// The folder of one of the app's volumes.
///
/// # Errors
/// [`Error::Volume`] with what keeps it from being read or restored here.
pub(super) async fn folder(
    engine: &dyn Engine,
    live: &engine::Volume,
    verb: &'static str,
) -> Result<Folder, Error> {
    let bad = |reason: String| Error::Volume { volume: live.name.clone(), verb, reason };
    if let Some(reason) = odd(live) {
        return Err(bad(reason));
    }
    let volumes = engine.volumes_folder().await?;
    let kept = volumes.path.join(&live.name).join("_data");
    if live.mountpoint != kept {
        return Err(bad(format!(
            "the engine says that it is at {:?}, and not where it keeps its volumes ({})",
            live.mountpoint,
            volumes.path.display()
        )));
    }
    Folder::open(&volumes, &live.name, verb)
}

/// Why a volume is not just a plain folder of the engine, if so. Consent to what
/// the app reaches changes nothing here: a mount is there only while a container
/// has it, and a restore could not exchange it for a new folder.
fn odd(live: &engine::Volume) -> Option<String> {
    if live.driver != "local" {
        return Some(format!(
            "its driver is {:?}; only volumes that are plain folders of this machine are",
            live.driver
        ));
    }
    // `type`, `o` and `device` make it a mount of another place.
    let (option, value) = live.options.iter().next()?;
    Some(format!(
        "it was made with the driver option {option:?} = {value:?}, so its files are not in the \
         volume but where that option leads; only volumes that are plain folders are"
    ))
}

/// Refuses a volume that others than the app's own services write: a restore
/// does not stop them, and they would see it change, or change it. Without an engine of its
/// node, only services are known.
///
/// # Errors
/// [`Error::UsedByOthers`].
pub(super) async fn check_unshared(
    app: &App,
    node: Option<&dyn Engine>,
    volume: &str,
) -> Result<(), Error> {
    let own: BTreeSet<&str> =
        app.stack.services.iter().filter_map(|s| s.spec.name.as_deref()).collect();
    let engine: &dyn Engine = &*app.engine;
    let users = async {
        match node {
            Some(node) => node.volume_users(volume).await,
            None => Ok(Vec::new()),
        }
    };
    let (services, containers) = futures_util::try_join!(engine.services(Scope::All), users)?;
    let specs: Vec<&api::ServiceSpec> = services.iter().filter_map(|s| s.spec.as_ref()).collect();
    let users = others(volume, &own, &specs, containers);
    if users.is_empty() {
        return Ok(());
    }
    Err(Error::UsedByOthers {
        volume: volume.into(),
        users: users.into_iter().collect(),
        simulated: engine.simulated().map(str::to_owned),
    })
}

fn others(
    volume: &str,
    own: &BTreeSet<&str>,
    services: &[&api::ServiceSpec],
    containers: Vec<Mounting>,
) -> BTreeSet<VolumeUser> {
    let mut users = BTreeSet::new();
    let mut known = own.clone();
    for spec in services {
        let Some(name) = spec.name.as_deref().filter(|name| !own.contains(name)) else { continue };
        if wants_tasks(spec) && mounts(spec, volume) {
            known.insert(name);
            let scales = spec.mode.as_ref().is_none_or(|mode| {
                mode.global.is_none() && mode.global_job.is_none() && mode.replicated_job.is_none()
            });
            let name = name.to_owned();
            users.insert(match scales {
                true => VolumeUser::Service(name),
                false => VolumeUser::Everywhere(name),
            });
        }
    }
    for Mounting { container, service } in containers {
        if !service.is_some_and(|service| known.contains(service.as_str())) {
            users.insert(VolumeUser::Container(container));
        }
    }
    users
}

fn mounts(spec: &api::ServiceSpec, volume: &str) -> bool {
    let container = spec.task_template.as_ref().and_then(|task| task.container_spec.as_ref());
    let mounts = container.and_then(|container| container.mounts.as_ref());
    mounts.into_iter().flatten().any(|mount| {
        matches!(mount.typ, Some(api::MountType::VOLUME) | None)
            && mount.source.as_deref() == Some(volume)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(name: &str, volume: &str, mode: api::ServiceSpecMode) -> api::ServiceSpec {
        let mount = api::Mount {
            typ: Some(api::MountType::VOLUME),
            source: Some(volume.into()),
            target: Some("/v".into()),
            ..Default::default()
        };
        api::ServiceSpec {
            name: Some(name.into()),
            mode: Some(mode),
            task_template: Some(api::TaskSpec {
                container_spec: Some(api::TaskSpecContainerSpec {
                    mounts: Some(vec![mount]),
                    ..Default::default()
                }),
                ..Default::default()
            }),
            ..Default::default()
        }
    }

    fn replicas(count: i64) -> api::ServiceSpecMode {
        api::ServiceSpecMode {
            replicated: Some(api::ServiceSpecModeReplicated { replicas: Some(count) }),
            ..Default::default()
        }
    }

    #[test]
    fn those_who_would_write_during_a_restore_are_found() {
        let everywhere =
            || api::ServiceSpecMode { global: Some(Default::default()), ..Default::default() };
        let specs = [
            spec("wiki_app", "data", replicas(1)),
            spec("evil_app", "data", replicas(2)),
            spec("stopped_app", "data", replicas(0)),
            spec("other_app", "other", replicas(1)),
            spec("agent", "data", everywhere()),
        ];
        let container = |name: &str, service: Option<&str>| Mounting {
            container: name.into(),
            service: service.map(Into::into),
        };
        let found = others(
            "data",
            &BTreeSet::from(["wiki_app"]),
            &specs.each_ref().map(|spec| spec)[..],
            vec![
                container("wiki_app.1.x", Some("wiki_app")),
                container("evil_app.1.x", Some("evil_app")),
                // Of a service that was stopped and whose task has not ended.
                container("stopped_app.1.x", Some("stopped_app")),
                container("by-hand", None),
            ],
        );
        let stops: Vec<_> = found.iter().map(|user| user.stop(None)).collect();
        assert_eq!(
            stops,
            [
                "`docker service scale evil_app=0`",
                "`docker service rm agent`",
                "`docker stop by-hand`",
                "`docker stop stopped_app.1.x`",
            ]
        );
    }

    #[test]
    fn a_name_that_the_engine_made_up_is_nothing_to_type() {
        let user = VolumeUser::Container("x; rm -rf /\u{1b}".into());
        assert_eq!(user.stop(None), "`docker stop x??rm?-rf???`");
        assert_eq!(user.to_string(), "the container `x??rm?-rf???`");
    }

    #[test]
    fn only_a_plain_local_volume_is_a_folder_of_the_engine() {
        let plain = engine::Volume {
            name: "v".into(),
            driver: "local".into(),
            mountpoint: "/var/lib/docker/volumes/v/_data".into(),
            labels: Default::default(),
            options: Default::default(),
        };
        assert_eq!(odd(&plain), None);
        let other = engine::Volume { driver: "nfs\u{1b}[2J".into(), ..plain.clone() };
        assert!(odd(&other).unwrap().starts_with("its driver is \"nfs\\u{1b}[2J\""));
        let options = [("device".to_owned(), "/etc".to_owned())].into();
        let bound = engine::Volume { options, ..plain };
        assert!(odd(&bound).unwrap().contains("\"device\" = \"/etc\""));
    }
}
