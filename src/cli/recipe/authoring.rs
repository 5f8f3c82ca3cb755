//! What the commands of maintainers have in common.

use crate::{
    cli::{failure::Failure, prompt, session::Session},
    recipe::author::{Bump, Desk, Person, images, is_later, next, version},
};

/// The file that a recipe's version is in.
pub const COMPOSE: &str = "compose.yml";

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

/// The recipe's compose file, and what it is called.
///
/// # Errors
/// Where there is none.
pub fn compose(desk: &Desk) -> Result<(String, String), Failure> {
    for name in [COMPOSE, "compose.yaml"] {
        if let Some(text) = desk.text(name)? {
            return Ok((name.to_owned(), text));
        }
    }
    Err(Failure::new("the recipe has no compose.yml"))
}

/// The version that is meant: the one given, the newest release with a number raised, or what
/// the label says already.
///
/// # Errors
/// Where nobody says it, and for one that is no later than the newest.
pub fn wanted(
    session: &Session,
    given: Option<&str>,
    bump: Option<Bump>,
    newest: Option<&str>,
    text: &str,
) -> Result<String, Failure> {
    let label = version(text).map_err(|error| Failure::new(format!("{COMPOSE}: {error}")))?;
    let found = match (given, bump) {
        (Some(given), _) => given.to_owned(),
        (None, Some(bump)) => raised(newest, bump, text)?,
        (None, None) => match label.filter(|label| is_later(label, newest)) {
            Some(label) => label,
            None if session.ui.is_interactive() => {
                let options = ["patch", "minor", "major"].to_vec();
                let bump = match prompt::select(&session.ui, "What changed:", options)? {
                    "major" => Bump::Major,
                    "minor" => Bump::Minor,
                    _ => Bump::Patch,
                };
                raised(newest, bump, text)?
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

fn raised(newest: Option<&str>, bump: Bump, text: &str) -> Result<String, Failure> {
    let images = images(text).map_err(|error| Failure::new(format!("{COMPOSE}: {error}")))?;
    let main = images.iter().find(|(service, _)| service == "app");
    let upstream = main.and_then(|(_, image)| crate::recipe::author::repository_of(image));
    next(newest, bump, upstream.map(|(_, _, tag)| tag)).ok_or_else(|| {
        Failure::new(format!(
            "the newest release, {}, has no three numbers to raise",
            newest.unwrap_or_default()
        ))
        .hint("name the version")
    })
}
