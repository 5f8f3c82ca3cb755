//! The addresses of a server on the internet.

use std::{net::IpAddr, process::Stdio, time::Duration};

use tokio::{net::lookup_host, process::Command};

/// For one lookup.
pub(super) const PATIENCE: Duration = Duration::from_secs(4);
/// Addresses of a host that are looked at.
const MOST: usize = 4;

/// Those of the host of an endpoint, as the operator's ssh knows it; none for one that has
/// only private ones, or none.
pub(super) async fn public(host: &str) -> Vec<IpAddr> {
    let name = resolved_by_ssh(host).await.unwrap_or_else(|| host.to_owned());
    let found = match tokio::time::timeout(PATIENCE, lookup_host((name.as_str(), 0))).await {
        Ok(Ok(found)) => found.map(|address| address.ip()).collect::<Vec<_>>(),
        _ => Vec::new(),
    };
    let mut public: Vec<IpAddr> = found.into_iter().filter(|it| is_public(*it)).collect();
    public.sort();
    public.dedup();
    public.truncate(MOST);
    public
}

/// The host name in the operator's ssh settings: the one in an endpoint may be an alias.
async fn resolved_by_ssh(host: &str) -> Option<String> {
    let mut ssh = Command::new("ssh");
    ssh.args(["-G", "--", host]).stdin(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(PATIENCE, ssh.output()).await.ok()?.ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines().find_map(|line| line.strip_prefix("hostname ")).map(str::to_owned)
}

/// Whether an address is one of the internet.
pub(super) fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, ..] = v4.octets();
            // What carriers have for themselves is nobody's server.
            let shared = a == 100 && (64..128).contains(&b);
            !(v4.is_private()
                || v4.is_loopback()
                || v4.is_link_local()
                || v4.is_unspecified()
                || v4.is_broadcast()
                || v4.is_documentation()
                || v4.is_multicast()
                || shared)
        }
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => is_public(IpAddr::V4(v4)),
            // Global unicast, without documentation.
            None => v6.segments()[0] & 0xe000 == 0x2000 && v6.segments()[..2] != [0x2001, 0xdb8],
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_the_internet_are_public() {
        for (address, public) in [
            ("93.184.216.34", true),
            ("2606:4700::1", true),
            ("::ffff:93.184.216.34", true),
            ("127.0.0.1", false),
            ("10.1.2.3", false),
            ("192.168.0.1", false),
            ("172.20.0.1", false),
            ("100.64.0.1", false),
            ("169.254.1.1", false),
            ("192.0.2.1", false),
            ("0.0.0.0", false),
            ("::1", false),
            ("fd00::1", false),
            ("fe80::1", false),
            ("2001:db8::1", false),
            ("::ffff:10.0.0.1", false),
        ] {
            assert_eq!(is_public(address.parse().unwrap()), public, "{address}");
        }
    }

    #[tokio::test]
    async fn a_host_in_a_private_network_has_no_public_address() {
        assert_eq!(public("127.0.0.1").await, Vec::<IpAddr>::new());
    }
}
