//! Tells people of a failure: by a command that is given the report on its standard input, by
//! mail through a program that takes it as sendmail does, and by a webhook. None sees more of
//! our environment than it needs, nor may it keep a run from ending. [`monitor`] is told of
//! each run, so that it misses one that never began.

mod client;
pub mod monitor;
mod webhook;

use std::{
    ffi::{OsStr, OsString},
    path::Path,
    process::Stdio,
    time::Duration,
};

use jiff::{Timestamp, tz::TimeZone};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    process::Command,
};

use crate::{home::notify::NotifySettings, text::one_line};

/// Where sendmail is on every system that has one.
const SENDMAIL: &str = "/usr/sbin/sendmail";
/// For a program to take the report.
const TIMEOUT: Duration = Duration::from_secs(60);
/// Bytes of what a program said about its own failure.
const SAID: usize = 1000;
/// Bytes of a line of a mail; RFC 5322 allows 998.
const LINE: usize = 900;
/// What the programs see of our environment.
const SEEN: &[&str] = &["PATH", "TMPDIR"];

/// Tells everyone that the settings name; returns what did not work.
pub async fn tell(
    settings: &NotifySettings,
    subject: &str,
    report: &str,
    environment: &[(OsString, OsString)],
) -> Vec<String> {
    let mut failed = Vec::new();
    if let Some((program, arguments)) = settings.command.split_first() {
        let run = give(OsStr::new(program), arguments, report, environment).await;
        failed.extend(run.err().map(|reason| format!("the command `{program}` {reason}")));
    }
    if !settings.mail.is_empty() {
        let program = settings.sendmail.as_deref().unwrap_or(Path::new(SENDMAIL));
        let mut arguments = vec!["-i".to_owned()];
        arguments.extend(settings.mail.iter().cloned());
        let mail = mail(settings, subject, report, Timestamp::now());
        let run = give(program.as_os_str(), &arguments, &mail, environment).await;
        failed.extend(
            run.err().map(|reason| format!("the mail program `{}` {reason}", program.display())),
        );
    }
    if let Some(webhook) = &settings.webhook {
        let posted = webhook::post(webhook, subject, report, environment).await;
        failed.extend(posted.err().map(|reason| format!("the webhook was not told: {reason}")));
    }
    failed
}

fn mail(settings: &NotifySettings, subject: &str, report: &str, now: Timestamp) -> String {
    let plain: String =
        one_line(subject).chars().map(|c| if c.is_ascii() { c } else { '?' }).collect();
    let now = now.to_zoned(TimeZone::UTC).strftime("%a, %d %b %Y %H:%M:%S +0000");
    let mut text = format!("Date: {now}\nTo: {}\n", settings.mail.join(", "));
    if let Some(from) = &settings.from {
        text.push_str(&format!("From: {from}\n"));
    }
    text.push_str(&format!(
        "Subject: {}\nMIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n\
         Content-Transfer-Encoding: 8bit\nAuto-Submitted: auto-generated\n\n",
        &plain[..plain.len().min(LINE)]
    ));
    for mut line in report.lines() {
        while line.len() > LINE {
            let (part, rest) = line.split_at(line.floor_char_boundary(LINE));
            text.push_str(part);
            text.push('\n');
            line = rest;
        }
        text.push_str(line);
        text.push('\n');
    }
    text
}

/// Runs a program with this on its standard input.
async fn give(
    program: &OsStr,
    arguments: &[String],
    input: &str,
    environment: &[(OsString, OsString)],
) -> Result<(), String> {
    let seen = environment.iter().filter(|(name, _)| SEEN.iter().any(|seen| name == seen));
    let mut child = Command::new(program)
        .args(arguments)
        .env_clear()
        .envs(seen.map(|(name, value)| (name, value)))
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| format!("cannot be run: {error}"))?;
    let (stdin, stderr) = (child.stdin.take(), child.stderr.take());
    let feeding = async {
        if let Some(mut stdin) = stdin {
            // One that does not want to read it all is free not to.
            let _ = stdin.write_all(input.as_bytes()).await;
        }
    };
    let listening = async {
        let (mut said, mut part) = (Vec::new(), [0; 4096]);
        let Some(mut stderr) = stderr else { return said };
        while let Ok(length @ 1..) = stderr.read(&mut part).await {
            let room = SAID.saturating_sub(said.len());
            said.extend_from_slice(&part[..length.min(room)]);
        }
        said
    };
    let work = async { tokio::join!(feeding, listening, child.wait()) };
    match tokio::time::timeout(TIMEOUT, work).await {
        Err(_) => Err(format!("did not end in {} s", TIMEOUT.as_secs())),
        Ok((_, _, Err(error))) => Err(format!("cannot be waited for: {error}")),
        Ok((_, _, Ok(status))) if status.success() => Ok(()),
        Ok((_, said, Ok(status))) => {
            let said = one_line(&String::from_utf8_lossy(&said));
            let said = if said.is_empty() { said } else { format!(": {said}") };
            Err(format!("failed ({status}){said}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> NotifySettings {
        NotifySettings {
            mail: vec!["a@b.example".into(), "root".into()],
            from: Some("p@b.example".into()),
            ..NotifySettings::default()
        }
    }

    #[test]
    fn a_mail_has_a_head_of_its_own_and_no_line_that_is_too_long() {
        let long = "ä".repeat(2000);
        let text = mail(&settings(), "töp\nBcc: x@y.example", &long, Timestamp::UNIX_EPOCH);
        let (head, body) = text.split_once("\n\n").unwrap();
        let expected = "Date: Thu, 01 Jan 1970 00:00:00 +0000\nTo: a@b.example, root\nFrom: \
                        p@b.example\nSubject: t?p Bcc: x@y.example\nMIME-Version: 1.0\n";
        assert!(head.starts_with(expected), "{head}");
        assert_eq!(body.replace('\n', ""), long);
        assert!(body.lines().all(|line| line.len() <= LINE));
    }

    #[tokio::test]
    async fn a_program_that_fails_is_said_with_its_words() {
        let run = async |script: &str| {
            let arguments = ["-c".to_owned(), script.to_owned()];
            let environment =
                [("PATH".into(), "/bin:/usr/bin".into()), ("SSH_AUTH_SOCK".into(), "/x".into())];
            give(OsStr::new("/bin/sh"), &arguments, "the report\n", &environment).await
        };
        assert_eq!(run("read line; test \"$line\" = 'the report'").await, Ok(()));
        assert_eq!(run("test -z \"$HOME$SSH_AUTH_SOCK\" && test -n \"$PATH\"").await, Ok(()));
        assert_eq!(run("exit 0").await, Ok(()));
        let said = run("echo no >&2; echo route >&2; exit 3").await.unwrap_err();
        assert_eq!(said, "failed (exit status: 3): no route");
        let said = give(OsStr::new("/no/such"), &[], "", &[]).await.unwrap_err();
        assert!(said.starts_with("cannot be run: "), "{said}");
    }
}
