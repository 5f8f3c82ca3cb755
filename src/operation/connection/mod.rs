//! Connecting an app to a provider, so that its people sign in there or its mail goes through
//! it, and undoing that.
//!
//! A connection is compared and repaired, never made anew: [`fn@connect`] asks both ends again and
//! changes what differs, so that ids and secrets stay. Its steps: the client or the account is
//! made at the provider ([`provider`]), the app's plugin says what that means for its
//! settings ([`change`]), secrets are stored, settings written, the app deployed, the
//! connection recorded. What fails goes back, the provider's side included ([`undo`]).
//!
//! [`fn@check`] looks at a connection and changes nothing.

mod change;
mod check;
mod client;
mod connect;
mod disconnect;
mod due;
mod gift;
mod inside;
mod look;
mod outside;
mod plan;
mod provider;
mod recorded;
mod resume;
mod test;
mod undo;

pub use check::{CheckReport, ConnectionRow, Places, check, connections};
pub use connect::{ConnectOptions, ConnectReport, Rotation, connect};
pub use disconnect::{DisconnectOptions, disconnect};
pub use due::dependents;
pub(super) use due::due;
pub use outside::{ByHand, client_secret};
pub(super) use resume::{abort, finish};
pub use test::mail_test;

use crate::{home::ConnectionKind, plugin::Role};

/// The roles of both ends: the app's, and the provider's.
fn roles(kind: ConnectionKind) -> (Role, Role) {
    match kind {
        ConnectionKind::Sso => (Role::SsoClient, Role::SsoProvider),
        ConnectionKind::Mail => (Role::MailClient, Role::MailProvider),
    }
}
