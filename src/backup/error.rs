//! What goes wrong with backups. Errors name the app's own words (set, item,
//! volume, dump); the hint says what to do, because someone who reads the
//! error of a failed backup is usually in a hurry.

use std::path::PathBuf;

use rustix::io::Errno;

use super::{
    recent::NotSaved,
    restic::Unreadable,
    retention::Implausible,
    set::{SetId, trust::Distrust},
    volume::{NoView, user::VolumeUser},
};
use crate::{hint::Hint, text::line};

/// Why a backup or a restore failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There were files, but all of them vanished before they could be read.
    #[error("restic failed to {what}: all files vanished before they were read")]
    AllVanished { what: String },
    /// There were files, but the recipe's patterns leave out every one of them.
    #[error("restic failed to {what}: nothing is left but what the recipe leaves out")]
    AllLeftOut { what: String },
    #[error(transparent)]
    Home(#[from] crate::home::Error),
    #[error(transparent)]
    Engine(#[from] crate::engine::Error),
    #[error(transparent)]
    Plugin(#[from] crate::plugin::Error),
    #[error(transparent)]
    Operation(#[from] crate::app::Error),

    #[error("`{program}` cannot be run: {source}")]
    ResticMissing {
        program: String,
        #[source]
        source: std::io::Error,
    },
    #[error("restic {found} is too old; potluck needs 0.14 or newer")]
    ResticTooOld { found: String },
    #[error("`restic version` printed `{printed}`, which names no version")]
    ResticVersion { printed: String },
    /// Nothing is at the repository's location, as opposed to a location that
    /// cannot be reached.
    #[error("{app} is not deployed and never was, so it has nothing to back up yet")]
    NothingYet { app: String },
    /// As after its swarm was made anew.
    #[error("{app} is unknown to its server, although there are backups of it")]
    Forgotten { app: String },
    #[error("there is no restic repository at {repository}")]
    NoRepository {
        repository: String,
        /// It is the default one, because server.yml names none.
        own: bool,
    },
    /// It held sets, of this app or of others, but no longer exists.
    #[error("the restic repository at {repository}, which holds backups, does not exist")]
    RepositoryGone {
        repository: String,
        /// The files that say so, or the folders of such files.
        records: Vec<String>,
        /// The repositories that may have the same.
        copies: Vec<String>,
    },
    #[error("the password does not open the restic repository at {repository}")]
    WrongPassword {
        repository: String,
        password_file: PathBuf,
        /// It is the default one, because server.yml names none.
        own: bool,
    },
    #[error("the restic repository at {repository} is locked {}", line(.by))]
    Locked {
        repository: String,
        /// Who has the lock, and since when.
        by: String,
        /// The command that removes stale locks.
        unlock: String,
    },
    #[error("the disk of {at} has no space left")]
    NoSpace {
        /// The repository, or what restic wrote elsewhere.
        at: String,
        /// The command that frees space in the repository; none if it is elsewhere.
        prune: Option<String>,
        /// The command that lists backups.
        list: String,
    },
    #[error("the restic repository at {repository} cannot be written: {reason}")]
    ReadOnly { repository: String, reason: String },
    /// The store takes additions only.
    #[error("the repository at {repository} refuses to remove anything: {reason}")]
    Refused { repository: String, reason: String },
    /// The stored data cannot be read.
    #[error("restic failed to {what}: the repository at {repository} is damaged: {}", line(.reason))]
    Damaged {
        what: String,
        repository: String,
        reason: String,
        /// What to do about it, as a hint.
        remedy: String,
    },
    /// What was asked for may be among snapshots that cannot be read.
    #[error("{unreadable}: {}", may_be_lost(.app, .wanted.as_deref()))]
    SnapshotsUnreadable {
        unreadable: Unreadable,
        app: String,
        /// The name of the backup that was asked for; none for the newest.
        wanted: Option<String>,
    },
    /// The repository's index names files that are missing or changed, so that
    /// restic would not store their data again.
    #[error("the repository at {repository} is damaged: {}", missing_packs(*.count, .example))]
    PacksMissing {
        repository: String,
        count: usize,
        /// The name of one, shortened.
        example: String,
        /// The command that repairs the index.
        repair: String,
    },
    /// restic's exit code 3: it read only a part of what it was given.
    #[error("restic could not read everything of {what}: {message}")]
    Partial { what: String, message: String },
    /// restic was interrupted, by us or from the terminal.
    #[error("restic was interrupted")]
    Interrupted,
    /// Every other failure of restic, unknown exit codes included.
    #[error("restic failed to {action} (exit code {code}): {message}")]
    Restic { action: String, code: i32, message: String },
    #[error("restic said something unexpected when asked to {action}: {message}")]
    ResticOutput { action: String, message: String },

    #[error("the repository's password file {path}: {reason}", path = .path.display())]
    PasswordFile { path: PathBuf, reason: String },
    #[error("the password of the repository at {repository} is not rotated: {reason}")]
    NotRotated { repository: String, reason: String },
    #[error("the program `{program}`, which prints the repository's password: {reason}")]
    PasswordCommand { program: String, reason: String },
    #[error("the server {server} has no copy of its backups called `{copy}`")]
    NoCopy { server: String, copy: String, known: Vec<String> },
    /// The settings say that nothing is to be removed.
    #[error("nothing can be removed from the repository at {repository}: it takes additions only")]
    AppendOnly { repository: String },
    /// restic has one environment for both repositories.
    #[error(
        "{from} cannot be copied to {target}: both want the variable {variable}, each with another value"
    )]
    Clash { variable: String, from: String, target: String },
    /// The backup is complete, but not all repositories have it.
    #[error("the backup {set} is complete, but was not copied to {}", .failed.join("; nor to "))]
    NotCopied {
        set: SetId,
        /// The name of each copy, and why.
        failed: Vec<String>,
        hint: Option<String>,
    },
    /// What was copied is not whole.
    #[error("the backup {set} is incomplete in {repository} after it was copied there")]
    CopyIncomplete { set: SetId, repository: String },
    #[error("{path}:{line}: {reason}", path = .path.display())]
    EnvironmentFile { path: PathBuf, line: usize, reason: String },

    /// The command of a dump failed, or the transport of its output did.
    #[error("the dump `{item}` failed in the service `{service}`: {}{}", line(.reason), tail(.stderr))]
    Dump { item: String, service: String, reason: String, stderr: String },
    /// A dump is much smaller than in the last backup.
    #[error("{app} is not backed up: {}", .told.join("; "))]
    Shrunk { app: String, told: Vec<String> },
    #[error("restoring the dump `{item}` failed in the service `{service}`: \
             {}{}", line(.reason), tail(.stderr))]
    PutBack { item: String, service: String, reason: String, stderr: String },
    #[error("`{label}` of the service `{service}` failed, its data is unchanged: \
             {}{}", line(.reason), tail(.stderr))]
    LabelHook { label: &'static str, service: String, reason: String, stderr: String },
    #[error("the plugin `{plugin}` failed to produce `{item}`: {reason}")]
    Produce { plugin: String, item: String, reason: String },
    #[error("no task of the service `{service}` runs")]
    NotRunning { service: String },
    /// The failure may be due to services without replicas.
    #[error("{}\n{}", laid_out(.source), scaled_to_none(.services))]
    Stopped {
        #[source]
        source: Box<Error>,
        app: String,
        services: Vec<String>,
        /// Whether the settings want them to run.
        wanted: bool,
    },
    #[error("the volume `{volume}` cannot be {verb}: {reason}")]
    Volume { volume: String, verb: &'static str, reason: String },
    /// A folder at the time of the backup is something else now.
    #[error(
        "`{path}` of the volume `{volume}` cannot be restored: `{at}` in it is {what} now, not a folder"
    )]
    Misplaced { volume: String, path: String, at: String, what: &'static str },
    /// restic cannot be given a view of the volume that excludes the targets of its links.
    #[error("the volume `{volume}` cannot be shown to restic safely: {step} failed: {source}")]
    NoView {
        volume: String,
        step: &'static str,
        #[source]
        source: std::io::Error,
    },
    #[error("restic needs {path}, which lies among the volumes and is hidden while the volume `{volume}` is saved", path = .path.display())]
    Covered { volume: String, path: PathBuf },
    /// Programs other than the app's services could write to the volume during a restore.
    #[error("the volume `{volume}` is also used by {}, which a restore would not stop", .users.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))]
    UsedByOthers {
        volume: String,
        users: Vec<VolumeUser>,
        /// The server's name, where it is only simulated.
        simulated: Option<String>,
    },
    /// Services that a restore stopped did not start again.
    #[error("{source}\n{data}, but these services did not start again: {}", .services.join(", "))]
    NotStarted {
        app: String,
        services: Vec<String>,
        /// The state of the data, as a sentence.
        data: &'static str,
        #[source]
        source: Box<Error>,
    },
    /// restic in the helper container of another machine's engine cannot get there.
    #[error(
        "the repository {repository} can be reached only from the operator's machine, and potluck cannot pass it on to the node of the volume"
    )]
    NotReached { repository: String },
    /// The volume is on several nodes, with other data on each.
    #[error(
        "the volume `{volume}` cannot be {verb}: its services run on several nodes ({nodes}), and each node has a volume of that name"
    )]
    Scattered { volume: String, verb: &'static str, nodes: String },
    #[error("the recipe names an invalid item to back up: {reason}")]
    BadItem { reason: String },

    #[error("no backup of {app} was removed: {reason}")]
    Implausible {
        app: String,
        #[source]
        reason: Implausible,
    },
    #[error("the backup {set} was not removed: {why}")]
    NotRemoved { app: String, set: SetId, why: NotRemoved },
    /// An app that is to be removed for good has data that no good backup holds.
    #[error("{0}")]
    NotSaved(Box<NotSaved>),
    #[error("no complete backup of {app} is in the repository")]
    NoSet { app: String, elsewhere: Vec<String> },
    #[error("the backup {set} is of the recipe {}, and {app} is of {recipe}", line(.found))]
    OtherRecipe { set: SetId, found: String, app: String, recipe: String },
    /// What keeps an app from being made from a set.
    #[error(transparent)]
    Obstacle(#[from] Box<super::restore::obstacle::Obstacle>),
    /// Of a set whose maker is believed.
    #[error("the settings in the backup {set} cannot be read: {}", line(.reason))]
    Settings { set: SetId, reason: String },
    #[error("there is no complete backup of {app} at or before {}", .time.strftime("%Y-%m-%d %H:%M:%S UTC"))]
    NoSetBefore { app: String, time: jiff::Timestamp, elsewhere: Vec<String> },
    #[error("the repository has backups of {app} from several servers: {}", line(&.servers.join(", ")))]
    SeveralServers { app: String, servers: Vec<String> },
    #[error(
        "the backup of {app} that looks newest, {set}, is of a time that has not come: a clock is \
         or was wrong, so that another one may be the newest"
    )]
    OfTheFuture { app: String, set: SetId },
    /// Another server may have one of that name.
    #[error("no backup of {app} is called `{wanted}`")]
    UnknownSet { app: String, wanted: String, elsewhere: Option<String> },
    #[error("`{wanted}` begins the names of {count} backups")]
    AmbiguousSet { wanted: String, count: usize },
    #[error("the backup {set} is incomplete: {reason}")]
    Incomplete { set: SetId, reason: String },
    #[error("no hold of {app} is of a backup called `{wanted}`")]
    NotHeld { app: String, wanted: String },
    #[error("of the backup {set}, {reason}")]
    NoItem { set: SetId, reason: String },
    #[error("the manifest of the backup {set} cannot be read: {reason}")]
    Manifest { set: SetId, reason: String },
    /// Someone else than a machine of the team may have made it.
    #[error("the backup {set} is not believed: {why}")]
    Distrusted { set: SetId, why: Box<Distrust> },
    #[error("the backup {set} was taken of {}, not of {app}", line(.found))]
    OtherApp { set: SetId, found: String, app: String },
    /// The set has an item that the app in its current version cannot restore.
    #[error("`{item}` of the backup {set} cannot be restored: {reason}")]
    NoPlaceFor { set: SetId, item: String, reason: String },
    #[error("the data is restored, but {count} of the app's own checks failed: {names}", count = .failed.len(), names = .failed.join(", "))]
    Verify { failed: Vec<String> },

    /// A drill was killed before it removed what it made.
    #[error("an earlier drill of {app} was killed, and what it made is on the server")]
    DrillLeft { app: String },

    /// A restore failed after it had changed a part of the app's data.
    #[error("{}\nthe data is half restored, so {} stays stopped", laid_out(.source), line(&.services.join(", ")))]
    LeftStopped {
        services: Vec<String>,
        #[source]
        source: Box<Error>,
    },

    /// The backup is complete, but a hook that runs at its end failed.
    #[error(
        "the backup {set} is complete, but `after-backup` of the plugin `{plugin}` failed: {source}"
    )]
    AfterBackup {
        set: SetId,
        plugin: String,
        #[source]
        source: Box<crate::app::Error>,
    },
    #[error("cancelled; {left}")]
    Cancelled { left: &'static str },
    #[error("{what} took longer than {seconds} s")]
    TimedOut { what: String, seconds: u64 },
    #[error("{action} {path}: {source}", path = .path.display())]
    Io {
        action: &'static str,
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
}

/// Why a set is not removed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotRemoved {
    #[error("it is the newest complete one")]
    Newest,
    #[error("it may be whole, because snapshot files of the repository cannot be read")]
    MayBeWhole,
    #[error("{}", line(&.reasons.join("; ")))]
    Held { reasons: Vec<String> },
    #[error("it is of the app on the server {server}, which is there")]
    OfOther { server: String },
}

fn may_be_lost(app: &str, wanted: Option<&str>) -> String {
    match wanted {
        None => format!("the newest backup of {app} may be among them"),
        Some(wanted) => format!("the backup `{wanted}` of {app} may be among them"),
    }
}

fn missing_packs(count: usize, example: &str) -> String {
    let (packs, are) = if count == 1 { ("pack file", "is") } else { ("pack files", "are") };
    format!(
        "{count} {packs} (`{example}…`) {are} missing or cut off, and a new backup that builds on \
         them could not be restored"
    )
}

/// The last output of a failed program, each line marked as its own.
fn tail(stderr: &str) -> String {
    stderr.trim().lines().map(|said| format!("\n    | {}", line(said))).collect()
}

/// Its message: one line, unless the line breaks are its own.
fn scaled_to_none(services: &[String]) -> String {
    let names: Vec<String> = services.iter().map(|service| format!("`{service}`")).collect();
    let names = line(&names.join(", ")).into_owned();
    match services.len() {
        1 => format!("the service {names} runs nowhere, because it has 0 replicas"),
        _ => format!("the services {names} run nowhere, because they have 0 replicas"),
    }
}

fn laid_out(error: &Error) -> String {
    let said = error.to_string();
    if error.is_laid_out() { said } else { line(&said).into_owned() }
}

/// Backups of an app of the same name, or of this one before it was moved.
fn of_server(app: &str, server: &str) -> String {
    format!(
        "the repository has backups that were taken of {} on the server {}: `potluck backup \
         snapshots {} --of-server {}` lists them",
        line(app),
        line(server),
        line(app),
        line(server)
    )
}

impl Error {
    pub(super) fn no_view(volume: &str, no: NoView) -> Self {
        let volume = volume.to_owned();
        match no {
            NoView::Refused { step, source } => Error::NoView { volume, step, source },
            NoView::Covered(path) => Error::Covered { volume, path },
        }
    }

    /// For `map_err` on file operations.
    /// What the engine said, where that is the error.
    pub(crate) fn of_engine(&self) -> Option<&crate::engine::Error> {
        match self {
            Error::Engine(error) => Some(error),
            Error::Operation(error) => error.of_engine(),
            Error::LeftStopped { source, .. } | Error::NotStarted { source, .. } => {
                source.of_engine()
            }
            _ => None,
        }
    }

    pub(crate) fn io(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Error::Io { action, path, source }
    }
}

impl Hint for Error {
    fn is_laid_out(&self) -> bool {
        match self {
            Error::Plugin(error) => error.is_laid_out(),
            Error::Operation(error) => error.is_laid_out(),
            Error::AfterBackup { source, .. } => source.is_laid_out(),
            Error::Stopped { .. }
            | Error::Dump { .. }
            | Error::PutBack { .. }
            | Error::LabelHook { .. }
            | Error::LeftStopped { .. } => true,
            _ => false,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Error::Obstacle(obstacle) => obstacle.hint(),
            Error::DrillLeft { app } => {
                Some(format!("`potluck backup drill {app}` removes it, and begins anew"))
            }
            Error::Home(e) => e.hint(),
            Error::Engine(e) => e.hint(),
            Error::Plugin(e) => e.hint(),
            Error::Operation(e) => e.hint(),
            Error::AfterBackup { source, .. } => source.hint(),
            Error::NotSaved(not_saved) => Some(not_saved.hint()),
            Error::NothingYet { app } => Some(format!("run `potluck app deploy {app}` first")),
            Error::Forgotten { app } => Some(format!(
                "if its swarm was made anew, `potluck backup restore {app}` brings it back; \
                 `potluck app rm {app}` removes it from this folder for good"
            )),
            Error::Shrunk { app, .. } => Some(format!(
                "see whether {app} lost data; if it shrank on purpose, `potluck backup create {app} \
                 --allow-shrink` accepts that (`smallest-dump` of `backup` in server.yml is the limit)"
            )),
            Error::NotStarted { app, .. } => {
                Some(format!("start them with `potluck app deploy {app}`"))
            }
            Error::Misplaced { at, .. } => Some(format!(
                "the app replaced it after the backup: rename or remove `{at}` in the app's \
                 container, then restore again"
            )),
            Error::NoView { source, .. } => Some(match source.raw_os_error().map(Errno::from_raw_os_error) {
                Some(Errno::PERM | Errno::ACCESS) => {
                    "run potluck as root, with the right to mount (CAP_SYS_ADMIN)".into()
                }
                _ => "a mount that follows no symbolic links needs Linux 5.10 or newer".into(),
            }),
            Error::Covered { .. } => Some(
                "move it out of the folder with the engine's volumes, or reach the repository \
                 through a server, for example `rest:`"
                    .into(),
            ),
            Error::UsedByOthers { users, simulated, .. } => {
                let stops = users.iter().map(|user| user.stop(simulated.as_deref()));
                let stops: Vec<String> = stops.collect();
                Some(format!("stop them first: {}; then restore again", stops.join("; ")))
            }
            Error::LeftStopped { source, .. } => source.hint().or_else(|| {
                Some("restore again; `potluck app deploy` starts the services as they are".into())
            }),
            Error::ResticMissing { .. } | Error::ResticTooOld { .. } => Some(
                "install restic 0.14 or newer on this machine, for example with `apt install restic`"
                    .into(),
            ),
            Error::NoRepository { own: true, repository } => Some(format!(
                "the first `potluck backup create` makes it; if there were backups, put the folder \
                 {repository} back, or name where they are as `backup:` in server.yml"
            )),
            Error::NoRepository { .. } => Some(
                "check `backup.repository` in server.yml; the first `potluck backup create` makes the repository"
                    .into(),
            ),
            Error::RepositoryGone { records, copies, .. } => {
                let copies = match copies.first() {
                    Some(copy) => format!(" A copy may have them: `--from {copy}` reads it."),
                    None => String::new(),
                };
                Some(format!(
                    "is its disk mounted? If it was moved, put it back, or name where it is as \
                     `backup:` in server.yml.{copies} To make a new repository there, with no \
                     backup in it, remove what says that it has some: `rm -r {}`",
                    records.join(" ")
                ))
            }
            Error::WrongPassword { own: true, password_file, repository } => Some(format!(
                "put the password that the repository was made with back into {}, or a file that \
                 its folder `keys` lost; without them its backups cannot be read: to begin anew, \
                 move {repository} and that file away",
                password_file.display()
            )),
            Error::WrongPassword { password_file, .. } => Some(format!(
                "check `password-file` or `password-command` in server.yml ({}), and that the \
                 repository lost no file of its folder `keys`; without both the backups cannot \
                 be read",
                password_file.display()
            )),
            Error::Locked { unlock, .. } => Some(format!(
                "wait until that restic is done; if it was killed on another machine, `{unlock}` \
                 removes its lock"
            )),
            Error::NoSpace { prune: Some(prune), list, .. } => Some(format!(
                "free space there: `potluck backup forget` and `potluck backup prune` remove what the \
                 rules don't keep; where there is no room even for that, `{list} --all --json` has \
                 the ids of snapshots, and `{prune} ID…` removes them"
            )),
            Error::NoSpace { .. } => Some("free space there".into()),
            Error::Refused { .. } => Some(
                "it takes additions only: run `potluck backup forget` and `potluck backup prune` \
                 where its credentials may remove files"
                    .into(),
            ),
            Error::Implausible { app, reason: Implausible::LastOfItsSize { set, .. } } => {
                Some(format!(
                    "look at `potluck backup snapshots {app}`; `potluck backup hold {app} {set}` keeps \
                     it whatever the rules say, `--force` removes what the rules don't keep"
                ))
            }
            Error::Implausible { app, .. } => Some(format!(
                "look at `potluck backup snapshots {app}`; if all is well, add `--force`: what is \
                 implausible is kept then, and counts for no rule"
            )),
            Error::NotRemoved { why: NotRemoved::Held { .. }, app, set } => Some(format!(
                "`potluck backup hold {app} {set} --release` ends a hold of the team; an upgrade holds \
                 its backup for two weeks"
            )),
            Error::NotHeld { app, .. } => Some(format!("`potluck backup hold {app}` lists the holds")),
            Error::NotRemoved { why: NotRemoved::OfOther { server }, .. } => {
                Some(format!("remove it with `--server {server}` instead of `--of-server`"))
            }
            Error::NotRemoved { .. } => Some("to remove it anyway, add `--force`".into()),
            Error::ReadOnly { .. } => {
                Some("mount it for writing, or give this user the right to write there".into())
            }
            Error::Damaged { remedy, .. } => Some(remedy.clone()),
            Error::SnapshotsUnreadable { unreadable, app, .. } => Some(format!(
                "name the backup to restore, `potluck backup restore {app} BACKUP`, of those that \
                 `potluck backup snapshots {app}` lists; {}",
                unreadable.hint()
            )),
            Error::PacksMissing { repair, .. } => Some(format!(
                "`{repair}` removes the missing files from its index, so that the next `potluck \
                 backup create` stores them again; older backups that need them stay broken"
            )),
            Error::PasswordFile { path, .. } => {
                Some(format!("put the password into {} and `chmod 600` it", path.display()))
            }
            Error::PasswordCommand { .. } => Some(
                "check `password-command` of `backup` in server.yml: a list of a program and its \
                 arguments, which sees PATH and nothing else of your environment"
                    .into(),
            ),
            Error::NoCopy { known, .. } => Some(match known.as_slice() {
                [] => "name one in server.yml: `backup: copies: {NAME: {repository: …}}`".into(),
                known => format!("its copies are {}", known.join(", ")),
            }),
            Error::AppendOnly { .. } => Some(
                "server.yml says `append-only: true`: run this on a machine whose settings and \
                 credentials for it may remove files"
                    .into(),
            ),
            Error::Clash { .. } => Some(
                "use one account for both, or a repository whose location holds its credentials, \
                 such as `rest:https://user:password@host/`"
                    .into(),
            ),
            Error::NotCopied { hint, .. } => hint.clone(),
            Error::CopyIncomplete { .. } => {
                Some("`potluck backup check` shows whether the repositories are whole".into())
            }
            Error::EnvironmentFile { .. } => Some("write one `KEY=value` a line".into()),
            Error::Stopped { app, wanted: true, .. } => {
                Some(format!("`potluck app deploy {app}` starts what is to run"))
            }
            Error::Stopped { app, services, wanted: false, .. } => Some(format!(
                "the app's settings or its recipe give 0 replicas to {}: change that \
                 (`potluck app config {app}`), then `potluck app deploy {app}`",
                line(&services.join(", "))
            )),
            Error::NotRunning { service } => Some(format!(
                "`potluck app ps` shows the app's tasks; `{service}` must run for its data to be reached"
            )),
            Error::NotReached { .. } => Some(
                "use a repository that the nodes reach (`rest:`, `s3:`, `b2:`, `azure:`), or a \
                 folder of this machine: `repository` of `backup` in server.yml"
                    .into(),
            ),
            Error::Scattered { .. } => Some(
                "keep the services that mount it on one node with a placement constraint, or name \
                 the app's other volumes with `std:files` in recipe.yml"
                    .into(),
            ),
            Error::Volume { reason, .. } if reason.contains("plain folders") => Some(
                "save the files that it leads to by other means, and name the app's other volumes \
                 with `std:files` in recipe.yml"
                    .into(),
            ),
            Error::Volume { reason, .. } if reason.contains("ermission denied") => {
                Some("run potluck as root: volumes belong to the containers' users".into())
            }
            Error::OfTheFuture { app, .. } => Some(format!(
                "`date` shows this clock; if it is right, name the backup that you mean: `potluck \
                 backup snapshots {app}` lists them"
            )),
            Error::NoSet { app, elsewhere } | Error::NoSetBefore { app, elsewhere, .. }
                if let [server, ..] = elsewhere.as_slice() =>
            {
                Some(of_server(app, server))
            }
            Error::UnknownSet { app, elsewhere: Some(server), .. } => Some(of_server(app, server)),
            Error::SeveralServers { .. } => {
                Some("say which: `--of-server SERVER`".into())
            }
            Error::NoSet { app, .. }
            | Error::NoSetBefore { app, .. }
            | Error::UnknownSet { app, .. } => {
                Some(format!("`potluck backup snapshots {app}` lists the backups"))
            }
            Error::AmbiguousSet { .. } => Some("write more of the name".into()),
            Error::OtherRecipe { .. } => {
                Some("restore it into an app of its own recipe, or into one that does not exist".into())
            }
            Error::Distrusted { why, .. } => Some(match &**why {
                Distrust::UnknownSigner(fingerprint) => format!(
                    "if that is the fingerprint on your paper, pass `--signer {fingerprint}`; or get \
                     the team's `signers` folder"
                ),
                _ => "restore another backup, which `potluck backup snapshots` lists; `--unsigned` \
                      accepts this one anyway"
                    .into(),
            }),
            Error::Incomplete { .. } | Error::Manifest { .. } | Error::Settings { .. } => {
                Some("restore another backup; `potluck backup snapshots` lists them".into())
            }
            _ => None,
        }
    }
}
