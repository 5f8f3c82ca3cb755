//! Bytes that a plugin itself produces or takes in, never held whole in memory.
//!
//! Outside WebAssembly they come from a test: [`crate::testing::sink`] and
//! [`crate::testing::source`].

use std::io;

use crate::bindings::recipe::bytes as wit;

/// Where [`crate::Backup::produce`] writes to; an [`io::Write`]. What was written
/// was taken by the host.
#[derive(Debug)]
pub struct Sink(pub(crate) Out);

#[derive(Debug)]
pub(crate) enum Out {
    Host(wit::Sink),
    #[cfg(not(target_family = "wasm"))]
    Test(crate::testing::Written),
}

/// Where [`crate::Backup::consume`] reads from; an [`io::Read`].
#[derive(Debug)]
pub struct Source(pub(crate) In);

#[derive(Debug)]
pub(crate) enum In {
    Host(wit::Source),
    #[cfg(not(target_family = "wasm"))]
    Test(io::Cursor<Vec<u8>>),
}

impl From<wit::Sink> for Sink {
    fn from(sink: wit::Sink) -> Self {
        Sink(Out::Host(sink))
    }
}

impl From<wit::Source> for Source {
    fn from(source: wit::Source) -> Self {
        Source(In::Host(source))
    }
}

impl io::Write for Sink {
    fn write(&mut self, chunk: &[u8]) -> io::Result<usize> {
        match &mut self.0 {
            Out::Host(sink) => sink.write(chunk).map_err(io::Error::other)?,
            #[cfg(not(target_family = "wasm"))]
            Out::Test(written) => written.add(chunk),
        }
        Ok(chunk.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl io::Read for Source {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.0 {
            In::Host(source) => {
                let wanted = u32::try_from(buffer.len()).unwrap_or(u32::MAX);
                let chunk = source.read(wanted).map_err(io::Error::other)?;
                let length = chunk.len().min(buffer.len());
                buffer[..length].copy_from_slice(&chunk[..length]);
                Ok(length)
            }
            #[cfg(not(target_family = "wasm"))]
            In::Test(bytes) => bytes.read(buffer),
        }
    }
}
