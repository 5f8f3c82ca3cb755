//! `potluck recipe inspect`

use serde::Serialize;

use crate::{
    app::{
        permission::{NOTHING, told},
        recipe_reach,
    },
    cli::{
        arguments::JsonArg,
        failure::{Failure, Outcome},
        grants::GrantRow,
        session::Session,
        shell,
        ui::{BOLD, clean},
    },
    recipe::Version,
    rollout::ReachRow,
};

/// Show what a recipe may do, before you create an app from it.
///
/// Shows what its services reach beyond their app, with the settings of its sample and with
/// each overlay that these leave out, and its plugins with the grants that they ask for.
/// Nothing is added to the operator's folder, and nothing of the recipe runs.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  potluck recipe inspect wordpress
  potluck recipe inspect ./my-recipe --json

docs/reach.md explains each kind of reach.

JSON: {recipe, version, reach, plugins}; a reach is {service, reach, meaning, needs_yes,
overlay}, a plugin {name, component, grants}, a grant {grant, meaning}.")]
pub struct Args {
    /// The recipe: its name, its folder, or the URL of its git repository
    #[arg(value_name = "RECIPE")]
    recipe: String,

    /// The recipe's version [default: the newest release; a folder's own files]
    #[arg(value_name = "VERSION")]
    version: Option<String>,

    #[command(flatten)]
    json: JsonArg,
}

#[derive(Serialize)]
struct Report {
    recipe: String,
    version: Option<String>,
    reach: Vec<Row>,
    plugins: Vec<Plugin>,
}

#[derive(Serialize)]
struct Row {
    service: String,
    reach: String,
    meaning: String,
    needs_yes: bool,
    /// The overlay that it comes from, if the sample does not list it.
    overlay: Option<String>,
}

#[derive(Serialize)]
struct Plugin {
    name: String,
    component: String,
    grants: Vec<GrantRow>,
}

pub fn run(args: &Args, session: &Session) -> Outcome {
    let version = args.version.clone().map_or(Version::Newest, Version::Named);
    let checkout = super::look(session, &args.recipe, &version)?;
    let row = |(overlay, row): (Option<String>, ReachRow)| Row {
        needs_yes: row.state == "new",
        service: row.service,
        reach: row.reach,
        meaning: row.meaning,
        overlay,
    };
    let Some(reach) = recipe_reach(&checkout) else {
        let message = "the compose files cannot be read with the sample's settings";
        return Err(Failure::new(message)
            .hint(format!("`potluck recipe lint {}` says why", shell::word(&args.recipe))));
    };
    let plugins = &checkout.manifest.plugins;
    let report = Report {
        recipe: checkout.recipe.to_string(),
        version: checkout.version.clone(),
        reach: reach.into_iter().map(row).collect(),
        plugins: plugins
            .iter()
            .map(|plugin| Plugin {
                name: plugin.name.clone(),
                component: plugin.component.to_string(),
                grants: plugin.grants.iter().map(GrantRow::from).collect(),
            })
            .collect(),
    };
    session.report(&report, &args.json, |report| {
        show(session, report)?;
        Ok(())
    })
}

fn show(session: &Session, report: &Report) -> Result<(), Failure> {
    let version = report.version.as_deref().map(|v| format!(" {v}")).unwrap_or_default();
    session.ui.out(format_args!("{BOLD}{}{}{BOLD:#}", clean(&report.recipe), clean(&version)))?;
    session.ui.out("beyond its app, its services want to:")?;
    for row in &report.reach {
        let overlay = row.overlay.as_deref().map(|o| format!("; with {o}")).unwrap_or_default();
        let yes = if row.needs_yes { "" } else { "; needs no yes" };
        let line = told(&row.meaning, &row.reach, &format!("{yes}{overlay}"));
        let line = format!("{}: {line}", row.service);
        session.ui.out(format_args!("  {}", clean(&line)))?;
    }
    if report.reach.is_empty() {
        session.ui.out("  do nothing")?;
    }
    for plugin in &report.plugins {
        let line = format!("the plugin {} ({}) wants to:", plugin.name, plugin.component);
        session.ui.out(clean(&line))?;
        for GrantRow { grant, meaning } in &plugin.grants {
            session.ui.out(format_args!("  {}", clean(&told(meaning, grant, ""))))?;
        }
        if plugin.grants.is_empty() {
            session.ui.out(format_args!("  {NOTHING}"))?;
        }
    }
    Ok(())
}
