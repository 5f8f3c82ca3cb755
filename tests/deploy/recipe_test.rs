//! `recipe test` on the real swarm: what it shows there, and that nothing of it stays.

use std::fs;

use serde_json::Value;

use potluck::engine::Scope;

use crate::support::{
    cli::Lab,
    common::{endpoint, real_engine},
    signing::{git, repository, save},
};

const COMPOSE: &str = "services:\n  app:\n    image: potluck-test/busybox:1\n    command: [sleep, \
                       '1000000']\n    stop_grace_period: 1s\n    volumes: ['data:/data']\n    \
                       secrets: [key]\n    deploy: {update_config: {monitor: 1s}}\nvolumes: {data: \
                       }\nsecrets:\n  key: {external: true, name: \
                       '${STACK_NAME}_key_${SECRET_KEY_VERSION}'}\n";

#[tokio::test]
async fn a_recipe_is_tested_on_a_real_server_and_nothing_of_it_stays() {
    let Some(engine) = real_engine().await else { return };
    let lab = Lab::new();
    let place = lab.path("wiki");
    repository(&place, COMPOSE);
    fs::write(place.join(".env.sample"), "TYPE=wiki\nDOMAIN=\nSECRET_KEY_VERSION=v1\n").unwrap();
    save(&place, "a release");
    git(&place, &["tag", "1.0.0+1"]);
    lab.write("wiki/compose.yml", &COMPOSE.replace("1000000", "2000000"));
    lab.write("potluck/servers/here/server.yml", &format!("endpoint: {}\n", endpoint()));

    let run = lab.run(&["recipe", "test", "./wiki", "--server", "here", "--json", "--level", "8"]);
    let report: Value =
        serde_json::from_str(&run.stdout).unwrap_or_else(|error| panic!("{error}: {run}"));
    assert_eq!((run.code, &report["server"]), (0, &"real".into()), "{run}");
    let stages = report["stages"].as_array().unwrap();
    for stage in stages {
        let passed = stage["result"] == "passed" || stage["stage"] == "scenarios";
        assert!(passed, "{stage}");
    }

    let domain = stages
        .iter()
        .flat_map(|stage| stage["commands"].as_array().unwrap())
        .find_map(|command| {
            let word = command.as_str().unwrap().split(' ').find(|it| it.ends_with(".example"))?;
            word.strip_suffix("one.example").map(str::to_owned)
        })
        .unwrap();
    assert!(domain.starts_with("potluck-test-"), "{domain}");
    let volumes = engine.volumes(Scope::All).await.unwrap();
    let networks = engine.networks(Scope::All).await.unwrap();
    let configs = engine.configs(Scope::All).await.unwrap();
    let secrets = engine.secrets(Scope::All).await.unwrap();
    let names = volumes.into_iter().map(|it| it.name);
    let names = names.chain(networks.into_iter().filter_map(|it| it.name));
    let names = names.chain(configs.into_iter().filter_map(|it| it.spec?.name));
    let names = names.chain(secrets.into_iter().filter_map(|it| it.spec?.name));
    let left: Vec<String> = names.filter(|name| name.contains(&domain)).collect();
    assert!(left.is_empty(), "{left:?}");
}
