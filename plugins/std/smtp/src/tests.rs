use super::*;
use potluck_sdk::testing::Script;

const MAP: &str = r#"{
    "settings": {
        "SMTP_HOST": "{host}",
        "SMTP_PORT": "{port}",
        "SMTP_USER": "{username}",
        "SMTP_FROM": "Wiki <{sender}>",
        "SMTP_SECURE": {"starttls": "tls", "tls": "ssl", "none": null},
        "SMTP_ON": true
    },
    "secrets": {"smtp_password": "{password}", "smtp_url": "smtp://{username_encoded}:{password_encoded}@{host}"},
    "overlays": ["compose.smtp.yml"],
    "test": {"command": ["php", "mail.php", "{recipient}"], "user": "www-data"}
}"#;

fn relay(encryption: Encryption, account: bool) -> Relay {
    Relay {
        host: "mail.example.org".into(),
        port: 587,
        encryption,
        username: account.then(|| "wiki@x".into()),
        password: account.then(|| "p/w".into()),
        sender: "wiki@example.org".into(),
    }
}

fn connect(options: &str, relay: Relay) -> Result<Changes> {
    Script::new().options(options).play(|| Smtp::connect(relay)).result
}

fn setting<'a>(changes: &'a Changes, key: &str) -> Option<&'a str> {
    changes.settings.iter().find(|(k, _)| k == key).unwrap().1.as_deref()
}

#[test]
fn a_relay_becomes_settings_secrets_and_overlays() {
    let changes = connect(MAP, relay(Encryption::Starttls, true)).unwrap();
    for (key, value) in [
        ("SMTP_HOST", "mail.example.org"),
        ("SMTP_PORT", "587"),
        ("SMTP_USER", "wiki@x"),
        ("SMTP_FROM", "Wiki <wiki@example.org>"),
        ("SMTP_SECURE", "tls"),
        ("SMTP_ON", "true"),
    ] {
        assert_eq!(setting(&changes, key), Some(value), "{key}");
    }
    let secrets: Vec<_> = changes.secrets.iter().map(|(_, value)| value.as_str()).collect();
    assert_eq!(secrets, ["p/w", "smtp://wiki%40x:p%2Fw@mail.example.org"]);
    assert_eq!(changes.overlays_on, ["compose.smtp.yml"]);
}

#[test]
fn a_relay_without_an_account_removes_what_names_one() {
    let played = Script::new().options(MAP).play(|| Smtp::connect(relay(Encryption::None, false)));
    let changes = played.result.unwrap();
    assert_eq!((setting(&changes, "SMTP_USER"), setting(&changes, "SMTP_SECURE")), (None, None));
    assert!(changes.secrets.is_empty());
    assert_eq!(played.log.len(), 2, "{:?}", played.log);
}

#[test]
fn an_encryption_that_the_app_cannot_do_is_refused() {
    let options = r#"{"settings": {"SMTP_TLS": {"starttls": "true"}}}"#;
    let failure = connect(options, relay(Encryption::Tls, true)).unwrap_err();
    assert!(failure.message().ends_with("with the encryption `tls`"), "{failure}");
}

#[test]
fn disconnecting_removes_every_key() {
    let changes = Script::new().options(MAP).play(Smtp::disconnect).result.unwrap();
    assert_eq!(changes.settings.len(), 6);
    assert!(changes.settings.iter().all(|(_, value)| value.is_none()));
    assert_eq!(changes.overlays_off, ["compose.smtp.yml"]);
}

#[test]
fn a_test_message_is_sent_by_the_app_without_a_shell() {
    let send = |to: &str| Script::new().options(MAP).play(|| Smtp::send_test(to.into()));
    let played = send("a@example.org; rm -rf /");
    played.result.unwrap();
    let command = &played.runs[0].command;
    assert_eq!(command.argv, ["php", "mail.php", "a@example.org; rm -rf /"]);
    assert_eq!(command.user.as_deref(), Some("www-data"));
    for bad in ["-oQ/tmp@x", "nobody"] {
        assert!(send(bad).result.is_err(), "{bad}");
    }
    let without = Script::new().options(r#"{"settings": {"A": "{host}"}}"#);
    let failure = without.play(|| Smtp::send_test("a@b".into())).result.unwrap_err();
    assert!(failure.message().contains("does not say how"), "{failure}");
}

#[test]
fn wrong_maps_stop_a_deploy() {
    for (options, part) in [
        ("{}", "neither `settings` nor `secrets`"),
        (r#"{"setings": {}}"#, "unknown field `setings`"),
        (r#"{"settings": {"A": "{hots}"}}"#, "nothing is called `{hots}`"),
        (r#"{"settings": {"A": "{password}"}}"#, "does not belong into a setting"),
        (r#"{"settings": {"A": {"tls": "x"}, "B": {"none": "y"}}}"#, "no encryption"),
        (r#"{"settings": {"A": {"ssl": "x"}}}"#, "did not match any variant"),
    ] {
        let to = Transition { before: None, after: None };
        let played = Script::new().options(options).play(|| Smtp::check(to));
        let message = played.result.unwrap_err().message().to_owned();
        assert!(message.contains(part), "{message}");
    }
    let to = Transition { before: None, after: None };
    Script::new().options(MAP).play(|| Smtp::check(to)).result.unwrap();
}
