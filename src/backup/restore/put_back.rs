//! Restores a dump: from restic straight into the standard input of a
//! command in a service.

use std::time::Duration;

use futures_util::StreamExt;
use tokio::io::AsyncWriteExt;

use crate::backup::{
    error::Error,
    restic::{Download, Tail},
    set::stream::Dump,
};
use crate::engine::{Chunk, ExecSession};

/// Large pieces keep the number of wake-ups low; there is one such buffer.
const PIECE: usize = 256 * 1024;
/// How much of what the command says an error shows.
const SHOWN: usize = 4 * 1024;
/// What the command may take for the end of its work after its input ended:
/// a database builds its indexes then.
const FINISH: Duration = Duration::from_secs(2 * 60 * 60);

/// Feeds `download` to the session's program and returns the bytes fed.
///
/// # Errors
/// [`Error::PutBack`] unless the program read everything and ended with 0;
/// restic's own failure otherwise.
pub async fn put_back(
    dump: Dump<'_>,
    mut download: Download,
    session: ExecSession,
    reached: &mut (dyn FnMut(u64) + Send),
) -> Result<u64, Error> {
    let ExecSession { stdin, mut output, exit_code, .. } = session;
    let failed = |reason: String, said: Tail| Error::PutBack {
        item: dump.item.into(),
        service: dump.service.into(),
        reason,
        stderr: said.into_text(),
    };
    let Some(mut stdin) = stdin else {
        return Err(failed("it has no standard input".into(), Tail::new(0)));
    };
    let feed = async {
        let mut buffer = vec![0; PIECE];
        let mut fed = 0;
        loop {
            let n = download.read(&mut buffer).await.map_err(Fed::Restic)?;
            if n == 0 {
                break;
            }
            stdin.write_all(&buffer[..n]).await.map_err(|_| Fed::Refused)?;
            fed += n as u64;
            reached(fed);
        }
        // Before the program may see the end of its input: only restic's exit
        // code says that this was all of it.
        download.finish().await.map_err(Fed::Restic)?;
        // A program that ended with its last byte has closed its side already.
        let _ = stdin.shutdown().await;
        Ok(fed)
    };
    // What the program says is read all along: it would stand still with a
    // full pipe.
    let mut said = Tail::new(SHOWN);
    let listen = async {
        while let Some(chunk) = output.next().await {
            let Chunk { bytes, .. } = chunk.map_err(|e| e.to_string())?;
            said.push(&bytes);
        }
        Ok::<(), String>(())
    };
    tokio::pin!(listen);
    let (fed, heard) = tokio::select! {
        fed = feed => match fed {
            Err(Fed::Restic(error)) => return Err(error),
            fed => {
                let heard = tokio::time::timeout(FINISH, &mut listen).await;
                (Some(fed), heard.unwrap_or_else(|_| Err("it did not end".into())))
            }
        },
        // The program closed its outputs before it had read everything.
        heard = &mut listen => (None, heard),
    };
    if let Err(reason) = heard {
        return Err(failed(reason, said));
    }
    match (exit_code.await, fed) {
        (Err(error), _) => Err(failed(error.to_string(), said)),
        (Ok(0), Some(Ok(fed))) => Ok(fed),
        (Ok(0), _) => Err(failed("it ended without reading everything".into(), said)),
        (Ok(code), _) => Err(failed(format!("its command ended with exit code {code}"), said)),
    }
}

enum Fed {
    Restic(Error),
    /// The program's input is closed.
    Refused,
}
