//! What a CI runs for a recipe: lint, then its test on a simulated server.

use std::{
    io::{self, Write as _},
    path::Path,
};

use cap_std::{
    ambient_authority,
    fs::{Dir, OpenOptions},
};

use super::Error;

/// Which CI reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ci {
    /// `.woodpecker.yml`.
    Woodpecker,
    /// `.forgejo/workflows/recipe.yml`, in the syntax that Gitea and GitHub read, too.
    Forgejo,
}

impl Ci {
    /// Where its file is in the recipe.
    pub fn path(self) -> &'static str {
        match self {
            Ci::Woodpecker => ".woodpecker.yml",
            Ci::Forgejo => ".forgejo/workflows/recipe.yml",
        }
    }

    /// Writes the file into a recipe that exists, below its folder.
    ///
    /// # Errors
    /// [`Error::HasCi`], [`Error::Io`].
    pub fn add_to(self, folder: &Path) -> Result<(), Error> {
        let path = folder.join(self.path());
        let failed = |source| Error::Io { action: "writing", path: path.clone(), source };
        // A recipe is of others, and a link in it may lead out.
        let dir = Dir::open_ambient_dir(folder, ambient_authority()).map_err(failed)?;
        let parent = Path::new(self.path()).parent();
        if let Some(parent) = parent.filter(|parent| !parent.as_os_str().is_empty()) {
            dir.create_dir_all(parent).map_err(failed)?;
        }
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        match dir.open_with(self.path(), &options) {
            Ok(mut file) => file.write_all(self.text().as_bytes()).map_err(failed),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                Err(Error::HasCi { path: path.clone() })
            }
            Err(error) => Err(failed(error)),
        }
    }

    /// The file.
    pub fn text(self) -> &'static str {
        match self {
            Ci::Woodpecker => WOODPECKER,
            Ci::Forgejo => FORGEJO,
        }
    }
}

const WOODPECKER: &str = "\
# The image has potluck, git and restic: docs/install.md of potluck says how they are installed.
when:
  - event: [push, pull_request, tag]

steps:
  - name: lint
    image: registry.example.org/potluck:latest
    commands:
      - potluck recipe lint .
  - name: test
    image: registry.example.org/potluck:latest
    commands:
      # The release before is found by its tag.
      - git fetch --tags --unshallow || git fetch --tags
      # Raise the level as the recipe gets better.
      - potluck recipe test . --junit report.xml --level 1
";

const FORGEJO: &str = "\
# The image has potluck, git and restic: docs/install.md of potluck says how they are installed.
on: [push, pull_request]

jobs:
  recipe:
    runs-on: docker
    container:
      image: registry.example.org/potluck:latest
    steps:
      - uses: actions/checkout@v4
        with:
          # The release before is found by its tag.
          fetch-depth: 0
      - run: potluck recipe lint .
      # Raise the level as the recipe gets better.
      - run: potluck recipe test . --junit report.xml --level 1
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_added_once_and_stays_in_the_folder() {
        let place = tempfile::tempdir().unwrap();
        let recipe = place.path().join("recipe");
        std::fs::create_dir(&recipe).unwrap();
        for ci in [Ci::Woodpecker, Ci::Forgejo] {
            ci.add_to(&recipe).unwrap();
            assert_eq!(std::fs::read_to_string(recipe.join(ci.path())).unwrap(), ci.text());
            assert!(matches!(ci.add_to(&recipe), Err(Error::HasCi { .. })));
        }
        std::fs::remove_dir_all(recipe.join(".forgejo")).unwrap();
        std::os::unix::fs::symlink(place.path(), recipe.join(".forgejo")).unwrap();
        assert!(matches!(Ci::Forgejo.add_to(&recipe), Err(Error::Io { .. })));
        assert!(!place.path().join("workflows").exists());
    }

    #[test]
    fn both_files_are_yaml_that_lints_and_tests() {
        for ci in [Ci::Woodpecker, Ci::Forgejo] {
            let read: serde_json::Value = serde_saphyr::from_str(ci.text()).unwrap();
            assert!(read.is_object(), "{ci:?}");
            for command in ["potluck recipe lint .", "potluck recipe test . --junit report.xml"] {
                assert!(ci.text().contains(command), "{ci:?}");
            }
        }
    }
}
