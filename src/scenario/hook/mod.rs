//! Hooks by name: their arguments from text, their results to values.

mod arguments;
mod named;
mod results;

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::io::AsyncReadExt;

use super::{Error, calls};
use crate::plugin::{self, Hooks, Role, Transition};
use arguments::{WrittenClient, WrittenRelay, WrittenRequest};
pub use named::NamedCommand;
use results::{changes, client, item, relay, request};
pub use results::{masked, secrets_in};

/// The only hook whose arguments may be given in their order.
const RUN: &str = "commands.run";
/// Bytes of an item that a plugin produces in a scenario.
const PRODUCED: u64 = 16 << 20;

/// A hook and its arguments.
#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "hook", content = "with", deny_unknown_fields)]
pub enum Hook {
    #[serde(rename = "lifecycle.check")]
    Check { before: Option<String>, after: Option<String> },
    #[serde(rename = "lifecycle.before-deploy")]
    BeforeDeploy { before: Option<String>, after: Option<String> },
    #[serde(rename = "lifecycle.after-deploy")]
    AfterDeploy { before: Option<String>, after: Option<String> },
    #[serde(rename = "lifecycle.deploy-failed")]
    DeployFailed { before: Option<String>, after: Option<String>, restored: bool },
    #[serde(rename = "lifecycle.before-remove")]
    BeforeRemove {},
    #[serde(rename = "migration.plan")]
    MigrationPlan { before: String, after: String },
    #[serde(rename = "migration.run")]
    Migrate { id: String },
    #[serde(rename = "backup.plan")]
    BackupPlan {},
    #[serde(rename = "backup.before-backup")]
    BeforeBackup {},
    #[serde(rename = "backup.after-backup")]
    AfterBackup { succeeded: bool },
    #[serde(rename = "backup.produce")]
    Produce { name: String },
    #[serde(rename = "backup.consume")]
    Consume { name: String, contents: String },
    #[serde(rename = "backup.after-restore")]
    AfterRestore {},
    #[serde(rename = "backup.verify")]
    Verify {},
    #[serde(rename = "sso-provider.register")]
    Register(WrittenRequest),
    #[serde(rename = "sso-provider.rotate")]
    RotateClient(WrittenRequest),
    #[serde(rename = "sso-provider.unregister")]
    Unregister { client: String },
    #[serde(rename = "sso-client.request")]
    Request {},
    #[serde(rename = "sso-client.connect")]
    SsoConnect(WrittenClient),
    #[serde(rename = "sso-client.disconnect")]
    SsoDisconnect {},
    #[serde(rename = "mail-provider.account")]
    Account { sender: String },
    #[serde(rename = "mail-provider.rotate")]
    RotateAccount { sender: String },
    #[serde(rename = "mail-provider.close-account")]
    CloseAccount { sender: String },
    #[serde(rename = "mail-client.connect")]
    MailConnect(WrittenRelay),
    #[serde(rename = "mail-client.disconnect")]
    MailDisconnect {},
    #[serde(rename = "mail-client.send-test")]
    SendTest { recipient: String },
    #[serde(rename = "commands.specs")]
    Specs {},
    #[serde(rename = "commands.run")]
    Run {
        name: String,
        #[serde(default)]
        arguments: Vec<String>,
    },
}

const NAMES: [&str; 28] = [
    "lifecycle.check",
    "lifecycle.before-deploy",
    "lifecycle.after-deploy",
    "lifecycle.deploy-failed",
    "lifecycle.before-remove",
    "migration.plan",
    "migration.run",
    "backup.plan",
    "backup.before-backup",
    "backup.after-backup",
    "backup.produce",
    "backup.consume",
    "backup.after-restore",
    "backup.verify",
    "sso-provider.register",
    "sso-provider.unregister",
    "sso-provider.rotate",
    "sso-client.request",
    "sso-client.connect",
    "sso-client.disconnect",
    "mail-provider.account",
    "mail-provider.close-account",
    "mail-provider.rotate",
    "mail-client.connect",
    "mail-client.disconnect",
    "mail-client.send-test",
    "commands.specs",
    "commands.run",
];

/// Hooks that are missing in older versions of their role, and the version
/// that introduced them.
const NEWER: [(&str, &str); 3] = [
    ("lifecycle.deploy-failed", "0.2.0"),
    ("sso-provider.rotate", "0.4.0"),
    ("mail-provider.rotate", "0.4.0"),
];

/// Roles, each with the version of the interface that it is played in.
type Roles = BTreeMap<Role, &'static str>;

impl Hook {
    /// The hook that a name means among those of these roles, `backup.plan` or
    /// `plan` where only one of the roles has one.
    ///
    /// # Errors
    /// [`Error::UnknownHook`], [`Error::Arguments`].
    pub fn new(name: &str, with: &Map<String, Value>, roles: &Roles) -> Result<Self, Error> {
        let full = full_name(name, roles)?;
        serde_json::from_value(json!({"hook": full, "with": with}))
            .map_err(|e| Error::Arguments { hook: full.into(), message: e.to_string() })
    }

    /// The same with arguments from a command line: `name=value`, and for
    /// `commands.run` the command and its arguments.
    ///
    /// # Errors
    /// As [`Hook::new`].
    pub fn from_line(
        name: &str,
        arguments: &[String],
        roles: &Roles,
    ) -> Result<(Self, Map<String, Value>), Error> {
        let full = full_name(name, roles)?;
        let wrong = |message: String| Error::Arguments { hook: full.into(), message };
        let mut with = Map::new();
        if full == RUN {
            let (command, rest) = arguments
                .split_first()
                .ok_or_else(|| wrong("the command's name is missing".into()))?;
            with.insert("name".into(), command.as_str().into());
            with.insert("arguments".into(), json!(rest));
        } else {
            for argument in arguments {
                let (key, value) = argument
                    .split_once('=')
                    .ok_or_else(|| wrong(format!("`{argument}` is not written name=value")))?;
                with.insert(key.into(), value.into());
            }
        }
        match Hook::new(full, &with, roles) {
            Ok(hook) => Ok((hook, with)),
            // Numbers, truth, lists: what is no text is written as JSON.
            Err(first) => {
                for value in with.values_mut() {
                    if let Some(json) = value.as_str().and_then(|t| serde_json::from_str(t).ok()) {
                        *value = json;
                    }
                }
                Hook::new(full, &with, roles).map(|hook| (hook, with)).map_err(|_| first)
            }
        }
    }

    /// Calls it.
    ///
    /// # Errors
    /// Those of the hook.
    pub async fn call(&self, hooks: &mut Hooks) -> Result<Value, plugin::Error> {
        let to = |before: &Option<String>, after: &Option<String>| Transition {
            before: before.clone(),
            after: after.clone(),
        };
        Ok(match self {
            Hook::Check { before, after } => {
                hooks.check(&to(before, after)).await?;
                Value::Null
            }
            Hook::BeforeDeploy { before, after } => {
                hooks.before_deploy(&to(before, after)).await?;
                Value::Null
            }
            Hook::AfterDeploy { before, after } => {
                hooks.after_deploy(&to(before, after)).await?;
                Value::Null
            }
            Hook::DeployFailed { before, after, restored } => {
                hooks.deploy_failed(&to(before, after), *restored).await?;
                Value::Null
            }
            Hook::BeforeRemove {} => {
                hooks.before_remove().await?;
                Value::Null
            }
            Hook::MigrationPlan { before, after } => {
                json!(hooks.migration_plan(before, after).await?)
            }
            Hook::Migrate { id } => {
                hooks.migrate(id).await?;
                Value::Null
            }
            Hook::BackupPlan {} => {
                hooks.backup_plan().await?.iter().map(item).collect::<Vec<_>>().into()
            }
            Hook::BeforeBackup {} => {
                hooks.before_backup().await?;
                Value::Null
            }
            Hook::AfterBackup { succeeded } => {
                hooks.after_backup(*succeeded).await?;
                Value::Null
            }
            Hook::Produce { name } => produced(hooks, name).await?,
            Hook::Consume { name, contents } => {
                let contents = std::io::Cursor::new(calls::bytes(contents));
                hooks.consume(name, Box::new(contents)).await?;
                Value::Null
            }
            Hook::AfterRestore {} => {
                hooks.after_restore().await?;
                Value::Null
            }
            Hook::Verify {} => json!(hooks.verify().await?),
            Hook::Register(request) => client(&hooks.sso_register(&request.clone().into()).await?),
            Hook::RotateClient(request) => {
                client(&hooks.sso_rotate(&request.clone().into()).await?)
            }
            Hook::Unregister { client } => {
                hooks.sso_unregister(client).await?;
                Value::Null
            }
            Hook::Request {} => request(&hooks.sso_request().await?),
            Hook::SsoConnect(client) => changes(&hooks.sso_connect(&client.clone().into()).await?),
            Hook::SsoDisconnect {} => changes(&hooks.sso_disconnect().await?),
            Hook::Account { sender } => relay(&hooks.mail_account(sender).await?),
            Hook::RotateAccount { sender } => relay(&hooks.mail_rotate(sender).await?),
            Hook::CloseAccount { sender } => {
                hooks.mail_close_account(sender).await?;
                Value::Null
            }
            Hook::MailConnect(relay) => changes(&hooks.mail_connect(&relay.clone().into()).await?),
            Hook::MailDisconnect {} => changes(&hooks.mail_disconnect().await?),
            Hook::SendTest { recipient } => {
                hooks.mail_send_test(recipient).await?;
                Value::Null
            }
            Hook::Specs {} => json!(hooks.command_specs().await?),
            Hook::Run { name, arguments } => hooks.run_command(name, arguments).await?.into(),
        })
    }
}

/// The full name of a hook.
fn full_name(name: &str, roles: &Roles) -> Result<&'static str, Error> {
    let version = |full: &str| {
        roles.iter().find(|(role, _)| full.split('.').next() == Some(role.name())).map(|(_, v)| *v)
    };
    // Released versions sort as text.
    let lacks = |full: &str, version: &str| {
        NEWER.iter().any(|(newer, since)| *newer == full && version < *since)
    };
    let played = |full: &&&str| version(full).is_some_and(|version| !lacks(full, version));
    let fits = |full: &&&str| **full == name || full.split('.').nth(1) == Some(name);
    let mut found = NAMES.iter().filter(played).filter(fits);
    match (found.next(), found.next()) {
        (Some(one), None) => Ok(one),
        (Some(one), Some(other)) => Err(Error::AmbiguousHook {
            name: name.into(),
            hint: format!("say which: `{one}` or `{other}`"),
        }),
        (None, _) => {
            let names: Vec<&str> = NAMES.iter().filter(played).copied().collect();
            let mut hint = format!("it has {}", names.join(", "));
            let newer = NEWER.iter().find(|(full, _)| fits(&full));
            if let Some((full, since)) = newer
                && let (Some(version), Some((role, hook))) = (version(full), full.split_once('.'))
            {
                hint = format!("its {role} is {version}; {hook} came with {since}");
            }
            Err(Error::UnknownHook { name: name.into(), hint })
        }
    }
}

/// Reads while the plugin writes: the pipe between them is short.
async fn produced(hooks: &mut Hooks, name: &str) -> Result<Value, plugin::Error> {
    let (write, read) = tokio::io::duplex(64 << 10);
    // The end of the reader tells the plugin that it is too much.
    let take = async move {
        let mut bytes = Vec::new();
        read.take(PRODUCED).read_to_end(&mut bytes).await.map(|_| bytes)
    };
    let (done, taken) = tokio::join!(hooks.produce(name, Box::new(write)), take);
    done?;
    let plugin = hooks.plugin().to_owned();
    let bytes =
        taken.map_err(|source| plugin::Error::Stream { plugin, hook: "produce", source })?;
    Ok(calls::text(&bytes).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn roles(roles: &[Role]) -> Roles {
        roles.iter().map(|role| (*role, "0.2.0")).collect()
    }

    #[test]
    fn a_hook_that_an_older_interface_lacks_is_not_there() {
        let old = Roles::from([(Role::Lifecycle, "0.1.0")]);
        for name in ["deploy-failed", "lifecycle.deploy-failed"] {
            let Err(Error::UnknownHook { hint, .. }) = full_name(name, &old) else {
                panic!("{name}")
            };
            assert_eq!(hint, "its lifecycle is 0.1.0; deploy-failed came with 0.2.0");
        }
        let Err(Error::UnknownHook { hint, .. }) = full_name("chck", &old) else { panic!() };
        assert!(hint.contains("lifecycle.check") && !hint.contains("deploy-failed"), "{hint}");
        assert!(full_name("deploy-failed", &roles(&[Role::Lifecycle])).is_ok());
        assert!(full_name("check", &old).is_ok());
    }

    #[test]
    fn a_name_is_short_where_it_is_clear() {
        let all = roles(&Role::ALL);
        let two = roles(&[Role::Lifecycle, Role::Backup]);
        for (name, roles, full) in [
            ("check", &all, Some("lifecycle.check")),
            ("plan", &two, Some("backup.plan")),
            ("plan", &all, None),
            ("migration.plan", &all, Some("migration.plan")),
            ("migration.plan", &two, None),
            ("lifecycle", &all, None),
        ] {
            assert_eq!(full_name(name, roles).ok(), full, "{name}");
        }
    }

    #[test]
    fn every_hook_reads_its_arguments() {
        let all = roles(&Role::ALL);
        let line = |name: &str, arguments: &[&str]| {
            let arguments: Vec<String> = arguments.iter().map(|s| (*s).to_owned()).collect();
            Hook::from_line(name, &arguments, &all)
        };
        for (name, arguments) in [
            ("check", &["after=1.0.0"][..]),
            ("before-remove", &[]),
            ("deploy-failed", &["restored=true"]),
            ("after-backup", &["succeeded=false"]),
            ("migration.run", &["id=12"]),
            ("migration.plan", &["before=1", "after=2"]),
            ("consume", &["name=x", "contents=a=b"]),
            ("sso-client.connect", &["issuer=https://a", "client_id=b"]),
            ("mail-client.connect", &["host=a", "port=25", "encryption=starttls", "sender=a@b"]),
            (
                "register",
                &["client=a", "display_name=A", "redirect_uris=[\"https://a\"]", "scopes=[]"],
            ),
            ("commands.run", &["reset", "a=b", "--c"]),
        ] {
            line(name, arguments).unwrap_or_else(|e| panic!("{name}: {e}"));
        }
        for (name, arguments) in [
            ("check", &["afterwards=1.0.0"][..]),
            ("check", &["1.0.0"]),
            ("before-remove", &["x=y"]),
            ("migration.run", &[]),
            ("commands.run", &[]),
            ("mail-client.connect", &["host=a"]),
        ] {
            assert!(matches!(line(name, arguments), Err(Error::Arguments { .. })), "{name}");
        }
    }
}
