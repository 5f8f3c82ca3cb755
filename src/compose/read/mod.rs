//! From the text of files to the model: YAML, interpolation, files that name others, merging.

pub(crate) mod blanks;
pub(crate) mod entries;
pub(crate) mod env;
pub(crate) mod extends;
pub(crate) mod include;
pub(crate) mod interpolate;
pub(crate) mod load;
pub(crate) mod losses;
pub(crate) mod merge;
pub(crate) mod oddities;
pub(crate) mod older;
pub(crate) mod others;
pub(crate) mod outline;
pub(crate) mod profiles;
pub(crate) mod unused;
pub(crate) mod yaml;
