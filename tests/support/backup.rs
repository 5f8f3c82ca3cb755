//! A repository in a temporary folder, and programs that are not there.
#![allow(dead_code, unused_imports, reason = "each test file uses a part of it")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use futures_util::{StreamExt, stream, stream::BoxStream};
use potluck::{
    backup::{self, Repository, restic::Restic, set::SetId, volume::Folder},
    engine::{self, Chunk, ExecSession, Stream, VolumesFolder, Writers},
};

pub use super::common::{is_alone, skip};

/// A new repository.
pub struct Lab {
    pub folder: tempfile::TempDir,
    pub repository: Repository,
    pub restic: Restic,
}

impl Lab {
    pub async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let password_file = folder.path().join("password");
        fs::write(&password_file, "sesame\n").unwrap();
        let repository = Repository {
            program: "restic".into(),
            location: folder.path().join("repository").to_str().unwrap().into(),
            password_file,
            password_command: Vec::new(),
            environment: vec![("PATH".into(), std::env::var_os("PATH").unwrap())],
            environment_file: None,
            cache: folder.path().join("cache"),
            own: false,
            helper_image: "potluck-test/helper:1".into(),
            reach: None,
            copy: None,
            append_only: false,
        };
        let restic = Restic::new(repository.clone()).await.unwrap();
        restic.init().await.unwrap();
        Lab { folder, repository, restic }
    }

    pub fn location(&self) -> &Path {
        Path::new(&self.repository.location)
    }

    /// A folder as Docker makes it for a volume.
    pub fn volume(&self, name: &str) -> PathBuf {
        let path = self.volumes().join(name).join("_data");
        fs::create_dir_all(&path).unwrap();
        path
    }

    /// The same, opened as potluck opens it.
    pub fn open(&self, name: &str) -> Folder {
        self.try_open(name).unwrap()
    }

    pub fn try_open(&self, name: &str) -> Result<Folder, Box<backup::Error>> {
        let folder = VolumesFolder { path: self.volumes(), writers: Writers::Containers };
        Folder::open(&folder, name, "read").map_err(Box::new)
    }

    /// Where this machine's engine would keep its volumes.
    pub fn volumes(&self) -> PathBuf {
        self.folder.path().join("volumes")
    }

    /// Where a restore of the set fills a volume's folder.
    pub fn staging(&self, name: &str, set: &SetId) -> PathBuf {
        self.volumes().join(name).join(format!(".potluck-restore-{set}"))
    }

    /// No snapshot exists, and no lock is left.
    pub async fn assert_untouched(&self) {
        for folder in ["snapshots", "locks"] {
            let left = fs::read_dir(self.location().join(folder)).unwrap().count();
            assert_eq!(left, 0, "{folder} are left in the repository");
        }
        assert!(self.restic.snapshots("potluck").await.unwrap().is_empty());
    }

    /// The one restic that runs on this repository.
    pub fn pid_of_restic(&self) -> rustix::process::Pid {
        let wanted = format!("RESTIC_REPOSITORY={}\0", self.repository.location);
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let Ok(pid) = entry.file_name().to_string_lossy().parse::<i32>() else { continue };
            let environ = fs::read(entry.path().join("environ")).unwrap_or_default();
            if String::from_utf8_lossy(&environ).contains(&wanted) {
                return rustix::process::Pid::from_raw(pid).unwrap();
            }
        }
        panic!("no restic runs on {}", self.repository.location);
    }
}

/// Whether restic can be shown a volume, which takes the right to mount; says so
/// where it cannot.
pub fn can_mount() -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        skip("volumes are not saved here: not root");
    }
    root
}

pub fn chunk(stream: Stream, bytes: Vec<u8>) -> Result<Chunk, engine::Error> {
    Ok(Chunk { stream, bytes: bytes.into() })
}

/// A program that says these things and ends so.
pub fn session(
    output: Vec<Result<Chunk, engine::Error>>,
    end: Result<i64, engine::Error>,
) -> ExecSession {
    session_of(stream::iter(output).boxed(), end)
}

/// A program that says these things and then nothing more.
pub fn session_that_stays_open(output: Vec<Result<Chunk, engine::Error>>) -> ExecSession {
    session_of(stream::iter(output).chain(stream::pending()).boxed(), Ok(0))
}

pub fn session_of(
    output: BoxStream<'static, Result<Chunk, engine::Error>>,
    end: Result<i64, engine::Error>,
) -> ExecSession {
    ExecSession { id: "test".into(), stdin: None, output, exit_code: Box::pin(async { end }) }
}

/// A small file system; unmounted when dropped.
pub struct Tmpfs(PathBuf);

impl Tmpfs {
    pub fn mount(at: &Path, size: &str) -> Option<Self> {
        let status = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"])
            .arg(at)
            .status()
            .ok()?;
        status.success().then(|| Tmpfs(at.to_owned()))
    }
}

/// An ext4 image through FUSE, whose mount cannot exchange names; unmounted when
/// dropped.
pub struct Fuse(Tmpfs);

impl Fuse {
    pub fn mount(folder: &Path, at: &Path) -> Option<Self> {
        let image = folder.join("image");
        fs::File::create(&image).unwrap().set_len(32 << 20).unwrap();
        let run = |program: &str, arguments: &[&std::ffi::OsStr]| {
            let output = Command::new(program).args(arguments).output().ok()?;
            output.status.success().then_some(())
        };
        run("mkfs.ext4", &["-q".as_ref(), "-F".as_ref(), image.as_ref()])?;
        run("fuse2fs", &[image.as_ref(), at.as_ref()])?;
        Some(Fuse(Tmpfs(at.to_owned())))
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}
