//! What the end-to-end tests share: the real engine or a loud skip, an image
//! that needs no registry, names that collide with nobody, and a guard that
//! removes what a test made.

// Each test file is a program of its own and uses only a part of this.
#![allow(dead_code, unused_imports)]

mod alone;
pub mod app;
mod forward;
mod ports;
pub mod skip;

use std::{
    collections::HashMap,
    io::Write,
    process::{Command, Stdio},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use potluck::{
    engine::{self, Engine, Scope, api},
    home::StackName,
};

pub use alone::{is_alone, this_test, this_test_alone};
pub use forward::{Killed, forward, killing};
pub use ports::{ports, subnet};
pub use skip::skip;

/// busybox and nothing else: `/bin/sh` and all applets.
pub const BUSYBOX: &str = "potluck-test/busybox:1";

/// With this variable set, a test that finds no engine fails instead of being
/// skipped. `make test` sets it where it has started one.
const REQUIRE: &str = "POTLUCK_TEST_REQUIRE_ENGINE";

/// How long tests wait for the swarm to do anything. Long, because a busy
/// machine must not fail them; nothing is asserted about time.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// Where the engine of this machine listens.
pub fn endpoint() -> String {
    match std::env::var("DOCKER_HOST") {
        Ok(host) if host.starts_with("unix://") => host,
        _ => "unix:///var/run/docker.sock".to_owned(),
    }
}

/// The real swarm of this machine with [`BUSYBOX`] on it, or none after having
/// said so where `cargo test` cannot swallow it.
pub async fn real_engine() -> Option<Arc<dyn Engine>> {
    match try_real_engine().await {
        Ok(engine) => Some(engine),
        Err(reason) => {
            assert!(std::env::var_os(REQUIRE).is_none(), "{REQUIRE} is set, but: {reason}");
            skip(&reason);
            None
        }
    }
}

async fn try_real_engine() -> Result<Arc<dyn Engine>, String> {
    let unused = std::env::temp_dir();
    let engine = engine::connect(&endpoint(), Default::default(), &unused, "test")
        .map_err(|error| error.to_string())?;
    engine.manager().await.map_err(|error| error.to_string())?;
    static IMAGE: OnceLock<Result<(), String>> = OnceLock::new();
    IMAGE.get_or_init(ensure_busybox).clone()?;
    Ok(engine)
}

/// Builds [`BUSYBOX`] from `/bin/busybox` (Debian's `busybox-static`) unless
/// the engine has it.
fn ensure_busybox() -> Result<(), String> {
    let docker = |args: &[&str]| {
        let mut command = Command::new("docker");
        command.args(["-H", &endpoint()]).args(args).stdout(Stdio::null()).stderr(Stdio::null());
        command
    };
    let has = docker(&["image", "inspect", BUSYBOX]).status();
    if has.map_err(|error| format!("cannot run `docker`: {error}"))?.success() {
        return Ok(());
    }
    let busybox = std::fs::read("/bin/busybox")
        .map_err(|error| format!("no image {BUSYBOX}, and /bin/busybox: {error}"))?;
    let tar = busybox_tar(&busybox).map_err(|error| error.to_string())?;
    let change = "ENV PATH=/bin";
    let mut import = docker(&["import", "--change", change, "-", BUSYBOX])
        .stdin(Stdio::piped())
        .spawn()
        .map_err(|error| error.to_string())?;
    let mut stdin = import.stdin.take().ok_or("docker has no standard input")?;
    stdin.write_all(&tar).map_err(|error| error.to_string())?;
    drop(stdin);
    let status = import.wait().map_err(|error| error.to_string())?;
    if status.success() { Ok(()) } else { Err(format!("`docker import` failed: {status}")) }
}

/// A root file system: busybox, a link for each applet, a few folders.
fn busybox_tar(busybox: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut tar = tar::Builder::new(Vec::new());
    let header = |kind, mode: u32, size: usize| {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_size(size as u64);
        header
    };
    for (folder, mode) in
        [("bin/", 0o755), ("etc/", 0o755), ("root/", 0o700), ("tmp/", 0o1777), ("var/", 0o755)]
    {
        let mut header = header(tar::EntryType::Directory, mode, 0);
        tar.append_data(&mut header, folder, std::io::empty())?;
    }
    let users = b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n";
    tar.append_data(
        &mut header(tar::EntryType::Regular, 0o644, users.len()),
        "etc/passwd",
        users.as_slice(),
    )?;
    tar.append_data(
        &mut header(tar::EntryType::Regular, 0o755, busybox.len()),
        "bin/busybox",
        busybox,
    )?;
    let applets = Command::new("/bin/busybox").arg("--list").output()?;
    for applet in String::from_utf8_lossy(&applets.stdout).lines() {
        if applet != "busybox" {
            let mut header = header(tar::EntryType::Symlink, 0o777, 0);
            tar.append_link(&mut header, format!("bin/{applet}"), "busybox")?;
        }
    }
    tar.into_inner()
}

/// A stack name nobody else uses: `<room>-<process>-<number>`.
pub fn unique_stack(room: &str) -> StackName {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    StackName::new(format!("{room}-{}-{count}", std::process::id())).unwrap()
}

/// Removes everything that carries the stack's label when it goes out of
/// scope, also when the test panicked: services, secrets, configs, networks,
/// volumes.
pub struct Cleanup {
    endpoint: String,
    stack: StackName,
}

impl Cleanup {
    pub fn new(stack: &StackName) -> Self {
        Self { endpoint: endpoint(), stack: stack.clone() }
    }
}

impl Drop for Cleanup {
    fn drop(&mut self) {
        let (endpoint, stack) = (self.endpoint.clone(), self.stack.clone());
        // The test's own runtime may be on its way out.
        let worker = std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let Ok(engine) =
                    engine::connect(&endpoint, Default::default(), &std::env::temp_dir(), "test")
                else {
                    return;
                };
                remove_stack(engine.as_ref(), &stack).await;
            });
        });
        if worker.join().is_err() {
            let _ = writeln!(std::io::stderr(), "the stack {} was not removed", self.stack);
        }
    }
}

/// `docker stack rm`, again while it finds that a task still uses a network.
pub fn docker_stack_rm(stack: &str) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let mut remove = Command::new("docker");
        let output = remove.args(["-H", &endpoint(), "stack", "rm", stack]).output().unwrap();
        if output.status.success() {
            return;
        }
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains("is in use by task") && Instant::now() < deadline, "{said}");
        std::thread::sleep(Duration::from_millis(300));
    }
}

/// Removes a stack and waits until its networks and volumes are gone, too.
pub async fn remove_stack(engine: &dyn Engine, stack: &StackName) {
    let scope = Scope::Stack(stack);
    let deadline = Instant::now() + PATIENCE;
    loop {
        let mut left = 0;
        for service in engine.services(scope).await.unwrap_or_default() {
            left += 1;
            let _ = engine.remove_service(service.id.as_deref().unwrap_or_default()).await;
        }
        for secret in engine.secrets(scope).await.unwrap_or_default() {
            left += 1;
            let _ = engine.remove_secret(secret.id.as_deref().unwrap_or_default()).await;
        }
        for config in engine.configs(scope).await.unwrap_or_default() {
            left += 1;
            let _ = engine.remove_config(config.id.as_deref().unwrap_or_default()).await;
        }
        for network in engine.networks(scope).await.unwrap_or_default() {
            left += 1;
            let _ = engine.remove_network(network.id.as_deref().unwrap_or_default()).await;
        }
        for volume in engine.volumes(scope).await.unwrap_or_default() {
            left += 1;
            let _ = engine.remove_volume(&volume.name).await;
        }
        if left == 0 {
            // What says whose the stack was bears no stack's label.
            for kept in ["owner", "lease", "journal", "history"] {
                if let Ok(config) = engine.config(&format!("potluck.{stack}.{kept}")).await {
                    let _ = engine.remove_config(config.id.as_deref().unwrap_or_default()).await;
                }
            }
            let releases = Scope::Labelled("org.potluck.release-of", stack.as_str());
            for config in engine.configs(releases).await.unwrap_or_default() {
                let _ = engine.remove_config(config.id.as_deref().unwrap_or_default()).await;
            }
            return;
        }
        if Instant::now() > deadline {
            let _ = writeln!(std::io::stderr(), "{left} objects of {stack} are left behind");
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// The labels by which a stack's objects are found.
pub fn stack_labels(stack: &StackName) -> HashMap<String, String> {
    HashMap::from([(engine::STACK_LABEL.to_owned(), stack.to_string())])
}

/// A service `<stack>_<name>` of one replica that runs `argv` in [`BUSYBOX`].
/// It is killed at once when it shall stop, as a shell at PID 1 ignores
/// SIGTERM.
pub fn service_spec(stack: &StackName, name: &str, argv: &[&str]) -> api::ServiceSpec {
    let labels = stack_labels(stack);
    api::ServiceSpec {
        name: Some(format!("{stack}_{name}")),
        labels: Some(labels.clone()),
        task_template: Some(api::TaskSpec {
            container_spec: Some(api::TaskSpecContainerSpec {
                image: Some(BUSYBOX.to_owned()),
                args: Some(argv.iter().map(|arg| (*arg).to_owned()).collect()),
                labels: Some(labels),
                stop_grace_period: Some(0),
                privileges: Some(Default::default()),
                ..Default::default()
            }),
            // A spec without placement crashes old managers.
            placement: Some(Default::default()),
            resources: Some(Default::default()),
            ..Default::default()
        }),
        mode: Some(api::ServiceSpecMode {
            replicated: Some(api::ServiceSpecModeReplicated { replicas: Some(1) }),
            ..Default::default()
        }),
        // No IPVS is needed this way.
        endpoint_spec: Some(api::EndpointSpec {
            mode: Some(api::EndpointSpecModeEnum::DNSRR),
            ..Default::default()
        }),
        ..Default::default()
    }
}

/// Asks again and again until the answer is there.
///
/// # Panics
/// After [`PATIENCE`], with what was waited for.
pub async fn eventually<T, F>(what: &str, mut ask: impl FnMut() -> F) -> T
where
    F: Future<Output = Option<T>>,
{
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The id of a running container of the service, waiting for it.
pub async fn running_container(engine: &dyn Engine, service: &str) -> String {
    eventually(&format!("a container of {service}"), || async {
        engine.containers(service).await.unwrap().into_iter().next().map(|found| found.id)
    })
    .await
}
