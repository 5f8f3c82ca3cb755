//! Names by which a recipe means what is another app's: stacks, domains,
//! objects, labels.

use super::{Guest, QUIET, attack, world::docker};

/// `QUIET` with something more at the end of the service, and at the top level.
fn with(service: &str, top: &str) -> String {
    format!("{}{top}", QUIET.replace("    volumes: [data", &format!("{service}    volumes: [data")))
}

/// A recipe that is refused before anything of it is on the swarm.
fn deploy_is_refused(compose: &str, codes: &[i32], words: &str) {
    attack(|guest| {
        guest.compose(compose);
        guest.new_app();
        let run = guest.run(&["app", "deploy", "APP", "-n", "--takeover"]);
        assert!(codes.contains(&run.code), "{run}");
        let words = guest.text(words);
        assert!(run.stderr.contains(&words), "{words:?} is missing\n{run}");
        let label = format!("label=com.docker.stack.namespace={}", guest.stack);
        assert_eq!(docker(&["service", "ls", "-q", "--filter", &label]), "");
    });
}

/// The neighbour's domain without its end: a stack that the neighbour's begins
/// with.
fn shorter(guest: &Guest) -> String {
    guest.text("VICTIM").trim_end_matches("_example_org").to_owned()
}

#[test]
fn a_sample_names_the_neighbours_stack() {
    attack(|guest| {
        guest.compose(QUIET);
        guest.write(
            ".env.sample",
            "TYPE=x\nDOMAIN=x\nSTACK_NAME=VICTIM\nexport STACK_NAME=\"VICTIM\"\n",
        );
        let made = guest.ok(super::world::NEW);
        assert!(made.stderr.contains("which is ignored"), "{made}");
        guest.ok(&["app", "deploy", "APP", "-n"]);
        guest.ok(&["app", "run", "APP", "app", "true"]);
        guest.refused(&["app", "run", "APP", "db", "true"], 1, "has no service `db`");
        guest.ok(&["app", "undeploy", "APP", "-n"]);
        guest.ok(&["app", "rm", "APP", "--yes", "--no-backup"]);
    });
}

#[test]
fn a_sample_names_the_neighbours_domain_and_recipe() {
    attack(|guest| {
        guest.compose(&with("    environment: {D: \"${DOMAIN}\", R: \"${RECIPE}\"}\n", ""));
        let victim = guest.text("VICTIM").replace('_', ".");
        let sample = format!("TYPE=x\nRECIPE=victim\nDOMAIN={victim}\nDOMAIN={victim}\n");
        guest.write(".env.sample", &sample);
        guest.new_app();
        guest.ok(&["app", "deploy", "APP", "-n"]);
        let seen = guest.sh("echo $D $R");
        assert!(seen.starts_with(&format!("{} guest", guest.domain)), "{seen}");
    });
}

#[test]
fn settings_that_nobody_confirmed_name_the_neighbours_stack() {
    attack(|guest| {
        guest.compose(QUIET);
        guest.new_app();
        guest.append_setting("STACK_NAME=VICTIM");
        for arguments in [
            &["app", "deploy", "APP", "-n", "--takeover"][..],
            &["app", "deploy", "APP", "--dry-run"],
            &["app", "undeploy", "APP", "--yes"],
            &["app", "rm", "APP", "--yes", "--no-backup"],
            &["app", "run", "APP", "db", "cat", "/data/secret.txt"],
            &["app", "logs", "APP"],
            &["app", "ps", "APP"],
            &["app", "secret", "generate", "APP"],
            &["backup", "create", "APP"],
        ] {
            // Nothing to make is nothing to refuse.
            if arguments[1] != "secret" {
                guest.refused(arguments, 1, &guest.text("the stack `VICTIM` is left alone"));
            }
        }
        let set = guest.text("STACK_NAME=VICTIM");
        // Even said, it is another's.
        guest.ok(&["app", "config", "APP", "--set", &set]);
        let words = guest.text("the stack `VICTIM` is left alone: it belongs to the app");
        guest.refused(&["app", "deploy", "APP", "-n", "--takeover"], 1, &words);
        guest.refused(&["app", "undeploy", "APP", "--yes"], 1, &words);
    });
}

#[test]
fn a_domain_comes_to_the_neighbours_stack() {
    attack(|guest| {
        guest.compose(QUIET);
        let domain = guest.text("VICTIM").replace("_example_org", "_example.org");
        let arguments = ["app", "new", "RECIPE", "--server", "here", "--domain", &domain, "-n"];
        guest.refused(&arguments, 1, "would have the stack");
    });
}

#[test]
fn overlays_of_a_sample_lie_outside_of_the_recipe() {
    for path in ["../victim/compose.yml", "OUTSIDE/compose.yml", "compose.yml:../../x.yml"] {
        attack(|guest| {
            guest.compose(QUIET);
            let sample = "TYPE=x\nDOMAIN=x\n";
            guest.write(".env.sample", &format!("{sample}COMPOSE_FILE={path}\n"));
            let new = ["app", "new", "RECIPE", "--server", "SERVER", "--domain", "APP", "-n"];
            guest.refused(&new, 1, "leaves the recipe's folder");
            // Nor where the settings came to name it afterwards.
            guest.write(".env.sample", sample);
            guest.new_app();
            let set = guest.text(&format!("COMPOSE_FILE={path}"));
            guest.ok(&["app", "config", "APP", "--set", &set]);
            guest.refused(&["app", "deploy", "APP", "-n"], 1, "leaves the recipe's folder");
        });
    }
}

/// Objects under the beginning of a shorter stack's name.
#[test]
fn a_shorter_stack_means_the_neighbours_objects() {
    let base = QUIET.replace("volumes: [data:/data]", "volumes: [V:/data]");
    let cases = [
        base.replace("V:", "example_org_data:").replace("{data: {}}", "{example_org_data: {}}"),
        QUIET.replace("  app:", "  example_org_db:"),
        with("    networks: [example_org_default]\n", "networks: {example_org_default: {}}\n"),
        with(
            "    configs: [{source: example_org_settings, target: /c}]\n",
            "configs: {example_org_settings: {content: x}}\n",
        ),
        with(
            "    secrets: [pw]\n",
            "secrets: {pw: {external: true, name: VICTIM_db_password_v1}}\n",
        ),
        // Of which there is nothing yet.
        base.replace("V:", "example_org_new:").replace("{data: {}}", "{example_org_new: {}}"),
    ];
    attack(|guest| {
        let domain = shorter(guest);
        guest.compose(QUIET);
        guest.ok(&["app", "new", "RECIPE", "--server", "SERVER", "--domain", &domain, "-n"]);
        for compose in &cases {
            guest.compose(compose);
            guest.refused(
                &["app", "deploy", &domain, "-n", "--takeover"],
                1,
                &guest.text("is left alone"),
            );
        }
        let run = ["app", "run", &domain, "example_org_db", "cat", "/data/secret.txt"];
        let run = guest.run(&run);
        assert_eq!(run.code, 1, "{run}");
    });
}

#[test]
fn a_secret_from_a_file_takes_the_neighbours_name() {
    let top = "secrets: {pw: {name: VICTIM_db_password_v1, file: ./f}}\n";
    attack(|guest| {
        guest.write("f", "mine");
        guest.compose(&with("    secrets: [pw]\n", top));
        guest.new_app();
        let run = guest.run(&["app", "deploy", "APP", "-n", "--takeover"]);
        assert!([1, 6].contains(&run.code), "{run}");
    });
}

#[test]
fn a_config_takes_the_neighbours_name() {
    attack(|guest| {
        guest.compose(&with(
            "    configs: [{source: c, target: /c}]\n",
            "configs: {c: {name: VICTIM_settings, content: mine}}\n",
        ));
        guest.new_app();
        let run = guest.run(&["app", "deploy", "APP", "-n", "--takeover"]);
        assert!([1, 6].contains(&run.code), "{run}");
    });
}

#[test]
fn the_neighbours_owner_record_is_mounted() {
    deploy_is_refused(
        &with(
            "    configs: [{source: c, target: /c}]\n",
            "configs: {c: {external: true, name: potluck.VICTIM.owner}}\n",
        ),
        &[1, 6],
        "potluck.VICTIM.owner",
    );
}

#[test]
fn an_object_takes_the_name_of_an_owner_record() {
    deploy_is_refused(
        &with(
            "    configs: [{source: c, target: /c}]\n",
            "configs: {c: {name: potluck.nobody.owner, content: '{}'}}\n",
        ),
        &[1],
        "names that begin with `potluck.` are potluck's own",
    );
}

#[test]
fn labels_say_that_a_container_is_the_neighbours() {
    for label in ["com.docker.swarm.service.name", "Com.Docker.swarm.task.id", "org.potluck.app"] {
        deploy_is_refused(
            &with(&format!("    labels: {{{label}: VICTIM_db}}\n"), ""),
            &[1],
            "only docker and potluck may set",
        );
    }
}

#[test]
fn labels_say_that_objects_are_the_neighbours() {
    let labels = "{labels: {org.potluck.app: VICTIM}}";
    for (service, top) in [
        ("    networks: [n]\n", format!("networks: {{n: {labels}}}\n")),
        (
            "    configs: [{source: c, target: /c}]\n",
            "configs: {c: {content: x, labels: {org.potluck.kind: owner}}}\n".to_owned(),
        ),
    ] {
        deploy_is_refused(&with(service, &top), &[1], "only docker and potluck may set");
    }
    deploy_is_refused(
        &QUIET.replace("{data: {}}", &format!("{{data: {labels}}}")),
        &[1],
        "only docker and potluck may set",
    );
}

/// Docker itself overwrites this one; the objects are the guest's.
#[test]
fn labels_say_that_the_stack_is_the_neighbours() {
    attack(|guest| {
        guest.compose(&QUIET.replace(
            "{endpoint_mode: dnsrr}",
            "{endpoint_mode: dnsrr, labels: {com.docker.stack.namespace: VICTIM}}",
        ));
        guest.new_app();
        guest.ok(&["app", "deploy", "APP", "-n"]);
        let name = format!("{}_app", guest.stack);
        let shown = "{{index .Spec.Labels \"com.docker.stack.namespace\"}}";
        assert_eq!(docker(&["service", "inspect", "-f", shown, &name]).trim(), guest.stack);
    });
}

/// What somebody put into the guest's stack by hand is not pruned with it.
#[test]
fn a_label_alone_makes_nothing_the_apps() {
    attack(|guest| {
        guest.compose(QUIET);
        guest.new_app();
        guest.ok(&["app", "deploy", "APP", "-n"]);
        let (stack, name) = (&guest.stack, format!("{}_by-hand", guest.stack));
        let label = format!("com.docker.stack.namespace={stack}");
        docker(&["volume", "create", "--label", &label, &format!("{name}-data")]);
        let config = guest.beside("c");
        std::fs::write(&config, "x").unwrap();
        docker(&["config", "create", "--label", &label, &name, config.to_str().unwrap()]);
        guest.compose(&with("    environment: {A: b}\n", ""));
        guest.ok(&["app", "deploy", "APP", "-n"]);
        guest.ok(&["app", "undeploy", "APP", "-n"]);
        guest.ok(&["app", "rm", "APP", "--yes", "--no-backup"]);
        docker(&["config", "rm", &name]);
        docker(&["volume", "rm", &format!("{name}-data")]);
    });
}
