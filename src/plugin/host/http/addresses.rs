//! Addresses that stay closed unless a grant names them literally.
//!
//! A plugin that may talk to `https://sso.example.org` must not reach the
//! machine itself, its neighbours or a cloud's metadata service because a name
//! server says so. Source: the IANA special-purpose address registries
//! (RFC 6890 and its updates).

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use url::{Host, Url};

use super::{
    metadata::{is_metadata, is_metadata_name},
    networks::{self, Network, near},
};

/// Why an address is closed; none when it is open.
pub fn closed(address: IpAddr) -> Option<&'static str> {
    if is_metadata(plain(address)) {
        return Some("the metadata service of a cloud");
    }
    match address {
        IpAddr::V4(v4) => closed_v4(v4),
        IpAddr::V6(v6) => closed_v6(v6),
    }
}

fn closed_v4(address: Ipv4Addr) -> Option<&'static str> {
    match address.octets() {
        [0, ..] => Some("unspecified"),
        [127, ..] => Some("loopback"),
        [169, 254, ..] => Some("link-local"),
        [10, ..] | [192, 168, ..] => Some("private"),
        [172, b, ..] if (16..32).contains(&b) => Some("private"),
        // Carrier-grade NAT; some clouds put their metadata service there.
        [100, b, ..] if (64..128).contains(&b) => Some("shared"),
        [192, 0, 0, _] | [192, 88, 99, _] | [198, 18 | 19, ..] => Some("reserved"),
        [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => Some("for documentation"),
        [a, ..] if a >= 224 => Some("multicast or reserved"),
        _ => None,
    }
}

/// Only global unicast (`2000::/3`) is open, except its reserved ranges.
fn closed_v6(address: Ipv6Addr) -> Option<&'static str> {
    // Forms that carry an IPv4 address lead to that address.
    if let Some(v4) = embedded(address) {
        return closed_v4(v4);
    }
    match address.segments() {
        _ if address.is_loopback() => Some("loopback"),
        _ if address.is_unspecified() => Some("unspecified"),
        [0xfe80..=0xfebf, ..] => Some("link-local"),
        [0xfc00..=0xfdff | 0xfec0..=0xfeff, ..] => Some("private"),
        // ISATAP (RFC 5214): the way to an IPv4 address, of any prefix.
        [.., 0 | 0x200, 0x5efe, _, _] => Some("a tunnel"),
        // Teredo (RFC 4380).
        [0x2001, 0, ..] => Some("a tunnel"),
        [0x2001, 0x0db8, ..] | [0x3fff, 0..=0x0fff, ..] => Some("for documentation"),
        [0x2001, 0..=0x01ff, ..] => Some("reserved"),
        [0x2000..=0x3fff, ..] => None,
        _ => Some("multicast or reserved"),
    }
}

/// The effective address: the embedded IPv4 address, if there is one.
fn plain(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => embedded(v6).map_or(address, IpAddr::V4),
    }
}

/// The IPv4 address inside a mapped (`::ffff:a.b.c.d`), translated
/// (`::ffff:0:a.b.c.d`), compatible (`::a.b.c.d`), NAT64 (`64:ff9b::/96`) or 6to4
/// (`2002::/16`) address.
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let low = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        Ipv4Addr::new(a, b, c, d)
    };
    match address.segments() {
        [0, 0, 0, 0, 0, 0xffff, a, b]
        | [0, 0, 0, 0, 0xffff, 0, a, b]
        | [0x64, 0xff9b, 0, 0, 0, 0, a, b] => Some(low(a, b)),
        // `::` and `::1` are themselves.
        [0, 0, 0, 0, 0, 0, a, b] if (a, b) != (0, 0) && (a, b) != (0, 1) => Some(low(a, b)),
        [0x2002, a, b, ..] => Some(low(a, b)),
        _ => None,
    }
}

/// Where an origin leads that names a closed address literally, or a cloud's
/// metadata service, in words for the person who grants it; none for every other
/// origin.
pub fn place(origin: &str) -> Option<&'static str> {
    // Where the interfaces are not known, nothing is said of them; nothing is
    // opened either.
    place_among(origin, || networks::here().unwrap_or_default())
}

fn place_among(origin: &str, here: impl Fn() -> Vec<Network>) -> Option<&'static str> {
    let url = Url::parse(origin).ok()?;
    let address = match url.host()? {
        Host::Domain("localhost") => Ipv4Addr::LOCALHOST.into(),
        Host::Domain(name) => return is_metadata_name(name).then_some("cloud metadata"),
        Host::Ipv4(address) => IpAddr::V4(address),
        Host::Ipv6(address) => plain(IpAddr::V6(address)),
    };
    if is_metadata(address) {
        return Some("cloud metadata");
    }
    let Some(why) = closed(address) else { return near(&here(), address) };
    Some(match why {
        "loopback" | "unspecified" => "an address of this machine",
        "link-local" | "private" | "shared" => "a private network",
        _ => "an address that is not of the public network",
    })
}

/// Closed addresses that the grants open by naming them, each at its port: a
/// grant with another port does not open them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Opened {
    addresses: BTreeSet<SocketAddr>,
    /// `localhost` names the loopback addresses as literally as they do.
    localhost: BTreeSet<u16>,
}

impl Opened {
    pub fn by<'a>(origins: impl IntoIterator<Item = &'a str>) -> Self {
        let mut opened = Opened::default();
        for origin in origins {
            let Ok(url) = Url::parse(origin) else { continue };
            let Some(port) = url.port_or_known_default() else { continue };
            match url.host() {
                Some(Host::Ipv4(address)) => {
                    opened.addresses.insert((address, port).into());
                }
                Some(Host::Ipv6(address)) => {
                    opened.addresses.insert((address, port).into());
                }
                Some(Host::Domain("localhost")) => {
                    opened.localhost.insert(port);
                }
                _ => {}
            }
        }
        opened
    }

    /// Whether `host`, which leads to this address, may be reached there by a
    /// machine in these networks.
    ///
    /// # Errors
    /// Why the address is closed.
    pub fn check(
        &self,
        host: &str,
        address: SocketAddr,
        networks: &[Network],
    ) -> Result<(), &'static str> {
        let ip = address.ip();
        let why = closed(ip).or_else(|| near(networks, ip)).or_else(|| near(networks, plain(ip)));
        let Some(why) = why else { return Ok(()) };
        let localhost = host == "localhost"
            && self.localhost.contains(&address.port())
            && address.ip().is_loopback();
        if localhost || self.addresses.contains(&address) { Ok(()) } else { Err(why) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn special_addresses_are_closed() {
        for text in [
            "127.0.0.1",
            "127.9.9.9",
            "0.0.0.0",
            "10.0.0.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.169.254",
            "100.100.100.200",
            "192.0.0.192",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "fe80::1",
            "fd00:ec2::254",
            "fec0::1",
            "ff02::1",
            "::ffff:127.0.0.1",
            "::127.0.0.1",
            "64:ff9b::a9fe:a9fe",
            "2002:7f00:1::",
            "2002:a9fe:a9fe::1",
            "::ffff:169.254.169.254",
            "::ffff:0:10.0.0.1",
            "64:ff9b:1::a00:1",
            "2001:0:4136:e378::1",
            "2001:4860::5efe:a00:1",
            "2001:4860::200:5efe:a00:1",
            "2001:db8::1",
            "100::1",
            "5f00::1",
            "4000::1",
            "192.0.2.1",
            "192.88.99.1",
        ] {
            assert!(closed(text.parse().unwrap()).is_some(), "{text} is open");
        }
        for text in [
            "1.1.1.1",
            "172.32.0.1",
            "100.128.0.1",
            "2606:4700::1111",
            "::ffff:8.8.8.8",
            "64:ff9b::808:808",
            "2a00:1450:4001:800::200e",
        ] {
            assert!(closed(text.parse().unwrap()).is_none(), "{text} is closed");
        }
    }

    #[test]
    fn only_what_is_named_literally_is_opened() {
        let opened = Opened::by(["http://127.0.0.1:8080", "https://sso.example.org"]);
        let check = |host: &str, address: &str| opened.check(host, address.parse().unwrap(), &[]);
        assert_eq!(check("127.0.0.1", "127.0.0.1:8080"), Ok(()));
        assert_eq!(check("127.0.0.1", "127.0.0.1:8081"), Err("loopback"));
        assert_eq!(check("127.0.0.2", "127.0.0.2:8080"), Err("loopback"));
        assert_eq!(check("localhost", "[::1]:8080"), Err("loopback"));
        assert_eq!(check("sso.example.org", "10.0.0.1:443"), Err("private"));
        assert_eq!(check("sso.example.org", "8.8.8.8:443"), Ok(()));
        let opened = Opened::by(["http://localhost:3000", "https://10.0.0.1"]);
        let check = |host: &str, address: &str| opened.check(host, address.parse().unwrap(), &[]);
        assert_eq!(check("localhost", "[::1]:3000"), Ok(()));
        assert_eq!(check("localhost", "[::1]:2375"), Err("loopback"));
        assert_eq!(check("evil.example.org", "127.0.0.1:3000"), Err("loopback"));
        assert_eq!(check("sso.example.org", "10.0.0.1:443"), Ok(()));
        assert_eq!(check("sso.example.org", "10.0.0.1:2375"), Err("private"));
    }

    #[test]
    fn metadata_services_are_closed_and_named() {
        for address in [
            "169.254.169.254",
            "169.254.170.2",
            "169.254.170.23",
            "168.63.129.16",
            "100.100.100.200",
            "192.0.0.192",
            "169.254.42.42",
            "169.254.0.23",
            "169.254.10.10",
            "fd00:ec2::254",
            "fd00:ec2::23",
            "fd20:ce::254",
            "fd00:c1::a9fe:a9fe",
            "fd00:42::42",
            "fd00:100::100:200",
            "fd00:a9fe:a9fe::1",
            "fe80::a9fe:a9fe",
            "::ffff:168.63.129.16",
            "64:ff9b::a83f:8110",
            "2002:a83f:8110::1",
        ] {
            let ip: IpAddr = address.parse().unwrap();
            assert_eq!(closed(ip), Some("the metadata service of a cloud"), "{address}");
            let origin = format!("http://{}", SocketAddr::new(ip, 80));
            assert_eq!(place_among(&origin, Vec::new), Some("cloud metadata"), "{origin}");
        }
        for host in [
            "metadata.google.internal",
            "METADATA.google.internal.",
            "metadata.goog",
            "metadata.tencentyun.com",
            "api.metadata.cloud.ibm.com",
            "instance-data.ec2.internal",
        ] {
            let origin = format!("http://{host}");
            assert_eq!(place_among(&origin, Vec::new), Some("cloud metadata"), "{origin}");
        }
        assert_eq!(place_among("https://metadata.example.org", Vec::new), None);
    }

    #[test]
    fn what_is_near_is_closed_unless_it_is_named() {
        let networks = [("8.8.4.4", 24), ("2a01:4f8::1", 64)]
            .map(|(address, prefix)| Network { address: address.parse().unwrap(), prefix });
        let opened = Opened::by(["http://8.8.4.9", "http://sso.example.org"]);
        let own = Err("an address of this machine");
        let network = Err("in a network of this machine");
        for (address, wanted) in [
            ("8.8.4.4:80", own),
            ("8.8.4.5:80", network),
            ("8.8.4.9:80", Ok(())),
            ("8.8.4.9:81", network),
            ("8.8.8.8:80", Ok(())),
            ("[2a01:4f8::1]:80", own),
            ("[2a01:4f8::2]:80", network),
            ("[::ffff:8.8.4.4]:80", own),
            ("[2002:808:404::1]:80", own),
            ("[64:ff9b::808:405]:80", network),
        ] {
            let given = opened.check("sso.example.org", address.parse().unwrap(), &networks);
            assert_eq!(given, wanted, "{address}");
        }
        let place = |origin: &str| place_among(origin, || networks.to_vec());
        assert_eq!(place("http://8.8.4.4:81"), Some("an address of this machine"));
        assert_eq!(place("http://8.8.4.5"), Some("in a network of this machine"));
        assert_eq!(place("http://8.8.8.8"), None);
        assert_eq!(place("http://10.0.0.1"), Some("a private network"));
        assert_eq!(place("http://127.0.0.1"), Some("an address of this machine"));
    }
}
