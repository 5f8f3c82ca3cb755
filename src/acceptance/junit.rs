//! The results as JUnit's XML, which every CI shows.

use std::fmt::Write as _;

use super::{Level, Outcome, Server, Verdict};
use crate::text::is_hidden;

/// One suite with the recipe's name, a case for each stage, and the level as properties; none
/// where stages were left out.
pub fn junit(recipe: &str, outcomes: &[Outcome], level: Option<(&Level, Server)>) -> String {
    let count = |is: fn(&Verdict) -> bool| outcomes.iter().filter(|it| is(&it.verdict)).count();
    let failures = count(|verdict| matches!(verdict, Verdict::Failed(_)));
    let skipped = count(|verdict| !matches!(verdict, Verdict::Failed(_) | Verdict::Passed));
    let seconds: f64 = outcomes.iter().map(|outcome| outcome.seconds.as_secs_f64()).sum();
    let recipe = escaped(recipe);
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let _ = writeln!(
        out,
        "<testsuite name=\"{recipe}\" tests=\"{}\" failures=\"{failures}\" errors=\"0\" \
         skipped=\"{skipped}\" time=\"{seconds:.3}\">",
        outcomes.len()
    );
    if let Some((level, server)) = level {
        out.push_str("  <properties>\n");
        let property = |out: &mut String, name: &str, value: &str| {
            let value = escaped(value);
            let _ = writeln!(out, "    <property name=\"{name}\" value=\"{value}\"/>");
        };
        property(&mut out, "level", &level.level.to_string());
        property(&mut out, "shows", &level.sentence(server));
        for part in &level.without {
            property(&mut out, "without", &format!("{}: {}", part.what, part.why));
        }
        out.push_str("  </properties>\n");
    }
    for outcome in outcomes {
        let _ = write!(
            out,
            "  <testcase classname=\"{recipe}\" name=\"{}\" time=\"{:.3}\"",
            outcome.stage,
            outcome.seconds.as_secs_f64()
        );
        let word = outcome.verdict.word();
        let _ = match &outcome.verdict {
            Verdict::Passed => match &outcome.lacks {
                None => writeln!(out, "/>"),
                Some(lacks) => {
                    let lacks = escaped(lacks);
                    writeln!(out, ">\n    <system-out>{lacks}</system-out>\n  </testcase>")
                }
            },
            Verdict::Failed(why) => {
                let first = escaped(why.lines().next().unwrap_or_default());
                let typed = escaped(&outcome.commands.join("\n"));
                let why = escaped(why);
                writeln!(
                    out,
                    ">\n    <failure message=\"{first}\">{why}\n\n{typed}</failure>\n  </testcase>"
                )
            }
            Verdict::NotApplicable(why) | Verdict::NotShown(why) | Verdict::NotRun(why) => {
                let first = escaped(why.lines().next().unwrap_or_default());
                let why = escaped(why);
                let body = match why == first {
                    true => "/>".to_owned(),
                    false => format!(">{why}</skipped>"),
                };
                writeln!(out, ">\n    <skipped message=\"{word}: {first}\"{body}\n  </testcase>")
            }
        };
    }
    out.push_str("</testsuite>\n");
    out
}

/// What XML 1.0 cannot hold is left out; what shows nothing, too.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            '\n' => out.push('\n'),
            '\u{fffe}' | '\u{ffff}' => {}
            c if c.is_control() || is_hidden(c) => {}
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::acceptance::{Stage, level};

    #[test]
    fn what_a_recipe_says_stays_text() {
        let outcome = |stage, verdict| Outcome {
            stage,
            verdict,
            lacks: None,
            seconds: Duration::from_millis(1250),
            commands: vec!["potluck app deploy 'a&b'".into()],
        };
        let outcomes = [
            outcome(Stage::Lint, Verdict::Passed),
            outcome(Stage::Install, Verdict::Failed("no </failure>\u{1b}[2J\nhint: \"x\"".into())),
            outcome(Stage::Again, Verdict::NotRun("install failed".into())),
        ];
        assert_eq!(
            junit("wiki", &outcomes, None),
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
             <testsuite name=\"wiki\" tests=\"3\" failures=\"1\" errors=\"0\" skipped=\"1\" time=\"3.750\">\n\
             \x20 <testcase classname=\"wiki\" name=\"lint\" time=\"1.250\"/>\n\
             \x20 <testcase classname=\"wiki\" name=\"install\" time=\"1.250\">\n\
             \x20   <failure message=\"no &lt;/failure&gt;[2J\">no &lt;/failure&gt;[2J\nhint: &quot;x&quot;\n\n\
             potluck app deploy 'a&amp;b'</failure>\n\
             \x20 </testcase>\n\
             \x20 <testcase classname=\"wiki\" name=\"again\" time=\"1.250\">\n\
             \x20   <skipped message=\"not run: install failed\"/>\n\
             \x20 </testcase>\n\
             </testsuite>\n"
        );
    }
    #[test]
    fn the_level_comes_with_what_it_lacks() {
        let outcome = |stage, verdict, lacks: Option<&str>| Outcome {
            stage,
            verdict,
            lacks: lacks.map(str::to_owned),
            seconds: Duration::ZERO,
            commands: vec![],
        };
        let outcomes = [
            outcome(Stage::Lint, Verdict::Passed, None),
            outcome(Stage::Install, Verdict::Passed, Some("half of it")),
        ];
        let found = level(&outcomes, Server::Simulated, 0);
        let xml = junit("wiki", &outcomes, Some((&found, Server::Simulated)));
        for line in [
            "  <properties>\n    <property name=\"level\" value=\"1\"/>\n",
            "    <property name=\"shows\" value=\"Level 1, on a simulated server, without an install: \
             can be installed.\"/>\n",
            "    <property name=\"without\" value=\"an install: half of it\"/>\n  </properties>\n",
            "name=\"install\" time=\"0.000\">\n    <system-out>half of it</system-out>\n",
        ] {
            assert!(xml.contains(line), "{line:?} is missing:\n{xml}");
        }
    }
}
