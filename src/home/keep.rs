//! Which backups of a server's apps are kept: `backup: keep:` in `server.yml`.

use std::{fmt, str::FromStr};

use jiff::{SignedDuration, Span, SpanRelativeTo};
use serde::{Deserialize, Serialize};

/// The largest number of a rule: a set for each hour of eleven years.
const MOST: u32 = 100_000;
/// The longest time: a hundred years, which no clock reaches.
const LONGEST: SignedDuration = SignedDuration::from_hours(100 * 365 * 24);

/// Rules of retention. A set that any of them keeps is kept.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Keep {
    /// The newest sets, however old they are.
    #[serde(default, skip_serializing_if = "Count::is_none")]
    pub last: Count,
    /// The newest set of each of so many hours, days, … that have one, in UTC.
    #[serde(default, skip_serializing_if = "Count::is_none")]
    pub hourly: Count,
    #[serde(default, skip_serializing_if = "Count::is_none")]
    pub daily: Count,
    #[serde(default, skip_serializing_if = "Count::is_none")]
    pub weekly: Count,
    #[serde(default, skip_serializing_if = "Count::is_none")]
    pub monthly: Count,
    #[serde(default, skip_serializing_if = "Count::is_none")]
    pub yearly: Count,
    /// Sets that were taken within this time before the newest complete one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within: Option<Within>,
}

impl Keep {
    /// Whether no rule would keep anything.
    pub fn is_empty(&self) -> bool {
        let Keep { last, hourly, daily, weekly, monthly, yearly, within } = self;
        [last, hourly, daily, weekly, monthly, yearly].iter().all(|count| count.is_none())
            && within.is_none()
    }
}

/// How many sets a rule keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(into = "u32", try_from = "u32")]
pub struct Count(u32);

impl Count {
    pub fn number(self) -> usize {
        self.0 as usize
    }

    fn is_none(&self) -> bool {
        self.0 == 0
    }
}

impl TryFrom<u32> for Count {
    type Error = String;
    fn try_from(number: u32) -> Result<Self, String> {
        match number {
            0..=MOST => Ok(Count(number)),
            _ => Err(format!("expected a number up to {MOST}")),
        }
    }
}

impl From<Count> for u32 {
    fn from(count: Count) -> u32 {
        count.0
    }
}

/// A length of time: `30d`, `8w`, `48h`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Within {
    text: String,
    time: SignedDuration,
}

impl Within {
    pub fn time(&self) -> SignedDuration {
        self.time
    }
}

impl FromStr for Within {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || format!("`{text}` is not a length of time: write it as 30d, 8w or 48h");
        let span: Span = text.parse().map_err(|_| bad())?;
        let time = span.to_duration(SpanRelativeTo::days_are_24_hours()).map_err(|_| bad())?;
        if time <= SignedDuration::ZERO || time > LONGEST {
            return Err(bad());
        }
        Ok(Within { text: text.to_owned(), time })
    }
}

impl TryFrom<String> for Within {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Within> for String {
    fn from(within: Within) -> String {
        within.text
    }
}

impl fmt::Display for Within {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_read_and_written() {
        let text = "daily: 7\nweekly: 4\nwithin: 30d\n";
        let keep: Keep = serde_saphyr::from_str(text).unwrap();
        assert_eq!((keep.daily.number(), keep.weekly.number(), keep.last.number()), (7, 4, 0));
        assert_eq!(keep.within.as_ref().unwrap().time(), SignedDuration::from_hours(30 * 24));
        assert_eq!(serde_saphyr::to_string(&keep).unwrap(), text);
        assert!(!keep.is_empty() && Keep::default().is_empty());
    }

    #[test]
    fn what_is_not_a_rule_is_refused() {
        for bad in [
            "daily: -1",
            "daily: 1000000",
            "daily: x",
            "dayly: 7",
            "within: 30",
            "within: 0d",
            "within: -3d",
            "within: 2mo",
            "within: 999999d",
            "within: soon",
        ] {
            assert!(serde_saphyr::from_str::<Keep>(bad).is_err(), "{bad} was accepted");
        }
        for good in ["within: 48h", "within: 8w", "within: 1w2d", "daily: 0"] {
            assert!(serde_saphyr::from_str::<Keep>(good).is_ok(), "{good} was refused");
        }
    }
}
