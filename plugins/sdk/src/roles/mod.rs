//! The roles: a trait each, and the adapter that makes an export of it.
//!
//! A trait's functions are those of the WIT interface of the same name, where
//! their meaning is written. What a plugin need not care about has a default.

pub mod backup;
pub mod commands;
pub mod lifecycle;
pub mod mail_client;
pub mod mail_provider;
pub mod migration;
pub mod sso_client;
pub mod sso_provider;
