//! The last lines that a task wrote, for anyone who looks into a failure: bounded in number,
//! length and time, and clean.

use std::time::Duration;

use futures_util::StreamExt;
use tokio::time::timeout;

use crate::{
    engine::{Engine, Error, LogQuery},
    text,
};

/// Deadline for reading logs, and for other answers about a failure: a busy manager is slow.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);
/// Bytes of a line.
const LINE: usize = 500;

/// The last lines of a task, or why they cannot be read.
pub(crate) async fn last_lines(engine: &dyn Engine, task: &str, most: usize) -> Vec<String> {
    let lines = match timeout(PATIENCE, read(engine, task, most)).await {
        Ok(lines) => lines.map_err(|error| error.to_string()),
        Err(_) => Err(format!("no answer within {} s", PATIENCE.as_secs())),
    };
    lines.unwrap_or_else(|why| vec![format!("(the log could not be read: {})", clean(&why))])
}

async fn read(engine: &dyn Engine, task: &str, most: usize) -> Result<Vec<String>, Error> {
    let query = LogQuery { tail: Some(most as u64), ..LogQuery::default() };
    let mut lines = engine.task_logs(task, &query).await?;
    let mut kept = Vec::new();
    while let Some(line) = lines.next().await {
        match line {
            Ok(line) => kept.extend(String::from_utf8_lossy(&line.bytes).lines().map(clean)),
            // What came before it broke off is better than nothing.
            Err(_) if !kept.is_empty() => break,
            Err(error) => return Err(error),
        }
        // A line of a program that breaks none may come in many pieces.
        let surplus = kept.len().saturating_sub(most);
        kept.drain(..surplus);
    }
    Ok(kept)
}

/// What a program wrote must not steer the terminal it is shown on.
pub(crate) fn clean(line: &str) -> String {
    text::line_of(line, LINE).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_lines_cannot_steer_the_terminal() {
        assert_eq!(clean("\u{1b}[31mred\u{7}\tx"), "�red� x");
    }
}
