//! Secrets of an app: which it needs, how they are made, what is stored.
//!
//! A secret that the compose files declare `external` with a name that takes
//! its version from a `SECRET_*_VERSION` key is potluck's to make, by the
//! modifiers beside that key. Values come from the operating system's
//! randomness, live in [`zeroize::Zeroizing`] memory and go nowhere but the
//! swarm and, when asked, the operator's terminal.
//!
//! [`wanted`] says which secrets the active compose files use ([`survey`] also where
//! some are wrong); [`generate`],
//! [`insert`], [`versions()`] and [`remove_stored`] work on a swarm. Secrets are labelled
//! with the app ([`APP_LABEL`]) and not with the stack, so that `docker stack
//! rm` leaves them where abra's would stay, too.

mod error;
mod plan;
mod store;
#[cfg(test)]
mod tests;
mod value;
mod versions;

pub use error::Error;
pub(crate) use plan::written_names;
pub use plan::{SecretPlan, Survey, find, survey, wanted};
pub use store::{
    APP_LABEL, Generated, MAX_SIZE, Made, StoredSecret, generate, generate_one, insert,
    remove_stored, stored, stored_or,
};
pub use value::{Charset, Shape, make};
pub use versions::{SecretVersion, find_version, versions};
