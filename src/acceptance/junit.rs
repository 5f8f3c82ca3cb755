//! The results as JUnit's XML, which every CI shows.

use std::fmt::Write as _;

use super::{Outcome, Verdict};
use crate::text::is_hidden;

/// One suite, called as the recipe, with a case for each stage.
pub fn junit(recipe: &str, outcomes: &[Outcome]) -> String {
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
    for outcome in outcomes {
        let _ = write!(
            out,
            "  <testcase classname=\"{recipe}\" name=\"{}\" time=\"{:.3}\"",
            outcome.stage,
            outcome.seconds.as_secs_f64()
        );
        let word = outcome.verdict.word();
        let _ = match &outcome.verdict {
            Verdict::Passed => writeln!(out, "/>"),
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
                let why = escaped(why);
                writeln!(out, ">\n    <skipped message=\"{word}: {why}\"/>\n  </testcase>")
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
    use crate::acceptance::Stage;

    #[test]
    fn what_a_recipe_says_stays_text() {
        let outcome = |stage, verdict| Outcome {
            stage,
            verdict,
            seconds: Duration::from_millis(1250),
            commands: vec!["potluck app deploy 'a&b'".into()],
        };
        let outcomes = [
            outcome(Stage::Lint, Verdict::Passed),
            outcome(Stage::Install, Verdict::Failed("no </failure>\u{1b}[2J\nhint: \"x\"".into())),
            outcome(Stage::Again, Verdict::NotRun("install failed".into())),
        ];
        assert_eq!(
            junit("wiki", &outcomes),
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
}
