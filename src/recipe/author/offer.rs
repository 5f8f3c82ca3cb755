//! Which newer images a spot can have, and which of them are taken without a question.

use super::{
    bump::Bump,
    databases::MajorStep,
    reference::Reference,
    spots::Spot,
    tag::{is_within, newer},
};

/// New images for a spot: one for each of its uses.
pub type Choice = Vec<Reference>;

/// Whether a new major version of a database may be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DatabaseMajors {
    Taken,
    LeftOut,
}

/// What a spot can have instead, the newest first; `tags` are those of each use's repository.
/// Services that share a variable get the same value of it.
pub fn offers(spot: &Spot, tags: &[&[String]]) -> Vec<Choice> {
    let with = |at: usize| {
        let it = &spot.uses[at];
        let tags = tags.get(at).copied().unwrap_or_default().iter().map(String::as_str);
        let found = newer(&it.image.tag, tags).into_iter();
        found.filter_map(|tag| {
            let image = it.image.with(tag, None);
            Some((it.value(&image)?, image))
        })
    };
    let others: Vec<Vec<_>> = (1..spot.uses.len()).map(|at| with(at).collect()).collect();
    with(0)
        .filter_map(|(value, image)| {
            let same = others.iter().map(|all| {
                all.iter().find(|(other, _)| *other == value).map(|(_, image)| image.clone())
            });
            std::iter::once(Some(image)).chain(same).collect()
        })
        .collect()
}

/// Those of the offers that a bump allows; and the newest step of a database that is left out.
pub fn permitted(
    spot: &Spot,
    offers: &[Choice],
    bump: Bump,
    majors: DatabaseMajors,
) -> (Vec<Choice>, Option<MajorStep>) {
    let mut left_out = None;
    let mut found = Vec::new();
    for choice in offers {
        let both = || spot.uses.iter().zip(choice);
        if !both().all(|(it, image)| is_within(&it.image.tag, &image.tag, bump)) {
            continue;
        }
        let step = both().find_map(|(it, image)| MajorStep::of(&it.image, &image.tag));
        match step.filter(|_| majors == DatabaseMajors::LeftOut) {
            Some(step) => {
                left_out.get_or_insert(step);
            }
            None => found.push(choice.clone()),
        }
    }
    (found, left_out)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::recipe::author::spots::Texts;

    fn spot(images: &[&str], sample: &str) -> Spot {
        let services: String = images
            .iter()
            .enumerate()
            .map(|(at, image)| format!("  s{at}:\n    image: {image}\n"))
            .collect();
        let compose = BTreeMap::from([("compose.yml".into(), format!("services:\n{services}"))]);
        let texts = Texts { compose, sample: Some(sample.into()) };
        texts.spots().unwrap().spots.remove(0)
    }

    fn tags(all: &[&str]) -> Vec<String> {
        all.iter().map(|tag| (*tag).to_owned()).collect()
    }

    fn shown(choices: &[Choice]) -> Vec<String> {
        let tags = |choice: &Choice| {
            choice.iter().map(|image| image.tag.clone()).collect::<Vec<_>>().join(" ")
        };
        choices.iter().map(tags).collect()
    }

    #[test]
    fn services_that_share_a_variable_get_tags_that_both_have() {
        let spot = spot(&["a:${V}", "b:${V}-fpm"], "V=1.0\n");
        let (first, second) =
            (tags(&["1.1", "1.2", "1.3"]), tags(&["1.1-fpm", "1.3-fpm", "1.4-fpm"]));
        let found = offers(&spot, &[&first, &second]);
        assert_eq!(shown(&found), ["1.3 1.3-fpm", "1.1 1.1-fpm"]);
        assert_eq!(offers(&spot, &[&first]), Vec::<Choice>::new());
    }

    #[test]
    fn a_new_major_version_of_a_database_is_left_out() {
        let spot = spot(&["postgres:16.1"], "");
        let tags = tags(&["16.2", "17.0", "18.1"]);
        let found = offers(&spot, &[&tags]);
        assert_eq!(shown(&found), ["18.1", "17.0", "16.2"]);
        for (bump, majors, expected, left_out) in [
            (Bump::Major, DatabaseMajors::LeftOut, &["16.2"][..], Some("18")),
            (Bump::Major, DatabaseMajors::Taken, &["18.1", "17.0", "16.2"], None),
            (Bump::Minor, DatabaseMajors::LeftOut, &["16.2"], None),
            (Bump::Minor, DatabaseMajors::Taken, &["16.2"], None),
        ] {
            let (choices, step) = permitted(&spot, &found, bump, majors);
            assert_eq!(shown(&choices), expected, "{bump:?} {majors:?}");
            assert_eq!(step.map(|step| step.to).as_deref(), left_out, "{bump:?} {majors:?}");
        }
    }
}
