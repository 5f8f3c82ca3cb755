//! Whether a plan that was made anew, because a colleague changed the app meanwhile, does
//! nothing that was not agreed to; pure.

use crate::rollout::Change;

/// Whether each change is among those that were agreed to, with all of its details: what is
/// missing a colleague has done.
pub(super) fn is_within(changes: &[Change], agreed: &[Change]) -> bool {
    changes.iter().all(|change| {
        agreed.iter().any(|known| {
            (known.kind, known.action, &known.name) == (change.kind, change.action, &change.name)
                && change.details.iter().all(|detail| known.details.contains(detail))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rollout::{ChangeAction, ChangeKind};

    fn change(name: &str, action: ChangeAction, details: &[&str]) -> Change {
        Change {
            kind: ChangeKind::Service,
            name: name.into(),
            action,
            details: details.iter().map(|it| (*it).to_owned()).collect(),
        }
    }

    #[test]
    fn what_was_agreed_to_is_done_and_nothing_else() {
        use ChangeAction::{Create, Update};
        let agreed = [
            change("app", Update, &["image: a → b", "variable X: changed"]),
            change("db", Create, &[]),
        ];
        for (changes, expected) in [
            (vec![], true),
            (agreed.to_vec(), true),
            (vec![change("app", Update, &["image: a → b"])], true),
            (vec![change("db", Create, &[])], true),
            (vec![change("app", Update, &["image: c → b"])], false),
            (vec![change("app", Update, &["image: a → b", "port: 1"])], false),
            (vec![change("app", Create, &["image: a → b"])], false),
            (vec![change("other", Create, &[])], false),
        ] {
            assert_eq!(is_within(&changes, &agreed), expected, "{changes:?}");
        }
    }
}
