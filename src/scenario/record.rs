//! From a real run to a scenario: what a plugin asked and was told is listened
//! to, and written down with placeholders for the secrets that went by.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use async_trait::async_trait;
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use super::{Defaults, Error, Scenario, calls, compare, play::actual, play::play, world::Happened};
use crate::{
    plugin::{
        self, Command, FileError, HttpError, HttpRequest, HttpResponse, Memory, Output, Outside,
        Plugin, RecipeFiles, SecretAccess, SecretError, ServiceError, StackServices, Surroundings,
    },
    progress::{Event, Sink},
};

/// Values this short stand in too much ordinary text to be replaced in it.
const SHORT: usize = 4;

/// Listens to one run.
pub struct Recorder {
    services: Arc<dyn StackServices>,
    secrets: Arc<dyn SecretAccess>,
    memory: Arc<dyn Memory>,
    files: Arc<dyn RecipeFiles>,
    progress: Arc<dyn Sink>,
    outside: Arc<dyn Outside>,
    /// What the scenario says of the app, from its surroundings.
    given: Map<String, Value>,
    heard: Mutex<Heard>,
}

#[derive(Default)]
struct Heard {
    calls: Vec<Value>,
    log: Vec<String>,
    services: Vec<Value>,
    http: Vec<Value>,
    /// What was there at first, by key; none where nothing was.
    memory: BTreeMap<String, Option<String>>,
    remembered: BTreeMap<String, String>,
    files: BTreeMap<String, String>,
    /// None for those that could not be had.
    secrets: BTreeMap<String, Option<Zeroizing<String>>>,
    stored: BTreeMap<String, Zeroizing<String>>,
}

/// Puts a recorder between a plugin and its surroundings.
pub fn record(mut surroundings: Surroundings) -> (Surroundings, Arc<Recorder>) {
    let facts = &surroundings.facts;
    let mut given = Map::new();
    given.insert("app".into(), facts.app.as_str().into());
    given.insert("stack".into(), facts.stack.as_str().into());
    given.insert("recipe".into(), facts.recipe.as_str().into());
    if let Some(version) = &facts.version {
        given.insert("version".into(), version.as_str().into());
    }
    given.insert("server".into(), facts.server.as_str().into());
    let settings = surroundings.settings.iter().map(|(k, v)| (k.clone(), v.as_str().into()));
    given.insert("settings".into(), Value::Object(settings.collect()));
    given.insert("options".into(), surroundings.options.clone());
    let grants = surroundings.grants.iter().map(|grant| {
        let line = grant.to_string();
        let thing = line.split_once(": ").map_or("", |(_, thing)| thing);
        json!({grant.capability(): thing})
    });
    given.insert("grants".into(), grants.collect());
    given.insert("now".into(), surroundings.outside.now().as_secs().into());
    let recorder = Arc::new(Recorder {
        services: surroundings.services.clone(),
        secrets: surroundings.secrets.clone(),
        memory: surroundings.memory.clone(),
        files: surroundings.files.clone(),
        progress: surroundings.progress.clone(),
        outside: surroundings.outside.clone(),
        given,
        heard: Mutex::default(),
    });
    surroundings.services = recorder.clone();
    surroundings.secrets = recorder.clone();
    surroundings.memory = recorder.clone();
    surroundings.files = recorder.clone();
    surroundings.progress = recorder.clone();
    surroundings.outside = recorder.clone();
    (surroundings, recorder)
}

impl Recorder {
    /// What was asked, with placeholders for the secrets that went by; `secret`
    /// is as for [`Recorder::scenario`].
    pub fn calls(&self, secret: &[(String, String)]) -> Vec<Value> {
        let heard = self.lock();
        let hidden = heard.hidden(secret);
        heard.calls.iter().map(|call| hide(call, &hidden)).collect()
    }

    /// What the plugin said.
    pub fn log(&self) -> Vec<String> {
        self.lock().log.clone()
    }

    /// The text of a scenario in which the hook comes out as it did. `secret`
    /// holds further values that must not stand in it, by the name that does.
    ///
    /// Played once more to see that it does; what came out otherwise then (a
    /// time, something random) is expected to be anything. Second: whether it
    /// came out the same way.
    ///
    /// # Errors
    /// What keeps it from being played.
    pub async fn scenario(
        &self,
        plugin: &Plugin,
        call: &str,
        with: &Map<String, Value>,
        outcome: &Result<Value, plugin::Error>,
        secret: &[(String, String)],
    ) -> Result<(String, bool), Error> {
        let mut document = self.document(call, with, outcome, secret);
        let text = yaml(&document)?;
        let again = play(plugin, &Scenario::parse(&text)?, &Defaults::default()).await?;
        let [again] = &again[..] else { return Ok((text, false)) };
        if again.passed() {
            return Ok((text, true));
        }
        if let Some(expect) = document.get_mut("expect") {
            *expect = compare::loosened(expect, &Value::Object(again.actual.clone()));
        }
        let text = yaml(&document)?;
        let again = play(plugin, &Scenario::parse(&text)?, &Defaults::default()).await?;
        Ok((text, again.iter().all(super::Played::passed)))
    }

    fn document(
        &self,
        call: &str,
        with: &Map<String, Value>,
        outcome: &Result<Value, plugin::Error>,
        secret: &[(String, String)],
    ) -> Value {
        let heard = self.lock();
        let mut given = self.given.clone();
        let known = heard
            .secrets
            .iter()
            .map(|(name, value)| (name.clone(), value.as_ref().map(|value| value.as_str()).into()));
        let before = heard.memory.iter().filter_map(|(k, v)| Some((k.clone(), v.clone()?.into())));
        let files = heard.files.iter().map(|(k, v)| (k.clone(), v.as_str().into()));
        for (key, value) in [
            ("secrets", Value::Object(known.collect())),
            ("memory", Value::Object(before.collect())),
            ("files", Value::Object(files.collect())),
            ("services", heard.services.clone().into()),
            ("http", heard.http.clone().into()),
        ] {
            if value.as_array().is_none_or(|v| !v.is_empty())
                && value.as_object().is_none_or(|v| !v.is_empty())
            {
                given.insert(key.into(), value);
            }
        }
        let values = heard.values().collect();
        let happened = Happened {
            calls: heard.calls.clone(),
            log: heard.log.clone(),
            unanswered: Vec::new(),
            memory: heard.remembered.clone(),
            secrets: values,
        };
        let mut expect = actual(outcome, happened);
        expect.retain(|_, value| !value.is_null());
        let mut document = Map::new();
        document.insert("given".into(), Value::Object(given));
        document.insert("call".into(), call.into());
        if !with.is_empty() {
            document.insert("with".into(), Value::Object(with.clone()));
        }
        document.insert("expect".into(), Value::Object(expect));
        hide(&Value::Object(document), &heard.hidden(secret))
    }

    fn lock(&self) -> MutexGuard<'_, Heard> {
        // Nothing panics while it is held.
        self.heard.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// A call of a service, and the rule that answers it from now on.
    fn heard<T>(
        &self,
        call: Value,
        answer: &Result<T, ServiceError>,
        rule: impl FnOnce(&T) -> Option<Value>,
    ) {
        let rule_of = |answered: Option<Value>| {
            let mut rule = Map::new();
            for key in ["service", "on", "command", "path"] {
                if let Some(value) = call.get(key) {
                    rule.insert(key.into(), value.clone());
                }
            }
            if let Some(Value::Object(answered)) = answered {
                rule.extend(answered);
            }
            rule.insert("times".into(), 1.into());
            Value::Object(rule)
        };
        let rule = match answer {
            Ok(answer) => rule(answer).map(|answered| rule_of(Some(answered))),
            Err(error) => {
                let error = match error {
                    ServiceError::TimedOut => "timed-out".to_owned(),
                    ServiceError::NotRunning(_) => "not-running".to_owned(),
                    ServiceError::Unknown(_) => "unknown-service".to_owned(),
                    other => other.to_string(),
                };
                Some(rule_of(Some(json!({"error": error}))))
            }
        };
        let mut heard = self.lock();
        heard.calls.push(call);
        heard.services.extend(rule);
    }
}

impl Heard {
    /// Secrets by name that have a value now.
    fn values(&self) -> impl Iterator<Item = (String, String)> {
        let revealed = self.secrets.iter();
        let revealed = revealed.filter_map(|(k, v)| Some((k.clone(), v.as_ref()?.to_string())));
        revealed.chain(self.stored.iter().map(|(k, v)| (k.clone(), v.to_string())))
    }

    /// What must not be shown, the longest first: one may be part of another.
    fn hidden(&self, more: &[(String, String)]) -> Vec<(String, String)> {
        let mut hidden: Vec<_> = self.values().chain(more.iter().cloned()).collect();
        hidden.sort_by_key(|(_, value)| std::cmp::Reverse(value.len()));
        hidden
    }
}

/// A document as YAML.
fn yaml(document: &Value) -> Result<String, Error> {
    serde_saphyr::to_string(document).map_err(|e| Error::Invalid(e.to_string()))
}

/// Puts a placeholder in place of every secret, in values and in keys.
fn hide(value: &Value, hidden: &[(String, String)]) -> Value {
    let text = |text: &str| {
        hidden.iter().fold(text.to_owned(), |text, (name, secret)| {
            let bare = secret.trim_end_matches('\n');
            if text == *secret || text == bare {
                return placeholder(name);
            }
            match bare.len() {
                0..SHORT => text,
                _ => text.replace(bare, &placeholder(name)),
            }
        })
    };
    match value {
        Value::String(string) => text(string).into(),
        Value::Array(items) => items.iter().map(|item| hide(item, hidden)).collect(),
        Value::Object(items) => {
            items.iter().map(|(k, v)| (text(k), hide(v, hidden))).collect::<Map<_, _>>().into()
        }
        other => other.clone(),
    }
}

fn placeholder(name: &str) -> String {
    format!("<{name}>")
}

#[async_trait]
impl StackServices for Recorder {
    async fn run(
        &self,
        service: &str,
        command: &Command,
        input: Vec<u8>,
        limit: usize,
    ) -> Result<Output, ServiceError> {
        let call = calls::run(service, command, &input);
        let answer = self.services.run(service, command, input, limit).await;
        self.heard(call, &answer, |output| {
            let mut rule = Map::new();
            for (key, bytes) in [("stdout", &output.stdout), ("stderr", &output.stderr)] {
                if !bytes.is_empty() {
                    rule.insert(key.into(), calls::text(bytes).into());
                }
            }
            if output.exit_code != 0 {
                rule.insert("exit_code".into(), output.exit_code.into());
            }
            Some(Value::Object(rule))
        });
        answer
    }

    async fn wait_ready(&self, service: &str, timeout: Duration) -> Result<(), ServiceError> {
        let answer = self.services.wait_ready(service, timeout).await;
        self.heard(calls::wait(service), &answer, |()| None);
        answer
    }

    async fn restart(&self, service: &str, timeout: Duration) -> Result<(), ServiceError> {
        let answer = self.services.restart(service, timeout).await;
        self.heard(calls::restart(service), &answer, |()| None);
        answer
    }

    async fn put_file(
        &self,
        service: &str,
        path: &str,
        content: Vec<u8>,
        mode: u32,
    ) -> Result<(), ServiceError> {
        let call = calls::put(service, path, &content, mode);
        let answer = self.services.put_file(service, path, content, mode).await;
        self.heard(call, &answer, |()| None);
        answer
    }

    async fn get_file(
        &self,
        service: &str,
        path: &str,
        limit: usize,
    ) -> Result<Vec<u8>, ServiceError> {
        let answer = self.services.get_file(service, path, limit).await;
        self.heard(calls::get(service, path), &answer, |content| {
            Some(json!({"content": calls::text(content)}))
        });
        answer
    }

    async fn logs(
        &self,
        service: &str,
        lines: u32,
        limit: usize,
    ) -> Result<Vec<String>, ServiceError> {
        let answer = self.services.logs(service, lines, limit).await;
        self.heard(calls::logs(service), &answer, |lines| Some(json!({"logs": lines})));
        answer
    }
}

#[async_trait]
impl SecretAccess for Recorder {
    async fn reveal(&self, name: &str) -> Result<Zeroizing<String>, SecretError> {
        let answer = self.secrets.reveal(name).await;
        if !matches!(answer, Err(SecretError::Unknown(_))) {
            let value = answer.as_ref().ok().cloned();
            self.lock().secrets.insert(name.into(), value);
        }
        answer
    }

    async fn put(&self, name: &str, value: Zeroizing<String>) -> Result<(), SecretError> {
        let answer = self.secrets.put(name, value.clone()).await;
        let mut heard = self.lock();
        match &answer {
            Ok(()) => {
                heard.secrets.entry(name.into()).or_default();
                heard.stored.insert(name.into(), value);
            }
            Err(SecretError::Exists(_)) => {
                let there = Zeroizing::new(placeholder(name));
                heard.secrets.entry(name.into()).or_insert(Some(there));
            }
            Err(_) => {}
        }
        answer
    }
}

impl Memory for Recorder {
    fn get(&self, key: &str) -> Result<Option<String>, String> {
        let answer = self.memory.get(key);
        if let Ok(value) = &answer {
            let mut heard = self.lock();
            if !heard.memory.contains_key(key) {
                heard.memory.insert(key.into(), value.clone());
                heard.remembered.extend(value.clone().map(|value| (key.to_owned(), value)));
            }
        }
        answer
    }

    fn set(&self, key: &str, value: &str) -> Result<(), String> {
        self.memory.set(key, value)?;
        let mut heard = self.lock();
        heard.memory.entry(key.into()).or_insert(None);
        if value.is_empty() {
            heard.remembered.remove(key);
        } else {
            heard.remembered.insert(key.into(), value.into());
        }
        Ok(())
    }
}

impl RecipeFiles for Recorder {
    fn read(&self, path: &str) -> Result<Vec<u8>, FileError> {
        let content = self.files.read(path)?;
        self.lock().files.insert(path.into(), calls::text(&content));
        Ok(content)
    }

    fn list(&self, folder: &str) -> Result<Vec<String>, FileError> {
        let names = self.files.list(folder)?;
        let mut heard = self.lock();
        for name in &names {
            let inside = if name.ends_with('/') { "…" } else { "" };
            let path = match folder {
                "" => format!("{name}{inside}"),
                folder => format!("{folder}/{name}{inside}"),
            };
            heard.files.entry(path).or_default();
        }
        Ok(names)
    }
}

impl Sink for Recorder {
    fn event(&self, event: Event) {
        if let Event::Hook { level, message, .. } = &event {
            self.lock().log.push(format!("{level}: {message}"));
        }
        self.progress.event(event);
    }
}

#[async_trait]
impl Outside for Recorder {
    fn now(&self) -> Duration {
        self.outside.now()
    }

    fn random(&self, buffer: &mut [u8]) -> Result<(), String> {
        self.outside.random(buffer)
    }

    async fn answer(&self, request: &HttpRequest) -> Option<Result<HttpResponse, HttpError>> {
        self.outside.answer(request).await
    }

    fn answered(&self, request: &HttpRequest, answer: &Result<HttpResponse, HttpError>) {
        self.outside.answered(request, answer);
        let call = calls::http(request);
        let mut rule = Map::new();
        rule.insert("request".into(), call["request"].clone());
        match answer {
            // The scenario's own grants say so again.
            Err(HttpError::Denied(_) | HttpError::Invalid(_)) => return,
            Err(HttpError::TimedOut) => {
                rule.insert("error".into(), "timed-out".into());
            }
            Err(HttpError::Failed(why)) => {
                rule.insert("error".into(), why.as_str().into());
            }
            Ok(response) => {
                rule.insert("status".into(), response.status.into());
                let headers = response.headers.iter();
                let headers = headers.filter(|(name, _)| name != "date" && name != "set-cookie");
                let headers = headers.map(|(k, v)| (k.clone(), v.as_str().into()));
                rule.insert("headers".into(), Value::Object(headers.collect()));
                rule.insert("answer".into(), calls::text(&response.body).into());
            }
        }
        rule.insert("times".into(), 1.into());
        let mut heard = self.lock();
        heard.calls.push(call);
        heard.http.push(Value::Object(rule));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_secret_is_left_in_a_document() {
        let document = json!({
            "given": {"secrets": {"db": "hunter22"}, "services": [{"command": ["x", "--p=hunter22"]}]},
            "expect": {"log": ["info: ***"], "result": "hunter22 and hunter2233"},
        });
        let hidden = [
            ("long".to_owned(), "hunter2233".to_owned()),
            ("db".to_owned(), "hunter22".to_owned()),
        ];
        let text = hide(&document, &hidden).to_string();
        assert!(!text.contains("hunter"), "{text}");
        assert!(text.contains("--p=<db>") && text.contains("<db> and <long>"), "{text}");
        let short = [("pin".to_owned(), "12\n".to_owned())];
        assert_eq!(hide(&json!(["12", "12\n", "112"]), &short), json!(["<pin>", "<pin>", "112"]));
    }
}
