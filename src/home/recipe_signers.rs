//! Whose signatures make a recipe's version one that is used: `recipe-signers` for all
//! recipes, `recipe-signers.d/RECIPE` for one of them instead. Both are git's own format,
//! `gpg.ssh.allowedSignersFile` (ssh-keygen(1), ALLOWED SIGNERS). Where neither exists,
//! nothing is checked.
//!
//! They have nothing to do with `signers/`, the machines whose backups are believed.

use std::path::PathBuf;

use super::{Error, Home, names::RecipeName, write::read_text};

/// The file for all recipes.
const ALL: &str = "recipe-signers";
/// The folder of files for one recipe each.
const EACH: &str = "recipe-signers.d";

/// The people whose signatures are believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecipeSigners {
    /// The file, below the operator's folder.
    pub name: String,
    pub text: String,
}

impl Home {
    /// Who may sign the versions of a recipe; none where that is not checked.
    ///
    /// # Errors
    /// A file that cannot be read, or that names nobody: it was meant to be a protection.
    pub fn recipe_signers(&self, recipe: &RecipeName) -> Result<Option<RecipeSigners>, Error> {
        for name in [format!("{EACH}/{recipe}"), ALL.to_owned()] {
            let path = self.root().join(&name);
            // A link that leads nowhere is a file that is missing, and no leave.
            if path.symlink_metadata().is_err_and(|e| e.kind() == std::io::ErrorKind::NotFound) {
                continue;
            }
            let text = read_text(&path)?;
            check(&text).map_err(|message| Error::Invalid { path, message })?;
            return Ok(Some(RecipeSigners { name, text }));
        }
        Ok(None)
    }

    /// Where the file for all recipes is.
    pub fn recipe_signers_path(&self) -> PathBuf {
        self.root().join(ALL)
    }
}

/// ssh-keygen skips lines that it does not understand, which are then nobody's.
fn check(text: &str) -> Result<(), String> {
    let mut lines = 0;
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        lines += 1;
        let is_kind = |word: &str| {
            ["ssh-", "ecdsa-", "sk-ssh-", "sk-ecdsa-"].iter().any(|kind| word.starts_with(kind))
        };
        let mut words = line.split_whitespace().skip(1);
        if !words.any(is_kind) || words.next().is_none() {
            let number = number + 1;
            return Err(format!("line {number}: expected `NAME ssh-ed25519 AAAA…`"));
        }
    }
    match lines {
        0 => Err("it names nobody whose signatures are believed".into()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "anna@example.org ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKx7\n";

    #[test]
    fn a_recipes_own_file_counts_instead_of_the_one_for_all() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::new(folder.path());
        let wiki = RecipeName::new("wiki").unwrap();
        assert_eq!(home.recipe_signers(&wiki).unwrap(), None);
        std::fs::write(home.recipe_signers_path(), KEY).unwrap();
        assert_eq!(home.recipe_signers(&wiki).unwrap().unwrap().name, "recipe-signers");
        std::fs::create_dir(folder.path().join(EACH)).unwrap();
        std::fs::write(folder.path().join(EACH).join("wiki"), KEY).unwrap();
        assert_eq!(home.recipe_signers(&wiki).unwrap().unwrap().name, "recipe-signers.d/wiki");
    }

    #[test]
    fn a_file_that_protects_nothing_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::new(folder.path());
        let wiki = RecipeName::new("wiki").unwrap();
        for (text, expected) in [
            ("", "names nobody"),
            ("# anna is on holiday\n\n", "names nobody"),
            ("anna@example.org\n", "line 1: expected"),
            ("# x\nssh-ed25519 AAAAC3Nz\n", "line 2: expected"),
        ] {
            std::fs::write(home.recipe_signers_path(), text).unwrap();
            let error = home.recipe_signers(&wiki).unwrap_err().to_string();
            assert!(error.contains(expected), "{text:?}: {error}");
        }
        std::fs::remove_file(home.recipe_signers_path()).unwrap();
        std::os::unix::fs::symlink("nowhere", home.recipe_signers_path()).unwrap();
        assert!(home.recipe_signers(&wiki).is_err());
        std::fs::remove_file(home.recipe_signers_path()).unwrap();
        let options = "a@b namespaces=\"git\",valid-after=\"20260101\" ssh-ed25519 AAAA comment\n";
        std::fs::write(home.recipe_signers_path(), options).unwrap();
        assert!(home.recipe_signers(&wiki).unwrap().is_some());
    }
}
