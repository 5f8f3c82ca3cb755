//! What a CI runs for a recipe: lint, then its test on a simulated server.

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
