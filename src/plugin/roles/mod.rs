//! The roles: for each, one file with its hooks as methods of
//! [`Hooks`](super::Hooks), which also checks what the plugin answers.

mod answers;
mod backup;
mod commands;
mod lifecycle;
mod mail_client;
mod mail_provider;
mod migration;
mod sso_client;
mod sso_provider;
mod versioned;

use std::collections::BTreeMap;

use wasmtime::{
    Store,
    component::{Instance, InstancePre},
    error::Context as _,
};

use super::{Role, bindings, host::State};

/// The functions of a component's roles.
#[derive(Default)]
pub struct Roles {
    lifecycle: Option<lifecycle::Indices>,
    migration: Option<bindings::migration::RoleIndices>,
    backup: Option<backup::Indices>,
    sso_provider: Option<sso_provider::Indices>,
    sso_client: Option<bindings::sso_client::RoleIndices>,
    mail_provider: Option<mail_provider::Indices>,
    mail_client: Option<bindings::mail_client::RoleIndices>,
    commands: Option<bindings::commands::RoleIndices>,
}

/// The functions of one instance.
pub struct Guests {
    pub lifecycle: Option<lifecycle::Guest>,
    pub migration: Option<bindings::migration::Role>,
    pub backup: Option<backup::Guest>,
    pub sso_provider: Option<sso_provider::Guest>,
    pub sso_client: Option<bindings::sso_client::Role>,
    pub mail_provider: Option<mail_provider::Guest>,
    pub mail_client: Option<bindings::mail_client::Role>,
    pub commands: Option<bindings::commands::Role>,
}

impl Roles {
    /// Finds each role in the version of the interface that the component has
    /// it in. Fails when a role's interface lacks a function.
    pub fn find(
        instance: &InstancePre<State>,
        roles: &BTreeMap<Role, &'static str>,
    ) -> wasmtime::Result<Self> {
        let mut found = Roles::default();
        for (role, version) in roles {
            match role {
                Role::Lifecycle => {
                    found.lifecycle = Some(lifecycle::Indices::find(instance, version)?);
                }
                Role::Migration => {
                    found.migration = Some(bindings::migration::RoleIndices::new(instance)?);
                }
                Role::Backup => {
                    found.backup = Some(backup::Indices::find(instance, version)?);
                }
                Role::SsoProvider => {
                    found.sso_provider = Some(sso_provider::Indices::find(instance, version)?);
                }
                Role::SsoClient => {
                    found.sso_client = Some(bindings::sso_client::RoleIndices::new(instance)?);
                }
                Role::MailProvider => {
                    found.mail_provider = Some(mail_provider::Indices::find(instance, version)?);
                }
                Role::MailClient => {
                    found.mail_client = Some(bindings::mail_client::RoleIndices::new(instance)?);
                }
                Role::Commands => {
                    found.commands = Some(bindings::commands::RoleIndices::new(instance)?);
                }
            }
        }
        Ok(found)
    }

    /// Fails when a function has other types than the interface says.
    pub fn of(&self, store: &mut Store<State>, instance: &Instance) -> wasmtime::Result<Guests> {
        macro_rules! load {
            ($role:ident, $name:ident) => {
                match &self.$role {
                    Some(indices) => {
                        let loaded = indices.load(&mut *store, instance);
                        Some(loaded.with_context(|| format!("the role `{}`", Role::$name))?)
                    }
                    None => None,
                }
            };
        }
        Ok(Guests {
            lifecycle: load!(lifecycle, Lifecycle),
            migration: load!(migration, Migration),
            backup: load!(backup, Backup),
            sso_provider: load!(sso_provider, SsoProvider),
            sso_client: load!(sso_client, SsoClient),
            mail_provider: load!(mail_provider, MailProvider),
            mail_client: load!(mail_client, MailClient),
            commands: load!(commands, Commands),
        })
    }
}
