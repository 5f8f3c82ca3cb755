//! The list as it is read: by whomever it was written, with any field missing or of another
//! kind, since abra's format is described by its program alone.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::{Facts, KEY};
use crate::{
    home::{RecipeAddress, RecipeName},
    plugin::Role,
    text,
};

/// Bytes of one text of an entry.
const LONGEST: usize = 300;
/// Versions of one recipe that are shown, and services of a version.
const VERSIONS: usize = 200;
const SERVICES: usize = 50;

/// The features of abra's list, beside which the roles of plugins are features.
const OF_ABRA: [&str; 5] = ["backups", "healthcheck", "email", "sso", "tests"];

/// All features that can be searched for.
pub fn features() -> Vec<&'static str> {
    OF_ABRA.into_iter().chain(roles().map(Role::name)).collect()
}

/// The roles that are features of their own: what makes backups is `backups` already.
fn roles() -> impl Iterator<Item = Role> {
    Role::ALL.into_iter().filter(|role| *role != Role::Backup)
}

/// One recipe of the list; its texts are cleaned and bounded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    pub name: RecipeName,
    pub category: String,
    pub description: String,
    pub website: String,
    /// Where git finds it, if that is a plain address; else empty.
    pub address: String,
    /// The features that it has, by their names.
    pub features: BTreeSet<&'static str>,
    /// Newest first: the version, and its images by service.
    pub versions: Vec<(String, BTreeMap<String, String>)>,
    /// Computed; none in an entry that abra made.
    pub facts: Option<Facts>,
}

/// The recipes of a list, by name. Names that no recipe can have are left out.
pub fn listed(list: &Map<String, Value>) -> Vec<Listed> {
    let mut all: Vec<Listed> = list
        .iter()
        .filter_map(|(name, entry)| Some(Listed::read(RecipeName::new(name).ok()?, entry)))
        .collect();
    all.sort_by(|a, b| a.name.cmp(&b.name));
    all
}

impl Listed {
    /// One entry of a list.
    pub fn read(name: RecipeName, entry: &Value) -> Self {
        let facts = entry.get(KEY).and_then(|facts| serde_json::from_value(facts.clone()).ok());
        let claims = |feature: &str| {
            let said = entry.get("features").and_then(|all| all.get(feature));
            said.and_then(Value::as_str).is_some_and(is_yes)
        };
        let mut features: BTreeSet<&str> = OF_ABRA.into_iter().filter(|it| claims(it)).collect();
        if let Some(Facts { roles: played, backups, .. }) = &facts {
            let plays = |role: &Role| played.iter().any(|name| name == role.name());
            features.extend(roles().filter(plays).map(Role::name));
            if !backups.is_empty() {
                features.insert("backups");
            }
        }
        let address = [string(entry, "repository"), string(entry, "ssh_url")];
        Listed {
            category: string(entry, "category"),
            description: string(entry, "description"),
            website: string(entry, "website"),
            address: address.into_iter().find(|it| is_plain_address(it)).unwrap_or_default(),
            features,
            versions: versions(entry),
            facts,
            name,
        }
    }

    /// The newest version.
    pub fn newest(&self) -> Option<&str> {
        self.versions.first().map(|(version, _)| version.as_str())
    }

    /// Whether it says all of these words, in any case.
    fn says(&self, words: &[String]) -> bool {
        let features: Vec<_> = self.features.iter().copied().collect();
        let text = [self.name.as_str(), &self.category, &self.description, &features.join(" ")]
            .join("\n")
            .to_lowercase();
        words.iter().all(|word| text.contains(word))
    }
}

/// The recipes that say all of the words and have all of the features; those whose names say
/// the first word come first.
pub fn search(all: Vec<Listed>, words: &[String], features: &[String]) -> Vec<Listed> {
    let words: Vec<String> = words.iter().map(|word| word.to_lowercase()).collect();
    let has = |recipe: &Listed| features.iter().all(|it| recipe.features.contains(it.as_str()));
    let mut found: Vec<Listed> =
        all.into_iter().filter(|recipe| has(recipe) && recipe.says(&words)).collect();
    let rank = |recipe: &Listed| match words.first() {
        Some(word) if recipe.name.as_str().eq_ignore_ascii_case(word) => 0,
        Some(word) if recipe.name.as_str().to_lowercase().contains(word) => 1,
        _ => 2,
    };
    found.sort_by(|a, b| rank(a).cmp(&rank(b)).then_with(|| a.name.cmp(&b.name)));
    found
}

fn string(entry: &Value, key: &str) -> String {
    let text = entry.get(key).and_then(Value::as_str).unwrap_or_default();
    text::line_of(text.trim(), LONGEST).into_owned()
}

/// `Yes`, `3`, `3, stable`: as READMEs say it.
fn is_yes(said: &str) -> bool {
    let said = said.trim().to_lowercase();
    let first = said.split([',', ' ', '.']).next().unwrap_or_default();
    !matches!(first, "" | "no" | "none" | "0" | "n/a" | "?" | "nothing" | "some" | "false")
}

/// A list of maps with one key, oldest first.
fn versions(entry: &Value) -> Vec<(String, BTreeMap<String, String>)> {
    let line = |text: &str| text::line_of(text, LONGEST).into_owned();
    let list = entry.get("versions").and_then(Value::as_array).map(Vec::as_slice);
    let maps = list.unwrap_or_default().iter().rev().filter_map(Value::as_object);
    maps.filter_map(|map| map.iter().next())
        .take(VERSIONS)
        .map(|(version, services)| {
            let services = services.as_object().into_iter().flatten().take(SERVICES);
            let image = |(service, it): (&String, &Value)| {
                let part = |key| it.get(key).and_then(Value::as_str);
                Some((line(service), line(&format!("{}:{}", part("image")?, part("tag")?))))
            };
            (line(version), services.filter_map(image).collect())
        })
        .collect()
}

/// Whether an address can be shown to be typed: one that potluck fetches from, without
/// anything that a shell would take for more than a word.
fn is_plain_address(address: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._~:/@+".contains(c);
    address.starts_with(|c: char| c.is_ascii_alphanumeric())
        && address.chars().all(plain)
        && RecipeAddress::parse(address).is_ok_and(|parsed| parsed.is_some())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(list: &Value) -> Vec<Listed> {
        listed(list.as_object().unwrap())
    }

    #[test]
    fn a_list_is_read_leniently() {
        let all = read(&json!({
            "wiki": {
                "category": "Apps", "description": 7, "features": {"backups": "Yes", "sso": "0",
                "email": "3, stable", "tests": null}, "repository": "https://git.a.org/b/wiki.git",
                "versions": [{"1.0.0+1": {"app": {"image": "a", "tag": "1"}}}, {}, 5,
                             {"2.0.0+2": {"app": {"image": "a", "tag": "2"}, "db": {}}}],
                "potluck": {"roles": ["lifecycle", "else"]},
            },
            "../up": {}, "a b": {}, "odd": [], "wrong": {"potluck": {"roles": 5}},
        }));
        let names: Vec<_> = all.iter().map(|it| it.name.as_str()).collect();
        assert_eq!(names, ["odd", "wiki", "wrong"]);
        let wiki = &all[1];
        assert_eq!(wiki.features, BTreeSet::from(["backups", "email", "lifecycle"]));
        assert_eq!(wiki.newest(), Some("2.0.0+2"));
        assert_eq!(wiki.versions[1].1["app"], "a:1");
        assert_eq!(all[2].facts, None);
    }

    #[test]
    fn only_addresses_that_are_one_word_are_shown_to_be_typed() {
        for (address, is_plain) in [
            ("https://git.a.org/b/wiki.git", true),
            ("ssh://git@git.a.org:2222/b/wiki.git", true),
            ("git@git.a.org:b/wiki.git", true),
            ("https://a.org/$(id)", false),
            ("https://a.org/x;id", false),
            ("https://a.org/x y", false),
            ("-oProxyCommand=x/y", false),
            ("javascript://a.org/x", false),
            ("file:///etc", false),
            ("", false),
        ] {
            let all = read(&json!({"wiki": {"repository": address}}));
            assert_eq!(!all[0].address.is_empty(), is_plain, "{address:?}");
        }
    }

    #[test]
    fn a_search_finds_what_has_all_words_and_features() {
        let list = json!({
            "wiki": {"category": "Apps", "description": "Pages for everyone",
                     "features": {"backups": "Yes"}},
            "dokuwiki": {"category": "Apps", "description": "Pages"},
            "blog": {"category": "Apps", "description": "Not a wiki", "features": {"sso": "2"}},
        });
        for (words, wanted_features, wanted) in [
            (&["WIKI"][..], &[][..], &["wiki", "dokuwiki", "blog"][..]),
            (&["pages", "every"], &[], &["wiki"]),
            (&["wiki"], &["backups"], &["wiki"]),
            (&[], &["sso"], &["blog"]),
            (&["zzz"], &[], &[]),
        ] {
            let words: Vec<_> = words.iter().map(|it| (*it).to_owned()).collect();
            let features: Vec<_> = wanted_features.iter().map(|it| (*it).to_owned()).collect();
            let found = search(read(&list), &words, &features);
            let names: Vec<_> = found.iter().map(|it| it.name.as_str()).collect();
            assert_eq!(names, wanted, "{words:?} {features:?}");
        }
    }
}
