//! Cases, and how both programs are asked.

#![allow(dead_code, reason = "each test uses its part")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
    process::Command,
    sync::LazyLock,
};

use potluck::compose::{
    self, Config, Files, LoadOptions, Problems, Source, Warning, lint::LintOptions,
};
use serde_json::Value;

/// One configuration: files and environment.
pub struct Case {
    pub name: String,
    /// Working folder; the files' names are relative to it.
    pub folder: PathBuf,
    pub files: Vec<String>,
    pub env: BTreeMap<String, String>,
    /// A file without extensions of ours that says the same.
    pub same_as: Option<String>,
}

/// The major version whose behaviour is ours. Older programs lack `stack
/// config`, newer ones differ in what they send (sorting of ports, `restart`).
const ORACLE: &str = "28.";

/// True, with a loud word, where there is no docker program to compare with.
pub fn docker_is_missing() -> bool {
    let version = Command::new("docker").arg("--version").output();
    let version = version.map(|out| String::from_utf8_lossy(&out.stdout).into_owned());
    let found = version.unwrap_or_else(|_| "no docker program".into());
    let fits = found.contains(&format!("version {ORACLE}"));
    if !fits {
        eprintln!("SKIPPED: needs docker {ORACLE}x to compare with, found: {}", found.trim());
    }
    !fits
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests")
}

/// Every file of `tests/corpus`, once without variables, once with all that it
/// names set to something.
pub fn corpus() -> Vec<Case> {
    let mut cases = vec![];
    for entry in fs::read_dir(root().join("corpus")).unwrap() {
        let file = entry.unwrap().path().join("compose.yml");
        if file.is_file() {
            cases.extend(with_and_without_variables(&file));
        }
    }
    cases.sort_by(|a, b| a.name.cmp(&b.name));
    cases
}

/// The same for every YAML file in and below the folder that `POTLUCK_CORPUS`
/// names: a corpus of one's own.
pub fn further_corpus() -> Vec<Case> {
    let mut folders: Vec<PathBuf> =
        std::env::var_os("POTLUCK_CORPUS").into_iter().map(PathBuf::from).collect();
    let mut cases = vec![];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "yml" || e == "yaml")
                && fs::read_to_string(&path).is_ok()
            {
                cases.extend(with_and_without_variables(&path));
            }
        }
    }
    cases.sort_by(|a, b| a.name.cmp(&b.name));
    cases
}

fn with_and_without_variables(file: &Path) -> [Case; 2] {
    let folder = fs::canonicalize(file.parent().unwrap()).unwrap();
    let text = fs::read_to_string(file).unwrap();
    let bare = [("HOME".to_owned(), "/home/cook".to_owned())];
    let full = variables(&text).map(|name| {
        let value = name.to_lowercase().replace('_', "-");
        (name, value)
    });
    let full: BTreeMap<_, _> = full.chain(bare.clone()).collect();
    [("unset", bare.into()), ("set", full)].map(|(title, env)| Case {
        name: format!("{}, variables {title}", file.display()),
        folder: folder.clone(),
        files: vec![file.file_name().unwrap().to_string_lossy().into_owned()],
        env,
        same_as: None,
    })
}

/// Names after dollar signs.
fn variables(text: &str) -> impl Iterator<Item = String> {
    text.split('$').skip(1).filter_map(|rest| {
        let rest = rest.strip_prefix('{').unwrap_or(rest);
        let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
        let name = &rest[..end.unwrap_or(rest.len())];
        name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_').then(|| name.to_owned())
    })
}

/// Cases of `tests/compose/cases/*.yml`: several in one file. A line
/// `#### name | NAME=value, …` begins one; `#### + over` begins a further file of
/// the same one, `#### @ dir/name.yml` one that others name, and `#### =` what
/// docker has to be told for the same result, where it refuses the case (`@DIR@`
/// stands for the case's folder). Written once: tests run side by side.
pub fn cases() -> &'static [Case] {
    static CASES: LazyLock<Vec<Case>> = LazyLock::new(write_cases);
    &CASES
}

fn write_cases() -> Vec<Case> {
    let folder = root().join("compose/cases");
    let scratch = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("compose_cases");
    let _ = fs::remove_dir_all(&scratch);
    let mut files: Vec<_> =
        fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|e| e == "yml"));
    files.sort();
    let mut cases: Vec<Case> = vec![];
    for path in files {
        let theme = path.file_stem().unwrap().to_string_lossy().into_owned();
        let text = fs::read_to_string(&path).unwrap();
        for section in text.split("#### ").skip(1) {
            let (head, body) = section.split_once('\n').unwrap_or((section, ""));
            if let Some(name) = head.strip_prefix("+ ") {
                let case = cases.last_mut().unwrap();
                let name = format!("{}.yml", name.trim());
                fs::write(case.folder.join(&name), body).unwrap();
                case.files.push(name);
                continue;
            }
            if let Some(path) = head.strip_prefix("@ ") {
                let path = cases.last().unwrap().folder.join(path.trim());
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, body).unwrap();
                continue;
            }
            if head.trim() == "=" {
                let case = cases.last_mut().unwrap();
                let body = body.replace("@DIR@", &case.folder.to_string_lossy());
                fs::write(case.folder.join("same.yml"), body).unwrap();
                case.same_as = Some("same.yml".into());
                continue;
            }
            let (title, env) = head.split_once('|').unwrap_or((head, ""));
            let name = format!("{theme}: {}", title.trim());
            let folder = scratch.join(format!("{:03}", cases.len()));
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join("compose.yml"), body).unwrap();
            for extra in fs::read_dir(root().join("compose/cases/files")).unwrap() {
                let extra = extra.unwrap().path();
                fs::copy(&extra, folder.join(extra.file_name().unwrap())).unwrap();
            }
            let env = env
                .split(", ")
                .filter_map(|pair| pair.trim_start().split_once('='))
                .map(|(k, v)| (k.to_owned(), v.to_owned()))
                .collect();
            cases.push(Case {
                name,
                folder,
                files: vec!["compose.yml".into()],
                env,
                same_as: None,
            });
        }
    }
    cases
}

/// Reads from the disk, wherever docker does.
pub struct Disk;

impl Files for Disk {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        fs::read(path)
    }
}

/// What potluck makes of a case.
pub fn load(case: &Case) -> Result<(Config, Vec<Warning>), Problems> {
    let sources: Vec<Source> = case
        .files
        .iter()
        .map(|name| Source {
            name: name.clone(),
            text: fs::read_to_string(case.folder.join(name)).unwrap(),
        })
        .collect();
    let lookup = |name: &str| case.env.get(name).cloned();
    compose::load(
        &sources,
        &LoadOptions {
            working_dir: &case.folder,
            home_dir: None,
            environment: &lookup,
            files: &Disk,
            interpolate: true,
            profiles: &BTreeSet::new(),
        },
    )
}

/// A docker command with the case's environment and nothing else.
pub fn docker(case: &Case, words: &[&str]) -> Command {
    let mut command = Command::new("docker");
    command.args(words).current_dir(&case.folder).env_clear().envs(&case.env);
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    for file in &case.files {
        command.args(["-c", file]);
    }
    command
}

/// How the two programs agree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Agreement {
    /// Both print the same.
    Equal,
    /// Both refuse.
    Refused,
    /// Docker refuses a form of the Compose specification that potluck takes.
    Beyond,
}

/// Whether the configuration holds what docker refuses and potluck takes.
pub fn is_beyond(config: &Config) -> bool {
    config.lint(&LintOptions::default()).iter().any(|finding| finding.code == "beyond-docker")
}

/// Compares what both programs print.
pub fn compare(case: &Case) -> Result<Agreement, String> {
    let theirs = docker(case, &["stack", "config"]).output().unwrap();
    let ours = load(case);
    let stderr = String::from_utf8_lossy(&theirs.stderr).into_owned();
    match (theirs.status.success(), ours) {
        (true, Ok((config, _))) => {
            let theirs: Value = read_yaml(&String::from_utf8_lossy(&theirs.stdout))?;
            let printed = read_yaml(&config.to_yaml())?;
            if theirs != printed {
                return Err(difference(&theirs, &printed));
            }
            let direct = sorted(config.to_json());
            if sorted(printed.clone()) != direct {
                return Err(format!("as JSON:\n{}", difference(&printed, &direct)));
            }
            Ok(Agreement::Equal)
        }
        (false, Err(problems)) => {
            if std::env::var_os("SHOW_REFUSALS").is_some() {
                eprintln!("== {}\n{stderr}-- potluck\n{problems}\n", case.name);
            }
            Ok(Agreement::Refused)
        }
        (true, Err(problems)) => Err(format!("only potluck refuses it:\n{problems}")),
        (false, Ok((config, _))) if is_beyond(&config) => Ok(Agreement::Beyond),
        (false, Ok(_)) => Err(format!("only docker refuses it:\n{stderr}")),
    }
}

/// What potluck prints of an extended file is one that docker takes, but for
/// contents that come from no file; and it is what docker makes of the plain
/// file that says the same.
pub fn reads_back(case: &Case) -> Result<(), String> {
    let (config, _) = load(case).map_err(|problems| problems.to_string())?;
    let mut printed = config.to_json();
    for section in ["configs", "secrets"] {
        let objects = printed.get_mut(section).and_then(Value::as_object_mut);
        for object in objects.into_iter().flat_map(|map| map.values_mut()) {
            let object = object.as_object_mut().unwrap();
            for key in ["content", "environment"] {
                if object.remove(key).is_some() {
                    object.insert("file".into(), "/file".into());
                }
            }
        }
    }
    fs::write(case.folder.join("printed.yml"), printed.to_string()).unwrap();
    for file in ["printed.yml"].into_iter().chain(case.same_as.as_deref()) {
        let plain = Case {
            name: case.name.clone(),
            folder: case.folder.clone(),
            files: vec![file.into()],
            env: case.env.clone(),
            same_as: None,
        };
        let mut words = vec!["stack", "config"];
        // A dollar sign in what was printed is one.
        words.extend((file == "printed.yml").then_some("--skip-interpolation"));
        let theirs = docker(&plain, &words).output().unwrap();
        if !theirs.status.success() {
            let stderr = String::from_utf8_lossy(&theirs.stderr);
            return Err(format!("docker refuses {file}:\n{stderr}"));
        }
        let theirs: Value = read_yaml(&String::from_utf8_lossy(&theirs.stdout))?;
        if sorted(theirs.clone()) != sorted(printed.clone()) {
            return Err(format!("{file} is not the same:\n{}", difference(&theirs, &printed)));
        }
    }
    Ok(())
}

/// The table of `docs/conformance.md` has this line.
pub fn check_table(level: &str, numbers: &[usize]) {
    let table = fs::read_to_string(root().join("../docs/conformance.md")).unwrap();
    let numbers: Vec<String> = numbers.iter().map(ToString::to_string).collect();
    let line = format!("| {level} | {} |", numbers.join(" | "));
    assert!(table.lines().any(|l| l == line), "docs/conformance.md should say:\n{line}");
}

/// Reads YAML by a reader that is not ours.
fn read_yaml(text: &str) -> Result<Value, String> {
    serde_saphyr::from_str(text).map_err(|error| format!("{error}\n{text}"))
}

fn sorted(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let sorted: BTreeMap<_, _> = map.into_iter().map(|(k, v)| (k, sorted(v))).collect();
            Value::Object(sorted.into_iter().collect())
        }
        Value::Array(items) => items.into_iter().map(sorted).collect(),
        other => other,
    }
}

/// A line-by-line difference, docker's lines with `-`, ours with `+`.
pub fn difference(theirs: &Value, ours: &Value) -> String {
    let theirs = serde_json::to_string_pretty(&sorted(theirs.clone())).unwrap();
    let ours = serde_json::to_string_pretty(&sorted(ours.clone())).unwrap();
    similar::TextDiff::from_lines(&theirs, &ours)
        .unified_diff()
        .context_radius(3)
        .header("docker", "potluck")
        .to_string()
}
