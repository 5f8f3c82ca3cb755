//! What a hook costs, without the process around it: compiling a component,
//! loading compiled code, making an instance, the first and a later call, and an
//! instance's memory; beside a shell that reads an `abra.sh` and `docker exec`.
//!
//! `benches/hooks.sh` runs it and says with what. Arguments: how often, the id
//! of a running container that has `sh`, and pairs of a name and a component
//! whose role `lifecycle` is called.

#[path = "../tests/support/mod.rs"]
mod support;

use std::{
    fs,
    process::{Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::StreamExt;
use potluck::{
    engine::{self, Exec},
    plugin::{Hooks, Limits, Plugin, Role, Runtime},
};
use support::hostile::*;

/// Instances that are there at the same time when their memory is counted.
const INSTANCES: usize = 50;
/// Calls of one instance.
const WARM: usize = 200;

#[tokio::main]
async fn main() {
    // Cargo adds `--bench`.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let [runs, container, components @ ..] = arguments.as_slice() else {
        eprintln!("run benches/hooks.sh");
        return;
    };
    let runs: usize = runs.parse().expect("a number");
    let folder = tempfile::tempdir().unwrap();

    let abra = folder.path().join("abra.sh");
    fs::write(&abra, "hook() { echo done; }\n").unwrap();
    let sourcing = format!(". {}; hook", abra.display());
    let mut times = Vec::new();
    for _ in 0..runs {
        times.push(spawn("bash", &["-c", &sourcing]));
    }
    report("bash -c, sourcing an abra.sh and calling a function", times);
    let mut times = (Vec::new(), Vec::new());
    for _ in 0..runs {
        times.0.push(spawn("docker", &["exec", container, "sh", "-c", ":"]));
        times.1.push(exec(container).await);
    }
    report("docker exec CONTAINER sh -c :", times.0);
    report("the same as potluck does it for `services.run`", times.1);

    for [name, file] in components.as_chunks().0 {
        let component = fs::read(file).unwrap();
        println!("{name}, {:.1} MB", component.len() as f64 / 1e6);
        measure(runs, &component).await;
    }
}

async fn measure(runs: usize, component: &[u8]) {
    let [mut compile, mut cached, mut instantiate, mut first_call, mut warm] =
        [const { Vec::new() }; 5];
    let mut kept = None;
    for _ in 0..runs {
        let folder = tempfile::tempdir().unwrap();
        for times in [&mut compile, &mut cached] {
            // As a process does it: an engine of its own each time.
            let runtime = Runtime::new(&folder.path().join("plugins")).unwrap();
            let begin = Instant::now();
            let plugin = runtime.load("guest", component).await.unwrap();
            times.push(begin.elapsed());
            kept = Some((plugin, runtime));
        }
        let (plugin, _) = kept.as_ref().unwrap();
        let begin = Instant::now();
        let mut hooks = instance(plugin).await;
        instantiate.push(begin.elapsed());
        let begin = Instant::now();
        call(&mut hooks).await;
        first_call.push(begin.elapsed());
        for _ in 0..WARM {
            let begin = Instant::now();
            call(&mut hooks).await;
            warm.push(begin.elapsed());
        }
    }
    report("  compile, nothing cached", compile);
    report("  load, compiled code cached", cached);
    report("  instantiate", instantiate);
    report("  first call of a hook", first_call);
    report("  later call of a hook", warm);

    let (plugin, _runtime) = kept.unwrap();
    let before = resident();
    let mut instances = Vec::new();
    for _ in 0..INSTANCES {
        let mut hooks = instance(&plugin).await;
        call(&mut hooks).await;
        instances.push(hooks);
    }
    let each = resident().saturating_sub(before) / INSTANCES as u64;
    println!("  {:<52} {each} KiB resident (of {INSTANCES})", "memory of an instance after a call");
}

async fn instance(plugin: &Plugin) -> Hooks {
    let world = Arc::new(World::default());
    let mut surroundings = surroundings(&world, &[]);
    surroundings.options = serde_json::json!({});
    surroundings.settings = ["DOMAIN", "TITLE", "ADMIN_USER", "ADMIN_EMAIL"]
        .into_iter()
        .map(|key| (key.to_owned(), format!("{key}@example.org")))
        .collect();
    surroundings.limits = Limits::for_role(Role::Lifecycle);
    // An interpreter needs it on a slow machine.
    surroundings.limits.compute = Duration::from_secs(120);
    plugin.start(surroundings).await.unwrap()
}

async fn call(hooks: &mut Hooks) {
    hooks.check(&first()).await.unwrap();
}

/// Runs a program to its end.
fn spawn(program: &str, arguments: &[&str]) -> Duration {
    let begin = Instant::now();
    let status = Command::new(program).args(arguments).stdout(Stdio::null()).status().unwrap();
    assert!(status.success(), "{program} {arguments:?}: {status}");
    begin.elapsed()
}

/// Runs `sh -c :` in a container over a new connection.
async fn exec(container: &str) -> Duration {
    let begin = Instant::now();
    let folder = std::env::temp_dir();
    let engine =
        engine::connect("unix:///var/run/docker.sock", Default::default(), &folder, "bench")
            .unwrap();
    let argv = ["sh", "-c", ":"].map(Into::into).into();
    let exec = Exec { argv, ..Exec::default() };
    let mut session = engine.exec(container, &exec).await.unwrap();
    while session.output.next().await.is_some() {}
    assert_eq!(session.exit_code.await.unwrap(), 0);
    begin.elapsed()
}

/// KiB of this process that are in memory.
fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

fn report(what: &str, mut times: Vec<Duration>) {
    times.sort();
    let shown = |time: Duration| format!("{:.3}", time.as_secs_f64() * 1e3);
    let (least, most) = (times[0], times[times.len() - 1]);
    println!(
        "{what:<54} {} ms (min {}, max {}, n {})",
        shown(times[times.len() / 2]),
        shown(least),
        shown(most),
        times.len()
    );
}
