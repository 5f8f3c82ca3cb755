//! Secrets, configs, networks and volumes.

use std::collections::BTreeMap;

use base64::Engine as _;
use potluck::engine::{Error, Scope, api};

use crate::{common::*, swarm::*};

pub async fn secrets_and_configs_stay_while_they_are_used(swarm: &Swarm) {
    let engine = &swarm.engine;
    let secret = swarm.secret("key").await.unwrap();
    let config = swarm.config("conf").await.unwrap();
    let listed = engine.secrets(Scope::Stack(&swarm.stack)).await.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].spec.as_ref().unwrap().data, None, "a secret came back");
    let listed = engine.configs(Scope::Stack(&swarm.stack)).await.unwrap();
    assert_eq!(listed.len(), 1);
    assert!(listed[0].spec.as_ref().unwrap().data.is_some());

    let before = engine.secrets(Scope::Stack(&swarm.stack)).await.unwrap();
    let version_before = before[0].version.clone();
    for (content, expected) in [("value", true), ("another", false)] {
        let spec = api::SecretSpec {
            name: Some(swarm.name("key")),
            data: Some(base64::engine::general_purpose::STANDARD.encode(content)),
            ..Default::default()
        };
        assert_eq!(engine.secret_matches(&secret, spec).await.unwrap(), Some(expected));
    }
    let unchanged = engine.secrets(Scope::Stack(&swarm.stack)).await.unwrap();
    assert_eq!(unchanged[0].version, version_before, "asking changed the secret");

    let labelled = |content: &str| api::SecretSpec {
        name: Some(swarm.name("key")),
        data: Some(base64::engine::general_purpose::STANDARD.encode(content)),
        labels: Some(
            stack_labels(&swarm.stack).into_iter().chain([("a".into(), "b".into())]).collect(),
        ),
        ..Default::default()
    };
    let version = version_before.unwrap().index.unwrap();
    let stale = engine.update_secret(&secret, version - 1, labelled("value")).await;
    assert!(matches!(stale, Err(Error::OutOfSequence { .. })), "{stale:?}");
    let other = engine.update_secret(&secret, version, labelled("another")).await;
    assert!(matches!(other, Err(Error::Refused { .. })), "{other:?}");
    engine.update_secret(&secret, version, labelled("value")).await.unwrap();
    let listed = engine.secrets(Scope::Stack(&swarm.stack)).await.unwrap();
    assert_eq!(listed[0].spec.as_ref().unwrap().labels, labelled("value").labels);
    let listed = engine.configs(Scope::Stack(&swarm.stack)).await.unwrap();
    let version = listed[0].version.as_ref().unwrap().index.unwrap();
    let mut spec = listed[0].spec.clone().unwrap();
    spec.labels = labelled("value").labels;
    engine.update_config(&config, version, spec.clone()).await.unwrap();
    let listed = engine.configs(Scope::Stack(&swarm.stack)).await.unwrap();
    assert_eq!(listed[0].spec, Some(spec));

    let mut spec = swarm.spec("web", SLEEPING);
    let container = container_spec(&mut spec);
    container.secrets = Some(vec![api::TaskSpecContainerSpecSecrets {
        file: Some(api::TaskSpecContainerSpecFile {
            name: Some("key".into()),
            uid: Some("0".into()),
            gid: Some("0".into()),
            mode: Some(0o444),
        }),
        secret_id: Some(secret.clone()),
        secret_name: Some(swarm.name("key")),
    }]);
    container.configs = Some(vec![api::TaskSpecContainerSpecConfigs {
        file: Some(api::TaskSpecContainerSpecFile1 {
            name: Some("/conf".into()),
            uid: Some("0".into()),
            gid: Some("0".into()),
            mode: Some(0o444),
        }),
        config_id: Some(config.clone()),
        config_name: Some(swarm.name("conf")),
        ..Default::default()
    }]);
    let service = engine.create_service(spec, None).await.unwrap();
    let refused = engine.remove_secret(&secret).await;
    assert!(matches!(refused, Err(Error::Refused { .. })), "{refused:?}");
    let refused = engine.remove_config(&config).await;
    assert!(matches!(refused, Err(Error::Refused { .. })), "{refused:?}");
    engine.remove_service(&service).await.unwrap();
    engine.remove_secret(&secret).await.unwrap();
    engine.remove_config(&config).await.unwrap();
    assert!(engine.secrets(Scope::Stack(&swarm.stack)).await.unwrap().is_empty());
}

pub async fn sizes_and_names_are_refused_by_the_manager(swarm: &Swarm) {
    let encode =
        |size: usize| Some(base64::engine::general_purpose::STANDARD.encode(vec![b'x'; size]));
    for (name, data) in [
        (swarm.name("big"), encode(512_000)),
        (swarm.name("empty"), encode(0)),
        (format!("{}_{}", swarm.stack, "n".repeat(64)), encode(1)),
        ("-dash".to_owned(), encode(1)),
    ] {
        let labels = Some(stack_labels(&swarm.stack));
        let spec = api::SecretSpec { name: Some(name), data, labels, ..Default::default() };
        let answer = swarm.engine.create_secret(spec).await;
        assert!(matches!(answer, Err(Error::Refused { .. })), "{answer:?}");
    }
    for name in ["n".repeat(64), "with.dot".to_owned()] {
        let answer = swarm.engine.create_service(swarm.spec(&name, SLEEPING), None).await;
        assert!(matches!(answer, Err(Error::Refused { .. })), "{answer:?}");
    }
}

pub async fn networks_go_when_nobody_uses_them(swarm: &Swarm) {
    let engine = &swarm.engine;
    let id = swarm.network("net").await.unwrap();
    let found = engine.network(&swarm.name("net")).await.unwrap();
    assert_eq!((found.id.as_deref(), found.scope.as_deref()), (Some(&*id), Some("swarm")));
    let mut spec = swarm.spec("web", SLEEPING);
    spec.task_template.as_mut().unwrap().networks = Some(vec![api::NetworkAttachmentConfig {
        target: Some(swarm.name("net")),
        aliases: Some(vec!["web".into()]),
        ..Default::default()
    }]);
    let service = engine.create_service(spec, None).await.unwrap();
    let spec = engine.service(&service).await.unwrap().spec.unwrap();
    let target = spec.task_template.unwrap().networks.unwrap()[0].target.clone();
    assert_eq!(target, Some(id.clone()), "the manager keeps ids, not names");
    let refused = engine.remove_network(&id).await;
    assert!(matches!(refused, Err(Error::Refused { .. })), "{refused:?}");
    engine.remove_service(&service).await.unwrap();
    eventually("the network to be gone", || async {
        // Docker refuses while the last task still ends.
        let _ = engine.remove_network(&id).await;
        engine.networks(Scope::Stack(&swarm.stack)).await.unwrap().is_empty().then_some(())
    })
    .await;
}

pub async fn volumes_have_a_place_and_labels(swarm: &Swarm) {
    let engine = &swarm.engine;
    let name = swarm.name("data");
    let labels: BTreeMap<_, _> = stack_labels(&swarm.stack).into_iter().collect();
    let made = engine.create_volume(&name, labels.clone()).await.unwrap();
    assert!(made.mountpoint.is_absolute());
    assert_eq!((&made.name, &made.labels), (&name, &labels));
    assert_eq!(engine.create_volume(&name, labels).await.unwrap(), made);
    assert_eq!(engine.volume(&name).await.unwrap(), made);
    assert_eq!(engine.volumes(Scope::Stack(&swarm.stack)).await.unwrap(), [made]);

    let mut spec = swarm.spec("web", SLEEPING);
    container_spec(&mut spec).mounts = Some(vec![api::Mount {
        typ: Some(api::MountType::VOLUME),
        source: Some(name.clone()),
        target: Some("/data".into()),
        ..Default::default()
    }]);
    let id = engine.create_service(spec, None).await.unwrap();
    swarm.task_with(&id, api::TaskState::RUNNING).await;
    let users = engine.volume_users(&name).await.unwrap();
    let services: Vec<_> = users.into_iter().filter_map(|user| user.service).collect();
    assert_eq!(services, [swarm.name("web")]);
    // Docker's filter also goes by the place in the container.
    for other in [swarm.name("dat"), "/data".to_owned()] {
        assert_eq!(engine.volume_users(&other).await.unwrap(), [], "{other}");
    }
    let refused = engine.remove_volume(&name).await;
    assert!(matches!(refused, Err(Error::Refused { .. })), "{refused:?}");
    engine.remove_service(&id).await.unwrap();
    eventually("the volume to be free", || async { engine.remove_volume(&name).await.ok() }).await;
    assert!(engine.volume(&name).await.unwrap_err().is_not_found());
}
