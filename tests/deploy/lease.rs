//! One operation at a time changes an app, on whichever machine it was begun: two
//! operators with two folders, on the real swarm.

use crate::support::{
    cli::Lab,
    common::{app::*, *},
    operator::*,
};

use std::{
    process::{Child, Command, Output, Stdio},
    sync::Arc,
};

use potluck::{
    app::{Consent, Downgrade, Error, Takeover, Wish},
    engine::{Scope, api},
    home::StackName,
    operation::DeployOptions,
    rollout::Plan,
};

/// Two folders that know the same app, which is deployed from the first.
struct Two {
    first: Lab,
    second: Lab,
    domain: String,
    stack: StackName,
    _cleanup: Cleanup,
}

impl Two {
    async fn new(room: &str, services: &str) -> Option<Self> {
        real_engine().await?;
        let (domain, stack) = domain(room);
        let cleanup = Cleanup::new(&stack);
        let (first, second) = (folder(), folder());
        app(&first, "demo", &services.replace("BUSYBOX", BUSYBOX), "VALUE=1\nSIDE=1\n", &domain);
        good(&first.run(&["app", "deploy", &domain, "-n"]));
        // A colleague's folder: a copy.
        let copied = Command::new("cp")
            .arg("-r")
            .args([first.path("demo"), first.path("potluck")])
            .arg(second.path("."))
            .status();
        assert!(copied.unwrap().success());
        std::fs::remove_file(second.path("potluck/recipes/demo")).unwrap();
        std::os::unix::fs::symlink(second.path("demo"), second.path("potluck/recipes/demo"))
            .unwrap();
        Some(Two { first, second, domain, stack, _cleanup: cleanup })
    }

    /// Gives the app of one folder another setting, `KEY=VALUE`.
    fn set(&self, lab: &Lab, setting: &str) {
        let path = format!("potluck/servers/here/{}.env", self.domain);
        let text = std::fs::read_to_string(lab.path(&path)).unwrap();
        let (key, _) = setting.split_once('=').unwrap();
        let kept = text.lines().filter(|line| !line.starts_with(&format!("{key}=")));
        let lines: Vec<&str> = kept.collect();
        lab.write(&path, &format!("{}\n{setting}\n", lines.join("\n")));
    }

    /// Starts a deploy from the first folder; returns once its journal is begun. That there
    /// is a journal does not tell: an ended operation leaves one.
    async fn deploying(&self, setting: &str) -> Child {
        self.set(&self.first, setting);
        let child = Command::new(env!("CARGO_BIN_EXE_potluck"))
            .args(["app", "deploy", &self.domain, "-n"])
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.first.path("home"))
            .env("POTLUCK_DIR", self.first.path("potluck"))
            .current_dir(self.first.path("."))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        eventually("the deploy to have begun", || async {
            let told = self.second.json(&["app", "history", &self.domain, "--json"]);
            (self.is_leased() && told["unfinished"].is_object()).then_some(())
        })
        .await;
        child
    }

    fn is_leased(&self) -> bool {
        let name = format!("potluck.{}.lease", self.stack);
        let listed = ["config", "ls", "-q", "--filter", &format!("name={name}")];
        !docker(&listed).trim().is_empty()
    }

    /// The variable that a service has.
    fn value(&self, service: &str) -> String {
        let format = "{{range .Spec.TaskTemplate.ContainerSpec.Env}}{{.}}{{end}}";
        let service = format!("{}_{service}", self.stack);
        docker(&["service", "inspect", "--format", format, &service]).trim().to_owned()
    }
}

fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill").args([name, &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn services(monitor: &str) -> String {
    let deploy = format!("deploy: {{endpoint_mode: dnsrr, update_config: {{monitor: {monitor}}}}}");
    let service = |name: &str, key: &str| {
        format!(
            "  {name}:\n    image: BUSYBOX\n    command: {SLEEP}\n    {deploy}\n    environment: \
             {{{key}: \"${{{key}}}\"}}\n"
        )
    };
    format!("services:\n{}{}", service("app", "VALUE"), service("side", "SIDE"))
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_operators_one_waits_or_is_told_who_has_the_app() {
    let Some(two) = Two::new("lease-two", &services("8s")).await else { return };
    let app = two.domain.as_str();
    let first = two.deploying("VALUE=2").await;
    two.set(&two.second, "VALUE=3");
    for command in [
        &["app", "deploy", app, "-n"][..],
        &["app", "undeploy", app, "-y"],
        &["app", "rm", app, "-y", "--force"],
        &["backup", "create", app],
    ] {
        let refused = two.second.run(command);
        assert_eq!(refused.code, 5, "{command:?}: {refused}");
        let words = format!("error: {app}: a deploy by ");
        assert!(refused.stderr.contains(&words), "{refused}");
        assert!(refused.stderr.contains(&format!("(pid {})", first.id())), "{refused}");
        assert!(refused.stderr.contains("app unlock"), "{refused}");
    }
    // What only looks needs no lease.
    good(&two.second.run(&["app", "ps", app]));
    good(&two.second.run(&["app", "deploy", app, "-n", "--dry-run"]));
    let told = two.second.json(&["app", "history", app, "--json"]);
    assert_eq!(told["unfinished"]["running"], true, "{told}");
    let waited = two.second.run(&["app", "deploy", app, "-n", "--lock-wait", "2m"]);
    // As its plan says still.
    good(&waited);
    assert!(waited.stderr.contains("waiting, because a deploy by "), "{waited}");
    let first = first.wait_with_output().unwrap();
    assert!(first.status.success(), "{}", said(&first));
    assert_eq!(two.value("app"), "VALUE=3");
    assert!(!two.is_leased());
}

/// Says yes, and meanwhile somebody else changes a service.
struct Meanwhile {
    service: String,
    /// Whether the other plan is agreed to as well.
    again: bool,
}

impl Consent for Meanwhile {
    fn grants(&self, _: &Wish) -> bool {
        true
    }

    fn downgrade(&self, _: &Downgrade) -> bool {
        false
    }

    fn takeover(&self, _: &Takeover) -> bool {
        false
    }

    fn plan(&self, _: &Plan) -> bool {
        docker(&["service", "update", "--detach", "--env-add", "OTHER=1", &self.service]);
        true
    }

    fn changed_plan(&self, plan: &Plan) -> bool {
        assert_eq!(plan.changes.len(), 2, "{plan:?}");
        self.again
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_that_someone_else_changed_meanwhile_is_asked_about_anew() {
    for again in [false, true] {
        let Some(mut app) = TestApp::real("lease-plan").await else { return };
        app.compose(&services("2s"));
        app.load().await;
        app.set("VALUE", "1");
        app.set("SIDE", "1");
        app.deploy().await;
        let service = format!("{}_side", app.stack);
        app.context.consent = Arc::new(Meanwhile { service: service.clone(), again });
        app.set("VALUE", "2");
        let outcome = app.try_deploy(&DeployOptions::default()).await;
        let has = docker(&["service", "inspect", "--format", "{{json .Spec}}", &service])
            .contains("OTHER=1");
        match again {
            false => {
                assert!(matches!(outcome, Err(Error::PlanChanged { .. })), "{outcome:?}");
                assert!(has, "what somebody else did is left");
            }
            true => {
                assert!(outcome.unwrap().changed);
                assert!(!has, "it was said that it goes");
            }
        }
        let leases = app.engine.configs(Scope::All).await.unwrap();
        let name = |config: &api::Config| config.spec.as_ref().and_then(|spec| spec.name.clone());
        let lease = format!("potluck.{}.lease", app.stack);
        assert!(leases.iter().filter_map(name).all(|name| name != lease));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_was_stopped_and_overtaken_changes_nothing_more() {
    let Some(two) = Two::new("lease-stop", &services("2s")).await else { return };
    let app = two.domain.as_str();
    let first = two.deploying("VALUE=2").await;
    signal(&first, "-STOP");
    two.set(&two.second, "VALUE=3");
    // It takes a minute to know that nobody renews the lease.
    let second = two.second.run(&["app", "deploy", app, "-n", "--lock-wait", "3m", "--yes"]);
    refused(&second, 5, &["taking over", "did not end: it came to step 1 of 3, `services`"]);
    // The other folder would bring something else.
    let resumed = two.second.run(&["app", "resume", app, "--yes"]);
    refused(&resumed, 1, &["cannot be finished from here", "app abort"]);
    good(&two.second.run(&["app", "abort", app, "--yes"]));
    assert_eq!(two.value("app"), "VALUE=1");
    good(&two.second.run(&["app", "deploy", app, "-n"]));
    assert_eq!(two.value("app"), "VALUE=3");
    signal(&first, "-CONT");
    let first = first.wait_with_output().unwrap();
    assert!(!first.status.success(), "{}", said(&first));
    assert_eq!(two.value("app"), "VALUE=3");
    assert!(!two.is_leased());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operation_ends_by_force_or_by_ctrl_c_and_frees_the_app() {
    let Some(two) = Two::new("lease-end", &services("30s")).await else { return };
    let app = two.domain.as_str();
    let first = two.deploying("VALUE=2").await;
    let ended = two.second.run(&["app", "unlock", app, "--reason", "the laptop is lost", "-y"]);
    good(&ended);
    assert!(ended.stderr.contains("Ended: a deploy by "), "{ended}");
    assert!(!two.is_leased());
    let none = two.second.json(&["app", "unlock", app, "--reason", "again", "-y", "--json"]);
    assert_eq!(none["ended"], serde_json::Value::Null);
    // It is at work still, and finds out at its next step.
    let first = first.wait_with_output().unwrap();
    assert!(!first.status.success(), "{}", said(&first));
    assert!(said(&first).contains("the lease of"), "{}", said(&first));
    assert!(said(&first).contains("app history"), "{}", said(&first));
    good(&two.second.run(&["app", "abort", app, "--yes"]));
    assert_eq!(two.value("app"), "VALUE=1");

    // The next command from the same folder knows that a killed one has ended.
    let mut first = two.deploying("VALUE=5").await;
    first.kill().unwrap();
    first.wait().unwrap();
    assert!(two.is_leased());
    refused(&two.second.run(&["app", "undeploy", app, "-y"]), 5, &["a deploy by "]);
    let next = two.first.run(&["backup", "create", app]);
    refused(&next, 5, &["that process has ended: taking over", "app resume"]);
    assert!(!two.is_leased());
    good(&two.first.run(&["app", "resume", app, "--yes"]));
    assert_eq!(two.value("app"), "VALUE=5");

    let first = two.deploying("VALUE=4").await;
    signal(&first, "-INT");
    let first = first.wait_with_output().unwrap();
    assert_eq!(first.status.code(), Some(130), "{}", said(&first));
    eventually("the lease to be released", || async { (!two.is_leased()).then_some(()) }).await;
    let told = two.second.json(&["app", "history", app, "--json"]);
    assert_eq!(told["unfinished"]["step"], 0, "{told}");
    let outcomes = told["operations"].as_array().unwrap().iter().map(|it| &it["outcome"]);
    assert_eq!(outcomes.collect::<Vec<_>>(), ["done", "aborted", "done"], "{told}");
}

/// Makes a config as anyone on the swarm can.
fn make_config(name: &str, content: &str) {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), content).unwrap();
    docker(&["config", "create", name, file.path().to_str().unwrap()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_that_someone_else_wrote_keeps_nobody_out_for_good() {
    let Some(two) = Two::new("lease-odd", &services("1s")).await else { return };
    let app = two.domain.as_str();
    two.set(&two.first, "VALUE=2");
    let name = format!("potluck.{}.lease", two.stack);
    // A newer potluck may write more into it.
    let content = r#"{"format":1,"operation":"0","doing":"a deploy","user":"eve\u001b[31m",
        "host":"there","pid":1,"since":"2026-11-26T03:00:00Z","more":[1]}"#;
    make_config(&name, content);
    let unsure = two.first.run(&["app", "unlock", app, "--reason", "odd"]);
    refused(&unsure, 6, &["needs your consent", "--yes"]);
    let ended = two.first.run(&["app", "unlock", app, "--reason", "odd", "-y"]);
    good(&ended);
    assert!(ended.stderr.contains("Ended: a deploy by eve") && !ended.stderr.contains('\u{1b}'));
    assert!(!two.is_leased());

    make_config(&name, "no lease");
    let broken = two.first.run(&["app", "deploy", app, "-n"]);
    refused(&broken, 1, &["cannot be read", &format!("docker config rm {name}")]);
    docker(&["config", "rm", &name]);
    // Swarm compares names without their case.
    make_config(&name.to_uppercase(), "no lease");
    let unseen = two.first.run(&["app", "deploy", app, "-n"]);
    docker(&["config", "rm", &name.to_uppercase()]);
    refused(&unseen, 1, &["it exists, and does not find it"]);
    good(&two.first.run(&["app", "deploy", app, "-n"]));
}
