//! Times of the swarm, as tables show them.

use jiff::{Timestamp, tz::TimeZone};

/// To the second, with its zone: `2026-11-21 20:15:07 UTC`.
pub fn when(time: &str) -> String {
    match time.parse::<Timestamp>() {
        Ok(time) => time.to_zoned(TimeZone::UTC).strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
        Err(_) => time.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_says_its_zone() {
        for (time, shown) in [
            ("2026-11-21T20:15:07.123456789Z", "2026-11-21 20:15:07 UTC"),
            ("2026-11-21T20:15:07+02:00", "2026-11-21 18:15:07 UTC"),
            ("some day", "some day"),
        ] {
            assert_eq!(when(time), shown);
        }
    }
}
