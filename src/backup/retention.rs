//! Which sets of an app are kept, and why; pure.
//!
//! Whole sets are judged, by the times in their names: restic's own `forget` knows
//! snapshots only, and would keep the dump of one set and the volume of another. Nothing
//! depends on this machine's clock but the age of what did not finish: rules count from the
//! newest complete set, so that a clock that jumped ahead, or backups that stopped a month
//! ago, make no set old.

use std::collections::BTreeMap;

use indicatif::HumanBytes;
use jiff::{SignedDuration, Timestamp, Zoned, tz::TimeZone};
use serde::Serialize;

use super::set::{SetId, SetSummary};
use crate::{home::Keep, text::line};

/// After this time, a set without its manifest is not being taken any more.
const TAKING: SignedDuration = SignedDuration::from_hours(24);
/// The newest set is implausible below this part of those before.
const PART: u64 = 10;
/// Sets that were smaller than this may shrink.
const SMALL: u64 = 64 * 1024;
/// So many sets before the newest are compared with it.
const COMPARED: usize = 5;
/// An item is as good as empty below this part of what it was.
const EMPTIED: u64 = 100;

/// What is known of an app's sets.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    /// Newest first.
    pub sets: &'a [SetSummary],
    /// Snapshot files cannot be read: what looks incomplete may be whole.
    pub unreadable: bool,
    /// Sets that cannot be relied on, and why: their manifest cannot be read.
    pub doubts: &'a BTreeMap<SetId, String>,
    /// Sets that were not made by a machine of the team, and why.
    pub forged: &'a BTreeMap<SetId, String>,
    /// Why sets are held.
    pub held: &'a BTreeMap<SetId, Vec<String>>,
    pub now: Timestamp,
    /// Decide also where something is implausible.
    pub force: bool,
}

/// What becomes of a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    Keep,
    Remove,
}

/// What becomes of a set, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verdict {
    pub set: SetId,
    /// When it was begun.
    pub time: Timestamp,
    pub complete: bool,
    /// None for an incomplete one.
    pub bytes: Option<u64>,
    pub action: Action,
    pub reasons: Vec<String>,
}

/// Why nothing is removed, because what is there cannot be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Implausible {
    #[error("the backup {set} is of the future: a clock is wrong, or somebody forged it")]
    Future { set: SetId },
    #[error(
        "the newest backup, {set}, has only {}, those before it {}",
        HumanBytes(*bytes), HumanBytes(*before)
    )]
    Shrunk { set: SetId, bytes: u64, before: u64 },
    /// What emptied a volume some nights ago must not push out the last sets that have it.
    #[error(
        "the backup {set} would be removed and is the last with {} of {}; those that would be kept \
         have {} at most",
        HumanBytes(*bytes), what(item.as_deref()), HumanBytes(*most)
    )]
    LastOfItsSize { set: SetId, item: Option<String>, bytes: u64, most: u64 },
    #[error("the backup {set} may be forged: {reason}")]
    Forged { set: SetId, reason: String },
}

fn what(item: Option<&str>) -> String {
    item.map_or_else(|| "data".to_owned(), |item| line(item).into_owned())
}

/// A decision for each set, newest first.
///
/// # Errors
/// [`Implausible`], unless forced; then what is implausible is kept, and counts for no rule.
pub fn decide(known: &Known<'_>, keep: Option<&Keep>) -> Result<Vec<Verdict>, Implausible> {
    let Known { sets, doubts, forged, held, now, force, .. } = *known;
    let is_future = |set: &SetSummary| set.ahead_of(now).is_some();
    let counts = |set: &&SetSummary| {
        set.complete
            && !doubts.contains_key(&set.id)
            && !forged.contains_key(&set.id)
            && !is_future(set)
    };
    let complete: Vec<&SetSummary> = sets.iter().filter(counts).collect();
    if !force {
        plausible(known, &complete, is_future)?;
    }
    let mut kept: BTreeMap<&SetId, Vec<String>> = BTreeMap::new();
    if let Some(newest) = complete.first() {
        kept.entry(&newest.id).or_default().push("the newest complete one".into());
    }
    for (set, reason) in match keep {
        None => complete
            .iter()
            .map(|set| (&set.id, "there are no rules (`backup: keep:` in server.yml)".into()))
            .collect(),
        Some(keep) => rules(&complete, keep),
    } {
        kept.entry(set).or_default().push(reason);
    }
    let verdict = |set: &SetSummary| {
        let mut reasons = kept.remove(&set.id).unwrap_or_default();
        reasons.extend(held.get(&set.id).into_iter().flatten().cloned());
        reasons
            .extend(doubts.get(&set.id).map(|why| format!("it cannot be judged: {}", line(why))));
        reasons.extend(forged.get(&set.id).map(|why| format!("it may be forged: {}", line(why))));
        if is_future(set) {
            reasons.push("its time is in the future".into());
        }
        if !set.complete {
            reasons.extend(incomplete(known, set));
        }
        let action = if reasons.is_empty() { Action::Remove } else { Action::Keep };
        if action == Action::Remove {
            let why = match set.complete {
                true => "no rule keeps it",
                false => "its backup did not finish",
            };
            reasons.push(why.into());
        }
        Verdict {
            set: set.id.clone(),
            time: set.begun,
            complete: set.complete,
            bytes: set.bytes,
            action,
            reasons,
        }
    };
    let verdicts: Vec<Verdict> = sets.iter().map(verdict).collect();
    if !force {
        last_of_its_size(&complete, &verdicts)?;
    }
    Ok(verdicts)
}

/// Fails where those that stay have next to nothing of what one that goes has. An item that
/// none of them has was left out by the recipe.
fn last_of_its_size(complete: &[&SetSummary], verdicts: &[Verdict]) -> Result<(), Implausible> {
    let goes = |set: &&&SetSummary| {
        verdicts.iter().any(|it| it.set == set.id && it.action == Action::Remove)
    };
    let (gone, kept): (Vec<&SetSummary>, Vec<&SetSummary>) = {
        let (gone, kept): (Vec<_>, Vec<_>) = complete.iter().partition(goes);
        (gone.into_iter().copied().collect(), kept.into_iter().copied().collect())
    };
    for set in gone {
        let all = set.bytes.map(|bytes| (None, bytes, PART));
        let items = set.sizes.iter().map(|(item, bytes)| (Some(item.as_str()), *bytes, EMPTIED));
        for (item, bytes, part) in all.into_iter().chain(items) {
            let most = kept.iter().filter_map(|set| match item {
                None => set.bytes,
                Some(item) if set.empty.iter().any(|it| it == item) => Some(0),
                Some(item) => set.sizes.get(item).copied(),
            });
            if bytes >= SMALL
                && let Some(most) = most.max()
                && most < bytes / part
            {
                let (set, item) = (set.id.clone(), item.map(str::to_owned));
                return Err(Implausible::LastOfItsSize { set, item, bytes, most });
            }
        }
    }
    Ok(())
}

fn plausible(
    known: &Known<'_>,
    complete: &[&SetSummary],
    is_future: impl Fn(&SetSummary) -> bool,
) -> Result<(), Implausible> {
    if let Some(set) = known.sets.iter().find(|set| is_future(set)) {
        return Err(Implausible::Future { set: set.id.clone() });
    }
    if let Some((set, reason)) = known.forged.iter().next_back() {
        return Err(Implausible::Forged { set: set.clone(), reason: reason.clone() });
    }
    let Some((newest, older)) = complete.split_first() else { return Ok(()) };
    let mut sizes: Vec<u64> = older.iter().take(COMPARED).filter_map(|set| set.bytes).collect();
    sizes.sort_unstable();
    let (Some(bytes), Some(&before)) = (newest.bytes, sizes.get(sizes.len() / 2)) else {
        return Ok(());
    };
    match before >= SMALL && bytes < before / PART {
        true => Err(Implausible::Shrunk { set: newest.id.clone(), bytes, before }),
        false => Ok(()),
    }
}

/// Why an incomplete set is kept; nothing where it is not.
fn incomplete(known: &Known<'_>, set: &SetSummary) -> Option<String> {
    if known.unreadable {
        return Some("it may be whole: snapshot files of the repository cannot be read".into());
    }
    if set.manifest.is_some() {
        return Some("parts of it are gone, the rest may be of use".into());
    }
    let is_old = known.now.duration_since(set.begun) > TAKING;
    (!is_old).then(|| "it may still be taken".into())
}

/// What each rule keeps of the complete sets, newest first.
fn rules<'a>(complete: &[&'a SetSummary], keep: &Keep) -> Vec<(&'a SetId, String)> {
    let mut kept = Vec::new();
    for (number, set) in (1..=keep.last.number()).zip(complete) {
        kept.push((&set.id, format!("last {number}")));
    }
    type Period = fn(&Zoned) -> [i32; 4];
    let periods: [(&str, usize, Period); 5] = [
        ("hourly", keep.hourly.number(), |t| {
            [t.year().into(), t.month().into(), t.day().into(), t.hour().into()]
        }),
        ("daily", keep.daily.number(), |t| [t.year().into(), t.month().into(), t.day().into(), 0]),
        ("weekly", keep.weekly.number(), |t| {
            let week = t.date().iso_week_date();
            [week.year().into(), week.week().into(), 0, 0]
        }),
        ("monthly", keep.monthly.number(), |t| [t.year().into(), t.month().into(), 0, 0]),
        ("yearly", keep.yearly.number(), |t| [t.year().into(), 0, 0, 0]),
    ];
    for (name, number, period) in periods {
        let mut last = None;
        let mut count = 0;
        for set in complete {
            if count == number {
                break;
            }
            let of = period(&set.begun.to_zoned(TimeZone::UTC));
            if last != Some(of) {
                last = Some(of);
                count += 1;
                kept.push((&set.id, format!("{name} {count}")));
            }
        }
    }
    if let (Some(within), Some(newest)) = (&keep.within, complete.first()) {
        let is_within =
            |set: &&&SetSummary| newest.begun.duration_since(set.begun) <= within.time();
        let young = complete.iter().filter(is_within);
        kept.extend(young.map(|set| (&set.id, format!("within {within}"))));
    }
    kept
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: &str = "2026-11-20T12:00:00Z";

    fn set(id: &str, bytes: Option<u64>) -> SetSummary {
        SetSummary {
            bytes,
            complete: bytes.is_some(),
            manifest: bytes.map(|_| "m".into()),
            ..SetSummary::new(id.parse().unwrap(), "w", "s")
        }
    }

    fn at(time: &str) -> SetSummary {
        set(&format!("{time}Z-aaaaaa"), Some(1 << 20))
    }

    fn keep(yaml: &str) -> Keep {
        serde_saphyr::from_str(yaml).unwrap()
    }

    /// What is known, and what a test changes of it.
    #[derive(Debug, Default)]
    struct Case {
        sets: Vec<SetSummary>,
        unreadable: bool,
        doubts: BTreeMap<SetId, String>,
        forged: BTreeMap<SetId, String>,
        held: BTreeMap<SetId, Vec<String>>,
        force: bool,
    }

    impl Case {
        fn of(sets: Vec<SetSummary>) -> Self {
            Case { sets, ..Case::default() }
        }

        fn decide(&self, keep: Option<&Keep>) -> Result<Vec<Verdict>, Implausible> {
            let Case { sets, unreadable, doubts, forged, held, force } = self;
            let now = NOW.parse().unwrap();
            let (unreadable, force) = (*unreadable, *force);
            decide(&Known { sets, unreadable, doubts, forged, held, now, force }, keep)
        }

        /// `1120T10 keep daily 1, weekly 1`, one a line.
        fn told(&self, keep: Option<&Keep>) -> Vec<String> {
            let verdicts = self.decide(keep).unwrap();
            let told = |verdict: &Verdict| {
                let id = verdict.set.as_str();
                let (day, hour) = (&id[4..8], &id[9..11]);
                let action = if verdict.action == Action::Keep { "keep" } else { "remove" };
                format!("{day}T{hour} {action} {}", verdict.reasons.join(", "))
            };
            verdicts.iter().map(told).collect()
        }
    }

    #[test]
    fn each_rule_keeps_the_newest_of_its_periods() {
        let sets = || {
            vec![
                at("20261120T100000"),
                at("20261120T090000"),
                at("20261119T100000"),
                at("20261116T100000"),
                at("20261115T100000"),
                at("20261031T100000"),
                at("20251231T100000"),
            ]
        };
        for (rules, expected) in [
            (
                "{daily: 2}",
                [
                    "1120T10 keep the newest complete one, daily 1",
                    "1120T09 remove no rule keeps it",
                    "1119T10 keep daily 2",
                    "1116T10 remove no rule keeps it",
                    "1115T10 remove no rule keeps it",
                    "1031T10 remove no rule keeps it",
                    "1231T10 remove no rule keeps it",
                ],
            ),
            (
                "{hourly: 2, weekly: 2, monthly: 2, yearly: 5}",
                [
                    "1120T10 keep the newest complete one, hourly 1, weekly 1, monthly 1, yearly 1",
                    "1120T09 keep hourly 2",
                    "1119T10 remove no rule keeps it",
                    "1116T10 remove no rule keeps it",
                    // A Sunday.
                    "1115T10 keep weekly 2",
                    "1031T10 keep monthly 2",
                    "1231T10 keep yearly 2",
                ],
            ),
            (
                "{last: 1, within: 4d}",
                [
                    "1120T10 keep the newest complete one, last 1, within 4d",
                    "1120T09 keep within 4d",
                    "1119T10 keep within 4d",
                    "1116T10 keep within 4d",
                    "1115T10 remove no rule keeps it",
                    "1031T10 remove no rule keeps it",
                    "1231T10 remove no rule keeps it",
                ],
            ),
        ] {
            assert_eq!(Case::of(sets()).told(Some(&keep(rules))), expected, "{rules}");
        }
        let all = Case::of(sets()).decide(None).unwrap();
        assert!(all.iter().all(|verdict| verdict.action == Action::Keep));
        let none = Case::of(sets()).decide(Some(&Keep::default())).unwrap();
        assert_eq!(none.iter().filter(|verdict| verdict.action == Action::Keep).count(), 1);
    }

    #[test]
    fn what_is_held_or_cannot_be_judged_is_kept_whatever_the_rules_say() {
        let held = at("20261101T100000");
        let doubtful = at("20261102T100000");
        let mut case = Case::of(vec![
            at("20261120T100000"),
            set("20261120T080000Z-bbbbbb", None),
            set("20261118T080000Z-bbbbbb", None),
            doubtful.clone(),
            held.clone(),
        ]);
        case.held = [(held.id, vec!["held until 2026-12-01: audit".into()])].into();
        case.doubts = [(doubtful.id, "it is damaged".into())].into();
        let expected = [
            "1120T10 keep the newest complete one, last 1",
            "1120T08 keep it may still be taken",
            "1118T08 remove its backup did not finish",
            "1102T10 keep it cannot be judged: it is damaged",
            "1101T10 keep held until 2026-12-01: audit",
        ];
        assert_eq!(case.told(Some(&keep("{last: 1}"))), expected);
        case.unreadable = true;
        let verdicts = case.decide(Some(&keep("{last: 1}"))).unwrap();
        assert!(verdicts.iter().all(|verdict| verdict.action == Action::Keep), "{verdicts:?}");
    }

    #[test]
    fn a_set_whose_parts_are_gone_is_for_people() {
        let mut broken = set("20261101T100000Z-bbbbbb", Some(7));
        broken.complete = false;
        let told = Case::of(vec![at("20261120T100000"), broken]).told(Some(&keep("{last: 1}")));
        assert_eq!(told[1], "1101T10 keep parts of it are gone, the rest may be of use");
    }

    #[test]
    fn a_newest_set_that_cannot_be_read_is_not_the_newest_complete_one() {
        let newest = at("20261120T100000");
        let mut case = Case::of(vec![newest.clone(), at("20261119T100000"), at("20261118T100000")]);
        case.doubts = [(newest.id, "it is damaged".into())].into();
        let expected = [
            "1120T10 keep it cannot be judged: it is damaged",
            "1119T10 keep the newest complete one, last 1",
            "1118T10 remove no rule keeps it",
        ];
        assert_eq!(case.told(Some(&keep("{last: 1}"))), expected);
    }

    #[test]
    fn what_is_implausible_is_refused_unless_forced() {
        const MIB: u64 = 1 << 20;
        let sized = |time: &str, bytes| set(&format!("{time}Z-aaaaaa"), Some(bytes));
        let later = at("20261120T121100");
        let near = at("20261120T120900");
        let cases: [(Vec<SetSummary>, Option<&str>); 7] = [
            (vec![later.clone(), at("20261119T100000")], Some("is of the future")),
            (vec![near, at("20261119T100000")], None),
            (vec![set("20271120T121100Z-bbbbbb", None)], Some("is of the future")),
            (
                vec![sized("20261120T100000", 9 * MIB), sized("20261119T100000", 100 * MIB)],
                Some("has only 9.00 MiB, those before it 100.00 MiB"),
            ),
            (vec![sized("20261120T100000", 10 * MIB), sized("20261119T100000", 100 * MIB)], None),
            (vec![sized("20261120T100000", 1), sized("20261119T100000", 1000)], None),
            // One that was large for once is not what they are like, and may yet be missed.
            (
                vec![
                    sized("20261120T100000", MIB),
                    sized("20261119T100000", 100 * MIB),
                    sized("20261118T100000", MIB),
                    sized("20261117T100000", MIB),
                ],
                Some("is the last with 100.00 MiB of data; those that would be kept have 1.00 MiB"),
            ),
        ];
        let rules = keep("{last: 1}");
        for (sets, expected) in cases {
            let mut case = Case::of(sets.clone());
            match (case.decide(Some(&rules)), expected) {
                (Ok(_), None) => {}
                (Err(error), Some(words)) => {
                    assert!(error.to_string().contains(words), "{error}");
                    case.force = true;
                    assert!(case.decide(Some(&rules)).is_ok());
                }
                (found, expected) => panic!("{sets:?}: {found:?}, not {expected:?}"),
            }
        }
        // Forced, it is kept and counts for nothing.
        let mut case = Case::of(vec![later, at("20261119T100000"), at("20261118T100000")]);
        case.force = true;
        let expected = [
            "1120T12 keep its time is in the future",
            "1119T10 keep the newest complete one, last 1",
            "1118T10 remove no rule keeps it",
        ];
        assert_eq!(case.told(Some(&rules)), expected);
    }

    #[test]
    fn a_volume_that_was_emptied_pushes_no_good_set_out() {
        const MIB: u64 = 1 << 20;
        let of = |day: u32, volume: Option<u64>| {
            let mut one = set(&format!("202611{day:02}T030000Z-aaaaaa"), Some(900 * MIB));
            one.sizes = [("dump/db.sql".to_owned(), 800 * MIB)].into();
            match volume {
                Some(bytes) => drop(one.sizes.insert("volume/data".into(), bytes)),
                None => one.empty = vec!["volume/data".into()],
            }
            one
        };
        let rules = keep("{last: 2, weekly: 2}");
        // Emptied on the 9th, a Monday; each night one more is without it.
        let mut sets: Vec<SetSummary> = (1..9).rev().map(|day| of(day, Some(64 * MIB))).collect();
        let mut refused = 0;
        for day in 9..13 {
            sets.insert(0, of(day, None));
            let case = Case::of(sets.clone());
            match case.decide(Some(&rules)) {
                Ok(verdicts) => {
                    let kept = |set: &SetSummary| {
                        let is_kept = |it: &Verdict| it.set == set.id && it.action == Action::Keep;
                        verdicts.iter().any(is_kept)
                    };
                    sets.retain(kept);
                }
                Err(error) => {
                    let said = error.to_string();
                    assert!(said.contains("the last with 64.00 MiB of volume/data"), "{said}");
                    refused += 1;
                }
            }
            assert!(sets.iter().any(|set| set.sizes.contains_key("volume/data")), "{day}");
        }
        // The week before keeps one for now; the next week's turn is refused.
        assert_eq!(refused, 0);
        sets.insert(0, of(16, None));
        let error = Case::of(sets.clone()).decide(Some(&rules)).unwrap_err();
        assert!(matches!(error, Implausible::LastOfItsSize { item: Some(_), .. }), "{error}");
        // A recipe that saves it no more is believed.
        for set in &mut sets {
            if set.empty.pop().is_some() {
                set.bytes = Some(800 * MIB);
            }
        }
        assert!(Case::of(sets).decide(Some(&rules)).is_ok());
    }

    #[test]
    fn forged_sets_push_no_good_one_out() {
        let forged = at("20261120T100000");
        let mut case = Case::of(vec![forged.clone(), at("20261119T100000"), at("20261118T100000")]);
        case.forged = [(forged.id, "it is not signed".into())].into();
        let rules = keep("{last: 1}");
        let refused = case.decide(Some(&rules)).unwrap_err().to_string();
        assert!(refused.ends_with("may be forged: it is not signed"), "{refused}");
        case.force = true;
        let told = case.told(Some(&rules));
        assert_eq!(told[0], "1120T10 keep it may be forged: it is not signed");
        assert_eq!(told[1], "1119T10 keep the newest complete one, last 1");
    }

    prop_compose! {
        /// Sets of forty days, some incomplete, some held, some that cannot be read.
        fn any_case()(
            sets in prop::collection::btree_map(0_i64..40 * 24 * 60, (0_u8..10, 0_u64..1 << 30), 0..60),
        ) -> Case {
            let now: Timestamp = NOW.parse().unwrap();
            let mut case = Case::default();
            for (minutes, (kind, bytes)) in sets {
                let begun = now - SignedDuration::from_mins(minutes);
                let set = set(SetId::new(begun, [1, 2, 3]).as_str(), (kind > 1).then_some(bytes));
                match kind {
                    2 => drop(case.held.insert(set.id.clone(), vec!["held".into()])),
                    3 => drop(case.doubts.insert(set.id.clone(), "damaged".into())),
                    _ => {}
                }
                case.sets.push(set);
            }
            case.force = true;
            case
        }
    }

    prop_compose! {
        fn any_rules()(
            counts in prop::array::uniform6(0_u32..5),
            days in prop::option::of(1_u32..30),
        ) -> Keep {
            let [last, hourly, daily, weekly, monthly, yearly] =
                counts.map(|count| crate::home::Count::try_from(count).unwrap());
            let within = days.map(|days| format!("{days}d").parse().unwrap());
            Keep { last, hourly, daily, weekly, monthly, yearly, within }
        }
    }

    proptest! {
        #[test]
        fn the_newest_complete_set_and_held_ones_are_always_kept(
            case in any_case(), rules in any_rules(),
        ) {
            let verdicts = case.decide(Some(&rules)).unwrap();
            prop_assert_eq!(verdicts.len(), case.sets.len());
            let newest = case.sets.iter().find(|it| it.complete && !case.doubts.contains_key(&it.id));
            for verdict in &verdicts {
                prop_assert!(!verdict.reasons.is_empty());
                let must = newest.is_some_and(|it| it.id == verdict.set)
                    || case.held.contains_key(&verdict.set)
                    || case.doubts.contains_key(&verdict.set);
                prop_assert!(!must || verdict.action == Action::Keep, "{:?}", verdict);
            }
        }

        #[test]
        fn a_second_time_removes_nothing_more(mut case in any_case(), rules in any_rules()) {
            let first = case.decide(Some(&rules)).unwrap();
            let gone = |set: &SetSummary| {
                first.iter().any(|it| it.set == set.id && it.action == Action::Remove)
            };
            case.sets.retain(|set| !gone(set));
            let second = case.decide(Some(&rules)).unwrap();
            prop_assert!(second.iter().all(|it| it.action == Action::Keep), "{:?}", second);
        }

        #[test]
        fn more_rules_keep_more(case in any_case(), rules in any_rules(), more in 1_u32..5) {
            let more = Keep { daily: more.max(rules.daily.number() as u32).try_into().unwrap(), ..rules.clone() };
            let (few, many) = (case.decide(Some(&rules)).unwrap(), case.decide(Some(&more)).unwrap());
            for (few, many) in few.iter().zip(&many) {
                prop_assert!(few.action == Action::Remove || many.action == Action::Keep);
            }
        }
    }
}
