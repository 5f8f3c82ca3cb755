//! Errors of recipes.

use crate::{hint::Hint, home::RecipeName};

/// Errors of recipes. Every variant names the recipe, the file or
/// the address that it is about.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    #[error("no recipe is called `{recipe}`")]
    Unknown { recipe: RecipeName, nearest: Option<RecipeName> },
    /// A link to a folder that was moved or removed.
    #[error("the recipe `{recipe}` is a link to {folder}, which does not exist")]
    FolderGone { recipe: RecipeName, folder: String },
    #[error("the recipe `{recipe}` has no version `{version}`")]
    UnknownVersion { recipe: RecipeName, version: String, releases: Releases },
    #[error("the recipe `{recipe}` is not here, and nothing is fetched (--offline)")]
    Offline { recipe: RecipeName, address: String },
    /// Two repositories whose addresses become one name.
    #[error("the recipe `{recipe}` here is from {origin}, and the settings name {wanted}")]
    OtherOrigin { recipe: RecipeName, origin: String, wanted: String },
    /// The name is taken by a recipe from elsewhere.
    #[error("a recipe called `{recipe}` exists already, from {origin}")]
    Exists { recipe: RecipeName, origin: String },
    #[error("`{given}` cannot be the source of a recipe: {reason}")]
    Source { given: String, reason: String },
    #[error("the program `git` is not on this machine, or not in PATH")]
    NoGit,
    #[error("{action}: {message}")]
    Git { action: String, message: String },
    /// A folder without git, for what works with commits and releases.
    #[error("{folder} is not a git repository")]
    NotRepository { folder: String },
    /// A folder that has none of a recipe's files.
    #[error("{folder} has no compose.yml: it is not the folder of a recipe")]
    NotRecipe { folder: String },
    /// A repository that is not read as data.
    #[error("the git repository in {path} cannot be read: {why}")]
    Repository { path: String, why: Unreadable },
    /// A version that nobody signed whom the folder names.
    #[error("{}", .0)]
    Unsigned(Box<Unsigned>),
    /// The files that say who may sign.
    #[error("{0}")]
    Signers(String),
    #[error("`{path}` leaves the recipe's folder")]
    Outside { path: String },
    #[error("the recipe `{recipe}` is too large: {reason}")]
    TooLarge { recipe: RecipeName, reason: String },
    #[error("reading {path}: {source}")]
    Io {
        path: String,
        #[source]
        source: std::io::Error,
    },
    #[error("a temporary folder cannot be made")]
    Temporary(#[source] std::io::Error),
    #[error("recipe.yml: {0}")]
    Manifest(String),
    #[error("potluck has no plugin `std:{given}`")]
    NotStandard { given: String, nearest: Option<&'static str> },
    #[error("this potluck was built without its plugin `std:{name}`")]
    NotBuilt { name: &'static str },
}

/// The versions that a recipe has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Releases {
    /// A folder without git has only one version, without a name.
    NoGit,
    /// Newest first.
    Known(Vec<String>),
}

impl Releases {
    /// The hint if the recipe has no such version.
    fn instead_of(&self, recipe: &RecipeName, wanted: &str) -> String {
        /// At most as many as a person reads.
        const SHOWN: usize = 5;
        let Releases::Known(known) = self else {
            return "it is a folder without git, which has no versions: leave the version out, in \
                    the settings, too"
                .into();
        };
        // The recipe's own version without that of its main image.
        let begun = known.iter().find(|release| {
            release.strip_prefix(wanted).is_some_and(|rest| rest.starts_with(['+', '_']))
        });
        let here = match (begun, known.as_slice()) {
            (Some(release), _) => format!("did you mean `{release}`?"),
            (None, []) => "it has no releases here.".to_owned(),
            (None, [only]) => format!("its only release here is {only}."),
            (None, all) if all.len() <= SHOWN => {
                format!("its releases here, newest first: {}.", all.join(", "))
            }
            (None, all) => {
                format!("its newest releases here: {} (of {}).", all[..SHOWN].join(", "), all.len())
            }
        };
        format!(
            "{here} `git -C recipes/{recipe} fetch --tags`, in potluck's folder, gets what is new"
        )
    }
}

/// A version that is not used, because it is not known to be the team's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{version} of the recipe `{recipe}` is not used: {why} ({signers} says who may sign)")]
pub struct Unsigned {
    pub recipe: RecipeName,
    /// A release, or the full id of a commit.
    pub version: String,
    pub why: Untrusted,
    /// The file that says who may sign, below potluck's folder.
    pub signers: String,
    /// The newest release that is signed by one of them.
    pub newest: Option<String>,
}

impl Unsigned {
    fn hint(&self) -> String {
        let Unsigned { recipe, version, why, newest, .. } = self;
        let next = match why {
            Untrusted::Lightweight | Untrusted::Unsigned | Untrusted::OtherKind => {
                "ask its maintainers for a signed tag (`git tag -s` with gpg.format=ssh)".to_owned()
            }
            Untrusted::Stranger { .. } => format!(
                "if that is a maintainer's key, add its line to {}; `ssh-keygen -lf KEY.pub` shows \
                 a key's fingerprint",
                self.signers
            ),
            Untrusted::Moved { after, .. } => {
                format!("ask its maintainers why; if it is right, name the commit instead: {after}")
            }
            Untrusted::Renamed { .. } | Untrusted::NoCommit | Untrusted::Wrong { .. } => format!(
                "ask its maintainers: somebody changed it after it was signed. `git -C \
                 recipes/{recipe} tag -d {version}`, in potluck's folder, lets the next `potluck \
                 recipe fetch {recipe}` get theirs"
            ),
        };
        match newest {
            Some(newest) if newest != version => {
                format!("{next}. The newest release that is signed is {newest}: name it instead")
            }
            _ => next,
        }
    }
}

/// Why a version is not known to be the team's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Untrusted {
    #[error("its tag is a lightweight one, which cannot be signed")]
    Lightweight,
    #[error("it is not signed")]
    Unsigned,
    #[error("it is signed with OpenPGP or X.509, and potluck checks signatures of SSH keys")]
    OtherKind,
    #[error("it is signed with a key of nobody who may ({key})")]
    Stranger { key: String },
    #[error("its tag was moved: it was signed as `{named}`")]
    Renamed { named: String },
    #[error("its tag is not that of a commit")]
    NoCommit,
    #[error("its tag was moved since it was deployed, from commit {before} to {after}")]
    Moved { before: String, after: String },
    #[error("its signature is wrong: {told}")]
    Wrong { told: String },
}

/// Why a repository that somebody else made is not read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    #[error("`.git` points to another folder, as in a worktree or a submodule; it is not followed")]
    Pointer,
    #[error("`.git` is a link or no folder; it is not followed")]
    Link,
    #[error("it keeps its objects in another repository (`objects/info/alternates`)")]
    Alternates,
    #[error("it stores its references as a reftable")]
    Reftable,
    #[error("its ids are SHA-256; potluck reads repositories with SHA-1 ids, git's default")]
    Sha256,
    #[error("it has no files beside its objects (a bare repository)")]
    Bare,
    #[error("the program `git` is not on this machine, or not in PATH")]
    NoGit,
    #[error("it has {0}")]
    TooLarge(String),
    #[error("objects are missing or damaged: {0}")]
    Damaged(String),
    #[error("{0}")]
    Odd(String),
}

impl Unreadable {
    /// With the folder it is about.
    pub(super) fn at(self, path: &std::path::Path) -> Error {
        Error::Repository { path: path.display().to_string(), why: self }
    }

    fn hint(&self) -> Option<&'static str> {
        Some(match self {
            Unreadable::Pointer | Unreadable::Link => {
                "name the repository that it belongs to, or its URL; the working files of a linked \
                 folder deploy without a version"
            }
            Unreadable::NoGit => "install it, `apt install git`",
            Unreadable::Alternates | Unreadable::Damaged(_) => {
                "clone it again from its URL, whole: without --shared, --reference and --filter"
            }
            Unreadable::Reftable => {
                "name its URL instead; in a repository of your own, `git refs migrate \
                 --ref-format=files` changes how references are stored"
            }
            Unreadable::Sha256 => "name a repository that was made with `--object-format=sha1`",
            Unreadable::Bare => "name a version, or link a clone that has its files",
            Unreadable::TooLarge(_) | Unreadable::Odd(_) => return None,
        })
    }
}

impl From<std::io::Error> for Unreadable {
    fn from(error: std::io::Error) -> Self {
        // What opening a link ends in when links are not followed.
        if error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) {
            return Unreadable::Odd("it holds a link in place of a file or a folder".into());
        }
        Unreadable::Odd(error.to_string())
    }
}

impl Hint for Error {
    fn hint(&self) -> Option<String> {
        match self {
            Error::Unknown { nearest: Some(name), .. } => {
                Some(format!("did you mean `{name}`? `potluck recipe ls` lists the recipes here"))
            }
            Error::Unknown { nearest: None, .. } => Some(
                "`potluck recipe ls` lists the recipes here; a new one is named by its git URL or \
                 its folder"
                    .into(),
            ),
            Error::FolderGone { recipe, .. } => Some(format!(
                "bring the folder back, or in potluck's folder run `ln -sfn FOLDER recipes/{recipe}`, \
                 where FOLDER is its new place"
            )),
            Error::UnknownVersion { recipe, version, releases } => {
                Some(releases.instead_of(recipe, version))
            }
            Error::Offline { address, .. } => {
                Some(format!("without `--offline` it is fetched from {address}"))
            }
            Error::OtherOrigin { recipe, origin, .. } => Some(format!(
                "remove or rename the folder `recipes/{recipe}` if no app is of {origin}, or \
                 correct the line TYPE in the settings"
            )),
            Error::Exists { recipe, .. } => Some(format!(
                "a fork is named by its address, `git.example.org/org/{recipe}`, and is kept \
                 beside; or remove or rename the folder `recipes/{recipe}` first"
            )),
            Error::Temporary(_) => {
                Some("the variable TMPDIR names a folder in which potluck may write".into())
            }
            Error::Source { .. } => Some(
                "a recipe comes from an `https://`, `ssh://` or `file://` URL, `user@host:path`, \
                 or a folder written with a slash, `./wordpress`"
                    .into(),
            ),
            Error::NoGit => {
                Some("recipes are git repositories: install it, `apt install git`".into())
            }
            Error::Unsigned(unsigned) => Some(unsigned.hint()),
            Error::NotRepository { .. } => Some(
                "releases are tags of git: in that folder run `git init`, `git add --all` and `git \
                 commit` first"
                    .into(),
            ),
            Error::NotRecipe { .. } => Some(
                "name a recipe's folder; `potluck recipe new NAME --from FOLDER` makes a recipe of \
                 another project"
                    .into(),
            ),
            Error::Repository { why, .. } => why.hint().map(str::to_owned),
            Error::Outside { .. } => {
                Some("paths in a recipe are relative and stay below its folder".into())
            }
            Error::NotStandard { nearest: Some(name), .. } => {
                Some(format!("did you mean `std:{name}`?"))
            }
            Error::NotStandard { nearest: None, .. } => {
                Some("`potluck plugin ls` lists those that come with it".into())
            }
            Error::NotBuilt { .. } => Some(
                "in potluck's source, `make plugins` builds its plugins; then build potluck again"
                    .into(),
            ),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_version_is_told_the_releases_there_are() {
        let known = |releases: &[&str]| {
            Releases::Known(releases.iter().map(|&release| release.to_owned()).collect())
        };
        for (releases, wanted, expected) in [
            (known(&["1.0.0"]), "3.0.0", "its only release here is 1.0.0."),
            (known(&["2.0.0", "1.0.0"]), "3.0.0", "its releases here, newest first: 2.0.0, 1.0.0."),
            (known(&["2.0.0+8", "1.0.0+6"]), "1.0.0", "did you mean `1.0.0+6`?"),
            (known(&["10.0.0+8"]), "1", "its only release here is 10.0.0+8."),
            (
                known(&["6", "5", "4", "3", "2", "1"]),
                "7",
                "its newest releases here: 6, 5, 4, 3, 2 (of 6).",
            ),
            (known(&[]), "1.0.0", "it has no releases here."),
        ] {
            let recipe = RecipeName::new("wiki").unwrap();
            let version = wanted.to_owned();
            let hint = Error::UnknownVersion { recipe, version, releases }.hint().unwrap();
            assert_eq!(
                hint,
                format!(
                    "{expected} `git -C recipes/wiki fetch --tags`, in potluck's folder, gets what \
                     is new"
                )
            );
        }
        let recipe = RecipeName::new("wiki").unwrap();
        let hint = Releases::NoGit.instead_of(&recipe, "1.0.0");
        assert!(hint.contains("without git") && !hint.contains("fetch"), "{hint}");
    }
}
