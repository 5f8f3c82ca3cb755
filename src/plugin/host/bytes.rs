//! Streams that a plugin writes or reads, handed over as resources.
//!
//! One chunk is in memory at a time: the guest's call returns when the host's
//! end has taken it. The host keeps the other end and takes the stream back
//! when the hook returns, so that a handle which a guest has kept is dead.

use std::sync::Arc;

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    sync::Mutex,
};
use wasmtime::component::{HasSelf, Linker, Resource};

use super::State;
use crate::plugin::bindings::bytes;

/// The most that one `read` hands over, whatever the guest asks for.
const CHUNK: usize = 1 << 20;

type Writer = Box<dyn AsyncWrite + Send + Unpin>;
type Reader = Box<dyn AsyncRead + Send + Unpin>;

/// One end of a stream: open, or closed with the error that ended it.
pub struct End<T> {
    stream: Option<T>,
    /// The error of the host's side, which is the cause of the guest's
    /// error.
    error: Option<std::io::Error>,
}

/// What `bytes.sink` is on the host's side.
#[derive(Clone)]
pub struct SinkStream(Arc<Mutex<End<Writer>>>);

/// What `bytes.source` is on the host's side.
#[derive(Clone)]
pub struct SourceStream(Arc<Mutex<End<Reader>>>);

const CLOSED: &str = "the stream is closed";

impl SinkStream {
    pub fn new(into: Writer) -> Self {
        SinkStream(Arc::new(Mutex::new(End { stream: Some(into), error: None })))
    }

    async fn write(&self, chunk: &[u8]) -> Result<(), String> {
        let mut end = self.0.lock().await;
        let Some(stream) = end.stream.as_mut() else { return Err(CLOSED.into()) };
        if let Err(error) = stream.write_all(chunk).await {
            let message = error.to_string();
            *end = End { stream: None, error: Some(error) };
            return Err(message);
        }
        Ok(())
    }

    /// Takes the stream back. With `complete`, the buffer is flushed and the
    /// writer is shut down; without, the writer is dropped.
    pub async fn close(&self, complete: bool) -> std::io::Result<()> {
        let mut end = self.0.lock().await;
        let stream = end.stream.take();
        if let Some(error) = end.error.take() {
            return Err(error);
        }
        match stream {
            Some(mut stream) if complete => stream.shutdown().await,
            _ => Ok(()),
        }
    }
}

impl SourceStream {
    pub fn new(from: Reader) -> Self {
        SourceStream(Arc::new(Mutex::new(End { stream: Some(from), error: None })))
    }

    async fn read(&self, max: usize) -> Result<Vec<u8>, String> {
        let mut end = self.0.lock().await;
        let Some(stream) = end.stream.as_mut() else { return Err(CLOSED.into()) };
        let mut chunk = vec![0; max.min(CHUNK)];
        match stream.read(&mut chunk).await {
            Ok(length) => {
                chunk.truncate(length);
                Ok(chunk)
            }
            Err(error) => {
                let message = error.to_string();
                *end = End { stream: None, error: Some(error) };
                Err(message)
            }
        }
    }

    /// Takes the stream back; an error if reading had failed.
    pub async fn close(&self) -> std::io::Result<()> {
        let mut end = self.0.lock().await;
        end.stream = None;
        end.error.take().map_or(Ok(()), Err)
    }
}

pub fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    bytes::add_to_linker::<_, HasSelf<State>>(linker, |state| state)
}

impl bytes::Host for State {}

// Reads and writes do not count as host calls: a large dump is made of many,
// and they are held back by the other end and by the time limit.
impl bytes::HostSink for State {
    async fn write(
        &mut self,
        sink: Resource<SinkStream>,
        chunk: Vec<u8>,
    ) -> wasmtime::Result<Result<(), String>> {
        let sink = self.table.get(&sink)?.clone();
        Ok(sink.write(&chunk).await)
    }

    async fn drop(&mut self, sink: Resource<SinkStream>) -> wasmtime::Result<()> {
        self.table.delete(sink)?;
        Ok(())
    }
}

impl bytes::HostSource for State {
    async fn read(
        &mut self,
        source: Resource<SourceStream>,
        max: u32,
    ) -> wasmtime::Result<Result<Vec<u8>, String>> {
        let source = self.table.get(&source)?.clone();
        let max = usize::try_from(max).unwrap_or(usize::MAX).max(1);
        Ok(source.read(max).await)
    }

    async fn drop(&mut self, source: Resource<SourceStream>) -> wasmtime::Result<()> {
        self.table.delete(source)?;
        Ok(())
    }
}
