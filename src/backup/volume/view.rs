//! How restic sees a volume: through a mount that only that one run has.
//!
//! restic resolves paths, whatever folder it is started in, and runs as root;
//! the container that writes the volume may swap a folder for a link at any
//! moment. So the volume's folder, as an open descriptor, is cloned into a
//! mount on which the kernel follows no symbolic link (`nosymfollow`, Linux
//! 5.10), read-only for a backup. It is mounted in a namespace of restic's own,
//! made between `fork` and `exec`: no other process sees it, and it is gone with
//! restic, also after a crash of either.
//!
//! It is mounted at the volume's own path, so that snapshots keep their paths
//! and find their parents; and the folder with all volumes is covered by
//! an empty one, so that restic sees no other volume.
//!
//! A simulated engine's volumes do not need this ([`Writers`](crate::engine::Writers)):
//! restic is simply started in the open folder.
//!
//! `pre_exec` rather than a helper program: no second copy of potluck has to be found and
//! trusted, and `Command` still owns pipes, signals and exit code. The code there is
//! limited to bare system calls on values that were prepared before.

use std::{
    ffi::{CStr, CString},
    io::{self, PipeWriter, Read, Write},
    os::{
        fd::{AsFd, AsRawFd, FromRawFd, OwnedFd},
        unix::ffi::OsStrExt,
    },
    path::{Path, PathBuf},
    ptr,
    sync::Arc,
};

use rustix::{
    fs::{CWD, Mode, OFlags, fcntl_setfl, mkdirat, statvfs},
    io::Errno,
    process::{chdir, fchdir},
};
use tokio::process::Command;

use super::helper::Container;

/// Docker's name of the folder with a volume's data.
pub(super) const DATA: &str = "_data";

/// What may be done through a view.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    Read,
    Write,
}

/// A folder as restic will see it.
#[derive(Debug)]
pub struct View {
    volume: String,
    /// Where restic finds it.
    path: PathBuf,
    how: How,
}

#[derive(Debug)]
enum How {
    Mounted(Mounted),
    /// Without a mount: restic starts in the open folder. Nobody else
    /// writes there, and this needs no root.
    Plain(OwnedFd),
    /// In a helper container, where nothing else of the node is.
    There(Arc<Container>),
}

/// A mount that only the one run has.
#[derive(Debug)]
struct Mounted {
    /// The mount, attached nowhere yet; it goes with this descriptor.
    tree: OwnedFd,
    /// The folder with all volumes, which is covered.
    covered: CString,
    /// The volume's own folder in it.
    home: CString,
    /// Where the mount goes.
    place: CString,
    access: Access,
}

/// Why there is no view.
#[derive(Debug)]
pub enum NoView {
    /// The kernel, or our environment, does not allow it.
    Refused { step: &'static str, source: io::Error },
    /// Something restic needs lies among the volumes, which it cannot see.
    Covered(PathBuf),
}

impl View {
    /// Of an open folder, mounted at `<covered>/<volume>/_data`.
    pub(super) fn mounted(
        folder: impl AsFd,
        covered: &Path,
        volume: &str,
        access: Access,
    ) -> Result<Self, NoView> {
        let refused = |source| NoView::Refused { step: "cloning the folder's mount", source };
        let c_string = |path: &Path| {
            CString::new(path.as_os_str().as_bytes()).map_err(|e| refused(io::Error::other(e)))
        };
        let home = covered.join(volume);
        let path = home.join(DATA);
        let mounted = Mounted {
            tree: clone_tree(&folder).map_err(refused)?,
            covered: c_string(covered)?,
            place: c_string(&path)?,
            home: c_string(&home)?,
            access,
        };
        Ok(View { volume: volume.to_owned(), path, how: How::Mounted(mounted) })
    }

    /// Of an open folder, where it lies.
    pub(super) fn plain(folder: impl AsFd, path: PathBuf, volume: &str) -> Result<Self, NoView> {
        let open = folder.as_fd().try_clone_to_owned();
        let open = open.map_err(|source| NoView::Refused { step: "opening the folder", source })?;
        Ok(View { volume: volume.to_owned(), path, how: How::Plain(open) })
    }

    /// Of a folder in a helper container.
    pub(super) fn there(container: Arc<Container>, path: PathBuf, volume: &str) -> Self {
        View { volume: volume.to_owned(), path, how: How::There(container) }
    }

    /// The helper container that has it, and where; none where it is on this machine.
    pub(in crate::backup) fn helper(&self) -> Option<(&Arc<Container>, &Path)> {
        match &self.how {
            How::There(container) => Some((container, &self.path)),
            How::Mounted(_) | How::Plain(_) => None,
        }
    }

    /// Docker's name of the volume.
    pub fn volume(&self) -> &str {
        &self.volume
    }

    /// Where restic finds it.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Refuses a file that restic needs and would not see.
    pub fn check_visible(&self, needed: &Path) -> Result<(), NoView> {
        let How::Mounted(mounted) = &self.how else { return Ok(()) };
        let covered = Path::new(std::ffi::OsStr::from_bytes(mounted.covered.as_bytes()));
        let real = |path: &Path| std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        if real(needed).starts_with(real(covered)) {
            return Err(NoView::Covered(needed.to_owned()));
        }
        Ok(())
    }

    /// Starts a program inside the view, with it as the working folder.
    ///
    /// # Errors
    /// The inner one of `start` itself, when the view was entered.
    #[expect(unsafe_code, reason = "only here is a process between fork and exec")]
    pub fn start<T>(
        self,
        mut command: Command,
        start: impl FnOnce(Command) -> io::Result<T>,
    ) -> Result<io::Result<T>, NoView> {
        let no_pipe = |source| NoView::Refused { step: "making a pipe", source };
        let (mut failed, report) = io::pipe().map_err(no_pipe)?;
        // A child that is there has written, or never will: nothing is waited
        // for, even if something still holds the other end.
        fcntl_setfl(&failed, OFlags::NONBLOCK).map_err(|e| no_pipe(e.into()))?;
        let how = self.how;
        let enter = move || enter(&how, &report);
        // SAFETY: `enter` runs in the child of a process with threads, where only
        // what is safe in a signal handler may be done. It makes system calls on
        // descriptors and C strings made before the fork, allocates nothing, takes
        // no lock, does not unwind (it has no panics), and its errors are plain
        // error numbers.
        unsafe { command.pre_exec(enter) };
        let started = start(command);
        let mut step = [0];
        match (started, failed.read(&mut step)) {
            (Err(source), Ok(1)) => {
                let step = STEPS.get(usize::from(step[0])).map_or("entering it", |(name, _)| name);
                Err(NoView::Refused { step, source })
            }
            (started, _) => Ok(started),
        }
    }
}

/// What the child does, and what each step is called.
type Step = (&'static str, fn(&Mounted) -> io::Result<()>);

const STEPS: [Step; 8] = [
    ("making a mount namespace", |_| unshare_mounts()),
    ("keeping its mounts private", |_| private(c"/")),
    ("covering the other volumes", |view| {
        let flags = libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC;
        let small = Some(c"mode=0755,size=64k,nr_inodes=16");
        mount(Some(c"potluck"), &view.covered, Some(c"tmpfs"), flags, small)
    }),
    ("making a place for the mount", |view| {
        mkdirat(CWD, &*view.home, Mode::RWXU)?;
        Ok(mkdirat(CWD, &*view.place, Mode::RWXU)?)
    }),
    ("mounting the folder", |view| attach_tree(&view.tree, &view.place)),
    // It is a peer of the volume's mount if that is shared: what is mounted
    // there later would show up here.
    ("keeping its mount private", |view| private(&view.place)),
    ("forbidding symbolic links on its mount", |view| {
        mount(None, &view.place, None, libc::MS_REMOUNT | libc::MS_BIND | view.flags(), None)?;
        // A kernel that does not know the flag ignores it.
        let set = statvfs(&*view.place)?.f_flag.bits();
        let wanted = match view.access {
            Access::Read => ST_NOSYMFOLLOW | ST_RDONLY,
            Access::Write => ST_NOSYMFOLLOW,
        };
        if set & wanted == wanted { Ok(()) } else { Err(Errno::OPNOTSUPP.into()) }
    }),
    ("entering it", |view| Ok(chdir(&*view.place)?)),
];

/// In the child, between `fork` and `exec`: see the safety argument above.
fn enter(how: &How, mut report: &PipeWriter) -> io::Result<()> {
    let view = match how {
        How::Mounted(view) => view,
        How::Plain(folder) => return Ok(fchdir(folder)?),
        // Nothing of this machine's is entered.
        How::There(_) => return Err(Errno::INVAL.into()),
    };
    for (number, (_, step)) in (0_u8..).zip(&STEPS) {
        if let Err(error) = step(view) {
            // The parent is told only an error number; this says of what. If
            // it fails, the step stays unnamed.
            let _ = report.write(&[number]);
            return Err(error);
        }
    }
    Ok(())
}

/// `ST_RDONLY` of `statfs(2)`.
const ST_RDONLY: u64 = 1;
/// `ST_NOSYMFOLLOW` of `statfs(2)`, Linux 5.10.
const ST_NOSYMFOLLOW: u64 = 0x2000;
/// `MS_NOSYMFOLLOW` of `mount(2)`, Linux 5.10.
const MS_NOSYMFOLLOW: libc::c_ulong = 256;

impl Mounted {
    fn flags(&self) -> libc::c_ulong {
        let always = MS_NOSYMFOLLOW | libc::MS_NODEV | libc::MS_NOSUID | libc::MS_NOEXEC;
        match self.access {
            Access::Read => always | libc::MS_RDONLY,
            Access::Write => always,
        }
    }
}

/// What is mounted elsewhere does not come here, and the reverse.
fn private(place: &CStr) -> io::Result<()> {
    mount(None, place, None, libc::MS_REC | libc::MS_PRIVATE, None)
}

/// A mount of an open folder that is attached nowhere; mounts below it stay out.
#[expect(unsafe_code, reason = "rustix is built without its mount calls")]
fn clone_tree(folder: &impl AsFd) -> io::Result<OwnedFd> {
    let flags =
        libc::OPEN_TREE_CLONE | libc::OPEN_TREE_CLOEXEC | libc::AT_EMPTY_PATH as libc::c_uint;
    let folder = folder.as_fd().as_raw_fd();
    // SAFETY: the descriptor is open for as long as the call, and the path is a
    // C string that lives for ever.
    let tree = unsafe { libc::syscall(libc::SYS_open_tree, folder, c"".as_ptr(), flags) };
    let tree = libc::c_int::try_from(checked(tree)?).map_err(io::Error::other)?;
    // SAFETY: the call just made this descriptor, and nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(tree) })
}

#[expect(unsafe_code, reason = "rustix is built without its mount calls")]
fn attach_tree(tree: &OwnedFd, place: &CStr) -> io::Result<()> {
    // SAFETY: the descriptor is open and the paths are C strings, all for longer
    // than the call.
    let done = unsafe {
        libc::syscall(
            libc::SYS_move_mount,
            tree.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_FDCWD,
            place.as_ptr(),
            libc::MOVE_MOUNT_F_EMPTY_PATH,
        )
    };
    checked(done).map(drop)
}

#[expect(unsafe_code, reason = "rustix is built without its namespace calls")]
fn unshare_mounts() -> io::Result<()> {
    // SAFETY: it changes which mounts this process sees, and no memory. The one
    // caller is a child that has one thread.
    let done = unsafe { libc::unshare(libc::CLONE_NEWNS) };
    checked(done.into()).map(drop)
}

#[expect(unsafe_code, reason = "rustix is built without its mount calls")]
fn mount(
    source: Option<&CStr>,
    target: &CStr,
    kind: Option<&CStr>,
    flags: libc::c_ulong,
    data: Option<&CStr>,
) -> io::Result<()> {
    let text = |text: Option<&CStr>| text.map_or(ptr::null(), CStr::as_ptr);
    // SAFETY: each pointer is null, where `mount(2)` allows that, or a C string
    // that outlives the call.
    let done =
        unsafe { libc::mount(text(source), target.as_ptr(), text(kind), flags, text(data).cast()) };
    checked(done.into()).map(drop)
}

fn checked(done: libc::c_long) -> io::Result<libc::c_long> {
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(done) }
}
