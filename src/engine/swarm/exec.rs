//! Programs in containers: create, start, streams, exit code.
//!
//! Docker sends the two outputs over one hijacked connection in frames of at
//! most 32 kB with a header each (`stdcopy`). Shutting down the write half of
//! that connection is the end of the program's input.

use std::{pin::Pin, time::Duration};

use bollard::{
    Docker,
    container::LogOutput,
    exec::{StartExecOptions, StartExecResults},
    models::ExecConfig,
    query_parameters::ResizeExecOptionsBuilder,
};
use futures_util::{FutureExt, StreamExt};
use tokio::io::AsyncWrite;

use super::{
    SwarmEngine,
    call::{self, About, Verb, checked},
};
use crate::engine::{Chunk, Error, Exec, ExecSession, Kind, Stream};

/// Size of the buffer that frames are read into. bollard's 8 kB would split
/// each of Docker's frames over several reads.
const READ_BUFFER: usize = 256 * 1024;

/// How long a program may continue after it has closed its outputs.
const LINGER: Duration = Duration::from_secs(60);

/// Between two tries to set a terminal's first size, and how many there are.
const SIZE_AGAIN: Duration = Duration::from_millis(50);
const SIZE_TRIES: u32 = 20;

/// Sets the size that a terminal begins with. The engine refuses while the
/// program is not quite there, so it is asked again, as the docker CLI does
/// (`initTtySize`); beside the program, which may also have ended at once.
async fn first_size(docker: Docker, exec: String, (rows, columns): (u16, u16)) {
    let size = || ResizeExecOptionsBuilder::new().h(i32::from(rows)).w(i32::from(columns)).build();
    for _ in 0..SIZE_TRIES {
        if docker.resize_exec(&exec, size()).await.is_ok() {
            return;
        }
        tokio::time::sleep(SIZE_AGAIN).await;
    }
}

/// Whether a program that somebody started in a container still runs. The engine runs health
/// checks in the same way, and a person at a terminal is not waited for.
pub(super) async fn any_runs(engine: &SwarmEngine, container: &str) -> Result<bool, Error> {
    let gone = |error: Error| if error.is_not_found() { Ok(false) } else { Err(error) };
    let about = About::new(Verb::Inspect, Kind::Container, container);
    let container = checked(Kind::Container, container)?;
    let found = engine.call(about, engine.docker.inspect_container(container, None)).await;
    let found = match found {
        Ok(found) => found,
        Err(error) => return gone(error),
    };
    let check = found.config.and_then(|config| config.healthcheck?.test?.pop());
    for id in found.exec_ids.iter().flatten() {
        let about = About::new(Verb::Inspect, Kind::Container, id);
        let id = checked(Kind::Container, id)?;
        let program = match engine.call(about, engine.docker.inspect_exec(id)).await {
            Ok(program) => program,
            Err(error) if error.is_not_found() => continue,
            Err(error) => return Err(error),
        };
        let process = program.process_config.unwrap_or_default();
        let last = process.arguments.unwrap_or_default().pop();
        let is_check = check.is_some() && last == check;
        if program.running == Some(true) && process.tty != Some(true) && !is_check {
            return Ok(true);
        }
    }
    Ok(false)
}

pub(super) async fn create(
    engine: &SwarmEngine,
    container: &str,
    exec: &Exec,
) -> Result<String, Error> {
    let about = About::new(Verb::Run, Kind::Container, container);
    let config = ExecConfig {
        attach_stdin: Some(exec.stdin),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        tty: Some(exec.terminal.is_some()),
        cmd: Some(exec.argv.clone()),
        env: Some(exec.env.iter().map(|(key, value)| format!("{key}={value}")).collect()),
        user: exec.user.clone(),
        working_dir: exec.workdir.clone(),
        ..Default::default()
    };
    let creating = engine.docker.create_exec(checked(Kind::Container, container)?, config);
    Ok(engine.call(about, creating).await?.id)
}

pub(super) async fn start(
    engine: &SwarmEngine,
    container: &str,
    id: &str,
    exec: &Exec,
) -> Result<ExecSession, Error> {
    let about = About::new(Verb::Run, Kind::Container, container);
    let options = StartExecOptions {
        detach: false,
        tty: exec.terminal.is_some(),
        output_capacity: Some(READ_BUFFER),
    };
    let id = checked(Kind::Container, id)?;
    let started = engine.call(about.clone(), engine.docker.start_exec(id, Some(options))).await?;
    let StartExecResults::Attached { output, input } = started else {
        return Err(Error::Refused {
            action: "run a program".to_owned(),
            message: "it started the program without its streams".to_owned(),
        });
    };
    if let Some(size) = exec.terminal {
        tokio::spawn(first_size(engine.docker.clone(), id.to_owned(), size));
    }

    let framed = exec.terminal.is_none();
    let endpoint = engine.endpoint.clone();
    let told = about.clone();
    let output = output
        .map(move |piece| match piece {
            Ok(LogOutput::StdErr { message }) => {
                Ok(Chunk { stream: Stream::Stderr, bytes: message })
            }
            Ok(LogOutput::StdOut { message }) => {
                Ok(Chunk { stream: Stream::Stdout, bytes: message })
            }
            Ok(LogOutput::Console { message } | LogOutput::StdIn { message }) => {
                // Bytes outside a frame: the connection was cut within one, or
                // what follows cannot be trusted any more.
                if framed {
                    Err(Error::Unreachable {
                        endpoint: endpoint.clone(),
                        reason: "the output of the program was cut off".to_owned(),
                    })
                } else {
                    Ok(Chunk { stream: Stream::Stdout, bytes: message })
                }
            }
            Err(error) => Err(call::translate(&endpoint, &told, error)),
        })
        .boxed();

    let stdin: Option<Pin<Box<dyn AsyncWrite + Send>>> = exec.stdin.then_some(input);
    let exit_code = exit_code(engine.docker.clone(), engine.endpoint.clone(), id.to_owned());
    Ok(ExecSession { id: id.to_owned(), stdin, output, exit_code: exit_code.boxed() })
}

/// Asks until the program has ended. Its outputs close a moment before
/// the engine notices its end.
async fn exit_code(docker: Docker, endpoint: String, id: String) -> Result<i64, Error> {
    let about = About::new(Verb::Inspect, Kind::Container, &id);
    let ask = async {
        let mut pause = Duration::from_millis(2);
        loop {
            let found = docker
                .inspect_exec(&id)
                .await
                .map_err(|error| call::translate(&endpoint, &about, error))?;
            match (found.running, found.exit_code) {
                (Some(false), Some(code)) => return Ok(code),
                (Some(false), None) => {
                    return Err(Error::Refused {
                        action: "tell how a program ended".to_owned(),
                        message: "it has no exit code".to_owned(),
                    });
                }
                _ => {}
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_millis(500));
        }
    };
    tokio::time::timeout(LINGER, ask).await.unwrap_or_else(|_| {
        Err(Error::Refused {
            action: "tell how a program ended".to_owned(),
            message: format!("it still runs {} s after it closed its outputs", LINGER.as_secs()),
        })
    })
}
