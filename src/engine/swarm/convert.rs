//! From Docker's models to the room's own small types.

use std::path::PathBuf;

use bollard::{container::LogOutput, errors::Error as Bollard, query_parameters as query};
use futures_util::{Stream, StreamExt, stream::BoxStream};

use super::call::{About, translate};
use crate::engine::{
    self, Container, ContainerReport, Distribution, Error, Health, LogLine, LogQuery, Mounting,
    Stream as Output, api,
};

/// Labels that swarm puts on the containers of its tasks.
pub(super) const SERVICE_LABEL: &str = "com.docker.swarm.service.name";
pub(super) const TASK_LABEL: &str = "com.docker.swarm.task.id";

/// The exit code of a program that SIGKILL ended.
const KILLED: i64 = 137;
/// How long after an end Docker may not have heard of its cause.
const JUST_NOW: jiff::SignedDuration = jiff::SignedDuration::from_secs(5);

pub(super) fn container(found: api::ContainerSummary) -> Option<Container> {
    let mut labels = found.labels.unwrap_or_default();
    Some(Container {
        id: found.id?,
        task: labels.remove(TASK_LABEL)?,
        service: labels.remove(SERVICE_LABEL)?,
        health: health(found.status.as_deref().unwrap_or_default()),
    })
}

/// Engines below API 1.52 tell the health only in the text for people,
/// `Up 5 minutes (healthy)`.
fn health(status: &str) -> Health {
    if status.contains("(healthy)") {
        Health::Healthy
    } else if status.contains("(unhealthy)") {
        Health::Unhealthy
    } else if status.contains("(health: starting)") {
        Health::Starting
    } else {
        Health::None
    }
}

pub(super) fn volume(found: api::Volume) -> engine::Volume {
    engine::Volume {
        name: found.name,
        driver: found.driver,
        mountpoint: PathBuf::from(found.mountpoint),
        labels: found.labels.into_iter().collect(),
        options: found.options.into_iter().collect(),
    }
}

/// Docker's filter also takes a path in the container for the volume's name.
pub(super) fn mounting(found: api::ContainerSummary, volume: &str) -> Option<Mounting> {
    let mounts = found.mounts.unwrap_or_default();
    if !mounts.iter().any(|mount| mount.name.as_deref() == Some(volume)) {
        return None;
    }
    let name = found.names.unwrap_or_default().into_iter().next().or(found.id)?;
    Some(Mounting {
        container: name.trim_start_matches('/').to_owned(),
        service: found.labels.unwrap_or_default().remove(SERVICE_LABEL),
    })
}

pub(super) fn distribution(found: api::DistributionInspect) -> Distribution {
    Distribution {
        digest: found.descriptor.digest.unwrap_or_default(),
        platforms: found
            .platforms
            .into_iter()
            .map(|platform| api::Platform { architecture: platform.architecture, os: platform.os })
            .collect(),
    }
}

/// Sorts by the time of creation. The texts do not sort by themselves: Go cuts
/// trailing zeros of the fraction.
pub(super) fn newest_first(tasks: &mut [api::Task]) {
    let created = |task: &api::Task| {
        task.created_at.as_deref().and_then(|text| text.parse::<jiff::Timestamp>().ok())
    };
    tasks.sort_by_key(|task| std::cmp::Reverse(created(task)));
}

pub(super) fn log_options(wanted: &LogQuery) -> Result<query::LogsOptions, Error> {
    let since = i32::try_from(wanted.since.unwrap_or(0)).map_err(|_| Error::Refused {
        action: "read logs".to_owned(),
        message: "the time since which lines are wanted is out of range".to_owned(),
    })?;
    let tail = wanted.tail.map_or_else(|| "all".to_owned(), |lines| lines.to_string());
    Ok(query::LogsOptionsBuilder::new()
        .stdout(true)
        .stderr(true)
        .follow(wanted.follow)
        .timestamps(wanted.timestamps)
        .since(since)
        .tail(&tail)
        .build())
}

pub(super) fn log_lines(
    endpoint: String,
    about: About,
    lines: impl Stream<Item = Result<LogOutput, Bollard>> + Send + 'static,
) -> BoxStream<'static, Result<LogLine, Error>> {
    lines
        .map(move |line| match line {
            Ok(LogOutput::StdErr { message }) => Ok(log_line(Output::Stderr, message)),
            // A task with a terminal has one output only.
            Ok(
                LogOutput::StdOut { message }
                | LogOutput::Console { message }
                | LogOutput::StdIn { message },
            ) => Ok(log_line(Output::Stdout, message)),
            Err(error) => Err(translate(&endpoint, &about, error)),
        })
        .boxed()
}

/// The task that a line names in its details, which come before the text and behind the
/// time: `KEY=VALUE,…`, each escaped as in a query (moby, `httputils.WriteLogStream`).
fn log_line(stream: Output, message: bytes::Bytes) -> LogLine {
    const TASK: &str = "com.docker.swarm.task.id=";
    let words = message.splitn(3, |byte| *byte == b' ').take(2);
    let mut start = 0;
    for word in words {
        let end = start + word.len();
        let details = std::str::from_utf8(word).ok().map(|word| word.split(','));
        let task = details.and_then(|mut all| all.find_map(|pair| pair.strip_prefix(TASK)));
        if let Some(task) = task {
            let mut bytes = message[..start].to_vec();
            bytes.extend_from_slice(message.get(end + 1..).unwrap_or_default());
            return LogLine { task: Some(task.to_owned()), stream, bytes: bytes.into() };
        }
        start = end + 1;
    }
    LogLine { task: None, stream, bytes: message }
}

/// What a container says of itself.
pub(super) fn report(state: api::ContainerState) -> ContainerReport {
    let out_of_memory = state.oom_killed == Some(true);
    ContainerReport { failed_check: failed_check(state), out_of_memory }
}

/// Whether a container was killed a moment ago, and Docker may still learn that it was for
/// want of memory. Where our clock differs from the engine's, this is a guess, and the
/// report is what Docker knows by now.
pub(super) fn may_lack_its_cause(state: &api::ContainerState) -> bool {
    let just_ended = state
        .finished_at
        .as_deref()
        .and_then(|text| text.parse::<jiff::Timestamp>().ok())
        .is_some_and(|ended| ended.duration_until(jiff::Timestamp::now()) < JUST_NOW);
    state.exit_code == Some(KILLED) && state.oom_killed != Some(true) && just_ended
}

/// What the last health check that failed printed; Docker keeps the last five.
fn failed_check(state: api::ContainerState) -> Option<String> {
    let checks = state.health?.log?;
    let failed = checks.into_iter().rev().find(|check| check.exit_code != Some(0))?;
    failed.output.filter(|output| !output.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_that_was_just_killed_is_looked_at_again() {
        let now = jiff::Timestamp::now();
        let killed = |ended: jiff::Timestamp| api::ContainerState {
            exit_code: Some(137),
            finished_at: Some(ended.to_string()),
            ..Default::default()
        };
        assert!(may_lack_its_cause(&killed(now)));
        assert!(!may_lack_its_cause(&killed(now - JUST_NOW)));
        assert!(!may_lack_its_cause(&api::ContainerState { exit_code: Some(1), ..killed(now) }));
        assert!(!may_lack_its_cause(&api::ContainerState {
            oom_killed: Some(true),
            ..killed(now)
        }));
        assert!(!may_lack_its_cause(&api::ContainerState { finished_at: None, ..killed(now) }));
    }

    #[test]
    fn a_line_of_a_log_names_its_task() {
        let details = "com.docker.swarm.node.id=n,com.docker.swarm.service.id=s,\
                       com.docker.swarm.task.id=t1";
        for (bytes, task, rest) in [
            (
                format!("2026-11-21T20:15:07.1Z {details} a b c\n"),
                Some("t1"),
                "2026-11-21T20:15:07.1Z a b c\n",
            ),
            (format!("{details},x=y%20z a b\n"), Some("t1"), "a b\n"),
            (
                format!("2026-11-21T20:15:07.1Z {details} \n"),
                Some("t1"),
                "2026-11-21T20:15:07.1Z \n",
            ),
            ("a b c d\n".to_owned(), None, "a b c d\n"),
        ] {
            let line = log_line(Output::Stdout, bytes.into());
            assert_eq!((line.task.as_deref(), &line.bytes[..]), (task, rest.as_bytes()));
        }
    }

    #[test]
    fn health_is_read_from_the_status_text() {
        for (text, expected) in [
            ("Up 2 seconds", Health::None),
            ("Up 2 seconds (health: starting)", Health::Starting),
            ("Up 5 minutes (healthy)", Health::Healthy),
            ("Up 5 minutes (unhealthy)", Health::Unhealthy),
        ] {
            assert_eq!(health(text), expected, "{text}");
        }
    }

    #[test]
    fn the_newest_task_comes_first_whatever_the_length_of_its_fraction() {
        let task = |id: &str, at: &str| api::Task {
            id: Some(id.into()),
            created_at: Some(at.into()),
            ..Default::default()
        };
        let mut tasks = vec![
            task("b", "2026-11-21T20:00:00.1Z"),
            task("c", "2026-11-21T20:00:00.12Z"),
            task("a", "2026-11-21T19:59:59.9999Z"),
        ];
        newest_first(&mut tasks);
        let ids: Vec<_> = tasks.iter().filter_map(|task| task.id.as_deref()).collect();
        assert_eq!(ids, ["c", "b", "a"]);
    }
}
