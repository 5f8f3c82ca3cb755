//! How findings are shown: one paragraph each; findings with the same
//! message for several places share one.

use crate::{
    cli::{
        failure::Failure,
        ui::{BOLD, Ui, clean},
    },
    lint::{Finding, Severity},
};

/// Shows findings on standard output, and on standard error how many there are.
///
/// # Errors
/// When standard output can't be written.
pub fn show(ui: &Ui, findings: &[Finding]) -> Result<(), Failure> {
    for alike in paragraphs(findings) {
        let Some(first) = alike.first() else { continue };
        let head = format!("{BOLD}{}{BOLD:#}[{}]", first.severity, first.code);
        if alike.len() == 1 {
            ui.out(format_args!("{head}: {}", clean(&first.to_string())))?;
        } else {
            ui.out(format_args!("{head}: {}", clean(&first.message)))?;
            for finding in &alike {
                ui.out(format_args!("  {}", clean(&place(finding))))?;
            }
        }
        if let Some(fix) = &first.fix {
            ui.out(format_args!("  fix: {}", clean(fix)))?;
        }
    }
    if !findings.is_empty() {
        let count = |severity| findings.iter().filter(|f| f.severity == severity).count();
        let counts = [
            (count(Severity::Error), "error", "errors"),
            (count(Severity::Warning), "warning", "warnings"),
            (count(Severity::Info), "note", "notes"),
        ];
        let shown: Vec<String> = counts
            .iter()
            .filter(|(count, ..)| *count > 0)
            .map(|(count, one, many)| format!("{count} {}", if *count == 1 { one } else { many }))
            .collect();
        ui.say(format_args!("Found {}.", shown.join(", ")));
    }
    Ok(())
}

/// Findings that differ only in their position, in the order of the first of each.
fn paragraphs(findings: &[Finding]) -> Vec<Vec<&Finding>> {
    let mut all: Vec<Vec<&Finding>> = Vec::new();
    for finding in findings {
        let key = |f: &Finding| (f.severity, f.code, f.message.clone(), f.fix.clone());
        match all.iter_mut().find(|alike| key(alike[0]) == key(finding)) {
            Some(alike) => alike.push(finding),
            None => all.push(vec![finding]),
        }
    }
    all
}

fn place(finding: &Finding) -> String {
    let position = finding.position.as_ref().map(ToString::to_string);
    let parts: Vec<String> = position.into_iter().chain(finding.path.clone()).collect();
    parts.join(": ")
}
