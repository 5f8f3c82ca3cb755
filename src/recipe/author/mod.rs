//! What maintainers do in a clone: see and drop what is not committed, write versions and
//! tags of images into compose files and the sample of settings, release.
//!
//! Here, too, git never runs in the clone: it works in a copy of ours, with the person's own
//! configuration where it says who they are and how they sign; what it made is given back,
//! packs first, then references, each completely or not at all. So neither hooks nor filters
//! run, whatever the clone or the recipe say.

mod age;
mod bump;
mod catalogue;
mod change;
mod databases;
mod decisions;
mod desk;
mod edit;
mod link;
mod offer;
mod reference;
mod registry;
mod spots;
mod tag;
mod together;

pub use age::{built, is_old_enough};
pub use bump::{Bump, after, is_further, is_later};
pub use catalogue::{About, Entry, Features, Image, Tagged, about, entry};
pub use change::{Change, changes, greatest, noted};
pub use databases::MajorStep;
pub use decisions::open_decisions;
pub use desk::{Commit, Desk, Difference, Person, begin};
pub use edit::{Unedited, set_version, version};
pub use link::release_notes;
pub use offer::{Choice, DatabaseMajors, offers, permitted};
pub use reference::Reference;
pub use registry::{Facts, Registry, RegistryError};
pub use spots::{Spot, Spots, Texts, Unread, Unwritten, Use};
pub use tag::leading;
pub use together::Contents;
