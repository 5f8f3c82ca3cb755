//! The set that is meant, opened.

use super::{
    SetSummary,
    open::{Opened, open},
    snapshots::{Sets, Which, pick, pick_before},
};
use crate::{
    app::Context,
    backup::{error::Error, options::Options, restic::Restic},
    home::AppEntry,
};

/// Picks the set that is meant, and reads its manifest. As of a time, sets that are not
/// believed are passed over, and that is said: a forged one must not stand before those of
/// the team. The newest of all, or one that is named, is judged by the caller.
///
/// # Errors
/// [`Error::NoSet`] and its like, [`Error::Distrusted`] where none of those before a time is
/// believed, [`Error::Manifest`], restic's failures.
pub(crate) async fn choose(
    context: &Context,
    restic: &Restic,
    app: &AppEntry,
    sets: Sets,
    which: &Which,
    Options { trust, sets_of: of, .. }: &Options,
) -> Result<(SetSummary, Opened), Error> {
    let Which::At(time) = which else {
        let set = pick(&app.name, sets, which, of)?;
        let opened = open(context, restic, app, &set, trust).await?;
        return Ok((set, opened));
    };
    let mut first = None;
    for set in pick_before(&app.name, sets, *time, of)? {
        let error = match open(context, restic, app, &set, trust).await {
            Ok(opened) => match &opened.origin {
                Err(why) if !trust.unsigned => {
                    Error::Distrusted { set: set.id.clone(), why: Box::new(why.clone()) }
                }
                Ok(_) | Err(_) => return Ok((set, opened)),
            },
            Err(
                error
                @ (Error::Manifest { .. } | Error::OtherApp { .. } | Error::Incomplete { .. }),
            ) => error,
            Err(error) => return Err(error),
        };
        context.progress.warn(format!("{error}: looking for an earlier one"));
        first.get_or_insert(error);
    }
    Err(first.expect("there is one at least"))
}
