//! The versions of recipes that one run has read from git: several apps of one version share
//! its private copy.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::OnceCell;

use super::{Checkout, Error, Store, Version};
use crate::home::RecipeName;

/// Copies that are made once; they are removed with it.
#[derive(Debug, Default)]
pub struct Checkouts(Mutex<BTreeMap<Key, Shared>>);

/// A recipe, its version, and the address that it has to be from.
type Key = (RecipeName, String, Option<String>);

/// One that is there once somebody has made it.
type Shared = Arc<OnceCell<Arc<Checkout>>>;

impl Checkouts {
    /// A private copy of one version. One without a name may be a folder's working files:
    /// that is made anew each time.
    ///
    /// # Errors
    /// As [`Store::checkout`].
    pub async fn get(
        &self,
        store: Store,
        recipe: RecipeName,
        version: Version,
    ) -> Result<Arc<Checkout>, Error> {
        // One that another repository has must not be taken for it.
        let address = store.address_of(&recipe).map(str::to_owned);
        let copy = match &version {
            Version::Newest | Version::Working => Arc::default(),
            Version::Named(name) => {
                let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
                Arc::clone(known.entry((recipe.clone(), name.clone(), address)).or_default())
            }
        };
        let made = copy.get_or_try_init(|| async {
            // Waits for the git program.
            let made = tokio::task::spawn_blocking(move || store.checkout(&recipe, &version));
            match made.await {
                Ok(made) => made.map(Arc::new),
                Err(panic) => std::panic::resume_unwind(panic.into_panic()),
            }
        });
        made.await.cloned()
    }
}
