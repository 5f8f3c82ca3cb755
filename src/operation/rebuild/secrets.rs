//! The secrets of an app that is made from a set: which can be stored on its server again,
//! known before anything is made.

use std::collections::BTreeSet;

use super::plan::NewApp;
use crate::{
    app::{self, App},
    backup::{
        Error,
        restore::obstacle::{Lost, Obstacle},
    },
    engine::Scope,
    home::Home,
    secrets::{
        self, SecretPlan,
        escrow::{self, Folder, Stem},
    },
};

/// What becomes of the secrets that the app needs.
#[derive(Debug, Default, Clone)]
pub(super) struct Found {
    /// Kept, and opened: names and versions.
    pub restored: Vec<Stem>,
    /// On the server already: names and versions.
    pub present: Vec<String>,
    /// To be made anew.
    pub made: Vec<SecretPlan>,
    /// Names on the swarm of those that are stored or made.
    pub names: Vec<String>,
}

/// Opens each kept secret that the app needs; the values are forgotten at once. A copy that the
/// folder `home` has already stays, so that it is the one to be opened; others are `aside`.
///
/// # Errors
/// [`Obstacle::Secrets`] with all that cannot be had, [`Obstacle::UnknownSecrets`].
pub(super) async fn look(
    app: &App,
    (home, aside): (&Home, &Home),
    target: &NewApp,
) -> Result<Found, Error> {
    let failed = |error: secrets::Error| Error::from(app::Error::from(error));
    let plans = secrets::survey(&app.stack, &app.env, &app.sources).complete().map_err(failed)?;
    let name = &app.entry.name;
    let unknown: Vec<String> = target
        .new_secrets
        .iter()
        .filter(|wanted| plans.iter().all(|plan| plan.name != **wanted))
        .cloned()
        .collect();
    if !unknown.is_empty() {
        let obstacle = Obstacle::UnknownSecrets { app: name.clone(), names: unknown };
        return Err(Box::new(obstacle).into());
    }
    let stored = app.engine.beneath().secrets(Scope::All).await?;
    let stored: BTreeSet<&str> =
        stored.iter().filter_map(|secret| secret.spec.as_ref()?.name.as_deref()).collect();
    let (here, aside) = (Folder::of(home, &app.entry), Folder::of(aside, &app.entry));
    let (mut found, mut lost) = (Found::default(), Vec::new());
    for plan in plans {
        if stored.contains(plan.full_name.as_str()) {
            found.present.push(spoken(&plan));
            continue;
        }
        if target.new_secrets.contains(&plan.name) && plan.generate {
            found.names.push(plan.full_name.clone());
            found.made.push(plan);
            continue;
        }
        let stem = Stem::of(&plan.full_name, &app.name)
            .map_err(|error| failed(secrets::Error::from(error)))?;
        let is_in = |folder: &Folder| {
            folder.has(&stem).map_err(|error| failed(secrets::Error::from(error)))
        };
        let is_here = is_in(&here)?;
        let folder = if is_here { &here } else { &aside };
        let has = is_here || is_in(&aside)?;
        let why = match &target.identity {
            _ if !has => Some("the backup has no copy of it".to_owned()),
            None => Some("there is no key to open its copy".to_owned()),
            Some(identity) => match escrow::open(folder, &stem, identity) {
                Ok(_) => None,
                Err(escrow::Error::File { message, .. }) => Some(message),
                Err(error) => Some(error.to_string()),
            },
        };
        let why = why.map(|why| match is_here {
            true => format!("of the copy in {}: {why}", here.path().display()),
            false => why,
        });
        match why {
            Some(why) => lost.push(Lost {
                name: plan.name,
                full_name: plan.full_name,
                why,
                makes: plan.generate,
            }),
            None => {
                found.names.push(plan.full_name);
                found.restored.push(stem);
            }
        }
    }
    if !lost.is_empty() {
        return Err(Box::new(Obstacle::Secrets { app: name.clone(), lost }).into());
    }
    Ok(found)
}

fn spoken(plan: &SecretPlan) -> String {
    match plan.version.as_str() {
        "" => plan.name.clone(),
        version => format!("{}_{version}", plan.name),
    }
}

impl Found {
    /// Names and versions of those that are stored again.
    pub fn restored(&self) -> Vec<String> {
        self.restored.iter().map(ToString::to_string).collect()
    }

    pub fn made(&self) -> Vec<String> {
        self.made.iter().map(|plan| plan.name.clone()).collect()
    }
}
