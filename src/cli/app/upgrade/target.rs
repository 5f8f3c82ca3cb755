//! The version that an app is upgraded to.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    cli::{app::warn_of, failure::Failure, recipe::tell_moved, session::Session},
    home::{AppEntry, Home, RecipeAddress, RecipeName},
    recipe::{
        Version,
        version::{Release, Step},
    },
};

/// The version that is wanted.
#[derive(Clone, Copy)]
pub enum Wanted<'a> {
    /// The newest release.
    Newest,
    /// A release or a commit.
    Named(&'a str),
    /// The newest release that is so far from what is deployed at most, and no preview.
    Within(Step),
}

/// What is deployed, and what is to be.
pub struct Target {
    /// As the lock file says.
    pub before: Option<String>,
    pub version: Version,
    /// Whether a deploy to another version is unfinished.
    begun: bool,
}

impl Target {
    /// Fetches the recipe, unless that is not wanted or was done, and finds the version.
    ///
    /// # Errors
    /// Settings that cannot be read, an app that was never deployed, an older version.
    pub fn of(
        wanted: Wanted<'_>,
        session: &Session,
        home: &Home,
        entry: &AppEntry,
        recipes: &mut Recipes,
    ) -> Result<Self, Failure> {
        let env = home.env(entry)?;
        let lock = home.lock_file(entry)?;
        let app = &entry.name;
        let Some(deployed) = lock.recipe else {
            return Err(Failure::new(format!("{app} was never deployed from this folder"))
                .hint(format!("`potluck app deploy {app}` deploys it")));
        };
        let before = deployed.name().cloned();
        let begun = lock.begun.is_some() || lock.upgrade.is_some();
        let Some((recipe, _)) = env.recipe_pin()? else {
            return Err(crate::app::Error::NoRecipe { app: app.to_string() }.into());
        };
        if !session.offline {
            recipes.fetch(session, &recipe, env.recipe_address())?;
        }
        let version = match wanted {
            Wanted::Named(version) => Version::Named(version.to_owned()),
            Wanted::Newest => {
                let newest = recipes.versions(session, &recipe)?.first().cloned();
                newest.map_or(Version::Newest, Version::Named)
            }
            Wanted::Within(step) => {
                let Some(from) = before.as_deref().and_then(Release::parse) else {
                    return Err(Failure::new(format!("{app} does not run a release"))
                        .hint(format!("`potluck app upgrade {app}` upgrades it to one")));
                };
                let fits = |tag: &&String| {
                    Release::parse(tag)
                        .is_some_and(|it| it >= from && !it.is_preview() && from.step(&it) <= step)
                };
                let versions = recipes.versions(session, &recipe)?;
                let newest = match home.recipe_signers(&recipe)? {
                    None => versions.iter().find(fits).cloned(),
                    // One that nobody signed keeps no signed one from coming.
                    Some(_) => {
                        let store = session.recipes()?;
                        let is_good = |tag: &&String| {
                            let version = Version::Named((*tag).clone());
                            store.checkout(&recipe, &version).is_ok()
                        };
                        versions.iter().filter(fits).find(is_good).cloned()
                    }
                };
                // What is deployed may not be among the recipe's releases any more.
                Version::Named(newest.or(before.clone()).unwrap_or_default())
            }
        };
        if let (Version::Named(after), Some(before)) = (&version, &before)
            && let (Some(from), Some(to)) = (Release::parse(before), Release::parse(after))
            && to < from
        {
            return Err(Failure::usage(format!("{after} is older than {before}, which {app} has"))
                .hint(format!(
                    "`potluck app rollback {app} {after}` goes back to it, if it ran before"
                )));
        }
        Ok(Target { before, version, begun })
    }

    /// The version, if it is deployed already.
    pub fn is_there(&self) -> Option<&str> {
        match &self.version {
            Version::Named(version) if !self.begun && self.before.as_ref() == Some(version) => {
                Some(version)
            }
            _ => None,
        }
    }

    /// The version for people.
    pub fn after(&self) -> &str {
        match &self.version {
            Version::Named(version) => version,
            Version::Newest | Version::Working => "the newest commit",
        }
    }
}

/// The recipes of the apps that are upgraded: each is fetched and looked at once, however
/// many apps it has.
#[derive(Default)]
pub struct Recipes {
    fetched: BTreeSet<RecipeName>,
    versions: BTreeMap<RecipeName, Vec<String>>,
}

impl Recipes {
    /// Fetches a recipe; where that fails, its copy here has to do.
    fn fetch(
        &mut self,
        session: &Session,
        recipe: &RecipeName,
        address: Option<RecipeAddress>,
    ) -> Result<(), Failure> {
        if !self.fetched.insert(recipe.clone()) {
            return Ok(());
        }
        let store = session.recipes()?.from(address);
        match store.update(recipe) {
            Ok(moved) => tell_moved(session, &store, recipe, &moved),
            Err(error) => {
                warn_of(session, &error);
                session
                    .ui
                    .warn(format_args!("continuing with the copy of `{recipe}` that is here"));
            }
        }
        Ok(())
    }

    /// Its releases, the newest first.
    fn versions(&mut self, session: &Session, recipe: &RecipeName) -> Result<&[String], Failure> {
        if !self.versions.contains_key(recipe) {
            let versions = session.recipes()?.versions(recipe)?;
            self.versions.insert(recipe.clone(), versions);
        }
        Ok(&self.versions[recipe])
    }
}
