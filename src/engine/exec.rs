//! A program run inside a running container, with its streams.

use std::{fmt, pin::Pin};

use bytes::Bytes;
use futures_util::{future::BoxFuture, stream::BoxStream};
use tokio::io::AsyncWrite;

use super::{Error, Stream};

/// What to run.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Exec {
    /// Program and arguments; no shell.
    pub argv: Vec<String>,
    pub env: Vec<(String, String)>,
    pub user: Option<String>,
    pub workdir: Option<String>,
    /// A terminal of this many rows and columns; its output comes as stdout.
    pub terminal: Option<(u16, u16)>,
    /// Whether the program gets a standard input at all.
    pub stdin: bool,
}

/// A piece of output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    pub stream: Stream,
    pub bytes: Bytes,
}

/// A program that runs. Dropping it closes its streams but, as Docker has no
/// call for that, does not end the program.
pub struct ExecSession {
    /// For [`super::Engine::resize`].
    pub id: String,
    /// Shut it down to let the program see the end of its input. None when no
    /// input was asked for.
    pub stdin: Option<Pin<Box<dyn AsyncWrite + Send>>>,
    /// Ends when the program has closed its outputs.
    pub output: BoxStream<'static, Result<Chunk, Error>>,
    /// The exit code; resolves after `output` has ended. If it cannot be
    /// found out, that is an error, never 0.
    pub exit_code: BoxFuture<'static, Result<i64, Error>>,
}

impl fmt::Debug for ExecSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExecSession").field("id", &self.id).finish_non_exhaustive()
    }
}
