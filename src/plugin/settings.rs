//! The app's settings, as a plugin sees them.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard},
};

/// The app's settings, which remember what was read. Clones share this
/// memory.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    values: Arc<Vec<(String, String)>>,
    read: Arc<Mutex<SettingsRead>>,
}

/// What was read of settings.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SettingsRead {
    /// Those that were asked for by name and have a value.
    pub names: BTreeSet<String>,
    /// Whether all of them were read at once.
    pub all: bool,
}

impl Settings {
    /// The value of one; of several of that name the last, as in the file.
    pub fn get(&self, key: &str) -> Option<String> {
        let (key, value) = self.values.iter().rev().find(|(k, _)| k == key)?;
        self.lock().names.insert(key.clone());
        Some(value.clone())
    }

    /// All of them, in the file's order.
    pub fn all(&self) -> Vec<(String, String)> {
        self.lock().all = true;
        self.values.to_vec()
    }

    /// What was read so far.
    pub fn read(&self) -> SettingsRead {
        self.lock().clone()
    }

    /// Without this being read.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &(String, String)> {
        self.values.iter()
    }

    fn lock(&self) -> MutexGuard<'_, SettingsRead> {
        // Nothing panics while it is held.
        self.read.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl FromIterator<(String, String)> for Settings {
    fn from_iter<T: IntoIterator<Item = (String, String)>>(values: T) -> Self {
        Settings { values: Arc::new(values.into_iter().collect()), ..Settings::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_remembered() {
        let settings: Settings = [("A", "1"), ("B", "2"), ("A", "3")]
            .map(|(k, v)| (k.into(), v.into()))
            .into_iter()
            .collect();
        assert_eq!(settings.iter().count(), 3);
        assert_eq!(settings.read(), SettingsRead::default());
        let handed = settings.clone();
        assert_eq!((handed.get("A"), handed.get("C")), (Some("3".into()), None));
        let names = ["A".to_owned()].into();
        assert_eq!(settings.read(), SettingsRead { names, all: false });
        assert_eq!(handed.all().len(), 3);
        assert!(settings.read().all);
    }
}
