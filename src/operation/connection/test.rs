//! A message through the app itself.

use crate::{
    app::{self, Context, Error},
    home::{AppGuard, ConnectionKind},
    hooks::Guarding,
    operation::lease::{Lease, leased},
};

use super::{client::Plugin, roles};

/// Lets the app send a message; that it arrives, only its recipient knows.
///
/// # Errors
/// [`Error::NotConnected`], [`Error::NotDeployed`], and what the app's plugin says.
pub async fn mail_test(
    context: &Context,
    guard: &AppGuard,
    recipient: &str,
) -> Result<String, Error> {
    let kind = ConnectionKind::Mail;
    let entry = guard.app();
    let app = app::load_deployed(context, entry).await?;
    let not = || Error::NotConnected { app: entry.name.to_string(), kind };
    let connection = app.lock.connections.get(&kind).cloned().ok_or_else(not)?;
    if !super::change::is_deployed(&app).await? {
        return Err(Error::NotDeployed { app: entry.name.to_string() });
    }
    app.engine.require().await?;
    leased(context, &app.engine, guard, "a test of its mail", async |_: &Lease| {
        let guarding = Guarding::Held(guard);
        let mut plugin = Plugin::start(context, &app, kind, roles(kind).0, guarding).await?;
        context.progress.step(format!("{}: send-test", plugin.name));
        plugin.hooks.mail_send_test(recipient).await.map_err(Error::from)
    })
    .await?;
    Ok(connection.provider)
}
