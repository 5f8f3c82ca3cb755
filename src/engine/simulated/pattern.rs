//! What the files that script services have in common, a simulated server's and a
//! scenario's: when a rule is for something.

/// Whether the text is as the pattern says, whose `*` stand for any text.
pub fn fits(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let mut parts: Vec<_> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

/// Whether the text is as the pattern says, if there is one.
pub fn fits_any(pattern: Option<&str>, text: &str) -> bool {
    pattern.is_none_or(|pattern| fits(pattern, text))
}

/// Whether a rule is for these arguments: `command` has a pattern for each of them,
/// `matches` one for all, with a space between them. One that has neither is for every
/// program.
pub fn fits_command(command: Option<&[String]>, matches: Option<&str>, argv: &[String]) -> bool {
    let each = command.is_none_or(|patterns| {
        patterns.len() == argv.len()
            && patterns.iter().zip(argv).all(|(pattern, text)| fits(pattern, text))
    });
    each && fits_any(matches, &argv.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_text() {
        for (pattern, text, expected) in [
            ("db", "db", true),
            ("db", "db2", false),
            ("*", "", true),
            ("*:broken", "shop/web:broken", true),
            ("mariadb-dump *", "mariadb-dump --all", true),
            ("a*b*c", "a--b--c", true),
            ("a*b*c", "a--c--b", false),
            ("ab*ba", "aba", false),
        ] {
            assert_eq!(fits(pattern, text), expected, "{pattern} on {text}");
        }
    }

    #[test]
    fn a_program_is_told_by_each_argument_or_by_all() {
        let argv = ["sh", "-c", "ls *"].map(str::to_owned);
        for (command, matches, expected) in [
            (None, None, true),
            (Some(&["sh", "-c", "ls *"][..]), None, true),
            (Some(&["sh", "-c", "*"]), None, true),
            (Some(&["sh", "*"]), None, false),
            (Some(&["sh", "-c"]), None, false),
            (None, Some("sh *"), true),
            (None, Some("ls *"), false),
            (Some(&["sh", "*", "*"]), Some("*ls*"), true),
            (Some(&["sh", "*", "*"]), Some("*rm*"), false),
        ] {
            let command: Option<Vec<String>> =
                command.map(|words| words.iter().map(|&word| word.to_owned()).collect());
            let fit = fits_command(command.as_deref(), matches, &argv);
            assert_eq!(fit, expected, "{command:?} {matches:?}");
        }
    }
}
