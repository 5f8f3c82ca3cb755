//! Connections, to addresses that are open.

use std::{
    collections::{BTreeMap, BTreeSet},
    error::Error as _,
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use reqwest::{
    Certificate,
    dns::{Addrs, Name, Resolve, Resolving},
    redirect::Policy,
};
use url::{Host, Url};

use super::{addresses::Opened, networks::Network, next::Next};
use crate::{home::Grant, plugin::Outside};

/// Longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(10);
/// Number of addresses of one name that are tried.
const ANSWERS: usize = 64;

/// The connections of one instance, and the addresses that its grants open.
pub struct Client {
    /// By scheme and port, as an address is opened for these.
    ports: BTreeMap<(String, u16), reqwest::Client>,
    opened: Arc<Opened>,
    outside: Arc<dyn Outside>,
}

/// Why there is no answer.
pub enum NotSent {
    Closed(Closed),
    /// The machine's own addresses are unknown, so nothing is open.
    Unknown(io::Error),
    Failed(reqwest::Error),
}

impl From<reqwest::Error> for NotSent {
    fn from(error: reqwest::Error) -> Self {
        let mut source = error.source();
        while let Some(error) = source {
            if let Some(closed) = error.downcast_ref::<Closed>() {
                return NotSent::Closed(closed.clone());
            }
            source = error.source();
        }
        NotSent::Failed(error)
    }
}

impl Client {
    pub fn new(grants: &BTreeSet<Grant>, outside: &Arc<dyn Outside>) -> Self {
        let origins = grants.iter().filter_map(|grant| match grant {
            Grant::Http(origin) => Some(origin.as_str()),
            _ => None,
        });
        let opened = Arc::new(Opened::by(origins));
        Client { ports: BTreeMap::new(), opened, outside: Arc::clone(outside) }
    }

    pub(super) async fn send(&mut self, next: &Next) -> Result<reqwest::Response, NotSent> {
        // An address in the URL is never asked of the resolver.
        let literal = match next.url.host() {
            Some(Host::Ipv4(address)) => Some(IpAddr::from(address)),
            Some(Host::Ipv6(address)) => Some(address.into()),
            _ => None,
        };
        let scheme = next.url.scheme().to_owned();
        let port = next.url.port_or_known_default().unwrap_or_default();
        let names = Checked {
            opened: Arc::clone(&self.opened),
            outside: Arc::clone(&self.outside),
            scheme: scheme.clone(),
            port,
        };
        if let Some(address) = literal {
            let host = next.url.host_str().unwrap_or_default();
            let networks = self.outside.networks().map_err(NotSent::Unknown)?;
            names.check(host, address, &networks).map_err(NotSent::Closed)?;
        }
        let client = match self.ports.get(&(scheme.clone(), port)) {
            Some(client) => client.clone(),
            None => {
                let client = connecting(names)?;
                self.ports.insert((scheme, port), client.clone());
                client
            }
        };
        let request = client
            .request(next.method.clone(), next.url.clone())
            .headers(next.headers.clone())
            .body(next.body.clone());
        Ok(request.send().await?)
    }
}

fn connecting(names: Checked) -> Result<reqwest::Client, reqwest::Error> {
    let mut builder = reqwest::Client::builder()
        .redirect(Policy::none())
        .no_proxy()
        .referer(false)
        .connect_timeout(CONNECT)
        .user_agent(concat!("potluck/", env!("CARGO_PKG_VERSION")));
    if let Some(authorities) = names.outside.authorities() {
        let certificates = authorities.iter().map(|der| Certificate::from_der(der));
        builder = builder.tls_certs_only(certificates.collect::<Result<Vec<_>, _>>()?);
    }
    builder.dns_resolver(names).build()
}

/// Resolves a name and keeps only the open addresses. Exactly these are
/// connected to, so that a second answer cannot replace them.
pub(super) struct Checked {
    pub opened: Arc<Opened>,
    pub outside: Arc<dyn Outside>,
    pub scheme: String,
    pub port: u16,
}

impl Checked {
    fn check(&self, host: &str, address: IpAddr, networks: &[Network]) -> Result<(), Closed> {
        let address = SocketAddr::new(address, self.port);
        self.opened.check(host, address, networks).map_err(|why| Closed {
            host: host.to_owned(),
            address: address.ip(),
            why,
            origin: origin(&self.scheme, address),
        })
    }

    /// The open addresses of a name; an error if it has only closed ones.
    pub async fn open(&self, host: &str) -> Result<Vec<SocketAddr>, OpenError> {
        let answers = self.outside.addresses(host).await?;
        // As of this connection: addresses come and go.
        let networks = self.outside.networks()?;
        let mut open = Vec::new();
        let mut refused = None;
        for address in answers.into_iter().take(ANSWERS) {
            match self.check(host, address, &networks) {
                Ok(()) => open.push(SocketAddr::new(address, self.port)),
                Err(closed) => refused = Some(closed),
            }
        }
        match refused {
            Some(closed) if open.is_empty() => Err(closed.into()),
            _ => Ok(open),
        }
    }
}

type OpenError = Box<dyn std::error::Error + Send + Sync>;

impl Resolve for Checked {
    fn resolve(&self, name: Name) -> Resolving {
        let names = Checked {
            opened: Arc::clone(&self.opened),
            outside: Arc::clone(&self.outside),
            scheme: self.scheme.clone(),
            port: self.port,
        };
        Box::pin(async move {
            let open = names.open(name.as_str()).await?;
            Ok(Box::new(open.into_iter()) as Addrs)
        })
    }
}

/// As a grant writes it.
fn origin(scheme: &str, address: SocketAddr) -> String {
    let written = format!("{scheme}://{address}");
    Url::parse(&written).map_or(written, |url| url.origin().ascii_serialization())
}

/// A name that leads to a closed address.
#[derive(Debug, Clone, thiserror::Error)]
#[error(
    "{host} leads to {address}, which is {why}; it stays closed unless `http: {origin}` is \
     granted, too"
)]
pub struct Closed {
    host: String,
    address: IpAddr,
    why: &'static str,
    origin: String,
}

impl Closed {
    /// What would open it.
    pub fn grant(&self) -> Grant {
        Grant::Http(self.origin.clone())
    }
}
