//! `potluck plugin grants`

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::{
    app::{self, permission::told},
    cli::{
        arguments::{AppArg, JsonArg},
        failure::{Failure, Outcome},
        grants::{Answers, GrantRow, PlanQuestion},
        session::{Session, wait},
        ui::{BOLD, clean},
    },
    home::Grant,
    hooks::{self, PluginGrants},
    recipe::Version,
    rollout::ReachRow,
};

/// Show what an app's plugins ask for, and what they and its services were granted.
///
/// A plugin runs only if you agreed to everything that its recipe asks for,
/// for this exact component. This command runs no plugin.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  potluck plugin grants blog.example.org
  potluck plugin grants blog.example.org --json

JSON: a list of {plugin, component, version, sha256, agreed_sha256, in_recipe, agreed,
changed_in_place, grants, unreadable}; `version` is the recipe's version in the
settings; a grant is {grant, meaning, asked, given, effective}.")]
pub struct Args {
    #[command(flatten)]
    app: AppArg,

    #[command(flatten)]
    json: JsonArg,
}

#[derive(Serialize)]
struct Report {
    plugin: String,
    component: Option<String>,
    version: Option<String>,
    sha256: String,
    agreed_sha256: Option<String>,
    in_recipe: bool,
    agreed: bool,
    changed_in_place: bool,
    grants: Vec<Row>,
    unreadable: Vec<String>,
}

#[derive(Serialize)]
struct Row {
    #[serde(flatten)]
    grant: GrantRow,
    asked: bool,
    given: bool,
    effective: bool,
}

pub fn run(args: &Args, session: &Session) -> Outcome {
    let home = session.home()?;
    let entry = session.app(&home, &args.app)?;
    let operating = session.context(&home, Answers::new(&session.ui, PlanQuestion::Yes))?;
    let (app, plugins, reach) = wait("interrupted", async {
        let app = app::load(&operating.context, &entry, &Version::Newest).await?;
        let plugins = hooks::plugin_grants(&app)?;
        let reach = app::app_reach(&operating.context, &app)?;
        Ok((app, plugins, reach))
    })?;
    drop(operating);
    let version = &app.checkout.version;
    if let Some(deployed) = &app.lock.recipe
        && deployed.version != *version
    {
        let name = |v: &Option<String>| v.clone().unwrap_or_else(|| "an unreleased one".into());
        session.ui.say(format_args!(
            "These are the plugins of version {} of the recipe, which the next deploy takes; {} was \
             deployed last.",
            clean(&name(version)),
            clean(&name(&deployed.version))
        ));
    }
    let reports: Vec<Report> = plugins.iter().map(|plugin| report(plugin, version)).collect();
    session.report(&reports, &args.json, |reports| {
        if reports.is_empty() {
            session.ui.say(format_args!("The recipe of {} has no plugins.", entry.name));
        }
        for report in reports {
            session.ui.out_lines(text(report).trim_end())?;
        }
        show_reach(session, &reach)
    })
}

fn show_reach(session: &Session, reach: &[ReachRow]) -> Result<(), Failure> {
    for (service, lines) in reach_by_service(reach) {
        session.ui.out(format_args!("{BOLD}{}{BOLD:#} reaches beyond the app", clean(service)))?;
        for row in lines {
            let state = match row.state {
                "agreed" => "; agreed to",
                "new" => "; not agreed to yet",
                _ => "",
            };
            let line = told(&row.meaning, &row.reach, state);
            session.ui.out(format_args!("  {}", clean(&line)))?;
        }
    }
    Ok(())
}

fn reach_by_service(rows: &[ReachRow]) -> BTreeMap<&str, Vec<&ReachRow>> {
    let mut all: BTreeMap<&str, Vec<&ReachRow>> = BTreeMap::new();
    for row in rows {
        all.entry(&row.service).or_default().push(row);
    }
    all
}

fn report(plugin: &PluginGrants, version: &Option<String>) -> Report {
    let effective = plugin.effective();
    let all: BTreeSet<&Grant> = plugin.asked.union(&plugin.given).collect();
    let row = |grant: &Grant| Row {
        grant: grant.into(),
        asked: plugin.asked.contains(grant),
        given: plugin.given.contains(grant),
        effective: effective.contains(grant),
    };
    Report {
        plugin: plugin.plugin.clone(),
        component: plugin.component.clone(),
        version: version.clone().filter(|_| plugin.in_recipe),
        sha256: plugin.sha256.clone(),
        agreed_sha256: plugin.agreed_sha256.clone(),
        in_recipe: plugin.in_recipe,
        agreed: plugin.agreed,
        changed_in_place: plugin.changed_in_place,
        grants: all.into_iter().map(row).collect(),
        unreadable: plugin.unreadable.clone(),
    }
}

fn text(report: &Report) -> String {
    let state = match report {
        Report { in_recipe: false, .. } => "does not run: the recipe has no such plugin",
        Report { agreed: true, .. } => "runs with the grants that are marked",
        Report { changed_in_place: true, .. } => {
            "does not run: its component changed under the same version; agree in a terminal"
        }
        Report { .. } => "does not run before you agree to what it asks for",
    };
    let mut text = format!("{BOLD}{}{BOLD:#} {state}\n", clean(&report.plugin));
    let component = report.component.as_deref().map(|name| format!(", {}", clean(name)));
    text.push_str(&format!("  component {}{}\n", report.sha256, component.unwrap_or_default()));
    if let Some(agreed) = report.agreed_sha256.as_ref().filter(|a| **a != report.sha256) {
        text.push_str(&format!("  agreed to {agreed}\n"));
    }
    if report.in_recipe && report.grants.is_empty() {
        text.push_str("  asks for nothing\n");
    }
    for row in &report.grants {
        let mark = if row.effective { '*' } else { ' ' };
        let state = match (row.asked, row.given) {
            (true, true) => "; asked, given",
            (true, false) => "; asked, not given",
            (false, _) if !report.in_recipe => "; given",
            (false, _) => "; given, not asked for any more",
        };
        let line = told(&row.grant.meaning, &row.grant.grant, state);
        text.push_str(&format!("  {mark} {}\n", clean(&line)));
    }
    for line in &report.unreadable {
        text.push_str(&format!(
            "    `{}` in the lock file is not a valid grant and is ignored\n",
            clean(line)
        ));
    }
    text
}
