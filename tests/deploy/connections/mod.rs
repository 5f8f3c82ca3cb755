//! Connecting apps to providers of sign-on and mail, through the program, on the simulated
//! server: what is changed at both ends, kept, repaired, undone and said.

mod outside;
mod rotation;
mod trust;

use crate::support::{
    cli::{Lab, Run},
    common::skip,
    provider::Provider,
};

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use serde_json::{Value, json};

const WIKI: &str = "wiki.example.org";
const IDP: &str = "sso.example.org";
const SECRET: &str = "s3cret-of-the-client";

/// A wiki that signs its people in elsewhere by a map, and keeps no secret of its own.
const COMPOSE: &str = "
services:
  app:
    image: example.invalid/wiki:1
    environment: {LANGUAGE: '${LANGUAGE}'}
";
const OVERLAY: &str = "
services:
  app:
    environment:
      OIDC_ISSUER: ${OIDC_ISSUER}
      OIDC_ID: ${OIDC_ID}
    secrets: [oidc_secret]
secrets:
  oidc_secret:
    external: true
    name: ${STACK_NAME}_oidc_secret_${SECRET_OIDC_SECRET_VERSION}
";
const SMTP: &str = "
services:
  app:
    environment: {SMTP_HOST: '${SMTP_HOST}', SMTP_FROM: '${SMTP_FROM}'}
    secrets: [smtp_password]
secrets:
  smtp_password:
    external: true
    name: ${STACK_NAME}_smtp_password_${SECRET_SMTP_PASSWORD_VERSION}
";
const RECIPE: &str = r#"
plugins:
  - name: sign-in
    component: std:oidc
    options:
      url: "https://{DOMAIN}"
      redirect: ["{CALLBACK}"]
      scopes: [openid, email]
      settings: {OIDC_ISSUER: "{issuer}", OIDC_ID: "{client_id}"}
      secrets: {oidc_secret: "{client_secret}"}
      overlays: [compose.oidc.yml]
    grants: [{secret: oidc_secret}]
  - name: mail
    component: std:smtp
    options:
      settings: {SMTP_HOST: "{host}", SMTP_FROM: "{sender}"}
      secrets: {smtp_password: "{password}"}
      overlays: [compose.smtp.yml]
    grants: [{secret: smtp_password}]
"#;
const SAMPLE: &str = "TYPE=wiki\nDOMAIN=\nCALLBACK=/callback\nLANGUAGE=en\n";
const GRANTS: [&str; 4] =
    ["--grant", "sign-in secret: oidc_secret", "--grant", "mail secret: smtp_password"];

struct World {
    lab: Lab,
    provider: Provider,
}

impl World {
    /// A deployed wiki, and an app whose plugin says that it is the provider.
    fn new() -> Option<Self> {
        let every = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/every-role.wasm");
        let Ok(every) = fs::read(every) else {
            skip("tests/fixtures/every-role.wasm is not there; plugins/build.sh makes it");
            return None;
        };
        let world = World { lab: Lab::new(), provider: Provider::new() };
        let World { lab, provider } = &world;
        lab.write("wiki/compose.yml", COMPOSE);
        lab.write("wiki/compose.oidc.yml", OVERLAY);
        lab.write("wiki/compose.smtp.yml", SMTP);
        lab.write("wiki/recipe.yml", RECIPE);
        lab.write("wiki/.env.sample", SAMPLE);
        let idp = format!(
            "plugins:\n  - {{name: idp, component: plugins/every.wasm, options: {{issuer: \
             '{}', host: 127.0.0.1, port: 9}}}}\n",
            provider.issuer
        );
        lab.write("idp/compose.yml", "services: {app: {image: 'example.invalid/idp:1'}}\n");
        lab.write("idp/recipe.yml", &idp);
        lab.write("idp/.env.sample", "TYPE=idp\nDOMAIN=\n");
        fs::create_dir_all(lab.path("idp/plugins")).unwrap();
        fs::write(lab.path("idp/plugins/every.wasm"), every).unwrap();
        for (recipe, app) in [("./wiki", WIKI), ("./idp", IDP)] {
            world.good(&["app", "new", recipe, "--domain", app, "--server=simulated", "-n"]);
        }
        world.good(&["app", "deploy", IDP, "-n"]);
        world.good(&[&["app", "deploy", WIKI, "-n"][..], &GRANTS].concat());
        // As its plugin names its clients.
        provider.enter("wiki_example_org", "https://wiki.example.org/callback");
        Some(world)
    }

    fn good(&self, arguments: &[&str]) -> Run {
        let run = self.lab.run(arguments);
        assert_eq!(run.code, 0, "{arguments:?}: {run}");
        run
    }

    fn fails(&self, code: i32, arguments: &[&str], words: &[&str]) -> Run {
        let run = self.lab.run(arguments);
        assert_eq!(run.code, code, "{arguments:?}: {run}");
        for words in words {
            let said = format!("{}{}", run.stdout, run.stderr);
            assert!(said.contains(words), "{arguments:?} does not say {words:?}: {run}");
        }
        run
    }

    fn connect(&self, arguments: &[&str]) -> Value {
        let run = self.good(&[&["sso", "connect", WIKI, "-n", "--json"][..], arguments].concat());
        serde_json::from_str(&run.stdout).unwrap()
    }

    fn env(&self) -> String {
        fs::read_to_string(self.lab.path(&format!("potluck/servers/simulated/{WIKI}.env"))).unwrap()
    }

    fn lock(&self) -> String {
        let path = self.lab.path(&format!("potluck/servers/simulated/{WIKI}.lock.yml"));
        fs::read_to_string(path).unwrap()
    }

    fn set(&self, key: &str, value: &str) {
        let env: String = self
            .env()
            .lines()
            .map(|line| match line.starts_with(&format!("{key}=")) {
                true => format!("{key}={value}\n"),
                false => format!("{line}\n"),
            })
            .collect();
        self.lab.write(&format!("potluck/servers/simulated/{WIKI}.env"), &env);
    }

    /// What the simulated server does.
    fn script(&self, text: &str) {
        self.lab.write("potluck/state/simulated/simulated/script.yml", text);
    }

    /// What the app's service has, and the secrets on the server.
    fn swarm(&self) -> (Vec<String>, Vec<String>) {
        let path = self.lab.path("potluck/state/simulated/simulated/swarm.json");
        let state: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
        let of = |list: &str| state[list].as_array().unwrap().clone();
        let service = of("services")
            .into_iter()
            .map(|service| service["object"]["Spec"].clone())
            .find(|spec| spec["Name"] == "wiki_example_org_app")
            .unwrap();
        let variables = &service["TaskTemplate"]["ContainerSpec"]["Env"];
        let mut variables: Vec<String> =
            variables.as_array().unwrap().iter().map(|it| it.as_str().unwrap().into()).collect();
        variables.sort();
        let mut secrets: Vec<String> = of("secrets")
            .iter()
            .map(|secret| secret["Spec"]["Name"].as_str().unwrap().to_owned())
            .collect();
        secrets.sort();
        (variables, secrets)
    }

    /// What the last look found that is not good, by what was looked at.
    fn found(&self, code: i32) -> Vec<(String, String)> {
        let run = self.fails(code, &["sso", "check", WIKI, "--json"], &[]);
        let rows: Value = serde_json::from_str(&run.stdout).unwrap();
        let findings = rows[0]["findings"].as_array().unwrap();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        findings
            .iter()
            .filter(|it| it["level"] != "good" && it["check"] != "address")
            .map(|it| {
                (text(&it["check"]), format!("{}; {}", text(&it["message"]), text(&it["fix"])))
            })
            .collect()
    }
}

#[test]
fn an_app_signs_in_at_another_and_is_as_before_afterwards() {
    let Some(world) = World::new() else { return };
    let before = (world.env(), world.swarm());
    let dry = world.good(&["sso", "connect", WIKI, IDP, "-n", "--dry-run"]);
    for words in [
        "create client at sso.example.org",
        "redirect address: https://wiki.example.org/callback",
        "create secret oidc_secret",
        "create overlay compose.oidc.yml",
        "what sso.example.org says",
        "keep a way in without the provider",
        "If it fails: the settings and services return",
    ] {
        assert!(dry.stderr.contains(words), "{words:?}: {dry}");
    }
    assert_eq!((world.env(), world.swarm()), before);

    let report = world.connect(&[IDP]);
    assert_eq!((&report["changed"], &report["deployed"]), (&json!(true), &json!(true)));
    let issuer = &world.provider.issuer;
    let (variables, secrets) = world.swarm();
    assert_eq!(
        variables,
        ["LANGUAGE=en", "OIDC_ID=wiki_example_org", &format!("OIDC_ISSUER={issuer}")]
    );
    assert_eq!(secrets, ["wiki_example_org_oidc_secret_v1"]);
    let (env, lock) = (world.env(), world.lock());
    assert!(env.contains("COMPOSE_FILE=compose.yml:compose.oidc.yml\n"), "{env}");
    assert!(lock.contains("connections:"), "{lock}");
    assert!(!world.lab.path(&format!("potluck/state/connecting/simulated/{WIKI}.json")).exists());
    assert!(!env.contains(SECRET) && !lock.contains(SECRET), "{env}{lock}");
    assert_eq!(world.found(0), []);
    let rows = world.lab.json(&["sso", "ls", "--json"]);
    assert_eq!(rows[0]["provider"], json!(IDP), "{rows}");
    let history = world.lab.json(&["app", "history", WIKI, "--json"]);
    assert!(history.to_string().contains(r#""what":"connect""#), "{history}");

    // Again, and without naming it: nothing differs, so nothing is changed.
    let again = world.connect(&[]);
    assert_eq!((&again["changed"], &again["plan"]["changes"]), (&json!(false), &json!([])));
    assert_eq!((world.env(), world.swarm().1), (env, secrets));

    world.good(&["sso", "disconnect", WIKI, "-n"]);
    let (variables, secrets) = world.swarm();
    assert_eq!((variables, secrets), before.1);
    assert!(!world.lock().contains("connections:"), "{}", world.lock());
    let active: Vec<String> =
        world.env().lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect();
    assert!(active.iter().all(|line| !line.starts_with("OIDC_")), "{active:?}");
    world.fails(1, &["sso", "disconnect", WIKI, "-n"], &["is not connected for sso"]);
}

#[test]
fn what_changed_at_either_end_is_found_and_repaired() {
    let Some(world) = World::new() else { return };
    world.connect(&[IDP]);
    let issuer = world.provider.issuer.clone();
    let repaired = |words: &str| {
        let found = world.found(7);
        let told =
            found.iter().any(|(_, told)| told.contains(words) && told.contains("sso connect"));
        assert!(told, "{words:?}: {found:?}");
        assert_eq!(world.connect(&[])["changed"], json!(true), "{words}");
        assert_eq!(world.found(0), [], "{words}");
        assert_eq!(world.swarm().0.len(), 3, "{words}");
    };
    world.set("OIDC_ID", "somebody");
    repaired("OIDC_ID is `somebody`");
    // A recipe that writes another name, as its next version may.
    world.lab.write("wiki/recipe.yml", &RECIPE.replace("OIDC_ID:", "OIDC_CLIENT:"));
    let found = world.found(7);
    let told = found.iter().any(|(_, told)| told.contains("the recipe now writes OIDC_CLIENT="));
    assert!(told, "{found:?}");
    world.lab.write("wiki/recipe.yml", RECIPE);
    world.set("COMPOSE_FILE", "compose.yml");
    repaired("COMPOSE_FILE lacks compose.oidc.yml");
    // The domain of the app, as far as people are sent back to it.
    world.provider.enter("wiki_example_org", "https://wiki.example.org/back");
    world.set("CALLBACK", "/back");
    repaired("the app now returns people to https://wiki.example.org/back");
    // The provider was restored from a time before the app was connected.
    world.provider.state().clients.clear();
    let found = world.found(7);
    assert!(found[0].1.contains("does not know the client `wiki_example_org`"), "{found:?}");
    world.provider.enter("wiki_example_org", "https://wiki.example.org/back");
    // Its secret is lost on the server.
    let _ = issuer;
    world.good(&["app", "undeploy", WIKI, "--yes"]);
    world.good(&["app", "secret", "rm", WIKI, "oidc_secret", "v1", "--yes"]);
    let found = world.found(7);
    assert!(found[0].1.contains("lacks the secret wiki_example_org_oidc_secret_v1"), "{found:?}");
    assert_eq!(world.connect(&[])["deployed"], json!(false));
    assert_eq!(world.found(0), []);
    world.good(&["app", "deploy", WIKI, "-n"]);
    // A deploy says so, too.
    world.set("OIDC_ID", "somebody");
    let plan = world.good(&["app", "plan", WIKI]);
    assert!(plan.stderr.contains("is undone in part: OIDC_ID is `somebody`"), "{plan}");
    world.connect(&[]);
    // The provider is gone.
    let gone = world.good(&["app", "undeploy", IDP, "--yes"]);
    assert!(gone.stderr.contains("without their provider: wiki.example.org (sso)"), "{gone}");
    let found = world.found(7);
    assert!(found[0].1.contains("the provider sso.example.org is not deployed"), "{found:?}");
}

#[test]
fn each_failure_of_sign_on_is_found_with_what_to_do() {
    let Some(world) = World::new() else { return };
    world.connect(&[IDP]);
    let list = |words: &[&str]| json!(words);
    let issuer = world.provider.issuer.clone();
    type Break<'a> = Box<dyn Fn(&mut crate::support::provider::State) + 'a>;
    let member = |name: &'static str, value: Value| -> Break<'_> {
        Box::new(move |state| {
            state.document.insert(name.into(), value.clone());
        })
    };
    let cases: Vec<(&str, Break<'_>, i32, &str, &str)> = vec![
        // 1: the issuer, to the letter.
        (
            "issuer",
            member("issuer", json!(format!("{issuer}/"))),
            7,
            "calls itself",
            "to the letter",
        ),
        // 2: keys.
        (
            "keys",
            Box::new(|it| it.keys = Some(json!({"keys": []}))),
            7,
            "publishes no keys",
            "signing key",
        ),
        (
            "keys",
            Box::new(|it| it.keys = Some(json!({"keys": [{"kid": "k2", "kty": "RSA"}]}))),
            0,
            "other keys than when the app was connected",
            "restart it",
        ),
        // 3: how a client shows its secret.
        (
            "token-method",
            member("token_endpoint_auth_methods_supported", list(&["client_secret_post"])),
            0,
            "`client_secret_post` only",
            "tell the app to use post",
        ),
        (
            "token-method",
            member("token_endpoint_auth_methods_supported", list(&["private_key_jwt"])),
            7,
            "cannot use their secret",
            "client_secret_basic",
        ),
        // 5: PKCE.
        (
            "pkce",
            Box::new(|it| it.demands_pkce = true),
            0,
            "demands PKCE",
            "switch PKCE (S256) on in the app",
        ),
        // 6: algorithms.
        (
            "algorithm",
            member("id_token_signing_alg_values_supported", list(&["HS256"])),
            7,
            "signs with HS256 only",
            "RSA signing key",
        ),
        (
            "algorithm",
            member("id_token_signing_alg_values_supported", list(&["ES256"])),
            0,
            "signs with ES256 only",
            "allow RS256",
        ),
        // 7: verified addresses.
        (
            "email-verified",
            member("claims_supported", list(&["sub", "groups"])),
            0,
            "whether an address is verified",
            "map the claim",
        ),
        // 9: a provider that lost the client.
        ("client", Box::new(|it| it.clients.clear()), 7, "does not know the client", "sso connect"),
        (
            "redirect",
            Box::new(|it| {
                it.clients.values_mut().for_each(|it| it.metadata = json!({"redirect_uris": []}));
            }),
            7,
            "refuses the redirect address https://wiki.example.org/callback",
            "sso connect",
        ),
        // 11: the clock.
        (
            "clock",
            Box::new(|it| it.date = Some("Wed, 25 Nov 2026 03:00:00 +0000".into())),
            7,
            "behind this machine's",
            "NTP",
        ),
        (
            "reachable",
            Box::new(|it| it.broken = Some(503)),
            7,
            "answers 503",
            "look whether it runs",
        ),
        // An open redirect.
        (
            "open-redirect",
            Box::new(|it| it.redirects_anywhere = true),
            7,
            "to any address",
            "to the letter",
        ),
        (
            "code",
            member("response_types_supported", list(&["id_token"])),
            7,
            "authorization code",
            "allow",
        ),
    ];
    for (check, broken, code, message, fix) in cases {
        let whole = world.provider.state().clone();
        broken(&mut world.provider.state());
        let found = world.found(code);
        let told = found.iter().find(|(name, _)| name == check);
        let told = told.unwrap_or_else(|| panic!("{check}: {found:?}"));
        assert!(told.1.contains(message) && told.1.contains(fix), "{check}: {told:?}");
        *world.provider.state() = whole;
    }
    assert_eq!(world.found(0), []);
    // As LemonLDAP::NG: it knows everybody until they have signed in.
    world.provider.state().tells_programs = true;
    let found = world.found(0);
    let is_told =
        |(name, told): &(String, String)| name == "client" && told.contains("once somebody signs");
    assert!(found.len() == 1 && found.iter().all(is_told), "{found:?}");
    world.provider.state().tells_programs = false;
    // 4: a private address is a note, as some apps refuse it.
    let run = world.good(&["sso", "check", WIKI]);
    assert!(run.stdout.contains("private address"), "{run}");
    let run = world.good(&["sso", "check", "--all", "--good"]);
    assert!(run.stdout.contains("ok[clock]") && run.stdout.contains("ok[keys]"), "{run}");
}

#[test]
fn a_provider_that_would_lock_people_out_is_refused_before_the_app_changes() {
    let Some(world) = World::new() else { return };
    let before = (world.env(), world.swarm(), world.lock());
    world.provider.state().clients.clear();
    let arguments = ["sso", "connect", WIKI, IDP, "-n"];
    let run = world.fails(
        1,
        &arguments,
        &["is not usable for wiki.example.org", "does not know the client"],
    );
    // What was made there is removed again.
    assert!(run.stderr.contains("unregister(wiki_example_org)"), "{run}");
    assert_eq!((world.env(), world.swarm()), (before.0.clone(), before.1.clone()));
    assert!(!world.lock().contains("connect"), "{}", world.lock());
    world.provider.enter("wiki_example_org", "https://wiki.example.org/callback");

    // An overlay that cannot be deployed.
    world
        .lab
        .write("wiki/compose.oidc.yml", &OVERLAY.replace("secrets: [oidc_secret]", "secrets: 7"));
    let run = world.fails(1, &arguments, &["compose.oidc.yml"]);
    assert_eq!((world.env(), world.swarm()), (before.0.clone(), before.1.clone()), "{run}");
    world.lab.write("wiki/compose.oidc.yml", OVERLAY);

    // Services that do not come up with it: what ran before runs again.
    let image = "  app:\n    image: example.invalid/wiki:signed-on\n";
    world.lab.write("wiki/compose.oidc.yml", &OVERLAY.replace("  app:\n", image));
    let script = world.lab.path("potluck/state/simulated/simulated/script.yml");
    fs::write(&script, "tasks:\n  - {image: '*:signed-on', pull_error: it is not there}\n")
        .unwrap();
    let run = world.fails(4, &arguments, &["unregister(wiki_example_org)"]);
    assert_eq!((world.env(), world.swarm()), (before.0.clone(), before.1.clone()), "{run}");
    assert!(!world.lock().contains("connect"), "{}", world.lock());
    let history = world.lab.json(&["app", "history", WIKI, "--json"]);
    assert_eq!(history["operations"][0]["outcome"], json!("failed-and-undone"), "{history}");
    fs::remove_file(&script).unwrap();
    world.lab.write("wiki/compose.oidc.yml", OVERLAY);
    world.connect(&[IDP]);
    assert_eq!(world.found(0), []);
}

#[test]
fn who_is_no_provider_is_said() {
    let Some(world) = World::new() else { return };
    for (provider, words) in [
        (
            "sso.example.com",
            &["no provider is called `sso.example.com`", "potluck provider ls"][..],
        ),
        (WIKI, &["cannot be its own provider"]),
    ] {
        world.fails(1, &["sso", "connect", WIKI, provider, "-n"], words);
    }
    world.fails(
        2,
        &["sso", "connect", WIKI, "-n"],
        &["no provider is named", "providers: {sso: NAME}"],
    );
    // A server's default, of which a new app is told.
    world
        .lab
        .write("potluck/servers/simulated/server.yml", &format!("providers: {{sso: {IDP}}}\n"));
    let new =
        world.good(&["app", "new", "wiki", "--domain", "b.example", "--server=simulated", "-n"]);
    assert!(new.stderr.contains("potluck sso connect b.example sso.example.org"), "{new}");
    assert!(new.stderr.contains("potluck mail connect b.example PROVIDER"), "{new}");
    world.good(&["app", "rm", "b.example", "--yes", "--no-backup"]);
    assert_eq!(world.connect(&[])["provider"], json!(IDP));
    world.good(&["app", "undeploy", WIKI, "--yes"]);
    let rm = &["app", "rm", WIKI, "--yes", "--no-backup"];
    let kept = world.fails(6, rm, &["still holds what it made"]);
    assert!(kept.stderr.contains("`potluck sso disconnect wiki.example.org`"), "{kept}");
    world.fails(0, &[rm, &["--leave-provider"][..]].concat(), &["still holds what it made"]);
    world.good(&["app", "new", "wiki", "--domain", WIKI, "--server=simulated", "-n"]);
    world.fails(1, &["sso", "check", IDP], &["is not connected for sso"]);
    world.good(&["provider", "add", "post", "--relay", "smtp.example.org:587"]);
    world.fails(1, &["sso", "connect", WIKI, "post", "-n"], &["`post` has nothing for sso"]);
    world.fails(1, &["provider", "add", "post", "--relay", "a.example:25"], &["already"]);
    world.fails(2, &["provider", "add", "x", "--relay", "a.example"], &["HOST:PORT"]);
    let rows = world.lab.json(&["provider", "ls", "--json"]);
    assert_eq!(rows[0]["relay"], json!("smtp.example.org:587"));
    world.good(&["provider", "rm", "post"]);
    world.fails(1, &["provider", "rm", "post"], &["no provider is called"]);
}

#[test]
fn a_client_is_registered_changed_and_removed_by_the_standard() {
    let Some(world) = World::new() else { return };
    let (lab, provider) = (&world.lab, &world.provider);
    provider.state().clients.clear();
    provider.state().initial_token = Some("initial-t0ken".into());
    provider.state().rotates = true;
    lab.write("initial", "initial-t0ken\n");
    let only_mine = |mode: u32| {
        fs::set_permissions(lab.path("initial"), fs::Permissions::from_mode(mode)).unwrap();
    };
    let issuer = provider.issuer.clone();
    let add =
        ["provider", "add", "house", "--issuer", &issuer, "--dynamic", "--token-file", "initial"];
    world.good(&add);
    let connect = ["sso", "connect", WIKI, "house", "-n"];
    // Nobody could keep its token.
    world.fails(
        1,
        &connect,
        &["nobody is listed for whom its token could be kept", "potluck key new"],
    );
    world.good(&["key", "new"]);
    only_mine(0o644);
    world.fails(1, &connect, &["others can read it", "chmod 600"]);
    only_mine(0o600);
    provider.state().initial_token = Some("another".into());
    world.fails(1, &connect, &["does not accept the token", "make a new one"]);
    provider.state().initial_token = Some("initial-t0ken".into());
    assert!(provider.state().clients.is_empty());
    assert!(!world.env().contains("OIDC_"), "{}", world.env());

    world.connect(&["house"]);
    let client = || {
        let state = provider.state();
        let (id, client) = state.clients.iter().next().unwrap();
        (id.clone(), client.clone())
    };
    let (id, made) = client();
    assert_eq!(made.metadata["redirect_uris"], json!(["https://wiki.example.org/callback"]));
    assert_eq!(made.metadata["scope"], json!("openid email"));
    assert!(world.env().contains(&format!("OIDC_ID={id}\n")), "{}", world.env());
    assert_eq!(world.found(0), []);

    // Another address of the app: the same client with the same secret, by the newest token.
    world.set("CALLBACK", "/back");
    assert_eq!(world.connect(&[])["changed"], json!(true));
    let (same, changed) = client();
    assert_eq!((&same, &changed.secret), (&id, &made.secret));
    assert_eq!(changed.metadata["redirect_uris"], json!(["https://wiki.example.org/back"]));
    assert_eq!(world.swarm().1, ["wiki_example_org_oidc_secret_v1"]);
    assert_ne!(changed.token, made.token);
    assert_eq!(world.connect(&[])["changed"], json!(false));

    // A provider that would not do, and the token of this one is kept.
    let other = Provider::new();
    other.state().document.insert("id_token_signing_alg_values_supported".into(), json!(["HS256"]));
    world.good(&["provider", "add", "other", "--issuer", &other.issuer, "--dynamic"]);
    world.fails(1, &["sso", "connect", WIKI, "other", "-n"], &["signs with HS256 only"]);
    assert!(other.state().clients.is_empty());
    assert_eq!(world.connect(&[])["changed"], json!(false));
    // A lock file from elsewhere sends it nowhere else.
    let lock = world.lock();
    let stolen =
        lock.replace(&format!("{issuer}/register/"), &format!("{}/register/", other.issuer));
    assert_ne!(stolen, lock);
    let path = format!("potluck/servers/simulated/{WIKI}.lock.yml");
    world.lab.write(&path, &stolen);
    let asked = other.state().asked.len();
    world.fails(1, &["sso", "connect", WIKI, "-n"], &["whose token it would get"]);
    assert_eq!(other.state().asked.len(), asked);
    world.lab.write(&path, &lock);
    // One that the provider has lost is not made anew by itself.
    let whole = provider.state().clone();
    provider.state().clients.clear();
    world.fails(1, &["sso", "connect", WIKI, "-n"], &["may have lost the client", "--new-client"]);
    *provider.state() = whole;

    // No token and no secret is in a file that is not encrypted.
    for entry in walk(&lab.path("potluck")) {
        let bytes = fs::read(&entry).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        if entry.ends_with("swarm.json") {
            continue;
        }
        for word in ["token-1", "token-2", "secret-1", "initial-t0ken"] {
            assert!(!text.contains(word), "{word} is in {}", entry.display());
        }
    }
    world.good(&["sso", "disconnect", WIKI, "-n"]);
    assert!(provider.state().clients.is_empty());
    assert_eq!(world.swarm().1, Vec::<String>::new());

    provider.state().document.insert("registration_endpoint".into(), Value::Null);
    world.fails(1, &connect, &["registers no clients", "--client-id"]);
}

fn walk(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() && !path.is_symlink() {
            true => files.extend(walk(&path)),
            false if path.is_file() => files.push(path),
            false => {}
        }
    }
    files
}

#[test]
fn a_client_that_somebody_makes_is_told_what_to_enter() {
    let Some(world) = World::new() else { return };
    let (lab, provider) = (&world.lab, &world.provider);
    world.good(&["provider", "add", "house", "--issuer", &provider.issuer]);
    world.fails(
        6,
        &["sso", "connect", WIKI, "house", "-n"],
        &[
            "make a client at house by hand",
            "redirect address: https://wiki.example.org/callback",
            "scopes: openid email",
            "--client-id ID --client-secret-file FILE",
        ],
    );
    provider.enter("mine", "https://wiki.example.org/callback");
    lab.write("secret", "by-hand\n");
    fs::set_permissions(lab.path("secret"), fs::Permissions::from_mode(0o600)).unwrap();
    world.good(&["key", "new"]);
    let by_hand = ["house", "--client-id", "mine", "--client-secret-file", "secret"];
    world.connect(&by_hand);
    assert_eq!(world.found(0), []);
    // Its secret is read from the kept copy then.
    assert_eq!(world.connect(&[])["changed"], json!(false));
    // Nor is it lost where it is not given again.
    let without = world.connect(&["house", "--client-id", "mine"]);
    assert_eq!(without["changed"], json!(false));
    assert_eq!(world.swarm().1, ["wiki_example_org_oidc_secret_v1"]);
    let other = ["sso", "connect", WIKI, "house", "--client-id", "other", "-n"];
    world.fails(6, &other, &["make a client at house by hand"]);
    let secrets = world.good(&["app", "secret", "ls", WIKI]);
    assert!(!secrets.stdout.contains("provider-"), "{secrets}");
    // Another secret is another version, and the old one goes.
    lab.write("secret", "renewed\n");
    world.connect(&by_hand);
    assert_eq!(world.swarm().1, ["wiki_example_org_oidc_secret_v2"]);
    // To an app that plays the role, and back: people would be others, which is said.
    let run = world.good(&["sso", "connect", WIKI, IDP, "-n"]);
    assert!(run.stderr.contains("each may get a second account"), "{run}");
    // The plugin says it before potluck knows that it is a secret.
    assert!(run.stderr.contains("the secret is ***") && !run.stderr.contains(SECRET), "{run}");
    assert!(run.stderr.contains("the client `mine` was made by hand: remove it at house"), "{run}");
    world.fails(1, &["provider", "rm", "nobody"], &["no provider is called"]);
    let run = world.good(&["sso", "disconnect", WIKI, "-n", "--leave-provider"]);
    assert!(run.stderr.contains("sso.example.org keeps what it made"), "{run}");
    assert!(!run.stderr.contains("unregister"), "{run}");
}

#[test]
fn mail_goes_through_a_relay_of_ones_own_or_another() {
    let Some(world) = World::new() else { return };
    let lab = &world.lab;
    // Nothing listens there, which need not be so for the app.
    let run = world.good(&["mail", "connect", WIKI, IDP, "-n"]);
    assert!(run.stderr.contains("account(wiki@example.org)"), "{run}");
    assert!(run.stderr.contains("127.0.0.1:9 gives no answer"), "{run}");
    assert!(world.env().contains("SMTP_FROM=wiki@example.org\n"), "{}", world.env());
    let run = world.fails(7, &["mail", "check", WIKI], &["bad[reachable]", "gives no answer"]);
    assert!(run.stderr.contains("1 of 1 connection bad"), "{run}");
    // The plugin has no command for a message.
    world.fails(1, &["mail", "test", WIKI, "--to", "anna@example.org"], &["mail"]);
    lab.write("password", "p4ss\n");
    fs::set_permissions(lab.path("password"), fs::Permissions::from_mode(0o600)).unwrap();
    let relay = ["--relay", "127.0.0.1:9", "--username", "wiki", "--password-file", "password"];
    world.good(&[&["provider", "add", "post"][..], &relay].concat());
    world.fails(
        2,
        &[&["provider", "add", "clear", "--encryption", "none"][..], &relay].concat(),
        &["never sent in the clear"],
    );
    let run = world.good(&["mail", "connect", WIKI, "post", "-n", "--sender", "post@example.org"]);
    assert!(run.stderr.contains("close-account(wiki@example.org)"), "{run}");
    assert!(world.env().contains("SMTP_FROM=post@example.org\n"), "{}", world.env());
    // Its file says another user now, which the app does not know yet.
    let path = "potluck/providers/post.yml";
    let file = fs::read_to_string(lab.path(path)).unwrap();
    lab.write(path, &file.replace("username: wiki", "username: other"));
    let said = "the username of post is `other` now, and was `wiki` when the app was connected";
    world.fails(7, &["mail", "check", WIKI], &[said, "mail connect wiki.example.org"]);
    lab.write(path, &file);
    // The sender stays.
    let run = world.good(&["mail", "connect", WIKI, "-n", "--json"]);
    let report: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(report["changed"], json!(false), "{run}");
    world.good(&["mail", "disconnect", WIKI, "-n"]);
    assert_eq!(world.swarm().1, Vec::<String>::new());
}

#[test]
fn an_app_is_connected_before_it_is_deployed() {
    let Some(world) = World::new() else { return };
    world.good(&["app", "undeploy", WIKI, "--yes"]);
    let report = world.connect(&[IDP]);
    assert_eq!((&report["changed"], &report["deployed"]), (&json!(true), &json!(false)));
    let warnings = report["plan"]["warnings"].to_string();
    assert!(warnings.contains("its first deploy uses it"), "{warnings}");
    world.good(&["app", "deploy", WIKI, "-n"]);
    assert_eq!(world.swarm().0.len(), 3);
    assert_eq!(world.found(0), []);
}

/// A plugin may ask for nothing but what its plan had, and for no other app.
#[test]
fn a_plugin_that_asks_for_more_is_refused() {
    let Some(world) = World::new() else { return };
    let every = fs::read(world.lab.path("idp/plugins/every.wasm")).unwrap();
    fs::create_dir_all(world.lab.path("wiki/plugins")).unwrap();
    fs::write(world.lab.path("wiki/plugins/every.wasm"), every).unwrap();
    let with = |options: &str| {
        let recipe = format!(
            "plugins:\n  - {{name: odd, component: plugins/every.wasm, options: {{{options}}}}}\n"
        );
        world.lab.write("wiki/recipe.yml", &recipe);
    };
    let before = (world.env(), world.swarm());
    for (options, words) in [
        ("client: blog_example_org", "not the app's own `wiki_example_org`"),
        ("redirect: 'javascript:alert(1)'", "that people can return to"),
        ("redirect: 'https://sso.example.org/callback'", "which is an address of sso.example.org"),
        ("settings: [[DOMAIN, evil.example]]", "plugins cannot change the setting `DOMAIN`"),
        ("secrets: [[db_password, x]]", "secret: db_password"),
        ("on: ['../compose.evil.yml']", "is not an overlay"),
        ("on: ['compose.missing.yml']", "compose.missing.yml"),
    ] {
        with(options);
        world.fails(1, &["sso", "connect", WIKI, IDP, "-n"], &[words]);
        assert_eq!((world.env(), world.swarm()), before, "{options}");
    }
}

/// What was there before the app was connected is there afterwards, also where the connection
/// had nothing to change; what a plugin writes is no operator's word for hosts.
#[test]
fn a_disconnect_gives_back_what_was_there() {
    let Some(world) = World::new() else { return };
    let issuer = world.provider.issuer.clone();
    let env = world.env()
        + &format!(
            "OIDC_ISSUER={issuer}\nCOMPOSE_FILE=compose.yml:compose.oidc.yml\nSECRET_OIDC_SECRET_VERSION=v7\n"
        );
    world.lab.write(&format!("potluck/servers/simulated/{WIKI}.env"), &env);
    world.connect(&[IDP]);
    assert_eq!(world.swarm().1, ["wiki_example_org_oidc_secret_v7"]);
    // The provider has something to finish: nothing of the app is changed.
    let connected = (world.env(), world.swarm());
    let held = world.lab.path("potluck/state/locks/simulated").join(IDP);
    let held = fs::File::open(held).unwrap();
    held.lock().unwrap();
    let run = world.fails(5, &["sso", "disconnect", WIKI, "-n"], &["--leave-provider"]);
    assert_eq!((world.env(), world.swarm()), connected, "{run}");
    drop(held);
    // What its recipe has no plugin for any more is undone as it was recorded.
    world.lab.write("wiki/recipe.yml", "plugins: []\n");
    world.good(&["sso", "disconnect", WIKI, "-n", "--leave-provider"]);
    let after = world.env();
    for line in [
        format!("OIDC_ISSUER={issuer}"),
        "COMPOSE_FILE=compose.yml:compose.oidc.yml".into(),
        "SECRET_OIDC_SECRET_VERSION=v7".into(),
    ] {
        assert!(after.lines().any(|it| it == line), "{line}: {after}");
    }
    assert!(!after.lines().any(|it| it.starts_with("OIDC_ID=")), "{after}");
}

#[test]
fn a_plugin_s_settings_open_no_door() {
    let Some(world) = World::new() else { return };
    let routed = OVERLAY.replace(
        "    secrets: [oidc_secret]\n",
        "    secrets: [oidc_secret]\n    deploy: {labels: ['traefik.http.routers.x.rule=Host(`${DOOR}`)']}\n",
    );
    world.lab.write("wiki/compose.oidc.yml", &routed);
    let door = r#"settings: {DOOR: "other.example.com", OIDC_ISSUER"#;
    world.lab.write("wiki/recipe.yml", &RECIPE.replace("settings: {OIDC_ISSUER", door));
    let before = (world.env(), world.swarm());
    world.fails(6, &["sso", "connect", WIKI, IDP, "-n"], &["other.example.com"]);
    assert_eq!((world.env(), world.swarm()), before);
}
