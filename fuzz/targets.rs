//! What is fuzzed: functions from bytes to nothing. They panic when potluck does,
//! or when it breaks a promise that holds for any input.
//!
//! `fuzz_target.rs` hands them to libFuzzer for long runs, `tests/fuzz_smoke.rs`
//! runs the seeds and some mutations of them with every `cargo test`.

use std::{
    collections::BTreeSet,
    io,
    path::{Path, PathBuf},
};

use potluck::{
    compose::{self, Config, Files, LoadOptions, Source, image::Image, lint::LintOptions},
    home::{EnvFile, StackName, env_file},
};
use serde_json::Value;

/// Longer inputs are left out: they find nothing that shorter ones don't.
pub const LONGEST: usize = 64 << 10;
/// Between the files of one input of the target `compose`.
const NEXT_FILE: &str = "\n--8<--\n";

type Target = fn(&str);

/// Every target, by its name.
pub const ALL: &[(&str, Target)] = &[
    ("compose", compose_files),
    ("durations", durations),
    ("env_file", environment_file),
    ("images", images),
    ("interpolation", interpolation),
    ("ports", ports),
    ("shell_words", shell_words),
    ("sizes", sizes),
    ("volumes", volumes),
    ("yaml", yaml),
];

/// Runs one target. What is not UTF-8 never gets so far: files are read as text.
pub fn run(name: &str, data: &[u8]) {
    let (_, target) = ALL.iter().find(|(known, _)| *known == name).expect("a target's name");
    if let Ok(text) = std::str::from_utf8(data)
        && data.len() <= LONGEST
    {
        target(text);
    }
}

/// The only file that inputs can refer to: `app.env`, in the working folder.
struct OneFile<'a>(&'a [u8]);

const FOLDER: &str = "/recipe";

impl Files for OneFile<'_> {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let here = PathBuf::from(FOLDER).join("app.env");
        if path == here { Ok(self.0.to_vec()) } else { Err(io::ErrorKind::NotFound.into()) }
    }
}

/// What `${NAME}` stands for.
fn variable(name: &str) -> Option<String> {
    Some(match name {
        "SET" => "value".into(),
        "EMPTY" => String::new(),
        "PORT" => "8080".into(),
        "FLAG" => "true".into(),
        "HOME" => "/home/cook".into(),
        "DOLLAR" => "${SET}".into(),
        "LONG" => "x".repeat(1000),
        _ => return None,
    })
}

fn load(texts: &[&str], files: &OneFile<'_>, interpolate: bool) -> Option<Config> {
    let sources: Vec<Source> = texts
        .iter()
        .enumerate()
        .map(|(index, text)| Source { name: format!("{index}.yml"), text: (*text).to_owned() })
        .collect();
    let options = LoadOptions {
        working_dir: Path::new(FOLDER),
        home_dir: None,
        environment: &variable,
        files,
        interpolate,
        profiles: &BTreeSet::from(["on".to_owned()]),
    };
    match compose::load(&sources, &options) {
        Ok((config, _)) => Some(config),
        Err(problems) => {
            assert!(!problems.0.is_empty(), "refused without a reason");
            assert!(problems.0.len() <= 101, "{} problems", problems.0.len());
            // Excerpts are cut out of the input.
            let _ = problems.to_string();
            None
        }
    }
}

/// All that is done with files that are right.
fn use_it(config: &Config, files: &OneFile<'_>) {
    let stack = StackName::new("wiki_example_org").expect("a stack's name");
    let options = LintOptions {
        stack: Some(&stack),
        checkout: Some(Path::new(FOLDER)),
        ..LintOptions::default()
    };
    let findings = config.lint(&options);
    assert!(findings.is_sorted());
    let _ = config.to_stack(&stack, files);
    let _ = config.to_yaml();
}

/// One service with a value; the value as docker prints it, when it is right.
fn service_with(yaml: &str, interpolate: bool) -> Option<Value> {
    let files = OneFile(b"A=1\n");
    let text = format!("services: {{app: {{image: a, {yaml}}}}}");
    let config = load(&[&text], &files, interpolate)?;
    use_it(&config, &files);
    Some(config.to_json()["services"]["app"].clone())
}

/// A string as YAML.
fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

fn compose_files(text: &str) {
    let files = OneFile(b"A=1\nB\n# c\nexport C=\"d\"\n");
    let texts: Vec<&str> = text.splitn(4, NEXT_FILE).collect();
    for interpolate in [true, false] {
        if let Some(config) = load(&texts, &files, interpolate) {
            use_it(&config, &files);
        }
    }
}

fn yaml(text: &str) {
    let files = OneFile(b"");
    let Some(config) = load(&[text], &files, false) else { return };
    let printed = config.to_yaml();
    // What is printed can be read, by us too.
    if let Some(again) = load(&[&printed], &files, false) {
        let _ = again.to_yaml();
    }
}

fn interpolation(text: &str) {
    let value = quoted(text);
    if let Some(service) = service_with(&format!("user: {value}"), true)
        && !text.contains('$')
        && !text.is_empty()
    {
        assert_eq!(service["user"], text, "changed without a variable in it");
    }
    // A value that is cast to a number, and one that is cast to a truth value.
    let _ = service_with(&format!("deploy: {{replicas: {value}}}, tty: {value}"), true);
}

fn environment_file(text: &str) {
    // Docker's form.
    let files = OneFile(text.as_bytes());
    let compose = "services: {app: {image: a, env_file: app.env}}";
    if let Some(config) = load(&[compose], &files, true) {
        use_it(&config, &files);
    }
    // The form of an app's settings.
    let Ok(mut file) = EnvFile::parse("app.env", text) else { return };
    assert_eq!(file.to_text(), text);
    let _ = (file.warnings(), file.commented_values(), file.recipe_pin());
    let mut total = 0;
    for (key, value) in file.values() {
        assert_eq!(file.get(&key), Some(value.as_str()));
        let _ = file.modifiers(&key);
        total += value.len();
    }
    assert!(total <= env_file::MAX_TOTAL, "{total} bytes of values");
    // What is assigned reads back as it is, whatever it is.
    for key in ["NEW_KEY", "A"] {
        if file.set(key, text).is_ok() {
            assert_eq!(file.get(key), Some(text), "{key} after its assignment");
        }
    }
}

fn ports(text: &str) {
    if let Some(service) = service_with(&format!("ports: [{}]", quoted(text)), false) {
        let ports = service["ports"].as_array().map_or(0, Vec::len);
        assert!((1..=2 * 65536).contains(&ports), "{ports} ports");
    }
}

fn volumes(text: &str) {
    let _ = service_with(&format!("volumes: [{}]", quoted(text)), false);
}

fn durations(text: &str) {
    let value = quoted(text);
    let read = |value: &str| {
        service_with(
            &format!("stop_grace_period: {value}, healthcheck: {{interval: {value}}}"),
            false,
        )
    };
    if let Some(service) = read(&value) {
        // What is printed is the same duration.
        let printed = service["stop_grace_period"].to_string();
        let again = read(&printed).expect("a printed duration can be read");
        assert_eq!(again, service, "{text:?} printed as {printed}");
    }
}

fn sizes(text: &str) {
    let value = quoted(text);
    for key in ["memory", "cpus"] {
        let yaml = format!("deploy: {{resources: {{limits: {{{key}: {value}}}}}}}");
        let _ = service_with(&yaml, false);
    }
    let mount = format!("volumes: [{{type: tmpfs, target: /t, tmpfs: {{size: {value}}}}}]");
    let _ = service_with(&mount, false);
    let _ = service_with(&format!("shm_size: {value}"), false);
}

fn images(text: &str) {
    if let Some(image) = Image::parse(text) {
        let _ = format!("{image:?}");
    }
    let files = OneFile(b"");
    let compose = format!("services: {{app: {{image: {}}}}}", quoted(text));
    if let Some(config) = load(&[&compose], &files, false) {
        use_it(&config, &files);
    }
}

fn shell_words(text: &str) {
    let value = quoted(text);
    if let Some(service) = service_with(&format!("command: {value}, entrypoint: {value}"), false) {
        let words = service["command"].as_array().cloned().unwrap_or_default();
        let total: usize = words.iter().filter_map(Value::as_str).map(str::len).sum();
        assert!(total <= text.len(), "{total} bytes of words from {}", text.len());
    }
}
