//! What a connection does not believe, and what it must not forget: killed processes, folders
//! that are behind, releases from before, addresses of others.

use super::*;

const LOCAL: &[&str] = &["--all", "--here", "--json"];

impl World {
    fn settings(&self, app: &str) -> String {
        let path = format!("potluck/servers/simulated/{app}.env");
        fs::read_to_string(self.lab.path(&path)).unwrap()
    }

    /// What the look at all connections says of their ends: (check, message).
    fn bad(&self, kind: &str) -> Vec<(String, String)> {
        let run = self.lab.run(&[&[kind, "check"], LOCAL].concat());
        let rows: Value = serde_json::from_str(&run.stdout).unwrap();
        let rows = rows.as_array().unwrap().iter();
        rows.flat_map(|row| row["findings"].as_array().unwrap())
            .filter(|it| it["level"] == "bad")
            .map(|it| {
                let text = |name: &str| it[name].as_str().unwrap_or_default().to_owned();
                (text("check"), text("message"))
            })
            .collect()
    }

    fn assert_bad(&self, kind: &str, check: &str, words: &str) {
        let found = self.bad(kind);
        let is_it = |(name, said): &(String, String)| name == check && said.contains(words);
        assert!(found.iter().any(is_it), "{check}, {words}: {found:?}");
    }
}

/// Who finishes the work of a killed process knows what the settings were before it wrote them,
/// so that a disconnect brings them back, and has the sender that was agreed to.
#[test]
fn a_resumed_connection_is_what_was_asked_for_and_can_be_undone() {
    let sender = ["--sender", "special@example.org"];
    for (kind, more, moment) in
        [("sso", &[][..], 9), ("sso", &[], 13), ("mail", &sender, 7), ("mail", &sender, 13)]
    {
        let Some(world) = World::new() else { return };
        let (before, swarm) = (world.env(), world.swarm().0);
        world.script(&format!("crash: {moment}\n"));
        let killed = world.lab.run(&[&[kind, "connect", WIKI, IDP, "-n"][..], more].concat());
        assert_ne!(killed.code, 0, "{kind}, {moment}: {killed}");
        world.script("");
        world.good(&["app", "resume", WIKI, "-n", "--yes"]);
        if kind == "mail" {
            assert!(world.env().contains("SMTP_FROM=special@example.org"), "{moment}");
        }
        world.good(&[kind, "disconnect", WIKI, "-n"]);
        let now = (active(&world.env()), world.swarm().0);
        assert_eq!(now, (active(&before), swarm), "{kind}, killed at {moment}");
    }
}

/// The settings without what is commented out; the recipe's own file need not be named.
fn active(env: &str) -> Vec<String> {
    let lines = env.lines().filter(|line| !line.starts_with('#'));
    lines.filter(|line| *line != "COMPOSE_FILE=compose.yml").map(str::to_owned).collect()
}

/// Nothing is replaced at the provider for a deploy that will not be made.
#[test]
fn a_folder_that_is_behind_is_told_before_the_provider_is_asked() {
    let Some(world) = World::new() else { return };
    world.connect(&[IDP]);
    let other = Lab::new();
    other.pull(&world.lab);
    fs::create_dir_all(other.path("potluck/state")).unwrap();
    for shared in ["potluck/state/simulated", "wiki", "idp"] {
        std::os::unix::fs::symlink(world.lab.path(shared), other.path(shared)).unwrap();
    }
    let run = other.run(&["sso", "rotate", WIKI, "-n"]);
    assert_eq!(run.code, 0, "{run}");
    for verb in ["rotate", "connect"] {
        let run = world.lab.run(&["sso", verb, WIKI, "-n"]);
        assert_eq!(run.code, 6, "{run}");
        assert!(run.stderr.contains("`potluck app deploy wiki.example.org --overwrite`"), "{run}");
        assert!(!run.stderr.contains("rotate(") && !run.stderr.contains("register("), "{run}");
    }
}

/// A rotation that was undone as far as it can be leaves the provider ahead, which the next
/// look and the next plan say.
#[test]
fn a_rotation_that_did_not_end_is_found_and_repaired() {
    let Some(world) = World::new() else { return };
    world.connect(&[IDP]);
    world.lab.write("wiki/compose.oidc.yml", &OVERLAY.replace("  app:\n", NEW));
    world.script("tasks:\n  - {image: '*:new', pull_error: it is not there}\n");
    world.fails(4, &["sso", "rotate", WIKI, "-n"], &["may have given another secret already"]);
    let history = world.lab.json(&["app", "history", WIKI, "--json"]);
    assert_eq!(history["operations"][0]["outcome"], json!("failed"), "{history}");
    world.script("");
    world.assert_bad("sso", "secret", "a rotation did not finish");
    let dry = world.connect(&["--dry-run"]);
    let names: Vec<_> =
        dry["plan"]["changes"].as_array().unwrap().iter().map(|it| &it["name"]).collect();
    assert!(names.contains(&&json!("oidc_secret")), "{dry}");
    assert_eq!(world.connect(&[])["changed"], json!(true));
    assert_eq!(world.bad("sso"), []);
    assert_eq!(world.connect(&["--dry-run"])["plan"]["changes"], json!([]));
}

const NEW: &str = "  app:\n    image: example.invalid/wiki:new\n";

/// The settings may say that an app is connected while it runs as it did before.
#[test]
fn a_release_from_before_the_connection_is_found() {
    let Some(world) = World::new() else { return };
    world.connect(&[IDP]);
    let history = world.lab.json(&["app", "history", WIKI, "--json"]);
    assert_ne!(history["releases"][0]["release"], history["releases"][1]["release"]);
    let back = ["app", "rollback", WIKI, "r1", "-n", "--yes"];
    world.fails(0, &back, &["so the connection for sign-on ends with it"]);
    world.assert_bad("sso", "deployed", "the app runs with other values of");
    world.good(&[&["app", "deploy", WIKI, "-n"][..], &GRANTS].concat());
    assert_eq!(world.bad("sso"), []);
}

/// Who closes the account of one would close that of the other.
#[test]
fn two_apps_have_no_account_in_common() {
    let Some(world) = World::new() else { return };
    world.good(&["app", "new", "wiki", "--domain", "b.example", "--server=simulated", "-n"]);
    let connect = |app, sender| ["mail", "connect", app, IDP, "-n", "--sender", sender];
    world.good(&connect(WIKI, "info@example.org"));
    let refused = world.lab.run(&[&connect("b.example", "Info@example.org")[..], &GRANTS].concat());
    assert_eq!(refused.code, 1, "{refused}");
    assert!(refused.stderr.contains("wiki.example.org sends from"), "{refused}");
    assert!(refused.stderr.contains("--sender"), "{refused}");
    assert!(!refused.stderr.contains("open"), "{refused}");
    assert!(!world.settings("b.example").contains("SMTP"));
}

/// A recipe does not choose where people are sent with what lets them in.
#[test]
fn people_are_sent_to_nobody_else() {
    let Some(world) = World::new() else { return };
    for (callback, said) in [
        ("https://sso.example.org./cb", "which is an address of sso.example.org"),
        ("https://evil.example.net/steal", "whose host no operator named"),
        ("https://wiki.example.org@evil.example.net/cb", "whose host no operator named"),
        ("https://wiki.example.org:secret@wiki.example.org/cb", "whose host no operator named"),
        ("https://wiki.example.org.evil.example.net/cb", "whose host no operator named"),
    ] {
        let recipe = RECIPE.replace("[\"{CALLBACK}\"]", &format!("[\"{callback}\"]"));
        world.lab.write("wiki/recipe.yml", &recipe);
        let connect = &["sso", "connect", WIKI, IDP, "-n"];
        world.fails(1, connect, &[said]);
    }
    // The operator may.
    world.set("CALLBACK", "https://other.example.net:8443/cb");
    world.lab.write("wiki/recipe.yml", RECIPE);
    world.provider.enter("wiki_example_org", "https://other.example.net:8443/cb");
    world.connect(&[IDP]);
}

/// What another version of the recipe would change is due.
#[test]
fn a_recipe_that_asks_for_less_or_more_makes_the_connection_due() {
    let Some(world) = World::new() else { return };
    world.connect(&[IDP]);
    assert_eq!(world.bad("sso"), []);
    world.lab.write("wiki/compose.more.yml", "services: {app: {environment: {MORE: 'yes'}}}\n");
    for (from, to, check, said) in [
        (
            "overlays: [compose.oidc.yml]",
            "overlays: [compose.oidc.yml, compose.more.yml]",
            "overlay",
            "the recipe now switches compose.more.yml on",
        ),
        (
            "settings: {OIDC_ISSUER: \"{issuer}\", OIDC_ID: \"{client_id}\"}",
            "settings: {OIDC_ISSUER: \"{issuer}\"}",
            "setting",
            "the recipe no longer writes OIDC_ID",
        ),
        (
            "redirect: [\"{CALLBACK}\"]",
            "redirect: [\"/other\"]",
            "request",
            "the app no longer returns people to https://wiki.example.org/callback",
        ),
    ] {
        world.lab.write("wiki/recipe.yml", &RECIPE.replace(from, to));
        world.assert_bad("sso", check, said);
    }
}

/// Keys come one by one: the old one is published for a while beside the new.
#[test]
fn a_key_that_is_new_is_told() {
    let Some(world) = World::new() else { return };
    world.connect(&[IDP]);
    assert_eq!(world.found(0), []);
    let keys = [json!({"kid": "k1", "kty": "RSA"}), json!({"kid": "k2", "kty": "RSA"})];
    world.provider.state().keys = Some(json!({"keys": keys}));
    let found = world.found(0);
    let told = found.iter().find(|(check, _)| check == "keys").map(|(_, told)| told.as_str());
    assert!(told.is_some_and(|told| told.contains("has a key that it did not have")), "{found:?}");
}
