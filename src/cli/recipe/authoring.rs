//! What the commands of maintainers have in common.

use crate::{
    cli::{failure::Failure, prompt, session::Session, ui::clean},
    home::RecipeName,
    recipe::{
        Store,
        author::{Bump, Desk, Person, Texts, Unedited, after, is_further, is_later, version},
    },
};

/// Where the note of the coming release is kept.
pub const NEXT: &str = "release/next";

/// The recipe that is worked on.
#[derive(Debug, Clone, clap::Args)]
pub struct WorkArg {
    /// The recipe: its name, or its folder
    #[arg(value_name = "RECIPE")]
    pub recipe: String,
}

impl WorkArg {
    /// Its clone, and the store that has it.
    ///
    /// # Errors
    /// For one that does not exist, or is not a clone with files.
    pub fn open(&self, session: &Session) -> Result<(Store, RecipeName, Desk), Failure> {
        let (store, name) = session.recipes()?.at_hand(&self.recipe)?;
        let desk = Desk::open(&store, &name)?;
        Ok((store, name, desk))
    }
}

/// Which number of the version is raised.
#[derive(Debug, Clone, clap::Args)]
pub struct BumpArg {
    /// Raise the first number: operators have to do something, or it cannot be undone
    #[arg(short = 'x', long, conflicts_with_all = ["minor", "patch"])]
    major: bool,

    /// Raise the second number
    #[arg(short = 'y', long, conflicts_with = "patch")]
    minor: bool,

    /// Raise the third number
    #[arg(short = 'z', long)]
    patch: bool,
}

impl BumpArg {
    pub fn bump(&self) -> Option<Bump> {
        match (self.major, self.minor, self.patch) {
            (true, ..) => Some(Bump::Major),
            (_, true, _) => Some(Bump::Minor),
            (.., true) => Some(Bump::Patch),
            _ => None,
        }
    }
}

/// Who commits.
#[derive(Debug, Clone, clap::Args)]
pub struct PersonArg {
    /// Your name in git's history [default: as git is configured]
    #[arg(short = 'N', long, value_name = "NAME")]
    git_name: Option<String>,

    /// Your address there
    #[arg(short = 'e', long, value_name = "ADDRESS")]
    git_email: Option<String>,
}

impl PersonArg {
    pub fn person(&self) -> Person {
        Person { name: self.git_name.clone(), email: self.git_email.clone() }
    }
}

/// What goes wrong where git does not know who somebody is.
pub fn of_git(error: crate::recipe::Error) -> Failure {
    let said = error.to_string();
    let failure = Failure::from(error);
    let unknown = ["identity", "user.email", "user.name", "ident name", "auto-detect"];
    match unknown.iter().any(|words| said.contains(words)) {
        true => {
            failure.hint("pass `--git-name` and `--git-email`, or set user.name and user.email")
        }
        false => failure,
    }
}

/// The recipe's compose file, and its name.
///
/// # Errors
/// If it does not exist.
pub fn compose(texts: &Texts) -> Result<(String, String), Failure> {
    let (name, text) = texts.main().ok_or_else(|| Failure::new("the recipe has no compose.yml"))?;
    Ok((name.to_owned(), text.to_owned()))
}

/// Why a compose file says no version.
pub fn of_file(file: &str, error: &Unedited) -> Failure {
    let failure = Failure::new(format!("{file}: {error}"));
    match error {
        Unedited::NoApp => failure.hint(rename(file)),
        _ => failure,
    }
}

/// What to do where no service is called `app`.
pub fn rename(file: &str) -> String {
    format!(
        "the recipe's version is a label of its main service: call that one `app` in {file}, also \
         where overlays and recipe.yml name it"
    )
}

/// The version that is meant: the one given, the newest release with a number raised, or what
/// the label says already. A number that waits for its release is never lowered by the way.
///
/// # Errors
/// Where nobody says it, and for one that is no later than the newest.
pub fn wanted(
    session: &Session,
    given: Option<&str>,
    bump: Option<Bump>,
    newest: Option<&str>,
    texts: &Texts,
) -> Result<String, Failure> {
    let (file, text) = compose(texts)?;
    let label = version(&text).map_err(|error| of_file(&file, &error))?;
    let found = match (given, bump) {
        (Some(given), _) => given.to_owned(),
        (None, Some(bump)) => {
            let found = raised(newest, label.as_deref(), bump, texts)?;
            if let Some(label) = label.filter(|label| is_further(label, newest, bump)) {
                session.ui.warn(format_args!(
                    "the label waits for {} already, which is further than asked: it is kept; name \
                     the version to go back",
                    clean(&label)
                ));
            }
            found
        }
        (None, None) => match label.filter(|label| is_later(label, newest)) {
            Some(label) => label,
            None if session.ui.is_interactive() => {
                let options = ["patch", "minor", "major"].to_vec();
                let bump = match prompt::select(&session.ui, "What changed:", options)? {
                    "major" => Bump::Major,
                    "minor" => Bump::Minor,
                    _ => Bump::Patch,
                };
                raised(newest, None, bump, texts)?
            }
            None => {
                return Err(Failure::usage("no version is given")
                    .hint("pass --major, --minor or --patch, or name the version"));
            }
        },
    };
    if !is_later(&found, newest) {
        let newest = newest.map(|newest| format!(" later than {newest}")).unwrap_or_default();
        return Err(Failure::usage(format!("`{found}` is not a version{newest}"))
            .hint("a version is x.y.z+TAG, where TAG is that of the image of the service `app`"));
    }
    Ok(found)
}

fn raised(
    newest: Option<&str>,
    label: Option<&str>,
    bump: Bump,
    texts: &Texts,
) -> Result<String, Failure> {
    let upstream = texts.upstream().map_err(|error| Failure::of(&error))?;
    after(newest, label, bump, upstream.as_deref()).ok_or_else(|| unnumbered(newest))
}

/// For a version that has no numbers to raise.
pub fn unnumbered(newest: Option<&str>) -> Failure {
    Failure::new(format!(
        "the newest release, {}, has no three numbers to raise",
        newest.unwrap_or_default()
    ))
    .hint("name the version")
}
