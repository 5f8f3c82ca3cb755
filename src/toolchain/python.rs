//! Python, with componentize-py: the SDK's own `python -m potluck build` does
//! the work, and says what is missing.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use super::{Error, ended, inputs};

/// Where `plugin new` puts the SDK.
const SDK: &str = ".potluck";
/// The version that the SDK was tried with.
const INSTALL: &str = "in the plugin's folder: `python3 -m venv .venv && .venv/bin/pip install componentize-py==0.25.1`";
/// Where the component is left, below the folder.
const BUILT: &str = ".potluck/built";

/// The exit code of the SDK and of Python itself, once they have said why.
const SAID: i32 = 1;

/// Whether the folder holds a plugin in Python.
pub(super) fn is_one(folder: &Path) -> bool {
    folder.join(SDK).join("potluck/__main__.py").is_file()
}

pub(super) fn build(folder: &Path) -> Result<PathBuf, Error> {
    let folder = &std::path::absolute(folder)
        .map_err(|source| Error::Run { program: folder.display().to_string(), source })?;
    let module = module(folder)?;
    let out = folder.join(BUILT);
    fs::create_dir_all(&out)
        .map_err(|source| Error::Run { program: out.display().to_string(), source })?;
    let output = out.join(format!("{module}.wasm"));
    let own = folder.join(".venv/bin");
    let python =
        if own.join("python3").is_file() { own.join("python3") } else { PathBuf::from("python3") };
    let own_tool = own.join("componentize-py");
    let tool = if own_tool.is_file() { own_tool } else { PathBuf::from("componentize-py") };
    let versions = [is_there(&python, "install Python 3.11 or newer")?, is_there(&tool, INSTALL)?];
    // Making one takes seconds, most of them componentize-py's own: it compiles
    // CPython to run it once.
    let inputs = inputs::digest(folder, &versions)
        .map_err(|source| Error::Run { program: folder.display().to_string(), source })?;
    let stamp = out.join(format!("{module}.inputs"));
    if output.is_file() && fs::read_to_string(&stamp).is_ok_and(|made_of| made_of == inputs) {
        return Ok(output);
    }
    let mut command = Command::new(&python);
    command
        .args(["-m", "potluck", "build", &module, "--output"])
        .arg(&output)
        .arg("--componentize-py")
        .arg(&tool)
        .current_dir(folder)
        .env("PYTHONPATH", SDK)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    let program = python.display().to_string();
    match command.status() {
        Ok(status) => ended(&program, status, SAID)?,
        Err(source) => return Err(Error::Run { program, source }),
    }
    // One that is cut short names other inputs: the plugin is built again.
    fs::write(&stamp, inputs)
        .map_err(|source| Error::Run { program: stamp.display().to_string(), source })?;
    Ok(output)
}

/// The version of a program, if it can be run at all.
fn is_there(program: &Path, install: &str) -> Result<String, Error> {
    let name = || program.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let asked =
        Command::new(program).arg("--version").stdin(Stdio::null()).stderr(Stdio::null()).output();
    match asked {
        Ok(asked) if asked.status.success() => {
            Ok(String::from_utf8_lossy(&asked.stdout).into_owned())
        }
        // A stand-in that looks for the program, and does not find it.
        Ok(asked) if asked.status.code() == Some(127) => {
            Err(Error::NoToolchain { what: name(), install: install.into() })
        }
        Ok(asked) => Err(Error::Failed { program: name(), status: asked.status }),
        Err(source) if source.kind() == io::ErrorKind::NotFound => {
            Err(Error::NoToolchain { what: name(), install: install.into() })
        }
        Err(source) => Err(Error::Run { program: name(), source }),
    }
}

/// The one module in the folder that is no test.
fn module(folder: &Path) -> Result<String, Error> {
    let none = |hint: &str| Error::NoComponent {
        program: format!("Python in {}", folder.display()),
        hint: hint.into(),
    };
    let entries = fs::read_dir(folder)
        .map_err(|source| Error::Run { program: folder.display().to_string(), source })?;
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut modules: Vec<String> = names
        .filter_map(|name| name.strip_suffix(".py").map(str::to_owned))
        .filter(|name| !name.starts_with("test_") && name != "setup" && name != "conftest")
        .collect();
    modules.sort();
    match &modules[..] {
        [one] => Ok(one.clone()),
        [] => Err(none("the plugin is a module beside `.potluck`, `greeter.py`")),
        _ => Err(none("keep one module in the folder, and the others in a package below it")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_said_with_how_to_install_it() {
        let error = is_there(Path::new("potluck-no-such-program"), INSTALL).unwrap_err();
        assert_eq!(error.to_string(), "potluck-no-such-program is missing");
        assert!(crate::hint::Hint::hint(&error).unwrap().contains("componentize-py=="));
    }

    #[test]
    fn the_module_is_the_one_that_is_no_test() {
        let scratch = tempfile::tempdir().unwrap();
        let folder = scratch.path();
        assert!(module(folder).is_err());
        for name in ["greeter.py", "test_greeter.py", "README.md"] {
            fs::write(folder.join(name), "").unwrap();
        }
        assert_eq!(module(folder).unwrap(), "greeter");
        fs::write(folder.join("other.py"), "").unwrap();
        assert!(module(folder).is_err());
    }
}
