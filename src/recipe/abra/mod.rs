//! `abra.sh`, read as data and never run: the exports that abra's recipes keep
//! the versions of their configs in, and the functions that a port starts from.

mod exports;
mod functions;
mod reason;
mod scanner;
mod script;
mod stores;
mod value;

pub use exports::{Exports, LeftOut, exports};
pub use functions::{Function, functions, seen_functions};
pub use reason::Reason;
pub use stores::{is_of_backups, plugin_for, service as store_of};
