//! The next version of a recipe, `x.y.z+upstream`.

use crate::recipe::version::Release;

/// Which number of a version is raised, the smallest change first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Bump {
    Patch,
    Minor,
    /// Something that operators have to do, or that cannot be undone.
    Major,
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
            let [x, y, z] = own(newest)?;
            match bump {
                Bump::Major => [x.checked_add(1)?, 0, 0],
                Bump::Minor => [x, y.checked_add(1)?, 0],
                Bump::Patch => [x, y, z.checked_add(1)?],
            }
        }
    };
    Some(with(numbers, upstream))
}

/// The three numbers that are the recipe's own.
fn own(version: &str) -> Option<[u64; 3]> {
    let own = version.trim_start_matches('v').split(['+', '-', '_']).next()?;
    let parts: Vec<u64> = own.split('.').map(|part| part.parse().ok()).collect::<Option<_>>()?;
    parts.try_into().ok()
}

fn with([x, y, z]: [u64; 3], upstream: Option<&str>) -> String {
    let behind = upstream.map(|tag| format!("+{tag}")).unwrap_or_default();
    format!("{x}.{y}.{z}{behind}")
}

/// The version that a change asks for: a number of the newest release is raised, unless what
/// the label says was raised as far already and is not released yet. It gets the tag of the
/// main image.
///
/// None for a newest release that has no three numbers.
pub fn after(
    newest: Option<&str>,
    label: Option<&str>,
    bump: Bump,
    upstream: Option<&str>,
) -> Option<String> {
    match label.filter(|label| is_further(label, newest, bump)).and_then(own) {
        Some(pending) => Some(with(pending, upstream)),
        None => next(newest, bump, upstream),
    }
}

/// Whether what the label says waits for a release, and is further than a number raised.
pub fn is_further(label: &str, newest: Option<&str>, bump: Bump) -> bool {
    let raised = next(newest, bump, None).as_deref().and_then(own);
    is_later(label, newest) && raised.is_some_and(|raised| own(label) > Some(raised))
}

/// Whether a version is later than all that were released.
pub fn is_later(version: &str, newest: Option<&str>) -> bool {
    let Some(version) = Release::parse(version) else { return false };
    newest.and_then(Release::parse).is_none_or(|newest| version > newest)
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
    fn a_version_that_waits_for_its_release_is_raised_once() {
        for (newest, label, bump, expected) in [
            (Some("1.2.3+7"), Some("1.2.3+7"), Bump::Minor, "1.3.0+8"),
            (Some("1.2.3+7"), None, Bump::Patch, "1.2.4+8"),
            (Some("1.2.3+7"), Some("1.3.0+7"), Bump::Patch, "1.3.0+8"),
            (Some("1.2.3+7"), Some("1.3.0+7"), Bump::Minor, "1.3.0+8"),
            (Some("1.2.3+7"), Some("1.3.0+7"), Bump::Major, "2.0.0+8"),
            (None, Some("1.0.0+7"), Bump::Minor, "1.0.0+8"),
            (None, Some("strange"), Bump::Minor, "0.1.0+8"),
        ] {
            let found = after(newest, label, bump, Some("8"));
            assert_eq!(found.as_deref(), Some(expected), "{newest:?} {label:?} {bump:?}");
        }
        assert_eq!(after(Some("1.2"), Some("1.3.0"), Bump::Patch, None), None);
        assert!(is_further("2.0.0+8", Some("1.2.3+7"), Bump::Minor));
        assert!(!is_further("1.3.0+8", Some("1.2.3+7"), Bump::Minor));
    }
}
