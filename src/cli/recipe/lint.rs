//! `potluck recipe lint`

use serde::Serialize;

use crate::{
    cli::{
        arguments::JsonArg,
        exit::Exit,
        failure::Outcome,
        session::Session,
        ui::{BOLD, clean},
    },
    recipe::{
        Version,
        lint::{Finding, Severity, lint},
    },
};

/// Check a recipe for mistakes.
///
/// Reads its compose files as a deploy would, its sample of settings and its
/// recipe.yml. Exit code 1 when there is an error, which would stop a deploy.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  potluck recipe lint wordpress
  potluck recipe lint ./my-recipe

JSON: {recipe, version, ok, findings}; a finding is {severity, code, position,
message, fix}, its severity `error` or `warning`, its code stable.")]
pub struct Args {
    /// The recipe: its name, its folder, or the URL of its git repository
    #[arg(value_name = "RECIPE")]
    recipe: String,

    /// The recipe's version [default: the newest release]
    #[arg(value_name = "VERSION")]
    version: Option<String>,

    #[command(flatten)]
    json: JsonArg,
}

#[derive(Serialize)]
struct Report {
    recipe: String,
    version: Option<String>,
    /// Whether there is no error.
    ok: bool,
    findings: Vec<Finding>,
}

pub fn run(args: &Args, session: &Session) -> Outcome {
    let recipe = super::find(session, &args.recipe)?;
    let version = args.version.clone().map_or(Version::Newest, Version::Named);
    let checkout = session.recipes()?.checkout(&recipe, &version)?;
    let findings = lint(&checkout);
    let report = Report {
        recipe: recipe.to_string(),
        version: checkout.version.clone(),
        ok: findings.iter().all(|finding| finding.severity != Severity::Error),
        findings,
    };
    if args.json.json {
        session.ui.json(&report)?;
    } else {
        for finding in &report.findings {
            show(session, finding)?;
        }
        if report.findings.is_empty() {
            session.ui.say(format_args!("Nothing is wrong with {recipe}."));
        }
    }
    Ok(if report.ok { Exit::DONE } else { Exit::FAILED })
}

fn show(session: &Session, finding: &Finding) -> Outcome {
    let word = match finding.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "info",
    };
    let position = match &finding.position {
        Some(position) => format!("{position}: "),
        None => String::new(),
    };
    let position = clean(&position);
    let message = clean(&finding.message);
    session.ui.out(format_args!("{BOLD}{word}{BOLD:#}[{}]: {position}{message}", finding.code))?;
    if let Some(fix) = &finding.fix {
        session.ui.out(format_args!("  fix: {}", clean(fix)))?;
    }
    Ok(Exit::DONE)
}
