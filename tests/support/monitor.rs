//! A monitor in the manner of Healthchecks, and programs that tell people.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpListener,
    os::unix::fs::PermissionsExt,
    sync::{Arc, Mutex},
    thread,
};

use super::cli::Lab;

/// What nobody but the monitor may know.
pub const CAPABILITY: &str = "0c8983c9-5fd9-4f5f-8a12-d0ea1ef7a5a7";

/// Answers every ping, and remembers it.
pub struct Monitor {
    pub url: String,
    heard: Arc<Mutex<Vec<(String, String)>>>,
}

impl Monitor {
    /// One that answers with this status, `200 OK`.
    pub fn new(status: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/{CAPABILITY}", listener.local_addr().unwrap());
        let heard = Arc::new(Mutex::new(Vec::new()));
        let hearing = Arc::clone(&heard);
        // Ends with the process.
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut reader = BufReader::new(stream.unwrap());
                let (mut head, mut length) = (Vec::new(), 0);
                loop {
                    let mut line = String::new();
                    // One that is killed may hang up at any time.
                    reader.read_line(&mut line).unwrap_or_default();
                    if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                        length = value.trim().parse().unwrap();
                    }
                    if line.trim().is_empty() {
                        break;
                    }
                    head.push(line);
                }
                let mut body = vec![0; length];
                if head.is_empty() || reader.read_exact(&mut body).is_err() {
                    continue;
                }
                let path = head[0].split(' ').nth(1).unwrap().replace(CAPABILITY, "check");
                hearing.lock().unwrap().push((path, String::from_utf8(body).unwrap()));
                let answer =
                    format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
                let _ = reader.get_mut().write_all(answer.as_bytes());
            }
        });
        Monitor { url, heard }
    }

    /// The paths that were asked for since the last time, and the bodies.
    pub fn heard(&self) -> Vec<(String, String)> {
        std::mem::take(&mut self.heard.lock().unwrap())
    }

    pub fn paths(&self) -> Vec<String> {
        self.heard().into_iter().map(|(path, _)| path).collect()
    }
}

/// Writes `backup.yml` with this monitor, a file for Prometheus, a command that keeps the
/// report in `told`, and a program that keeps its mail in `mail`.
pub fn tells(lab: &Lab, monitor: &Monitor) {
    let script = |name: &str, text: &str| {
        lab.write(name, text);
        fs::set_permissions(lab.path(name), fs::Permissions::from_mode(0o755)).unwrap();
    };
    let kept = |name: &str| lab.path(name).display().to_string();
    script("tell.sh", &format!("#!/bin/sh\n{{ env; cat; }} >>{}\n", kept("told")));
    script("sendmail.sh", &format!("#!/bin/sh\n{{ echo \"$@\"; cat; }} >>{}\n", kept("mail")));
    lab.write("ping", &monitor.url);
    fs::create_dir_all(lab.path("metrics")).unwrap();
    lab.write(
        "potluck/backup.yml",
        &format!(
            "except: ['*.excepted.example']\nmetrics: {}\nping:\n  url-file: {}\nnotify:\n  \
             command: [{}]\n  mail: [ops@example.org]\n  sendmail: {}\n",
            kept("metrics/potluck.prom"),
            kept("ping"),
            kept("tell.sh"),
            kept("sendmail.sh"),
        ),
    );
}

/// What a program of [`tells`] was given since the last time.
pub fn taken(lab: &Lab, name: &str) -> String {
    let text = fs::read_to_string(lab.path(name)).unwrap_or_default();
    let _ = fs::remove_file(lab.path(name));
    text
}
