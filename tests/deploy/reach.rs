//! What a recipe reaches beyond its app, at the prompt: refused, asked for, given
//! with flags, recorded, compared, taken back. On the simulated server.

use crate::support::cli;

use cli::*;

const APP: &str = "t.example";
const LOCK: &str = "potluck/servers/simulated/t.example.lock.yml";

fn recipe(lab: &Lab, more: &str) {
    let compose = format!(
        "services:\n  app:\n    image: potluck-test/busybox:1\n    command: [sleep, '1000']\n{more}"
    );
    lab.write("tiny/compose.yml", &compose);
    lab.write("tiny/.env.sample", "TYPE=tiny\nDOMAIN=tiny.example.org\n");
}

const MOUNT: &str = "    volumes: ['/srv/x:/x', '/:/host:ro']\n";

fn lab(more: &str) -> Lab {
    let lab = Lab::new();
    recipe(&lab, more);
    let run = lab.run(&["app", "new", "./tiny", "--domain", APP, "--server=simulated"]);
    assert_eq!(run.code, 0, "{run}");
    lab
}

fn deploy(lab: &Lab, grants: &[&str]) -> Run {
    let mut arguments = vec!["app", "deploy", APP, "-n"];
    for grant in grants {
        arguments.extend(["--grant", grant]);
    }
    lab.run(&arguments)
}

fn services(lab: &Lab) -> usize {
    let rows = lab.json(&["stack", "ls", "--server", "simulated", "--json"]);
    rows.as_array().unwrap().len()
}

#[test]
fn without_a_yes_nothing_is_made_and_the_flags_are_named() {
    let lab = lab(MOUNT);
    let run = deploy(&lab, &[]);
    assert_eq!(run.code, 6, "{run}");
    assert!(run.stderr.contains("the service app wants to\n"), "{run}");
    assert!(run.stderr.contains("read and write `/srv/x` on the node (host: /srv/x)"), "{run}");
    assert!(run.stderr.contains("socket included"), "{run}");
    let flags = "to agree, add --grant 'app host: /srv/x' --grant 'app host-read: /'";
    assert!(run.stderr.contains(flags), "{run}");
    assert_eq!(services(&lab), 0);
    assert!(!lab.path(LOCK).exists());
    // All of it, or nothing.
    let run = deploy(&lab, &["app host: /srv/x"]);
    assert_eq!(run.code, 6, "{run}");
    assert_eq!(services(&lab), 0);
}

#[test]
fn a_flag_that_nothing_asks_for_is_a_mistake() {
    let lab = lab(MOUNT);
    for (flag, problem, hint) in [
        ("app host: /srv/y", "the service `app` does not ask for it", "`app host: /srv/x`"),
        ("docker-socket", "no service of the recipe asks for it", ""),
        ("db host: /srv/x", "the app has no service `db`", "`app host: /srv/x`"),
    ] {
        let run = deploy(&lab, &[flag]);
        assert_eq!(run.code, 2, "{run}");
        assert!(run.stderr.contains(problem) && run.stderr.contains(hint), "{run}");
    }
    let run = deploy(&lab, &["app host:"]);
    assert_eq!(run.code, 2, "{run}");
}

#[test]
fn what_was_agreed_to_is_recorded_compared_and_taken_back() {
    let lab = lab(MOUNT);
    let run = deploy(&lab, &["app host: /srv/x", "host-read: /"]);
    assert_eq!(run.code, 0, "{run}");
    let lock = std::fs::read_to_string(lab.path(LOCK)).unwrap();
    assert!(
        lock.contains("reach:\n  app:\n  - 'host: /srv/x'\n") || lock.contains("host: /srv/x"),
        "{lock}"
    );
    // Nothing new, nothing asked; and what is less is not asked for either.
    let run = deploy(&lab, &[]);
    assert_eq!(run.code, 0, "{run}");
    recipe(&lab, "    volumes: ['/srv/x:/x:ro']\n");
    let run = deploy(&lab, &[]);
    assert_eq!(run.code, 0, "{run}");
    // Wider is.
    recipe(&lab, "    volumes: ['/srv/x:/x:ro']\n    cap_add: [NET_ADMIN]\n");
    let run = deploy(&lab, &[]);
    assert_eq!(run.code, 6, "{run}");
    assert!(run.stderr.contains("(host-read: /srv/x, as before)"), "{run}");
    assert!(run.stderr.contains("(capability: NET_ADMIN, new)"), "{run}");
    assert!(run.stderr.contains("add --grant 'app capability: NET_ADMIN'"), "{run}");
    let plan = lab.json(&["app", "deploy", APP, "--dry-run", "--json"]);
    let rows = plan["plan"]["reach"].as_array().unwrap();
    let state = |reach: &str| {
        rows.iter().find(|row| row["reach"] == reach).map(|row| row["state"].clone()).unwrap()
    };
    assert_eq!(state("host-read: /srv/x"), "agreed");
    assert_eq!(state("capability: NET_ADMIN"), "new");
    let run = deploy(&lab, &["capability: NET_ADMIN"]);
    assert_eq!(run.code, 0, "{run}");
    assert!(run.stderr.contains("capability: + NET_ADMIN"), "{run}");

    let run = lab.run(&["plugin", "grants", APP]);
    assert!(run.stdout.contains("(capability: NET_ADMIN; agreed to)"), "{run}");
    let run = lab.run(&["plugin", "revoke", APP, "app", "capability: NET_ADMN"]);
    assert_eq!(run.code, 2, "{run}");
    let run = lab.run(&["plugin", "revoke", APP, "app", "capability: NET_ADMIN"]);
    assert_eq!(run.code, 0, "{run}");
    assert!(run.stderr.contains("Revoked `capability: NET_ADMIN` of `app`."), "{run}");
    let run = deploy(&lab, &[]);
    assert_eq!(run.code, 6, "{run}");
    // Looking at the app, and taking it down, asks for nothing.
    for arguments in [&["app", "ps", APP][..], &["app", "undeploy", APP, "-n", "--yes"]] {
        let run = lab.run(arguments);
        assert_ne!(run.code, 6, "{run}");
    }
    let run = lab.run(&["plugin", "revoke", APP]);
    assert!(run.stderr.contains("Revoked everything of `app`."), "{run}");
}

#[test]
fn an_ordinary_recipe_behind_a_proxy_needs_no_yes() {
    let lab = lab(
        "    ports: ['8080:80']\n    volumes: ['data:/d']\n    deploy:\n      labels:\n        \
         - traefik.enable=true\n        \
         - traefik.http.routers.${STACK_NAME}.rule=Host(`${DOMAIN}`)\nvolumes: {data: {}}\n",
    );
    let run = deploy(&lab, &[]);
    assert_eq!(run.code, 0, "{run}");
    assert!(run.stderr.contains("listen on port 8080/tcp of every node (port: 8080/tcp)"), "{run}");
}

#[test]
fn a_recipe_says_what_it_reaches_before_anything_is_made() {
    let lab = Lab::new();
    recipe(&lab, MOUNT);
    let run = lab.run(&["recipe", "inspect", "./tiny"]);
    assert_eq!(run.code, 0, "{run}");
    assert!(run.stdout.contains("read and write `/srv/x` on the node (host: /srv/x)"), "{run}");
    let report = lab.json(&["recipe", "inspect", "./tiny", "--json"]);
    assert_eq!(report["reach"][0]["reach"], "host: /srv/x");
    let run = lab.run(&["recipe", "lint", "./tiny"]);
    assert!(run.stdout.contains("reaches-out") && run.stdout.contains("host: /srv/x"), "{run}");
    assert!(!lab.path("potluck/recipes").exists());
}

#[test]
fn what_cannot_be_read_is_not_called_harmless() {
    let lab = Lab::new();
    recipe(&lab, "    volumes: ['undefined:/x']\n");
    let run = lab.run(&["recipe", "inspect", "./tiny"]);
    assert_eq!(run.code, 1, "{run}");
    assert!(run.stderr.contains("cannot be read with the sample's settings"), "{run}");
}

/// What a sample put into the settings stays the sample's word when a later
/// version of the recipe has another sample.
#[test]
fn a_host_copied_from_an_earlier_sample_is_not_the_operators() {
    let lab = Lab::new();
    let compose = "services:\n  app:\n    image: potluck-test/busybox:1\n    deploy:\n      labels:\n        - \
                   traefik.http.routers.${STACK_NAME}.rule=Host(`${OTHER}`)\n";
    lab.write("tiny/compose.yml", compose);
    lab.write("tiny/.env.sample", "TYPE=tiny\nDOMAIN=\nOTHER=bank.example.org\n");
    let new = ["app", "new", "./tiny", "--domain", "t.example", "--server=simulated"];
    assert_eq!(lab.run(&new).code, 0);
    lab.write("tiny/.env.sample", "TYPE=tiny\nDOMAIN=\nOTHER=\n");
    let run = lab.run(&["app", "deploy", "t.example", "-n"]);
    assert_eq!(run.code, 6, "{run}");
    assert!(run.stderr.contains("route: bank.example.org"), "{run}");
    // The operator's own word needs no other.
    let set = ["app", "config", "t.example", "--set", "OTHER=other.example.org"];
    assert_eq!(lab.run(&set).code, 0);
    let run = lab.run(&["app", "deploy", "t.example", "-n"]);
    assert_eq!(run.code, 0, "{run}");
}
