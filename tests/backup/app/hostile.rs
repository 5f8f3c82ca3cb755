//! Backups and restores of an app whose containers, or those of others, are
//! against it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use potluck::{
    backup::{Error, VolumeUser, Which},
    engine,
    hint::Hint,
    home::{BackupSettings, ServerSettings},
    operation,
    plugin::BackupItem,
};

use super::{
    Fixture,
    common::{self, BUSYBOX, endpoint, eventually},
};

/// The app's service runs a script on its volume `content`.
fn compose(script: &str) -> String {
    let script = serde_json::to_string(script).unwrap().replace('$', "$$");
    format!(
        r#"
version: "3.8"
services:
  app:
    image: BUSYBOX
    command: ["sh", "-c", {script}]
    stop_grace_period: 0s
    volumes: ["content:/content"]
    deploy: {{endpoint_mode: dnsrr}}
volumes:
  content:
"#
    )
}

/// A part of the volume only, as labels can ask for.
fn part(path: &str) -> Vec<BackupItem> {
    let paths = vec![path.into()];
    vec![BackupItem::Volume { name: "content".into(), paths, exclude: Vec::new() }]
}

fn whole() -> Vec<BackupItem> {
    vec![BackupItem::Volume { name: "content".into(), paths: Vec::new(), exclude: Vec::new() }]
}

fn docker(arguments: &[&str]) -> String {
    let output = Command::new("docker").args(["-H", &endpoint()]).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// A container beside the app; removed when dropped.
struct Beside(String);

impl Beside {
    fn run(fixture: &Fixture, volume: &str, script: &str) -> Self {
        let name = format!("{}-beside", fixture.stack);
        let mount = format!("{}_{volume}:/v", fixture.stack);
        docker(&["run", "-d", "--name", &name, "-v", &mount, BUSYBOX, "sh", "-c", script]);
        Beside(name)
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        let _ = Command::new("docker").args(["-H", &endpoint(), "rm", "-f", &self.0]).output();
    }
}

impl Fixture {
    async fn prepare(&self) -> Result<operation::Restore, Error> {
        let app = self.load().await;
        operation::prepare_restore(
            &self.context,
            &self.guard(),
            &app,
            &Which::Latest,
            &self.options(),
        )
        .await
    }

    fn folder_of(&self, volume: &str) -> PathBuf {
        let name = format!("{}_{volume}", self.stack);
        docker(&["volume", "inspect", "-f", "{{.Mountpoint}}", &name]).into()
    }
}

fn everything(folder: &Path) -> String {
    let mut find = Command::new("find");
    find.arg(folder).args(["-type", "f", "-exec", "cat", "{}", "+"]);
    String::from_utf8_lossy(&find.output().unwrap().stdout).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_that_became_a_link_is_refused_before_services_stop() {
    let script = "mkdir -p /content/s/ok; echo x >/content/s/ok/f; sleep 100000";
    let Some(fixture) = Fixture::new(&compose(script), Some(&part("s/ok"))).await else { return };
    fixture.deploy().await;
    eventually("the file", async || {
        fixture.folder_of("content").join("s/ok/f").exists().then_some(())
    })
    .await;
    fixture.create().await.unwrap();
    fixture.run("app", "rm -rf /content/s; ln -s /etc /content/s").await;
    for _ in 0..2 {
        let error = fixture.prepare().await.err().expect("a link is no place");
        let text = error.to_string();
        assert!(matches!(error, Error::Misplaced { .. }), "{text}");
        assert!(text.contains("`s` in it is a symbolic link now, not a folder"), "{text}");
        assert!(error.hint().unwrap().contains("rename or remove `s`"));
        assert_eq!(fixture.replicas().await, [1], "the app runs");
    }
    // What the hint says is enough.
    fixture.run("app", "rm /content/s").await;
    fixture.restore().await.unwrap();
    assert_eq!(fixture.run("app", "cat /content/s/ok/f").await, "x\n");
    assert_eq!(fixture.replicas().await, [1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_that_becomes_a_link_while_the_app_stops_brings_the_app_back() {
    let script = "trap 'rm -rf /content/s; ln -s /etc /content/s; exit 0' TERM; \
                  test -e /content/s || { mkdir -p /content/s/ok; echo x >/content/s/ok/f; }; \
                  while :; do sleep 0.1; done";
    // It hears that it shall stop.
    let compose = compose(script).replace("period: 0s", "period: 60s");
    let Some(fixture) = Fixture::new(&compose, Some(&part("s/ok"))).await else { return };
    fixture.deploy().await;
    let folder = fixture.folder_of("content");
    eventually("the file", async || folder.join("s/ok/f").exists().then_some(())).await;
    fixture.create().await.unwrap();
    let error = fixture.restore().await.unwrap_err();
    assert!(matches!(error, Error::Misplaced { .. }), "{error}");
    assert_eq!(fixture.replicas().await, [1], "the app is brought back");
    let lock = fixture.context.home.lock_file(&fixture.entry).unwrap();
    assert_eq!(lock.restoring, None, "its data is unchanged");
    assert!(!Path::new("/etc/ok").exists(), "the host was written");
    let beside = fs::read_dir(folder.parent().unwrap()).unwrap().count();
    assert_eq!(beside, 1, "something is left beside the volume");
}

#[tokio::test(flavor = "multi_thread")]
async fn services_that_do_not_start_again_are_named_with_what_to_type() {
    let script = "test -e /content/broken && exit 3; \
                  trap 'rm -rf /content/s; ln -s /etc /content/s; touch /content/broken; exit 0' TERM; \
                  mkdir -p /content/s/ok; while :; do sleep 0.1; done";
    let compose = compose(script).replace("period: 0s", "period: 60s");
    let Some(fixture) = Fixture::new(&compose, Some(&part("s/ok"))).await else { return };
    fixture.deploy().await;
    let folder = fixture.folder_of("content");
    eventually("the folder", async || folder.join("s/ok").exists().then_some(())).await;
    fixture.create().await.unwrap();
    let error = fixture.restore().await.unwrap_err();
    let Error::NotStarted { services, source, .. } = &error else { panic!("{error}") };
    assert_eq!(services, &["app"]);
    assert!(matches!(**source, Error::Misplaced { .. }), "{source}");
    let text = error.to_string();
    assert!(text.ends_with("but these services did not start again: app"), "{text}");
    let hint = error.hint().unwrap();
    assert_eq!(hint, format!("start them with `potluck app deploy {}`", fixture.entry.name));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_volume_that_others_mount_is_not_restored_under_them() {
    let script = "echo x >/content/f; sleep 100000";
    let Some(fixture) = Fixture::new(&compose(script), Some(&whole())).await else { return };
    fixture.deploy().await;
    let folder = fixture.folder_of("content");
    eventually("the file", async || folder.join("f").exists().then_some(())).await;
    fixture.create().await.unwrap();

    let beside = Beside::run(&fixture, "content", "sleep 100000");
    let error = fixture.prepare().await.err().expect("others mount it");
    let Error::UsedByOthers { users, .. } = &error else { panic!("{error}") };
    assert_eq!(users, &[VolumeUser::Container(beside.0.clone())]);
    let hint = error.hint().unwrap();
    assert!(hint.contains(&format!("`docker stop {}`", beside.0)), "{hint}");
    drop(beside);

    // A service of another stack, while it wants tasks.
    let other = common::unique_stack("backup-other");
    let _cleanup = common::Cleanup::new(&other);
    let mut spec = common::service_spec(&other, "app", &["sleep", "100000"]);
    let container = spec.task_template.as_mut().unwrap().container_spec.as_mut().unwrap();
    container.mounts = Some(vec![engine::api::Mount {
        typ: Some(engine::api::MountType::VOLUME),
        source: Some(format!("{}_content", fixture.stack)),
        target: Some("/v".into()),
        ..Default::default()
    }]);
    fixture.engine.create_service(spec, None).await.unwrap();
    let error = fixture.prepare().await.err().expect("another stack mounts it");
    let hint = error.hint().unwrap();
    assert!(hint.contains(&format!("`docker service scale {other}_app=0`")), "{hint}");
    assert_eq!(fixture.replicas().await, [1], "the app runs");

    docker(&["service", "scale", &format!("{other}_app=0")]);
    let volume = format!("{}_content", fixture.stack);
    let own = format!("{}_app", fixture.stack);
    eventually("the other's container to end", async || {
        let users = fixture.engine.volume_users(&volume).await.unwrap();
        users.iter().all(|user| user.service.as_deref() == Some(&own)).then_some(())
    })
    .await;
    fixture.restore().await.unwrap();
}

/// The container of the app, as fast as a shell can.
#[tokio::test(flavor = "multi_thread")]
async fn a_backup_of_a_container_that_swaps_folders_holds_nothing_of_the_host() {
    let outside = tempfile::tempdir().unwrap();
    fs::create_dir_all(outside.path().join("ok")).unwrap();
    fs::write(outside.path().join("ok/f"), "a file of the host").unwrap();
    let script = format!(
        "cd /content; mkdir -p s/ok; echo inside >s/ok/f; n=0; while [ $n -lt 200 ]; do \
         n=$((n+1)); mkdir -p d$n; echo x >d$n/f; done; ln -s {} l; \
         while :; do mv -T s t; mv -T l s; mv -T s l; mv -T t s; done",
        outside.path().display()
    );
    let Some(fixture) = Fixture::new(&compose(&script), Some(&part("s/ok"))).await else { return };
    fixture.deploy().await;
    let folder = fixture.folder_of("content");
    eventually("the link", async || {
        folder.join("l").is_symlink().then_some(()).or(folder.join("t").exists().then_some(()))
    })
    .await;
    let mut taken = 0;
    for items in [part("s/ok"), whole()] {
        fixture.plan(&items);
        for _ in 0..6 {
            // One that met the link fails; none holds what it leads to.
            taken += usize::from(fixture.create().await.is_ok());
        }
    }
    let repository = fixture.context.home.backup(&fixture.entry.server).unwrap();
    let out = fixture.folder.path().join("out");
    let restic = |arguments: &[&str]| {
        Command::new("restic")
            .env("RESTIC_REPOSITORY", &repository.repository)
            .env("RESTIC_PASSWORD_FILE", &repository.password_file)
            .args(arguments)
            .output()
            .unwrap()
    };
    let listed = restic(&["snapshots", "--json"]);
    let all: serde_json::Value = serde_json::from_slice(&listed.stdout).unwrap();
    for snapshot in all.as_array().unwrap() {
        let id = snapshot["id"].as_str().unwrap();
        let done = restic(&["restore", "--target", out.to_str().unwrap(), id]);
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        assert!(!everything(&out).contains("a file of the host"), "the host is in the backup");
        fs::remove_dir_all(&out).unwrap();
    }
    assert!(taken > 0, "not one backup was taken");
}

/// A forwarded socket names a folder of the machine that it leads to; here that
/// is this one, so that only the proof can tell.
#[tokio::test(flavor = "multi_thread")]
async fn an_engine_behind_a_forwarded_socket_is_not_believed_its_folders() {
    let script = "echo x >/content/f; sleep 100000";
    let Some(fixture) = Fixture::new(&compose(script), Some(&whole())).await else { return };
    fixture.deploy().await;
    fixture.create().await.unwrap();
    let folder = fixture.engine.volumes_folder().await.unwrap().path;
    assert!(fixture.folder_of("content").starts_with(&folder));

    let socket = fixture.folder.path().join("forwarded.sock");
    common::forward(&socket, Path::new(endpoint().strip_prefix("unix://").unwrap()));
    let forwarded = format!("unix://{}", socket.display());
    // What cannot be proved to be this machine's is reached through a container of that
    // engine, and no other way.
    let helper = "127.0.0.1:1/no-such-image:1";
    let settings = ServerSettings {
        endpoint: Some(forwarded.clone()),
        backup: Some(BackupSettings {
            helper_image: Some(helper.into()),
            ..BackupSettings::default()
        }),
        ..ServerSettings::default()
    };
    fixture.context.home.write_server(&fixture.entry.server, &settings).unwrap();
    for outcome in [fixture.create().await.map(drop), fixture.prepare().await.map(drop)] {
        let error = outcome.unwrap_err();
        let text = error.to_string();
        let wanted = format!("the engine at {forwarded} lacks the image `{helper}`");
        assert!(text.starts_with(&wanted), "{text}");
        assert!(error.hint().unwrap().contains("`helper-image`"));
    }
    assert_eq!(fixture.replicas().await, [1]);
}

/// Made by somebody else under the app's name for it, and a mount of the host.
#[tokio::test(flavor = "multi_thread")]
async fn a_volume_that_is_a_mount_of_the_host_is_neither_saved_nor_restored() {
    let script = "sleep 100000";
    let Some(fixture) = Fixture::new(&compose(script), Some(&whole())).await else { return };
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("f"), "a file of the host").unwrap();
    let name = format!("{}_content", fixture.stack);
    let device = format!("device={}", outside.path().display());
    let label = format!("{}={}", engine::STACK_LABEL, fixture.stack);
    docker(&[
        "volume",
        "create",
        "--label",
        &label,
        "-o",
        "type=none",
        "-o",
        "o=bind",
        "-o",
        &device,
        &name,
    ]);
    fixture.deploy().await;
    let error = fixture.create().await.unwrap_err().to_string();
    assert!(error.contains("its files are not in the volume"), "{error}");
}
