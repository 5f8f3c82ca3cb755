//! `potluck plugin build`

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use crate::{
    cli::{
        arguments::JsonArg,
        exit::Exit,
        failure::{Failure, Outcome},
        session::{Session, user_home, wait},
        shell,
    },
    home::{
        Home,
        write::{self, Existing, Readers},
    },
    plugin::Runtime,
    toolchain::{self, Places},
};
use serde::Serialize;

/// Build a plugin.
///
/// Makes the component with the toolchain that its sources need, or says what to
/// install, and checks that potluck can load it.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  potluck plugin build
  potluck plugin build plugins/wiki --output ./wiki/plugins/wiki.wasm

Dependencies of plugins in Rust are compiled once for all plugins, in the operator's
folder (cache/builds), unless CARGO_TARGET_DIR or cargo's settings name a folder. A
plugin in Python is only built if its files changed.

WEB_RUSTC names another Rust compiler that has its library's source, for
toolchains without the target wasm32-unknown-unknown [default: /usr/bin/rustc].

JSON: {component, size, sha256, wit_version, roles, imports}.")]
pub struct Args {
    /// The plugin's folder
    #[arg(value_name = "FOLDER", default_value = ".")]
    folder: PathBuf,

    /// The file to write [default: NAME.wasm in the recipe's folder `plugins`, if
    /// FOLDER is in one, else in FOLDER]
    #[arg(long, short = 'O', value_name = "FILE")]
    output: Option<PathBuf>,

    #[command(flatten)]
    json: JsonArg,
}

#[derive(Serialize)]
struct Report {
    component: String,
    /// Bytes.
    size: usize,
    sha256: String,
    /// Version of potluck's interface that it was built for.
    wit_version: Option<String>,
    roles: Vec<String>,
    imports: Vec<String>,
}

pub fn run(args: &Args, session: &Session) -> Outcome {
    let home = session.home()?;
    let built = match toolchain::build(&args.folder, &places(&home)) {
        Ok(built) => built,
        Err(toolchain::Error::Said { .. }) => return Ok(Exit::FAILED),
        Err(error) => return Err(error.into()),
    };
    let component = &built.component;
    let bytes = fs::read(component)
        .map_err(|e| Failure::io(format!("reading {}", component.display()), &e))?;
    // Cargo writes `_` for the `-` of a crate's name.
    let name = component.file_stem().unwrap_or_default().to_string_lossy().replace('_', "-");
    drop(built);
    let runtime = Runtime::new(&home.plugin_cache())?;
    let plugin = wait("interrupted", async { Ok(runtime.load(&name, &bytes).await?) })?;
    let output = match &args.output {
        Some(output) => output.clone(),
        None => toolchain::place(&args.folder, &name),
    };
    write::write_whole(&output, &bytes, Existing::ReplaceLink, Readers::Shared)?;
    let report = Report {
        component: output.display().to_string(),
        size: bytes.len(),
        sha256: plugin.digest().to_owned(),
        wit_version: plugin.wit_version().map(str::to_owned),
        roles: plugin.roles().iter().map(ToString::to_string).collect(),
        imports: plugin.imports().to_vec(),
    };
    session.report(&report, &args.json, |report| {
        session.ui.say(format_args!(
            "Built {}: {} bytes, sha256 {}, plays {}.",
            report.component,
            report.size,
            &report.sha256[..12],
            report.roles.join(", ")
        ));
        Ok(())
    })
}

/// The command that builds a new plugin to the place where its recipe expects it.
pub(in crate::cli) fn step(folder: &Path, name: &str) -> String {
    let build = format!("potluck plugin build {}", shell::path(folder));
    if toolchain::is_in_recipe(folder) {
        return build;
    }
    format!("{build} --output RECIPE/plugins/{name}.wasm")
}

fn places(home: &Home) -> Places {
    let variable =
        |name| env::var_os(name).map(PathBuf::from).filter(|p| !p.as_os_str().is_empty());
    let own = || user_home().map(|home| home.join(".cargo"));
    Places {
        cargo_home: variable("CARGO_HOME").or_else(own).unwrap_or_else(|| ".cargo".into()),
        builds: home.plugin_builds(),
        web_rustc: variable("WEB_RUSTC").unwrap_or_else(|| "/usr/bin/rustc".into()),
    }
}
