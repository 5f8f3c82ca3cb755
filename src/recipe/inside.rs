//! Checks that paths of a recipe do not lead out of it; pure.

use std::path::{Component, Path};

/// Whether a path leaves the recipe by its own components; cap-std handles links.
pub(super) fn leaves(path: &Path) -> bool {
    let mut depth = 0_usize;
    for part in path.components() {
        match part {
            Component::Normal(_) => depth += 1,
            Component::CurDir => {}
            Component::ParentDir if depth > 0 => depth -= 1,
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => return true,
        }
    }
    false
}
