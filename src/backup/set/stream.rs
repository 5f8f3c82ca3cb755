//! Passes the output of a program in a service straight into restic.
//!
//! Nothing is stored on the way and memory stays constant: a piece is read
//! when restic has taken the one before. restic is allowed to see the end of
//! its input only after the program has ended with exit code 0 and its output
//! is complete (`proof.rs`); in every other case it is interrupted first, and no
//! snapshot exists.

use std::time::Duration;

use futures_util::{StreamExt, stream::BoxStream};

use super::proof::{Proof, Seen};
use crate::{
    backup::{
        error::Error,
        restic::{Summary, Tail, Upload},
    },
    engine::{self, Chunk, ExecSession, Stream},
    plugin::Belief,
};

/// How much of a dump's standard error an error shows.
const STDERR_SHOWN: usize = 4 * 1024;

/// A program that prints nothing for this long is aborted.
const SILENCE: Duration = Duration::from_secs(30 * 60);

/// What a dump is, for messages.
#[derive(Debug, Clone, Copy)]
pub struct Dump<'a> {
    pub item: &'a str,
    pub service: &'a str,
    pub belief: &'a Belief,
}

/// A dump that is stored.
#[derive(Debug)]
pub struct Stored {
    pub summary: Summary,
    pub seen: Seen,
    /// Why it may not be of the form that its name says.
    pub doubt: Option<String>,
}

/// Carries a session's standard output into `upload` and finishes it.
/// `reached` hears the bytes so far after every piece; `judge` has the last word about a
/// dump that is complete as far as its own bytes show, and says why it is refused.
///
/// # Errors
/// [`Error::Dump`] for the program, the engine or a dump that is not believed; restic's own
/// failure otherwise. No snapshot exists after an error.
pub async fn store<Judging: Future<Output = Result<(), String>>>(
    dump: Dump<'_>,
    session: ExecSession,
    mut upload: Upload,
    reached: &mut (dyn FnMut(u64) + Send),
    judge: impl FnOnce(Seen) -> Judging,
) -> Result<Stored, Error> {
    let ExecSession { stdin, mut output, exit_code, .. } = session;
    drop(stdin);
    let mut stderr = Tail::new(STDERR_SHOWN);
    let mut proof = Proof::of(dump.belief);
    let outcome = carry(&mut output, &mut upload, &mut proof, &mut stderr, reached).await;
    drop(output);
    let failed = |reason: String, stderr: Tail| Error::Dump {
        item: dump.item.into(),
        service: dump.service.into(),
        reason,
        stderr: stderr.into_text(),
    };
    let doubt = proof.doubt(dump.item);
    let error = match outcome {
        Err(Broken::Restic(error)) => error,
        Err(Broken::Silent) => {
            failed(format!("it printed nothing for {} minutes", SILENCE.as_secs() / 60), stderr)
        }
        Err(Broken::Engine(error)) => failed(error.to_string(), stderr),
        Ok(()) => match exit_code.await {
            Err(error) => failed(error.to_string(), stderr),
            Ok(0) if upload.written() == 0 => {
                failed("it succeeded but wrote nothing".into(), stderr)
            }
            Ok(0) => match judged(proof, judge).await {
                Ok(seen) => return Ok(Stored { summary: upload.finish().await?, seen, doubt }),
                Err(reason) => failed(format!("its command succeeded, but {reason}"), stderr),
            },
            Ok(code) => failed(format!("its command ended with exit code {code}"), stderr),
        },
    };
    upload.abort().await;
    Err(error)
}

async fn judged<Judging: Future<Output = Result<(), String>>>(
    proof: Proof,
    judge: impl FnOnce(Seen) -> Judging,
) -> Result<Seen, String> {
    let seen = proof.end()?;
    judge(seen.clone()).await?;
    Ok(seen)
}

enum Broken {
    Silent,
    Engine(engine::Error),
    Restic(Error),
}

async fn carry(
    output: &mut BoxStream<'static, Result<Chunk, engine::Error>>,
    upload: &mut Upload,
    proof: &mut Proof,
    stderr: &mut Tail,
    reached: &mut (dyn FnMut(u64) + Send),
) -> Result<(), Broken> {
    loop {
        let next = tokio::time::timeout(SILENCE, output.next()).await;
        let Some(chunk) = next.map_err(|_| Broken::Silent)? else { return Ok(()) };
        let Chunk { stream, bytes } = chunk.map_err(Broken::Engine)?;
        match stream {
            Stream::Stdout => {
                proof.push(&bytes);
                upload.write(&bytes).await.map_err(Broken::Restic)?;
                reached(upload.written());
            }
            Stream::Stderr => stderr.push(&bytes),
        }
    }
}
