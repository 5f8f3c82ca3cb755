//! Metadata services of clouds. They give credentials of the machine to any
//! program on it that asks, at addresses that are the same everywhere, and some of these
//! look like any public address.
//!
//! Sources: the clouds' own documents, and cloud-init's data sources
//! (<https://docs.cloud-init.io/en/latest/reference/datasources.html>).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const fn v4(a: u8, b: u8, c: u8, d: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(a, b, c, d))
}

const fn v6(a: u16, b: u16, c: u16, g: u16, h: u16) -> IpAddr {
    IpAddr::V6(Ipv6Addr::new(a, b, c, 0, 0, 0, g, h))
}

const ADDRESSES: [IpAddr; 15] = [
    // AWS, Azure, Google, Oracle, IBM, DigitalOcean, Hetzner, Vultr, Exoscale,
    // OpenStack (OVHcloud and others), Akamai.
    v4(169, 254, 169, 254),
    // AWS: credentials of containers (ECS, EKS).
    v4(169, 254, 170, 2),
    v4(169, 254, 170, 23),
    // Azure: WireServer, which looks like a public address.
    v4(168, 63, 129, 16),
    // Alibaba.
    v4(100, 100, 100, 200),
    v6(0xfd00, 0x100, 0, 0x100, 0x200),
    // Oracle Classic; Oracle.
    v4(192, 0, 0, 192),
    v6(0xfd00, 0xc1, 0, 0xa9fe, 0xa9fe),
    // Scaleway.
    v4(169, 254, 42, 42),
    v6(0xfd00, 0x42, 0, 0, 0x42),
    // Tencent.
    v4(169, 254, 0, 23),
    v4(169, 254, 10, 10),
    // Google.
    v6(0xfd20, 0xce, 0, 0, 0x254),
    // OpenStack, DigitalOcean.
    v6(0xfe80, 0, 0, 0xa9fe, 0xa9fe),
    // Akamai.
    v6(0xfd00, 0xa9fe, 0xa9fe, 0, 1),
];

/// Names of metadata services, without a dot at the end.
const NAMES: [&str; 11] = [
    "metadata",
    "metadata.google.internal",
    "metadata.goog",
    "instance-data",
    "instance-data.ec2.internal",
    "metadata.azure.internal",
    "metadata.tencentyun.com",
    "api.metadata.cloud.ibm.com",
    "metadata.exoscale.com",
    "metadata.oraclecloud.com",
    "metadata.platformequinix.com",
];

/// Whether a metadata service is at this address.
pub fn is_metadata(address: IpAddr) -> bool {
    // AWS keeps all of `fd00:ec2::/32` for such services.
    let aws = |address: Ipv6Addr| matches!(address.segments(), [0xfd00, 0xec2, ..]);
    ADDRESSES.contains(&address) || matches!(address, IpAddr::V6(address) if aws(address))
}

/// Whether a cloud calls its metadata service so.
pub fn is_metadata_name(host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host);
    NAMES.iter().any(|name| host.eq_ignore_ascii_case(name))
}
