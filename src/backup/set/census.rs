//! What the engines of an app hold, compared with what their dumps hold: a dump can be
//! complete and still not be all of the data, because a database was added since its plugin
//! was set up.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use futures_util::StreamExt;

use super::exec::session;
use crate::{
    app::App,
    engine::{ExecSession, Stream},
    plugin::Command,
    text::line,
};

/// Bytes and lines of a list; a longer one is not a list of names.
const BYTES: usize = 1024 * 1024;
const LINES: usize = 10_000;
/// For a list whose plugin sets no limit.
const TIME: Duration = Duration::from_secs(60);
/// Names that a message shows.
const SHOWN: usize = 5;

/// What was seen while the dumps of a backup were taken, by service.
#[derive(Debug, Default)]
pub(crate) struct Census(Mutex<BTreeMap<String, Counted>>);

#[derive(Debug, Default)]
struct Counted {
    listed: BTreeSet<String>,
    held: BTreeSet<String>,
}

impl Census {
    /// A dump of the service holds this of what the service lists.
    pub fn add(&self, service: &str, listed: BTreeSet<String>, held: BTreeSet<String>) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let counted = all.entry(service.to_owned()).or_default();
        counted.listed.extend(listed);
        counted.held.extend(held);
    }

    /// What is in no dump at all, as warnings.
    pub fn missing(&self) -> Vec<String> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let missing = all.iter().filter_map(|(service, counted)| {
            let missing: BTreeSet<String> =
                counted.listed.difference(&counted.held).cloned().collect();
            (!missing.is_empty()).then(|| {
                format!(
                    "the service `{service}` has {}, which no dump of this backup holds",
                    quoted(&missing)
                )
            })
        });
        missing.collect()
    }
}

/// `` `a`, `b` and 3 more ``
pub(crate) fn quoted(names: &BTreeSet<String>) -> String {
    let shown: Vec<String> =
        names.iter().take(SHOWN).map(|name| format!("`{}`", line(name))).collect();
    let more = match names.len().saturating_sub(SHOWN) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("{}{more}", shown.join(", "))
}

/// Runs the command that lists what an engine holds.
///
/// # Errors
/// Why there is no list.
pub(crate) async fn ask(
    app: &App,
    service: &str,
    command: &Command,
) -> Result<BTreeSet<String>, String> {
    let limit = command.timeout.unwrap_or(TIME);
    let listing = async {
        let session = session(app, service, command, false).await.map_err(|e| e.to_string())?;
        let ExecSession { stdin, mut output, exit_code, .. } = session;
        drop(stdin);
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        while let Some(chunk) = output.next().await {
            let chunk = chunk.map_err(|e| e.to_string())?;
            let kept = if chunk.stream == Stream::Stdout { &mut stdout } else { &mut stderr };
            let room = BYTES - kept.len();
            if room < chunk.bytes.len() && chunk.stream == Stream::Stdout {
                return Err(format!("the list is longer than {BYTES} bytes"));
            }
            kept.extend_from_slice(&chunk.bytes[..chunk.bytes.len().min(room)]);
        }
        match exit_code.await.map_err(|e| e.to_string())? {
            0 => read(&stdout),
            code => {
                let said = String::from_utf8_lossy(&stderr);
                let last = said.trim().lines().last().map(|said| format!(": {}", line(said)));
                Err(format!("exit code {code}{}", last.unwrap_or_default()))
            }
        }
    };
    match tokio::time::timeout(limit, listing).await {
        Ok(listed) => listed,
        Err(_) => Err(format!("it took longer than {} s", limit.as_secs())),
    }
}

fn read(list: &[u8]) -> Result<BTreeSet<String>, String> {
    let text = String::from_utf8_lossy(list);
    let names = text.lines().filter(|name| !name.is_empty());
    let names: BTreeSet<String> = names.map(str::to_owned).collect();
    match names.len() > LINES {
        true => Err(format!("the list has more than {LINES} lines")),
        false => Ok(names),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn what_no_dump_of_a_service_holds_is_told_once() {
        let census = Census::default();
        census.add("db", names(&["blog", "shop", "wiki"]), names(&["wiki"]));
        census.add("db", names(&["blog", "shop", "wiki"]), names(&["blog"]));
        census.add("other", names(&["x"]), names(&["x", "gone"]));
        let told = "the service `db` has `shop`, which no dump of this backup holds";
        assert_eq!(census.missing(), [told]);
        assert!(Census::default().missing().is_empty());
    }

    #[test]
    fn many_names_are_cut_short() {
        assert_eq!(quoted(&names(&["a", "b"])), "`a`, `b`");
        let many = names(&["a", "b", "c", "d", "e", "f", "g"]);
        assert_eq!(quoted(&many), "`a`, `b`, `c`, `d`, `e` and 2 more");
    }

    #[test]
    fn a_list_is_read_line_by_line() {
        assert_eq!(read(b"wiki\r\n\nodd name\n"), Ok(names(&["odd name", "wiki"])));
        let long: String = (0..=LINES).map(|n| format!("{n}\n")).collect();
        assert!(read(long.as_bytes()).unwrap_err().contains("10000 lines"));
    }
}
