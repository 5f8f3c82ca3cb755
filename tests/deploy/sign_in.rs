//! A person signs in to one app through another, at a real browser: the example recipes of
//! two OpenID providers, and the site of which Apache signs people in. Each is connected and
//! disconnected by one command.

use std::{
    io::{Read, Write},
    net::TcpStream,
    path::Path,
};

use crate::support::{
    browser::Browser,
    cli::Lab,
    common::{PATIENCE, real_engine},
    operator::{folder_with_helper, good, has_images, has_plugin, machine},
    sign_on::{ACCOUNTS, App, INITIAL_TOKEN, LEMONLDAP_NG, OIDC_PROVIDER, Provider},
};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The site's own password, for the old way in.
const OLD_WAY: &str = "the-old-way-in";

/// A provider and a site that are deployed and know nothing of each other.
struct World {
    example: Provider,
    lab: Lab,
    provider: App,
    site: App,
    browser: Browser,
}

impl World {
    async fn new(example: Provider, room: &str, more: &[&str]) -> Option<Self> {
        Self::reached(example, room, more, None).await
    }

    /// With a provider whose issuer has this host.
    async fn reached(
        example: Provider,
        room: &str,
        more: &[&str],
        host: Option<&str>,
    ) -> Option<Self> {
        real_engine().await?;
        let recipe = example.recipe;
        let image = format!("{recipe}:1");
        if !has_images(&[&image, "sign-on:1", "helper:1"]) || !has_plugin(recipe) {
            return None;
        }
        let recipes = Path::new(ROOT).join("recipes-examples");
        let mut provider = App::new(&format!("{room}-sso"));
        let site = App::new(&format!("{room}-site"));
        if let Some(host) = host {
            host.clone_into(&mut provider.host);
        }
        let browser = Browser::start(&[&provider.domain, &site.domain])?;
        // The look from the app's own network needs its `nc`.
        let lab = folder_with_helper();
        let world = World { example, lab, provider, site, browser };

        let (provider, site) = (&world.provider, &world.site);
        let issuer = format!("ISSUER={}", provider.url());
        world.app(&recipes.join(recipe), provider, &[&issuer]);
        world.secret(provider, "accounts", ACCOUNTS);
        if recipe == OIDC_PROVIDER.recipe {
            world.secret(provider, "initial_access_token", INITIAL_TOKEN);
        }
        good(&world.lab.run(&["app", "secret", "generate", &provider.domain, "-n"]));
        world.deploy(provider, &["--grant", &format!("{recipe} exec: app")]);

        // No name server knows the provider: from the containers, it is this machine.
        let settings = [
            format!("SITE_URL={}", site.url()),
            format!("PROVIDER_HOST={}", provider.domain),
            format!("PROVIDER_ADDRESS={}", machine()),
        ];
        let settings = settings.iter().map(String::as_str).chain(more.iter().copied());
        world.app(&recipes.join("members-site"), site, &settings.collect::<Vec<_>>());
        world.secret(site, "local_password", OLD_WAY);
        world.deploy(site, &["--grant", "sign-on secret: oidc_client_secret"]);
        Some(world)
    }

    fn app(&self, recipe: &Path, app: &App, settings: &[&str]) {
        let port = format!("PORT={}", app.port);
        let mut new = vec!["app", "new", recipe.to_str().unwrap(), "--domain", &app.domain];
        new.extend(["--server", "here", "-n", "--set", &port]);
        new.extend(["--set", "COMPOSE_FILE=compose.yml:compose.test.yml"]);
        new.extend(settings.iter().flat_map(|setting| ["--set", setting]));
        good(&self.lab.run(&new));
    }

    fn secret(&self, app: &App, name: &str, value: &str) {
        let insert = ["app", "secret", "insert", &app.domain, name];
        good(&self.lab.run_with(&insert, value.as_bytes()));
    }

    fn deploy(&self, app: &App, more: &[&str]) {
        good(&self.lab.run(&[&["app", "deploy", &app.domain, "-n"], more].concat()));
    }

    fn connect(&self) {
        let (site, provider) = (&self.site.domain, &self.provider.domain);
        good(&self.lab.run(&["sso", "connect", site, provider, "--yes", "-n"]));
    }

    fn disconnect(&self) {
        good(&self.lab.run(&["sso", "disconnect", &self.site.domain, "--yes", "-n"]));
    }

    /// What a check finds from within the site's network: what was looked at, the level, and what
    /// was seen.
    fn checked(&self, code: i32) -> Vec<(String, String, String)> {
        let run = self.lab.run(&["sso", "check", &self.site.domain, "--json"]);
        assert_eq!(run.code, code, "{run}");
        let rows: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
        let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        let findings = rows[0]["findings"].as_array().unwrap().iter();
        findings
            .filter(|it| it["inside"] == true)
            .map(|it| (text(&it["check"]), text(&it["level"]), text(&it["message"])))
            .collect()
    }

    /// What the provider's own store has of clients.
    fn clients(&self) -> String {
        let run = self.lab.run(&["app", "cmd", &self.provider.domain, "list-clients", "-q"]);
        good(&run);
        run.stdout
    }

    fn lose_clients(&self) {
        let run = [&["app", "run", &self.provider.domain, "app", "--"][..], self.example.lose];
        good(&self.lab.run(&run.concat()));
        assert_eq!(self.clients().trim(), "");
    }

    /// Opens the site as somebody who has not been there, and fills in the provider's page.
    fn arrive(&self, login: &str) {
        let b = &self.browser;
        b.forget();
        b.go(&self.site.url());
        b.wait_for_url(&self.provider.url());
        b.type_into(self.example.login, login);
        b.type_into("input[name=password]", &format!("pw of {login}"));
        b.click("button[type=submit]");
    }

    /// Signs in to the site as somebody who has not been there.
    fn sign_in(&self, login: &str) {
        self.arrive(login);
        let Provider { consent, remembers, .. } = self.example;
        // The site's own page, where nothing is asked any more.
        if !remembers || self.browser.wait_for_any(&[consent, "#user"]) == 0 {
            self.browser.click(consent);
        }
        self.browser.wait_for_url(&self.site.url());
    }

    /// The provider sends nobody back to an app that it does not know.
    fn turned_away(&self) {
        if self.example.asks_first {
            self.arrive("ada");
        } else {
            self.browser.forget();
            self.browser.go(&self.site.url());
        }
        self.browser.wait_for_text(self.example.unknown);
    }

    /// Signs out of the site and at the provider, and comes back.
    fn sign_out(&self) {
        let b = &self.browser;
        b.click("#sign-out");
        b.wait_for_url(&self.provider.url());
        b.click(self.example.sign_out);
        b.wait_for_url(&format!("{}/signed-out.html", self.site.url()));
    }

    /// A client that is lost comes back with the id and the secret that the site has had all
    /// the time.
    fn lose_and_repair(&self) {
        let before = self.clients();
        self.lose_clients();
        self.turned_away();
        self.connect();
        assert_eq!(self.clients(), before);
        self.sign_in("ada");
        assert_eq!(self.seen(), ada());
    }

    /// Another secret: she is the same person, at the same client.
    fn rotate(&self) {
        let before = self.clients();
        good(&self.lab.run(&["sso", "rotate", &self.site.domain, "--yes", "-n"]));
        assert_eq!(self.clients(), before);
        self.sign_in("ada");
        assert_eq!(self.seen(), ada());
    }

    /// Seen from within the site's network, where the provider's name leads to a private
    /// address. This machine does not know its name at all.
    fn look_from_within(&self) {
        let seen = self.checked(0);
        let levels = |check: &str| -> Vec<&str> {
            seen.iter().filter(|it| it.0 == check).map(|it| it.1.as_str()).collect()
        };
        for (check, level) in
            [("issuer", "good"), ("clock", "good"), ("keys", "good"), ("address", "note")]
        {
            assert_eq!(levels(check), [level], "{check}: {seen:?}");
        }
        assert!(!seen.iter().any(|it| it.1 == "bad"), "{seen:?}");
        assert!(seen.iter().any(|it| it.2.contains("takes the app's secret")), "{seen:?}");
    }

    /// The provider has another secret, of which nobody told the app.
    fn another_secret_unsaid(&self) {
        let edit = r#"s/"client_secret": *"[^"]*"/"client_secret":"0123456789012345678901234567890123456789"/"#;
        let script = format!("sed -i '{edit}' /data/Client/*");
        let run = ["app", "run", &self.provider.domain, "app", "--", "sh", "-c", &script];
        good(&self.lab.run(&run));
        let seen = self.checked(7);
        let told = |it: &(String, String, String)| it.2.contains("does not take the secret");
        assert!(seen.iter().any(|it| it.0 == "client" && it.1 == "bad" && told(it)), "{seen:?}");
    }

    /// Who the site says is there, and in which groups.
    fn seen(&self) -> (String, String) {
        (self.browser.text_of("#user"), self.browser.text_of("#groups"))
    }

    /// Opens a page with the site's own password, and says who is there.
    fn the_old_way(&self, path: &str) -> String {
        let App { domain, port, .. } = &self.site;
        self.browser.forget();
        self.browser.go(&format!("http://member:{OLD_WAY}@{domain}:{port}{path}"));
        self.browser.text_of("#user")
    }

    /// How the site answers somebody whom it does not know.
    fn status(&self, path: &str) -> u16 {
        let App { domain, port, .. } = &self.site;
        let mut stream = TcpStream::connect(("127.0.0.1", *port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        // Programs that take no page are not sent to the provider.
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nHost: {domain}:{port}\r\nAccept: text/html\r\n\
             Connection: close\r\n\r\n"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer.split(' ').nth(1).unwrap_or_default().parse().unwrap_or_default()
    }
}

/// What the site says where she is there.
fn ada() -> (String, String) {
    ("ada".to_owned(), "editors,family".to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_signs_in_through_the_provider_and_after_a_disconnect_the_old_way() {
    let Some(world) = World::new(OIDC_PROVIDER, "person", &[]).await else { return };
    assert_eq!((world.status("/"), world.the_old_way("/").as_str()), (401, "member"));

    world.connect();
    assert_eq!(world.status("/"), 302, "it sends people to the provider");
    // It sends people to no other site.
    let elsewhere = "/oidc/callback?logout=http%3A%2F%2Felsewhere.example%2F";
    world.browser.go(&format!("{}{elsewhere}", world.site.url()));
    world.browser.wait_for_text("does not match the hostname of the current request");
    world.sign_in("ada");
    assert_eq!(world.seen(), ada());
    assert_eq!(world.browser.text_of("#name"), "Ada L.");
    world.look_from_within();
    world.sign_out();
    // Which works while the provider does not.
    assert_eq!(world.the_old_way("/local/"), "member");

    world.disconnect();
    assert_eq!(world.clients().trim(), "");
    assert_eq!((world.status("/"), world.the_old_way("/").as_str()), (401, "member"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_the_provider_lost_is_put_back_as_it_was() {
    let Some(world) = World::new(OIDC_PROVIDER, "lost", &[]).await else { return };
    world.connect();
    world.sign_in("ada");
    world.lose_and_repair();
    world.rotate();
    world.another_secret_unsaid();

    // The site's network does not lead there any more.
    let site = &world.site.domain;
    good(&world.lab.run(&["app", "config", site, "--set", "PROVIDER_ADDRESS=127.0.0.9"]));
    world.deploy(&world.site, &[]);
    let seen = world.checked(7);
    let refused = |it: &(String, String, String)| it.0 == "reachable" && it.1 == "bad";
    assert!(seen.iter().any(|it| refused(it) && it.2.contains("refused")), "{seen:?}");
    let run = world.lab.run(&["sso", "check", site, "--here"]);
    assert!(run.code == 7 && !run.stdout.contains("inside the app's network"), "{run}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_in_none_of_the_allowed_groups_is_told_so() {
    let allowed = ["OIDC_ALLOWED_GROUPS=editors, admins"];
    let Some(world) = World::new(OIDC_PROVIDER, "groups", &allowed).await else { return };
    world.connect();
    world.sign_in("ada");
    assert_eq!(world.seen(), ada());
    world.sign_in("bob");
    world.browser.wait_for_text("you are in none of the groups that may read this site");
}

/// RFC 7591 and RFC 7592, at a provider that is no app of the folder as far as the site knows.
#[tokio::test(flavor = "multi_thread")]
async fn a_site_is_registered_by_the_standard_and_its_client_follows_it() {
    if real_engine().await.is_none() {
        return;
    }
    let machine = machine();
    let Some(mut world) = World::reached(OIDC_PROVIDER, "standard", &[], Some(&machine)).await
    else {
        return;
    };
    let (issuer, site) = (world.provider.url(), world.site.domain.clone());
    let run = |arguments: &[&str]| good(&world.lab.run(arguments));
    run(&["key", "new"]);
    world.lab.write("token", INITIAL_TOKEN);
    let token = world.lab.path("token");
    std::fs::set_permissions(&token, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let file = token.to_str().unwrap();
    run(&["provider", "add", "house", "--issuer", &issuer, "--dynamic", "--token-file", file]);
    run(&["sso", "connect", &site, "house", "--yes", "-n"]);
    let made = world.clients();
    assert!(made.contains("/oidc/callback"), "{made}");
    world.sign_in("ada");
    assert_eq!(world.seen(), ada());
    // From here and from within, all is as it should be.
    let checked = world.lab.run(&["sso", "check", &site, "--good"]);
    assert_eq!(checked.code, 0, "{checked}");
    assert!(checked.stdout.contains("inside the app's network: the issuer is"), "{checked}");

    // The site moves: the same client is told its other address.
    world.site.host = machine;
    let moved = format!("SITE_URL={}", world.site.url());
    let run = |arguments: &[&str]| good(&world.lab.run(arguments));
    run(&["app", "config", &site, "--set", &moved]);
    let due = world.lab.run(&["sso", "check", &site, "--here"]);
    assert!(due.code == 7 && due.stdout.contains("which the provider was not told"), "{due}");
    run(&["sso", "connect", &site, "--yes", "-n"]);
    let id = |clients: &str| clients.split('\t').next().map(str::to_owned);
    let told = world.clients();
    assert_eq!(id(&told), id(&made));
    assert!(told.contains(&world.site.url()) && !told.contains(&site), "{told}");
    world.sign_in("ada");
    assert_eq!(world.seen(), ada());

    world.disconnect();
    assert_eq!(world.clients().trim(), "");
}

/// Everything above with another provider, in one go: each deploy takes its time.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "make campaign sign-on"]
async fn lemonldap_ng_signs_people_in_after_a_loss_and_with_another_secret() {
    let allowed = ["OIDC_ALLOWED_GROUPS=editors"];
    let Some(world) = World::new(LEMONLDAP_NG, "lemon", &allowed).await else { return };
    world.connect();
    world.sign_in("ada");
    assert_eq!(world.seen(), ada());
    assert_eq!(world.browser.text_of("#name"), "Ada L.");
    world.look_from_within();

    world.lose_and_repair();
    world.rotate();
    // Who is in no group of the site's comes back, too, after he was asked.
    world.arrive("bob");
    world.browser.click(LEMONLDAP_NG.consent);
    world.browser.wait_for_text("you are in none of the groups that may read this site");

    world.disconnect();
    assert_eq!(world.clients().trim(), "");
    assert_eq!((world.status("/"), world.the_old_way("/").as_str()), (401, "member"));
}
