//! Whether a set was made by a machine of the team, and still holds what that machine
//! stored; pure.
//!
//! Items are compared by the digests of their trees, which are the same in every copy of a
//! repository; the ids of snapshots are not.

use std::collections::BTreeMap;

use super::{manifest::Manifest, signed::Signature};
use crate::home::{Fingerprint, Signer};

/// Whom the operator believes, beside the signers of the folder.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Trust {
    /// Only the owner of this key.
    pub signer: Option<Fingerprint>,
    /// Anyone who can write to the repository.
    pub unsigned: bool,
}

/// Why a set is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Distrust {
    #[error("it is not signed, although the machines of the team sign their backups")]
    Unsigned,
    #[error("its signature is wrong: its manifest was changed")]
    WrongSignature,
    #[error(
        "it is signed by {0}, which is not in `signers`: if a colleague made it, their file there is not in this folder yet"
    )]
    UnknownSigner(Fingerprint),
    #[error("it is signed by {found}, not by {wanted}")]
    OtherSigner { found: Fingerprint, wanted: Fingerprint },
    #[error("`{0}` holds something else than what was signed")]
    OtherContent(String),
}

/// What is known of a set's maker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    Signed(Fingerprint),
    /// It is older than the team's first signature.
    BeforeSigning,
}

/// What of a manifest is compared: the tree of each item that has a snapshot.
pub(crate) fn trees_of(manifest: &Manifest) -> BTreeMap<String, Option<String>> {
    let stored = manifest.items.iter().filter(|item| item.snapshot.is_some());
    stored.map(|item| (item.label(), item.tree.clone())).collect()
}

/// Judges a set by its signature, and by the trees that its snapshots have now.
///
/// # Errors
/// [`Distrust`], whatever `trust.unsigned` says: who accepts it has to be told.
pub(crate) fn origin(
    set: &super::SetId,
    signature: &Signature,
    signed: &BTreeMap<String, Option<String>>,
    now: &BTreeMap<String, String>,
    team: &[(Fingerprint, Signer)],
    trust: &Trust,
) -> Result<Origin, Distrust> {
    let found = match signature {
        Signature::Wrong => return Err(Distrust::WrongSignature),
        Signature::Missing => {
            let begun = set.begun();
            let signs = team.iter().any(|(_, signer)| signer.since <= begun);
            return match signs || trust.signer.is_some() {
                true => Err(Distrust::Unsigned),
                false => Ok(Origin::BeforeSigning),
            };
        }
        Signature::By(found) => found,
    };
    match &trust.signer {
        Some(wanted) if wanted != found => {
            let (found, wanted) = (found.clone(), wanted.clone());
            return Err(Distrust::OtherSigner { found, wanted });
        }
        Some(_) => {}
        None if !team.iter().any(|(known, _)| known == found) => {
            return Err(Distrust::UnknownSigner(found.clone()));
        }
        None => {}
    }
    // More snapshots than the manifest has make the set incomplete.
    for (item, tree) in signed {
        if tree.is_none() || now.get(item) != tree.as_ref() {
            return Err(Distrust::OtherContent(item.clone()));
        }
    }
    Ok(Origin::Signed(found.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_team_signed_is_believed() {
        let set = "20261121T203015Z-3fa9c1".parse().unwrap();
        let (anna, eve) = (Fingerprint::of(b"anna"), Fingerprint::of(b"eve"));
        let signer = |since: &str| Signer {
            key: String::new(),
            by: "anna@laptop".into(),
            since: since.parse().unwrap(),
        };
        let team = vec![(anna.clone(), signer("2026-11-21T20:30:15Z"))];
        let later = vec![(anna.clone(), signer("2026-11-21T20:30:16Z"))];
        let by = |who: &Fingerprint| Signature::By(who.clone());
        let this = |who: &Fingerprint| Trust { signer: Some(who.clone()), unsigned: false };
        let any = Trust::default();
        let good = &[("volume/data", "aa")][..];
        let other = &[("volume/data", "bb")][..];
        let none = &[][..];
        let cases = [
            ("by anna", by(&anna), &team, &any, good, Ok(Origin::Signed(anna.clone()))),
            ("by eve", by(&eve), &team, &any, good, Err(Distrust::UnknownSigner(eve.clone()))),
            ("no team", by(&anna), &vec![], &any, good, Err(Distrust::UnknownSigner(anna.clone()))),
            (
                "bare metal",
                by(&anna),
                &vec![],
                &this(&anna),
                good,
                Ok(Origin::Signed(anna.clone())),
            ),
            (
                "another one",
                by(&anna),
                &team,
                &this(&eve),
                good,
                Err(Distrust::OtherSigner { found: anna.clone(), wanted: eve.clone() }),
            ),
            ("changed", Signature::Wrong, &team, &any, good, Err(Distrust::WrongSignature)),
            (
                "swapped",
                by(&anna),
                &team,
                &any,
                other,
                Err(Distrust::OtherContent("volume/data".into())),
            ),
            (
                "removed",
                by(&anna),
                &team,
                &any,
                none,
                Err(Distrust::OtherContent("volume/data".into())),
            ),
            ("unsigned", Signature::Missing, &team, &any, good, Err(Distrust::Unsigned)),
            ("old", Signature::Missing, &later, &any, good, Ok(Origin::BeforeSigning)),
            ("before any", Signature::Missing, &vec![], &any, good, Ok(Origin::BeforeSigning)),
            (
                "a signer wanted",
                Signature::Missing,
                &vec![],
                &this(&anna),
                good,
                Err(Distrust::Unsigned),
            ),
        ];
        let signed = [("volume/data".to_owned(), Some("aa".to_owned()))].into();
        for (case, signature, team, trust, now, expected) in cases {
            let now = now.iter().map(|(item, tree)| ((*item).into(), (*tree).into())).collect();
            assert_eq!(origin(&set, &signature, &signed, &now, team, trust), expected, "{case}");
        }
    }
}
