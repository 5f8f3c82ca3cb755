//! The results of a test, as a person reads them: each stage once, as soon as it ended.

use indicatif::ProgressBar;

use crate::{
    acceptance::{Level, Outcome as Ended, Server, Stage, Verdict},
    cli::{
        failure::Failure,
        progress::spinner,
        ui::{Ui, clean},
    },
};

/// Shows stages while they run and when they ended.
pub struct Results<'a> {
    ui: &'a Ui,
    /// Whether standard output is for JSON: then people read standard error.
    json: bool,
    running: Option<ProgressBar>,
}

impl<'a> Results<'a> {
    pub fn new(ui: &'a Ui, json: bool) -> Self {
        Results { ui, json, running: None }
    }

    /// A stage began; only a terminal shows it.
    pub fn begin(&mut self, stage: Stage) {
        self.running = Some(spinner(self.ui.bars(), &format!("{stage} …")));
    }

    /// A stage ended.
    ///
    /// # Errors
    /// When standard output cannot be written.
    pub fn end(&mut self, ended: &Ended) -> Result<(), Failure> {
        self.clear();
        let lines = lines(ended);
        if !self.json {
            return self.ui.out_lines(lines.join("\n"));
        }
        for line in lines {
            self.ui.say(line);
        }
        Ok(())
    }

    fn clear(&mut self) {
        if let Some(running) = self.running.take() {
            running.finish_and_clear();
        }
    }
}

impl Drop for Results<'_> {
    fn drop(&mut self) {
        self.clear();
    }
}

/// A line of the results, then what there is to say of it.
fn lines(ended: &Ended) -> Vec<String> {
    let (word, stage) = (ended.verdict.word(), ended.stage.name());
    let seconds = format!("{:.1} s", ended.seconds.as_secs_f64());
    let first = format!("{word:<14}  {stage:<11}  {seconds:>8}  {}", ended.stage.about());
    let said = ended.verdict.why().or(ended.lacks.as_deref()).unwrap_or_default();
    let said = said.lines().map(|line| format!("    {}", clean(line)));
    let typed = match ended.verdict {
        Verdict::Failed(_) => ended.commands.as_slice(),
        _ => &[],
    };
    let typed = typed.iter().map(|command| format!("    $ {}", clean(command)));
    [first].into_iter().chain(said).chain(typed).collect()
}

/// The level, what it is without, and what keeps it from the next one.
///
/// # Errors
/// When standard output cannot be written.
pub fn show(ui: &Ui, level: &Level, server: Server) -> Result<(), Failure> {
    ui.out(level.sentence(server))?;
    for part in &level.without {
        let (what, why) = (part.what, clean(first_line(&part.why)));
        ui.out_lines(format_args!("    without {what}: {why}"))?;
    }
    if let Some(why) = &level.stopped_by {
        let why = clean(first_line(why));
        ui.out_lines(format_args!("    not level {}: {why}", level.level + 1))?;
    }
    Ok(())
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_stage_is_a_line_with_what_there_is_to_say_below() {
        let ended = |verdict, lacks: Option<&str>| Ended {
            stage: Stage::Upgrade,
            verdict,
            lacks: lacks.map(str::to_owned),
            seconds: Duration::from_millis(61_250),
            commands: vec!["potluck app new x".into()],
        };
        let about = "an app of an earlier version is upgraded, with its data";
        for (ended, expected) in [
            (
                ended(Verdict::Passed, Some("itself")),
                vec![
                    format!("passed          upgrade        61.2 s  {about}"),
                    "    itself".to_owned(),
                ],
            ),
            (
                ended(Verdict::Failed("a\nb\u{1b}[2J".into()), None),
                vec![
                    format!("failed          upgrade        61.2 s  {about}"),
                    "    a".to_owned(),
                    "    b\u{fffd}".to_owned(),
                    "    $ potluck app new x".to_owned(),
                ],
            ),
        ] {
            assert_eq!(lines(&ended), expected);
        }
    }
}
