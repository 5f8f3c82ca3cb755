//! `servers/<server>/`: the list of servers, and the settings of each.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf, absolute},
};

use super::{
    BackupSettings, Error, Home, ServerName, ServerSettings, apps,
    folder::{names_in, read_yaml, write_yaml},
    write::{Existing, Readers, create_folder, read_text, remove_file, write_whole},
};
use crate::hint::nearest;

/// The server that always exists and runs nothing.
pub const SIMULATED: &str = "simulated";
/// abra's name for the machine that it runs on.
const LOCAL: &str = "default";
/// The engine of the machine that potluck runs on, where docker itself looks.
pub const LOCAL_ENDPOINT: &str = "unix:///var/run/docker.sock";

impl Home {
    /// Servers that have a folder, sorted. Hidden folders and those with an
    /// invalid name are skipped.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn servers(&self) -> Result<Vec<ServerName>, Error> {
        let folder = self.root().join("servers");
        let mut servers = Vec::new();
        for name in names_in(&folder)? {
            if let Ok(server) = ServerName::new(name)
                // Follows symbolic links: teams link a shared folder in here.
                && self.server_folder(&server).is_dir()
            {
                servers.push(server);
            }
        }
        servers.sort();
        Ok(servers)
    }

    /// What the operator says of a server; nothing when it has a folder only,
    /// as abra's servers have.
    ///
    /// # Errors
    /// [`Error::UnknownServer`]; [`Error::Invalid`] with the line in `server.yml`.
    pub fn server(&self, name: &ServerName) -> Result<ServerSettings, Error> {
        let path = self.server_folder(name).join("server.yml");
        if path.exists() {
            return read_yaml(&path);
        }
        if name.as_str() == SIMULATED || self.server_folder(name).is_dir() {
            return Ok(ServerSettings::default());
        }
        let known = self.servers()?;
        let nearest = nearest(name.as_str(), &known).cloned();
        Err(Error::UnknownServer { server: name.clone(), nearest })
    }

    /// Where the server's engine answers: what its settings say; else
    /// `simulated` for that name, this machine's socket for `default`, and ssh
    /// for everything else, as abra does.
    ///
    /// # Errors
    /// As [`Home::server`].
    pub fn endpoint(&self, name: &ServerName) -> Result<String, Error> {
        Ok(self.server(name)?.endpoint.unwrap_or_else(|| match name.as_str() {
            SIMULATED => SIMULATED.into(),
            LOCAL => LOCAL_ENDPOINT.into(),
            host => format!("ssh://{host}"),
        }))
    }

    /// Where backups of a server's apps go, with absolute paths: a repository
    /// and a password of our own below `state/` unless the settings say
    /// otherwise. Neither need exist yet. Relative paths of the settings are
    /// relative to the server's folder.
    ///
    /// # Errors
    /// As [`Home::server`]; [`Error::Invalid`] for a path with `~`.
    pub fn backup(&self, name: &ServerName) -> Result<BackupSettings, Error> {
        let folder = self.server_folder(name);
        let whole = |path: &Path| -> Result<PathBuf, Error> {
            if path.starts_with("~") {
                return Err(Error::Invalid {
                    path: folder.join("server.yml"),
                    message: format!("write `{}` without `~`, as a whole path", path.display()),
                });
            }
            let path = folder.join(path);
            absolute(&path).map_err(|source| Error::Io { action: "resolving", path, source })
        };
        let lacks = |message: String| Error::Invalid { path: folder.join("server.yml"), message };
        let Some(settings) = self.server(name)?.backup else { return self.own_backup(name) };
        let mut copies = settings.copies.clone();
        for (copy, settings) in &mut copies {
            let of = format!("the copy `{copy}` of `backup`");
            if settings.repository.is_empty() {
                return Err(lacks(format!("{of} names no `repository`")));
            }
            check_password(&of, &settings.password_file, &settings.password_command)
                .map_err(lacks)?;
            settings.repository = whole_repository(&settings.repository, whole)?;
            settings.password_file = whole_if_named(&settings.password_file, whole)?;
            whole_program(&mut settings.password_command, whole)?;
            let environment_file = settings.environment_file.take();
            settings.environment_file = environment_file.map(|path| whole(&path)).transpose()?;
        }
        if !settings.names_repository() {
            let names_more = !settings.password_file.as_os_str().is_empty()
                || !settings.password_command.is_empty()
                || settings.environment_file.is_some();
            if names_more {
                let message = "`backup` names a password or an environment, but no `repository`";
                return Err(lacks(message.into()));
            }
            let BackupSettings { repository, password_file, .. } = self.own_backup(name)?;
            return Ok(BackupSettings { repository, password_file, copies, ..settings });
        }
        check_password("`backup`", &settings.password_file, &settings.password_command)
            .map_err(lacks)?;
        let mut password_command = settings.password_command;
        whole_program(&mut password_command, whole)?;
        Ok(BackupSettings {
            repository: whole_repository(&settings.repository, whole)?,
            password_file: whole_if_named(&settings.password_file, whole)?,
            password_command,
            environment_file: settings.environment_file.map(|path| whole(&path)).transpose()?,
            copies,
            ..settings
        })
    }

    fn own_backup(&self, name: &ServerName) -> Result<BackupSettings, Error> {
        let own = self.state().join("backups").join(name.as_str());
        let own = absolute(&own).map_err(|source| Error::Io {
            action: "resolving",
            path: own,
            source,
        })?;
        Ok(BackupSettings {
            repository: text(own.join("repository"))?,
            password_file: own.join("password"),
            ..BackupSettings::default()
        })
    }

    /// Adds a server, or replaces what is said of it.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Invalid`].
    pub fn write_server(&self, name: &ServerName, settings: &ServerSettings) -> Result<(), Error> {
        write_yaml(&self.server_folder(name).join("server.yml"), settings)
    }

    /// Adds endpoints of a server's nodes. What else is in the file, comments included,
    /// stays, unless it has `nodes` in a form of its own.
    ///
    /// # Errors
    /// As [`Home::server`], [`Error::Io`], [`Error::Invalid`].
    pub fn add_nodes(
        &self,
        name: &ServerName,
        added: &BTreeMap<String, String>,
    ) -> Result<(), Error> {
        let mut settings = self.server(name)?;
        settings.nodes.extend(added.clone());
        let path = self.server_folder(name).join("server.yml");
        let text = if path.exists() { read_text(&path)? } else { String::new() };
        let text = with_nodes(&text, added);
        match serde_saphyr::from_str::<ServerSettings>(&text) {
            Ok(read) if read == settings => {
                write_whole(&path, text.as_bytes(), Existing::Replace, Readers::Shared)
            }
            _ => self.write_server(name, &settings),
        }
    }

    /// Removes a server without apps from the folder; nothing on the server.
    ///
    /// # Errors
    /// [`Error::UnknownServer`], [`Error::ServerInUse`], [`Error::SecretsLeft`];
    /// [`Error::Io`] when the folder holds other files.
    pub fn remove_server(&self, name: &ServerName) -> Result<(), Error> {
        self.server(name)?;
        let apps = apps::apps_in(&self.server_folder(name))?;
        if !apps.is_empty() {
            return Err(Error::ServerInUse { server: name.clone(), apps });
        }
        let path = self.server_folder(name);
        if path.is_symlink() {
            return remove_file(path);
        }
        // Nothing else knows these values, and backups may need them.
        if let Some(app) = self.apps_with_secrets()?.into_iter().find(|app| app.server == *name) {
            return Err(Error::SecretsLeft { path: self.secrets_folder(&app) });
        }
        remove_file(path.join("server.yml"))?;
        match fs::remove_dir(&path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                Err(Error::Io { action: "removing", path, source })
            }
            _ => Ok(()),
        }
    }

    pub(super) fn server_folder(&self, name: &ServerName) -> PathBuf {
        self.root().join("servers").join(name.as_str())
    }

    /// Creates the folder of a server that needs no adding.
    pub(super) fn ensure_server(&self, name: &ServerName) -> Result<(), Error> {
        self.server(name)?;
        create_folder(&self.server_folder(name), Readers::Shared)
    }
}

impl BackupSettings {
    /// As a command line names it, with whole paths: those of a file are relative to the
    /// file.
    ///
    /// # Errors
    /// A current folder that is not known.
    pub fn given(
        repository: &str,
        password_file: &Path,
        environment_file: Option<&Path>,
    ) -> io::Result<Self> {
        let repository = match is_remote(repository) {
            true => repository.to_owned(),
            false => {
                let path = absolute(repository.trim_start_matches("local:"))?;
                path.into_os_string().into_string().map_err(|_| {
                    io::Error::new(io::ErrorKind::InvalidInput, "its path is not UTF-8")
                })?
            }
        };
        Ok(BackupSettings {
            repository,
            password_file: absolute(password_file)?,
            environment_file: environment_file.map(absolute).transpose()?,
            ..BackupSettings::default()
        })
    }
}

/// What is wrong with how a repository's password is named, if anything.
fn check_password(of: &str, file: &Path, command: &[String]) -> Result<(), String> {
    match (file.as_os_str().is_empty(), command.is_empty()) {
        (true, true) => Err(format!(
            "{of} names a repository, but no `password-file` and no `password-command`"
        )),
        (false, false) => Err(format!("{of} has either `password-file` or `password-command`")),
        _ => Ok(()),
    }
}

fn whole_repository(
    repository: &str,
    whole: impl Fn(&Path) -> Result<PathBuf, Error>,
) -> Result<String, Error> {
    match is_remote(repository) {
        true => Ok(repository.to_owned()),
        false => text(whole(Path::new(repository.trim_start_matches("local:")))?),
    }
}

fn whole_if_named(
    path: &Path,
    whole: impl Fn(&Path) -> Result<PathBuf, Error>,
) -> Result<PathBuf, Error> {
    if path.as_os_str().is_empty() { Ok(PathBuf::new()) } else { whole(path) }
}

/// A bare name is looked for where the system's programs are.
fn whole_program(
    command: &mut [String],
    whole: impl Fn(&Path) -> Result<PathBuf, Error>,
) -> Result<(), Error> {
    if let Some(program) = command.first_mut().filter(|program| program.contains('/')) {
        *program = text(whole(Path::new(program.as_str()))?)?;
    }
    Ok(())
}

/// The text of a settings file with more nodes in it, if its `nodes` are a block, or missing.
fn with_nodes(text: &str, added: &BTreeMap<String, String>) -> String {
    let lines: String =
        added.iter().map(|(node, endpoint)| format!("  {node}: {endpoint}\n")).collect();
    let mut done = String::new();
    let mut placed = false;
    for line in text.lines() {
        done += line;
        done.push('\n');
        if line.trim_end() == "nodes:" {
            done += &lines;
            placed = true;
        }
    }
    if placed { done } else { format!("{done}nodes:\n{lines}") }
}

/// restic's own rule (`internal/backend/location`): a known scheme before the
/// colon, else a local path.
fn is_remote(repository: &str) -> bool {
    const SCHEMES: [&str; 9] =
        ["b2", "sftp", "s3", "gs", "azure", "swift", "rest", "rclone", "opendal"];
    repository.split_once(':').is_some_and(|(scheme, _)| SCHEMES.contains(&scheme))
}

fn text(path: PathBuf) -> Result<String, Error> {
    path.into_os_string().into_string().map_err(|path| Error::Invalid {
        path: path.into(),
        message: "a repository's path must be UTF-8".into(),
    })
}
