//! The addresses of this machine and the networks that it is in.
//!
//! A name that a grant opens may lead to any public address, and this machine,
//! its neighbours and what listens there for them have public addresses, too. So
//! they are listed when a connection is made, each time: addresses come and go.
//!
//! What only a router knows (an address that it translates to this machine) is
//! not among them.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use if_addrs::IfAddr;

/// Shorter prefixes are not local networks: a tunnel for all traffic has
/// such a prefix.
const SHORTEST_V4: u32 = 8;
const SHORTEST_V6: u32 = 16;

/// An address of an interface, and how many of its first bits all addresses of
/// the network that is attached there share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    pub address: IpAddr,
    pub prefix: u32,
}

impl Network {
    fn holds(self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                self.prefix >= SHORTEST_V4 && {
                    let differ = u32::from(own) ^ u32::from(other);
                    differ.leading_zeros() >= self.prefix.min(32)
                }
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                self.prefix >= SHORTEST_V6 && {
                    let differ = u128::from(own) ^ u128::from(other);
                    differ.leading_zeros() >= self.prefix.min(128)
                }
            }
            _ => false,
        }
    }
}

/// Those of this machine, as of now.
///
/// # Errors
/// When the system does not say.
pub fn here() -> io::Result<Vec<Network>> {
    let interfaces = if_addrs::get_if_addrs()?;
    let network = |address: IfAddr| match address {
        IfAddr::V4(v4) => Network { address: v4.ip.into(), prefix: bits_v4(v4.netmask) },
        IfAddr::V6(v6) => Network { address: v6.ip.into(), prefix: bits_v6(v6.netmask) },
    };
    Ok(interfaces.into_iter().map(|interface| network(interface.addr)).collect())
}

fn bits_v4(mask: Ipv4Addr) -> u32 {
    u32::from(mask).leading_ones()
}

fn bits_v6(mask: Ipv6Addr) -> u32 {
    u128::from(mask).leading_ones()
}

/// Why an address is local to a machine with these interfaces; none if it
/// is not.
pub fn near(networks: &[Network], address: IpAddr) -> Option<&'static str> {
    if networks.iter().any(|network| network.address == address) {
        Some("an address of this machine")
    } else if networks.iter().any(|network| network.holds(address)) {
        Some("in a network of this machine")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_addresses_and_their_networks_are_near() {
        let networks: Vec<_> = [
            ("203.0.114.7", 24),
            ("198.51.101.9", 32),
            ("192.0.3.1", 31),
            ("1.2.3.4", 1),
            ("2a01:4f8:1:2::1", 64),
            ("2a01:4f8:9::1", 128),
            ("2600::1", 3),
        ]
        .into_iter()
        .map(|(address, prefix)| Network { address: address.parse().unwrap(), prefix })
        .collect();
        let (own, network) = ("an address of this machine", "in a network of this machine");
        for (address, wanted) in [
            ("203.0.114.7", Some(own)),
            ("203.0.114.1", Some(network)),
            ("203.0.114.255", Some(network)),
            ("203.0.115.1", None),
            ("198.51.101.9", Some(own)),
            ("198.51.101.8", None),
            ("192.0.3.0", Some(network)),
            ("192.0.3.2", None),
            ("1.2.3.4", Some(own)),
            ("1.2.3.5", None),
            ("2a01:4f8:1:2::1", Some(own)),
            ("2a01:4f8:1:2:ffff::9", Some(network)),
            ("2a01:4f8:1:3::1", None),
            ("2a01:4f8:9::1", Some(own)),
            ("2a01:4f8:9::2", None),
            ("2600::2", None),
        ] {
            assert_eq!(near(&networks, address.parse().unwrap()), wanted, "{address}");
        }
    }

    #[test]
    fn the_loopback_interface_is_listed() {
        let networks = here().unwrap();
        let loopback = Network { address: Ipv4Addr::LOCALHOST.into(), prefix: 8 };
        assert!(networks.contains(&loopback), "{networks:?}");
    }
}
