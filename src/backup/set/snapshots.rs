//! `backup snapshots`: the sets of an app.

use super::SetSummary;
use crate::{
    app::Context,
    backup::{
        error::Error,
        options::{Missing, Options, find, unless_cancelled},
        restic::Restic,
        set,
    },
    home::{AppEntry, AppName},
};

/// Which sets are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Listed {
    /// Those that can be restored.
    #[default]
    Complete,
    /// Also what interrupted backups left.
    All,
}

/// Which set is meant.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Which {
    /// The newest complete one.
    #[default]
    Latest,
    /// Its name, or the beginning of it.
    Named(String),
}

/// The sets of an app, newest first.
///
/// # Errors
/// [`Error::NoRepository`], [`Error::WrongPassword`], and restic's failures.
pub async fn snapshots(
    context: &Context,
    app: &AppEntry,
    listed: Listed,
    options: &Options,
) -> Result<Vec<SetSummary>, Error> {
    let listing = async {
        let restic = find(context, &app.server, options, Missing::Refused).await?;
        let mut sets = sets_of(&restic, &app.name).await?;
        for set in sets.iter_mut().filter(|set| !set.complete) {
            // Of 64 digits, restic takes any beginning that is nobody else's.
            let ids = set.snapshots.iter().map(|id| &id[..id.len().min(16)]);
            let ids = ids.collect::<Vec<_>>().join(" ");
            set.remove = Some(restic.command_of(&format!("forget {ids}")));
        }
        Ok(sets)
    };
    let mut sets = unless_cancelled(&options.cancel, "nothing was changed", listing).await?;
    if listed == Listed::Complete {
        sets.retain(|set| set.complete);
    }
    Ok(sets)
}

pub(in crate::backup) async fn sets_of(
    restic: &Restic,
    app: &AppName,
) -> Result<Vec<SetSummary>, Error> {
    let found = restic.snapshots(&set::filter(app, None)).await?;
    let mut sets = set::sets(&found);
    sets.retain(|set| set.app == app.as_str());
    Ok(sets)
}

/// Picks the set that is meant; only a complete one.
pub(in crate::backup) fn pick(
    app: &AppName,
    sets: Vec<SetSummary>,
    which: &Which,
) -> Result<SetSummary, Error> {
    match which {
        Which::Latest => sets
            .into_iter()
            .find(|set| set.complete)
            .ok_or_else(|| Error::NoSet { app: app.to_string() }),
        Which::Named(wanted) => {
            let unknown = || Error::UnknownSet { app: app.to_string(), wanted: wanted.clone() };
            if wanted.is_empty() {
                return Err(unknown());
            }
            let mut found: Vec<SetSummary> =
                sets.into_iter().filter(|s| s.id.as_str().starts_with(wanted.as_str())).collect();
            if found.len() > 1 {
                return Err(Error::AmbiguousSet { wanted: wanted.clone(), count: found.len() });
            }
            let set = found.pop().ok_or_else(unknown)?;
            if set.complete {
                return Ok(set);
            }
            let reason = match set.manifest {
                None => "its backup did not finish",
                Some(_) => "snapshots of it are gone from the repository",
            };
            Err(Error::Incomplete { set: set.id, reason: reason.into() })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(id: &str, complete: bool) -> SetSummary {
        let id: set::SetId = id.parse().unwrap();
        SetSummary {
            begun: id.begun(),
            id,
            app: "w".into(),
            version: None,
            bytes: None,
            items: Vec::new(),
            empty: Vec::new(),
            complete,
            warnings: 0,
            remove: None,
            manifest: complete.then(|| "m".into()),
            snapshots: Vec::new(),
            parts: [].into(),
        }
    }

    #[test]
    fn an_incomplete_set_is_never_picked() {
        let app = AppName::new("w").unwrap();
        let sets = vec![
            set("20260103T000000Z-cccccc", false),
            set("20260102T000000Z-bbbbbb", true),
            set("20260102T000000Z-aaaaaa", true),
        ];
        let pick = |which: Which| pick(&app, sets.clone(), &which).map(|s| s.id.to_string());
        let named = |name: &str| pick(Which::Named(name.into()));
        assert_eq!(pick(Which::Latest).unwrap(), "20260102T000000Z-bbbbbb");
        assert_eq!(named("20260102T000000Z-a").unwrap(), "20260102T000000Z-aaaaaa");
        assert!(matches!(named("20260102"), Err(Error::AmbiguousSet { count: 2, .. })));
        assert!(matches!(named("20260103"), Err(Error::Incomplete { .. })));
        assert!(matches!(named("2027"), Err(Error::UnknownSet { .. })));
        assert!(matches!(named(""), Err(Error::UnknownSet { .. })));
        assert!(matches!(super::pick(&app, Vec::new(), &Which::Latest), Err(Error::NoSet { .. })));
    }
}
