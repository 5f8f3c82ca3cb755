//! Taking one item of each kind.

use std::{collections::BTreeSet, ffi::OsString, sync::Arc, time::Instant};

use tokio::io::AsyncReadExt;

use super::{
    ItemName, SetId,
    census::{self, Census},
    exec::session,
    filter,
    holding::{Holding, Still},
    item_tags,
    manifest::{Item, VolumeFacts},
    plan::{Planned, What},
    proof::Seen,
    snapshots::Sets,
    stream::{self, Dump, Stored},
    whose::Of,
};
use crate::{
    app::App,
    backup::{
        error::Error,
        options::Meter,
        restic::{LOCK_LIMIT, Label, Restic, Snapshot, Summary, Vanished},
        volume::place::{Access, Place, Seat},
        warnings::Warnings,
    },
    compose::StackVolume,
    home::{AppGuard, AppName},
    plugin::{Command, Hooks},
    progress::Sink,
    text::line,
};

/// Size of the pipe between a plugin that produces an item and restic.
const PIPE: usize = 256 * 1024;
/// How often to read a folder if all of its files vanish.
const TRIES: usize = 3;

/// What taking any item needs.
pub(crate) struct Taking<'a> {
    pub guard: &'a AppGuard,
    pub app: &'a App,
    pub restic: &'a Restic,
    pub set: &'a SetId,
    pub progress: &'a Arc<dyn Sink>,
    pub warnings: &'a Warnings,
    pub holding: &'a Holding,
    pub census: &'a Census,
}

impl Taking<'_> {
    fn name(&self) -> &AppName {
        &self.app.entry.name
    }

    fn host(&self) -> &str {
        self.app.entry.server.as_str()
    }

    /// Takes a planned item.
    pub async fn take(
        &self,
        planned: &Planned,
        hooks: &mut [(String, Hooks)],
    ) -> Result<Item, Error> {
        let began = Instant::now();
        let step = format!("{} {}", planned.kind(), planned.name);
        let mut meter = Meter::new(&**self.progress, step);
        let tags = item_tags(self.name(), self.set, planned.kind(), &planned.name);
        let label = Label { host: self.host(), tags: &tags };
        let mut item = Item {
            name: planned.name.clone(),
            kind: planned.kind(),
            bytes: 0,
            snapshot: None,
            tree: None,
            milliseconds: 0,
            volume: None,
            service: None,
            plugin: planned.plugin.map(|index| hooks[index].0.clone()),
        };
        let summary = match &planned.what {
            What::Dump { service, take, belief, .. } => {
                item.service = Some(service.clone());
                let dump = Dump { item: planned.name.as_str(), service, belief };
                let Stored { summary, seen, doubt } =
                    self.dump(label, dump, take, &mut meter).await?;
                let name = &planned.name;
                let said = match (doubt, seen.unknown) {
                    (Some(doubt), _) => Some(format!(
                        "`{name}` of the service `{service}` may not be a dump: {doubt}"
                    )),
                    (None, Some(reason)) => Some(format!(
                        "nobody can tell whether the dump `{name}` of the service `{service}` is \
                         complete: {reason}"
                    )),
                    (None, None) => None,
                };
                if let Some(message) = said {
                    self.warn(message);
                }
                Some(summary)
            }
            What::Volume { volume, paths, exclude } => {
                let (summary, facts) =
                    self.volume(label, volume, paths, exclude, &mut meter).await?;
                item.volume = Some(facts);
                summary
            }
            What::Custom => {
                let (plugin, hooks) = planned
                    .plugin
                    .and_then(|index| hooks.get_mut(index))
                    .map(|(name, hooks)| (name.as_str(), hooks))
                    .ok_or_else(|| Error::BadItem { reason: "no plugin produces it".into() })?;
                Some(self.custom(label, &planned.name, plugin, hooks, &mut meter).await?)
            }
        };
        if let Some(summary) = summary {
            item.bytes = summary.bytes;
            item.snapshot = Some(summary.snapshot_id);
        }
        item.milliseconds = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        meter.done(format!("{} bytes", item.bytes));
        Ok(item)
    }

    async fn dump(
        &self,
        label: Label<'_>,
        dump: Dump<'_>,
        take: &Command,
        meter: &mut Meter<'_>,
    ) -> Result<Stored, Error> {
        let name = dump.item;
        let listed = self.listed(dump).await;
        let session = session(self.app, dump.service, take, false).await?;
        let upload = self.restic.backup_stream(label, name).await?;
        let mut reached = |bytes| meter.reached(bytes, None);
        let judge = |seen: Seen| self.count(dump, listed, seen);
        let storing = stream::store(dump, session, upload, &mut reached, judge);
        match take.timeout {
            None => storing.await,
            Some(limit) => tokio::time::timeout(limit, storing).await.unwrap_or_else(|_| {
                Err(Error::TimedOut {
                    what: format!("the dump `{name}`"),
                    seconds: limit.as_secs(),
                })
            }),
        }
    }

    /// What the engine of a dump holds, if its plugin can ask for that.
    async fn listed(&self, Dump { item, service, belief }: Dump<'_>) -> Option<BTreeSet<String>> {
        let names = belief.names.as_ref()?;
        match census::ask(self.app, service, &names.listing).await {
            Ok(listed) => Some(listed),
            Err(reason) => {
                self.warn(format!(
                    "nobody can tell whether the dump `{item}` holds all that the service \
                     `{service}` has, because it does not list it: {reason}"
                ));
                None
            }
        }
    }

    /// Compares what a dump holds with what was listed before it.
    ///
    /// # Errors
    /// What it lacks.
    async fn count(
        &self,
        Dump { item, service, belief }: Dump<'_>,
        listed: Option<BTreeSet<String>>,
        seen: Seen,
    ) -> Result<(), String> {
        let (Some(names), Some(listed)) = (&belief.names, listed) else { return Ok(()) };
        let Some(held) = seen.names else {
            self.warn(format!(
                "nobody can tell whether the dump `{item}` holds all that the service \
                 `{service}` has, because it names nothing that it holds"
            ));
            return Ok(());
        };
        let mut missing: BTreeSet<String> = listed.difference(&held).cloned().collect();
        if names.all && !missing.is_empty() {
            // It may have been removed before its turn came.
            if let Ok(now) = census::ask(self.app, service, &names.listing).await {
                missing.retain(|name| now.contains(name));
            }
            if !missing.is_empty() {
                return Err(format!("it lacks {}", census::quoted(&missing)));
            }
        }
        // What is still listed is in a dump of all; what is gone is not missed.
        let listed = if names.all { BTreeSet::new() } else { listed };
        self.census.add(service, listed, held);
        Ok(())
    }

    fn warn(&self, message: String) {
        self.warnings.add(&**self.progress, message);
    }

    async fn volume(
        &self,
        label: Label<'_>,
        volume: &StackVolume,
        paths: &[String],
        exclude: &[String],
        meter: &mut Meter<'_>,
    ) -> Result<(Option<Summary>, VolumeFacts), Error> {
        let seat = Seat::of(self.app, volume, "read").await?;
        let live = seat.live(self.app, volume).await?.ok_or_else(|| Error::Volume {
            volume: volume.name.clone(),
            verb: "read",
            reason: "the node of its service has no such volume".into(),
        })?;
        let folder = seat.open(self.app, self.restic, &live, Access::Read).await?;
        let facts = folder.check(paths).await?;
        for left in folder.left_behind() {
            let left = left.display();
            let message = format!(
                "{left} was left by an interrupted restore: the next restore of this volume \
                 removes it, or `rm -r {left}`; it is not in the backup"
            );
            self.warnings.add(&**self.progress, message);
        }
        if folder.is_empty().await? {
            return Ok((None, facts));
        }
        self.tell_unproved(&folder, paths).await?;
        let exclude = folder.exclude(exclude);
        let reading = self.read_folder(&folder, label, paths, &exclude, meter);
        let (summary, still) = self.holding.while_still(self.app, volume, reading).await?;
        let name = &volume.name;
        let why = match still {
            Still::Throughout => None,
            Still::TooLong => {
                Some("the services that write it ran again before all of it was read")
            }
            Still::Broken => Some("a container that writes it was not paused all the time"),
        };
        if let Some(why) = why {
            let message = format!("the volume `{name}` is not saved as of one moment: {why}");
            self.warnings.add(&**self.progress, message);
        }
        Ok((summary, facts))
    }

    /// None where all files vanished before they were read, or are left out.
    async fn read_folder(
        &self,
        folder: &Place,
        label: Label<'_>,
        paths: &[String],
        exclude: &[OsString],
        meter: &mut Meter<'_>,
    ) -> Result<Option<Summary>, Error> {
        let mut anew = false;
        for attempt in 1.. {
            match self.store_folder(folder, label, paths, exclude, anew, meter).await {
                Ok(summary) => {
                    self.tell_vanished(folder, &summary.vanished);
                    return Ok(Some(summary));
                }
                // All of it is read again, and nothing of the damage is in this one.
                Err(Error::Damaged { reason, .. }) if !anew => {
                    anew = true;
                    let volume = folder.volume();
                    let said = format!(
                        "the volume `{volume}` is read completely, not only what changed: {reason}"
                    );
                    self.warnings.add(&**self.progress, said);
                    self.forget_item(label).await?;
                }
                // As of a database's file alone, whose dump has what is in it.
                Err(Error::AllLeftOut { .. }) => return Ok(None),
                // Files that come and go: there may be others now.
                Err(Error::AllVanished { .. }) if attempt < TRIES => {}
                Err(Error::AllVanished { .. }) => {
                    let volume = folder.volume();
                    self.warnings.add(
                        &**self.progress,
                        format!(
                            "all files of the volume `{volume}` vanished before they were read, \
                             {TRIES} times: it is saved as empty"
                        ),
                    );
                    return Ok(None);
                }
                Err(error) => return Err(error),
            }
        }
        unreachable!("the last attempt returns")
    }

    async fn store_folder(
        &self,
        folder: &Place,
        label: Label<'_>,
        paths: &[String],
        exclude: &[OsString],
        anew: bool,
        meter: &mut Meter<'_>,
    ) -> Result<Summary, Error> {
        let view = folder.view()?;
        let upload = match anew {
            false => self.restic.backup_folder(label, view, paths, exclude).await?,
            true => self.restic.backup_folder_anew(label, view, paths, exclude).await?,
        };
        let mut reached = upload.reached();
        let finishing = upload.finish_looking(|path| folder.is_missing(path));
        tokio::pin!(finishing);
        loop {
            tokio::select! {
                summary = &mut finishing => return summary,
                Ok(()) = reached.changed() => {
                    let now = *reached.borrow_and_update();
                    meter.reached(now.bytes, now.total);
                }
            }
        }
    }

    /// Forgets a snapshot that restic itself calls incomplete: an item has only one
    /// snapshot.
    async fn forget_item(&self, label: Label<'_>) -> Result<(), Error> {
        let all = self.restic.snapshots(&label.tags.join(",")).await?;
        let ids: Vec<String> = all.into_iter().map(|snapshot| snapshot.id).collect();
        let forget = || self.restic.forget(&ids);
        self.restic.past_locks(LOCK_LIMIT, &**self.progress, forget).await
    }

    /// Files that are named one by one are usually dumps that a label's hook
    /// wrote, and only the hook knows whether they are complete.
    async fn tell_unproved(&self, folder: &Place, paths: &[String]) -> Result<(), Error> {
        let unproved = folder.unproved(paths).await?;
        for (path, reason) in unproved {
            let volume = folder.volume();
            self.warnings.add(
                &**self.progress,
                format!("`{}` of the volume `{volume}` may not be a dump: {reason}", line(&path)),
            );
        }
        Ok(())
    }

    /// Says what was gone before it could be read: no failure, an app makes and
    /// removes files while it runs.
    fn tell_vanished(&self, folder: &Place, vanished: &Vanished) {
        const SHOWN: usize = 3;
        if vanished.count == 0 {
            return;
        }
        let names: Vec<_> = vanished.names.iter().take(SHOWN).map(|name| line(name)).collect();
        let more = vanished.count - names.len() as u64;
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let files =
            if vanished.count == 1 { "1 file".into() } else { format!("{} files", vanished.count) };
        self.warnings.add(
            &**self.progress,
            format!(
                "{files} of the volume `{}` vanished before they were read: {}{more}",
                folder.volume(),
                names.join(", ")
            ),
        );
    }

    /// What a plugin writes passes through a small pipe of ours, so that its
    /// end is restic's end only when the plugin said that all went well.
    async fn custom(
        &self,
        label: Label<'_>,
        name: &ItemName,
        plugin: &str,
        hooks: &mut Hooks,
        meter: &mut Meter<'_>,
    ) -> Result<Summary, Error> {
        let mut upload = self.restic.backup_stream(label, name.as_str()).await?;
        let (theirs, mut ours) = tokio::io::duplex(PIPE);
        let (into, shown) = (&mut upload, &mut *meter);
        let carry = async move {
            let mut buffer = vec![0; PIPE];
            loop {
                let n = ours.read(&mut buffer).await.map_err(|e| Error::ResticOutput {
                    action: format!("store `{name}`"),
                    message: e.to_string(),
                })?;
                if n == 0 {
                    return Ok(());
                }
                // Should this fail, nobody reads on, and the plugin's next
                // write fails as well.
                into.write(&buffer[..n]).await?;
                shown.reached(into.written(), None);
            }
        };
        // The plugin's end of the pipe goes with its call, also when that fails.
        let (produced, carried) =
            tokio::join!(hooks.produce(name.as_str(), Box::new(theirs)), carry);
        let failed = |reason: String| Error::Produce {
            plugin: plugin.into(),
            item: name.to_string(),
            reason,
        };
        let outcome = match (carried, produced) {
            (Err(error), _) => Err(error),
            (Ok(()), Err(error)) => Err(Error::Plugin(error)),
            (Ok(()), Ok(())) if upload.written() == 0 => Err(failed("it wrote nothing".into())),
            (Ok(()), Ok(())) => Ok(()),
        };
        match outcome {
            Ok(()) => upload.finish().await,
            Err(error) => {
                upload.abort().await;
                Err(error)
            }
        }
    }

    /// Completes what restic told of the items' snapshots: their whole ids, and the digests
    /// of what they hold. Returns the sets that the app has; they come from the same list,
    /// because each call of restic spends half a second on deriving its key.
    pub async fn complete(&self, items: &mut [Item]) -> Result<Sets, Error> {
        let listing = self.restic.listing(&filter(self.name(), None)).await?;
        let of_set = format!("set:{}", self.set);
        let of_set = |stored: &&Snapshot| stored.tags.contains(&of_set);
        let stored = listing.snapshots.iter().filter(of_set).collect::<Vec<_>>();
        for item in items {
            let Some(told) = item.snapshot.as_mut() else { continue };
            let found = stored.iter().find(|stored| stored.id.starts_with(told.as_str()));
            let found = found.ok_or_else(|| Error::ResticOutput {
                action: "list the snapshots".into(),
                message: format!("the snapshot of `{}` is missing", item.name),
            })?;
            told.clone_from(&found.id);
            item.tree = Some(found.tree.clone());
        }
        Ok(Sets::of(&self.app.entry, listing, &Of::Own))
    }

    /// Stores a few bytes that potluck itself made.
    pub async fn bytes(
        &self,
        name: &ItemName,
        tags: &[String],
        bytes: &[u8],
    ) -> Result<Summary, Error> {
        let label = Label { host: self.host(), tags };
        let mut upload = self.restic.backup_stream(label, name.as_str()).await?;
        match upload.write(bytes).await {
            Ok(()) => upload.finish().await,
            Err(error) => {
                upload.abort().await;
                Err(error)
            }
        }
    }
}
