//! Compose files from the operator's disk, read as docker reads them: variables
//! from the environment of the process, paths against the first file's folder,
//! `-` for standard input. What a file refers to may be anywhere.

use std::{
    env,
    fs::File,
    io,
    path::{Path, PathBuf},
};

use crate::{
    bounded,
    cli::{arguments::StrictArg, failure::Failure, session::Session, ui::Ui},
    compose::{self, Config, LoadOptions, Problems, Source, Warning, lint::LintOptions},
    home::StackName,
    lint::{Finding, Strictness, blocking},
    recipe::lint::with_refusals,
    text::line,
};

/// More than the YAML reader accepts, and far more than swarm accepts as the
/// content of a config or secret.
const LARGEST_FILE: u64 = 16 << 20;

/// The compose files that a command is about.
#[derive(Debug, clap::Args)]
pub struct FilesArg {
    /// A compose file, or `-` for standard input; may be repeated, later files
    /// override earlier ones
    #[arg(
        short = 'c',
        long = "compose-file",
        value_name = "FILE",
        required = true,
        value_delimiter = ','
    )]
    files: Vec<PathBuf>,

    /// Turn on services with this profile; `*` for all; may be repeated
    ///
    /// Without it, $COMPOSE_PROFILES is used. Services without `profiles` are
    /// always on.
    #[arg(long = "profile", value_name = "NAME", value_delimiter = ',')]
    profiles: Vec<String>,

    #[command(flatten)]
    strict: StrictArg,
}

/// The files, or what is wrong with them.
type Loaded = Result<(Config, Vec<Warning>), Problems>;

/// What becomes of `${NAME}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Variables {
    Replaced,
    AsWritten,
}

impl FilesArg {
    /// Reads, interpolates, merges and checks the files; with `--strict` as the
    /// stack of that name, if there is one.
    ///
    /// # Errors
    /// Files that can't be read, and everything that is wrong with them.
    pub fn load(
        &self,
        session: &Session,
        stack: Option<&StackName>,
        variables: Variables,
    ) -> Result<(Config, Vec<Warning>), Failure> {
        let (config, warnings) = self.read(session, variables)??;
        if self.strict.strictness() == Strictness::Warnings {
            refuse(&find(&config, stack))?;
        }
        Ok((config, warnings))
    }

    /// All problems of the files, including what docker refuses; as the stack of
    /// that name, if there is one.
    ///
    /// # Errors
    /// Files that can't be read.
    pub fn lint(
        &self,
        session: &Session,
        stack: Option<&StackName>,
    ) -> Result<Vec<Finding>, Failure> {
        let found = self.read(session, Variables::Replaced)?.map(|(config, _)| {
            let findings = find(&config, stack);
            let Some(stack) = stack else { return findings };
            let (_, mut findings) = with_refusals(config.to_stack(stack, &Disk), findings);
            findings.sort();
            findings
        });
        Ok(found.unwrap_or_else(|problems| problems.0.into_iter().map(Finding::from).collect()))
    }

    pub fn strictness(&self) -> Strictness {
        self.strict.strictness()
    }

    fn read(&self, session: &Session, variables: Variables) -> Result<Loaded, Failure> {
        let sources = self.files.iter().map(|file| source(session, file));
        let sources = sources.collect::<Result<Vec<_>, _>>()?;
        let working_dir = self.working_dir()?;
        // As docker has it: the variable, not the user's account.
        let home_dir = variable("HOME").map(PathBuf::from);
        let profiles = match self.profiles.as_slice() {
            [] => compose::parse_profiles(&variable("COMPOSE_PROFILES").unwrap_or_default()),
            given => given.iter().cloned().collect(),
        };
        let options = LoadOptions {
            working_dir: &working_dir,
            home_dir: home_dir.as_deref(),
            environment: &variable,
            files: &Disk,
            interpolate: variables == Variables::Replaced,
            profiles: &profiles,
        };
        Ok(compose::load(&sources, &options))
    }

    /// The first file's folder; the current one for standard input.
    fn working_dir(&self) -> Result<PathBuf, Failure> {
        let first = self.files.first().map_or(Path::new("-"), PathBuf::as_path);
        let absolute = std::path::absolute(first)
            .map_err(|e| Failure::io(format!("finding {}", first.display()), &e))?;
        Ok(absolute.parent().unwrap_or(&absolute).to_owned())
    }
}

fn source(session: &Session, file: &Path) -> Result<Source, Failure> {
    let (name, bytes) = if file == Path::new("-") {
        if !session.ui.takes_input() {
            return Err(Failure::usage("`-c -` reads standard input, which --no-input forbids"));
        }
        ("stdin".to_owned(), bounded::read(io::stdin().lock(), LARGEST_FILE))
    } else {
        (file.display().to_string(), Disk::open(file))
    };
    let bytes = bytes.map_err(|e| Failure::io(format!("reading {name} failed"), &e))?;
    let text = String::from_utf8(bytes)
        .map_err(|e| Failure::new(format!("{name} is not UTF-8: {}", e.utf8_error())))?;
    Ok(Source { name, text })
}

fn find(config: &Config, stack: Option<&StackName>) -> Vec<Finding> {
    let variables: Vec<String> =
        env::vars_os().filter_map(|(name, _)| name.into_string().ok()).collect();
    config.lint(&LintOptions { stack, variables: &variables, ..LintOptions::default() })
}

/// What `${NAME}` stands for.
fn variable(name: &str) -> Option<String> {
    env::var_os(name).map(|value| value.to_string_lossy().into_owned())
}

/// Fails if the engine is certain to refuse the stack, because half of it would be
/// created by then.
///
/// # Errors
/// All reasons.
pub fn takes(config: &Config, stack: &StackName) -> Result<(), Failure> {
    let refused = config.refusals(stack);
    if refused.is_empty() {
        return Ok(());
    }
    Err(stopped(
        "swarm cannot run this stack, so nothing was sent:",
        &refused.iter().collect::<Vec<_>>(),
    ))
}

/// Warns of services that will not run because no node accepts their tasks. Docker
/// sends them nevertheless.
pub fn warn_of_idle(config: &Config, stack: &StackName, ui: &Ui) {
    for finding in config.never_running(stack) {
        let (found, fix) = (finding.to_string(), finding.fix.unwrap_or_default());
        ui.warn(format_args!("this will not run: {} (fix: {})", line(&found), line(&fix)));
    }
}

fn refuse(findings: &[Finding]) -> Result<(), Failure> {
    let stopping = blocking(findings, Strictness::Warnings);
    if stopping.is_empty() {
        return Ok(());
    }
    let why = format!(
        "lint has {} finding{} on these files, and --strict allows none:",
        stopping.len(),
        if stopping.len() == 1 { "" } else { "s" },
    );
    Err(stopped(&why, &stopping))
}

fn stopped(why: &str, findings: &[&Finding]) -> Failure {
    let lines = findings.iter().map(|finding| {
        let fix = finding.fix.as_ref().map(|fix| format!("\n    fix: {}", line(fix)));
        let found = finding.to_string();
        format!("\n  {} [{}]{}", line(&found), finding.code, fix.unwrap_or_default())
    });
    let mut failure = Failure::laid_out(format!("{why}{}", lines.collect::<String>()));
    failure.findings = findings.iter().map(|finding| (*finding).clone()).collect();
    failure
}

/// Reads wherever the operator may.
pub struct Disk;

impl Disk {
    fn open(path: &Path) -> io::Result<Vec<u8>> {
        bounded::read(File::open(path)?, LARGEST_FILE)
    }
}

impl compose::Files for Disk {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        Disk::open(path)
    }
}
