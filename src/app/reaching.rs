//! Consent to what an app reaches beyond itself: which reach was not
//! agreed to yet, and where consent is recorded. [`super::reach`] computes the reach.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    engine::{Engine, Scope},
    hint::nearest,
    home::{EnvFile, GivenReach, LockFile, Reach, ServerSettings},
    lint::{Finding, Position, rules},
    recipe::{self, Checkout},
    rollout::{Plan, ReachRow, live::Live},
};

use super::{
    App, Context, Error,
    questions::ReachWish,
    reach::{self, Facts, Reaches},
};

/// What the app reaches, as far as its own specs and services tell.
///
/// # Errors
/// When the server's settings cannot be read.
pub(crate) fn of_specs(context: &Context, app: &App, live: &Live) -> Result<Reaches, Error> {
    Ok(reach::reach(&app.stack, &facts(context, app, live)?))
}

/// What the app reaches, with a look at the other stacks of the server.
///
/// # Errors
/// As [`of_specs`]; when the engine does not answer.
pub(crate) async fn of_app(context: &Context, app: &App, live: &Live) -> Result<Reaches, Error> {
    let mut facts = facts(context, app, live)?;
    let services = app.engine.services(Scope::All).await?;
    facts.neighbours = reach::neighbours(&services, &live.names().networks, &app.name);
    Ok(reach::reach(&app.stack, &facts))
}

fn facts<'a>(context: &Context, app: &'a App, live: &Live) -> Result<Facts<'a>, Error> {
    let sample = app.checkout.sample()?.unwrap_or_default();
    // One that cannot be read has no values, but its author may not gain by
    // that: nothing of the settings counts as the operator's then.
    let hosts = match EnvFile::parse(recipe::SAMPLE, &sample) {
        Ok(sample) => reach::hosts(&app.env, &sample, &app.lock.sample),
        Err(_) => BTreeSet::new(),
    };
    Ok(Facts {
        domain: app.entry.name.as_str(),
        hosts,
        shared_networks: context.home.server(&app.entry.server)?.shared_networks(),
        checkout: Some(app.checkout.path()),
        neighbours: Vec::new(),
        registries: reach::registries(live.services.values()),
    })
}

/// What each service reaches beyond what was agreed to, earlier or on the command
/// line.
pub(crate) fn wishes(lock: &LockFile, reaches: &Reaches, flags: &[GivenReach]) -> Vec<ReachWish> {
    let missing = reach::missing(reaches, &lock.reach);
    let answered = |service: &str, reach: &Reach| {
        let is = |given: &GivenReach| {
            given.reach.covers(reach)
                && match &given.service {
                    Some(named) => named == service,
                    // Meant for the only one that asks for it.
                    None => missing.iter().all(|(s, all)| s == service || !all.contains(reach)),
                }
        };
        flags.iter().any(is)
    };
    missing
        .iter()
        .filter(|(service, all)| !all.iter().all(|reach| answered(service, reach)))
        .map(|(service, _)| ReachWish {
            service: service.clone(),
            reach: reaches
                .get(service)
                .into_iter()
                .flatten()
                .filter(|reach| reach.needs_yes())
                .cloned()
                .collect(),
            before: reach::agreed(&lock.reach, service),
        })
        .collect()
}

/// Checks the consent on the command line: a reach that no service has is a
/// mistake, and is reported before anything runs.
pub(crate) fn check_flags(context: &Context, app: &App, reaches: &Reaches) -> Result<(), Error> {
    let covers = |given: &GivenReach, service: &str, reach: &Reach| {
        given.service.as_deref().is_none_or(|named| named == service) && given.reach.covers(reach)
    };
    for given in &context.reaches {
        let asked = reaches.iter().any(|(s, all)| all.iter().any(|r| covers(given, s, r)));
        let recorded = app.lock.reach.keys().any(|service| {
            reach::agreed(&app.lock.reach, service).iter().any(|r| covers(given, service, r))
        });
        if asked || recorded {
            continue;
        }
        let is_known = |name: &str| {
            name == reach::STACK || app.stack.services.iter().any(|service| service.key == name)
        };
        let known: BTreeSet<String> = reaches
            .iter()
            .flat_map(|(service, all)| all.iter().map(move |reach| format!("{service} {reach}")))
            .collect();
        return Err(Error::BadReach {
            reason: match &given.service {
                Some(service) if !is_known(service) => {
                    format!("the app has no service `{service}`")
                }
                Some(service) => format!("the service `{service}` does not ask for it"),
                None => "no service of the recipe asks for it".into(),
            },
            // Another service that asks for just this is more like it than any name.
            nearest: match reaches.iter().find(|(_, all)| all.contains(&given.reach)) {
                Some((service, _)) => Some(format!("{service} {}", given.reach)),
                None => nearest(&given.to_string(), &known).cloned(),
            },
            reach: Box::new(given.clone()),
        });
    }
    Ok(())
}

/// Writes what was agreed to into the lock file's model; whether that changed it.
pub(crate) fn record(lock: &mut LockFile, reaches: &Reaches) -> bool {
    let lines = |all: &BTreeSet<Reach>| -> Vec<String> {
        all.iter().filter(|reach| reach.needs_yes()).map(ToString::to_string).collect()
    };
    let now: BTreeMap<String, Vec<String>> = reaches
        .iter()
        .map(|(service, all)| (service.clone(), lines(all)))
        .filter(|(_, lines)| !lines.is_empty())
        .collect();
    let changed = lock.reach != now;
    lock.reach = now;
    changed
}

/// Shows in a plan what is reached.
pub(crate) fn show(plan: &mut Plan, lock: &LockFile, reaches: &Reaches) {
    plan.reach = rows(lock, reaches);
}

/// What is reached, as lines.
pub(crate) fn rows(lock: &LockFile, reaches: &Reaches) -> Vec<ReachRow> {
    let missing = reach::missing(reaches, &lock.reach);
    let is_new = |service: &str, reach: &Reach| {
        missing.get(service).is_some_and(|missing| missing.contains(reach))
    };
    let row = |service: &str, reach: &Reach| ReachRow {
        service: service.to_owned(),
        reach: reach.to_string(),
        meaning: reach::sentence(reach),
        state: match (reach.needs_yes(), is_new(service, reach)) {
            (false, _) => "shown",
            (true, true) => "new",
            (true, false) => "agreed",
        },
    };
    reaches.iter().flat_map(|(service, all)| all.iter().map(move |r| row(service, r))).collect()
}

/// What a recipe would reach with its sample's settings, for an app of the domain that
/// these name; with the overlay that it comes from, if that is not in use. None if its
/// files cannot be read with these settings.
pub fn recipe_reach(checkout: &Checkout) -> Option<Vec<(Option<String>, ReachRow)>> {
    let sample = checkout.sample().ok().flatten().unwrap_or_default();
    let sample = EnvFile::parse(recipe::SAMPLE, &sample).unwrap_or_default();
    let domain = sample.get("DOMAIN").unwrap_or_default();
    // What a sample comments out is for the operator to write.
    let offered = sample.commented_values();
    let facts = Facts {
        domain,
        hosts: offered.values().flat_map(|value| reach::typed_hosts(value)).collect(),
        shared_networks: ServerSettings::default().shared_networks(),
        checkout: Some(checkout.path()),
        ..Facts::default()
    };
    let mut all: Vec<(Option<String>, ReachRow)> = Vec::new();
    let mut said = BTreeSet::new();
    let stacks = recipe::lint::sample_stacks(checkout);
    stacks.iter().find(|(overlay, _)| overlay.is_none())?;
    for (overlay, stack) in stacks {
        for row in rows(&LockFile::default(), &reach::reach(&stack, &facts)) {
            if said.insert((row.service.clone(), row.reach.clone())) {
                all.push((overlay.clone(), row));
            }
        }
    }
    Some(all)
}

/// The same, as findings.
pub fn reach_findings(checkout: &Checkout) -> Vec<Finding> {
    let finding = |(overlay, row): (Option<String>, ReachRow)| {
        let message = format!("`{}` asks for `{}`: to {}", row.service, row.reach, row.meaning);
        let position = overlay.map(Position::file);
        Finding::new(&rules::REACHES_OUT, message)
            .at(position)
            .path(format!("services.{}", row.service))
    };
    let all = recipe_reach(checkout).unwrap_or_default();
    all.into_iter().filter(|(_, row)| row.state == "new").map(finding).collect()
}

/// What an app's services reach and were granted, for display; the engine is
/// not asked.
///
/// # Errors
/// As [`of_specs`].
pub fn app_reach(context: &Context, app: &App) -> Result<Vec<ReachRow>, Error> {
    Ok(rows(&app.lock, &of_specs(context, app, &Live::default())?))
}
