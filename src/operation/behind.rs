//! A folder that is behind: somebody else deployed the app since, with other settings or
//! another version, and a deploy from here would silently undo that.

use crate::{
    app::{App, Behind, Context, Error, version},
    home::lock_file::{LockFile, RecipePin},
    owner::release::{Release, changed},
    text::line,
};

use super::{
    DeployOptions,
    options::PartOf,
    record::settings,
    releases::{self, Releases},
};

impl Releases {
    /// Names of the settings that are others than those of what runs.
    pub fn changed_settings(&self, app: &App) -> Vec<String> {
        self.newest().map(|last| changed(&last.settings, &settings(app))).unwrap_or_default()
    }
}

impl Releases {
    /// Takes the newest release as what was deployed last, where the app's lock file does not
    /// know it: somebody else deployed it, and what is done now begins there. Returns its
    /// version; none where the lock file knows it, or nothing differs.
    pub fn adopt(&self, app: &mut App) -> Option<RecipePin> {
        let last = self.newest()?;
        let lock = &mut app.lock;
        if knows(lock, last) || lock.recipe.as_ref() == Some(&last.pin) {
            return None;
        }
        lock.recipe = Some(last.pin.clone());
        lock.release = Some(last.operation.clone());
        // What was unfinished here before is not any more.
        (lock.begun, lock.upgrade) = (None, None);
        lock.recipe.clone()
    }
}

/// Asks whether a folder that is behind may overwrite what somebody else deployed.
///
/// # Errors
/// [`Error::NeedsPull`], and what the engine says.
pub(super) async fn require_known(context: &Context, app: &App) -> Result<(), Error> {
    let known = releases::all(&app.engine).await?;
    let settings = known.changed_settings(app);
    look(context, app, &known, &settings, &DeployOptions::default(), true).map(drop)
}

/// What the plan says of a folder that is behind; nothing if it is not.
///
/// # Errors
/// [`Error::NeedsPull`] where somebody is asked, and does not want it.
pub(super) fn look(
    context: &Context,
    app: &App,
    known: &Releases,
    settings: &[String],
    options: &DeployOptions,
    asks: bool,
) -> Result<Option<String>, Error> {
    // What an operation recorded before it was killed is its own, also where another machine finishes it.
    let is_own = |last: &&Release| {
        options.release_of.as_ref().is_some_and(|PartOf(whole)| whole.operation == last.operation)
    };
    let last = known.newest().filter(|last| !is_own(last));
    let Some(behind) = last.and_then(|last| behind(app, last, settings)) else {
        return Ok(None);
    };
    if asks && !options.overwrite && !context.consent.behind(&behind) {
        return Err(Error::NeedsPull(Box::new(behind)));
    }
    Ok(Some(behind.to_string()))
}

/// Whether the folder brought a release, or was told of it.
fn knows(lock: &LockFile, last: &Release) -> bool {
    [&lock.release, &lock.releasing].contains(&&Some(last.operation.clone()))
}

fn behind(app: &App, last: &Release, settings: &[String]) -> Option<Behind> {
    let ours = version::pinned(app);
    if knows(&app.lock, last) || app.replays.is_some() || (settings.is_empty() && ours == last.pin)
    {
        return None;
    }
    Some(Behind {
        app: app.entry.name.to_string(),
        last: last.told(),
        version: (ours != last.pin)
            .then(|| ours.name().map(|name| line(name).into_owned()))
            .flatten(),
        settings: settings.to_vec(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_knows_the_release_that_it_was_about_to_record() {
        let last: Release = serde_json::from_value(serde_json::json!({
            "number": 2, "operation": "b", "user": "anna", "host": "laptop",
            "at": "2026-11-26T03:00:00Z", "app": "a", "recipe": "a", "version": "1", "pin": {},
            "services": [],
        }))
        .unwrap();
        for (release, releasing, is_known) in [
            (None, None, false),
            (Some("b"), None, true),
            (Some("a"), Some("b"), true),
            (Some("a"), Some("c"), false),
        ] {
            let [release, releasing] =
                [release, releasing].map(|it: Option<&str>| it.map(Into::into));
            let lock = LockFile { release, releasing, ..LockFile::default() };
            assert_eq!(knows(&lock, &last), is_known, "{lock:?}");
        }
    }
}
