//! Starting an app's plugins: components from the recipe and from potluck
//! itself, grants that were agreed to, and surroundings confined to the app's
//! own stack.

use std::sync::Arc;

use crate::{
    app::{App, Component, Context, Error, World, plugins::missing},
    home::Grant,
    plugin::{Facts, Hooks, Limits, Machine, Plugin, Role, Surroundings},
};

use super::{
    access::{AppFiles, AppMemory, AppSecrets},
    consent::{Guarding, agree, check_flags},
    services::AppServices,
};

/// Starts the plugins that play a role, in the order of `recipe.yml`, asking
/// for consent where there is none yet (and then writing it to the lock file).
///
/// # Errors
/// [`Error::BadGrant`], [`Error::NeedsConsent`], [`Error::GrantsChanged`], components
/// that are missing or cannot be loaded.
pub async fn start(
    context: &Context,
    app: &App,
    role: Role,
    guarding: Guarding<'_>,
) -> Result<Vec<(String, Hooks)>, Error> {
    let components = app.components()?;
    if role == Role::Backup
        && let Some(missing) = missing(app, &components)
    {
        app.checkout.component(&missing.component)?;
    }
    check_flags(context, app, &components)?;
    if components.is_empty() {
        return Ok(Vec::new());
    }
    agree(context, app, &components, guarding)?;
    start_components(context, app, components.iter(), &[role]).await
}

/// One plugin of an app by its name, and what it would be started with; asks for
/// consent as [`start`] does. None when the recipe has no such plugin.
///
/// # Errors
/// As [`start`].
pub async fn prepare(
    context: &Context,
    app: &App,
    plugin: &str,
    guarding: Guarding<'_>,
) -> Result<Option<(Plugin, Surroundings)>, Error> {
    let components = app.components()?;
    let Some(component) = components.iter().find(|c| c.entry.name == plugin) else {
        return Ok(None);
    };
    check_flags(context, app, &components)?;
    agree(context, app, &components, guarding)?;
    let plugin = component.load(&context.runtime).await?;
    let surroundings = surroundings(context, app, component, plugin)?;
    Ok(Some((plugin.clone(), surroundings)))
}

/// Starts components that play one of these roles and all of whose grants are
/// agreed to.
pub(crate) async fn start_components(
    context: &Context,
    app: &App,
    components: impl Iterator<Item = &Component>,
    roles: &[Role],
) -> Result<Vec<(String, Hooks)>, Error> {
    let loading = components.map(|component| async move {
        component.load(&context.runtime).await.map(|plugin| (component, plugin))
    });
    let plugins = futures_util::future::try_join_all(loading).await?;
    let mut started = Vec::new();
    for (component, plugin) in plugins {
        if roles.iter().any(|role| plugin.roles().contains(role)) {
            let surroundings = surroundings(context, app, component, plugin)?;
            started.push((component.entry.name.clone(), plugin.start(surroundings).await?));
        }
    }
    Ok(started)
}

/// Replaces an instance that trapped or was interrupted: hooks that end what
/// an earlier one began have to run then, too.
///
/// # Errors
/// As [`start`], consent aside: the plugin has run in this operation.
pub(crate) async fn restart_broken(
    context: &Context,
    app: &App,
    name: &str,
    hooks: &mut Hooks,
) -> Result<(), Error> {
    if !hooks.is_broken() {
        return Ok(());
    }
    for component in app.components()?.iter().filter(|c| c.entry.name == name) {
        let plugin = component.load(&context.runtime).await?;
        *hooks = plugin.start(surroundings(context, app, component, plugin)?).await?;
    }
    Ok(())
}

/// A plugin of a sealed app runs on this machine, which reaches everything.
fn is_open(world: World, grant: &Grant) -> bool {
    world == World::Open || !matches!(grant, Grant::Http(_))
}

fn surroundings(
    context: &Context,
    app: &App,
    component: &Component,
    plugin: &Plugin,
) -> Result<Surroundings, Error> {
    let entry = &component.entry;
    let limits = Limits::for_roles(plugin.roles())
        .with_raised(&entry.limits)
        .map_err(|e| Error::PluginLimit { plugin: entry.name.clone(), source: e })?;
    Ok(Surroundings {
        facts: Facts {
            app: app.entry.name.to_string(),
            stack: app.name.to_string(),
            recipe: app.checkout.recipe.to_string(),
            version: app.checkout.version.clone(),
            server: app.entry.server.to_string(),
        },
        settings: app.variables.clone().into_iter().collect(),
        options: entry.options.clone(),
        grants: entry
            .grants
            .iter()
            .filter(|grant| is_open(context.world, grant))
            .cloned()
            .collect(),
        limits,
        services: Arc::new(AppServices::of(app)),
        secrets: Arc::new(AppSecrets::of(context, app)?),
        memory: Arc::new(AppMemory::of(context, app, &entry.name)?),
        files: Arc::new(AppFiles(Arc::clone(&app.checkout))),
        progress: Arc::clone(&context.progress),
        outside: Arc::new(Machine),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plugin_of_a_sealed_app_sends_no_requests() {
        for (grant, sealed) in
            [("exec: db", true), ("secret: x", true), ("http: https://live.example.org", false)]
        {
            let grant: Grant = grant.parse().unwrap();
            assert!(is_open(World::Open, &grant), "{grant}");
            assert_eq!(is_open(World::Sealed, &grant), sealed, "{grant}");
        }
    }
}
