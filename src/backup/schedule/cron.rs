//! The entry of a schedule for cron (`crontab(5)`).
//!
//! Everything that the command needs is in the command: a variable of a crontab would hold
//! for the entries below it, too. Cron reads the times in the machine's own zone.

use super::{Error, Schedule, mark, text};

/// Debian's cron cuts off what is longer (`MAX_COMMAND` in its `cron.h`).
const LONGEST: usize = 990;

/// Whose crontab it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    /// A file in `/etc/cron.d`, whose entries name a user.
    System,
    /// A part of a user's own crontab.
    User,
}

/// The entry with its mark.
///
/// # Errors
/// [`Error::Path`], [`Error::TooLong`].
pub fn entry(schedule: &Schedule, whose: Whose) -> Result<String, Error> {
    let Schedule { name, expression, program, folder, path, jitter, arguments, .. } = schedule;
    let mut command = vec![
        format!("POTLUCK_DIR={}", quoted(&text(folder)?)),
        format!("PATH={}", quoted(path)),
        quoted(&text(program)?),
        "--no-input".into(),
    ];
    command.extend(arguments.iter().map(|argument| quoted(argument)));
    if *jitter > 0 {
        command.push(format!("--jitter {jitter}s"));
    }
    let command = command.join(" ");
    if command.len() > LONGEST {
        return Err(Error::TooLong { length: command.len(), most: LONGEST });
    }
    let (user, last) = match whose {
        Whose::System => ("root ", String::new()),
        Whose::User => ("", mark::last(name)),
    };
    Ok(format!("{}{} {user}{command}\n{last}", mark::lines(schedule)?, expression.as_str()))
}

/// For the shell; and cron ends a command at `%`.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-=:,@+".contains(c);
    let quoted = match !text.is_empty() && text.chars().all(plain) {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', r"'\''")),
    };
    quoted.replace('%', r"\%")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_shell_or_cron_would_read_is_quoted() {
        for (text, expected) in [
            ("/usr/bin/potluck", "/usr/bin/potluck"),
            ("/srv/a b", "'/srv/a b'"),
            ("*.example", "'*.example'"),
            ("it's", r"'it'\''s'"),
            ("100%", r"'100\%'"),
        ] {
            assert_eq!(quoted(text), expected);
        }
    }
}
