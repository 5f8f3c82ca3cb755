//! A local repository, served to one restic on the other end of a connection.
//!
//! restic's REST protocol, version 2 (restic, `doc/REST_backend.rst`), over HTTP/2 as
//! restic speaks it to `rclone serve restic --stdio`. The other end is a machine that may
//! be taken over one day: it can read the (encrypted) repository and add to it, but replace
//! nothing and remove nothing except locks, and every file that it adds has to be what its
//! name says.

use std::{
    io::{self, SeekFrom},
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;
use futures_util::StreamExt;
use http_body_util::{BodyExt, Empty, Full, StreamBody, combinators::BoxBody};
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Frame, Incoming},
    header::{CONTENT_LENGTH, CONTENT_TYPE, RANGE},
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde::Serialize;
use sha2::{Digest, Sha256};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncSeekExt, AsyncWrite, AsyncWriteExt};
use tokio_util::io::ReaderStream;

/// What lists are, in the second version of the protocol.
const LIST: &str = "application/vnd.x.restic.rest.v2";
/// Pieces of a file.
const PIECE: usize = 128 * 1024;
/// How much of the data may be on its way: a slow line is kept busy.
const WINDOW: u32 = 4 * 1024 * 1024;

type Body = BoxBody<Bytes, io::Error>;

/// Kinds of files of a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Data,
    Keys,
    Locks,
    Snapshots,
    Index,
}

impl Kind {
    fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "data" => Kind::Data,
            "keys" => Kind::Keys,
            "locks" => Kind::Locks,
            "snapshots" => Kind::Snapshots,
            "index" => Kind::Index,
            _ => return None,
        })
    }

    fn folder(self) -> &'static str {
        match self {
            Kind::Data => "data",
            Kind::Keys => "keys",
            Kind::Locks => "locks",
            Kind::Snapshots => "snapshots",
            Kind::Index => "index",
        }
    }
}

/// What a request names.
#[derive(Debug, PartialEq, Eq)]
enum Named {
    Repository,
    Config,
    All(Kind),
    File(Kind, String),
}

impl Named {
    fn parse(path: &str) -> Option<Self> {
        let parts: Vec<&str> = path.strip_prefix('/')?.split('/').collect();
        match parts[..] {
            [""] => Some(Named::Repository),
            ["config"] => Some(Named::Config),
            [kind, ""] => Some(Named::All(Kind::parse(kind)?)),
            [kind, name] if is_id(name) => Some(Named::File(Kind::parse(kind)?, name.into())),
            _ => None,
        }
    }

    fn path(&self, root: &Path) -> PathBuf {
        match self {
            Named::Repository => root.to_owned(),
            Named::Config => root.join("config"),
            Named::All(kind) => root.join(kind.folder()),
            Named::File(Kind::Data, name) => root.join("data").join(&name[..2]).join(name),
            Named::File(kind, name) => root.join(kind.folder()).join(name),
        }
    }
}

/// The SHA-256 of a file, which is its name.
fn is_id(name: &str) -> bool {
    name.len() == 64 && name.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

/// Serves the repository in a folder until the connection ends.
pub(super) async fn serve(
    root: PathBuf,
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
) {
    let root = Arc::new(root);
    let answering = service_fn(move |request| {
        let root = Arc::clone(&root);
        async move { Ok::<_, std::convert::Infallible>(answer(&root, request).await) }
    });
    let connection = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(WINDOW)
        .serve_connection(TokioIo::new(stream), answering);
    if let Err(error) = connection.await {
        // restic itself says what it misses.
        tracing::debug!(%error, "the connection to restic in the helper");
    }
}

async fn answer(root: &Path, request: Request<Incoming>) -> Response<Body> {
    let Some(named) = Named::parse(request.uri().path()) else {
        return only(StatusCode::NOT_FOUND);
    };
    let method = request.method().clone();
    let answered = match (&method, &named) {
        (&Method::GET, Named::All(kind)) => list(root, *kind).await,
        (&Method::GET | &Method::HEAD, Named::Config | Named::File(..)) => {
            let range = request.headers().get(RANGE).and_then(|range| range.to_str().ok());
            read(&named.path(root), &method, range).await
        }
        (&Method::POST, Named::Config | Named::File(..)) => store(root, &named, request).await,
        (&Method::DELETE, Named::File(Kind::Locks, _)) => remove(&named.path(root)).await,
        // Also the making of a repository: that is done before, on this side.
        _ => Ok(only(StatusCode::FORBIDDEN)),
    };
    answered.unwrap_or_else(|error| {
        if error.kind() == io::ErrorKind::NotFound {
            return only(StatusCode::NOT_FOUND);
        }
        tracing::warn!(%method, path = %named.path(root).display(), %error, "serving the repository");
        let said = Full::new(Bytes::from(error.to_string())).map_err(|never| match never {});
        let code = match error.kind() {
            io::ErrorKind::StorageFull => StatusCode::INSUFFICIENT_STORAGE,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        response(code, said.boxed())
    })
}

fn response(code: StatusCode, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = code;
    response
}

fn only(code: StatusCode) -> Response<Body> {
    response(code, Empty::new().map_err(|never| match never {}).boxed())
}

#[derive(Serialize)]
struct Entry {
    name: String,
    size: u64,
}

async fn list(root: &Path, kind: Kind) -> io::Result<Response<Body>> {
    let folder = Named::All(kind).path(root);
    let entries = tokio::task::spawn_blocking(move || {
        let mut found = Vec::new();
        match kind {
            Kind::Data => {
                for below in std::fs::read_dir(folder)? {
                    let below = below?;
                    if below.file_type()?.is_dir() {
                        entries_in(&below.path(), &mut found)?;
                    }
                }
            }
            _ => entries_in(&folder, &mut found)?,
        }
        Ok::<_, io::Error>(found)
    });
    let entries = entries.await.map_err(io::Error::other)??;
    let json = serde_json::to_vec(&entries).map_err(io::Error::other)?;
    let body = Full::new(Bytes::from(json)).map_err(|never| match never {}).boxed();
    let mut response = response(StatusCode::OK, body);
    response.headers_mut().insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static(LIST));
    Ok(response)
}

fn entries_in(folder: &Path, into: &mut Vec<Entry>) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let Some(name) = entry.file_name().to_str().filter(|name| is_id(name)).map(str::to_owned)
        else {
            continue;
        };
        into.push(Entry { name, size: entry.metadata()?.len() });
    }
    Ok(())
}

/// From where to where, of so many bytes: `bytes=a-b`, `bytes=a-`.
fn range_of(range: &str, size: u64) -> Option<(u64, u64)> {
    let (from, to) = range.strip_prefix("bytes=")?.split_once('-')?;
    let from: u64 = from.parse().ok()?;
    let to = if to.is_empty() { size.checked_sub(1)? } else { to.parse::<u64>().ok()? };
    let to = to.min(size.checked_sub(1)?);
    (from <= to).then(|| (from, to - from + 1))
}

async fn read(path: &Path, method: &Method, range: Option<&str>) -> io::Result<Response<Body>> {
    let mut file = tokio::fs::File::open(path).await?;
    let size = file.metadata().await?.len();
    let (code, from, length) = match range.map(|range| range_of(range, size)) {
        None => (StatusCode::OK, 0, size),
        Some(Some((from, length))) => (StatusCode::PARTIAL_CONTENT, from, length),
        Some(None) => return Ok(only(StatusCode::RANGE_NOT_SATISFIABLE)),
    };
    let body = if method == Method::HEAD {
        Empty::new().map_err(|never| match never {}).boxed()
    } else {
        file.seek(SeekFrom::Start(from)).await?;
        let pieces = ReaderStream::with_capacity(file.take(length), PIECE);
        BodyExt::boxed(StreamBody::new(pieces.map(|piece| piece.map(Frame::data))))
    };
    let mut response = response(code, body);
    response.headers_mut().insert(CONTENT_LENGTH, length.into());
    Ok(response)
}

/// Writes a new file, whole or not at all.
async fn store(
    root: &Path,
    named: &Named,
    request: Request<Incoming>,
) -> io::Result<Response<Body>> {
    let path = named.path(root);
    if tokio::fs::try_exists(&path).await? {
        return Ok(only(StatusCode::FORBIDDEN));
    }
    // Beside no file that restic lists.
    let (writing, temporary) = tempfile::NamedTempFile::new_in(root)?.into_parts();
    let mut file = tokio::fs::File::from_std(writing);
    let (mut hash, mut body) = (Sha256::new(), request.into_body());
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame.map_err(io::Error::other)?.into_data() {
            hash.update(&data);
            file.write_all(&data).await?;
        }
    }
    if let Named::File(_, name) = named
        && hex::encode(hash.finalize()) != *name
    {
        return Ok(only(StatusCode::BAD_REQUEST));
    }
    file.flush().await?;
    file.sync_all().await?;
    let placed = tokio::task::spawn_blocking(move || {
        if let Some(folder) = path.parent() {
            std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        }
        // restic's own mode of a file that never changes.
        std::fs::set_permissions(&temporary, std::fs::Permissions::from_mode(0o400))?;
        temporary.persist_noclobber(&path).map_err(|error| error.error)?;
        match path.parent() {
            Some(folder) => std::fs::File::open(folder)?.sync_all(),
            None => Ok(()),
        }
    });
    placed.await.map_err(io::Error::other)??;
    Ok(only(StatusCode::OK))
}

async fn remove(path: &Path) -> io::Result<Response<Body>> {
    tokio::fs::remove_file(path).await?;
    Ok(only(StatusCode::OK))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_of_a_repository_are_named() {
        let id = "ab".repeat(32);
        let root = Path::new("/r");
        let path = |text: &str| Named::parse(text).map(|named| named.path(root));
        assert_eq!(path("/config"), Some("/r/config".into()));
        assert_eq!(path(&format!("/data/{id}")), Some(format!("/r/data/ab/{id}").into()));
        assert_eq!(path(&format!("/locks/{id}")), Some(format!("/r/locks/{id}").into()));
        assert_eq!(path("/keys/"), Some("/r/keys".into()));
        for bad in [
            "",
            "config",
            "/etc/passwd",
            "/data/..",
            "/data/../config",
            "/data/ab",
            "//config",
            "/keys",
            "/data/%2e%2e",
            "/file-123",
        ] {
            assert_eq!(path(bad), None, "{bad}");
        }
        let upper = "AB".repeat(32);
        assert_eq!(path(&format!("/data/{upper}")), None);
    }

    #[test]
    fn ranges_are_inside_the_file() {
        for (range, found) in [
            ("bytes=0-9", Some((0, 10))),
            ("bytes=5-", Some((5, 5))),
            ("bytes=5-100", Some((5, 5))),
            ("bytes=10-", None),
            ("bytes=-5", None),
            ("lines=0-1", None),
        ] {
            assert_eq!(range_of(range, 10), found, "{range}");
        }
        assert_eq!(range_of("bytes=0-", 0), None);
    }
}
