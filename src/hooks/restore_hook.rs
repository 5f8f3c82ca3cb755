//! What `backupbot.*` labels ask for before a restore.

use std::time::Duration;

use crate::{
    app::{
        App, Error,
        backupbot::{BEFORE_RESTORE, is_backupbot, labels},
    },
    home::Grant,
    plugin::Command,
};

/// The label for what runs before a restore.
const HOOK: Duration = Duration::from_secs(60 * 60);
/// The plugin runs commands in the same way.
const RUNNER: &str = include_str!("../../plugins/std/backupbot/src/runner.sh");

/// A command that runs in a service before its app is restored, and whether
/// the plugin may run commands there.
pub(crate) struct RestoreHook {
    pub label: &'static str,
    pub service: String,
    pub command: Command,
    pub grant: Grant,
    pub granted: bool,
}

/// What labels ask for before a restore, where `std:backupbot` speaks for them.
/// As with the commands of a dump, the plugin's grants count.
///
/// # Errors
/// Missing components.
pub(crate) fn before_restore(app: &App) -> Result<Vec<RestoreHook>, Error> {
    let components = app.components()?;
    let Some(spokesman) = components.iter().find(|c| is_backupbot(&c.entry)) else {
        return Ok(Vec::new());
    };
    let hooks = app.stack.services.iter().filter_map(|service| {
        let (_, hook) = labels(service).find(|(key, _)| *key == BEFORE_RESTORE)?;
        let argv = ["sh", "-c", RUNNER, "sh", hook].map(str::to_owned);
        let grant = Grant::Exec(service.key.clone());
        (!hook.trim().is_empty()).then(|| RestoreHook {
            label: BEFORE_RESTORE,
            service: service.key.clone(),
            command: Command {
                argv: argv.into(),
                env: Vec::new(),
                user: None,
                workdir: None,
                timeout: Some(HOOK),
            },
            granted: spokesman.entry.grants.contains(&grant),
            grant,
        })
    });
    Ok(hooks.collect())
}
