//! The service and the timer of a schedule, for systemd (`systemd.service(5)`,
//! `systemd.timer(5)`).

use super::{Error, Schedule, calendar::on_calendar, mark, text};

/// The service: runs once; only potluck itself gets the signal to end.
///
/// # Errors
/// [`Error::Path`].
pub fn service(schedule: &Schedule) -> Result<String, Error> {
    let Schedule { about, program, folder, path, home, arguments, .. } = schedule;
    let mut environment = vec![format!("POTLUCK_DIR={}", text(folder)?), format!("PATH={path}")];
    if let Some(home) = home {
        environment.push(format!("HOME={}", text(home)?));
    }
    let environment: String = environment
        .iter()
        .map(|assignment| format!("Environment={}\n", quoted(assignment)))
        .collect();
    let mut command = vec![argument(&text(program)?), "--no-input".into()];
    command.extend(arguments.iter().map(|it| argument(it)));
    Ok(format!(
        "{}
[Unit]
Description={about} of the apps in {}
Wants=network-online.target
After=network-online.target docker.service

[Service]
Type=oneshot
{environment}ExecStart={}
# A backup takes as long as it takes, and ends in a clean state on SIGTERM.
TimeoutStartSec=infinity
TimeoutStopSec=5min
KillMode=mixed
Nice=10
",
        mark::lines(schedule)?,
        percent(&text(folder)?),
        command.join(" ")
    ))
}

/// The timer: a time that passed while the machine was off is made up for.
///
/// # Errors
/// [`Error::Path`].
pub fn timer(schedule: &Schedule) -> Result<String, Error> {
    let Schedule { about, folder, expression, zone, jitter, .. } = schedule;
    let calendar: String =
        on_calendar(expression, zone).iter().map(|line| format!("OnCalendar={line}\n")).collect();
    Ok(format!(
        "{}
[Unit]
Description={about} of the apps in {}

[Timer]
{calendar}RandomizedDelaySec={jitter}
Persistent=true

[Install]
WantedBy=timers.target
",
        mark::lines(schedule)?,
        percent(&text(folder)?)
    ))
}

/// `%` begins a specifier everywhere.
fn percent(text: &str) -> String {
    text.replace('%', "%%")
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", percent(text).replace('\\', "\\\\").replace('"', "\\\""))
}

/// In a command, `$` names a variable as well.
fn argument(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-=:,@+".contains(c);
    match !text.is_empty() && text.chars().all(plain) {
        true => text.to_owned(),
        false => quoted(text).replace('$', "$$"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_systemd_would_read_as_its_own_is_written_so_that_it_does_not() {
        for (text, as_argument, as_assignment) in [
            ("/usr/bin/potluck", "/usr/bin/potluck", "\"/usr/bin/potluck\""),
            ("/srv/a b", "\"/srv/a b\"", "\"/srv/a b\""),
            ("/srv/100%", "\"/srv/100%%\"", "\"/srv/100%%\""),
            ("/srv/$x", "\"/srv/$$x\"", "\"/srv/$x\""),
            ("a\"b\\", r#""a\"b\\""#, r#""a\"b\\""#),
            ("*", "\"*\"", "\"*\""),
        ] {
            assert_eq!(argument(text), as_argument);
            assert_eq!(quoted(text), as_assignment);
        }
    }
}
