//! `potluck recipe lint`

use serde::Serialize;

use super::source::VersionArg;
use crate::{
    app::{reach_findings, reserved_findings},
    cli::{
        arguments::{JsonArg, StrictArg},
        exit::Exit,
        failure::Outcome,
        findings,
        session::Session,
    },
    lint::{Finding, blocking},
    recipe::lint::lint,
};

/// Check a recipe for mistakes.
///
/// Reads its compose files as a deploy would, its sample of settings and its
/// recipe.yml. Nothing is added to the operator's folder. Exit code 1 when there
/// is an error, which would stop a deploy; with --strict a warning does, too.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  potluck recipe lint wordpress
  potluck recipe lint wiki --chaos
  potluck recipe lint ./my-recipe
  potluck recipe lint --strict https://git.example.org/org/my-recipe

docs/lint.md lists the codes.

JSON: {recipe, version, ok, findings}; a finding is {severity, code, position, path,
message, fix}, its severity `error`, `warning` or `info`, its code stable.")]
pub struct Args {
    /// The recipe: its name, its folder, or the URL of its git repository
    #[arg(value_name = "RECIPE")]
    recipe: String,

    #[command(flatten)]
    version: VersionArg,

    #[command(flatten)]
    strict: StrictArg,

    #[command(flatten)]
    json: JsonArg,
}

#[derive(Serialize)]
struct Report {
    recipe: String,
    version: Option<String>,
    /// Whether nothing stops a deploy.
    ok: bool,
    findings: Vec<Finding>,
}

pub fn run(args: &Args, session: &Session) -> Outcome {
    let version = args.version.of(session, &args.recipe)?;
    let checkout = super::examine(session, &args.recipe, &version)?;
    let mut findings = lint(&checkout);
    findings.extend(reach_findings(&checkout));
    findings.extend(reserved_findings(&checkout));
    findings.sort();
    let report = Report {
        recipe: checkout.recipe.to_string(),
        version: checkout.version.clone(),
        ok: blocking(&findings, args.strict.strictness()).is_empty(),
        findings,
    };
    session.report(&report, &args.json, |report| {
        findings::show(&session.ui, &report.findings)?;
        if report.findings.is_empty() {
            session.ui.say(format_args!("Nothing is wrong with {}.", report.recipe));
        }
        Ok(())
    })?;
    Ok(if report.ok { Exit::DONE } else { Exit::FAILED })
}
