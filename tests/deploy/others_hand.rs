//! What somebody else made or removed on a real swarm: networks that are still
//! going, volumes that stay as they were made.

use crate::support::common;

use std::{
    fs,
    process::{Command, Output},
};

use common::{
    BUSYBOX, Cleanup, app::TestApp, docker_stack_rm, endpoint, real_engine, unique_stack,
};
use potluck::engine::Scope;
use serde_json::Value;

const POTLUCK: &str = env!("CARGO_BIN_EXE_potluck");

/// Its tasks take seconds to end, and hold their networks meanwhile.
const SLOW: &str = "
services:
  app:
    image: BUSYBOX
    command: [sh, -c, \"trap 'sleep 6; exit 0' TERM; while :; do sleep 0.1; done\"]
    stop_grace_period: 20s
    networks: [back, front]
    configs: [{source: page, target: /page}]
    deploy: {endpoint_mode: dnsrr, update_config: {monitor: 1s}}
  other:
    image: BUSYBOX
    command: [sh, -c, \"trap 'sleep 5; exit 0' TERM; while :; do sleep 0.1; done\"]
    stop_grace_period: 20s
    networks: [back]
    deploy: {endpoint_mode: dnsrr, update_config: {monitor: 1s}}
networks: {back: {}, front: {internal: true}}
configs: {page: {file: ./page}}
";

/// A volume that is a folder of the node, and a way to see which.
const MOUNTED: &str = "
services:
  app:
    image: BUSYBOX
    command: [sleep, '1000']
    stop_grace_period: 0s
    volumes: [data:/data]
    deploy: {endpoint_mode: dnsrr, update_config: {monitor: 1s}}
volumes:
  data:
    driver_opts: {type: none, o: bind, device: DEVICE}
";

fn run(program: &str, folder: &std::path::Path, words: &[&str]) -> Output {
    let output = Command::new(program)
        .args(words)
        .env("DOCKER_HOST", endpoint())
        .env("POTLUCK_DIR", folder.join("potluck"))
        .current_dir(folder)
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {words:?}: {stderr}");
    output
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deploy_waits_for_the_networks_of_a_stack_that_docker_removed() {
    let Some(engine) = real_engine().await else { return };
    let stack = unique_stack("others");
    let _cleanup = Cleanup::new(&stack);
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("page"), "page").unwrap();
    fs::write(folder.path().join("compose.yml"), SLOW.replace("BUSYBOX", BUSYBOX)).unwrap();
    let deploy =
        ["stack", "deploy", "-c", "compose.yml", "--resolve-image=never", stack.as_str(), "--json"];
    run(POTLUCK, folder.path(), &deploy);
    let ids = || async {
        let networks = engine.networks(Scope::Stack(&stack)).await.unwrap();
        let mut ids: Vec<_> = networks.into_iter().map(|network| network.id.unwrap()).collect();
        ids.sort();
        ids
    };
    let before = ids().await;
    docker_stack_rm(stack.as_str());
    assert_eq!(ids().await, before, "the networks are gone already: nothing was to be waited for");
    let output = run(POTLUCK, folder.path(), &deploy);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["changed"], true, "{report}");
    let after = ids().await;
    assert_eq!(after.len(), 2, "{after:?}");
    assert!(after.iter().all(|id| !before.contains(id)), "{before:?} {after:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_waits_for_the_networks_of_its_stack_that_docker_removed() {
    let Some(app) = TestApp::real("others").await else { return };
    app.file("page", "page");
    app.compose(SLOW);
    app.deploy().await;
    let ids = || async {
        let networks = app.engine.networks(Scope::Stack(&app.stack)).await.unwrap();
        networks.into_iter().map(|network| network.id.unwrap()).collect::<Vec<_>>()
    };
    let before = ids().await;
    docker_stack_rm(app.stack.as_str());
    assert_eq!(ids().await.len(), 2, "nothing was to be waited for");
    assert!(app.deploy().await.changed);
    let after = ids().await;
    assert_eq!(after.len(), 2, "{after:?}");
    assert!(after.iter().all(|id| !before.contains(id)), "{before:?} {after:?}");
    // What it made anew is its own: it is removed as all else.
    assert!(!app.deploy().await.changed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_volume_keeps_its_options_and_the_plan_of_a_stack_says_so() {
    let Some(engine) = real_engine().await else { return };
    let stack = unique_stack("others");
    let _cleanup = Cleanup::new(&stack);
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| {
        let place = folder.path().join(name);
        fs::create_dir_all(&place).unwrap();
        place.display().to_string()
    };
    let (one, two) = (place("one"), place("two"));
    let write = |device: &str| {
        let text = MOUNTED.replace("BUSYBOX", BUSYBOX).replace("DEVICE", device);
        fs::write(folder.path().join("compose.yml"), text).unwrap();
    };
    let deploy = ["stack", "deploy", "-c", "compose.yml", "--resolve-image=never", stack.as_str()];
    write(&one);
    let first = run(POTLUCK, folder.path(), &deploy);
    assert!(!String::from_utf8_lossy(&first.stderr).contains("already exists"));
    let again = run(POTLUCK, folder.path(), &deploy);
    assert!(!String::from_utf8_lossy(&again.stderr).contains("already exists"));

    write(&two);
    let words = format!(
        "volume `{stack}_data` already exists with `device: {one}` (the files have `{two}`); swarm \
         will not change this"
    );
    let second = run(POTLUCK, folder.path(), &[&deploy[..], &["--json"]].concat());
    let report: Value = serde_json::from_slice(&second.stdout).unwrap();
    let warnings = report["plan"]["warnings"].as_array().unwrap();
    let about_volumes: Vec<_> =
        warnings.iter().map(|w| w.as_str().unwrap()).filter(|w| w.contains("volume `")).collect();
    assert!(about_volumes.len() == 1 && about_volumes[0].starts_with(&words), "{warnings:?}");
    assert!(String::from_utf8_lossy(&second.stderr).contains(&words));
    // The request is docker's: what the files say.
    let service = engine.service(&format!("{stack}_app")).await.unwrap();
    let spec = serde_json::to_value(&service.spec).unwrap();
    let mount = &spec["TaskTemplate"]["ContainerSpec"]["Mounts"][0];
    assert_eq!(mount["VolumeOptions"]["DriverConfig"]["Options"]["device"], two.as_str());
    // The volume is what it was.
    let volume = engine.volume(&format!("{stack}_data")).await.unwrap();
    assert_eq!(volume.options["device"], one);
    let third = run(POTLUCK, folder.path(), &deploy);
    assert!(String::from_utf8_lossy(&third.stderr).contains(&words), "it still holds");
}

async fn a_volume_keeps_its_options_and_the_plan_of_an_app_says_so(app: TestApp) {
    let place = |name: &str| {
        let place = app.folder.path().join(name);
        fs::create_dir_all(&place).unwrap();
        place.display().to_string()
    };
    let (one, two) = (place("one"), place("two"));
    app.compose(&MOUNTED.replace("DEVICE", &one));
    assert_eq!(said(&app.deploy().await.plan.warnings), Vec::<String>::new());
    assert_eq!(said(&app.deploy().await.plan.warnings), Vec::<String>::new());
    app.compose(&MOUNTED.replace("DEVICE", &two));
    let shown = app.try_plan(&potluck::operation::DeployOptions::default()).await.unwrap();
    for plan in [shown, app.deploy().await.plan] {
        let said = said(&plan.warnings);
        assert_eq!(said.len(), 1, "{:?}", plan.warnings);
        for words in [format!("`{}_data`", app.stack), one.clone(), two.clone()] {
            assert!(said[0].contains(&words), "{words}: {said:?}");
        }
    }
}

fn said(warnings: &[String]) -> Vec<String> {
    warnings.iter().filter(|warning| warning.contains("already exists")).cloned().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_volume_keeps_its_options_on_a_real_swarm() {
    let Some(app) = TestApp::real("others").await else { return };
    a_volume_keeps_its_options_and_the_plan_of_an_app_says_so(app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_volume_keeps_its_options_on_a_simulated_one() {
    a_volume_keeps_its_options_and_the_plan_of_an_app_says_so(TestApp::simulated("others")).await;
}
