//! `backup`: what to save, how to restore it, and whether the result works. In 0.1.0 a
//! dump does not say how it can be believed.

use std::collections::BTreeSet;

use tokio::io::{AsyncRead, AsyncWrite};
use wasmtime::{Store, component::Resource};

use crate::{
    home::Grant,
    plugin::{
        BackupItem, Belief, Command, Ending, Error, Finding, Hooks, Names,
        bindings::{
            backup::exports::potluck::recipe0_3_0::backup,
            backup_0_1::exports::potluck::recipe::backup as v0_1, failures::Failure,
        },
        hooks::{Call, run},
        host::{
            State,
            bytes::{SinkStream, SourceStream},
            services::checked,
        },
        roles::versioned::versioned,
    },
};

/// Items of one plan, findings of one check.
const MANY: usize = 1000;
/// Bytes of an item's name, which becomes a file's.
const NAME: usize = 200;

/// Bytes of a text that marks the end of a dump.
const MARK: usize = 1024;
/// Bytes of a text beside the names in a dump.
const BESIDE: usize = 200;

versioned! {
    ($)
    V0_1: backup_0_1.potluck_recipe_backup,
    V0_3: backup.potluck_recipe0_3_0_backup
}

type Outcome<T> = wasmtime::Result<Result<T, Failure>>;

impl Guest {
    async fn plan(&self, store: &mut Store<State>) -> Outcome<Vec<backup::Item>> {
        match self {
            Guest::V0_1(role) => {
                let planned = role.potluck_recipe_backup().call_plan(store).await?;
                Ok(planned.map(|items| items.into_iter().map(Into::into).collect()))
            }
            Guest::V0_3(role) => role.potluck_recipe0_3_0_backup().call_plan(store).await,
        }
    }

    async fn before_backup(&self, store: &mut Store<State>) -> Outcome<()> {
        either!(self, |role| role.call_before_backup(store))
    }

    async fn after_backup(&self, store: &mut Store<State>, succeeded: bool) -> Outcome<()> {
        either!(self, |role| role.call_after_backup(store, succeeded))
    }

    async fn produce(
        &self,
        store: &mut Store<State>,
        item: &str,
        into: Resource<SinkStream>,
    ) -> Outcome<()> {
        either!(self, |role| role.call_produce(store, item, into))
    }

    async fn consume(
        &self,
        store: &mut Store<State>,
        item: &str,
        from: Resource<SourceStream>,
    ) -> Outcome<()> {
        either!(self, |role| role.call_consume(store, item, from))
    }

    async fn after_restore(&self, store: &mut Store<State>) -> Outcome<()> {
        either!(self, |role| role.call_after_restore(store))
    }

    async fn verify(&self, store: &mut Store<State>) -> Outcome<Vec<Finding>> {
        match self {
            Guest::V0_1(role) => {
                let found = role.potluck_recipe_backup().call_verify(store).await?;
                Ok(found.map(|all| all.into_iter().map(Into::into).collect()))
            }
            Guest::V0_3(role) => {
                let found = role.potluck_recipe0_3_0_backup().call_verify(store).await?;
                Ok(found.map(|all| all.into_iter().map(Into::into).collect()))
            }
        }
    }
}

impl From<v0_1::Finding> for Finding {
    fn from(found: v0_1::Finding) -> Self {
        Finding { name: found.name, passed: found.passed, detail: found.detail }
    }
}

impl From<backup::Finding> for Finding {
    fn from(found: backup::Finding) -> Self {
        Finding { name: found.name, passed: found.passed, detail: found.detail }
    }
}

/// A dump of 0.1.0 is believed as far as its kind is known.
impl From<v0_1::Item> for backup::Item {
    fn from(item: v0_1::Item) -> Self {
        match item {
            v0_1::Item::Volume(v0_1::Volume { name, paths, exclude }) => {
                backup::Item::Volume(backup::Volume { name, paths, exclude })
            }
            v0_1::Item::Dump(v0_1::Dump { name, service, take, put_back }) => {
                backup::Item::Dump(backup::Dump {
                    name,
                    service,
                    take,
                    put_back,
                    ending: backup::Ending::Any,
                    may_shrink: false,
                    names: None,
                })
            }
            v0_1::Item::Custom(name) => backup::Item::Custom(name),
        }
    }
}

/// The hooks of [`Role::Backup`](crate::plugin::Role::Backup).
impl Hooks {
    /// Names are unique and plain file names; the services of dumps are
    /// granted, as their commands run there.
    pub async fn backup_plan(&mut self) -> Result<Vec<BackupItem>, Error> {
        let (call, outcome) = run!(self, Backup "plan", backup, |role, store| {
            role.plan(store)
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
            role.before_backup(store)
        });
        self.end(call, outcome)
    }

    /// Must be called whenever `before_backup` was called, even after a failure.
    pub async fn after_backup(&mut self, succeeded: bool) -> Result<(), Error> {
        let (call, outcome) = run!(self, Backup "after-backup", backup, |role, store| {
            role.after_backup(store, succeeded)
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
                role.produce(store, item, handle).await
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
                role.consume(store, item, handle).await
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
            role.after_restore(store)
        });
        self.end(call, outcome)
    }

    /// Checks of the app's data.
    pub async fn verify(&mut self) -> Result<Vec<Finding>, Error> {
        let (call, outcome) = run!(self, Backup "verify", backup, |role, store| {
            role.verify(store)
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
                let names = match dump.names {
                    None => None,
                    Some(backup::Names { listing, between, all }) => {
                        Some(Names { listing: checked(listing.into())?, between, all })
                    }
                };
                let belief =
                    Belief { ending: dump.ending.into(), may_shrink: dump.may_shrink, names };
                check(&belief).map_err(|message| {
                    self.answer(call, format!("{message} (dump {:?})", dump.name))
                })?;
                BackupItem::Dump {
                    take: checked(dump.take.into())?,
                    put_back: checked(dump.put_back.into())?,
                    name: dump.name,
                    service: dump.service,
                    belief,
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

impl From<backup::Ending> for Ending {
    fn from(ending: backup::Ending) -> Self {
        match ending {
            backup::Ending::Any => Ending::Any,
            backup::Ending::Known => Ending::Known,
            backup::Ending::Line(text) => Ending::Line(text),
            backup::Ending::Bytes(bytes) => Ending::Bytes(bytes),
            backup::Ending::Unmarked => Ending::Unmarked,
        }
    }
}

fn check(belief: &Belief) -> Result<(), String> {
    let plain = |text: &str| !text.chars().any(char::is_control);
    let is_right = match &belief.ending {
        Ending::Any | Ending::Known | Ending::Unmarked => true,
        Ending::Line(text) => (1..=MARK).contains(&text.len()) && plain(text),
        Ending::Bytes(bytes) => (1..=MARK).contains(&bytes.len()),
    };
    if !is_right {
        return Err(format!("its ending is not of 1 to {MARK} bytes, or a line of several"));
    }
    if let Some((before, after)) = belief.names.as_ref().and_then(|it| it.between.as_ref()) {
        let short = |text: &str| text.len() <= BESIDE && plain(text);
        if before.is_empty() || !short(before) || !short(after) {
            let message = "the texts beside its names are empty, too long or of several lines";
            return Err(message.into());
        }
    }
    Ok(())
}

fn item_name(item: &BackupItem) -> &str {
    match item {
        BackupItem::Volume { name, .. }
        | BackupItem::Dump { name, .. }
        | BackupItem::Custom { name } => name,
    }
}
