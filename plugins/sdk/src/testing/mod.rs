//! A host made of a script, for a plugin's own tests: outside WebAssembly every
//! call of the SDK comes here.
//!
//! ```
//! use potluck_sdk::{services, settings, testing::Script};
//!
//! let played = Script::new()
//!     .setting("DOMAIN", "wiki.example.org")
//!     .on_run(|service, command, _input| {
//!         assert_eq!((service, command.argv[0].as_str()), ("app", "hostname"));
//!         Ok(Script::printed("wiki"))
//!     })
//!     .play(|| services::run("app", ["hostname"]).map(|output| output.text().into_owned()));
//! assert_eq!(played.result, Ok("wiki".to_owned()));
//! assert_eq!(played.runs.len(), 1);
//! ```
//!
//! Every import has its double here. What the real host would check is not
//! checked, but for [`Script::denied`]: `potluck plugin test` plays scenarios in
//! the real host.

mod bytes;
pub(crate) mod host;

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use crate::{
    Facts,
    http::{Request, Response},
    report::Level,
    services::{Command, Output},
};

/// Why a scripted origin does not answer.
pub use crate::bindings::recipe::http::Error as HttpError;
/// Why a scripted service can't be used.
pub use crate::bindings::recipe::services::Error as ServiceError;
pub use bytes::{Written, sink, source};

type OnRun = Box<dyn FnMut(&str, &Command, &[u8]) -> Result<Output, ServiceError>>;
type OnCall = Box<dyn FnMut(&Call) -> Result<(), ServiceError>>;
type OnHttp = Box<dyn FnMut(&Request) -> Result<Response, HttpError>>;

/// What the host knows and answers while a test plays.
pub struct Script {
    facts: Facts,
    settings: Vec<(String, String)>,
    options: String,
    on_run: OnRun,
    on_call: OnCall,
    on_http: OnHttp,
    /// None for those of which potluck keeps no copy.
    secrets: BTreeMap<String, Option<String>>,
    files: BTreeMap<(String, String), Vec<u8>>,
    logs: BTreeMap<String, Vec<String>>,
    recipe: BTreeMap<String, Vec<u8>>,
    memory: BTreeMap<String, String>,
    denied: BTreeSet<String>,
    now: u64,
    random: u64,
    runs: Vec<Run>,
    calls: Vec<Call>,
    requests: Vec<Request>,
    log: Vec<(Level, String)>,
    progress: Vec<(String, u64, Option<u64>)>,
}

/// A program that the plugin ran.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// Where.
    pub service: String,
    /// What.
    pub command: Command,
    /// What it was given on standard input.
    pub input: Vec<u8>,
}

/// Anything else that the plugin asked of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "named as the functions of `services` and their parameters")]
pub enum Call {
    WaitReady { service: String, at_most: Duration },
    Restart { service: String, at_most: Duration },
    PutFile { service: String, path: String, content: Vec<u8>, mode: u32 },
    GetFile { service: String, path: String },
    Logs { service: String, lines: u32 },
}

/// What came of a test.
#[derive(Debug)]
pub struct Played<T> {
    /// What the test's function returned.
    pub result: T,
    /// Every program that was run, in order.
    pub runs: Vec<Run>,
    /// Everything else that services were asked for, in order.
    pub calls: Vec<Call>,
    /// Every request that was sent, in order.
    pub requests: Vec<Request>,
    /// Every line that was reported.
    pub log: Vec<(Level, String)>,
    /// Progress: the step's name, what is done, and of how much.
    pub progress: Vec<(String, u64, Option<u64>)>,
    /// What the plugin keeps now.
    pub memory: BTreeMap<String, String>,
    /// The secrets that have a value now.
    pub secrets: BTreeMap<String, String>,
    /// Files of services as they are now, by service and path.
    pub files: BTreeMap<(String, String), Vec<u8>>,
}

thread_local! {
    static PLAYING: RefCell<Option<Script>> = const { RefCell::new(None) };
}

impl Default for Script {
    fn default() -> Self {
        Script::new()
    }
}

impl Script {
    /// An app without settings, options or secrets, where every program ends
    /// with code 0 and says nothing, services do what they are asked for, and no
    /// origin answers.
    pub fn new() -> Self {
        Script {
            facts: Facts {
                name: "app.example.org".into(),
                stack: "app_example_org".into(),
                recipe: "recipe".into(),
                version: None,
                server: "default".into(),
            },
            settings: Vec::new(),
            options: "{}".into(),
            on_run: Box::new(|_, _, _| Ok(Script::printed(""))),
            on_call: Box::new(|_| Ok(())),
            on_http: Box::new(|request| {
                Err(HttpError::Failed(format!(
                    "nothing answers {} {} in this script",
                    request.method, request.url
                )))
            }),
            secrets: BTreeMap::new(),
            files: BTreeMap::new(),
            logs: BTreeMap::new(),
            recipe: BTreeMap::new(),
            memory: BTreeMap::new(),
            denied: BTreeSet::new(),
            now: 1_767_225_600,
            random: 0,
            runs: Vec::new(),
            calls: Vec::new(),
            requests: Vec::new(),
            log: Vec::new(),
            progress: Vec::new(),
        }
    }

    /// Facts about the app.
    #[must_use]
    pub fn facts(mut self, facts: Facts) -> Self {
        self.facts = facts;
        self
    }

    /// A key of the app's settings.
    #[must_use]
    pub fn setting(mut self, key: &str, value: &str) -> Self {
        self.settings.push((key.into(), value.into()));
        self
    }

    /// The plugin's options, as JSON.
    #[must_use]
    pub fn options(mut self, json: &str) -> Self {
        self.options = json.into();
        self
    }

    /// A secret that can be revealed.
    #[must_use]
    pub fn secret(mut self, name: &str, value: &str) -> Self {
        self.secrets.insert(name.into(), Some(value.into()));
        self
    }

    /// A secret of which potluck keeps no copy: it can be put, not revealed.
    #[must_use]
    pub fn secret_to_put(mut self, name: &str) -> Self {
        self.secrets.insert(name.into(), None);
        self
    }

    /// A file of the recipe.
    #[must_use]
    pub fn recipe_file(mut self, path: &str, content: impl Into<Vec<u8>>) -> Self {
        self.recipe.insert(path.into(), content.into());
        self
    }

    /// A file in a service.
    #[must_use]
    pub fn file(mut self, service: &str, path: &str, content: impl Into<Vec<u8>>) -> Self {
        self.files.insert((service.into(), path.into()), content.into());
        self
    }

    /// What a service wrote to its log.
    #[must_use]
    pub fn logs(mut self, service: &str, lines: &[&str]) -> Self {
        let lines = lines.iter().map(|&line| line.to_owned()).collect();
        self.logs.insert(service.into(), lines);
        self
    }

    /// What the plugin kept before.
    #[must_use]
    pub fn memory(mut self, key: &str, value: &str) -> Self {
        self.memory.insert(key.into(), value.into());
        self
    }

    /// A grant that the plugin was not given, as `recipe.yml` would have it:
    /// `exec: db`.
    #[must_use]
    pub fn denied(mut self, grant: &str) -> Self {
        self.denied.insert(grant.into());
        self
    }

    /// The clock, in seconds since 1970-01-01 UTC.
    #[must_use]
    pub fn now(mut self, seconds: u64) -> Self {
        self.now = seconds;
        self
    }

    /// Answers for the programs that the plugin runs.
    #[must_use]
    pub fn on_run(
        mut self,
        answer: impl FnMut(&str, &Command, &[u8]) -> Result<Output, ServiceError> + 'static,
    ) -> Self {
        self.on_run = Box::new(answer);
        self
    }

    /// Answers for everything else that the plugin asks of services: an error, or
    /// what [`Script::file`] and [`Script::logs`] say.
    #[must_use]
    pub fn on_call(
        mut self,
        answer: impl FnMut(&Call) -> Result<(), ServiceError> + 'static,
    ) -> Self {
        self.on_call = Box::new(answer);
        self
    }

    /// Answers for the requests that the plugin sends.
    #[must_use]
    pub fn on_http(
        mut self,
        answer: impl FnMut(&Request) -> Result<Response, HttpError> + 'static,
    ) -> Self {
        self.on_http = Box::new(answer);
        self
    }

    /// The output of a program that went well.
    pub fn printed(stdout: &str) -> Output {
        Output { exit_code: 0, stdout: stdout.into(), stderr: Vec::new(), truncated: false }
    }

    /// The output of a program that failed.
    pub fn failed(exit_code: i32, stderr: &str) -> Output {
        Output { exit_code, stdout: Vec::new(), stderr: stderr.into(), truncated: false }
    }

    /// An origin's answer.
    pub fn response(status: u16, body: impl Into<Vec<u8>>) -> Response {
        Response { status, headers: Vec::new(), body: body.into() }
    }

    /// Runs a test against this script.
    ///
    /// # Panics
    /// When a script is playing on this thread already.
    pub fn play<T>(self, test: impl FnOnce() -> T) -> Played<T> {
        /// Clears the stage also when the test panics.
        struct Curtain;
        impl Drop for Curtain {
            fn drop(&mut self) {
                PLAYING.with(|playing| playing.borrow_mut().take());
            }
        }
        PLAYING.with(|playing| {
            let before = playing.borrow_mut().replace(self);
            assert!(before.is_none(), "a script is playing already");
        });
        let curtain = Curtain;
        let result = test();
        let script = PLAYING.with(|playing| playing.borrow_mut().take());
        drop(curtain);
        let script = script.expect("only the curtain takes the script away");
        Played {
            result,
            runs: script.runs,
            calls: script.calls,
            requests: script.requests,
            log: script.log,
            progress: script.progress,
            memory: script.memory,
            secrets: script.secrets.into_iter().filter_map(|(k, v)| Some((k, v?))).collect(),
            files: script.files,
        }
    }
}

#[cfg(test)]
mod tests;
