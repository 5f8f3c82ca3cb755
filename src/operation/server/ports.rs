//! Which ports of a server's host are open, as far as connecting from here tells. Of UDP
//! (4789, 7946) nobody can tell so.

use std::net::{IpAddr, SocketAddr};

use tokio::net::TcpStream;

use super::addresses::{self, PATIENCE};
use crate::{text::line, wiring::Finding};

/// What a port is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Use {
    /// People reach apps by it.
    Web,
    /// Only nodes of the swarm, or nobody.
    Private(&'static str),
}

/// The ports that are tried.
const PORTS: &[(u16, Use)] = &[
    (80, Use::Web),
    (443, Use::Web),
    (2375, Use::Private("the engine's API without protection")),
    (2376, Use::Private("the engine's API")),
    (2377, Use::Private("the swarm's managers")),
    (7946, Use::Private("the swarm's nodes")),
];

/// Looks at the host of an endpoint, as the operator's ssh knows it. Nothing is said of one
/// that has no public address: what a private network shows is not for everyone.
pub(super) async fn look(host: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for address in addresses::public(host).await {
        let tries = PORTS.iter().map(|(port, used)| async move {
            (*port, *used, is_open(SocketAddr::new(address, *port)).await)
        });
        findings.extend(judge(address, &futures_util::future::join_all(tries).await));
    }
    findings
}

async fn is_open(address: SocketAddr) -> bool {
    matches!(tokio::time::timeout(PATIENCE, TcpStream::connect(address)).await, Ok(Ok(_)))
}

/// What open and closed ports of an address mean.
fn judge(address: IpAddr, tried: &[(u16, Use, bool)]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let of = |used: fn(&Use) -> bool, open: bool| {
        let fits = tried.iter().filter(move |(_, it, is)| used(it) && *is == open);
        fits.map(|(port, ..)| port.to_string()).collect::<Vec<_>>()
    };
    let closed = of(|it| *it == Use::Web, false);
    if closed.is_empty() {
        findings.push(Finding::good("ports", format!("{address} answers at 80 and 443")));
    } else {
        let told = format!("{address} does not answer at {}", closed.join(" and "));
        findings.push(
            Finding::note("ports", told)
                .fix("deploy a reverse proxy there, and let these ports through the firewall"),
        );
    }
    for (port, used, open) in tried {
        if let (Use::Private(what), true) = (used, open) {
            let told = format!("{address} lets everyone connect to port {port}: {}", line(what));
            findings.push(Finding::bad("ports", told).fix(format!(
                "let the firewall refuse {port} from everywhere but the swarm's other nodes"
            )));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wiring::Level;

    #[test]
    fn a_port_of_the_swarm_must_not_be_open_to_everyone() {
        let address = "93.184.216.34".parse().unwrap();
        let judged = |open: &[u16]| {
            let tried: Vec<_> =
                PORTS.iter().map(|(port, used)| (*port, *used, open.contains(port))).collect();
            let found = judge(address, &tried).into_iter();
            found.map(|it| (it.level, it.message)).collect::<Vec<_>>()
        };
        assert_eq!(judged(&[80, 443])[0].0, Level::Good);
        assert_eq!(judged(&[80, 443]).len(), 1);
        let closed = judged(&[80]);
        assert_eq!(closed, [(Level::Note, "93.184.216.34 does not answer at 443".to_owned())]);
        let open = judged(&[80, 443, 2375, 2377]);
        assert_eq!(
            open.iter().map(|it| it.0).collect::<Vec<_>>(),
            [Level::Good, Level::Bad, Level::Bad]
        );
        assert!(open[1].1.contains("port 2375") && open[2].1.contains("port 2377"), "{open:?}");
    }

    #[tokio::test]
    async fn nothing_is_said_of_a_host_without_a_public_address() {
        assert_eq!(look("127.0.0.1").await, []);
    }

    #[tokio::test]
    async fn an_open_port_is_told_from_a_closed_one() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        assert!(is_open(address).await);
        // One that was closed just now may be another test's already; nobody listens at this one.
        assert!(!is_open("127.0.0.1:1".parse().unwrap()).await);
    }
}
