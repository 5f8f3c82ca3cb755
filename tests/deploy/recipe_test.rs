//! `recipe test` on the real swarm: what it shows there, and that nothing of it stays.

use std::{
    fs,
    process::Command,
    time::{Duration, Instant},
};

use serde_json::Value;

use potluck::engine::{Engine, Scope};

use crate::support::{
    cli::{Lab, Run},
    common::{PATIENCE, endpoint, real_engine},
    examples::{documented, tag_before, with_release_before},
    nodes::Alone,
    operator::{docker, folder_with_helper, good, has_images},
    signing::{git, repository, save},
};

/// A recipe with data and a secret, one release behind. Its program has a name that no other
/// test has.
fn compose(name: &str) -> String {
    format!(
        "services:\n  app:\n    image: potluck-test/busybox:1\n    command: [sh, -c, 'sleep 1000000 # \
         {name}']\n    stop_grace_period: 1s\n    volumes: ['data:/data']\n    secrets: [key]\n    \
         deploy: {{endpoint_mode: dnsrr, update_config: {{monitor: 1s}}}}\nvolumes: {{data: \
         }}\nsecrets:\n  key: {{external: true, name: \
         '${{STACK_NAME}}_key_${{SECRET_KEY_VERSION}}'}}\n"
    )
}

/// The folder `wiki` with it, and the server `here`.
fn lab(name: &str) -> Lab {
    let lab = Lab::new();
    let place = lab.path("wiki");
    repository(&place, &compose(name));
    fs::write(place.join(".env.sample"), "TYPE=wiki\nDOMAIN=\nSECRET_KEY_VERSION=v1\n").unwrap();
    save(&place, "a release");
    git(&place, &["tag", "1.0.0+1"]);
    lab.write("wiki/compose.yml", &compose(name).replace("1000000", "2000000"));
    lab.write("potluck/servers/here/server.yml", &format!("endpoint: {}\n", endpoint()));
    lab
}

fn name(test: &str) -> String {
    format!("recipe-test-{test}-{}", std::process::id())
}

fn report(run: &Run) -> Value {
    serde_json::from_str(&run.stdout).unwrap_or_else(|error| panic!("{error}: {run}"))
}

fn all_passed(report: &Value) {
    for stage in report["stages"].as_array().unwrap() {
        let passed = stage["result"] == "passed" || stage["stage"] == "scenarios";
        assert!(passed, "{stage}");
    }
}

/// The beginning of the names of what a test made, from what it typed.
fn prefix(report: &Value) -> String {
    let stages = report["stages"].as_array().unwrap();
    let commands = stages.iter().flat_map(|stage| stage["commands"].as_array().unwrap());
    let prefix = commands
        .filter_map(|command| {
            let word = command.as_str().unwrap().split(' ').find(|it| it.ends_with(".example"))?;
            word.strip_suffix("one.example").map(str::to_owned)
        })
        .next()
        .unwrap();
    assert!(prefix.starts_with("potluck-test-"), "{prefix}");
    prefix
}

/// The same, of a test that runs: from the service with the program of this name.
async fn running_prefix(engine: &dyn Engine, name: &str) -> String {
    let deadline = Instant::now() + PATIENCE;
    loop {
        for service in engine.services(Scope::All).await.unwrap() {
            let spec = service.spec.unwrap();
            if format!("{:?}", spec.task_template).contains(name) {
                let service = spec.name.unwrap();
                return service.strip_suffix("one_example_app").unwrap().to_owned();
            }
        }
        assert!(Instant::now() < deadline, "no service of {name}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// What the swarm has whose names say that this test made them.
async fn left(engine: &dyn Engine, prefix: &str) -> Vec<String> {
    let services = engine.services(Scope::All).await.unwrap();
    let volumes = engine.volumes(Scope::All).await.unwrap();
    let networks = engine.networks(Scope::All).await.unwrap();
    let configs = engine.configs(Scope::All).await.unwrap();
    let secrets = engine.secrets(Scope::All).await.unwrap();
    let names = volumes.into_iter().map(|it| it.name);
    let names = names.chain(services.into_iter().filter_map(|it| it.spec?.name));
    let names = names.chain(networks.into_iter().filter_map(|it| it.name));
    let names = names.chain(configs.into_iter().filter_map(|it| it.spec?.name));
    let names = names.chain(secrets.into_iter().filter_map(|it| it.spec?.name));
    names.filter(|name| name.contains(prefix)).collect()
}

#[tokio::test]
async fn a_recipe_is_tested_on_a_real_server_and_nothing_of_it_stays() {
    let Some(engine) = real_engine().await else { return };
    let lab = lab(&name("whole"));
    let run = lab.run(&["recipe", "test", "./wiki", "--server", "here", "--json", "--level", "8"]);
    let report = report(&run);
    assert_eq!((run.code, &report["server"]), (0, &"real".into()), "{run}");
    all_passed(&report);
    assert_eq!(left(engine.as_ref(), &prefix(&report)).await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_test_leaves_nothing() {
    let Some(engine) = real_engine().await else { return };
    let name = name("interrupted");
    let lab = lab(&name);
    let (told, pid) = std::sync::mpsc::channel();
    let engine_too = engine.clone();
    let interrupts = tokio::spawn(async move {
        let prefix = running_prefix(engine_too.as_ref(), &name).await;
        let pid: u32 = pid.recv().unwrap();
        let done = Command::new("kill").args(["-INT", &pid.to_string()]).status().unwrap();
        assert!(done.success());
        prefix
    });
    let run = tokio::task::block_in_place(|| {
        lab.run_telling(&["recipe", "test", "./wiki", "--server", "here"], |pid| {
            told.send(pid).unwrap();
        })
    });
    let prefix = interrupts.await.unwrap();
    assert_eq!(run.code, 130, "{run}");
    assert!(run.stderr.contains("interrupted: what was made is removed"), "{run}");
    assert!(!run.stderr.contains("was not removed"), "{run}");
    assert_eq!(left(engine.as_ref(), &prefix).await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_test_left_is_named_and_removed_later() {
    let Some(engine) = real_engine().await else { return };
    let name = name("killed");
    let lab = lab(&name);
    let test = ["recipe", "test", "./wiki", "--server", "here"];
    lab.run_killed_at(&[&test[..], &["--json"]].concat(), &["passed          install"]);
    let prefix = running_prefix(engine.as_ref(), &name).await;
    let of_test = prefix.trim_end_matches('-');

    // Nobody knows whether it runs: what is younger than half a day stays.
    let only = [&test[..], &["--only", "lint"]].concat();
    let run = lab.run(&only);
    assert!(run.stderr.contains(&format!("{of_test} is there from another test")), "{run}");
    let services = format!("name={prefix}");
    assert_ne!(docker(&["service", "ls", "-q", "--filter", &services]), "");

    // Volumes say no age; what else there is goes by hand.
    for (kind, list) in [("service", "ls"), ("secret", "ls"), ("config", "ls"), ("network", "ls")] {
        let format = "{{.Name}}";
        let all = docker(&[kind, list, "--format", format]);
        for object in all.lines().filter(|it| it.contains(&prefix)) {
            removed(kind, object);
        }
    }
    // Another test that begins just now may come first.
    good(&lab.run(&only));
    assert_eq!(left(engine.as_ref(), &prefix).await, [""; 0]);
    remove_folder(&prefix);
}

/// Removes the folder of a killed test, whose name ends with the letters of the others, reversed.
fn remove_folder(prefix: &str) {
    let ending: String = prefix.trim_end_matches('-').chars().rev().take(6).collect();
    for entry in fs::read_dir(std::env::temp_dir()).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().to_string_lossy().to_lowercase();
        if name.starts_with("potluck-test-") && name.ends_with(&ending) {
            fs::remove_dir_all(entry.path()).unwrap();
        }
    }
}

/// Removes it, once nothing uses it any more, and waits until it is gone.
fn removed(kind: &str, object: &str) {
    let deadline = Instant::now() + PATIENCE;
    let run = |verb: &str| {
        Command::new("docker").args(["-H", &endpoint(), kind, verb, object]).output().unwrap()
    };
    while run("inspect").status.success() {
        let said = run("rm").stderr;
        assert!(Instant::now() < deadline, "{kind} {object}: {}", String::from_utf8_lossy(&said));
        std::thread::sleep(Duration::from_millis(300));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_is_restored_on_a_server_that_has_nothing() {
    let Some(engine) = real_engine().await else { return };
    let Some(alone) = Alone::start().await else { return };
    if !has_images(&["helper:1"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    alone.manager.load_image(folder.path(), "potluck-test/helper:1");
    let lab = lab(&name("empty"));
    let there = format!(
        "endpoint: {}\nbackup: {{helper-image: 'potluck-test/helper:1'}}\n",
        alone.manager.endpoint()
    );
    lab.write("potluck/servers/there/server.yml", &there);
    let test = ["recipe", "test", "./wiki", "--server", "here", "--empty-server", "there"];
    let run = lab.run(&[&test[..], &["--only", "empty-swarm", "--json"]].concat());
    let report = report(&run);
    let stages = report["stages"].as_array().unwrap();
    let stage = stages.iter().find(|it| it["stage"] == "empty-swarm").unwrap();
    assert_eq!(stage["result"], "passed", "{stage}");
    let typed = stage["commands"].to_string();
    assert!(typed.contains("--to-server empty"), "{typed}");
    assert_eq!(left(engine.as_ref(), &prefix(&report)).await, [""; 0]);
    let potluck = alone.manager.docker(&["volume", "ls", "-q"]);
    assert_eq!(potluck, "", "on the empty server");
}

/// An example, the test images that it runs, and its settings besides those of all.
type Example = (&'static str, &'static [&'static str], &'static [&'static str]);

/// Those whose images a machine without a registry has.
const EXAMPLES: &[Example] = &[
    ("static-html", &["busybox:1"], &[]),
    ("jekyll", &["jekyll:1", "nginx:1"], &["IMAGE=potluck-test/jekyll:1"]),
    ("pelican", &["pelican:1", "nginx:1"], &["IMAGE=potluck-test/pelican:1"]),
    ("mail-relay", &["postfix:1"], &["IMAGE=potluck-test/postfix:1"]),
    ("mediawiki", &["mediawiki:1.43", "mariadb:1"], &["SITE_URL=http://127.0.0.1:{port}"]),
    (
        "members-site",
        &["sign-on:1"],
        &["IMAGE=potluck-test/sign-on:1", "SITE_URL=http://127.0.0.1:{port}"],
    ),
    (
        "oidc-provider",
        &["oidc-provider:1"],
        &["IMAGE=potluck-test/oidc-provider:1", "ISSUER=http://127.0.0.1:{port}"],
    ),
    ("synapse", &["synapse:1.163.2", "stores:1"], &["PUBLIC_URL=http://127.0.0.1:{port}"]),
    (
        "traefik",
        &["traefik:1", "docker-socket-proxy:1"],
        &["HTTP_PORT={port}", "HTTPS_PORT={port2}"],
    ),
    ("wordpress", &["wordpress:1", "mariadb:1"], &["SITE_URL=http://127.0.0.1:{port}"]),
];

#[tokio::test]
async fn an_example_has_the_level_on_a_real_server_that_it_says() {
    have_their_levels(&EXAMPLES[..1]).await;
}

#[tokio::test]
#[ignore = "make campaign levels"]
async fn examples_have_the_levels_on_a_real_server_that_they_say() {
    have_their_levels(&EXAMPLES[1..]).await;
}

/// Those whose names `POTLUCK_LEVELS_ONLY` has, if it is set.
fn is_chosen(example: &str) -> bool {
    std::env::var("POTLUCK_LEVELS_ONLY")
        .map_or(true, |only| only.split(',').any(|it| it == example))
}

/// With a release before, whose images have another tag: what is upgraded are services that run
/// and have data.
async fn have_their_levels(examples: &[Example]) {
    if real_engine().await.is_none() {
        return;
    }
    let lab = folder_with_helper();
    let mut wrong = Vec::new();
    for (example, images, settings) in examples {
        if !is_chosen(example) || !has_images(images) {
            continue;
        }
        tag_before(images);
        let folder = with_release_before(&lab.path("examples"), example, settings);
        let mut test = vec!["recipe", "test", folder.to_str().unwrap()];
        test.extend(["--server", "here", "--yes", "--json"]);
        test.extend(["--set", "COMPOSE_FILE=compose.yml:compose.test.yml", "--set", "PORT={port}"]);
        test.extend(settings.iter().flat_map(|setting| ["--set", setting]));
        let run = lab.run(&test);
        let report = report(&run);
        println!(
            "{example}: level {}, {}, {}",
            report["level"], report["stopped_by"], report["without"]
        );
        let stages = report["stages"].as_array().unwrap();
        let upgrade = stages.iter().find(|it| it["stage"] == "upgrade").unwrap();
        let is_upgraded = upgrade["result"] == "passed" && upgrade["lacks"].is_null();
        if report["level"].as_u64() != documented(example, "real") || !is_upgraded {
            wrong.push(format!("{example}: {run}"));
        }
    }
    assert!(wrong.is_empty(), "READMEs of examples say otherwise of {}", wrong.join("\n"));
}
