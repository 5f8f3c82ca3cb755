//! A server as a whole, whatever apps it has: whether it is in order ([`mod@check`]).
//!
//! What is seen is judged by pure functions (`engine`, `cluster`, `room`, `ports`); nothing
//! here changes a server.

mod check;
mod cluster;
mod engine;
mod ports;
mod room;

pub use check::{Scope as CheckScope, ServerReport, check as check_server};
