//! A connection that gives up on an endless answer.
//!
//! bollard reads an answer into memory whatever its length, and an engine may be somebody
//! else's. A unix socket is opened anew for each call, so the limit on a connection limits
//! one answer; streams (logs, archives, programs) are read piece by piece and have no
//! limit.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use hyper_util::client::legacy::connect::{Connected, Connection};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// An answer larger than this is refused; a service is a few kilobytes.
pub(super) const LARGEST_ANSWER: u64 = 64 * 1024 * 1024;

/// Whether what answers a request is read piece by piece.
pub(super) fn is_stream(path: &str) -> bool {
    ["/logs", "/archive", "/start", "/attach"].iter().any(|end| path.ends_with(end))
}

/// A connection that delivers at most so many bytes.
#[derive(Debug)]
pub(super) struct Bounded<S> {
    inner: S,
    left: u64,
}

impl<S> Bounded<S> {
    pub fn new(inner: S, most: u64) -> Self {
        Bounded { inner, left: most }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Bounded<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.inner).poll_read(context, buffer))?;
        let read = (buffer.filled().len() - before) as u64;
        match self.left.checked_sub(read) {
            Some(left) => {
                self.left = left;
                Poll::Ready(Ok(()))
            }
            None => Poll::Ready(Err(io::Error::other("the engine's answer is too long"))),
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Bounded<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}

impl<S> Connection for Bounded<S> {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::UnixListener,
    };

    use super::*;
    use crate::engine::{Engine, Scope, swarm::SwarmEngine};

    #[test]
    fn what_is_read_piece_by_piece_has_no_bound() {
        for path in
            ["/v1.41/services/x/logs", "/tasks/x/logs", "/containers/x/archive", "/exec/x/start"]
        {
            assert!(is_stream(path), "{path}");
        }
        for path in ["/services", "/v1.41/volumes/logs-of-wiki", "/info", "/exec/x/json"] {
            assert!(!is_stream(path), "{path}");
        }
    }

    /// An engine that answers everything without end, or sends elsewhere.
    async fn answers(folder: &std::path::Path, head: &'static str) -> SwarmEngine {
        let socket = folder.join("engine.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let mut asked = [0; 4096];
                    let _ = near.read(&mut asked).await;
                    let _ = near.write_all(head.as_bytes()).await;
                    let endless = vec![b' '; 64 * 1024];
                    while near.write_all(&endless).await.is_ok() {}
                });
            }
        });
        SwarmEngine::connect(&format!("unix://{}", socket.display())).unwrap()
    }

    #[tokio::test]
    async fn an_answer_without_end_is_given_up() {
        for head in ["HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 500 No\r\n\r\n"] {
            let folder = tempfile::tempdir().unwrap();
            let engine = answers(folder.path(), head).await;
            for error in [
                engine.volumes(Scope::All).await.map(drop).unwrap_err(),
                engine.services(Scope::All).await.map(drop).unwrap_err(),
                engine.create_volume("v", Default::default()).await.map(drop).unwrap_err(),
            ] {
                let text = error.to_string();
                assert!(text.contains("too long") || text.contains("length limit"), "{text}");
            }
        }
    }

    #[tokio::test]
    async fn a_redirect_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let head = "HTTP/1.1 307 Elsewhere\r\nLocation: http://127.0.0.1:1/\r\n\
                    Content-Length: 2\r\nConnection: close\r\n\r\n{}";
        let engine = answers(folder.path(), head).await;
        for error in [
            engine.volumes(Scope::All).await.map(drop).unwrap_err(),
            engine.services(Scope::All).await.map(drop).unwrap_err(),
        ] {
            let text = error.to_string();
            assert!(!text.contains("refused (os error"), "{text}");
        }
    }
}
