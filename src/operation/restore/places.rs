//! The plan of a restore: where in the app each item of the set belongs; pure.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::Serialize;

use super::services::{Services, Start};
use crate::{
    app::App,
    backup::{
        Error,
        set::{
            ItemKind, ItemName, SetId,
            manifest::{Item, Manifest},
            plan::{Planned, What},
        },
    },
    compose::StackVolume,
    text::line,
};

/// The plan of a restore, for the person who decides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RestorePlan {
    pub set: SetId,
    pub app: String,
    /// When the set was begun.
    pub taken: Timestamp,
    /// Version of the recipe when it was taken.
    pub version: Option<String>,
    /// Whether services have to be deployed: they are gone, or stopped.
    pub deploys: bool,
    /// Keys of the services that stop meanwhile.
    pub stops: Vec<String>,
    /// Docker's names of the volumes whose content is replaced.
    pub replaces: Vec<String>,
    /// Docker's names of the volumes that are missing and will be created.
    pub makes: Vec<String>,
    /// Whether the app has any data that would be lost.
    pub loses_data: bool,
    /// Dumps and the services that take them back.
    pub puts_back: Vec<(ItemName, String)>,
    /// Items that plugins take back.
    pub consumes: Vec<ItemName>,
    /// Paths in the one volume that they replace or are added to; all of it where there are
    /// none.
    pub paths: Vec<String>,
    pub bytes: u64,
    pub warnings: Vec<String>,
}

/// Finds for every item of the set the one that the app would take today: that
/// item says where the data belongs, or how it is restored. Settings are not changed.
pub(super) fn match_items(
    manifest: &Manifest,
    planned: Vec<Planned>,
) -> Result<Vec<(Item, Planned)>, Error> {
    manifest
        .items
        .iter()
        .filter(|item| item.kind != ItemKind::Settings)
        .map(|item| {
            let place = planned.iter().find(|p| p.kind() == item.kind && p.name == item.name);
            let place = place.ok_or_else(|| Error::NoPlaceFor {
                set: manifest.set.clone(),
                item: item.name.to_string(),
                reason: match &manifest.version {
                    Some(version) => format!(
                        "the app has no such {}; it was taken with version {version} of the recipe",
                        item.kind
                    ),
                    None => format!("the app has no such {}", item.kind),
                },
            })?;
            Ok((item.clone(), place.clone()))
        })
        .collect()
}

pub(super) fn describe(
    app: &App,
    manifest: &Manifest,
    items: &[(Item, Planned)],
    services: &Services,
    volumes: &BTreeSet<String>,
) -> RestorePlan {
    let is_there = |volume: &StackVolume| !volume.external && volumes.contains(&volume.name);
    let mut plan = RestorePlan {
        set: manifest.set.clone(),
        app: app.entry.name.to_string(),
        taken: manifest.created,
        version: manifest.version.clone(),
        deploys: matches!(services.start, Start::Deploy),
        stops: services.stops(),
        replaces: Vec::new(),
        makes: Vec::new(),
        // A dump goes into a volume that need not be an item itself.
        loses_data: !services.running.is_empty() || app.stack.volumes.iter().any(is_there),
        puts_back: Vec::new(),
        consumes: Vec::new(),
        paths: Vec::new(),
        bytes: manifest.bytes(),
        warnings: told_then(manifest),
    };
    for (item, place) in items {
        match &place.what {
            What::Volume { volume, .. } if is_there(volume) => {
                plan.replaces.push(volume.name.clone());
            }
            What::Volume { volume, .. } => plan.makes.push(volume.name.clone()),
            What::Dump { service, .. } => {
                plan.puts_back.push((item.name.clone(), service.clone()));
            }
            What::Custom => plan.consumes.push(item.name.clone()),
        }
    }
    if manifest.version != app.checkout.version {
        let name = |v: &Option<String>| v.clone().unwrap_or_else(|| "an unreleased one".into());
        plan.warnings.push(format!(
            "the backup was taken with version {} of the recipe, the app is at {}",
            name(&manifest.version),
            name(&app.checkout.version)
        ));
    }
    plan
}

/// The warnings at the time of the backup: the data may be incomplete.
fn told_then(manifest: &Manifest) -> Vec<String> {
    const SHOWN: usize = 10;
    let mut told: Vec<String> = manifest
        .warnings
        .iter()
        .take(SHOWN)
        .map(|warning| format!("when this backup was taken: {}", line(warning)))
        .collect();
    let more = manifest.warnings.len().saturating_sub(SHOWN);
    if more > 0 {
        told.push(format!("when this backup was taken: {more} more warnings"));
    }
    told
}
