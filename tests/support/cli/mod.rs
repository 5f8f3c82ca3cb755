//! The program in a world of its own: an empty home, a pinned terminal width,
//! no colours, UTC. Output is compared whole; what differs from run to run is
//! replaced first.

// Each test file uses its own part of this.
#![allow(dead_code)]

pub mod admin;

use std::{
    fmt, fs,
    path::{Path, PathBuf},
    process::Output,
};

use assert_cmd::Command;

/// The smallest recipe with a volume.
pub const CONTENT: &str = r#"
services:
  app:
    image: example.invalid/app:1
    volumes: ["content:/content"]
volumes:
  content:
"#;

/// A folder that holds everything a test touches.
pub struct Lab {
    folder: tempfile::TempDir,
}

/// What one run of the program left.
pub struct Run {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Lab {
    pub fn new() -> Self {
        let lab = Lab { folder: tempfile::tempdir().unwrap() };
        fs::create_dir(lab.path("home")).unwrap();
        lab
    }

    pub fn path(&self, below: &str) -> PathBuf {
        self.folder.path().join(below)
    }

    pub fn write(&self, below: &str, text: &str) {
        let path = self.path(below);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// The smallest recipe with a setting that is open, a secret that can be
    /// made and one that can't.
    pub fn tiny_recipe(&self) {
        self.write("tiny/compose.yml", COMPOSE);
        self.write("tiny/.env.sample", SAMPLE);
    }

    /// With an app of the tiny recipe on the simulated server.
    pub fn with_tiny_app() -> Self {
        let lab = Lab::new();
        lab.tiny_recipe();
        let run = lab.run(&["app", "new", "./tiny", "--domain", "t.example", "--server=simulated"]);
        assert_eq!(run.code, 0, "{run}");
        lab
    }

    /// With a deployed app, `t.example` on the simulated server, that has a volume.
    pub fn with_content() -> Self {
        let lab = Lab::new();
        lab.write("tiny/compose.yml", CONTENT);
        lab.write("tiny/.env.sample", "DOMAIN=\n");
        for command in [
            &["app", "new", "./tiny", "--domain", "t.example", "--server=simulated"][..],
            &["app", "deploy", "t.example", "--no-input"],
        ] {
            let run = lab.run(command);
            assert_eq!(run.code, 0, "{run}");
        }
        lab
    }

    pub fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_potluck"));
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.path("home"))
            .env("POTLUCK_DIR", self.path("potluck"))
            .env("NO_COLOR", "1")
            .env("COLUMNS", "100")
            .env("TZ", "UTC")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .current_dir(self.folder.path())
            .timeout(std::time::Duration::from_secs(600));
        command
    }

    /// Runs the program without any standard input.
    pub fn run(&self, arguments: &[&str]) -> Run {
        self.run_with(arguments, b"")
    }

    pub fn run_with(&self, arguments: &[&str], input: &[u8]) -> Run {
        let output = self.command().args(arguments).write_stdin(input).output().unwrap();
        self.tidy(&output)
    }

    /// As [`Lab::run`], and tells the process's id once it is started.
    pub fn run_telling(&self, arguments: &[&str], tell: impl FnOnce(u32)) -> Run {
        let child = self.spawn(arguments);
        tell(child.id());
        self.tidy(&child.wait_with_output().unwrap())
    }

    fn spawn(&self, arguments: &[&str]) -> std::process::Child {
        std::process::Command::new(env!("CARGO_BIN_EXE_potluck"))
            .args(arguments)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.path("home"))
            .env("POTLUCK_DIR", self.path("potluck"))
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .current_dir(self.folder.path())
            .stdin(std::process::Stdio::null())
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap()
    }

    /// Runs the program, and kills it as soon as it said all of these words, in this order, on
    /// standard error; one that comes to its end without them is a mistake of the test.
    pub fn run_killed_at(&self, arguments: &[&str], words: &[&str]) -> Run {
        let mut child = self.spawn(arguments);
        let (mut said, mut found) = (Vec::new(), false);
        let mut lines = std::io::BufReader::new(child.stderr.take().unwrap());
        while std::io::BufRead::read_until(&mut lines, b'\n', &mut said).unwrap() > 0 {
            if !found && in_order(&String::from_utf8_lossy(&said), words) {
                found = true;
                child.kill().unwrap();
            }
        }
        let mut output = child.wait_with_output().unwrap();
        output.stderr = said;
        let run = self.tidy(&output);
        assert!(found, "{words:?} are not said: {run}");
        assert_eq!(run.code, -1, "{run}");
        run
    }

    /// What a team shares in git comes from another folder: apps, recipes, providers, who
    /// reads secrets and who signs backups.
    pub fn pull(&self, from: &Lab) {
        fs::create_dir_all(self.path("potluck")).unwrap();
        for part in ["servers", "recipes", "signers", "providers", "recipients"] {
            let part = &format!("potluck/{part}");
            if !from.path(part).exists() {
                continue;
            }
            let _ = fs::remove_dir_all(self.path(part));
            let mut copy = std::process::Command::new("cp");
            let copied = copy.arg("-aT").args([from.path(part), self.path(part)]).status();
            assert!(copied.unwrap().success());
        }
    }

    /// Runs git in the folder of the tiny recipe.
    pub fn git(&self, arguments: &[&str]) {
        let done = std::process::Command::new("git")
            .args(["-c", "user.name=t", "-c", "user.email=t@example.org"])
            .args(arguments)
            .current_dir(self.path("tiny"))
            .output()
            .unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }

    /// Tags what the tiny recipe holds; a tag of that name moves.
    pub fn release(&self, version: &str) {
        if !self.path("tiny/.git").exists() {
            self.git(&["init", "-q"]);
        }
        self.git(&["add", "-A"]);
        self.git(&["commit", "-qm", version]);
        self.git(&["tag", "-f", version]);
    }

    /// Runs the program, which has to succeed, and reads its JSON.
    pub fn json(&self, arguments: &[&str]) -> serde_json::Value {
        let run = self.run(arguments);
        assert_eq!(run.code, 0, "{run}");
        serde_json::from_str(&run.stdout).unwrap()
    }

    pub fn tidy(&self, output: &Output) -> Run {
        let folder = self.folder.path().display().to_string();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace(&folder, "[LAB]");
        Run {
            code: output.status.code().unwrap_or(-1),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
        }
    }

    /// Every file below the folder, with its content.
    pub fn files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        fn walk(folder: &Path, all: &mut Vec<(PathBuf, Vec<u8>)>) {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                let kind = fs::symlink_metadata(&path).unwrap().file_type();
                if kind.is_dir() {
                    walk(&path, all);
                } else if kind.is_file() {
                    all.push((path.clone(), fs::read(&path).unwrap()));
                }
            }
        }
        let mut all = Vec::new();
        walk(self.folder.path(), &mut all);
        all
    }
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "exit code {}", self.code)?;
        for (name, text) in [("stdout", &self.stdout), ("stderr", &self.stderr)] {
            if !text.is_empty() {
                writeln!(f, "--- {name}")?;
                f.write_str(text)?;
                if !text.ends_with('\n') {
                    writeln!(f)?;
                }
            }
        }
        Ok(())
    }
}

/// The value with what differs from run to run replaced: members of these names.
pub fn masked(mut value: serde_json::Value, names: &[&str]) -> serde_json::Value {
    fn walk(value: &mut serde_json::Value, names: &[&str]) {
        match value {
            serde_json::Value::Array(all) => all.iter_mut().for_each(|one| walk(one, names)),
            serde_json::Value::Object(members) => {
                for (name, member) in members {
                    if names.contains(&name.as_str()) && !member.is_null() {
                        *member = format!("[{name}]").into();
                    } else {
                        walk(member, names);
                    }
                }
            }
            _ => {}
        }
    }
    walk(&mut value, names);
    value
}

const COMPOSE: &str = r#"
services:
  app:
    image: potluck-test/busybox:1
    command: ["sh", "-c", "echo started; trap exit TERM; while :; do sleep 0.2; done"]
    environment:
      TITLE: ${TITLE}
    secrets: [token, mail_password]
    deploy:
      endpoint_mode: dnsrr
secrets:
  token:
    external: true
    name: ${STACK_NAME}_token_${SECRET_TOKEN_VERSION}
  mail_password:
    external: true
    name: ${STACK_NAME}_mail_password_${SECRET_MAIL_PASSWORD_VERSION}
"#;

const SAMPLE: &str = "\
TYPE=tiny
DOMAIN=tiny.example.org

# Shown on the first page.
TITLE=

SECRET_TOKEN_VERSION=v1 # length=24 charset=hex
SECRET_MAIL_PASSWORD_VERSION=v1 # generate=false
";

/// Waits until a process is stopped, as by SIGSTOP; then this happens, and it is continued.
/// Returns false where it came to its end instead.
pub fn when_stopped(pid: u32, meanwhile: impl FnOnce()) -> bool {
    // `T` is a stopped process, `Z` one that ended.
    let state = || {
        let text = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let state = text.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
        state.unwrap_or('Z')
    };
    while !['T', 'Z'].contains(&state()) {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let is_stopped = state() == 'T';
    if is_stopped {
        meanwhile();
        let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::CONT).unwrap();
    }
    is_stopped
}

fn in_order(said: &str, words: &[&str]) -> bool {
    let mut rest = said;
    words.iter().all(|words| match rest.split_once(words) {
        Some((_, after)) => {
            rest = after;
            true
        }
        None => false,
    })
}
