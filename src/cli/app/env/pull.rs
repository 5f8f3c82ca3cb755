//! `potluck app env pull`

use serde::Serialize;

use super::assign;
use crate::{
    app::{self, Pulled},
    cli::{
        arguments::{AppArg, Assignment, JsonArg},
        failure::{Failure, Outcome},
        prompt,
        session::{Session, wait},
        table::Table,
        ui::clean,
    },
    home::{AppEntry, AppName, EnvFile},
    recipe::Version,
};

/// Take settings over from what is deployed.
///
/// For a file that was lost or is older than the app: the values that the service `app` runs
/// with, as far as the settings or the recipe's sample have a setting of that name. abra hands
/// all settings to that service. Some recipes compute a value under the name of a setting, so
/// what would change is shown first. Values that the file builds from others are then plain.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  potluck app env pull wiki.example.org --dry-run
  potluck app env pull wiki.example.org DOMAIN TITLE

JSON: {app, settings, written}; a setting is {key, here, deployed}, `here` null where the
file has none.

Without a terminal, --yes is needed; else the exit code is 6.")]
pub struct Args {
    #[command(flatten)]
    app: AppArg,

    /// Only these settings
    #[arg(value_name = "KEY")]
    keys: Vec<String>,

    /// Show what would change, and write nothing
    #[arg(long)]
    dry_run: bool,

    /// Don't ask
    #[arg(short, long)]
    yes: bool,

    #[command(flatten)]
    json: JsonArg,
}

#[derive(Serialize)]
struct Report {
    app: AppName,
    settings: Vec<Pulled>,
    written: bool,
}

pub fn run(args: &Args, session: &Session) -> Outcome {
    let home = session.home()?;
    let entry = session.app(&home, &args.app)?;
    let on_server = super::super::on_server(session, &home, &entry)?;
    let env = home.env(&entry)?;
    let sample = sample(session, &env)?;
    let mut settings = wait("interrupted", async {
        Ok(app::pull_settings(&on_server, &env, sample.as_ref()).await?)
    })?;
    settings.retain(|it| args.keys.is_empty() || args.keys.contains(&it.key));
    if !args.json.json && !settings.is_empty() {
        show(session, &settings)?;
    }
    let written = !settings.is_empty() && !args.dry_run;
    if written {
        agree(args, session, &entry)?;
        let set: Vec<Assignment> = settings
            .iter()
            .map(|it| Assignment { key: it.key.clone(), value: it.deployed.clone() })
            .collect();
        assign(session, &home, &entry, &set)?;
    }
    let report = Report { app: entry.name.clone(), settings, written };
    session.report(&report, &args.json, |report| {
        if report.settings.is_empty() {
            session.ui.say("The settings are those that the app runs with.");
        } else if !report.written {
            session.ui.say("Nothing was changed: this was a dry run.");
        }
        Ok(())
    })
}

/// The recipe's sample, which only adds names.
fn sample(session: &Session, env: &EnvFile) -> Result<Option<EnvFile>, Failure> {
    let Some((recipe, version)) = env.recipe_pin()? else { return Ok(None) };
    let version = version.map_or(Version::Newest, Version::Named);
    let checkout = session.recipes()?.from(env.recipe_address()).checkout(&recipe, &version);
    match checkout.and_then(|checkout| checkout.sample()) {
        Ok(text) => Ok(text.and_then(|text| EnvFile::parse(".env.sample", &text).ok())),
        Err(error) => {
            session.ui.warn(format_args!("{error}; continuing without the recipe's sample"));
            Ok(None)
        }
    }
}

fn show(session: &Session, settings: &[Pulled]) -> Result<(), Failure> {
    let mut table = Table::new(&["KEY", "HERE", "DEPLOYED"]);
    for setting in settings {
        let here = setting.here.as_deref().unwrap_or("-");
        table.row([setting.key.as_str(), here, &setting.deployed]);
    }
    table.print(&session.ui)
}

fn agree(args: &Args, session: &Session, entry: &AppEntry) -> Result<(), Failure> {
    let needs = format!("changing the settings of {} needs your consent", entry.name);
    let question = format!("Write them into the settings of {}?", clean(entry.name.as_str()));
    prompt::agree(&session.ui, args.yes, &needs, &question)
}
