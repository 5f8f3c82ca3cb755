//! Definitions that no service uses: usually a forgotten reference rather than a
//! superfluous definition.

use std::collections::BTreeSet;

use crate::compose::{model::File, problem::Spot};

use super::interpolate::{Note, NoteKind};

/// The network of services that name none.
const DEFAULT: &str = "default";

/// Notes what no service of the merged files uses, whatever its profiles. External
/// networks and volumes are left out: they cost nothing and exist for others.
pub fn find(file: &File, notes: &mut Vec<Note>) {
    let services = || file.services.values();
    let mut networks: BTreeSet<&str> =
        services().flat_map(|service| service.networks.keys().map(String::as_str)).collect();
    if services().any(|service| service.networks.is_empty()) {
        networks.insert(DEFAULT);
    }
    let volumes: BTreeSet<&str> = services()
        .flat_map(|service| &service.volumes)
        // Of a letter before a path docker makes a path; that is said of the mount.
        .flat_map(|mount| [mount.it.source.as_str(), drive(&mount.it.target)])
        .collect();
    let secrets: BTreeSet<&str> = services()
        .flat_map(|service| service.secrets.iter().map(|secret| secret.it.source.as_str()))
        .collect();
    let configs: BTreeSet<&str> = services()
        .flat_map(|service| {
            let mounted = service.configs.iter().map(|config| config.it.source.as_str());
            mounted.chain([service.credential_spec.config.as_str()])
        })
        .collect();
    let mut unused = |section: &str, name: &str, at: Spot, effect: &'static str| {
        let (path, kind) = (format!("{section}.{name}"), NoteKind::Unused(effect));
        notes.push(Note { at, path, kind });
    };
    const NOT_MADE: &str = "docker does not make it";
    const NOT_MOUNTED: &str = "no task gets it";
    for (name, network) in &file.networks {
        if !network.external && !networks.contains(name.as_str()) {
            unused("networks", name, network.at, NOT_MADE);
        }
    }
    for (name, volume) in &file.volumes {
        if !volume.external && !volumes.contains(name.as_str()) {
            unused("volumes", name, volume.at, NOT_MADE);
        }
    }
    for (section, objects, used) in
        [("secrets", &file.secrets, &secrets), ("configs", &file.configs, &configs)]
    {
        for (name, object) in objects.iter().filter(|(name, _)| !used.contains(name.as_str())) {
            unused(section, name, object.at, NOT_MOUNTED);
        }
    }
}

fn drive(target: &str) -> &str {
    target.split_once(':').map_or("", |(drive, _)| drive)
}
