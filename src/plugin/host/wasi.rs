//! WASI preview 2 with everything denied, for guests that a language's
//! standard library ties to it (CPython, Rust's `wasm32-wasip2`, …).
//!
//! No files, no arguments, no environment, no sockets, no name lookup. A clock
//! and randomness work; what is written to stdout and stderr becomes log lines.

use std::{
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::Duration,
};

use tokio::io::AsyncWrite;
use wasmtime::component::Linker;
use wasmtime_wasi::{
    HostWallClock, WasiCtx, WasiCtxView, WasiView,
    cli::{IsTerminal, StdoutStream},
};

use super::{State, revealed::Revealed};
use crate::{
    plugin::{Outside, Surroundings, text},
    progress::{Event, Level, Sink},
};

/// Bytes that a guest may take from `wasi:random` at once.
const RANDOM: u64 = 64 << 10;
/// A longer line is passed on in pieces.
const LINE: usize = 4096;

/// Not to be combined with `define_unknown_imports_as_traps`, which shadows
/// interfaces of another patch version.
pub fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    wasmtime_wasi::p2::add_to_linker_async(linker)
}

pub fn context(plugin: &str, surroundings: &Surroundings, revealed: Revealed) -> WasiCtx {
    let log = |level| Output {
        shared: Arc::new(Mutex::new(Shared {
            plugin: plugin.to_owned(),
            level,
            line: Vec::new(),
            left: surroundings.limits.log,
            progress: surroundings.progress.clone(),
            revealed: revealed.clone(),
        })),
    };
    let mut wasi = WasiCtx::builder();
    wasi.stdout(log(Level::Info))
        .stderr(log(Level::Warn))
        .wall_clock(Clock(surroundings.outside.clone()))
        .max_random_size(RANDOM)
        .allow_tcp(false)
        .allow_udp(false)
        .allow_ip_name_lookup(false);
    wasi.build()
}

/// The same clock as that of `tools`.
struct Clock(Arc<dyn Outside>);

impl HostWallClock for Clock {
    fn resolution(&self) -> Duration {
        Duration::from_nanos(1)
    }

    fn now(&self) -> Duration {
        self.0.now()
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

/// Standard output as log lines.
#[derive(Clone)]
struct Output {
    shared: Arc<Mutex<Shared>>,
}

struct Shared {
    plugin: String,
    level: Level,
    line: Vec<u8>,
    /// Bytes that may still be logged.
    left: usize,
    progress: Arc<dyn Sink>,
    revealed: Revealed,
}

impl Shared {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            if *byte == b'\n' || self.line.len() >= LINE {
                self.flush();
            }
            if *byte != b'\n' {
                self.line.push(*byte);
            }
        }
    }

    fn flush(&mut self) {
        let line = String::from_utf8_lossy(&self.line).into_owned();
        self.line.clear();
        if line.trim().is_empty() || self.left == 0 {
            return;
        }
        self.left = self.left.saturating_sub(line.len());
        let message = if self.left == 0 {
            "wrote more than may be logged; the rest is dropped".to_owned()
        } else {
            text::clean_line(&self.revealed.redact(text::clean(&line)), LINE)
        };
        let plugin = self.plugin.clone();
        self.progress.event(Event::Hook { plugin, level: self.level, message });
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.flush();
    }
}

impl IsTerminal for Output {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Output {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }
}

impl AsyncWrite for Output {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        // A poisoned lock only means that a line is incomplete.
        self.shared.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).write(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
