//! Which cause a look at a service ends in, as people read it.

use serde_json::{Value, json};

use crate::owner::mounted;

use super::*;

/// The service, its tasks and its swarm, each with what a case needs.
struct Case {
    service: Value,
    tasks: Vec<Value>,
    nodes: Vec<Value>,
    unhealthy: &'static [&'static str],
    recorded: &'static [(&'static str, &'static str)],
    resting: bool,
}

fn case(tasks: Vec<Value>) -> Case {
    Case {
        service: json!({"ID": "s", "Spec": {
            "Name": "app_web", "Mode": {"Replicated": {"Replicas": 1}}, "TaskTemplate": template(),
        }}),
        tasks,
        nodes: vec![node("a")],
        unhealthy: &[],
        recorded: &[],
        resting: false,
    }
}

fn template() -> Value {
    json!({
        "ContainerSpec": {"Image": "web:1@sha256:00", "Mounts": [
            {"Type": "volume", "Source": "data", "Target": "/data"},
        ]},
        "RestartPolicy": {"Condition": "any"}, "Placement": {},
    })
}

fn node(id: &str) -> Value {
    json!({
        "ID": id, "Description": {"Hostname": format!("host-{id}")},
        "Spec": {"Role": "worker", "Availability": "active"}, "Status": {"State": "ready"},
    })
}

const NOW: i64 = 1_000_000;

/// A task with what its status says; `ago` seconds ago.
fn task(index: u64, state: &str, error: &str, code: i64) -> Value {
    let over = !matches!(state, "new" | "pending" | "preparing" | "starting" | "running");
    let placed = !matches!(state, "new" | "pending");
    let ran = !matches!(state, "new" | "pending" | "preparing" | "rejected");
    json!({
        "ID": format!("t{index}"), "Slot": 1, "Version": {"Index": index},
        "NodeID": if placed { "a" } else { "" },
        "DesiredState": if over { "shutdown" } else { "running" },
        "Spec": template(),
        "Status": {
            "State": state, "Err": error,
            "Timestamp": Timestamp::from_second(NOW - 5).unwrap().to_string(),
            "ContainerStatus": {"ExitCode": code, "ContainerID": if ran { "c" } else { "" }},
        },
    })
}

impl Case {
    fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    fn causes(&self) -> Vec<Cause> {
        let service = serde_json::from_value(self.service.clone()).unwrap();
        let tasks: Vec<api::Task> = serde_json::from_value(json!(self.tasks)).unwrap();
        let nodes: Vec<api::Node> = serde_json::from_value(json!(self.nodes)).unwrap();
        let unhealthy = self.unhealthy.iter().map(ToString::to_string).collect();
        let recorded = self.recorded.iter().map(|(v, n)| ((*v).to_owned(), (*n).to_owned()));
        let known = Known { recorded: recorded.collect(), mounted: mounted(&tasks) };
        causes(&Seen {
            service: &service,
            tasks: &tasks,
            nodes: &nodes,
            unhealthy: &unhealthy,
            known: &known,
            volumes: &[],
            resting: self.resting,
            now: Timestamp::from_second(NOW).unwrap(),
        })
    }

    /// Each cause as it is told, with its details.
    fn told(&self) -> Vec<String> {
        let told = |cause: &Cause| {
            let details: String = cause.details().iter().map(|line| format!(" / {line}")).collect();
            format!("{}: {cause}{details}", cause.code())
        };
        self.causes().iter().map(told).collect()
    }
}

#[test]
fn what_runs_or_ended_as_it_may_has_no_cause() {
    let none: [&str; 0] = [];
    assert_eq!(case(vec![task(1, "running", "", 0)]).told(), none);
    // It has recovered, or may have.
    let mut once = vec![task(2, "running", "", 0), task(1, "failed", "task: non-zero exit (3)", 3)];
    let told = case(once.clone()).told();
    assert!(told[0].ends_with("it runs again, and not for long yet)"), "{told:?}");
    let at = Timestamp::from_second(NOW - 61).unwrap().to_string();
    once[0]["Status"]["Timestamp"] = json!(at);
    assert_eq!(case(once).told(), none);
    let may_end = case(vec![task(1, "complete", "", 0)]).with(|case| {
        let policy = json!({"Condition": "on-failure"});
        case.service["Spec"]["TaskTemplate"]["RestartPolicy"] = policy.clone();
        case.tasks[0]["Spec"]["RestartPolicy"] = policy;
    });
    assert_eq!(may_end.told(), none);
    let resting = case(vec![]).with(|case| {
        case.service["Spec"]["Mode"] = json!({"Replicated": {"Replicas": 0}});
        case.resting = true;
    });
    assert_eq!(resting.told(), none);
}

#[test]
fn an_end_is_named_with_how_it_came() {
    let failed = |error: &str, code| vec![task(1, "failed", error, code)];
    for (tasks, told) in [
        (failed("task: non-zero exit (3)", 3), "exited: exited with code 3 (on the node `host-a`)"),
        (
            failed("task: non-zero exit (143)", 143),
            "exited: exited with code 143 (SIGTERM) (on the node `host-a`)",
        ),
        (
            failed("task: non-zero exit (137)", 137),
            "exited: exited with code 137 (SIGKILL): by hand, or for want of memory (on the node \
             `host-a`)",
        ),
        (
            failed("task: non-zero exit (137): dockerexec: unhealthy container", 137),
            "unhealthy: its health check failed; swarm stopped it (on the node `host-a`)",
        ),
        (
            failed("starting container failed: exec: \"x\": not found", 127),
            "not-started: starting container failed: exec: \"x\": not found (exit code 127) (on the \
             node `host-a`)",
        ),
        (
            failed(
                "starting container failed: Bind for 0.0.0.0:80 failed: port is already allocated",
                0,
            ),
            "port-taken: port 80 of the node `host-a` is taken by a container or program outside of \
             the swarm",
        ),
        (
            vec![task(1, "complete", "", 0)],
            "exited: its program ended (exit code 0) (on the node `host-a`)",
        ),
        // It runs just now, between two crashes.
        (
            vec![
                task(3, "running", "", 0),
                task(2, "failed", "task: non-zero exit (3)", 3),
                task(1, "failed", "task: non-zero exit (3)", 3),
            ],
            "exited: exited with code 3 (2 times; on the node `host-a`; it runs again, and not for \
             long yet)",
        ),
    ] {
        assert_eq!(case(tasks).told(), [told]);
    }
    let last = case(failed("task: non-zero exit (3)", 3)).with(|case| {
        let policy = json!({"Condition": "none"});
        case.service["Spec"]["TaskTemplate"]["RestartPolicy"] = policy.clone();
        case.tasks[0]["Spec"]["RestartPolicy"] = policy;
    });
    let told = last.told();
    assert!(told[0].ends_with("; swarm does not start it again)"), "{told:?}");
}

#[test]
fn what_is_refused_names_the_node_and_the_reason() {
    let rejected = |error: &str| case(vec![task(1, "rejected", error, 0)]);
    for (error, told) in [
        (
            "No such image: web:1@sha256:00",
            "image-unavailable: its image `web:1` cannot be pulled on the node `host-a`: No such \
             image: web:1@sha256:00",
        ),
        (
            "pull access denied for web, repository does not exist or may require 'docker login'",
            "image-denied: its registry gives no access to the image `web:1`, or has no such image: \
             pull access denied for web, repository does not exist or may require 'docker login'",
        ),
        (
            "invalid mount config for type \"bind\": bind source path does not exist: /srv",
            "refused: the node `host-a` refuses it: invalid mount config for type \"bind\": bind \
             source path does not exist: /srv",
        ),
    ] {
        assert_eq!(rejected(error).told(), [told]);
    }
    // Each node has its own.
    let mut other = task(2, "rejected", "no space", 0);
    other["NodeID"] = json!("b");
    let both = case(vec![other, task(1, "rejected", "no folder", 0)])
        .with(|case| case.nodes.push(node("b")));
    assert_eq!(
        both.told(),
        ["refused: nodes refuse it / node `host-a`: no folder / node `host-b`: no space"]
    );
}

#[test]
fn a_task_without_a_node_names_why_each_does_not_fit() {
    let waits = |reason: &str| case(vec![task(1, "pending", reason, 0)]);
    let unfit = "no suitable node (scheduling constraints not satisfied on 2 nodes)";
    let constrained = waits(unfit).with(|case| {
        let placement = json!({"Constraints": ["node.labels.disk==ssd"]});
        case.service["Spec"]["TaskTemplate"]["Placement"] = placement.clone();
        case.tasks[0]["Spec"]["Placement"] = placement;
        let mut drained = node("b");
        drained["Spec"]["Availability"] = json!("drain");
        case.nodes.push(drained);
    });
    assert_eq!(
        constrained.told(),
        ["no-node: no node takes it: no suitable node (scheduling constraints not satisfied on 2 \
          nodes) / node `host-a`: it does not satisfy `node.labels.disk==ssd` / node `host-b`: it \
          is drained"]
    );
    assert_eq!(
        waits("no suitable node (insufficient resources on 1 node)").told(),
        ["no-node: no node takes it: no suitable node (insufficient resources on 1 node) / node \
          `host-a`: it would fit, if other tasks left room"]
    );
    let port = waits("no suitable node (host-mode port already in use on 1 node)");
    assert!(matches!(&port.causes()[..], [Cause::Port(_)]), "{:?}", port.told());
    // Swarm makes no task of a global service that no node fits, and has no complaint.
    let global = case(vec![]).with(|case| {
        case.service["Spec"]["Mode"] = json!({"Global": {}});
        case.service["Spec"]["TaskTemplate"]["Placement"] =
            json!({"Constraints": ["node.role==manager"]});
    });
    assert_eq!(
        global.told(),
        ["no-node: no node takes it: no node fits it / node `host-a`: it does not satisfy \
          `node.role==manager`: it has `worker`"]
    );
}

#[test]
fn what_is_stopped_or_on_its_way_says_so() {
    let replicas = |number: i64| {
        case(vec![]).with(|case| {
            case.service["Spec"]["Mode"] = json!({"Replicated": {"Replicas": number}});
        })
    };
    assert_eq!(replicas(0).told(), ["scaled-to-0: scaled to 0: it runs nowhere"]);
    assert_eq!(
        replicas(1).told(),
        ["starting: not running yet (0/1 running, waiting): swarm has made no task yet"]
    );
    let held = case(vec![]).with(|case| {
        case.service["Spec"]["Mode"] = json!({"Global": {}});
        case.service["Spec"]["TaskTemplate"]["Placement"] =
            json!({"Constraints": [crate::rollout::state::wanted::NOWHERE]});
    });
    assert_eq!(held.told(), ["held: stopped by a restore that did not finish"]);
    assert_eq!(
        case(vec![task(1, "preparing", "", 0)]).told(),
        ["starting: not running yet (0/1 running, preparing): its node fetches the image and \
          prepares volumes on the node `host-a`"]
    );
    assert_eq!(
        case(vec![task(1, "starting", "", 0)]).told(),
        ["starting: not running yet (0/1 running, starting): it has just started, or its health \
          check has not passed yet on the node `host-a`"]
    );
    let sick = case(vec![task(1, "starting", "", 0)]).with(|case| case.unhealthy = &["t1"]);
    assert_eq!(
        sick.told(),
        ["unhealthy: its health check fails on the node `host-a`; what it printed is unknown here"]
    );
}

#[test]
fn what_swarm_did_about_an_update_is_told_with_the_end_that_made_it() {
    let failed = task(1, "failed", "task: non-zero exit (3)", 3);
    let updated = |state: &str, tasks: Vec<Value>| {
        case(tasks).with(|case| {
            case.service["UpdateStatus"] = json!({"State": state, "Message": "x t1"});
        })
    };
    assert_eq!(
        updated("paused", vec![failed.clone()]).told(),
        [
            "update-paused: a new task exited with code 3, so swarm paused the update",
            "exited: exited with code 3 (on the node `host-a`; swarm does not start it again)",
        ]
    );
    let mut of_update = failed;
    of_update["Spec"]["ContainerSpec"]["Image"] = json!("web:2");
    assert_eq!(
        updated("rollback_completed", vec![task(2, "running", "", 0), of_update]).told(),
        ["rolled-back: a new task exited with code 3, so swarm rolled back to what ran before"]
    );
}

#[test]
fn data_that_is_elsewhere_is_told_with_its_node() {
    let runs_on = |id: &str| {
        let mut task = task(2, "running", "", 0);
        task["NodeID"] = json!(id);
        task
    };
    let none: [&str; 0] = [];
    let two = |tasks: Vec<Value>| case(tasks).with(|case| case.nodes.push(node("b")));
    assert_eq!(two(vec![runs_on("a")]).with(|c| c.recorded = &[("data", "a")]).told(), none);
    assert_eq!(
        two(vec![runs_on("b")]).with(|c| c.recorded = &[("data", "a")]).told(),
        ["data-elsewhere: the data of its volume `data` is on the node `host-a`; it runs on \
          `host-b`, with another volume of that name"]
    );
    // Nothing was recorded, and its node is lost.
    let mut lost = task(1, "running", "", 0);
    lost["DesiredState"] = json!("shutdown");
    let moved = two(vec![runs_on("b"), lost]);
    let down = moved.with(|case| case.nodes[0]["Status"]["State"] = json!("down"));
    assert_eq!(
        down.told(),
        [
            "data-elsewhere: the data of its volume `data` is on the node `host-a`, which is down; it \
          runs on `host-b`, with another volume of that name"
        ]
    );
    // It waits for its node.
    let waits = two(vec![task(1, "pending", "no suitable node", 0)]).with(|case| {
        case.recorded = &[("data", "a")];
        case.nodes[0]["Status"]["State"] = json!("down");
    });
    let told = waits.told();
    assert_eq!(told.len(), 2, "{told:?}");
    assert_eq!(
        told[1],
        "data-elsewhere: the data of its volume `data` is on the node `host-a`, which is down"
    );
}
