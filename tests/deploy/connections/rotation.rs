//! Another secret for the same client or account, and every connection repaired at once.

use super::*;

/// The versions of the wiki's secrets on the server.
fn secrets(world: &World) -> Vec<String> {
    world.swarm().1
}

#[test]
fn a_client_gets_another_secret_and_stays_the_same() {
    let Some(world) = World::new() else { return };
    world.fails(1, &["sso", "rotate", WIKI, "-n"], &["is not connected for sso", "sso connect"]);
    world.connect(&[IDP]);
    let (env, swarm) = (world.env(), world.swarm());
    let dry = world.good(&["sso", "rotate", WIKI, "-n", "--dry-run"]);
    for words in [
        "update client at sso.example.org",
        "another secret, in place of the one that it has",
        "update secret oidc_secret",
        "until the app is deployed with the other secret, nobody signs in",
        "the provider keeps the other secret if it gave one",
    ] {
        assert!(dry.stderr.contains(words), "{words:?}: {dry}");
    }
    assert_eq!((world.env(), world.swarm()), (env.clone(), swarm));

    let run = world.good(&["sso", "rotate", WIKI, "-n", "--json"]);
    let report: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!((&report["changed"], &report["deployed"]), (&json!(true), &json!(true)), "{run}");
    assert!(run.stderr.contains("rotate(wiki_example_org)"), "{run}");
    // No line has it, neither the plugin's nor ours.
    assert!(!run.stderr.contains("s3cret-1"), "{run}");
    // The old version went, the new one is in the settings, and nothing else differs.
    assert_eq!(secrets(&world), ["wiki_example_org_oidc_secret_v2"]);
    let expected = env.replace("SECRET_OIDC_SECRET_VERSION=v1", "SECRET_OIDC_SECRET_VERSION=v2");
    assert_eq!(world.env(), expected);
    assert!(world.swarm().0.contains(&"OIDC_ID=wiki_example_org".to_owned()));
    assert_eq!(world.found(0), []);
    assert_eq!(world.connect(&[])["changed"], json!(false));
    let history = world.lab.json(&["app", "history", WIKI, "--json"]);
    assert_eq!(history["operations"][1]["what"], json!("connect"), "{history}");

    // Services that do not come up with it: the app is as it was, which the provider cannot be.
    let script = world.lab.path("potluck/state/simulated/simulated/script.yml");
    world.lab.write("wiki/compose.oidc.yml", &OVERLAY.replace("  app:\n", NEW_IMAGE));
    fs::write(&script, "tasks:\n  - {image: '*:new', pull_error: it is not there}\n").unwrap();
    let words = ["may have given another secret already", "sso connect wiki.example.org"];
    world.fails(4, &["sso", "rotate", WIKI, "-n"], &words);
    assert_eq!((world.env(), secrets(&world)), (expected, vec![v(2)]));
    fs::remove_file(&script).unwrap();
    assert_eq!(world.connect(&[])["changed"], json!(true));
    assert_eq!(secrets(&world), [v(3)]);
    assert_eq!(world.connect(&[])["changed"], json!(false));
}

const NEW_IMAGE: &str = "  app:\n    image: example.invalid/wiki:new\n";

fn v(version: u32) -> String {
    format!("wiki_example_org_oidc_secret_v{version}")
}

#[test]
fn who_gives_no_other_secret_is_said_with_what_to_do() {
    let Some(world) = World::new() else { return };
    let (lab, provider) = (&world.lab, &world.provider);
    let write = |name: &str, text: &str| {
        lab.write(name, text);
        fs::set_permissions(lab.path(name), fs::Permissions::from_mode(0o600)).unwrap();
    };
    world.good(&["key", "new"]);
    let rotate = ["sso", "rotate", WIKI, "-n"];
    // A client that somebody made.
    world.good(&["provider", "add", "house", "--issuer", &provider.issuer]);
    provider.enter("mine", "https://wiki.example.org/callback");
    write("secret", "by-hand\n");
    world.connect(&["house", "--client-id", "mine", "--client-secret-file", "secret"]);
    world.fails(6, &rotate, &["was made by hand", "--client-secret-file FILE"]);
    write("secret", "renewed\n");
    world.good(&[&rotate[..], &["--client-secret-file", "secret"]].concat());
    assert_eq!(secrets(&world), [v(2)]);
    assert!(world.env().contains("OIDC_ID=mine\n"), "{}", world.env());
    assert_eq!(world.connect(&[])["changed"], json!(false));
    // One that was registered: its provider gives it another one when it likes.
    world.good(&["provider", "add", "dynamic", "--issuer", &provider.issuer, "--dynamic"]);
    world.good(&["sso", "connect", WIKI, "dynamic", "-n"]);
    world.fails(1, &rotate, &["RFC 7592 has no request for that", "sso connect"]);
    for client in provider.state().clients.values_mut() {
        client.secret = "renewed-there".into();
    }
    assert_eq!(world.connect(&[])["changed"], json!(true));
    // A relay's account.
    write("password", "p4ss\n");
    let relay = ["--relay", "127.0.0.1:9", "--username", "wiki", "--password-file", "password"];
    world.good(&[&["provider", "add", "post"][..], &relay].concat());
    world.good(&["mail", "connect", WIKI, "post", "-n"]);
    world.fails(1, &["mail", "rotate", WIKI, "-n"], &["in a file of yours", "mail connect"]);
    write("password", "p5ss\n");
    world.good(&["mail", "connect", WIKI, "-n"]);
    assert!(secrets(&world).contains(&"wiki_example_org_smtp_password_v2".to_owned()));
    // An app that plays the role makes it itself.
    world.good(&["mail", "connect", WIKI, IDP, "-n"]);
    let before = secrets(&world);
    let run = world.good(&["mail", "rotate", WIKI, "-n"]);
    assert!(run.stderr.contains("rotate(wiki@example.org)"), "{run}");
    assert!(run.stderr.contains("another password at sso.example.org"), "{run}");
    assert_ne!(secrets(&world), before);
}

#[test]
fn every_connection_is_repaired_by_one_command() {
    let Some(world) = World::new() else { return };
    const BLOG: &str = "blog.example.org";
    let run = world.good(&["sso", "connect", "--all", "-n"]);
    assert!(run.stderr.contains("No app is connected for sign-on"), "{run}");
    world.connect(&[IDP]);
    world.good(&["app", "new", "./wiki", "--domain", BLOG, "--server=simulated", "-n"]);
    world.provider.enter("blog_example_org", "https://blog.example.org/callback");
    world.good(&[&["sso", "connect", BLOG, IDP, "-n"][..], &GRANTS].concat());
    world.set("OIDC_ID", "somebody");
    // An app that cannot be connected hides no other.
    let lock = format!("potluck/servers/simulated/{BLOG}.env");
    let env = fs::read_to_string(world.lab.path(&lock)).unwrap();
    world.lab.write(&lock, &env.replace("TYPE=", "TYPE=missing-"));
    let run = world.fails(3, &["sso", "connect", "--all", "-n", "--json"], &["1 of 2"]);
    let rows: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!((&rows[0]["app"], &rows[0]["report"]), (&json!(BLOG), &json!(null)), "{rows}");
    assert!(rows[0]["error"].as_str().unwrap().contains("missing-"), "{rows}");
    assert_eq!(rows[1]["report"]["changed"], json!(true), "{rows}");
    assert_eq!(world.found(0), []);
    world.lab.write(&lock, &env);
    let run = world.good(&["sso", "rotate", "--all", "--server", "simulated", "-n"]);
    assert!(run.stderr.contains("rotate(blog_example_org)"), "{run}");
    assert_eq!(secrets(&world), ["blog_example_org_oidc_secret_v2".to_owned(), v(2)]);
    world.fails(2, &["sso", "connect", WIKI, "--all", "-n"], &["--all"]);
}
