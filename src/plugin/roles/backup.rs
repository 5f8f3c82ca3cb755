//! `backup`: what to save, how to restore it, and whether the result works.

use std::collections::BTreeSet;

use tokio::io::{AsyncRead, AsyncWrite};

use crate::{
    home::Grant,
    plugin::{
        BackupItem, Command, Error, Finding, Hooks,
        bindings::backup::exports::potluck::recipe::backup,
        hooks::{Call, run},
        host::{
            bytes::{SinkStream, SourceStream},
            services::checked,
        },
    },
};

/// Items of one plan, findings of one check.
const MANY: usize = 1000;
/// Bytes of an item's name, which becomes a file's.
const NAME: usize = 200;

/// The hooks of [`Role::Backup`](crate::plugin::Role::Backup).
impl Hooks {
    /// Names are unique and plain file names; the services of dumps are
    /// granted, as their commands run there.
    pub async fn backup_plan(&mut self) -> Result<Vec<BackupItem>, Error> {
        let (call, outcome) = run!(self, Backup "plan", backup, |role, store| {
            role.potluck_recipe_backup().call_plan(store)
        });
        let items = self.end(call, outcome)?;
        if items.len() > MANY {
            return Err(self.answer(call, format!("more than {MANY} items")));
        }
        let mut names = BTreeSet::new();
        let mut plan = Vec::with_capacity(items.len());
        for item in items {
            let item = self.item(call, item)?;
            if !names.insert(item_name(&item).to_owned()) {
                let message = format!("two items are called {:?}", item_name(&item));
                return Err(self.answer(call, message));
            }
            plan.push(item);
        }
        Ok(plan)
    }

    pub async fn before_backup(&mut self) -> Result<(), Error> {
        let (call, outcome) = run!(self, Backup "before-backup", backup, |role, store| {
            role.potluck_recipe_backup().call_before_backup(store)
        });
        self.end(call, outcome)
    }

    /// Must be called whenever `before_backup` was called, even after a failure.
    pub async fn after_backup(&mut self, succeeded: bool) -> Result<(), Error> {
        let (call, outcome) = run!(self, Backup "after-backup", backup, |role, store| {
            role.potluck_recipe_backup().call_after_backup(store, succeeded)
        });
        self.end(call, outcome)
    }

    /// Lets the plugin write an item of its own. The writer is shut down if
    /// the hook succeeded and just dropped if it failed, so that a reader can distinguish the two.
    pub async fn produce(
        &mut self,
        item: &str,
        into: Box<dyn AsyncWrite + Send + Unpin>,
    ) -> Result<(), Error> {
        let sink = SinkStream::new(into);
        let handed = sink.clone();
        let (call, outcome) = run!(self, Backup "produce", backup, |role, store| {
            async {
                let handle = store.data_mut().table.push(handed)?;
                role.potluck_recipe_backup().call_produce(store, item, handle).await
            }
        });
        let complete = matches!(outcome, Ok(Ok(())));
        let closed = sink.close(complete).await;
        let ended = self.end(call, outcome);
        match closed {
            Ok(()) => ended,
            // What the plugin made of it is an effect, not the cause.
            Err(source) => {
                Err(Error::Stream { plugin: self.plugin.clone(), hook: call.hook, source })
            }
        }
    }

    /// Gives an item of its own back to the plugin.
    pub async fn consume(
        &mut self,
        item: &str,
        from: Box<dyn AsyncRead + Send + Unpin>,
    ) -> Result<(), Error> {
        let source = SourceStream::new(from);
        let handed = source.clone();
        let (call, outcome) = run!(self, Backup "consume", backup, |role, store| {
            async {
                let handle = store.data_mut().table.push(handed)?;
                role.potluck_recipe_backup().call_consume(store, item, handle).await
            }
        });
        let closed = source.close().await;
        let ended = self.end(call, outcome);
        match closed {
            Ok(()) => ended,
            Err(source) => {
                Err(Error::Stream { plugin: self.plugin.clone(), hook: call.hook, source })
            }
        }
    }

    pub async fn after_restore(&mut self) -> Result<(), Error> {
        let (call, outcome) = run!(self, Backup "after-restore", backup, |role, store| {
            role.potluck_recipe_backup().call_after_restore(store)
        });
        self.end(call, outcome)
    }

    /// Checks of the app's data.
    pub async fn verify(&mut self) -> Result<Vec<Finding>, Error> {
        let (call, outcome) = run!(self, Backup "verify", backup, |role, store| {
            role.potluck_recipe_backup().call_verify(store)
        });
        let findings = self.end(call, outcome)?;
        if findings.len() > MANY {
            return Err(self.answer(call, format!("more than {MANY} findings")));
        }
        let findings = findings.into_iter().map(|finding| Finding {
            name: self.line(&finding.name),
            passed: finding.passed,
            detail: finding.detail.map(|detail| self.line(&detail)),
        });
        Ok(findings.collect())
    }

    fn item(&self, call: Call, item: backup::Item) -> Result<BackupItem, Error> {
        let item = match item {
            backup::Item::Volume(volume) => BackupItem::Volume {
                name: volume.name,
                paths: volume.paths,
                exclude: volume.exclude,
            },
            backup::Item::Dump(dump) => {
                let grant = Grant::Exec(dump.service.clone());
                if !self.store.data().surroundings.grants.contains(&grant) {
                    return Err(self.denied(call, &grant));
                }
                let checked = |command: Command| {
                    checked(command).map_err(|message| {
                        self.answer(call, format!("{message} (dump {:?})", dump.name))
                    })
                };
                BackupItem::Dump {
                    take: checked(dump.take.into())?,
                    put_back: checked(dump.put_back.into())?,
                    name: dump.name,
                    service: dump.service,
                }
            }
            backup::Item::Custom(name) => BackupItem::Custom { name },
        };
        let name = item_name(&item);
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        if name.is_empty()
            || name.len() > NAME
            || name.starts_with(['.', '-'])
            || !name.chars().all(plain)
        {
            let message = format!(
                "{name:?} is not a plain name: letters, digits, `.`, `_` and `-`, \
                 beginning with a letter or a digit"
            );
            return Err(self.answer(call, message));
        }
        Ok(item)
    }
}

fn item_name(item: &BackupItem) -> &str {
    match item {
        BackupItem::Volume { name, .. }
        | BackupItem::Dump { name, .. }
        | BackupItem::Custom { name } => name,
    }
}
