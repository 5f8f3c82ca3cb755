//! Compiling a component, and giving up on one that takes too much.
//!
//! A component of some kilobytes can keep the compiler at work for hours: what it does with
//! one function grows with the function's variables times its branches, and nothing that
//! can be counted beforehand tells such a function from CPython's interpreter. The compiler
//! cannot be stopped either. So it works on a thread of its own, which is abandoned if it
//! takes too long or too much memory; it ends with the process, as at Ctrl-C. Until then it
//! slows down further compilations in the same process, so the command should end.

use std::{
    fs,
    time::{Duration, Instant},
};

use tokio::sync::{Semaphore, oneshot};
use wasmtime::{Engine, component::Component};

use super::limits::{Exceeded, MIB};

/// Limits for compiling one component. On one busy core of a small machine
/// CPython's takes a minute, and 400 MiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CompileLimits {
    pub time: Duration,
    /// Bytes by which the process may grow meanwhile, if that can be measured.
    pub memory: usize,
}

impl Default for CompileLimits {
    fn default() -> Self {
        CompileLimits { time: Duration::from_secs(10 * 60), memory: 2048 * MIB }
    }
}

/// How often the limits are checked.
const POLL: Duration = Duration::from_millis(100);

/// Why there is no compiled component.
pub enum Failed {
    Exceeded(Exceeded),
    /// It is not a valid component, or the compiler failed.
    Damaged(String),
}

/// Compiles one component after the other: the compiler itself uses all cores, and
/// so the used memory can be attributed to one component.
pub struct Compiler {
    limits: CompileLimits,
    turn: Semaphore,
}

impl Compiler {
    pub fn new(limits: CompileLimits) -> Self {
        Compiler { limits, turn: Semaphore::new(1) }
    }

    /// Compiles.
    ///
    /// # Errors
    /// [`Failed`]
    pub async fn compile(&self, engine: &Engine, bytes: &[u8]) -> Result<Component, Failed> {
        // Never closed.
        let _turn = self.turn.acquire().await.ok();
        let (engine, bytes) = (engine.clone(), bytes.to_vec());
        let (done, mut compiled) = oneshot::channel();
        let (began, before) = (Instant::now(), resident());
        std::thread::Builder::new()
            .name("plugin-compile".into())
            // Nobody waits for what took too long.
            .spawn(move || drop(done.send(Component::from_binary(&engine, &bytes))))
            .map_err(|error| Failed::Damaged(format!("there is no thread to compile: {error}")))?;
        loop {
            tokio::select! {
                component = &mut compiled => return match component {
                    Ok(component) => component.map_err(|e| Failed::Damaged(format!("{e:#}"))),
                    // A panic of the compiler on hostile bytes.
                    Err(_) => Err(Failed::Damaged("the compiler gave up on it".into())),
                },
                () = tokio::time::sleep(POLL) => {}
            }
            let CompileLimits { time, memory } = self.limits;
            if began.elapsed() > time {
                return Err(Failed::Exceeded(Exceeded::Wall { limit: time }));
            }
            let grown = resident().zip(before).map(|(now, before)| now.saturating_sub(before));
            if grown.is_some_and(|grown| grown > memory) {
                return Err(Failed::Exceeded(Exceeded::Memory { limit: memory }));
            }
        }
    }
}

/// Memory of the process in bytes, if the system says.
fn resident() -> Option<usize> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: usize = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kibibytes << 10)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    #[test]
    fn linux_tells_how_much_memory_there_is() {
        assert!(super::resident().is_some_and(|bytes| bytes > 1 << 20));
    }
}
