//! What someone else made: compose files, `.env`, and the files beside them that these name.
//!
//! All of it is foreign. Paths are opened below the project's folder, so that neither `..`
//! nor a link leads out of it; only regular files are read, and no more of them than the
//! bounds of [`inside`](super::inside). Nothing is run.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::{Path, PathBuf},
};

use cap_std::{ambient_authority, fs::Dir};

use super::{
    inside::{Inside, LARGEST_OF_ALL, Named, local},
    reference,
};
use crate::{
    compose::{
        self, LoadOptions, Source,
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
/// Sections whose values have variables in them.
const INTERPOLATED: &[&str] = &["services", "networks", "volumes", "configs", "secrets"];

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
    #[error("{} is a link that leads out of the project, and is not followed", path.display())]
    LeadsOut { path: PathBuf },
    /// What Compose refuses, too.
    #[error("{at}: `{}` begins a variable, but does not end one", line(written))]
    BrokenVariable { at: String, written: String },
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
            Error::LeadsOut { .. } => Some(
                "copy the file into the project in place of the link, if it may be read".into(),
            ),
            Error::BrokenVariable { .. } => {
                Some("write `${NAME}` for a variable, and `$$` for a dollar sign".into())
            }
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
    /// Files of settings that are links that lead out of the project.
    pub outward: Vec<String>,
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
        None => compose_files(&inside).map_err(|name| match name {
            Some(name) => Error::LeadsOut { path: folder.join(name) },
            None => Error::NoCompose { folder: folder.to_owned() },
        })?,
    };
    let mut sources = vec![];
    for name in &compose {
        if inside.leads_out(name) {
            return Err(Error::LeadsOut { path: folder.join(name) });
        }
        let text = inside
            .text(name)
            .map_err(|source| Error::Unreadable { path: folder.join(name), source })?;
        let text = text.ok_or_else(|| Error::NotText(name.clone()))?;
        sources.push(Source { name: name.clone(), text });
    }
    let mut env = vec![];
    let mut env_name = None;
    let mut outward = vec![];
    for name in ENV {
        if inside.leads_out(name) {
            outward.push((*name).to_owned());
        }
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
    if let Some((at, written)) = broken_variable(&outline) {
        return Err(Error::BrokenVariable { at, written });
    }
    let named = BTreeMap::new();
    let mut project = Project { outline, compose, env_name, env, outward, named };
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

/// The compose file of the folder, with its overlay.
///
/// # Errors
/// If there is none; with its name if it leads out.
fn compose_files(inside: &Inside) -> Result<Vec<String>, Option<String>> {
    let there = |name: &&&str| inside.dir.metadata(name).is_ok_and(|it| it.is_file());
    let Some(first) = NAMES.iter().find(there) else {
        let outward = NAMES.iter().find(|name| inside.leads_out(name));
        return Err(outward.map(|name| (*name).to_owned()));
    };
    let over = OVERRIDES.iter().find(|name| there(name) || inside.leads_out(name));
    Ok([Some(first), over].into_iter().flatten().map(|name| (*name).to_owned()).collect())
}

/// The first value that Compose would refuse for its dollar signs, and where it is.
fn broken_variable(outline: &Outline) -> Option<(String, String)> {
    fn within(node: &Node, outline: &Outline) -> Option<(String, String)> {
        match &node.value {
            Value::Str(text) => {
                let at = || outline.line(node.at).unwrap_or_else(|| "the compose file".into());
                reference::broken(text).map(|written| (at(), written))
            }
            Value::List(items) => items.iter().find_map(|item| within(item, outline)),
            Value::Map(map) => map.0.iter().find_map(|entry| within(&entry.value, outline)),
            _ => None,
        }
    }
    let sections = outline.root.0.iter().filter(|it| INTERPOLATED.contains(&it.key.as_str()));
    sections.into_iter().find_map(|section| within(&section.value, outline))
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

#[cfg(test)]
mod tests {
    use super::*;

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
        assert_eq!(project.named["link"], Named::LeadsOut);
        assert_eq!(project.named["none"], Named::Missing);
        assert!(!format!("{project:?}").contains("s3cr3t"));
        std::fs::write(
            folder.join("compose.yml"),
            "services:\n  app:\n    extends: {file: link, service: a}\n",
        )
        .unwrap();
        let error = read(&folder).unwrap_err().to_string();
        assert!(error.contains("leads out of the project") && !error.contains("s3cr3t"), "{error}");
        std::fs::remove_file(folder.join("compose.yml")).unwrap();
        std::os::unix::fs::symlink("../secret", folder.join("compose.yml")).unwrap();
        assert!(matches!(read(&folder), Err(Error::LeadsOut { .. })));
        assert!(matches!(read(&folder.join("compose.yml")), Err(Error::LeadsOut { .. })));
        assert!(matches!(
            read(Path::new("https://example.org/compose.yml")),
            Err(Error::Address(_))
        ));
    }
}
