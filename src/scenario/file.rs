//! The content of a scenario's file. It is read strictly: a misspelt key
//! would otherwise silently expect nothing.

use std::{collections::BTreeMap, path::Path};

use serde::Deserialize;
use serde_json::{Map, Value};

use super::Error;
use crate::{home::Grant, recipe::WrittenGrant, regular, yaml};

/// Longest file, in bytes.
const MAX_LENGTH: u64 = 4 << 20;
/// Steps of one scenario.
pub(super) const MAX_STEPS: usize = 100;

/// Texts as written in the file, even `1.10` and `yes`; none for an empty
/// value.
pub type Texts = BTreeMap<String, Option<String>>;

/// A world, and the steps in it.
#[derive(Debug, Clone, Default)]
pub struct Scenario {
    /// What it shows, in a sentence.
    pub about: Option<String>,
    /// The component's file, relative to the scenario's, or `std:NAME`.
    pub component: Option<String>,
    pub given: Given,
    /// One after the other, in one instance of the plugin.
    pub steps: Vec<Step>,
}

/// A hook that is called, and the expected result.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// `after-deploy`; with the role where two roles have one of that name,
    /// `backup.plan`.
    pub call: String,
    /// Its arguments by name.
    #[serde(default)]
    pub with: Map<String, Value>,
    #[serde(default)]
    pub expect: Expect,
}

/// The world when the hook is called.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Given {
    /// The app's name, its domain.
    pub app: Option<String>,
    pub stack: Option<String>,
    pub recipe: Option<String>,
    /// The recipe's version.
    pub version: Option<String>,
    pub server: Option<String>,
    pub settings: Texts,
    /// Those in `recipe.yml` when none.
    pub options: Option<Value>,
    /// By their key in the compose file. One without a value is there, but
    /// potluck cannot read it, as where no copy is kept or the operator has no key: to tell
    /// the value of another is worth a warning.
    pub secrets: Texts,
    pub memory: Texts,
    /// Files of the recipe, by path.
    pub files: BTreeMap<String, String>,
    /// As in `recipe.yml`, and those that stand there when none.
    pub grants: Option<Vec<WrittenGrant>>,
    /// Seconds since 1970, or a timestamp of RFC 3339.
    pub now: Option<Value>,
    /// The seed of the randomness.
    pub random: u64,
    pub services: Vec<ServiceRule>,
    pub http: Vec<HttpRule>,
}

/// What a service does when it is asked something.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ServiceRule {
    pub service: String,
    /// `run` when none, or `get` and `logs` where those are answered.
    pub on: Option<On>,
    /// A pattern for each argument, or
    pub command: Option<Vec<String>>,
    /// one for the arguments with a space between them.
    pub matches: Option<String>,
    /// A pattern for the standard input.
    pub input: Option<String>,
    pub stdout: String,
    pub stderr: String,
    pub exit_code: i32,
    /// A pattern for the path of a file.
    pub path: Option<String>,
    /// What the file holds.
    pub content: Option<String>,
    /// What the service logged last.
    pub logs: Option<Vec<String>>,
    /// `timed-out`, `not-running`, `unknown-service`, or what the engine said.
    pub error: Option<String>,
    /// How often it answers so; the next rule that fits answers after that.
    pub times: Option<u32>,
}

/// What a service can be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum On {
    Run,
    Wait,
    Restart,
    Put,
    Get,
    Logs,
}

/// What a request is answered.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HttpRule {
    /// A pattern for the method and the URL, `GET https://sso.example.org/*`.
    pub request: String,
    /// A pattern for the request's body.
    pub body: Option<String>,
    /// 200 when none.
    pub status: Option<u16>,
    pub headers: BTreeMap<String, String>,
    /// The body of the answer, or
    pub answer: Option<String>,
    /// the same as JSON.
    pub json: Option<Value>,
    /// `timed-out`, or why there is no answer.
    pub error: Option<String>,
    pub times: Option<u32>,
}

/// The expected result. Omitted keys are not compared; `*` stands for any
/// text.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Expect {
    pub result: Option<Value>,
    /// The result of a hook that asks for changes.
    pub changes: Option<Value>,
    /// Its message, or `{message, hint, retryable}`.
    pub failure: Option<Value>,
    /// All of them, in order; of each, what is said.
    pub calls: Option<Vec<Value>>,
    /// All lines, `info: text`.
    pub log: Option<Vec<String>>,
    /// All of it, afterwards.
    pub memory: Option<Texts>,
    /// All that have a value, afterwards.
    pub secrets: Option<Texts>,
}

/// The file as written: one step, or several.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    about: Option<String>,
    component: Option<String>,
    #[serde(default)]
    given: Given,
    call: Option<String>,
    with: Option<Map<String, Value>>,
    expect: Option<Expect>,
    #[serde(default)]
    steps: Vec<Step>,
}

impl Scenario {
    /// Reads a file.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Invalid`].
    pub fn read(path: &Path) -> Result<Self, Error> {
        Scenario::parse(&read_text(path)?)
    }

    /// Reads a file's text.
    ///
    /// # Errors
    /// [`Error::Invalid`] with the line.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let written: Written =
            serde_saphyr::from_str(text).map_err(|e| Error::Invalid(yaml::message(&e)))?;
        let Written { about, component, given, call, with, expect, mut steps } = written;
        match call {
            Some(call) if steps.is_empty() => {
                let (with, expect) = (with.unwrap_or_default(), expect.unwrap_or_default());
                steps.push(Step { call, with, expect });
            }
            None if !steps.is_empty() && with.is_none() && expect.is_none() => {}
            _ => {
                return Err(Error::Invalid(
                    "a scenario has either `call`, `with` and `expect`, or `steps` that have them"
                        .into(),
                ));
            }
        }
        if steps.len() > MAX_STEPS {
            return Err(Error::Invalid(format!("it has more than {MAX_STEPS} steps")));
        }
        let scenario = Scenario { about, component, given, steps };
        scenario.check()?;
        Ok(scenario)
    }

    /// Checks that would otherwise fail too late.
    fn check(&self) -> Result<(), Error> {
        self.given.granted()?;
        self.given.time()?;
        for step in &self.steps {
            let Expect { result, changes, failure, .. } = &step.expect;
            let outcomes = [result.is_some(), changes.is_some(), failure.is_some()];
            if outcomes.into_iter().filter(|said| *said).count() > 1 {
                let message = "`result`, `changes` and `failure` exclude each other";
                return Err(Error::Invalid(message.into()));
            }
        }
        for rule in &self.given.services {
            let file = matches!(rule.on(), On::Get | On::Put);
            if rule.path.is_some() && !file {
                let message = format!("a rule for `{}` has a path and no file", rule.service);
                return Err(Error::Invalid(message));
            }
        }
        Ok(())
    }
}

impl ServiceRule {
    pub fn on(&self) -> On {
        match self.on {
            Some(on) => on,
            None if self.content.is_some() || self.path.is_some() => On::Get,
            None if self.logs.is_some() => On::Logs,
            None => On::Run,
        }
    }
}

impl Given {
    /// The grants it lists.
    ///
    /// # Errors
    /// [`Error::Invalid`].
    pub fn granted(&self) -> Result<Option<Vec<Grant>>, Error> {
        let Some(written) = &self.grants else { return Ok(None) };
        let mut grants = Vec::new();
        for line in written {
            grants.extend(line.grants().map_err(|e| Error::Invalid(e.to_string()))?);
        }
        Ok(Some(grants))
    }

    /// Seconds since 1970; the first second of 2026 when nothing is said.
    ///
    /// # Errors
    /// [`Error::Invalid`].
    pub fn time(&self) -> Result<u64, Error> {
        let bad = |given: &Value| Error::Invalid(format!("`now` is not a time: {given}"));
        match &self.now {
            None => Ok(1_767_225_600),
            Some(Value::Number(seconds)) => {
                seconds.as_u64().ok_or_else(|| bad(&seconds.clone().into()))
            }
            Some(Value::String(text)) => text
                .parse::<jiff::Timestamp>()
                .ok()
                .and_then(|time| u64::try_from(time.as_second()).ok())
                .ok_or_else(|| bad(&text.as_str().into())),
            Some(other) => Err(bad(other)),
        }
    }
}

/// The text of a scenario's file.
///
/// # Errors
/// [`Error::Io`]; [`Error::Invalid`] when it is no text.
pub fn read_text(path: &Path) -> Result<String, Error> {
    let io = |source| Error::Io { action: "reading", path: path.into(), source };
    let text = String::from_utf8(regular::read(path, MAX_LENGTH).map_err(io)?);
    text.map_err(|_| Error::Invalid("it is not UTF-8 text".into()))
}

/// A scalar as text, since `PORT: 80` is written where text is meant.
pub fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_says_one_thing_and_no_other() {
        let one = Scenario::parse("call: check\nexpect: {failure: no}\n").unwrap();
        assert_eq!((one.steps.len(), one.steps[0].call.as_str()), (1, "check"));
        let two = Scenario::parse("steps:\n  - call: check\n  - call: after-deploy\n").unwrap();
        assert_eq!(two.steps.len(), 2);
        for bad in [
            "{}",
            "call: check\nsteps:\n  - call: check\n",
            "steps:\n  - call: check\nexpect: {}\n",
            "call: check\nexpects: {}\n",
            "call: check\ngiven: {setting: {}}\n",
            "call: check\ngiven: {grants: [exek: app]}\n",
            "call: check\ngiven: {grants: [exec]}\n",
            "call: check\ngiven: {now: yesterday}\n",
            "call: check\nexpect: {failure: x, result: y}\n",
        ] {
            assert!(matches!(Scenario::parse(bad), Err(Error::Invalid(_))), "{bad}");
        }
    }

    #[test]
    fn a_setting_is_the_text_that_stands_there() {
        let given = "{A: yes, B: 1.10, C: 0x10, D: ~, E: '~', F: true, G: \" a\\tb\"}";
        let scenario = format!("call: check\ngiven:\n  settings: {given}\n  memory: {given}\n");
        let given = Scenario::parse(&scenario).unwrap().given;
        let values: Vec<_> = given.settings.values().map(Option::as_deref).collect();
        let text = ["yes", "1.10", "0x10", "", "~", "true", " a\tb"];
        assert_eq!(values.iter().map(|v| v.unwrap_or_default()).collect::<Vec<_>>(), text);
        assert_eq!(given.settings, given.memory);
        assert!(Scenario::parse("call: check\ngiven: {settings: {A: [1]}}\n").is_err());
    }

    #[test]
    fn a_time_is_a_number_or_a_timestamp() {
        for (now, seconds) in [("86400", 86400), ("\"1970-01-02T00:00:00Z\"", 86400)] {
            let scenario = Scenario::parse(&format!("call: x\ngiven: {{now: {now}}}\n")).unwrap();
            assert_eq!(scenario.given.time().unwrap(), seconds);
        }
    }
}
