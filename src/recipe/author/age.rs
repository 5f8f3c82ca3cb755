//! When an image was built, as far as that can be believed: builds that are to give the same
//! result each time have dates of long ago, and clocks are wrong.

use jiff::{SignedDuration, Timestamp};

/// When docker was first shown: nothing is older (2013-03-15).
const FIRST: i64 = 1_363_305_600;
/// What a clock may be ahead.
const AHEAD: SignedDuration = SignedDuration::from_hours(24);

/// The first of the dates that an image has that can be right.
pub fn built(said: &[Timestamp], now: Timestamp) -> Option<Timestamp> {
    said.iter().copied().find(|at| at.as_second() >= FIRST && at.duration_since(now) <= AHEAD)
}

/// Whether an image is as old as it has to be. Where its age is unknown, it is not.
pub fn is_old_enough(built: Option<Timestamp>, least: SignedDuration, now: Timestamp) -> bool {
    built.is_some_and(|built| now.duration_since(built) >= least)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absurd_dates_are_not_believed() {
        let now: Timestamp = "2026-11-20T12:00:00Z".parse().unwrap();
        let least = SignedDuration::from_hours(72);
        for (said, expected, old) in [
            (&["2026-11-01T00:00:00Z"][..], Some("2026-11-01T00:00:00Z"), true),
            (&["2026-11-19T00:00:00Z"], Some("2026-11-19T00:00:00Z"), false),
            (&["1970-01-01T00:00:00Z"], None, false),
            (&["0001-01-01T00:00:00Z"], None, false),
            (&["1970-01-01T00:00:00Z", "2026-11-01T00:00:00Z"], Some("2026-11-01T00:00:00Z"), true),
            (&["2027-01-01T00:00:00Z"], None, false),
            (&["2026-11-21T10:00:00Z"], Some("2026-11-21T10:00:00Z"), false),
            (&[], None, false),
        ] {
            let said: Vec<Timestamp> = said.iter().map(|text| text.parse().unwrap()).collect();
            let built = built(&said, now);
            assert_eq!(built, expected.map(|text| text.parse().unwrap()), "{said:?}");
            assert_eq!(is_old_enough(built, least, now), old, "{said:?}");
        }
    }
}
