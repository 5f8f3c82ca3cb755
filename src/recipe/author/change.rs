//! Changes of a recipe's images: how much of its version they raise, and what they add to the
//! note of its next release.

use super::{bump::Bump, databases::MajorStep, reference::Reference, spots::Use, tag::step};

/// An image of a service that is not what it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    pub service: String,
    /// None for a service that is new.
    pub before: Option<Reference>,
    /// None for one that was removed.
    pub after: Option<Reference>,
    /// Where the release's notes are.
    pub link: Option<String>,
}

impl Change {
    /// How far it goes.
    pub fn bump(&self) -> Bump {
        match (&self.before, &self.after) {
            (Some(before), Some(after)) if before.path != after.path => Bump::Major,
            (Some(before), Some(after)) if MajorStep::of(before, &after.tag).is_some() => {
                Bump::Major
            }
            (Some(before), Some(after)) => step(&before.tag, &after.tag),
            _ => Bump::Minor,
        }
    }

    /// What must be done about it, as a sentence without its dot.
    pub fn warning(&self) -> Option<String> {
        let (before, after) = (self.before.as_ref()?, self.after.as_ref()?);
        let same = before.path == after.path;
        same.then(|| MajorStep::of(before, &after.tag)).flatten().map(|step| step.warning())
    }
}

/// What became of the images between two states of a recipe. Services of one file are the same
/// by their name. A default beside the sample's value is not a service of its own: it only
/// counts where both states have it.
pub fn changes(before: &[Use], after: &[Use]) -> Vec<Change> {
    let find = |all: &[Use], it: &Use| {
        let mut same = all.iter().filter(|other| other.is_same(it));
        same.next().map(|other| other.image.clone())
    };
    let gone = before.iter().filter(|it| !it.is_beside && find(after, it).is_none());
    let gone = gone.map(|it| (it.service.clone(), Some(it.image.clone()), None));
    let now = after.iter().filter(|it| !it.is_beside || find(before, it).is_some());
    let now = now.map(|it| (it.service.clone(), find(before, it), Some(it.image.clone())));
    let mut found: Vec<Change> = Vec::new();
    for (service, before, after) in now.chain(gone) {
        let change = Change { service, before, after, link: None };
        if change.before != change.after && !found.contains(&change) {
            found.push(change);
        }
    }
    found
}

/// The greatest of the changes.
pub fn greatest(changes: &[Change]) -> Option<Bump> {
    changes.iter().map(Change::bump).max()
}

/// The note of the next release with a line for each change. A line that says that the image
/// came to where it starts now is continued instead.
pub fn noted(note: Option<&str>, changes: &[Change]) -> String {
    let mut lines: Vec<String> = note.unwrap_or_default().lines().map(str::to_owned).collect();
    while lines.last().is_some_and(|line| line.trim().is_empty()) {
        lines.pop();
    }
    for (services, change) in grouped(changes) {
        let Some((line, warning)) = told(&services, change, &mut lines) else { continue };
        let link = change.link.as_ref().map(|link| format!(" ({link})")).unwrap_or_default();
        let warning = warning.map(|it| format!(". {it}.")).unwrap_or_default();
        let line = format!("{line}{link}{warning}");
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    lines.into_iter().map(|line| line + "\n").collect()
}

/// The line of a change, and what must be done about it.
fn told(
    services: &str,
    change: &Change,
    lines: &mut Vec<String>,
) -> Option<(String, Option<String>)> {
    let line = match (&change.before, &change.after) {
        (Some(before), Some(after)) => {
            let begins = format!("- {services}: {} ", before.name);
            let earlier = lines.iter().enumerate();
            let earlier = earlier.filter_map(|(at, line)| Some((at, from(line, &begins, before)?)));
            let earlier = earlier.map(|(at, from)| (at, from.to_owned())).next();
            let before = match earlier {
                Some((at, tag)) => {
                    lines.remove(at);
                    before.with(&tag, None)
                }
                None => before.clone(),
            };
            let from = &before.tag;
            let line = match (before.path == after.path, *from == after.tag) {
                (false, _) => format!("{begins}{from} → {} {}", after.name, after.tag),
                (true, false) => format!("{begins}{from} → {}", after.tag),
                (true, true) if before.digest.is_none() => {
                    format!("{begins}{from}, now with its digest")
                }
                (true, true) => format!("{begins}{from}, built anew"),
            };
            let whole = Change { before: Some(before), ..change.clone() };
            return Some((line, whole.warning()));
        }
        (None, Some(after)) => format!("- {services}: {} {} is new", after.name, after.tag),
        (Some(before), None) => format!("- {services}: {} was removed", before.name),
        (None, None) => return None,
    };
    Some((line, None))
}

/// The tag that an image came from, where a line says that it came to what it is now:
/// `- app: nginx 1.27 → 1.28`.
fn from<'a>(line: &'a str, begins: &str, now: &Reference) -> Option<&'a str> {
    let (from, behind) = line.strip_prefix(begins)?.split_once(" → ")?;
    let to = behind.split(' ').next()?.trim_end_matches('.');
    (to == now.tag && !from.contains(' ')).then_some(from)
}

/// Changes with the services that have them in common, `app, worker`.
fn grouped(changes: &[Change]) -> Vec<(String, &Change)> {
    let mut groups: Vec<(String, &Change)> = Vec::new();
    for change in changes {
        let same = |other: &Change| other.before == change.before && other.after == change.after;
        match groups.iter_mut().find(|(_, other)| same(other)) {
            Some((services, _)) if services.split(", ").any(|it| it == change.service) => {}
            Some((services, _)) => *services = format!("{services}, {}", change.service),
            None => groups.push((change.service.clone(), change)),
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::author::spots::Texts;

    fn change(service: &str, before: &str, after: &str) -> Change {
        Change {
            service: service.into(),
            before: Reference::parse(before),
            after: Reference::parse(after),
            link: None,
        }
    }

    #[test]
    fn the_greatest_change_counts() {
        for (before, after, expected) in [
            ("a:1.2.3", "a:1.2.4", Bump::Patch),
            ("a:1.2.3", "a:1.3.0", Bump::Minor),
            ("a:1.2.3", "a:2.0.0", Bump::Major),
            ("mariadb:10.6", "mariadb:10.11", Bump::Major),
            ("a:1", "b:1", Bump::Major),
            ("a:1", "docker.io/library/a:1", Bump::Patch),
            ("", "a:1", Bump::Minor),
            ("a:1", "", Bump::Minor),
        ] {
            assert_eq!(change("app", before, after).bump(), expected, "{before} {after}");
        }
        let all = [change("app", "a:1.1", "a:1.2"), change("db", "postgres:16", "postgres:17")];
        assert_eq!(greatest(&all), Some(Bump::Major));
        assert_eq!(greatest(&[]), None);
    }

    #[test]
    fn services_are_compared_by_their_names() {
        let uses = |images: &[(&str, &str)], sample: &str| -> Vec<Use> {
            let services: String = images
                .iter()
                .map(|(service, image)| format!("  {service}:\n    image: {image}\n"))
                .collect();
            let text = format!("services:\n{services}");
            let compose = std::collections::BTreeMap::from([("compose.yml".to_owned(), text)]);
            let texts = Texts { compose, sample: Some(sample.into()) };
            texts.spots().unwrap().spots.into_iter().flat_map(|spot| spot.uses).collect()
        };
        let before = uses(&[("app", "a:${V:-1}"), ("db", "b:1"), ("old", "c:1")], "V=1\n");
        let after = uses(&[("app", "a:${V:-1}"), ("db", "b:1"), ("new", "d:1")], "V=2\n");
        let found = noted(None, &changes(&before, &after));
        assert_eq!(found, "- app: a 1 → 2\n- new: d 1 is new\n- old: c was removed\n");
        assert_eq!(changes(&before, &before), []);
    }

    #[test]
    fn a_note_has_a_line_for_each_change() {
        let digest = |c: &str| format!("a:1@sha256:{}", c.repeat(64));
        let mut linked = change("app", "a:1.0", "a:1.1");
        linked.link = Some("https://a.org/".into());
        for (note, changes, expected) in [
            (None, vec![linked.clone()], "- app: a 1.0 → 1.1 (https://a.org/)\n"),
            (
                Some("Mind the gap.\n\n"),
                vec![change("app", "a:1.0", "a:1.1")],
                "Mind the gap.\n- app: a 1.0 → 1.1\n",
            ),
            (
                None,
                vec![change("app", "a:1.0", "a:1.1"), change("worker", "a:1.0", "a:1.1")],
                "- app, worker: a 1.0 → 1.1\n",
            ),
            // The release has both steps.
            (
                Some("- app: a 1.0 → 1.1 (https://a.org/)\nMore.\n"),
                vec![change("app", "a:1.1", "a:1.2")],
                "More.\n- app: a 1.0 → 1.2\n",
            ),
            (
                Some("- app: a 1.0 → 1.1.5\n"),
                vec![change("app", "a:1.1", "a:1.2")],
                "- app: a 1.0 → 1.1.5\n- app: a 1.1 → 1.2\n",
            ),
            (
                Some("- app: a 1.0 → 1.1\n"),
                vec![change("app", "a:1.0", "a:1.1")],
                "- app: a 1.0 → 1.1\n",
            ),
            (None, vec![change("app", "", "a:1")], "- app: a 1 is new\n"),
            (None, vec![change("app", "a:1", "")], "- app: a was removed\n"),
            (None, vec![change("app", "a:1", "b:2")], "- app: a 1 → b 2\n"),
            (None, vec![change("app", "a:1", &digest("a"))], "- app: a 1, now with its digest\n"),
            (None, vec![change("app", &digest("a"), &digest("b"))], "- app: a 1, built anew\n"),
            (None, vec![], ""),
        ] {
            assert_eq!(noted(note, &changes), expected, "{note:?}");
        }
        let warned = noted(None, &[change("db", "redis:7", "redis:8")]);
        assert_eq!(
            warned,
            "- db: redis 7 → 8. 8 is a new major version of Redis after 7: the old version does \
             not read what the new one writes, so back up first.\n"
        );
        let again = noted(Some(&warned), &[change("db", "redis:8", "redis:8.1")]);
        assert_eq!(again, warned.replace("→ 8.", "→ 8.1."));
    }
}
