//! Commands that people know from abra, and that potluck has under another name or does not
//! have. docs/from-abra.md is the whole table, and is held to the program by a test here.

use std::ffi::OsString;

use clap::error::{ContextKind, Error, ErrorKind};

use super::foreign_flags::{command, is_of, suggest};

/// The beginning of a command; what to do instead. The first match counts.
const FOREIGN: &[(&str, &str)] = &[
    ("app backup create", "potluck's command is 'potluck backup create APP'"),
    ("app backup snapshots", "potluck's command is 'potluck backup snapshots APP'"),
    ("app backup list", "potluck's command is 'potluck backup ls APP SET ITEM'"),
    ("app backup download", "potluck's command is 'potluck backup download APP SET ITEM'"),
    ("app backup", "potluck's command is 'potluck backup create APP'"),
    ("app restore", "potluck's command is 'potluck backup restore APP SET'"),
    ("app version", "potluck's command is 'potluck app ls --status'"),
    ("server init", "potluck's command is 'potluck server provision HOST'"),
    ("self", "potluck does not replace itself: get its newer version as you got this one"),
    ("version", "potluck's flag is '--version'"),
    ("kadabra", "potluck's command is 'potluck upgrade run', on whichever machine has cron"),
    ("upgrade", "potluck does not replace itself: get its newer version as you got this one"),
];

/// Puts potluck's command into an error about one that is unknown.
pub(super) fn advise(error: &mut Error, arguments: &[OsString]) {
    if error.kind() != ErrorKind::InvalidSubcommand {
        return;
    }
    let given = command(arguments);
    let known = FOREIGN.iter().find(|(command, _)| is_of(&given, command));
    if let Some((_, advice)) = known {
        suggest(error, advice);
        error.remove(ContextKind::SuggestedSubcommand);
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::{Cli, foreign_flags};

    /// What a command line comes to: nothing, or the error as it is shown.
    fn said(line: &str) -> Option<String> {
        let arguments: Vec<OsString> = line.split_whitespace().map(OsString::from).collect();
        let mut error = Cli::try_parse_from(&arguments).err()?;
        advise(&mut error, &arguments);
        foreign_flags::advise(&mut error, &arguments);
        Some(error.to_string())
    }

    /// The lines of the page's tables: commands of abra, what they are here, and what is meant.
    fn rows() -> Vec<(Vec<String>, String)> {
        let page = include_str!("../../docs/from-abra.md");
        let code = |cell: &str| -> Vec<String> {
            cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
        };
        page.lines()
            .filter(|line| line.starts_with("| `"))
            .map(|line| {
                let cells: Vec<&str> = line.split(" | ").collect();
                (code(cells[0]), cells[1].trim().to_owned())
            })
            .collect()
    }

    #[test]
    fn the_page_about_abra_is_what_the_program_does() {
        let rows = rows();
        assert!(rows.len() > 50, "{}", rows.len());
        for (commands, here) in rows {
            for command in commands {
                let line = command.replacen("abra", "potluck", 1);
                match (here.as_str(), said(&line)) {
                    ("same" | "better", None) => {}
                    ("same" | "better", Some(text)) => panic!("`{line}` is not accepted: {text}"),
                    (_, None) => panic!("`{line}` is accepted, but the page says {here}"),
                    (_, Some(text)) => {
                        assert!(text.contains("  tip: "), "`{line}` is left unanswered: {text}");
                    }
                }
                // What it is called here, if it has another name.
                for new in here.split('`').skip(1).step_by(2).filter(|it| it.starts_with("potluck"))
                {
                    assert_eq!(said(new), None, "{new}");
                }
            }
        }
    }

    #[test]
    fn each_answer_is_about_a_command_that_is_not_there() {
        for (command, advice) in FOREIGN {
            let text = said(&format!("potluck {command} a.example")).unwrap_or_default();
            assert!(text.contains(&format!("  tip: {advice}\n")), "{command}: {text}");
        }
    }

    #[test]
    fn the_counts_of_the_page_are_those_of_its_tables() {
        let rows = rows();
        let count = |of: &dyn Fn(&str) -> bool| -> usize {
            let fits = rows.iter().filter(|(_, here)| of(here));
            fits.map(|(commands, _)| commands.len()).sum()
        };
        let told = format!(
            "{} the same, {} the same and better, {} under another name, {} not there",
            count(&|here| here == "same"),
            count(&|here| here == "better"),
            count(&|here| here.starts_with('`')),
            count(&|here| here.starts_with("none")),
        );
        let page = include_str!("../../docs/from-abra.md").replace('\n', " ");
        assert!(page.contains(&told), "the page should say: {told}");
    }
}
