//! Whether the name servers lead a domain to a server, and whether what answers there at 443
//! has a certificate for it.
//!
//! A proxy of others, or a content delivery network, may be in between: what is found is
//! worth knowing, and stops nothing.

use std::{net::IpAddr, time::Duration};

use jiff::{Timestamp, Unit};
use mail_auth::{DnsError, Error};
use reqwest::{Client, redirect::Policy, tls::TlsInfo};
use x509_parser::parse_x509_certificate;

use super::{Dns, Finding};
use crate::{plugin::reason, text::line};

/// For all records of a domain.
const TIMEOUT: Duration = Duration::from_secs(8);
/// For one answer over TLS.
const ANSWER: Duration = Duration::from_secs(15);
/// Days before a certificate's end by which the usual authorities have renewed it.
const DAYS: i64 = 14;

/// Names that never lead anywhere on the internet (RFC 2606, RFC 6761, RFC 7686, RFC 8375).
const RESERVED: &[&str] =
    &["example", "test", "invalid", "localhost", "local", "internal", "onion", "lan", "home.arpa"];
/// Domains for documentation.
const DOCUMENTATION: &[&str] = &["example.com", "example.net", "example.org"];

/// Whether there is any use in looking up a domain: a plain name of the internet.
pub fn is_public(domain: &str) -> bool {
    let domain = domain.trim_end_matches('.').to_ascii_lowercase();
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let is_of = |end: &&str| {
        domain.strip_suffix(*end).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    };
    domain.contains('.')
        && domain.chars().all(plain)
        && domain.parse::<IpAddr>().is_err()
        && !RESERVED.iter().chain(DOCUMENTATION).any(is_of)
}

/// Whether a domain leads to the server with these public addresses, of which there are some.
pub async fn leads(dns: &Dns, domain: &str, server: &[IpAddr]) -> Finding {
    let looked = match tokio::time::timeout(TIMEOUT, dns.addresses(domain)).await {
        Ok(looked) => looked,
        Err(_) => Err(Error::Dns(DnsError::Resolver("no answer in time".into()))),
    };
    let shown = line(domain);
    let wanted = listed(server);
    let record = |address: &IpAddr| match address {
        IpAddr::V4(_) => format!("the A record `{shown}` with {address}"),
        IpAddr::V6(_) => format!("the AAAA record `{shown}` with {address}"),
    };
    let add = server.first().map(record).unwrap_or_default();
    let found = match looked {
        Ok(found) => found,
        Err(Error::Dns(DnsError::Resolver(reason))) => {
            let told = format!("where {shown} leads could not be looked up: {}", line(&reason));
            return Finding::note("domain", told)
                .fix("look whether this machine reaches its name server");
        }
        Err(_) => Vec::new(),
    };
    if found.is_empty() {
        return Finding::bad("domain", format!("{shown} has no address"))
            .fix(format!("add {add}; until then there is no certificate for it, either"));
    }
    let strange: Vec<IpAddr> =
        found.iter().filter(|address| !server.contains(address)).copied().collect();
    let strange_shown = listed(&strange);
    if strange.len() == found.len() {
        let told = format!("{shown} leads to {strange_shown}, and the server is {wanted}");
        return Finding::bad("domain", told)
            .fix(format!("change it to {add}, unless a proxy there leads on to the server"));
    }
    if !strange.is_empty() {
        let told = format!("{shown} also leads to {strange_shown}, which is not the server");
        return Finding::note("domain", told)
            .fix("remove that record, unless a proxy there leads on to the server");
    }
    Finding::good("domain", format!("{shown} leads to the server"))
}

fn listed(addresses: &[IpAddr]) -> String {
    let all: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    all.join(", ")
}

/// What a domain's server shows at 443.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// For how long it is good still, of one that browsers believe.
    pub days: Option<i64>,
    pub finding: Finding,
}

impl From<Finding> for Certificate {
    fn from(finding: Finding) -> Self {
        Certificate { days: None, finding }
    }
}

/// Looks whether a domain's server shows a certificate that browsers believe, and how long still.
pub async fn certificate(domain: &str) -> Certificate {
    match client(|builder| builder) {
        Ok(client) => certificate_by(&client, domain, 443, Timestamp::now()).await,
        Err(reason) => {
            Finding::note("certificate", format!("TLS cannot be used here: {reason}")).into()
        }
    }
}

fn client(
    change: impl FnOnce(reqwest::ClientBuilder) -> reqwest::ClientBuilder,
) -> Result<Client, String> {
    let builder = Client::builder()
        .redirect(Policy::none())
        .referer(false)
        .no_proxy()
        .timeout(ANSWER)
        .tls_info(true)
        .user_agent(concat!("potluck/", env!("CARGO_PKG_VERSION")));
    change(builder).build().map_err(|error| reason(&error))
}

async fn certificate_by(client: &Client, domain: &str, port: u16, now: Timestamp) -> Certificate {
    let shown = line(domain);
    let answer = match client.head(format!("https://{domain}:{port}/")).send().await {
        Ok(answer) => answer,
        Err(error) => {
            let reason = reason(&error);
            let reason = line(&reason);
            if reason.to_lowercase().contains("certificate") {
                let told = format!("the certificate of {shown} is not believed: {reason}");
                let found = Finding::bad("certificate", told).fix(
                    "look into the log of the reverse proxy: it asks for a certificate once the \
                     domain leads to it and port 80 or 443 is open",
                );
                return found.into();
            }
            let told = format!("{shown} does not answer at 443: {reason}");
            let found = Finding::bad("certificate", told)
                .fix("look whether the reverse proxy runs, and whether a firewall is in between");
            return found.into();
        }
    };
    let info = answer.extensions().get::<TlsInfo>();
    let end = info.and_then(TlsInfo::peer_certificate).and_then(|der| {
        let (_, certificate) = parse_x509_certificate(der).ok()?;
        Timestamp::from_second(certificate.validity().not_after.timestamp()).ok()
    });
    let Some(end) = end else {
        let told = format!("when the certificate of {shown} ends is unknown");
        return Finding::note("certificate", told).into();
    };
    let days = now.until((Unit::Hour, end)).map_or(0, |span| span.get_hours() as i64 / 24);
    let told = format!("the certificate of {shown} is good for {days} days");
    let finding = match days < DAYS {
        true => Finding::note("certificate", told)
            .fix("it should have been renewed by now: look into the log of the reverse proxy"),
        false => Finding::good("certificate", told),
    };
    Certificate { days: Some(days), finding }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rcgen::{
        BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd,
    };
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };
    use tokio_rustls::TlsAcceptor;

    use super::*;
    use crate::wiring::{Level, dns::tests::server};

    #[test]
    fn reserved_names_are_not_looked_up() {
        for (domain, public) in [
            ("wiki.coop.org", true),
            ("wiki.coop.org.", true),
            ("example.coop", true),
            ("myexample.com", true),
            ("wiki.example.org", false),
            ("example.org", false),
            ("wiki.example", false),
            ("wiki.test", false),
            ("localhost", false),
            ("a.localhost", false),
            ("swarm.internal", false),
            ("printer.local", false),
            ("WIKI.TEST", false),
            ("127.0.0.1", false),
            ("intranet", false),
            ("", false),
            ("*.coop.org", false),
            ("wiki coop.org", false),
        ] {
            assert_eq!(is_public(domain), public, "{domain}");
        }
    }

    #[tokio::test]
    async fn a_domain_that_leads_elsewhere_is_found() {
        let dns = server(&[
            ("here.coop.org", "93.184.216.34"),
            ("there.coop.org", "93.184.216.99"),
            ("both.coop.org", "93.184.216.34"),
            ("both.coop.org", "93.184.216.99"),
        ]);
        let address = ["93.184.216.34".parse().unwrap(), "2606:4700::1".parse().unwrap()];
        for (domain, level, told) in [
            ("here.coop.org", Level::Good, "here.coop.org leads to the server"),
            (
                "there.coop.org",
                Level::Bad,
                "there.coop.org leads to 93.184.216.99, and the server is 93.184.216.34, \
                 2606:4700::1",
            ),
            (
                "both.coop.org",
                Level::Note,
                "both.coop.org also leads to 93.184.216.99, which is not the server",
            ),
            ("none.coop.org", Level::Bad, "none.coop.org has no address"),
        ] {
            let found = leads(&dns, domain, &address).await;
            assert_eq!((found.level, &*found.message), (level, told));
        }
        let none = leads(&dns, "none.coop.org", &address).await.fix.unwrap();
        assert!(none.starts_with("add the A record `none.coop.org` with 93.184.216.34"), "{none}");
    }

    /// A server with a certificate for this name until this year, and a client that believes
    /// its authority and takes every name for that server's.
    async fn with_certificate(name: &str, until: i32) -> (Client, u16) {
        let mut of_authority = CertificateParams::new(Vec::new()).unwrap();
        of_authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority =
            CertifiedIssuer::self_signed(of_authority, KeyPair::generate().unwrap()).unwrap();
        let mut parameters = CertificateParams::new(vec![name.to_owned()]).unwrap();
        parameters.not_before = date_time_ymd(2019, 1, 1);
        parameters.not_after = date_time_ymd(until, 1, 1);
        let key = KeyPair::generate().unwrap();
        let certificate = parameters.signed_by(&key, &authority).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                rustls::pki_types::PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
            )
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let Ok(mut stream) = acceptor.accept(stream).await else { continue };
                let _ = stream.read(&mut [0; 4096]).await;
                let answer = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
                let _ = stream.write_all(answer).await;
                let _ = stream.shutdown().await;
            }
        });
        let root = reqwest::Certificate::from_der(authority.der()).unwrap();
        let client = client(|builder| {
            let builder = ["wiki.coop.org", "other.coop.org"]
                .iter()
                .fold(builder, |builder, name| builder.resolve(name, address));
            builder.tls_certs_only([root])
        });
        (client.unwrap(), address.port())
    }

    #[tokio::test]
    async fn a_certificate_is_judged_by_its_name_and_its_end() {
        let now: Timestamp = "2026-11-28T00:00:00Z".parse().unwrap();
        let (client, port) = with_certificate("wiki.coop.org", 4000).await;
        let found = certificate_by(&client, "wiki.coop.org", port, now).await.finding;
        assert_eq!(found.level, Level::Good, "{found:?}");
        // Ten days before its end.
        let near: Timestamp = "3999-12-22T00:00:00Z".parse().unwrap();
        let found = certificate_by(&client, "wiki.coop.org", port, near).await;
        assert_eq!(found.days, Some(10));
        let found = found.finding;
        let told = "the certificate of wiki.coop.org is good for 10 days";
        assert_eq!((found.level, &*found.message), (Level::Note, told));
        let found = certificate_by(&client, "other.coop.org", port, now).await.finding;
        assert!(found.level == Level::Bad && found.message.contains("not believed"), "{found:?}");

        let (client, port) = with_certificate("wiki.coop.org", 2020).await;
        let found = certificate_by(&client, "wiki.coop.org", port, now).await.finding;
        assert!(found.level == Level::Bad && found.message.contains("expired"), "{found:?}");
    }

    #[tokio::test]
    async fn a_domain_without_an_answer_at_443_is_found() {
        let (client, port) = with_certificate("wiki.coop.org", 4000).await;
        let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = closed.local_addr().unwrap();
        drop(closed);
        assert_ne!(address.port(), port);
        let now = Timestamp::now();
        let found = certificate_by(&client, "127.0.0.1", address.port(), now).await.finding;
        assert!(
            found.level == Level::Bad && found.message.contains("does not answer"),
            "{found:?}"
        );
    }
}
