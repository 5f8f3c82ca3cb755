//! Deploying to a real swarm: what is sent, what is waited for, what is undone.

use crate::support::common;

use std::{collections::BTreeSet, time::Duration};

use common::{
    BUSYBOX, PATIENCE,
    app::{TestApp, within},
    endpoint,
};
use potluck::{
    app::{self, Error, Stopped},
    engine::Scope,
    hooks,
    operation::{self, DeployOptions},
    plugin::{Command, StackServices},
    rollout::{self, ChangeAction, ChangeKind, Problem, State},
};

/// Names of the stack's configs.
async fn configs(app: &TestApp) -> Vec<String> {
    let configs = app.engine.configs(Scope::Stack(&app.stack)).await.unwrap();
    configs.into_iter().map(|c| c.spec.unwrap().name.unwrap()).collect()
}

async fn running_task(app: &TestApp, service: &str) -> String {
    let services = hooks::AppServices::of(&app.load().await);
    services.container(service).await.unwrap().task
}

const SLEEPER: &str = "
services:
  web:
    image: BUSYBOX
    command: [sleep, '1000']
    stop_grace_period: 0s
    deploy: {endpoint_mode: dnsrr, update_config: {monitor: 1s}}
";

async fn an_unchanged_deploy_sends_nothing(app: TestApp) {
    app.compose(SLEEPER);
    let first = app.deploy().await;
    assert!(first.changed);
    assert!(
        first
            .plan
            .changes
            .iter()
            .any(|c| c.kind == ChangeKind::Service && c.action == ChangeAction::Create)
    );
    let before = app.versions().await;
    let second = app.deploy().await;
    assert!(!second.changed);
    assert_eq!(second.plan.changes, vec![]);
    assert_eq!(app.versions().await, before);
    // Nor does it accept data of a restore that did not finish.
    let mut lock = app.context.home.lock_file(&app.entry).unwrap();
    lock.restoring = Some("20260101T000000Z-0a0b0c".into());
    app.context.home.write_lock_file(&app.guard(), &lock).unwrap();
    app.heard.forget();
    assert!(!app.deploy().await.changed);
    let warned = app.heard.warnings();
    assert!(warned.iter().any(|it| it.contains("did not finish")), "{warned:?}");
    assert_eq!(app.context.home.lock_file(&app.entry).unwrap().restoring, lock.restoring);
    // What was asked for explicitly is sent.
    let options = DeployOptions { force: true, ..Default::default() };
    assert!(app.try_deploy(&options).await.unwrap().changed);
    assert_ne!(app.versions().await, before);
}

async fn a_dry_run_changes_nothing(app: TestApp) {
    app.compose(SLEEPER);
    let plan = app.try_plan(&DeployOptions::default()).await.unwrap();
    assert!(!plan.changes.is_empty());
    assert_eq!(app.versions().await, vec![]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_config_gets_a_successor_and_a_release_keeps_the_old_one() {
    let Some(app) = TestApp::real("operation").await else { return };
    app.compose(&format!(
        "{SLEEPER}    configs: [{{source: page, target: /page}}]\nconfigs:\n  page: {{file: ./page}}\n"
    ));
    app.file("page", "one");
    app.deploy().await;
    let original = format!("{}_page", app.stack);
    assert_eq!(configs(&app).await, std::slice::from_ref(&original));
    app.file("page", "two");
    app.deploy().await;
    let mut both = configs(&app).await;
    both.sort();
    assert_eq!((both.len(), &both[0]), (2, &original), "{both:?}");
    assert!(both[1].starts_with(&format!("{original}_")), "{both:?}");
    let services = hooks::AppServices::of(&app.load().await);
    let cat = Command {
        argv: vec!["cat".into(), "/page".into()],
        env: vec![],
        user: None,
        workdir: None,
        timeout: None,
    };
    assert_eq!(services.run("web", &cat, vec![], 100).await.unwrap().stdout, b"two");
    assert!(!app.deploy().await.changed);
    let mut still = configs(&app).await;
    still.sort();
    assert_eq!(still, both);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_update_ends_with_the_old_version_back() {
    let Some(app) = TestApp::real("operation").await else { return };
    app.compose(SLEEPER);
    app.deploy().await;
    let broken = SLEEPER
        .replace("[sleep, '1000']", "[sh, -c, 'echo it hurts >&2; exit 3']")
        .replace("{monitor: 1s}", "{monitor: 20s}")
        .replace("{endpoint_mode", "{restart_policy: {condition: none}, endpoint_mode");
    app.compose(&broken);
    let error = app.try_deploy(&within(60)).await.unwrap_err();
    assert!(matches!(error, Error::Rollout(rollout::Error::RolledBack(_))), "{error}");
    let text = error.to_string();
    assert!(text.contains("exited with code 3") && text.contains("it hurts"), "{text}");
    assert!(text.contains("the previous version is running again"), "{text}");
    assert_eq!(app.command("web").await, ["sleep", "1000"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_that_the_engine_refuses_changes_nothing_and_says_why() {
    let (Some(app), Some(other)) = (TestApp::real("operation").await, TestApp::real("port").await)
    else {
        return;
    };
    app.compose(SLEEPER);
    app.deploy().await;
    app.compose(&SLEEPER.replace("deploy: {", "deploy: {mode: global, "));
    let error = app.try_deploy(&within(60)).await.unwrap_err();
    assert!(matches!(error, Error::Rollout(rollout::Error::Untouched(_))), "{error}");
    let text = error.to_string();
    assert!(text.contains("\n  web: the engine refused it: "), "{text}");
    assert!(text.contains("mode change"), "{text}");
    assert!(text.contains("nothing was changed: the previous version keeps running"), "{text}");
    assert_eq!(app.command("web").await, ["sleep", "1000"]);
    // A port that another app has.
    let port = common::ports();
    let published = format!(
        "services:\n  web:\n    image: BUSYBOX\n    command: [sleep, '1000']\n    ports: ['{port}:80']\n"
    );
    other.compose(&published);
    other.deploy().await;
    app.compose(&published);
    let error = app.try_deploy(&within(60)).await.unwrap_err();
    let Error::Rollout(rollout::Error::PortHeld { holder, service, .. }) = &error else {
        panic!("{error}")
    };
    assert_eq!((service.as_str(), holder.clone()), ("web", format!("{}_web", other.stack)));
    assert!(error.to_string().contains("nothing was changed"), "{error}");
    assert_eq!(app.command("web").await, ["sleep", "1000"]);
    // Its own port is no obstacle.
    other.compose(&published.replace("'1000'", "'1001'"));
    other.deploy().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_by_swarm_is_a_failure() {
    let Some(app) = TestApp::real("operation").await else { return };
    app.compose(SLEEPER);
    app.deploy().await;
    let broken = SLEEPER
        .replace("[sleep, '1000']", "[sh, -c, 'echo it hurts >&2; exit 4']")
        .replace("{monitor: 1s}", "{monitor: 20s, failure_action: rollback}");
    app.compose(&broken);
    let error = app.try_deploy(&within(90)).await.unwrap_err();
    assert!(matches!(error, Error::Rollout(rollout::Error::RolledBack(_))), "{error}");
    assert!(error.to_string().contains("exited with code 4"), "{error}");
    assert_eq!(app.command("web").await, ["sleep", "1000"]);
    // The old version deploys as if nothing had happened.
    app.compose(SLEEPER);
    app.deploy().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_deploy_that_fails_says_why_and_is_left_to_be_looked_at() {
    let Some(app) = TestApp::real("operation").await else { return };
    app.compose(
        "
services:
  web:
    image: BUSYBOX
    command: [sh, -c, 'for i in 1 2 3; do echo line $$i; done; exit 7']
    deploy: {endpoint_mode: dnsrr, restart_policy: {condition: none}}
",
    );
    let error = app.try_deploy(&within(60)).await.unwrap_err();
    let Error::Rollout(rollout::Error::Failed(failed)) = &error else { panic!("{error}") };
    assert_eq!(failed.services.len(), 1);
    assert_eq!(failed.services[0].log, ["line 1", "line 2", "line 3"]);
    assert!(error.to_string().contains("exited with code 7"), "{error}");
    assert_eq!(app.versions().await.len(), 1);
    // It never ran, so there is nothing that could come back.
    let again = DeployOptions { force: true, ..within(60) };
    let error = app.try_deploy(&again).await.unwrap_err();
    assert!(matches!(error, Error::Rollout(rollout::Error::Failed(_))), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_keeps_ending_fails_long_before_the_deadline() {
    let Some(app) = TestApp::real("operation").await else { return };
    app.compose(
        "
services:
  db:
    image: BUSYBOX
    command: [sleep, '1000']
    stop_grace_period: 0s
    deploy: {endpoint_mode: dnsrr, update_config: {monitor: 1s}}
  web:
    image: BUSYBOX
    command: [sh, -c, 'sleep 0.2; echo no database >&2; exit 5']
    deploy: {endpoint_mode: dnsrr, restart_policy: {condition: any, delay: 100ms}}
",
    );
    let error = app.try_deploy(&within(3600)).await.unwrap_err();
    let Error::Rollout(rollout::Error::Failed(failed)) = &error else { panic!("{error}") };
    let [web] = failed.services.as_slice() else { panic!("{error}") };
    let Problem::Stuck(State::Failing(failing)) = &web.problem else { panic!("{error}") };
    // Not at once: it might have been waiting for the database.
    assert!(failing.times > 4, "{error}");
    assert_eq!(web.log, ["no database"]);
    // Each line of progress says something new, and the count never falls.
    let heard = app.heard.lines();
    let of_web: Vec<&String> =
        heard.iter().filter(|line| line.contains("\"web\"") && line.contains("failing")).collect();
    let distinct: BTreeSet<&String> = of_web.iter().copied().collect();
    assert_eq!(distinct.len(), of_web.len(), "{heard:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_health_check_is_no_success() {
    let Some(app) = TestApp::real("operation").await else { return };
    app.compose(
        "
services:
  web:
    image: BUSYBOX
    command: [sleep, '1000']
    stop_grace_period: 0s
    healthcheck: {test: [CMD, 'false'], interval: 500ms, retries: 2, timeout: 1s}
    deploy: {endpoint_mode: dnsrr, restart_policy: {condition: none}}
",
    );
    let error = app.try_deploy(&within(60)).await.unwrap_err().to_string();
    assert!(error.contains("health check failed"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_is_nowhere_ends_the_wait() {
    let Some(app) = TestApp::real("operation").await else { return };
    app.compose(
        "
services:
  web:
    image: potluck-test/does-not-exist:1
    deploy: {endpoint_mode: dnsrr, restart_policy: {condition: any, delay: 1s}}
",
    );
    let error = app.try_deploy(&within(200)).await.unwrap_err();
    let Error::Rollout(rollout::Error::Failed(failed)) = &error else { panic!("{error}") };
    let stuck = matches!(&failed.services[0].problem, rollout::Problem::Stuck(_));
    assert!(stuck && error.to_string().contains("No such image"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_constraint_that_no_node_meets_is_the_reason_given() {
    let Some(app) = TestApp::real("operation").await else { return };
    app.compose(&SLEEPER.replace(
        "{endpoint_mode",
        "{placement: {constraints: ['node.labels.nowhere == true']}, endpoint_mode",
    ));
    let error = app.try_deploy(&within(20)).await.unwrap_err().to_string();
    assert!(error.contains("no suitable node"), "{error}");
}

async fn a_missing_secret_stops_a_deploy_before_anything_changes(app: TestApp) {
    app.compose(&format!(
        "{SLEEPER}    secrets: [password]\nsecrets:\n  password: {{external: true, name: '${{STACK_NAME}}_password_v1'}}\n"
    ));
    app.file(".env.sample", "TYPE=tiny\nSECRET_PASSWORD_VERSION=v1\n");
    let error = app.try_deploy(&DeployOptions::default()).await.unwrap_err();
    let Error::Rollout(rollout::Error::Unfit { findings, .. }) = &error else { panic!("{error}") };
    let codes: Vec<&str> = findings.iter().map(|finding| finding.code).collect();
    assert_eq!(codes, ["secret-missing", "setting-missing"], "{error}");
    let finding = &findings[0];
    // The sample that the settings were made of had no version for it.
    let fix = format!("run `potluck app secret insert {} password`", app.entry.name);
    assert_eq!(finding.fix.as_deref(), Some(fix.as_str()));
    assert_eq!(app.versions().await, vec![]);
}

async fn what_the_recipe_has_no_more_goes_after_success(app: TestApp) {
    let second = "
  extra:
    image: BUSYBOX
    command: [sleep, '1000']
    stop_grace_period: 0s
    networks: [side]
    deploy: {endpoint_mode: dnsrr, update_config: {monitor: 1s}}
networks:
  side: {}
";
    app.compose(&format!("{SLEEPER}{second}"));
    app.deploy().await;
    assert_eq!(app.versions().await.len(), 2);
    app.compose(SLEEPER);
    let report = app.deploy().await;
    assert!(
        report
            .plan
            .changes
            .iter()
            .any(|c| c.kind == ChangeKind::Service && c.action == ChangeAction::Remove)
    );
    assert_eq!(app.versions().await.len(), 1);
    let networks = app.engine.networks(Scope::Stack(&app.stack)).await.unwrap();
    assert_eq!(networks.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn undeploy_leaves_volumes_and_remove_takes_them() {
    let Some(app) = TestApp::real("operation").await else { return };
    app.compose(&format!("{SLEEPER}    volumes: ['data:/data']\nvolumes:\n  data: {{}}\n"));
    app.deploy().await;
    let leaving = app.leaving().await;
    let error = operation::remove(&app.context, &app.guard(), &leaving, &[]).await.unwrap_err();
    assert!(matches!(error, Error::StillDeployed { .. }));
    operation::undeploy(&app.context, &app.guard(), &leaving, PATIENCE).await.unwrap();
    let scope = Scope::Stack(&app.stack);
    assert!(app.engine.services(scope).await.unwrap().is_empty());
    assert!(app.engine.networks(scope).await.unwrap().is_empty());
    assert_eq!(app.engine.volumes(scope).await.unwrap().len(), 1);
    assert!(!app.engine.has_containers(&format!("{}_web", app.stack)).await.unwrap());
    let error = operation::undeploy(&app.context, &app.guard(), &leaving, PATIENCE).await;
    assert!(matches!(error, Err(Error::NothingToUndeploy { .. })));
    // It comes back at once, networks and all.
    app.deploy().await;
    let leaving = app.leaving().await;
    operation::undeploy(&app.context, &app.guard(), &leaving, PATIENCE).await.unwrap();
    operation::remove(&app.context, &app.guard(), &leaving, &[]).await.unwrap();
    assert!(app.engine.volumes(scope).await.unwrap().is_empty());
}

async fn a_stopped_service_comes_back_and_a_deploy_sees_that_it_was_stopped(app: TestApp) {
    app.compose(SLEEPER);
    app.deploy().await;
    let loaded = app.load().await;
    let limit = PATIENCE;
    let mut stopped = Stopped::default();
    let services = ["web".to_owned()];
    app::scale_down(&app.context, &loaded, &services, limit, &mut stopped).await.unwrap();
    let name = format!("{}_web", app.stack);
    assert!(app.engine.containers(&name).await.unwrap().is_empty());
    let failed = app::bring_back(&app.context, &loaded, &stopped, limit).await;
    assert!(failed.is_empty(), "{failed:?}");
    assert_eq!(app.engine.containers(&name).await.unwrap().len(), 1);
    let mut forgotten = Stopped::default();
    app::scale_down(&app.context, &loaded, &services, limit, &mut forgotten).await.unwrap();
    let report = app.deploy().await;
    assert!(report.changed);
    assert!(report.plan.changes[0].details.contains(&"replicas: 0 → 1".to_owned()));
    assert_eq!(app.engine.containers(&name).await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn plugins_reach_running_services_of_their_own_stack() {
    let Some(app) = TestApp::real("operation").await else { return };
    app.compose(SLEEPER);
    app.deploy().await;
    let services = hooks::AppServices::of(&app.load().await);
    let command = |argv: &[&str], seconds| Command {
        argv: argv.iter().map(|a| (*a).to_owned()).collect(),
        env: vec![("GREETING".into(), "hello".into())],
        user: None,
        workdir: Some("/tmp".into()),
        timeout: Some(Duration::from_secs(seconds)),
    };
    let script = command(&["sh", "-c", "echo $GREETING from $(pwd); echo no >&2; exit 5"], 30);
    let output = services.run("web", &script, vec![], 1000).await.unwrap();
    assert_eq!(output.exit_code, 5);
    assert_eq!(output.stdout, b"hello from /tmp\n");
    assert_eq!(output.stderr, b"no\n");
    // More than any pipe holds, both ways at once, and a cut.
    let input = vec![b'x'; 4 << 20];
    let output = services.run("web", &command(&["cat"], 60), input, 1000).await.unwrap();
    assert_eq!((output.exit_code, output.stdout.len(), output.truncated), (0, 1000, true));
    let late = services.run("web", &command(&["sleep", "60"], 1), vec![], 10).await;
    assert_eq!(late.unwrap_err(), potluck::plugin::ServiceError::TimedOut);
    services.put_file("web", "/tmp/f", b"content".to_vec(), 0o600).await.unwrap();
    assert_eq!(services.get_file("web", "/tmp/f", 7).await.unwrap(), b"content");
    assert!(services.get_file("web", "/tmp/f", 6).await.is_err());
    assert!(services.get_file("web", "/tmp", 6).await.is_err());
    let unknown = services.run("db", &command(&["true"], 5), vec![], 10).await.unwrap_err();
    assert_eq!(unknown, potluck::plugin::ServiceError::Unknown("db".into()));
    let before = services.container("web").await.unwrap();
    services.restart("web", PATIENCE).await.unwrap();
    assert_ne!(services.container("web").await.unwrap().id, before.id);
    services.wait_ready("web", PATIENCE).await.unwrap();
    // A restart is no change of the recipe's.
    assert!(!app.deploy().await.changed);
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_and_services_without_tasks_are_done_when_they_are() {
    let Some(app) = TestApp::real("operation").await else { return };
    app.compose(
        "
services:
  once:
    image: BUSYBOX
    command: ['true']
    deploy: {endpoint_mode: dnsrr, mode: replicated-job, replicas: 2, restart_policy: {condition: none}}
  none:
    image: BUSYBOX
    command: ['true']
    deploy: {endpoint_mode: dnsrr, replicas: 0}
  everywhere:
    image: BUSYBOX
    command: [sleep, '1000']
    stop_grace_period: 0s
    deploy: {endpoint_mode: dnsrr, mode: global, update_config: {monitor: 1s}}
",
    );
    app.deploy().await;
    assert!(!app.deploy().await.changed);
    let heard = app.heard.lines().join("\n");
    assert!(heard.contains("2 tasks completed"), "{heard}");
}

#[tokio::test(flavor = "multi_thread")]
async fn tasks_are_listed() {
    let Some(app) = TestApp::real("operation").await else { return };
    app.compose(&SLEEPER.replace("[sleep, '1000']", "[sh, -c, 'echo up; sleep 1000']"));
    app.deploy().await;
    let loaded = app.load().await;
    let ps = app::ps(&*loaded.engine, &loaded.entry.name, &loaded.name, false);
    let rows = ps.await.unwrap();
    assert_eq!(rows.len(), 1);
    assert_eq!((rows[0].service.as_str(), rows[0].state.as_str()), ("web", "running"));
    assert_eq!(rows[0].image, BUSYBOX);
}

/// These hold on the real engine and on the simulated one.
macro_rules! on_both_engines {
    ($($promise:ident)*) => {
        mod on_the_real_engine {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $promise() {
                let Some(app) = super::TestApp::real("operation").await else { return };
                super::$promise(app).await;
            })*
        }
        mod on_the_simulated_engine {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $promise() {
                super::$promise(super::TestApp::simulated("operation")).await;
            })*
        }
    };
}

on_both_engines! {
    an_unchanged_deploy_sends_nothing
    a_dry_run_changes_nothing
    a_missing_secret_stops_a_deploy_before_anything_changes
    what_the_recipe_has_no_more_goes_after_success
    a_stopped_service_comes_back_and_a_deploy_sees_that_it_was_stopped
}

/// Many fields at once: each that was compared wrongly would restart the task.
const RICH: &str = "
version: '3.8'
services:
  web:
    image: BUSYBOX
    command: [sleep, '1000']
    user: '0:0'
    hostname: web
    init: true
    stop_grace_period: 1s
    stop_signal: SIGKILL
    environment: {B: '2', A: '', C: 'x=y'}
    labels: {container: label}
    healthcheck: {test: [CMD, 'true'], interval: 1s, timeout: 60s, retries: 30, start_period: 1s}
    extra_hosts: ['somehost:10.0.0.1']
    dns: [10.0.0.2]
    cap_add: [NET_ADMIN]
    cap_drop: [MKNOD]
    sysctls: {net.ipv4.ip_unprivileged_port_start: '0'}
    ulimits: {nofile: {soft: 1024, hard: 2048}}
    read_only: true
    logging: {driver: json-file, options: {max-size: 1m}}
    configs: [{source: page, target: /page, mode: 0440}]
    secrets: [{source: file, target: secret}]
    volumes:
      - data:/data
      - {type: tmpfs, target: /scratch, tmpfs: {size: 1000000}}
      - {type: bind, source: /etc/hostname, target: /host-name, read_only: true}
    networks: {inner: {aliases: [site]}, outer: {}}
    deploy:
      endpoint_mode: dnsrr
      replicas: 1
      labels: {traefik.enable: 'true', empty: ''}
      update_config: {parallelism: 0, delay: 1s, order: start-first, monitor: 1s, max_failure_ratio: 0.3}
      rollback_config: {parallelism: 2, failure_action: continue}
      restart_policy: {condition: on-failure, delay: 2s, max_attempts: 3, window: 10s}
      resources: {limits: {cpus: '0.5', memory: 64M}, reservations: {memory: 8M}}
      placement: {constraints: [node.role == manager], preferences: [{spread: node.labels.zone}]}
networks:
  inner: {driver: overlay, attachable: true}
  outer: {}
volumes:
  data: {}
configs:
  page: {file: ./page}
secrets:
  file: {file: ./page}
";

#[tokio::test(flavor = "multi_thread")]
async fn dockers_stack_is_taken_over_and_given_back_without_restarting_a_task() {
    let Some(app) = TestApp::real("operation").await else { return };
    app.compose(RICH);
    app.file("page", "content");
    let docker = || {
        let compose = app.recipe.join("compose.yml");
        let status = std::process::Command::new("docker")
            .args(["-H", &endpoint(), "stack", "deploy", "--resolve-image", "never", "--detach"])
            .arg("-c")
            .arg(compose)
            .arg(app.stack.as_str())
            .output()
            .unwrap();
        assert!(status.status.success(), "{}", String::from_utf8_lossy(&status.stderr));
    };
    docker();
    let report = app.deploy().await;
    let services: Vec<_> =
        report.plan.changes.iter().filter(|c| c.kind == ChangeKind::Service).collect();
    assert!(services.is_empty(), "{services:?}");
    let task = running_task(&app, "web").await;
    docker();
    app.deploy().await;
    assert_eq!(running_task(&app, "web").await, task);
}

/// Swarm refuses a change of mode, and takes what else is sent.
#[tokio::test(flavor = "multi_thread")]
async fn a_deploy_that_is_refused_in_part_says_what_was_changed_and_puts_it_back() {
    let Some(app) = TestApp::real("operation").await else { return };
    let service = |name: &str, seconds: u32| {
        format!(
            "  {name}:\n    image: BUSYBOX\n    command: [sleep, '{seconds}']\n    \
             stop_grace_period: 0s\n    \
             deploy: {{endpoint_mode: dnsrr, update_config: {{monitor: 1s}}}}\n"
        )
    };
    let (web, worker) = (service("web", 1000), service("worker", 1000));
    let as_global = web.replace("deploy: {", "deploy: {mode: global, ");
    let all = |services: &[&str]| format!("services:\n{}", services.concat());
    app.compose(&all(&[&web, &worker]));
    app.deploy().await;
    app.compose(&all(&[&as_global, &service("worker", 1001), &service("extra", 1000)]));
    let error = app.try_deploy(&within(60)).await.unwrap_err();
    assert!(matches!(error, Error::Rollout(rollout::Error::RolledBack(_))), "{error}");
    let text = error.to_string();
    assert!(text.contains("\n  web: the engine refused it: "), "{text}");
    assert!(
        text.ends_with(
            "\n  extra: was made, and is removed again\n  worker: was updated, and is rolled \
             back\nthe previous version is running again"
        ),
        "{text}"
    );
    for service in ["web", "worker"] {
        assert_eq!(app.command(service).await, ["sleep", "1000"], "{service}");
    }
    let names: Vec<String> = app.versions().await.into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["web", "worker"].map(|key| format!("{}_{key}", app.stack)));
    app.compose(&all(&[&web, &worker]));
    assert_eq!(app.deploy().await.plan.changes, vec![]);
}
