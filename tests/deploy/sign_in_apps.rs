//! People sign in to applications that speak OpenID Connect by themselves, at a real browser
//! and through the example provider: Synapse and pgAdmin. What each makes of names and groups
//! is looked at, and that the old way in stays.

use std::{
    io::{Read, Write},
    net::TcpStream,
};

use serde_json::{Value, json};

use crate::support::{
    browser::Browser,
    cli::{Lab, Run},
    common::{PATIENCE, real_engine},
    operator::{folder_with_helper, good, has_images, has_plugin, machine},
    sign_on::{ACCOUNTS, App, LEMONLDAP_NG, OIDC_PROVIDER, Provider},
};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// An application that signs people in by itself.
#[derive(Debug, Clone, Copy)]
struct Example {
    recipe: &'static str,
    images: &'static [&'static str],
    grants: &'static [&'static str],
    /// The setting that says where people reach it.
    address: &'static str,
    /// It keeps cookies for TLS only, also where it has none.
    wants_tls: bool,
}

const SYNAPSE: Example = Example {
    recipe: "synapse",
    images: &["synapse:1.163.2", "stores:1"],
    grants: &[
        "synapse exec: app",
        "synapse exec: db",
        "database exec: db",
        "database secret: db_password",
        "mail exec: app",
        "mail secret: smtp_password",
        "sign-on secret: oidc_client_secret",
    ],
    address: "PUBLIC_URL",
    wants_tls: true,
};

const PGADMIN: Example = Example {
    recipe: "pgadmin",
    images: &["pgadmin:1"],
    grants: &["accounts exec: app", "sign-on secret: oidc_client_secret"],
    address: "SITE_URL",
    wants_tls: false,
};

/// A provider and an application that are deployed and know nothing of each other.
struct World {
    lab: Lab,
    /// What the provider is like.
    at: Provider,
    provider: App,
    app: App,
    browser: Browser,
}

impl World {
    /// None, said loudly, where this machine cannot.
    async fn new(at: Provider, example: Example, more: &[&str]) -> Option<Self> {
        real_engine().await?;
        let image = format!("{}:1", at.recipe);
        let images = [example.images, &[&image, "helper:1"]].concat();
        let has_own = example.recipe != "synapse" || has_plugin("synapse");
        if !has_images(&images) || !has_plugin(at.recipe) || !has_own {
            return None;
        }
        let (provider, app) = (App::new("apps-sso"), App::new(example.recipe));
        let names = [provider.domain.as_str(), &app.domain];
        let browser = if example.wants_tls {
            Browser::start_as_if_with_tls(&names, &[&app.url()])?
        } else {
            Browser::start(&names)?
        };
        let lab = folder_with_helper();
        let world = World { lab, at, provider, app, browser };

        let (provider, app) = (&world.provider, &world.app);
        let issuer = format!("ISSUER={}", provider.url());
        world.new_app(at.recipe, provider, &[&issuer]);
        let accounts = ["app", "secret", "insert", &provider.domain, "accounts"];
        good(&world.lab.run_with(&accounts, ACCOUNTS.as_bytes()));
        world.deploy(provider, &[&format!("{} exec: app", at.recipe)]);

        // No name server knows the provider: from the containers, it is this machine.
        let settings = [
            format!("{}={}", example.address, app.url()),
            format!("PROVIDER_HOST={}", provider.domain),
            format!("PROVIDER_ADDRESS={}", machine()),
        ];
        let settings = settings.iter().map(String::as_str).chain(more.iter().copied());
        world.new_app(example.recipe, app, &settings.collect::<Vec<_>>());
        world.deploy(app, example.grants);
        Some(world)
    }

    fn new_app(&self, recipe: &str, app: &App, settings: &[&str]) {
        let recipe = format!("{ROOT}/recipes-examples/{recipe}");
        let port = format!("PORT={}", app.port);
        let mut new = vec!["app", "new", &recipe, "--domain", &app.domain, "--server", "here"];
        new.extend(["-n", "--set", &port, "--set", "COMPOSE_FILE=compose.yml:compose.test.yml"]);
        new.extend(settings.iter().flat_map(|setting| ["--set", setting]));
        good(&self.lab.run(&new));
    }

    fn deploy(&self, app: &App, grants: &[&str]) {
        good(&self.lab.run(&["app", "secret", "generate", &app.domain, "-n"]));
        let mut deploy = vec!["app", "deploy", &app.domain, "-n", "--yes"];
        deploy.extend(grants.iter().flat_map(|grant| ["--grant", *grant]));
        good(&self.lab.run(&deploy));
    }

    /// Settings as somebody's hand changes them, and a deploy.
    fn change(&self, settings: &[&str]) {
        let mut config = vec!["app", "config", &self.app.domain, "-n"];
        config.extend(settings.iter().flat_map(|setting| ["--set", *setting]));
        good(&self.lab.run(&config));
        self.deploy(&self.app, &[]);
    }

    fn sso(&self, verb: &str, more: &[&str]) {
        let sso = ["sso", verb, &self.app.domain];
        good(&self.lab.run(&[&sso[..], more, &["--yes", "-n"]].concat()));
    }

    fn connect(&self) {
        self.sso("connect", &[&self.provider.domain]);
    }

    /// A command of the app's plugin, and what it prints.
    fn command(&self, arguments: &[&str]) -> String {
        let run = self.try_command(arguments);
        good(&run);
        run.stdout.trim().to_owned()
    }

    fn try_command(&self, arguments: &[&str]) -> Run {
        let command = ["app", "cmd", &self.app.domain];
        self.lab.run(&[&command[..], arguments, &["-q", "-n"]].concat())
    }

    /// Fills in the provider's pages, to which the app has sent a person.
    fn at_the_provider(&self, login: &str) {
        let (b, at) = (&self.browser, &self.at);
        b.wait_for_url(&self.provider.url());
        b.type_into(at.login, login);
        b.type_into("input[name=password]", &format!("pw of {login}"));
        b.click("button[type=submit]");
        // Whom it remembers, it asks nothing.
        if !at.remembers || !b.comes_to(&self.app.url(), at.consent) {
            b.click(at.consent);
        }
        b.wait_for_url(&self.app.url());
    }
}

/// Synapse, as a person's app talks to it.
struct Chat<'a>(&'a World);

impl Chat<'_> {
    /// Status and answer.
    fn call(&self, method: &str, path: &str, body: &Value, token: &str) -> (u16, Value) {
        let App { domain, port, .. } = &self.0.app;
        let mut stream = TcpStream::connect(("127.0.0.1", *port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let body = if method == "POST" { body.to_string() } else { String::new() };
        // 1.0, so that the answer comes in one piece.
        write!(
            stream,
            "{method} /_matrix/client/v3/{path} HTTP/1.0\r\nHost: {domain}:{port}\r\n\
             Authorization: Bearer {token}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        (status.unwrap_or_default(), serde_json::from_str(body).unwrap_or_default())
    }

    fn get(&self, path: &str, token: &str) -> Value {
        let (status, answer) = self.call("GET", path, &Value::Null, token);
        assert_eq!(status, 200, "{path}: {answer}");
        answer
    }

    /// How people can sign in.
    fn ways(&self) -> Vec<String> {
        // Anyone may ask.
        let (status, answer) = self.call("GET", "login", &Value::Null, "");
        assert_eq!(status, 200, "{answer}");
        let flows = answer["flows"].as_array().unwrap().iter();
        flows.filter_map(|flow| flow["type"].as_str().map(str::to_owned)).collect()
    }

    /// Signs in with a password. More than five sign-ins in a row are too many for Synapse.
    fn with_password(&self, name: &str, password: &str) -> u16 {
        let who = json!({"type": "m.id.user", "user": name});
        let asked = json!({"type": "m.login.password", "identifier": who, "password": password});
        self.call("POST", "login", &asked, "").0
    }

    /// Goes to the provider and signs in there, as somebody who has not been there.
    fn begin(&self, login: &str) {
        let World { app, browser, .. } = self.0;
        browser.forget();
        let back = format!("{}/_matrix/static/", app.url());
        browser
            .go(&format!("{}/_matrix/client/v3/login/sso/redirect?redirectUrl={back}", app.url()));
        self.0.at_the_provider(login);
    }

    /// Signs in through the provider; whom Synapse takes the person for, and the token of the
    /// session.
    fn through_the_provider(&self, login: &str) -> (String, String) {
        let World { app, browser, .. } = self.0;
        self.begin(login);
        browser.wait_for_text("Continue to your account");
        browser.click("a.primary-button");
        let back = format!("{}/_matrix/static/?loginToken=", app.url());
        browser.wait_for_url(&back);
        let once = browser.url()[back.len()..].to_owned();
        let asked = json!({"type": "m.login.token", "token": once});
        let (status, signed) = self.call("POST", "login", &asked, "");
        assert_eq!(status, 200, "{signed}");
        let token = signed["access_token"].as_str().unwrap();
        let me = self.get("account/whoami", token)["user_id"].as_str().unwrap().to_owned();
        // The token is good for one session.
        assert_eq!(self.call("POST", "login", &asked, "").0, 403);
        (me, token.to_owned())
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "make campaign sign-on"]
async fn a_person_signs_in_to_synapse_through_the_provider_and_the_old_way_stays() {
    to_synapse(OIDC_PROVIDER).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "make campaign sign-on"]
async fn a_person_signs_in_to_synapse_through_lemonldap_ng_and_the_old_way_stays() {
    to_synapse(LEMONLDAP_NG).await;
}

async fn to_synapse(at: Provider) {
    let Some(world) = World::new(at, SYNAPSE, &[]).await else { return };
    let chat = Chat(&world);
    let address = |name: &str| format!("@{name}:{}", world.app.domain);
    let password = world.command(&["create-user", "cook"]);
    let sso = || chat.ways().iter().any(|way| way == "m.login.sso");
    assert!(!sso(), "{:?}", chat.ways());

    world.connect();
    assert!(sso(), "{:?}", chat.ways());
    let (me, token) = chat.through_the_provider("ada");
    assert_eq!(me, address("ada"));
    assert_eq!(chat.get(&format!("profile/{me}"), &token)["displayname"], "Ada L.");
    let known = chat.get("account/3pid", &token);
    assert_eq!(known["threepids"][0]["address"], "ada@example.org", "{known}");
    assert_eq!(chat.with_password("cook", &password), 200);

    // She has no password here until somebody gives her one.
    let hers = world.command(&["reset-password", "ada"]);
    let nobody = world.try_command(&["reset-password", "nobody"]);
    assert!(nobody.stderr.contains("there is no active account"), "{nobody}");
    world.sso("disconnect", &[]);
    assert!(!sso(), "{:?}", chat.ways());
    assert_eq!(chat.with_password("ada", &hers), 200);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "make campaign sign-on"]
async fn synapse_gives_nobody_the_account_of_another_unless_it_is_told_to() {
    let Some(world) = World::new(OIDC_PROVIDER, SYNAPSE, &["OIDC_ALLOWED_GROUP=editors"]).await
    else {
        return;
    };
    let chat = Chat(&world);
    let address = |name: &str| format!("@{name}:{}", world.app.domain);
    // People who were here before the provider, and may be others than those of these names there.
    for name in ["ada", "bob"] {
        world.command(&["create-user", name]);
    }
    world.connect();
    assert_eq!(chat.through_the_provider("ada").0, address("ada1"));
    chat.begin("bob");
    world.browser.wait_for_text("You are not allowed to log in here");

    // Another secret, and she is the same person.
    world.sso("rotate", &[]);
    assert_eq!(chat.through_the_provider("ada").0, address("ada1"));

    world.change(&["OIDC_ALLOWED_GROUP=", "OIDC_EXISTING_USERS=yes"]);
    assert_eq!(chat.through_the_provider("bob").0, address("bob"));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "make campaign sign-on"]
async fn a_person_signs_in_to_pgadmin_through_the_provider_and_the_old_way_stays() {
    to_pgadmin(OIDC_PROVIDER).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "make campaign sign-on"]
async fn a_person_signs_in_to_pgadmin_through_lemonldap_ng_and_the_old_way_stays() {
    to_pgadmin(LEMONLDAP_NG).await;
}

async fn to_pgadmin(at: Provider) {
    // The administrator has the same mail address as somebody at the provider.
    let settings = ["ADMIN_EMAIL=ada@example.org", "OIDC_ALLOWED_GROUPS=editors, admins"];
    let Some(world) = World::new(at, PGADMIN, &settings).await else { return };
    let b = &world.browser;
    let button = "button[name=oauth2_button]";
    let password = docker_secret(&world, "admin_password");
    let the_old_way = || {
        b.forget();
        b.go(&world.app.url());
        b.type_into("input[name=email]", "ada@example.org");
        b.type_into("input[name=password]", &password);
        b.click("button[name=internal_button]:not([disabled])");
        b.wait_for_text("ada@example.org (internal)");
    };
    let through_the_provider = |login: &str, seen: &str| {
        b.forget();
        b.go(&world.app.url());
        b.click(button);
        world.at_the_provider(login);
        b.wait_for_text(seen);
    };
    the_old_way();

    world.connect();
    through_the_provider("ada", "ada (sso)");
    through_the_provider("bob", "not authorized to login");
    the_old_way();
    // Hers is an account of its own.
    let names = "import sqlite3\nfor row in sqlite3.connect('/var/lib/pgadmin/pgadmin4.db').execute(\
                 'select u.username, auth_source, r.name from user u join roles_users on user_id = \
                 u.id join role r on r.id = role_id order by u.id'): print(*row)";
    let python = ["app", "run", &world.app.domain, "app", "--", "python3", "-c", names];
    let run = world.lab.run(&python);
    good(&run);
    assert_eq!(run.stdout.trim(), "ada@example.org internal Administrator\nada oauth2 User");

    world.sso("rotate", &[]);
    through_the_provider("ada", "ada (sso)");

    world.sso("disconnect", &[]);
    the_old_way();
    b.forget();
    b.go(&world.app.url());
    b.wait_for("button[name=internal_button]");
    assert!(!b.has(button));
}

/// What the app's service reads at /run/secrets.
fn docker_secret(world: &World, name: &str) -> String {
    let path = format!("/run/secrets/{name}");
    let run = world.lab.run(&["app", "run", &world.app.domain, "app", "--", "cat", &path]);
    good(&run);
    run.stdout.trim().to_owned()
}
