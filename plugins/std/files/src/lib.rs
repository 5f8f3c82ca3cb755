//! `std:files`: volumes, whole or by path. It runs nothing and needs no grant.

use std::collections::BTreeMap;

use potluck_sdk::{Backup, Failure, Item, Lifecycle, Result, Transition, Volume};
use serde::Deserialize;

/// The plugin.
pub struct Files;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Options {
    volumes: Volumes,
}

/// `[content, media]`, or each with its paths.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Volumes {
    Names(Vec<String>),
    Paths(BTreeMap<String, Option<Paths>>),
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Paths {
    /// Only these, relative to the volume's root; all when empty.
    include: Vec<String>,
    /// Not these: patterns, at any depth unless they begin with `/`.
    exclude: Vec<String>,
}

fn volumes() -> Result<Vec<Volume>> {
    let Options { volumes } = potluck_sdk::options()?;
    let volumes: Vec<(String, Paths)> = match volumes {
        Volumes::Names(names) => names.into_iter().map(|name| (name, Paths::default())).collect(),
        Volumes::Paths(paths) => {
            paths.into_iter().map(|(name, paths)| (name, paths.unwrap_or_default())).collect()
        }
    };
    if volumes.is_empty() {
        return Err(Failure::new("the option `volumes` names no volume"));
    }
    for (name, paths) in &volumes {
        let above = |path: &&String| path.is_empty() || path.split('/').any(|part| part == "..");
        let rooted = paths.include.iter().find(|path| path.starts_with('/'));
        let bad = rooted.or_else(|| paths.include.iter().chain(&paths.exclude).find(above));
        if let Some(bad) = bad {
            return Err(Failure::new(format!("volume `{name}`: {bad:?} is no path inside it"))
                .hint("paths are relative to the volume's root, `uploads/2024`"));
        }
    }
    let volume = |(name, Paths { include, exclude })| Volume { name, paths: include, exclude };
    Ok(volumes.into_iter().map(volume).collect())
}

impl Lifecycle for Files {
    fn check(_: Transition) -> Result {
        volumes().map(drop)
    }
}

impl Backup for Files {
    fn plan() -> Result<Vec<Item>> {
        Ok(volumes()?.into_iter().map(Item::Volume).collect())
    }
}

potluck_sdk::export!(Files: lifecycle, backup);

#[cfg(test)]
mod tests {
    use super::*;
    use potluck_sdk::testing::Script;

    #[test]
    fn volumes_are_named_alone_or_with_their_paths() {
        for (options, expected) in [
            (r#"{"volumes": ["content", "media"]}"#, vec![("content", 0, 0), ("media", 0, 0)]),
            (
                r#"{"volumes": {"a": null, "b": {"include": ["x", "y/z"], "exclude": ["/cache", "*.tmp"]}}}"#,
                vec![("a", 0, 0), ("b", 2, 2)],
            ),
        ] {
            let volumes = Script::new().options(options).play(volumes).result.unwrap();
            let found: Vec<_> =
                volumes.iter().map(|v| (v.name.as_str(), v.paths.len(), v.exclude.len())).collect();
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn wrong_options_stop_a_deploy() {
        for options in [
            "{}",
            r#"{"volumes": []}"#,
            r#"{"volumes": {"a": {"includ": []}}}"#,
            r#"{"volumes": {"a": {"include": ["/etc"]}}}"#,
            r#"{"volumes": {"a": {"exclude": ["x/../../y"]}}}"#,
        ] {
            let to = Transition { before: None, after: None };
            let played = Script::new().options(options).play(|| Files::check(to));
            assert!(played.result.is_err(), "{options}");
        }
    }
}
