//! The `git` program, asked for objects and nothing else: no hooks, no
//! prompts, no helpers, no submodules; bounded in time, memory and output.
//!
//! It runs in repositories that we made only ([`Repository`]). What others made
//! is read as data first ([`foreign`]). The user's own configuration is used
//! only for fetching (credentials, proxies, keys).

use std::{
    io::{self, BufReader, Read},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Resource, Rlimit, prlimit};

use super::Error;
use crate::text;

mod clone;
mod folder;
mod foreign;
mod refs;
mod repository;

pub(super) use clone::{NewClone, write_files};
pub(super) use folder::Folder;
pub(super) use foreign::{Kind, kind, origin};
pub(super) use repository::{Cache, Repository, look, private};

/// For what only reads this disk.
pub(super) const LOCAL: Duration = Duration::from_secs(60);
/// For what may fetch from elsewhere.
pub(super) const REMOTE: Duration = Duration::from_secs(600);
/// Longest answer that is read, in bytes. A tree of 20 000 files has about 3 MB.
const MAX_OUTPUT: u64 = 16 << 20;

/// Longest file that git may write, in bytes.
const MAX_FILE: u64 = 2 << 30;

/// Variables of the environment that could make git look elsewhere, or run
/// something. Those behind the line are `git rev-parse --local-env-vars`, which
/// git's own hooks have set.
const FOREIGN: [&str; 24] = [
    "GIT_CEILING_DIRECTORIES",
    "GIT_TEMPLATE_DIR",
    "GIT_EXTERNAL_DIFF",
    "GIT_TRACE",
    "GIT_NAMESPACE",
    "GIT_ATTR_SOURCE",
    "GIT_DEFAULT_HASH",
    "GIT_DEFAULT_REF_FORMAT",
    // ---
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_CONFIG",
    "GIT_CONFIG_PARAMETERS",
    "GIT_CONFIG_COUNT",
    "GIT_OBJECT_DIRECTORY",
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_IMPLICIT_WORK_TREE",
    "GIT_GRAFT_FILE",
    "GIT_INDEX_FILE",
    "GIT_NO_REPLACE_OBJECTS",
    "GIT_REPLACE_REF_BASE",
    "GIT_PREFIX",
    "GIT_SHALLOW_FILE",
    "GIT_COMMON_DIR",
    "GIT_QUARANTINE_PATH",
];

/// Options that apply to all our git commands, whatever the configuration says.
const SETTINGS: [&str; 24] = [
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.pager=cat",
    "core.protectHFS=true",
    "core.protectNTFS=true",
    // Larger objects are never held in memory.
    "core.bigFileThreshold=64m",
    "protocol.ext.allow=never",
    "submodule.recurse=false",
    "fetch.recurseSubmodules=false",
    "advice.detachedHead=false",
    "gc.auto=0",
    "maintenance.auto=false",
    // A fetch is one pack, and is checked before anything of it is used.
    "fetch.unpackLimit=1",
    "fetch.fsckObjects=true",
    "transfer.fsckObjects=true",
    // No other address than the one that was given, though the server names one.
    "transfer.bundleURI=false",
    // Slips that old tools made in histories that are in use, and that harm nobody.
    "fsck.zeroPaddedFilemode=ignore",
    "fetch.fsck.zeroPaddedFilemode=ignore",
    "fsck.missingSpaceBeforeDate=ignore",
    "fetch.fsck.missingSpaceBeforeDate=ignore",
    "fsck.badTimezone=ignore",
    "fetch.fsck.badTimezone=ignore",
    "fsck.missingEmail=ignore",
    "fetch.fsck.missingEmail=ignore",
];

/// git in a repository of ours: nobody's configuration but the repository's,
/// which we wrote, and nothing from elsewhere.
pub(super) fn local(git_dir: &Path) -> Command {
    let mut command = bare(git_dir);
    command
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_ALLOW_PROTOCOL", "file")
        .env("GIT_ALLOC_LIMIT", "1g")
        .arg("--git-dir")
        .arg(git_dir);
    command
}

/// git in a repository of ours that compares with files of ours beside it: each command of
/// one look has the same index, which is no part of the repository.
pub(super) fn in_copy(
    repository: &Repository,
    files: &Path,
    index: &Path,
) -> impl Fn() -> Command + use<> {
    let (git_dir, files, index) =
        (repository.path().to_owned(), files.to_owned(), index.to_owned());
    move || {
        let mut command = local(&git_dir);
        command.env("GIT_INDEX_FILE", &index).arg("--work-tree").arg(&files).current_dir(&files);
        command
    }
}

/// git in a repository of ours, with the person's own configuration: who they are, and how
/// they sign. It sees no files that somebody else wrote, so that no filter runs.
pub(super) fn person(git_dir: &Path) -> Command {
    let mut command = bare(git_dir);
    command.env("GIT_ALLOW_PROTOCOL", "file").arg("--git-dir").arg(git_dir);
    command
}

/// git fetching into a repository of ours, with the person's own configuration.
pub(super) fn remote(git_dir: &Path) -> Command {
    let mut command = bare(git_dir);
    command.env("GIT_ALLOW_PROTOCOL", "https:ssh").arg("--git-dir").arg(git_dir);
    command
}

/// git cloning into a folder of ours, which is empty.
pub(super) fn cloning(beside: &Path) -> Command {
    let mut command = bare(beside);
    command.env("GIT_ALLOW_PROTOCOL", "https:ssh");
    command
}

fn bare(folder: &Path) -> Command {
    let mut command = Command::new("git");
    for name in FOREIGN {
        command.env_remove(name);
    }
    // The answers are read by us, and nobody is there to be asked.
    command
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("GIT_LITERAL_PATHSPECS", "1")
        .env("GIT_NO_REPLACE_OBJECTS", "1")
        .env("GIT_NO_LAZY_FETCH", "1")
        .env("LC_ALL", "C")
        // A repository around the folder (the team's own, say) is not read.
        .env("GIT_CEILING_DIRECTORIES", folder.parent().unwrap_or(folder))
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    for setting in SETTINGS {
        command.arg("-c").arg(setting);
    }
    command
}

/// Runs a command to its end. `action` says what it does, for messages.
pub(super) fn run(command: Command, action: &str, limit: Duration) -> Result<String, Error> {
    let Ended { is_good, stdout, stderr } = ended(command, action, limit)?;
    if !is_good {
        // `git fsck` complains on standard output.
        let said = if stderr.trim_ascii().is_empty() { &stdout } else { &stderr };
        return Err(Error::Git { action: action.into(), message: last_words(said) });
    }
    Ok(String::from_utf8_lossy(&stdout).into_owned())
}

/// Runs a command whose failure is an answer, and says whether it succeeded and all that it
/// printed.
pub(super) fn said(
    command: Command,
    action: &str,
    limit: Duration,
) -> Result<(bool, String), Error> {
    let Ended { is_good, stdout, stderr } = ended(command, action, limit)?;
    let both = [stderr, stdout].concat();
    Ok((is_good, String::from_utf8_lossy(&both).into_owned()))
}

/// Runs a `git fetch` that says what it does, and must not move tags. Returns those that it
/// would have moved; everything else is fetched nevertheless.
pub(super) fn run_fetch(
    command: Command,
    action: &str,
    limit: Duration,
) -> Result<Vec<String>, Error> {
    let Ended { is_good, stderr, .. } = ended(command, action, limit)?;
    let said = String::from_utf8_lossy(&stderr);
    let moved = moved_tags(&said);
    let fatal = said.lines().any(|line| line.starts_with("fatal: ") || line.starts_with("error: "));
    if is_good || (!moved.is_empty() && !fatal) {
        return Ok(moved);
    }
    Err(Error::Git { action: action.into(), message: last_words(&stderr) })
}

/// Of ` ! [rejected]  1.0.0+1  -> 1.0.0+1  (would clobber existing tag)` the tag.
fn moved_tags(said: &str) -> Vec<String> {
    let of = |line: &str| {
        let rest = line.trim().strip_prefix("! [rejected]")?;
        let (names, _) = rest.split_once("(would clobber existing tag)")?;
        Some(text::line_of(names.split_once(" -> ")?.1.trim(), 200).into_owned())
    };
    said.lines().filter_map(of).collect()
}

/// What a finished command said.
struct Ended {
    is_good: bool,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

fn not_started(error: &io::Error, action: &str) -> Error {
    match error.kind() {
        io::ErrorKind::NotFound => Error::NoGit,
        _ => Error::Git { action: action.into(), message: format!("starting git: {error}") },
    }
}

fn ended(mut command: Command, action: &str, limit: Duration) -> Result<Ended, Error> {
    let failed = |message: String| Error::Git { action: action.into(), message };
    let mut child = command.spawn().map_err(|error| not_started(&error, action))?;
    bound(&child);
    let stdout = drain(child.stdout.take());
    let stderr = drain(child.stderr.take());
    let is_good = wait(&mut child, limit).map_err(failed)?;
    let read = |reader: thread::JoinHandle<Vec<u8>>| reader.join().unwrap_or_default();
    let (stdout, stderr) = (read(stdout), read(stderr));
    if stdout.len() as u64 > MAX_OUTPUT {
        return Err(failed(format!("git said more than {MAX_OUTPUT} bytes")));
    }
    Ok(Ended { is_good, stdout, stderr })
}

/// Limits the size of each file that git and its children write: for a pack
/// that a server sends, nothing else limits its length.
fn bound(child: &Child) {
    let most = Rlimit { current: Some(MAX_FILE), maximum: Some(MAX_FILE) };
    // One that has ended already writes nothing more.
    if let Err(error) = prlimit(Some(Pid::from_child(child)), Resource::Fsize, most) {
        tracing::debug!(%error, "git is not bounded");
    }
}

/// Reads a pipe beside the wait, so that a full pipe never blocks git.
fn drain<R: Read + Send + 'static>(pipe: Option<R>) -> thread::JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(pipe) = pipe {
            // What cannot be read is missing from the answer, and git's exit
            // status says whether that matters.
            // A pipe that is closed ends a git that has more to say.
            let _ = pipe.take(MAX_OUTPUT + 1).read_to_end(&mut bytes);
        }
        bytes
    })
}

/// Whether git succeeded; an error when it had to be stopped.
fn wait(child: &mut Child, limit: Duration) -> Result<bool, String> {
    let begun = Instant::now();
    let mut pause = Duration::from_millis(1);
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Ok(status.success()),
            Ok(None) if begun.elapsed() > limit => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(format!("git took longer than {} s", limit.as_secs()));
            }
            Ok(None) => {
                thread::sleep(pause);
                pause = (pause * 2).min(Duration::from_millis(50));
            }
            Err(e) => return Err(format!("waiting for git: {e}")),
        }
    }
}

/// The error message of git, without its progress and advice.
fn last_words(stderr: &[u8]) -> String {
    let said = String::from_utf8_lossy(stderr);
    let lines: Vec<_> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let told = |prefix: &&str| lines.iter().find_map(|line| line.strip_prefix(*prefix));
    let message = ["fatal: ", "error: "].iter().find_map(told);
    let message = message.or(lines.last().copied()).unwrap_or("git failed without a message");
    // A hostile server chooses these words.
    text::line_of(message, 500).into_owned()
}

/// Reads objects one after another from one git process.
pub(super) struct Objects {
    child: Child,
    answers: BufReader<std::process::ChildStdout>,
}

/// One entry of a tree.
pub(super) struct TreeEntry {
    /// `100644`, `100755`, `120000` (a link) or `160000` (a submodule).
    pub mode: String,
    pub id: String,
    /// In bytes; 0 for a submodule.
    pub size: u64,
    pub path: String,
}

/// All files of a commit.
pub(super) fn tree(repository: &Path, commit: &str) -> Result<Vec<TreeEntry>, Error> {
    let action = format!("listing the files of {commit}");
    let mut ls = local(repository);
    ls.args(["ls-tree", "-r", "-z", "-l", "--full-tree", "--end-of-options", commit]);
    let listing = run(ls, &action, LOCAL)?;
    let wrong = |line: &str| Error::Git {
        action: action.clone(),
        message: format!("`{}` was not understood", text::line(line)),
    };
    listing
        .split_terminator('\0')
        .map(|line| {
            let (facts, path) = line.split_once('\t').ok_or_else(|| wrong(line))?;
            let facts: Vec<_> = facts.split_whitespace().collect();
            let &[mode, _kind, id, size] = facts.as_slice() else { return Err(wrong(line)) };
            Ok(TreeEntry {
                mode: mode.into(),
                id: id.into(),
                size: size.parse().unwrap_or(0),
                path: path.into(),
            })
        })
        .collect()
}

impl Objects {
    pub(super) fn open(repository: &Path) -> Result<Self, Error> {
        let mut command = local(repository);
        command.args(["cat-file", "--batch"]).stdin(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().map_err(|error| not_started(&error, "reading objects"))?;
        let answers = child.stdout.take().ok_or_else(|| reading("git has no output".into()))?;
        Ok(Objects { child, answers: BufReader::new(answers) })
    }

    /// The content of one blob of a known size.
    pub(super) fn read(&mut self, entry: &TreeEntry) -> Result<Vec<u8>, Error> {
        use std::io::{BufRead, Write};
        let broken = |e: std::io::Error| reading(e.to_string());
        let questions =
            self.child.stdin.as_mut().ok_or_else(|| reading("git has no input".into()))?;
        writeln!(questions, "{}", entry.id).map_err(broken)?;
        questions.flush().map_err(broken)?;
        let mut header = String::new();
        self.answers.read_line(&mut header).map_err(broken)?;
        let expected = format!("{} blob {}", entry.id, entry.size);
        if header.trim_end() != expected {
            return Err(reading(format!("git says `{}` of {}", header.trim_end(), entry.path)));
        }
        let mut content = Vec::with_capacity(entry.size as usize);
        (&mut self.answers).take(entry.size).read_to_end(&mut content).map_err(broken)?;
        let mut end = [0];
        self.answers.read_exact(&mut end).map_err(broken)?;
        if content.len() as u64 != entry.size {
            return Err(reading(format!("{} ends early", entry.path)));
        }
        Ok(content)
    }
}

impl Drop for Objects {
    fn drop(&mut self) {
        // The end of its input ends it; a kill covers the case that it hangs.
        drop(self.child.stdin.take());
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn reading(message: String) -> Error {
    Error::Git { action: "reading the recipe's files from git".into(), message }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_pack_fills_the_disk() {
        let folder = tempfile::tempdir().unwrap();
        let mut endless = Command::new("sh");
        // It is bounded as soon as it runs, which its children are, too.
        let script = "sleep 0.5; dd if=/dev/zero of=pack bs=1M seek=2047 count=2 2>&1";
        endless.args(["-c", script]).current_dir(folder.path());
        endless.stdout(Stdio::piped()).stderr(Stdio::piped());
        run(endless, "fetching", LOCAL).unwrap_err();
        assert_eq!(folder.path().join("pack").metadata().unwrap().len(), MAX_FILE);
    }
}
