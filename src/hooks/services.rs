//! The services of one app, as its plugins reach them: by their key in the
//! compose file, and never those of another stack.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use futures_util::StreamExt;
use tokio::{
    io::AsyncWriteExt,
    time::{Instant, sleep, timeout},
};

use crate::{
    app::App,
    engine::{self, Container, Engine, Health, LogQuery, Stream, api},
    plugin::{Command, Output, ServiceError, StackServices},
    progress::Silent,
    rollout::{
        FailedService, Problem,
        converge::{Target, converge},
        restart::{NotRestarted, restart},
        state::{since::Since, state_of},
    },
};

use super::archive;

/// How long logs may take.
const LOG_PATIENCE: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(200);

/// The services of one stack.
#[derive(Debug, Clone)]
pub struct AppServices {
    engine: Arc<dyn Engine>,
    /// Full names by key.
    names: BTreeMap<String, String>,
}

impl AppServices {
    pub fn of(app: &App) -> Self {
        AppServices {
            engine: Arc::clone(&app.engine) as Arc<dyn Engine>,
            names: app
                .stack
                .services
                .iter()
                .filter_map(|s| Some((s.key.clone(), s.spec.name.clone()?)))
                .collect(),
        }
    }

    /// The container of the newest running task of a service, on whichever node it runs.
    pub async fn container(&self, service: &str) -> Result<Container, ServiceError> {
        let full = self.full_name(service)?;
        running_container(&*self.engine, full)
            .await
            .map_err(engine_error)?
            .ok_or_else(|| ServiceError::NotRunning(service.to_owned()))
    }

    fn full_name(&self, service: &str) -> Result<&str, ServiceError> {
        self.names
            .get(service)
            .map(String::as_str)
            .ok_or_else(|| ServiceError::Unknown(service.to_owned()))
    }

    async fn live(&self, service: &str) -> Result<api::Service, ServiceError> {
        let full = self.full_name(service)?;
        self.engine.service(full).await.map_err(|e| match e {
            e if e.is_not_found() => ServiceError::NotRunning(service.to_owned()),
            e => engine_error(e),
        })
    }
}

/// The container of the newest running task of a service (by full name) on a node that is
/// reached. Containers of tasks that are being shut down still run for a while; they are
/// skipped.
///
/// # Errors
/// What the engine says, and why the nodes of running tasks are not reached; a service
/// that does not exist has no container.
pub async fn running_container(
    engine: &dyn Engine,
    service: &str,
) -> Result<Option<Container>, engine::Error> {
    let id = match engine.service(service).await {
        Ok(found) => found.id.unwrap_or_default(),
        Err(error) if error.is_not_found() => return Ok(None),
        Err(error) => return Err(error),
    };
    let (tasks, containers) =
        futures_util::try_join!(engine.tasks(&id), engine.containers(service))?;
    let running: Vec<&api::Task> = tasks
        .iter()
        .filter(|t| state_of(t) == api::TaskState::RUNNING)
        .filter(|t| t.desired_state.is_some_and(|s| s <= api::TaskState::RUNNING))
        .collect();
    let mut found = running.iter().filter_map(|task| containers.iter().find(|c| is_of(c, task)));
    if let Some(container) = found.next() {
        return Ok(Some(container.clone()));
    }
    // Where it runs, and why that node tells nothing of it.
    if let Some(node) = running.first().and_then(|task| task.node_id.as_deref()) {
        engine.of_node(node).await?;
    }
    Ok(None)
}

fn is_of(container: &Container, task: &api::Task) -> bool {
    Some(&container.task) == task.id.as_ref()
}

#[async_trait]
impl StackServices for AppServices {
    async fn run(
        &self,
        service: &str,
        command: &Command,
        input: Vec<u8>,
        output_limit: usize,
    ) -> Result<Output, ServiceError> {
        let container = self.container(service).await?;
        let exec = command.exec(!input.is_empty());
        let run = async {
            let session = self.engine.exec(&container.id, &exec).await.map_err(engine_error)?;
            collect(session, input, output_limit).await
        };
        // Docker cannot end a program from outside; leaving closes its streams.
        match command.timeout {
            Some(limit) => timeout(limit, run).await.unwrap_or(Err(ServiceError::TimedOut)),
            None => run.await,
        }
    }

    async fn wait_ready(&self, service: &str, limit: Duration) -> Result<(), ServiceError> {
        let full = self.full_name(service)?.to_owned();
        let deadline = Instant::now() + limit;
        let live = self.live(service).await?;
        let target = Target {
            key: service.to_owned(),
            id: live.id.unwrap_or_default(),
            spec: live.spec.unwrap_or_default(),
            since: Since::Unchanged,
        };
        let _ = converge(&*self.engine, &[target], limit, &Silent).await.map_err(not_ready)?;
        // Swarm's word lags behind a check that failed after it had passed.
        loop {
            let containers = self.engine.containers(&full).await.map_err(engine_error)?;
            if !containers.iter().any(|c| c.health == Health::Unhealthy) {
                return Ok(());
            }
            if Instant::now() >= deadline {
                return Err(ServiceError::TimedOut);
            }
            sleep(POLL).await;
        }
    }

    async fn restart(&self, service: &str, limit: Duration) -> Result<(), ServiceError> {
        let live = self.live(service).await?;
        let restarted = restart(&*self.engine, live, service, limit, &Silent).await;
        restarted.map_err(|error| match error {
            NotRestarted::Engine(error) => engine_error(error),
            NotRestarted::Failed(failed) => not_ready(failed),
        })
    }

    async fn put_file(
        &self,
        service: &str,
        path: &str,
        content: Vec<u8>,
        mode: u32,
    ) -> Result<(), ServiceError> {
        let (folder, name) = archive::split(path).map_err(ServiceError::Engine)?;
        let container = self.container(service).await?;
        let tar = archive::pack(name, &content, mode).map_err(ServiceError::Engine)?;
        let (tar, bytes) = (engine::whole(tar), content.len() as u64);
        self.engine.put_archive(&container.id, folder, tar, bytes).await.map_err(engine_error)
    }

    /// Docker reads the container's own files and volumes; what swarm mounts
    /// (secrets, configs) it shows empty.
    async fn get_file(
        &self,
        service: &str,
        path: &str,
        limit: usize,
    ) -> Result<Vec<u8>, ServiceError> {
        archive::split(path).map_err(ServiceError::Engine)?;
        let container = self.container(service).await?;
        let mut stream =
            self.engine.get_archive(&container.id, path).await.map_err(engine_error)?;
        let mut tar = Vec::new();
        while let Some(chunk) = stream.next().await {
            tar.extend_from_slice(&chunk.map_err(engine_error)?);
            if tar.len() > archive::packed_limit(limit) {
                return Err(ServiceError::TooLarge(limit));
            }
        }
        archive::unpack(&tar, path, limit)
    }

    async fn logs(
        &self,
        service: &str,
        lines: u32,
        limit: usize,
    ) -> Result<Vec<String>, ServiceError> {
        let id = self.live(service).await?.id.unwrap_or_default();
        let query = LogQuery { tail: Some(lines.into()), ..LogQuery::default() };
        let read = async {
            let mut stream = self.engine.service_logs(&id, &query).await.map_err(engine_error)?;
            let mut kept = LastLines { lines: VecDeque::new(), bytes: 0, most: lines, limit };
            while let Some(line) = stream.next().await {
                kept.take(&line.map_err(engine_error)?.bytes);
            }
            Ok(kept.lines.into())
        };
        // An engine that has lost a node's logs may not end them.
        timeout(LOG_PATIENCE, read).await.unwrap_or(Err(ServiceError::TimedOut))
    }
}

/// The last lines that fit.
struct LastLines {
    lines: VecDeque<String>,
    bytes: usize,
    most: u32,
    limit: usize,
}

impl LastLines {
    fn take(&mut self, bytes: &[u8]) {
        for line in String::from_utf8_lossy(bytes).lines() {
            self.bytes += line.len();
            self.lines.push_back(line.to_owned());
            while self.bytes > self.limit || self.lines.len() > self.most as usize {
                let Some(oldest) = self.lines.pop_front() else { break };
                self.bytes -= oldest.len();
            }
        }
    }
}

/// Writes the input while it reads the output: a program may fill the one
/// before it has read all of the other.
async fn collect(
    session: engine::ExecSession,
    input: Vec<u8>,
    limit: usize,
) -> Result<Output, ServiceError> {
    let engine::ExecSession { stdin, mut output, exit_code, .. } = session;
    let feed = async {
        if let Some(mut stdin) = stdin {
            // A program may end without reading everything; its exit code then
            // says whether that was right.
            if stdin.write_all(&input).await.is_ok() {
                let _ = stdin.shutdown().await;
            }
        }
    };
    let take = async {
        let (mut stdout, mut stderr, mut truncated) = (Vec::new(), Vec::new(), false);
        while let Some(chunk) = output.next().await {
            let chunk = chunk.map_err(engine_error)?;
            let room = limit.saturating_sub(stdout.len() + stderr.len());
            let taken = chunk.bytes.len().min(room);
            truncated |= taken < chunk.bytes.len();
            match chunk.stream {
                Stream::Stdout => stdout.extend_from_slice(&chunk.bytes[..taken]),
                Stream::Stderr => stderr.extend_from_slice(&chunk.bytes[..taken]),
            }
        }
        Ok((stdout, stderr, truncated))
    };
    tokio::pin!(feed);
    tokio::pin!(take);
    let (stdout, stderr, truncated) = tokio::select! {
        biased;
        taken = &mut take => taken,
        () = &mut feed => take.await,
    }?;
    let code = exit_code.await.map_err(engine_error)?;
    let exit_code = i32::try_from(code)
        .map_err(|_| ServiceError::Engine(format!("the exit code {code} is invalid")))?;
    Ok(Output { exit_code, stdout, stderr, truncated })
}

fn not_ready(failed: Vec<FailedService>) -> ServiceError {
    match failed.into_iter().next().map(|f| f.problem) {
        Some(Problem::Late { .. }) | None => ServiceError::TimedOut,
        Some(problem) => ServiceError::Engine(problem.to_string()),
    }
}

fn engine_error(error: engine::Error) -> ServiceError {
    ServiceError::Engine(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_are_kept_within_both_limits() {
        let mut kept = LastLines { lines: VecDeque::new(), bytes: 0, most: 3, limit: 6 };
        kept.take(b"a\nb\nc\nd\n");
        assert_eq!(kept.lines, ["b", "c", "d"]);
        kept.take(b"123456");
        assert_eq!(kept.lines, ["123456"]);
        kept.take(b"1234567");
        assert!(kept.lines.is_empty(), "a line that is too long is no line");
    }
}
