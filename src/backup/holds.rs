//! `backup hold`: sets that are kept whatever the rules of retention say.

use jiff::Timestamp;

use super::{
    error::Error,
    options::{Missing, Options, find, unless_cancelled},
    set::{
        snapshots::{Which, pick, sets_of},
        whose::Of,
    },
};
use crate::{
    app::Context,
    home::{AppEntry, Hold},
};

/// Holds a set.
///
/// # Errors
/// [`Error::UnknownSet`], [`Error::Incomplete`], restic's failures, [`Error::Home`].
pub async fn hold(
    context: &Context,
    app: &AppEntry,
    wanted: &str,
    until: Option<Timestamp>,
    reason: Option<String>,
    options: &Options,
) -> Result<Hold, Error> {
    let finding = async {
        let restic = find(context, app, options, Missing::Refused).await?;
        let (sets, which) =
            (sets_of(&restic, app, &Of::Own).await?, Which::Named(wanted.to_owned()));
        pick(&app.name, sets, &which, &Of::Own)
    };
    let set = unless_cancelled(&options.cancel, "nothing was changed", finding).await?;
    let hold = Hold {
        set: set.id.to_string(),
        until,
        reason,
        by: format!("{}@{}", context.operator.user, context.operator.host),
        at: Timestamp::now(),
    };
    let guard = context.home.guard_holds(app)?;
    let mut holds = context.home.holds(app)?;
    holds.holds.retain(|held| held.set != hold.set);
    holds.holds.push(hold.clone());
    holds.holds.sort_by(|a, b| a.set.cmp(&b.set));
    context.home.write_holds(&guard, app, &holds)?;
    Ok(hold)
}

/// Ends the hold of a set; asks no repository.
///
/// # Errors
/// [`Error::NotHeld`], [`Error::AmbiguousSet`], [`Error::Home`].
pub fn release(context: &Context, app: &AppEntry, wanted: &str) -> Result<Hold, Error> {
    let guard = context.home.guard_holds(app)?;
    let mut holds = context.home.holds(app)?;
    let is_meant = |hold: &Hold| !wanted.is_empty() && hold.set.starts_with(wanted);
    let (mut ended, kept): (Vec<Hold>, Vec<Hold>) =
        holds.holds.into_iter().partition(|hold| is_meant(hold));
    if ended.len() > 1 {
        return Err(Error::AmbiguousSet { wanted: wanted.to_owned(), count: ended.len() });
    }
    let Some(ended) = ended.pop() else {
        return Err(Error::NotHeld { app: app.name.to_string(), wanted: wanted.to_owned() });
    };
    holds.holds = kept;
    context.home.write_holds(&guard, app, &holds)?;
    Ok(ended)
}
