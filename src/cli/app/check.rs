//! `potluck app check`

use serde::Serialize;

use crate::{
    cli::{
        app::secret,
        arguments::{AppArg, JsonArg},
        exit::Exit,
        failure::{Failure, Outcome},
        grants::{Answers, PlanQuestion},
        session::{Session, wait},
        ui::BOLD,
    },
    home::EnvFile,
    operation::{self, App},
    recipe::Version,
    secrets,
};

/// Check an app's settings and secrets against its recipe.
///
/// Finds settings that the recipe's sample has and the app hasn't, settings that
/// can't be understood, and secrets that are missing on the server. Exit code 1
/// when something that is needed is missing.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
JSON: {app, ok, findings}; a finding is {severity, about, message}, its severity
`error` or `warning`.")]
pub struct Args {
    #[command(flatten)]
    app: AppArg,

    /// The recipe's version to check against [default: what the settings pin]
    #[arg(value_name = "VERSION")]
    version: Option<String>,

    /// Don't ask the server which secrets it has
    #[arg(long)]
    offline: bool,

    #[command(flatten)]
    json: JsonArg,
}

#[derive(Serialize)]
struct Report {
    app: String,
    /// Whether nothing that is needed is missing.
    ok: bool,
    findings: Vec<Finding>,
}

#[derive(Serialize)]
struct Finding {
    severity: Severity,
    /// The setting, the secret or the place in a file.
    about: String,
    message: String,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Severity {
    Error,
    Warning,
}

pub fn run(args: &Args, session: &Session) -> Outcome {
    let home = session.home()?;
    let entry = session.app(&home, &args.app)?;
    let operating = session.context(&home, Answers::new(&session.ui, PlanQuestion::Yes))?;
    let version = args.version.clone().map_or(Version::Newest, Version::Named);
    let findings = wait("interrupted", async {
        let app = operation::load(&operating.context, &entry, &version).await?;
        let mut findings = of_settings(&app)?;
        findings.extend(app.warnings.iter().map(|warning| Finding {
            severity: Severity::Warning,
            about: warning.position.clone().unwrap_or_else(|| "compose files".into()),
            message: warning.message.clone(),
        }));
        if !args.offline {
            findings.extend(of_secrets(&app).await?);
        }
        Ok(findings)
    })?;
    drop(operating);

    let ok = findings.iter().all(|finding| finding.severity != Severity::Error);
    let report = Report { app: entry.name.to_string(), ok, findings };
    if args.json.json {
        session.ui.json(&report)?;
    } else {
        for Finding { severity, about, message } in &report.findings {
            let word = match severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
            };
            session.ui.out(format_args!("{word}: {BOLD}{about}{BOLD:#}: {message}"))?;
        }
        if report.findings.is_empty() {
            session.ui.say(format_args!("{} has all that its recipe needs.", report.app));
        }
    }
    Ok(if ok { Exit::DONE } else { Exit::FAILED })
}

fn of_settings(app: &App) -> Result<Vec<Finding>, Failure> {
    let sample = EnvFile::parse(".env.sample", &app.checkout.sample()?.unwrap_or_default())?;
    let mut findings: Vec<Finding> = sample
        .values()
        .into_iter()
        // Either key names the recipe.
        .filter(|(key, _)| !matches!(key.as_str(), "TYPE" | "RECIPE"))
        .filter(|(key, _)| app.env.get(key).is_none())
        .map(|(key, value)| Finding {
            severity: Severity::Error,
            message: format!("not in the settings; the recipe's sample has `{key}={value}`"),
            about: key,
        })
        .collect();
    findings.extend(app.env.warnings().into_iter().map(|message| Finding {
        severity: Severity::Warning,
        about: "settings".into(),
        message,
    }));
    Ok(findings)
}

async fn of_secrets(app: &App) -> Result<Vec<Finding>, Failure> {
    let status = secrets::status(app.engine.as_ref(), &secret::plans(app)?).await?;
    let name = &app.entry.name;
    Ok(status
        .into_iter()
        .filter(|secret| secret.id.is_none())
        .map(|secret| Finding {
            severity: Severity::Error,
            message: format!(
                "not on the server; `potluck app secret {} {name}{}` stores it",
                if secret.generate { "generate" } else { "insert" },
                if secret.generate { String::new() } else { format!(" {}", secret.name) },
            ),
            about: format!("secret {}", secret.name),
        })
        .collect())
}
