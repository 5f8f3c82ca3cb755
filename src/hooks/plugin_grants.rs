//! What an app's plugins ask for and were granted, for display.

use std::collections::BTreeSet;

use crate::{
    app::{App, Error},
    home::{Grant, lock_file::PluginPin},
    plugin::grants::Reason,
};

use super::consent::wishes;

/// What one plugin of an app asks for, and its grants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PluginGrants {
    pub plugin: String,
    /// As the recipe names it: `plugins/wiki.wasm`, `std:redis`.
    pub component: Option<String>,
    /// Of the component that the recipe has now, 64 hex digits.
    pub sha256: String,
    /// Of the component that was agreed to; the one for this version of the
    /// recipe, if there is one.
    pub agreed_sha256: Option<String>,
    pub asked: BTreeSet<Grant>,
    pub given: BTreeSet<Grant>,
    /// Lines of the lock file that are not valid grants, and are ignored.
    pub unreadable: Vec<String>,
    /// Whether the recipe has it. One that only the lock file still knows does
    /// not run.
    pub in_recipe: bool,
    /// Whether it would run without a question.
    pub agreed: bool,
    /// Whether the component changed although the recipe's version did not.
    pub changed_in_place: bool,
}

impl PluginGrants {
    /// What it can use now: nothing until everything it asks for is agreed to.
    pub fn effective(&self) -> BTreeSet<Grant> {
        match self.agreed {
            true => self.asked.intersection(&self.given).cloned().collect(),
            false => BTreeSet::new(),
        }
    }
}

/// What the app's plugins ask for and have, in the order of `recipe.yml`, and
/// then those that only the lock file still knows.
///
/// # Errors
/// Components that are missing, or not those that `recipe.yml` pins.
pub fn plugin_grants(app: &App) -> Result<Vec<PluginGrants>, Error> {
    let components = app.components()?;
    let wishes = wishes(app, &components, &[]);
    let mut all: Vec<PluginGrants> = components
        .iter()
        .map(|component| {
            let name = &component.entry.name;
            let wish = wishes.iter().find(|wish| wish.plugin == *name);
            let held = wish.and_then(|wish| wish.held.clone());
            let lock = app.lock.plugins.get(name);
            PluginGrants {
                plugin: name.clone(),
                component: Some(component.entry.component.to_string()),
                sha256: component.sha256.clone(),
                agreed_sha256: held.or_else(|| lock.map(|lock| lock.sha256.clone())),
                asked: component.entry.grants.iter().cloned().collect(),
                given: lock.map(PluginPin::given).unwrap_or_default(),
                unreadable: lock.map(unreadable).unwrap_or_default(),
                in_recipe: true,
                agreed: wish.is_none(),
                changed_in_place: wish.is_some_and(|w| w.question.reason == Reason::ChangedInPlace),
            }
        })
        .collect();
    for (name, lock) in &app.lock.plugins {
        let in_recipe = components.iter().any(|component| component.entry.name == *name);
        // Without a grant it is only remembered, in case that it comes back.
        if !in_recipe && !lock.grants.is_empty() {
            all.push(PluginGrants {
                plugin: name.clone(),
                component: lock.component.clone(),
                sha256: lock.sha256.clone(),
                agreed_sha256: Some(lock.sha256.clone()),
                asked: BTreeSet::new(),
                given: lock.given(),
                unreadable: unreadable(lock),
                in_recipe: false,
                agreed: false,
                changed_in_place: false,
            });
        }
    }
    Ok(all)
}

fn unreadable(lock: &PluginPin) -> Vec<String> {
    lock.unreadable().cloned().collect()
}
