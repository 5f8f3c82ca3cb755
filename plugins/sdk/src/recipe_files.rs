//! The recipe's own files, of the version that this plugin comes from: logos,
//! templates, blueprints. No grant is needed.

use crate::host;

/// Why a file could not be read.
pub use crate::bindings::recipe::recipe_files::Error;

/// A regular file by its path in the recipe, `branding/logo.svg`.
///
/// # Errors
/// [`Error`]: not there, not a plain path, or too large.
pub fn read(path: &str) -> Result<Vec<u8>, Error> {
    host!(recipe_files::read(path))
}

/// Names in a folder of the recipe, sorted; those of folders end in `/`. The
/// recipe itself is the empty path.
///
/// # Errors
/// As [`read`].
pub fn names(folder: &str) -> Result<Vec<String>, Error> {
    host!(recipe_files::names(folder))
}

#[cfg(test)]
mod tests {
    use crate::testing::Script;

    #[test]
    fn a_script_has_files_of_the_recipe() {
        let script = Script::new().recipe_file("branding/logo.svg", "<svg/>").recipe_file("a", "");
        script.play(|| {
            assert_eq!(super::read("branding/logo.svg").unwrap(), b"<svg/>");
            assert_eq!(super::names("").unwrap(), ["a", "branding/"]);
            assert_eq!(super::names("branding").unwrap(), ["logo.svg"]);
            assert_eq!(super::read("b"), Err(super::Error::NotFound));
        });
    }
}
