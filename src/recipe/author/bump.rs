//! The next version of a recipe, `x.y.z+upstream`; and which tags of an image are newer ones
//! of the same kind.

use std::cmp::Ordering;

use crate::recipe::version::Release;

/// Which number of a version is raised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bump {
    /// Something that operators have to do, or that cannot be undone.
    Major,
    Minor,
    Patch,
}

/// The version after another one, or the first, with the tag of the main image.
///
/// None for a version that has no three numbers.
pub fn next(newest: Option<&str>, bump: Bump, upstream: Option<&str>) -> Option<String> {
    let numbers = match newest {
        None => match bump {
            Bump::Major => [1, 0, 0],
            Bump::Minor => [0, 1, 0],
            Bump::Patch => [0, 0, 1],
        },
        Some(newest) => {
            let own = newest.trim_start_matches('v').split(['+', '-', '_']).next()?;
            let parts: Vec<u64> =
                own.split('.').map(|part| part.parse().ok()).collect::<Option<_>>()?;
            let &[x, y, z] = parts.as_slice() else { return None };
            match bump {
                Bump::Major => [x.checked_add(1)?, 0, 0],
                Bump::Minor => [x, y.checked_add(1)?, 0],
                Bump::Patch => [x, y, z.checked_add(1)?],
            }
        }
    };
    let [x, y, z] = numbers;
    let behind = upstream.map(|tag| format!("+{tag}")).unwrap_or_default();
    Some(format!("{x}.{y}.{z}{behind}"))
}

/// Whether a version is later than all that were released.
pub fn is_later(version: &str, newest: Option<&str>) -> bool {
    let Some(version) = Release::parse(version) else { return false };
    newest.and_then(Release::parse).is_none_or(|newest| version > newest)
}

/// A tag of an image, taken apart: `v1.28.0-alpine3.20` has the numbers 1, 28, 0.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Tag<'a> {
    prefix: &'a str,
    numbers: Vec<u64>,
    suffix: &'a str,
}

/// Longest tag (distribution specification).
const LONGEST: usize = 128;
/// What marks a tag as none for everybody.
const PREVIEWS: [&str; 9] =
    ["rc", "alpha", "beta", "dev", "nightly", "pre", "snapshot", "canary", "test"];

impl<'a> Tag<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        if text.len() > LONGEST || !text.chars().all(plain) {
            return None;
        }
        let rest = text.strip_prefix('v').unwrap_or(text);
        let prefix = &text[..text.len() - rest.len()];
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (numbers, suffix) = rest.split_at(end);
        let numbers = numbers.split('.').map(|part| part.parse().ok()).collect::<Option<_>>()?;
        Some(Tag { prefix, numbers, suffix })
    }

    /// Equal for tags of one kind: as many numbers, and the same before and behind them. A
    /// number in a suffix (`-alpine3.20`) is of the kind, whatever it is.
    fn shape(&self) -> (&str, usize, String) {
        let suffix: String =
            self.suffix.chars().filter(|c| !c.is_ascii_digit() && *c != '.').collect();
        (self.prefix, self.numbers.len(), suffix)
    }

    fn is_preview(&self) -> bool {
        let words = self.suffix.split(|c: char| !c.is_ascii_alphabetic());
        words.into_iter().any(|word| PREVIEWS.contains(&word.to_ascii_lowercase().as_str()))
    }

    fn order(&self, other: &Self) -> Ordering {
        self.numbers
            .cmp(&other.numbers)
            .then_with(|| numbers(self.suffix).cmp(&numbers(other.suffix)))
    }
}

fn numbers(suffix: &str) -> Vec<u64> {
    suffix.split(|c: char| !c.is_ascii_digit()).filter_map(|part| part.parse().ok()).collect()
}

/// Tags of the same kind that are newer than one, newest first. What calls itself a preview
/// is left out, unless the tag itself is one.
pub fn newer<'a>(than: &str, tags: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let Some(now) = Tag::parse(than) else { return Vec::new() };
    let mut found: Vec<_> = tags
        .into_iter()
        .filter_map(|text| Some((text, Tag::parse(text)?)))
        .filter(|(_, tag)| tag.shape() == now.shape() && tag.order(&now).is_gt())
        .filter(|(_, tag)| now.is_preview() || !tag.is_preview())
        .collect();
    found.sort_by(|(_, a), (_, b)| b.order(a));
    found.dedup_by(|(a, _), (b, _)| a == b);
    found.into_iter().map(|(text, _)| text).collect()
}

/// The newest tag of those, as far as a bump goes: a minor one keeps the first number, a patch
/// the first two.
pub fn within<'a>(than: &str, newer: &[&'a str], bump: Bump) -> Option<&'a str> {
    let now = Tag::parse(than)?;
    let kept = match bump {
        Bump::Major => 0,
        Bump::Minor => 1,
        Bump::Patch => 2,
    };
    let fits = |tag: &str| {
        Tag::parse(tag)
            .is_some_and(|tag| tag.numbers.iter().take(kept).eq(now.numbers.iter().take(kept)))
    };
    newer.iter().copied().find(|tag| fits(tag))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_version_has_the_tag_of_the_image() {
        for (newest, bump, expected) in [
            (None, Bump::Major, Some("1.0.0+8")),
            (None, Bump::Minor, Some("0.1.0+8")),
            (Some("1.2.3+7"), Bump::Major, Some("2.0.0+8")),
            (Some("1.2.3+7"), Bump::Minor, Some("1.3.0+8")),
            (Some("v1.2.3"), Bump::Patch, Some("1.2.4+8")),
            (Some("1.2"), Bump::Patch, None),
            (Some("1.13.4_1"), Bump::Patch, Some("1.13.5+8")),
            (Some("18446744073709551615.0.0"), Bump::Major, None),
        ] {
            assert_eq!(next(newest, bump, Some("8")).as_deref(), expected, "{newest:?}");
        }
        assert_eq!(next(None, Bump::Major, None).as_deref(), Some("1.0.0"));
        assert!(is_later("1.0.0+8", None) && is_later("1.10.0+8", Some("1.9.0+9")));
        assert!(!is_later("1.0.0+8", Some("1.0.0+8")) && !is_later("main", None));
    }

    #[test]
    fn only_tags_of_the_same_kind_are_newer() {
        let tags = [
            "1.28.0-alpine",
            "1.28.1-alpine",
            "1.30.0-alpine",
            "2.0.0-alpine",
            "1.29.0",
            "1.29-alpine",
            "1.29.0-perl",
            "latest",
            "1.31.0-alpine-rc1",
            "v1.32.0-alpine",
            "1.9.0-alpine",
            "mainline-alpine",
            "99999999999999999999.0.0-alpine",
            "3.0.0-álpine",
        ];
        let found = newer("1.28.0-alpine", tags);
        assert_eq!(found, ["2.0.0-alpine", "1.30.0-alpine", "1.28.1-alpine"]);
        assert_eq!(within("1.28.0-alpine", &found, Bump::Major), Some("2.0.0-alpine"));
        assert_eq!(within("1.28.0-alpine", &found, Bump::Minor), Some("1.30.0-alpine"));
        assert_eq!(within("1.28.0-alpine", &found, Bump::Patch), Some("1.28.1-alpine"));
        assert_eq!(newer("latest", tags), Vec::<&str>::new());
        assert_eq!(newer("1.0.0-rc1", ["1.0.0-rc2", "1.1.0-rc1"]), ["1.1.0-rc1", "1.0.0-rc2"]);
        assert_eq!(newer("5-alpine3.19", ["5-alpine3.20", "5-alpine3.18"]), ["5-alpine3.20"]);
        assert_eq!(newer("15", ["16", "15.4", "16-alpine"]), ["16"]);
    }
}
