//! What keeps an app from moving, all of it found while it runs.

use std::collections::BTreeSet;

use super::{
    super::{
        backup::plan_backup,
        connection::dependents,
        covered::{Covered, own_volumes},
        rebuild::{NewApp, Rebuild},
        unfinished::refuse_unfinished,
    },
    plan::{MoveOptions, MovePlan},
};
use crate::{
    app::{self, App, Context},
    backup::{Error, Options, Which, set::manifest::Item},
    engine::{Engine, Scope},
    home::{AppGuard, Grant},
    hooks,
    operation::server::domain_warnings,
    plugin::Role,
    rollout::wants_tasks,
};

/// A move that is ready to run.
pub struct Move {
    pub plan: MovePlan,
    pub(super) app: App,
    pub(super) target: NewApp,
}

impl Move {
    /// Looks for all that could keep the app from coming. Changes nothing.
    ///
    /// # Errors
    /// [`app::Error::NotDeployed`], [`Error::NoSet`] where there is no backup yet, and those
    /// of a backup and of a rebuild.
    pub async fn prepare(
        context: &Context,
        (guard, guard_there): (&AppGuard, &AppGuard),
        target: NewApp,
        move_options: MoveOptions,
        options: &Options,
    ) -> Result<Self, Error> {
        let entry = guard.app();
        let app = app::load_deployed(context, entry).await?;
        app.engine.require().await.map_err(app::Error::from)?;
        refuse_unfinished(&app.engine, entry.name.as_str()).await?;
        let Stopping { stops, runs_on, repository } =
            Stopping::plan(context, guard, &app, options).await?;
        let rebuild =
            Rebuild::prepare(context, guard_there, target, &Which::Latest, options).await?;
        let own = own_volumes(&app.engine).await?;
        let (removes, keeps) = divide(own, rebuild.items(), &app, move_options);
        let mut told = warnings_of(context, &app, &rebuild).await?;
        told.extend(keeps.iter().filter(|_| !move_options.keep_data).map(|volume| {
            format!("the volume {volume} is not in the backup: it stays on {}", entry.server)
        }));
        let (there, target) = rebuild.into_parts();
        let plan = MovePlan {
            app: entry.name.to_string(),
            from: entry.server.to_string(),
            to: target.app.server.to_string(),
            stops,
            runs_on,
            repository,
            there,
            removes,
            keeps,
            warnings: told,
        };
        Ok(Move { plan, app, target })
    }
}

/// Who depends on the app being where it is, and where people are led.
async fn warnings_of(
    context: &Context,
    app: &App,
    rebuild: &Rebuild,
) -> Result<Vec<String>, Error> {
    let entry = &app.entry;
    let mut told: Vec<String> = dependents(&context.home, entry)
        .map_err(app::Error::from)?
        .into_iter()
        .map(|other| {
            format!("{other} is connected to {}: connect it once more afterwards", entry.name)
        })
        .collect();
    // As it is going to be: the domain has to lead to the other server.
    match app::load_deployed(&rebuild.context(context)?, rebuild.target()).await {
        Ok(there) => told.extend(domain_warnings(context, &there).await),
        Err(error) => return Err(error.into()),
    }
    Ok(told)
}

/// What stops for the last backup, and what it needs.
pub(super) struct Stopping {
    pub stops: Vec<String>,
    pub runs_on: Vec<String>,
    pub repository: String,
}

impl Stopping {
    /// A dump needs its service, and a plugin those in which it may run programs.
    ///
    /// # Errors
    /// [`app::Error::NotDeployed`]; what plugins say when they are asked for their items.
    pub async fn plan(
        context: &Context,
        guard: &AppGuard,
        app: &App,
        options: &Options,
    ) -> Result<Self, Error> {
        let live = app.engine.services(Scope::Stack(&app.name)).await?;
        if live.is_empty() {
            return Err(app::Error::NotDeployed { app: app.entry.name.to_string() }.into());
        }
        hooks::check_grants(context, app)?;
        let backup = plan_backup(context, guard, app, options).await?;
        let mut needed: BTreeSet<String> =
            backup.items.into_iter().filter_map(|item| item.service).collect();
        for component in app.components()?.iter() {
            let roles = component.roles().map_err(app::Error::from)?;
            if roles.contains(&Role::Backup) {
                needed.extend(component.entry.grants.iter().filter_map(|grant| match grant {
                    Grant::Exec(service) => Some(service.clone()),
                    Grant::Secret(_) | Grant::Http(_) => None,
                }));
            }
        }
        let keys = running(app).await?.into_iter();
        let (runs_on, stops) = keys.partition(|key: &String| needed.contains(key));
        Ok(Stopping { stops, runs_on, repository: backup.repository })
    }
}

/// Keys of the services that ask for tasks.
pub(super) async fn running(app: &App) -> Result<Vec<String>, Error> {
    let live = app.engine.services(Scope::Stack(&app.name)).await?;
    let prefix = format!("{}_", app.name);
    let specs = live.iter().filter_map(|service| service.spec.as_ref());
    let keys = specs
        .filter(|spec| wants_tasks(spec))
        .filter_map(|spec| spec.name.as_deref()?.strip_prefix(&prefix).map(str::to_owned));
    Ok(keys.collect())
}

/// Which volumes are removed, and which stay.
fn divide(
    own: Vec<String>,
    items: &[Item],
    app: &App,
    MoveOptions { keep_data }: MoveOptions,
) -> (Vec<String>, Vec<String>) {
    let covered = Covered::by(items);
    own.into_iter().partition(|name| !keep_data && covered.has(name, &app.stack))
}
