//! Release tags: `x.y.z+upstream`, the recipe's own version and the version of
//! its main image (abra's handbook; `../reference` of the format is its
//! `tagcmp`). Older recipes write `1.13.4_1`, some a leading `v`.

use std::cmp::Ordering;

/// A tag that is a release, in an order where newer is greater.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    tag: String,
    numbers: Vec<u64>,
    /// After a `-`: `rc1` of `1.0.0-rc1+2`; before the release itself.
    preview: Option<String>,
    upstream: String,
}

impl Release {
    /// None for a tag that is not a release.
    pub fn parse(tag: &str) -> Option<Self> {
        let text = tag.strip_prefix('v').unwrap_or(tag);
        let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let (numbers, rest) = text.split_at(end);
        let numbers =
            numbers.split('.').map(|number| number.parse().ok()).collect::<Option<_>>()?;
        let (preview, upstream) = match rest.chars().next() {
            None => (None, ""),
            Some('+' | '_') => (None, &rest[1..]),
            Some('-') => match rest[1..].split_once('+') {
                Some((preview, upstream)) => (Some(preview), upstream),
                None => (Some(&rest[1..]), ""),
            },
            Some(_) => return None,
        };
        Some(Release {
            tag: tag.into(),
            numbers,
            preview: preview.map(str::to_owned),
            upstream: upstream.into(),
        })
    }
}

/// How far one release is from another, by the recipe's own version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// The same, or the upstream version alone.
    Patch,
    Minor,
    Major,
}

impl Release {
    /// How far the other one is from this one.
    pub fn step(&self, other: &Release) -> Step {
        let number = |release: &Release, i: usize| release.numbers.get(i).copied().unwrap_or(0);
        match (0..2).find(|i| number(self, *i) != number(other, *i)) {
            Some(0) => Step::Major,
            Some(_) => Step::Minor,
            None => Step::Patch,
        }
    }

    /// Whether it is one to try things with: `rc1` of `1.0.0-rc1+2`.
    pub fn is_preview(&self) -> bool {
        self.preview.is_some()
    }
}

impl Ord for Release {
    fn cmp(&self, other: &Self) -> Ordering {
        let number = |release: &Release, i| release.numbers.get(i).copied().unwrap_or(0);
        let length = self.numbers.len().max(other.numbers.len());
        (0..length)
            .map(|i| number(self, i).cmp(&number(other, i)))
            .find(|order| order.is_ne())
            .unwrap_or(Ordering::Equal)
            .then_with(|| match (&self.preview, &other.preview) {
                (None, None) => Ordering::Equal,
                (None, Some(_)) => Ordering::Greater,
                (Some(_), None) => Ordering::Less,
                (Some(a), Some(b)) => natural(a, b),
            })
            .then_with(|| natural(&self.upstream, &other.upstream))
            .then_with(|| self.tag.cmp(&other.tag))
    }
}

impl PartialOrd for Release {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Release tags among all tags, newest first.
pub fn newest_first<'a>(tags: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let mut releases: Vec<_> = tags.into_iter().filter_map(Release::parse).collect();
    releases.sort_by(|a, b| b.cmp(a));
    releases.into_iter().map(|release| release.tag).collect()
}

/// Compares runs of digits as numbers and everything else as text.
fn natural(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a, b);
    loop {
        let (x, rest_a) = run(a);
        let (y, rest_b) = run(b);
        if x.is_empty() || y.is_empty() {
            return x.len().cmp(&y.len());
        }
        let digits = |text: &str| text.starts_with(|c: char| c.is_ascii_digit());
        let order = if digits(x) && digits(y) {
            let (x, y) = (x.trim_start_matches('0'), y.trim_start_matches('0'));
            x.len().cmp(&y.len()).then_with(|| x.cmp(y))
        } else {
            x.cmp(y)
        };
        if order.is_ne() {
            return order;
        }
        (a, b) = (rest_a, rest_b);
    }
}

/// The first run of digits, or of anything else, and the rest.
fn run(text: &str) -> (&str, &str) {
    let digits = text.starts_with(|c: char| c.is_ascii_digit());
    text.split_at(text.find(|c: char| c.is_ascii_digit() != digits).unwrap_or(text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_as_large_as_the_first_number_that_differs() {
        for (from, to, step) in [
            ("1.2.3+6.4", "1.2.3+6.5", Step::Patch),
            ("1.2.3+6.4", "1.2.4+7.0", Step::Patch),
            ("1.2.3+6.4", "1.3.0+6.4", Step::Minor),
            ("1.2.3", "2.2.3", Step::Major),
            ("v1.13.4_1", "1.13.5_2", Step::Patch),
            ("1", "1.0.1", Step::Patch),
        ] {
            let [from, to] = [from, to].map(|tag| Release::parse(tag).unwrap());
            assert_eq!(from.step(&to), step, "{from:?} {to:?}");
        }
    }

    #[test]
    fn newest_comes_first() {
        let sorted = [
            "2.0.1+1.0.6-social-amd64",
            "v2.0.0+1.0.6",
            "2.0.0-rc2+1.0.6",
            "2.0.0-rc1+1.0.6",
            "1.13.4_1",
            "1.10.0+9.4.3-php8.3",
            "1.9.0+10.0",
            "1.9.0+9.0",
            "1.9+8.0",
            "0.1.0",
        ];
        let mut tags = sorted.to_vec();
        tags.reverse();
        tags.extend(["latest", "x1.0", "1.0.0beta", "", "v", "1..0", "99999999999999999999.0"]);
        assert_eq!(newest_first(tags), sorted);
    }
}
