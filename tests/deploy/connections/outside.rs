//! Providers outside: what registers clients by the standard in other ways than expected, and
//! clients that somebody makes by hand.

use super::*;

/// A world with a key and a provider `house` that registers clients.
fn dynamic() -> Option<World> {
    let world = World::new()?;
    world.provider.state().clients.clear();
    world.good(&["key", "new"]);
    world.good(&["provider", "add", "house", "--issuer", &world.provider.issuer, "--dynamic"]);
    Some(world)
}

/// The standard has one status for each request, and providers others; whatever comes, what a
/// client is known by is not said.
#[test]
fn an_answer_of_another_status_is_taken_and_never_quoted() {
    let Some(world) = dynamic() else { return };
    let connect = ["sso", "connect", WIKI, "house", "-n"];
    for status in [500, 302] {
        world.provider.state().told_with = Some(status);
        let words = format!("/register answers {status}\n");
        let run = world.fails(1, &connect, &[&words]);
        let history = world.good(&["app", "history", WIKI, "--json"]);
        for said in [run.stdout, run.stderr, history.stdout] {
            assert!(!said.contains("secret-") && !said.contains("token-"), "{said}");
        }
    }
    world.provider.state().clients.clear();
    for status in [202, 203, 201] {
        world.provider.state().told_with = Some(status);
        world.set("CALLBACK", &format!("/{status}"));
        assert_eq!(world.connect(&["house"])["changed"], json!(true), "{status}");
    }
    assert_eq!(world.provider.state().clients.len(), 1);
    assert_eq!(world.found(0), []);
}

impl World {
    /// The newest version of the wiki does not start, so that the next change of it is undone.
    fn does_not_start(&self) {
        let image = "  app:\n    image: example.invalid/wiki:new\n";
        self.lab.write("wiki/compose.oidc.yml", &OVERLAY.replace("  app:\n", image));
        self.script("tasks:\n  - {image: '*:new', pull_error: it is not there}\n");
    }

    fn starts_again(&self) {
        self.lab.write("wiki/compose.oidc.yml", OVERLAY);
        self.script("{}\n");
    }

    /// The ids of the provider's clients.
    fn clients(&self) -> Vec<String> {
        self.provider.state().clients.keys().cloned().collect()
    }

    /// Kills a command at a change of the swarm that it asks for.
    fn killed(&self, moment: usize, command: &[&str]) {
        self.script(&format!("crash: {moment}\n"));
        let run = self.lab.run(command);
        assert_eq!(run.code, -1, "{command:?}: {run}");
        self.script("{}\n");
        self.good(&["app", "unlock", WIKI, "--yes", "--reason", "it was killed"]);
    }

    /// The step that an operation which did not end came to: empty before the first one.
    fn step(&self) -> Option<String> {
        let told = self.lab.json(&["app", "history", WIKI, "--json"]);
        let unfinished = told["unfinished"].as_object()?;
        let Some(step) = unfinished["step"].as_u64() else { return Some(String::new()) };
        let step = usize::try_from(step).unwrap();
        unfinished["steps"][step]["name"].as_str().map(str::to_owned)
    }

    /// Kills a command as soon as it came to a step.
    fn killed_in(&self, step: &str, command: &[&str]) {
        for moment in 2.. {
            self.killed(moment, command);
            match self.step() {
                Some(found) if found == step => return,
                Some(_) => drop(self.good(&["app", "abort", WIKI, "--yes"])),
                None => {}
            }
        }
    }

    fn secret_file(&self, value: &str) {
        self.lab.write("secret", value);
        fs::set_permissions(self.lab.path("secret"), fs::Permissions::from_mode(0o600)).unwrap();
    }
}

/// What is at the provider is compared with what is asked for, and not what the lock file says.
#[test]
fn a_provider_that_came_back_from_a_backup_is_told_the_addresses_again() {
    let Some(world) = dynamic() else { return };
    let addresses = || {
        let state = world.provider.state();
        state.clients.values().next().unwrap().metadata["redirect_uris"].clone()
    };
    world.connect(&["house"]);
    let before = world.provider.state().clients.clone();
    world.set("CALLBACK", "/back");
    world.connect(&[]);
    world.provider.state().clients = before;
    assert_eq!(world.found(7)[0].0, "redirect");
    world.connect(&[]);
    assert_eq!(addresses(), json!(["https://wiki.example.org/back"]));
    assert_eq!(world.found(0), []);
    let puts = || world.provider.state().asked.iter().filter(|it| it.starts_with("PUT")).count();
    let so_far = puts();
    world.connect(&[]);
    assert_eq!(puts(), so_far);

    // What fails has told it another address, which it is told to forget.
    world.set("CALLBACK", "/third");
    world.does_not_start();
    world.fails(4, &["sso", "connect", WIKI, "-n"], &[]);
    assert_eq!(addresses(), json!(["https://wiki.example.org/back"]));
    world.starts_again();
    // So has one that is killed, and whose answer nobody wrote down.
    world.killed_in("at house", &["sso", "connect", WIKI, "-n"]);
    for client in world.provider.state().clients.values_mut() {
        client.metadata["redirect_uris"] = json!(["https://wiki.example.org/third"]);
    }
    world.good(&["app", "abort", WIKI, "--yes"]);
    assert_eq!(addresses(), json!(["https://wiki.example.org/back"]));
}

#[test]
fn another_client_that_was_not_made_leaves_the_one_before() {
    let Some(world) = dynamic() else { return };
    world.connect(&["house"]);
    let new = ["sso", "connect", WIKI, "--new-client", "-n"];
    world.does_not_start();
    world.fails(4, &new, &[]);
    world.starts_again();
    assert_eq!(world.clients(), ["client-1"]);
    assert_eq!(world.connect(&[])["changed"], json!(false));
    // One that is killed makes another client as well when it is resumed.
    world.killed_in("secrets", &new);
    world.good(&["app", "resume", WIKI, "--yes"]);
    let [second] = &world.clients()[..] else { panic!("{:?}", world.clients()) };
    assert_ne!(second, "client-1");
    assert!(world.env().contains(&format!("OIDC_ID={second}\n")), "{}", world.env());
    world.good(&new);
    let [third] = &world.clients()[..] else { panic!("{:?}", world.clients()) };
    assert_ne!(third, second);
    // One that the provider has lost is named.
    world.provider.state().clients.clear();
    let run = world.good(&new);
    let gone = format!("token of the client `{third}`: it is gone");
    assert!(run.stderr.contains(&gone), "{run}");
    // What an older version kept under one name for all clients is read.
    let folder = world.lab.path(&format!("potluck/servers/simulated/{WIKI}.secrets"));
    let kept = || {
        let files = fs::read_dir(&folder).unwrap().map(|it| it.unwrap().path());
        let of = |path: &std::path::PathBuf| path.to_str().unwrap().contains("_token");
        files.filter(of).collect::<Vec<_>>()
    };
    let [token] = &kept()[..] else { panic!("{:?}", kept()) };
    let old = token.to_str().unwrap().rsplit_once("_token").unwrap().0.to_owned() + "_token.age";
    fs::rename(token, &old).unwrap();
    assert_eq!(world.connect(&[])["changed"], json!(false));
    assert_eq!(kept(), std::slice::from_ref(token));
    fs::rename(token, &old).unwrap();
    world.good(&["sso", "disconnect", WIKI, "-n"]);
    assert_eq!((world.clients(), kept()), (vec![], vec![]));
}

/// RFC 7591 without RFC 7592, and providers that show a secret only once.
#[test]
fn a_client_that_cannot_be_managed_is_kept() {
    let Some(world) = dynamic() else { return };
    world.provider.state().shows_once = true;
    world.connect(&["house"]);
    assert_eq!(world.connect(&[])["changed"], json!(false));
    world.set("CALLBACK", "/back");
    assert_eq!(world.connect(&[])["changed"], json!(true));
    assert_eq!(world.swarm().1, ["wiki_example_org_oidc_secret_v1"]);
    world.good(&["sso", "disconnect", WIKI, "-n"]);
    assert_eq!(world.clients(), [""; 0]);

    world.provider.state().manages_none = true;
    world.connect(&["house"]);
    assert_eq!(world.connect(&[])["changed"], json!(false));
    assert_eq!(world.clients(), ["client-2"]);
    world.set("CALLBACK", "/third");
    let words = ["the client `client-2` at house", "other addresses", "--client-id client-2"];
    world.fails(1, &["sso", "connect", WIKI, "-n"], &words);
    world.set("CALLBACK", "/back");
    assert_eq!(world.connect(&[])["changed"], json!(false));
    let run = world.good(&["sso", "disconnect", WIKI, "-n"]);
    assert!(run.stderr.contains("`client-2` cannot be removed at house from here"), "{run}");
    let run = world.fails(0, &["sso", "connect", WIKI, "house", "--dry-run", "-n"], &[]);
    assert!(run.stderr.contains("create client at house"), "{run}");
}

#[test]
fn a_client_that_nobody_knows_of_is_said() {
    let Some(world) = dynamic() else { return };
    let connect = ["sso", "connect", WIKI, "house", "-n"];
    let words = ["house may have made a client called `wiki` for wiki.example.org", "look there"];
    for command in ["resume", "abort"] {
        world.killed_in("at house", &connect);
        world.fails(0, &["app", command, WIKI, "--yes"], &words);
        if command == "resume" {
            world.good(&["sso", "disconnect", WIKI, "-n"]);
        }
    }
    // Where all is known, nothing is said.
    world.killed_in("secrets", &connect);
    let run = world.good(&["app", "resume", WIKI, "--yes"]);
    assert!(!run.stderr.contains("may have made"), "{run}");
}

#[test]
fn a_disconnection_that_is_killed_ends_whatever_is_left_of_its_token() {
    let Some(world) = dynamic() else { return };
    let disconnect = ["sso", "disconnect", WIKI, "-n"];
    let folder = world.lab.path(&format!("potluck/servers/simulated/{WIKI}.secrets"));
    let mut ended = Vec::new();
    for moment in (0..).step_by(2) {
        world.connect(&["house"]);
        world.script(&format!("crash: {moment}\n"));
        let run = world.lab.run(&disconnect);
        world.script("{}\n");
        if run.code == 0 {
            break;
        }
        world.good(&["app", "unlock", WIKI, "--yes", "--reason", "it was killed"]);
        if let Some(step) = world.step() {
            world.good(&["app", "resume", WIKI, "--yes"]);
            assert_eq!(world.clients(), [""; 0], "{moment}");
            ended.push(step);
        }
    }
    assert!(ended.iter().any(|step| step == "record the connection"), "{ended:?}");
    // Somebody who cannot read it, once the provider was asked.
    world.connect(&["house"]);
    world.killed_in("at house", &disconnect);
    fs::remove_dir_all(&folder).unwrap();
    let words = ["the client `client-", "was being removed at house", "look there"];
    world.fails(0, &["app", "resume", WIKI, "--yes"], &words);
    world.fails(1, &disconnect, &["is not connected"]);
}

#[test]
fn a_client_made_by_hand_is_replaced_by_another_one() {
    let Some(world) = World::new() else { return };
    world.good(&["key", "new"]);
    world.good(&["provider", "add", "house", "--issuer", &world.provider.issuer]);
    let callback = "https://wiki.example.org/callback";
    world.provider.enter("mine", callback);
    world.secret_file("by-hand\n");
    world.connect(&["house", "--client-id", "mine", "--client-secret-file", "secret"]);
    world.provider.enter("other", "https://elsewhere.example/");
    world.secret_file("of-the-other\n");
    let other = ["--client-id", "other", "--client-secret-file", "secret"];
    let connect = [&["sso", "connect", WIKI, "house", "-n"][..], &other].concat();
    world.fails(1, &connect, &["refuses the redirect address", "`other`", "stays"]);
    // What is kept of the recorded one is kept.
    assert_eq!(world.connect(&[])["changed"], json!(false));
    world.provider.enter("other", callback);
    let dry = world.good(&[&connect[..], &["--dry-run"]].concat());
    for words in ["mine → other", "may get a second account"] {
        assert!(dry.stderr.contains(words), "{words:?}: {dry}");
    }
    // Its secret is kept when it is killed.
    world.killed_in("secrets", &connect);
    let run = world.good(&["app", "resume", WIKI, "--yes"]);
    assert!(run.stderr.contains("`mine` was made by hand: remove it at house"), "{run}");
    assert!(world.env().contains("OIDC_ID=other\n"), "{}", world.env());
    assert_eq!(world.connect(&[])["changed"], json!(false));
    // So is that of a rotation.
    world.secret_file("renewed\n");
    let rotate = ["sso", "rotate", WIKI, "--client-secret-file", "secret", "-n"];
    world.killed_in("secrets", &rotate);
    world.good(&["app", "resume", WIKI, "--yes"]);
    assert_eq!(world.connect(&[])["changed"], json!(false));
    assert_eq!(world.swarm().1, ["wiki_example_org_oidc_secret_v3"]);
    // By hand over one that was registered, which goes.
    world.good(&["provider", "add", "dynamic", "--issuer", &world.provider.issuer, "--dynamic"]);
    world.connect(&["dynamic"]);
    let made = || world.clients().iter().filter(|id| id.starts_with("client-")).count();
    assert_eq!(made(), 1);
    let by_hand = ["dynamic", "--client-id", "mine", "--client-secret-file", "secret"];
    let dry = world.connect(&[&by_hand[..], &["--dry-run"]].concat());
    assert!(dry["plan"].to_string().contains("the client before, `client-"), "{dry}");
    world.connect(&by_hand);
    assert_eq!(made(), 0);
    assert_eq!(world.connect(&[])["changed"], json!(false));
    assert_eq!(made(), 0);
}

#[test]
fn a_secret_that_stops_working_is_said_before() {
    let Some(world) = dynamic() else { return };
    let now = jiff::Timestamp::now().as_second();
    for (days, code, words) in
        [(30, 0, None), (3, 0, Some("expires at")), (-1, 7, Some("expired at"))]
    {
        world.provider.state().secret_expires = now + days * 86_400;
        world.connect(&["house"]);
        let found = world.found(code);
        let said = found.iter().find(|(check, _)| check == "secret-expiry");
        assert_eq!(said.map(|(_, it)| it.contains(words.unwrap_or("-"))), words.map(|_| true));
    }
}

/// The token by which a client is changed goes to the provider alone, and what cannot be changed
/// or removed is no client for an app.
#[test]
fn a_client_that_is_managed_elsewhere_is_refused() {
    let Some(world) = dynamic() else { return };
    let (env, swarm) = (world.env(), world.swarm());
    world.provider.state().manages_at = Some("http://127.0.0.1:9".into());
    let words = ["whose token it would get", "the client `client-1` cannot be removed"];
    world.fails(1, &["sso", "connect", WIKI, "house", "-n"], &words);
    assert_eq!((world.env(), world.swarm()), (env, swarm));
    assert!(!world.lock().contains("client-1"));
    world.provider.state().manages_at = None;
    assert_eq!(world.connect(&["house"])["changed"], json!(true));
}
