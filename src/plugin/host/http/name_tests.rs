//! Names that lead to closed addresses, whatever the name server says and when.

use std::{
    collections::VecDeque,
    io,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;

use super::{
    super::testing::state,
    addresses::Opened,
    connect::Checked,
    http::{Error, Host as _, Request, Response},
    tests::{get, ok, serve},
};
use crate::plugin::{HttpError, HttpRequest, HttpResponse, Machine, Network, Outside};

/// A machine whose name server gives these answers, one after the other; the
/// last one for good.
pub struct Net {
    pub answers: Mutex<VecDeque<Vec<IpAddr>>>,
    pub authorities: Option<Vec<Vec<u8>>>,
}

impl Net {
    pub fn of(answers: &[&[&str]]) -> Self {
        let parsed = |texts: &&[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
        Net { answers: Mutex::new(answers.iter().map(parsed).collect()), authorities: None }
    }
}

#[async_trait]
impl Outside for Net {
    fn now(&self) -> Duration {
        Machine.now()
    }
    fn random(&self, buffer: &mut [u8]) -> Result<(), String> {
        Machine.random(buffer)
    }
    async fn answer(&self, _: &HttpRequest) -> Option<Result<HttpResponse, HttpError>> {
        None
    }
    async fn addresses(&self, _: &str) -> io::Result<Vec<IpAddr>> {
        let mut answers = self.answers.lock().unwrap();
        if answers.len() > 1 {
            return Ok(answers.pop_front().unwrap());
        }
        answers.front().cloned().ok_or_else(|| io::ErrorKind::NotFound.into())
    }
    fn authorities(&self) -> Option<Vec<Vec<u8>>> {
        self.authorities.clone()
    }
    fn answered(&self, _: &HttpRequest, _: &Result<HttpResponse, HttpError>) {}
}

pub async fn send(net: Net, grants: &[String], request: Request) -> Result<Response, Error> {
    let mut state = state(grants);
    state.surroundings.outside = Arc::new(net);
    state.send(request).await.unwrap()
}

#[tokio::test]
async fn a_name_that_leads_to_a_closed_address_is_denied_with_what_would_open_it() {
    let (address, requests) = serve(|_| ok("hello")).await;
    let port = address.port();
    let origin = format!("http://evil.example:{port}");
    for (answer, shown, why) in [
        ("127.0.0.1", "127.0.0.1", "loopback"),
        ("0.0.0.0", "0.0.0.0", "unspecified"),
        ("10.0.0.1", "10.0.0.1", "private"),
        ("169.254.169.254", "169.254.169.254", "metadata service of a cloud"),
        ("168.63.129.16", "168.63.129.16", "metadata service of a cloud"),
        ("169.254.1.1", "169.254.1.1", "link-local"),
        ("100.64.0.1", "100.64.0.1", "shared"),
        ("::1", "[::1]", "loopback"),
        ("fd00:ec2::254", "[fd00:ec2::254]", "metadata service of a cloud"),
        ("fd00::254", "[fd00::254]", "private"),
        ("fe80::1", "[fe80::1]", "link-local"),
        ("::ffff:127.0.0.1", "[::ffff:7f00:1]", "loopback"),
        ("::127.0.0.1", "[::7f00:1]", "loopback"),
        ("64:ff9b::a9fe:a9fe", "[64:ff9b::a9fe:a9fe]", "metadata service of a cloud"),
        ("64:ff9b:1::a00:1", "[64:ff9b:1::a00:1]", "reserved"),
        ("2002:7f00:1::", "[2002:7f00:1::]", "loopback"),
    ] {
        let mut state = state(&[format!("http: {origin}")]);
        state.surroundings.outside = Arc::new(Net::of(&[&[answer]]));
        match state.send(get(&origin)).await.unwrap() {
            Err(Error::Denied(message)) => {
                assert!(message.contains(why), "{answer}: {message}");
                let line = format!("`http: http://{shown}:{port}`");
                assert!(message.contains(&line), "the author is told: {message}");
                let denied: Vec<String> = state.denied.iter().map(ToString::to_string).collect();
                assert_eq!(denied, [line.trim_matches('`')], "and so is the operator");
            }
            other => panic!("{answer}: {other:?}"),
        }
    }
    assert!(requests.lock().unwrap().is_empty(), "nothing was reached");
}

fn checked(answers: &[&[&str]], origins: &[&str], port: u16) -> Checked {
    Checked {
        opened: Arc::new(Opened::by(origins.iter().copied())),
        outside: Arc::new(Net::of(answers)),
        scheme: "https".into(),
        port,
    }
}

#[tokio::test]
async fn the_second_answer_is_checked_like_the_first() {
    // DNS rebinding: the name is public when it is looked at, and private when
    // it is used. What is looked at is what is used.
    let names = checked(&[&["1.1.1.1"], &["127.0.0.1"]], &[], 443);
    let first: Vec<SocketAddr> = names.open("rebind.example").await.unwrap();
    assert_eq!(first, ["1.1.1.1:443".parse().unwrap()]);
    let second = names.open("rebind.example").await.unwrap_err();
    assert!(second.to_string().contains("loopback"), "{second}");
}

#[tokio::test]
async fn closed_addresses_among_open_ones_are_left_out() {
    let mixed: &[&str] = &["10.0.0.1", "1.1.1.1", "::1", "169.254.169.254", "2606:4700::1111"];
    let open = checked(&[mixed], &[], 443).open("mixed.example").await.unwrap();
    assert_eq!(open, ["1.1.1.1:443".parse().unwrap(), "[2606:4700::1111]:443".parse().unwrap()]);
}

#[tokio::test]
async fn a_networks_interfaces_are_listed_for_every_connection() {
    // An address comes to an interface between two connections.
    let networks = Mutex::new(VecDeque::from([vec![], vec![("8.8.4.4", 24)]]));
    let names = Checked {
        opened: Arc::new(Opened::default()),
        outside: Arc::new(Moving { networks }),
        scheme: "https".into(),
        port: 443,
    };
    assert_eq!(names.open("sso.example").await.unwrap().len(), 1);
    let error = names.open("sso.example").await.unwrap_err().to_string();
    assert!(error.contains("8.8.4.9, which is in a network of this machine"), "{error}");
    // Not known is not open.
    let error = names.open("sso.example").await.unwrap_err().to_string();
    assert!(error.contains("no interfaces"), "{error}");
}

/// A machine whose interfaces change, and are unknown in the end.
struct Moving {
    networks: Mutex<VecDeque<Vec<(&'static str, u32)>>>,
}

#[async_trait]
impl Outside for Moving {
    fn now(&self) -> Duration {
        Machine.now()
    }
    fn random(&self, buffer: &mut [u8]) -> Result<(), String> {
        Machine.random(buffer)
    }
    async fn answer(&self, _: &HttpRequest) -> Option<Result<HttpResponse, HttpError>> {
        None
    }
    async fn addresses(&self, _: &str) -> io::Result<Vec<IpAddr>> {
        Ok(vec!["8.8.4.9".parse().unwrap()])
    }
    fn networks(&self) -> io::Result<Vec<Network>> {
        let now = self.networks.lock().unwrap().pop_front();
        let now = now.ok_or_else(|| io::Error::other("no interfaces"))?;
        let parse =
            |(address, prefix): (&str, u32)| Network { address: address.parse().unwrap(), prefix };
        Ok(now.into_iter().map(parse).collect())
    }
    fn answered(&self, _: &HttpRequest, _: &Result<HttpResponse, HttpError>) {}
}

#[tokio::test]
async fn an_address_is_opened_at_its_port_only() {
    let origins = ["https://10.0.0.1:8443", "https://sso.internal:8443"];
    let open = checked(&[&["10.0.0.1"]], &origins, 8443).open("sso.internal").await.unwrap();
    assert_eq!(open, ["10.0.0.1:8443".parse().unwrap()]);
    let error = checked(&[&["10.0.0.1"]], &origins, 2376).open("sso.internal").await.unwrap_err();
    assert!(error.to_string().contains("`http: https://10.0.0.1:2376`"), "{error}");
}

#[tokio::test]
async fn a_name_may_lead_where_a_grant_names_the_address() {
    let (address, _) = serve(|_| ok("hello")).await;
    let origin = format!("http://app.internal:{}", address.port());
    let grants = [format!("http: {origin}"), format!("http: http://{address}")];
    let answer = send(Net::of(&[&["127.0.0.1"]]), &grants, get(&origin)).await.unwrap();
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn a_name_that_leads_nowhere_is_no_denial() {
    let grants = ["http: http://nowhere.example".to_owned()];
    let error = send(Net::of(&[]), &grants, get("http://nowhere.example")).await.unwrap_err();
    assert!(matches!(error, Error::Failed(ref m) if m.contains("no connection")), "{error:?}");
}
