//! What someone else made: compose files, `.env`, and the files beside them that these name.
//!
//! All of it is foreign. Paths are opened below the project's folder, so that neither `..`
//! nor a link leads out of it; only regular files are read, and no more of them than the
//! bounds below. Nothing is run.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::{Path, PathBuf},
};

use cap_std::{
    ambient_authority,
    fs::{Dir, OpenOptions, OpenOptionsExt as _},
};
use rustix::fs::OFlags;

use super::reference;
use crate::{
    bounded,
    compose::{
        self, Files, LoadOptions, Source,
        tree::{Map, Node, Outline, Value},
    },
    hint::Hint,
    text::line,
};

/// Names of compose files, in the order in which Compose looks for them.
const NAMES: &[&str] =
    &["compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml"];
/// Names of their overlays, which Compose reads without being asked.
const OVERRIDES: &[&str] = &[
    "compose.override.yaml",
    "compose.override.yml",
    "docker-compose.override.yaml",
    "docker-compose.override.yml",
];
/// Where the settings of a project are, and else an example of them.
const ENV: &[&str] = &[
    ".env",
    ".env.example",
    ".env.sample",
    ".env.dist",
    ".env.template",
    "example.env",
    "env.example",
    "sample.env",
    "template.env",
];
/// Swarm takes configs up to 1000 kB; what is larger cannot be one.
const LARGEST: u64 = 1000 * 1000;
/// Of all files together.
const LARGEST_OF_ALL: usize = 16 << 20;
/// Files that are read from one folder.
const MOST_FILES: usize = 100;
/// How deep folders are read.
const DEEPEST: usize = 5;

/// Why a project cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("`{}` is an address", line(.0))]
    Address(String),
    #[error("{} cannot be read: {source}", path.display())]
    Unreadable {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{} has no compose file", folder.display())]
    NoCompose { folder: PathBuf },
    #[error("{} is not UTF-8 text", line(.0))]
    NotText(String),
    #[error(transparent)]
    Problems(#[from] compose::Problems),
    #[error("the compose file has no services")]
    NoServices,
    #[error("the files of the project are too large")]
    TooLarge,
}

impl Hint for Error {
    fn hint(&self) -> Option<String> {
        match self {
            Error::Address(_) => {
                Some("download it first, and name the file or the folder here".into())
            }
            Error::NoCompose { .. } => Some(format!(
                "a compose file is called {}, or name the file itself",
                NAMES.join(", ")
            )),
            Error::NoServices => Some("services are under the key `services`".into()),
            _ => None,
        }
    }

    fn is_laid_out(&self) -> bool {
        matches!(self, Error::Problems(_))
    }
}

/// A project, read completely.
#[derive(Debug)]
pub struct Project {
    pub outline: Outline,
    /// The compose files that were read.
    pub compose: Vec<String>,
    /// The file that the settings were read from.
    pub env_name: Option<String>,
    /// Values of variables, in the order of their file.
    pub env: Vec<Setting>,
    /// What the compose files name beside them, by its path in the project.
    pub named: BTreeMap<String, Named>,
}

/// One line of an environment file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    pub key: String,
    pub value: String,
    /// The comment right above it.
    pub comment: Vec<String>,
    pub line: usize,
}

/// What is at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Named {
    Text(String),
    /// Its files, by their path below it; none if there are too many, or if one is not text.
    Folder(Option<BTreeMap<String, String>>),
    /// It exists, but is not text, too large, or leads out of the project.
    Other,
    Missing,
}

impl Project {
    /// The value of a variable in `.env`.
    pub fn setting(&self, key: &str) -> Option<&str> {
        self.env.iter().rev().find(|it| it.key == key).map(|it| it.value.as_str())
    }

    /// A text with the project's own settings in place of variables.
    pub fn resolved(&self, text: &str) -> String {
        reference::resolved(text, &|key| self.setting(key).map(str::to_owned))
    }
}

/// Reads a folder, or one compose file and what it names.
///
/// # Errors
/// [`Error`].
pub fn read(path: &Path) -> Result<Project, Error> {
    let shown = path.to_string_lossy();
    if shown.contains("://") || shown.starts_with("git@") {
        return Err(Error::Address(shown.into_owned()));
    }
    let unreadable = |source| Error::Unreadable { path: path.to_owned(), source };
    let is_folder = path.metadata().map_err(unreadable)?.is_dir();
    let (folder, file) = match (is_folder, path.file_name()) {
        (false, Some(name)) => {
            let parent = path.parent().filter(|parent| *parent != Path::new(""));
            (parent.unwrap_or(Path::new(".")), Some(name.to_string_lossy().into_owned()))
        }
        _ => (path, None),
    };
    let dir = Dir::open_ambient_dir(folder, ambient_authority()).map_err(unreadable)?;
    let inside = Inside { dir };
    let compose = match file {
        Some(name) => vec![name],
        None => inside.compose().ok_or_else(|| Error::NoCompose { folder: folder.to_owned() })?,
    };
    let mut sources = vec![];
    for name in &compose {
        let text = inside
            .text(name)
            .map_err(|source| Error::Unreadable { path: folder.join(name), source })?;
        let text = text.ok_or_else(|| Error::NotText(name.clone()))?;
        sources.push(Source { name: name.clone(), text });
    }
    let mut env = vec![];
    let mut env_name = None;
    for name in ENV {
        if let Ok(Some(text)) = inside.text(name) {
            env = settings(&text);
            env_name = Some((*name).to_owned());
            break;
        }
    }
    let options = LoadOptions {
        working_dir: Path::new(""),
        home_dir: None,
        environment: &|_| None,
        files: &inside,
        interpolate: false,
        profiles: &BTreeSet::new(),
    };
    let mut outline = compose::tree::outline(&sources, &options)?;
    adopt_oldest(&mut outline.root);
    let has_services = matches!(
        outline.root.get("services"),
        Some(Node { value: Value::Map(services), .. }) if !services.0.is_empty()
    );
    if !has_services {
        return Err(Error::NoServices);
    }
    let mut project = Project { outline, compose, env_name, env, named: BTreeMap::new() };
    let mut wanted = BTreeSet::new();
    wanted_of(&project.outline.root, &project, &mut wanted);
    let mut total = 0;
    for path in wanted {
        let named = inside.named(&path);
        total += size(&named);
        if total > LARGEST_OF_ALL {
            return Err(Error::TooLarge);
        }
        project.named.insert(path, named);
    }
    Ok(project)
}

/// The first format of compose files had services at the top.
fn adopt_oldest(root: &mut Map) {
    let is_service = |node: &Node| match &node.value {
        Value::Map(map) => map.get("image").is_some() || map.get("build").is_some(),
        _ => false,
    };
    if root.get("services").is_none()
        && !root.0.is_empty()
        && root.0.iter().all(|it| is_service(&it.value))
    {
        let at = root.0[0].at;
        let services = Node { value: Value::Map(std::mem::take(root)), at };
        root.0.push(compose::tree::Entry { key: "services".into(), at, value: services });
    }
}

fn size(named: &Named) -> usize {
    match named {
        Named::Text(text) => text.len(),
        Named::Folder(Some(files)) => files.values().map(String::len).sum(),
        _ => 0,
    }
}

/// A path of the project as it is written in a compose file: none for one that leads out.
pub fn local(path: &str) -> Option<String> {
    if path.starts_with(['/', '~']) || path.contains('\0') || path.is_empty() {
        return None;
    }
    let mut parts = vec![];
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/")).filter(|path| !path.is_empty())
}

/// All texts of services, secrets and configs that may name files.
fn wanted_of(root: &Map, project: &Project, wanted: &mut BTreeSet<String>) {
    let path = |text: &str| local(&project.resolved(text));
    for entry in &root.0 {
        let Value::Map(section) = &entry.value.value else { continue };
        for item in &section.0 {
            let Value::Map(keys) = &item.value.value else { continue };
            match entry.key.as_str() {
                "services" => {
                    for node in each(keys.get("volumes")) {
                        match &node.value {
                            Value::Str(text) => {
                                if let Some((source, _)) = split_mount(&project.resolved(text)) {
                                    wanted.extend(local(&source));
                                }
                            }
                            Value::Map(map) => {
                                wanted.extend(text_of(map.get("source")).and_then(path))
                            }
                            _ => {}
                        }
                    }
                    for node in each(keys.get("env_file")) {
                        let text = match &node.value {
                            Value::Map(map) => text_of(map.get("path")),
                            _ => text_of(Some(node)),
                        };
                        if let Some(text) = text {
                            wanted.extend(path(text));
                            for ending in [".example", ".sample", ".dist", ".template"] {
                                wanted.extend(path(&format!("{text}{ending}")));
                            }
                        }
                    }
                }
                "secrets" | "configs" => wanted.extend(text_of(keys.get("file")).and_then(path)),
                _ => {}
            }
        }
    }
}

fn each(node: Option<&Node>) -> &[Node] {
    match node {
        Some(Node { value: Value::List(items), .. }) => items,
        Some(node) => std::slice::from_ref(node),
        None => &[],
    }
}

fn text_of(node: Option<&Node>) -> Option<&str> {
    match node {
        Some(Node { value: Value::Str(text), .. }) => Some(text),
        _ => None,
    }
}

/// `source:rest` of a mount in the short syntax.
pub fn split_mount(text: &str) -> Option<(String, String)> {
    let (source, rest) = text.split_once(':')?;
    Some((source.to_owned(), rest.to_owned()))
}

/// The lines of an environment file as Compose reads it: quotes are syntax.
pub fn settings(text: &str) -> Vec<Setting> {
    let mut found = vec![];
    let mut comment = vec![];
    for (index, written) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        let written = written.trim();
        if let Some(words) = written.strip_prefix('#') {
            comment.push(words.trim().to_owned());
            continue;
        }
        let written = written.strip_prefix("export ").unwrap_or(written);
        let comment = std::mem::take(&mut comment);
        let Some((key, value)) = written.split_once('=') else { continue };
        let key = key.trim();
        let good = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if key.is_empty() || !key.chars().all(good) || key.starts_with(|c: char| c.is_ascii_digit())
        {
            continue;
        }
        found.push(Setting { key: key.into(), value: unquoted(value), comment, line: index + 1 });
    }
    found
}

fn unquoted(value: &str) -> String {
    let value = value.trim();
    for quote in ['"', '\''] {
        if let Some(rest) = value.strip_prefix(quote)
            && let Some(end) = rest.find(quote)
        {
            return rest[..end].to_owned();
        }
    }
    match value.find(" #") {
        Some(at) => value[..at].trim_end().to_owned(),
        None if value.starts_with('#') => String::new(),
        None => value.to_owned(),
    }
}

/// The project's folder.
struct Inside {
    dir: Dir,
}

impl Inside {
    /// The compose file of the folder, with its overlay.
    fn compose(&self) -> Option<Vec<String>> {
        let there = |name: &&&str| self.dir.metadata(name).is_ok_and(|it| it.is_file());
        let first = NAMES.iter().find(there)?;
        let over = OVERRIDES.iter().find(there);
        Some([Some(first), over].into_iter().flatten().map(|name| (*name).to_owned()).collect())
    }

    fn bytes(&self, path: &str) -> io::Result<Vec<u8>> {
        let mut options = OpenOptions::new();
        // A pipe would keep us waiting for its other end.
        options.read(true).custom_flags(OFlags::NONBLOCK.bits() as i32);
        let file = self.dir.open_with(path, &options)?;
        if !file.metadata()?.is_file() {
            return Err(io::Error::other("it is not a regular file"));
        }
        bounded::read(file, LARGEST)
    }

    /// None for what is not text.
    fn text(&self, path: &str) -> io::Result<Option<String>> {
        let bytes = self.bytes(path)?;
        Ok(String::from_utf8(bytes).ok().filter(|text| !text.contains('\0')))
    }

    fn named(&self, path: &str) -> Named {
        match self.dir.metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Named::Missing,
            Ok(metadata) if metadata.is_dir() => {
                let mut files = BTreeMap::new();
                let whole = self.folder(path, "", 0, &mut files);
                Named::Folder(whole.then_some(files))
            }
            Ok(metadata) if metadata.is_file() => match self.text(path) {
                Ok(Some(text)) => Named::Text(text),
                _ => Named::Other,
            },
            _ => Named::Other,
        }
    }

    /// Whether all files of the folder were read.
    fn folder(
        &self,
        top: &str,
        below: &str,
        depth: usize,
        files: &mut BTreeMap<String, String>,
    ) -> bool {
        let path = if below.is_empty() { top.to_owned() } else { format!("{top}/{below}") };
        let Ok(entries) = self.dir.read_dir(&path) else { return false };
        for entry in entries.take(MOST_FILES + 1) {
            let Ok(entry) = entry else { return false };
            let Ok(name) = entry.file_name().into_string() else { return false };
            let Ok(kind) = entry.file_type() else { return false };
            let below = if below.is_empty() { name } else { format!("{below}/{name}") };
            if kind.is_dir() {
                if depth == DEEPEST || !self.folder(top, &below, depth + 1, files) {
                    return false;
                }
            } else if kind.is_file() {
                let Ok(Some(text)) = self.text(&format!("{top}/{below}")) else { return false };
                files.insert(below, text);
            } else {
                return false;
            }
            if files.len() > MOST_FILES
                || files.values().map(String::len).sum::<usize>() > LARGEST_OF_ALL
            {
                return false;
            }
        }
        true
    }
}

impl Files for Inside {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let path = path.to_str().and_then(local);
        self.bytes(&path.ok_or(io::ErrorKind::PermissionDenied)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_the_project_stay_in_it() {
        for (given, expected) in [
            ("./a/b", Some("a/b")),
            ("a/../b", Some("b")),
            ("../b", None),
            ("a/../../b", None),
            ("/etc/passwd", None),
            ("~/x", None),
            (".", None),
        ] {
            assert_eq!(local(given).as_deref(), expected, "{given}");
        }
    }

    #[test]
    fn settings_are_read_with_their_comments() {
        let text =
            "# One\n# two.\nA=1\n\nexport B=\"x y\" # z\nC='#'\nD=a # b\n# gone\n\nE=\n1X=2\nno\n";
        let found: Vec<_> = settings(text)
            .into_iter()
            .map(|it| (it.key, it.value, it.comment.join(" "), it.line))
            .collect();
        let row = |k: &str, v: &str, c: &str, l| (k.to_owned(), v.to_owned(), c.to_owned(), l);
        assert_eq!(
            found,
            [
                row("A", "1", "One two.", 3),
                row("B", "x y", "", 5),
                row("C", "#", "", 6),
                row("D", "a", "", 7),
                row("E", "", "", 10)
            ]
        );
    }

    #[test]
    fn nothing_outside_is_read() {
        let place = tempfile::tempdir().unwrap();
        std::fs::write(place.path().join("secret"), "s3cr3t").unwrap();
        let folder = place.path().join("project");
        std::fs::create_dir(&folder).unwrap();
        std::os::unix::fs::symlink("../secret", folder.join("link")).unwrap();
        std::fs::write(
            folder.join("compose.yml"),
            "services:\n  app:\n    image: x\n    volumes: [./link:/a, ../secret:/b, ./none:/c]\n",
        )
        .unwrap();
        let project = read(&folder).unwrap();
        assert_eq!(project.named["link"], Named::Other);
        assert_eq!(project.named["none"], Named::Missing);
        assert!(!format!("{project:?}").contains("s3cr3t"));
        std::fs::write(
            folder.join("compose.yml"),
            "services:\n  app:\n    extends: {file: link, service: a}\n",
        )
        .unwrap();
        assert!(!read(&folder).unwrap_err().to_string().contains("s3cr3t"));
        std::fs::remove_file(folder.join("compose.yml")).unwrap();
        std::os::unix::fs::symlink("../secret", folder.join("compose.yml")).unwrap();
        assert!(matches!(read(&folder), Err(Error::NoCompose { .. })));
        assert!(matches!(
            read(Path::new("https://example.org/compose.yml")),
            Err(Error::Address(_))
        ));
    }
}
