//! What is known of connections without asking anybody: whether an app is as its connection
//! made it, and which apps lose their provider.

use std::collections::BTreeSet;

use crate::{
    app::App,
    home::{AppEntry, Connection, EnvFile, Home},
    operation::record::own_settings,
    owner::release::changed,
    text::line,
};

/// What of an app's connections its settings say otherwise, for the plan of a deploy.
pub(in crate::operation) fn due(app: &App) -> Vec<String> {
    let mut due = Vec::new();
    for (kind, connection) in &app.lock.connections {
        if let Some(release) = &app.replays {
            let others = of_connection(connection, changed(&release.settings, &own_settings(app)));
            if !others.is_empty() {
                due.push(format!(
                    "that release has other values of {}, so the connection for {} ends with it: \
                     `potluck app deploy {}` brings it again",
                    line(&others.join(", ")),
                    kind.noun(),
                    app.entry.name
                ));
            }
            continue;
        }
        let odd = differs(&app.env, connection);
        let Some(first) = odd.first() else { continue };
        due.push(format!(
            "the connection for {} is undone in part: {first}; `potluck {kind} connect {}` repairs \
             it",
            kind.noun(),
            app.entry.name
        ));
    }
    due
}

/// The apps that are connected to one, as `wiki.example.org (sso)`: what they lose if it goes.
///
/// # Errors
/// A folder that cannot be read; one app's file that cannot be read hides no other app.
pub fn dependents(home: &Home, provider: &AppEntry) -> Result<Vec<String>, crate::home::Error> {
    let mut found = Vec::new();
    for entry in home.apps()? {
        let Ok(lock) = home.lock_file(&entry) else { continue };
        for (kind, connection) in &lock.connections {
            let is_it = connection.provider == provider.name.as_str()
                && connection.server.as_ref() == Some(&provider.server);
            if is_it {
                found.push(format!("{} ({kind})", line(entry.name.as_str())));
            }
        }
    }
    Ok(found)
}

/// The settings among these that a connection is made of.
pub(super) fn of_connection(connection: &Connection, settings: Vec<String>) -> Vec<String> {
    let switches = !connection.overlays.is_empty() || !connection.overlays_off.is_empty();
    let is_its =
        |key: &String| connection.settings.contains_key(key) || (switches && key == "COMPOSE_FILE");
    settings.into_iter().filter(is_its).collect()
}

/// What of an app's settings is not as the connection made it.
pub(super) fn differs(env: &EnvFile, connection: &Connection) -> Vec<String> {
    let mut found = Vec::new();
    for (key, value) in &connection.settings {
        match env.get(key) {
            Some(now) if now == value => {}
            Some(now) => found.push(format!(
                "{} is `{}`, and the connection wrote `{}`",
                line(key),
                line(now),
                line(value)
            )),
            None => found.push(format!("the setting {} is gone", line(key))),
        }
    }
    let files: BTreeSet<&str> =
        env.get("COMPOSE_FILE").unwrap_or_default().split(':').map(str::trim).collect();
    let off = connection.overlays.iter().filter(|it| !files.contains(it.as_str()));
    found.extend(off.map(|it| format!("COMPOSE_FILE lacks {}", line(it))));
    found
}
