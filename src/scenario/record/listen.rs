//! The recorder between a plugin and its surroundings: everything is passed on
//! and written down.

use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use super::{Recorder, hide::placeholder};
use crate::{
    plugin::{
        Command, FileError, HttpError, HttpRequest, HttpResponse, Memory, Output, Outside,
        RecipeFiles, SecretAccess, SecretError, ServiceError, StackServices,
    },
    progress::{Event, Sink},
    scenario::calls,
};

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
