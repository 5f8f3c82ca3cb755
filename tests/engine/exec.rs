//! Programs in containers of a real swarm, at sizes that matter for dumps.

use crate::support::common;

use std::sync::Arc;

use common::*;
use futures_util::StreamExt;
use potluck::engine::{Engine, Exec, ExecSession, Stream};
use tokio::io::AsyncWriteExt;

fn exec(argv: &[&str], stdin: bool) -> Exec {
    Exec { argv: argv.iter().map(|arg| (*arg).to_owned()).collect(), stdin, ..Default::default() }
}

/// A container that sleeps, and the guard that removes it.
async fn sleeper() -> Option<(Arc<dyn Engine>, Cleanup, String)> {
    let engine = real_engine().await?;
    let stack = unique_stack("engine-exec");
    let cleanup = Cleanup::new(&stack);
    engine.create_service(service_spec(&stack, "web", &["sleep", "3600"]), None).await.unwrap();
    let container = running_container(engine.as_ref(), &format!("{stack}_web")).await;
    Some((engine, cleanup, container))
}

/// Reads to the end: bytes of stdout, text of stderr, exit code.
async fn drain(mut session: ExecSession) -> (u64, String, i64) {
    let (mut read, mut said) = (0, Vec::new());
    while let Some(chunk) = session.output.next().await {
        let chunk = chunk.unwrap();
        match chunk.stream {
            Stream::Stdout => read += chunk.bytes.len() as u64,
            Stream::Stderr => said.extend_from_slice(&chunk.bytes),
        }
    }
    let said = String::from_utf8_lossy(&said).into_owned();
    (read, said, session.exit_code.await.unwrap())
}

/// Peak resident memory of this process, in bytes.
fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

#[tokio::test(flavor = "multi_thread")]
async fn input_and_output_of_any_size_flow_at_once_in_constant_memory() {
    const SIZE: u64 = 200 << 20;
    if !is_alone() {
        return;
    }
    let Some((engine, _cleanup, container)) = sleeper().await else { return };
    let mut session = engine.exec(&container, &exec(&["cat"], true)).await.unwrap();
    let mut stdin = session.stdin.take().unwrap();
    let before = peak_memory();
    let writer = tokio::spawn(async move {
        let piece = vec![b'x'; 1 << 20];
        for _ in 0..SIZE >> 20 {
            stdin.write_all(&piece).await.unwrap();
        }
        // `cat` ends only when this reaches it.
        stdin.shutdown().await.unwrap();
    });
    assert_eq!(drain(session).await, (SIZE, String::new(), 0));
    writer.await.unwrap();
    let grown = peak_memory() - before;
    assert!(grown < 32 << 20, "memory grew by {grown} bytes");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_stops_reading_stops_the_program() {
    let Some((engine, _cleanup, container)) = sleeper().await else { return };
    // Nobody reads the output: the pipes fill and the writer has to wait.
    let mut session = engine.exec(&container, &exec(&["cat"], true)).await.unwrap();
    let mut stdin = session.stdin.take().unwrap();
    let piece = vec![b'x'; 1 << 20];
    let stuck = async {
        for _ in 0..256 {
            stdin.write_all(&piece).await.unwrap();
        }
    };
    let limit = std::time::Duration::from_secs(5);
    assert!(tokio::time::timeout(limit, stuck).await.is_err(), "256 MB went into thin air");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_that_dies_under_a_program_never_yields_success() {
    let Some((engine, _cleanup, container)) = sleeper().await else { return };
    let script = "dd if=/dev/zero bs=1M count=1; kill -9 1; sleep 60";
    // The first process of a container is immune against signals from inside.
    let session = engine.exec(&container, &exec(&["sh", "-c", script], false)).await.unwrap();
    let id = container.clone();
    let killer = tokio::task::spawn_blocking(move || {
        std::thread::sleep(std::time::Duration::from_millis(500));
        std::process::Command::new("docker").args(["kill", &id]).output().unwrap()
    });
    let mut output = session.output;
    let mut broken = false;
    while let Some(chunk) = output.next().await {
        broken |= chunk.is_err();
    }
    let code = session.exit_code.await;
    assert!(broken || !matches!(code, Ok(0)), "it looks like success: {code:?}");
    killer.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_is_not_there_fails() {
    let Some((engine, _cleanup, container)) = sleeper().await else { return };
    let session = engine.exec(&container, &exec(&["/no/such/program"], false)).await;
    match session {
        Err(_) => {}
        Ok(session) => {
            let (_, _, code) = drain(session).await;
            assert!(code == 126 || code == 127, "exit code {code}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminal_has_one_output_and_a_size() {
    let Some((engine, _cleanup, container)) = sleeper().await else { return };
    // The size comes after the start: it is waited for, a minute at most.
    let script = "i=0; while [ \"$(stty size)\" != '33 77' ] && [ $i -lt 600 ]; do \
                  sleep 0.1; i=$((i + 1)); done; stty size; echo err >&2";
    let mut wanted = exec(&["sh", "-c", script], true);
    wanted.terminal = Some((33, 77));
    let mut session = engine.exec(&container, &wanted).await.unwrap();
    let mut text = Vec::new();
    while let Some(chunk) = session.output.next().await {
        let chunk = chunk.unwrap();
        assert_eq!(chunk.stream, Stream::Stdout);
        text.extend_from_slice(&chunk.bytes);
    }
    let text = String::from_utf8(text).unwrap();
    assert!(text.contains("33 77") && text.contains("err"), "{text:?}");
    assert_eq!(session.exit_code.await.unwrap(), 0);
}

/// CPU seconds of this process and of the children it has waited for.
fn cpu_seconds() -> (f64, f64) {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    // The name in parentheses may hold blanks; ticks are 1/100 s on Linux.
    let fields: Vec<_> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    let ticks = |field: usize| fields[field].parse::<f64>().unwrap() / 100.0;
    (ticks(11) + ticks(12), ticks(13) + ticks(14))
}

/// Not a promise but a figure: `cargo test --test engine exec:: -- --ignored
/// --nocapture`, against `docker exec` of the same bytes. The CPU time of the
/// client tells more than the speed where the machine has other work.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "prints figures, asserts nothing"]
async fn throughput_of_a_dump() {
    const MIB: u32 = 1024;
    let Some((engine, _cleanup, container)) = sleeper().await else { return };
    let count = format!("count={MIB}");
    let command = ["dd", "if=/dev/zero", "bs=1M", &count];
    for _ in 0..5 {
        let (start, (cpu, _)) = (std::time::Instant::now(), cpu_seconds());
        let session = engine.exec(&container, &exec(&command, false)).await.unwrap();
        let (read, _, code) = drain(session).await;
        assert_eq!((read, code), (u64::from(MIB) << 20, 0));
        let seconds = start.elapsed().as_secs_f64();
        let used = cpu_seconds().0 - cpu;
        println!("potluck: {:.0} MiB/s, {used:.2} s CPU", f64::from(MIB) / seconds);

        let (start, (_, cpu)) = (std::time::Instant::now(), cpu_seconds());
        let status = std::process::Command::new("docker")
            .args(["-H", &endpoint(), "exec", &container])
            .args(command)
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .status()
            .unwrap();
        assert!(status.success());
        let seconds = start.elapsed().as_secs_f64();
        let used = cpu_seconds().1 - cpu;
        println!("docker exec: {:.0} MiB/s, {used:.2} s CPU", f64::from(MIB) / seconds);
    }
}
