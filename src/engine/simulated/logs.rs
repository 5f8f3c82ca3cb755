//! What the tasks of a simulated swarm wrote, as its script has it.

use futures_util::{StreamExt, stream, stream::BoxStream};

use super::{Simulated, state, task, tick};
use crate::engine::{Error, LogLine, LogQuery, Stream, api};

impl Simulated {
    /// Lines that these tasks wrote.
    pub(super) async fn logs(
        &self,
        query: &LogQuery,
        wanted: impl Fn(&state::Service, &api::Task) -> bool,
    ) -> Result<BoxStream<'static, Result<LogLine, Error>>, Error> {
        let mut lines = self
            .change(|state, script| {
                let mut lines = Vec::new();
                for service in &state.services {
                    for task in service.tasks.iter().filter(|task| wanted(service, task)) {
                        let started = task::has_container(task) || task::is_over(task);
                        let rule = script.task(tick::subject(service, task)).filter(|_| started);
                        let at = task.created_at.as_deref().unwrap_or_default();
                        for line in rule.into_iter().flat_map(|rule| &rule.logs) {
                            let stamp =
                                if query.timestamps { format!("{at} ") } else { String::new() };
                            lines.push((task.id.clone(), format!("{stamp}{line}\n")));
                        }
                    }
                }
                Ok(lines)
            })
            .await?;
        if let Some(tail) = query.tail {
            let tail = usize::try_from(tail).unwrap_or(usize::MAX);
            lines.drain(..lines.len().saturating_sub(tail));
        }
        let lines =
            stream::iter(lines.into_iter().map(|(task, line)| {
                Ok(LogLine { task, stream: Stream::Stdout, bytes: line.into() })
            }));
        Ok(if query.follow { lines.chain(stream::pending()).boxed() } else { lines.boxed() })
    }
}
