//! Changes of an app's settings by a map in `recipe.yml`: keys and what becomes
//! of them, as text with `{placeholders}`.

use std::collections::BTreeMap;

use potluck_sdk::{Changes, Context, Failure, Result, settings};
use serde::Deserialize;

/// A value as people write it in YAML: text, or a number or truth value that
/// needs no quotes there.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Text {
    /// Text with placeholders.
    Text(String),
    /// `587`
    Number(i64),
    /// `true`
    Truth(bool),
}

impl Text {
    fn as_template(&self) -> String {
        match self {
            Text::Text(text) => text.clone(),
            Text::Number(number) => number.to_string(),
            Text::Truth(truth) => truth.to_string(),
        }
    }
}

/// What the placeholders stand for.
#[derive(Debug, Default)]
pub struct Words {
    open: BTreeMap<&'static str, Option<String>>,
    secret: BTreeMap<&'static str, Option<String>>,
}

impl Words {
    /// A word that anyone may know. None is one that this time is not there.
    #[must_use]
    pub fn open(mut self, name: &'static str, value: Option<&str>) -> Self {
        self.open.insert(name, value.map(Into::into));
        self
    }

    /// A word that belongs into secrets only.
    #[must_use]
    pub fn secret(mut self, name: &'static str, value: Option<&str>) -> Self {
        self.secret.insert(name, value.map(Into::into));
        self
    }

    fn get(&self, name: &str, secret: bool) -> Result<Option<String>> {
        if let Some(value) = self.open.get(name) {
            return Ok(value.clone());
        }
        if let Some(value) = self.secret.get(name) {
            if !secret {
                return Err(Failure::new(format!("`{{{name}}}` does not belong into a setting"))
                    .hint("name a secret for it, under the option `secrets`"));
            }
            return Ok(value.clone());
        }
        if name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
            && !name.is_empty()
        {
            return settings::require(name).map(Some);
        }
        let known: Vec<_> = self.open.keys().chain(self.secret.keys()).copied().collect();
        Err(Failure::new(format!("nothing is called `{{{name}}}`")).hint(format!(
            "there are {}, and the app's settings by their key; `{{{{` is a brace",
            known.join(", ")
        )))
    }

    /// The text with its placeholders filled in; none when one of them stands
    /// for what is not there.
    ///
    /// # Errors
    /// A placeholder that nothing is called, or a secret one in a setting.
    pub fn fill(&self, text: &Text) -> Result<Option<String>> {
        self.filled(&text.as_template(), false)
    }

    fn filled(&self, template: &str, secret: bool) -> Result<Option<String>> {
        let mut filled = Some(String::new());
        let mut rest = template;
        while let Some(at) = rest.find(['{', '}']) {
            let (before, brace) = rest.split_at(at);
            filled.iter_mut().for_each(|text| text.push_str(before));
            let twice = brace.starts_with("{{") || brace.starts_with("}}");
            rest = if twice {
                filled.iter_mut().for_each(|text| text.push_str(&brace[..1]));
                &brace[2..]
            } else if let Some((name, after)) =
                brace.strip_prefix('{').and_then(|brace| brace.split_once('}'))
            {
                match self.get(name, secret)? {
                    Some(word) => filled.iter_mut().for_each(|text| text.push_str(&word)),
                    None => filled = None,
                }
                after
            } else {
                return Err(Failure::new(format!("a brace of `{template}` has no other")));
            };
        }
        filled.iter_mut().for_each(|text| text.push_str(rest));
        Ok(filled)
    }
}

/// What is made of settings, secrets and overlays.
#[derive(Debug)]
pub struct Map<'a> {
    /// Keys of the environment file; none removes a key.
    pub settings: Vec<(&'a str, Option<&'a Text>)>,
    /// Secrets by their key in the compose file.
    pub secrets: &'a BTreeMap<String, String>,
    /// Files that are on while connected.
    pub overlays: &'a [String],
}

impl Map<'_> {
    /// The changes that connect.
    ///
    /// # Errors
    /// As [`Words::fill`].
    pub fn connect(&self, words: &Words) -> Result<Changes> {
        let mut changes = Changes {
            settings: Vec::new(),
            secrets: Vec::new(),
            overlays_on: self.overlays.to_vec(),
            overlays_off: Vec::new(),
        };
        for (key, text) in &self.settings {
            let value = match text {
                Some(text) => words.fill(text).context(format!("the option for `{key}`"))?,
                None => None,
            };
            changes.settings.push(((*key).to_owned(), value));
        }
        for (name, template) in self.secrets {
            match words.filled(template, true).context(format!("the option for `{name}`"))? {
                Some(value) => changes.secrets.push((name.clone(), value)),
                None => potluck_sdk::report::warn(format!(
                    "the secret `{name}` stays as it is: there is nothing to put into it"
                )),
            }
        }
        Ok(changes)
    }

    /// The changes that undo them. Secrets stay: nothing reads them any more.
    pub fn disconnect(&self) -> Changes {
        Changes {
            settings: self.settings.iter().map(|(key, _)| ((*key).to_owned(), None)).collect(),
            secrets: Vec::new(),
            overlays_on: Vec::new(),
            overlays_off: self.overlays.to_vec(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use potluck_sdk::testing::Script;

    fn words() -> Words {
        Words::default().open("host", Some("mx")).open("user", None).secret("password", Some("p"))
    }

    #[test]
    fn placeholders_are_words_settings_and_braces() {
        for (template, expected) in [
            ("", Some("")),
            ("plain", Some("plain")),
            ("{host}:25", Some("mx:25")),
            ("smtp://{host}/{DOMAIN}", Some("smtp://mx/wiki.example.org")),
            ("{{\"h\": \"{host}\"}}", Some("{\"h\": \"mx\"}")),
            ("{user}@{host}", None),
            ("ü{host}ü", Some("ümxü")),
        ] {
            let script = Script::new().setting("DOMAIN", "wiki.example.org");
            let filled = script.play(|| words().fill(&Text::Text(template.into())));
            assert_eq!(filled.result.unwrap().as_deref(), expected, "{template}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused_by_its_key() {
        for (template, part) in [
            ("{hots}", "nothing is called `{hots}`"),
            ("{", "a brace"),
            ("}", "a brace"),
            ("{host", "a brace"),
            ("{}", "nothing is called `{}`"),
            ("{MISSING}", "the setting MISSING is missing"),
            ("{password}", "does not belong into a setting"),
        ] {
            let text = Text::Text(template.into());
            let none = BTreeMap::new();
            let map = Map { settings: vec![("KEY", Some(&text))], secrets: &none, overlays: &[] };
            let played = Script::new().play(|| map.connect(&words()));
            let message = played.result.unwrap_err().message().to_owned();
            assert!(message.contains("`KEY`") && message.contains(part), "{message}");
        }
    }

    #[test]
    fn disconnecting_takes_back_what_connecting_set() {
        let text = Text::Truth(true);
        let secrets = BTreeMap::from([("key".to_owned(), "{password}".to_owned())]);
        let overlays = ["compose.mail.yml".to_owned()];
        let map =
            Map { settings: vec![("ON", Some(&text))], secrets: &secrets, overlays: &overlays };
        let on = Script::new().play(|| map.connect(&words())).result.unwrap();
        assert_eq!(on.settings, [("ON".to_owned(), Some("true".to_owned()))]);
        assert_eq!(on.secrets, [("key".to_owned(), "p".to_owned())]);
        assert_eq!(on.overlays_on, overlays);
        let off = map.disconnect();
        assert_eq!(off.settings, [("ON".to_owned(), None)]);
        assert_eq!((off.secrets.len(), &off.overlays_off[..]), (0, &overlays[..]));
    }
}
