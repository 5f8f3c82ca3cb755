//! Requests against servers on this machine, which only a literal grant opens.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use super::super::testing::state;
use super::{next::BODY, *};

pub type Requests = Arc<Mutex<Vec<String>>>;

/// Answers each request by its path; keeps what was sent.
pub async fn serve(
    answer: impl Fn(&str) -> String + Send + Sync + 'static,
) -> (SocketAddr, Requests) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let requests = Requests::default();
    let seen = requests.clone();
    let answer = Arc::new(answer);
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let (seen, answer) = (seen.clone(), answer.clone());
            tokio::spawn(async move {
                let mut head = Vec::new();
                while !head.windows(4).any(|w| w == b"\r\n\r\n") {
                    let mut part = [0; 1024];
                    match socket.read(&mut part).await {
                        Ok(0) | Err(_) => return,
                        Ok(length) => head.extend_from_slice(&part[..length]),
                    }
                }
                let head = String::from_utf8(head).unwrap();
                let path = head.split(' ').nth(1).unwrap().to_owned();
                seen.lock().unwrap().push(head);
                let _ = socket.write_all(answer(&path).as_bytes()).await;
            });
        }
    });
    (address, requests)
}

pub fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
}

pub fn to(location: &str) -> String {
    format!(
        "HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    )
}

pub fn get(url: &str) -> http::Request {
    http::Request {
        method: "GET".into(),
        url: url.into(),
        headers: vec![("Authorization".into(), "Bearer t0ken".into())],
        body: Vec::new(),
        timeout_ms: Some(5000),
    }
}

async fn send(grants: &[String], request: http::Request) -> Result<http::Response, http::Error> {
    use http::Host as _;
    state(grants).send(request).await.unwrap()
}

#[tokio::test]
async fn a_granted_origin_answers() {
    let (address, _) = serve(|_| ok("hello")).await;
    let grants = [format!("http: http://{address}")];
    let answer = send(&grants, get(&format!("http://{address}/x"))).await.unwrap();
    assert_eq!((answer.status, &answer.body[..]), (200, &b"hello"[..]));
}

#[tokio::test]
async fn an_ungranted_origin_is_refused_with_the_line_that_allows_it() {
    let (address, requests) = serve(|_| ok("hello")).await;
    for grants in [
        vec![],
        vec!["http: http://127.0.0.1:1".to_owned()],
        vec![format!("http: https://{address}")],
    ] {
        match send(&grants, get(&format!("http://{address}/x?token=1"))).await {
            Err(http::Error::Denied(line)) => assert_eq!(line, format!("http: http://{address}")),
            other => panic!("{other:?}"),
        }
    }
    assert!(requests.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_redirect_is_checked_again() {
    let (inside, inside_requests) = serve(|_| ok("secrets of this machine")).await;
    let (outside, _) = serve(move |_| to(&format!("http://{inside}/metadata"))).await;
    let grants = [format!("http: http://{outside}")];
    match send(&grants, get(&format!("http://{outside}/"))).await {
        Err(http::Error::Denied(line)) => assert_eq!(line, format!("http: http://{inside}")),
        other => panic!("{other:?}"),
    }
    assert!(inside_requests.lock().unwrap().is_empty());

    // With both granted it goes on, without the credentials.
    let grants = [format!("http: http://{outside}"), format!("http: http://{inside}")];
    assert_eq!(send(&grants, get(&format!("http://{outside}/"))).await.unwrap().status, 200);
    let requests = inside_requests.lock().unwrap();
    assert!(!requests[0].to_lowercase().contains("authorization"), "{requests:?}");
}

#[tokio::test]
async fn redirects_have_an_end() {
    let (address, requests) = serve(|path| to(&format!("{path}x"))).await;
    let grants = [format!("http: http://{address}")];
    let error = send(&grants, get(&format!("http://{address}/"))).await.unwrap_err();
    assert!(matches!(error, http::Error::Failed(ref m) if m.contains("redirects")), "{error:?}");
    assert_eq!(requests.lock().unwrap().len(), REDIRECTS + 1);
}

#[tokio::test]
async fn a_name_that_leads_to_this_machine_stays_closed() {
    // `localhost.` and `ip6-localhost` are names like any other; the grant of a
    // name opens no address.
    let (address, requests) = serve(|_| ok("hello")).await;
    let origin = format!("http://localhost.:{}", address.port());
    let error = send(&[format!("http: {origin}")], get(&origin)).await.unwrap_err();
    match error {
        http::Error::Denied(why) => assert!(why.contains("loopback"), "{why}"),
        // Where the resolver does not know the dotted name, nothing is reached.
        http::Error::Failed(why) => assert!(why.contains("no connection"), "{why}"),
        other => panic!("{other:?}"),
    }
    assert!(requests.lock().unwrap().is_empty());

    let origin = format!("http://localhost:{}", address.port());
    let answer = send(&[format!("http: {origin}")], get(&origin)).await.unwrap();
    assert_eq!(answer.status, 200, "localhost names the loopback address");
}

#[tokio::test]
async fn an_answer_that_is_too_large_is_refused() {
    let (address, _) = serve(|_| ok(&"x".repeat(9 << 20))).await;
    let grants = [format!("http: http://{address}")];
    let error = send(&grants, get(&format!("http://{address}/"))).await.unwrap_err();
    assert!(matches!(error, http::Error::Failed(ref m) if m.contains("more than")), "{error:?}");
}

#[tokio::test]
async fn a_server_that_never_answers_is_left() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut request = get(&format!("http://{address}/"));
    request.timeout_ms = Some(200);
    let error = send(&[format!("http: http://{address}")], request).await.unwrap_err();
    assert!(matches!(error, http::Error::TimedOut), "{error:?}");
}

#[tokio::test]
async fn requests_that_are_none_are_refused() {
    let grants = ["http: http://127.0.0.1:1".to_owned()];
    let with = |change: fn(&mut http::Request)| {
        let mut request = get("http://127.0.0.1:1/");
        change(&mut request);
        request
    };
    for request in [
        with(|r| r.url = "file:///etc/passwd".into()),
        with(|r| r.url = "http://user:pass@127.0.0.1:1/".into()),
        with(|r| r.url = "no url".into()),
        with(|r| r.method = "CONNECT".into()),
        with(|r| r.method = "GET / HTTP/1.1\r\nX: y".into()),
        with(|r| r.headers.push(("Host".into(), "elsewhere".into()))),
        with(|r| r.headers.push(("X".into(), "a\r\nHost: elsewhere".into()))),
        with(|r| r.headers.push(("Transfer-Encoding".into(), "chunked".into()))),
        with(|r| r.body = vec![0; BODY + 1]),
    ] {
        let shown = format!("{} {} {:?}", request.method, request.url, request.headers.last());
        match send(&grants, request).await {
            Err(http::Error::Invalid(why)) => {
                assert!(!why.contains("connection"), "{shown}: {why}")
            }
            other => panic!("{shown}: {other:?}"),
        }
    }
}
