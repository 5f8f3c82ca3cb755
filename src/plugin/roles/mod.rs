//! The roles: for each, one file with its hooks as methods of
//! [`Hooks`](super::Hooks).
//!
//! A role whose operation is still to come can be read from a component and
//! shown, and has no file here yet.

mod backup;
mod commands;
mod lifecycle;

use std::collections::BTreeSet;

use wasmtime::{
    Store,
    component::{Instance, InstancePre},
};

use super::{Role, bindings, host::State};

/// Where a component keeps its roles' functions.
#[derive(Default)]
pub struct Roles {
    lifecycle: Option<bindings::lifecycle::RoleIndices>,
    backup: Option<bindings::backup::RoleIndices>,
    commands: Option<bindings::commands::RoleIndices>,
}

/// The functions of one instance.
#[derive(Default)]
pub struct Guests {
    pub lifecycle: Option<bindings::lifecycle::Role>,
    pub backup: Option<bindings::backup::Role>,
    pub commands: Option<bindings::commands::Role>,
}

impl Roles {
    /// Fails when a role's interface lacks a function.
    pub fn find(instance: &InstancePre<State>, roles: &BTreeSet<Role>) -> wasmtime::Result<Self> {
        let mut found = Roles::default();
        for role in roles {
            match role {
                Role::Lifecycle => {
                    found.lifecycle = Some(bindings::lifecycle::RoleIndices::new(instance)?);
                }
                Role::Backup => {
                    found.backup = Some(bindings::backup::RoleIndices::new(instance)?);
                }
                Role::Commands => {
                    found.commands = Some(bindings::commands::RoleIndices::new(instance)?);
                }
                Role::Migration
                | Role::SsoProvider
                | Role::SsoClient
                | Role::MailProvider
                | Role::MailClient => {}
            }
        }
        Ok(found)
    }

    /// Fails when a function has other types than the interface says.
    pub fn of(&self, store: &mut Store<State>, instance: &Instance) -> wasmtime::Result<Guests> {
        Ok(Guests {
            lifecycle: self
                .lifecycle
                .as_ref()
                .map(|i| i.load(&mut *store, instance))
                .transpose()?,
            backup: self.backup.as_ref().map(|i| i.load(&mut *store, instance)).transpose()?,
            commands: self.commands.as_ref().map(|i| i.load(&mut *store, instance)).transpose()?,
        })
    }
}
