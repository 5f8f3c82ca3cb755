//! What the name servers say of a domain that mail is sent from: whether its SPF record (RFC
//! 7208) lets the relay send, whether there is a DMARC record (RFC 9989), and the key of a DKIM
//! selector (RFC 6376) that is known.
//!
//! Nothing here is bad, only worth knowing: who reads the mail decides what comes of it, and the
//! address that a relay sends from need not be the one that its name leads to.

use std::{net::IpAddr, time::Duration};

use mail_auth::{
    DnsError, Error, IpLookupStrategy, MessageAuthenticator, SpfResult,
    common::{cache::NoCache, verify::DomainKey},
    dmarc::Dmarc,
    hickory_resolver::{
        config::{ResolverConfig, ResolverOpts},
        system_conf::read_system_conf,
    },
    spf::verify::SpfParameters,
};

use super::Finding;
use crate::{home::connection::HeldAccount, text::line};

/// For all records of a domain.
const TIMEOUT: Duration = Duration::from_secs(8);
/// For one question.
const ONE: Duration = Duration::from_secs(2);
/// Addresses of a relay that are asked about.
const ADDRESSES: usize = 4;

/// Asks name servers.
pub struct Dns(MessageAuthenticator);

impl Dns {
    /// Those of this machine.
    ///
    /// # Errors
    /// Why there are none, in words.
    pub fn new() -> Result<Self, String> {
        let (config, options) = read_system_conf().map_err(|error| error.to_string())?;
        Self::of(config, options)
    }

    fn of(config: ResolverConfig, mut options: ResolverOpts) -> Result<Self, String> {
        options.timeout = ONE;
        options.attempts = 1;
        options.cache_size = 0;
        let dns = MessageAuthenticator::new(config, options);
        dns.map(Dns).map_err(|error| error.to_string())
    }

    /// The addresses of a host, which may be one.
    pub(super) async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, Error> {
        if let Ok(address) = host.parse() {
            return Ok(vec![address]);
        }
        let way = IpLookupStrategy::Ipv4thenIpv6;
        let (v4, v6) = (None::<&NoCache<_, _>>, None::<&NoCache<_, _>>);
        self.0.ip_lookup(&whole(host), way, ADDRESSES, v4, v6).await
    }
}

impl Dns {
    /// How many of a name's records begin with this version, whatever else is in them; none
    /// where there is no answer, which is said elsewhere.
    async fn count(&self, name: &str, version: &str) -> usize {
        let records = self.0.txt_raw_lookup(whole(name)).await.unwrap_or_default();
        let text = String::from_utf8_lossy(&records).to_lowercase();
        text.matches(&version.to_lowercase()).count()
    }
}

/// A name that no search domain is appended to.
fn whole(name: &str) -> String {
    format!("{}.", name.trim_end_matches('.'))
}

/// What a domain lacks for the mail of an account; `selector` is that of the relay's signatures,
/// where it is known.
pub async fn look(dns: &Dns, account: &HeldAccount, selector: Option<&str>) -> Vec<Finding> {
    let domain = account.sender.rsplit_once('@').map_or("", |(_, domain)| domain);
    let looking = async {
        let (spf, dmarc, dkim) = tokio::join!(
            spf(dns, account, domain),
            dmarc(dns, domain),
            dkim(dns, domain, selector),
        );
        [spf, dmarc, dkim]
    };
    match tokio::time::timeout(TIMEOUT, looking).await {
        Ok(findings) => findings.into(),
        Err(_) => vec![unanswered("spf", domain, "no answer in time")],
    }
}

async fn spf(dns: &Dns, account: &HeldAccount, domain: &str) -> Finding {
    let HeldAccount { host, sender, .. } = account;
    let (shown, relay) = (line(domain), line(host));
    let record = match host.parse::<IpAddr>() {
        Ok(IpAddr::V4(address)) => format!("ip4:{address}"),
        Ok(IpAddr::V6(address)) => format!("ip6:{address}"),
        Err(_) => format!("a:{relay}"),
    };
    let add = || format!("add the TXT record `{shown}` with `v=spf1 {record} -all`");
    let addresses = match dns.addresses(host).await {
        Ok(addresses) => addresses,
        Err(Error::Dns(DnsError::Resolver(reason))) => return unanswered("spf", domain, &reason),
        Err(_) => {
            return Finding::note(
                "spf",
                format!("the name of {relay} leads nowhere from here, so that nobody can say whether the SPF record of {shown} lets it send"),
            )
            .fix(format!(
                "the TXT record `{shown}` has to begin with `v=spf1` and to have `ip4:` with the \
                 address that the relay sends from"
            ));
        }
    };
    if dns.count(domain, "v=spf1").await > 1 {
        let told = format!("{shown} has several SPF records, which counts as a wrong one");
        return Finding::note("spf", told)
            .fix(format!("make one of the TXT records `{shown}` that begin with `v=spf1`"));
    }
    let mut seen = Finding::good("spf", format!("the SPF record of {shown} lets {relay} send"));
    for address in addresses {
        let asked = SpfParameters::verify_mail_from(address, host, host, sender);
        let told = dns.0.verify_spf(asked).await;
        seen = match told.result() {
            SpfResult::Pass => continue,
            SpfResult::None => {
                Finding::note("spf", format!("{shown} has no SPF record")).fix(add())
            }
            SpfResult::TempError => unanswered("spf", domain, "a name server gave no answer"),
            SpfResult::PermError => {
                Finding::note("spf", format!("the SPF record of {shown} is wrong")).fix(format!(
                    "correct the TXT record `{shown}`: one that begins with `v=spf1`, with at most \
                     ten parts that need a lookup (RFC 7208, 4.6.4)"
                ))
            }
            refused @ (SpfResult::Fail | SpfResult::SoftFail | SpfResult::Neutral) => {
                let told =
                    format!("the SPF record of {shown} does not let {address} send ({refused})");
                Finding::note("spf", told).fix(format!(
                    "add `{record}` to the TXT record `{shown}`, before its `all`, or the address \
                     that the relay really sends from"
                ))
            }
        };
        break;
    }
    seen
}

/// The record of the domain, else of one above it.
async fn dmarc(dns: &Dns, domain: &str) -> Finding {
    let mut of = domain;
    loop {
        let name = whole(&format!("_dmarc.{of}"));
        match dns.0.txt_lookup::<Dmarc>(&name, None::<&NoCache<_, _>>).await {
            Ok(record) => {
                if dns.count(&name, "v=DMARC1").await > 1 {
                    let told =
                        format!("{} has several DMARC records, which count as none", line(of));
                    return Finding::note("dmarc", told)
                        .fix(format!("keep one of the TXT records `_dmarc.{}`", line(of)));
                }
                // Of a domain above, the policy for those below it.
                let (tag, policy) = if of == domain { ("p", record.p) } else { ("sp", record.sp) };
                let told = format!("the DMARC record of {} says `{tag}={policy}`", line(of));
                return Finding::good("dmarc", told);
            }
            Err(Error::Dns(DnsError::Resolver(reason))) => {
                return unanswered("dmarc", domain, &reason);
            }
            Err(_) if dns.count(&name, "v=DMARC1").await > 0 => {
                let told = format!("the DMARC record of {} is wrong", line(of));
                return Finding::note("dmarc", told).fix(format!(
                    "correct the TXT record `_dmarc.{}`: `v=DMARC1; p=none`, `quarantine` or \
                     `reject`",
                    line(of)
                ));
            }
            Err(_) => {}
        }
        match of.split_once('.') {
            Some((_, above)) if above.contains('.') => of = above,
            _ => break,
        }
    }
    let shown = line(domain);
    Finding::note("dmarc", format!("{shown} has no DMARC record")).fix(format!(
        "add the TXT record `_dmarc.{shown}` with `v=DMARC1; p=none; rua=mailto:postmaster@{shown}`, \
         and sharpen it when the reports show that all mail passes"
    ))
}

async fn dkim(dns: &Dns, domain: &str, selector: Option<&str>) -> Finding {
    let shown = line(domain);
    let Some(selector) = selector else {
        let told = "whether the relay signs, and with which selector, is not known here";
        return Finding::note("dkim", told).fix(format!(
            "a message that arrived says so (`DKIM-Signature: … d={shown}; s=SELECTOR`); its key is \
             the TXT record `SELECTOR._domainkey.{shown}`, and `dkim-selector` in `providers/` has \
             it looked up"
        ));
    };
    let name = format!("{selector}._domainkey.{domain}");
    match dns.0.txt_lookup::<DomainKey>(&whole(&name), None::<&NoCache<_, _>>).await {
        Ok(_) => Finding::good("dkim", format!("{} has a key", line(&name))),
        Err(Error::Dns(DnsError::Resolver(reason))) => unanswered("dkim", domain, &reason),
        Err(Error::Dns(DnsError::RecordNotFound(_))) => {
            Finding::note("dkim", format!("{} has no key", line(&name)))
                .fix("add the TXT record that the relay shows for this selector")
        }
        Err(_) => {
            let told = format!("the key at {} is revoked or wrong", line(&name));
            Finding::note("dkim", told)
                .fix("correct its TXT record: the relay shows it for this selector")
        }
    }
}

fn unanswered(check: &'static str, domain: &str, reason: &str) -> Finding {
    let domain = line(domain);
    Finding::note(
        check,
        format!("the records of {domain} could not be looked up: {}", line(reason)),
    )
    .fix("look whether this machine reaches its name server")
}

#[cfg(test)]
pub(super) mod tests {
    use std::{net::UdpSocket, thread};

    use mail_auth::hickory_resolver::{
        config::{ConnectionConfig, NameServerConfig, ProtocolConfig},
        proto::{
            op::{Message, ResponseCode},
            rr::{
                RData, Record, RecordType,
                rdata::{A, TXT},
            },
        },
    };

    use super::*;
    use crate::{home::encryption::Encryption, wiring::Level};

    /// A name server with these records: name, and its text or its address.
    pub(in crate::wiring) fn server(records: &'static [(&'static str, &'static str)]) -> Dns {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = socket.local_addr().unwrap().port();
        thread::spawn(move || {
            let mut packet = [0; 1500];
            while let Ok((length, from)) = socket.recv_from(&mut packet) {
                let asked = Message::from_vec(&packet[..length]).unwrap();
                let question = asked.queries[0].clone();
                let name = question.name().to_string();
                let mut answer = asked.into_response();
                let of = |text: &str| match (
                    question.query_type(),
                    text.parse::<std::net::Ipv4Addr>(),
                ) {
                    (RecordType::A, Ok(address)) => Some(RData::A(A(address))),
                    (RecordType::TXT, Err(_)) => Some(RData::TXT(TXT::new(vec![text.to_owned()]))),
                    _ => None,
                };
                let known = records.iter().filter(|(known, _)| format!("{known}.") == name);
                answer.metadata.response_code = ResponseCode::NXDomain;
                for (_, text) in known {
                    answer.metadata.response_code = ResponseCode::NoError;
                    if let Some(data) = of(text) {
                        let record = Record::from_rdata(question.name().clone(), 60, data);
                        answer.add_answer(record);
                    }
                }
                socket.send_to(&answer.to_vec().unwrap(), from).unwrap();
            }
        });
        let mut connection = ConnectionConfig::new(ProtocolConfig::Udp);
        connection.port = port;
        let local = IpAddr::from([127, 0, 0, 1]);
        let server = NameServerConfig::new(local, true, vec![connection]);
        let config = ResolverConfig::from_parts(None, Vec::new(), vec![server]);
        Dns::of(config, ResolverOpts::default()).unwrap()
    }

    async fn found(
        dns: &Dns,
        host: &str,
        selector: Option<&str>,
    ) -> Vec<(&'static str, Level, String)> {
        let account = HeldAccount {
            host: host.into(),
            port: 587,
            encryption: Encryption::StartTls,
            username: None,
            sender: "wiki@example.org".into(),
        };
        let found = look(dns, &account, selector).await;
        for finding in found.iter().filter(|it| it.level != Level::Good) {
            assert!(finding.fix.is_some(), "{finding:?}");
        }
        found.iter().map(|it| (it.check, it.level, it.told().into_owned())).collect()
    }

    #[tokio::test]
    async fn what_a_domain_lacks_is_told_with_the_record_to_add() {
        use Level::{Good, Note};
        const KEY: &str = "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
        let whole = server(&[
            ("relay.example.org", "192.0.2.7"),
            ("example.org", "v=spf1 ip4:192.0.2.7 -all"),
            ("_dmarc.example.org", "v=DMARC1; p=quarantine"),
            ("s1._domainkey.example.org", KEY),
        ]);
        let levels = |found: &[(&'static str, Level, String)]| {
            found.iter().map(|(check, level, _)| (*check, *level)).collect::<Vec<_>>()
        };
        let seen = found(&whole, "relay.example.org", Some("s1")).await;
        assert_eq!(levels(&seen), [("spf", Good), ("dmarc", Good), ("dkim", Good)], "{seen:?}");
        assert!(seen[1].2.contains("p=quarantine"), "{seen:?}");
        // Another relay than the record lets send, and an unknown one.
        let seen = found(&whole, "192.0.2.8", Some("s2")).await;
        assert_eq!(levels(&seen), [("spf", Note), ("dmarc", Good), ("dkim", Note)], "{seen:?}");
        assert!(seen[0].2.contains("192.0.2.8") && seen[0].2.contains("ip4:192.0.2.8"), "{seen:?}");
        let seen = found(&whole, "inside.example.net", None).await;
        assert!(seen[0].2.contains("leads nowhere from here"), "{seen:?}");
        assert!(seen[2].2.contains("SELECTOR._domainkey.example.org"), "{seen:?}");

        let bare = server(&[("relay.example.org", "192.0.2.7")]);
        let seen = found(&bare, "relay.example.org", None).await;
        assert_eq!(levels(&seen), [("spf", Note), ("dmarc", Note), ("dkim", Note)], "{seen:?}");
        assert!(seen[0].2.contains("`v=spf1 a:relay.example.org -all`"), "{seen:?}");
        assert!(seen[1].2.contains("`_dmarc.example.org` with `v=DMARC1; p=none;"), "{seen:?}");

        let broken = server(&[
            ("relay.example.org", "192.0.2.7"),
            ("example.org", "v=spf1 include:missing.example.org -all"),
        ]);
        let seen = found(&broken, "relay.example.org", None).await;
        assert!(seen[0].2.contains("is wrong"), "{seen:?}");
    }

    #[tokio::test]
    async fn a_record_that_is_wrong_is_neither_good_nor_missing() {
        for (records, said) in [
            (
                &[
                    ("relay.example.org", "192.0.2.7"),
                    ("example.org", "v=spf1 ip4:192.0.2.7 -all"),
                    ("example.org", "v=spf1 -all"),
                    ("_dmarc.example.org", "v=DMARC1; p=none"),
                    ("_dmarc.example.org", "v=DMARC1; p=reject"),
                    ("s1._domainkey.example.org", "v=DKIM1; p="),
                ][..],
                ["has several SPF records", "has several DMARC records", "is revoked or wrong"],
            ),
            (
                &[
                    ("relay.example.org", "192.0.2.7"),
                    ("example.org", "v=spf1 ip4:192.0.2.7 -all"),
                    ("_dmarc.example.org", "v=DMARC1; p=frobnicate"),
                    ("s1._domainkey.example.org", "nonsense"),
                ],
                ["lets relay.example.org send", "is wrong", "is revoked or wrong"],
            ),
        ] {
            let seen = found(&server(records), "relay.example.org", Some("s1")).await;
            for ((_, _, told), said) in seen.iter().zip(said) {
                assert!(told.contains(said), "{said}: {seen:?}");
            }
        }
    }
}
