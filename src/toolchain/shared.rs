//! Where cargo builds plugins: in one folder for all of them, so that their common
//! dependencies, which take nearly all of the time, are compiled once, and not again for
//! each plugin or for one that was moved.
//!
//! Cargo distinguishes the outputs of two packages only by their names: the output of the
//! last build is there, and cargo considers it fresh for both. So this records which
//! plugin's output is there, and first removes cargo's records of another one; compiling
//! the plugin's own crate again takes less than a second. A lock blocks other builds until
//! the component has been read.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use super::{Error, ended};

/// Whose outputs are there, by the name of the crate.
const OWNERS: &str = "owners";
const LOCK: &str = "build.lock";
/// Cargo's exit code once it has said why.
pub(super) const SAID: i32 = 101;

/// The folder that cargo builds in, kept from others until it is dropped.
#[derive(Debug)]
pub(super) struct Target {
    /// None where the operator chose one.
    pub folder: Option<PathBuf>,
    pub _lock: Option<File>,
}

impl Target {
    /// The folder for the plugin in `plugin`: `shared`, unless cargo's own settings
    /// name another.
    ///
    /// # Errors
    /// [`Error::Said`] when cargo does not read the plugin's manifest.
    pub fn for_plugin(plugin: &Path, shared: &Path, compiled: &Path) -> Result<Self, Error> {
        let package = package(plugin)?;
        if package.target != package.root.join("target") {
            return Ok(Target { folder: None, _lock: None });
        }
        let failed = |source| Error::Run { program: shared.display().to_string(), source };
        fs::create_dir_all(shared.join(OWNERS)).map_err(failed)?;
        let lock = File::create(shared.join(LOCK)).map_err(failed)?;
        lock.lock().map_err(failed)?;
        own(shared, &shared.join(compiled), &package).map_err(failed)?;
        Ok(Target { folder: Some(shared.into()), _lock: Some(lock) })
    }
}

/// What cargo says of a plugin.
#[derive(Debug, PartialEq, Eq)]
struct Package {
    name: String,
    /// Its manifest.
    manifest: PathBuf,
    /// The workspace that it is in, mostly its own folder.
    root: PathBuf,
    target: PathBuf,
}

fn package(plugin: &Path) -> Result<Package, Error> {
    let manifest = plugin.join("Cargo.toml");
    let manifest = std::path::absolute(&manifest)
        .map_err(|source| Error::Run { program: manifest.display().to_string(), source })?;
    let output = Command::new("cargo")
        .args(["metadata", "--no-deps", "--format-version", "1", "--manifest-path"])
        .arg(&manifest)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|source| Error::Run { program: "cargo".into(), source })?;
    ended("cargo", output.status, SAID)?;
    read(&output.stdout, &manifest).ok_or_else(|| Error::NoComponent {
        program: "cargo".into(),
        hint: "name the folder of one plugin, not of a workspace".into(),
    })
}

fn read(metadata: &[u8], manifest: &Path) -> Option<Package> {
    #[derive(serde::Deserialize)]
    struct Metadata {
        packages: Vec<Listed>,
        workspace_root: PathBuf,
        target_directory: PathBuf,
    }
    #[derive(serde::Deserialize)]
    struct Listed {
        name: String,
        manifest_path: PathBuf,
    }
    let metadata: Metadata = serde_json::from_slice(metadata).ok()?;
    let real = manifest.canonicalize().ok();
    let same = |path: &Path| path == manifest || real.is_some() && path.canonicalize().ok() == real;
    let package = metadata.packages.into_iter().find(|package| same(&package.manifest_path))?;
    Some(Package {
        name: package.name,
        manifest: manifest.into(),
        root: metadata.workspace_root,
        target: metadata.target_directory,
    })
}

/// Makes the outputs under the package's name its own.
fn own(shared: &Path, compiled: &Path, package: &Package) -> io::Result<()> {
    let owner = shared.join(OWNERS).join(&package.name);
    let manifest = package.manifest.as_os_str().as_encoded_bytes();
    match fs::read(&owner) {
        Ok(known) if known == manifest => return Ok(()),
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    // First, so that a crash in between leaves nobody's.
    forget(&compiled.join(".fingerprint"), &package.name)?;
    fs::write(&owner, manifest)
}

/// Removes what cargo knows of a package that it built: `wiki-0f3a…`.
fn forget(fingerprints: &Path, name: &str) -> io::Result<()> {
    let entries = match fs::read_dir(fingerprints) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let is_of = entry.file_name().to_str().and_then(|file| {
            let (package, hash) = file.rsplit_once('-')?;
            Some(package == name && hash.bytes().all(|b| b.is_ascii_hexdigit()))
        });
        if is_of == Some(true) {
            fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_is_found_among_what_cargo_says() {
        let metadata =
            br#"{"packages": [{"name": "sdk", "manifest_path": "/p/.potluck/Cargo.toml"},
            {"name": "wiki", "manifest_path": "/p/Cargo.toml"}],
            "workspace_root": "/p", "target_directory": "/p/target", "version": 1}"#;
        let package = read(metadata, Path::new("/p/Cargo.toml")).unwrap();
        assert_eq!(package.name, "wiki");
        assert_eq!(package.target, package.root.join("target"));
        assert_eq!(read(metadata, Path::new("/q/Cargo.toml")), None);
        assert_eq!(read(b"no", Path::new("/p/Cargo.toml")), None);
    }

    #[test]
    fn of_two_packages_of_one_name_the_second_finds_nothing_of_the_first() {
        let scratch = tempfile::tempdir().unwrap();
        let shared = scratch.path();
        fs::create_dir(shared.join(OWNERS)).unwrap();
        let fingerprints = shared.join(".fingerprint");
        let built = |names: &[&str]| {
            for name in names {
                fs::create_dir_all(fingerprints.join(name)).unwrap();
            }
        };
        let left = || {
            let entries = fs::read_dir(&fingerprints).unwrap();
            let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
            names.sort();
            names
        };
        let package = |manifest: &str| Package {
            name: "wiki".into(),
            manifest: manifest.into(),
            root: "/".into(),
            target: "/target".into(),
        };
        own(shared, shared, &package("/a/Cargo.toml")).unwrap();
        let all = ["serde-0123456789abcdef", "wiki-0123456789abcdef", "wiki-two-0123456789abcdef"];
        built(&all);
        own(shared, shared, &package("/a/Cargo.toml")).unwrap();
        assert_eq!(left(), all);
        own(shared, shared, &package("/b/Cargo.toml")).unwrap();
        assert_eq!(left(), [all[0], all[2]]);
        built(&all);
        own(shared, shared, &package("/a/Cargo.toml")).unwrap();
        assert_eq!(left(), [all[0], all[2]]);
    }
}
