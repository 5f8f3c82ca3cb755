//! `recipe-files`: the recipe's own files, read only. No grant is needed, since
//! the plugin comes out of the same folder; [`RecipeFiles`](crate::plugin::RecipeFiles)
//! ensures that no path and no link leaves it.

use wasmtime::component::{HasSelf, Linker};

use super::State;
use crate::plugin::{FileError, bindings::recipe_files, text::clean_line};

type Answer<T> = wasmtime::Result<Result<T, recipe_files::Error>>;

pub fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    recipe_files::add_to_linker::<_, HasSelf<State>>(linker, |state| state)
}

impl recipe_files::Host for State {
    fn read(&mut self, path: String) -> Answer<Vec<u8>> {
        self.call()?;
        if path.is_empty() || !plain(&path) {
            return Ok(Err(invalid(&path)));
        }
        let limit = self.account.limits().output;
        Ok(match self.surroundings.files.read(&path) {
            Ok(content) if content.len() > limit => Err(FileError::TooLarge(limit).into()),
            read => read.map_err(Into::into),
        })
    }

    fn names(&mut self, folder: String) -> Answer<Vec<String>> {
        self.call()?;
        if !plain(&folder) {
            return Ok(Err(invalid(&folder)));
        }
        let limit = self.account.limits().output;
        Ok(match self.surroundings.files.list(&folder) {
            Ok(names) if names.iter().map(String::len).sum::<usize>() > limit => {
                Err(FileError::TooLarge(limit).into())
            }
            listed => listed.map_err(Into::into),
        })
    }
}

/// A plain path: relative, without `.` and `..`.
fn plain(path: &str) -> bool {
    path.is_empty()
        || (!path.contains('\0')
            && path.split('/').all(|part| !matches!(part, "" | "." | ".." | ".git")))
}

fn invalid(path: &str) -> recipe_files::Error {
    recipe_files::Error::Invalid(format!(
        "{:?} is not a plain path inside the recipe",
        clean_line(path, 200)
    ))
}

impl From<FileError> for recipe_files::Error {
    fn from(error: FileError) -> Self {
        match error {
            FileError::NotFound => recipe_files::Error::NotFound,
            FileError::Invalid(why) => recipe_files::Error::Invalid(why),
            FileError::TooLarge(limit) => {
                recipe_files::Error::TooLarge(u32::try_from(limit).unwrap_or(u32::MAX))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_inside() {
        for good in ["", "logo.svg", "branding/logo.svg", ".env.sample", "a/..b"] {
            assert!(plain(good), "{good}");
        }
        for bad in ["/etc/passwd", "../x", "a/../../x", "a//b", "a/", "./a", ".git/config", "a\0b"]
        {
            assert!(!plain(bad), "{bad:?}");
        }
    }
}
