//! Compares what a plugin asks for with what was granted.
//!
//! Grants are given for one component, by digest. The effective grants are those that are
//! asked for now and were given. The operator is asked about new ones, about a component
//! that changed although its recipe's version did not, and about a component of the recipe
//! that replaces one that comes with potluck.

use std::collections::{BTreeMap, BTreeSet};

use super::host;
use crate::{
    hint::nearest,
    home::{
        GivenGrant, Grant,
        lock_file::{AgreedVersion, EARLIER, PluginPin, RecipePin},
    },
};

/// The facts for the decision.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// What `recipe.yml` asks for.
    pub wanted: &'a BTreeSet<Grant>,
    /// What the current component is: `std:postgres`, or its path in the recipe.
    pub component: &'a str,
    /// Its digest, 64 hex digits.
    pub digest: &'a str,
    /// What was agreed to earlier.
    pub agreed: Option<&'a PluginPin>,
    /// The digest agreed to with this very version of the recipe, the last time
    /// or earlier: see [`held`].
    pub held: Option<&'a str>,
}

/// What comes of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Nothing new: these grants hold.
    Granted(BTreeSet<Grant>),
    /// The question, if any: see [`Question::answered_by`]; [`pin`] builds the lock file's entry.
    Ask(Question),
}

/// What the operator is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    pub reason: Reason,
    /// All that would hold then.
    pub wanted: BTreeSet<Grant>,
    /// What this component was granted earlier.
    pub before: BTreeSet<Grant>,
}

/// The reason for the question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The plugin is new to this app.
    FirstUse,
    /// It asks for more than it has.
    Widened,
    /// Another component under the same version: a tag was moved, or worse.
    ChangedInPlace,
    /// A component of the recipe, although one of potluck's was agreed to.
    Replaced,
}

/// Compares; asks nobody, stores nothing.
pub fn decide(request: Request<'_>) -> Decision {
    let Request { wanted, component, digest, agreed, held } = request;
    let standard = |component: &str| component.starts_with("std:");
    let replaced = !standard(component)
        && agreed.and_then(|lock| lock.component.as_deref()).is_some_and(standard);
    // What one of potluck's was given, another component was not.
    let before = agreed.filter(|_| !replaced).map(PluginPin::given).unwrap_or_default();
    let reason = match agreed {
        // What asks for nothing can do nothing.
        None if wanted.is_empty() => None,
        None => Some(Reason::FirstUse),
        Some(_) if held.is_some_and(|held| held != digest) => Some(Reason::ChangedInPlace),
        Some(_) if wanted.is_subset(&before) => None,
        Some(_) if replaced => Some(Reason::Replaced),
        Some(_) => Some(Reason::Widened),
    };
    match reason {
        None => Decision::Granted(wanted.clone()),
        Some(reason) => Decision::Ask(Question { reason, wanted: wanted.clone(), before }),
    }
}

impl Question {
    /// Asked for and not given yet.
    pub fn missing(&self) -> impl Iterator<Item = &Grant> {
        self.wanted.difference(&self.before)
    }

    /// Whether grants given beforehand (`--grant`) answer it with yes. A
    /// component that changed in place always needs a person's answer.
    pub fn answered_by(&self, given: &BTreeSet<Grant>) -> bool {
        self.reason != Reason::ChangedInPlace && self.missing().all(|grant| given.contains(grant))
    }
}

/// The digest of the component that was agreed to with the current recipe. `last` is the
/// recipe of the lock entry. A folder without versions is under development: its components
/// may change.
pub fn held<'a>(
    agreed: &'a PluginPin,
    last: Option<&RecipePin>,
    recipe: &RecipePin,
) -> Option<&'a str> {
    if last.is_some_and(|last| same(last, recipe)) {
        return Some(&agreed.sha256);
    }
    let is = |earlier: &&AgreedVersion| recipe.version.as_ref() == Some(&earlier.version);
    agreed.earlier.iter().find(is).map(|earlier| earlier.sha256.as_str())
}

fn same(one: &RecipePin, other: &RecipePin) -> bool {
    (one.version.is_some() && one.version == other.version)
        || (one.commit.is_some() && one.commit == other.commit)
}

/// The lock entry of a plugin that got all it asked for, with this recipe; `last`
/// is the recipe of the previous entry.
pub fn pin(request: &Request<'_>, last: Option<&RecipePin>, recipe: RecipePin) -> PluginPin {
    let mut earlier = request.agreed.map(|lock| lock.earlier.clone()).unwrap_or_default();
    let before = request.agreed.zip(last.and_then(|last| last.version.clone()));
    if let Some((lock, version)) = before {
        earlier.retain(|earlier| earlier.version != version);
        earlier.push(AgreedVersion { version, sha256: lock.sha256.clone() });
    }
    earlier.retain(|earlier| Some(&earlier.version) != recipe.version.as_ref());
    earlier.drain(..earlier.len().saturating_sub(EARLIER));
    PluginPin {
        sha256: request.digest.into(),
        component: Some(request.component.into()),
        recipe: Some(recipe).filter(|pin| pin.version.is_some() || pin.commit.is_some()),
        grants: request.wanted.iter().map(Grant::to_string).collect(),
        earlier,
    }
}

/// Which plugins of an app ask for a grant, or were given it.
pub type Claims<'a> = BTreeMap<Grant, BTreeSet<&'a str>>;

/// The grants given beforehand to one plugin: with its name, or without a name if no other
/// plugin can be meant. A grant in somebody's crontab must not apply to another plugin that
/// is added later.
pub fn beforehand(given: &[GivenGrant], plugin: &str, claims: &Claims<'_>) -> BTreeSet<Grant> {
    let its_own = |grant: &Grant| claims.get(grant).is_some_and(|by| by.iter().eq([&plugin]));
    given
        .iter()
        .filter(|given| match &given.plugin {
            Some(named) => named.as_str() == plugin,
            None => its_own(&given.grant),
        })
        .map(|given| given.grant.clone())
        .collect()
}

/// One plain sentence for the person who decides on a grant.
pub fn sentence(grant: &Grant) -> String {
    match grant {
        Grant::Exec(service) => format!(
            "run programs in the service `{service}`, restart it, read its log, and read and \
             write its files"
        ),
        Grant::Secret(name) => format!("store the secret `{name}`, once for each version"),
        Grant::Http(origin) => match host::http::place(origin) {
            Some(place) => format!("send HTTP requests to {origin} ({place})"),
            None => format!("send HTTP requests to {origin}"),
        },
    }
}

/// The services and secrets of an app that a grant can be for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Known {
    /// Keys in the compose files.
    pub services: BTreeSet<String>,
    pub secrets: BTreeSet<String>,
}

/// A grant for something that does not exist.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the app has no {kind} `{name}`")]
pub struct Unknown {
    /// `service`, `secret`.
    pub kind: &'static str,
    pub name: String,
    /// The most similar name, if any.
    pub nearest: Option<String>,
}

impl Unknown {
    pub(super) fn unless_in(
        kind: &'static str,
        name: &str,
        known: &BTreeSet<String>,
    ) -> Result<(), Unknown> {
        if known.contains(name) {
            return Ok(());
        }
        let nearest = nearest(name, known).cloned();
        Err(Unknown { kind, name: name.into(), nearest })
    }
}

/// Whether a grant makes sense for an app. Runs nothing.
///
/// # Errors
/// [`Unknown`]
pub fn validate(grant: &Grant, known: &Known) -> Result<(), Unknown> {
    match grant {
        Grant::Exec(service) => host::services::validate(service, known),
        Grant::Secret(name) => host::secrets::validate(name, known),
        // An origin's form is all that can be said of it beforehand.
        Grant::Http(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(lines: &[&str]) -> BTreeSet<Grant> {
        lines.iter().map(|line| line.parse().unwrap()).collect()
    }

    fn recipe(version: Option<&str>) -> RecipePin {
        RecipePin { version: version.map(Into::into), ..RecipePin::default() }
    }

    fn agreed(component: &str, digest: &str, lines: &[&str]) -> PluginPin {
        let wanted = &set(lines);
        let request = Request { wanted, component, digest, agreed: None, held: None };
        pin(&request, None, recipe(None))
    }

    fn reason(
        wanted: &[&str],
        given: Option<(&str, &[&str])>,
        same_version: bool,
    ) -> Option<Reason> {
        let given = given.map(|(digest, lines)| agreed("a.wasm", digest, lines));
        reason_of("a.wasm", wanted, given, same_version)
    }

    fn reason_of(
        component: &str,
        wanted: &[&str],
        agreed: Option<PluginPin>,
        same_version: bool,
    ) -> Option<Reason> {
        let wanted = set(wanted);
        let agreed = agreed.as_ref();
        let held = agreed.filter(|_| same_version).map(|agreed| agreed.sha256.as_str());
        match decide(Request { wanted: &wanted, component, digest: "aa", agreed, held }) {
            Decision::Granted(grants) => {
                assert_eq!(grants, wanted);
                None
            }
            Decision::Ask(question) => Some(question.reason),
        }
    }

    #[test]
    fn what_was_not_given_is_asked() {
        let db = &["exec: db"][..];
        let more = &["exec: app", "exec: db"][..];
        for (wanted, agreed, same, expected) in [
            (&[][..], None, false, None),
            (db, None, false, Some(Reason::FirstUse)),
            (db, Some(("aa", db)), true, None),
            (db, Some(("aa", more)), true, None),
            (more, Some(("aa", db)), true, Some(Reason::Widened)),
            (more, Some(("bb", db)), false, Some(Reason::Widened)),
            (db, Some(("bb", db)), false, None),
            (db, Some(("bb", db)), true, Some(Reason::ChangedInPlace)),
            (&[][..], Some(("bb", db)), true, Some(Reason::ChangedInPlace)),
        ] {
            assert_eq!(reason(wanted, agreed, same), expected, "{wanted:?} {agreed:?} {same}");
        }
    }

    #[test]
    fn what_one_of_potlucks_was_given_a_file_of_the_recipe_was_not() {
        let db = &["exec: db"][..];
        for (before, now, wanted, same, expected) in [
            ("std:postgres", "a.wasm", db, false, Some(Reason::Replaced)),
            ("std:postgres", "a.wasm", db, true, Some(Reason::ChangedInPlace)),
            ("std:postgres", "a.wasm", &[][..], false, None),
            ("std:postgres", "std:postgres", db, false, None),
            ("a.wasm", "std:postgres", db, false, None),
            ("a.wasm", "b.wasm", db, false, None),
        ] {
            let given = Some(agreed(before, "bb", db));
            assert_eq!(reason_of(now, wanted, given, same), expected, "{before} {now} {same}");
        }
        // Of a potluck that did not write down what it was.
        let unknown = PluginPin { component: None, ..agreed("", "bb", db) };
        assert_eq!(reason_of("a.wasm", db, Some(unknown), false), None);
        // All of it is new, and a flag has to name it.
        let given = agreed("std:postgres", "bb", db);
        let wanted = set(db);
        let request = Request {
            wanted: &wanted,
            component: "a.wasm",
            digest: "aa",
            agreed: Some(&given),
            held: None,
        };
        let Decision::Ask(question) = decide(request) else { panic!("not asked") };
        assert!(!question.answered_by(&BTreeSet::new()));
        assert!(question.answered_by(&set(db)));
    }

    #[test]
    fn a_version_agreed_to_once_is_held_to() {
        let mut entry = agreed("a.wasm", "d0", &[]);
        let mut last = recipe(Some("0"));
        entry.recipe = Some(last.clone());
        let agree = |entry: &PluginPin, last: &RecipePin, version: &str, digest: &str| {
            let wanted = &set(&[]);
            let agreed = Some(entry);
            let request = Request { wanted, component: "a.wasm", digest, agreed, held: None };
            pin(&request, Some(last), recipe(Some(version)))
        };
        for n in 1..=EARLIER + 1 {
            entry = agree(&entry, &last, &n.to_string(), &format!("d{n}"));
            last = recipe(Some(&n.to_string()));
        }
        let of = |entry: &PluginPin, last: &RecipePin, version: &str| {
            held(entry, Some(last), &recipe(Some(version))).map(str::to_owned)
        };
        assert_eq!(entry.earlier.len(), EARLIER);
        assert_eq!(of(&entry, &last, "0"), None, "too long ago");
        for n in 1..=EARLIER + 1 {
            assert_eq!(of(&entry, &last, &n.to_string()), Some(format!("d{n}")));
        }
        // Back, and up again to a tag that moved and was agreed to anew.
        let back = agree(&entry, &last, "3", "d3");
        assert!(back.earlier.iter().all(|earlier| earlier.version != "3"));
        let last_back = recipe(Some("3"));
        assert_eq!(of(&back, &last_back, "17"), Some("d17".into()));
        let moved = agree(&back, &last_back, "17", "other");
        assert_eq!(of(&moved, &recipe(Some("17")), "17"), Some("other".into()));
        assert_eq!(of(&moved, &recipe(Some("17")), "3"), Some("d3".into()));
        // Agreed to again as it is, nothing changes.
        assert_eq!(agree(&back, &last_back, "3", "d3"), back);
        // Neither versions nor commits: a folder that is being worked on.
        assert_eq!(held(&back, Some(&recipe(None)), &recipe(None)), None);
    }

    #[test]
    fn a_grant_without_a_name_is_for_the_only_one_it_can_be_for() {
        let given: Vec<GivenGrant> =
            ["exec: db", "exec: app", "new secret: key"].map(|text| text.parse().unwrap()).into();
        let grant = |text: &str| text.parse::<Grant>().unwrap();
        let claims: Claims<'_> = [
            (grant("exec: db"), ["old", "new"].into()),
            (grant("exec: app"), ["old"].into()),
            (grant("secret: key"), ["old", "new"].into()),
        ]
        .into();
        assert_eq!(beforehand(&given, "old", &claims), set(&["exec: app"]));
        assert_eq!(beforehand(&given, "new", &claims), set(&["secret: key"]));
        assert_eq!(beforehand(&given, "other", &claims), set(&[]));
    }

    #[test]
    fn a_sentence_says_all_that_is_given() {
        for (line, words) in [
            ("exec: db", "restart it, read its log, and read and write its files"),
            ("secret: key", "store the secret `key`, once for each version"),
            ("http: http://localhost:9", "http://localhost:9 (an address of this machine)"),
            ("http: http://0x7f.1", "(an address of this machine)"),
            ("http: http://[::1]", "(an address of this machine)"),
            ("http: http://[::ffff:127.0.0.1]", "(an address of this machine)"),
            ("http: http://0.0.0.0", "(an address of this machine)"),
            ("http: https://10.0.0.1:2376", "(a private network)"),
            ("http: http://[fd12::1]", "(a private network)"),
            ("http: http://169.254.169.254", "(cloud metadata)"),
            ("http: http://[64:ff9b::a9fe:a9fe]", "(cloud metadata)"),
            ("http: http://[fd00:ec2::254]", "(cloud metadata)"),
            ("http: http://203.0.113.1", "(an address that is not of the public network)"),
        ] {
            let sentence = sentence(&line.parse().unwrap());
            assert!(sentence.ends_with(words), "{sentence}");
        }
        for open in ["https://sso.example.org", "http://localhost.example.org", "http://1.1.1.1"] {
            let sentence = sentence(&format!("http: {open}").parse().unwrap());
            assert_eq!(sentence, format!("send HTTP requests to {open}"));
        }
    }

    #[test]
    fn flags_answer_for_what_they_name_and_no_more() {
        let question = |reason| Question {
            reason,
            wanted: set(&["exec: app", "exec: db"]),
            before: set(&["exec: db"]),
        };
        assert!(question(Reason::Widened).answered_by(&set(&["exec: app", "secret: x"])));
        assert!(!question(Reason::Widened).answered_by(&set(&["exec: db"])));
        assert!(!question(Reason::ChangedInPlace).answered_by(&set(&["exec: app"])));
    }

    #[test]
    fn a_grant_for_nothing_names_what_is_nearest() {
        let known = Known {
            services: ["app".to_owned(), "database".to_owned()].into(),
            secrets: ["db_password".to_owned()].into(),
        };
        let check = |line: &str| validate(&line.parse().unwrap(), &known);
        for good in ["exec: app", "secret: db_password", "http: https://sso.example.org"] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for (line, kind, near) in [
            ("exec: databse", "service", Some("database")),
            ("exec: db_password", "service", None),
            ("secret: db_pasword", "secret", Some("db_password")),
            ("secret: app", "secret", None),
        ] {
            let unknown = check(line).unwrap_err();
            assert_eq!((unknown.kind, unknown.nearest.as_deref()), (kind, near), "{line}");
        }
    }
}
