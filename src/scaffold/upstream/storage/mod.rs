//! Mounts: folders beside the compose file become volumes, files become configs, and what is
//! the machine's own is said. What an app writes is never a config, and what is outside of the
//! project is never looked at.

mod kind;
mod mount;
mod store;
mod top;

use std::collections::BTreeMap;

use crate::compose::tree::Map;

use super::{draft::Draft, project::Project, read};
use store::Storage;

/// Files and volumes of all services.
pub fn mounts(draft: &mut Draft, maps: &[&Map], project: &Project) {
    let mut storage =
        Storage { draft, project, volumes: BTreeMap::new(), credentials: BTreeMap::new() };
    for (index, map) in maps.iter().enumerate() {
        let mut mounts = read::mounts(map, project);
        // A file may be below a folder that is mounted behind it.
        mounts.sort_by_key(|mount| kind::is_data_name(&mount.source));
        for mount in mounts {
            storage.mount(index, mount);
        }
        storage.references(index, map);
    }
    storage.definitions();
}
