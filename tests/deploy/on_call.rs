//! What is said when something fails, and of what has ended well: on the real
//! swarm, as whoever is on call reads it.

use crate::support::cli;
use crate::support::common;
use crate::support::operator;

use std::{collections::BTreeSet, fs, time::Duration};

use cli::{Lab, Run};
use common::*;
use operator::*;
use potluck::{engine::Scope, home::StackName};
use serde_json::{Value, json};

/// An app of one recipe in a folder of its own; removed at the end.
struct OnCall {
    lab: Lab,
    domain: String,
    stack: StackName,
    _cleanup: Cleanup,
}

impl OnCall {
    async fn new(room: &str, compose: &str) -> Option<Self> {
        Self::with_settings(room, compose, "").await
    }

    async fn with_settings(room: &str, compose: &str, sample: &str) -> Option<Self> {
        real_engine().await?;
        let (domain, stack) = domain(room);
        let cleanup = Cleanup::new(&stack);
        let lab = folder();
        app(&lab, "demo", &compose.replace("BUSYBOX", BUSYBOX), sample, &domain);
        Some(OnCall { lab, domain, stack, _cleanup: cleanup })
    }

    /// With `APP` in the place of its name.
    fn run(&self, arguments: &[&str]) -> Run {
        let arguments: Vec<&str> =
            arguments.iter().map(|a| if *a == "APP" { self.domain.as_str() } else { a }).collect();
        self.lab.run(&arguments)
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let run = self.run(arguments);
        assert_eq!(run.code, 0, "{run}");
        serde_json::from_str(&run.stdout).unwrap()
    }

    fn status(&self) -> String {
        let rows = self.json(&["app", "ls", "--status", "--json"]);
        rows[0]["status"].as_str().unwrap().to_owned()
    }
}

const ENDS: &str = r#"
services:
  migrate:
    image: BUSYBOX
    command: ["sh", "-c", "sleep ${WORK:-1}; exit ${CODE:-0}"]
    deploy: {endpoint_mode: dnsrr, restart_policy: {condition: on-failure, max_attempts: 1}, update_config: {monitor: 2s}}
  never:
    image: BUSYBOX
    command: ["sh", "-c", "exit ${CODE:-0}"]
    deploy: {endpoint_mode: dnsrr, restart_policy: {condition: none}, update_config: {monitor: 2s}}
  app:
    image: BUSYBOX
    command: [sleep, "3600"]
    stop_grace_period: 0s
    deploy: {endpoint_mode: dnsrr, update_config: {monitor: 2s}}
"#;

#[tokio::test(flavor = "multi_thread")]
async fn what_may_end_and_ended_well_is_completed_first_time_and_again() {
    let Some(on) = OnCall::new("ends", ENDS).await else { return };
    let first = on.run(&["app", "deploy", "APP", "-n"]);
    assert_eq!(first.code, 0, "{first}");
    assert!(first.stderr.contains("never: completed"), "{first}");
    let again = on.run(&["app", "deploy", "APP", "-n"]);
    assert_eq!(again.code, 0, "{again}");
    assert!(again.stderr.contains("up to date"), "{again}");
    assert_eq!(on.status(), "deployed");

    // An update, which swarm calls paused when the task ends within its watch.
    good(&on.run(&["app", "config", "APP", "--set", "WORK=0"]));
    let updated = on.run(&["app", "deploy", "APP", "-n"]);
    assert_eq!(updated.code, 0, "{updated}");
    let again = on.run(&["app", "deploy", "APP", "-n"]);
    assert!(again.code == 0 && again.stderr.contains("up to date"), "{again}");
    assert_eq!(on.status(), "deployed");

    // Longer than the watch: it runs, then it has ended.
    good(&on.run(&["app", "config", "APP", "--set", "WORK=5"]));
    good(&on.run(&["app", "deploy", "APP", "-n"]));
    tokio::time::sleep(Duration::from_secs(6)).await;
    good(&on.run(&["app", "deploy", "APP", "-n"]));
    assert_eq!(on.status(), "deployed");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_end_and_failed_says_its_exit_code_also_later() {
    let Some(on) = OnCall::with_settings("ends-badly", ENDS, "CODE=3\n").await else { return };
    let failed = on.run(&["app", "deploy", "APP", "-n", "--timeout", "60s"]);
    assert_eq!(failed.code, 1, "{failed}");
    assert!(failed.stderr.contains("never: failing: exited with code 3"), "{failed}");
    assert_eq!(on.status(), "failing");
    let again = on.run(&["app", "deploy", "APP", "-n", "--timeout", "60s"]);
    assert_eq!(again.code, 1, "{again}");
    assert!(again.stderr.contains("exited with code 3"), "{again}");
    assert!(!again.stderr.contains("not ready after"), "{again}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plain_stack_with_jobs_completes_first_time_and_again() {
    let Some(_engine) = real_engine().await else { return };
    let stack = unique_stack("jobs");
    let _cleanup = Cleanup::new(&stack);
    let lab = Lab::new();
    let jobs = "
  job:
    image: BUSYBOX
    command: ['sh', '-c', 'exit ${JOB:-0}']
    deploy: {mode: replicated-job, endpoint_mode: dnsrr, restart_policy: {condition: none}}
  everywhere:
    image: BUSYBOX
    command: ['true']
    deploy: {mode: global-job, endpoint_mode: dnsrr, restart_policy: {condition: none}}
";
    lab.write("compose.yml", &format!("version: '3.8'{ENDS}{jobs}").replace("BUSYBOX", BUSYBOX));
    let deploy = |job: &str| {
        let mut command = lab.command();
        command.args(["stack", "deploy", "-H", &endpoint(), "-c", "compose.yml", stack.as_str()]);
        let output = command.env("JOB", job).output().unwrap();
        (output.status.code().unwrap(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    for _ in 0..2 {
        let (code, said) = deploy("0");
        assert_eq!(code, 0, "{said}");
    }
    let ps = lab.run(&["stack", "ps", "-H", &endpoint(), stack.as_str(), "--json"]);
    let rows: Value = serde_json::from_str(&ps.stdout).unwrap();
    for row in rows.as_array().unwrap() {
        assert!(row["failures"] == 0 && row["cause"].is_null(), "{row}");
    }
    let (code, said) = deploy("7");
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("job: failing: exited with code 7"), "{said}");
}

const PLAIN: &str = r#"
services:
  app:
    image: BUSYBOX
    command: ["sh", "-c", "${CMD:-sleep 1000}"]
    stop_grace_period: 0s
    deploy: {endpoint_mode: dnsrr, UPDATE}
"#;

#[tokio::test(flavor = "multi_thread")]
async fn an_app_goes_back_whatever_the_file_says_and_says_so_before() {
    for update in [
        "update_config: {monitor: 2s}",
        "update_config: {monitor: 2s, failure_action: pause}",
        "update_config: {monitor: 2s, failure_action: continue}",
        "update_config: {monitor: 2s, failure_action: rollback}",
    ] {
        let compose = PLAIN.replace("UPDATE", update);
        let Some(on) = OnCall::new("back", &compose).await else { return };
        let first = on.run(&["app", "deploy", "APP", "-n"]);
        assert!(
            first.stderr.contains("If it fails: the services that were started are kept"),
            "{first}"
        );
        good(&first);
        good(&on.run(&["app", "config", "APP", "--set", "CMD=echo boom; exit 3"]));
        let failed = on.run(&["app", "deploy", "APP", "-n", "--timeout", "40s"]);
        assert_eq!(failed.code, 4, "{update}: {failed}");
        for word in [
            "If it fails: the services return to what they run now.",
            "exited with code 3",
            "boom",
            "the previous version is running again",
        ] {
            assert!(failed.stderr.contains(word), "{update}: {word}: {failed}");
        }
        assert_eq!(on.status(), "deployed", "{update}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_loop_is_seen_by_ps_and_ls() {
    let compose = r#"
services:
  app:
    image: BUSYBOX
    command: ["sh", "-c", "echo boom >&2; sleep 1; exit 3"]
    deploy: {endpoint_mode: dnsrr, restart_policy: {delay: 1s}}
"#;
    let Some(on) = OnCall::new("loop", compose).await else { return };
    good(&on.run(&["app", "deploy", "APP", "-n", "--detach"]));
    eventually("two failures", || async {
        let rows = on.json(&["app", "ps", "APP", "--json"]);
        (rows[0]["failures"].as_u64().unwrap() >= 2).then_some(())
    })
    .await;
    for _ in 0..5 {
        assert_eq!(on.status(), "failing");
        let ps = on.run(&["app", "ps", "APP"]);
        assert!(ps.stdout.contains("times in 10 min: exited with code 3"), "{ps}");
        assert!(ps.stderr.contains("potluck app logs"), "{ps}");
        tokio::time::sleep(Duration::from_millis(400)).await;
    }
    // The first deploy left hooks undone, so it goes on; the next has nothing to do.
    for _ in 0..2 {
        let again = on.run(&["app", "deploy", "APP", "-n", "--timeout", "60s"]);
        assert_eq!(again.code, 1, "{again}");
        assert!(again.stderr.contains("failing: exited with code 3"), "{again}");
    }
}

/// As one that waits for its database by being started again.
#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_came_up_after_some_tries_is_no_crash_loop() {
    let compose = r#"
services:
  app:
    image: BUSYBOX
    command:
      - sh
      - -c
      - "echo x >>/data/tries; [ $$(wc -l </data/tries) -gt 4 ] || exit 3; exec sleep 3600"
    volumes: ["data:/data"]
    deploy: {endpoint_mode: dnsrr, restart_policy: {delay: 1s}, update_config: {monitor: 2s}}
volumes: {data: }
"#;
    let Some(on) = OnCall::new("tries", compose).await else { return };
    // Only where plugins may have changed something is looked at once more.
    on.lab.write(
        "demo/recipe.yml",
        "plugins:\n  - {name: files, component: std:files, options: {volumes: [data]}}\n",
    );
    let deployed = on.run(&["app", "deploy", "APP", "-n", "--timeout", "90s"]);
    good(&deployed);
    assert!(deployed.stderr.contains("failing: exited with code 3"), "{deployed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_health_check_says_what_it_printed() {
    let compose = r#"
services:
  app:
    image: BUSYBOX
    command: [sleep, "3600"]
    stop_grace_period: 0s
    healthcheck: {test: "echo db missing; exit 1", interval: 1s, retries: 1, timeout: 5s}
    deploy: {endpoint_mode: dnsrr, restart_policy: {condition: none}}
"#;
    let Some(on) = OnCall::new("health", compose).await else { return };
    let failed = on.run(&["app", "deploy", "APP", "-n", "--timeout", "60s"]);
    assert_eq!(failed.code, 1, "{failed}");
    assert!(failed.stderr.contains("its health check printed: db missing"), "{failed}");
    let ps = on.run(&["app", "ps", "APP"]);
    assert!(ps.stdout.contains("its health check failed: db missing"), "{ps}");
}

/// A service that listens on a port of its node.
fn listening(port: u16, more: &str) -> String {
    format!(
        r#"
services:
  app:
    image: BUSYBOX
    command: ["sh", "-c", "{more}sleep 3600"]
    stop_grace_period: 2s
    ports: [{{target: 80, published: {port}, mode: host}}]
    deploy: {{endpoint_mode: dnsrr, update_config: {{monitor: 2s}}}}
"#
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_taken_port_is_named_with_who_holds_it() {
    let port = ports();
    let Some(one) = OnCall::new("port-one", &listening(port, "trap '' TERM; : ${X:-}; ")).await
    else {
        return;
    };
    good(&one.run(&["app", "deploy", "APP", "-n"]));
    let Some(two) = OnCall::new("port-two", &listening(port, "")).await else { return };
    let failed = two.run(&["app", "deploy", "APP", "-n", "--timeout", "8s"]);
    assert_eq!(failed.code, 1, "{failed}");
    let holder = format!("port {port} is taken by the service `{}_app`", one.stack);
    assert!(failed.stderr.contains(&holder), "{failed}");
    assert_eq!(two.status_of(&two.domain), "failing");
    let ps = two.run(&["app", "ps", "APP"]);
    assert!(ps.stdout.contains(&format!("port {port} is taken")), "{ps}");
    let logs = two.run(&["app", "logs", "APP", "app"]);
    assert!(logs.code == 1 && logs.stderr.contains(&holder), "{logs}");

    good(&two.run(&["app", "undeploy", "APP", "--yes"]));

    // Of its own old task it is waited for, and nothing is called rejected.
    good(&one.run(&["app", "config", "APP", "--set", "X=1"]));
    let updated = one.run(&["app", "deploy", "APP", "-n"]);
    good(&updated);
    assert!(!updated.stderr.contains("rejected"), "{updated}");
}

impl OnCall {
    fn status_of(&self, domain: &str) -> String {
        let rows = self.json(&["app", "ls", "--status", "--json"]);
        let row = rows.as_array().unwrap().iter().find(|row| row["app"] == domain).unwrap();
        row["status"].as_str().unwrap().to_owned()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_of_a_program_outside_the_swarm_is_named() {
    let listener = std::net::TcpListener::bind("0.0.0.0:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let compose =
        listening(port, "").replace("deploy: {", "deploy: {restart_policy: {condition: none}, ");
    let Some(on) = OnCall::new("port-outside", &compose).await else { return };
    let failed = on.run(&["app", "deploy", "APP", "-n", "--timeout", "40s"]);
    assert_eq!(failed.code, 1, "{failed}");
    let told = format!("port {port} of its node is taken by a container or program outside");
    assert!(failed.stderr.contains(&told), "{failed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_count_lines_of_the_service_and_say_why_there_are_none() {
    let compose = r#"
services:
  app:
    image: BUSYBOX
    command: ["sh", "-c", "i=0; while :; do i=$$((i+1)); echo line $$i; sleep 1; done"]
    stop_grace_period: 0s
    deploy: {endpoint_mode: dnsrr, replicas: 3}
  mute:
    image: BUSYBOX
    command: [sleep, "3600"]
    stop_grace_period: 0s
    logging: {driver: none}
    deploy: {endpoint_mode: dnsrr}
  quiet:
    image: BUSYBOX
    command: [sleep, "3600"]
    stop_grace_period: 0s
    deploy: {endpoint_mode: dnsrr}
  nowhere:
    image: BUSYBOX
    command: [sleep, "3600"]
    deploy: {endpoint_mode: dnsrr, placement: {constraints: ["node.labels.disk==none"]}}
"#;
    let Some(on) = OnCall::new("logs", compose).await else { return };
    good(&on.run(&["app", "deploy", "APP", "-n", "--detach"]));
    let engine = real_engine().await.unwrap();
    eventually("all tasks", || async {
        let rows = on.json(&["app", "ps", "APP", "--json"]);
        let running = rows.as_array().unwrap().iter().filter(|row| row["state"] == "running");
        (running.count() == 5).then_some(())
    })
    .await;
    assert_eq!(engine.services(Scope::Stack(&on.stack)).await.unwrap().len(), 4);
    tokio::time::sleep(Duration::from_secs(3)).await;
    let replicas = on.run(&["app", "logs", "APP", "app", "--tail", "9"]);
    for prefix in ["app.1 |", "app.2 |", "app.3 |"] {
        assert!(replicas.stdout.contains(prefix), "{prefix}: {replicas}");
    }
    let lines = on.run(&["app", "logs", "APP", "app", "--tail", "9", "--json"]);
    let slots: BTreeSet<i64> = lines
        .stdout
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["slot"].as_i64().unwrap())
        .collect();
    assert_eq!(slots, BTreeSet::from([1, 2, 3]), "{lines}");
    for (filter, told) in [("--tail=0", "--tail 0"), ("--since=2037-12-31", "--since")] {
        let hidden = on.run(&["app", "logs", "APP", "app", filter]);
        assert!(hidden.code == 0 && hidden.stdout.is_empty(), "{hidden}");
        let told = format!("no line of `app` matches {told}");
        assert!(hidden.stderr.contains(&told), "{hidden}");
    }
    let one = on.run(&["app", "logs", "APP", "app", "--tail", "1"]);
    assert_eq!((one.code, one.stdout.lines().count()), (0, 1), "{one}");
    let four = on.run(&["app", "logs", "APP", "app", "--tail", "4", "--timestamps"]);
    let times: Vec<&str> = four.stdout.lines().map(|l| l.split(' ').nth(2).unwrap()).collect();
    assert!(times.len() == 4 && times.is_sorted(), "{four}");
    for (service, code, why) in [
        ("mute", 1, "its log driver `none` keeps no log"),
        ("nowhere", 1, "none of its tasks was started: no suitable node"),
        ("quiet", 0, "it has written nothing"),
    ] {
        let run = on.run(&["app", "logs", "APP", service]);
        assert_eq!(run.code, code, "{run}");
        assert!(run.stdout.is_empty() && run.stderr.contains(why), "{run}");
    }
    let all = on.run(&["app", "logs", "APP", "--tail", "2"]);
    assert_eq!((all.code, all.stdout.lines().count()), (0, 2), "{all}");
    assert_eq!(all.stderr.matches("no log of `").count(), 3, "{all}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_taken_lock_says_who_has_it() {
    let compose = PLAIN.replace("UPDATE", "update_config: {monitor: 2s}");
    let Some(on) = OnCall::new("locked", &compose).await else { return };
    let mut first = std::process::Command::new(env!("CARGO_BIN_EXE_potluck"))
        .args(["app", "deploy", &on.domain, "-n"])
        .env("POTLUCK_DIR", on.lab.path("potluck"))
        .env("HOME", on.lab.path("home"))
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let lock = on.lab.path(&format!("potluck/state/locks/here/{}", on.domain));
    eventually("the lock", || async {
        fs::read_to_string(&lock).is_ok_and(|text| text.contains("pid")).then_some(())
    })
    .await;
    let second = on.run(&["app", "undeploy", "APP", "--yes"]);
    let pid = first.id();
    assert!(first.wait().unwrap().success());
    assert_eq!(second.code, 5, "{second}");
    for word in ["a deploy has been running since 20", &format!("(pid {pid})")] {
        assert!(second.stderr.contains(word), "{word}: {second}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn going_back_waits_for_a_rollback_of_swarms_own() {
    // `slow` is being rolled back by swarm, replica by replica, when `fast` fails
    // for good.
    let compose = r#"
services:
  slow:
    image: BUSYBOX
    command: ["sh", "-c", "${SLOW:-sleep 1000}"]
    stop_grace_period: 0s
    deploy:
      endpoint_mode: dnsrr
      replicas: 3
      update_config: {monitor: 1s, parallelism: 3, failure_action: rollback}
      rollback_config: {monitor: 1s, parallelism: 1, delay: 1s}
  fast:
    image: BUSYBOX
    command: ["sh", "-c", "${FAST:-sleep 1000}"]
    stop_grace_period: 0s
    deploy: {endpoint_mode: dnsrr, restart_policy: {condition: none}, update_config: {monitor: 12s}}
"#;
    let Some(on) = OnCall::new("twice-back", compose).await else { return };
    good(&on.run(&["app", "deploy", "APP", "-n"]));
    for (round, wait) in ["1", "2", "3"].into_iter().enumerate() {
        good(&on.run(&["app", "config", "APP", "--set", &format!("SLOW=: {round}; exit 1")]));
        good(&on.run(&["app", "config", "APP", "--set", &format!("FAST=sleep {wait}; exit 2")]));
        let failed = on.run(&["app", "deploy", "APP", "-n", "--timeout", "25s"]);
        // The engine itself lost the network on the way; nothing starts `fast` again.
        if failed.stderr.contains("error while removing network: unknown network") {
            good(&on.run(&[
                "app",
                "config",
                "APP",
                "--set",
                "FAST=sleep 1000",
                "--set",
                "SLOW=sleep 1000",
            ]));
            good(&on.run(&["app", "deploy", "APP", "-n"]));
            continue;
        }
        assert_eq!(failed.code, 4, "{failed}");
        assert_eq!(on.status(), "deployed", "{failed}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_main_service_without_replicas_is_stopped_and_says_so() {
    let compose =
        PLAIN.replace("UPDATE", "replicas: '${REPLICAS:-1}', update_config: {monitor: 2s}");
    let Some(on) = OnCall::new("nothing", &compose).await else { return };
    good(&on.run(&["app", "deploy", "APP", "-n"]));
    docker(&["service", "scale", "--detach", &format!("{}_app=0", on.stack)]);
    eventually("no task", || async { (on.status() == "stopped").then_some(()) }).await;
    let ps = on.run(&["app", "ps", "APP"]);
    assert!(ps.stdout.contains("0/0") && ps.stdout.contains("scaled to 0"), "{ps}");
    let run = on.run(&["app", "run", "APP", "app", "true"]);
    assert!(run.stderr.contains("runs nowhere, because it has 0 replicas"), "{run}");
    assert!(run.stderr.contains("potluck app deploy"), "{run}");

    let again = on.run(&["app", "deploy", "APP", "-n"]);
    assert!(again.code == 0 && again.stderr.contains("running and healthy"), "{again}");
    assert_eq!(on.status(), "deployed");

    good(&on.run(&["app", "config", "APP", "--set", "REPLICAS=0"]));
    for told in ["is deployed, but `app` has no", "is up to date, but `app` has no"] {
        let none = on.run(&["app", "deploy", "APP", "-n"]);
        assert!(none.code == 0 && none.stderr.contains(told), "{none}");
        assert!(!none.stderr.contains("healthy"), "{none}");
    }
    assert_eq!(on.status(), "stopped");
    let report = on.json(&["app", "deploy", "APP", "-n", "--json"]);
    assert_eq!(report["stopped"], serde_json::json!(["app"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_main_service_that_ended_is_called_completed() {
    let compose =
        PLAIN.replace("UPDATE", "restart_policy: {condition: none}, update_config: {monitor: 2s}");
    let Some(on) = OnCall::with_settings("once", &compose, "CMD=exit 0\n").await else { return };
    for told in ["is deployed: `app` completed", "is up to date: `app` completed"] {
        let deployed = on.run(&["app", "deploy", "APP", "-n"]);
        assert!(deployed.code == 0 && deployed.stderr.contains(told), "{deployed}");
        assert!(!deployed.stderr.contains("healthy"), "{deployed}");
    }
    assert_eq!(on.status(), "deployed");
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_start_first_update_that_failed_only_what_runs_is_shown() {
    let compose = PLAIN.replace("UPDATE", "update_config: {monitor: 2s, order: start-first}");
    let Some(on) = OnCall::new("extra", &compose).await else { return };
    good(&on.run(&["app", "deploy", "APP", "-n"]));
    good(&on.run(&["app", "config", "APP", "--set", "CMD=exit 3"]));
    let failed = on.run(&["app", "deploy", "APP", "-n", "--timeout", "40s"]);
    assert_eq!(failed.code, 4, "{failed}");
    eventually("one row", || async {
        let rows = on.json(&["app", "ps", "APP", "--json"]);
        (rows.as_array().unwrap().len() == 1 && rows[0]["state"] == "running").then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_shown_once_while_it_works_and_when_it_ended() {
    let Some(_engine) = real_engine().await else { return };
    let stack = unique_stack("job-rows");
    let _cleanup = Cleanup::new(&stack);
    let lab = Lab::new();
    let job = format!(
        "services:\n  job:\n    image: {BUSYBOX}\n    command: ['sh', '-c', 'sleep ${{WORK}}']\n    \
         stop_grace_period: 0s\n    deploy: {{mode: replicated-job, endpoint_mode: dnsrr, \
         restart_policy: {{condition: none}}}}\n"
    );
    lab.write("compose.yml", &format!("version: '3.8'\n{job}"));
    let deploy = |work: &str, more: &[&str]| {
        let mut command = lab.command();
        command.args(["stack", "deploy", "-H", &endpoint(), "-c", "compose.yml", stack.as_str()]);
        assert!(command.args(more).env("WORK", work).output().unwrap().status.success());
    };
    let rows = || {
        let ps = lab.run(&["stack", "ps", "-H", &endpoint(), stack.as_str(), "--json"]);
        let rows: Value = serde_json::from_str(&ps.stdout).unwrap();
        let rows = rows.as_array().unwrap().clone();
        rows.iter().map(|row| row["state"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    deploy("0", &[]);
    assert_eq!(rows(), ["complete"]);
    deploy("0", &[]);
    assert_eq!(rows(), ["complete"]);
    deploy("1000", &["--detach"]);
    eventually("a row", || async { (rows() == ["running"]).then_some(()) }).await;

    // Swarm by itself lets it go on without its service.
    let removed = lab.run(&["stack", "rm", "-H", &endpoint(), stack.as_str()]);
    good(&removed);
    let running = docker(&["ps", "--quiet", "--filter", &format!("name={stack}_job")]);
    assert_eq!(running, "", "the job runs on");
    // Swarm forgets the containers of earlier runs.
    assert!(removed.stderr.contains("`docker container prune` on its nodes"), "{removed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_a_service_never_gets_from_itself_is_named() {
    let port = ports();
    let compose = listening(port, ": ${X:-}; ")
        .replace("monitor: 2s", "monitor: 2s, order: '${ORDER:-stop-first}'")
        .replace("deploy: {", "deploy: {replicas: '${REPLICAS:-1}', ");
    let Some(on) = OnCall::new("port-self", &compose).await else { return };
    good(&on.run(&["app", "deploy", "APP", "-n"]));

    good(&on.run(&["app", "config", "APP", "--set", "REPLICAS=2"]));
    let two = on.run(&["app", "deploy", "APP", "-n", "--timeout", "60s"]);
    assert_eq!(two.code, 4, "{two}");
    let told = format!("port {port} of each fitting node is taken by another task of the service");
    assert!(two.stderr.contains(&told) && !two.stderr.contains("old task"), "{two}");
    let check = on.run(&["app", "check", "APP"]).to_string();
    assert!(check.contains("replicas-share-port"), "{check}");

    good(&on.run(&["app", "config", "APP", "--set", "REPLICAS=1"]));
    good(&on.run(&["app", "config", "APP", "--set", "ORDER=start-first"]));
    good(&on.run(&["app", "deploy", "APP", "-n"]));
    good(&on.run(&["app", "config", "APP", "--set", "X=1"]));
    let first = on.run(&["app", "deploy", "APP", "-n", "--timeout", "60s"]);
    assert_eq!(first.code, 4, "{first}");
    let told =
        format!("port {port} is taken by the old task, which `order: start-first` ends only");
    assert!(first.stderr.contains(&told) && !first.stderr.contains("to free port"), "{first}");
}

#[tokio::test(flavor = "multi_thread")]
async fn going_back_shows_the_state_of_what_comes_back() {
    let listener = std::net::TcpListener::bind("0.0.0.0:0").unwrap();
    let taken = listener.local_addr().unwrap().port();
    let published = format!("published: '${{PORT:-{}}}'", ports());
    let compose = listening(0, "").replace("published: 0", &published);
    let Some(on) = OnCall::new("port-back", &compose).await else { return };
    good(&on.run(&["app", "deploy", "APP", "-n"]));
    good(&on.run(&["app", "config", "APP", "--set", &format!("PORT={taken}")]));
    let failed = on.run(&["app", "deploy", "APP", "-n", "--timeout", "20s"]);
    assert_eq!(failed.code, 4, "{failed}");
    let (_, back) = failed.stderr.split_once("roll back").unwrap();
    let (back, _) = back.split_once("error:").unwrap();
    assert!(!back.contains("taken by"), "{back}");
    eventually("that all is well", || async { (on.status() == "deployed").then_some(()) }).await;

    good(&on.run(&["app", "config", "APP", "--set", "PORT=99999"]));
    let refused = on.run(&["app", "deploy", "APP", "-n"]);
    assert_eq!(refused.code, 1, "{refused}");
    assert!(refused.stderr.contains("99999 is not a port"), "{refused}");
    assert!(!refused.stderr.contains("Plan:"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_deploy_that_crashes_ends_before_its_time_whatever_failure_action_says() {
    let update = "update_config: {monitor: 2s, failure_action: rollback}, \
                  restart_policy: {delay: 0s}";
    let compose = PLAIN.replace("UPDATE", update);
    let Some(on) = OnCall::with_settings("first", &compose, "CMD=exit 3\n").await else { return };
    let failed = on.run(&["app", "deploy", "APP", "-n", "--timeout", "10m"]);
    assert_eq!(failed.code, 1, "{failed}");
    assert!(failed.stderr.contains("failing: exited with code 3"), "{failed}");
    assert!(!failed.stderr.contains("not ready after"), "{failed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_deploy_that_failed_the_next_names_its_own_cause_and_goes_back_to_nothing() {
    // At times the first one's task runs, for all that one look tells.
    let compose = PLAIN
        .replace("UPDATE", "update_config: {monitor: 2s, failure_action: rollback}")
        .replace("image: BUSYBOX", "image: ${IMAGE:-BUSYBOX}");
    let Some(on) = OnCall::with_settings("second", &compose, "CMD=sleep 1; exit 3\nIMAGE=\n").await
    else {
        return;
    };
    let first = on.run(&["app", "deploy", "APP", "-n", "--timeout", "60s"]);
    refused(&first, 1, &["failing: exited with code 3"]);
    let action = || {
        let format = "{{.Spec.UpdateConfig.FailureAction}}";
        docker(&["service", "inspect", "--format", format, &format!("{}_app", on.stack)])
    };
    for (setting, cause) in [
        ("CMD=nosuchprogram", "exited with code 127"),
        ("IMAGE=potluck-none:1", "No such image: potluck-none:1"),
    ] {
        good(&on.run(&["app", "config", "APP", "--set", setting]));
        let failed = on.run(&["app", "deploy", "APP", "-n", "--timeout", "60s"]);
        refused(&failed, 1, &["If it fails: the services that were started are kept", cause]);
        for wrong in ["code 3", "going back", "went back"] {
            assert!(!failed.stderr.contains(wrong), "{wrong}: {failed}");
        }
        let ps = on.run(&["app", "ps", "APP"]);
        assert!(ps.stdout.contains(cause), "{ps}");
        assert_eq!(action(), "rollback\n");
    }
    good(&on.run(&["app", "config", "APP", "--set", "CMD=sleep 1000", "--set", "IMAGE="]));
    good(&on.run(&["app", "deploy", "APP", "-n"]));
    assert_eq!(action(), "rollback\n");
    let again = on.run(&["app", "deploy", "APP", "-n"]);
    assert!(again.code == 0 && again.stderr.contains("up to date"), "{again}");
}

#[tokio::test(flavor = "multi_thread")]
async fn all_that_failed_is_in_the_error_also_when_it_is_said_again() {
    let compose = r#"
services:
  never:
    image: BUSYBOX
    command: ["sh", "-c", "exit 3"]
    deploy: {endpoint_mode: dnsrr, restart_policy: {condition: none}}
  job:
    image: BUSYBOX
    command: ["sh", "-c", "exit 7"]
    deploy: {mode: replicated-job, endpoint_mode: dnsrr, restart_policy: {condition: none}}
  app:
    image: BUSYBOX
    command: [sleep, "3600"]
    stop_grace_period: 0s
    deploy: {endpoint_mode: dnsrr}
"#;
    let Some(on) = OnCall::new("both", compose).await else { return };
    let failed = on.run(&["app", "deploy", "APP", "-n", "--timeout", "60s"]);
    assert_eq!(failed.code, 1, "{failed}");
    assert!(failed.stderr.contains("exited with code"), "{failed}");
    eventually("both ended", || async {
        let rows = on.json(&["app", "ps", "APP", "--json"]);
        let rows = rows.as_array().unwrap();
        (rows.iter().filter(|row| row["state"] == "failed").count() == 2).then_some(())
    })
    .await;
    let again = on.run(&["app", "deploy", "APP", "-n", "--timeout", "60s"]);
    let (_, error) = again.stderr.split_once("error:").unwrap();
    refused(&again, 1, &[]);
    for word in ["never: failing: exited with code 3", "job: failing: exited with code 7"] {
        assert!(error.contains(word), "{word}: {again}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_that_swarm_takes_for_a_failed_update_names_what_to_change() {
    let compose = PLAIN.replace(
        "UPDATE",
        "restart_policy: {condition: none}, update_config: {monitor: 60s, failure_action: rollback}",
    );
    let Some(on) = OnCall::with_settings("ended", &compose, "CMD=sleep 1\n").await else { return };
    good(&on.run(&["app", "deploy", "APP", "-n"]));
    good(&on.run(&["app", "config", "APP", "--set", "CMD=sleep 2"]));
    let failed = on.run(&["app", "deploy", "APP", "-n", "--timeout", "60s"]);
    refused(&failed, 4, &["(exit code 0)", "remove `failure_action`", "`mode: replicated-job`"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_are_told_apart_as_logs_takes_them() {
    let compose = PLAIN.replace("UPDATE", "replicas: 2");
    let Some(on) = OnCall::new("slots", &compose).await else { return };
    good(&on.run(&["app", "deploy", "APP", "-n"]));
    let ps = on.run(&["app", "ps", "APP"]);
    for place in ["app.1 ", "app.2 "] {
        assert!(ps.stdout.contains(place), "{place}: {ps}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_the_old_task_is_about_to_free_is_no_failure() {
    let port = ports();
    // It takes its time to stop.
    let compose = format!(
        "services:\n  app:\n    image: BUSYBOX\n    command: [sh, -c, \"echo ${{NEW}}; exec sleep \
         3600\"]\n    stop_grace_period: 8s\n    ports: [{{target: 80, published: {port}, mode: \
         host}}]\n    deploy: {{endpoint_mode: dnsrr, update_config: {{monitor: 1s}}}}\n"
    );
    let Some(on) = OnCall::with_settings("frees", &compose, "NEW=1\n").await else { return };
    good(&on.run(&["app", "deploy", "APP", "-n"]));
    good(&on.run(&["app", "config", "APP", "--set", "NEW=2"]));
    good(&on.run(&["app", "deploy", "APP", "-n", "--detach"]));
    eventually("a task that waits for the port", || async {
        let ps = on.run(&["app", "ps", "APP"]);
        ps.stdout.contains("waiting for the old task to free port").then_some(())
    })
    .await;
    assert_eq!(on.status(), "starting");
    eventually("the new task", || async { (on.status() == "deployed").then_some(()) }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_of_the_node_that_another_app_has_is_in_the_plan() {
    let port = ports();
    let published = format!("    ports: [{{target: 80, published: {port}, mode: host}}]\n");
    let compose = PLAIN.replace("UPDATE", "replicas: 1") + &published;
    let Some(holder) = OnCall::new("holder", &compose).await else { return };
    good(&holder.run(&["app", "deploy", "APP", "-n"]));
    let plan = holder.run(&["app", "deploy", "APP", "--dry-run", "--force"]);
    assert!(!plan.stderr.contains("(`mode: host`)"), "its own: {plan}");
    let Some(other) = OnCall::new("wants", &compose).await else { return };
    let plan = other.run(&["app", "deploy", "APP", "--dry-run"]);
    let told = format!(
        "app: port {port}/tcp (`mode: host`) is published by the service `{}_app`, too",
        holder.stack
    );
    assert!(plan.stderr.contains(&told), "{plan}");
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_from_before_a_driver_that_keeps_nothing_are_called_old() {
    let compose = PLAIN.replace(
        "    stop_grace_period",
        "    logging: {driver: '${DRIVER:-json-file}'}\n    stop_grace_period",
    );
    let compose = compose.replace("UPDATE", "update_config: {monitor: 2s}");
    let settings = "CMD=echo old; sleep 1000\n";
    let Some(on) = OnCall::with_settings("driver", &compose, settings).await else { return };
    good(&on.run(&["app", "deploy", "APP", "-n"]));
    good(&on.run(&["app", "config", "APP", "--set", "DRIVER=none"]));
    good(&on.run(&["app", "deploy", "APP", "-n"]));
    let logs = on.run(&["app", "logs", "APP", "app"]);
    assert!(logs.code == 0 && logs.stdout.contains("old"), "{logs}");
    let told = "these lines of `app` are from earlier tasks: its log driver `none` keeps no log";
    assert!(logs.stderr.contains(told), "{logs}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_driver_that_no_node_has_is_known_before_anything_is_made() {
    let compose = PLAIN
        .replace("    stop_grace_period", "    logging: {driver: nosuch}\n    stop_grace_period");
    let compose = compose.replace("UPDATE", "update_config: {monitor: 2s}");
    let Some(on) = OnCall::new("nodriver", &compose).await else { return };
    let refused = on.run(&["app", "deploy", "APP", "-n"]);
    assert_eq!(refused.code, 1, "{refused}");
    let told = "no node of the swarm has the log driver `nosuch`";
    assert!(refused.stderr.contains(told), "{refused}");
    let ps = on.run(&["app", "ps", "APP"]);
    assert!(ps.stderr.contains("is not deployed"), "{ps}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_that_nobody_watches_says_how_to_look_and_to_go_back() {
    let compose = PLAIN.replace("UPDATE", "update_config: {monitor: 2s}");
    let Some(on) = OnCall::new("unwatched", &compose).await else { return };
    let first = on.run(&["app", "deploy", "APP", "-n", "--detach"]);
    good(&first);
    for word in
        ["potluck does not watch", "app ps", &format!("`potluck app undeploy {}`", on.domain)]
    {
        assert!(first.stderr.contains(word), "{word}: {first}");
    }
    good(&on.run(&["app", "deploy", "APP", "-n"]));
    good(&on.run(&["app", "config", "APP", "--set", "CMD=exit 3"]));
    let second = on.run(&["app", "deploy", "APP", "-n", "--detach"]);
    for word in ["potluck does not watch", "to go back, change the settings or the recipe back"] {
        assert!(second.stderr.contains(word), "{word}: {second}");
    }
}

const OPTIONAL: &str = r#"
services:
  app:
    image: BUSYBOX
    command: [sleep, "3600"]
    stop_grace_period: 0s
    deploy: {endpoint_mode: dnsrr, update_config: {monitor: 1s}}
  worker:
    image: BUSYBOX
    command: [sleep, "3600"]
    stop_grace_period: 0s
    deploy: {endpoint_mode: dnsrr, update_config: {monitor: 1s}}
  extra:
    image: BUSYBOX
    command: [sleep, "3600"]
    deploy: {endpoint_mode: dnsrr, replicas: 0}
"#;

/// What the files turn off is no news; what somebody turned off is.
#[tokio::test(flavor = "multi_thread")]
async fn a_side_service_that_was_scaled_to_0_shows_in_the_list_of_apps() {
    let Some(on) = OnCall::new("lacks", OPTIONAL).await else { return };
    let shown = || {
        let rows = on.json(&["app", "ls", "--status", "--json"]);
        let text = on.run(&["app", "ls", "--status"]).stdout;
        (rows[0]["status"].clone(), rows[0]["without"].clone(), text)
    };
    good(&on.run(&["app", "deploy", "APP", "-n"]));
    let (status, without, text) = shown();
    assert_eq!((&status, &without), (&json!("deployed"), &json!([])), "{text}");
    assert!(!text.contains("without"), "{text}");

    let scaled = format!("{}_worker=0", on.stack);
    let mut docker = std::process::Command::new("docker");
    let output = docker.args(["-H", &endpoint(), "service", "scale", "-d", &scaled]).output();
    assert!(output.as_ref().unwrap().status.success(), "{output:?}");
    eventually("that no worker runs", || async {
        (shown().1 == json!(["worker"]) && on.status() == "deployed").then_some(())
    })
    .await;
    let (_, _, text) = shown();
    assert!(text.contains("deployed, without worker"), "{text}");

    good(&on.run(&["app", "deploy", "APP", "-n"]));
    let (status, without, text) = shown();
    assert_eq!((status, without), (json!("deployed"), json!([])), "{text}");
}
