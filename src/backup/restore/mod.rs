//! The parts of a restore; [`crate::operation`] makes steps of them.

pub(crate) mod data;
pub mod obstacle;
pub mod put_back;
