//! `potluck app check`

use serde::Serialize;

use crate::{
    app,
    cli::{
        arguments::{AppArg, JsonArg},
        exit::Exit,
        failure::Outcome,
        findings,
        grants::{Answers, PlanQuestion},
        session::{Session, wait},
    },
    lint::{Finding, Strictness, blocking, rules},
    operation,
    recipe::Version,
};

/// Check an app's settings and secrets against its recipe.
///
/// Finds settings that the recipe's sample has and the app lacks, settings that can't be
/// understood, files that can't be deployed with them, plugins without their component, and
/// secrets, configs and networks that are missing on the server. Exit code 1 when something
/// that is needed is missing or wrong. A missing setting is a warning, here and in the plan
/// of a deploy; it is an error if the files can't be deployed without it. With --offline the
/// server isn't asked what it has.
///
/// Warns if a domain of the app does not lead to the server, and, once it is deployed, if there
/// is no certificate for it that browsers believe, or one that ends soon. Nothing is said of
/// reserved names, and of a server without an address of the internet.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
docs/lint.md lists the codes.

JSON: {app, ok, findings}; a finding is {severity, about, code, position, path,
message, fix}, its severity `error` or `warning`, its code stable.")]
pub struct Args {
    #[command(flatten)]
    app: AppArg,

    /// The recipe's version to check against [default: what the settings pin]
    #[arg(value_name = "VERSION")]
    version: Option<String>,

    #[command(flatten)]
    json: JsonArg,
}

#[derive(Serialize)]
struct Report<'a> {
    app: String,
    /// Whether nothing that is needed is missing.
    ok: bool,
    findings: Vec<Row<'a>>,
}

#[derive(Serialize)]
struct Row<'a> {
    /// The setting, the secret or the place in a file.
    about: String,
    #[serde(flatten)]
    finding: &'a Finding,
}

pub fn run(args: &Args, session: &Session) -> Outcome {
    let home = session.home()?;
    let entry = session.app(&home, &args.app)?;
    let operating = session.context(&home, Answers::new(&session.ui, PlanQuestion::Yes))?;
    let version = args.version.clone().map_or(Version::Newest, Version::Named);
    let findings = wait("interrupted", async {
        let server = if session.offline { app::Server::LeftAlone } else { app::Server::Asked };
        let mut found = app::survey(&operating.context, &entry, &version, server).await;
        if !session.offline {
            let context = &operating.context;
            found.extend(operation::look_at_domains(context, &entry, &version).await);
            found.sort();
        }
        Ok(found)
    })?;
    drop(operating);

    let ok = blocking(&findings, Strictness::Errors).is_empty();
    let app = entry.name.to_string();
    let rows = findings.iter().map(|finding| Row { about: about(finding), finding });
    let report = Report { app, ok, findings: rows.collect() };
    session.report(&report, &args.json, |Report { app, .. }| {
        findings::show(&session.ui, &findings)?;
        if findings.is_empty() {
            session.ui.say(format_args!("{app} has all that its recipe needs."));
        }
        Ok(())
    })?;
    Ok(if ok { Exit::DONE } else { Exit::FAILED })
}

fn about(finding: &Finding) -> String {
    match (&finding.path, &finding.position) {
        (_, Some(position)) => position.to_string(),
        (Some(path), None) => path.clone(),
        (None, None) if rules::APP.iter().any(|rule| rule.code == finding.code) => {
            "settings".into()
        }
        (None, None) => "recipe".into(),
    }
}
