//! `potluck app logs`

use std::{
    collections::{BTreeSet, HashSet},
    io::IsTerminal,
    time::SystemTime,
};

use futures_util::{
    StreamExt,
    stream::{self, BoxStream},
};
use serde::Serialize;

use crate::{
    app::OnServer,
    cli::{
        app::{
            places::{Places, label},
            services,
        },
        arguments::{AppArg, duration},
        exit::Exit,
        failure::{Failure, Outcome},
        session::{Session, wait},
        style::{COLOURS, Mark},
        ui::clean,
    },
    engine::{Engine, LogLine, LogQuery, Stream},
    rollout::{self, Silence},
    text::stripped,
};

/// Bytes of a line of a log that a terminal is shown.
const LINE: usize = 16_000;

/// Show what an app's services write.
///
/// Lines of several services are sorted by time. Each begins with the name of its service
/// and, if the service has several tasks, the number of the replica or the node. If a
/// service has no lines, standard error says why. If the service that you named has no log
/// at all, because its driver keeps none or because it was never started, the exit code is
/// 1.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  potluck app logs wiki.example.org
  potluck app logs wiki.example.org db --follow --tail 20
  potluck app logs wiki.example.org --since 2h --timestamps

JSON: one object per line, {service, slot, node, task, stream, time, line}; `slot` is the
number of the replica, null for a global service; `slot` and `node` are null if swarm
no longer knows the task.")]
pub struct Args {
    #[command(flatten)]
    app: AppArg,

    /// Only this service
    #[arg(value_name = "SERVICE")]
    service: Option<String>,

    /// Show new lines as they come, until Ctrl-C
    #[arg(short, long)]
    follow: bool,

    /// How many of the newest lines of each service, or `all`
    #[arg(long, value_name = "N", default_value = "100", value_parser = tail)]
    tail: Tail,

    /// Only lines since then: 90s, 2h, 2026-01-31 or 2026-01-31T12:00:00Z
    #[arg(short = 'S', long, value_name = "TIME", value_parser = since)]
    since: Option<i64>,

    /// Show when each line was written
    #[arg(short, long)]
    timestamps: bool,

    /// Print one JSON object per line
    #[arg(short = 'm', long, alias = "machine")]
    json: bool,
}

#[derive(Debug, Clone, Copy)]
struct Tail(Option<u64>);

fn tail(text: &str) -> Result<Tail, String> {
    match text {
        "all" => Ok(Tail(None)),
        text => text.parse().map(|n| Tail(Some(n))).map_err(|_| "write a number, or `all`".into()),
    }
}

/// Seconds since 1970-01-01 UTC.
fn since(text: &str) -> Result<i64, String> {
    if let Ok(ago) = duration(text) {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let then = now.saturating_sub(ago).as_secs();
        return i64::try_from(then).map_err(|_| "that is too long ago".into());
    }
    if let Ok(time) = text.parse::<jiff::Timestamp>() {
        return Ok(time.as_second());
    }
    text.parse::<jiff::civil::Date>()
        .ok()
        .and_then(|date| date.to_zoned(jiff::tz::TimeZone::UTC).ok())
        .map(|midnight| midnight.timestamp().as_second())
        .ok_or_else(|| "write it as 90s, 2h, 2026-01-31 or 2026-01-31T12:00:00Z".into())
}

impl Args {
    /// The arguments that may hide existing lines.
    fn hides(&self) -> Option<&'static str> {
        match (self.since, self.tail.0) {
            (Some(_), Some(0)) => Some("--since and --tail 0"),
            (Some(_), _) => Some("--since"),
            (None, Some(0)) => Some("--tail 0"),
            (None, _) => None,
        }
    }
}

pub fn run(args: &Args, session: &Session) -> Outcome {
    let home = session.home()?;
    let entry = session.app(&home, &args.app)?;
    let OnServer { engine, stack, .. } = super::on_server(session, &home, &entry)?;
    // Ctrl-C is how following ends: nothing to remark upon.
    wait("", async {
        let names = services(&*engine, &entry, &stack, args.service.as_deref()).await?;
        let mut places = Places::read(&*engine, &names).await?;
        let query = LogQuery {
            tail: args.tail.0,
            follow: args.follow,
            since: args.since,
            // Always, to put the lines of several services in order.
            timestamps: true,
        };
        let printer = Printer {
            session,
            width: names.iter().map(|(key, _)| places.width(key)).max().unwrap_or_default(),
            prefix: args.service.is_none() || names.iter().any(|(key, _)| places.several(key)),
            timestamps: args.timestamps,
            json: args.json,
            bare: std::io::stdout().is_terminal(),
        };
        let mut silent = Vec::new();
        let mut sources = Vec::new();
        for (n, (key, id)) in names.into_iter().enumerate() {
            let style = COLOURS[n % COLOURS.len()];
            // Swarm counts lines of each task, so they are read and counted here.
            let newest = match args.tail.0 {
                Some(_) => {
                    let query = LogQuery { follow: false, ..query.clone() };
                    all_lines(engine.service_logs(&id, &query).await?).await?
                }
                None => Vec::new(),
            };
            let source = match (args.tail.0, args.follow) {
                (Some(most), false) => Source::of(key.clone(), style, last(newest, most)),
                (Some(most), true) => {
                    let known: HashSet<Line> = newest.iter().cloned().collect();
                    for line in last(newest, most) {
                        printer.print(&mut places, &key, style, &line).await?;
                    }
                    let lines = engine.service_logs(&id, &query).await?;
                    Source::without(key.clone(), style, lines, known)
                }
                (None, _) => {
                    let lines = engine.service_logs(&id, &query).await?;
                    Source::without(key.clone(), style, lines, HashSet::new())
                }
            };
            silent.push((key, id));
            sources.push(source);
        }
        let mut shown = BTreeSet::new();
        if !args.follow {
            shown = merge(std::mem::take(&mut sources), &mut places, &printer).await?;
        }
        for (key, id) in silent {
            if shown.contains(&key) {
                if let Some(driver) = rollout::unreadable_driver(&engine.service(&id).await?) {
                    session.ui.warn(format_args!(
                        "these lines of `{key}` are from earlier tasks: its log driver `{}` \
                         keeps no log that potluck can read",
                        clean(driver)
                    ));
                }
                continue;
            }
            let silence = rollout::silence(&*engine, &id).await?;
            // What may still come is waited for.
            if args.follow && !matches!(silence, Silence::Driver(_)) {
                continue;
            }
            let hidden = match args.hides() {
                Some(hides) if silence == Silence::Nothing => {
                    let any = LogQuery { tail: Some(1), ..LogQuery::default() };
                    let any = all_lines(engine.service_logs(&id, &any).await?).await?;
                    (!any.is_empty()).then_some(hides)
                }
                _ => None,
            };
            let message = match hidden {
                Some(hides) => format!("no line of `{key}` matches {hides}"),
                None => format!("no log of `{key}`: {}", clean(&silence.to_string())),
            };
            if args.service.is_some() && silence != Silence::Nothing {
                return Err(Failure::new(message));
            }
            session.ui.warn(message);
        }
        if args.follow { follow(sources, &mut places, &printer).await } else { Ok(()) }
    })?;
    Ok(Exit::DONE)
}

/// All lines of a log that ends.
async fn all_lines(
    mut lines: BoxStream<'static, Result<LogLine, crate::engine::Error>>,
) -> Result<Vec<Line>, Failure> {
    let mut all = Vec::new();
    while let Some(line) = lines.next().await {
        all.push(Line::parse(line?));
    }
    Ok(all)
}

/// The newest lines, in the order of their time.
fn last(mut lines: Vec<Line>, most: u64) -> Vec<Line> {
    lines.sort_by(|a, b| a.time.cmp(&b.time));
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    let surplus = lines.len().saturating_sub(most);
    lines.split_off(surplus)
}

/// The log of one service.
struct Source {
    key: String,
    style: Mark,
    lines: BoxStream<'static, Result<Line, crate::engine::Error>>,
    /// The next line, once it was asked for.
    head: Option<Line>,
}

impl Source {
    /// Lines that were read already.
    fn of(key: String, style: Mark, lines: Vec<Line>) -> Self {
        let lines = stream::iter(lines.into_iter().map(Ok)).boxed();
        Source { key, style, lines, head: None }
    }

    /// New lines, without those that were read already.
    fn without(
        key: String,
        style: Mark,
        lines: BoxStream<'static, Result<LogLine, crate::engine::Error>>,
        mut known: HashSet<Line>,
    ) -> Self {
        let lines = lines.map(|line| line.map(Line::parse)).filter(move |line| {
            let fresh = !line.as_ref().is_ok_and(|line| known.remove(line));
            std::future::ready(fresh)
        });
        Source { key, style, lines: lines.boxed(), head: None }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Line {
    /// The id of the task that wrote it.
    task: Option<String>,
    stream: Stream,
    /// As Docker writes it, with nine decimals: sorts as text.
    time: String,
    text: String,
}

/// All lines there are, in the order of their time; one line of each service is
/// held at a time. Returns the services that had any.
async fn merge(
    mut sources: Vec<Source>,
    places: &mut Places<'_>,
    printer: &Printer<'_>,
) -> Result<BTreeSet<String>, Failure> {
    let mut shown = BTreeSet::new();
    loop {
        let mut first: Option<usize> = None;
        for n in 0..sources.len() {
            if sources[n].head.is_none() {
                sources[n].head = sources[n].lines.next().await.transpose()?;
            }
            let time = |m: usize| sources[m].head.as_ref().map(|line| line.time.as_str());
            if time(n).is_some() && first.is_none_or(|m| time(n) < time(m)) {
                first = Some(n);
            }
        }
        let Some(n) = first else { return Ok(shown) };
        if let Some(line) = sources[n].head.take() {
            printer.print(places, &sources[n].key, sources[n].style, &line).await?;
            if !shown.contains(&sources[n].key) {
                shown.insert(sources[n].key.clone());
            }
        }
    }
}

/// Lines as they come.
async fn follow(
    sources: Vec<Source>,
    places: &mut Places<'_>,
    printer: &Printer<'_>,
) -> Result<(), Failure> {
    let all = sources.into_iter().map(|source| {
        let Source { key, style, lines, .. } = source;
        lines.map(move |line| (key.clone(), style, line))
    });
    let mut all = futures_util::stream::select_all(all);
    while let Some((key, style, line)) = all.next().await {
        printer.print(places, &key, style, &line?).await?;
    }
    Ok(())
}

impl Line {
    fn parse(line: LogLine) -> Self {
        let text = String::from_utf8_lossy(&line.bytes);
        let text = text.trim_end_matches(['\n', '\r']);
        let (time, text) = match text.split_once(' ') {
            Some((time, text)) if time.ends_with('Z') => (time, text),
            _ if text.ends_with('Z') && !text.contains(' ') => (text, ""),
            _ => ("", text),
        };
        Line { task: line.task, stream: line.stream, time: time.into(), text: text.into() }
    }
}

/// How lines look.
struct Printer<'a> {
    session: &'a Session,
    width: usize,
    prefix: bool,
    timestamps: bool,
    json: bool,
    /// Without control characters: it goes to a terminal.
    bare: bool,
}

#[derive(Serialize)]
struct JsonLine<'a> {
    service: &'a str,
    slot: Option<i64>,
    node: Option<&'a str>,
    task: Option<&'a str>,
    stream: &'static str,
    time: &'a str,
    line: &'a str,
}

impl Printer<'_> {
    async fn print(
        &self,
        places: &mut Places<'_>,
        key: &str,
        style: Mark,
        line: &Line,
    ) -> Result<(), Failure> {
        let several = places.several(key);
        let place = places.of(key, line.task.as_deref()).await?;
        if self.json {
            let stream = match line.stream {
                Stream::Stdout => "stdout",
                Stream::Stderr => "stderr",
            };
            let object = JsonLine {
                service: key,
                slot: place.and_then(|place| place.slot),
                node: place.and_then(|place| place.node.as_deref()),
                task: line.task.as_deref(),
                stream,
                time: &line.time,
                line: &line.text,
            };
            return self.session.ui.json_line(&object);
        }
        let time = if self.timestamps { format!("{} ", line.time) } else { String::new() };
        let width = self.width;
        let key = label(key, place.filter(|_| several));
        let prefix = match (self.prefix, self.bare) {
            (false, _) => String::new(),
            (true, true) => format!("{style}{key:<width$} |{style:#} "),
            (true, false) => format!("{key:<width$} | "),
        };
        if self.bare {
            let text = stripped(&line.text, LINE).replace('\n', " ");
            return self.session.ui.out_lines(format_args!("{prefix}{time}{text}"));
        }
        // As docker gives it, for whatever reads it.
        self.session.ui.out_bytes(format!("{prefix}{time}{}\n", line.text).as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_lose_their_time_stamp_and_line_end() {
        for (bytes, time, text) in [
            (
                "2026-11-21T20:15:07.123456789Z hello you\n",
                "2026-11-21T20:15:07.123456789Z",
                "hello you",
            ),
            ("2026-11-21T20:15:07.123456789Z \n", "2026-11-21T20:15:07.123456789Z", ""),
            ("2026-11-21T20:15:07.123456789Z\n", "2026-11-21T20:15:07.123456789Z", ""),
            ("no time here\n", "", "no time here"),
        ] {
            let line =
                Line::parse(LogLine { task: None, stream: Stream::Stdout, bytes: bytes.into() });
            assert_eq!((line.time.as_str(), line.text.as_str()), (time, text));
        }
    }

    #[test]
    fn the_newest_lines_are_of_all_tasks_together() {
        let line = |time: &str| Line {
            task: None,
            stream: Stream::Stdout,
            time: time.into(),
            text: time.into(),
        };
        let lines = ["2", "4", "1", "3"].map(line).to_vec();
        let times = |lines: Vec<Line>| lines.into_iter().map(|line| line.time).collect::<Vec<_>>();
        assert_eq!(times(last(lines.clone(), 2)), ["3", "4"]);
        assert_eq!(times(last(lines.clone(), 9)), ["1", "2", "3", "4"]);
        assert!(last(lines, 0).is_empty());
    }

    #[test]
    fn since_reads_durations_dates_and_times() {
        assert_eq!(since("2026-01-31"), Ok(1_769_817_600));
        assert_eq!(since("2026-01-31T12:00:00Z"), Ok(1_769_860_800));
        assert!(since("2h").is_ok());
        assert!(since("yesterday").is_err());
    }
}
