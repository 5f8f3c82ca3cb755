//! Programs in simulated containers: the script answers.

use std::{io, path::PathBuf};

use bytes::Bytes;
use futures_util::{FutureExt, StreamExt, stream};
use serde_json::json;
use tokio::{
    fs::File,
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt, DuplexStream},
    sync::{mpsc, oneshot},
};

use super::{files::Files, script::ExecRule};
use crate::engine::{Chunk, Error, Exec, ExecSession, Stream};

/// Size of pipes and of pieces of files, in bytes.
const PIECE: usize = 64 * 1024;

/// How it begins that a program has no answer: the service and the arguments follow, as JSON.
pub const UNANSWERED: &str = "simulated: no answer is scripted in the service ";

/// How much of an input is looked at for an answer, in bytes.
const LONGEST_QUESTION: u64 = 1024 * 1024;

/// Starts to answer; see [`ExecSession`].
pub(super) fn start(
    id: String,
    endpoint: &str,
    server: &str,
    service: &str,
    exec: &Exec,
    rule: Option<ExecRule>,
    files: Files,
) -> ExecSession {
    let unanswered = format!("{UNANSWERED}{} for {}", json!(service), json!(exec.argv));
    let rule = rule.unwrap_or_else(|| ExecRule {
        stderr: format!(
            "{unanswered}; one is written into state/simulated/{server}/script.yml, in potluck's \
             folder\n"
        ),
        exit_code: 127,
        ..ExecRule::default()
    });
    let (stdin, input) = if exec.stdin {
        let (near, far) = tokio::io::duplex(PIECE);
        (Some(near), Some(far))
    } else {
        (None, None)
    };
    let (chunks, output) = mpsc::channel(4);
    let (ended, exit) = oneshot::channel();
    let terminal = exec.terminal.is_some();
    let answer = Player { rule, files, chunks, terminal, unanswered };
    let broken = Error::Unreachable {
        endpoint: endpoint.to_owned(),
        reason: "the output of the program was cut off".to_owned(),
    };
    let unknown = Error::Unreachable {
        endpoint: endpoint.to_owned(),
        reason: "the container died".to_owned(),
    };
    tokio::spawn(async move {
        let chunks = answer.chunks.clone();
        let code = answer.play(input).await;
        // Nobody may listen any more, which is their right.
        match code {
            Some(code) => drop(ended.send(code)),
            None => drop(chunks.send(Err(broken)).await),
        }
    });
    let output = stream::unfold(output, |mut output| async move {
        output.recv().await.map(|chunk| (chunk, output))
    });
    ExecSession {
        id,
        stdin: stdin.map(|stdin| Box::pin(stdin) as _),
        output: output.boxed(),
        exit_code: async move { exit.await.map_err(|_| unknown) }.boxed(),
    }
}

struct Player {
    rule: ExecRule,
    files: Files,
    chunks: mpsc::Sender<Result<Chunk, Error>>,
    terminal: bool,
    /// That there is no answer.
    unanswered: String,
}

impl Player {
    /// Plays the rule; the exit code, or none when the container died.
    async fn play(self, input: Option<DuplexStream>) -> Option<i64> {
        let played = match (self.rule.answers.is_empty(), input) {
            (false, Some(input)) => self.answer(input).await,
            (_, input) => self.streams(input).await.map(|()| Some(self.rule.exit_code)),
        };
        let code = match played {
            Ok(Some(code)) => code,
            Ok(None) => {
                let text = format!("{} with this input\n", self.unanswered);
                self.say(Stream::Stderr, Bytes::from(text)).await;
                1
            }
            Err(error) => {
                let text = format!("simulated: {error}\n");
                self.say(Stream::Stderr, Bytes::from(text)).await;
                1
            }
        };
        (!self.rule.dies).then_some(code)
    }

    /// Answers by what the input holds; its exit code, or none where no answer fits.
    async fn answer(&self, input: DuplexStream) -> io::Result<Option<i64>> {
        let mut text = Vec::new();
        let mut input = input.take(LONGEST_QUESTION);
        input.read_to_end(&mut text).await?;
        let said = String::from_utf8_lossy(&text);
        let Some(answer) = self.rule.answers.iter().find(|a| said.contains(&a.contains)) else {
            return Ok(None);
        };
        if let Some(file) = &answer.stdin_file {
            tokio::fs::write(self.files.of_rule(file)?, &text).await?;
        }
        self.say(Stream::Stdout, Bytes::from(answer.stdout.clone())).await;
        Ok(Some(answer.exit_code))
    }

    async fn streams(&self, input: Option<DuplexStream>) -> io::Result<()> {
        self.say(Stream::Stdout, Bytes::from(self.rule.stdout.clone())).await;
        self.say(Stream::Stdout, Bytes::from(self.rule.stdout_hex.clone())).await;
        if let Some(file) = &self.rule.stdout_file {
            let path = self.files.of_rule(file)?;
            let file = File::open(&path).await.map_err(|error| {
                io::Error::new(error.kind(), format!("{}: {error}", path.display()))
            })?;
            self.copy(file, None, true).await?;
        }
        let keep =
            self.rule.stdin_file.as_ref().map(|file| self.files.of_rule(file)).transpose()?;
        match input {
            Some(input) => self.copy(input, keep, self.rule.echo).await?,
            None => self.copy(tokio::io::empty(), keep, false).await?,
        }
        self.say(Stream::Stderr, Bytes::from(self.rule.stderr.clone())).await;
        Ok(())
    }

    /// Reads to the end, into a file, to standard output, both or neither.
    async fn copy(
        &self,
        mut from: impl AsyncRead + Unpin,
        keep: Option<PathBuf>,
        say: bool,
    ) -> io::Result<()> {
        let mut file = match keep {
            Some(path) => Some(File::create(path).await?),
            None => None,
        };
        let mut piece = vec![0; PIECE];
        loop {
            let read = from.read(&mut piece).await?;
            if read == 0 {
                break;
            }
            if let Some(file) = &mut file {
                file.write_all(&piece[..read]).await?;
            }
            if say {
                self.say(Stream::Stdout, Bytes::copy_from_slice(&piece[..read])).await;
            }
        }
        match &mut file {
            Some(file) => file.flush().await,
            None => Ok(()),
        }
    }

    async fn say(&self, stream: Stream, bytes: Bytes) {
        if bytes.is_empty() {
            return;
        }
        let stream = if self.terminal { Stream::Stdout } else { stream };
        // A reader that went away does not stop the program.
        let _ = self.chunks.send(Ok(Chunk { stream, bytes })).await;
    }
}
