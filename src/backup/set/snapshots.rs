//! `backup snapshots`: the sets of an app.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::{SetSummary, whose::Of};
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
#[derive(Debug, Clone, Default)]
pub struct Sets {
    /// Newest first.
    pub sets: Vec<SetSummary>,
    /// Sets of an app of the same name on other servers, newest first.
    pub elsewhere: Vec<SetSummary>,
    /// Snapshots of unknown sets: some of these, or others that are missing for that reason.
    pub unreadable: Option<Unreadable>,
}

impl Sets {
    /// The sets of an app in a list of snapshots.
    pub(crate) fn of(app: &AppEntry, found: Listing, of: &Of) -> Self {
        let mut sets = set::sets(&found.snapshots);
        sets.retain(|set| set.app == app.name.as_str());
        let server = match of {
            Of::Own | Of::Any => &app.server,
            Of::Server(server) => server,
        };
        let (sets, elsewhere) = sets.into_iter().partition(|set| set.server == server.as_str());
        Sets { sets, elsewhere, unreadable: found.unreadable }
    }

    /// The other servers that have complete sets of an app of this name.
    pub fn servers(&self) -> Vec<String> {
        let complete = self.elsewhere.iter().filter(|set| set.complete);
        let servers: BTreeSet<&String> = complete.map(|set| &set.server).collect();
        servers.into_iter().cloned().collect()
    }

    /// Takes in those of other servers where [`Of::Any`] does.
    fn widened(mut self, app: &AppName, which: &Which) -> Result<Self, Error> {
        let is_named = matches!(which, Which::Named(_));
        if !is_named && self.sets.iter().any(|set| set.complete) {
            return Ok(self);
        }
        let servers = self.servers();
        if !is_named && servers.len() > 1 {
            return Err(Error::SeveralServers { app: app.to_string(), servers });
        }
        self.sets.append(&mut self.elsewhere);
        self.sets.sort_by(|a, b| b.id.cmp(&a.id));
        Ok(self)
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
        let mut found = sets_of(&restic, app, &options.sets_of).await?;
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

pub(crate) async fn sets_of(restic: &Restic, app: &AppEntry, of: &Of) -> Result<Sets, Error> {
    Ok(Sets::of(app, restic.listing(&set::filter(&app.name, None)).await?, of))
}

/// The set of this name, or of this beginning of a name; an incomplete one, too.
pub(crate) fn named<'a>(
    app: &AppName,
    sets: &'a Sets,
    wanted: &str,
) -> Result<&'a SetSummary, Error> {
    let unknown = || {
        let is_it = |set: &&SetSummary| !wanted.is_empty() && set.id.as_str().starts_with(wanted);
        let elsewhere = sets.elsewhere.iter().find(is_it).map(|set| set.server.clone());
        Error::UnknownSet { app: app.to_string(), wanted: wanted.to_owned(), elsewhere }
    };
    if wanted.is_empty() {
        return Err(unknown());
    }
    let mut found = sets.sets.iter().filter(|set| set.id.as_str().starts_with(wanted));
    match (found.next(), found.count()) {
        (Some(set), 0) => Ok(set),
        (Some(_), more) => Err(Error::AmbiguousSet { wanted: wanted.to_owned(), count: more + 1 }),
        (None, _) => Err(match &sets.unreadable {
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
pub(crate) fn pick(app: &AppName, sets: Sets, which: &Which, of: &Of) -> Result<SetSummary, Error> {
    if let (Which::Latest | Which::At(_), Some(unreadable)) = (which, &sets.unreadable) {
        return Err(lost(unreadable, app, None));
    }
    let sets = if *of == Of::Any { sets.widened(app, which)? } else { sets };
    match which {
        Which::Latest => {
            let elsewhere = sets.servers();
            let newest = sets.sets.into_iter().find(|set| set.complete);
            let newest = newest.ok_or_else(|| Error::NoSet { app: app.to_string(), elsewhere })?;
            match newest.ahead_of(Timestamp::now()) {
                Some(_) => Err(Error::OfTheFuture { app: app.to_string(), set: newest.id }),
                None => Ok(newest),
            }
        }
        Which::At(time) => {
            let mut before = pick_before(app, sets, *time, of)?.into_iter();
            Ok(before.next().expect("there is one at least"))
        }
        Which::Named(wanted) => {
            let set = named(app, &sets, wanted)?.clone();
            if set.complete {
                return Ok(set);
            }
            let reason = match set.manifest {
                _ if sets.unreadable.is_some() => "files of its snapshots cannot be read",
                None => "its backup did not finish",
                Some(_) => "snapshots of it are gone from the repository",
            };
            Err(Error::Incomplete { set: set.id, reason: reason.into() })
        }
    }
}

/// The complete sets that were begun at a time or before, newest first, one at least; only if
/// there cannot be a newer one among what cannot be read.
pub(crate) fn pick_before(
    app: &AppName,
    sets: Sets,
    time: Timestamp,
    of: &Of,
) -> Result<Vec<SetSummary>, Error> {
    if let Some(unreadable) = &sets.unreadable {
        return Err(lost(unreadable, app, None));
    }
    let is_before = |set: &SetSummary| set.complete && set.id.begun() <= time;
    let elsewhere = sets.elsewhere.iter().filter(|set| is_before(set));
    let elsewhere: BTreeSet<String> = elsewhere.map(|set| set.server.clone()).collect();
    let sets = if *of == Of::Any { sets.widened(app, &Which::At(time))? } else { sets };
    let mut found = sets.sets;
    found.retain(is_before);
    match found.is_empty() {
        true => {
            let elsewhere = elsewhere.into_iter().collect();
            Err(Error::NoSetBefore { app: app.to_string(), time, elsewhere })
        }
        false => Ok(found),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hint::Hint;

    fn set(id: &str, complete: bool) -> SetSummary {
        SetSummary {
            complete,
            manifest: complete.then(|| "m".into()),
            ..SetSummary::new(id.parse().unwrap(), "w", "s")
        }
    }

    #[test]
    fn sets_of_another_server_are_taken_only_where_they_are_meant() {
        let app = AppName::new("w").unwrap();
        let on = |id: &str, server: &str| SetSummary { server: server.into(), ..set(id, true) };
        let old = on("20260101T000000Z-aaaaaa", "old");
        let new = on("20260102T000000Z-bbbbbb", "new");
        let third = on("20260103T000000Z-cccccc", "third");
        let at = |time: &str| Which::At(time.parse().unwrap());
        let pick = |own: &[&SetSummary], elsewhere: &[&SetSummary], which: Which, of: Of| {
            let all = |sets: &[&SetSummary]| sets.iter().map(|set| (*set).clone()).collect();
            let sets = Sets { sets: all(own), elsewhere: all(elsewhere), unreadable: None };
            super::pick(&app, sets, &which, &of).map(|set| set.server)
        };
        let error = pick(&[], &[&old], Which::Latest, Of::Own).unwrap_err();
        assert!(matches!(&error, Error::NoSet { elsewhere, .. } if *elsewhere == ["old"]));
        assert!(error.hint().unwrap().contains("--of-server old"), "{:?}", error.hint());
        let error = pick(&[&new], &[&old], at("2026-01-01T12:00:00Z"), Of::Own).unwrap_err();
        assert!(matches!(&error, Error::NoSetBefore { elsewhere, .. } if *elsewhere == ["old"]));
        let named = || Which::Named("20260101".into());
        let error = pick(&[&new], &[&old], named(), Of::Own).unwrap_err();
        assert!(matches!(&error, Error::UnknownSet { elsewhere: Some(on), .. } if on == "old"));

        assert_eq!(pick(&[&new], &[&third, &old], Which::Latest, Of::Any).unwrap(), "new");
        assert_eq!(pick(&[&new], &[&third, &old], named(), Of::Any).unwrap(), "old");
        assert_eq!(pick(&[], &[&old], Which::Latest, Of::Any).unwrap(), "old");
        assert_eq!(pick(&[], &[&old], at("2026-01-02T00:00:00Z"), Of::Any).unwrap(), "old");
        let error = pick(&[], &[&third, &old], Which::Latest, Of::Any).unwrap_err();
        assert!(matches!(&error, Error::SeveralServers { servers, .. } if servers.len() == 2));
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
            let sets = Sets { sets: sets.clone(), unreadable, ..Sets::default() };
            super::pick(&app, sets, &which, &Of::Own).map(|s| s.id.to_string())
        };
        let pick = |which: Which| of(None, which);
        let named = |name: &str| pick(Which::Named(name.into()));
        assert_eq!(pick(Which::Latest).unwrap(), "20260102T000000Z-bbbbbb");
        let later = vec![set("99990102T000000Z-dddddd", true), sets[1].clone()];
        let later = |which| {
            let sets = Sets { sets: later.clone(), ..Sets::default() };
            super::pick(&app, sets, &which, &Of::Own).map(|set| set.id.to_string())
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
        let none = super::pick(&app, Sets::default(), &Which::Latest, &Of::Own);
        assert!(matches!(none, Err(Error::NoSet { .. })));

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
