//! Docker over TCP with TLS, both sides known to each other by certificates, as `dockerd
//! --tlsverify` wants it: `tcp://host:2376?certificates=/path/to/folder`, whose folder has
//! docker's three files (<https://docs.docker.com/engine/security/protect-access/>).

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use bollard::{BollardRequest, errors::Error as Bollard};
use futures_util::{FutureExt, future::BoxFuture};
use hyper::{Response, body::Incoming};
use hyper_util::{
    client::legacy::Client,
    rt::{TokioExecutor, TokioIo},
};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::{
    bounded::{Bounded, LARGEST_ANSWER, is_stream},
    raw::Opener,
};

/// Bytes of a file with certificates or a key.
const LONGEST: u64 = 1 << 20;

/// The `host:port` of an endpoint, and the folder of the certificates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    host: String,
    port: u16,
    folder: PathBuf,
}

impl Target {
    /// # Errors
    /// What was expected.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        const BAD: &str = "expected `tcp://HOST:PORT?certificates=/path/to/folder`";
        const PLAIN: &str = "without certificates anyone on the way could command the engine: add \
                             `?certificates=` and the path of a folder with ca.pem, cert.pem and \
                             key.pem";
        let (place, folder) = match text.split_once('?') {
            Some((place, query)) => (place, query.strip_prefix("certificates=").ok_or(BAD)?),
            None => return Err(PLAIN),
        };
        let (host, port) = place.rsplit_once(':').ok_or(BAD)?;
        let host = host.strip_prefix('[').and_then(|it| it.strip_suffix(']')).unwrap_or(host);
        let port = port.parse().map_err(|_| BAD)?;
        let is_host = !host.is_empty() && ServerName::try_from(host.to_owned()).is_ok();
        if !is_host || port == 0 || !folder.starts_with('/') {
            return Err(BAD);
        }
        Ok(Target { host: host.to_owned(), port, folder: folder.into() })
    }
}

/// Sends requests to the engine; connections are opened anew for each.
///
/// # Errors
/// Which file cannot be read, or has no certificate.
pub(super) fn transport(
    target: Target,
) -> io::Result<
    impl Fn(BollardRequest) -> BoxFuture<'static, Result<Response<Incoming>, Bollard>> + Clone,
> {
    let config = Arc::new(config(&target.folder)?);
    let client = |most: u64| {
        let (config, target) = (Arc::clone(&config), target.clone());
        let open = move || {
            let (config, target) = (Arc::clone(&config), target.clone());
            async move {
                let stream = TcpStream::connect((target.host.as_str(), target.port)).await?;
                stream.set_nodelay(true)?;
                let name = ServerName::try_from(target.host).map_err(io::Error::other)?;
                let stream = TlsConnector::from(config).connect(name, stream).await?;
                Ok(TokioIo::new(Bounded::new(stream, most)))
            }
            .boxed()
        };
        Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build(Opener(open))
    };
    let (streams, answers) = (client(u64::MAX), client(LARGEST_ANSWER));
    Ok(move |request: BollardRequest| {
        let client = if is_stream(request.uri().path()) { &streams } else { &answers };
        client.request(request).map(|answer| answer.map_err(Into::into)).boxed()
    })
}

fn config(folder: &Path) -> io::Result<ClientConfig> {
    let read = |name: &str| {
        let path = folder.join(name);
        let told =
            |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
        if fs::metadata(&path).map_err(told)?.len() > LONGEST {
            return Err(told(io::Error::other("it is too large")));
        }
        fs::read(&path).map_err(told)
    };
    let bad = |name: &str, reason: &dyn std::fmt::Display| {
        io::Error::other(format!("{}: {reason}", folder.join(name).display()))
    };
    let certificates = |name: &str| -> io::Result<Vec<CertificateDer<'static>>> {
        let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&read(name)?).collect();
        let found = found.map_err(|error| bad(name, &error))?;
        match found.is_empty() {
            true => Err(bad(name, &"it has no certificate")),
            false => Ok(found),
        }
    };
    let mut roots = RootCertStore::empty();
    for certificate in certificates("ca.pem")? {
        roots.add(certificate).map_err(|error| bad("ca.pem", &error))?;
    }
    let key = PrivateKeyDer::from_pem_slice(&read("key.pem")?).map_err(|e| bad("key.pem", &e))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_root_certificates(roots)
        .with_client_auth_cert(certificates("cert.pem")?, key)
        .map_err(|error| bad("cert.pem", &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_names_its_certificates() {
        let good = Target::parse("[::1]:2376?certificates=/a b/c").unwrap();
        assert_eq!(good, Target { host: "::1".into(), port: 2376, folder: "/a b/c".into() });
        for (bad, said) in [
            ("swarm.example.org:2376", "without certificates"),
            ("swarm.example.org?certificates=/a", "expected"),
            ("swarm.example.org:0?certificates=/a", "expected"),
            (":2376?certificates=/a", "expected"),
            ("swarm.example.org:2376?certificates=a", "expected"),
            ("swarm.example.org:2376?certs=/a", "expected"),
        ] {
            let error = Target::parse(bad).unwrap_err();
            assert!(error.starts_with(said), "{bad}: {error}");
        }
    }

    #[test]
    fn what_is_wrong_with_the_files_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let said = || config(folder.path()).unwrap_err().to_string();
        assert!(said().contains("ca.pem: No such file"), "{}", said());
        fs::write(folder.path().join("ca.pem"), "x").unwrap();
        assert!(said().contains("ca.pem: it has no certificate"), "{}", said());
        let key = rcgen::KeyPair::generate().unwrap();
        let own = rcgen::CertificateParams::new(vec!["a.example".to_owned()]).unwrap();
        let own = own.self_signed(&key).unwrap();
        fs::write(folder.path().join("ca.pem"), own.pem()).unwrap();
        assert!(said().contains("key.pem: No such file"), "{}", said());
        fs::write(folder.path().join("key.pem"), key.serialize_pem()).unwrap();
        fs::write(folder.path().join("cert.pem"), own.pem()).unwrap();
        config(folder.path()).unwrap();
        let other = rcgen::KeyPair::generate().unwrap();
        fs::write(folder.path().join("key.pem"), other.serialize_pem()).unwrap();
        assert!(said().contains("cert.pem: "), "{}", said());
    }
}
