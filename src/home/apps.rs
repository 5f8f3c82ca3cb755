//! `servers/<server>/<domain>.env` and the files beside it.

use std::{
    io,
    path::{Path, PathBuf},
};

use super::{
    AppEntry, AppGuard, AppName, EnvFile, Error, Home, LockFile, ServerName, StackName,
    folder::{names_in, read_yaml, write_yaml},
    names::InvalidName,
    write::{Existing, Readers, as_text, read_bytes, read_text, remove_file, write_whole},
};
use crate::hint::nearest;

/// An app's files as far as they can be read.
#[derive(Debug)]
pub struct Salvaged {
    pub env: EnvFile,
    pub lock: LockFile,
    /// What could not be read.
    pub broken: Vec<Error>,
    /// Whether the settings could be read whole.
    pub whole: bool,
}

impl AppEntry {
    /// The app's stack: what its settings name, else what follows from its name.
    ///
    /// # Errors
    /// An invalid name.
    pub fn stack(&self, env: &EnvFile) -> Result<StackName, InvalidName> {
        match env.get("STACK_NAME").map(str::trim).filter(|name| !name.is_empty()) {
            Some(name) => StackName::new(name),
            None => Ok(self.name.stack()),
        }
    }
}

impl Home {
    /// All apps, by server, then by name.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn apps(&self) -> Result<Vec<AppEntry>, Error> {
        let mut entries = Vec::new();
        for server in self.servers()? {
            for name in apps_in(&self.server_folder(&server))? {
                entries.push(AppEntry { name, server: server.clone() });
            }
        }
        Ok(entries)
    }

    /// The app of this name, on whichever server it is.
    ///
    /// # Errors
    /// [`Error::UnknownApp`], [`Error::AmbiguousApp`].
    pub fn app(&self, name: &AppName) -> Result<AppEntry, Error> {
        let apps = self.apps()?;
        let mut found = apps.iter().filter(|entry| entry.name == *name);
        match (found.next(), found.next()) {
            (Some(entry), None) => Ok(entry.clone()),
            (Some(first), Some(second)) => Err(Error::AmbiguousApp {
                app: name.clone(),
                first: first.server.clone(),
                second: second.server.clone(),
            }),
            (None, _) => {
                let known: Vec<_> = apps.into_iter().map(|entry| entry.name).collect();
                let nearest = nearest(name.as_str(), &known).cloned();
                Err(Error::UnknownApp { app: name.clone(), nearest })
            }
        }
    }

    /// The app of this name on one server.
    ///
    /// # Errors
    /// [`Error::UnknownApp`], [`Error::UnknownServer`].
    pub fn app_on(&self, name: &AppName, server: &ServerName) -> Result<AppEntry, Error> {
        self.server(server)?;
        let entry = AppEntry { name: name.clone(), server: server.clone() };
        if self.env_path(&entry).is_file() {
            return Ok(entry);
        }
        let known = apps_in(&self.server_folder(server))?;
        let nearest = nearest(name.as_str(), &known).cloned();
        Err(Error::UnknownApp { app: name.clone(), nearest })
    }

    /// The app's settings.
    ///
    /// # Errors
    /// [`Error::UnknownApp`]; [`Error::Env`] with the line.
    pub fn env(&self, app: &AppEntry) -> Result<EnvFile, Error> {
        let path = self.env_path(app);
        let text = match read_text(&path) {
            Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                return Err(Error::UnknownApp { app: app.name.clone(), nearest: None });
            }
            text => text?,
        };
        Ok(EnvFile::parse(&path.display().to_string(), &text)?)
    }

    /// The app's files as far as they can be read, for commands that have to
    /// work when they are broken: the stack's name is reliable, the rest may be missing.
    ///
    /// # Errors
    /// [`Error::UnknownApp`], [`Error::Io`]; [`Error::Env`] where what is broken
    /// may be the stack's name.
    pub fn salvage(&self, app: &AppEntry) -> Result<Salvaged, Error> {
        let path = self.env_path(app);
        let bytes = match read_bytes(&path) {
            Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                return Err(Error::UnknownApp { app: app.name.clone(), nearest: None });
            }
            bytes => bytes?,
        };
        let text = String::from_utf8_lossy(&bytes);
        let (env, left_out) = EnvFile::salvage(&path.display().to_string(), &text, "STACK_NAME")?;
        let mut broken: Vec<Error> = match as_text(&path, &bytes) {
            Ok(_) => left_out.into_iter().map(Error::from).collect(),
            // Its lines are none, so what is wrong with them says nothing.
            Err(error) => vec![error],
        };
        let whole = broken.is_empty();
        let lock = self.lock_file(app).unwrap_or_else(|error| {
            broken.push(error);
            LockFile::default()
        });
        Ok(Salvaged { env, lock, broken, whole })
    }

    pub fn env_path(&self, app: &AppEntry) -> PathBuf {
        self.server_folder(&app.server).join(format!("{}.env", app.name))
    }

    pub fn lock_path(&self, app: &AppEntry) -> PathBuf {
        self.server_folder(&app.server).join(format!("{}.lock.yml", app.name))
    }

    /// Writes a new app's file. Of two that do so at once, one succeeds.
    ///
    /// # Errors
    /// [`Error::AppExists`] when it is there; [`Error::UnknownServer`].
    pub fn create_app(&self, app: &AppEntry, env: &EnvFile) -> Result<(), Error> {
        self.ensure_server(&app.server)?;
        let text = env.to_text();
        match write_whole(&self.env_path(app), text.as_bytes(), Existing::Keep, Readers::Shared) {
            Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::AlreadyExists => {
                Err(Error::AppExists(app.name.clone()))
            }
            written => written,
        }
    }

    /// Fails if another app of the server has the stack that this one would have: `a.b` and
    /// `a_b` share one, and so do long names that begin alike. Another app whose settings
    /// are broken is skipped.
    ///
    /// # Errors
    /// [`Error::StackTaken`], [`Error::UnknownServer`].
    pub fn check_stack(&self, app: &AppEntry, stack: &StackName) -> Result<(), Error> {
        for name in apps_in(&self.server_folder(&app.server))? {
            if name == app.name {
                continue;
            }
            let other = AppEntry { name, server: app.server.clone() };
            let taken = self.env(&other).ok().and_then(|env| other.stack(&env).ok());
            if taken.as_ref() == Some(stack) {
                return Err(Error::StackTaken {
                    app: app.name.clone(),
                    stack: stack.clone(),
                    other: other.name,
                });
            }
        }
        Ok(())
    }

    /// Replaces the app's settings.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn write_env(&self, app: &AppEntry, env: &EnvFile) -> Result<(), Error> {
        let text = env.to_text();
        write_whole(&self.env_path(app), text.as_bytes(), Existing::Replace, Readers::Shared)
    }

    /// An empty lock file when there is none yet.
    ///
    /// # Errors
    /// [`Error::Invalid`] with the line.
    pub fn lock_file(&self, app: &AppEntry) -> Result<LockFile, Error> {
        match read_yaml(&self.lock_path(app)) {
            Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                Ok(LockFile::default())
            }
            lock => lock,
        }
    }

    /// Replaces the lock file of the app that is guarded.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn write_lock_file(&self, guard: &AppGuard, lock: &LockFile) -> Result<(), Error> {
        write_yaml(&self.lock_path(guard.app()), lock)
    }

    /// Removes the app's files here, its plugins' memory included; nothing on
    /// the server. The settings go last, so that an interrupted removal can be
    /// run again.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn remove_app(&self, app: &AppEntry) -> Result<(), Error> {
        let memory = self.state().join("memory").join(app.server.as_str()).join(app.name.as_str());
        match std::fs::remove_dir_all(&memory) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                return Err(Error::Io { action: "removing", path: memory, source });
            }
            _ => {}
        }
        remove_file(self.lock_path(app))?;
        remove_file(self.env_path(app))
    }
}

/// Names of the apps in a server's folder, sorted: `*.env` files whose name can
/// be an app's.
pub(super) fn apps_in(folder: &Path) -> Result<Vec<AppName>, Error> {
    let mut apps = Vec::new();
    for name in names_in(folder)? {
        if let Some(stem) = name.strip_suffix(".env")
            && let Ok(app) = AppName::new(stem)
            && folder.join(&name).is_file()
        {
            apps.push(app);
        }
    }
    apps.sort();
    Ok(apps)
}
