//! Services, their tasks and their updates.

use potluck::{
    engine::{Error, Kind, LogQuery, Scope, api, whole},
    home::StackName,
};

use crate::{common::*, swarm::*};

pub async fn the_manager_says_who_it_is(swarm: &Swarm) {
    let manager = swarm.engine.manager().await.unwrap();
    assert!(!manager.version.is_empty() && !manager.api_version.is_empty(), "{manager:?}");
    let nodes = swarm.engine.nodes().await.unwrap();
    assert!(nodes.iter().any(|node| node.id.as_deref() == Some(&*manager.node_id)));
}

pub async fn services_come_change_and_go(swarm: &Swarm) {
    let engine = &swarm.engine;
    let id = swarm.create("web", SLEEPING).await;
    let by_id = engine.service(&id).await.unwrap();
    let by_name = engine.service(&swarm.name("web")).await.unwrap();
    assert_eq!(by_id.id, by_name.id);
    let listed = engine.services(Scope::Stack(&swarm.stack)).await.unwrap();
    assert_eq!(listed.len(), 1);
    let everything = engine.services(Scope::All).await.unwrap();
    assert!(everything.iter().any(|service| service.id == by_id.id));

    let mut spec = by_id.spec.clone().unwrap();
    container_spec(&mut spec).env = Some(vec!["A=1".into()]);
    let version = swarm.version(&id).await;
    engine.update_service(&id, version, spec, None).await.unwrap();
    let changed = engine.service(&id).await.unwrap();
    assert_eq!(container_spec(&mut changed.spec.unwrap()).env, Some(vec!["A=1".into()]));

    engine.remove_service(&id).await.unwrap();
    assert!(engine.service(&id).await.unwrap_err().is_not_found());
    assert!(engine.remove_service(&id).await.unwrap_err().is_not_found());
    assert!(engine.services(Scope::Stack(&swarm.stack)).await.unwrap().is_empty());
}

pub async fn a_name_is_taken_once(swarm: &Swarm) {
    let engine = &swarm.engine;
    swarm.create("web", SLEEPING).await;
    let again = engine.create_service(swarm.spec("web", SLEEPING), None).await;
    assert!(matches!(again, Err(Error::Exists { kind: Kind::Service, .. })), "{again:?}");
    swarm.secret("key").await.unwrap();
    let again = swarm.secret("key").await;
    assert!(matches!(again, Err(Error::Exists { kind: Kind::Secret, .. })), "{again:?}");
    swarm.config("conf").await.unwrap();
    let again = swarm.config("conf").await;
    assert!(matches!(again, Err(Error::Exists { kind: Kind::Config, .. })), "{again:?}");
    swarm.network("net").await.unwrap();
    let again = swarm.network("net").await;
    assert!(matches!(again, Err(Error::Exists { kind: Kind::Network, .. })), "{again:?}");
}

pub async fn a_stale_version_is_out_of_sequence(swarm: &Swarm) {
    let id = swarm.create("web", SLEEPING).await;
    let version = swarm.version(&id).await;
    let mut spec = swarm.spec("web", SLEEPING);
    container_spec(&mut spec).env = Some(vec!["A=1".into()]);
    swarm.engine.update_service(&id, version, spec.clone(), None).await.unwrap();
    let stale = swarm.engine.update_service(&id, version, spec, None).await;
    assert!(matches!(stale, Err(Error::OutOfSequence { .. })), "{stale:?}");
}

pub async fn specs_come_back_raw(swarm: &Swarm) {
    let id = swarm.create("web", SLEEPING).await;
    let spec = swarm.engine.service(&id).await.unwrap().spec.unwrap();
    assert_eq!(spec.update_config, None, "defaults were added");
    let task = spec.task_template.unwrap();
    assert_eq!(task.restart_policy, None, "defaults were added");
    assert_eq!(task.placement, Some(Default::default()));
}

pub async fn a_prefix_is_not_a_name(swarm: &Swarm) {
    let engine = &swarm.engine;
    swarm.create("web-long", SLEEPING).await;
    swarm.network("net-long").await.unwrap();
    assert!(engine.service(&swarm.name("web")).await.unwrap_err().is_not_found());
    let id = engine.service(&swarm.name("web-long")).await.unwrap().id.unwrap();
    assert!(engine.service(&id[..10]).await.unwrap_err().is_not_found());
    assert!(engine.network(&swarm.name("net")).await.unwrap_err().is_not_found());
    assert!(engine.network(&swarm.name("net-long")).await.is_ok());
    assert!(engine.containers(&swarm.name("web")).await.unwrap().is_empty());
    let longer = StackName::new(format!("{}x", swarm.stack)).unwrap();
    assert!(engine.services(Scope::Stack(&longer)).await.unwrap().is_empty());
}

pub async fn what_is_not_there_is_not_found(swarm: &Swarm) {
    let engine = &swarm.engine;
    let told = [
        engine.service("no-such-thing").await.err(),
        engine.remove_service("no-such-thing").await.err(),
        engine.network("no-such-thing").await.err(),
        engine.remove_network("no-such-thing").await.err(),
        engine.remove_secret("no-such-thing").await.err(),
        engine.remove_config("no-such-thing").await.err(),
        engine.tasks("no-such-thing").await.err(),
        engine.volume("no-such-thing").await.err(),
        engine.remove_volume("no-such-thing").await.err(),
        engine.exec("no-such-thing", &exec(&["true"], false)).await.err(),
        engine.put_archive("no-such-thing", "/tmp", whole(Default::default()), 0).await.err(),
        engine.get_archive("no-such-thing", "/tmp").await.err(),
        engine.service_logs("no-such-thing", &LogQuery::default()).await.err(),
        engine.task_logs("no-such-thing", &LogQuery::default()).await.err(),
        engine.service("../info").await.err(),
    ];
    for (number, error) in told.iter().enumerate() {
        assert!(error.as_ref().is_some_and(Error::is_not_found), "{number}: {error:?}");
    }
}

pub async fn what_a_service_needs_must_be_there(swarm: &Swarm) {
    let mut spec = swarm.spec("web", SLEEPING);
    spec.task_template.as_mut().unwrap().networks = Some(vec![api::NetworkAttachmentConfig {
        target: Some(swarm.name("no-such-network")),
        ..Default::default()
    }]);
    let answer = swarm.engine.create_service(spec, None).await;
    assert!(matches!(answer, Err(Error::Refused { .. })), "{answer:?}");
}

pub async fn tasks_come_up_and_newest_first(swarm: &Swarm) {
    let id = swarm.create("web", SLEEPING).await;
    let first = swarm.task_with(&id, api::TaskState::RUNNING).await;
    assert_eq!(first.service_id.as_deref(), Some(&*id));
    assert_eq!(first.slot, Some(1));
    let found = swarm.engine.containers(&swarm.name("web")).await.unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(Some(&found[0].task), first.id.as_ref());
    assert_eq!(found[0].service, swarm.name("web"));

    let mut spec = swarm.spec("web", SLEEPING);
    container_spec(&mut spec).env = Some(vec!["A=1".into()]);
    let version = swarm.version(&id).await;
    swarm.engine.update_service(&id, version, spec.clone(), None).await.unwrap();
    swarm.update_is(&id, api::ServiceUpdateStatusStateEnum::COMPLETED).await;
    let tasks = swarm.engine.tasks(&id).await.unwrap();
    assert_eq!(tasks.len(), 2);
    assert_eq!(tasks[0].desired_state, Some(api::TaskState::RUNNING));
    assert_eq!(tasks[1].id, first.id);
    let env = tasks[0].spec.as_ref().unwrap().container_spec.as_ref().unwrap().env.clone();
    assert_eq!(env, Some(vec!["A=1".into()]));
}

pub async fn a_failing_task_tells_its_exit_code(swarm: &Swarm) {
    let id = swarm.create("failing", FAILING).await;
    let task = swarm.task_with(&id, api::TaskState::FAILED).await;
    let status = task.status.unwrap();
    assert_eq!(status.container_status.unwrap().exit_code, Some(3));
    assert!(status.err.unwrap().contains("non-zero exit (3)"));
    // The restart policy's default is to try again.
    eventually("a second task", || async {
        (swarm.engine.tasks(&id).await.unwrap().len() > 1).then_some(())
    })
    .await;
}

pub async fn a_container_says_why_it_ended(swarm: &Swarm) {
    let mut greedy = swarm.spec("greedy", GREEDY);
    let task = greedy.task_template.as_mut().unwrap();
    let limits = api::Limit { memory_bytes: Some(16 << 20), ..Default::default() };
    task.resources = Some(api::TaskSpecResources { limits: Some(limits), ..Default::default() });
    let mut sick = swarm.spec("sick", SLEEPING);
    container_spec(&mut sick).health_check = Some(api::HealthConfig {
        test: Some(["CMD-SHELL", "echo no answer; exit 1"].map(Into::into).into()),
        interval: Some(1_000_000_000),
        retries: Some(1),
        ..Default::default()
    });
    for (spec, code, out_of_memory, check) in [
        (swarm.spec("failing", FAILING), 3, false, None),
        (greedy, 137, true, None),
        (sick, 137, false, Some("no answer")),
    ] {
        let id = swarm.engine.create_service(spec, None).await.unwrap();
        let task = swarm.task_with(&id, api::TaskState::FAILED).await;
        assert_eq!(task.status.unwrap().container_status.unwrap().exit_code, Some(code));
        let report = swarm.engine.container_report(&task.id.unwrap()).await.unwrap().unwrap();
        assert_eq!(report.out_of_memory, out_of_memory);
        assert_eq!(report.failed_check.as_deref().map(str::trim), check);
    }
    assert_eq!(swarm.engine.container_report("nosuchtask").await.unwrap(), None);
}

pub async fn an_image_that_cannot_be_had_is_rejected(swarm: &Swarm) {
    let mut spec = swarm.spec("web", SLEEPING);
    container_spec(&mut spec).image = Some("127.0.0.1:1/potluck-test/none:no-such-tag".into());
    let id = swarm.engine.create_service(spec, None).await.unwrap();
    let task = swarm.task_with(&id, api::TaskState::REJECTED).await;
    assert!(task.status.unwrap().err.unwrap().contains("No such image"));
}

pub async fn a_failed_update_is_rolled_back_and_says_so(swarm: &Swarm) {
    let config = api::ServiceSpecUpdateConfig {
        failure_action: Some(api::ServiceSpecUpdateConfigFailureActionEnum::ROLLBACK),
        monitor: Some(2_000_000_000),
        ..Default::default()
    };
    let mut spec = swarm.spec("web", SLEEPING);
    spec.update_config = Some(config);
    let id = swarm.engine.create_service(spec.clone(), None).await.unwrap();
    swarm.task_with(&id, api::TaskState::RUNNING).await;

    let mut broken = spec.clone();
    container_spec(&mut broken).image = Some("127.0.0.1:1/potluck-test/none:no-such-tag".into());
    let version = swarm.version(&id).await;
    swarm.engine.update_service(&id, version, broken, None).await.unwrap();
    let back = swarm.update_is(&id, api::ServiceUpdateStatusStateEnum::ROLLBACK_COMPLETED).await;
    let mut now = back.spec.unwrap();
    assert_eq!(container_spec(&mut now).image.as_deref(), Some(BUSYBOX));
}

pub async fn a_failed_update_pauses_by_default(swarm: &Swarm) {
    let id = swarm.create("web", SLEEPING).await;
    swarm.task_with(&id, api::TaskState::RUNNING).await;
    let mut broken = swarm.spec("web", SLEEPING);
    container_spec(&mut broken).image = Some("127.0.0.1:1/potluck-test/none:no-such-tag".into());
    let version = swarm.version(&id).await;
    swarm.engine.update_service(&id, version, broken, None).await.unwrap();
    let paused = swarm.update_is(&id, api::ServiceUpdateStatusStateEnum::PAUSED).await;
    let message = paused.update_status.unwrap().message.unwrap();
    assert!(message.contains("update paused due to failure"), "{message}");
}
