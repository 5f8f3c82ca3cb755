//! Posts a report to an address, in the form that chats and relays of notifications take:
//! `{"text": …}` is that of Mattermost, Slack, Rocket.Chat, Google Chat and hookshot for
//! Matrix. `subject` is beside it for programs.

use std::ffi::OsString;

use super::client::{client, failed};
use crate::home::notify::SecretUrl;

/// Bytes of a report that are posted.
const LONGEST: usize = 10_000;

/// Posts it once: who is told twice believes the next one less.
///
/// # Errors
/// Why it was not taken, in words and without its address.
pub(super) async fn post(
    settings: &SecretUrl,
    subject: &str,
    report: &str,
    environment: &[(OsString, OsString)],
) -> Result<(), String> {
    let url = settings.url().map_err(|error| error.to_string())?;
    let report = &report[..report.floor_char_boundary(LONGEST)];
    let body = serde_json::json!({"text": format!("{subject}\n\n{report}"), "subject": subject});
    let request = client(environment)?
        .post(url)
        .header("content-type", "application/json")
        .body(body.to_string());
    match request.send().await {
        Ok(answer) if answer.status().is_success() => Ok(()),
        Ok(answer) => Err(format!("it answers {}", answer.status())),
        Err(error) => Err(failed(&error)),
    }
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        io::{Read, Write},
        net::TcpListener,
        thread,
    };

    use super::*;
    use crate::home::Home;

    /// Settings whose webhook is here, and what it is asked once.
    fn here(answer: &'static str) -> (SecretUrl, thread::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/hooks/0c8983c9", listener.local_addr().unwrap());
        let asked = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let (mut asked, mut part) = (String::new(), [0; 4096]);
            while !asked.contains("\"text\"") {
                let length = stream.read(&mut part).unwrap();
                asked.push_str(std::str::from_utf8(&part[..length]).unwrap());
            }
            let answer =
                format!("HTTP/1.1 {answer}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            stream.write_all(answer.as_bytes()).unwrap();
            asked
        });
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("notify.yml"), format!("webhook: {{url: {url}}}")).unwrap();
        let settings = Home::new(folder.path()).notify().unwrap().unwrap();
        (settings.webhook.unwrap(), asked)
    }

    #[tokio::test]
    async fn a_report_is_posted_and_its_address_is_in_no_message() {
        let (settings, asked) = here("200 OK");
        post(&settings, "two \"apps\"", "wiki: late\n", &[]).await.unwrap();
        let asked = asked.join().unwrap();
        assert!(asked.starts_with("POST /hooks/0c8983c9 "), "{asked}");
        assert!(asked.contains(r#""subject":"two \"apps\"""#), "{asked}");
        assert!(asked.contains(r#""text":"two \"apps\"\n\nwiki: late\n""#), "{asked}");
        let (settings, asked) = here("403 Forbidden");
        let said = post(&settings, "a", "b", &[]).await.unwrap_err();
        assert_eq!(said, "it answers 403 Forbidden");
        asked.join().unwrap();
        // Nobody is there any more.
        let said = post(&settings, "a", "b", &[]).await.unwrap_err();
        assert_eq!(said, "it cannot be reached");
        assert!(!format!("{settings:?}").contains("0c8983c9"));
    }
}
