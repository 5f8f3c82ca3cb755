//! What to back up, how to put it back, and how to tell that it works.

use std::marker::PhantomData;

use crate::{
    Failure, Result,
    bindings::{
        backup::exports::potluck::recipe::backup as wit,
        recipe::{bytes, failures},
    },
    export::guarded,
};

/// Where [`Backup::produce`] writes to and [`Backup::consume`] reads from.
pub use crate::bytes::{Sink, Source};
/// One check of the app's data and its outcome.
pub use wit::Finding;
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
