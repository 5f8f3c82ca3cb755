//! Certificates: who is trusted, for which name, and until when.

use std::{net::SocketAddr, sync::Arc};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use rustls::{
    ServerConfig,
    crypto::aws_lc_rs::default_provider,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use tokio_rustls::TlsAcceptor;

use super::{
    http::{Error, Response},
    name_tests::{Net, send},
    tests::{get, ok, to},
};

/// An authority of these tests' own.
fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// Serves `answer` at a free port, as `name`, until the end of `year`.
async fn serve(
    authority: &CertifiedIssuer<'static, KeyPair>,
    name: &str,
    year: i32,
    answer: String,
) -> SocketAddr {
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(year, 12, 31);
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, authority).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let Ok(mut socket) = acceptor.accept(socket).await else { continue };
            let mut head = [0; 4096];
            if socket.read(&mut head).await.is_ok() {
                let _ = socket.write_all(answer.as_bytes()).await;
                let _ = socket.shutdown().await;
            }
        }
    });
    address
}

/// Asks `https://sso.test` there, trusting this authority or the machine's.
async fn ask(
    address: SocketAddr,
    trusted: Option<&CertifiedIssuer<'static, KeyPair>>,
    more: &[String],
) -> Result<Response, Error> {
    let origin = format!("https://sso.test:{}", address.port());
    let mut grants = vec![format!("http: {origin}"), format!("http: https://{address}")];
    grants.extend_from_slice(more);
    let mut net = Net::of(&[&["127.0.0.1"]]);
    net.authorities = trusted.map(|authority| vec![authority.der().to_vec()]);
    send(net, &grants, get(&origin)).await
}

fn untrusted(outcome: Result<Response, Error>, why: &str) {
    match outcome {
        Err(Error::Failed(message)) => {
            assert!(message.contains("certificate") && message.contains(why), "{message}");
        }
        other => panic!("{why}: {other:?}"),
    }
}

#[tokio::test]
async fn a_trusted_certificate_for_the_name_is_taken() {
    let authority = authority();
    let address = serve(&authority, "sso.test", 2100, ok("hello")).await;
    let answer = ask(address, Some(&authority), &[]).await.unwrap();
    assert_eq!((answer.status, &answer.body[..]), (200, &b"hello"[..]));
}

#[tokio::test]
async fn a_certificate_of_an_unknown_authority_is_refused() {
    let (known, unknown) = (authority(), authority());
    let address = serve(&unknown, "sso.test", 2100, ok("hello")).await;
    untrusted(ask(address, Some(&known), &[]).await, "");
    // Nor does the machine itself trust it.
    untrusted(ask(address, None, &[]).await, "");
}

#[tokio::test]
async fn a_certificate_for_another_name_is_refused() {
    let authority = authority();
    let address = serve(&authority, "evil.test", 2100, ok("hello")).await;
    untrusted(ask(address, Some(&authority), &[]).await, "not valid for name");
}

#[tokio::test]
async fn a_certificate_that_has_expired_is_refused() {
    let authority = authority();
    let address = serve(&authority, "sso.test", 2021, ok("hello")).await;
    untrusted(ask(address, Some(&authority), &[]).await, "expired");
}

#[tokio::test]
async fn a_server_without_tls_is_no_https() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let heard = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        socket.write_all(ok("hello").as_bytes()).await.unwrap();
        let mut heard = Vec::new();
        let _ = socket.read_to_end(&mut heard).await;
        heard
    });
    let error = ask(address, Some(&authority()), &[]).await.unwrap_err();
    assert!(matches!(error, Error::Failed(_)), "{error:?}");
    let heard = String::from_utf8_lossy(&heard.await.unwrap()).into_owned();
    assert!(!heard.contains("t0ken"), "{heard}");
}

#[tokio::test]
async fn a_redirect_from_https_to_http_is_not_followed() {
    let (plain, requests) = super::tests::serve(|_| ok("hello")).await;
    let authority = authority();
    let address = serve(&authority, "sso.test", 2100, to(&format!("http://{plain}/x"))).await;
    // Granted or not: what was sent in secret is not sent again in the clear.
    let granted = [format!("http: http://{plain}")];
    match ask(address, Some(&authority), &granted).await {
        Err(Error::Failed(message)) => assert_eq!(message, "a redirect from https to http"),
        other => panic!("{other:?}"),
    }
    assert!(requests.lock().unwrap().is_empty());
}
