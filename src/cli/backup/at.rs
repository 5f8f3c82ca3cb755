//! `--at TIME`: a backup as of a time.

use jiff::{
    Span, Timestamp, ToSpan, Zoned,
    civil::{Date, DateTime, Time},
    tz::TimeZone,
};

use crate::{backup::Which, cli::ui::Ui};

/// A moment, with the zone in which it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct At(Zoned);

impl At {
    pub fn which(&self) -> Which {
        Which::At(self.0.timestamp())
    }

    /// Says which moment is meant, with its zone: a time on paper has none.
    pub fn tell(&self, ui: &Ui) {
        ui.say(format_args!("Looking for the newest backup at or before {self}."));
    }
}

impl std::fmt::Display for At {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let zone = self.0.time_zone().iana_name().unwrap_or("this machine's zone");
        write!(f, "{} ({zone})", self.0.strftime("%Y-%m-%d %H:%M:%S %:z"))
    }
}

impl std::str::FromStr for At {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        parse(text.trim(), &Timestamp::now().to_zoned(TimeZone::system())).map(At)
    }
}

/// A day means its end: the backups of that day count.
fn parse(text: &str, now: &Zoned) -> Result<Zoned, String> {
    const BAD: &str = "write it as 2026-11-26, '2026-11-26 03:00', 2026-11-26T03:00:00Z, \
                       yesterday, or 36h for that long ago";
    let bad = |_| BAD.to_owned();
    let end_of = |date: Date| {
        let last = date.to_datetime(Time::constant(23, 59, 59, 0));
        last.to_zoned(now.time_zone().clone()).map_err(bad)
    };
    match text {
        "now" => return Ok(now.clone()),
        "today" => return end_of(now.date()),
        "yesterday" => return end_of(now.date().checked_sub(1.day()).map_err(bad)?),
        _ => {}
    }
    if let Ok(time) = text.parse::<Timestamp>() {
        return Ok(time.to_zoned(now.time_zone().clone()));
    }
    if let Ok(date) = Date::strptime("%Y-%m-%d", text) {
        return end_of(date);
    }
    for form in ["%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M"] {
        if let Ok(time) = DateTime::strptime(form, text) {
            return time.to_zoned(now.time_zone().clone()).map_err(bad);
        }
    }
    // A number alone is no time: it could be an hour or a day.
    if text.ends_with(|c: char| c.is_ascii_digit()) {
        return Err(BAD.into());
    }
    let span: Span = text.strip_suffix(" ago").unwrap_or(text).parse().map_err(bad)?;
    if span.is_negative() || span.is_zero() {
        return Err(BAD.into());
    }
    now.checked_sub(span).map_err(bad)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_the_zone_of_the_machine() {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        let now = "2026-11-27T10:00:00Z".parse::<Timestamp>().unwrap().to_zoned(zone);
        for (text, meant) in [
            ("2026-11-26T03:00:00Z", Some("2026-11-26T03:00:00Z")),
            ("2026-11-26T03:00:00+02:00", Some("2026-11-26T01:00:00Z")),
            ("2026-11-26 03:00", Some("2026-11-26T02:00:00Z")),
            ("2026-11-26T03:00", Some("2026-11-26T02:00:00Z")),
            ("2026-11-26 03:00:05", Some("2026-11-26T02:00:05Z")),
            ("2026-07-26 03:00", Some("2026-07-26T01:00:00Z")),
            // The whole day.
            ("2026-11-26", Some("2026-11-26T22:59:59Z")),
            ("yesterday", Some("2026-11-26T22:59:59Z")),
            ("today", Some("2026-11-27T22:59:59Z")),
            ("now", Some("2026-11-27T10:00:00Z")),
            ("36h", Some("2026-11-25T22:00:00Z")),
            ("36h ago", Some("2026-11-25T22:00:00Z")),
            ("2d", Some("2026-11-25T10:00:00Z")),
            ("", None),
            ("36", None),
            ("-36h", None),
            ("0h", None),
            ("2026-02-30", None),
            ("2026-11-26 25:00", None),
            ("soon", None),
        ] {
            let found = parse(text, &now).ok().map(|time| time.timestamp());
            assert_eq!(found, meant.map(|it| it.parse().unwrap()), "{text:?}");
        }
        let shown = At(parse("2026-11-26", &now).unwrap()).to_string();
        assert_eq!(shown, "2026-11-26 23:59:59 +01:00 (Europe/Berlin)");
    }
}
