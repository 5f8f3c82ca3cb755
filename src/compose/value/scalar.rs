//! Plain scalars as yaml.v3 reads them (go-yaml, `resolve.go`), and values as
//! Go's `%v` prints them: docker's own reader and printer, so that `010`, `yes`
//! and `1e6` mean the same here.

/// What a plain scalar stands for.
#[derive(Debug, Clone, PartialEq)]
pub enum Scalar {
    Null,
    Bool(bool),
    Int(i128),
    Float(f64),
    Time(Time),
    Merge,
    Str,
}

/// A date or time in the two forms that docker shows it in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Time {
    /// Where text is wanted: `2020-01-01 00:00:00 +0000 UTC`.
    pub printed: String,
    /// In YAML: `2020-01-01T00:00:00Z`.
    pub rfc3339: String,
}

/// Resolves an untagged plain scalar.
pub fn resolve(text: &str) -> Scalar {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Scalar::Null,
        "true" | "True" | "TRUE" => return Scalar::Bool(true),
        "false" | "False" | "FALSE" => return Scalar::Bool(false),
        ".nan" | ".NaN" | ".NAN" => return Scalar::Float(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => {
            return Scalar::Float(f64::INFINITY);
        }
        "-.inf" | "-.Inf" | "-.INF" => return Scalar::Float(f64::NEG_INFINITY),
        "<<" => return Scalar::Merge,
        _ => {}
    }
    match text.as_bytes()[0] {
        b'.' => parse_float(text).map_or(Scalar::Str, Scalar::Float),
        b'0'..=b'9' | b'+' | b'-' => {
            if let Some(time) = parse_time(text) {
                return Scalar::Time(time);
            }
            let plain = text.replace('_', "");
            if let Some(int) = parse_int(&plain) {
                return Scalar::Int(int);
            }
            parse_float(&plain).map_or(Scalar::Str, Scalar::Float)
        }
        _ => Scalar::Str,
    }
}

/// Go's `strconv.ParseInt(_, 0, 64)`, then `ParseUint`, then YAML 1.2's `0o`.
fn parse_int(text: &str) -> Option<i128> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let lower = digits.to_ascii_lowercase();
    let (radix, digits) = if let Some(rest) = lower.strip_prefix("0x") {
        (16, rest)
    } else if let Some(rest) = lower.strip_prefix("0b") {
        (2, rest)
    } else if let Some(rest) = lower.strip_prefix("0o") {
        (8, rest)
    } else if lower.len() > 1 && lower.starts_with('0') {
        (8, &lower[1..])
    } else {
        (10, lower.as_str())
    };
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return None;
    }
    let value = i128::from_str_radix(digits, radix).ok()?;
    let value = if negative { -value } else { value };
    // A sign is not allowed for what only fits without one.
    let largest = if text.starts_with('+') { i128::from(i64::MAX) } else { i128::from(u64::MAX) };
    (i128::from(i64::MIN)..=largest).contains(&value).then_some(value)
}

/// `^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$`, within range.
pub fn parse_float(text: &str) -> Option<f64> {
    let body = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) = match body.find(['e', 'E']) {
        Some(at) => (&body[..at], Some(&body[at + 1..])),
        None => (body, None),
    };
    if let Some(exponent) = exponent {
        let digits = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
        if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
    }
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if !whole.bytes().chain(fraction.bytes()).all(|b| b.is_ascii_digit())
        || (whole.is_empty() && fraction.is_empty())
    {
        return None;
    }
    text.parse::<f64>().ok().filter(|v| v.is_finite())
}

/// A number as Go's `%v` prints a `float64`: shortest digits, with an exponent
/// of at least two digits when it is below -4 or from 6 up.
pub fn format_float(value: f64) -> String {
    if value.is_nan() {
        return "NaN".into();
    }
    if value.is_infinite() {
        return if value > 0.0 { "+Inf".into() } else { "-Inf".into() };
    }
    let scientific = format!("{value:e}");
    let Some((mantissa, exponent)) = scientific.split_once('e') else { return scientific };
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..6).contains(&exponent) {
        return format!("{value}");
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.abs())
}

/// The four forms of go-yaml's `parseTimestamp`, printed as Go's `%v` does.
fn parse_time(text: &str) -> Option<Time> {
    let bytes = text.as_bytes();
    if bytes.len() < 6 || bytes[4] != b'-' || !bytes[..4].iter().all(u8::is_ascii_digit) {
        return None;
    }
    let mut rest = &text[5..];
    let year: u32 = text[..4].parse().ok()?;
    let month = number(&mut rest)?;
    rest = rest.strip_prefix('-')?;
    let day = number(&mut rest)?;
    if !(1..=12).contains(&month) || day < 1 || day > days(year, month) {
        return None;
    }
    let date = format!("{year:04}-{month:02}-{day:02}");
    if rest.is_empty() {
        return Some(Time {
            printed: format!("{date} 00:00:00 +0000 UTC"),
            rfc3339: format!("{date}T00:00:00Z"),
        });
    }
    let zoned = rest.starts_with(['T', 't']);
    rest = rest.strip_prefix(['T', 't', ' '])?;
    let hour = number(&mut rest)?;
    rest = rest.strip_prefix(':')?;
    let minute = number(&mut rest)?;
    rest = rest.strip_prefix(':')?;
    let second = number(&mut rest)?;
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let mut fraction = String::new();
    if let Some(after) = rest.strip_prefix(['.', ',']) {
        let len = after.bytes().take_while(u8::is_ascii_digit).count();
        if len == 0 {
            return None;
        }
        let digits = after[..len.min(9)].trim_end_matches('0');
        if !digits.is_empty() {
            fraction = format!(".{digits}");
        }
        rest = &after[len..];
    }
    let utc = || ("+0000 UTC".to_owned(), "Z");
    let (zone, offset) = match (zoned, rest) {
        (false, "") | (true, "Z") => utc(),
        (true, offset) => {
            let b = offset.as_bytes();
            if b.len() != 6 || !matches!(b[0], b'+' | b'-') || b[3] != b':' {
                return None;
            }
            let hours: u32 = offset.get(1..3)?.parse().ok()?;
            let minutes: u32 = offset.get(4..6)?.parse().ok()?;
            if hours > 24 || minutes > 60 {
                return None;
            }
            let short = format!("{}{hours:02}{minutes:02}", &offset[..1]);
            if hours == 0 && minutes == 0 { utc() } else { (format!("{short} {short}"), offset) }
        }
        _ => return None,
    };
    let clock = format!("{hour:02}:{minute:02}:{second:02}{fraction}");
    Some(Time {
        printed: format!("{date} {clock} {zone}"),
        rfc3339: format!("{date}T{clock}{offset}"),
    })
}

/// One or two digits.
fn number(rest: &mut &str) -> Option<u32> {
    let len = rest.bytes().take(2).take_while(u8::is_ascii_digit).count();
    let (digits, after) = rest.split_at(len);
    *rest = after;
    digits.parse().ok()
}

fn days(year: u32, month: u32) -> u32 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => {
            29
        }
        2 => 28,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scalars_resolve_as_in_yaml_v3() {
        use Scalar::{Bool, Float, Int, Null, Str};
        for (text, expected) in [
            ("", Null),
            ("~", Null),
            ("true", Bool(true)),
            ("TRUE", Bool(true)),
            ("tRUE", Str),
            ("yes", Str),
            ("on", Str),
            ("n", Str),
            ("010", Int(8)),
            ("0o10", Int(8)),
            ("0xff", Int(255)),
            ("0b11", Int(3)),
            ("-0b11", Int(-3)),
            ("1_000", Int(1000)),
            ("+5", Int(5)),
            ("-0", Int(0)),
            ("089", Float(89.0)),
            ("3.10", Float(3.1)),
            ("1e3", Float(1000.0)),
            (".5", Float(0.5)),
            ("1.", Float(1.0)),
            ("1e", Str),
            ("0x", Str),
            ("1e999", Str),
            ("18446744073709551615", Int(18_446_744_073_709_551_615)),
            ("18446744073709551616", Float(18_446_744_073_709_551_616.0)),
            ("22:22", Str),
            ("12:30:45", Str),
            ("1.2.3", Str),
            ("-", Str),
            ("2020-02-30", Str),
            ("2020-13-01", Str),
        ] {
            assert_eq!(resolve(text), expected, "{text:?}");
        }
    }

    #[test]
    fn times_print_as_in_go() {
        for (text, printed, rfc3339) in [
            ("2020-01-01", "2020-01-01 00:00:00 +0000 UTC", "2020-01-01T00:00:00Z"),
            ("2020-1-1", "2020-01-01 00:00:00 +0000 UTC", "2020-01-01T00:00:00Z"),
            ("2020-01-01T10:00:00Z", "2020-01-01 10:00:00 +0000 UTC", "2020-01-01T10:00:00Z"),
            ("2020-01-01 1:2:3", "2020-01-01 01:02:03 +0000 UTC", "2020-01-01T01:02:03Z"),
            (
                "2020-01-01t10:00:00.50+05:30",
                "2020-01-01 10:00:00.5 +0530 +0530",
                "2020-01-01T10:00:00.5+05:30",
            ),
        ] {
            let expected = Time { printed: printed.into(), rfc3339: rfc3339.into() };
            assert_eq!(resolve(text), Scalar::Time(expected), "{text}");
        }
    }

    #[test]
    fn floats_print_as_in_go() {
        for (value, expected) in [
            (3.1, "3.1"),
            (1.0, "1"),
            (1e5, "100000"),
            (1e6, "1e+06"),
            (123_456_789.0, "1.23456789e+08"),
            (16_777_216.0, "1.6777216e+07"),
            (1e20, "1e+20"),
            (1e-5, "1e-05"),
            (0.0001, "0.0001"),
            (-2.5, "-2.5"),
        ] {
            assert_eq!(format_float(value), expected);
        }
    }
}
