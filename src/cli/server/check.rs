//! `potluck server check`

use futures_util::{StreamExt, stream};
use serde::Serialize;

use crate::{
    cli::{
        arguments::JsonArg,
        exit::Exit,
        failure::{Failure, Outcome},
        seen,
        session::{SERVERS_AT_A_TIME, Session, wait},
        ui::{BOLD, counted},
    },
    home::ServerName,
    operation::{CheckScope, ServerReport, check_server},
    wiring::{Finding, Level},
};

/// Look whether servers are in order.
///
/// Looks at the engine and its age, whether it leads a swarm, the swarm's managers, nodes and
/// certificates, the networks that apps share, clocks, the room on the disk, the kernel, what
/// confines containers, logs without end, and, of a server that is reached over SSH at a public
/// address, which ports are open to everyone. Changes nothing.
///
/// Another node is looked at where `potluck server nodes` knows its endpoint. The room on the
/// disk of a server that is not this machine is seen by a container of the image for backups
/// (`helper-image` in server.yml), if the server has it; nothing is fetched for it.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  potluck server check swarm.example.org
  potluck server check --all
  potluck server check --all --json

Exit code 7 if something is bad, 3 if some servers could not be looked at, 1 if none could.

JSON: a list of {server, endpoint, ok, findings, error}; a finding is {check, level, message,
fix, inside}, its level `good`, `note` or `bad`; `error` says why one was not looked at.")]
pub struct Args {
    /// The servers
    #[arg(value_name = "SERVER", required_unless_present = "all")]
    servers: Vec<ServerName>,

    /// All servers
    #[arg(short, long, conflicts_with = "servers")]
    all: bool,

    /// Show also what is as it should be
    #[arg(long)]
    good: bool,

    #[command(flatten)]
    json: JsonArg,
}

#[derive(Serialize)]
struct Row {
    server: String,
    /// None where the settings cannot be read.
    endpoint: Option<String>,
    ok: bool,
    findings: Vec<Finding>,
    error: Option<String>,
    #[serde(skip)]
    hints: Vec<String>,
}

pub fn run(args: &Args, session: &Session) -> Outcome {
    let home = session.home()?;
    let mut servers = if args.all { home.servers()? } else { args.servers.clone() };
    servers.sort();
    servers.dedup();
    if !args.all {
        for server in &servers {
            home.server(server)?;
        }
    }
    let scope = if session.offline { CheckScope::Engine } else { CheckScope::All };
    let home = &home;
    let looked = wait("interrupted: nothing was changed", async {
        let looks = servers
            .iter()
            .map(|server| async move { (server, check_server(home, server, scope).await) });
        Ok(stream::iter(looks).buffered(SERVERS_AT_A_TIME).collect::<Vec<_>>().await)
    })?;
    let rows: Vec<Row> = looked
        .into_iter()
        .map(|(server, report)| row(server, home.endpoint(server).ok(), report))
        .collect();
    session.report(&rows, &args.json, |rows| {
        if rows.is_empty() {
            session.ui.say("There are no servers yet.");
        }
        for row in rows {
            show(session, row, args.good)?;
        }
        Ok(())
    })?;
    let all = rows.len();
    let silent = rows.iter().filter(|row| row.error.is_some()).count();
    if silent > 0 {
        let failure = Failure::new(format!("{silent} of {all} servers could not be looked at"));
        return Err(if silent == all { failure } else { failure.exit(Exit::PARTLY) });
    }
    let bad = rows.iter().filter(|row| !row.ok).count();
    if bad > 0 {
        session.ui.say(format_args!("{bad} of {} bad.", counted(all, "server")));
        return Ok(Exit::DIFFERS);
    }
    Ok(Exit::DONE)
}

fn row(
    server: &ServerName,
    endpoint: Option<String>,
    looked: Result<ServerReport, crate::app::Error>,
) -> Row {
    let server = server.to_string();
    match looked {
        Ok(ServerReport { server, endpoint, ok, findings }) => {
            Row { server, endpoint: Some(endpoint), ok, findings, error: None, hints: Vec::new() }
        }
        Err(error) => {
            let Failure { message, hints, .. } = Failure::from(error);
            let error = Some(message.unwrap_or_default());
            Row { server, endpoint, ok: false, findings: Vec::new(), error, hints }
        }
    }
}

fn show(session: &Session, row: &Row, good: bool) -> Result<(), Failure> {
    if let Some(error) = &row.error {
        session.ui.warn(format_args!("{}: {error}", row.server));
        row.hints.iter().for_each(|hint| session.ui.hint(hint));
        return Ok(());
    }
    let state = if row.ok { "good" } else { "bad" };
    session.ui.out(format_args!("{BOLD}{}{BOLD:#}: {state}", row.server))?;
    for finding in row.findings.iter().filter(|it| good || it.level != Level::Good) {
        seen::show(session, finding)?;
    }
    Ok(())
}
