//! Whether a relay takes an app's mail: greeting, encryption, certificate, account, sender.
//! No message is sent.

use std::{error::Error as _, time::Duration};

use lettre::{
    Address,
    transport::smtp::{
        Error as SmtpError,
        authentication::{Credentials, Mechanism},
        client::{AsyncSmtpConnection, TlsParameters},
        commands::{Mail, Rcpt, Rset},
        extension::ClientId,
    },
};

use super::{Finding, Inside};
use crate::{
    home::{connection::HeldAccount, encryption::Encryption, provider::place},
    plugin::Hidden,
    text::line,
};

/// For the whole conversation.
const TIMEOUT: Duration = Duration::from_secs(20);

/// Asks a relay, without a message. Without a password it is not known whether the account is
/// let in.
///
/// With `inside`, from within an app's network.
pub async fn look(
    account: &HeldAccount,
    password: Option<&Hidden>,
    inside: Option<&Inside>,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    let talk = talk(account, password, inside, &mut findings);
    if tokio::time::timeout(TIMEOUT, talk).await.is_err() {
        findings.push(silent(account, "no answer in time"));
    }
    findings
}

async fn talk(
    account: &HeldAccount,
    password: Option<&Hidden>,
    inside: Option<&Inside>,
    findings: &mut Vec<Finding>,
) {
    let HeldAccount { host, port, encryption, .. } = account;
    let relay = line(&place(host, *port)).into_owned();
    let tls = match TlsParameters::new(host.clone()) {
        Ok(tls) => tls,
        Err(error) => {
            findings.push(silent(account, &error.to_string()));
            return;
        }
    };
    let hello = ClientId::default();
    let begins_with = (*encryption == Encryption::Tls).then(|| tls.clone());
    let at = match inside {
        None => (host.clone(), *port),
        Some(inside) => match inside.address(host, *port).await {
            Ok(place) => (place.ip().to_string(), place.port()),
            Err(error) => {
                findings.push(silent(account, &error.to_string()));
                return;
            }
        },
    };
    let at = (at.0.as_str(), at.1);
    let connected =
        AsyncSmtpConnection::connect_tokio1(at, Some(TIMEOUT), &hello, begins_with, None).await;
    let reason = |error: &SmtpError| inside.and_then(Inside::reason).unwrap_or_else(|| told(error));
    let mut connection = match connected {
        Ok(connection) => connection,
        Err(error) if is_certificate(&error) => {
            findings.push(certificate(account, &error));
            return;
        }
        Err(error) if *encryption == Encryption::Tls && error.is_tls() => {
            let message = format!("{relay} does not begin with TLS: {}", reason(&error));
            findings.push(
                Finding::bad("tls", message)
                    .fix("port 465 begins with TLS; on 587 and 25 the encryption is `starttls`"),
            );
            return;
        }
        Err(error) if error.is_transient() || error.is_permanent() => {
            let message = format!("{relay} answers, and refuses to talk: {}", told(&error));
            findings.push(Finding::bad("reachable", message).fix(
                "look into the relay's log: it may refuse the address that it is asked from, or \
                 be out of room",
            ));
            return;
        }
        Err(error) => {
            findings.push(silent(account, &reason(&error)));
            return;
        }
    };
    findings.push(Finding::good("greeting", format!("{relay} answers")));
    if *encryption == Encryption::StartTls {
        if !connection.can_starttls() {
            let message = format!(
                "{relay} does not offer STARTTLS, so that a password would be in the clear"
            );
            findings.push(Finding::bad("starttls", message).fix(
                "switch TLS on at the relay; a relay in the same network may do without \
                 (`encryption: none`), and then has no password",
            ));
            return;
        }
        if let Err(error) = connection.starttls(tls, &hello).await {
            findings.push(match is_certificate(&error) {
                true => certificate(account, &error),
                false => Finding::bad("starttls", format!("{relay} broke off: {}", told(&error)))
                    .fix("look into the relay's log"),
            });
            return;
        }
        findings.push(Finding::good("starttls", "it encrypts, with a certificate of its name"));
    }
    if let Some(user) = &account.username {
        match (password, connection.is_encrypted()) {
            (_, false) => {
                let message = "an account without encryption: the password would be in the clear";
                findings.push(
                    Finding::bad("encryption", message)
                        .fix("set `encryption` to `starttls` or `tls`"),
                );
                return;
            }
            (None, true) => findings.push(Finding::note(
                "account",
                format!("whether {relay} lets `{}` in was not tried: its password is not known here", line(user)),
            )
            .fix("`potluck mail test APP --to ADDRESS` tries it through the app")),
            (Some(password), true) => {
                let known = [Mechanism::Plain, Mechanism::Login];
                let credentials = Credentials::new(user.clone(), password.0.to_string());
                if let Err(error) = connection.auth(&known, &credentials).await {
                    let message =
                        format!("{relay} does not let `{}` in: {}", line(user), told(&error));
                    findings.push(Finding::bad("account", message).fix(
                        "correct the user name or the password, at the relay or where it was \
                         given to potluck",
                    ));
                    return;
                }
                findings.push(Finding::good("account", format!("it lets `{}` in", line(user))));
            }
        }
        if password.is_none() {
            return;
        }
    }
    sender(account, &mut connection, findings).await;
    // It has said what it had to say.
    let _ = connection.quit().await;
}

/// Whether it takes a message from this sender, back to the sender.
async fn sender(
    account: &HeldAccount,
    connection: &mut AsyncSmtpConnection,
    findings: &mut Vec<Finding>,
) {
    let sender = line(&account.sender);
    let address: Address = match account.sender.parse() {
        Ok(address) => address,
        Err(_) => {
            findings.push(Finding::bad("sender", format!("`{sender}` is not an address")));
            return;
        }
    };
    let from = connection.command(Mail::new(Some(address.clone()), Vec::new())).await;
    let is_taken = from.is_ok();
    let taken = match from {
        Ok(_) => connection.command(Rcpt::new(address, Vec::new())).await,
        refused => refused,
    };
    match taken {
        Ok(_) => findings.push(Finding::good("sender", format!("it takes mail from {sender}"))),
        // Some take no mail to a sender that has no mailbox; some refuse a sender only once they
        // hear of a recipient, and whom they let in they should relay for.
        Err(error)
            if is_taken
                && says(&error, &["mailbox", "recipient", "unknown", "relay access"])
                && !says(&error, &["sender address rejected"])
                && !(account.username.is_some() && says(&error, &["relay access"])) =>
        {
            findings.push(
                Finding::note("sender", format!("it takes no mail to {sender}: {}", told(&error)))
                    .fix("answers to the app's messages come back undelivered"),
            );
        }
        Err(error) => findings.push(
            Finding::bad("sender", format!("it refuses mail from {sender}: {}", told(&error)))
                .fix("let the account send as this address, or choose another: `--sender`"),
        ),
    }
    let _ = connection.command(Rset).await;
}

fn silent(account: &HeldAccount, reason: &str) -> Finding {
    let HeldAccount { host, port, .. } = account;
    let relay = place(host, *port);
    Finding::bad("reachable", format!("{} gives no answer: {}", line(&relay), line(reason)))
        .fix("look whether the relay runs, and whether its name and port lead to it")
}

fn certificate(account: &HeldAccount, error: &SmtpError) -> Finding {
    let host = line(&account.host);
    // rustls' word. An app may be told of an authority that this machine does not know.
    if told(error).contains("UnknownIssuer") {
        let message = format!(
            "who signed the certificate of {host} is not known on this machine, so that no more \
             was tried"
        );
        return Finding::note("certificate", message).fix(
            "apps have to be told of that authority, too: with an overlay of their recipe; \
             potluck takes a file with it from the variable SSL_CERT_FILE",
        );
    }
    let message = format!("the certificate of {host} is not good: {}", told(error));
    Finding::bad("certificate", message).fix(
        "the name that apps use must be in it, and who signed it must be known to them: correct \
         the relay's certificate or its `host`",
    )
}

fn is_certificate(error: &SmtpError) -> bool {
    told(error).to_lowercase().contains("certificate")
}

fn says(error: &SmtpError, words: &[&str]) -> bool {
    let said = told(error).to_lowercase();
    words.iter().any(|word| said.contains(word))
}

/// An error with its causes, in one line.
fn told(error: &SmtpError) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    line(&text).into_owned()
}

#[cfg(test)]
mod tests {
    use std::{
        io::{BufRead, BufReader, Write},
        net::TcpListener,
        thread,
    };

    use super::*;
    use crate::wiring::Level;

    /// A relay that says these lines: first its greeting, then an answer to each command by the
    /// word that it begins with. What is not listed is answered with 250.
    fn relay(greeting: &'static str, answers: &'static [(&'static str, &'static str)]) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
            let _ = stream.write_all(greeting.as_bytes());
            while let Some(Ok(line)) = lines.next() {
                let answer = answers.iter().find(|(word, _)| line.starts_with(word));
                let answer = answer.map_or("250 yes\r\n", |(_, answer)| answer);
                if stream.write_all(answer.as_bytes()).is_err() {
                    break;
                }
            }
        });
        port
    }

    async fn found(port: u16, encryption: Encryption, user: bool) -> Vec<(&'static str, Level)> {
        let account = HeldAccount {
            host: "127.0.0.1".into(),
            port,
            encryption,
            username: user.then(|| "wiki".into()),
            sender: "wiki@example.org".into(),
        };
        let password = Hidden::from("p4ss".to_owned());
        let findings = look(&account, Some(&password), None).await;
        for finding in findings.iter().filter(|it| it.level != Level::Good) {
            assert!(finding.fix.is_some(), "{finding:?}");
            assert!(!finding.told().contains("p4ss"), "{finding:?}");
        }
        findings.iter().map(|it| (it.check, it.level)).collect()
    }

    #[tokio::test]
    async fn each_refusal_of_a_relay_is_told_apart() {
        use Level::{Bad, Good, Note};
        const HELLO: &str = "220 relay\r\n";
        const PLAIN: (&str, &str) = ("EHLO", "250-relay\r\n250 HELP\r\n");
        let none = Encryption::None;
        for (port, expected) in [
            (relay(HELLO, &[PLAIN]), vec![("greeting", Good), ("sender", Good)]),
            (
                relay(HELLO, &[PLAIN, ("MAIL", "553 5.7.1 not owned by user\r\n")]),
                vec![("greeting", Good), ("sender", Bad)],
            ),
            (
                relay(HELLO, &[PLAIN, ("RCPT", "550 5.1.1 mailbox unknown\r\n")]),
                vec![("greeting", Good), ("sender", Note)],
            ),
            (relay("554 go away\r\n", &[]), vec![("reachable", Bad)]),
        ] {
            assert_eq!(found(port, none, false).await, expected);
        }
        // An account in the clear is never tried.
        let port = relay(HELLO, &[PLAIN]);
        assert_eq!(found(port, none, true).await, [("greeting", Good), ("encryption", Bad)]);
        let port = relay(HELLO, &[PLAIN]);
        let start = Encryption::StartTls;
        assert_eq!(found(port, start, true).await, [("greeting", Good), ("starttls", Bad)]);
        let port =
            relay(HELLO, &[("EHLO", "250-relay\r\n250 STARTTLS\r\n"), ("STARTTLS", "454 no\r\n")]);
        assert_eq!(found(port, start, true).await, [("greeting", Good), ("starttls", Bad)]);
        // One that does not begin with TLS.
        let port = relay(HELLO, &[PLAIN]);
        let tls = found(port, Encryption::Tls, true).await;
        assert!(matches!(tls[..], [("tls" | "reachable", Bad)]), "{tls:?}");
        let port = relay("421 4.3.2 no room\r\n", &[]);
        let account = HeldAccount {
            host: "127.0.0.1".into(),
            port,
            encryption: none,
            username: None,
            sender: "a@example.org".into(),
        };
        let findings = look(&account, None, None).await;
        assert!(findings[0].message.contains("refuses to talk: "), "{findings:?}");
        assert!(findings[0].message.contains("no room"), "{findings:?}");
        // Nobody is there.
        assert_eq!(found(9, none, false).await, [("reachable", Bad)]);
    }
}
