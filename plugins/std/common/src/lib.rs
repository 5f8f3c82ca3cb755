//! What the standard plugins share: stores that are spoken to by scripts inside
//! their service ([`store`], [`sql`]), and settings made by a map ([`map`]).

pub mod map;
pub mod sql;
pub mod store;
