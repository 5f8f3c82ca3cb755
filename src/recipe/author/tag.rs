//! Tags of images: which are newer ones of the same kind, and how far they go.

use std::cmp::Ordering;

use super::bump::Bump;

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

/// The numbers that a tag begins with.
pub fn leading(tag: &str) -> Option<Vec<u64>> {
    Some(Tag::parse(tag)?.numbers)
}

/// How far one tag is from another, by the first number that differs. What has no numbers
/// counts as a minor change: nothing is known of it.
pub fn step(before: &str, after: &str) -> Bump {
    let (Some(before), Some(after)) = (leading(before), leading(after)) else {
        return Bump::Minor;
    };
    match before.iter().zip(&after).position(|(before, after)| before != after) {
        Some(0) => Bump::Major,
        Some(1) => Bump::Minor,
        _ => Bump::Patch,
    }
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

/// Whether a bump goes as far as a tag: a minor one keeps the first number, a patch the first
/// two.
pub fn is_within(than: &str, tag: &str, bump: Bump) -> bool {
    let kept = match bump {
        Bump::Major => 0,
        Bump::Minor => 1,
        Bump::Patch => 2,
    };
    match (leading(than), leading(tag)) {
        (Some(than), Some(tag)) => tag.iter().take(kept).eq(than.iter().take(kept)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        for (bump, expected) in [
            (Bump::Major, "2.0.0-alpine"),
            (Bump::Minor, "1.30.0-alpine"),
            (Bump::Patch, "1.28.1-alpine"),
        ] {
            let within = found.iter().find(|tag| is_within("1.28.0-alpine", tag, bump));
            assert_eq!(within, Some(&expected));
        }
        assert_eq!(newer("latest", tags), Vec::<&str>::new());
        assert_eq!(newer("1.0.0-rc1", ["1.0.0-rc2", "1.1.0-rc1"]), ["1.1.0-rc1", "1.0.0-rc2"]);
        assert_eq!(newer("5-alpine3.19", ["5-alpine3.20", "5-alpine3.18"]), ["5-alpine3.20"]);
        assert_eq!(newer("15", ["16", "15.4", "16-alpine"]), ["16"]);
    }

    #[test]
    fn a_change_is_as_large_as_its_first_number() {
        for (before, after, expected) in [
            ("1.2.3", "2.0.0", Bump::Major),
            ("v1.2.3-alpine", "v1.3.0-alpine", Bump::Minor),
            ("1.2.3", "1.2.4", Bump::Patch),
            ("5-alpine3.19", "5-alpine3.20", Bump::Patch),
            ("16", "17", Bump::Major),
            ("1.2", "1.2.5", Bump::Patch),
            ("latest", "stable", Bump::Minor),
        ] {
            assert_eq!(step(before, after), expected, "{before} {after}");
        }
    }
}
