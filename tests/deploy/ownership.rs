//! An app owns what is recorded as its own on the swarm, and nothing else is
//! touched: two folders, other tools, older potlucks, names that mean others'.

mod broken;
use crate::support::cli;
use crate::support::common;
use crate::support::operator;

use std::{fs, sync::Arc};

use cli::Lab;
use common::*;
use operator::*;
use potluck::{
    engine::{Engine, Scope},
    home::StackName,
};

/// Ids and versions of everything that a stack has.
async fn fingerprint(engine: &Arc<dyn Engine>, stack: &StackName) -> String {
    let scope = Scope::Stack(stack);
    let services = engine.services(scope).await.unwrap();
    let mut lines = Vec::new();
    for service in &services {
        let id = service.id.clone().unwrap();
        let tasks = engine.tasks(&id).await.unwrap();
        lines.push(format!("{id} {:?} {:?}", service.version, tasks.first().map(|t| &t.id)));
    }
    lines.extend(engine.networks(scope).await.unwrap().into_iter().map(|n| format!("{:?}", n.id)));
    lines.extend(engine.secrets(scope).await.unwrap().into_iter().map(|s| format!("{:?}", s.id)));
    lines.extend(engine.volumes(scope).await.unwrap().into_iter().map(|v| v.name));
    lines.sort();
    lines.join("\n")
}

/// As if the server had been set up anew.
async fn empty(engine: &Arc<dyn Engine>, stack: &StackName) {
    docker_stack_rm(stack.as_str());
    docker(&["config", "rm", &format!("potluck.{stack}.owner")]);
    eventually("an empty server", || async {
        let networks = engine.networks(Scope::Stack(stack)).await.unwrap();
        networks.is_empty().then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_colleagues_folder_is_the_same_app_and_another_recipe_is_not() {
    let Some(engine) = real_engine().await else { return };
    let (domain, stack) = domain("own-colleague");
    let _cleanup = Cleanup::new(&stack);
    let (one, two, three) = (folder(), folder(), folder());
    let compose = one_service("    volumes: [data:/d]\nvolumes: {data: {}}\n");
    app(&one, "wiki", &compose, "", &domain);
    app(&two, "wiki", &compose, "", &domain);
    app(&three, "evil", &compose, "", &domain);
    good(&one.run(&["app", "deploy", &domain, "-n"]));
    let record = engine.config(&format!("potluck.{stack}.owner")).await.unwrap();
    let owned = &record.spec.unwrap().labels.unwrap()["org.potluck.owned"];
    for name in [format!("{stack}_app"), format!("{stack}_default"), format!("{stack}_data")] {
        assert!(owned.contains(&format!("{name:?}:\"")), "{name}: {owned}");
    }
    let before = fingerprint(&engine, &stack).await;

    // The colleague deploys the same: nothing restarts.
    good(&two.run(&["app", "deploy", &domain, "-n"]));
    good(&two.run(&["app", "run", &domain, "app", "true"]));
    assert_eq!(fingerprint(&engine, &stack).await, before);

    // Another recipe of that name is refused by every verb.
    let words = [format!("the stack `{stack}`"), "recorded for the recipe wiki".into()];
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    refused(&three.run(&["app", "deploy", &domain, "-n"]), 6, &["with the recipe wiki"]);
    for arguments in [
        &["app", "deploy", &domain, "--dry-run"][..],
        &["app", "undeploy", &domain, "--yes"],
        &["app", "rm", &domain, "--yes", "--no-backup"],
        &["app", "run", &domain, "app", "true"],
        &["app", "logs", &domain],
        &["app", "ps", &domain],
        &["backup", "create", &domain],
    ] {
        refused(&three.run(arguments), 1, &words);
    }
    assert_eq!(fingerprint(&engine, &stack).await, before);

    // Gone on the one side, gone for both; then nobody's.
    good(&two.run(&["app", "undeploy", &domain, "--yes"]));
    good(&one.run(&["app", "rm", &domain, "--yes", "--no-backup"]));
    assert!(engine.config(&format!("potluck.{stack}.owner")).await.unwrap_err().is_not_found());
    assert_eq!(fingerprint(&engine, &stack).await, "");
    good(&three.run(&["app", "deploy", &domain, "-n"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stack_that_docker_deployed_is_taken_over_once_without_a_restart() {
    let Some(engine) = real_engine().await else { return };
    let (domain, stack) = domain("own-docker");
    let _cleanup = Cleanup::new(&stack);
    let lab = folder();
    let compose = one_service("    volumes: [data:/d]\nvolumes: {data: {}}\n");
    app(&lab, "wiki", &compose, "", &domain);
    let file = lab.path("wiki/compose.yml");
    docker(&["stack", "deploy", "-c", file.to_str().unwrap(), stack.as_str()]);
    eventually("the task", || async {
        let id = engine.services(Scope::Stack(&stack)).await.unwrap()[0].id.clone().unwrap();
        let tasks = engine.tasks(&id).await.unwrap();
        tasks
            .iter()
            .any(|t| {
                t.status.as_ref().is_some_and(|s| {
                    s.state.is_some_and(|s| s == potluck::engine::api::TaskState::RUNNING)
                })
            })
            .then_some(())
    })
    .await;
    let before = fingerprint(&engine, &stack).await;

    let what =
        [format!("service `{stack}_app`"), format!("volume `{stack}_data`"), "--takeover".into()];
    let what: Vec<&str> = what.iter().map(String::as_str).collect();
    refused(&lab.run(&["app", "deploy", &domain, "-n"]), 6, &what);
    good(&lab.run(&["app", "ps", &domain]));
    for arguments in [
        &["app", "undeploy", &domain, "--yes"][..],
        &["app", "run", &domain, "app", "true"],
        &["app", "logs", &domain],
        &["backup", "create", &domain],
    ] {
        refused(&lab.run(arguments), 1, &["no record on the server", "potluck app deploy"]);
    }
    let shown = lab.run(&["app", "deploy", &domain, "--dry-run"]);
    assert!(shown.stderr.contains("a takeover is needed"), "{shown}");
    assert!(engine.config(&format!("potluck.{stack}.owner")).await.is_err(), "a dry run wrote");

    let taken = lab.run(&["app", "deploy", &domain, "-n", "--takeover"]);
    good(&taken);
    assert!(taken.stderr.contains("are") && taken.stderr.contains("now"), "{taken}");
    assert_eq!(fingerprint(&engine, &stack).await, before, "something was restarted");
    // Once.
    good(&lab.run(&["app", "deploy", &domain, "-n"]));
    good(&lab.run(&["app", "logs", &domain]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_older_potluck_deployed_is_recorded_without_a_question() {
    let Some(engine) = real_engine().await else { return };
    let (domain, stack) = domain("own-older");
    let _cleanup = Cleanup::new(&stack);
    let lab = folder();
    app(&lab, "wiki", &one_service(""), "", &domain);
    good(&lab.run(&["app", "deploy", &domain, "-n"]));
    let before = fingerprint(&engine, &stack).await;
    // As a potluck without records left it.
    let name = format!("potluck.{stack}.owner");
    docker(&["config", "rm", &name]);
    let lock = lab.path(&format!("potluck/servers/here/{domain}.lock.yml"));
    let text = std::fs::read_to_string(&lock).unwrap();
    assert!(text.contains("owner:"), "{text}");
    let text: Vec<&str> = text.lines().filter(|line| !line.starts_with("owner:")).collect();
    std::fs::write(&lock, format!("{}\n", text.join("\n"))).unwrap();

    good(&lab.run(&["app", "run", &domain, "app", "true"]));
    good(&lab.run(&["app", "deploy", &domain, "-n"]));
    assert!(engine.config(&name).await.is_ok());
    assert_eq!(fingerprint(&engine, &stack).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_was_emptied_is_deployed_anew_and_a_strangers_stack_there_is_not_believed() {
    let Some(engine) = real_engine().await else { return };
    let (domain, stack) = domain("own-emptied");
    let _cleanup = Cleanup::new(&stack);
    let lab = folder();
    app(&lab, "wiki", &one_service(""), "", &domain);
    good(&lab.run(&["app", "deploy", &domain, "-n"]));
    empty(&engine, &stack).await;
    good(&lab.run(&["app", "deploy", &domain, "-n"]));

    // Emptied once more, and now something else has the name.
    empty(&engine, &stack).await;
    let file = lab.path("wiki/compose.yml");
    docker(&["stack", "deploy", "-c", file.to_str().unwrap(), stack.as_str()]);
    refused(&lab.run(&["app", "deploy", &domain, "-n"]), 6, &["--takeover"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stack_named_by_a_sample_or_by_hand_is_not_anothers() {
    let Some(engine) = real_engine().await else { return };
    let (victim, stack) = domain("own-victim");
    let _cleanup = Cleanup::new(&stack);
    let (evil, evil_stack) = domain("own-evil");
    let _other = Cleanup::new(&evil_stack);
    let lab = folder();
    let compose = one_service("    volumes: [data:/d]\nvolumes: {data: {}}\n");
    app(&lab, "victim", &compose, "", &victim);
    good(&lab.run(&["app", "deploy", &victim, "-n"]));
    let before = fingerprint(&engine, &stack).await;

    // In a folder that does not know the victim.
    let other = folder();
    other.write("evil/compose.yml", &compose);
    other.write(
        "evil/.env.sample",
        &format!(
            "TYPE=evil\nRECIPE=other\nDOMAIN=\nSTACK_NAME={stack}\nexport STACK_NAME={stack}\n"
        ),
    );
    let made = new(&other, "evil", &evil, &[]);
    good(&made);
    assert!(made.stderr.contains("ignored"), "{made}");
    let settings = |key: &str| other.run(&["app", "config", &evil, "--get", key]);
    assert_ne!(settings("STACK_NAME").code, 0);
    assert_eq!(settings("RECIPE").stdout, "evil\n");
    good(&other.run(&["app", "deploy", &evil, "-n"]));
    good(&other.run(&["app", "undeploy", &evil, "--yes"]));
    assert_eq!(fingerprint(&engine, &stack).await, before);

    // Written into the file: nobody said so.
    let file = other.path(&format!("potluck/servers/here/{evil}.env"));
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("{text}STACK_NAME={evil_stack}x\n")).unwrap();
    let words = ["you have not confirmed", "app config"];
    refused(&other.run(&["app", "deploy", &evil, "-n"]), 1, &words);
    std::fs::write(&file, format!("{text}STACK_NAME={stack}\n")).unwrap();
    // Even said, it is another's.
    for confirmed in [false, true] {
        if confirmed {
            let set = format!("STACK_NAME={stack}");
            good(&other.run(&["app", "config", &evil, "--set", &set]));
        }
        for arguments in [
            &["app", "deploy", &evil, "-n", "--takeover"][..],
            &["app", "undeploy", &evil, "--yes"],
            &["app", "rm", &evil, "--yes"],
            &["app", "run", &evil, "app", "true"],
            &["app", "logs", &evil],
            &["backup", "create", &evil],
        ] {
            refused(&other.run(arguments), 1, &[&format!("belongs to the app {victim}")]);
        }
    }
    assert_eq!(fingerprint(&engine, &stack).await, before);
    // In the victim's own folder it is refused at once.
    let set = format!("STACK_NAME={stack}");
    lab.write("evil/compose.yml", &compose);
    lab.write("evil/.env.sample", "TYPE=evil\nDOMAIN=\n");
    refused(&new(&lab, "evil", &evil, &["--set", &set]), 1, &["would have the stack"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_mean_another_stacks_objects_are_refused() {
    let Some(engine) = real_engine().await else { return };
    let base = unique_stack("own-prefix");
    let victim_stack = StackName::new(format!("{base}_example_org")).unwrap();
    let _cleanup = Cleanup::new(&victim_stack);
    let evil_stack = StackName::new(base.as_str()).unwrap();
    let _other = Cleanup::new(&evil_stack);
    let (victim, evil) = (format!("{base}.example.org"), base.to_string());
    let compose = one_service("    volumes: [data:/d]\nvolumes: {data: {}}\n");
    let lab = folder();
    app(&lab, "victim", &compose, "", &victim);
    good(&lab.run(&["app", "deploy", &victim, "-n"]));
    let before = fingerprint(&engine, &victim_stack).await;
    let other = folder();
    app(&other, "evil", &one_service(""), "", &evil);
    for (compose, holder) in [
        // The victim's volume, service and network under the attacker's own beginning.
        (
            one_service("    volumes: [example_org_data:/d]\nvolumes: {example_org_data: {}}\n"),
            &victim,
        ),
        (compose.replace("  app:", "  example_org_app:"), &victim),
        (
            one_service(
                "    networks: [example_org_default]\nnetworks: {example_org_default: {}}\n",
            ),
            &victim,
        ),
        // One that is not there yet.
        (
            one_service("    volumes: [example_org_new:/d]\nvolumes: {example_org_new: {}}\n"),
            &victim,
        ),
    ] {
        other.write("evil/compose.yml", &compose);
        let run = other.run(&["app", "deploy", &evil, "-n", "--takeover"]);
        refused(&run, 1, &["is left alone", holder]);
    }
    // Never claimed, so never reached.
    refused(&other.run(&["app", "run", &evil, "example_org_app", "true"]), 1, &[]);
    assert_eq!(fingerprint(&engine, &victim_stack).await, before);
}

#[test]
fn a_domain_whose_stack_another_app_has_is_refused() {
    let lab = Lab::with_tiny_app();
    let long = "a-very-long-subdomain-of.a-very-long-domain";
    for (first, second) in [
        ("victim.example.org", "victim_example.org"),
        (&*format!("{long}.example.org"), &*format!("{long}.example.net")),
    ] {
        let new = |domain: &str, more: &[&str]| {
            let mut arguments =
                vec!["app", "new", "tiny", "--domain", domain, "--server=simulated"];
            arguments.extend(more);
            lab.run(&arguments)
        };
        good(&new(first, &[]));
        let run = new(second, &[]);
        refused(&run, 1, &["would have the stack", first, "--set STACK_NAME="]);
        assert!(!lab.path(&format!("potluck/servers/simulated/{second}.env")).exists());
        let own = format!("STACK_NAME=own-{}", first.len());
        good(&new(second, &["--set", &own]));
    }
}

#[test]
fn names_and_labels_of_docker_and_potluck_are_not_a_recipes_to_set() {
    let lab = Lab::with_tiny_app();
    good(&lab.run_with(&["app", "secret", "insert", "t.example", "mail_password"], b"x"));
    good(&lab.run(&["app", "secret", "generate", "t.example"]));
    let compose = std::fs::read_to_string(lab.path("tiny/compose.yml")).unwrap();
    let label = "    labels: {com.docker.swarm.service.name: victim_db}\n    deploy:";
    lab.write("tiny/compose.yml", &compose.replacen("    deploy:", label, 1));
    for more in [&[][..], &["--dry-run"]] {
        let mut arguments = vec!["app", "deploy", "t.example", "-n"];
        arguments.extend(more);
        let words = ["only docker and potluck may set", "com.docker.swarm.service.name"];
        refused(&lab.run(&arguments), 1, &words);
    }
}

#[test]
fn the_simulated_server_keeps_the_same_record() {
    let lab = Lab::with_tiny_app();
    good(&lab.run_with(&["app", "secret", "insert", "t.example", "mail_password"], b"x"));
    good(&lab.run(&["app", "secret", "generate", "t.example"]));
    good(&lab.run(&["app", "deploy", "t.example", "-n"]));
    // The same domain with another recipe, in the same folder.
    lab.write("other/compose.yml", &std::fs::read_to_string(lab.path("tiny/compose.yml")).unwrap());
    lab.write("other/.env.sample", "TYPE=other\n");
    good(&lab.run(&["app", "new", "./other", "--domain", "o.example", "--server=simulated"]));
    good(&lab.run(&["app", "config", "t.example", "--set", "TYPE=other"]));
    let refusal = lab.run(&["app", "deploy", "t.example", "-n"]);
    refused(&refusal, 6, &["with the recipe tiny", "--takeover"]);
    // What the other recipe lacks is beside the point.
    let check = lab.run(&["app", "check", "t.example", "--json"]);
    assert_eq!(check.code, 1, "{check}");
    let report: serde_json::Value = serde_json::from_str(&check.stdout).unwrap();
    let findings = report["findings"].as_array().unwrap();
    assert_eq!(findings.len(), 1, "{report}");
    assert_eq!(findings[0]["code"], "other-recipe", "{report}");
    assert!(findings[0]["fix"].as_str().unwrap().ends_with("--set TYPE=tiny`"), "{report}");
    good(&lab.run(&["app", "ps", "t.example"]));
    // What this folder deployed it can take down, however the recipe is spelled.
    let undeployed = lab.run(&["app", "undeploy", "t.example", "--yes"]);
    good(&undeployed);
    assert!(undeployed.stderr.contains("say TYPE=other, deployed is tiny"), "{undeployed}");
    good(&lab.run(&["app", "deploy", "t.example", "-n", "--takeover"]));
    good(&lab.run(&["app", "undeploy", "t.example", "--yes"]));
}
