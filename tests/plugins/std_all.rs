//! The standard plugins as they come with potluck: their components in the real
//! plugin host, with scripted services. `make test` builds them first.

use crate::support::std_guests;

use potluck::{
    plugin::{Client, Encryption, Relay, Role},
    recipe::standard,
};
use serde_json::json;
use std_guests::{
    Lab, component, guest,
    hostile::{load, roles},
};

#[tokio::test]
async fn each_plays_its_roles_and_imports_nothing_it_does_not_need() {
    let store = [Role::Lifecycle, Role::Backup];
    let rotating = [Role::Lifecycle, Role::Backup, Role::Commands];
    let expected: [(&str, &[Role], &[&str]); 8] = [
        ("postgres", &rotating, &["secrets", "services"]),
        ("mariadb", &rotating, &["secrets", "services"]),
        ("redis", &store, &["services"]),
        ("sqlite", &store, &["services"]),
        ("files", &store, &[]),
        ("backupbot", &[Role::Backup], &["services"]),
        ("smtp", &[Role::Lifecycle, Role::MailClient], &["services"]),
        ("oidc", &[Role::Lifecycle, Role::SsoClient], &[]),
    ];
    assert_eq!(expected.map(|(name, ..)| name), standard::ALL.each_ref().map(|s| s.name));
    for (name, played, powers) in expected {
        let Some(component) = component(name) else { return };
        let plugin = load(component).await.unwrap();
        let mut wanted = roles(&plugin);
        wanted.sort();
        let mut played = played.to_vec();
        played.sort();
        assert_eq!(wanted, played, "{name}");
        // Those that reach anything; the rest are types and talk.
        let reaching = ["http", "memory", "secrets", "services"].into_iter().filter(|power| {
            let interface = format!("potluck:recipe/{power}@");
            plugin.imports().iter().any(|import| import.starts_with(&interface))
        });
        assert_eq!(reaching.collect::<Vec<_>>(), powers, "{name}");
    }
}

/// What lint knows of them: each plugin refuses an unknown option with the names of its own.
#[tokio::test]
async fn each_has_the_options_that_lint_knows() {
    for standard in standard::ALL.iter().filter(|it| !it.options.is_empty()) {
        let name = standard.name;
        let options = json!({"zzz": 1});
        let Some((mut hooks, _)) = guest(name, options, &[]).await else { return };
        let refused = match name {
            "smtp" => hooks.mail_disconnect().await.unwrap_err(),
            "oidc" => hooks.sso_request().await.unwrap_err(),
            _ => hooks.backup_plan().await.unwrap_err(),
        };
        let refused = refused.to_string();
        let (_, known) = refused.split_once("unknown field `zzz`, expected ").expect(&refused);
        // serde puts each name into backticks.
        let mut known: Vec<&str> = known.split('`').skip(1).step_by(2).collect();
        known.sort_unstable();
        assert_eq!(known, standard.options, "{refused}");

        let Some((mut hooks, _)) = guest(name, json!({}), &[]).await else { return };
        let refused = match name {
            "smtp" => hooks.mail_disconnect().await.map(drop),
            "oidc" => hooks.sso_request().await.map(drop),
            _ => hooks.backup_plan().await.map(drop),
        };
        // Others get as far as a grant that they lack here.
        let refused = refused.map_or_else(|error| error.to_string(), |()| String::new());
        let missing: Vec<_> = refused
            .split_once("missing field `")
            .and_then(|(_, field)| field.split('`').next())
            .into_iter()
            .collect();
        assert_eq!(missing, standard.required, "{name}");
    }
}

#[tokio::test]
async fn a_relay_becomes_the_changes_that_the_map_says() {
    let options = json!({
        "settings": {"SMTP_HOST": "{host}:{port}", "SMTP_TLS": {"starttls": "yes", "tls": "no"}},
        "secrets": {"smtp_password": "{password}"},
        "overlays": ["compose.smtp.yml"],
        "test": {"command": ["sendmail", "{recipient}"]},
    });
    let grants = ["secret: smtp_password", "exec: app"];
    let Some((mut hooks, world)) = guest("smtp", options, &grants).await else { return };
    let mut relay = Relay {
        host: "mail.example.org".into(),
        port: 587,
        encryption: Encryption::StartTls,
        username: Some("wiki".into()),
        password: Some("Relay5Password".to_owned().into()),
        sender: "wiki@example.org".into(),
    };
    let changes = hooks.mail_connect(&relay).await.unwrap();
    let settings: Vec<_> =
        changes.settings.iter().map(|(key, value)| (key.as_str(), value.as_deref())).collect();
    assert_eq!(settings, [("SMTP_HOST", Some("mail.example.org:587")), ("SMTP_TLS", Some("yes"))]);
    assert_eq!(changes.secrets.len(), 1);
    assert_eq!(changes.overlays_on, ["compose.smtp.yml"]);
    let off = hooks.mail_disconnect().await.unwrap();
    assert!(off.settings.iter().all(|(_, value)| value.is_none()));
    relay.encryption = Encryption::None;
    let error = hooks.mail_connect(&relay).await.unwrap_err().to_string();
    assert!(error.contains("the encryption `none`"), "{error}");
    hooks.mail_send_test("cook@example.org").await.unwrap();
    let commands = world.commands.lock().unwrap();
    assert_eq!(commands[0].1.argv, ["sendmail", "cook@example.org"]);
    assert!(world.lines().iter().all(|line| !line.contains("Relay5Password")));
}

#[tokio::test]
async fn a_secret_that_was_not_granted_is_not_changed() {
    let options = json!({"settings": {"A": "{host}"}, "secrets": {"smtp_password": "{password}"}});
    let Some((mut hooks, _)) = guest("smtp", options, &[]).await else { return };
    let relay = Relay {
        host: "mail.example.org".into(),
        port: 25,
        encryption: Encryption::None,
        username: None,
        password: Some("secret".to_owned().into()),
        sender: "wiki@example.org".into(),
    };
    let error = hooks.mail_connect(&relay).await.unwrap_err().to_string();
    assert!(error.contains("secret: smtp_password"), "{error}");
}

#[tokio::test]
async fn a_client_becomes_the_changes_that_the_map_says() {
    let options = json!({
        "redirect": ["/oauth/callback"],
        "settings": {"OIDC_URL": "{discovery}", "OIDC_ID": "{client_id}"},
        "secrets": {"oidc_secret": "{client_secret}"},
        "overlays": ["compose.oidc.yml"],
    });
    let Some((mut hooks, _)) = guest("oidc", options, &["secret: oidc_secret"]).await else {
        return;
    };
    let request = hooks.sso_request().await.unwrap();
    assert_eq!(request.redirect_uris, ["https://wiki.example.org/oauth/callback"]);
    let client = Client {
        issuer: "https://sso.example.org/realms/main".into(),
        client_id: "wiki".into(),
        client_secret: Some("Client5Secret".to_owned().into()),
        groups_claim: None,
    };
    let changes = hooks.sso_connect(&client).await.unwrap();
    let discovery = "https://sso.example.org/realms/main/.well-known/openid-configuration";
    assert!(changes.settings.contains(&("OIDC_URL".into(), Some(discovery.into()))));
    assert_eq!(changes.secrets.len(), 1);
    assert_eq!(hooks.sso_disconnect().await.unwrap().overlays_off, ["compose.oidc.yml"]);
}

#[test]
fn they_are_listed_and_looked_at_like_any_other() {
    if component("postgres").is_none() {
        return;
    }
    let lab = Lab::new();
    let listed = lab.json(&["plugin", "ls", "--json"]);
    assert_eq!(listed.as_array().unwrap().len(), standard::ALL.len());
    assert!(listed[0]["size"].as_u64().unwrap() > 10_000, "{listed}");
    let shown = lab.json(&["plugin", "inspect", "std:postgres", "--json"]);
    assert_eq!(shown[0]["roles"], json!(["lifecycle", "backup", "commands"]));
    let wrong = lab.run(&["plugin", "inspect", "std:postgresql"]);
    assert_eq!(wrong.code, 1, "{wrong}");
    assert!(wrong.stderr.contains("did you mean `std:postgres`?"), "{wrong}");
}
