//! Requests to where nobody granted any.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener},
    process::Command,
    sync::{Arc, Mutex},
};

use crate::support::common::this_test;
use potluck::{hint::Hint, plugin::Error};

use super::{
    attack_in, checks,
    hostile::{World, fail_with_error, skip},
    said,
};

/// Sends this request, and fails with what the host says of it.
fn sends(method: &str, url: &str, headers: &[(&str, &str)]) -> Vec<u8> {
    checks(&[("http", "send")], |data| {
        let (method, url) = (data.string(method), data.string(url));
        let headers = data.pairs(headers);
        // No body, and five seconds.
        data.call("send", &[method, url, headers], &[0, 0, 1, 5000]) + &fail_with_error()
    })
    .binary()
}

fn gets(url: &str) -> Vec<u8> {
    sends("GET", url, &[("Authorization", "Bearer t0ken")])
}

/// A server on this machine that answers everything so, and what it heard.
fn server(answer: &str) -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    server_at("127.0.0.1:0", answer)
}

fn server_at(bound: &str, answer: &str) -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind(bound).unwrap();
    let address = listener.local_addr().unwrap();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let (hears, answer) = (Arc::clone(&heard), answer.to_owned());
    std::thread::spawn(move || {
        for socket in listener.incoming() {
            let Ok(mut socket) = socket else { return };
            let mut head = [0; 4096];
            let length = socket.read(&mut head).unwrap_or(0);
            hears.lock().unwrap().push(String::from_utf8_lossy(&head[..length]).into_owned());
            let _ = socket.write_all(answer.as_bytes());
        }
    });
    (address, heard)
}

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi";

fn to(location: &str) -> String {
    format!(
        "HTTP/1.1 307 Temporary Redirect\r\nLocation: {location}\r\nContent-Length: 0\r\n\
         Connection: close\r\n\r\n"
    )
}

#[tokio::test]
async fn an_origin_is_asked_without_its_grant() {
    let (address, heard) = server(OK);
    for grant in ["http: http://127.0.0.1:1", "http: https://sso.example.org", "exec: http"] {
        let world = Arc::new(World::default());
        let (outcome, world) =
            attack_in(world, &gets(&format!("http://{address}/?key=value")), &[grant]).await;
        let error = outcome.unwrap_err();
        let Error::Failed { message, .. } = &error else { panic!("{error}") };
        let line = format!("http: http://{address}");
        assert_eq!(message, &line, "the author is told the line, and not the path");
        assert!(error.hint().unwrap().contains(&format!("`{line}`")), "so is the operator");
        assert_eq!(world.warnings(), [format!("was not granted `{line}`, which it tried to use")]);
    }
    assert!(heard.lock().unwrap().is_empty());
}

#[tokio::test]
async fn the_metadata_service_is_asked_in_other_spellings() {
    for url in [
        "http://169.254.169.254/latest/meta-data/",
        "http://2852039166/latest/meta-data/",
        "http://0xa9fea9fe/",
        "http://0251.0376.0251.0376/",
        "http://169.254.43518/",
        "http://169.254.169.254./",
        "http://169\u{3002}254\u{3002}169\u{3002}254/",
        "http://１６９.254.169.254/",
    ] {
        let (message, _) = said(&gets(url), &["http: https://sso.example.org"]).await;
        assert_eq!(message, "http: http://169.254.169.254", "{url}");
    }
}

#[tokio::test]
async fn a_url_hides_where_it_leads() {
    for url in [
        "http://sso.example.org@127.0.0.1/",
        "http://sso.example.org:80@127.0.0.1/",
        "http://:@127.0.0.1/",
        "file:///etc/passwd",
        "ftp://sso.example.org/",
        "unix:///var/run/docker.sock",
        "//sso.example.org/",
        "javascript:alert(1)",
        "",
    ] {
        let world = Arc::new(World::default());
        let (outcome, _) = attack_in(world, &gets(url), &["http: http://sso.example.org"]).await;
        let error = outcome.unwrap_err().to_string();
        assert!(
            error.contains("URL")
                || error.contains("neither http nor https")
                || error.contains("failed: http: http://127.0.0.1"),
            "{url}: {error}"
        );
    }
    // A backslash is a slash, as browsers read it: the host ends there.
    let (message, _) =
        said(&gets("http://127.0.0.1\\@sso.example.org/"), &["http: http://sso.example.org"]).await;
    assert_eq!(message, "http: http://127.0.0.1");
}

#[tokio::test]
async fn a_request_brings_another_along() {
    let (address, heard) = server(OK);
    let grant = format!("http: http://{address}");
    let url = format!("http://{address}/");
    let evil = "x\r\nHost: evil.example\r\n\r\nGET /secret HTTP/1.1";
    for guest in [
        sends("GET / HTTP/1.1\r\nX:", &url, &[]),
        sends("CONNECT", &url, &[]),
        sends("GET", &url, &[("X", evil)]),
        sends("GET", &url, &[(evil, "x")]),
        sends("GET", &url, &[("Host", "evil.example")]),
        sends("GET", &url, &[("Content-Length", "0")]),
        sends("GET", &url, &[("Transfer-Encoding", "chunked")]),
        sends("GET", &url, &[("Connection", "upgrade")]),
    ] {
        said(&guest, &[&grant]).await;
    }
    assert!(heard.lock().unwrap().is_empty());
    // Within a path it is written out.
    let guest = sends("GET", &format!("http://{address}/a\r\nHost: evil.example\r\n"), &[]);
    let world = Arc::new(World::default());
    attack_in(world, &guest, &[&grant]).await.0.unwrap();
    let heard = heard.lock().unwrap();
    assert!(heard[0].starts_with("GET /aHost:%20evil.example HTTP/1.1\r\n"), "{heard:?}");
}

#[tokio::test]
async fn a_redirect_leads_to_an_origin_without_a_grant() {
    let (inside, heard) = server(OK);
    for location in [
        format!("http://{inside}/metadata"),
        format!("//{inside}/metadata"),
        format!("http:\\\\{inside}\\metadata"),
    ] {
        let (outside, _) = server(&to(&location));
        let grant = format!("http: http://{outside}");
        let (message, _) = said(&gets(&format!("http://{outside}/")), &[&grant]).await;
        assert_eq!(message, format!("http: http://{inside}"), "{location}");
    }
    for (location, why) in [
        ("http://169.254.169.254/latest/", "http: http://169.254.169.254"),
        ("file:///etc/passwd", "away from http"),
        ("http://user:pass@127.0.0.1/", "user name"),
        ("http://[::1]/", "http: http://[::1]"),
    ] {
        let (outside, _) = server(&to(location));
        let grant = format!("http: http://{outside}");
        let (message, _) = said(&gets(&format!("http://{outside}/")), &[&grant]).await;
        assert!(message.contains(why), "{location}: {message}");
    }
    assert!(heard.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_redirect_takes_a_token_along() {
    let (inside, heard) = server(OK);
    let (outside, _) = server(&to(&format!("http://{inside}/")));
    let grants = [format!("http: http://{outside}"), format!("http: http://{inside}")];
    let grants: Vec<&str> = grants.iter().map(String::as_str).collect();
    let world = Arc::new(World::default());
    attack_in(world, &gets(&format!("http://{outside}/")), &grants).await.0.unwrap();
    let heard = heard.lock().unwrap();
    assert_eq!(heard.len(), 1);
    assert!(!heard[0].contains("t0ken"), "{heard:?}");
}

#[tokio::test]
async fn redirects_never_end() {
    let (address, heard) = server(&to("/again"));
    let grant = format!("http: http://{address}");
    let (message, _) = said(&gets(&format!("http://{address}/")), &[&grant]).await;
    assert_eq!(message, "more than 5 redirects");
    assert_eq!(heard.lock().unwrap().len(), 6);
}

#[tokio::test]
async fn a_name_leads_to_this_machine() {
    let (address, heard) = server(OK);
    let port = address.port();
    for (host, addresses, why) in [
        ("evil.example", &["127.0.0.1"][..], "loopback"),
        ("evil.example", &["::1"], "loopback"),
        ("evil.example", &["::ffff:127.0.0.1"], "loopback"),
        ("evil.example", &["0.0.0.0"], "unspecified"),
        ("metadata.internal", &["169.254.169.254"], "the metadata service of a cloud"),
        ("metadata.internal", &["168.63.129.16"], "the metadata service of a cloud"),
        ("app.internal", &["10.0.0.5", "fd00::5"], "private"),
    ] {
        let names = [(
            host.to_owned(),
            addresses.iter().map(|address| address.parse().unwrap()).collect::<Vec<_>>(),
        )];
        let world = Arc::new(World { names: names.into(), ..World::default() });
        let origin = format!("http://{host}:{port}");
        let (outcome, world) =
            attack_in(world, &gets(&origin), &[&format!("http: {origin}")]).await;
        let error = outcome.unwrap_err();
        let Error::Failed { message, .. } = &error else { panic!("{error}") };
        assert!(message.contains(why), "{host}: {message}");
        assert!(message.contains("stays closed unless `http: http://"), "the author: {message}");
        assert!(error.hint().unwrap().contains("`http: http://"), "the operator: {error:?}");
        assert!(world.warnings()[0].starts_with("was denied an address: "), "{error}");
    }
    assert!(heard.lock().unwrap().is_empty());
}

/// In a network namespace of its own, where public addresses are this machine's:
/// this very test runs once more in there.
#[tokio::test]
async fn a_name_leads_to_an_interface_of_this_machine() {
    const INSIDE: &str = "POTLUCK_TEST_IN_NAMESPACE";
    if std::env::var_os(INSIDE).is_some() {
        return interfaces_are_closed().await;
    }
    let addresses = "set -e; ip link set lo up; ip link add net0 type veth peer name net1; \
                     ip address add 8.8.4.4/24 dev net0; \
                     ip address add 2a01:4f8::4/64 dev net0 nodad; \
                     ip address add 168.63.129.16/32 dev net0; \
                     ip link set net0 up; ip link set net1 up; \
                     exec \"$0\" --exact \"$1\"";
    // A shorter name could be taken for the beginning of a word of `ip`.
    let veth = ["--net", "ip", "link", "add", "net0", "type", "veth"];
    let made = Command::new("unshare").args(veth).output();
    if !made.as_ref().is_ok_and(|made| made.status.success()) {
        skip(&format!("no network namespace can be made: {made:?}"));
        return;
    }
    let inside = Command::new("unshare")
        .args(["--net", "sh", "-c", addresses])
        .arg(std::env::current_exe().unwrap())
        .arg(this_test())
        .env(INSIDE, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&inside.stdout);
    let ran = inside.status.success() && said.contains("1 passed");
    assert!(ran, "{said}\n{}", String::from_utf8_lossy(&inside.stderr));
}

async fn interfaces_are_closed() {
    let own = "an address of this machine";
    for (bound, address, why) in [
        ("8.8.4.4:0", "8.8.4.4", own),
        ("[2a01:4f8::4]:0", "2a01:4f8::4", own),
        ("168.63.129.16:0", "168.63.129.16", "the metadata service of a cloud"),
        // A neighbour; nobody is there to answer, and nobody is asked.
        ("8.8.4.4:0", "8.8.4.9", "in a network of this machine"),
        ("[2a01:4f8::4]:0", "2a01:4f8::9", "in a network of this machine"),
        ("8.8.4.4:0", "::ffff:8.8.4.4", own),
    ] {
        let (server, heard) = server_at(bound, OK);
        let origin = format!("http://evil.example:{}", server.port());
        let granted = format!("http: {origin}");
        let world = |address: &str| {
            let names = [("evil.example".to_owned(), vec![address.parse().unwrap()])];
            Arc::new(World { names: names.into(), ..World::default() })
        };
        let (outcome, _) = attack_in(world(address), &gets(&origin), &[&granted]).await;
        let error = outcome.unwrap_err().to_string();
        assert!(error.contains(why), "{address}: {error}");
        assert!(error.contains("stays closed unless `http: http://"), "{error}");
        assert!(heard.lock().unwrap().is_empty(), "{address}");
        // The server is there: named literally, it answers.
        let literal = format!("http: http://{server}");
        let grants = [granted.as_str(), literal.as_str()];
        let world = world(&server.ip().to_string());
        attack_in(world, &gets(&origin), &grants).await.0.unwrap();
        assert_eq!(heard.lock().unwrap().len(), 1, "{address}");
    }
}

#[tokio::test]
async fn a_name_leads_to_another_service_of_a_granted_address() {
    // The address was opened for one port; the name was granted with another.
    let (address, heard) = server(OK);
    let names = [("evil.example".to_owned(), vec![address.ip()])];
    let world = Arc::new(World { names: names.into(), ..World::default() });
    let origin = format!("http://evil.example:{}", address.port());
    let grants = [format!("http: {origin}"), "http: http://127.0.0.1:1".to_owned()];
    let grants: Vec<&str> = grants.iter().map(String::as_str).collect();
    let error = attack_in(world, &gets(&origin), &grants).await.0.unwrap_err().to_string();
    assert!(error.contains("loopback"), "{error}");
    assert!(heard.lock().unwrap().is_empty());
}

#[tokio::test]
async fn an_answer_is_endless() {
    let body = "x".repeat(70 << 10);
    let (address, _) = server(&format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    ));
    let grant = format!("http: http://{address}");
    let (message, _) = said(&gets(&format!("http://{address}/")), &[&grant]).await;
    assert_eq!(message, "the answer has more than 65536 bytes");
}
