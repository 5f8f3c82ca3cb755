//! A recipe as people name it: by name, folder or git URL.

use crate::{
    cli::{
        failure::Failure,
        session::{Session, nearest},
        ui::clean,
    },
    home::RecipeName,
    recipe::{Checkout, Error, Version},
};

/// The recipe that is meant. A folder or URL is taken into the operator's
/// folder first.
///
/// # Errors
/// When there is no such recipe, with the nearest name as a hint; when it
/// can't be fetched.
pub fn find(session: &Session, given: &str) -> Result<RecipeName, Failure> {
    let store = session.recipes()?;
    let known = store.list()?;
    if let Some(name) = known.iter().find(|name| name.as_str() == given) {
        return Ok(name.clone());
    }
    let name = store.add(given).map_err(|error| not_found(error, given, &known))?;
    if !known.contains(&name) {
        let origin = match std::fs::read_link(store.folder.join(name.as_str())) {
            Ok(folder) => format!("linked to {}", folder.display()),
            Err(_) => format!("cloned from {given}"),
        };
        session.ui.say(format_args!("Added recipe {name}, {}.", clean(&origin)));
    }
    Ok(name)
}

/// A copy of the recipe that is meant, to look at: nothing is added to the
/// operator's folder.
///
/// # Errors
/// As [`find`].
pub fn look(session: &Session, given: &str, version: &Version) -> Result<Checkout, Failure> {
    let store = session.recipes()?;
    let found = store.look(given, version);
    found.map_err(|error| match store.list() {
        Ok(known) => not_found(error, given, &known),
        Err(_) => error.into(),
    })
}

fn not_found(error: Error, given: &str, known: &[RecipeName]) -> Failure {
    let near = nearest(given, known.iter().map(RecipeName::as_str));
    let unknown = matches!(error, Error::Unknown(_));
    let mut failure = Failure::from(error);
    if let (true, Some(near)) = (unknown, near) {
        failure.hints = vec![format!("did you mean `{near}`?")];
    }
    failure
}
