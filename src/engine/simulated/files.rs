//! Files of simulated containers: volumes are real folders, the rest of a
//! container is a folder of its own.

use std::{
    io,
    path::{Component, Path, PathBuf},
};

use super::state::{Service, mounted_volumes};
use crate::engine::{Error, STACK_LABEL, api};

/// The folder below the volumes that holds what containers keep outside them.
const CONTAINERS: &str = ".containers";

/// Docker's name of the folder with a volume's data. Beside it a restore finds
/// room, as it does there.
const DATA: &str = "_data";

/// Where a volume's data is.
pub(super) fn data(volumes: &Path, name: &str) -> PathBuf {
    volumes.join(name).join(DATA)
}

/// Makes a volume, or leaves the one that is there. One of a state that an
/// earlier version of potluck kept, with its data at the top, is moved down.
pub(super) fn make_volume(volumes: &Path, name: &str) -> io::Result<()> {
    let (volume, data) = (volumes.join(name), data(volumes, name));
    // No volume's name begins with a dot.
    let aside = volumes.join(format!(".older-{name}"));
    if is_older(&volume)? {
        std::fs::rename(&volume, &aside)?;
    }
    std::fs::create_dir_all(&volume)?;
    if aside.try_exists()? {
        std::fs::rename(&aside, &data)?;
    }
    std::fs::create_dir_all(&data)
}

/// Whether a volume has its data at the top.
fn is_older(volume: &Path) -> io::Result<bool> {
    let entries = match std::fs::read_dir(volume) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        entries => entries?,
    };
    let mut any = false;
    for entry in entries {
        let name = entry?.file_name();
        // What a restore keeps beside the data while that is away.
        if name == DATA || name.to_string_lossy().starts_with(".potluck-") {
            return Ok(false);
        }
        any = true;
    }
    Ok(any)
}

/// Removes the files of containers that no longer run.
pub(super) fn remove_others(volumes: &Path, running: &[String]) -> Result<(), Error> {
    let folder = volumes.join(CONTAINERS);
    let remove = || -> io::Result<()> {
        let entries = match std::fs::read_dir(&folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?;
            if !running.iter().any(|id| entry.file_name() == id.as_str()) {
                std::fs::remove_dir_all(entry.path())?;
            }
        }
        Ok(())
    };
    remove().map_err(|source| Error::Io { action: format!("clean {}", folder.display()), source })
}

/// Where the files of one container are.
#[derive(Debug, Clone)]
pub(super) struct Files {
    root: PathBuf,
    /// Target in the container and folder on this machine.
    mounts: Vec<(PathBuf, PathBuf)>,
    /// Where volumes of the rules' short names are looked for.
    volumes: PathBuf,
    stack: Option<String>,
}

impl Files {
    pub fn new(volumes: &Path, container: &str, service: &Service, task: &api::Task) -> Self {
        let mounts = mounted_volumes(task).filter_map(|(name, mount)| {
            Some((PathBuf::from(mount.target.as_deref()?), data(volumes, name)))
        });
        let labels = service.spec().and_then(|spec| spec.labels.as_ref());
        Self {
            root: volumes.join(CONTAINERS).join(container),
            mounts: mounts.collect(),
            volumes: volumes.to_owned(),
            stack: labels.and_then(|labels| labels.get(STACK_LABEL)).cloned(),
        }
    }

    /// Makes the folders of the container and its volumes.
    pub fn prepare(&self) -> Result<(), Error> {
        let temporary = self.root.join("tmp");
        let folders = self.mounts.iter().map(|(_, folder)| folder).chain([&temporary]);
        for folder in folders {
            std::fs::create_dir_all(folder).map_err(|source| Error::Io {
                action: format!("create {}", folder.display()),
                source,
            })?;
        }
        Ok(())
    }

    /// Where a path of the container is on this machine.
    pub fn path(&self, inside: &str) -> Result<PathBuf, io::Error> {
        let inside = Path::new("/").join(inside);
        if inside.components().any(|part| part == Component::ParentDir) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "the path has `..` in it"));
        }
        let mount = self
            .mounts
            .iter()
            .filter_map(|(target, folder)| Some((inside.strip_prefix(target).ok()?, folder)))
            .min_by_key(|(rest, _)| rest.components().count());
        Ok(match mount {
            Some((rest, folder)) => folder.join(rest),
            None => self.root.join(inside.strip_prefix("/").unwrap_or(&inside)),
        })
    }

    /// Where the `volume:path` of a rule is.
    pub fn of_rule(&self, file: &str) -> Result<PathBuf, io::Error> {
        let bad = || {
            io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("`{file}` is not of the form volume:path"),
            )
        };
        let (volume, path) = file.split_once(':').ok_or_else(bad)?;
        let plain = |path: &str| {
            !path.is_empty()
                && Path::new(path).components().all(|part| matches!(part, Component::Normal(_)))
        };
        if !plain(volume) || !plain(path) || volume.contains('/') {
            return Err(bad());
        }
        let scoped = self.stack.as_ref().map(|stack| format!("{stack}_{volume}"));
        let scoped = scoped.map(|name| data(&self.volumes, &name)).filter(|folder| folder.exists());
        Ok(scoped.unwrap_or_else(|| data(&self.volumes, volume)).join(path))
    }

    pub fn unpack(&self, folder: &str, tar: &[u8]) -> Result<(), io::Error> {
        let folder = self.path(folder)?;
        if !folder.is_dir() {
            return Err(io::Error::new(io::ErrorKind::NotFound, "there is no such folder"));
        }
        tar::Archive::new(tar).unpack(folder)
    }

    /// As Docker does, the archive begins with the last part of the path.
    pub fn pack(&self, path: &str) -> Result<Vec<u8>, io::Error> {
        let on_disk = self.path(path)?;
        let name = Path::new(path).file_name().map_or_else(|| ".".into(), PathBuf::from);
        let mut tar = tar::Builder::new(Vec::new());
        tar.follow_symlinks(false);
        if on_disk.symlink_metadata()?.is_dir() {
            tar.append_dir_all(name, on_disk)?;
        } else {
            tar.append_path_with_name(on_disk, name)?;
        }
        tar.into_inner()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_a_container_stay_in_their_folders() {
        let files = Files {
            root: "/v/.containers/1".into(),
            mounts: vec![("/data".into(), "/v/a_data".into()), ("/data/in".into(), "/v/b".into())],
            volumes: "/v".into(),
            stack: None,
        };
        for (inside, expected) in [
            ("/data/x", "/v/a_data/x"),
            ("/data/in/x", "/v/b/x"),
            ("/database", "/v/.containers/1/database"),
            ("etc/passwd", "/v/.containers/1/etc/passwd"),
        ] {
            assert_eq!(files.path(inside).unwrap(), Path::new(expected), "{inside}");
        }
        assert!(files.path("/data/../../etc/passwd").is_err());
        for bad in ["data", "data:", ":x", "../x:y", "data:../x", "data:/etc/passwd", "a/b:c"] {
            assert!(files.of_rule(bad).is_err(), "{bad} was accepted");
        }
    }
    #[test]
    fn data_of_an_older_state_is_kept() {
        let lab = tempfile::tempdir().unwrap();
        let older = lab.path().join("v");
        std::fs::create_dir_all(older.join("sub")).unwrap();
        std::fs::write(older.join("sub/f"), "kept").unwrap();
        for _ in 0..2 {
            make_volume(lab.path(), "v").unwrap();
            let kept = data(lab.path(), "v").join("sub/f");
            assert_eq!(std::fs::read_to_string(kept).unwrap(), "kept");
            assert!(!older.join("sub").exists());
        }
        // Cut off between the two renames of a restore: not data.
        std::fs::rename(older.join(DATA), older.join(".potluck-previous")).unwrap();
        make_volume(lab.path(), "v").unwrap();
        assert!(older.join(".potluck-previous/sub/f").exists());
        make_volume(lab.path(), "new").unwrap();
        assert!(data(lab.path(), "new").is_dir());
    }
}
