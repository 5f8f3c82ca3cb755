//! Writes plugins for potluck: a trait per role, a macro that makes a component
//! of the roles a plugin plays, and the host's services as plain functions.
//!
//! A whole plugin:
//!
//! ```
//! use potluck_sdk::{Lifecycle, Result, Transition, report, services, settings};
//!
//! struct Plugin;
//!
//! impl Lifecycle for Plugin {
//!     fn check(_: Transition) -> Result {
//!         settings::require("ADMIN_EMAIL")?;
//!         Ok(())
//!     }
//!
//!     fn after_deploy(to: Transition) -> Result {
//!         if to.before.is_none() {
//!             let email = settings::require("ADMIN_EMAIL")?;
//!             services::run("app", ["app-ctl", "create-admin", &email])?;
//!             report::info(format!("created the administrator {email}"));
//!         }
//!         Ok(())
//!     }
//! }
//!
//! potluck_sdk::export!(Plugin: lifecycle);
//! ```
//!
//! - **Roles** are the traits at the root ([`Lifecycle`], [`Backup`], …). Their
//!   functions have defaults; [`export!`] names the roles that are played, and
//!   the component exports and imports nothing else.
//! - **Errors**: `?` turns any error into a [`Failure`], which people read.
//!   [`Context`] says what was being done, and gives a hint.
//! - **Panics** reach the operator as a message with the place in the source.
//! - **Tests** run natively: outside WebAssembly every call goes to the script
//!   of [`testing`].

// The bindings name this crate from inside and outside alike.
extern crate self as potluck_sdk;

#[doc(hidden)]
pub mod bindings;
mod bytes;
mod export;
mod failure;
pub mod http;
pub mod memory;
pub mod options;
pub mod recipe_files;
pub mod report;
#[doc(hidden)]
pub mod roles;
pub mod secrets;
pub mod services;
pub mod settings;
#[cfg(not(target_family = "wasm"))]
pub mod testing;
pub mod tools;

pub use failure::{Context, Failure, Result};
pub use options::{facts, options};
pub use roles::{
    backup::{Backup, Dump, Ending, Finding, Item, Names, Sink, Source, Volume},
    commands::{Commands, Parameter, Spec},
    lifecycle::{Lifecycle, Transition},
    mail_client::MailClient,
    mail_provider::MailProvider,
    migration::{Migration, Step},
    sso_client::SsoClient,
    sso_provider::SsoProvider,
};
pub use services::Command;

/// The app's name, its stack's, its recipe and where it runs.
pub use bindings::recipe::app::Facts;
/// What a plugin asks for in the app's settings and secrets.
pub use bindings::recipe::changes::Changes;
/// How mail is sent.
pub use bindings::recipe::mail_types::{Encryption, Relay};
/// What two apps agree on for signing in.
pub use bindings::recipe::sso_types::{Client, ClientRequest};

/// Calls the host inside WebAssembly, the test's script outside it.
macro_rules! host {
    ($($path:ident)::+ ($($argument:expr),* $(,)?)) => {{
        #[cfg(target_family = "wasm")]
        { $crate::bindings::recipe::$($path)::+($($argument),*) }
        #[cfg(not(target_family = "wasm"))]
        { $crate::testing::host::$($path)::+($($argument),*) }
    }};
}
pub(crate) use host;
