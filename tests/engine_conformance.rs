//! One suite, two engines: what holds for Docker Swarm holds for the simulated
//! one, so that the simulation cannot drift from the truth.
//!
//! Each promise is written once; the macro at the end makes a test of it for
//! either engine. The one against Docker is skipped, loudly, where none
//! answers.

mod common;

use std::{collections::BTreeMap, sync::Arc};

use base64::Engine as _;
use common::*;
use futures_util::StreamExt;
use potluck::{
    engine::{
        Engine, Error, Exec, Kind, LogQuery, Scope, Stream, api,
        simulated::{ExecRule, Script, Simulated, TaskRule},
    },
    home::StackName,
};
use tokio::io::AsyncWriteExt;

/// An engine, a stack of one's own, and what must outlive the test.
struct Swarm {
    engine: Arc<dyn Engine>,
    stack: StackName,
    _folder: tempfile::TempDir,
    _cleanup: Option<Cleanup>,
}

/// Programs of the suite, as a shell runs them.
const FILTER: &str = "cat; echo oops >&2; exit 7";
const FAILING: &str = "echo I give up; sleep 1; exit 3";
const TALKING: &str = "echo hello; sleep 3600";
const SLEEPING: &str = "sleep 3600";

impl Swarm {
    async fn docker() -> Option<Self> {
        let engine = real_engine().await?;
        let stack = unique_stack("engine-conf");
        let cleanup = Some(Cleanup::new(&stack));
        let folder = tempfile::tempdir().unwrap();
        Some(Self { engine, stack, _folder: folder, _cleanup: cleanup })
    }

    /// The simulated one, told what those programs would do.
    async fn simulated() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let swarm = Simulated::open(None, folder.path().join("volumes")).unwrap();
        swarm.set_script(Script {
            tasks: vec![
                TaskRule {
                    service: Some("failing*".into()),
                    exit_code: Some(3),
                    logs: vec!["I give up".into()],
                    ..Default::default()
                },
                TaskRule {
                    service: Some("talking".into()),
                    logs: vec!["hello".into()],
                    ..Default::default()
                },
                TaskRule {
                    image: Some("*:no-such-tag".into()),
                    pull_error: Some("No such image".into()),
                    ..Default::default()
                },
            ],
            exec: vec![
                ExecRule {
                    command: Some(["sh", "-c", FILTER].map(str::to_owned).to_vec()),
                    echo: true,
                    stderr: "oops\n".into(),
                    exit_code: 7,
                    ..Default::default()
                },
                ExecRule { matches: Some("true".into()), ..Default::default() },
            ],
            ..Default::default()
        });
        let stack = unique_stack("engine-conf");
        Some(Self { engine: Arc::new(swarm), stack, _folder: folder, _cleanup: None })
    }

    fn name(&self, name: &str) -> String {
        format!("{}_{name}", self.stack)
    }

    fn spec(&self, name: &str, script: &str) -> api::ServiceSpec {
        service_spec(&self.stack, name, &["sh", "-c", script])
    }

    async fn create(&self, name: &str, script: &str) -> String {
        self.engine.create_service(self.spec(name, script), None).await.unwrap()
    }

    async fn secret(&self, name: &str) -> Result<String, Error> {
        let spec = api::SecretSpec {
            name: Some(self.name(name)),
            labels: Some(stack_labels(&self.stack)),
            data: Some(base64::engine::general_purpose::STANDARD.encode("value")),
            ..Default::default()
        };
        self.engine.create_secret(spec).await
    }

    async fn config(&self, name: &str) -> Result<String, Error> {
        let spec = api::ConfigSpec {
            name: Some(self.name(name)),
            labels: Some(stack_labels(&self.stack)),
            data: Some(base64::engine::general_purpose::STANDARD.encode("value")),
            ..Default::default()
        };
        self.engine.create_config(spec).await
    }

    async fn network(&self, name: &str) -> Result<String, Error> {
        let request = api::NetworkCreateRequest {
            name: self.name(name),
            driver: Some("overlay".into()),
            labels: Some(stack_labels(&self.stack)),
            ..Default::default()
        };
        self.engine.create_network(request).await
    }

    async fn version(&self, id: &str) -> u64 {
        self.engine.service(id).await.unwrap().version.unwrap().index.unwrap()
    }

    async fn task_with(&self, service: &str, state: api::TaskState) -> api::Task {
        eventually(&format!("a task that is {state}"), || async {
            let tasks = self.engine.tasks(service).await.unwrap();
            tasks.into_iter().find(|task| task.status.as_ref().unwrap().state == Some(state))
        })
        .await
    }

    /// Waits until the service's update is in this state.
    async fn update_is(&self, id: &str, wanted: api::ServiceUpdateStatusStateEnum) -> api::Service {
        eventually(&format!("the update to be {wanted}"), || async {
            let service = self.engine.service(id).await.unwrap();
            let state = service.update_status.as_ref().and_then(|status| status.state);
            (state == Some(wanted)).then_some(service)
        })
        .await
    }
}

fn container_spec(spec: &mut api::ServiceSpec) -> &mut api::TaskSpecContainerSpec {
    spec.task_template.as_mut().unwrap().container_spec.as_mut().unwrap()
}

fn exec(argv: &[&str], stdin: bool) -> Exec {
    Exec { argv: argv.iter().map(|arg| (*arg).to_owned()).collect(), stdin, ..Default::default() }
}

async fn the_manager_says_who_it_is(swarm: &Swarm) {
    let manager = swarm.engine.manager().await.unwrap();
    assert!(!manager.version.is_empty() && !manager.api_version.is_empty(), "{manager:?}");
    let nodes = swarm.engine.nodes().await.unwrap();
    assert!(nodes.iter().any(|node| node.id.as_deref() == Some(&*manager.node_id)));
}

async fn services_come_change_and_go(swarm: &Swarm) {
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

async fn a_name_is_taken_once(swarm: &Swarm) {
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

async fn a_stale_version_is_out_of_sequence(swarm: &Swarm) {
    let id = swarm.create("web", SLEEPING).await;
    let version = swarm.version(&id).await;
    let mut spec = swarm.spec("web", SLEEPING);
    container_spec(&mut spec).env = Some(vec!["A=1".into()]);
    swarm.engine.update_service(&id, version, spec.clone(), None).await.unwrap();
    let stale = swarm.engine.update_service(&id, version, spec, None).await;
    assert!(matches!(stale, Err(Error::OutOfSequence { .. })), "{stale:?}");
}

async fn specs_come_back_raw(swarm: &Swarm) {
    let id = swarm.create("web", SLEEPING).await;
    let spec = swarm.engine.service(&id).await.unwrap().spec.unwrap();
    assert_eq!(spec.update_config, None, "defaults were added");
    let task = spec.task_template.unwrap();
    assert_eq!(task.restart_policy, None, "defaults were added");
    assert_eq!(task.placement, Some(Default::default()));
}

async fn a_prefix_is_not_a_name(swarm: &Swarm) {
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

async fn what_is_not_there_is_not_found(swarm: &Swarm) {
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
        engine.put_archive("no-such-thing", "/tmp", Default::default()).await.err(),
        engine.get_archive("no-such-thing", "/tmp").await.err(),
        engine.service_logs("no-such-thing", &LogQuery::default()).await.err(),
        engine.task_logs("no-such-thing", &LogQuery::default()).await.err(),
        engine.service("../info").await.err(),
    ];
    for (number, error) in told.iter().enumerate() {
        assert!(error.as_ref().is_some_and(Error::is_not_found), "{number}: {error:?}");
    }
}

async fn secrets_and_configs_stay_while_they_are_used(swarm: &Swarm) {
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

async fn sizes_and_names_are_refused_by_the_manager(swarm: &Swarm) {
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

async fn networks_go_when_nobody_uses_them(swarm: &Swarm) {
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

async fn what_a_service_needs_must_be_there(swarm: &Swarm) {
    let mut spec = swarm.spec("web", SLEEPING);
    spec.task_template.as_mut().unwrap().networks = Some(vec![api::NetworkAttachmentConfig {
        target: Some(swarm.name("no-such-network")),
        ..Default::default()
    }]);
    let answer = swarm.engine.create_service(spec, None).await;
    assert!(matches!(answer, Err(Error::Refused { .. })), "{answer:?}");
}

async fn tasks_come_up_and_newest_first(swarm: &Swarm) {
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

async fn a_failing_task_tells_its_exit_code(swarm: &Swarm) {
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

async fn an_image_that_cannot_be_had_is_rejected(swarm: &Swarm) {
    let mut spec = swarm.spec("web", SLEEPING);
    container_spec(&mut spec).image = Some("127.0.0.1:1/potluck-test/none:no-such-tag".into());
    let id = swarm.engine.create_service(spec, None).await.unwrap();
    let task = swarm.task_with(&id, api::TaskState::REJECTED).await;
    assert!(task.status.unwrap().err.unwrap().contains("No such image"));
}

async fn a_failed_update_is_rolled_back_and_says_so(swarm: &Swarm) {
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

async fn a_failed_update_pauses_by_default(swarm: &Swarm) {
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

async fn a_program_has_input_two_outputs_and_an_exit_code(swarm: &Swarm) {
    swarm.create("web", SLEEPING).await;
    let container = running_container(swarm.engine.as_ref(), &swarm.name("web")).await;
    let mut session =
        swarm.engine.exec(&container, &exec(&["sh", "-c", FILTER], true)).await.unwrap();
    let mut stdin = session.stdin.take().unwrap();
    stdin.write_all(b"in and out").await.unwrap();
    stdin.shutdown().await.unwrap();
    let (mut out, mut err) = (Vec::new(), Vec::new());
    while let Some(chunk) = session.output.next().await {
        let chunk = chunk.unwrap();
        match chunk.stream {
            Stream::Stdout => out.extend_from_slice(&chunk.bytes),
            Stream::Stderr => err.extend_from_slice(&chunk.bytes),
        }
    }
    assert_eq!((out.as_slice(), err.as_slice()), (b"in and out".as_slice(), b"oops\n".as_slice()));
    assert_eq!(session.exit_code.await.unwrap(), 7);

    let session = swarm.engine.exec(&container, &exec(&["true"], false)).await.unwrap();
    assert!(session.stdin.is_none());
    assert_eq!(session.output.count().await, 0);
    assert_eq!(session.exit_code.await.unwrap(), 0);
}

async fn archives_go_in_and_come_out(swarm: &Swarm) {
    swarm.create("web", SLEEPING).await;
    let container = running_container(swarm.engine.as_ref(), &swarm.name("web")).await;
    let mut tar = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(5);
    header.set_mode(0o600);
    tar.append_data(&mut header, "folder/file", b"bytes".as_slice()).unwrap();
    let tar = tar.into_inner().unwrap();
    swarm.engine.put_archive(&container, "/tmp", tar.into()).await.unwrap();
    let pieces = swarm.engine.get_archive(&container, "/tmp/folder/file").await.unwrap();
    let pieces: Vec<_> = pieces.map(|piece| piece.unwrap().to_vec()).collect().await;
    let bytes = pieces.concat();
    let mut tar = tar::Archive::new(bytes.as_slice());
    let mut entry = tar.entries().unwrap().next().unwrap().unwrap();
    assert_eq!(entry.path().unwrap().to_str(), Some("file"));
    let mut text = String::new();
    std::io::Read::read_to_string(&mut entry, &mut text).unwrap();
    assert_eq!(text, "bytes");

    let missing = swarm.engine.get_archive(&container, "/no/such/file").await.err();
    assert!(matches!(missing, Some(Error::Refused { .. })), "{missing:?}");
    let missing = swarm.engine.put_archive(&container, "/no/such", Default::default()).await;
    assert!(matches!(missing, Err(Error::Refused { .. })), "{missing:?}");
}

async fn logs_can_be_read_by_service_and_by_task(swarm: &Swarm) {
    let id = swarm.create("talking", TALKING).await;
    let task = swarm.task_with(&id, api::TaskState::RUNNING).await.id.unwrap();
    let query = LogQuery { tail: Some(5), ..Default::default() };
    eventually("the log line", || async {
        let of_service = swarm.engine.service_logs(&id, &query).await.unwrap();
        let of_service: Vec<_> = of_service.map(Result::unwrap).collect().await;
        let of_task = swarm.engine.task_logs(&task, &query).await.unwrap();
        let of_task: Vec<_> = of_task.map(Result::unwrap).collect().await;
        let told = |lines: &[potluck::engine::LogLine]| {
            lines.len() == 1 && lines[0].stream == Stream::Stdout && *lines[0].bytes == *b"hello\n"
        };
        (told(&of_service) && told(&of_task)).then_some(())
    })
    .await;
}

async fn volumes_have_a_place_and_labels(swarm: &Swarm) {
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
    let refused = engine.remove_volume(&name).await;
    assert!(matches!(refused, Err(Error::Refused { .. })), "{refused:?}");
    engine.remove_service(&id).await.unwrap();
    eventually("the volume to be free", || async { engine.remove_volume(&name).await.ok() }).await;
    assert!(engine.volume(&name).await.unwrap_err().is_not_found());
}

macro_rules! conformance {
    ($($promise:ident)*) => {
        mod on_docker {
            $(
                #[tokio::test(flavor = "multi_thread")]
                async fn $promise() {
                    let Some(swarm) = super::Swarm::docker().await else { return };
                    super::$promise(&swarm).await;
                }
            )*
        }
        mod simulated {
            $(
                #[tokio::test]
                async fn $promise() {
                    let Some(swarm) = super::Swarm::simulated().await else { return };
                    super::$promise(&swarm).await;
                }
            )*
        }
    };
}

conformance! {
    the_manager_says_who_it_is
    services_come_change_and_go
    a_name_is_taken_once
    a_stale_version_is_out_of_sequence
    specs_come_back_raw
    a_prefix_is_not_a_name
    what_is_not_there_is_not_found
    secrets_and_configs_stay_while_they_are_used
    sizes_and_names_are_refused_by_the_manager
    networks_go_when_nobody_uses_them
    what_a_service_needs_must_be_there
    tasks_come_up_and_newest_first
    a_failing_task_tells_its_exit_code
    an_image_that_cannot_be_had_is_rejected
    a_failed_update_is_rolled_back_and_says_so
    a_failed_update_pauses_by_default
    a_program_has_input_two_outputs_and_an_exit_code
    archives_go_in_and_come_out
    logs_can_be_read_by_service_and_by_task
    volumes_have_a_place_and_labels
}
