//! `potluck app run`

use std::{
    io::{self, IsTerminal},
    os::fd::AsFd,
};

use futures_util::StreamExt;
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    signal::unix::{SignalKind, signal},
};

use crate::{
    app::OnServer,
    cli::{
        app::services,
        arguments::AppArg,
        exit::Exit,
        failure::{Failure, Outcome},
        session::{Session, wait_uninterrupted},
    },
    engine::{Container, Engine, Exec, ExecSession, Stream},
    home::{AppEntry, StackName},
    hooks, rollout,
};

/// Run a program in one of an app's running services.
///
/// At a terminal the program gets one, too. Otherwise standard input, output and
/// error are passed on as they are, so that data can be piped in and out; with
/// --no-input there is no standard input. potluck ends with the program's exit code.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  potluck app run wiki.example.org app bash
  potluck app run wiki.example.org db -- psql -U wiki
  potluck app run wiki.example.org db -- pg_dump -U wiki > wiki.sql
  potluck app run wiki.example.org app -- tar -xf - -C /data < data.tar")]
pub struct Args {
    #[command(flatten)]
    app: AppArg,

    /// Run as this user of the container: name, id or user:group
    #[arg(short, long, value_name = "USER")]
    user: Option<String>,

    /// Run in this folder of the container
    #[arg(short, long, value_name = "DIR")]
    workdir: Option<String>,

    /// Don't give the program a terminal
    #[arg(short = 'T', long, short_alias = 't')]
    no_tty: bool,

    /// The service
    #[arg(value_name = "SERVICE")]
    service: String,

    /// The program and its arguments
    #[arg(
        value_name = "CMD",
        required = true,
        trailing_var_arg = true,
        allow_hyphen_values = true
    )]
    command: Vec<String>,
}

pub fn run(args: &Args, session: &Session) -> Outcome {
    let home = session.home()?;
    let entry = session.app(&home, &args.app)?;
    let OnServer { engine: swarm, stack, .. } = super::on_server(session, &home, &entry)?;
    let terminal = session.ui.is_interactive() && io::stdout().is_terminal() && !args.no_tty;
    let exec = Exec {
        argv: args.command.clone(),
        env: terminal_name(terminal),
        user: args.user.clone(),
        workdir: args.workdir.clone(),
        terminal: if terminal { Some(size()) } else { None },
        stdin: terminal || session.ui.takes_input(),
    };
    wait_uninterrupted(async {
        let engine: &dyn Engine = &*swarm;
        let container = container(engine, &entry, &stack, &args.service).await?;
        let running = engine.exec(&container.id, &exec).await?;
        let raw = terminal.then(RawTerminal::enter).transpose()?;
        Ok(Exit::of_program(attach(session, engine, running, raw.as_ref()).await?))
    })
}

/// The container of the service's newest running task.
pub(super) async fn container(
    engine: &dyn Engine,
    entry: &AppEntry,
    stack: &StackName,
    service: &str,
) -> Result<Container, Failure> {
    services(engine, entry, stack, Some(service)).await?;
    let full = format!("{stack}_{service}");
    if let Some(container) = hooks::running_container(engine, &full).await? {
        return Ok(container);
    }
    let spec = engine.service(&full).await?.spec.unwrap_or_default();
    Err(if rollout::wants_tasks(&spec) {
        Failure::new(format!(
            "no container of the service `{service}` runs on the node that {} speaks for",
            entry.server
        ))
        .hint(format!("see `potluck app ps {}`", entry.name))
    } else {
        Failure::new(format!("the service `{service}` runs nowhere, because it has 0 replicas"))
            .hint(format!(
                "`potluck app deploy {}` starts it, if the app's settings want it to run",
                entry.name
            ))
    })
}

/// Passes streams on until the program ends.
async fn attach(
    session: &Session,
    engine: &dyn Engine,
    running: ExecSession,
    terminal: Option<&RawTerminal>,
) -> Result<i64, Failure> {
    let ExecSession { id, stdin, mut output, exit_code } = running;
    // Input and size end with the program, never the other way round.
    let input = async {
        if let Some(mut stdin) = stdin {
            let mut source = tokio::io::stdin();
            let mut buffer = vec![0; 32 * 1024];
            // A program that has ended takes no more input: that is no failure.
            while let Ok(n @ 1..) = source.read(&mut buffer).await {
                if stdin.write_all(&buffer[..n]).await.is_err() || stdin.flush().await.is_err() {
                    break;
                }
            }
            let _ = stdin.shutdown().await;
        }
        std::future::pending::<std::convert::Infallible>().await
    };
    let resizes = async {
        if terminal.is_some()
            && let Ok(mut changes) = signal(SignalKind::window_change())
        {
            loop {
                let (rows, columns) = size();
                // A session that has just ended has no size any more.
                let _ = engine.resize(&id, rows, columns).await;
                if changes.recv().await.is_none() {
                    break;
                }
            }
        }
        std::future::pending::<std::convert::Infallible>().await
    };
    let outputs = async {
        while let Some(chunk) = output.next().await {
            let chunk = chunk?;
            match chunk.stream {
                Stream::Stdout => session.ui.out_bytes(&chunk.bytes)?,
                Stream::Stderr => session.ui.err_bytes(&chunk.bytes),
            }
        }
        Ok(exit_code.await?)
    };
    tokio::select! {
        code = outputs => code,
        never = input => match never {},
        never = resizes => match never {},
    }
}

/// Rows and columns of our terminal.
fn size() -> (u16, u16) {
    match tcgetwinsize(io::stdout().as_fd()) {
        Ok(size) if size.ws_row > 0 && size.ws_col > 0 => (size.ws_row, size.ws_col),
        _ => (24, 80),
    }
}

/// Programs in the container need the type of the local terminal.
fn terminal_name(terminal: bool) -> Vec<(String, String)> {
    match std::env::var("TERM") {
        Ok(name) if terminal => vec![("TERM".into(), name)],
        _ => Vec::new(),
    }
}

/// Passes every key to the program unchanged, even Ctrl-C, until this is dropped.
struct RawTerminal {
    before: Termios,
}

impl RawTerminal {
    fn enter() -> Result<Self, Failure> {
        let failure = |e: rustix::io::Errno| Failure::io("setting up the terminal", &e.into());
        let before = tcgetattr(io::stdin().as_fd()).map_err(failure)?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(io::stdin().as_fd(), OptionalActions::Now, &raw).map_err(failure)?;
        Ok(RawTerminal { before })
    }
}

impl Drop for RawTerminal {
    fn drop(&mut self) {
        // Nothing better can be done than to try.
        let _ = tcsetattr(io::stdin().as_fd(), OptionalActions::Drain, &self.before);
    }
}
