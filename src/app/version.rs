//! Which version of a recipe is deployed, and which the settings pin.
//!
//! The version that was deployed is written into the settings, as abra does, so that the
//! next plain deploy does not go back to an older version. Going back needs consent,
//! because the older release may be unable to use data that the newer one migrated.
//!
//! A recipe without releases in git, a plain folder, has the version in its
//! label `coop-cloud.<stack>.version`.

use crate::{
    compose::Stack,
    engine::{api, label},
    home::lock_file::RecipePin,
    plugin::Transition,
    recipe::{
        self, Checkout, Version,
        error::{Unsigned, Untrusted},
        version::Release,
    },
    rollout::{Change, ChangeAction, ChangeKind, live::Live},
};

use super::{
    App, Context, Error, chaos,
    names::{UNRELEASED, short},
    questions::Downgrade,
};

/// What the app is about to run, as its lock file keeps it.
pub(crate) fn pinned(app: &App) -> RecipePin {
    let Checkout { version, commit, chaos, .. } = &*app.checkout;
    RecipePin {
        version: version.clone(),
        commit: commit.clone(),
        label: version.is_none().then(|| labelled(&app.stack)).flatten(),
        chaos: chaos.as_ref().map(chaos::pinned),
    }
}

/// The version that the recipe's label says.
fn labelled(stack: &Stack) -> Option<String> {
    version_label(stack.name.as_str(), stack.services.iter().map(|service| &service.spec))
}

fn version_label<'a>(
    stack: &str,
    mut specs: impl Iterator<Item = &'a api::ServiceSpec>,
) -> Option<String> {
    let key = format!("coop-cloud.{stack}.version");
    let found = specs.find_map(|spec| label(spec.labels.as_ref(), &key).map(str::trim))?;
    (!found.is_empty()).then(|| found.to_owned())
}

/// The versions before and after the deploy. A first deploy has no version before; a
/// version without a name still counts as one. If no lock file knows the version, because
/// another tool deployed it, the label of the running services does.
pub(crate) fn transition(app: &App, live: &Live) -> Transition {
    let deployed = app.lock.recipe.as_ref();
    let before = || {
        let kept = deployed.filter(|pin| pin.version.is_some() || pin.label.is_some());
        let running = || {
            let specs = live.services.values().filter_map(|service| service.spec.as_ref());
            version_label(app.name.as_str(), specs)
        };
        kept.and_then(RecipePin::name)
            .cloned()
            .or_else(running)
            .or_else(|| deployed.and_then(RecipePin::name).cloned())
            .unwrap_or_else(|| UNRELEASED.into())
    };
    let after = pinned(app);
    Transition {
        before: (!live.services.is_empty()).then(before),
        after: Some(after.name().cloned().unwrap_or_else(|| UNRELEASED.into())),
    }
}

/// Whether the versions before and after are unknown.
pub(crate) fn is_unknown(transition: &Transition) -> bool {
    transition.after.as_deref() == Some(UNRELEASED)
}

/// The version that was deployed last, and the one to be deployed; none if they
/// are equal, or nothing can be compared.
fn step(app: &App) -> Option<(String, String)> {
    let deployed = app.lock.recipe.as_ref()?;
    let wanted = pinned(app);
    let commit = |pin: &RecipePin| pin.commit.as_deref().map(short);
    let spoken = |pin: &RecipePin| match pin {
        RecipePin { version: None, label: None, chaos: None, .. } => commit(pin),
        named => named.name().cloned(),
    };
    // After a migration that failed beyond its point of no return, the new
    // version is what runs; after a deploy that was cut off it may be.
    let stayed = app.lock.upgrade.as_ref().filter(|upgrade| upgrade.irreversible);
    let after = spoken(&wanted)?;
    let begun = app.lock.begun.as_ref().and_then(spoken).filter(|begun| *begun != after);
    let before = match (stayed, begun) {
        (Some(upgrade), _) => upgrade.after.clone(),
        (None, Some(begun)) => begun,
        (None, None) => spoken(deployed)?,
    };
    if before != after {
        return Some((before, after));
    }
    // Commits that call themselves alike.
    let (before, after) = (commit(deployed)?, commit(&wanted)?);
    (stayed.is_none() && wanted.version.is_none() && before != after).then_some((before, after))
}

/// The command that goes back to the version that was deployed last; none if that
/// is the same, or has no name.
pub(crate) fn way_back(app: &App) -> Option<String> {
    let (before, after) = step(app)?;
    let deployed = app.lock.recipe.as_ref()?;
    let version = deployed.version.as_ref().or(deployed.commit.as_ref())?;
    let downgrade = if is_older(&after, &before) { " --downgrade" } else { "" };
    Some(format!("potluck app deploy {} {version}{downgrade}", app.entry.name))
}

/// Releases whose notes matter for a change from one version to another, oldest
/// first: those after the first one, up to the second.
fn releases_between(before: &str, after: &str, all: Vec<String>) -> Vec<String> {
    let Some(to) = Release::parse(after) else { return Vec::new() };
    let from = Release::parse(before).filter(|from| *from < to);
    let mut between: Vec<(Release, String)> = all
        .into_iter()
        .filter_map(|name| Some((Release::parse(&name)?, name)))
        .filter(|(release, name)| {
            name == after || from.as_ref().is_some_and(|from| from < release && *release <= to)
        })
        .collect();
    between.sort();
    between.into_iter().map(|(_, name)| name).collect()
}

/// Whether `after` is a release before `before`.
fn is_older(before: &str, after: &str) -> bool {
    match (Release::parse(before), Release::parse(after)) {
        (Some(before), Some(after)) => after < before,
        _ => false,
    }
}

/// Asks before an older release goes over a newer one.
///
/// # Errors
/// [`Error::NeedsDowngrade`].
pub(crate) fn allow(context: &Context, app: &App) -> Result<(), Error> {
    let Some((before, after)) = step(app).filter(|(before, after)| is_older(before, after)) else {
        return Ok(());
    };
    let downgrade = Downgrade {
        app: app.entry.name.to_string(),
        before,
        after,
        released: app.checkout.version.is_some(),
    };
    if context.consent.downgrade(&downgrade) {
        Ok(())
    } else {
        Err(Error::NeedsDowngrade(Box::new(downgrade)))
    }
}

/// Refuses a release that is another commit than when it was deployed last, where versions
/// have to be signed: a signed tag may lead there, too.
///
/// # Errors
/// [`recipe::Error::Unsigned`].
pub(crate) fn unmoved(context: &Context, app: &App, wanted: &Version) -> Result<(), Error> {
    let Checkout { recipe, version, commit, signed, .. } = &*app.checkout;
    let (Some(_), Some(version), Some(after)) = (signed, version, commit) else { return Ok(()) };
    // Anyone who names the commit means it.
    if matches!(wanted, Version::Named(name) if name != version && after.starts_with(name)) {
        return Ok(());
    }
    let deployed = app.lock.recipe.as_ref().filter(|pin| pin.version.as_ref() == Some(version));
    let Some(before) = deployed.and_then(|pin| pin.commit.as_ref()) else { return Ok(()) };
    if before == after {
        return Ok(());
    }
    let signers = context.home.recipe_signers(recipe)?;
    Err(recipe::Error::Unsigned(Box::new(Unsigned {
        recipe: recipe.clone(),
        version: version.clone(),
        why: Untrusted::Moved { before: short(before), after: after.clone() },
        signers: signers.map(|signers| signers.name).unwrap_or_default(),
        newest: None,
    }))
    .into())
}

/// The change of versions as a line of a plan, with what the maintainers say of
/// the new one.
///
/// # Errors
/// Notes that cannot be read.
pub(crate) fn change(app: &App) -> Result<Option<Change>, Error> {
    let kind = ChangeKind::Recipe;
    let name = app.checkout.recipe.to_string();
    let Some((before, after)) = step(app) else {
        let first = app.checkout.signed.is_some() && app.lock.recipe.is_none();
        return Ok(first.then(|| Change {
            kind,
            name,
            action: ChangeAction::Create,
            details: signed(app).into_iter().collect(),
        }));
    };
    let mut details = vec![format!("version: {before} → {after}")];
    details.extend(signed(app));
    if app.replays.is_none() && is_older(&before, &after) {
        details.push(format!(
            "{after} is older than {before}, which was deployed last: where you cannot be asked, \
             pass --downgrade"
        ));
    }
    if app.checkout.version.is_some() {
        for release in releases_between(&before, &after, app.checkout.releases_with_notes()?) {
            let notes = app.checkout.release_notes(&release)?.unwrap_or_default();
            let lines = notes.lines().map(str::trim_end).filter(|line| !line.is_empty());
            details.extend(lines.map(|line| format!("note of {release}: {line}")));
        }
    }
    Ok(Some(Change { kind, name, action: ChangeAction::Update, details }))
}

/// Who signed the version, where the folder says who may.
fn signed(app: &App) -> Option<String> {
    app.checkout.signed.as_ref().map(|signed| format!("signed by: {signed}"))
}

/// Writes the version that the swarm has now into the settings, where they pin
/// one or the operator named one. Settings without a version follow the newest.
///
/// # Errors
/// Settings that cannot be read or written.
pub(crate) fn pin(context: &Context, app: &App, wanted: &Version) -> Result<(), Error> {
    let Some(version) = app.checkout.version.as_ref().or(app.checkout.commit.as_ref()) else {
        return Ok(());
    };
    // Read anew: someone may have edited them meanwhile.
    let mut env = context.home.env(&app.entry)?;
    let pinned = env.recipe_pin().map_err(crate::home::Error::from)?.and_then(|(_, pin)| pin);
    let named = matches!(wanted, Version::Named(_));
    if pinned.as_ref() == Some(version) || (pinned.is_none() && !named) {
        return Ok(());
    }
    env.pin(version).map_err(crate::home::Error::from)?;
    Ok(context.home.write_env(&app.entry, &env)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_are_those_of_all_releases_on_the_way() {
        let all =
            || ["2.0.0+1", "next", "1.0.0+1", "1.1.0+1", "3.0.0+1"].map(String::from).to_vec();
        for (before, after, notes) in [
            ("1.0.0+1", "2.0.0+1", vec!["1.1.0+1", "2.0.0+1"]),
            ("1.1.0+1", "2.0.0+1", vec!["2.0.0+1"]),
            // Going back, and from what is no release, only what is arrived at.
            ("2.0.0+1", "1.0.0+1", vec!["1.0.0+1"]),
            ("0a1b2c3d4e5f…", "1.1.0+1", vec!["1.1.0+1"]),
            ("1.0.0+1", "0a1b2c3d4e5f…", vec![]),
        ] {
            assert_eq!(releases_between(before, after, all()), notes, "{before} {after}");
        }
    }

    #[test]
    fn only_releases_are_older_than_others() {
        for (before, after, older) in [
            ("2.0.0+1.37", "1.0.0+1.36", true),
            ("1.0.0+1.36", "2.0.0+1.37", false),
            ("1.0.0+1.36", "1.0.0+1.36", false),
            ("1.0.0", "0a1b2c3d4e5f…", false),
            ("0a1b2c3d4e5f…", "1.0.0", false),
        ] {
            assert_eq!(is_older(before, after), older, "{before} {after}");
        }
    }
}
