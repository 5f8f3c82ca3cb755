//! `potluck app logs`

use std::{io::IsTerminal, time::SystemTime};

use futures_util::{StreamExt, stream::BoxStream};
use serde::Serialize;

use crate::{
    cli::{
        app::services,
        arguments::{AppArg, duration},
        exit::Exit,
        failure::{Failure, Outcome},
        session::{Session, wait},
        style::{COLOURS, Mark},
    },
    engine::{Engine, LogLine, LogQuery, Stream},
    operation::OnServer,
    text::stripped,
};

/// Bytes of a line of a log that a terminal is shown.
const LINE: usize = 16_000;

/// Show what an app's services write.
///
/// Lines of several services are shown in the order of their time, each with the
/// name of its service in front.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  potluck app logs wiki.example.org
  potluck app logs wiki.example.org db --follow --tail 20
  potluck app logs wiki.example.org --since 2h --timestamps

JSON: one object per line, {service, stream, time, line}.")]
pub struct Args {
    #[command(flatten)]
    app: AppArg,

    /// Only this service
    #[arg(value_name = "SERVICE")]
    service: Option<String>,

    /// Go on with new lines as they come, until Ctrl-C
    #[arg(short, long)]
    follow: bool,

    /// How many lines of each service, or `all`
    #[arg(long, value_name = "N", default_value = "100", value_parser = tail)]
    tail: Tail,

    /// Only lines since then: 90s, 2h, 2026-01-31 or 2026-01-31T12:00:00Z
    #[arg(long, value_name = "TIME", value_parser = since)]
    since: Option<i64>,

    /// Show when each line was written
    #[arg(short, long)]
    timestamps: bool,

    /// Print one JSON object per line
    #[arg(long)]
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

pub fn run(args: &Args, session: &Session) -> Outcome {
    let home = session.home()?;
    let entry = session.app(&home, &args.app)?;
    let OnServer { engine, stack, .. } = super::on_server(session, &home, &entry)?;
    // Ctrl-C is how following ends: nothing to remark upon.
    wait("", async {
        let names = services(&*engine, &entry, &stack, args.service.as_deref()).await?;
        let query = LogQuery {
            tail: args.tail.0,
            follow: args.follow,
            since: args.since,
            // Always, to put the lines of several services in order.
            timestamps: true,
        };
        let printer = Printer {
            session,
            width: names.iter().map(|(key, _)| key.len()).max().unwrap_or_default(),
            prefix: args.service.is_none(),
            timestamps: args.timestamps,
            json: args.json,
            bare: std::io::stdout().is_terminal(),
        };
        let mut sources = Vec::new();
        for (n, (key, id)) in names.into_iter().enumerate() {
            let lines = engine.service_logs(&id, &query).await?;
            sources.push(Source { key, style: COLOURS[n % COLOURS.len()], lines, head: None });
        }
        if args.follow { follow(sources, &printer).await } else { merge(sources, &printer).await }
    })?;
    Ok(Exit::DONE)
}

/// The log of one service.
struct Source {
    key: String,
    style: Mark,
    lines: BoxStream<'static, Result<LogLine, crate::engine::Error>>,
    /// The next line, once it was asked for.
    head: Option<Line>,
}

struct Line {
    stream: Stream,
    /// As Docker writes it, with nine decimals: sorts as text.
    time: String,
    text: String,
}

/// All lines there are, in the order of their time; one line of each service is
/// held at a time.
async fn merge(mut sources: Vec<Source>, printer: &Printer<'_>) -> Result<(), Failure> {
    loop {
        let mut first: Option<usize> = None;
        for n in 0..sources.len() {
            if sources[n].head.is_none() {
                sources[n].head = sources[n].lines.next().await.transpose()?.map(Line::parse);
            }
            let time = |m: usize| sources[m].head.as_ref().map(|line| line.time.as_str());
            if time(n).is_some() && first.is_none_or(|m| time(n) < time(m)) {
                first = Some(n);
            }
        }
        let Some(n) = first else { return Ok(()) };
        if let Some(line) = sources[n].head.take() {
            printer.print(&sources[n].key, sources[n].style, &line)?;
        }
    }
}

/// Lines as they come.
async fn follow(sources: Vec<Source>, printer: &Printer<'_>) -> Result<(), Failure> {
    let all = sources.into_iter().map(|source| {
        let Source { key, style, lines, .. } = source;
        lines.map(move |line| (key.clone(), style, line))
    });
    let mut all = futures_util::stream::select_all(all);
    while let Some((key, style, line)) = all.next().await {
        printer.print(&key, style, &Line::parse(line?))?;
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
        Line { stream: line.stream, time: time.into(), text: text.into() }
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
    stream: &'static str,
    time: &'a str,
    line: &'a str,
}

impl Printer<'_> {
    fn print(&self, key: &str, style: Mark, line: &Line) -> Result<(), Failure> {
        if self.json {
            let stream = match line.stream {
                Stream::Stdout => "stdout",
                Stream::Stderr => "stderr",
            };
            let object = JsonLine { service: key, stream, time: &line.time, line: &line.text };
            return self.session.ui.json_line(&object);
        }
        let time = if self.timestamps { format!("{} ", line.time) } else { String::new() };
        let width = self.width;
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
            let line = Line::parse(LogLine { stream: Stream::Stdout, bytes: bytes.into() });
            assert_eq!((line.time.as_str(), line.text.as_str()), (time, text));
        }
    }

    #[test]
    fn since_reads_durations_dates_and_times() {
        assert_eq!(since("2026-01-31"), Ok(1_769_817_600));
        assert_eq!(since("2026-01-31T12:00:00Z"), Ok(1_769_860_800));
        assert!(since("2h").is_ok());
        assert!(since("yesterday").is_err());
    }
}
