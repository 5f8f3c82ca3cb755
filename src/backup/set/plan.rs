//! What a backup of an app contains: the items that its plugins name,
//! checked against the app; all its volumes if no plugin plays the role.

use std::collections::BTreeSet;

use super::{ItemKind, ItemName};
use crate::{
    app::App,
    backup::error::Error,
    compose::StackVolume,
    home::Grant,
    plugin::{BackupItem, Belief, Command, Hooks},
};

/// One item to save, or to restore.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Planned {
    pub name: ItemName,
    /// Index among the plugins that play the role; none for volumes taken
    /// without one.
    pub plugin: Option<usize>,
    pub what: What,
}

#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "a plan has few items, and most are dumps")]
pub(crate) enum What {
    Volume { volume: StackVolume, paths: Vec<String>, exclude: Vec<String> },
    Dump { service: String, take: Command, put_back: Command, belief: Belief },
    Custom,
}

impl Planned {
    pub fn kind(&self) -> ItemKind {
        match self.what {
            What::Volume { .. } => ItemKind::Volume,
            What::Dump { .. } => ItemKind::Dump,
            What::Custom => ItemKind::Custom,
        }
    }

    /// How tags and lists call it, `dump/wordpress.sql`.
    pub fn label(&self) -> String {
        format!("{}/{}", self.kind(), self.name)
    }

    /// Whether it fails the backup that it is much smaller than the last time: what a plugin
    /// calls a dump is all of its data, while files and what plugins write themselves are
    /// often removed for good reasons.
    pub fn keeps_its_size(&self) -> bool {
        matches!(&self.what, What::Dump { belief, .. } if !belief.may_shrink)
    }
}

/// Asks the plugins and checks their answers: dumps first, then volumes, then
/// items of plugins, so that a dump is never newer than the files that it refers to.
pub(crate) async fn ask(app: &App, hooks: &mut [(String, Hooks)]) -> Result<Vec<Planned>, Error> {
    if hooks.is_empty() {
        return without_plugins(&app.stack.volumes);
    }
    let mut planned = Vec::new();
    for (index, (name, plugin)) in hooks.iter_mut().enumerate() {
        let grants = app.checkout.manifest.plugins.iter().find(|p| p.name == *name);
        let grants = grants.map(|p| p.grants.as_slice()).unwrap_or_default();
        for item in plugin.backup_plan().await? {
            planned.push(checked(app, index, name, grants, item)?);
        }
    }
    sorted(planned)
}

fn without_plugins(volumes: &[StackVolume]) -> Result<Vec<Planned>, Error> {
    let own = volumes.iter().filter(|v| !v.external);
    let planned = own.map(|volume| {
        Ok(Planned {
            name: item_name(&volume.key)?,
            plugin: None,
            what: What::Volume { volume: volume.clone(), paths: Vec::new(), exclude: Vec::new() },
        })
    });
    sorted(planned.collect::<Result<_, Error>>()?)
}

fn checked(
    app: &App,
    index: usize,
    plugin: &str,
    grants: &[Grant],
    item: BackupItem,
) -> Result<Planned, Error> {
    let bad = |reason: String| Error::BadItem { reason: format!("{reason} (plugin `{plugin}`)") };
    let (name, what) = match item {
        BackupItem::Volume { name, paths, exclude } => {
            let volume = app.stack.volumes.iter().find(|v| v.key == name);
            let volume = volume.ok_or_else(|| bad(format!("the app has no volume `{name}`")))?;
            if volume.external {
                return Err(bad(format!("the volume `{name}` is external: it is not the app's")));
            }
            (name, What::Volume { volume: volume.clone(), paths, exclude })
        }
        BackupItem::Dump { name, service, take, put_back, belief } => {
            if !app.stack.services.iter().any(|s| s.key == service) {
                return Err(bad(format!("the app has no service `{service}`")));
            }
            // The host runs these commands for the plugin: with its grants.
            if !grants.contains(&Grant::Exec(service.clone())) {
                return Err(bad(format!(
                    "the dump `{name}` needs the grant `exec: {service}` in recipe.yml"
                )));
            }
            if take.argv.is_empty() || put_back.argv.is_empty() {
                return Err(bad(format!("the dump `{name}` has an empty command")));
            }
            (name, What::Dump { service, take, put_back, belief })
        }
        BackupItem::Custom { name } => (name, What::Custom),
    };
    Ok(Planned { name: item_name(&name)?, plugin: Some(index), what })
}

fn item_name(name: &str) -> Result<ItemName, Error> {
    ItemName::new(name).map_err(|e| Error::BadItem { reason: e.to_string() })
}

fn sorted(mut planned: Vec<Planned>) -> Result<Vec<Planned>, Error> {
    let mut seen = BTreeSet::new();
    for item in &planned {
        if !seen.insert((item.kind(), item.name.clone())) {
            let reason = format!("the {} `{}` is named twice", item.kind(), item.name);
            return Err(Error::BadItem { reason });
        }
    }
    planned.sort_by_key(|item| match item.kind() {
        ItemKind::Dump => 0,
        ItemKind::Volume => 1,
        ItemKind::Custom | ItemKind::Settings => 2,
    });
    Ok(planned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn volume(key: &str, external: bool) -> StackVolume {
        StackVolume {
            key: key.into(),
            name: format!("x_{key}"),
            external,
            services: vec!["app".into()],
            driver: None,
            driver_opts: [].into(),
            labels: [].into(),
        }
    }

    #[test]
    fn without_a_plugin_all_volumes_of_the_app_are_taken() {
        let planned =
            without_plugins(&[volume("b", false), volume("shared", true), volume("a", false)])
                .unwrap();
        let names: Vec<_> = planned.iter().map(|p| p.name.as_str()).collect();
        assert_eq!(names, ["b", "a"]);
        assert!(without_plugins(&[volume("a b", false)]).is_err());
    }

    #[test]
    fn dumps_come_first_and_no_item_twice() {
        let item = |name: &str, what: What| Planned {
            name: ItemName::new(name).unwrap(),
            plugin: Some(0),
            what,
        };
        let command = Command {
            argv: vec!["x".into()],
            env: Vec::new(),
            user: None,
            workdir: None,
            timeout: None,
        };
        let dump = What::Dump {
            service: "db".into(),
            take: command.clone(),
            put_back: command,
            belief: Belief::default(),
        };
        let files =
            What::Volume { volume: volume("x", false), paths: [].into(), exclude: [].into() };
        let items = vec![item("x", What::Custom), item("x", files), item("x", dump.clone())];
        let kinds: Vec<_> = sorted(items).unwrap().iter().map(Planned::kind).collect();
        assert_eq!(kinds, [ItemKind::Dump, ItemKind::Volume, ItemKind::Custom]);
        assert!(sorted(vec![item("x", dump.clone()), item("x", dump)]).is_err());
    }
}
