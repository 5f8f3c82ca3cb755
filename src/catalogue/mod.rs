//! The list of recipes for people: what each has, computed from its own files, as entries of
//! abra's `recipes.json`, as a static page, and to search in.
//!
//! An entry is what abra reads ([`crate::recipe::author::Entry`]) and, under the key
//! [`KEY`], [`Facts`]. The page and the search are functions of the list alone, so that anyone who
//! has the list can make the same page. All of it is foreign: it is bounded where it is read,
//! and cleaned and escaped where it is shown.

mod facts;
mod listed;
pub mod site;

pub use facts::{Facts, PluginFacts, ReachFacts, correct, facts};
pub use listed::{Listed, features, listed, search};

/// The key of an entry that abra does not know, and ignores.
pub const KEY: &str = "potluck";
