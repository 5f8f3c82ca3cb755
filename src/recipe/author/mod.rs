//! What maintainers do in a clone: see and drop what is not committed, write versions and
//! tags of images into compose files, release.
//!
//! Here, too, git never runs in the clone: it works in a copy of ours, with the person's own
//! configuration where it says who they are and how they sign; what it made is given back,
//! packs first, then references, each completely or not at all. So neither hooks nor filters
//! run, whatever the clone or the recipe say.

mod bump;
mod catalogue;
mod desk;
mod edit;
mod registry;

pub use bump::{Bump, is_later, newer, next, within};
pub use catalogue::{About, Entry, Features, Image, Tagged, about, entry};
pub use desk::{Commit, Desk, Difference, Person, begin};
pub use edit::{Unedited, images, set_image, set_version, version};
pub use registry::{Registry, RegistryError, repository_of};
