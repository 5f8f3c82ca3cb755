//! From a real run to a scenario: records the calls of a plugin and their
//! answers, with placeholders for secrets.

mod append;
mod hide;
mod listen;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard},
};

use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use super::{
    Defaults, Error, Played, Scenario, compare, play::actual, play::play, world::Happened,
};
use crate::{
    plugin::{
        self, Memory, Outside, Plugin, RecipeFiles, SecretAccess, ServiceError, Settings,
        StackServices, Surroundings,
    },
    progress::Sink,
};
pub use append::Earlier;
use hide::hide;

/// A hook that ran, and its result.
pub struct Run<'a> {
    pub call: &'a str,
    pub with: &'a Map<String, Value>,
    pub outcome: &'a Result<Value, plugin::Error>,
    /// The earlier recording to which this is appended.
    pub earlier: Option<&'a Earlier>,
}

/// A scenario made of a run.
pub struct Recording {
    /// Its file.
    pub text: String,
    /// Whether replaying it gave the same result.
    pub is_same: bool,
    /// Whether it holds every setting of the app, because the plugin read them
    /// all and its result depends on some that it did not name.
    pub all_settings: bool,
}

/// Listens to one run.
pub struct Recorder {
    services: Arc<dyn StackServices>,
    secrets: Arc<dyn SecretAccess>,
    memory: Arc<dyn Memory>,
    files: Arc<dyn RecipeFiles>,
    progress: Arc<dyn Sink>,
    outside: Arc<dyn Outside>,
    settings: Settings,
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
    /// None for those that could not be read.
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
        settings: surroundings.settings.clone(),
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

    /// A scenario in which the hook gives the same result. `secret` holds
    /// further values that must not appear in it, by the name that replaces them.
    ///
    /// It is replayed to check that; values that differ then (a time,
    /// something random) match anything.
    ///
    /// # Errors
    /// What keeps it from being played.
    pub async fn scenario(
        &self,
        plugin: &Plugin,
        run: &Run<'_>,
        secret: &[(String, String)],
    ) -> Result<Recording, Error> {
        let read = self.settings.read();
        let mut all_settings = false;
        let mut document =
            self.document(plugin.name(), run, secret, |key| read.names.contains(key));
        let mut again = played(plugin, &document).await?;
        if read.all && !passed(&again) {
            let whole = self.document(plugin.name(), run, secret, |_| true);
            let with_all = played(plugin, &whole).await?;
            // Those that it found among all of them count, too.
            all_settings = !with_all.iter().map(|p| &p.actual).eq(again.iter().map(|p| &p.actual));
            if all_settings {
                (document, again) = (whole, with_all);
            }
        }
        if let ([again], Some(expect)) = (&again[..], document.get_mut("expect"))
            && !again.passed()
        {
            *expect = compare::loosened(expect, &Value::Object(again.actual.clone()));
        }
        let is_same = passed(&again) || passed(&played(plugin, &document).await?);
        if let Some(earlier) = run.earlier {
            document = earlier.with(plugin, &document).await?;
        }
        Ok(Recording { text: yaml(&document)?, is_same, all_settings })
    }

    /// With those settings that are `needed`.
    fn document(
        &self,
        plugin: &str,
        run: &Run<'_>,
        secret: &[(String, String)],
        needed: impl Fn(&str) -> bool,
    ) -> Value {
        let heard = self.lock();
        let mut given = self.given.clone();
        let settings = self.settings.iter().filter(|(key, _)| needed(key));
        let settings = settings.map(|(key, value)| (key.clone(), value.as_str().into()));
        let known = heard
            .secrets
            .iter()
            .map(|(name, value)| (name.clone(), value.as_ref().map(|value| value.as_str()).into()));
        let before = heard.memory.iter().filter_map(|(k, v)| Some((k.clone(), v.clone()?.into())));
        let files = heard.files.iter().map(|(k, v)| (k.clone(), v.as_str().into()));
        for (key, value) in [
            ("settings", Value::Object(settings.collect())),
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
            memory: heard.remembered.clone(),
            secrets: values,
            ..Happened::default()
        };
        let mut expect = actual(run.outcome, happened);
        expect.retain(|_, value| !value.is_null());
        let mut document = Map::new();
        document.insert("about".into(), self.about(plugin, run.call).into());
        document.insert("given".into(), Value::Object(given));
        document.insert("call".into(), run.call.into());
        if !run.with.is_empty() {
            document.insert("with".into(), Value::Object(run.with.clone()));
        }
        document.insert("expect".into(), Value::Object(expect));
        hide(&Value::Object(document), &heard.hidden(secret))
    }

    /// Of what this is a recording.
    fn about(&self, plugin: &str, call: &str) -> String {
        let fact = |key: &str| self.given.get(key).and_then(Value::as_str);
        let [app, recipe] = ["app", "recipe"].map(|key| fact(key).unwrap_or_default());
        let version = fact("version").map(|version| format!(" {version}")).unwrap_or_default();
        format!("{call} of {plugin}, recorded for {app} ({recipe}{version})")
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

    /// Texts that must not be shown, the longest first, because one may be part of another.
    fn hidden(&self, more: &[(String, String)]) -> Vec<(String, String)> {
        let mut hidden: Vec<_> = self.values().chain(more.iter().cloned()).collect();
        hidden.sort_by_key(|(_, value)| std::cmp::Reverse(value.len()));
        hidden
    }
}

/// The result of playing a document as a scenario.
async fn played(plugin: &Plugin, document: &Value) -> Result<Vec<Played>, Error> {
    play(plugin, &Scenario::parse(&yaml(document)?)?, &Defaults::default()).await
}

fn passed(played: &[Played]) -> bool {
    played.iter().all(Played::passed)
}

/// A document as YAML.
fn yaml(document: &Value) -> Result<String, Error> {
    serde_saphyr::to_string(document).map_err(|e| Error::Invalid(e.to_string()))
}
