//! restic as a process: what potluck asks of it, from 0.14 on.
//!
//! The child gets a clean environment: the variables that the caller
//! passes on, the repository's own, and restic's. Neither the repository (it may
//! hold credentials) nor the password is ever an argument. Answers are read
//! from `--json`; how a run ended is judged in `failure.rs`; how it is
//! stopped is `process.rs`.

mod copy;
mod failure;
mod intact;
mod keys;
mod locks;
mod output;
mod process;
mod remote;
mod retries;
mod serve;
mod unread;
mod unreadable;
mod upload;

use std::{
    ffi::{OsStr, OsString},
    path::Path,
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt},
    process::Command,
};
use tokio_util::task::TaskTracker;

pub(super) use failure::Holds;
pub use keys::Key;
pub use locks::LOCK_LIMIT;
pub use output::{Listed, Snapshot, Stored, Summary, Version};
pub(super) use process::Tail;
pub use unread::Vanished;
pub use unreadable::Unreadable;
pub use upload::{Reached, Upload};

use self::{
    failure::{Doing, Named, judge},
    process::{Process, lost},
    retries::Watch,
    upload::Source,
};
use super::{
    error::Error,
    password::Held,
    repository::{Repository, Route},
    volume::{View, helper::Network},
};
use crate::{
    bounded,
    home::{AppName, CopyName},
    progress::{Silent, Sink},
};

/// A list of snapshots that is longer than this is not read: 64 MiB are about
/// a hundred thousand snapshots.
const LONGEST_LIST: usize = 64 * 1024 * 1024;
/// What restic says to people while it works.
const LONGEST_REPORT: usize = 4 * 1024 * 1024;
/// For calls that a reachable store answers at once.
const QUESTION: Duration = Duration::from_secs(120);
/// `forget` and `init` write; a remote store may be slow.
const CHANGE: Duration = Duration::from_secs(600);
/// Restores and dumps of the largest sets end on their own; this is for
/// processes that must be gone after an interrupt.
const GONE: Duration = Duration::from_secs(40);

/// restic with one repository.
pub struct Restic {
    repository: Repository,
    /// For messages, without credentials.
    name: Arc<Named>,
    version: Version,
    tracker: TaskTracker,
    /// Locks are waited for here (`locks.rs`), not by restic.
    waits: AtomicBool,
    /// Reads take no lock, because the repository cannot be written.
    lockless: AtomicBool,
    /// Is told about restic's retries.
    sink: Arc<dyn Sink>,
    /// The password, where it is in no file of the operator's.
    held: Option<Held>,
}

impl std::fmt::Debug for Restic {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Restic { repository, version, .. } = self;
        f.debug_struct("Restic")
            .field("repository", repository)
            .field("version", version)
            .finish_non_exhaustive()
    }
}

/// A list of snapshots.
#[derive(Debug)]
pub struct Listing {
    pub snapshots: Vec<Snapshot>,
    /// What could be missing from it.
    pub unreadable: Option<Unreadable>,
}

/// The properties of a snapshot.
#[derive(Debug, Clone, Copy)]
pub struct Label<'a> {
    /// Always the same for a server, so that restic finds the snapshot before
    /// and reads only what changed.
    pub host: &'a str,
    pub tags: &'a [String],
}

/// Files come back with their holes.
const SPARSE: &str = "--sparse";

/// Whether restored files are read again and compared with the digests in the repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reread {
    Yes,
    No,
}

impl Restic {
    /// Finds restic and asks for its version.
    ///
    /// # Errors
    /// [`Error::ResticMissing`], [`Error::ResticTooOld`], [`Error::ResticVersion`].
    pub async fn new(repository: Repository) -> Result<Self, Error> {
        let name = Arc::new(Named {
            repository: repository.display(),
            unlock: repository.command("unlock"),
            check: repository.command("check --read-data"),
            look: repository.command("check"),
            rebuild: String::new(),
            prune: repository.command("forget --prune"),
            list: None,
            password_file: match repository.password_command.first() {
                Some(program) => program.into(),
                None => repository.password_file.clone(),
            },
            own: repository.own,
            holds: None,
        });
        let mut restic = Restic {
            repository,
            name,
            version: Version::OLDEST,
            tracker: TaskTracker::new(),
            waits: AtomicBool::new(false),
            lockless: AtomicBool::new(false),
            sink: Arc::new(Silent),
            held: None,
        };
        // No `run`: that would pass options which an old version refuses.
        let (printed, _) = restic.collect("say its version", &["version".into()], 4096).await?;
        let printed = String::from_utf8_lossy(&printed).trim().to_owned();
        restic.version = Version::parse(&printed)
            .ok_or_else(|| Error::ResticVersion { printed: printed.chars().take(200).collect() })?;
        if restic.version < Version::OLDEST {
            let Version { major, minor } = restic.version;
            return Err(Error::ResticTooOld { found: format!("{major}.{minor}") });
        }
        let rebuild = restic.rebuild();
        restic.name = Arc::new(Named { rebuild, ..Named::clone(&restic.name) });
        Ok(restic)
    }

    /// Names the app whose backups hints tell to list.
    #[must_use]
    pub fn of_app(mut self, app: &AppName) -> Self {
        let list = Some(format!("potluck backup snapshots {app}"));
        self.name = Arc::new(Named { list, ..Named::clone(&self.name) });
        self
    }

    /// The command that makes the index anew from the pack files.
    fn rebuild(&self) -> String {
        self.repository.command(match self.version >= Version::REPAIRS {
            true => "repair index",
            false => "rebuild-index",
        })
    }

    /// Reports restic's retries there.
    #[must_use]
    pub fn telling(mut self, sink: Arc<dyn Sink>) -> Self {
        self.sink = sink;
        self
    }

    /// For errors about a repository that is missing.
    #[must_use]
    pub(super) fn known_to_hold(mut self, holds: Option<Holds>) -> Self {
        self.name = Arc::new(Named { holds, ..Named::clone(&self.name) });
        self
    }

    /// Keeps the password that the repository names in memory.
    #[must_use]
    pub(super) fn holding(mut self, held: Option<Held>) -> Self {
        self.held = held;
        self
    }

    /// The name of the repository, where it is a copy.
    pub fn copy(&self) -> Option<&CopyName> {
        self.repository.copy.as_ref()
    }

    /// Fails where the settings say that nothing is to be removed.
    ///
    /// # Errors
    /// [`Error::AppendOnly`].
    pub fn may_remove(&self) -> Result<(), Error> {
        match self.repository.append_only {
            true => Err(Error::AppendOnly { repository: self.name().to_owned() }),
            false => Ok(()),
        }
    }

    /// The image of the helper container of a volume that is elsewhere.
    pub(super) fn helper_image(&self) -> &str {
        &self.repository.helper_image
    }

    /// Whether restic in a helper container needs a network.
    pub(super) fn helper_network(&self) -> Result<Network, Error> {
        Ok(match self.repository.route()? {
            Route::Direct => Network::Bridge,
            Route::Folder(_) => Network::None,
        })
    }

    pub fn version(&self) -> Version {
        self.version
    }

    /// The repository, without credentials.
    pub fn name(&self) -> &str {
        &self.name.repository
    }

    /// The command line that runs restic there by hand.
    pub fn command_of(&self, verb: &str) -> String {
        self.repository.command(verb)
    }

    /// Makes the repository. restic refuses when there is one.
    pub async fn init(&self) -> Result<(), Error> {
        self.answer("make the repository", &["init".into()], 64 * 1024, CHANGE).await.map(drop)
    }

    /// The snapshots of [`Restic::listing`] that can be read: for those that this process
    /// stored itself.
    pub async fn snapshots(&self, tags: &str) -> Result<Vec<Snapshot>, Error> {
        Ok(self.listing(tags).await?.snapshots)
    }

    /// Snapshots that carry all the tags of a comma-separated list, and those of the whole
    /// repository whose tags cannot be read.
    pub async fn listing(&self, tags: &str) -> Result<Listing, Error> {
        let action = "list the snapshots";
        let arguments =
            ["snapshots".into(), "--json".into(), "--no-lock".into(), "--tag".into(), tags.into()];
        let (json, said) = self.answered(action, &arguments, LONGEST_LIST, QUESTION).await?;
        if let Some(message) = unreadable::no_list(&said) {
            return Err(Error::ResticOutput { action: action.into(), message });
        }
        // An empty repository lists `null` in some versions.
        let list: Option<Vec<Snapshot>> = serde_json::from_slice(&json)
            .map_err(|e| Error::ResticOutput { action: action.into(), message: e.to_string() })?;
        let ids = unreadable::left_out(&said);
        let unreadable = (!ids.is_empty()).then(|| Unreadable {
            repository: self.name().to_owned(),
            ids,
            check: self.name.look.clone(),
        });
        Ok(Listing { snapshots: list.unwrap_or_default(), unreadable })
    }

    /// Forgets snapshots; their data stays until a prune.
    ///
    /// # Errors
    /// [`Error::Refused`] from a store that takes additions only, and restic's other failures.
    pub async fn forget(&self, ids: &[String]) -> Result<(), Error> {
        if ids.is_empty() {
            return Ok(());
        }
        let mut arguments: Vec<OsString> = vec!["forget".into()];
        arguments.extend(self.patience());
        arguments.push("--".into());
        arguments.extend(ids.iter().map(Into::into));
        let (_, said) = self.answered("forget snapshots", &arguments, 1024 * 1024, CHANGE).await?;
        self.require_removed(&said)?;
        // restic 0.17 and newer end with success also where the store refused.
        let left = self.list("snapshots").await?;
        match ids.iter().find(|id| left.contains(id)) {
            None => Ok(()),
            Some(id) => Err(Error::Refused {
                repository: self.name().to_owned(),
                reason: format!("restic reported success, and the snapshot {id:.8} is still there"),
            }),
        }
    }

    /// Fails where restic reported success and the store refused to remove something.
    fn require_removed(&self, said: &str) -> Result<(), Error> {
        match failure::refused_removal(said) {
            None => Ok(()),
            Some(reason) => {
                let repository = self.name().to_owned();
                Err(Error::Refused { repository, reason: reason.to_owned() })
            }
        }
    }

    /// The names of the repository's files of one kind.
    async fn list(&self, kind: &str) -> Result<Vec<String>, Error> {
        let arguments = ["list".into(), kind.into(), "--no-lock".into()];
        let action = format!("list the {kind}");
        let listed = self.answer(&action, &arguments, LONGEST_LIST, CHANGE).await?;
        Ok(String::from_utf8_lossy(&listed).lines().map(|line| line.trim().to_owned()).collect())
    }

    /// Removes data that no snapshot needs; returns how much, in restic's words.
    pub async fn prune(&self) -> Result<Option<String>, Error> {
        let mut arguments: Vec<OsString> = vec!["prune".into()];
        arguments.extend(self.patience());
        // Of a large repository, it takes hours: no limit but the caller's.
        let (said, errors) = self.collect("prune", &arguments, LONGEST_REPORT).await?;
        self.require_removed(&errors)?;
        Ok(output::freed(&String::from_utf8_lossy(&said)))
    }

    /// Checks that everything that is referred to exists; with a subset, `3/7`, reads this
    /// part of the data as well.
    pub async fn check(&self, subset: Option<&str>) -> Result<(), Error> {
        let mut arguments: Vec<OsString> = vec!["check".into()];
        arguments.extend(self.patience());
        arguments.extend(self.lock_free());
        arguments.extend(subset.map(|subset| format!("--read-data-subset={subset}").into()));
        // As long as the data takes: no limit but the caller's.
        self.collect("check the repository", &arguments, LONGEST_REPORT).await.map(drop)
    }

    /// The space that the repository's data takes.
    pub async fn stats(&self) -> Result<Stored, Error> {
        let action = "measure the repository";
        let arguments = ["stats", "--mode", "raw-data", "--json", "--no-lock"].map(Into::into);
        let (json, _) = self.collect(action, &arguments, 64 * 1024).await?;
        serde_json::from_slice(&json)
            .map_err(|e| Error::ResticOutput { action: action.into(), message: e.to_string() })
    }

    /// What is at a path of a snapshot: the entries of a folder, or everything below it.
    pub async fn ls(&self, snapshot: &str, path: &Path, all: bool) -> Result<Vec<Listed>, Error> {
        let action = "list files";
        let mut arguments: Vec<OsString> = vec!["ls".into(), "--json".into(), "--no-lock".into()];
        arguments.extend(all.then(|| "--recursive".into()));
        arguments.extend(["--".into(), snapshot.into(), Path::new("/").join(path).into()]);
        let (json, _) = self.collect(action, &arguments, LONGEST_LIST).await?;
        output::listed(&json)
            .map_err(|e| Error::ResticOutput { action: action.into(), message: e.to_string() })
    }

    /// Begins a backup whose data is streamed, as a file of this name.
    pub async fn backup_stream(&self, label: Label<'_>, file: &str) -> Result<Upload, Error> {
        let mut arguments = self.backup_arguments(label);
        arguments.extend(["--stdin", "--stdin-filename", file].map(Into::into));
        let mut command = self.command(&arguments);
        command.stdin(Stdio::piped());
        let process = self.start(command)?;
        Ok(Upload::new(process, Source::Stream, format!("store `{file}`"), self.name.clone()))
    }

    /// Begins a backup of what is in a volume: the snapshot holds its entries,
    /// not the folder, so that it restores below any other folder. `paths` are
    /// relative to it; all of it when empty. `exclude` are restic's patterns.
    pub async fn backup_folder(
        &self,
        label: Label<'_>,
        view: View,
        paths: &[String],
        exclude: &[OsString],
    ) -> Result<Upload, Error> {
        self.folder(self.backup_arguments(label), view, paths, exclude).await
    }

    /// The same, without the previous snapshot: all files are read. If the previous
    /// snapshot is damaged, restic reports every backup based on it as incomplete.
    pub async fn backup_folder_anew(
        &self,
        label: Label<'_>,
        view: View,
        paths: &[String],
        exclude: &[OsString],
    ) -> Result<Upload, Error> {
        let mut arguments = self.backup_arguments(label);
        arguments.push("--force".into());
        self.folder(arguments, view, paths, exclude).await
    }

    async fn folder(
        &self,
        mut arguments: Vec<OsString>,
        view: View,
        paths: &[String],
        exclude: &[OsString],
    ) -> Result<Upload, Error> {
        for pattern in exclude {
            arguments.extend(["--exclude".into(), pattern.clone()]);
        }
        arguments.push("--".into());
        // restic stores relative paths without what leads to the working
        // folder, and `.` as the entries of that folder
        // (`internal/archiver`, resolveRelativeTargets); `./` keeps a name
        // apart from anything else.
        if paths.is_empty() {
            arguments.push(".".into());
        } else {
            arguments.extend(paths.iter().map(|p| format!("./{p}").into()));
        }
        let action = format!("store {}", view.path().display());
        let (root, leaves_out) = (view.path().to_owned(), !exclude.is_empty());
        let source = Source::Folder { root, paths: paths.to_vec(), leaves_out };
        let process = self.start_in(view, &arguments).await?;
        Ok(Upload::new(process, source, action, self.name.clone()))
    }

    /// Restores a whole snapshot into a view.
    pub async fn restore(&self, snapshot: &str, view: View) -> Result<(), Error> {
        self.restore_paths(snapshot, view, &[], Reread::No).await
    }

    /// Restores these paths of a snapshot, or all of it where none is named.
    pub async fn restore_paths(
        &self,
        snapshot: &str,
        view: View,
        paths: &[String],
        reread: Reread,
    ) -> Result<(), Error> {
        let action = format!("restore the volume `{}`", view.volume());
        let mut arguments: Vec<OsString> = vec!["restore".into()];
        arguments.extend(self.lock_free());
        if reread == Reread::Yes {
            arguments.push("--verify".into());
        }
        if self.version >= Version::SPARSE {
            arguments.push(SPARSE.into());
        }
        for path in paths {
            arguments.extend(["--include".into(), format!("/{}", literal(path)).into()]);
        }
        arguments.extend([
            "--target".into(),
            view.path().as_os_str().to_owned(),
            "--".into(),
            snapshot.into(),
        ]);
        let process = self.start_in(view, &arguments).await?;
        // A terabyte takes hours: no limit but the caller's.
        self.collected(&action, process, 1024 * 1024).await.map(drop)
    }

    /// Begins to read one file of a snapshot.
    pub async fn dump(&self, snapshot: &str, file: &str) -> Result<Download, Error> {
        let mut arguments: Vec<OsString> = vec!["dump".into()];
        arguments.extend(self.lock_free());
        arguments.extend(["--".into(), snapshot.into(), format!("/{file}").into()]);
        let mut command = self.command(&arguments);
        command.stdin(Stdio::null());
        let process = self.start(command)?;
        // It never says that it began.
        process.begun.cancel();
        Ok(Download { process, action: format!("read `{file}`"), repository: self.name.clone() })
    }

    /// A small file of a snapshot, whole.
    pub async fn read(&self, snapshot: &str, file: &str, limit: usize) -> Result<Vec<u8>, Error> {
        let mut download = self.dump(snapshot, file).await?;
        let odd = |e: std::io::Error| Error::ResticOutput {
            action: download.action.clone(),
            message: e.to_string(),
        };
        let content = match download.process.stdout.as_mut() {
            Some(from) => bounded::read_async(from, limit as u64).await.map_err(odd)?,
            None => Vec::new(),
        };
        download.finish().await?;
        Ok(content)
    }

    /// Waits until every interrupted run has ended, so that its lock is gone.
    pub async fn settle(&self) {
        self.tracker.close();
        // A run is killed after its grace; this only bounds the wait for it.
        let _ = tokio::time::timeout(GONE, self.tracker.wait()).await;
        self.tracker.reopen();
    }

    fn backup_arguments(&self, label: Label<'_>) -> Vec<OsString> {
        let mut arguments: Vec<OsString> =
            vec!["backup".into(), "--json".into(), "--host".into(), label.host.into()];
        for tag in label.tags {
            arguments.extend(["--tag".into(), tag.into()]);
        }
        arguments.extend(self.patience());
        arguments
    }

    /// Wait for a lock where restic can.
    fn patience(&self) -> Vec<OsString> {
        if self.version >= Version::RETRIES_LOCKS && !self.waits.load(Ordering::Relaxed) {
            vec!["--retry-lock".into(), "2m".into()]
        } else {
            Vec::new()
        }
    }

    fn command(&self, arguments: &[OsString]) -> Command {
        let mut command = Command::new(&self.repository.program);
        command.args(arguments).env_clear();
        command.envs(self.repository.environment.iter().map(|(k, v)| (k, v)));
        command
            .env("RESTIC_REPOSITORY", &self.repository.location)
            .env("RESTIC_PASSWORD_FILE", &self.repository.password_file)
            .env("RESTIC_CACHE_DIR", &self.repository.cache)
            // Four status lines a second are what is shown at most.
            .env("RESTIC_PROGRESS_FPS", "4");
        if !self.repository.environment.iter().any(|(key, _)| key == OsStr::new("HOME")) {
            command.env("HOME", &self.repository.cache);
        }
        command
    }

    fn start(&self, command: Command) -> Result<Process, Error> {
        Process::start(command, &self.tracker, self.watch()).map_err(|source| self.missing(source))
    }

    /// Starts restic in a view of one volume, without the others.
    async fn start_in(&self, view: View, arguments: &[OsString]) -> Result<Process, Error> {
        if let Some((container, folder)) = view.helper() {
            return self.start_there(container, folder, arguments).await;
        }
        let mut command = self.command(arguments);
        command.stdin(Stdio::null());
        let volume = view.volume().to_owned();
        let refused = |no| Error::no_view(&volume, no);
        let Repository { location, password_file, cache, .. } = &self.repository;
        for needed in
            [Path::new(location.strip_prefix("local:").unwrap_or(location)), password_file, cache]
        {
            view.check_visible(needed).map_err(refused)?;
        }
        let started =
            view.start(command, |command| Process::start(command, &self.tracker, self.watch()));
        started.map_err(refused)?.map_err(|source| self.missing(source))
    }

    fn watch(&self) -> Watch {
        Watch::new(self.sink.clone(), self.repository.is_local())
    }

    fn missing(&self, source: std::io::Error) -> Error {
        let program = self.repository.program.to_string_lossy().into_owned();
        Error::ResticMissing { program, source }
    }

    /// Runs to the end within a time and returns standard output.
    async fn answer(
        &self,
        action: &str,
        arguments: &[OsString],
        limit: usize,
        time: Duration,
    ) -> Result<Vec<u8>, Error> {
        Ok(self.answered(action, arguments, limit, time).await?.0)
    }

    /// The same, with the end of standard error.
    async fn answered(
        &self,
        action: &str,
        arguments: &[OsString],
        limit: usize,
        time: Duration,
    ) -> Result<(Vec<u8>, String), Error> {
        match tokio::time::timeout(time, self.collect(action, arguments, limit)).await {
            Ok(answer) => answer,
            Err(_) => Err(Error::TimedOut {
                what: format!("restic, asked to {action},"),
                seconds: time.as_secs(),
            }),
        }
    }

    async fn collect(
        &self,
        action: &str,
        arguments: &[OsString],
        limit: usize,
    ) -> Result<(Vec<u8>, String), Error> {
        let mut command = self.command(arguments);
        command.stdin(Stdio::null());
        self.collected(action, self.start(command)?, limit).await
    }

    async fn collected(
        &self,
        action: &str,
        mut process: Process,
        limit: usize,
    ) -> Result<(Vec<u8>, String), Error> {
        let odd = |message: String| Error::ResticOutput { action: action.to_owned(), message };
        // It never says that it began.
        process.begun.cancel();
        let stdout = match process.stdout.as_mut() {
            Some(from) => bounded::read_async(from, limit as u64).await.map_err(|error| {
                odd(match bounded::is_too_large(&error) {
                    true => format!("it printed more than {}", bounded::size(limit as u64)),
                    false => error.to_string(),
                })
            })?,
            None => Vec::new(),
        };
        let ended = process.wait().await.map_err(|e| lost(action, e))?;
        judge(&Doing { action, repository: &self.name }, &ended)?;
        Ok((stdout, ended.stderr))
    }
}

/// A file of a snapshot that is being read.
pub struct Download {
    process: Process,
    action: String,
    repository: Arc<Named>,
}

impl Download {
    /// The next bytes; 0 at the end. The end alone is no proof of success: see
    /// [`Download::finish`].
    pub async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Error> {
        let odd = |message: String| Error::ResticOutput { action: self.action.clone(), message };
        match self.process.stdout.as_mut() {
            Some(stdout) => stdout.read(buffer).await.map_err(|e| odd(e.to_string())),
            None => Ok(0),
        }
    }

    /// Waits for restic's end: only exit code 0 says that everything was read.
    pub async fn finish(self) -> Result<(), Error> {
        let ended = self.process.wait().await.map_err(|e| lost(&self.action, e))?;
        let doing = Doing { action: &self.action, repository: &self.repository };
        judge(&doing, &ended)
    }

    /// The bytes as a reader; call [`Download::finish`] afterwards.
    pub fn reader(&mut self) -> Option<impl AsyncRead + Unpin + Send + 'static> {
        self.process.stdout.take()
    }
}

/// A pattern of restic's that matches this path and nothing else.
pub(super) fn literal(path: &str) -> String {
    let mut pattern = String::new();
    for c in path.chars() {
        if matches!(c, '*' | '?' | '[' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern
}
