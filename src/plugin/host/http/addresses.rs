//! Addresses that stay closed unless a grant names them literally.
//!
//! A plugin with leave to talk to `https://sso.example.org` must not reach the
//! machine itself, its neighbours or a cloud's metadata service because a name
//! server says so. Source: the IANA special-purpose address registries
//! (RFC 6890 and its updates).

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use url::{Host, Url};

/// Why an address is closed; none when it is open.
pub fn closed(address: IpAddr) -> Option<&'static str> {
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

/// Only global unicast (`2000::/3`) is open, and of that not what is set aside.
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

/// Metadata services of clouds, which hand out credentials: AWS and most others,
/// Alibaba, Oracle; AWS over IPv6.
const METADATA_V4: [Ipv4Addr; 3] = [
    Ipv4Addr::new(169, 254, 169, 254),
    Ipv4Addr::new(100, 100, 100, 200),
    Ipv4Addr::new(192, 0, 0, 192),
];
const METADATA_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);

/// Where an origin leads that names a closed address literally, in words for the
/// person who grants it; none for every other origin.
pub fn place(origin: &str) -> Option<&'static str> {
    let url = Url::parse(origin).ok()?;
    let address = match url.host()? {
        Host::Domain("localhost") => Ipv4Addr::LOCALHOST.into(),
        Host::Domain(_) => return None,
        Host::Ipv4(address) => IpAddr::V4(address),
        Host::Ipv6(address) => embedded(address).map_or(IpAddr::V6(address), IpAddr::V4),
    };
    let metadata = match address {
        IpAddr::V4(address) => METADATA_V4.contains(&address),
        IpAddr::V6(address) => address == METADATA_V6,
    };
    Some(match closed(address)? {
        _ if metadata => "cloud metadata",
        "loopback" | "unspecified" => "an address of this machine",
        "link-local" | "private" | "shared" => "a private network",
        _ => "an address that is not of the public network",
    })
}

/// Closed addresses that the grants open by naming them, each at its port: a name
/// that was granted with another port leads no further than it would alone.
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

    /// Whether `host`, which leads to this address, may be reached there.
    ///
    /// # Errors
    /// Why the address is closed.
    pub fn check(&self, host: &str, address: SocketAddr) -> Result<(), &'static str> {
        let Some(why) = closed(address.ip()) else { return Ok(()) };
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
        let check = |host: &str, address: &str| opened.check(host, address.parse().unwrap());
        assert_eq!(check("127.0.0.1", "127.0.0.1:8080"), Ok(()));
        assert_eq!(check("127.0.0.1", "127.0.0.1:8081"), Err("loopback"));
        assert_eq!(check("127.0.0.2", "127.0.0.2:8080"), Err("loopback"));
        assert_eq!(check("localhost", "[::1]:8080"), Err("loopback"));
        assert_eq!(check("sso.example.org", "10.0.0.1:443"), Err("private"));
        assert_eq!(check("sso.example.org", "8.8.8.8:443"), Ok(()));
        let opened = Opened::by(["http://localhost:3000", "https://10.0.0.1"]);
        let check = |host: &str, address: &str| opened.check(host, address.parse().unwrap());
        assert_eq!(check("localhost", "[::1]:3000"), Ok(()));
        assert_eq!(check("localhost", "[::1]:2375"), Err("loopback"));
        assert_eq!(check("evil.example.org", "127.0.0.1:3000"), Err("loopback"));
        assert_eq!(check("sso.example.org", "10.0.0.1:443"), Ok(()));
        assert_eq!(check("sso.example.org", "10.0.0.1:2375"), Err("private"));
    }
}
