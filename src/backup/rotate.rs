//! `backup key rotate`: new passwords for a server's repositories.
//!
//! A password file may open several repositories, of this server and of others: all of them
//! get a key for the new password, which is proven to open them, before it takes the place of
//! the old one; only then are the old keys removed. At every moment the file opens every
//! repository, and what was interrupted is finished by the next call:
//!
//! | beside the file | then |
//! |---|---|
//! | `FILE.next` | the new password; perhaps not all repositories have a key for it |
//! | `FILE.previous` | the old password; the file has it still, or the new one, and perhaps not all old keys are removed |

use std::{
    collections::BTreeMap,
    fs,
    fs::{File, OpenOptions},
    io,
    path::{Path, PathBuf},
};

use serde::Serialize;
use zeroize::Zeroizing;

use super::{
    error::Error,
    options::{Options, unless_cancelled},
    repository::{Repository, make_password},
    restic::{Key, LOCK_LIMIT, Restic},
};
use crate::{
    app::Context,
    bounded,
    home::{
        CopyName, ServerName,
        write::{Existing, Readers, write_whole},
    },
};

/// The longest password file.
const LONGEST: u64 = 64 * 1024;

/// A password file that has a new password.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RotateReport {
    pub file: PathBuf,
    /// The repositories that it opens.
    pub repositories: Vec<RotatedKey>,
    /// An earlier rotation was finished; no further one was begun.
    pub resumed: bool,
}

/// A repository with a new key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RotatedKey {
    pub server: String,
    /// The name of the copy; none for the server's own repository.
    pub copy: Option<String>,
    /// Without credentials.
    pub repository: String,
}

/// A repository of the folder.
struct Member {
    server: ServerName,
    copy: Option<CopyName>,
    repository: Repository,
}

/// Gives the repositories of a server new passwords; with `from`, that copy alone.
///
/// # Errors
/// [`Error::NotRotated`] where potluck cannot put a new password anywhere, or an old key must
/// stay; restic's failures.
pub async fn rotate_key(
    context: &Context,
    server: &ServerName,
    options: &Options,
) -> Result<Vec<RotateReport>, Error> {
    let _alone = alone(context).await?;
    let all = members(context, options)?;
    let mut files: BTreeMap<PathBuf, Vec<&Member>> = BTreeMap::new();
    let is_meant = |member: &&Member| {
        member.server == *server && (options.from.is_none() || member.copy == options.from)
    };
    for meant in all.iter().filter(is_meant) {
        match file_of(meant) {
            // The others get theirs; who wants just this one is told why not.
            Err(error @ Error::NotRotated { .. })
                if meant.copy.is_some() && options.from.is_none() =>
            {
                context.progress.warn(error.to_string());
            }
            file => drop(files.entry(file?).or_default()),
        }
    }
    if let (Some(copy), true) = (&options.from, files.is_empty()) {
        // Says which there are.
        Repository::of(&context.home, server, Some(copy), &options.environment)?;
    }
    let mut left = Vec::new();
    for (file, sharing) in &mut files {
        for member in &all {
            if member.repository.password_command.is_empty() && file_of(member)? == *file {
                sharing.push(member);
            }
        }
        let own = options.from.is_some() || sharing.iter().any(|member| member.copy.is_none());
        match check(file, sharing, &all) {
            Err(error) if own => return Err(error),
            Err(error) => {
                context.progress.warn(error.to_string());
                left.push(file.clone());
            }
            Ok(()) => {}
        }
    }
    files.retain(|file, _| !left.contains(file));
    let mut reports = Vec::new();
    for (file, sharing) in files {
        let left = "`potluck backup key rotate` finishes it";
        let work = rotate(context, &file, &sharing);
        if let Some(report) = unless_cancelled(&options.cancel, left, work).await? {
            reports.push(report);
        }
    }
    Ok(reports)
}

/// Every repository that the folder knows.
fn members(context: &Context, options: &Options) -> Result<Vec<Member>, Error> {
    let mut all = Vec::new();
    for server in context.home.servers()? {
        let copies = context.home.backup(&server)?.copies.into_keys().map(Some);
        for copy in std::iter::once(None).chain(copies) {
            let repository =
                Repository::of(&context.home, &server, copy.as_ref(), &options.environment)?;
            all.push(Member { server: server.clone(), copy, repository });
        }
    }
    Ok(all)
}

/// Where a repository's password really is: links are followed.
fn file_of(member: &Member) -> Result<PathBuf, Error> {
    let Repository { password_file, password_command, .. } = &member.repository;
    if !password_command.is_empty() {
        let reason = "its password comes from `password-command`: change it there".to_owned();
        return Err(Error::NotRotated { repository: member.repository.display(), reason });
    }
    match fs::canonicalize(password_file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(password_file.clone()),
        found => found.map_err(Error::io("reading", password_file)),
    }
}

/// Nothing is begun that could not be finished, or would lock others out.
fn check(file: &Path, sharing: &[&Member], all: &[Member]) -> Result<(), Error> {
    for Member { repository, .. } in sharing {
        let refused =
            |reason: String| Err(Error::NotRotated { repository: repository.display(), reason });
        if repository.append_only {
            return refused("it takes additions only, so that its old key would stay".into());
        }
        for other in all {
            let is_same = other.repository.location == repository.location
                && other.repository.password_command.is_empty();
            if is_same
                && file_of(other)? != file
                && other.repository.password_file.exists()
                && read(&other.repository.password_file)? == read(file)?
            {
                return refused(format!(
                    "{} has the same password, and would not open it any more: name one file \
                     in both settings",
                    other.repository.password_file.display()
                ));
            }
        }
    }
    Ok(())
}

async fn rotate(
    context: &Context,
    file: &Path,
    sharing: &[&Member],
) -> Result<Option<RotateReport>, Error> {
    let (next, previous) = (beside(file, "next"), beside(file, "previous"));
    let mut made = Vec::new();
    for member in sharing {
        match key(context, &with(context, member, file).await?).await {
            Ok(_) => made.push(*member),
            // It has no key yet, and gets that of the file when it is made.
            Err(Error::NoRepository { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    if made.is_empty() {
        return Ok(None);
    }
    let is_resumed = previous.exists() || next.exists();
    if previous.exists() {
        remove_old(context, file, &previous, &made).await?;
    }
    if next.exists() && read(&next)? == read(file)? {
        remove(&next)?;
    }
    if !is_resumed || next.exists() {
        add_new(context, file, &next, &made).await?;
        context.progress.step(format!("put the new password into {}", file.display()));
        write_whole(&previous, &read(file)?, Existing::Replace, Readers::Owner)?;
        write_whole(file, &read(&next)?, Existing::Replace, Readers::Owner)?;
        remove(&next)?;
        remove_old(context, file, &previous, &made).await?;
    }
    let repositories = made
        .iter()
        .map(|member| RotatedKey {
            server: member.server.to_string(),
            copy: member.copy.as_ref().map(ToString::to_string),
            repository: member.repository.display(),
        })
        .collect();
    Ok(Some(RotateReport { file: file.to_owned(), repositories, resumed: is_resumed }))
}

/// Makes a new password, and keys for it that are proven to open the repositories.
async fn add_new(
    context: &Context,
    file: &Path,
    next: &Path,
    members: &[&Member],
) -> Result<(), Error> {
    if !next.exists() {
        make_password(next).map_err(Error::io("writing", next))?;
    }
    for member in members {
        let new = with(context, member, next).await?;
        match key(context, &new).await {
            // Added by an earlier call.
            Ok(_) => continue,
            Err(Error::WrongPassword { .. }) => {}
            Err(error) => return Err(error),
        }
        let old = with(context, member, file).await?;
        context.progress.step(format!("add a key to {}", old.name()));
        let add = || old.add_key(next);
        old.past_locks(LOCK_LIMIT, &*context.progress, add).await?;
        key(context, &new).await?;
    }
    Ok(())
}

/// Removes the keys that the previous password opens, and then that password.
async fn remove_old(
    context: &Context,
    file: &Path,
    previous: &Path,
    members: &[&Member],
) -> Result<(), Error> {
    for member in members {
        let restic = with(context, member, file).await?;
        let old = with(context, member, previous).await?;
        // More than one if an interrupted call's restic went on beside the next call's.
        while let Some(key) = one_to_remove(context, &old, &restic).await? {
            context.progress.step(format!("remove the old key from {}", restic.name()));
            let removal = || restic.remove_key(&key);
            if let Err(error) = restic.past_locks(LOCK_LIMIT, &*context.progress, removal).await {
                // That other restic may have removed it just now.
                if one_to_remove(context, &old, &restic).await?.as_ref() == Some(&key) {
                    return Err(error);
                }
            }
        }
        restic.settle().await;
    }
    remove(previous)
}

/// A key that the previous password opens; none if that password opens nothing any more, or
/// was not replaced yet.
async fn one_to_remove(
    context: &Context,
    old: &Restic,
    new: &Restic,
) -> Result<Option<Key>, Error> {
    let found = match key(context, old).await {
        Err(Error::WrongPassword { .. }) => return Ok(None),
        found => found?,
    };
    Ok((key(context, new).await? != found).then_some(found))
}

/// The key that opens the repository. restic (0.14) lists keys under a lock, whatever it is
/// told, and the restic of an interrupted call may still hold one.
async fn key(context: &Context, restic: &Restic) -> Result<Key, Error> {
    restic.read_past_locks(LOCK_LIMIT, &*context.progress, || restic.key()).await
}

/// restic with the password in this file.
async fn with(context: &Context, member: &Member, file: &Path) -> Result<Restic, Error> {
    let mut repository = member.repository.clone();
    repository.password_file = file.to_owned();
    repository.prepare(false, &*context.progress)?;
    Ok(Restic::new(repository).await?.telling(context.progress.clone()))
}

/// `FILE.next`, `FILE.previous`.
fn beside(file: &Path, ending: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    name.into()
}

fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, Error> {
    let read = File::open(path).and_then(|file| bounded::read(file, LONGEST));
    read.map(Zeroizing::new).map_err(Error::io("reading", path))
}

fn remove(path: &Path) -> Result<(), Error> {
    fs::remove_file(path).map_err(Error::io("removing", path))
}

/// Waits until no other process of this folder rotates keys.
async fn alone(context: &Context) -> Result<File, Error> {
    let folder = context.home.state().join("locks");
    let path = folder.join("keys");
    let failed = |source| Error::Io { action: "locking", path: path.clone(), source };
    fs::create_dir_all(&folder).map_err(failed)?;
    let open = OpenOptions::new().write(true).create(true).truncate(false).open(&path);
    let file = open.map_err(failed)?;
    let locking = tokio::task::spawn_blocking(move || file.lock().map(|()| file));
    locking.await.map_err(io::Error::other).flatten().map_err(failed)
}
