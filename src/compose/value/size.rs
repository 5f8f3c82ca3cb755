//! Sizes (docker/go-units, `RAMInBytes`) and shares of CPUs.

/// Reads `512m`, `1.5gb`, `64KiB`, `100`, in bytes; all units are binary.
pub fn parse(text: &str) -> Result<i64, String> {
    let bad = || format!("`{text}` is not a size: write a number with b, k, m, g, t or p");
    let end = text.rfind(|c: char| c.is_ascii_digit() || matches!(c, '.' | ' ')).ok_or_else(bad)?;
    let (number, suffix) = text.split_at(end + 1);
    let number = number.strip_suffix(' ').unwrap_or(number);
    let value: f64 = go_float(number).ok_or_else(bad)?;
    if value < 0.0 {
        return Err(bad());
    }
    let suffix = suffix.to_lowercase();
    let unit = match suffix.strip_suffix("ib").or_else(|| suffix.strip_suffix('b')) {
        Some(unit) => unit,
        None => &suffix,
    };
    // `b` alone and nothing are bytes; `ib` is neither.
    let power = match unit {
        "" if suffix != "ib" => 0,
        "k" => 1,
        "m" => 2,
        "g" => 3,
        "t" => 4,
        "p" => 5,
        _ => return Err(bad()),
    };
    let bytes = value * f64::from(1024).powi(power);
    if bytes >= 9_223_372_036_854_775_808.0 {
        return Err(format!("the size `{text}` is too large"));
    }
    #[allow(clippy::cast_possible_truncation, reason = "checked above")]
    Ok(bytes as i64)
}

/// Decimal numbers of Go's `strconv.ParseFloat`.
fn go_float(text: &str) -> Option<f64> {
    super::scalar::parse_float(text)
}

/// Reads a share of CPUs, `0.25`, `2`, `1/4`, in billionths; it must come out
/// exact (docker/cli, `opts.ParseCPUs`).
pub fn parse_cpus(text: &str) -> Result<i64, String> {
    let bad = || format!("`{text}` is not a number of CPUs");
    let (numerator, denominator) = ratio(text).ok_or_else(bad)?;
    let nano = numerator.checked_mul(1_000_000_000).ok_or_else(bad)?;
    if nano % denominator != 0 {
        return Err(format!("`{text}` is too precise: CPUs are counted in billionths"));
    }
    i64::try_from(nano / denominator).map_err(|_| bad())
}

/// Go's `big.Rat.SetString`, for numbers of a sensible size.
fn ratio(text: &str) -> Option<(i128, i128)> {
    if let Some((a, b)) = text.split_once('/') {
        let (a, b) = (a.parse::<i64>().ok()?, b.parse::<u32>().ok()?);
        return (b != 0).then_some((a.into(), b.into()));
    }
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((m, e)) => (m, e.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let negative = mantissa.starts_with('-');
    let body = mantissa.strip_prefix(['-', '+']).unwrap_or(mantissa);
    let (whole, fraction) = body.split_once('.').unwrap_or((body, ""));
    let fraction = fraction.trim_end_matches('0');
    let all = format!("{whole}{fraction}");
    if !body.bytes().any(|b| b.is_ascii_digit()) || !all.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let all = all.trim_start_matches('0');
    let number: i128 = if all.is_empty() { 0 } else { all.parse::<u64>().ok()?.into() };
    let number = if negative { -number } else { number };
    let scale = i32::try_from(fraction.len()).ok()? - exponent;
    let power = 10_i128.checked_pow(scale.unsigned_abs()).filter(|p| *p <= 1 << 64)?;
    if scale >= 0 { Some((number, power)) } else { Some((number.checked_mul(power)?, 1)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (text, bytes) in [
            ("100", 100),
            ("100b", 100),
            ("1k", 1024),
            ("1K", 1024),
            ("1kb", 1024),
            ("1KiB", 1024),
            ("512m", 512 << 20),
            ("1.5gb", 3 << 29),
            ("1 g", 1 << 30),
            ("2t", 2 << 40),
            ("0", 0),
            (".5k", 512),
        ] {
            assert_eq!(parse(text), Ok(bytes), "{text}");
        }
        for text in ["", "k", "-1m", "1x", "1 kk", "one", "1ib", "8388608t", "1e400"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn cpus() {
        for (text, nano) in [
            ("1", 1_000_000_000),
            ("0.25", 250_000_000),
            (".5", 500_000_000),
            ("0.000000001", 1),
            ("1/4", 250_000_000),
            ("1e-1", 100_000_000),
            ("2.50000000000", 2_500_000_000),
            ("0", 0),
        ] {
            assert_eq!(parse_cpus(text), Ok(nano), "{text}");
        }
        for text in ["", "x", "1/3", "0.0000000001", "1/0", "1e99", "99999999999999", "--1"] {
            assert!(parse_cpus(text).is_err(), "{text}");
        }
    }
}
