//! An expression in systemd's words (`systemd.time(7)`, "Calendar events").
//!
//! `30 3 * * 1-5` becomes `Mon..Fri *-*-* 03:30:00 Europe/Brussels`. Where cron has both a day
//! of the month and a day of the week, either will do; systemd wants both, so there it takes
//! two lines, and a day that fits both is due once.

use super::Expression;

/// In systemd's order; cron counts from Sunday.
const WEEKDAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

/// The values of `OnCalendar=` that together mean the same.
pub fn on_calendar(expression: &Expression, zone: &str) -> Vec<String> {
    let [minutes, hours, days, months, weekdays] = &expression.values;
    let numbers = |values: &Option<Vec<u32>>| match values {
        None => "*".to_owned(),
        Some(values) => listed(values, |number| format!("{number:02}")),
    };
    let line = |weekdays: &Option<Vec<u32>>, days: &Option<Vec<u32>>| {
        let weekdays = weekdays.as_ref().map_or_else(String::new, |weekdays| {
            let mut days: Vec<u32> = weekdays.iter().map(|day| (day + 6) % 7).collect();
            days.sort_unstable();
            format!("{} ", listed(&days, |day| WEEKDAYS[day as usize].to_owned()))
        });
        format!(
            "{weekdays}*-{}-{} {}:{}:00 {zone}",
            numbers(months),
            numbers(days),
            numbers(hours),
            numbers(minutes)
        )
    };
    match (days, weekdays) {
        (Some(_), Some(_)) => vec![line(weekdays, &None), line(&None, days)],
        _ => vec![line(weekdays, days)],
    }
}

/// Values with commas between them; three and more in a row as a range.
fn listed(values: &[u32], shown: impl Fn(u32) -> String) -> String {
    let mut parts = Vec::new();
    let mut at = 0;
    while at < values.len() {
        let run = values[at..].iter().zip(values[at]..).take_while(|(a, b)| **a == *b).count();
        if run > 2 {
            parts.push(format!("{}..{}", shown(values[at]), shown(values[at + run - 1])));
            at += run;
        } else {
            parts.push(shown(values[at]));
            at += 1;
        }
    }
    parts.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cron_means_in_systemds_words() {
        for (text, lines) in [
            ("30 3 * * *", &["*-*-* 03:30:00 UTC"][..]),
            ("*/15 * * * *", &["*-*-* *:00,15,30,45:00 UTC"]),
            ("0 1,13 * * 1-5", &["Mon..Fri *-*-* 01,13:00:00 UTC"]),
            ("0 3 * * 0,6", &["Sat,Sun *-*-* 03:00:00 UTC"]),
            ("0 3 * * 7", &["Sun *-*-* 03:00:00 UTC"]),
            ("0 3 * * 5-7", &["Fri..Sun *-*-* 03:00:00 UTC"]),
            ("0 3 1-7 jan,jul *", &["*-01,07-01..07 03:00:00 UTC"]),
            ("10-20/5 3 1 * *", &["*-*-01 03:10,15,20:00 UTC"]),
            ("0 1 13 * fri", &["Fri *-*-* 01:00:00 UTC", "*-*-13 01:00:00 UTC"]),
            ("@monthly", &["*-*-01 00:00:00 UTC"]),
        ] {
            assert_eq!(on_calendar(&Expression::parse(text).unwrap(), "UTC"), lines, "{text}");
        }
    }
}
