//! Durations as Go's `time.ParseDuration` reads them and `Duration.String`
//! prints them, in nanoseconds.
//!
//! What a person types at the command line is read by jiff (`cli/arguments.rs`), which
//! takes more (`2d`, `5 m`) and prints otherwise: here what docker refuses has to be
//! refused, and the swarm's specs have to come out as docker writes them.

const UNITS: &[(&str, u64)] = &[
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("μs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

/// Reads `1h30m`, `-1.5s`, `0`.
pub fn parse(text: &str) -> Result<i64, String> {
    let bad = || format!("`{text}` is not a duration");
    let negative = text.starts_with('-');
    let mut rest = text.strip_prefix(['-', '+']).unwrap_or(text);
    if rest == "0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(bad());
    }
    let limit = 1_u64 << 63;
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let whole_len = digits(rest);
        let (whole_text, after) = rest.split_at(whole_len);
        let (fraction, after) = match after.strip_prefix('.') {
            Some(after) => after.split_at(digits(after)),
            None => ("", after),
        };
        if whole_text.is_empty() && fraction.is_empty() {
            return Err(bad());
        }
        let end = after.find(|c: char| c == '.' || c.is_ascii_digit()).unwrap_or(after.len());
        let (unit_text, after) = after.split_at(end);
        let Some((_, unit)) = UNITS.iter().find(|(name, _)| *name == unit_text) else {
            return Err(if unit_text.is_empty() {
                format!("the duration `{text}` has no unit")
            } else {
                format!("`{unit_text}` in `{text}` is not a unit of time")
            });
        };
        let whole: u64 =
            if whole_text.is_empty() { 0 } else { whole_text.parse().map_err(|_| bad())? };
        let mut value = whole.checked_mul(*unit).filter(|v| *v <= limit).ok_or_else(bad)?;
        value = value.checked_add(part(fraction, *unit)).ok_or_else(bad)?;
        total = total.checked_add(value).filter(|t| *t <= limit).ok_or_else(bad)?;
        rest = after;
    }
    if negative {
        return Ok(0_i64.wrapping_sub_unsigned(total));
    }
    i64::try_from(total).map_err(|_| bad())
}

fn digits(text: &str) -> usize {
    text.bytes().take_while(u8::is_ascii_digit).count()
}

/// A fraction of a unit, computed in floating point as Go does; digits beyond
/// what 63 bits hold are dropped.
fn part(fraction: &str, unit: u64) -> u64 {
    let mut value: u64 = 0;
    let mut scale = 1.0_f64;
    for digit in fraction.bytes().map(|b| u64::from(b - b'0')) {
        let Some(next) =
            value.checked_mul(10).and_then(|v| v.checked_add(digit)).filter(|v| *v < 1 << 63)
        else {
            break;
        };
        value = next;
        scale *= 10.0;
    }
    #[allow(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "as Go computes it; below one unit"
    )]
    {
        (value as f64 * (unit as f64 / scale)) as u64
    }
}

/// Prints `1h30m0s`, `1.5s`, `100ms`, `0s`.
pub fn format(nanoseconds: i64) -> String {
    let total = nanoseconds.unsigned_abs();
    let sign = if nanoseconds < 0 { "-" } else { "" };
    if total == 0 {
        return "0s".into();
    }
    if total < 1_000_000_000 {
        let (unit, name) = match total {
            0..1_000 => (1, "ns"),
            1_000..1_000_000 => (1_000, "µs"),
            _ => (1_000_000, "ms"),
        };
        return format!("{sign}{}{name}", decimal(total, unit));
    }
    let seconds = total / 1_000_000_000;
    let last = format!("{}s", decimal(total % 60_000_000_000, 1_000_000_000));
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
    match (hours, minutes) {
        (0, 0) => format!("{sign}{last}"),
        (0, _) => format!("{sign}{minutes}m{last}"),
        _ => format!("{sign}{hours}h{minutes}m{last}"),
    }
}

/// `value / unit`, without trailing zeros.
fn decimal(value: u64, unit: u64) -> String {
    let (whole, rest) = (value / unit, value % unit);
    if rest == 0 {
        return whole.to_string();
    }
    let width = unit.ilog10() as usize;
    let fraction = format!("{rest:0width$}");
    format!("{whole}.{}", fraction.trim_end_matches('0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_and_print_as_in_go() {
        for (text, nanoseconds, printed) in [
            ("0", 0, "0s"),
            ("10s", 10_000_000_000, "10s"),
            ("1m30s", 90_000_000_000, "1m30s"),
            ("90s", 90_000_000_000, "1m30s"),
            ("1h", 3_600_000_000_000, "1h0m0s"),
            ("1.5s", 1_500_000_000, "1.5s"),
            (".5s", 500_000_000, "500ms"),
            ("1us", 1_000, "1µs"),
            ("1500us", 1_500_000, "1.5ms"),
            ("3ns", 3, "3ns"),
            ("-2s", -2_000_000_000, "-2s"),
            ("+2s", 2_000_000_000, "2s"),
            ("1m1.001s", 61_001_000_000, "1m1.001s"),
            ("2562047h47m16.854775807s", i64::MAX, "2562047h47m16.854775807s"),
        ] {
            assert_eq!(parse(text), Ok(nanoseconds), "{text}");
            assert_eq!(format(nanoseconds), printed, "{text}");
        }
    }

    #[test]
    fn what_is_no_duration() {
        for text in ["", "10", "s", "1d", "1 s", "1s ", ".s", "-", "1h1", "9999999h", "1e3s", "٣s"]
        {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
