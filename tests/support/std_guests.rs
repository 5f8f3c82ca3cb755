//! What the tests of the standard plugins share: their components as they come
//! with potluck, and apps on the real swarm that are taken off when a test ends.

#![allow(dead_code, reason = "each test file uses some of it")]

use std::{
    io::Write,
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

pub use super::{
    cli::{Lab, Run},
    common, hostile,
};
use hostile::{World, load, skip, surroundings};
use potluck::{plugin::Hooks, recipe::Standard};
use serde_json::Value;

pub fn component(name: &str) -> Option<&'static [u8]> {
    let component = Standard::find(name).unwrap().component().ok();
    if component.is_none() {
        skip(&format!("potluck was built without std:{name}: make plugins"));
    }
    component
}

/// An instance with these options, its services scripted.
pub async fn guest(name: &str, options: Value, grants: &[&str]) -> Option<(Hooks, Arc<World>)> {
    let plugin = load(component(name)?).await.unwrap();
    let world = Arc::new(World::default());
    let surroundings = potluck::plugin::Surroundings { options, ..surroundings(&world, grants) };
    Some((plugin.start(surroundings).await.unwrap(), world))
}

/// An app on the real swarm, taken off when the test ends.
pub struct OnSwarm {
    pub lab: Lab,
    pub app: String,
    pub stack: String,
}

impl OnSwarm {
    pub fn new(recipe: &Path, name: &str) -> Self {
        let app = format!("std{name}{}.example.org", std::process::id());
        let on = OnSwarm { lab: Lab::new(), stack: app.replace('.', "_"), app };
        on.ok(&["server", "add", "here", "--local"]);
        let recipe = recipe.to_str().unwrap();
        on.ok(&["app", "new", recipe, "--server", "here", "--domain", &on.app, "-n"]);
        on
    }

    pub fn run(&self, arguments: &[&str], input: &[u8]) -> Run {
        let mut command = self.lab.command();
        command.timeout(Duration::from_secs(600));
        let output = command.args(arguments).write_stdin(input).output().unwrap();
        Run {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    pub fn ok(&self, arguments: &[&str]) -> String {
        let run = self.run(arguments, b"");
        assert_eq!(run.code, 0, "{arguments:?}\n{run}");
        run.stdout
    }

    /// A script in a service, which has to succeed.
    pub fn sh(&self, service: &str, script: &str) -> String {
        self.ok(&["app", "run", &self.app, service, "--", "sh", "-c", script]).trim().to_owned()
    }

    fn container(&self, service: &str) -> String {
        let filter = format!("name={}_{service}.", self.stack);
        docker(&["ps", "-q", "--filter", &filter]).trim().to_owned()
    }

    /// A script in a service that is not waited for.
    pub fn background(&self, service: &str, script: &str) {
        docker(&["exec", "-d", &self.container(service), "sh", "-c", script]);
    }

    /// What a plugin's command does, as the host would run it.
    pub fn as_host(
        &self,
        service: &str,
        command: &potluck::plugin::Command,
        input: &[u8],
    ) -> std::process::Output {
        let mut docker = Command::new("docker");
        docker.args(["exec", "-i"]);
        for (key, value) in &command.env {
            docker.args(["-e", &format!("{key}={value}")]);
        }
        docker.arg(self.container(service)).args(&command.argv);
        docker.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = docker.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let input = input.to_vec();
        // What refuses its input may end before it has read all of it.
        let feeding = std::thread::spawn(move || drop(stdin.write_all(&input)));
        let output = child.wait_with_output().unwrap();
        feeding.join().unwrap();
        output
    }

    pub fn lose(&self, volumes: &[&str]) {
        self.ok(&["app", "undeploy", &self.app, "-n"]);
        self.wait_gone();
        for volume in volumes {
            docker(&["volume", "rm", &format!("{}_{volume}", self.stack)]);
        }
    }

    /// Until they are gone, stopped containers hold the volumes.
    fn wait_gone(&self) {
        let label = format!("label=com.docker.stack.namespace={}", self.stack);
        let deadline = Instant::now() + common::PATIENCE;
        while !docker(&["ps", "-aq", "--filter", &label]).trim().is_empty() {
            assert!(Instant::now() < deadline, "the containers of {} stay", self.stack);
            std::thread::sleep(Duration::from_millis(200));
        }
    }
}

impl Drop for OnSwarm {
    fn drop(&mut self) {
        docker(&["stack", "rm", &self.stack]);
        let label = format!("label=com.docker.stack.namespace={}", self.stack);
        let deadline = Instant::now() + common::PATIENCE;
        while Instant::now() < deadline
            && !docker(&["ps", "-aq", "--filter", &label]).trim().is_empty()
        {
            std::thread::sleep(Duration::from_millis(200));
        }
        for kind in ["secret", "volume"] {
            let filter = format!("name={}", self.stack);
            for id in docker(&[kind, "ls", "-q", "--filter", &filter]).split_whitespace() {
                docker(&[kind, "rm", id]);
            }
        }
    }
}

pub fn docker(arguments: &[&str]) -> String {
    let output = Command::new("docker").args(arguments).output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Whether the swarm, the images and the components are here.
pub fn ready(images: &[&str]) -> bool {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    if runtime.block_on(common::real_engine()).is_none() || component("postgres").is_none() {
        return false;
    }
    for image in images {
        if docker(&["image", "inspect", "-f", "{{.Id}}", image]).is_empty() {
            skip(&format!("the image {image} is missing: make images"));
            return false;
        }
    }
    true
}
