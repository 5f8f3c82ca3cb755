//! A swarm behind TLS, both sides known by certificates, as `dockerd --tlsverify` is: the real
//! engine's socket behind a port of the test's own.

use std::{fs, path::Path, sync::Arc};

use futures_util::StreamExt;
use potluck::engine::{Engine, Error, Exec, Scope, swarm::SwarmEngine};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{
    RootCertStore, ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::WebPkiClientVerifier,
};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, UnixStream},
};
use tokio_rustls::TlsAcceptor;

use crate::support::common::*;

/// An authority, and who it vouches for.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        Authority(CertifiedIssuer::self_signed(params, key).unwrap())
    }

    /// A certificate and its key, as PEM.
    fn issue(&self, name: &str) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        (params.signed_by(&key, &self.0).unwrap().pem(), key.serialize_pem())
    }

    /// docker's three files of a client that this authority knows, which believes `server`.
    fn folder(&self, server: &Authority) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let (certificate, key) = self.issue("operator");
        fs::write(folder.path().join("ca.pem"), server.0.pem()).unwrap();
        fs::write(folder.path().join("cert.pem"), certificate).unwrap();
        fs::write(folder.path().join("key.pem"), key).unwrap();
        folder
    }
}

/// The engine's socket behind TLS; returns the port.
async fn serve(authority: &Authority, name: &str, socket: String) -> u16 {
    let (certificate, key) = authority.issue(name);
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.0.pem().as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(clients.build().unwrap())
        .with_single_cert(
            vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()],
            PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap(),
        )
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, socket) = (acceptor.clone(), socket.clone());
            tokio::spawn(async move {
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                let mut engine = UnixStream::connect(socket).await.unwrap();
                let _ = copy_bidirectional(&mut stream, &mut engine).await;
            });
        }
    });
    port
}

fn connect(port: u16, folder: &Path) -> SwarmEngine {
    let endpoint = format!("tcp://127.0.0.1:{port}?certificates={}", folder.display());
    SwarmEngine::connect(&endpoint).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_and_streams_go_through_tls_and_strangers_do_not() {
    if real_engine().await.is_none() {
        return;
    }
    let socket = endpoint().strip_prefix("unix://").expect("a socket of this machine").to_owned();
    let ours = Authority::new();
    let port = serve(&ours, "127.0.0.1", socket.clone()).await;
    let folder = ours.folder(&ours);
    let engine = connect(port, folder.path());
    assert!(!engine.manager().await.unwrap().version.is_empty());
    let stack = unique_stack("engine-tls");
    let _cleanup = Cleanup::new(&stack);
    assert!(engine.services(Scope::Stack(&stack)).await.unwrap().is_empty());
    engine.create_service(service_spec(&stack, "web", &["sleep", "3600"]), None).await.unwrap();
    let container = running_container(&engine, &format!("{stack}_web")).await;
    // A program's streams take the connection over.
    let exec = Exec { argv: vec!["echo".into(), "soup".into()], ..Default::default() };
    let mut session = engine.exec(&container, &exec).await.unwrap();
    let mut said = Vec::new();
    while let Some(part) = session.output.next().await {
        said.extend_from_slice(&part.unwrap().bytes);
    }
    assert_eq!(said, b"soup\n");

    // Who has a certificate of another authority is let in nowhere, and believes nobody else's.
    let theirs = Authority::new();
    for folder in [theirs.folder(&ours), ours.folder(&theirs)] {
        let refused = connect(port, folder.path()).manager().await.unwrap_err();
        assert!(matches!(refused, Error::Unreachable { .. }), "{refused:?}");
    }
    // Nor is a server that has another name.
    let other = serve(&ours, "swarm.example.org", socket).await;
    let refused = connect(other, folder.path()).manager().await.unwrap_err();
    assert!(matches!(refused, Error::Unreachable { .. }), "{refused:?}");
}
