//! A recipe as people name it: by name, folder or git URL.

use std::path::Path;

use crate::{
    cli::{
        failure::Failure,
        session::Session,
        shell,
        ui::{clean, counted},
    },
    hint::nearest,
    home::{RecipeAddress, RecipeName},
    recipe::{Checkout, Error, Store, Version},
    toolchain,
};

/// A recipe that was just added; removed again when dropped, unless it is kept.
#[must_use = "the recipe is taken out again when this is dropped"]
pub struct Added<'a> {
    session: &'a Session,
    /// None where it was here already, or is kept.
    recipe: Option<(Store, RecipeName)>,
    /// The message then.
    said: String,
}

impl Added<'_> {
    /// Keeps it, and says so.
    pub fn keep(&mut self) {
        if self.recipe.take().is_some() {
            self.session.ui.say(&self.said);
        }
    }
}

impl Drop for Added<'_> {
    fn drop(&mut self) {
        if let Some((store, name)) = self.recipe.take()
            && let Err(error) = store.take_out(&name)
        {
            self.session.ui.warn(format_args!("the recipe {name} stays added: {error}"));
        }
    }
}

/// The recipe that is meant. A folder or URL is first added to the operator's
/// folder, and stays there if it is kept.
///
/// # Errors
/// When there is no such recipe, with the nearest name as a hint; when it
/// can't be fetched.
pub fn take_in<'a>(session: &'a Session, given: &str) -> Result<(RecipeName, Added<'a>), Failure> {
    let store = session.recipes()?;
    let known = store.list()?;
    if let Some(name) = known.iter().find(|name| name.as_str() == given) {
        let here = Added { session, recipe: None, said: String::new() };
        return Ok((name.clone(), here));
    }
    no_plugin(given)?;
    let name = match by_address(given) {
        Some(address) => {
            let name = address.recipe.clone();
            store.clone().from(Some(address)).provide(&name)?;
            name
        }
        None => store.add(given).map_err(|error| not_found(error, given, &known))?,
    };
    let mut added = Added { session, recipe: None, said: String::new() };
    if !known.contains(&name) {
        let origin = match std::fs::read_link(store.folder.join(name.as_str())) {
            Ok(folder) => format!("linked to {}", folder.display()),
            Err(_) => format!("cloned from {given}"),
        };
        added.said = format!("Added recipe {name}, {}.", clean(&origin));
        added.recipe = Some((store, name.clone()));
    }
    Ok((name, added))
}

/// The recipe here that is meant: by its name, its folder or its address; with the store that
/// has it.
///
/// # Errors
/// When there is no such recipe, with the nearest name as a hint.
pub fn here(session: &Session, given: &str) -> Result<(Store, RecipeName), Failure> {
    let store = session.recipes()?;
    let name = match by_address(given) {
        Some(address) if store.has(&address)? => address.recipe,
        Some(_) => {
            return Err(Failure::new(format!("no recipe here is from `{}`", clean(given)))
                .hint(format!("`potluck recipe fetch {}` gets it", shell::word(given))));
        }
        None if given.contains('/') => return Ok(store.at_hand(given)?),
        None => RecipeName::new(given)?,
    };
    Ok((store, name))
}

/// `git.example.org/org/wiki`, as settings name a recipe, and no folder of this machine.
fn by_address(given: &str) -> Option<RecipeAddress> {
    let host = given.split_once('/')?.0;
    let is_host = host.contains('.') && !host.starts_with('.') && !host.contains([':', '@']);
    match is_host && !Path::new(given).exists() {
        true => RecipeAddress::parse(given).ok().flatten(),
        false => None,
    }
}

/// A copy of the recipe that is meant, for inspection: nothing is added to
/// the operator's folder.
///
/// # Errors
/// As [`take_in`].
pub fn look(session: &Session, given: &str, version: &Version) -> Result<Checkout, Failure> {
    looked_at(session, given, |store, source| store.look(source, version))
}

/// As [`look`], of a recipe whose `recipe.yml` may be wrong.
///
/// # Errors
/// As [`take_in`].
pub fn examine(session: &Session, given: &str, version: &Version) -> Result<Checkout, Failure> {
    looked_at(session, given, |store, source| store.examine_source(source, version))
}

fn looked_at(
    session: &Session,
    given: &str,
    look: impl FnOnce(&Store, &str) -> Result<Checkout, Error>,
) -> Result<Checkout, Failure> {
    let store = session.recipes()?;
    if !store.list().is_ok_and(|known| known.iter().any(|name| name.as_str() == given)) {
        no_plugin(given)?;
    }
    let found = match by_address(given) {
        // Its name here, where it is that one; else it is cloned aside.
        Some(address) if store.has(&address)? => look(&store, address.recipe.as_str()),
        Some(_) => look(&store, &format!("https://{given}")),
        None => look(&store, given),
    };
    found.map_err(|error| match store.list() {
        Ok(known) => not_found(error, given, &known),
        Err(_) => error.into(),
    })
}

/// Which version an author means, who may be about to make the next one: the newest release, or
/// the files as they are with `--chaos`, and where nothing was released yet.
#[derive(Debug, clap::Args)]
pub struct VersionArg {
    /// The recipe's version [default: the newest release; a folder's own files]
    #[arg(value_name = "VERSION")]
    version: Option<String>,

    /// The files of its folder as they are, committed or not
    #[arg(short = 'C', long, conflicts_with = "version")]
    chaos: bool,
}

impl VersionArg {
    /// The version, in words of the library. Says what of a clone is left out.
    ///
    /// # Errors
    /// As [`look`].
    pub fn of(&self, session: &Session, given: &str) -> Result<Version, Failure> {
        match (&self.version, self.chaos) {
            (Some(version), _) => return Ok(Version::Named(version.clone())),
            (None, true) => return Ok(Version::Working),
            (None, false) => {}
        }
        let store = session.recipes()?;
        let known = store.list()?.into_iter().find(|name| name.as_str() == given);
        // A folder's own files are what is meant by it; a bare clone has none.
        let Some((clone, chaos)) = known.and_then(|name| {
            let files = store.examine(&name, &Version::Working).ok()?;
            let is_link = store.place(&name).is_symlink();
            files.chaos.filter(|_| !is_link).map(|chaos| (name, chaos))
        }) else {
            return Ok(Version::Newest);
        };
        if store.versions(&clone)?.is_empty() {
            return Ok(Version::Working);
        }
        let released = store.examine(&clone, &Version::Newest)?;
        let left_out = match chaos.changed.len() {
            0 if chaos.head == released.commit => return Ok(Version::Newest),
            0 => "commits".to_owned(),
            files => counted(files, "changed file"),
        };
        session.ui.say(format_args!(
            "This is about {}, without the {left_out} of {clone} that it lacks: `--chaos` takes the \
             files as they are.",
            clean(released.version.as_deref().unwrap_or("the newest release")),
        ));
        Ok(Version::Newest)
    }
}

/// The release tags of the recipe that is meant, newest first: nothing is added to the
/// operator's folder.
///
/// # Errors
/// As [`take_in`].
pub fn releases(session: &Session, given: &str) -> Result<Vec<String>, Failure> {
    let store = session.recipes()?;
    match by_address(given) {
        Some(address) if store.has(&address)? => store.look_versions(address.recipe.as_str()),
        Some(_) => store.look_versions(&format!("https://{given}")),
        None => store.look_versions(given),
    }
    .map_err(Failure::from)
}

/// A plugin's folder is not a recipe, though it may be inside one.
fn no_plugin(given: &str) -> Result<(), Failure> {
    let folder = Path::new(given);
    if !toolchain::is_plugin(folder) {
        return Ok(());
    }
    let failure = Failure::usage(format!("`{given}` is a plugin's folder, not a recipe's"));
    let next = match toolchain::built(folder) {
        Some(component) => {
            format!("to inspect it: `potluck plugin inspect {}`", shell::path(&component))
        }
        None => format!("`potluck plugin build {}` makes its component", shell::word(given)),
    };
    let failure = failure.hint(next);
    Err(match toolchain::is_in_recipe(folder) {
        true => failure.hint(format!("its recipe is `{}`", folder.join("../..").display())),
        false => failure,
    })
}

fn not_found(error: Error, given: &str, known: &[RecipeName]) -> Failure {
    let near = nearest(given, known.iter().map(RecipeName::as_str));
    let unknown = matches!(error, Error::Unknown { .. });
    let mut failure = Failure::from(error);
    if let (true, Some(near)) = (unknown, near) {
        failure.hints = vec![format!("did you mean `{near}`?")];
    }
    failure
}
