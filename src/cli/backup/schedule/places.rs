//! Where schedules are: units of systemd, files of cron, and a user's crontab. Whatever does
//! not carry our mark is left alone.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde::Serialize;

use crate::{
    backup::schedule::{Mark, mark},
    cli::{failure::Failure, session::user_home},
    home::write::{Existing, Readers, write_whole},
};

/// What carries a schedule out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    Systemd,
    Cron,
}

/// Where a schedule is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    Timer {
        service: PathBuf,
        timer: PathBuf,
        /// How systemctl is told that it is there; none for another machine's.
        manager: Option<Manager>,
    },
    CronFile(PathBuf),
    Crontab,
}

/// Which systemd.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manager {
    System,
    User,
}

/// What is to be written.
#[derive(Debug, Serialize)]
pub struct PlannedFile {
    /// None for the user's crontab.
    pub path: Option<PathBuf>,
    pub content: String,
}

/// A schedule that exists.
pub struct Installed {
    pub mark: Mark,
    pub place: Place,
}

impl Place {
    /// The place of a schedule.
    ///
    /// # Errors
    /// If the home directory is unknown.
    pub fn of(kind: Kind, name: &str, into: Option<&Path>) -> Result<Self, Failure> {
        Ok(match (kind, into) {
            (Kind::Systemd, Some(folder)) => Place::timer(folder, name, None),
            (Kind::Systemd, None) => {
                let (folder, manager) = units()?;
                Place::timer(&folder, name, Some(manager))
            }
            (Kind::Cron, Some(folder)) => Place::CronFile(folder.join(name)),
            (Kind::Cron, None) if is_root() => Place::CronFile(Path::new(CRON_D).join(name)),
            (Kind::Cron, None) => Place::Crontab,
        })
    }

    fn timer(folder: &Path, name: &str, manager: Option<Manager>) -> Self {
        let file = |ending: &str| folder.join(format!("{name}.{ending}"));
        Place::Timer { service: file("service"), timer: file("timer"), manager }
    }

    /// Its files; none for a crontab.
    pub fn files(&self) -> Vec<&Path> {
        match self {
            Place::Timer { service, timer, .. } => vec![timer, service],
            Place::CronFile(path) => vec![path],
            Place::Crontab => Vec::new(),
        }
    }

    pub fn kind(&self) -> Kind {
        match self {
            Place::Timer { .. } => Kind::Systemd,
            _ => Kind::Cron,
        }
    }

    /// For people.
    pub fn shown(&self) -> String {
        match self.files().first() {
            Some(path) => path.display().to_string(),
            None => "your crontab".into(),
        }
    }
}

const CRON_D: &str = "/etc/cron.d";

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn units() -> Result<(PathBuf, Manager), Failure> {
    if is_root() {
        return Ok(("/etc/systemd/system".into(), Manager::System));
    }
    let home = user_home().ok_or_else(|| Failure::usage("the home directory is not known"))?;
    Ok((home.join(".config/systemd/user"), Manager::User))
}

/// All schedules of this user, or those in one folder.
///
/// # Errors
/// If a place cannot be read.
pub fn installed(into: Option<&Path>) -> Result<Vec<Installed>, Failure> {
    let mut found = Vec::new();
    let (folders, crontab) = match into {
        Some(folder) => (vec![(folder.to_owned(), None)], false),
        None => {
            let (units, manager) = units()?;
            (vec![(units, Some(manager)), (CRON_D.into(), None)], !is_root())
        }
    };
    for (folder, manager) in folders {
        for path in files_in(&folder)? {
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let place = match path.extension().and_then(|ending| ending.to_str()) {
                Some("timer") => Place::timer(&folder, &name, manager),
                None => Place::CronFile(path.clone()),
                Some(_) => continue,
            };
            let text = read(&path)?.unwrap_or_default();
            let marks = mark::read(&text).into_iter().filter(|mark| mark.name == name);
            found.extend(marks.map(|mark| Installed { mark, place: place.clone() }));
        }
    }
    if crontab {
        let marks = mark::read(&read_crontab()?.unwrap_or_default());
        found.extend(marks.into_iter().map(|mark| Installed { mark, place: Place::Crontab }));
    }
    Ok(found)
}

fn files_in(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let failed = |error: io::Error| Failure::io(format!("listing {}", folder.display()), &error);
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(failed)?,
    };
    let mut files = Vec::new();
    for entry in entries {
        let entry = entry.map_err(failed)?;
        if entry.file_type().map_err(failed)?.is_file() {
            files.push(entry.path());
        }
    }
    files.sort();
    Ok(files)
}

/// A file's text; none where there is no such file, or it is not text.
fn read(path: &Path) -> Result<Option<String>, Failure> {
    match fs::read(path) {
        Ok(bytes) => Ok(String::from_utf8(bytes).ok()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Failure::io(format!("reading {}", path.display()), &error)),
    }
}

/// Whether the place may be written: it is empty, or has a schedule of this folder.
///
/// # Errors
/// If it is somebody else's.
pub fn require_free(place: &Place, name: &str, folder: &Path) -> Result<(), Failure> {
    let mut texts = Vec::new();
    for path in place.files() {
        if path.symlink_metadata().is_ok() {
            texts.push((path.display().to_string(), read(path)?.unwrap_or_default()));
        }
    }
    if *place == Place::Crontab
        && let Some(text) = read_crontab()?
        && let Some(part) = mark::part(&text, name)
    {
        texts.push((place.shown(), text[part].to_owned()));
    }
    for (path, text) in texts {
        let Some(mark) = mark::read(&text).into_iter().find(|mark| mark.name == name) else {
            return Err(Failure::new(format!("{path} exists, and potluck did not write it"))
                .hint("choose another `--name`, or remove the file"));
        };
        if Path::new(&mark.folder) != folder {
            let message = format!("{path} is the schedule of another folder, {}", mark.folder);
            return Err(Failure::new(message).hint("choose another `--name`"));
        }
    }
    Ok(())
}

/// Writes a schedule.
///
/// # Errors
/// If it cannot be written, or systemd does not take it.
pub fn write(place: &Place, name: &str, files: &[PlannedFile]) -> Result<(), Failure> {
    for file in files {
        match &file.path {
            Some(path) => {
                write_whole(path, file.content.as_bytes(), Existing::ReplaceLink, Readers::Shared)?;
            }
            None => {
                let mut text = read_crontab()?.unwrap_or_default();
                match mark::part(&text, name) {
                    Some(part) => text.replace_range(part, &file.content),
                    None => {
                        if !text.is_empty() && !text.ends_with('\n') {
                            text.push('\n');
                        }
                        text.push_str(&file.content);
                    }
                }
                write_crontab(&text)?;
            }
        }
    }
    if let Place::Timer { manager: Some(manager), .. } = place {
        systemctl(*manager, &["daemon-reload"])?;
        systemctl(*manager, &["enable", "--now", &format!("{name}.timer")])?;
    }
    Ok(())
}

/// Removes a schedule that carries our mark.
///
/// # Errors
/// If it cannot be removed.
pub fn remove(installed: &Installed) -> Result<(), Failure> {
    let name = &installed.mark.name;
    let manager = match &installed.place {
        Place::Timer { manager, .. } => *manager,
        _ => None,
    };
    if let Some(manager) = manager {
        systemctl(manager, &["disable", "--now", &format!("{name}.timer")])?;
    }
    for path in installed.place.files() {
        // The service beside a timer may be somebody else's.
        let is_ours =
            read(path)?.is_some_and(|text| mark::read(&text).iter().any(|mark| mark.name == *name));
        if is_ours {
            fs::remove_file(path)
                .map_err(|error| Failure::io(format!("removing {}", path.display()), &error))?;
        }
    }
    if installed.place == Place::Crontab
        && let Some(mut text) = read_crontab()?
    {
        let part = mark::part(&text, name).ok_or_else(|| {
            Failure::new(format!("the end of the schedule {name} in your crontab is missing"))
                .hint("`crontab -e` edits it")
        })?;
        text.replace_range(part, "");
        write_crontab(&text)?;
    }
    if let Some(manager) = manager {
        systemctl(manager, &["daemon-reload"])?;
    }
    Ok(())
}

fn systemctl(manager: Manager, arguments: &[&str]) -> Result<(), Failure> {
    let mut command = Command::new("systemctl");
    if manager == Manager::User {
        command.arg("--user");
    }
    let told = arguments.join(" ");
    let done = command
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| Failure::io("`systemctl` cannot be run", &error))?;
    match done.status.success() {
        true => Ok(()),
        false => {
            let mut failure = Failure::new(format!("`systemctl {told}` failed"));
            failure.causes.push(String::from_utf8_lossy(&done.stderr).trim().to_owned());
            Err(failure.hint("use `--cron` where systemd does not run"))
        }
    }
}

/// The user's crontab; none where there is none, or no cron.
fn read_crontab() -> Result<Option<String>, Failure> {
    let done = match Command::new("crontab").arg("-l").stdin(Stdio::null()).output() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        done => done.map_err(|error| Failure::io("`crontab` cannot be run", &error))?,
    };
    let said = String::from_utf8_lossy(&done.stderr).trim().to_owned();
    match done.status.success() {
        true => String::from_utf8(done.stdout)
            .map(Some)
            .map_err(|_| Failure::new("your crontab is not UTF-8 text")),
        // As every cron says it, in English whatever the language.
        false if said.contains("no crontab for") => Ok(None),
        false => {
            let mut failure = Failure::new("`crontab -l` failed");
            failure.causes.push(said);
            Err(failure)
        }
    }
}

fn write_crontab(text: &str) -> Result<(), Failure> {
    let failed = |error: io::Error| {
        Failure::io("`crontab` cannot be run", &error).hint("install cron, or use `--systemd`")
    };
    let mut child = Command::new("crontab")
        .arg("-")
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    if let Some(mut stdin) = child.stdin.take() {
        io::Write::write_all(&mut stdin, text.as_bytes()).map_err(failed)?;
    }
    let done = child.wait_with_output().map_err(failed)?;
    match done.status.success() {
        true => Ok(()),
        false => {
            let mut failure = Failure::new("`crontab` refused the new crontab");
            failure.causes.push(String::from_utf8_lossy(&done.stderr).trim().to_owned());
            Err(failure)
        }
    }
}
