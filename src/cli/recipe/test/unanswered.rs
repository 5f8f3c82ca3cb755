//! A program for which nothing answers on a simulated server: what to write, and where.

use std::fmt;

use crate::{engine::simulated::UNANSWERED, recipe::ANSWERS};

/// A program that a test of a recipe needs an answer for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unanswered {
    service: String,
    argv: Vec<String>,
    /// Whether only its input has no answer.
    by_input: bool,
}

/// Characters of a command that are shown, and of a part by which it is known.
const SHOWN: usize = 80;
const PART: usize = 60;

impl Unanswered {
    /// What a command says that failed for it; none where it failed for something else.
    pub fn of(said: &str) -> Option<Self> {
        let (_, rest) = said.split_once(UNANSWERED)?;
        let mut service = serde_json::Deserializer::from_str(rest).into_iter::<String>();
        let name = service.next()?.ok()?;
        let rest = rest[service.byte_offset()..].strip_prefix(" for ")?;
        let mut argv = serde_json::Deserializer::from_str(rest).into_iter::<Vec<String>>();
        // One that was cut off is as good as one that nobody can read.
        let words = argv.next().and_then(Result::ok).unwrap_or_default();
        let by_input = rest[argv.byte_offset()..].starts_with(" with this input");
        Some(Unanswered { service: name, argv: words, by_input })
    }

    /// As a person would write it, on one line; of a script the end, which is what it is for,
    /// most often.
    fn command(&self) -> String {
        match self.last_line() {
            Some(last) => format!("{} … {last}", self.argv[0]),
            None => self.argv.join(" "),
        }
    }

    /// The end of what is too long to be shown; none of what is not.
    fn last_line(&self) -> Option<String> {
        let all = self.argv.join(" ");
        if !all.contains('\n') && all.chars().count() <= SHOWN {
            return None;
        }
        let last = all.lines().rev().map(str::trim).find(|line| !line.is_empty())?;
        Some(last.chars().take(PART).collect())
    }

    /// The rule that fits it, without its answer.
    fn rule(&self) -> String {
        let service = json(&self.service);
        let command = match self.last_line() {
            _ if self.argv.is_empty() => "matches: \"*\"".to_owned(),
            Some(last) => format!("matches: {}", json(&format!("{} *{last}*", self.argv[0]))),
            None => {
                let words: Vec<String> = self.argv.iter().map(|word| json(word)).collect();
                format!("command: [{}]", words.join(", "))
            }
        };
        match self.by_input {
            true => format!(
                "{{service: {service}, {command}, answers: [{{contains: \"…\", stdout: \"…\"}}]}}"
            ),
            false => format!("{{service: {service}, {command}, stdout: \"…\"}}"),
        }
    }
}

/// A text in quotation marks, as YAML has it, too.
fn json(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

impl fmt::Display for Unanswered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let input = if self.by_input { " to what it is given" } else { "" };
        let (service, command, rule) = (&self.service, self.command(), self.rule());
        write!(
            f,
            "service '{service}': '{command}': a simulated server runs no programs, and {ANSWERS} \
             has no answer{input}\nadd it, with what the program prints, or test on a real server \
             with --server:\nexec:\n- {rule}"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(service: &str, argv: &[&str], rest: &str) -> Unanswered {
        let argv = serde_json::to_string(argv).unwrap();
        let line = format!("error: x\n    | {UNANSWERED}{} for {argv}{rest}\n", json(service));
        Unanswered::of(&line).unwrap()
    }

    #[test]
    fn the_rule_to_write_fits_the_program() {
        let script = "set -eu\nclient=redis-cli\nredis --rdb -\n";
        for (argv, command, rule) in [
            (
                &["pg_dump", "-U", "wiki"][..],
                "pg_dump -U wiki",
                r#"{service: "db", command: ["pg_dump", "-U", "wiki"], stdout: "…"}"#,
            ),
            (
                &["sh", "-c", script],
                "sh … redis --rdb -",
                r#"{service: "db", matches: "sh *redis --rdb -*", stdout: "…"}"#,
            ),
        ] {
            let found = said("db", argv, "; one is written");
            assert_eq!(found.command().trim(), command);
            assert_eq!(found.rule(), rule);
            let text = format!("exec:\n- {rule}\n");
            let read = crate::engine::simulated::Script::parse(&text).unwrap();
            assert_eq!(read.exec[0].service.as_deref(), Some("db"));
        }
    }

    #[test]
    fn an_input_without_an_answer_is_told_from_a_program_without_one() {
        let found = said("app", &["php"], " with this input");
        assert!(found.to_string().contains("no answer to what it is given"), "{found}");
        assert!(found.rule().contains("contains: "), "{found}");
        assert!(found.to_string().starts_with("service 'app': 'php': "), "{found}");
    }

    #[test]
    fn what_is_cut_off_still_names_the_service() {
        let found = Unanswered::of(&format!("{UNANSWERED}\"db\" for [\"sh\", \"-c")).unwrap();
        assert_eq!(found.rule(), r#"{service: "db", matches: "*", stdout: "…"}"#);
        assert_eq!(Unanswered::of("error: exit code 1"), None);
    }
}
