//! What connects an app to a provider, without an app: what a provider says of itself
//! ([`discovery`]), making a client there ([`registration`]), whether it would let people in
//! ([`authorize`]), where a domain leads ([`domain`]), the same as seen from an app's own network ([`inside`]), and what a
//! connection makes of an app's settings ([`settings`]).
//!
//! Providers are foreign: their answers have bounds, and what they say is shown as one line.

pub mod authorize;
pub mod discovery;
pub mod dns;
pub mod domain;
mod error;
pub mod finding;
pub mod inside;
pub mod registration;
pub mod settings;
pub mod smtp;
mod web;

pub use dns::Dns;
pub use domain::{Certificate, certificate, is_public};
pub use error::Error;
pub use finding::{Finding, Level};
pub use inside::Inside;
pub use web::Web;
