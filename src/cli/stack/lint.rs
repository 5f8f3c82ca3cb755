//! `potluck stack lint`

use serde::Serialize;

use crate::{
    cli::{arguments::JsonArg, exit::Exit, failure::Outcome, findings, session::Session},
    home::StackName,
    lint::{Finding, blocking},
};

use super::files::FilesArg;

/// Check compose files for what docker refuses, ignores or hides.
///
/// Finds what swarm will refuse, keys that it ignores, and settings that
/// cause problems later, each with its place and a fix. Needs no server. Exit code 1 when there
/// is an error; with --strict a warning does, too.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  potluck stack lint -c compose.yml
  potluck stack lint -c compose.yml -c compose.smtp.yml wiki --strict

docs/lint.md lists the codes.

JSON: {ok, findings}; a finding is {severity, code, position, path, message, fix},
its severity `error`, `warning` or `info`, its code stable.")]
pub struct Args {
    #[command(flatten)]
    files: FilesArg,

    /// The stack's name; with it, full names and what the files refer to are
    /// checked, too
    #[arg(value_name = "NAME")]
    stack: Option<StackName>,

    #[command(flatten)]
    json: JsonArg,
}

#[derive(Serialize)]
struct Report {
    /// Whether nothing stops a deploy.
    ok: bool,
    findings: Vec<Finding>,
}

pub fn run(args: &Args, session: &Session) -> Outcome {
    let findings = args.files.lint(session, args.stack.as_ref())?;
    let ok = blocking(&findings, args.files.strictness()).is_empty();
    let report = Report { ok, findings };
    session.report(&report, &args.json, |report| {
        findings::show(&session.ui, &report.findings)?;
        if report.findings.is_empty() {
            session.ui.say("Nothing is wrong with these files.");
        }
        Ok(())
    })?;
    Ok(if ok { Exit::DONE } else { Exit::FAILED })
}
