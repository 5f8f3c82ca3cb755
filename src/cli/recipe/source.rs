//! A recipe as people name it: by name, folder or git URL.

use crate::{
    cli::{
        failure::Failure,
        session::{Session, nearest},
    },
    home::RecipeName,
    recipe::Error,
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
    let name = store.add(given).map_err(|error| {
        let near = nearest(given, known.iter().map(RecipeName::as_str));
        let unknown = matches!(error, Error::Unknown(_));
        let mut failure = Failure::from(error);
        if let (true, Some(near)) = (unknown, near) {
            failure.hints = vec![format!("did you mean `{near}`?")];
        }
        failure
    })?;
    if !known.contains(&name) {
        session.ui.say(format_args!("Added the recipe {name} from {given}."));
    }
    Ok(name)
}
