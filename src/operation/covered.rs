//! Of which volumes a backup has the content: those that it has as a whole, and those of
//! which all services that mount them are dumped. Of what plugins save in their own way,
//! that is not known.

use std::collections::BTreeSet;

use crate::{
    backup::{
        ItemKind,
        set::{
            manifest::Item,
            plan::{Planned, What},
        },
    },
    compose::Stack,
    engine::{self, Engine, Kind, Scope, api::ServiceSpec},
    owner::Confined,
};

/// The app's own volumes on the node that its server's endpoint speaks for.
///
/// # Errors
/// What the engine says.
pub(super) async fn own_volumes(engine: &Confined) -> Result<Vec<String>, engine::Error> {
    let owned = engine.owned().await?;
    let volumes = engine.volumes(Scope::All).await?.into_iter().map(|volume| volume.name);
    Ok(volumes.filter(|name| owned.has_name(Kind::Volume, name)).collect())
}

/// What a backup has, or would have.
#[derive(Debug, Default)]
pub(super) struct Covered {
    /// Docker's names of volumes.
    whole: BTreeSet<String>,
    /// Keys of services.
    dumped: BTreeSet<String>,
}

impl Covered {
    /// By the items of a set.
    pub fn by(items: &[Item]) -> Self {
        let whole = items.iter().filter_map(|item| item.volume.as_ref());
        let dumps = items.iter().filter(|item| item.kind == ItemKind::Dump);
        Covered {
            whole: whole.filter(|it| it.paths.is_empty()).map(|it| it.name.clone()).collect(),
            dumped: dumps.filter_map(|item| item.service.clone()).collect(),
        }
    }

    /// By what a backup would save now.
    pub fn by_plan(planned: &[Planned]) -> Self {
        let mut covered = Covered::default();
        for item in planned {
            match &item.what {
                What::Volume { volume, paths, .. } if paths.is_empty() => {
                    covered.whole.insert(volume.name.clone());
                }
                What::Dump { service, .. } => {
                    covered.dumped.insert(service.clone());
                }
                What::Volume { .. } | What::Custom => {}
            }
        }
        covered
    }

    /// Whether a volume's content is among it.
    pub fn has(&self, volume: &str, stack: &Stack) -> bool {
        let mut mounting = stack.services.iter().filter(|it| mounts(&it.spec, volume)).peekable();
        self.whole.contains(volume)
            || mounting.peek().is_some() && mounting.all(|it| self.dumped.contains(&it.key))
    }
}

fn mounts(spec: &ServiceSpec, volume: &str) -> bool {
    let container = spec.task_template.as_ref().and_then(|task| task.container_spec.as_ref());
    let mounts = container.and_then(|container| container.mounts.as_ref());
    mounts.into_iter().flatten().any(|mount| mount.source.as_deref() == Some(volume))
}
