//! A recipe that reaches for the node and its neighbours, on the real swarm: not
//! without a yes, again when it grows, and after the yes was taken back.

use crate::support::cli;
use crate::support::common;

use cli::{Lab, Run};
use common::{BUSYBOX, Cleanup, endpoint, real_engine, stack_labels, unique_stack};
use potluck::{
    engine::{Engine, Scope, api},
    home::{AppName, StackName},
};

/// What the neighbour has.
async fn neighbour(engine: &dyn Engine, stack: &StackName) {
    let labels = stack_labels(stack);
    let secret = api::SecretSpec {
        name: Some(format!("{stack}_pw")),
        labels: Some(labels.clone()),
        data: Some("eA==".into()),
        ..Default::default()
    };
    engine.create_secret(secret).await.unwrap();
    let network = api::NetworkCreateRequest {
        name: format!("{stack}_default"),
        driver: Some("overlay".into()),
        labels: Some(labels.clone()),
        ..Default::default()
    };
    engine.create_network(network).await.unwrap();
    let labels = labels.into_iter().collect();
    engine.create_volume(&format!("{stack}_data"), labels).await.unwrap();
}

fn recipe(lab: &Lab, victim: &StackName, more: &str) {
    lab.write(
        "tiny/compose.yml",
        &format!(
            "services:\n  app:\n    image: {BUSYBOX}\n    \
             command: [sh, -c, 'trap exit TERM; while :; do sleep 0.2; done']\n    \
             deploy: {{endpoint_mode: dnsrr}}\n    cap_add: [NET_ADMIN{more}]\n    \
             networks: [default, theirs]\n    volumes:\n      - /:/host:ro\n      \
             - /var/run/docker.sock:/s\n      - stolen:/stolen\n      - bound:/bound:ro\n    \
             secrets: [{{source: stolen_pw, target: pw}}]\nvolumes:\n  \
             stolen: {{name: {victim}_data}}\n  \
             bound: {{driver: local, driver_opts: {{type: none, o: bind, device: /srv}}}}\n\
             secrets:\n  stolen_pw: {{external: true, name: {victim}_pw}}\n\
             networks:\n  theirs: {{external: true, name: {victim}_default}}\n"
        ),
    );
    lab.write("tiny/.env.sample", "TYPE=tiny\nDOMAIN=x.example\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_reaches_for_the_node_and_its_neighbours_needs_a_yes() {
    let Some(engine) = real_engine().await else { return };
    let victim = unique_stack("reach-victim");
    let _of_victim = Cleanup::new(&victim);
    neighbour(&*engine, &victim).await;
    let domain = format!("{}.example", unique_stack("reach"));
    let stack = AppName::new(domain.as_str()).unwrap().stack();
    let _of_app = Cleanup::new(&stack);

    let lab = Lab::new();
    lab.write("potluck/servers/real/server.yml", &format!("endpoint: {}\n", endpoint()));
    recipe(&lab, &victim, "");
    let run = lab.run(&["app", "new", "./tiny", "--domain", &domain, "--server=real"]);
    assert_eq!(run.code, 0, "{run}");
    let deploy = |flags: &[String]| -> Run {
        let mut arguments = vec!["app", "deploy", domain.as_str(), "-n"];
        arguments.extend(flags.iter().flat_map(|flag| ["--grant", flag.as_str()]));
        lab.run(&arguments)
    };

    let run = deploy(&[]);
    assert_eq!(run.code, 6, "{run}");
    let asked: Vec<String> = [
        "docker-socket".to_owned(),
        "host-read: /".to_owned(),
        "host-read: /srv".to_owned(),
        "capability: NET_ADMIN".to_owned(),
        format!("external-volume: {victim}_data"),
        format!("external-secret: {victim}_pw"),
        format!("external-network: {victim}_default"),
    ]
    .map(|reach| format!("app {reach}"))
    .into();
    for flag in &asked {
        assert!(run.stderr.contains(&format!("--grant '{flag}'")), "{flag}: {run}");
    }
    let scope = Scope::Stack(&stack);
    assert_eq!(engine.services(scope).await.unwrap(), []);
    assert_eq!(engine.networks(scope).await.unwrap(), []);

    let run = deploy(&asked);
    assert_eq!(run.code, 0, "{run}");
    assert!(run.stderr.contains("mount: + /:/host:ro"), "{run}");
    let services = engine.services(scope).await.unwrap();
    assert_eq!(services.len(), 1);

    // Agreed to: nothing is asked, and nothing is sent.
    let run = deploy(&[]);
    assert_eq!(run.code, 0, "{run}");
    assert!(run.stderr.contains("is up to date"), "{run}");

    recipe(&lab, &victim, ", SYS_PTRACE");
    let run = deploy(&[]);
    assert_eq!(run.code, 6, "{run}");
    assert!(run.stderr.contains("(capability: SYS_PTRACE, new)"), "{run}");
    assert!(run.stderr.contains("(capability: NET_ADMIN, as before)"), "{run}");
    assert_eq!(engine.services(scope).await.unwrap()[0].version, services[0].version);
    let run = deploy(&["app capability: SYS_PTRACE".to_owned()]);
    assert_eq!(run.code, 0, "{run}");
    assert!(run.stderr.contains("capability: + SYS_PTRACE"), "{run}");

    let run = lab.run(&["plugin", "revoke", &domain, "app", "docker-socket"]);
    assert_eq!(run.code, 0, "{run}");
    let run = deploy(&[]);
    assert_eq!(run.code, 6, "{run}");
    assert!(run.stderr.contains("add --grant 'app docker-socket'\n"), "{run}");
}
