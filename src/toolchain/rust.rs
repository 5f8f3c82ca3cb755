//! Rust, for `wasm32-unknown-unknown`: it has no WASI, so a component imports
//! only potluck's interface. `plugins/build.sh` does the same for the
//! plugins of this repository.

use std::{
    ffi::{OsStr, OsString},
    io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use super::{
    Built, Error, Places, ended,
    shared::{SAID, Target},
};

const TARGET: &str = "wasm32-unknown-unknown";
/// What makes a component as it links; rustup's toolchains bring it.
const LINKER: &str = "wasm-component-ld";

/// How the guests' standard library is had.
enum Library {
    /// The toolchain brings it: `rustup target add`.
    Installed,
    /// It is built from the source that comes with this other compiler.
    FromSource { rustc: PathBuf, source: PathBuf, tools: PathBuf },
}

pub(super) fn build(folder: &Path, places: &Places) -> Result<Built, Error> {
    let sysroot = PathBuf::from(asked("rustc", &["--print", "sysroot"])?);
    asked("cargo", &["--version"])?;
    let library = library(&sysroot, places)?;
    linker(&sysroot)?;
    let target = Target::for_plugin(folder, &places.builds, &Path::new(TARGET).join("release"))?;
    let source = match &library {
        Library::Installed => sysroot.join("lib/rustlib/src/rust"),
        Library::FromSource { source, .. } => source.clone(),
    };
    let mut cargo = Command::new("cargo");
    cargo
        .args([
            "build",
            "--release",
            "--target",
            TARGET,
            "--message-format=json-render-diagnostics",
        ])
        .arg("--manifest-path")
        .arg(folder.join("Cargo.toml"))
        .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", LINKER)
        .env("CARGO_ENCODED_RUSTFLAGS", flags(&places.cargo_home, &source))
        .stdin(Stdio::null())
        .stderr(Stdio::inherit());
    if let Some(target) = &target.folder {
        cargo.arg("--target-dir").arg(target);
    }
    if let Library::FromSource { rustc, tools, .. } = &library {
        let mut path = vec![tools.join("gcc-ld"), tools.clone()];
        path.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
        let path = std::env::join_paths(path)
            .map_err(|e| Error::Run { program: "cargo".into(), source: io::Error::other(e) })?;
        // Building the library is not a stable feature of cargo.
        cargo
            .arg("-Zbuild-std=std,panic_abort")
            .env("PATH", path)
            .env("RUSTC", rustc)
            .env("RUSTC_BOOTSTRAP", "1");
    }
    let output = cargo.output().map_err(|source| Error::Run { program: "cargo".into(), source })?;
    ended("cargo", output.status, SAID)?;
    let component = component(&String::from_utf8_lossy(&output.stdout));
    let component = component.ok_or_else(|| Error::NoComponent {
        program: "cargo".into(),
        hint: "write `crate-type = [\"cdylib\"]` below `[lib]` in Cargo.toml".into(),
    })?;
    Ok(Built { component, _target: Some(target) })
}

fn library(sysroot: &Path, places: &Places) -> Result<Library, Error> {
    if sysroot.join("lib/rustlib").join(TARGET).join("lib").is_dir() {
        return Ok(Library::Installed);
    }
    let rustc = &places.web_rustc;
    if rustc.is_file() {
        let own = PathBuf::from(asked(rustc, &["--print", "sysroot"])?);
        let source = own.join("lib/rustlib/src/rust");
        if source.join("library/Cargo.lock").is_file() {
            let tools = tools(sysroot)?;
            return Ok(Library::FromSource { rustc: rustc.clone(), source, tools });
        }
    }
    Err(Error::NoToolchain {
        what: format!("Rust's target {TARGET}"),
        install: format!(
            "`rustup target add {TARGET}`; on Debian without it: `apt-get install \
             --no-install-recommends rustc-web rust-web-src`"
        ),
    })
}

/// The toolchain's own programs.
fn tools(sysroot: &Path) -> Result<PathBuf, Error> {
    let version = asked("rustc", &["-vV"])?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(sysroot.join("lib/rustlib").join(host.unwrap_or_default()).join("bin"))
}

/// Whether the linker is where rustc looks for it.
fn linker(sysroot: &Path) -> Result<(), Error> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::iter::once(tools(sysroot)?)
        .chain(std::env::split_paths(&path))
        .any(|folder| folder.join(LINKER).is_file());
    if found {
        return Ok(());
    }
    Err(Error::NoToolchain {
        what: LINKER.into(),
        install: format!("`cargo install {LINKER}`, or a toolchain of https://rustup.rs"),
    })
}

/// What a program prints, on one line or several.
fn asked(program: impl AsRef<OsStr>, arguments: &[&str]) -> Result<String, Error> {
    let name = || program.as_ref().to_string_lossy().into_owned();
    let mut command = Command::new(&program);
    command.args(arguments).stdin(Stdio::null()).stderr(Stdio::inherit());
    let output = command.output();
    let output = output.map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => {
            let install = "https://rustup.rs; on Debian: `apt-get install cargo`";
            Error::NoToolchain { what: name(), install: install.into() }
        }
        _ => Error::Run { program: name(), source },
    })?;
    if !output.status.success() {
        return Err(Error::Failed { program: name(), status: output.status });
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// The same source is the same component everywhere: no path of this machine
/// ends up in it. Cargo names a plugin's own files by relative paths. Arguments
/// are separated by 0x1F, as cargo wants them. They are those of
/// `plugins/build.sh`, so that what was built once serves both.
fn flags(cargo_home: &Path, library: &Path) -> OsString {
    let mut flags = OsString::new();
    for (path, short) in [(cargo_home.join("registry/src"), ""), (library.to_owned(), "/rust")] {
        if !flags.is_empty() {
            flags.push("\u{1f}");
        }
        flags.push("--remap-path-prefix=");
        flags.push(path);
        flags.push("=");
        flags.push(short);
    }
    flags
}

/// The last component among cargo's messages: that of the plugin itself, since
/// what it depends on is built before it.
fn component(messages: &str) -> Option<PathBuf> {
    #[derive(serde::Deserialize)]
    struct Message {
        #[serde(default)]
        filenames: Vec<PathBuf>,
    }
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Message>(line).ok())
        .flat_map(|message| message.filenames)
        .rfind(|path| path.extension().is_some_and(|extension| extension == "wasm"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_plugins_own_component_is_found_among_cargos_messages() {
        let messages = r#"{"reason":"compiler-artifact","filenames":["/t/libdep.rlib"]}
not json
{"reason":"compiler-artifact","filenames":["/t/other.wasm"]}
{"reason":"compiler-artifact","filenames":["/t/mine.wasm","/t/mine.d"]}
{"reason":"build-finished","success":true}"#;
        assert_eq!(component(messages), Some("/t/mine.wasm".into()));
        assert_eq!(component("{}"), None);
    }

    #[test]
    fn a_program_that_is_not_there_is_a_missing_toolchain() {
        let error = asked("potluck-no-such-program", &[]).unwrap_err();
        assert!(matches!(error, Error::NoToolchain { .. }), "{error}");
    }
}
