//! Where a server's backups go and what restic needs to get there: the
//! repository's location, the file with its password, its own variables.
//!
//! Without settings the repository is a folder beside the operator's other
//! state, and its password is made on first use.

use std::{
    ffi::OsString,
    fs::{self, File},
    io,
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::{Path, PathBuf},
};

use zeroize::Zeroizing;

use super::error::Error;
use crate::{
    bounded,
    home::{
        self, BackupSettings, CopyName, Home, ReachedFrom, ServerName,
        write::{Existing, Readers, write_whole},
    },
    progress::Sink,
};

/// Variables of the caller that restic, or the ssh, rclone and HTTP clients
/// below it, may need. Everything else of the caller's environment stays out.
pub const HANDED_ON: &[&str] = &[
    "PATH",
    "TMPDIR",
    "SSH_AUTH_SOCK",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
];

/// The largest environment file: it is a handful of lines.
const LONGEST_ENVIRONMENT: u64 = 64 * 1024;

/// What restic is started with.
#[derive(Clone, PartialEq, Eq)]
pub struct Repository {
    pub program: OsString,
    /// In restic's own terms; may hold credentials, so it is shown only through
    /// [`Repository::display`].
    pub location: String,
    pub password_file: PathBuf,
    /// What prints the password where no file in the settings has it; `password_file` is
    /// then one in memory (`password.rs`).
    pub password_command: Vec<String>,
    /// Handed on, and from the environment file. May hold credentials.
    pub environment: Vec<(OsString, OsString)>,
    /// Where the second part of that is from.
    pub environment_file: Option<PathBuf>,
    /// restic's cache, and its home.
    pub cache: PathBuf,
    /// It is the default one, because server.yml names none.
    pub own: bool,
    /// The image of the helper container of a volume that is elsewhere.
    pub helper_image: String,
    /// From where it is reached, if the settings say so.
    pub reach: Option<ReachedFrom>,
    /// Its name, where it is a copy of the server's own.
    pub copy: Option<CopyName>,
    /// Nothing is removed from it.
    pub append_only: bool,
}

/// How restic in a helper container gets to the repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Route {
    /// By itself.
    Direct,
    /// A folder of this machine, which is served to it through the connection.
    Folder(PathBuf),
}

impl std::fmt::Debug for Repository {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Repository")
            .field("location", &self.display())
            .field("password_file", &self.password_file)
            .finish_non_exhaustive()
    }
}

impl Repository {
    /// The location without credentials.
    pub fn display(&self) -> String {
        without_credentials(&self.location)
    }

    /// The command line that runs restic here by hand. It contains no
    /// credentials: they are removed from the location, and variables are read from a file.
    pub fn command(&self, verb: &str) -> String {
        let quoted = |text: &str| format!("'{}'", text.replace('\'', r"'\''"));
        let password = match self.password_command.as_slice() {
            [] => format!("--password-file {}", quoted(&self.password_file.display().to_string())),
            command => format!("--password-command {}", quoted(&command.join(" "))),
        };
        let restic = format!("restic -r {} {password} {verb}", quoted(&self.display()));
        match &self.environment_file {
            None => restic,
            Some(file) => {
                format!("(set -a; . {}; {restic})", quoted(&file.display().to_string()))
            }
        }
    }

    /// The repository of a server, or a copy of it. `handed_on` are the caller's variables
    /// named in [`HANDED_ON`].
    ///
    /// # Errors
    /// [`Error::NoCopy`], [`Error::EnvironmentFile`], [`Error::Home`].
    pub fn of(
        home: &Home,
        server: &ServerName,
        copy: Option<&CopyName>,
        handed_on: &[(OsString, OsString)],
    ) -> Result<Self, Error> {
        let mut backup = home.backup(server)?;
        let helper_image = backup.helper_image().to_owned();
        if let Some(name) = copy {
            let known = backup.copies.keys().map(ToString::to_string).collect();
            let found = backup.copies.remove(name);
            backup = found.map(BackupSettings::from).ok_or_else(|| Error::NoCopy {
                server: server.to_string(),
                copy: name.to_string(),
                known,
            })?;
        }
        let settings = home.server(server)?.backup;
        let own = copy.is_none() && !settings.is_some_and(|settings| settings.names_repository());
        let BackupSettings {
            repository,
            password_file,
            password_command,
            environment_file,
            reach,
            append_only,
            ..
        } = backup;
        let mut environment = handed_on.to_vec();
        if let Some(path) = &environment_file {
            environment.extend(read_environment(path)?);
        }
        Ok(Repository {
            program: "restic".into(),
            location: repository,
            password_file,
            password_command,
            environment,
            environment_file,
            cache: home.root().join("cache").join("restic"),
            own,
            helper_image,
            reach,
            copy: copy.cloned(),
            append_only,
        })
    }

    /// Ensures that there is a password: checks the file in the settings,
    /// or creates one if the repository is potluck's own and new.
    ///
    /// # Errors
    /// [`Error::PasswordFile`].
    pub fn prepare(&self, own: bool, progress: &dyn Sink) -> Result<(), Error> {
        let bad = |reason: String| Error::PasswordFile { path: self.password_file.clone(), reason };
        private_folder(&self.cache).map_err(Error::io("making", &self.cache))?;
        if !self.password_command.is_empty() {
            return Ok(());
        }
        match fs::metadata(&self.password_file) {
            Ok(meta) if !meta.is_file() => Err(bad("it is not a file".into())),
            Ok(meta) if meta.len() == 0 => Err(bad("it is empty".into())),
            Ok(meta) => {
                if meta.permissions().mode() & 0o077 != 0 {
                    progress.warn(format!(
                        "the backup password file {} can be read by others: chmod 600 it",
                        self.password_file.display()
                    ));
                }
                Ok(())
            }
            // A new password would not open a repository that is there.
            Err(e) if e.kind() == io::ErrorKind::NotFound && own && !self.is_there() => {
                make_password(&self.password_file).map_err(|e| bad(e.to_string()))?;
                progress.warn(format!( "made a backup password in {}: keep a copy elsewhere, without it no backup can be read", self.password_file.display() ));
                Ok(())
            }
            Err(e) => Err(bad(e.to_string())),
        }
    }

    /// How a helper container on another engine gets there.
    ///
    /// # Errors
    /// [`Error::NotReached`] where only this machine does, and it cannot be passed on.
    pub(super) fn route(&self) -> Result<Route, Error> {
        if self.is_local() {
            let path = self.location.strip_prefix("local:").unwrap_or(&self.location);
            return Ok(Route::Folder(path.into()));
        }
        let scheme = self.location.split_once(':').map_or("", |(scheme, _)| scheme);
        let from_here = match scheme {
            // With this user's keys and settings.
            "sftp" | "rclone" | "gs" | "opendal" => true,
            _ => self.reach == Some(ReachedFrom::Operator),
        };
        match from_here {
            false => Ok(Route::Direct),
            true => Err(Error::NotReached { repository: self.display() }),
        }
    }

    /// Whether it is a folder of this machine: a file that is missing now will not
    /// appear a second later.
    pub(super) fn is_local(&self) -> bool {
        Path::new(self.location.trim_start_matches("local:")).is_absolute()
    }

    /// Whether a local repository's folder exists; only asked of our own.
    pub(super) fn is_there(&self) -> bool {
        Path::new(&self.location).join("config").exists()
    }
}

fn without_credentials(location: &str) -> String {
    let Some((scheme, rest)) = location.split_once("://") else {
        return location.to_owned();
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    match authority.rsplit_once('@') {
        // A password may contain `@`, too, hence the last one.
        Some((user, host)) => {
            let user = user.split(':').next().unwrap_or_default();
            format!("{scheme}://{user}@{host}{}", &rest[authority.len()..])
        }
        None => location.to_owned(),
    }
}

fn private_folder(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// 256 bits from the operating system, as hex.
pub(super) fn make_password(path: &Path) -> io::Result<()> {
    let mut bytes = Zeroizing::new([0; 32]);
    getrandom::fill(bytes.as_mut_slice()).map_err(io::Error::other)?;
    let password = Zeroizing::new(hex::encode(bytes.as_slice()));
    let line = Zeroizing::new(format!("{}\n", password.as_str()));
    // Whole or not at all, and never over a password that somebody else made in the
    // meantime.
    write_whole(path, line.as_bytes(), Existing::Keep, Readers::Owner).map_err(
        |error| match error {
            home::Error::Io { source, .. } => source,
            error => io::Error::other(error),
        },
    )
}

/// `KEY=value` lines; blank lines and comments are skipped, one pair of quotes
/// around a value is taken off, as systemd does. No error shows a value.
fn read_environment(path: &Path) -> Result<Vec<(OsString, OsString)>, Error> {
    let reading = Error::io("reading", path);
    let bad = |line: usize, reason: &str| Error::EnvironmentFile {
        path: path.to_owned(),
        line,
        reason: reason.into(),
    };
    let read = File::open(path).and_then(|file| bounded::read(file, LONGEST_ENVIRONMENT));
    let bytes = match read {
        Ok(bytes) => Zeroizing::new(bytes),
        Err(error) if bounded::is_too_large(&error) => return Err(bad(0, &error.to_string())),
        Err(error) => return Err(reading(error)),
    };
    let text = match std::str::from_utf8(&bytes) {
        Ok(text) => text,
        Err(error) => return Err(reading(io::Error::new(io::ErrorKind::InvalidData, error))),
    };
    let mut variables = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let line = line.strip_prefix("export ").unwrap_or(line);
        let (key, value) = line.split_once('=').ok_or_else(|| bad(number, "it has no `=`"))?;
        let key = key.trim();
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if key.is_empty() || !key.chars().all(plain) {
            return Err(bad(number, "the text before `=` is not the name of a variable"));
        }
        if key.starts_with("RESTIC_PASSWORD") || key.starts_with("RESTIC_REPOSITORY") {
            return Err(bad(
                number,
                "the repository and its password are `repository`, and `password-file` or `password-command`, in server.yml",
            ));
        }
        let value = value.trim();
        let quoted = ['"', '\'']
            .iter()
            .find_map(|quote| value.strip_prefix(*quote)?.strip_suffix(*quote))
            .unwrap_or(value);
        if quoted.contains('\0') {
            return Err(bad(number, "it holds a NUL byte"));
        }
        variables.push((key.into(), quoted.into()));
    }
    Ok(variables)
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::progress::Event;

    #[derive(Default)]
    struct Heard(Mutex<Vec<Event>>);

    impl Sink for Heard {
        fn event(&self, event: Event) {
            self.0.lock().unwrap().push(event);
        }
    }

    fn repository(folder: &Path) -> Repository {
        Repository {
            program: "restic".into(),
            location: folder.join("repository").to_str().unwrap().into(),
            password_file: folder.join("own/password"),
            password_command: Vec::new(),
            environment: Vec::new(),
            environment_file: None,
            cache: folder.join("cache"),
            own: false,
            helper_image: "restic/restic:1".into(),
            reach: None,
            copy: None,
            append_only: false,
        }
    }

    #[test]
    fn credentials_are_not_shown() {
        for (location, shown) in [
            ("/srv/restic", "/srv/restic"),
            ("sftp:backup@host:/srv", "sftp:backup@host:/srv"),
            ("rest:https://user:pw@host:8000/a@b", "rest:https://user@host:8000/a@b"),
            ("rest:https://user:p@w@host/", "rest:https://user@host/"),
            ("s3:https://s3.example.org/bucket", "s3:https://s3.example.org/bucket"),
        ] {
            assert_eq!(without_credentials(location), shown);
        }
    }

    #[test]
    fn a_helper_reaches_what_needs_nothing_of_this_machine() {
        let folder = tempfile::tempdir().unwrap();
        let at = |location: &str, reach| {
            Repository { location: location.into(), reach, ..repository(folder.path()) }.route()
        };
        assert_eq!(at("/srv/restic", None).unwrap(), Route::Folder("/srv/restic".into()));
        assert_eq!(at("s3:https://s3.example.org/bucket", None).unwrap(), Route::Direct);
        assert_eq!(at("rest:https://user:pw@host:8000/", None).unwrap(), Route::Direct);
        for (location, reach) in [
            ("sftp:backup@host:/srv", None),
            ("rclone:remote:path", None),
            ("rest:https://user:pw@host:8000/", Some(ReachedFrom::Operator)),
        ] {
            let said = at(location, reach).unwrap_err().to_string();
            assert!(said.contains("only from the operator's machine"), "{said}");
            assert!(!said.contains("pw"), "{said}");
        }
    }

    #[test]
    fn a_password_is_made_once_and_only_for_a_new_repository_of_our_own() {
        let folder = tempfile::tempdir().unwrap();
        let repository = repository(folder.path());
        let heard = Heard::default();
        assert!(matches!(repository.prepare(false, &heard), Err(Error::PasswordFile { .. })));
        repository.prepare(true, &heard).unwrap();
        let made = fs::read_to_string(&repository.password_file).unwrap();
        assert_eq!(made.trim().len(), 64);
        let mode = fs::metadata(&repository.password_file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        repository.prepare(true, &heard).unwrap();
        assert_eq!(fs::read_to_string(&repository.password_file).unwrap(), made);
        assert_eq!(heard.0.lock().unwrap().len(), 1, "warned once");
        let beside = repository.password_file.parent().unwrap();
        let files = || fs::read_dir(beside).unwrap().count();
        let before = files();
        let again = make_password(&repository.password_file).unwrap_err();
        assert_eq!(again.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read_to_string(&repository.password_file).unwrap(), made);
        assert_eq!(files(), before, "nothing is left beside it");

        fs::remove_file(&repository.password_file).unwrap();
        fs::create_dir_all(&repository.location).unwrap();
        fs::write(Path::new(&repository.location).join("config"), "").unwrap();
        assert!(matches!(repository.prepare(true, &heard), Err(Error::PasswordFile { .. })));
    }

    #[test]
    fn an_environment_file_is_read_without_showing_values() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("env");
        fs::write(&path, "# key\n\nexport A=1\nB='two words'\nC=\"x\"y\n").unwrap();
        let read = read_environment(&path).unwrap();
        let text = |s: &OsString| s.to_str().unwrap().to_owned();
        let read: Vec<_> = read.iter().map(|(k, v)| (text(k), text(v))).collect();
        let expected = [("A", "1"), ("B", "two words"), ("C", "\"x\"y")];
        assert_eq!(read, expected.map(|(k, v)| (k.to_owned(), v.to_owned())));
        for bad in
            ["A=1\nsesame", "A B=sesame", "RESTIC_PASSWORD=sesame", "RESTIC_REPOSITORY=sesame"]
        {
            fs::write(&path, bad).unwrap();
            let error = read_environment(&path).unwrap_err();
            assert!(matches!(error, Error::EnvironmentFile { .. }));
            assert!(!error.to_string().contains("sesame"), "{error}");
        }
    }
}
