//! Ports in the short syntax, `[ip:][published:]target[/protocol]`
//! (docker/go-connections, `nat.ParsePortSpec`).

use std::net::IpAddr;

/// One published port, as both syntaxes end up.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Port {
    /// Empty when the long syntax leaves it out.
    pub mode: String,
    pub target: u32,
    /// 0: swarm chooses.
    pub published: u32,
    /// Empty when the long syntax leaves it out.
    pub protocol: String,
}

/// A short port, ranges not yet expanded.
#[derive(Debug, PartialEq, Eq)]
pub struct Short {
    target: (u32, u32),
    published: Option<(u32, u32)>,
    protocol: String,
    /// An address that swarm ignores: it listens on all.
    pub ignored_ip: Option<String>,
}

/// Reads one entry.
pub fn parse_short(text: &str) -> Result<Short, String> {
    let (rest, container) = text.rsplit_once(':').unwrap_or(("", text));
    let (ip, host) = rest.rsplit_once(':').unwrap_or(("", rest));
    let (target, protocol) = container.split_once('/').unwrap_or((container, ""));
    if target.is_empty() {
        return Err(format!("`{text}` has no port"));
    }
    let protocol = if protocol.is_empty() { "tcp".to_owned() } else { protocol.to_lowercase() };
    if !matches!(protocol.as_str(), "tcp" | "udp" | "sctp") {
        return Err(format!("`{protocol}` is not a protocol: use tcp, udp or sctp"));
    }
    let bare = ip.strip_prefix('[').and_then(|ip| ip.strip_suffix(']')).unwrap_or(ip);
    let address = if ip.is_empty() {
        None
    } else {
        let address = bare.parse::<IpAddr>();
        Some(address.map_err(|_| format!("`{ip}` is not an IP address"))?)
    };
    let (first, last) = range(target)?;
    let published = if host.is_empty() { None } else { Some(range(host)?) };
    if let Some((start, end)) = published
        && end - start != last - first
        && last != first
    {
        return Err(format!("the ranges `{host}` and `{target}` are not of the same length"));
    }
    let ignored_ip = address.filter(|ip| !ip.is_unspecified()).map(|ip| ip.to_string());
    Ok(Short { target: (first, last), published, protocol, ignored_ip })
}

impl Short {
    /// How many ports it stands for.
    pub fn count(&self) -> usize {
        let length = |(first, last): (u32, u32)| (last - first) as usize + 1;
        length(self.target).max(self.published.map_or(1, length))
    }

    /// The ports, sorted as docker sorts them: by target as text.
    pub fn expand(self) -> Vec<Port> {
        let port = |target: u32, published: u32| Port {
            mode: "ingress".into(),
            target,
            published,
            protocol: self.protocol.clone(),
        };
        let (first, last) = self.target;
        let mut ports: Vec<Port> = match self.published {
            None => (first..=last).map(|target| port(target, 0)).collect(),
            Some((start, end)) if first == last => (start..=end).map(|p| port(first, p)).collect(),
            Some((start, _)) => (first..=last).map(|t| port(t, start + (t - first))).collect(),
        };
        // Stable: several published ports of one target stay in order.
        ports.sort_by_cached_key(|p| p.target.to_string());
        ports
    }
}

fn range(text: &str) -> Result<(u32, u32), String> {
    let number = |text: &str| {
        text.parse::<i64>()
            .ok()
            .and_then(|n| u32::try_from(n).ok())
            .filter(|n| *n <= 65535)
            .ok_or_else(|| format!("`{text}` is not a port: use a number from 0 to 65535"))
    };
    let Some((start, end)) = text.split_once('-') else {
        return number(text).map(|n| (n, n));
    };
    let (start, end) = (number(start)?, number(end)?);
    if end < start {
        Err(format!("the range `{text}` ends before it begins"))
    } else {
        Ok((start, end))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        parse_short(text)
            .unwrap()
            .expand()
            .iter()
            .map(|p| format!("{}:{}/{}", p.published, p.target, p.protocol))
            .collect::<Vec<_>>()
            .join(" ")
    }

    #[test]
    fn short_ports() {
        for (text, expected) in [
            ("443", "0:443/tcp"),
            ("80:8080", "80:8080/tcp"),
            ("53:53/udp", "53:53/udp"),
            ("53:53/UDP", "53:53/udp"),
            ("80/", "0:80/tcp"),
            (":80", "0:80/tcp"),
            ("127.0.0.1:80:8080", "80:8080/tcp"),
            ("[::1]:80:8080", "80:8080/tcp"),
            ("::1:80:8080", "80:8080/tcp"),
            ("0.0.0.0::8080", "0:8080/tcp"),
            ("9090-9091:80", "9090:80/tcp 9091:80/tcp"),
            ("9-10:9-10", "10:10/tcp 9:9/tcp"),
            ("3000-3001", "0:3000/tcp 0:3001/tcp"),
            ("80-80", "0:80/tcp"),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
        assert_eq!(parse_short("127.0.0.1:80:80").unwrap().ignored_ip.unwrap(), "127.0.0.1");
        assert_eq!(parse_short("0.0.0.0:80:80").unwrap().ignored_ip, None);
    }

    #[test]
    fn what_is_no_port() {
        for text in [
            "",
            ":",
            "80:",
            "http",
            "70000",
            "-1",
            "80/icmp",
            "2-1",
            "1-3:1-2",
            "a:80:80",
            "80-",
            "8 0",
            "999999999999999999999",
            "[:80:80",
            "/tcp",
            "localhost:80:80",
        ] {
            assert!(parse_short(text).is_err(), "{text}");
        }
    }
}
