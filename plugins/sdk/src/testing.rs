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

use std::{cell::RefCell, collections::BTreeMap};

use crate::{
    Facts,
    report::Level,
    services::{Command, Output},
};

/// Why a scripted service can't be used.
pub use crate::bindings::potluck::recipe::services::Error as ServiceError;

type OnRun = Box<dyn FnMut(&str, &Command, &[u8]) -> Result<Output, ServiceError>>;

/// What the host knows and answers while a test plays.
pub struct Script {
    facts: Facts,
    settings: Vec<(String, String)>,
    options: String,
    on_run: OnRun,
    secrets: BTreeMap<String, String>,
    files: BTreeMap<(String, String), Vec<u8>>,
    recipe: BTreeMap<String, Vec<u8>>,
    memory: BTreeMap<String, String>,
    now: u64,
    random: u64,
    runs: Vec<Run>,
    log: Vec<(Level, String)>,
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

/// What came of a test.
#[derive(Debug)]
pub struct Played<T> {
    /// What the test's function returned.
    pub result: T,
    /// Every program that was run, in order.
    pub runs: Vec<Run>,
    /// Every line that was reported.
    pub log: Vec<(Level, String)>,
    /// What the plugin keeps now.
    pub memory: BTreeMap<String, String>,
    /// The secrets as they are now.
    pub secrets: BTreeMap<String, String>,
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
    /// with code 0 and says nothing.
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
            secrets: BTreeMap::new(),
            files: BTreeMap::new(),
            recipe: BTreeMap::new(),
            memory: BTreeMap::new(),
            now: 1_700_000_000,
            random: 1,
            runs: Vec::new(),
            log: Vec::new(),
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
        self.secrets.insert(name.into(), value.into());
        self
    }

    /// A file of the recipe.
    #[must_use]
    pub fn recipe_file(mut self, path: &str, content: impl Into<Vec<u8>>) -> Self {
        self.recipe.insert(path.into(), content.into());
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

    /// The output of a program that went well.
    pub fn printed(stdout: &str) -> Output {
        Output { exit_code: 0, stdout: stdout.into(), stderr: Vec::new(), truncated: false }
    }

    /// The output of a program that failed.
    pub fn failed(exit_code: i32, stderr: &str) -> Output {
        Output { exit_code, stdout: Vec::new(), stderr: stderr.into(), truncated: false }
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
            log: script.log,
            memory: script.memory,
            secrets: script.secrets,
        }
    }
}

/// The imports, answered by the script that plays.
pub(crate) mod host {
    use super::{PLAYING, Script};

    fn script<T>(answer: impl FnOnce(&mut Script) -> T) -> T {
        PLAYING.with(|playing| {
            let mut playing = playing.borrow_mut();
            answer(playing.as_mut().expect("outside WebAssembly, calls need a testing::Script"))
        })
    }

    pub mod app {
        use super::script;
        use crate::Facts;

        pub fn describe() -> Facts {
            script(|s| s.facts.clone())
        }
        pub fn setting(key: &str) -> Option<String> {
            script(|s| s.settings.iter().rev().find(|(k, _)| k == key).map(|(_, v)| v.clone()))
        }
        pub fn settings() -> Vec<(String, String)> {
            script(|s| s.settings.clone())
        }
        pub fn options() -> String {
            script(|s| s.options.clone())
        }
    }

    pub mod report {
        use super::script;
        use crate::report::Level;

        pub fn log(level: Level, message: &str) {
            script(|s| s.log.push((level, message.into())));
        }
        pub fn progress(_step: &str, _done: u64, _total: Option<u64>) {}
    }

    pub mod services {
        use super::script;
        use crate::{
            services::{Command, Output},
            testing::{Run, ServiceError},
        };

        pub fn run(service: &str, command: &Command, input: &[u8]) -> Result<Output, ServiceError> {
            script(|s| {
                s.runs.push(Run {
                    service: service.into(),
                    command: command.clone(),
                    input: input.into(),
                });
                (s.on_run)(service, command, input)
            })
        }
        pub fn wait_ready(_service: &str, _timeout_ms: u32) -> Result<(), ServiceError> {
            Ok(())
        }
        pub fn restart(_service: &str, _timeout_ms: u32) -> Result<(), ServiceError> {
            Ok(())
        }
        pub fn put_file(
            service: &str,
            path: &str,
            content: &[u8],
            _mode: u32,
        ) -> Result<(), ServiceError> {
            script(|s| s.files.insert((service.into(), path.into()), content.into()));
            Ok(())
        }
        pub fn get_file(service: &str, path: &str) -> Result<Vec<u8>, ServiceError> {
            script(|s| s.files.get(&(service.into(), path.into())).cloned())
                .ok_or_else(|| ServiceError::Engine(format!("there is no file {path}")))
        }
    }

    pub mod recipe_files {
        use super::script;
        use crate::recipe_files::Error;

        pub fn read(path: &str) -> Result<Vec<u8>, Error> {
            script(|s| s.recipe.get(path).cloned()).ok_or(Error::NotFound)
        }
        pub fn names(folder: &str) -> Result<Vec<String>, Error> {
            let prefix = if folder.is_empty() { String::new() } else { format!("{folder}/") };
            let mut names: Vec<String> = script(|s| {
                let inside = s.recipe.keys().filter_map(|path| path.strip_prefix(&prefix));
                inside.map(|rest| rest.split_inclusive('/').next().unwrap_or(rest).into()).collect()
            });
            names.dedup();
            if names.is_empty() { Err(Error::NotFound) } else { Ok(names) }
        }
    }

    pub mod secrets {
        use super::script;
        use crate::bindings::potluck::recipe::secrets::Error;

        pub fn reveal(name: &str) -> Result<String, Error> {
            script(|s| s.secrets.get(name).cloned()).ok_or(Error::UnknownSecret(name.into()))
        }
        pub fn put(name: &str, value: &str) -> Result<(), Error> {
            script(|s| s.secrets.insert(name.into(), value.into()));
            Ok(())
        }
    }

    pub mod http {
        use crate::{
            bindings::potluck::recipe::http::Error,
            http::{Request, Response},
        };

        pub fn send(request: &Request) -> Result<Response, Error> {
            Err(Error::Failed(format!("nothing answers for {} in this script", request.url)))
        }
    }

    pub mod memory {
        use super::script;

        pub fn get(key: &str) -> Result<Option<String>, String> {
            Ok(script(|s| s.memory.get(key).cloned()))
        }
        pub fn set(key: &str, value: &str) -> Result<(), String> {
            script(|s| s.memory.insert(key.into(), value.into()));
            Ok(())
        }
    }

    pub mod tools {
        use super::script;
        use crate::tools::{KeyKind, KeyPair};

        pub fn now() -> u64 {
            script(|s| s.now)
        }
        /// Repeatable, and for tests only: a step of SplitMix64 per byte.
        pub fn random_bytes(length: u32) -> Vec<u8> {
            script(|s| {
                (0..length)
                    .map(|_| {
                        s.random = s.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
                        let mixed =
                            (s.random ^ (s.random >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
                        (mixed >> 56) as u8
                    })
                    .collect()
            })
        }
        pub fn bcrypt(password: &str) -> Result<String, String> {
            Ok(format!("$2b$scripted${password}"))
        }
        pub fn argon2id(password: &str) -> String {
            format!("$argon2id$scripted${password}")
        }
        pub fn keypair(kind: KeyKind) -> KeyPair {
            KeyPair {
                private_pem: format!("private {kind:?}"),
                public_pem: format!("public {kind:?}"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{options, services, settings};

    #[test]
    fn the_last_value_of_a_key_counts_and_an_empty_one_is_missing() {
        let played =
            Script::new().setting("A", "1").setting("A", "2").setting("B", "").play(|| {
                assert_eq!(settings::get("A").as_deref(), Some("2"));
                assert_eq!(settings::get_or("B", "x"), "x");
                settings::require("B")
            });
        assert_eq!(played.result.unwrap_err().message(), "the setting B is missing");
    }

    #[test]
    fn a_failed_program_is_an_error_with_its_last_words() {
        let played = Script::new()
            .on_run(|_, _, _| Ok(Script::failed(2, "no such table\n")))
            .play(|| services::run("db", ["mariadb"]));
        assert_eq!(
            played.result.unwrap_err().to_string(),
            "`mariadb` ended with code 2: no such table"
        );
    }

    #[test]
    fn missing_options_are_all_defaults() {
        #[derive(serde::Deserialize)]
        struct Options {
            #[serde(default)]
            name: String,
        }
        let played = Script::new().options("null").play(options::<Options>);
        assert_eq!(played.result.unwrap().name, "");
    }
}
