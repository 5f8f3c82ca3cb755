//! The lines by which a file is known as ours, and what it says: only such files are
//! replaced, listed and removed.

use super::{Error, Schedule, text};

/// Begins every file, and every part of a crontab, that we write.
const FIRST: &str = "# potluck schedule ";
const REMOVED_BY: &str =
    "# Written by `potluck backup schedule install`; `potluck backup schedule rm` removes it.";

/// What a file of ours says of its schedule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    pub name: String,
    pub folder: String,
    pub expression: String,
    pub zone: String,
    /// What is run.
    pub command: String,
}

/// The mark of a schedule, line by line.
///
/// # Errors
/// [`Error::Path`].
pub fn lines(schedule: &Schedule) -> Result<String, Error> {
    let Schedule { name, expression, zone, folder, arguments, .. } = schedule;
    Ok(format!(
        "{FIRST}{name}\n{REMOVED_BY}\n# folder: {}\n# when: {}\n# zone: {zone}\n# runs: potluck {}\n",
        text(folder)?,
        expression.as_str(),
        arguments.join(" ")
    ))
}

/// The last line of a part of a crontab.
pub fn last(name: &str) -> String {
    format!("# end of potluck schedule {name}\n")
}

/// Where a schedule's part of a crontab begins and ends, in bytes.
pub fn part(crontab: &str, name: &str) -> Option<std::ops::Range<usize>> {
    let begin = crontab.match_indices(FIRST).map(|(at, _)| at).find(|&at| {
        let starts = at == 0 || crontab.as_bytes()[at - 1] == b'\n';
        starts && crontab[at + FIRST.len()..].lines().next() == Some(name)
    })?;
    let last = last(name);
    let end = begin + crontab[begin..].find(&last)? + last.len();
    Some(begin..end)
}

/// The marks in a file of systemd or of cron, or in a crontab.
pub fn read(text: &str) -> Vec<Mark> {
    let mut marks: Vec<Mark> = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let Some(name) = line.strip_prefix(FIRST) else { continue };
        let of = |key: &str| {
            let found = lines.clone().take(6).find_map(|line| line.strip_prefix(key));
            found.unwrap_or_default().to_owned()
        };
        marks.push(Mark {
            folder: of("# folder: "),
            expression: of("# when: "),
            zone: of("# zone: "),
            command: of("# runs: "),
            name: name.to_owned(),
        });
    }
    marks
}

#[cfg(test)]
mod tests {
    use super::{super::expression::Expression, *};

    pub(in crate::backup::schedule) fn schedule(name: &str) -> Schedule {
        Schedule {
            name: name.into(),
            expression: Expression::parse("30  3 * * *").unwrap(),
            zone: "UTC".into(),
            jitter: 900,
            arguments: ["backup", "run"].map(String::from).into(),
            about: "Backups",
            program: "/usr/bin/potluck".into(),
            folder: "/srv/a b".into(),
            path: "/usr/bin:/bin".into(),
            home: Some("/root".into()),
        }
    }

    #[test]
    fn a_mark_is_found_again() {
        let text = lines(&schedule("nightly")).unwrap();
        let mark = Mark {
            name: "nightly".into(),
            folder: "/srv/a b".into(),
            expression: "30 3 * * *".into(),
            zone: "UTC".into(),
            command: "potluck backup run".into(),
        };
        assert_eq!(read(&text), [mark]);
        assert_eq!(read("# a crontab\n0 3 * * * backup\n"), []);
        let evil = Schedule { folder: "/srv/a\n# x".into(), ..schedule("x") };
        assert!(matches!(lines(&evil), Err(Error::Path { .. })));
    }

    #[test]
    fn a_part_of_a_crontab_ends_where_its_own_mark_ends() {
        let of =
            |name: &str| format!("{}30 3 * * * x\n{}", lines(&schedule(name)).unwrap(), last(name));
        let crontab = format!("MAILTO=a\n{}{}0 1 * * * other\n", of("one"), of("one-two"));
        let range = part(&crontab, "one-two").unwrap();
        assert_eq!(crontab[range.clone()], of("one-two"));
        let mut left = crontab.clone();
        left.replace_range(range, "");
        assert_eq!(left, format!("MAILTO=a\n{}0 1 * * * other\n", of("one")));
        assert_eq!(part(&crontab, "two"), None);
        // One whose end somebody took away is nobody's to remove.
        assert_eq!(part(&lines(&schedule("one")).unwrap(), "one"), None);
    }
}
