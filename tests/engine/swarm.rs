//! The two engines that the promises are held to.

use std::sync::Arc;

use base64::Engine as _;
use potluck::{
    engine::{
        Engine, Error, Exec, api,
        simulated::{ExecRule, Script, Simulated, TaskRule},
    },
    home::StackName,
};

use crate::common::*;

/// An engine, a stack of one's own, and what must outlive the test.
pub struct Swarm {
    pub engine: Arc<dyn Engine>,
    pub stack: StackName,
    _folder: tempfile::TempDir,
    _cleanup: Option<Cleanup>,
}

/// Programs of the suite, as a shell runs them.
pub const FILTER: &str = "cat; echo oops >&2; exit 7";
pub const FAILING: &str = "echo I give up; sleep 1; exit 3";
/// Fills the memory that it has.
pub const GREEDY: &str = "sleep 1; sh -c 'x=a; while :; do x=$x$x; done'; sleep 2; exit 137";
pub const TALKING: &str = "echo hello; sleep 3600";
pub const SLEEPING: &str = "sleep 3600";

impl Swarm {
    pub async fn docker() -> Option<Self> {
        let engine = real_engine().await?;
        let stack = unique_stack("engine-conf");
        let cleanup = Some(Cleanup::new(&stack));
        let folder = tempfile::tempdir().unwrap();
        Some(Self { engine, stack, _folder: folder, _cleanup: cleanup })
    }

    /// The simulated one, told what those programs would do.
    pub async fn simulated() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let swarm = Simulated::open(None, folder.path().join("volumes")).unwrap();
        swarm.set_script(Script {
            tasks: vec![
                TaskRule {
                    service: Some("failing*".into()),
                    exit_code: Some(3),
                    logs: vec!["I give up".into()],
                    ..Default::default()
                },
                TaskRule {
                    service: Some("greedy".into()),
                    out_of_memory: true,
                    ..Default::default()
                },
                TaskRule {
                    service: Some("sick".into()),
                    unhealthy: true,
                    check_output: Some("no answer".into()),
                    ..Default::default()
                },
                TaskRule {
                    service: Some("talking".into()),
                    logs: vec!["hello".into()],
                    ..Default::default()
                },
                TaskRule {
                    image: Some("*:no-such-tag".into()),
                    pull_error: Some("No such image".into()),
                    ..Default::default()
                },
            ],
            exec: vec![
                ExecRule {
                    command: Some(["sh", "-c", FILTER].map(str::to_owned).to_vec()),
                    echo: true,
                    stderr: "oops\n".into(),
                    exit_code: 7,
                    ..Default::default()
                },
                ExecRule { matches: Some("true".into()), ..Default::default() },
            ],
            ..Default::default()
        });
        let stack = unique_stack("engine-conf");
        Some(Self { engine: Arc::new(swarm), stack, _folder: folder, _cleanup: None })
    }

    pub fn name(&self, name: &str) -> String {
        format!("{}_{name}", self.stack)
    }

    pub fn spec(&self, name: &str, script: &str) -> api::ServiceSpec {
        service_spec(&self.stack, name, &["sh", "-c", script])
    }

    pub async fn create(&self, name: &str, script: &str) -> String {
        self.engine.create_service(self.spec(name, script), None).await.unwrap()
    }

    pub async fn secret(&self, name: &str) -> Result<String, Error> {
        let spec = api::SecretSpec {
            name: Some(self.name(name)),
            labels: Some(stack_labels(&self.stack)),
            data: Some(base64::engine::general_purpose::STANDARD.encode("value")),
            ..Default::default()
        };
        self.engine.create_secret(spec).await
    }

    pub async fn config(&self, name: &str) -> Result<String, Error> {
        let spec = api::ConfigSpec {
            name: Some(self.name(name)),
            labels: Some(stack_labels(&self.stack)),
            data: Some(base64::engine::general_purpose::STANDARD.encode("value")),
            ..Default::default()
        };
        self.engine.create_config(spec).await
    }

    pub async fn network(&self, name: &str) -> Result<String, Error> {
        let request = api::NetworkCreateRequest {
            name: self.name(name),
            driver: Some("overlay".into()),
            labels: Some(stack_labels(&self.stack)),
            ..Default::default()
        };
        self.engine.create_network(request).await
    }

    pub async fn version(&self, id: &str) -> u64 {
        self.engine.service(id).await.unwrap().version.unwrap().index.unwrap()
    }

    pub async fn task_with(&self, service: &str, state: api::TaskState) -> api::Task {
        eventually(&format!("a task that is {state}"), || async {
            let tasks = self.engine.tasks(service).await.unwrap();
            tasks.into_iter().find(|task| task.status.as_ref().unwrap().state == Some(state))
        })
        .await
    }

    /// Waits until the service's update is in this state.
    pub async fn update_is(
        &self,
        id: &str,
        wanted: api::ServiceUpdateStatusStateEnum,
    ) -> api::Service {
        eventually(&format!("the update to be {wanted}"), || async {
            let service = self.engine.service(id).await.unwrap();
            let state = service.update_status.as_ref().and_then(|status| status.state);
            (state == Some(wanted)).then_some(service)
        })
        .await
    }
}

pub fn container_spec(spec: &mut api::ServiceSpec) -> &mut api::TaskSpecContainerSpec {
    spec.task_template.as_mut().unwrap().container_spec.as_mut().unwrap()
}

pub fn exec(argv: &[&str], stdin: bool) -> Exec {
    Exec { argv: argv.iter().map(|arg| (*arg).to_owned()).collect(), stdin, ..Default::default() }
}
