//! What a backup would save, and what services do meanwhile: `backup create --dry-run`.

use serde::Serialize;

use crate::{
    app::{self, App, Context},
    backup::{
        Error, Repository,
        options::{Options, writers_of},
        set::{
            ItemKind, ItemName,
            holding::writer_keys,
            plan::{self, What},
        },
    },
    home::{AppGuard, VolumeWriters},
    hooks::{self, Guarding},
    plugin::Role,
};

/// What a backup would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BackupPlan {
    pub app: String,
    /// Without credentials.
    pub repository: String,
    /// What services do while the volumes that they write are read.
    pub writers: VolumeWriters,
    pub items: Vec<PlannedItem>,
}

/// One item of it; the settings, which every backup has, are left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PlannedItem {
    pub name: ItemName,
    pub kind: ItemKind,
    /// The service that a dump comes from.
    pub service: Option<String>,
    /// What is taken of a volume; all of it when empty.
    pub paths: Vec<String>,
    /// The services that are paused or stopped meanwhile.
    pub held: Vec<String>,
}

/// Asks what a backup would save. Changes nothing.
///
/// # Errors
/// [`Error::NothingYet`], [`Error::BadItem`], and what plugins say.
pub async fn plan_backup(
    context: &Context,
    guard: &AppGuard,
    app: &App,
    options: &Options,
) -> Result<BackupPlan, Error> {
    app.engine.require().await.map_err(app::Error::from)?;
    if app::is_unknown(&app.engine).await? {
        return Err(Error::NothingYet { app: app.entry.name.to_string() });
    }
    let writers = writers_of(context, &app.entry, options)?;
    let repository = Repository::of(
        &context.home,
        &app.entry.server,
        options.from.as_ref(),
        &options.environment,
    )?;
    let mut hooks = hooks::start(context, app, Role::Backup, Guarding::Held(guard)).await?;
    let items = plan::ask(app, &mut hooks).await?.into_iter().map(|item| PlannedItem {
        kind: item.kind(),
        name: item.name,
        service: match &item.what {
            What::Dump { service, .. } => Some(service.clone()),
            What::Volume { .. } | What::Custom => None,
        },
        paths: match &item.what {
            What::Volume { paths, .. } => paths.clone(),
            What::Dump { .. } | What::Custom => Vec::new(),
        },
        held: match &item.what {
            What::Volume { volume, .. } if writers != VolumeWriters::Run => {
                writer_keys(app, volume)
            }
            What::Volume { .. } | What::Dump { .. } | What::Custom => Vec::new(),
        },
    });
    Ok(BackupPlan {
        app: app.entry.name.to_string(),
        repository: repository.display(),
        writers,
        items: items.collect(),
    })
}
