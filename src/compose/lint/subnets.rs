//! Networks whose addresses overlap: swarm makes them, gives addresses to the first
//! only, and leaves the tasks of the other in the state `new` (moby, `libnetwork/
//! ipams`; moby/swarmkit, `manager/allocator`).

use std::net::IpAddr;

use super::Findings;
use crate::{
    compose::model::{File, Network},
    lint::rules,
};

/// First address and number of bits that count.
#[derive(Debug, Clone, Copy)]
struct Subnet {
    is_v6: bool,
    address: u128,
    bits: u32,
}

impl Subnet {
    fn parse(text: &str) -> Option<Self> {
        let (address, bits) = text.split_once('/')?;
        let bits: u32 = bits.parse().ok()?;
        let (is_v6, address, width) = match address.parse().ok()? {
            IpAddr::V4(address) => (false, u128::from(u32::from(address)), 32),
            IpAddr::V6(address) => (true, u128::from(address), 128),
        };
        (bits <= width).then_some(Subnet { is_v6, address: address << (128 - width), bits })
    }

    fn overlaps(self, other: Self) -> bool {
        let bits = self.bits.min(other.bits);
        let differ = self.address ^ other.address;
        self.is_v6 == other.is_v6 && differ.leading_zeros() >= bits
    }
}

pub fn check(file: &File, findings: &mut Findings<'_>) {
    let mut before: Vec<(&str, &str, Subnet)> = Vec::new();
    for (name, network) in &file.networks {
        if !is_allocated(name, network, file) {
            continue;
        }
        for text in network.ipam_config.iter().map(|config| config.subnet.as_str()) {
            let Some(subnet) = Subnet::parse(text) else { continue };
            let other = before.iter().find(|(.., other)| other.overlaps(subnet));
            if let Some((other_name, other_text, _)) = other {
                let message = match *other_name == name {
                    true => format!(
                        "its subnets {other_text} and {text} overlap: swarm gives it no addresses, \
                         and no task on it starts"
                    ),
                    false => format!(
                        "its subnet {text} overlaps {other_text} of the network `{other_name}`: \
                         swarm gives addresses to one of them, and no task on the other starts"
                    ),
                };
                let path = format!("networks.{name}.ipam.config");
                findings.push(&rules::SUBNETS_OVERLAP, network.at, path, message);
            }
            before.push((name, text, subnet));
        }
    }
}

/// Whether swarm itself hands its addresses out.
fn is_allocated(name: &str, network: &Network, file: &File) -> bool {
    let uses = |networks: &std::collections::BTreeMap<String, _>| match networks.is_empty() {
        true => name == "default",
        false => networks.contains_key(name),
    };
    !network.external
        && matches!(network.driver.as_str(), "" | "overlay")
        && matches!(network.ipam_driver.as_str(), "" | "default")
        && file.services.values().any(|service| uses(&service.networks))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overlaps() {
        for (a, b, expected) in [
            ("10.199.0.0/24", "10.199.0.0/16", true),
            ("10.199.0.0/24", "10.199.0.7/32", true),
            ("0.0.0.0/0", "192.168.0.0/24", true),
            ("fd00::/64", "fd00::1:0/112", true),
            ("10.199.0.0/24", "10.199.1.0/24", false),
            ("10.0.0.0/8", "0a00::/8", false),
            ("::/0", "0.0.0.0/0", false),
        ] {
            let [one, other] = [a, b].map(|text| Subnet::parse(text).unwrap());
            assert_eq!(one.overlaps(other), expected, "{a} {b}");
            assert_eq!(other.overlaps(one), expected, "{b} {a}");
        }
        assert!(Subnet::parse("10.0.0.0/33").is_none());
    }
}
