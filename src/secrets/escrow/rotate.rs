//! A new version of a secret: which one it is, and which secrets are due.

use std::collections::BTreeSet;

use super::Error;
use crate::secrets::{SecretPlan, SecretVersion};

/// One secret and its next version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rotation {
    /// As the settings have it now.
    pub from: SecretPlan,
    /// The setting that has the version.
    pub key: String,
    pub to: SecretPlan,
}

/// The version after this one that is not taken: `v1`, `v2`; `2024` becomes `2025`, and
/// what ends in no number gets one.
pub fn next_version(version: &str, taken: &BTreeSet<&str>) -> String {
    let digits = version.len() - version.trim_end_matches(|c: char| c.is_ascii_digit()).len();
    // What is longer than that is a date or a digest, which counting makes no longer.
    const LONGEST: usize = 18;
    let (stem, number) = version.split_at(version.len() - digits.min(LONGEST));
    let width = number.len();
    let mut number: u64 = number.parse().unwrap_or(1);
    loop {
        number += 1;
        let next = format!("{stem}{number:0width$}");
        if !taken.contains(next.as_str()) {
            return next;
        }
    }
}

/// The rotation of one secret; `versions` are all that the swarm or the folder has.
///
/// # Errors
/// [`Error::NoKey`] where no setting has its version; a name that gets too long.
pub fn rotation(
    plan: &SecretPlan,
    versions: &[SecretVersion],
) -> Result<Rotation, crate::secrets::Error> {
    let no_key = || Error::NoKey { name: plan.name.clone() };
    let key = plan.key.clone().ok_or_else(no_key)?;
    let of_name = versions.iter().filter(|version| version.name == plan.name);
    let taken: BTreeSet<&str> = of_name
        .filter(|version| version.id.is_some() || version.kept)
        .map(|version| version.version.as_str())
        .collect();
    let next = next_version(&plan.version, &taken);
    let to = plan.in_version(&next)?.ok_or_else(no_key)?;
    Ok(Rotation { from: plan.clone(), key, to })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secrets::Shape;

    #[test]
    fn the_next_version_is_the_next_number_that_is_free() {
        for (version, taken, next) in [
            ("v1", &[][..], "v2"),
            ("v1", &["v2", "v3"], "v4"),
            ("v9", &["v9"], "v10"),
            ("v09", &[], "v10"),
            ("v01", &[], "v02"),
            ("2024", &[], "2025"),
            ("abc", &[], "abc2"),
            ("", &[], "2"),
            ("1a2b3", &[], "1a2b4"),
            ("20240101000000000000000", &[], "20240101000000000000001"),
        ] {
            let taken = taken.iter().copied().collect();
            assert_eq!(next_version(version, &taken), next, "{version}");
        }
    }

    #[test]
    fn what_the_swarm_or_the_folder_has_is_taken() {
        let plan = SecretPlan {
            name: "db".into(),
            version: "v1".into(),
            full_name: "a_db_v1".into(),
            key: Some("SECRET_DB_VERSION".into()),
            shape: Shape::Passphrase,
            generate: true,
        };
        let row = |name: &str, version: &str, id: Option<&str>, kept| SecretVersion {
            name: name.into(),
            version: version.into(),
            id: id.map(str::to_owned),
            kept,
            ..SecretVersion::default()
        };
        let rows = [
            row("db", "v1", Some("1"), true),
            row("db", "v2", Some("2"), false),
            row("db", "v3", None, true),
            row("key", "v4", Some("3"), true),
        ];
        let found = rotation(&plan, &rows).unwrap();
        assert_eq!(
            (found.to.full_name.as_str(), found.key.as_str()),
            ("a_db_v4", "SECRET_DB_VERSION")
        );
        let keyless = SecretPlan { key: None, ..plan };
        let said = rotation(&keyless, &rows).unwrap_err().to_string();
        assert!(said.contains("no setting has it"), "{said}");
    }
}
