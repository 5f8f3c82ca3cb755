//! The newest release of each recipe, as it is here.

use std::collections::BTreeMap;

use super::session::Session;
use crate::{home::RecipeName, recipe};

/// The newest releases of recipes; each is looked up once.
#[derive(Default)]
pub struct Newest(BTreeMap<RecipeName, Option<String>>);

impl Newest {
    /// None for a recipe without releases, or that isn't here.
    pub fn of(&mut self, session: &Session, recipe: &RecipeName) -> Option<String> {
        let look = || match session.recipes().map(|recipes| recipes.versions(recipe)) {
            Ok(Ok(versions)) => versions.into_iter().next(),
            Ok(Err(recipe::Error::Unknown { .. })) => None,
            Ok(Err(error)) => {
                session.ui.warn(error);
                None
            }
            Err(failure) => {
                session.ui.warn(failure.message.unwrap_or_default());
                None
            }
        };
        self.0.entry(recipe.clone()).or_insert_with(look).clone()
    }
}
