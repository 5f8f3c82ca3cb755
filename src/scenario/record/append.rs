//! Appends a recording to earlier ones: one scenario with a step for each hook,
//! whose world is the union of what all of them saw.

use std::{io, path::Path};

use serde_json::{Map, Value, json};

use super::{Error, Played, Plugin, Recorder, Scenario, compare, passed, played, yaml};
use crate::scenario::file::read_text;

/// What was recorded before.
pub struct Earlier(Map<String, Value>);

/// Keys that must be equal in all of them.
const SAME: [&str; 7] = ["app", "stack", "recipe", "version", "server", "options", "grants"];
/// Keys that each of them extends.
const LISTS: [&str; 2] = ["services", "http"];
const TEXTS: [&str; 2] = ["settings", "files"];
/// Keys that a step passes on to later ones.
const KEPT: [&str; 2] = ["memory", "secrets"];
/// What a scenario without `steps` says of its one.
const STEP: [&str; 3] = ["call", "with", "expect"];

impl Earlier {
    /// Reads a recording, if the file is there.
    ///
    /// # Errors
    /// [`Error::Invalid`] for another file; [`Error::Io`].
    pub fn read(path: &Path) -> Result<Option<Self>, Error> {
        match read_text(path) {
            Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
            Ok(text) => Earlier::parse(&text).map(Some),
        }
    }

    /// Only unedited recordings, because edits would be lost.
    fn parse(text: &str) -> Result<Self, Error> {
        Scenario::parse(text)?;
        let value = crate::yaml::document(text).map_err(Error::Invalid)?;
        match value {
            Value::Object(_) if yaml(&value)? != text => {
                Err(Error::Invalid("it was edited after it was recorded".into()))
            }
            Value::Object(map) => Ok(Earlier(map)),
            _ => Err(Error::Invalid("it is not a scenario".into())),
        }
    }

    /// Whether another run may follow: of the same app, with a plugin that does
    /// what was recorded.
    ///
    /// # Errors
    /// [`Error::Invalid`] when it may not; what keeps it from being played.
    pub async fn fits(&self, plugin: &Plugin, recorder: &Recorder) -> Result<(), Error> {
        let document = Value::Object(self.0.clone());
        self.is_of(&recorder.given)?;
        if passed(&played(plugin, &document).await?) {
            return Ok(());
        }
        Err(Error::Invalid(format!(
            "replaying it with the plugin `{}` gives a different result",
            plugin.name()
        )))
    }

    fn is_of(&self, given: &Map<String, Value>) -> Result<(), Error> {
        let said = |key: &str| self.0.get("given").and_then(|given| given.get(key));
        match SAME.into_iter().find(|key| given.get(*key) != said(key)) {
            Some(key) => Err(Error::Invalid(format!("it was recorded with another `{key}`"))),
            None => Ok(()),
        }
    }

    /// With the hook of another recording as its last step, played to check
    /// that the results are the same.
    ///
    /// # Errors
    /// [`Error::Invalid`] when it does not; what keeps it from being played.
    pub(super) async fn with(&self, plugin: &Plugin, new: &Value) -> Result<Value, Error> {
        let mut document = self.joined(new)?;
        let before = played(plugin, &document).await?;
        settle(&mut document, &before);
        let again = played(plugin, &document).await?;
        if let (Some(step), Some(last)) = (steps(&mut document).last_mut(), again.last())
            && let Some(expect) = step.get_mut("expect")
        {
            *expect = compare::loosened(expect, &Value::Object(last.actual.clone()));
        }
        if passed(&again) || passed(&played(plugin, &document).await?) {
            return Ok(document);
        }
        Err(Error::Invalid(
            "after the steps recorded earlier, replaying it gives a different result".into(),
        ))
    }

    /// Both worlds as one, and the steps one behind the other.
    fn joined(&self, new: &Value) -> Result<Value, Error> {
        let mut document = self.0.clone();
        let mut given = document.get("given").cloned().unwrap_or_else(|| json!({}));
        let mut steps = match document.shift_remove("steps") {
            Some(Value::Array(steps)) => steps,
            _ => vec![Value::Object(taken(&mut document))],
        };
        let said = |key: &str| new.get("given").and_then(|given| given.get(key));
        let Some(world) = given.as_object_mut() else {
            return Err(Error::Invalid("its `given` is not a mapping".into()));
        };
        for key in LISTS {
            if let Some(Value::Array(more)) = said(key) {
                let all = world.entry(key).or_insert_with(|| json!([]));
                all.as_array_mut().into_iter().for_each(|all| all.extend(more.clone()));
            }
        }
        for key in TEXTS.into_iter().chain(KEPT) {
            let Some(Value::Object(more)) = said(key) else { continue };
            let all = world.entry(key).or_insert_with(|| json!({}));
            let Some(all) = all.as_object_mut() else { continue };
            for (name, value) in more {
                let is_left = |step: &Value| step["expect"][key].get(name).is_some();
                if KEPT.contains(&key) && steps.iter().any(is_left) {
                    continue;
                }
                let known = all.entry(name.clone()).or_insert_with(|| value.clone());
                if TEXTS.contains(&key) && known != value {
                    let message = format!("`{name}` of its {key} was something else");
                    return Err(Error::Invalid(message));
                }
            }
            if all.is_empty() {
                world.shift_remove(key);
            }
        }
        let mut step = new.as_object().cloned().unwrap_or_default();
        let step = taken(&mut step);
        if let (Some(Value::String(about)), Some(call)) =
            (document.get_mut("about"), step.get("call"))
        {
            about.push_str(&format!(", then {}", call.as_str().unwrap_or_default()));
        }
        steps.push(Value::Object(step));
        document.insert("given".into(), given);
        document.insert("steps".into(), steps.into());
        Ok(Value::Object(document))
    }
}

/// Takes out what is a step's.
fn taken(document: &mut Map<String, Value>) -> Map<String, Value> {
    let entries = STEP.into_iter().filter_map(|key| document.shift_remove_entry(key));
    entries.collect()
}

fn steps(document: &mut Value) -> &mut [Value] {
    document.get_mut("steps").and_then(Value::as_array_mut).map_or(&mut [], Vec::as_mut_slice)
}

/// Adds all values that the world has, not only those that one hook saw.
fn settle(document: &mut Value, played: &[Played]) {
    for (step, played) in steps(document).iter_mut().zip(played) {
        for key in KEPT {
            if let (Some(kept), Some(expect)) =
                (played.actual.get(key), step.get_mut("expect").and_then(Value::as_object_mut))
            {
                expect.insert(key.into(), kept.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recorded(call: &str, given: Value, expect: Value) -> Value {
        json!({"about": format!("{call} of a"), "given": given, "call": call, "expect": expect})
    }

    #[test]
    fn two_recordings_share_a_world() {
        let first = recorded(
            "check",
            json!({"app": "a", "settings": {"A": "1"}, "services": [{"service": "x"}]}),
            json!({"memory": {"seen": "1"}}),
        );
        let earlier = Earlier::parse(&yaml(&first).unwrap()).unwrap();
        let second = recorded(
            "after-deploy",
            json!({
                "app": "a", "settings": {"A": "1", "B": "2"}, "services": [{"service": "y"}],
                "memory": {"seen": "1", "other": "2"}, "now": 5,
            }),
            json!({"log": []}),
        );
        let joined = earlier.joined(&second).unwrap();
        assert_eq!(joined["about"], "check of a, then after-deploy");
        assert_eq!(
            joined["given"],
            json!({
                "app": "a", "settings": {"A": "1", "B": "2"},
                "services": [{"service": "x"}, {"service": "y"}], "memory": {"other": "2"},
            })
        );
        let calls: Vec<&Value> =
            joined["steps"].as_array().unwrap().iter().map(|step| &step["call"]).collect();
        assert_eq!(calls, ["check", "after-deploy"]);
        assert!(joined.get("call").is_none() && joined.get("expect").is_none());
        let third = Earlier::parse(&yaml(&joined).unwrap()).unwrap().joined(&second).unwrap();
        assert_eq!(third["steps"].as_array().unwrap().len(), 3);
    }

    #[test]
    fn what_does_not_belong_together_stays_apart() {
        let first = recorded("check", json!({"app": "a", "settings": {"A": "1"}}), json!({}));
        let text = yaml(&first).unwrap();
        let earlier = Earlier::parse(&text).unwrap();
        for (given, fits) in [(json!({"app": "a"}), true), (json!({"app": "b"}), false)] {
            assert_eq!(earlier.is_of(given.as_object().unwrap()).is_ok(), fits, "{given}");
        }
        let other = recorded("check", json!({"app": "a", "settings": {"A": "2"}}), json!({}));
        assert!(matches!(earlier.joined(&other), Err(Error::Invalid(_))));
        for text in [format!("# mine\n{text}"), "services: {}\n".into(), "- a\n".into()] {
            assert!(Earlier::parse(&text).is_err(), "{text}");
        }
    }
}
