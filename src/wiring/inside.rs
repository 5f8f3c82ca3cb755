//! A look from within an app's own network, where names, routes and firewalls may be others
//! than here: a helper container joins the network of the app's container, and each connection
//! to a provider is carried through it by `nc`. What is said over it is said by this process,
//! so that both looks are the same.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::StreamExt;
use jiff::Timestamp;
use tempfile::TempDir;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, UnixListener},
    task::JoinSet,
};
use url::Url;

use crate::engine::{
    Chunk, Engine, Error, Exec, ExecSession, Helper, HelperNetwork, HelperSpec, Stream,
    helper::{OPERATION_LABEL, random},
};

/// It waits for the end of its input, which is the connection to it.
const SCRIPT: &str = "exec cat >/dev/null";
/// Bytes; `nc` and a shell need some hundred thousand.
const MEMORY: i64 = 64 * 1024 * 1024;
const PROCESSES: i64 = 64;
/// Bytes that a small program may print.
const PRINTED: usize = 64 * 1024;
/// For a small program, on a node that has much to do.
const PATIENCE: Duration = Duration::from_secs(60);
/// Seconds that `nc` waits for a connection.
const CONNECTING: &str = "10";

/// The network of one container of an app, for as long as this exists.
pub struct Inside {
    way: Arc<Way>,
    /// Sockets that only this user reaches.
    folder: TempDir,
    sockets: AtomicUsize,
    open: Mutex<JoinSet<()>>,
}

/// How bytes get there.
struct Way {
    engine: Arc<dyn Engine>,
    helper: Helper,
    /// Why the last connection was not made.
    reason: Mutex<Option<String>>,
}

impl Inside {
    /// Joins the network of a container, on the engine that has it.
    ///
    /// # Errors
    /// Where no helper container starts; a folder that cannot be made.
    pub async fn join(
        engine: Arc<dyn Engine>,
        container: &str,
        image: &str,
    ) -> Result<Self, Error> {
        let spec = HelperSpec {
            name: format!(
                "potluck-look-{}",
                random().unwrap_or_else(|| std::process::id().to_string())
            ),
            image: image.to_owned(),
            labels: [(OPERATION_LABEL.to_owned(), "look".to_owned())].into(),
            script: SCRIPT.to_owned(),
            network: HelperNetwork::Of(container.to_owned()),
            memory: MEMORY,
            processes: PROCESSES,
            ..HelperSpec::default()
        };
        let folder = tempfile::tempdir().map_err(|error| Error::Refused {
            action: "make a folder for sockets".into(),
            message: error.to_string(),
        })?;
        let helper = engine.start_helper(&spec).await?;
        let way = Arc::new(Way { engine, helper, reason: Mutex::default() });
        Ok(Inside { way, folder, sockets: AtomicUsize::new(0), open: Mutex::default() })
    }

    /// A socket whose connections lead to the host and port of an address.
    ///
    /// # Errors
    /// Where it cannot be made.
    pub fn socket(&self, of: &Url) -> io::Result<std::path::PathBuf> {
        let place = place_of(of).ok_or_else(|| io::Error::other("it names no host"))?;
        let number = self.sockets.fetch_add(1, Ordering::Relaxed);
        let path = self.folder.path().join(number.to_string());
        let listener = UnixListener::bind(&path)?;
        let way = Arc::clone(&self.way);
        self.keep(async move {
            let mut carried = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (way, place) = (Arc::clone(&way), place.clone());
                carried.spawn(async move { way.carry(stream, &place).await });
            }
        });
        Ok(path)
    }

    /// An address of this machine whose next connection, and no other, leads to a host and port.
    ///
    /// # Errors
    /// Where it cannot be made.
    pub async fn address(&self, host: &str, port: u16) -> io::Result<SocketAddr> {
        let place = Place::new(host, port).ok_or_else(|| io::Error::other("it names no host"))?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let way = Arc::clone(&self.way);
        self.keep(async move {
            if let Ok((stream, _)) = listener.accept().await {
                drop(listener);
                way.carry(stream, &place).await;
            }
        });
        Ok(address)
    }

    /// Why a connection was not made, in the words of `nc`.
    pub fn reason(&self) -> Option<String> {
        self.way.reason.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// The clock there.
    pub async fn clock(&self) -> Option<Timestamp> {
        let printed = self.way.print(&["date", "+%s"]).await?;
        Timestamp::from_second(printed.trim().parse().ok()?).ok()
    }

    /// The addresses that a name leads to there: those of the container's own list of hosts, else
    /// of its name server.
    pub async fn addresses(&self, host: &str) -> Vec<IpAddr> {
        if let Ok(address) = host.trim_matches(['[', ']']).parse() {
            return vec![address];
        }
        let Some(Place { host, .. }) = Place::new(host, 0) else { return Vec::new() };
        let hosts = self.way.print(&["cat", "/etc/hosts"]).await.unwrap_or_default();
        let listed = listed(&hosts, &host);
        if !listed.is_empty() {
            return listed;
        }
        // It asks only the name server; a name that ends with a dot is whole.
        let told = self.way.print(&["nslookup", &host]).await.unwrap_or_default();
        answered(&told)
    }

    fn keep(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).spawn(work);
    }
}

/// Where a connection leads.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    host: String,
    port: u16,
}

impl Place {
    /// None for what is no name and no address: it becomes an argument.
    fn new(host: &str, port: u16) -> Option<Self> {
        let host = host.trim_matches(['[', ']']);
        let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
        let is_name = !host.is_empty() && !host.starts_with('-') && host.chars().all(is_part);
        is_name.then(|| Place { host: host.to_owned(), port })
    }
}

fn place_of(url: &Url) -> Option<Place> {
    Place::new(url.host_str()?, url.port_or_known_default()?)
}

impl Way {
    /// Carries one connection, until either side ends it.
    async fn carry(&self, mut stream: impl AsyncRead + AsyncWrite + Unpin, place: &Place) {
        // The stream ends after the reason is known.
        if let Err(reason) = self.carried(&mut stream, place).await {
            *self.reason.lock().unwrap_or_else(PoisonError::into_inner) = Some(reason);
        }
    }

    async fn carried(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin,
        place: &Place,
    ) -> Result<(), String> {
        let port = place.port.to_string();
        let argv = ["nc", "-w", CONNECTING, &place.host, &port];
        let session = self.start(&argv, true).await.map_err(|error| error.to_string())?;
        let ExecSession { stdin, mut output, exit_code, .. } = session;
        let mut stdin = stdin.ok_or("the helper container takes no input")?;
        let (mut read, mut write) = tokio::io::split(stream);
        let up = async {
            let mut piece = vec![0; 16 * 1024];
            while let Ok(length @ 1..) = read.read(&mut piece).await {
                if stdin.write_all(&piece[..length]).await.is_err() || stdin.flush().await.is_err()
                {
                    return;
                }
            }
            // The other side may still answer.
            let _ = stdin.shutdown().await;
        };
        let down = async {
            let (mut said, mut carried) = (Vec::new(), false);
            while let Some(Ok(Chunk { stream, bytes })) = output.next().await {
                match stream {
                    Stream::Stdout => {
                        carried = true;
                        if write.write_all(&bytes).await.is_err() {
                            break;
                        }
                    }
                    Stream::Stderr => {
                        let room = PRINTED.saturating_sub(said.len());
                        said.extend_from_slice(&bytes[..bytes.len().min(room)]);
                    }
                }
            }
            (said, carried)
        };
        tokio::pin!(up, down);
        let (said, carried) = tokio::select! {
            told = &mut down => told,
            () = &mut up => down.await,
        };
        let said = String::from_utf8_lossy(&said).trim().to_owned();
        match exit_code.await {
            Ok(0) => Ok(()),
            _ if carried => Ok(()),
            Ok(127) => Err("the helper container has no `nc`".into()),
            Ok(code) if said.is_empty() => Err(format!("`nc` ended with code {code}")),
            Ok(_) => Err(said),
            Err(error) => Err(error.to_string()),
        }
    }

    async fn start(&self, argv: &[&str], stdin: bool) -> Result<ExecSession, Error> {
        let argv = argv.iter().map(|&word| word.to_owned()).collect();
        let exec = Exec { argv, user: Some("0:0".into()), stdin, ..Exec::default() };
        self.engine.exec(&self.helper.id, &exec).await
    }

    /// What a small program prints; none where it fails.
    async fn print(&self, argv: &[&str]) -> Option<String> {
        let printing = async {
            let ExecSession { mut output, exit_code, .. } = self.start(argv, false).await.ok()?;
            let mut printed = Vec::new();
            while let Some(Ok(Chunk { stream, bytes })) = output.next().await {
                if stream == Stream::Stdout {
                    let room = PRINTED.saturating_sub(printed.len());
                    printed.extend_from_slice(&bytes[..bytes.len().min(room)]);
                }
            }
            let text = String::from_utf8_lossy(&printed).into_owned();
            (exit_code.await.ok()? == 0).then_some(text)
        };
        tokio::time::timeout(PATIENCE, printing).await.ok()?
    }
}

/// The addresses of a name in a list of hosts.
fn listed(hosts: &str, name: &str) -> Vec<IpAddr> {
    let lines = hosts.lines().map(|line| line.split('#').next().unwrap_or_default());
    let of = |line: &str| {
        let mut words = line.split_whitespace();
        let address = words.next()?.parse().ok()?;
        words.any(|word| word.eq_ignore_ascii_case(name)).then_some(address)
    };
    lines.filter_map(of).collect()
}

/// The addresses in what `nslookup` prints, below the name that was asked for: busybox's, which
/// numbers them or does not.
fn answered(told: &str) -> Vec<IpAddr> {
    let answer = told.lines().skip_while(|line| !line.starts_with("Name:"));
    let addresses = answer.filter(|line| line.starts_with("Address"));
    addresses
        .filter_map(|line| line.split_whitespace().find_map(|word| word.parse().ok()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_becomes_an_argument_only_where_it_is_a_name() {
        for (host, is_place) in [
            ("sso.example.org", true),
            ("tasks.app_1", true),
            ("10.0.0.1", true),
            ("[fd00::1]", true),
            ("-e", false),
            ("", false),
            ("a b", false),
            ("a;b", false),
            ("$(x)", false),
        ] {
            assert_eq!(Place::new(host, 443).is_some(), is_place, "{host}");
        }
        let url = Url::parse("https://[fd00::1]/x").unwrap();
        assert_eq!(place_of(&url), Some(Place { host: "fd00::1".into(), port: 443 }));
    }

    #[test]
    fn the_addresses_of_a_name_are_read() {
        let parsed =
            |list: &[&str]| list.iter().map(|it| it.parse().unwrap()).collect::<Vec<IpAddr>>();
        let hosts = "127.0.0.1\tlocalhost\n10.1.2.3 sso.example.org sso # here\n# 1.2.3.4 sso\n";
        assert_eq!(listed(hosts, "SSO"), parsed(&["10.1.2.3"]));
        assert_eq!(listed(hosts, "other"), parsed(&[]));
        let newer = "Server:\t\t127.0.0.11\nAddress:\t127.0.0.11:53\n\nNon-authoritative answer:\n\
                     Name:\tsso\nAddress: 10.0.1.5\n\n";
        assert_eq!(answered(newer), parsed(&["10.0.1.5"]));
        let older = "Server:    127.0.0.11\nAddress 1: 127.0.0.11\n\nName:      sso\n\
                     Address 1: 10.0.1.5 sso.net\nAddress 2: fd00::5\n";
        assert_eq!(answered(older), parsed(&["10.0.1.5", "fd00::5"]));
        assert_eq!(answered("nslookup: can't resolve 'sso'\n"), parsed(&[]));
    }
}
