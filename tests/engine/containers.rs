//! What can be done in a running container.

use futures_util::StreamExt;
use potluck::engine::{Error, Kind, LogQuery, Stream, api, whole};
use tokio::io::AsyncWriteExt;

use crate::{common::*, swarm::*};

pub async fn a_program_has_input_two_outputs_and_an_exit_code(swarm: &Swarm) {
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

pub async fn a_paused_container_is_frozen_until_it_is_let_run_on(swarm: &Swarm) {
    let id = swarm.create("web", SLEEPING).await;
    // The container runs before the manager has heard of it.
    swarm.task_with(&id, api::TaskState::RUNNING).await;
    let (engine, web) = (swarm.engine.as_ref(), swarm.name("web"));
    let container = running_container(engine, &web).await;
    assert!(!engine.unpause(&web, &container).await.unwrap(), "it runs");
    engine.pause(&web, &container).await.unwrap();
    let again = engine.pause(&web, &container).await;
    assert!(matches!(again, Err(Error::Refused { .. })), "{again:?}");
    // It counts as running for swarm, and takes no programs.
    let task = engine.tasks(&web).await.unwrap().remove(0);
    assert_eq!(task.status.unwrap().state, Some(api::TaskState::RUNNING));
    assert!(engine.containers(&web).await.unwrap().is_empty());
    let refused = engine.exec(&container, &exec(&["true"], false)).await;
    assert!(matches!(refused, Err(Error::Refused { .. })), "{:?}", refused.err());
    // Only for the service that it is of.
    assert!(!engine.unpause(&swarm.name("other"), &container).await.unwrap());
    assert!(engine.unpause(&web, &container).await.unwrap());
    assert!(!engine.unpause(&web, &container).await.unwrap());
    assert_eq!(engine.containers(&web).await.unwrap()[0].id, container);
    let missing = engine.pause(&web, &"0".repeat(64)).await;
    assert!(missing.is_err_and(|error| error.is_not_found()));
}

pub async fn archives_go_in_and_come_out(swarm: &Swarm) {
    swarm.create("web", SLEEPING).await;
    let container = running_container(swarm.engine.as_ref(), &swarm.name("web")).await;
    let mut tar = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(5);
    header.set_mode(0o600);
    tar.append_data(&mut header, "folder/file", b"bytes".as_slice()).unwrap();
    let tar = tar.into_inner().unwrap();
    swarm.engine.put_archive(&container, "/tmp", whole(tar.into()), 1024).await.unwrap();
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
    let is_no_file = |missing: Option<Error>, path: &str| {
        matches!(&missing, Some(Error::NotFound { kind: Kind::File, name }) if name == path)
            .then_some(())
            .ok_or(missing)
    };
    is_no_file(missing, "/no/such/file").unwrap();
    let missing =
        swarm.engine.put_archive(&container, "/no/such", whole(Default::default()), 0).await;
    is_no_file(missing.err(), "/no/such").unwrap();
    let gone = swarm.engine.get_archive(&"0".repeat(64), "/tmp").await.err();
    assert!(matches!(gone, Some(Error::NotFound { kind: Kind::Container, .. })), "{gone:?}");
}

pub async fn logs_can_be_read_by_service_and_by_task(swarm: &Swarm) {
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
