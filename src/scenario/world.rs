//! The world of a scenario: everything that a plugin can reach, scripted, and
//! what it did there.

use std::{
    collections::{BTreeMap, BTreeSet},
    mem,
    sync::{Mutex, MutexGuard},
    time::Duration,
};

use async_trait::async_trait;
use serde_json::Value;
use zeroize::Zeroizing;

use super::{
    calls,
    file::{Given, HttpRule, On, ServiceRule},
};
use crate::{
    engine::simulated::pattern::{fits, fits_any, fits_command},
    plugin::{
        Command, FileError, HttpError, HttpRequest, HttpResponse, Memory, Output, Outside,
        RecipeFiles, SecretAccess, SecretError, ServiceError, StackServices,
    },
    progress::{Event, Sink},
};

/// What a scenario gives, and the state during its run.
pub struct World {
    given: Given,
    now: Duration,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    calls: Vec<Value>,
    log: Vec<String>,
    /// What the scenario does not answer.
    unanswered: Vec<Value>,
    /// How often each rule has answered.
    services_used: BTreeMap<usize, u32>,
    http_used: BTreeMap<usize, u32>,
    memory: BTreeMap<String, String>,
    secrets: BTreeMap<String, Option<String>>,
    revealed: BTreeSet<String>,
    files: BTreeMap<(String, String), Vec<u8>>,
    random: u64,
}

/// What happened since it was last asked for.
#[derive(Debug, Default)]
pub struct Happened {
    pub calls: Vec<Value>,
    pub log: Vec<String>,
    pub unanswered: Vec<Value>,
    /// As they are now.
    pub memory: BTreeMap<String, String>,
    /// Those that have a value now.
    pub secrets: BTreeMap<String, String>,
    /// Names of secrets whose value the plugin got, which no server reveals.
    pub revealed: BTreeSet<String>,
}

impl World {
    /// `now` is what `given` says of it.
    pub fn new(given: &Given, now: u64) -> Self {
        let inner = Inner {
            memory: given
                .memory
                .iter()
                .map(|(k, v)| (k.clone(), v.clone().unwrap_or_default()))
                .collect(),
            secrets: given.secrets.clone(),
            random: given.random,
            ..Inner::default()
        };
        World { given: given.clone(), now: Duration::from_secs(now), inner: Mutex::new(inner) }
    }

    /// What happened since this was last called.
    pub fn happened(&self) -> Happened {
        let mut inner = self.lock();
        let secrets = inner.secrets.iter();
        Happened {
            memory: inner.memory.clone(),
            secrets: secrets.filter_map(|(k, v)| Some((k.clone(), v.clone()?))).collect(),
            calls: mem::take(&mut inner.calls),
            log: mem::take(&mut inner.log),
            unanswered: mem::take(&mut inner.unanswered),
            revealed: mem::take(&mut inner.revealed),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing panics while it is held.
        self.inner.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// The first rule that fits and has answers left.
    fn rule(
        &self,
        inner: &mut Inner,
        service: &str,
        on: On,
        fit: impl Fn(&ServiceRule) -> bool,
    ) -> Option<ServiceRule> {
        let used = &mut inner.services_used;
        let (n, rule) = self.given.services.iter().enumerate().find(|(n, rule)| {
            rule.on() == on
                && rule.service == service
                && has_answers(rule.times, used.get(n))
                && fit(rule)
        })?;
        *used.entry(n).or_default() += 1;
        Some(rule.clone())
    }

    /// Calls of a service that need no script: they succeed.
    fn simple(&self, service: &str, on: On, call: Value) -> Result<(), ServiceError> {
        let mut inner = self.lock();
        inner.calls.push(call);
        match self.rule(&mut inner, service, on, |_| true).and_then(|rule| rule.error) {
            Some(error) => Err(service_error(service, &error)),
            None => Ok(()),
        }
    }
}

impl Inner {
    fn unanswered(&mut self, call: Value) -> ServiceError {
        self.unanswered.push(call);
        ServiceError::Engine("the scenario has no answer for this".into())
    }
}

fn service_error(service: &str, error: &str) -> ServiceError {
    match error {
        "timed-out" => ServiceError::TimedOut,
        "not-running" => ServiceError::NotRunning(service.into()),
        "unknown-service" => ServiceError::Unknown(service.into()),
        other => ServiceError::Engine(other.into()),
    }
}

/// Whether a rule that answers so often has answers left.
fn has_answers(times: Option<u32>, used: Option<&u32>) -> bool {
    times.is_none_or(|times| used.is_none_or(|used| *used < times))
}

fn fits_path(rule: &ServiceRule, path: &str) -> bool {
    fits_any(rule.path.as_deref(), path)
}

#[async_trait]
impl StackServices for World {
    async fn run(
        &self,
        service: &str,
        command: &Command,
        input: Vec<u8>,
        limit: usize,
    ) -> Result<Output, ServiceError> {
        let call = calls::run(service, command, &input);
        let mut inner = self.lock();
        inner.calls.push(call.clone());
        let input = calls::text(&input);
        let rule = self.rule(&mut inner, service, On::Run, |rule| {
            fits_command(rule.command.as_deref(), rule.matches.as_deref(), &command.argv)
                && fits_any(rule.input.as_deref(), &input)
        });
        let Some(rule) = rule else { return Err(inner.unanswered(call)) };
        if let Some(error) = &rule.error {
            return Err(service_error(service, error));
        }
        let (mut stdout, mut stderr) = (calls::bytes(&rule.stdout), calls::bytes(&rule.stderr));
        let truncated = stdout.len() + stderr.len() > limit;
        stdout.truncate(limit);
        stderr.truncate(limit - stdout.len());
        Ok(Output { exit_code: rule.exit_code, stdout, stderr, truncated })
    }

    async fn wait_ready(&self, service: &str, _: Duration) -> Result<(), ServiceError> {
        self.simple(service, On::Wait, calls::wait(service))
    }

    async fn restart(&self, service: &str, _: Duration) -> Result<(), ServiceError> {
        self.simple(service, On::Restart, calls::restart(service))
    }

    async fn put_file(
        &self,
        service: &str,
        path: &str,
        content: Vec<u8>,
        mode: u32,
    ) -> Result<(), ServiceError> {
        let mut inner = self.lock();
        inner.calls.push(calls::put(service, path, &content, mode));
        let rule = self.rule(&mut inner, service, On::Put, |rule| fits_path(rule, path));
        if let Some(error) = rule.and_then(|rule| rule.error) {
            return Err(service_error(service, &error));
        }
        inner.files.insert((service.into(), path.into()), content);
        Ok(())
    }

    async fn get_file(
        &self,
        service: &str,
        path: &str,
        limit: usize,
    ) -> Result<Vec<u8>, ServiceError> {
        let call = calls::get(service, path);
        let mut inner = self.lock();
        inner.calls.push(call.clone());
        let written = inner.files.get(&(service.to_owned(), path.to_owned())).cloned();
        let content = match written {
            Some(content) => content,
            None => match self.rule(&mut inner, service, On::Get, |rule| fits_path(rule, path)) {
                Some(ServiceRule { error: Some(error), .. }) => {
                    return Err(service_error(service, &error));
                }
                Some(rule) => calls::bytes(&rule.content.unwrap_or_default()),
                None => return Err(inner.unanswered(call)),
            },
        };
        if content.len() > limit { Err(ServiceError::TooLarge(limit)) } else { Ok(content) }
    }

    async fn logs(&self, service: &str, lines: u32, _: usize) -> Result<Vec<String>, ServiceError> {
        let call = calls::logs(service);
        let mut inner = self.lock();
        inner.calls.push(call.clone());
        match self.rule(&mut inner, service, On::Logs, |_| true) {
            Some(ServiceRule { error: Some(error), .. }) => Err(service_error(service, &error)),
            Some(rule) => {
                let logs = rule.logs.unwrap_or_default();
                Ok(logs[logs.len().saturating_sub(lines as usize)..].to_vec())
            }
            None => Err(inner.unanswered(call)),
        }
    }
}

#[async_trait]
impl SecretAccess for World {
    async fn reveal(&self, name: &str) -> Result<Zeroizing<String>, SecretError> {
        let mut inner = self.lock();
        match inner.secrets.get(name).cloned() {
            Some(Some(value)) => {
                inner.revealed.insert(name.into());
                Ok(Zeroizing::new(value))
            }
            Some(None) => {
                Err(SecretError::Unavailable(format!("there is no copy of the secret `{name}`")))
            }
            None => Err(SecretError::Unknown(name.into())),
        }
    }

    async fn put(&self, name: &str, value: Zeroizing<String>) -> Result<(), SecretError> {
        let mut inner = self.lock();
        match inner.secrets.get_mut(name) {
            Some(Some(_)) => Err(SecretError::Exists(name.into())),
            Some(empty) => {
                *empty = Some(value.to_string());
                Ok(())
            }
            None => Err(SecretError::Unknown(name.into())),
        }
    }
}

impl Memory for World {
    fn get(&self, key: &str) -> Result<Option<String>, String> {
        Ok(self.lock().memory.get(key).cloned())
    }

    fn set(&self, key: &str, value: &str) -> Result<(), String> {
        let mut inner = self.lock();
        if value.is_empty() {
            inner.memory.remove(key);
        } else {
            inner.memory.insert(key.into(), value.into());
        }
        Ok(())
    }
}

impl RecipeFiles for World {
    fn read(&self, path: &str) -> Result<Vec<u8>, FileError> {
        let content = self.given.files.get(path).ok_or(FileError::NotFound)?;
        Ok(calls::bytes(content))
    }

    fn list(&self, folder: &str) -> Result<Vec<String>, FileError> {
        let prefix = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        let inside = self.given.files.keys().filter_map(|path| path.strip_prefix(&prefix));
        let names: BTreeSet<String> =
            inside.filter_map(|rest| rest.split_inclusive('/').next()).map(str::to_owned).collect();
        if names.is_empty() && !folder.is_empty() {
            return Err(FileError::NotFound);
        }
        Ok(names.into_iter().collect())
    }
}

impl Sink for World {
    fn event(&self, event: Event) {
        if let Event::Hook { level, message, .. } = event {
            self.lock().log.push(format!("{level}: {message}"));
        }
    }
}

#[async_trait]
impl Outside for World {
    fn now(&self) -> Duration {
        self.now
    }

    /// Repeatable: a step of SplitMix64 for each byte.
    fn random(&self, buffer: &mut [u8]) -> Result<(), String> {
        let mut inner = self.lock();
        for byte in buffer {
            inner.random = inner.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mixed = (inner.random ^ (inner.random >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            *byte = (mixed >> 56) as u8;
        }
        Ok(())
    }

    async fn answer(&self, request: &HttpRequest) -> Option<Result<HttpResponse, HttpError>> {
        let call = calls::http(request);
        let mut inner = self.lock();
        inner.calls.push(call.clone());
        let line = format!("{} {}", request.method, request.url);
        let body = calls::text(&request.body);
        let used = &mut inner.http_used;
        let found = self.given.http.iter().enumerate().find(|(n, rule)| {
            fits(&rule.request, &line)
                && fits_any(rule.body.as_deref(), &body)
                && has_answers(rule.times, used.get(n))
        });
        Some(match found {
            Some((n, rule)) => {
                *used.entry(n).or_default() += 1;
                response(rule)
            }
            None => {
                inner.unanswered.push(call);
                Err(HttpError::Failed("the scenario has no answer for this".into()))
            }
        })
    }

    fn answered(&self, _: &HttpRequest, _: &Result<HttpResponse, HttpError>) {}
}

fn response(rule: &HttpRule) -> Result<HttpResponse, HttpError> {
    match rule.error.as_deref() {
        Some("timed-out") => return Err(HttpError::TimedOut),
        Some(why) => return Err(HttpError::Failed(why.into())),
        None => {}
    }
    let mut headers: Vec<(String, String)> =
        rule.headers.iter().map(|(k, v)| (k.to_ascii_lowercase(), v.clone())).collect();
    let body = match (&rule.answer, &rule.json) {
        (Some(answer), _) => calls::bytes(answer),
        (None, Some(json)) => {
            if !headers.iter().any(|(name, _)| name == "content-type") {
                headers.push(("content-type".into(), "application/json".into()));
            }
            json.to_string().into_bytes()
        }
        (None, None) => Vec::new(),
    };
    Ok(HttpResponse { status: rule.status.unwrap_or(200), headers, body })
}
