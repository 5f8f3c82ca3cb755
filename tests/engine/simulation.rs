//! What only the simulated swarm promises: its file, its script, its volumes.

use std::{path::Path, sync::Arc};

use base64::Engine as _;
use futures_util::StreamExt;
use potluck::{
    engine::{
        self, Engine, Error, Exec, ExecSession, Scope, Stream, api,
        simulated::{Script, Simulated},
    },
    hint::Hint,
};
use tokio::io::AsyncWriteExt;

const SCRIPT: &str = r#"
exec:
  - service: db
    command: [take]
    stdout_file: data:dump.sql
  - service: db
    command: [put_back]
    stdin_file: data:dump.sql
  - service: db
    matches: "half *"
    stdout: half a du
    dies: true
"#;

/// A service `shop_db` with the volume `shop_data` at `/data`.
fn database() -> api::ServiceSpec {
    let labels = [(engine::STACK_LABEL.to_owned(), "shop".to_owned())];
    api::ServiceSpec {
        name: Some("shop_db".into()),
        labels: Some(labels.clone().into()),
        task_template: Some(api::TaskSpec {
            container_spec: Some(api::TaskSpecContainerSpec {
                image: Some("database:1".into()),
                mounts: Some(vec![api::Mount {
                    typ: Some(api::MountType::VOLUME),
                    source: Some("shop_data".into()),
                    target: Some("/data".into()),
                    volume_options: Some(api::MountVolumeOptions {
                        labels: Some(labels.into()),
                        ..Default::default()
                    }),
                    ..Default::default()
                }]),
                ..Default::default()
            }),
            placement: Some(Default::default()),
            ..Default::default()
        }),
        ..Default::default()
    }
}

fn secret(name: &str, value: &str) -> api::SecretSpec {
    api::SecretSpec {
        name: Some(name.into()),
        data: Some(base64::engine::general_purpose::STANDARD.encode(value)),
        ..Default::default()
    }
}

async fn container(engine: &dyn Engine) -> String {
    for _ in 0..20 {
        if let Some(found) = engine.containers("shop_db").await.unwrap().pop() {
            return found.id;
        }
    }
    panic!("the clock stands still");
}

async fn run(engine: &dyn Engine, argv: &[&str], stdin: Option<&[u8]>) -> ExecSession {
    let argv = argv.iter().map(|arg| (*arg).to_owned()).collect();
    let exec = Exec { argv, stdin: stdin.is_some(), ..Default::default() };
    let mut session = engine.exec(&container(engine).await, &exec).await.unwrap();
    if let Some(bytes) = stdin {
        let mut input = session.stdin.take().unwrap();
        input.write_all(bytes).await.unwrap();
        input.shutdown().await.unwrap();
    }
    session
}

/// The two outputs and the exit code.
async fn drain(mut session: ExecSession) -> (String, String, i64) {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    while let Some(chunk) = session.output.next().await {
        let chunk = chunk.unwrap();
        match chunk.stream {
            Stream::Stdout => out.extend_from_slice(&chunk.bytes),
            Stream::Stderr => err.extend_from_slice(&chunk.bytes),
        }
    }
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (text(out), text(err), session.exit_code.await.unwrap())
}

fn open(folder: &Path) -> Arc<dyn Engine> {
    engine::connect("simulated", Default::default(), folder, "here").unwrap()
}

#[tokio::test]
async fn a_dump_can_be_taken_lost_and_put_back() {
    let state = tempfile::tempdir().unwrap();
    let swarm = open(state.path());
    std::fs::write(state.path().join("simulated/here/script.yml"), SCRIPT).unwrap();
    swarm.create_service(database(), None).await.unwrap();
    container(swarm.as_ref()).await;
    let volume = swarm.volume("shop_data").await.unwrap();
    assert_eq!(volume.labels[engine::STACK_LABEL], "shop");
    std::fs::write(volume.mountpoint.join("dump.sql"), "INSERT;").unwrap();
    let taken = drain(run(swarm.as_ref(), &["take"], None).await).await;
    assert_eq!(taken, ("INSERT;".into(), String::new(), 0));

    swarm.remove_service("shop_db").await.unwrap();
    swarm.remove_volume("shop_data").await.unwrap();
    assert!(!volume.mountpoint.exists());

    // As another process would: nothing but the folder is shared.
    let swarm = open(state.path());
    swarm.create_service(database(), None).await.unwrap();
    let (_, said, code) = drain(run(swarm.as_ref(), &["take"], None).await).await;
    assert!(code == 1 && said.contains("No such file"), "{code} {said}");
    let put = drain(run(swarm.as_ref(), &["put_back"], Some(taken.0.as_bytes())).await).await;
    assert_eq!(put.2, 0);
    let again = drain(run(swarm.as_ref(), &["take"], None).await).await;
    assert_eq!(again.0, "INSERT;");
}

#[tokio::test]
async fn a_program_nobody_scripted_fails_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let swarm = Simulated::open(None, folder.path().into()).unwrap();
    swarm.create_service(database(), None).await.unwrap();
    let (out, err, code) = drain(run(&swarm, &["mysql", "-e"], None).await).await;
    assert_eq!((out.as_str(), code), ("", 127));
    assert_eq!(
        err,
        "simulated: no answer is scripted in the service \"db\" for [\"mysql\",\"-e\"]; one is \
         written into state/simulated/simulated/script.yml, in potluck's folder\n"
    );
}

#[tokio::test]
async fn a_container_that_dies_breaks_the_output_and_has_no_exit_code() {
    let folder = tempfile::tempdir().unwrap();
    let swarm = Simulated::open(None, folder.path().into()).unwrap();
    swarm.set_script(serde_saphyr::from_str::<Script>(SCRIPT).unwrap());
    swarm.create_service(database(), None).await.unwrap();
    let session = run(&swarm, &["half", "dump"], None).await;
    let pieces: Vec<_> = session.output.collect().await;
    assert!(pieces.last().unwrap().is_err());
    assert!(session.exit_code.await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn two_holders_of_one_file_lose_nothing() {
    let state = tempfile::tempdir().unwrap();
    let holders = [open(state.path()), open(state.path())];
    let writers: Vec<_> = (0..40)
        .map(|number| {
            let swarm = holders[number % 2].clone();
            tokio::spawn(async move {
                swarm.create_secret(secret(&format!("key{number}"), "value")).await.unwrap();
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    assert_eq!(holders[0].secrets(Scope::All).await.unwrap().len(), 40);
    assert_eq!(holders[1].secrets(Scope::All).await.unwrap().len(), 40);
}

#[tokio::test]
async fn secret_values_are_not_in_the_file() {
    let state = tempfile::tempdir().unwrap();
    let swarm = open(state.path());
    let planted = "planted-value-of-a-secret";
    swarm.create_secret(secret("key", planted)).await.unwrap();
    let file = std::fs::read_to_string(state.path().join("simulated/here/swarm.json")).unwrap();
    let encoded = base64::engine::general_purpose::STANDARD.encode(planted);
    assert!(file.contains("\"key\"") && !file.contains(planted) && !file.contains(&encoded));
}

#[tokio::test]
async fn a_broken_file_or_script_is_an_error_that_names_it() {
    let state = tempfile::tempdir().unwrap();
    let swarm = open(state.path());
    let folder = state.path().join("simulated/here");
    std::fs::write(folder.join("script.yml"), "exec: [{servise: db}]").unwrap();
    let error = swarm.manager().await.unwrap_err();
    assert!(error.to_string().contains("script.yml"), "{error}");
    std::fs::write(folder.join("script.yml"), "unreachable: true").unwrap();
    let error = swarm.manager().await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }) && error.hint().is_some(), "{error}");
    std::fs::remove_file(folder.join("script.yml")).unwrap();
    std::fs::write(folder.join("swarm.json"), "{half").unwrap();
    let error = swarm.manager().await.unwrap_err();
    assert!(error.to_string().contains("swarm.json"), "{error}");
}

#[tokio::test]
async fn a_volume_cannot_leave_its_folder() {
    let folder = tempfile::tempdir().unwrap();
    let swarm = Simulated::open(None, folder.path().join("volumes")).unwrap();
    for name in ["../out", "/out", ".", "a/b", ""] {
        assert!(swarm.create_volume(name, Default::default()).await.is_err(), "{name:?}");
        let mut spec = database();
        let task = spec.task_template.as_mut().unwrap();
        let mounts = task.container_spec.as_mut().unwrap().mounts.as_mut().unwrap();
        mounts[0].source = Some(name.into());
        let answer = swarm.create_service(spec, None).await;
        assert!(name.is_empty() || matches!(answer, Err(Error::Refused { .. })), "{answer:?}");
    }
    assert!(!folder.path().join("out").exists());
}
