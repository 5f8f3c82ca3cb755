//! The script of a simulated swarm: which tasks fail and how, and what
//! programs in containers answer.
//!
//! ```yaml
//! crash: 7                   # kills the process at its fourth change; or `stop: 7`;
//!                            # or `lost: 7`: from then on nobody answers it; or `full: 7`:
//!                            # from then on the manager's disk is full
//! tasks:
//!   - image: "*:broken"        # or service: db, or both
//!     exit_code: 3
//!     logs: ["cannot open the database"]
//! exec:
//!   - service: db
//!     command: [take]          # or matches: "mariadb-dump *"
//!     stdout_file: data:dump.sql
//!   - service: db
//!     command: [put_back]
//!     stdin_file: data:dump.sql
//!   - service: app
//!     command: [php]
//!     if_file: data:site       # only while this file is there
//!     answers:                 # by what comes in through standard input
//!       - contains: wp_install
//!         stdout: "{}"
//!   - service: app
//!     command: [php]
//!     answers:
//!       - contains: wp_install
//!         stdin_file: data:site
//!         stdout: "{\"installed\":true}"
//! ```
//!
//! The first rule that matches counts. In patterns `*` stands for any text. A service
//! is matched by its full name or by its name within the stack; files are
//! `volume:path`, the volume named either way, too.

use std::io;

use serde::{Deserialize, Deserializer, de};

use super::pattern::{fits, fits_any, fits_command};
use crate::yaml;

/// The whole script.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Script {
    /// Nobody answers.
    pub unreachable: bool,
    /// The process that asks is killed at this moment: the first is just before its first
    /// change of the swarm, the second just after it, and so on.
    pub crash: Option<usize>,
    /// It is stopped at this moment, until something continues it.
    pub stop: Option<usize>,
    /// From this moment on nobody answers that process any more.
    pub lost: Option<usize>,
    /// From this moment on the manager has no room for what that process changes; it still
    /// answers what is only read.
    pub full: Option<usize>,
    pub tasks: Vec<TaskRule>,
    pub exec: Vec<ExecRule>,
}

/// How tasks end. Without a rule a task runs for ever; one of a job completes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TaskRule {
    /// Pattern for the service; any when none.
    pub service: Option<String>,
    /// Pattern for the image; any when none.
    pub image: Option<String>,
    /// It runs, then ends with this.
    pub exit_code: Option<i64>,
    /// Its health check never succeeds,
    pub unhealthy: bool,
    /// and prints this.
    pub check_output: Option<String>,
    /// It runs, then is killed because its memory is used up.
    pub out_of_memory: bool,
    /// The image cannot be had, for this reason.
    pub pull_error: Option<String>,
    /// What the registry says that the image is made for, `linux/arm64`; nothing when empty.
    pub platforms: Vec<String>,
    /// No node takes it, for this reason.
    pub no_node: Option<String>,
    /// Lines that it writes.
    pub logs: Vec<String>,
}

/// What a program answers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ExecRule {
    /// Pattern for the service; any when none.
    pub service: Option<String>,
    /// A pattern for each argument, or
    pub command: Option<Vec<String>>,
    /// one for the arguments with a space between them.
    pub matches: Option<String>,
    /// It counts only while this file of a volume is there.
    pub if_file: Option<String>,
    /// Standard input is kept in this file of a volume.
    pub stdin_file: Option<String>,
    /// Standard output begins with this text,
    pub stdout: String,
    /// continues with these bytes, written as hexadecimal digits,
    #[serde(deserialize_with = "hexadecimal")]
    pub stdout_hex: Vec<u8>,
    /// continues with this file of a volume,
    pub stdout_file: Option<String>,
    /// and ends with what came in through standard input.
    pub echo: bool,
    /// Or all of the output by what came in: the first answer that fits. If
    /// none matches the input, it is answered like a command without a rule.
    pub answers: Vec<Answer>,
    pub stderr: String,
    pub exit_code: i64,
    /// The container dies after the output.
    pub dies: bool,
}

/// What a program answers to one input.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Answer {
    /// Text that the input must hold.
    pub contains: String,
    /// The input is kept in this file of a volume.
    pub stdin_file: Option<String>,
    pub stdout: String,
    pub exit_code: i64,
}

impl TaskRule {
    /// What its program ends with.
    pub(super) fn ends_with(&self) -> Option<i64> {
        self.exit_code.or(self.out_of_memory.then_some(137))
    }
}

/// A service as rules see it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Subject<'a> {
    pub service: &'a str,
    /// Prefix of the stack, if the service has its label.
    pub stack: Option<&'a str>,
    pub image: &'a str,
}

fn hexadecimal<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    let digits = String::deserialize(deserializer)?;
    hex::decode(&digits).map_err(|_| de::Error::custom("expected hexadecimal digits, two a byte"))
}

impl Script {
    /// Reads the text of a script; an empty one has no rules.
    ///
    /// # Errors
    /// The sentence with its line.
    pub fn parse(text: &str) -> Result<Self, String> {
        let script: Option<Script> =
            serde_saphyr::from_str(text).map_err(|error| yaml::message(&error))?;
        Ok(script.unwrap_or_default())
    }

    /// That of a recipe's tests, which says how tasks end and what programs answer: how the
    /// process that asks fares is not a recipe's to say.
    ///
    /// # Errors
    /// As [`Script::parse`], and for what only a server's own script may say.
    pub fn of_recipe(text: &str) -> Result<Self, String> {
        let script = Self::parse(text)?;
        let Script { unreachable, crash, stop, lost, full, exec, .. } = &script;
        let moments =
            [("crash", crash), ("stop", stop), ("lost", lost), ("full", full)].into_iter();
        let set = moments.filter(|(_, moment)| moment.is_some()).map(|(key, _)| key);
        if let Some(key) = set.chain(unreachable.then_some("unreachable")).next() {
            return Err(format!(
                "`{key}` is not for a recipe's tests: they have `exec` and `tasks`"
            ));
        }
        if exec.iter().any(|rule| rule.command.is_some() && rule.matches.is_some()) {
            return Err("a rule of `exec` has either `command` or `matches`".into());
        }
        Ok(script)
    }

    pub(super) fn task(&self, subject: Subject<'_>) -> Option<&TaskRule> {
        self.tasks.iter().find(|rule| {
            subject.is(rule.service.as_deref()) && fits_any(rule.image.as_deref(), subject.image)
        })
    }

    /// The rule for a program; `is_there` looks for files of volumes.
    pub(super) fn exec(
        &self,
        subject: Subject<'_>,
        argv: &[String],
        is_there: impl Fn(&str) -> io::Result<bool>,
    ) -> io::Result<Option<&ExecRule>> {
        for rule in &self.exec {
            if fits_command(rule.command.as_deref(), rule.matches.as_deref(), argv)
                && subject.is(rule.service.as_deref())
                && rule.if_file.as_deref().map_or(Ok(true), &is_there)?
            {
                return Ok(Some(rule));
            }
        }
        Ok(None)
    }
}

impl<'a> Subject<'a> {
    fn is(&self, pattern: Option<&str>) -> bool {
        let Some(pattern) = pattern else { return true };
        fits(pattern, self.service) || self.short().is_some_and(|short| fits(pattern, short))
    }

    /// Its name within the stack.
    fn short(&self) -> Option<&'a str> {
        self.service.strip_prefix(self.stack?)?.strip_prefix('_')
    }

    /// Its shortest name that a rule may have.
    pub(super) fn name(&self) -> &'a str {
        self.short().unwrap_or(self.service)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_is_known_by_both_its_names() {
        let subject = Subject { service: "wiki_db", stack: Some("wiki"), image: "x" };
        for (pattern, expected) in
            [(Some("db"), true), (Some("wiki_db"), true), (None, true), (Some("wiki"), false)]
        {
            assert_eq!(subject.is(pattern), expected, "{pattern:?}");
        }
    }

    #[test]
    fn a_rule_may_wait_for_a_file() {
        let script: Script = serde_saphyr::from_str(
            "exec:\n- {command: [php], if_file: 'data:site', stdout: has}\n- {stdout: has not}\n",
        )
        .unwrap();
        let subject = Subject { service: "wiki_app", stack: Some("wiki"), image: "x" };
        let answer = |argv: &str, there: bool| {
            let is_there = |file: &str| Ok(there && file == "data:site");
            let rule = script.exec(subject, &[argv.to_owned()], is_there).unwrap().unwrap();
            rule.stdout.clone()
        };
        for (argv, there, expected) in
            [("php", true, "has"), ("php", false, "has not"), ("sh", true, "has not")]
        {
            assert_eq!(answer(argv, there), expected, "{argv} {there}");
        }
        let broken = |_: &str| Err(io::Error::other("no"));
        assert!(script.exec(subject, &["php".to_owned()], broken).is_err());
        assert!(script.exec(subject, &["sh".to_owned()], broken).is_ok());
    }

    #[test]
    fn a_script_says_what_its_file_says() {
        let script: Script = serde_saphyr::from_str(
            "exec:\n  - service: db\n    command: [take]\n    stdout_file: data:dump.sql\n",
        )
        .unwrap();
        assert_eq!(script.exec[0].stdout_file.as_deref(), Some("data:dump.sql"));
        for (text, expected) in [
            ("exec:\n  - servise: db\n", "line 2"),
            ("exec:\n- {stdout_hex: 0xff}\n", "hexadecimal digits"),
            ("exec: {}\n", "line 1"),
        ] {
            let error = Script::parse(text).unwrap_err();
            assert!(error.contains(expected), "{text:?}: {error}");
        }
        assert_eq!(Script::parse("# nothing\n"), Ok(Script::default()));
        for text in ["stop: 3", "unreachable: true", "exec: [{command: [a], matches: a}]"] {
            assert!(Script::parse(text).is_ok() && Script::of_recipe(text).is_err(), "{text}");
        }
        assert!(Script::of_recipe("tasks: [{service: db, exit_code: 1}]").is_ok());
        let bytes = Script::parse("exec:\n- {stdout_hex: \"52ff\"}\n").unwrap();
        assert_eq!(bytes.exec[0].stdout_hex, b"R\xff");
    }
}
