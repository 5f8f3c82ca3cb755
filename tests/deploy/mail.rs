//! Mail, on the real swarm: a relay of the example recipe, and apps of three examples whose
//! mail arrives in its mailbox. What goes wrong is provoked and said in the relay's words.

use std::{
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use crate::support::{
    cli::{Lab, Run},
    common::{Cleanup, PATIENCE, ports, real_engine, unique_stack},
    operator::{docker, domain, folder_with_helper, good, has_images, has_plugin, refused},
};

use potluck::home::StackName;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const RECIPIENT: &str = "ada@box.example";

/// An example that sends.
#[derive(Debug, Clone, Copy)]
struct Example {
    recipe: &'static str,
    images: &'static [&'static str],
    settings: &'static [&'static str],
    grants: &'static [&'static str],
    /// Its services on the relay's network.
    joined: &'static [&'static str],
    /// In the subject of a message for a test.
    subject: &'static str,
}

const WORDPRESS: Example = Example {
    recipe: "wordpress",
    images: &["wordpress:1", "mariadb:1"],
    settings: &["TITLE=Soup", "ADMIN_EMAIL=cook@box.example"],
    grants: &[
        "wordpress exec: app",
        "wordpress exec: db",
        "database exec: db",
        "database secret: db_password",
    ],
    joined: &["app"],
    subject: "Subject: Test message of Soup",
};

const SYNAPSE: Example = Example {
    recipe: "synapse",
    images: &["synapse:1.163.2", "stores:1"],
    settings: &[],
    grants: &[
        "synapse exec: app",
        "synapse exec: db",
        "database exec: db",
        "database secret: db_password",
        "sign-on secret: oidc_client_secret",
    ],
    joined: &["app"],
    subject: "Subject: Test message of ",
};

const ISSO: Example = Example {
    recipe: "isso",
    images: &["isso:1"],
    settings: &["WEBSITE=http://www.example", "ADMIN_EMAIL=cook@box.example"],
    grants: &["comments exec: app"],
    joined: &["app"],
    subject: "Subject: Test message",
};

const MEDIAWIKI: Example = Example {
    recipe: "mediawiki",
    images: &["mediawiki:1.43", "mariadb:1"],
    settings: &["SITE_NAME=Soup", "ADMIN_EMAIL=cook@box.example"],
    grants: &["database exec: db", "database secret: db_password"],
    joined: &["app", "jobs"],
    subject: "Subject: Test message of Soup",
};

/// A network that apps share, removed when the test ends.
struct Network(String);

impl Drop for Network {
    fn drop(&mut self) {
        // Its last container may take a moment to leave.
        for _ in 0..50 {
            let gone = Command::new("docker").args(["network", "rm", &self.0]).output();
            if gone.is_ok_and(|gone| gone.status.success()) {
                return;
            }
            std::thread::sleep(Duration::from_millis(200));
        }
    }
}

/// A relay, and an app that trusts it and is not connected yet.
struct World {
    lab: Lab,
    relay: String,
    relay_stack: StackName,
    app: String,
    example: Example,
    // Dropped in this order: apps, then their network.
    _app: Cleanup,
    _relay: Cleanup,
    network: Network,
}

impl World {
    /// None, said loudly, where this machine cannot.
    async fn new(example: Example) -> Option<Self> {
        real_engine().await?;
        let images = [example.images, &["postfix:1", "helper:1"]].concat();
        let has_own = ["isso", "mediawiki"].contains(&example.recipe) || has_plugin(example.recipe);
        if !has_images(&images) || !has_plugin("mail-relay") || !has_own {
            return None;
        }
        let name = unique_stack("mailnet").as_str().to_owned();
        docker(&["network", "create", "--driver", "overlay", "--attachable", &name]);
        let network = Network(name);
        let (relay, relay_stack) = domain("relay");
        let (app, stack) = domain(example.recipe);
        let (cleanup, of_app) = (Cleanup::new(&relay_stack), Cleanup::new(&stack));
        let lab = folder_with_helper();
        let world =
            World { lab, relay, relay_stack, app, example, _app: of_app, _relay: cleanup, network };
        world.deploy_relay();
        world.deploy_app();
        Some(world)
    }

    fn new_app(&self, recipe: &str, domain: &str, overlays: &str, settings: &[&str]) {
        let recipe = format!("{ROOT}/recipes-examples/{recipe}");
        let files = format!("COMPOSE_FILE=compose.yml:compose.test.yml:{overlays}");
        let network = format!("MAIL_NETWORK={}", self.network.0);
        let mut new = vec!["app", "new", &recipe, "--server", "here", "-n", "--domain", domain];
        for setting in
            [&files, &network].into_iter().map(String::as_str).chain(settings.iter().copied())
        {
            new.extend(["--set", setting]);
        }
        good(&self.lab.run(&new));
    }

    fn deploy(&self, domain: &str, grants: &[&str]) {
        let services = if domain == self.app { self.example.joined } else { &["app"] };
        let join = |service: &&str| format!("{service} external-network: {}", self.network.0);
        let joins: Vec<String> = services.iter().map(join).collect();
        let mut deploy = vec!["app", "deploy", domain, "-n", "--yes"];
        deploy.extend(joins.iter().flat_map(|join| ["--grant", join.as_str()]));
        deploy.extend(grants.iter().flat_map(|grant| ["--grant", *grant]));
        good(&self.lab.run(&deploy));
    }

    fn deploy_relay(&self) {
        let (submission, submissions) = (ports(), ports());
        let ports =
            [format!("SUBMISSION_PORT={submission}"), format!("SUBMISSIONS_PORT={submissions}")];
        let settings = [
            ports[0].as_str(),
            &ports[1],
            "SENDER_DOMAINS=hm.example",
            "MAILBOX_DOMAINS=box.example",
        ];
        self.new_app("mail-relay", &self.relay, "compose.network.yml", &settings);
        self.deploy(&self.relay, &["mail-relay exec: app"]);
    }

    fn deploy_app(&self) {
        let port = format!("PORT={}", ports());
        let settings: Vec<&str> = self
            .example
            .settings
            .iter()
            .copied()
            .chain([port.as_str(), "SECRET_SMTP_CA_VERSION=v1"])
            .collect();
        let overlays = "compose.mail-network.yml:compose.smtp-ca.yml";
        self.new_app(self.example.recipe, &self.app, overlays, &settings);
        good(&self.run(&["app", "secret", "generate", &self.app, "-n"]));
        let authority = self.run(&["app", "cmd", &self.relay, "authority", "-n", "-q"]);
        good(&authority);
        let insert = ["app", "secret", "insert", &self.app, "smtp_ca", "-n"];
        good(&self.lab.run_with(&insert, authority.stdout.as_bytes()));
        let mut grants = self.example.grants.to_vec();
        grants.extend(["mail exec: app", "mail secret: smtp_password"]);
        self.deploy(&self.app, &grants);
    }

    fn run(&self, arguments: &[&str]) -> Run {
        self.lab.run(arguments)
    }

    fn sender(&self) -> String {
        format!("{}@hm.example", self.example.recipe)
    }

    fn connect(&self) -> Run {
        let sender = self.sender();
        self.run(&["mail", "connect", &self.app, &self.relay, "--sender", &sender, "--yes", "-n"])
    }

    fn test(&self) -> Run {
        self.run(&["mail", "test", &self.app, "--to", RECIPIENT, "-n"])
    }

    /// What a check sees from the app's own network; `authority` is a file with who signs the
    /// relay's certificate.
    fn inside(&self, authority: Option<&Path>) -> Vec<(String, String)> {
        let mut command = self.lab.command();
        if let Some(authority) = authority {
            command.env("SSL_CERT_FILE", authority);
        }
        let checked = command.args(["mail", "check", &self.app, "--json"]).output().unwrap();
        let rows: serde_json::Value = serde_json::from_slice(&checked.stdout).unwrap();
        let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        let findings = rows[0]["findings"].as_array().unwrap().iter();
        let seen = findings.filter(|it| it["inside"] == true);
        seen.map(|it| (text(&it["check"]), text(&it["level"]))).collect()
    }

    /// A setting as somebody's hand changes it, and a deploy.
    fn change(&self, setting: &str) {
        good(&self.run(&["app", "config", &self.app, "-n", "--set", setting]));
        self.deploy(&self.app, &[]);
    }

    fn relay_plugin(&self, hook: &str) -> Run {
        let sender = format!("sender={}", self.sender());
        self.run(&["plugin", "run", "mail-relay", hook, &sender, "--app", &self.relay, "-n"])
    }

    /// In the relay's container.
    fn in_relay(&self, script: &str) -> String {
        let run = self.run(&["app", "run", &self.relay, "app", "--", "sh", "-c", script]);
        good(&run);
        run.stdout
    }

    /// All messages of the mailbox, which is empty afterwards.
    fn mailbox(&self) -> String {
        let take = "cd /data/mail/inbox/new 2>/dev/null && cat ./* 2>/dev/null && rm -f ./*; true";
        let until = Instant::now() + Duration::from_secs(10);
        loop {
            let text = self.in_relay(take);
            if !text.is_empty() || Instant::now() > until {
                return text;
            }
            std::thread::sleep(Duration::from_millis(300));
        }
    }

    /// The address of the relay's task on the shared network.
    fn address(&self) -> String {
        let name = format!("name={}_app.", self.relay_stack);
        let task = docker(&["ps", "-q", "--filter", &name]);
        let format =
            format!("{{{{(index .NetworkSettings.Networks {:?}).IPAddress}}}}", self.network.0);
        docker(&["inspect", "--format", &format, task.trim()]).trim().to_owned()
    }

    fn scale_relay(&self, replicas: u8) {
        docker(&["service", "scale", "-d", &format!("{}_app={replicas}", self.relay_stack)]);
        let name = format!("name={}_app.", self.relay_stack);
        let until = Instant::now() + PATIENCE;
        loop {
            let healthy = ["ps", "-q", "--filter", &name, "--filter", "health=healthy"];
            let all = ["ps", "-q", "--filter", &name];
            let found = docker(if replicas == 0 { &all[..] } else { &healthy[..] });
            if found.lines().count() == usize::from(replicas) {
                return;
            }
            assert!(Instant::now() < until, "the relay has not {replicas} tasks: {found}");
            std::thread::sleep(Duration::from_millis(500));
        }
    }
}

/// Connected, the app's own message arrives; disconnected, it has nothing of the relay.
fn round(world: &World) {
    refused(&world.test(), 1, &["is not connected"]);
    good(&world.connect());
    good(&world.test());
    let mail = world.mailbox();
    assert!(mail.contains(&format!("Return-Path: <{}>", world.sender())), "{mail}");
    assert!(mail.contains(&format!("Delivered-To: {RECIPIENT}")), "{mail}");
    assert!(mail.contains(world.example.subject), "{mail}");
    // With TLS and an account.
    assert!(mail.contains("with ESMTPSA"), "{mail}");

    // Again: the same account with the same password, and nothing to do.
    let account = world.in_relay("cat /data/accounts");
    good(&world.connect());
    assert_eq!(world.in_relay("cat /data/accounts"), account);
    let password = account.rsplit('}').next().unwrap().trim().to_owned();
    assert!(password.len() >= 32, "{account}");
    for (path, bytes) in world.lab.files() {
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains(&password), "the password is in {}", path.display());
    }

    good(&world.run(&["mail", "disconnect", &world.app, "--yes", "-n"]));
    assert_eq!(world.in_relay("accounts list"), "");
    let left = "env | grep ^SMTP_HOST; ls /run/secrets/smtp_password 2>/dev/null; true";
    let run = world.run(&["app", "run", &world.app, "app", "--", "sh", "-c", left]);
    good(&run);
    assert_eq!(run.stdout, "");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "make campaign mail"]
async fn a_message_of_synapse_itself_arrives() {
    let Some(world) = World::new(SYNAPSE).await else { return };
    round(&world);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "make campaign mail"]
async fn a_message_of_isso_itself_arrives() {
    let Some(world) = World::new(ISSO).await else { return };
    round(&world);
}

/// Also what the wiki sends by itself: a word to somebody whose page was changed is a job,
/// which another service runs.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "make campaign mail"]
async fn a_message_of_mediawiki_itself_arrives() {
    let Some(world) = World::new(MEDIAWIKI).await else { return };
    round(&world);
    good(&world.connect());
    let php = |arguments: &[&str], input: &str| {
        let command = [&["app", "run", &world.app, "app", "--", "php"][..], arguments].concat();
        good(&world.lab.run_with(&command, input.as_bytes()));
    };
    let account = ["maintenance/createAndPromote.php", "Ada", "Soup-and-potatoes-1", "--force"];
    php(&account, "");
    php(&["maintenance/resetUserEmail.php", "--no-reset-password", "Ada", RECIPIENT], "");
    php(&["maintenance/edit.php", "--user", "Admin", "User talk:Ada"], "Leeks are here.\n");
    let mail = world.mailbox();
    assert!(mail.contains("User talk") && mail.contains(RECIPIENT), "{mail}");
    assert!(mail.contains(&format!("Return-Path: <{}>", world.sender())), "{mail}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_of_wordpress_itself_arrives_and_what_fails_is_said() {
    let Some(world) = World::new(WORDPRESS).await else { return };
    round(&world);
    good(&world.connect());

    // The app's network alone leads to the relay, whose authority is told.
    let found = |check: &str, level: &str| (check.to_owned(), level.to_owned());
    let seen = world.inside(None);
    assert!(seen.contains(&found("certificate", "note")), "{seen:?}");
    let authority = world.run(&["app", "cmd", &world.relay, "authority", "-n", "-q"]);
    world.lab.write("authority.pem", &authority.stdout);
    let seen = world.inside(Some(&world.lab.path("authority.pem")));
    for (check, level) in [("greeting", "good"), ("starttls", "good"), ("account", "good")] {
        assert!(seen.contains(&found(check, level)), "{seen:?}");
    }

    // Another password, with which mail goes on.
    let account = world.in_relay("cat /data/accounts");
    good(&world.run(&["mail", "rotate", &world.app, "--yes", "-n"]));
    assert_ne!(world.in_relay("cat /data/accounts"), account);
    good(&world.test());

    // The relay knows the account no longer: a wrong password.
    good(&world.relay_plugin("close-account"));
    refused(&world.test(), 1, &["535 5.7.8 Error: authentication failed"]);
    // A look finds it, with the password that the app has.
    let seen = world.inside(Some(&world.lab.path("authority.pem")));
    assert!(seen.contains(&found("account", "bad")), "{seen:?}");
    good(&world.connect());
    good(&world.test());

    world.change("SMTP_FROM=other@hm.example");
    refused(
        &world.test(),
        1,
        &[
            "553 5.7.1 <other@hm.example>: Sender address rejected: not owned by user",
            &world.sender(),
        ],
    );
    world.change(&format!("SMTP_FROM={}", world.sender()));

    world.change("SMTP_ENCRYPTION=none");
    refused(&world.test(), 1, &["530 5.7.0 Must issue a STARTTLS command first"]);
    world.change("SMTP_ENCRYPTION=starttls");

    let address = world.address();
    world.change(&format!("SMTP_HOST={address}"));
    refused(&world.test(), 1, &["did not match expected name", &address]);
    world.change(&format!("SMTP_HOST={}", world.relay));

    world.scale_relay(0);
    refused(&world.test(), 1, &["getaddrinfo for", &world.relay]);
    refused(&world.relay_plugin("account"), 1, &["the service `app` is not running"]);
    world.scale_relay(1);
    good(&world.test());
}

/// The same relay as one of somebody else, of which the folder knows an account.
#[tokio::test(flavor = "multi_thread")]
async fn a_message_arrives_over_a_relay_outside() {
    let Some(world) = World::new(ISSO).await else { return };
    let sender = world.sender();
    let password = world.in_relay(&format!("accounts add {sender}"));
    world.lab.write("password", password.trim());
    let own = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(world.lab.path("password"), own).unwrap();
    let relay = format!("{}:587", world.relay);
    let add = ["provider", "add", "post", "--relay", &relay, "--username", &sender];
    good(&world.run(&[&add[..], &["--password-file", "password"]].concat()));
    let connect = ["mail", "connect", &world.app, "post", "--sender", &sender, "--yes", "-n"];
    good(&world.run(&connect));
    good(&world.test());
    let mail = world.mailbox();
    assert!(mail.contains(&format!("Return-Path: <{sender}>")), "{mail}");
    assert!(mail.contains(world.example.subject) && mail.contains("with ESMTPSA"), "{mail}");
    // Who has the account there changes its password.
    world.in_relay(&format!("accounts remove {sender}; accounts add {sender}"));
    refused(&world.test(), 1, &["535 5.7.8 Error: authentication failed"]);
    good(&world.run(&["mail", "disconnect", &world.app, "--yes", "-n"]));
    refused(&world.test(), 1, &["is not connected"]);
}

/// Who sends for which domains is the relay's to say.
#[tokio::test(flavor = "multi_thread")]
async fn a_sender_of_another_domain_gets_no_account() {
    let Some(world) = World::new(ISSO).await else { return };
    let connect = ["mail", "connect", &world.app, &world.relay, "--sender", "x@elsewhere.example"];
    let run = world.run(&[&connect[..], &["--yes", "-n"]].concat());
    refused(&run, 1, &["this relay does not send for elsewhere.example"]);
    assert_eq!(world.in_relay("accounts list"), "");
}
