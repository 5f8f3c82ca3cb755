//! `backup snapshots`: the sets of an app.

use jiff::Timestamp;

use super::SetSummary;
use crate::{
    app::Context,
    backup::{
        error::Error,
        options::{Missing, Options, find, unless_cancelled},
        restic::{Listing, Restic, Unreadable},
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
    /// The newest complete one that was begun at this time or before, and is believed.
    At(Timestamp),
}

/// The sets of an app.
#[derive(Debug, Clone)]
pub struct Sets {
    /// Newest first.
    pub sets: Vec<SetSummary>,
    /// Snapshots of unknown sets: some of these, or others that are missing for that reason.
    pub unreadable: Option<Unreadable>,
}

impl Sets {
    /// The sets of an app in a list of snapshots.
    pub(crate) fn of(app: &AppName, found: Listing) -> Self {
        let mut sets = set::sets(&found.snapshots);
        sets.retain(|set| set.app == app.as_str());
        Sets { sets, unreadable: found.unreadable }
    }
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
) -> Result<Sets, Error> {
    let listing = async {
        let restic = find(context, app, options, Missing::Refused).await?;
        let mut found = sets_of(&restic, &app.name).await?;
        // What looks like a rest may be a whole set, but for a file that can be put back.
        let rests = found.sets.iter_mut().filter(|set| !set.complete);
        for set in rests.filter(|_| found.unreadable.is_none()) {
            // Of 64 digits, restic takes any beginning that is nobody else's.
            let ids = set.snapshots.iter().map(|id| &id[..id.len().min(16)]);
            let ids = ids.collect::<Vec<_>>().join(" ");
            set.remove = Some(restic.command_of(&format!("forget {ids}")));
        }
        Ok(found)
    };
    let mut found = unless_cancelled(&options.cancel, "nothing was changed", listing).await?;
    if listed == Listed::Complete {
        found.sets.retain(|set| set.complete);
    }
    Ok(found)
}

pub(crate) async fn sets_of(restic: &Restic, app: &AppName) -> Result<Sets, Error> {
    Ok(Sets::of(app, restic.listing(&set::filter(app, None)).await?))
}

/// The set of this name, or of this beginning of a name; an incomplete one, too.
pub(crate) fn named<'a>(
    app: &AppName,
    sets: &'a [SetSummary],
    unreadable: Option<&Unreadable>,
    wanted: &str,
) -> Result<&'a SetSummary, Error> {
    let unknown = || Error::UnknownSet { app: app.to_string(), wanted: wanted.to_owned() };
    if wanted.is_empty() {
        return Err(unknown());
    }
    let mut found = sets.iter().filter(|set| set.id.as_str().starts_with(wanted));
    match (found.next(), found.count()) {
        (Some(set), 0) => Ok(set),
        (Some(_), more) => Err(Error::AmbiguousSet { wanted: wanted.to_owned(), count: more + 1 }),
        (None, _) => Err(match unreadable {
            Some(unreadable) => lost(unreadable, app, Some(wanted)),
            None => unknown(),
        }),
    }
}

fn lost(unreadable: &Unreadable, app: &AppName, wanted: Option<&str>) -> Error {
    Error::SnapshotsUnreadable {
        unreadable: unreadable.clone(),
        app: app.to_string(),
        wanted: wanted.map(str::to_owned),
    }
}

/// Picks the set that is meant; only a complete one, and the newest only if there cannot
/// be a newer one.
pub(crate) fn pick(
    app: &AppName,
    Sets { sets, unreadable }: Sets,
    which: &Which,
) -> Result<SetSummary, Error> {
    match which {
        Which::Latest if let Some(unreadable) = &unreadable => Err(lost(unreadable, app, None)),
        Which::Latest => {
            let newest = sets.into_iter().find(|set| set.complete);
            let newest = newest.ok_or_else(|| Error::NoSet { app: app.to_string() })?;
            match newest.ahead_of(Timestamp::now()) {
                Some(_) => Err(Error::OfTheFuture { app: app.to_string(), set: newest.id }),
                None => Ok(newest),
            }
        }
        Which::At(time) => {
            let mut before = pick_before(app, Sets { sets, unreadable }, *time)?.into_iter();
            before.next().ok_or_else(|| Error::NoSetBefore { app: app.to_string(), time: *time })
        }
        Which::Named(wanted) => {
            let set = named(app, &sets, unreadable.as_ref(), wanted)?.clone();
            if set.complete {
                return Ok(set);
            }
            let reason = match set.manifest {
                _ if unreadable.is_some() => "files of its snapshots cannot be read",
                None => "its backup did not finish",
                Some(_) => "snapshots of it are gone from the repository",
            };
            Err(Error::Incomplete { set: set.id, reason: reason.into() })
        }
    }
}

/// The complete sets that were begun at a time or before, newest first; only if there cannot
/// be a newer one among what cannot be read.
pub(crate) fn pick_before(
    app: &AppName,
    Sets { mut sets, unreadable }: Sets,
    time: Timestamp,
) -> Result<Vec<SetSummary>, Error> {
    if let Some(unreadable) = &unreadable {
        return Err(lost(unreadable, app, None));
    }
    sets.retain(|set| set.complete && set.id.begun() <= time);
    Ok(sets)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(id: &str, complete: bool) -> SetSummary {
        SetSummary {
            complete,
            manifest: complete.then(|| "m".into()),
            ..SetSummary::new(id.parse().unwrap(), "w")
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
        let of = |unreadable: Option<Unreadable>, which: Which| {
            let sets = Sets { sets: sets.clone(), unreadable };
            super::pick(&app, sets, &which).map(|s| s.id.to_string())
        };
        let pick = |which: Which| of(None, which);
        let named = |name: &str| pick(Which::Named(name.into()));
        assert_eq!(pick(Which::Latest).unwrap(), "20260102T000000Z-bbbbbb");
        let later = vec![set("99990102T000000Z-dddddd", true), sets[1].clone()];
        let later = |which| {
            let sets = Sets { sets: later.clone(), unreadable: None };
            super::pick(&app, sets, &which).map(|set| set.id.to_string())
        };
        let error = later(Which::Latest).unwrap_err();
        assert!(matches!(&error, Error::OfTheFuture { .. }), "{error}");
        assert!(later(Which::Named("9999".into())).unwrap().ends_with("dddddd"));
        assert!(later(Which::At(Timestamp::now())).unwrap().ends_with("bbbbbb"));
        let at = |time: &str| pick(Which::At(time.parse().unwrap()));
        assert_eq!(at("2026-01-04T00:00:00Z").unwrap(), "20260102T000000Z-bbbbbb");
        assert_eq!(at("2026-01-02T00:00:00Z").unwrap(), "20260102T000000Z-bbbbbb");
        assert!(matches!(at("2026-01-01T23:59:59Z"), Err(Error::NoSetBefore { .. })));
        assert_eq!(named("20260102T000000Z-a").unwrap(), "20260102T000000Z-aaaaaa");
        assert!(matches!(named("20260102"), Err(Error::AmbiguousSet { count: 2, .. })));
        assert!(matches!(named("20260103"), Err(Error::Incomplete { .. })));
        assert!(matches!(named("2027"), Err(Error::UnknownSet { .. })));
        assert!(matches!(named(""), Err(Error::UnknownSet { .. })));
        let none = Sets { sets: Vec::new(), unreadable: None };
        assert!(matches!(super::pick(&app, none, &Which::Latest), Err(Error::NoSet { .. })));

        // A newer one may be among what cannot be read.
        let unreadable = || {
            Some(Unreadable {
                repository: "/r".into(),
                ids: ["152d5b8a53".to_owned()].into(),
                check: "restic check".into(),
            })
        };
        let named = |name: &str| of(unreadable(), Which::Named(name.into()));
        let latest = of(unreadable(), Which::Latest);
        assert!(matches!(latest, Err(Error::SnapshotsUnreadable { wanted: None, .. })));
        assert_eq!(named("20260102T000000Z-a").unwrap(), "20260102T000000Z-aaaaaa");
        let then = of(unreadable(), Which::At("2027-01-01T00:00:00Z".parse().unwrap()));
        assert!(matches!(then, Err(Error::SnapshotsUnreadable { wanted: None, .. })));
        let lost = named("2027");
        assert!(matches!(lost, Err(Error::SnapshotsUnreadable { wanted: Some(_), .. })));
        let Err(Error::Incomplete { reason, .. }) = named("20260103") else { panic!() };
        assert_eq!(reason, "files of its snapshots cannot be read");
    }
}
