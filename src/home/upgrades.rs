//! `upgrades.yml` in the operator's folder: which apps are upgraded by themselves, how far, and
//! when.
//!
//! ```yaml
//! policy: none                     # of apps that are not named: none, patch or minor
//! window: mon-thu 02:00-05:00      # in this machine's time zone; without it, at any time
//! apps:
//!   wiki.example.org: minor
//!   "*.test.example.org": {policy: minor, window: "00:00-06:00"}
//! ```

use std::{collections::BTreeMap, fmt, str::FromStr};

use jiff::{
    Zoned,
    civil::{Time, Weekday},
};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{
        Error as _, MapAccess, Visitor,
        value::{MapAccessDeserializer, StrDeserializer},
    },
};

use super::{AppEntry, AppName, Error, Home, folder::read_yaml};

/// The file's name in the folder.
const FILE: &str = "upgrades.yml";

/// What the file says.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct UpgradeSettings {
    policy: Policy,
    window: Option<Window>,
    /// By name or pattern.
    apps: BTreeMap<String, AppSettings>,
}

/// How far an app is upgraded by itself, by the recipe's own version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Policy {
    /// Not at all.
    #[default]
    None,
    /// `1.2.3` to `1.2.4`.
    Patch,
    /// `1.2.3` to `1.3.0`.
    Minor,
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Policy::None => "none",
            Policy::Patch => "patch",
            Policy::Minor => "minor",
        })
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum AppSettings {
    Policy(Policy),
    Both(Both),
}

/// By hand, so that an error says what is wrong with the one that is meant.
impl<'de> Deserialize<'de> for AppSettings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;

        impl<'de> Visitor<'de> for Either {
            type Value = AppSettings;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("none, patch, minor, or {policy, window}")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<AppSettings, E> {
                Policy::deserialize(StrDeserializer::new(text)).map(AppSettings::Policy)
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<AppSettings, A::Error> {
                Both::deserialize(MapAccessDeserializer::new(map)).map(AppSettings::Both)
            }
        }
        deserializer.deserialize_any(Either)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Both {
    policy: Policy,
    #[serde(default)]
    window: Option<Window>,
}

/// When upgrades may begin: days on which, and times between which. One that goes past
/// midnight belongs to the day that it begins on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    days: Vec<Weekday>,
    from: Time,
    to: Time,
}

const DAYS: [(&str, Weekday); 7] = [
    ("mon", Weekday::Monday),
    ("tue", Weekday::Tuesday),
    ("wed", Weekday::Wednesday),
    ("thu", Weekday::Thursday),
    ("fri", Weekday::Friday),
    ("sat", Weekday::Saturday),
    ("sun", Weekday::Sunday),
];

impl Window {
    /// Whether it is open at a time.
    pub fn is_open(&self, at: &Zoned) -> bool {
        let (day, time) = (at.weekday(), at.time());
        let on = |day: Weekday| self.days.contains(&day);
        match self.from <= self.to {
            true => on(day) && self.from <= time && time < self.to,
            false => (on(day) && self.from <= time) || (on(day.previous()) && time < self.to),
        }
    }
}

impl FromStr for Window {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad =
            || format!("`{text}` is not a window: write `02:00-05:00` or `mon-fri 02:00-05:00`");
        let (days, times) = match text.split_whitespace().collect::<Vec<_>>()[..] {
            [times] => (None, times),
            [days, times] => (Some(days), times),
            _ => return Err(bad()),
        };
        let day = |name: &str| DAYS.iter().position(|(known, _)| *known == name).ok_or_else(bad);
        let mut on = Vec::new();
        match days {
            None => on.extend(DAYS.map(|(_, day)| day)),
            Some(days) => {
                for part in days.split(',') {
                    let (first, last) = part.split_once('-').unwrap_or((part, part));
                    let (mut at, last) = (day(first)?, day(last)?);
                    on.push(DAYS[at].1);
                    while at != last {
                        at = (at + 1) % DAYS.len();
                        on.push(DAYS[at].1);
                    }
                }
            }
        }
        on.sort_by_key(|day| day.to_monday_zero_offset());
        on.dedup();
        let (from, to) = times.split_once('-').ok_or_else(bad)?;
        let time = |text: &str| Time::strptime("%H:%M", text).map_err(|_| bad());
        let (from, to) = (time(from)?, time(to)?);
        if from == to {
            return Err(bad());
        }
        Ok(Window { days: on, from, to })
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.days.len() < DAYS.len() {
            let names = DAYS.iter().filter(|(_, day)| self.days.contains(day));
            let names: Vec<&str> = names.map(|(name, _)| *name).collect();
            write!(f, "{} ", names.join(","))?;
        }
        write!(f, "{}-{}", self.from.strftime("%H:%M"), self.to.strftime("%H:%M"))
    }
}

impl Serialize for Window {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Window {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

impl Home {
    /// What `upgrades.yml` says; none without the file.
    ///
    /// # Errors
    /// [`Error::Yaml`] with the line.
    pub fn upgrades(&self) -> Result<Option<UpgradeSettings>, Error> {
        let path = self.root().join(FILE);
        match path.exists() {
            true => Ok(Some(read_yaml(&path)?)),
            false => Ok(None),
        }
    }
}

impl UpgradeSettings {
    /// Names and patterns that fit no app.
    pub fn unknown(&self, apps: &[AppEntry], fits: impl Fn(&str, &str) -> bool) -> Vec<&str> {
        let is_known = |name: &str| apps.iter().any(|app| fits(name, app.name.as_str()));
        self.apps.keys().map(String::as_str).filter(|name| !is_known(name)).collect()
    }

    /// How far an app is upgraded, and when: its own entry counts, else that of the longest
    /// pattern that `fits` its name, else what is said of all.
    pub fn of(
        &self,
        app: &AppName,
        fits: impl Fn(&str, &str) -> bool,
    ) -> (Policy, Option<&Window>) {
        let name = app.as_str();
        let found = self.apps.get(name).or_else(|| {
            let fitting = self.apps.iter().filter(|(pattern, _)| fits(pattern, name));
            fitting.max_by_key(|(pattern, _)| pattern.len()).map(|(_, settings)| settings)
        });
        let all = self.window.as_ref();
        match found {
            None => (self.policy, all),
            Some(AppSettings::Policy(policy)) => (*policy, all),
            Some(AppSettings::Both(Both { policy, window })) => (*policy, window.as_ref().or(all)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_open_on_its_days_and_between_its_times() {
        let at = |text: &str| format!("{text}[UTC]").parse::<Zoned>().unwrap();
        // The 27th of November 2026 is a Friday.
        for (window, time, is_open) in [
            ("02:00-05:00", "2026-11-27T02:00Z", true),
            ("02:00-05:00", "2026-11-27T05:00Z", false),
            ("mon-thu 02:00-05:00", "2026-11-27T03:00Z", false),
            ("mon,fri 02:00-05:00", "2026-11-27T03:00Z", true),
            ("sat-mon 02:00-05:00", "2026-11-29T03:00Z", true),
            ("fri 23:00-02:00", "2026-11-27T23:30Z", true),
            ("fri 23:00-02:00", "2026-11-28T01:30Z", true),
            ("fri 23:00-02:00", "2026-11-27T01:30Z", false),
        ] {
            let window: Window = window.parse().unwrap();
            assert_eq!(window.is_open(&at(time)), is_open, "{window} {time}");
            assert_eq!(window.to_string().parse(), Ok(window));
        }
        for bad in
            ["", "2-5", "02:00", "02:00-02:00", "day 02:00-05:00", "mon 25:00-26:00", "a b c"]
        {
            assert!(bad.parse::<Window>().is_err(), "{bad}");
        }
    }

    #[test]
    fn an_apps_own_policy_counts_before_patterns() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::new(folder.path());
        assert_eq!(home.upgrades().unwrap(), None);
        let text = "policy: patch\nwindow: 02:00-05:00\napps:\n  wiki.example: none\n  \
                    '*.example': minor\n  '*.t.example': {policy: minor, window: 00:00-06:00}\n";
        std::fs::write(folder.path().join(FILE), text).unwrap();
        let settings = home.upgrades().unwrap().unwrap();
        let fits = |pattern: &str, name: &str| name.ends_with(pattern.trim_start_matches('*'));
        for (app, policy, window) in [
            ("a.org", Policy::Patch, "02:00-05:00"),
            ("wiki.example", Policy::None, "02:00-05:00"),
            ("a.example", Policy::Minor, "02:00-05:00"),
            ("a.t.example", Policy::Minor, "00:00-06:00"),
        ] {
            let (found, within) = settings.of(&app.parse().unwrap(), fits);
            assert_eq!((found, within.unwrap().to_string()), (policy, window.to_owned()), "{app}");
        }
        for bad in ["policy: major", "window: 2-5", "apps: {a: {window: 02:00-05:00}}", "polcy: a"]
        {
            std::fs::write(folder.path().join(FILE), bad).unwrap();
            assert!(home.upgrades().is_err(), "{bad}");
        }
        for (bad, said) in [
            ("apps: {a: {policy: minor, window: 5am-7am}}", "`5am-7am` is not a window"),
            ("apps: {a: major}", "unknown value `major`"),
            ("apps: {a: {polcy: minor}}", "unknown key `polcy`"),
            ("apps: {a: [minor]}", "none, patch, minor, or {policy, window}"),
        ] {
            std::fs::write(folder.path().join(FILE), bad).unwrap();
            let error = home.upgrades().unwrap_err().to_string();
            assert!(error.contains(said), "{bad}: {error}");
        }
    }

    #[test]
    fn a_name_that_no_app_has_is_known() {
        let entry = |name: &str| AppEntry {
            name: AppName::new(name).unwrap(),
            server: crate::home::ServerName::new("s").unwrap(),
        };
        let folder = tempfile::tempdir().unwrap();
        let text = "apps: {wiki.example: minor, blgo.example: patch, '*.t.example': minor}";
        std::fs::write(folder.path().join(FILE), text).unwrap();
        let settings = Home::new(folder.path()).upgrades().unwrap().unwrap();
        let fits = |pattern: &str, name: &str| name.ends_with(pattern.trim_start_matches('*'));
        let apps = [entry("wiki.example"), entry("a.t.example")];
        assert_eq!(settings.unknown(&apps, fits), ["blgo.example"]);
    }
}
