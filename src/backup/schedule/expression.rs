//! A cron expression of five fields, of the kind that every cron and systemd can carry out:
//! numbers, names, lists, ranges and steps. croner reads it, too, and says when it is due;
//! what croner has beyond that (`L`, `W`, `#`, `+`) is refused, because no cron has it.

use croner::{
    Cron,
    parser::{CronParser, Seconds, Year},
};
use jiff::{SignedDuration, Zoned, civil::Date};

use super::Error;

/// In their order.
pub(super) const FIELDS: [Field; 5] = [
    Field { name: "minute", from: 0, to: 59, names: &[] },
    Field { name: "hour", from: 0, to: 23, names: &[] },
    Field { name: "day of the month", from: 1, to: 31, names: &[] },
    Field {
        name: "month",
        from: 1,
        to: 12,
        names: &[
            "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
        ],
    },
    Field {
        name: "day of the week",
        from: 0,
        to: 7,
        names: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"],
    },
];

const SHORT: &[(&str, &str)] = &[
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
    ("@monthly", "0 0 1 * *"),
    ("@weekly", "0 0 * * 0"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@hourly", "0 * * * *"),
];

pub(super) struct Field {
    name: &'static str,
    pub from: u32,
    to: u32,
    names: &'static [&'static str],
}

/// A schedule that both cron and systemd can carry out.
#[derive(Debug, Clone)]
pub struct Expression {
    /// Its five fields, with one blank between them.
    text: String,
    /// The values of each field, sorted; none where it is `*`.
    pub(super) values: [Option<Vec<u32>>; 5],
    cron: Cron,
}

impl Expression {
    /// # Errors
    /// [`Error::Expression`], [`Error::Untranslatable`], [`Error::Never`].
    pub fn parse(given: &str) -> Result<Self, Error> {
        let wrong = |reason: String| Error::Expression { expression: given.into(), reason };
        let trimmed = given.trim();
        let short = SHORT.iter().find(|(short, _)| short.eq_ignore_ascii_case(trimmed));
        let long = short.map_or(trimmed, |(_, long)| long);
        let parts: Vec<&str> = long.split_whitespace().collect();
        let count = parts.len();
        let Ok(parts) = <[&str; 5]>::try_from(parts) else {
            return Err(wrong(format!("five fields are needed, and it has {count}")));
        };
        let mut values = [const { None }; 5];
        for ((field, part), values) in FIELDS.iter().zip(parts).zip(&mut values) {
            *values = field.values(part).map_err(|reason| match reason {
                Reason::Wrong(reason) => wrong(format!("{}: {reason}", field.name)),
                Reason::Beyond(reason) => Error::Untranslatable {
                    expression: given.into(),
                    reason: format!("{}: {reason}", field.name),
                },
            })?;
        }
        // Where one of the two days begins with `*`, crons disagree on whether both are needed.
        let [_, _, day, _, weekday] = parts;
        if day != "*" && weekday != "*" && (day.starts_with('*') || weekday.starts_with('*')) {
            return Err(Error::Untranslatable {
                expression: given.into(),
                reason: "steps of days beside a day of the week mean one thing to one cron and \
                         another to the next"
                    .into(),
            });
        }
        let text = parts.join(" ");
        let parser =
            CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
        let cron = parser.parse(&text).map_err(|error| wrong(error.to_string()))?;
        Ok(Expression { text, values, cron })
    }

    /// Its five fields.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The next times after this one, in its zone; fewer where there are no more.
    ///
    /// # Errors
    /// [`Error::Never`] if there is none.
    pub fn next(&self, after: &Zoned, count: usize, gaps: Gaps) -> Result<Vec<Zoned>, Error> {
        let mut times: Vec<Zoned> = Vec::new();
        let mut after = after.clone();
        while times.len() < count
            && let Ok(next) = self.cron.find_next_occurrence(&after, false)
        {
            after = next.clone();
            if gaps == Gaps::Moved || self.is_written(&next) {
                times.push(next);
            }
        }
        match times.is_empty() && count > 0 {
            true => Err(Error::Never { expression: self.text.clone() }),
            false => Ok(times),
        }
    }

    /// The days of the next year on which a time of the expression does not exist, because
    /// clocks are put forward.
    pub fn gaps(&self, after: &Zoned) -> Vec<Date> {
        let year = after.timestamp() + SignedDuration::from_hours(366 * 24);
        let changes = after.time_zone().following(after.timestamp()).map(|it| it.timestamp());
        let moved = changes.take_while(|change| *change < year).filter_map(|change| {
            let before = change - SignedDuration::from_secs(1);
            let before = before.to_zoned(after.time_zone().clone());
            let next = self.cron.find_next_occurrence(&before, false).ok()?;
            (next.timestamp() == change && !self.is_written(&next)).then(|| next.date())
        });
        moved.collect()
    }

    /// Whether hour and minute are such as the expression names.
    fn is_written(&self, time: &Zoned) -> bool {
        let [minute, hour, ..] = &self.values;
        let has = |values: &Option<Vec<u32>>, number: i8| {
            values.as_ref().is_none_or(|values| values.contains(&(number as u32)))
        };
        has(minute, time.minute()) && has(hour, time.hour())
    }
}

/// What becomes of a time that does not exist, in the hour that is left out when clocks are put
/// forward.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gaps {
    /// It is the first moment after it, as with cron (`cron(8)` of Debian).
    Moved,
    /// It is left out, as with systemd (tried, `systemd-analyze calendar`).
    LeftOut,
}

enum Reason {
    Wrong(String),
    Beyond(String),
}

impl Field {
    fn values(&self, text: &str) -> Result<Option<Vec<u32>>, Reason> {
        if text == "*" {
            return Ok(None);
        }
        let mut values = Vec::new();
        for part in text.split(',') {
            let (range, step) = match part.split_once('/') {
                Some((range, step)) => (range, Some(step)),
                None => (part, None),
            };
            let (from, to) = match (range, range.split_once('-')) {
                ("*", _) => (self.from, if self.to == 7 { 6 } else { self.to }),
                (_, Some((from, to))) => (self.number(from)?, self.number(to)?),
                (only, None) if step.is_some() => {
                    let reason = format!("write `{only}-{}/…` for a step from {only} on", self.to);
                    return Err(Reason::Wrong(reason));
                }
                (only, None) => (self.number(only)?, self.number(only)?),
            };
            if from > to {
                return Err(Reason::Wrong(format!("`{range}` ends before it begins")));
            }
            let step = match step.map(str::parse::<u32>) {
                None => 1,
                Some(Ok(step @ 1..)) => step,
                Some(_) => return Err(Reason::Wrong(format!("`{part}` has an invalid step"))),
            };
            values.extend((from..=to).step_by(step as usize));
        }
        if self.to == 7 {
            // Sunday has two numbers.
            values.iter_mut().for_each(|day| *day %= 7);
        }
        values.sort_unstable();
        values.dedup();
        Ok(Some(values))
    }

    fn number(&self, text: &str) -> Result<u32, Reason> {
        let lower = text.to_ascii_lowercase();
        if let Some(at) = self.names.iter().position(|name| *name == lower) {
            return Ok(at as u32 + if self.from == 1 { 1 } else { 0 });
        }
        if text.contains(['L', 'l', 'W', 'w', '#', '+', '?']) {
            let reason = format!("`{text}` is known to neither cron nor systemd");
            return Err(Reason::Beyond(reason));
        }
        let plain = text.bytes().all(|byte| byte.is_ascii_digit());
        match text.parse::<u32>() {
            Ok(number) if plain && (self.from..=self.to).contains(&number) => Ok(number),
            _ => {
                let reason = format!("`{text}` is not a number from {} to {}", self.from, self.to);
                Err(Reason::Wrong(reason))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_schedule_is_refused_with_the_reason() {
        for (text, reason) in [
            ("", "and it has 0"),
            ("30 3 * *", "and it has 4"),
            ("0 30 3 * * *", "and it has 6"),
            ("60 3 * * *", "minute: `60` is not a number from 0 to 59"),
            ("30 24 * * *", "hour: `24`"),
            ("30 3 0 * *", "day of the month: `0`"),
            ("30 3 * 13 *", "month: `13`"),
            ("30 3 * * 8", "day of the week: `8`"),
            ("30 3 * * xyz", "day of the week: `xyz`"),
            ("30 5-3 * * *", "`5-3` ends before it begins"),
            ("5/10 3 * * *", "write `5-59/…`"),
            ("*/0 3 * * *", "invalid step"),
            ("-1 3 * * *", "minute: ``"),
            ("+1 3 * * *", "neither cron nor systemd"),
            ("30 3 L * *", "neither cron nor systemd"),
            ("30 3 15W * *", "neither cron nor systemd"),
            ("30 3 * * 5#2", "neither cron nor systemd"),
            ("30 3 */2 * 1", "one thing to one cron"),
            ("@reboot", "and it has 1"),
        ] {
            let error = Expression::parse(text).unwrap_err().to_string();
            assert!(error.contains(reason), "{text}: {error}");
        }
        let never = Expression::parse("0 0 30 2 *").unwrap();
        let now: Zoned = "2026-01-01T00:00[UTC]".parse().unwrap();
        assert!(matches!(never.next(&now, 1, Gaps::Moved), Err(Error::Never { .. })));
    }

    #[test]
    fn the_next_times_are_those_of_the_zone_with_its_summer_time() {
        let next = |text: &str, after: &str| -> Vec<String> {
            let after: Zoned = after.parse().unwrap();
            let times = Expression::parse(text).unwrap().next(&after, 3, Gaps::Moved).unwrap();
            times.iter().map(|time| time.strftime("%a %Y-%m-%d %H:%M %Z").to_string()).collect()
        };
        assert_eq!(
            next("30 3 * * *", "2026-03-28T04:00[Europe/Brussels]"),
            ["Sun 2026-03-29 03:30 CEST", "Mon 2026-03-30 03:30 CEST", "Tue 2026-03-31 03:30 CEST"]
        );
        // In the hour that does not exist, at the first moment after it; in the hour that comes
        // twice, once.
        assert_eq!(
            next("30 2 * * *", "2026-03-28T04:00[Europe/Brussels]")[0],
            "Sun 2026-03-29 03:00 CEST"
        );
        assert_eq!(
            next("30 2 * * *", "2026-10-24T04:00[Europe/Brussels]")[..2],
            ["Sun 2026-10-25 02:30 CEST", "Mon 2026-10-26 02:30 CET"]
        );
        let expression = Expression::parse("30 2 * * *").unwrap();
        let after: Zoned = "2026-03-28T04:00[Europe/Brussels]".parse().unwrap();
        let times = expression.next(&after, 1, Gaps::LeftOut).unwrap();
        assert_eq!(times[0].to_string(), "2026-03-30T02:30:00+02:00[Europe/Brussels]");
        let gaps = ["2026-03-29", "2027-03-28"].map(|day| day.parse::<Date>().unwrap());
        assert_eq!(expression.gaps(&after), gaps);
        for text in ["30 3 * * *", "* * * * *", "*/30 * * * *", "30 2 30 3 *"] {
            assert_eq!(Expression::parse(text).unwrap().gaps(&after), [], "{text}");
        }
        assert_eq!(next("@weekly", "2026-01-01T00:00[UTC]")[0], "Sun 2026-01-04 00:00 UTC");
        // Either of the two days.
        assert_eq!(
            next("0 1 13 * fri", "2026-02-01T00:00[UTC]"),
            ["Fri 2026-02-06 01:00 UTC", "Fri 2026-02-13 01:00 UTC", "Fri 2026-02-20 01:00 UTC"]
        );
    }
}
