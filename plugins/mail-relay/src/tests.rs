//! The plugin against a scripted host.

use potluck_sdk::{
    Commands, Encryption, Lifecycle, MailProvider, Transition,
    testing::{Played, Script, ServiceError},
};

use crate::MailRelay;

const PASSWORD: &str = "3aS0me-Passw0rd_0fForty-Letters0f0ne-Kind";

fn relay() -> Script {
    Script::new().setting("DOMAIN", "mail.example.org")
}

/// A relay with the recipe's script, which says the same whenever it is asked.
fn with_accounts() -> Script {
    relay().on_run(|service, command, input| {
        assert_eq!((service, command.argv[0].as_str()), ("app", "accounts"));
        assert!(input.is_empty());
        Ok(match command.argv[1].as_str() {
            "add" | "renew" => Script::printed(&format!("{PASSWORD}\n")),
            "list" => Script::printed("blog@example.org\nwiki@example.org\n"),
            _ => Script::printed(""),
        })
    })
}

fn transition() -> Transition {
    Transition { before: None, after: Some("1.0.0".into()) }
}

fn failure<T: std::fmt::Debug>(played: Played<potluck_sdk::Result<T>>) -> String {
    played.result.unwrap_err().message().to_owned()
}

#[test]
fn an_account_has_the_name_of_its_sender() {
    let played = with_accounts().play(|| MailRelay::account("Wiki@Example.org".into()));
    let relay = played.result.unwrap();
    assert_eq!((relay.host.as_str(), relay.port), ("mail.example.org", 587));
    assert_eq!(relay.encryption, Encryption::Starttls);
    assert_eq!(relay.sender, "wiki@example.org");
    assert_eq!(relay.username.as_deref(), Some("wiki@example.org"));
    assert_eq!(relay.password.as_deref(), Some(PASSWORD));
    assert_eq!(played.runs[0].command.argv, ["accounts", "add", "wiki@example.org"]);
}

#[test]
fn a_password_is_in_no_argument_and_no_line() {
    let played = with_accounts().play(|| {
        MailRelay::account("wiki@example.org".into()).unwrap();
        MailRelay::close_account("wiki@example.org".into()).unwrap();
    });
    assert_eq!(played.runs.len(), 2);
    assert!(played.runs.iter().all(|run| !format!("{:?}", run.command).contains(PASSWORD)));
    assert!(played.log.is_empty());
}

#[test]
fn apps_are_told_the_encryption_of_the_settings() {
    for (setting, port, encryption) in [
        ("", 587, Encryption::Starttls),
        ("starttls", 587, Encryption::Starttls),
        ("tls", 465, Encryption::Tls),
    ] {
        let script = with_accounts().setting("ENCRYPTION", setting);
        let relay = script.play(|| MailRelay::account("wiki@example.org".into())).result.unwrap();
        assert_eq!((relay.port, relay.encryption), (port, encryption), "{setting}");
    }
}

#[test]
fn an_account_gets_another_password_by_its_sender() {
    let played = with_accounts().play(|| MailRelay::rotate("Wiki@example.org".into()));
    assert_eq!(played.result.unwrap().password.as_deref(), Some(PASSWORD));
    assert_eq!(played.runs[0].command.argv, ["accounts", "renew", "wiki@example.org"]);
}

#[test]
fn an_account_is_closed_by_its_sender() {
    let played = with_accounts().play(|| MailRelay::close_account("WIKI@example.org".into()));
    played.result.unwrap();
    assert_eq!(played.runs[0].command.argv, ["accounts", "remove", "wiki@example.org"]);
}

#[test]
fn what_is_no_address_does_not_reach_the_relay() {
    for sender in ["", "wiki", "@example.org", "wiki@", "wiki@host", "-x@example.org", "a b@c.d"] {
        let played = with_accounts().play(|| {
            [MailRelay::account(sender.into()).map(|_| ()), MailRelay::close_account(sender.into())]
        });
        for result in played.result {
            let said = result.unwrap_err().message().to_owned();
            assert!(said.ends_with("is not an address that an account can have"), "{said}");
        }
        assert!(played.runs.is_empty());
    }
}

#[test]
fn the_relays_own_words_say_why_an_address_is_refused() {
    let said = "this relay does not send for elsewhere.org: SENDER_DOMAINS is example.org";
    let played = relay()
        .on_run(move |_, _, _| Ok(Script::failed(3, &format!("{said}\n"))))
        .play(|| MailRelay::account("wiki@elsewhere.org".into()));
    assert_eq!(failure(played), said);
}

#[test]
fn a_relay_that_is_down_or_broken_says_so() {
    let played = relay()
        .on_call(|_| Err(ServiceError::NotRunning("app".into())))
        .play(|| MailRelay::account("wiki@example.org".into()));
    assert_eq!(failure(played), "the relay: the service `app` is not running");

    let played = relay()
        .on_run(|_, _, _| Ok(Script::failed(1, "No space left on device\n")))
        .play(|| MailRelay::account("wiki@example.org".into()));
    assert_eq!(
        failure(played),
        "the relay's script `accounts` failed with exit code 1: No space left on device"
    );

    let played = relay().play(|| MailRelay::account("wiki@example.org".into()));
    assert_eq!(failure(played), "the relay's script `accounts` printed no password");
}

#[test]
fn settings_that_do_not_fit_stop_a_deploy_before_it_begins() {
    let both = "TLS_CERTIFICATE is set, and TLS_KEY is not";
    for (script, message) in [
        (Script::new(), "the setting DOMAIN is missing"),
        (relay().setting("ENCRYPTION", "ssl"), "the setting ENCRYPTION is `ssl`"),
        (relay().setting("TLS_CERTIFICATE", "/certificates/a.crt"), both),
        (relay().setting("RELAYHOST_USER", "ada"), "RELAYHOST_USER is set, and RELAYHOST is not"),
        (
            relay().options(r#"{"app":"relay"}"#),
            "the plugin's options in recipe.yml are wrong: unknown field `app`, \
             expected `service` at line 1 column 6",
        ),
    ] {
        assert_eq!(failure(script.play(|| MailRelay::check(transition()))), message);
    }
    relay().play(|| MailRelay::check(transition())).result.unwrap();
}

#[test]
fn commands_list_accounts_and_print_the_authority() {
    let list = |script: Script| script.play(|| MailRelay::run("list-accounts".into(), vec![]));
    assert_eq!(list(with_accounts()).result.unwrap(), "blog@example.org\nwiki@example.org");

    let authority = |script: Script| script.play(|| MailRelay::run("authority".into(), vec![]));
    let played = authority(relay().on_run(|_, command, _| {
        assert_eq!(command.argv, ["cat", "/data/tls/ca.pem"]);
        Ok(Script::printed("-----BEGIN CERTIFICATE-----\n"))
    }));
    assert_eq!(played.result.unwrap(), "-----BEGIN CERTIFICATE-----");
    let outside = relay().setting("TLS_CERTIFICATE", "/certificates/a.crt");
    assert_eq!(failure(authority(outside)), "the relay's certificate comes from outside");

    let wrong = relay().play(|| {
        let more = MailRelay::run("authority".into(), vec!["x".into()]);
        let unknown = MailRelay::run("fly".into(), vec![]);
        [more, unknown].map(|result| result.unwrap_err().message().to_owned())
    });
    assert_eq!(wrong.result, ["`authority` takes no arguments", "there is no command `fly`"]);
}
