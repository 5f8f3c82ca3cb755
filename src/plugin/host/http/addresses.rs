//! Addresses that stay closed unless a grant names them literally.
//!
//! A plugin with leave to talk to `https://sso.example.org` must not reach the
//! machine itself, its neighbours or a cloud's metadata service because a name
//! server says so. Source: the IANA special-purpose address registries
//! (RFC 6890 and its updates).

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
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
        [192, 0, 0, _] => Some("reserved"),
        [198, 18 | 19, ..] => Some("reserved"),
        [a, ..] if a >= 224 => Some("multicast or reserved"),
        _ => None,
    }
}

fn closed_v6(address: Ipv6Addr) -> Option<&'static str> {
    // Forms that carry an IPv4 address lead to that address.
    if let Some(v4) = embedded(address) {
        return closed_v4(v4);
    }
    let [first, ..] = address.segments();
    match first {
        _ if address.is_loopback() => Some("loopback"),
        _ if address.is_unspecified() => Some("unspecified"),
        0xfe80..=0xfebf => Some("link-local"),
        0xfc00..=0xfdff => Some("private"),
        0xfec0..=0xfeff => Some("private"),
        0xff00..=0xffff => Some("multicast or reserved"),
        _ => None,
    }
}

/// The IPv4 address inside a mapped (`::ffff:a.b.c.d`), compatible
/// (`::a.b.c.d`), NAT64 (`64:ff9b::/96`) or 6to4 (`2002::/16`) address.
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let low = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        Ipv4Addr::new(a, b, c, d)
    };
    match address.segments() {
        [0, 0, 0, 0, 0, 0xffff, a, b] | [0x64, 0xff9b, 0, 0, 0, 0, a, b] => Some(low(a, b)),
        // `::` and `::1` are themselves.
        [0, 0, 0, 0, 0, 0, a, b] if (a, b) != (0, 0) && (a, b) != (0, 1) => Some(low(a, b)),
        [0x2002, a, b, ..] => Some(low(a, b)),
        _ => None,
    }
}

/// Closed addresses that the grants open by naming them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Opened {
    addresses: BTreeSet<IpAddr>,
    /// `localhost` names the loopback addresses as literally as they do.
    localhost: bool,
}

impl Opened {
    pub fn by<'a>(origins: impl IntoIterator<Item = &'a str>) -> Self {
        let mut opened = Opened::default();
        for origin in origins {
            match Url::parse(origin).ok().as_ref().and_then(Url::host) {
                Some(Host::Ipv4(address)) => drop(opened.addresses.insert(address.into())),
                Some(Host::Ipv6(address)) => drop(opened.addresses.insert(address.into())),
                Some(Host::Domain("localhost")) => opened.localhost = true,
                _ => {}
            }
        }
        opened
    }

    /// Whether `host`, which leads to this address, may be reached there.
    ///
    /// # Errors
    /// Why the address is closed.
    pub fn check(&self, host: &str, address: IpAddr) -> Result<(), &'static str> {
        let Some(why) = closed(address) else { return Ok(()) };
        let localhost = self.localhost && host == "localhost" && address.is_loopback();
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
        ] {
            assert!(closed(text.parse().unwrap()).is_some(), "{text} is open");
        }
        for text in ["1.1.1.1", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "::ffff:8.8.8.8"] {
            assert!(closed(text.parse().unwrap()).is_none(), "{text} is closed");
        }
    }

    #[test]
    fn only_what_is_named_literally_is_opened() {
        let opened = Opened::by(["http://127.0.0.1:8080", "https://sso.example.org"]);
        let check = |host: &str, address: &str| opened.check(host, address.parse().unwrap());
        assert_eq!(check("127.0.0.1", "127.0.0.1"), Ok(()));
        assert_eq!(check("127.0.0.2", "127.0.0.2"), Err("loopback"));
        assert_eq!(check("localhost", "::1"), Err("loopback"));
        assert_eq!(check("sso.example.org", "10.0.0.1"), Err("private"));
        assert_eq!(check("sso.example.org", "8.8.8.8"), Ok(()));
        let opened = Opened::by(["http://localhost:3000", "https://10.0.0.1"]);
        let check = |host: &str, address: &str| opened.check(host, address.parse().unwrap());
        assert_eq!(check("localhost", "::1"), Ok(()));
        assert_eq!(check("evil.example.org", "127.0.0.1"), Err("loopback"));
        assert_eq!(check("sso.example.org", "10.0.0.1"), Ok(()));
    }
}
