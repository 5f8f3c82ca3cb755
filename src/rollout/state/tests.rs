use serde_json::{Value, json};

use super::*;

fn service(mode: Value, policy: Value, update: Option<&str>) -> api::Service {
    let mut service = json!({
        "ID": "s",
        "Spec": {
            "Name": "app_web",
            "Mode": mode,
            "TaskTemplate": {"ContainerSpec": {"Image": "a"}, "RestartPolicy": policy},
        },
    });
    if let Some(state) = update {
        service["UpdateStatus"] = json!({"State": state, "Message": "because"});
    }
    serde_json::from_value(service).unwrap()
}

/// One task: slot, state, wanted state, error, exit code.
fn task(id: &str, slot: i64, state: &str, desired: &str, policy: &Value) -> Value {
    json!({
        "ID": id, "Slot": slot, "NodeID": "n1", "DesiredState": desired,
        "Version": {"Index": id.bytes().last().map(u64::from)},
        "Spec": {"ContainerSpec": {"Image": "a"}, "RestartPolicy": policy},
        "Status": {"State": state},
    })
}

fn tasks(list: &[Value]) -> Vec<api::Task> {
    list.iter().map(|t| serde_json::from_value(t.clone()).unwrap()).collect()
}

fn look(service: &api::Service, list: &[Value]) -> State {
    let nodes = vec![
        serde_json::from_value(json!({"ID": "n1", "Status": {"State": "ready"}})).unwrap(),
        serde_json::from_value(json!({"ID": "dead", "Status": {"State": "down"}})).unwrap(),
    ];
    classify(&Look {
        service,
        tasks: &tasks(list),
        nodes: &nodes,
        unhealthy: &BTreeSet::from(["sick".to_owned()]),
        ended_before: &BTreeSet::from(["old".to_owned()]),
        changed: true,
    })
}

#[test]
fn a_replicated_service_is_read_off_its_tasks() {
    let any = json!({"Condition": "any"});
    let two = service(json!({"Replicated": {"Replicas": 2}}), any.clone(), None);
    let t = |id: &str, slot, state: &str| task(id, slot, state, "running", &any);
    let mut pending = t("p", 2, "pending");
    pending["Status"]["Err"] = json!("no suitable node (scheduling constraints not satisfied)");
    let mut foreign = t("x", 2, "running");
    foreign["Spec"]["ContainerSpec"]["Image"] = json!("other");
    let mut lost = t("l", 2, "running");
    lost["NodeID"] = json!("dead");
    for (list, expected) in [
        (vec![], "0/2 running, waiting"),
        (vec![t("a", 1, "preparing"), t("b", 2, "new")], "0/2 running, preparing"),
        (vec![t("a", 1, "running"), t("b", 2, "starting")], "1/2 running, starting"),
        (vec![t("a", 1, "running"), t("sick", 2, "starting")], "1/2 running, unhealthy"),
        (vec![t("a", 1, "running"), t("b", 2, "running")], "2/2 running"),
        // A task of another spec does not count, nor one on a node that is down.
        (vec![t("a", 1, "running"), foreign], "1/2 running, waiting"),
        (vec![t("a", 1, "running"), lost], "1/2 running, waiting"),
        (
            vec![t("a", 1, "running"), pending],
            "rejected: no suitable node (scheduling constraints not satisfied)",
        ),
    ] {
        assert_eq!(look(&two, &list).to_string(), expected);
    }
}

#[test]
fn a_task_that_ended_is_a_failure_with_its_reason() {
    let ended = |id: &str, policy: &Value, state: &str, err: &str, code: i64| {
        let mut t = task(id, 1, state, "shutdown", policy);
        t["Status"] = json!({"State": state, "Err": err, "ContainerStatus": {"ExitCode": code}});
        t
    };
    let any = json!({"Condition": "any"});
    let none = json!({"Condition": "none"});
    let twice = json!({"Condition": "any", "MaxAttempts": 1});
    // (policy, tasks, what is shown, whether swarm tries again)
    for (policy, list, shown, restarts) in [
        (
            &any,
            vec![ended("a", &any, "failed", "task: non-zero exit (3)", 3)],
            "failing: exited with code 3",
            true,
        ),
        (
            &any,
            vec![ended(
                "a",
                &any,
                "failed",
                "task: non-zero exit (137): dockerexec: unhealthy container",
                137,
            )],
            "failing: its health check failed; swarm stopped it",
            true,
        ),
        (&none, vec![ended("a", &none, "failed", "boom", 1)], "failing: boom (exit code 1)", false),
        (
            &any,
            vec![ended("a", &any, "complete", "", 0)],
            "failing: its program ended (exit code 0)",
            true,
        ),
        (
            &twice,
            vec![ended("a", &twice, "failed", "x", 1), ended("b", &twice, "failed", "y", 1)],
            "failing: y (exit code 1), 2 times",
            false,
        ),
    ] {
        let service = service(json!({"Replicated": {"Replicas": 1}}), policy.clone(), None);
        let state = look(&service, &list);
        assert_eq!(state.to_string(), shown);
        assert!(matches!(&state, State::Failing(f) if f.restarts == restarts), "{shown}");
    }
    let service = service(json!({"Replicated": {"Replicas": 1}}), any.clone(), None);
    let rejected = [
        ended("a", &any, "rejected", "No such image: x:1", 0),
        ended("b", &any, "rejected", "No such image: x:1", 0),
    ];
    assert_eq!(
        look(&service, &rejected),
        State::Rejected { reason: "No such image: x:1".into(), times: 2 }
    );
    // What ended before, or recovered since, is no failure of this operation.
    let old = [ended("old", &any, "failed", "x", 1)];
    assert_eq!(look(&service, &old).to_string(), "0/1 running, waiting");
    let recovered = [ended("a", &any, "failed", "x", 1), task("b", 1, "running", "running", &any)];
    assert_eq!(look(&service, &recovered).to_string(), "1/1 running");
}

#[test]
fn swarms_own_word_on_an_update_counts_first() {
    let any = json!({"Condition": "any"});
    let running = [task("a", 1, "running", "running", &any)];
    for (update, shown) in [
        ("updating", "1/1 running, updating"),
        ("completed", "1/1 running"),
        ("paused", "a new task ended too early, so swarm paused the update"),
        (
            "rollback_started",
            "a new task ended too early, so swarm is rolling back to what ran before",
        ),
        (
            "rollback_completed",
            "a new task ended too early, so swarm rolled back to what ran before",
        ),
        ("rollback_paused", "a new task ended too early, so swarm paused the update"),
    ] {
        let service = service(json!({"Replicated": {"Replicas": 1}}), any.clone(), Some(update));
        assert_eq!(look(&service, &running).to_string(), shown);
    }
}

#[test]
fn other_modes_know_when_they_are_done() {
    let any = json!({"Condition": "any"});
    let zero = service(json!({"Replicated": {"Replicas": 0}}), any.clone(), None);
    assert_eq!(look(&zero, &[]).to_string(), "0/0, scaled to 0");
    let leaving = task("a", 1, "running", "remove", &any);
    assert_eq!(look(&zero, &[leaving]).to_string(), "0/0, scaled to 0");
    let staying = task("a", 1, "running", "running", &any);
    assert_eq!(look(&zero, &[staying]).to_string(), "1/0 running");
    // A port's change leaves the tasks' spec as it was: what waits beside a newer task in
    // its place is of an earlier attempt.
    let one = service(json!({"Replicated": {"Replicas": 1}}), any.clone(), None);
    let mut waiting = task("a", 1, "pending", "running", &any);
    waiting["Status"]["Err"] = json!("no suitable node");
    let newer = task("b", 1, "starting", "running", &any);
    assert_eq!(look(&one, &[newer, waiting]).to_string(), "0/1 running, starting");
    let global = service(json!({"Global": {}}), any.clone(), None);
    assert_eq!(
        look(&global, &[task("a", 0, "running", "running", &any)]).to_string(),
        "1/1 running"
    );
    assert_eq!(
        look(&global, &[task("a", 0, "starting", "running", &any)]).to_string(),
        "0/1 running, starting"
    );
    let job = service(
        json!({"ReplicatedJob": {"TotalCompletions": 2, "MaxConcurrent": 2}}),
        any.clone(),
        None,
    );
    let done = |id: &str, slot| task(id, slot, "complete", "complete", &any);
    assert_eq!(look(&job, &[done("a", 0)]).to_string(), "1/2 running, starting");
    assert_eq!(look(&job, &[done("a", 0), done("b", 1)]), State::Completed { tasks: 2 });
}

#[test]
fn what_may_end_and_ended_well_is_completed() {
    let none = json!({"Condition": "none"});
    let on_failure = json!({"Condition": "on-failure"});
    let any = json!({"Condition": "any"});
    let ended = |id: &str, slot, policy: &Value, state: &str, code: i64| {
        let mut t = task(id, slot, state, "shutdown", policy);
        t["Status"] = json!({"State": state, "ContainerStatus": {"ExitCode": code}});
        if code != 0 {
            t["Status"]["Err"] = json!(format!("task: non-zero exit ({code})"));
        }
        t
    };
    // (policy, replicas, update, tasks, what is shown)
    for (policy, replicas, update, list, shown) in [
        (&none, 1, None, vec![ended("a", 1, &none, "complete", 0)], "completed"),
        (&on_failure, 1, None, vec![ended("a", 1, &on_failure, "complete", 0)], "completed"),
        // Also what had ended before this operation.
        (&none, 1, None, vec![ended("old", 1, &none, "complete", 0)], "completed"),
        // Swarm calls it an early end of the update.
        (&none, 1, Some("paused"), vec![ended("a", 1, &none, "complete", 0)], "completed"),
        (
            &none,
            2,
            None,
            vec![ended("a", 1, &none, "complete", 0), task("b", 2, "running", "running", &none)],
            "1/1 running",
        ),
        (
            &none,
            2,
            None,
            vec![ended("a", 1, &none, "complete", 0), task("b", 2, "starting", "running", &none)],
            "0/2 running, starting",
        ),
        // A failure that was made good counts no more.
        (
            &on_failure,
            1,
            None,
            vec![
                ended("a", 1, &on_failure, "failed", 3),
                ended("b", 1, &on_failure, "complete", 0),
            ],
            "completed",
        ),
        // One that nobody makes good is one, however long ago.
        (&none, 1, None, vec![ended("a", 1, &none, "failed", 3)], "failing: exited with code 3"),
        (&none, 1, None, vec![ended("old", 1, &none, "failed", 3)], "failing: exited with code 3"),
        (&any, 1, None, vec![ended("old", 1, &any, "failed", 3)], "0/1 running, waiting"),
    ] {
        let service =
            service(json!({"Replicated": {"Replicas": replicas}}), policy.clone(), update);
        assert_eq!(look(&service, &list).to_string(), shown, "{policy} {list:?}");
    }
    let global = service(json!({"Global": {}}), none.clone(), None);
    let on = |id: &str, node: &str, state: &str, desired: &str| {
        let mut t = task(id, 0, state, desired, &none);
        t["NodeID"] = json!(node);
        t
    };
    let all = [on("a", "n1", "complete", "shutdown"), on("b", "n2", "complete", "shutdown")];
    assert_eq!(look(&global, &all).to_string(), "2 tasks completed");
    let one = [on("a", "n1", "complete", "shutdown"), on("b", "n2", "running", "running")];
    assert_eq!(look(&global, &one).to_string(), "1/1 running");
}

#[test]
fn only_what_may_end_ends_as_it_may() {
    for (condition, state, may) in
        [("none", "complete", true), ("any", "complete", false), ("none", "failed", false)]
    {
        let task = task("t", 1, state, "shutdown", &json!({"Condition": condition}));
        let task: api::Task = serde_json::from_value(task).unwrap();
        assert_eq!(ended_as_it_may(&task), may, "{condition} {state}");
    }
}
