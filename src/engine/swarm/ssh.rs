//! Docker over SSH, through one connection.
//!
//! Like the docker CLI we run `docker system dial-stdio` on the other side,
//! which works for every account that may use Docker there, rootless engines
//! and forced commands included. The CLI opens an SSH connection for each of
//! its connections, and so does bollard's own `ssh` feature; sshd then drops
//! some (`MaxStartups 10:30:100`, docker/compose#10117). Here a master
//! connection is opened once, with OpenSSH's own multiplexing, and each
//! connection to Docker is a channel of it. Idle ones are kept for the next
//! call. Keys, agents, jump hosts and known hosts are what the operator's
//! `ssh` says; it is never asked for a password.

use std::{
    io,
    path::{Path, PathBuf},
    pin::Pin,
    process::Stdio,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use bollard::{BollardRequest, Docker, errors::Error as Bollard};
use futures_util::{FutureExt, future::BoxFuture};
use hyper_util::{
    client::legacy::{
        Client,
        connect::{Connected, Connection},
    },
    rt::{TokioExecutor, TokioIo},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf},
    process::{Child, ChildStdin, ChildStdout, Command},
};

use super::{call, raw::Raw};
use crate::engine::Error;

/// How long the TCP connection may take (ssh's `ConnectTimeout`, seconds).
const CONNECT_SECONDS: u32 = 15;

/// How long until the master connection must stand, login included.
const LOGIN_LIMIT: Duration = Duration::from_secs(30);

/// Idle connections to keep. sshd allows 10 channels per connection
/// (`MaxSessions`), and streams hold theirs for long.
const IDLE_CONNECTIONS: usize = 3;

/// How much of what ssh says is kept for error messages, in bytes.
const SAID_LIMIT: usize = 2048;

/// The `[user@]host[:port]` of an endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    user: Option<String>,
    host: String,
    port: Option<u16>,
    /// Another machine, through which it is reached.
    jump: Option<Box<Target>>,
}

impl Target {
    /// Parses what follows `ssh://`.
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        let (text, jump) = match text.split_once('?') {
            None => (text, None),
            Some((text, query)) => {
                let jump = query.strip_prefix("jump=").ok_or("only `?jump=` may follow it")?;
                // ssh would expand it in its ProxyCommand.
                if jump.contains(['%', '\\']) {
                    return Err("the machine to jump through is invalid");
                }
                (text, Some(Box::new(Target::parse(jump)?)))
            }
        };
        let (user, rest) = match text.rsplit_once('@') {
            Some((user, rest)) => (Some(user), rest),
            None => (None, text),
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (host, port) = match rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((host, "")) => (host, None),
            Some((host, port)) => {
                (host, Some(port.strip_prefix(':').ok_or("the port is invalid")?))
            }
            None => match rest.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (rest, None),
            },
        };
        let port = match port.map(str::parse::<u16>) {
            None => None,
            Some(Ok(port)) if port > 0 => Some(port),
            Some(_) => return Err("the port is not a number between 1 and 65535"),
        };
        // ssh would take a leading dash for an option.
        let plain = |text: &str, extra: &[char]| {
            !text.is_empty()
                && !text.starts_with('-')
                && text.chars().all(|c| c.is_ascii_alphanumeric() || extra.contains(&c))
        };
        if !plain(host, &['.', '-', '_', ':', '%']) {
            return Err("the host has characters that no host name has, or is missing");
        }
        if user.is_some_and(|user| !plain(user, &['.', '-', '_', '+', '\\', '@'])) {
            return Err("the user has characters that no user name has, or is missing");
        }
        Ok(Self { user: user.map(str::to_owned), host: host.to_owned(), port, jump })
    }

    /// The host where it is reached without another machine.
    pub(super) fn direct_host(&self) -> Option<&str> {
        self.jump.is_none().then_some(self.host.as_str())
    }

    /// The command that ssh runs to reach it through another machine. A shell reads it, and
    /// [`Target::parse`] lets through nothing that a shell takes for its own. Not `-J`: that
    /// would ask for passwords.
    fn through(&self) -> Option<String> {
        let jump = self.jump.as_deref()?;
        let mut command = "ssh -T -o BatchMode=yes".to_owned();
        if let Some(user) = &jump.user {
            command += &format!(" -l '{user}'");
        }
        if let Some(port) = jump.port {
            command += &format!(" -p {port}");
        }
        if let Some(further) = jump.through() {
            command += &format!(" -o 'ProxyCommand={}'", further.replace('\'', "'\\''"));
        }
        Some(format!("{command} -W '[%h]:%p' -- '{}'", jump.host))
    }

    /// `ssh` for one program there, whose command line follows.
    fn alone(&self) -> Command {
        let mut command = Command::new("ssh");
        command.args(["-T", "-o", "BatchMode=yes"]);
        command.args(["-o", &format!("ConnectTimeout={CONNECT_SECONDS}")]);
        if let Some(user) = &self.user {
            command.arg("-l").arg(user);
        }
        if let Some(port) = self.port {
            command.arg("-p").arg(port.to_string());
        }
        if let Some(through) = self.through() {
            command.arg("-o").arg(format!("ProxyCommand={through}"));
        }
        command.arg("--").arg(&self.host);
        command
    }

    /// `ssh` with what master and channels have in common.
    fn command(&self, control: &Path) -> Command {
        let mut command = Command::new("ssh");
        command.arg("-T").arg("-S").arg(control).args(["-o", "BatchMode=yes"]);
        if let Some(user) = &self.user {
            command.arg("-l").arg(user);
        }
        if let Some(port) = self.port {
            command.arg("-p").arg(port.to_string());
        }
        command.kill_on_drop(true);
        command
    }
}

/// `ssh` to the machine of an endpoint; the command line for its shell follows.
///
/// # Errors
/// What is wrong with the endpoint.
pub fn ssh_command(endpoint: &str) -> Result<Command, String> {
    let target = endpoint.strip_prefix("ssh://").ok_or("it is not reached over SSH")?;
    Ok(Target::parse(target)?.alone())
}

/// A client of the engine behind `target`; the connection opens at the first
/// call.
pub(super) fn connect(endpoint: &str, target: Target) -> Result<(Docker, Raw), Error> {
    let tunnel = Arc::new(Tunnel { target, master: Default::default(), said: Default::default() });
    let client = Client::builder(TokioExecutor::new())
        .pool_max_idle_per_host(IDLE_CONNECTIONS)
        .build(Connector(tunnel.clone()));
    let transport = move |request: BollardRequest| {
        let answer = client.request(request);
        let tunnel = tunnel.clone();
        async move {
            match answer.await {
                Ok(answer) => Ok(answer),
                Err(error) if error.is_connect() => Err(Bollard::from(error)),
                // A channel that ended at once: its last words tell why.
                Err(error) => match tunnel.last_words().await {
                    Some(said) => Err(Bollard::from(io::Error::other(said))),
                    None => Err(Bollard::from(error)),
                },
            }
        }
    };
    let limit = call::LIMIT.as_secs();
    let version = bollard::API_DEFAULT_VERSION;
    let raw = Raw::new(transport.clone());
    Docker::connect_with_custom_transport(transport, Some("http://docker"), limit, version)
        .map(|docker| (docker, raw))
        .map_err(|error| call::unreachable(endpoint, &error))
}

/// The master connection and the standard error of its programs.
struct Tunnel {
    target: Target,
    master: tokio::sync::Mutex<Option<Master>>,
    said: Arc<Mutex<String>>,
}

/// A running `ssh -M`; the folder holds its control socket.
struct Master {
    child: Child,
    control: PathBuf,
    _folder: tempfile::TempDir,
}

impl Tunnel {
    /// The control socket of a living master connection.
    async fn control(&self) -> io::Result<PathBuf> {
        let mut master = self.master.lock().await;
        if let Some(master) = master.as_mut()
            && master.child.try_wait()?.is_none()
        {
            return Ok(master.control.clone());
        }
        *master = None;
        let new = self.open().await?;
        let control = new.control.clone();
        *master = Some(new);
        Ok(control)
    }

    async fn open(&self) -> io::Result<Master> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner).clear();
        // Not in the temporary folder of the environment: the path of a socket
        // must stay below 108 bytes, and ssh appends 17 of its own.
        let folder = tempfile::Builder::new().prefix("potluck-ssh-").tempdir_in("/tmp")?;
        let control = folder.path().join("control");
        let mut child = self
            .target
            .command(&control)
            .args(["-M", "-N"])
            .args(["-o", "ControlPersist=no", "-o", "ClearAllForwardings=yes"])
            .args(["-o", "ServerAliveInterval=15", "-o", "ServerAliveCountMax=4"])
            .args(["-o", "RemoteCommand=none"])
            .args(
                self.target
                    .through()
                    .iter()
                    .flat_map(|command| ["-o".to_owned(), format!("ProxyCommand={command}")]),
            )
            .args(["-o", &format!("ConnectTimeout={CONNECT_SECONDS}")])
            .arg("--")
            .arg(&self.target.host)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| io::Error::other(format!("cannot run `ssh`: {error}")))?;
        self.listen(&mut child);
        let stands = async {
            loop {
                if control.exists() {
                    return Ok(());
                }
                if let Some(status) = child.try_wait()? {
                    let said = self.last_words().await;
                    let said = said.unwrap_or_else(|| format!("ssh ended with {status}"));
                    return Err(io::Error::other(said));
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        match tokio::time::timeout(LOGIN_LIMIT, stands).await {
            Ok(result) => result?,
            Err(_) => {
                let said = self.last_words().await.unwrap_or_default();
                let seconds = LOGIN_LIMIT.as_secs();
                return Err(io::Error::other(format!("no login within {seconds} s. {said}")));
            }
        }
        Ok(Master { child, control, _folder: folder })
    }

    /// A new connection to Docker.
    async fn channel(&self) -> io::Result<Channel> {
        let control = self.control().await?;
        let mut child = self
            .target
            .command(&control)
            .args(["-o", "ControlMaster=no"])
            // If the master went away this must fail, not dial by itself.
            .args(["-o", "ProxyCommand=false"])
            .arg("--")
            .arg(&self.target.host)
            .args(["docker", "system", "dial-stdio"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| io::Error::other(format!("cannot run `ssh`: {error}")))?;
        self.listen(&mut child);
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        let stdout = stdout.ok_or_else(|| io::Error::other("ssh has no output"))?;
        Ok(Channel { stdin, stdout, _child: child })
    }

    /// Keeps the end of what a child says on standard error.
    fn listen(&self, child: &mut Child) {
        let Some(mut stderr) = child.stderr.take() else { return };
        let said = self.said.clone();
        tokio::spawn(async move {
            let mut piece = [0; 512];
            while let Ok(read @ 1..) = stderr.read(&mut piece).await {
                let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
                said.push_str(&String::from_utf8_lossy(&piece[..read]));
                let mut cut = said.len().saturating_sub(SAID_LIMIT);
                while !said.is_char_boundary(cut) {
                    cut += 1;
                }
                said.drain(..cut);
            }
        });
    }

    /// What was said, in one line; waits a moment for it to arrive.
    async fn last_words(&self) -> Option<String> {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let lines: Vec<_> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        (!lines.is_empty()).then(|| lines.join("; "))
    }
}

#[derive(Clone)]
struct Connector(Arc<Tunnel>);

impl<Uri> tower_service::Service<Uri> for Connector {
    type Response = TokioIo<Channel>;
    type Error = io::Error;
    type Future = BoxFuture<'static, io::Result<TokioIo<Channel>>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let tunnel = self.0.clone();
        async move { tunnel.channel().await.map(TokioIo::new) }.boxed()
    }
}

/// Standard input and output of `docker system dial-stdio`.
struct Channel {
    stdin: Option<ChildStdin>,
    stdout: ChildStdout,
    /// Killed when the channel is dropped.
    _child: Child,
}

impl Connection for Channel {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl AsyncRead for Channel {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stdout).poll_read(context, buffer)
    }
}

impl AsyncWrite for Channel {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.stdin {
            Some(stdin) => Pin::new(stdin).poll_write(context, bytes),
            None => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stdin {
            Some(stdin) => Pin::new(stdin).poll_flush(context),
            None => Poll::Ready(Ok(())),
        }
    }

    /// Closing the pipe is what the other side sees; tokio's own shutdown of a
    /// child's stdin does nothing.
    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stdin = None;
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_of_its_own_is_run_by_the_same_account() {
        let arguments = |endpoint: &str| {
            let command = ssh_command(endpoint)?;
            let words = command.as_std().get_args().map(|it| it.to_string_lossy().into_owned());
            Ok::<_, String>(words.collect::<Vec<_>>().join(" "))
        };
        let begin = "-T -o BatchMode=yes -o ConnectTimeout=15";
        let cases = [
            ("ssh://a.example.org", format!("{begin} -- a.example.org")),
            ("ssh://root@a.example.org:2222", format!("{begin} -l root -p 2222 -- a.example.org")),
        ];
        for (endpoint, expected) in cases {
            assert_eq!(arguments(endpoint).unwrap(), expected);
        }
        assert!(arguments("ssh://a?jump=b").unwrap().contains("ProxyCommand=ssh -T"));
        for bad in ["unix:///x", "ssh://", "ssh://-oX", "a.example.org"] {
            assert!(arguments(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn endpoints_are_parsed_or_refused() {
        let target = |user: Option<&str>, host: &str, port| Target {
            user: user.map(str::to_owned),
            host: host.to_owned(),
            port,
            jump: None,
        };
        for (text, expected) in [
            ("example.org", target(None, "example.org", None)),
            ("example.org/", target(None, "example.org", None)),
            ("root@example.org:2222", target(Some("root"), "example.org", Some(2222))),
            ("a@[2001:db8::1]:22", target(Some("a"), "2001:db8::1", Some(22))),
        ] {
            assert_eq!(Target::parse(text), Ok(expected), "{text}");
        }
        let jumped = Target::parse("db1?jump=root@swarm.example.org:2222").unwrap();
        assert_eq!(
            jumped.through().unwrap(),
            "ssh -T -o BatchMode=yes -l 'root' -p 2222 -W '[%h]:%p' -- 'swarm.example.org'"
        );
        for text in [
            "",
            "@host",
            "-oProxyCommand=x",
            "a@-x",
            "host:0",
            "host:x",
            "h/p",
            "h;x",
            "h?x=1",
            "h?jump=",
            "h?jump=-x",
            "h?jump=a'b",
            "h?jump=a%h",
        ] {
            assert!(Target::parse(text).is_err(), "{text:?} was accepted");
        }
    }
}
