//! Data stays where it is: on a real swarm of two nodes, and what is said when it does not.

use crate::support::cli;
use crate::support::nodes;
use crate::support::operator;

use cli::{Lab, Run};
use nodes::Nodes;
use operator::*;
use serde_json::Value;

const SERVICES: &str = r#"
services:
  app:
    image: potluck-test/busybox:1
    command: [sleep, "3600"]
    stop_grace_period: 0s
    volumes: ["data:/data"]
    deploy:
      endpoint_mode: dnsrr
      update_config: {monitor: 500ms}
      placement: {constraints: ["${PLACE}"]}
  shared:
    image: potluck-test/busybox:1
    command: [sleep, "3600"]
    stop_grace_period: 0s
    volumes: ["every:/data"]
    deploy: {mode: global, endpoint_mode: dnsrr, update_config: {monitor: 500ms}}
volumes: {data: {}, every: {}}
"#;

struct Two {
    nodes: Nodes,
    lab: Lab,
}

impl Two {
    fn run(&self, arguments: &[&str]) -> Run {
        self.lab.run(arguments)
    }

    fn label(&self, change: &str, label: &str, node: &str) {
        self.nodes.manager.docker(&["node", "update", change, label, node]);
    }

    fn deploy(&self, more: &[&str]) -> Run {
        let mut arguments = vec!["app", "deploy", "d.example", "-n"];
        arguments.extend(more);
        self.run(&arguments)
    }

    fn codes(&self) -> Vec<String> {
        let run = self.run(&["app", "errors", "d.example", "--json"]);
        let report: Value = serde_json::from_str(&run.stdout).unwrap();
        let causes = report["causes"].as_array().unwrap().iter();
        causes.map(|cause| cause["cause"].as_str().unwrap().to_owned()).collect()
    }

    async fn until(&self, are: impl Fn(&[String]) -> bool) -> Run {
        crate::support::common::eventually("other causes", || async {
            are(&self.codes()).then(|| self.run(&["app", "errors", "d.example"]))
        })
        .await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_is_not_parted_from_its_data_without_a_word() {
    let Some(nodes) = Nodes::start().await else { return };
    let lab = Lab::new();
    good(&lab.run(&["server", "add", "here", &nodes.manager.endpoint()]));
    let (manager, worker) = (nodes.manager.name.clone(), nodes.worker.name.clone());
    app(&lab, "demo", SERVICES, "PLACE=node.labels.pick == yes\n", "d.example");
    let mut two = Two { nodes, lab };
    two.label("--label-add", "pick=yes", &worker);

    // One node fits: nothing to say.
    let first = two.deploy(&[]);
    good(&first);
    assert!(!first.stderr.contains("volume"), "{first}");
    two.until(|codes| codes.is_empty()).await;

    // The worker has it, although the manager was asked.
    two.label("--label-add", "pick=yes", &manager);
    let plan = two.deploy(&["--dry-run", "--force"]);
    let warning = format!(
        "app: the data of its volume `d_example_data` is on the node `{worker}`, and swarm could \
         start it on another one, with an empty volume. To keep it there, add `node.hostname == \
         {worker}` to its `deploy.placement.constraints`"
    );
    assert!(plan.stderr.contains(&warning), "{plan}");
    assert!(!plan.stderr.contains("shared: "), "it is everywhere: {plan}");

    // Swarm moves it by itself.
    two.label("--label-rm", "pick", &worker);
    let moved = two.until(|codes| codes.contains(&"data-elsewhere".to_owned())).await;
    for word in [
        format!("is on the node `{worker}`; it runs on `{manager}`, with another volume"),
        format!("add `node.hostname == {worker}` to its `deploy.placement.constraints`"),
    ] {
        assert!(moved.stdout.contains(&word), "{word}: {moved}");
    }
    let plan = two.deploy(&["--dry-run", "--force"]);
    let told = format!("it runs on the node `{manager}`, but the data of its volume");
    assert!(plan.stderr.contains(&told), "{plan}");
    let accepted = two.deploy(&["--leave-data"]);
    assert!(accepted.code == 0 && accepted.stderr.contains("up to date"), "{accepted}");
    let codes = two.codes();
    assert!(!codes.contains(&"data-elsewhere".to_owned()), "{codes:?}");

    // The deploy itself would move it.
    let place = format!("PLACE=node.hostname == {worker}");
    good(&two.run(&["app", "config", "d.example", "--set", &place]));
    let inspect = || two.nodes.manager.docker(&["service", "inspect", "d_example_app"]);
    let before = inspect();
    let told = format!(
        "is on the node `{manager}`, which does not satisfy `node.hostname == {worker}`: it has \
         `{manager}`; it would start on another node, with an empty volume"
    );
    let stopped = two.deploy(&[]);
    refused(&stopped, 6, &["would start services without their data", &told, "--leave-data"]);
    assert_eq!(inspect(), before);
    let dry = two.deploy(&["--dry-run"]);
    assert!(dry.code == 0 && dry.stderr.contains(&told), "{dry}");
    good(&two.deploy(&["--leave-data"]));
    two.until(|codes| codes.is_empty()).await;
    let volumes = two.nodes.manager.docker(&["volume", "ls", "-q"]);
    assert!(volumes.contains("d_example_data"), "the old one is kept: {volumes}");

    // Its node is lost.
    two.nodes.worker.lose();
    let lost = two.until(|codes| codes == ["no-node", "data-elsewhere"]).await;
    for word in [
        format!("node `{worker}`: it is down"),
        format!("the data of its volume `d_example_data` is on the node `{worker}`, which is down"),
        format!("bring the node `{worker}` back"),
        "`potluck backup restore d.example` restores the data of a backup".to_owned(),
    ] {
        assert!(lost.stdout.contains(&word), "{word}: {lost}");
    }
}
