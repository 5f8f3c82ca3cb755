//! What to back up, how to put it back, and how to tell that it works.

use std::marker::PhantomData;

use crate::{
    Command, Failure, Result,
    bindings::{
        backup::exports::potluck::recipe0_3_0::backup as wit,
        recipe::{bytes, failures},
    },
    export::guarded,
};

/// Where [`Backup::produce`] writes to and [`Backup::consume`] reads from.
pub use crate::bytes::{Sink, Source};
/// One check of the app's data and its outcome.
pub use wit::Finding;
/// How a complete dump ends.
pub use wit::Ending;
/// What the engine holds, to be compared with what its dumps hold.
pub use wit::Names;
/// One thing to back up.
pub use wit::{Dump, Item, Volume};

/// What to back up, how to put it back, and how to tell that it works.
pub trait Backup {
    /// Everything that a set must hold.
    ///
    /// # Errors
    /// Why that can't be said.
    fn plan() -> Result<Vec<Item>>;

    /// Before the first item is taken.
    ///
    /// # Errors
    /// Why a backup can't be taken now.
    fn before_backup() -> Result {
        Ok(())
    }

    /// Called whenever `before_backup` was, also after a failure.
    ///
    /// # Errors
    /// What could not be undone.
    fn after_backup(succeeded: bool) -> Result {
        let _ = succeeded;
        Ok(())
    }

    /// Writes the [`Item::Custom`] of this name.
    ///
    /// # Errors
    /// What could not be written; the backup fails.
    fn produce(name: String, into: Sink) -> Result {
        drop(into);
        Err(Failure::new(format!("the plugin makes no item `{name}` itself")))
    }

    /// Takes the [`Item::Custom`] of this name back.
    ///
    /// # Errors
    /// What could not be read; the restore fails.
    fn consume(name: String, contents: Source) -> Result {
        drop(contents);
        Err(Failure::new(format!("the plugin takes no item `{name}` back itself")))
    }

    /// When the data is back and the services run.
    ///
    /// # Errors
    /// What could not be done.
    fn after_restore() -> Result {
        Ok(())
    }

    /// Checks of the app's data; reads only.
    ///
    /// # Errors
    /// Why the checks could not be made.
    fn verify() -> Result<Vec<Finding>> {
        Ok(Vec::new())
    }
}

impl Volume {
    /// The whole of a volume, by its key in the compose file.
    pub fn whole(name: &str) -> Self {
        Volume { name: name.into(), paths: Vec::new(), exclude: Vec::new() }
    }

    /// Leaves this path out.
    #[must_use]
    pub fn without(mut self, path: &str) -> Self {
        self.exclude.push(path.into());
        self
    }
}

impl Dump {
    /// A file in the backup that one command in the service writes, and another takes back.
    /// It is believed when it ends as its kind does, as far as potluck knows it, and is
    /// not much smaller than the last one.
    pub fn new(name: &str, service: &str, take: Command, put_back: Command) -> Self {
        Dump {
            name: name.into(),
            service: service.into(),
            take,
            put_back,
            ending: Ending::Any,
            may_shrink: false,
            names: None,
        }
    }

    /// A complete one ends like this.
    #[must_use]
    pub fn ending(mut self, ending: Ending) -> Self {
        self.ending = ending;
        self
    }

    /// One of the last lines of a complete one begins like this.
    #[must_use]
    pub fn ends_with_line(self, line: &str) -> Self {
        self.ending(Ending::Line(line.into()))
    }

    /// The data may become much smaller from one backup to the next, as that of a cache.
    #[must_use]
    pub fn may_shrink(mut self) -> Self {
        self.may_shrink = true;
        self
    }

    /// What the engine holds is compared with what its dumps hold.
    #[must_use]
    pub fn names(mut self, names: Names) -> Self {
        self.names = Some(names);
        self
    }
}

impl Names {
    /// The command prints the names, one a line. What is in no dump of the service is a
    /// warning.
    pub fn of(listing: Command) -> Self {
        Names { listing, between: None, all: false }
    }

    /// The dump is to hold all of them; a backup without one fails.
    #[must_use]
    pub fn all(mut self) -> Self {
        self.all = true;
        self
    }

    /// In the dump, names are on lines that begin with `before`, and end at `after`.
    #[must_use]
    pub fn between(mut self, before: &str, after: &str) -> Self {
        self.between = Some((before.into(), after.into()));
        self
    }
}

impl From<Volume> for Item {
    fn from(volume: Volume) -> Self {
        Item::Volume(volume)
    }
}

impl From<Dump> for Item {
    fn from(dump: Dump) -> Self {
        Item::Dump(dump)
    }
}

#[doc(hidden)]
pub struct Adapter<T>(PhantomData<T>);

impl<T: Backup> wit::Guest for Adapter<T> {
    fn plan() -> Result<Vec<Item>, failures::Failure> {
        guarded(T::plan)
    }
    fn before_backup() -> Result<(), failures::Failure> {
        guarded(T::before_backup)
    }
    fn after_backup(succeeded: bool) -> Result<(), failures::Failure> {
        guarded(|| T::after_backup(succeeded))
    }
    fn produce(name: String, into: bytes::Sink) -> Result<(), failures::Failure> {
        guarded(|| T::produce(name, into.into()))
    }
    fn consume(name: String, contents: bytes::Source) -> Result<(), failures::Failure> {
        guarded(|| T::consume(name, contents.into()))
    }
    fn after_restore() -> Result<(), failures::Failure> {
        guarded(T::after_restore)
    }
    fn verify() -> Result<Vec<Finding>, failures::Failure> {
        guarded(T::verify)
    }
}
