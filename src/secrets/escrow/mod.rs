//! Escrow: a copy of each secret, encrypted with age to the team's keys, beside the app's
//! settings.
//!
//! Swarm hands a secret to services and never gives it back, so a server that is lost
//! takes its secrets along. Therefore each value that potluck makes or receives is also
//! written to `servers/<server>/<domain>.secrets/<name>_<version>.age`, one file each, so
//! that what two people add merges in git. Only public keys are needed to add one.
//! `age -d -i KEY FILE` reads it without potluck.
//!
//! Three things are kept apart, here and in the words that people read: the **recipients**
//! (who may read; public, in `$POTLUCK_DIR/recipients`), an **identity** (what decrypts;
//! private, outside of the folder) and the **values**.
//!
//! [`keep`] makes and stores secrets so that neither the swarm nor the folder ever has a
//! value that the other one misses for good; [`mod@reseal`] encrypts anew when the recipients
//! change. The folder comes through git from colleagues: it is trusted for what it says,
//! but links in it are not followed and nothing in it is read without a bound.

mod document;
mod error;
mod folder;
mod identity;
pub mod keep;
mod kept;
mod overview;
mod recipients;
mod reseal;
mod restore;
mod rotate;
mod seal;

/// What every command that makes a secret says where none is kept.
pub const NOT_KEPT: &str = "no copy is kept, so it is lost with the server; `potluck key new` makes \
                            a key, and later values are kept encrypted for it";

pub use document::{Document, Entry, read_document};
pub use error::Error;
pub use folder::{File, Folder, Stem};
pub use identity::{Ask, Identity, nobody};
pub use keep::Keeper;
pub use kept::{kept_names, open, pick, readers_of};
pub use overview::mark_kept;
pub use recipients::{Recipient, Recipients, Tag};
pub use reseal::{NotResealed, Readable, Resealed, add, counts, readable_by, remove, reseal};
pub use restore::{Failed, Restored, restore};
pub use rotate::{Rotation, next_version, rotation};
pub use seal::{Former, Header};
