//! `potluck app check`

use serde::Serialize;

use crate::{
    cli::{
        app::secret,
        arguments::{AppArg, JsonArg},
        exit::Exit,
        failure::{Failure, Outcome},
        findings,
        grants::{Answers, PlanQuestion},
        session::{Session, wait},
    },
    hint::Hint,
    home::{AppEntry, EnvFile, Home},
    lint::{Finding, Position, Rule, Severity, Strictness, blocking, refused, rules},
    operation::{self, App},
    recipe::{self, Checkout, Store, Version},
    secrets,
};

/// Check an app's settings and secrets against its recipe.
///
/// Finds settings that the recipe's sample has and the app hasn't, settings that
/// can't be understood, files that can't be deployed with them, plugins without
/// their component, and secrets that are missing on the server. Exit code 1 when something that is needed is
/// missing or wrong.
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

    /// Don't ask the server which secrets it has
    #[arg(long)]
    offline: bool,

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
        match operation::load(&operating.context, &entry, &version).await {
            Ok(app) => of_app(&app, args.offline).await,
            Err(error) => {
                // A setting that is missing is often the cause: it comes first.
                let mut findings = match error {
                    operation::Error::Compose(_) => of_unread(&home, &entry, &version).await?,
                    _ => Vec::new(),
                };
                findings.extend(of_error(error)?);
                findings.sort();
                Ok(findings)
            }
        }
    })?;
    drop(operating);

    let ok = blocking(&findings, Strictness::Errors).is_empty();
    let app = entry.name.to_string();
    if args.json.json {
        let rows = findings.iter().map(|finding| Row { about: about(finding), finding });
        session.ui.json(&Report { app, ok, findings: rows.collect() })?;
    } else {
        findings::show(&session.ui, &findings)?;
        if findings.is_empty() {
            session.ui.say(format_args!("{app} has all that its recipe needs."));
        }
    }
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

async fn of_app(app: &App, offline: bool) -> Result<Vec<Finding>, Failure> {
    let mut findings = of_settings(&app.env, &app.checkout)?;
    // What is merely worth knowing is `recipe lint`'s.
    findings.extend(recipe::lint::components(&app.checkout));
    let own = app.findings.iter().filter(|finding| finding.severity < Severity::Info);
    findings.extend(own.cloned());
    if !offline {
        findings.extend(of_secrets(app).await?);
    }
    findings.sort();
    Ok(findings)
}

/// What keeps an app from being loaded, as far as it is the app's.
fn of_error(error: operation::Error) -> Result<Vec<Finding>, Failure> {
    use operation::Error;
    let rule = match error {
        Error::Compose(problems) => return Ok(problems.0.into_iter().map(refused).collect()),
        Error::Recipe(recipe::Error::Manifest(message)) => {
            let finding = Finding::new(&rules::MANIFEST_INVALID, message);
            return Ok(vec![finding.at(Position::file("recipe.yml"))]);
        }
        Error::Recipe(recipe::Error::Io { path, source }) => {
            let finding = Finding::new(&rules::COMPOSE_UNREADABLE, source.to_string());
            return Ok(vec![finding.at(Position::file(path))]);
        }
        Error::Recipe(_) | Error::NoRecipe { .. } => &rules::RECIPE_UNAVAILABLE,
        Error::Home(_) | Error::Name(_) => &rules::SETTINGS_INVALID,
        Error::Engine(_) => &rules::SERVER_UNAVAILABLE,
        error => return Err(error.into()),
    };
    Ok(vec![of_hinting(rule, &error)])
}

fn of_hinting(rule: &'static Rule, error: &impl Hint) -> Finding {
    let finding = Finding::new(rule, error.to_string());
    match error.hint() {
        Some(hint) => finding.fix(hint),
        None => finding,
    }
}

/// What the settings lack, of an app whose compose files cannot be read with them.
async fn of_unread(
    home: &Home,
    entry: &AppEntry,
    version: &Version,
) -> Result<Vec<Finding>, Failure> {
    let env = home.env(entry)?;
    let (recipe, pin) = operation::recipe_of(entry, &env)?;
    let version = match (version, pin) {
        (Version::Newest, Some(pin)) => Version::Named(pin),
        (version, _) => version.clone(),
    };
    let store = Store::new(home.recipes()).keeping(&home.recipe_cache());
    // Waits for the git program.
    let checkout = tokio::task::spawn_blocking(move || store.checkout(&recipe, &version)).await;
    match checkout {
        Ok(checkout) => of_settings(&env, &checkout?),
        Err(panic) => std::panic::resume_unwind(panic.into_panic()),
    }
}

fn of_settings(env: &EnvFile, checkout: &Checkout) -> Result<Vec<Finding>, Failure> {
    const SAMPLE: &str = ".env.sample";
    let sample = match EnvFile::parse(SAMPLE, &checkout.sample()?.unwrap_or_default()) {
        Ok(sample) => sample,
        Err(e) => {
            let position = Position::line(SAMPLE, e.line);
            return Ok(vec![Finding::new(&rules::SAMPLE_INVALID, e.message).at(position)]);
        }
    };
    let mut findings: Vec<Finding> = sample
        .values()
        .into_iter()
        // Either key names the recipe.
        .filter(|(key, _)| !matches!(key.as_str(), "TYPE" | "RECIPE"))
        .filter(|(key, _)| env.get(key).is_none())
        .map(|(key, value)| {
            let message = format!("not in the settings; the recipe's sample has `{key}={value}`");
            Finding::new(&rules::SETTING_MISSING, message).path(key)
        })
        .collect();
    let odd = env.warnings().into_iter();
    findings.extend(odd.map(|message| Finding::new(&rules::SETTINGS_ODD, message)));
    Ok(findings)
}

async fn of_secrets(app: &App) -> Result<Vec<Finding>, Failure> {
    let status = match secrets::status(app.engine.as_ref(), &secret::plans(app)?).await {
        Ok(status) => status,
        Err(error) => return Ok(vec![of_hinting(&rules::SERVER_UNAVAILABLE, &error)]),
    };
    let name = &app.entry.name;
    Ok(status
        .into_iter()
        .filter(|secret| secret.id.is_none())
        .map(|secret| {
            let command = if secret.generate {
                format!("potluck app secret generate {name}")
            } else {
                format!("potluck app secret insert {name} {}", secret.name)
            };
            Finding::new(&rules::SECRET_MISSING, "not on the server")
                .path(format!("secret {}", secret.name))
                .fix(format!("run `{command}`"))
        })
        .collect())
}
