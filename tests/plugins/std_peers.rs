//! `std:smtp` and `std:oidc` against a real mail relay (Exim) and a real OpenID
//! provider (Glewlwyd) on the swarm: what their maps say is done to an app, whose
//! own clients (msmtp, curl) then send a message and authenticate with nothing
//! but its settings and secrets.
//!
//! No operation calls these roles yet. The test does what such a one will do with
//! the changes that the hooks ask for.

use crate::support::std_guests;

use std::{path::Path, sync::OnceLock};

use potluck::plugin::{Changes, Client, Encryption, Relay};
use serde_json::{Value, json};
use std_guests::{OnSwarm, Run, guest, ready};

const COMPOSE: &str = r#"
version: "3.8"
services:
  app:
    image: potluck-test/peers:1
    command: ["sleep", "infinity"]
    stop_grace_period: 1s
    environment:
      SMTP_HOST: ${SMTP_HOST:-}
      SMTP_PORT: ${SMTP_PORT:-}
      SMTP_USER: ${SMTP_USER:-}
      SMTP_STARTTLS: ${SMTP_STARTTLS:-off}
      SMTP_FROM: ${SMTP_FROM:-}
      OIDC_DISCOVERY: ${OIDC_DISCOVERY:-}
      OIDC_CLIENT_ID: ${OIDC_CLIENT_ID:-}
    deploy:
      endpoint_mode: dnsrr
  relay:
    image: potluck-test/peers:1
    command: ["relay"]
    stop_grace_period: 1s
    environment: {RELAY_USER: wiki, RELAY_PASSWORD: Relay5Password}
    healthcheck:
      test: ["CMD", "bash", "-c", "</dev/tcp/127.0.0.1/587"]
      interval: 1s
      timeout: 5s
      retries: 60
      start_period: 10m
    deploy:
      endpoint_mode: dnsrr
  provider:
    image: potluck-test/peers:1
    command: ["provider"]
    stop_grace_period: 1s
    environment:
      ISSUER: http://provider:4593/api/oidc
      CLIENT_ID: wiki
      CLIENT_SECRET: Client5Secret
    healthcheck:
      test: ["CMD", "test", "-e", "/data/ready"]
      interval: 1s
      timeout: 5s
      retries: 60
      start_period: 10m
    deploy:
      endpoint_mode: dnsrr
"#;

const SAMPLE: &str = "TYPE=peers\nDOMAIN=x.example.org\nCOMPOSE_FILE=compose.yml\n\
                      SECRET_SMTP_PASSWORD_VERSION=v1\nSECRET_OIDC_SECRET_VERSION=v1\n";

fn overlay(secret: &str) -> String {
    let version = secret.to_uppercase();
    format!(
        "version: \"3.8\"\nservices:\n  app:\n    secrets: [{secret}]\nsecrets:\n  {secret}:\n    \
         external: true\n    name: ${{STACK_NAME}}_{secret}_${{SECRET_{version}_VERSION}}\n"
    )
}

/// As apps do it: by their own mailer, and the password where it is mounted.
const SEND: &str = r#"printf 'To: %s\nSubject: soup\n\ntwo leeks\n' "$1" | msmtp --host="$SMTP_HOST" \
  --port="$SMTP_PORT" --auth=plain --user="$SMTP_USER" --passwordeval='cat /run/secrets/smtp_password' \
  --tls=on --tls-starttls="$SMTP_STARTTLS" --tls-certcheck=off --from="$SMTP_FROM" "$1""#;

fn mail() -> Value {
    json!({
        "settings": {
            "SMTP_HOST": "{host}",
            "SMTP_PORT": "{port}",
            "SMTP_USER": "{username}",
            "SMTP_FROM": "{sender}",
            "SMTP_STARTTLS": {"starttls": "on", "tls": "off"},
        },
        "secrets": {"smtp_password": "{password}"},
        "overlays": ["compose.smtp.yml"],
        "test": {"command": ["sh", "-c", SEND, "sh", "{recipient}"]},
    })
}

fn sign_in() -> Value {
    json!({
        "redirect": ["/back"],
        "settings": {"OIDC_DISCOVERY": "{discovery}", "OIDC_CLIENT_ID": "{client_id}"},
        "secrets": {"oidc_secret": "{client_secret}"},
        "overlays": ["compose.oidc.yml"],
    })
}

/// Finds the provider's endpoint by its discovery document, and gets a token.
const SIGN_IN: &str = r#"set -eu
endpoint=$(curl -fsS "$OIDC_DISCOVERY" | sed -n 's/.*"token_endpoint":"\([^"]*\)".*/\1/p')
curl -fsS -u "$OIDC_CLIENT_ID:$(cat /run/secrets/oidc_secret)" -d grant_type=client_credentials \
  -d scope=apps "$endpoint" | grep -o '"token_type":"[^"]*"'"#;

fn relay(password: &str) -> Relay {
    Relay {
        host: "relay".into(),
        port: 587,
        encryption: Encryption::StartTls,
        username: Some("wiki".into()),
        password: Some(password.to_owned().into()),
        sender: "wiki@example.org".into(),
    }
}

fn client(secret: &str) -> Client {
    Client {
        issuer: "http://provider:4593/api/oidc".into(),
        client_id: "wiki".into(),
        client_secret: Some(secret.to_owned().into()),
        groups_claim: None,
    }
}

/// What the app can do, and what it says when it can't. The plugin's own hook
/// sends, in the real service.
struct Tried {
    sends: Result<String, String>,
    signs_in: Result<String, String>,
}

fn tried(on: &OnSwarm) -> Tried {
    let hook = ["plugin", "run", "mail", "send-test", "recipient=cook@example.org", "--app"];
    let sent = on.run(&[&hook[..], &[&on.app]].concat(), b"");
    let signed = on.run(&["app", "run", &on.app, "app", "--", "sh", "-c", SIGN_IN], b"");
    let said = |run: Run| match run.code {
        0 => Ok(run.stdout),
        _ => Err(run.to_string()),
    };
    Tried { sends: said(sent), signs_in: said(signed) }
}

/// What an operation does with the changes: settings, overlays, secrets, deploy.
fn apply(on: &OnSwarm, all: &[Changes], version: &str) {
    let env = on.lab.path(&format!("potluck/servers/here/{}.env", on.app));
    let text = std::fs::read_to_string(&env).unwrap();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let mut set = |key: &str, value: Option<&str>| {
        lines.retain(|line| !line.starts_with(&format!("{key}=")));
        lines.extend(value.map(|value| format!("{key}={value}")));
    };
    let mut files = "compose.yml".to_owned();
    for changes in all {
        for (key, value) in &changes.settings {
            set(key, value.as_deref());
        }
        for overlay in &changes.overlays_on {
            files = format!("{files}:{overlay}");
        }
        for (secret, _) in &changes.secrets {
            set(&format!("SECRET_{}_VERSION", secret.to_uppercase()), Some(version));
        }
    }
    set("COMPOSE_FILE", Some(&files));
    std::fs::write(&env, lines.join("\n") + "\n").unwrap();
    for (secret, value) in all.iter().flat_map(|changes| &changes.secrets) {
        let run = on.run(&["app", "secret", "insert", &on.app, secret], value.0.as_bytes());
        assert_eq!(run.code, 0, "{run}");
    }
    on.ok(&["app", "deploy", &on.app, "-n"]);
}

struct Story {
    before: Tried,
    wrong: Tried,
    connected: Tried,
    message: String,
    off: Tried,
    /// Secrets and environment of the service, when all is off again.
    left: String,
}

fn story() -> Option<&'static Story> {
    static STORY: OnceLock<Option<Story>> = OnceLock::new();
    STORY.get_or_init(|| ready(&["potluck-test/peers:1"]).then(tell)).as_ref()
}

fn write(recipe: &Path) {
    let plugins = json!({"plugins": [
        {"name": "mail", "component": "std:smtp", "options": mail(),
         "grants": [{"secret": "smtp_password"}, {"exec": "app"}]},
        {"name": "sign-in", "component": "std:oidc", "options": sign_in(),
         "grants": [{"secret": "oidc_secret"}]},
    ]});
    let smtp = overlay("smtp_password");
    let oidc = overlay("oidc_secret");
    for (file, text) in [
        ("compose.yml", COMPOSE),
        ("compose.smtp.yml", &smtp),
        ("compose.oidc.yml", &oidc),
        (".env.sample", SAMPLE),
        ("recipe.yml", &plugins.to_string()),
    ] {
        std::fs::write(recipe.join(file), text).unwrap();
    }
}

fn tell() -> Story {
    let folder = tempfile::tempdir().unwrap();
    let recipe = folder.path().join("peers");
    std::fs::create_dir(&recipe).unwrap();
    write(&recipe);
    let on = OnSwarm::new(&recipe, "peers");
    on.ok(&[
        "app",
        "deploy",
        &on.app,
        "-n",
        "--grant",
        "exec: app",
        "--grant",
        "secret: smtp_password",
        "--grant",
        "secret: oidc_secret",
    ]);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let connect = |password: &str, secret: &str| {
        let (relay, client) = (relay(password), client(secret));
        runtime.block_on(async {
            let (mut mail, _) =
                guest("smtp", mail(), &["secret: smtp_password", "exec: app"]).await.unwrap();
            let (mut sign_in, _) =
                guest("oidc", sign_in(), &["secret: oidc_secret"]).await.unwrap();
            [mail.mail_connect(&relay).await.unwrap(), sign_in.sso_connect(&client).await.unwrap()]
        })
    };
    let before = tried(&on);
    apply(&on, &connect("wrong", "wrong"), "v1");
    let wrong = tried(&on);
    apply(&on, &connect("Relay5Password", "Client5Secret"), "v2");
    let connected = tried(&on);
    let message = on.sh("relay", "cat /data/mail/new/*");
    let off = runtime.block_on(async {
        let (mut mail, _) = guest("smtp", mail(), &["exec: app"]).await.unwrap();
        let (mut sign_in, _) = guest("oidc", sign_in(), &[]).await.unwrap();
        [mail.mail_disconnect().await.unwrap(), sign_in.sso_disconnect().await.unwrap()]
    });
    apply(&on, &off, "v3");
    let left = on.sh("app", "ls /run/secrets 2>/dev/null; env | grep -E '^(SMTP|OIDC)' | sort");
    Story { before, wrong, connected, message, off: tried(&on), left }
}

#[test]
fn before_it_is_connected_an_app_neither_sends_nor_signs_in() {
    let Some(Story { before, .. }) = story() else { return };
    assert!(before.sends.is_err() && before.signs_in.is_err());
}

#[test]
fn a_wrong_password_is_refused_by_the_relay_and_the_provider_themselves() {
    let Some(Story { wrong, .. }) = story() else { return };
    let said = wrong.sends.as_ref().unwrap_err();
    assert!(said.contains("535 Incorrect authentication data"), "{said}");
    let said = wrong.signs_in.as_ref().unwrap_err();
    assert!(said.contains("403"), "{said}");
}

#[test]
fn a_connected_app_sends_through_the_relay_over_starttls() {
    let Some(Story { connected, message, .. }) = story() else { return };
    assert!(connected.sends.is_ok(), "{:?}", connected.sends);
    for part in ["Return-path: <wiki@example.org>", "To: cook@example.org", "two leeks", "esmtpsa"]
    {
        assert!(message.contains(part), "{part}:\n{message}");
    }
}

#[test]
fn a_connected_app_gets_a_token_from_the_provider() {
    let Some(Story { connected, .. }) = story() else { return };
    assert_eq!(connected.signs_in.as_deref().map(str::trim), Ok("\"token_type\":\"bearer\""));
}

#[test]
fn what_was_connected_comes_off_without_a_trace() {
    let Some(Story { off, left, .. }) = story() else { return };
    assert!(off.sends.is_err() && off.signs_in.is_err());
    assert_eq!(
        left,
        "OIDC_CLIENT_ID=\nOIDC_DISCOVERY=\nSMTP_FROM=\nSMTP_HOST=\nSMTP_PORT=\n\
         SMTP_STARTTLS=off\nSMTP_USER="
    );
}
