//! Tells a monitor of a run, in the manner of Healthchecks: its address for success, `/start`
//! and `/fail` below it for the rest. The address lets anyone report, so it is in no message,
//! and reqwest's errors, which have it, are not shown.

use std::{ffi::OsString, time::Duration};

use reqwest::{Client, StatusCode};
use url::Url;

use super::client::{client, failed};

/// After the first one.
const RETRIES: u32 = 5;
/// Before the second try; doubled from try to try.
const PAUSE: Duration = Duration::from_secs(1);
/// Bytes of what is said about a failure.
const LONGEST: usize = 10_000;

/// What is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ping<'a> {
    Start,
    Success(&'a str),
    Failure(&'a str),
}

/// A monitor that expects to hear of each run.
pub struct Monitor {
    client: Client,
    url: Url,
    pause: Duration,
}

impl Monitor {
    /// `environment` are the caller's variables that name a proxy, among others.
    ///
    /// # Errors
    /// What is wrong with a proxy, or with this system's certificates, in words.
    pub fn new(url: Url, environment: &[(OsString, OsString)]) -> Result<Self, String> {
        Ok(Monitor { client: client(environment)?, url, pause: PAUSE })
    }

    /// Tells the monitor, again and again for about half a minute.
    ///
    /// # Errors
    /// Why it did not take it, in words and without its address.
    pub async fn ping(&self, ping: Ping<'_>) -> Result<(), String> {
        let mut pause = self.pause;
        let mut tries = 0;
        loop {
            tries += 1;
            let (reason, may_pass) = match self.once(ping).await {
                Ok(status) if status.is_success() => return Ok(()),
                Ok(status) => {
                    let later = status.is_server_error()
                        || matches!(
                            status,
                            StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT
                        );
                    (format!("it answers {status}"), later)
                }
                Err(error) => (failed(&error), !error.is_redirect()),
            };
            if !may_pass || tries > RETRIES {
                let again = if tries > 1 { format!(", in {tries} tries") } else { String::new() };
                return Err(format!("the monitor was not told: {reason}{again}"));
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
    }

    async fn once(&self, ping: Ping<'_>) -> reqwest::Result<StatusCode> {
        let (below, said) = match ping {
            Ping::Start => (Some("start"), ""),
            Ping::Success(said) => (None, said),
            Ping::Failure(said) => (Some("fail"), said),
        };
        let said = &said[..said.floor_char_boundary(LONGEST)];
        let request = self.client.post(address(&self.url, below)).body(said.to_owned());
        Ok(request.send().await?.status())
    }
}

/// The address with a part more in its path; what follows `?` is kept.
fn address(url: &Url, below: Option<&str>) -> Url {
    let mut url = url.clone();
    // An http address has a path.
    if let (Some(below), Ok(mut path)) = (below, url.path_segments_mut()) {
        path.pop_if_empty().push(below);
    }
    url
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read, Write},
        net::TcpListener,
        thread,
    };

    use super::*;

    #[test]
    fn addresses() {
        for (url, below, expected) in [
            ("https://hc.example/0c89", None, "https://hc.example/0c89"),
            ("https://hc.example/0c89", Some("start"), "https://hc.example/0c89/start"),
            ("https://hc.example/0c89/", Some("fail"), "https://hc.example/0c89/fail"),
            (
                "https://hc.example/key/slug?create=1",
                Some("fail"),
                "https://hc.example/key/slug/fail?create=1",
            ),
        ] {
            assert_eq!(address(&Url::parse(url).unwrap(), below).as_str(), expected);
        }
    }

    /// Answers with these, one connection each, then is gone; gives what was asked.
    fn monitor(answers: &'static [&'static str]) -> (Monitor, thread::JoinHandle<Vec<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/0c8983c9", listener.local_addr().unwrap());
        let asked = thread::spawn(move || {
            let answer = |answer: &&str| {
                let (mut stream, _) = listener.accept().unwrap();
                let mut asked = [0; 4096];
                let length = stream.read(&mut asked).unwrap();
                let answer =
                    format!("HTTP/1.1 {answer}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
                stream.write_all(answer.as_bytes()).unwrap();
                String::from_utf8_lossy(&asked[..length]).lines().next().unwrap().to_owned()
            };
            answers.iter().map(answer).collect()
        });
        let mut monitor = Monitor::new(url.parse().unwrap(), &[]).unwrap();
        monitor.pause = Duration::from_millis(1);
        (monitor, asked)
    }

    #[tokio::test]
    async fn it_is_told_again_while_that_may_help() {
        let (told, asked) = monitor(&["503 x", "429 x", "201 Created"]);
        told.ping(Ping::Failure("because")).await.unwrap();
        assert_eq!(asked.join().unwrap(), ["POST /0c8983c9/fail HTTP/1.1"; 3]);

        let (told, asked) = monitor(&["404 Not Found"]);
        let said = told.ping(Ping::Start).await.unwrap_err();
        assert_eq!(said, "the monitor was not told: it answers 404 Not Found");
        assert_eq!(asked.join().unwrap(), ["POST /0c8983c9/start HTTP/1.1"]);
    }

    #[tokio::test]
    async fn a_dead_monitor_is_said_without_its_address() {
        let (told, asked) = monitor(&["500 x"]);
        let said = told.ping(Ping::Success("")).await.unwrap_err();
        assert_eq!(said, "the monitor was not told: it cannot be reached, in 6 tries");
        asked.join().unwrap();
    }
}
